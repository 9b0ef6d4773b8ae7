//! Which series of a metric are there from the start, and how long they are shown: `init` and `expire_after`.

use std::time::Duration;

use crate::aggregate::Kind;
use crate::ledger::Lifetimes;
use crate::model::series::SeriesKey;
use crate::raw::fault::{Faults, did_you_mean, listed};
use crate::raw::mapping::Mapping;
use crate::raw::node::Node;

/// The shortest `expire_after`, which is the time between two ticks.
const MIN_EXPIRY: Duration = Duration::from_secs(1);

/// Reads both keys. `labels` and `max_series` are those of the metric; `None` where they are faulty.
pub(super) fn read(
    keys: &Mapping<'_>,
    kind: &Kind,
    (labels, max_series): (Option<&[String]>, Option<usize>),
    faults: &mut Faults,
) -> Option<Lifetimes> {
    let init = match keys.get("init") {
        None => Some(Vec::new()),
        Some(node) => init(node, kind, (labels?, max_series?), faults),
    };
    let expire_after = match keys.get("expire_after") {
        None => Some(None),
        Some(node) => expiry(node, labels?, faults).map(Some),
    };
    Some(Lifetimes { init: init?, expire_after: expire_after? })
}

fn expiry(node: &Node, labels: &[String], faults: &mut Faults) -> Option<Duration> {
    let after = node.duration(faults)?;
    if labels.is_empty() {
        faults.add(node.place, "a metric without labels has one series, which is always shown");
        return None;
    }
    if after < MIN_EXPIRY {
        let help = "a series that is hidden between two scrapes is never seen; `1h` is usual";
        faults.add_with_help(node.place, "`expire_after` is at least 1s", help);
        return None;
    }
    Some(after)
}

fn init(
    node: &Node,
    kind: &Kind,
    (labels, max_series): (&[String], usize),
    faults: &mut Faults,
) -> Option<Vec<SeriesKey>> {
    let entries = node.entries("a mapping of every label to a list of its values", faults)?;
    if !kind.starts_at_zero {
        let help = "leave `init` out; the series is shown from its first value on";
        faults.add_with_help(
            node.place,
            format!("a {} without a value has nothing to show", kind.name),
            help,
        );
        return None;
    }
    let mut whole = true;
    for (label, _) in entries.iter().filter(|(label, _)| !labels.contains(&label.text)) {
        let names = || labels.iter().map(String::as_str);
        let help = did_you_mean(&label.text, names())
            .unwrap_or_else(|| format!("the labels here are {}", listed(names())));
        faults.add_with_help(label.place, format!("the metric has no label `{}`", label.text), help);
        whole = false;
    }
    let known = whole;
    let mut columns = Vec::new();
    for label in labels {
        match entries.iter().find(|(name, _)| name.text == *label) {
            // A misspelt label is not missing as well.
            None if !known => whole = false,
            None => {
                let problem = format!("`init` says nothing of label `{label}`");
                faults.add_with_help(node.place, problem, format!("add `{label}: […]` with its values"));
                whole = false;
            }
            Some((_, values)) => columns.push(texts(values, faults)),
        }
    }
    let columns: Option<Vec<_>> = columns.into_iter().collect();
    let columns = columns.filter(|_| whole)?;
    let count = columns.iter().fold(1_usize, |count, values| count.saturating_mul(values.len()));
    if count > max_series {
        faults.add(node.place, format!("`init` makes {count} series, the metric may have {max_series}"));
        return None;
    }
    Some(product(&columns).into_iter().map(SeriesKey::new).collect())
}

fn texts(node: &Node, faults: &mut Faults) -> Option<Vec<String>> {
    let nodes = node.list("a list of label values", faults)?;
    if nodes.is_empty() {
        faults.add(node.place, "the list of label values is empty");
        return None;
    }
    let read: Vec<_> = nodes.iter().map(|node| Some(node.text(faults)?.text.clone())).collect();
    read.into_iter().collect()
}

/// Every choice of one value of each column, in order.
fn product(columns: &[Vec<String>]) -> Vec<Vec<&str>> {
    let mut rows = vec![Vec::new()];
    for column in columns {
        rows = rows
            .into_iter()
            .flat_map(|row: Vec<&str>| {
                column.iter().map(move |value| row.iter().copied().chain([value.as_str()]).collect())
            })
            .collect();
    }
    rows
}
