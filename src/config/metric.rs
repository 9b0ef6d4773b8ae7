//! One metric of a pipeline: what every kind has in common, and the kind's own part.

use std::sync::Arc;

use super::plan::MetricPlan;
use super::{lifetime, name};
use crate::aggregate::{self, Kind};
use crate::expr::{self, Program};
use crate::group::Directory;
use crate::ledger::Declared;
use crate::model::family::Family;
use crate::model::field::Fields;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::{Node, NodeKind};
use crate::raw::place::Text;

/// A metric has at most this many series where `max_series` does not say otherwise.
const MAX_SERIES: usize = 10_000;

/// The keys of every metric.
pub static KEYS: &[Key] = &[
    Key {
        name: "name",
        wanted: "a metric name",
        required: true,
        help: "The name on `/metrics`, `_total` and the unit included.",
        default: None,
    },
    Key {
        name: "help",
        wanted: "one line of text",
        required: true,
        help: "What it counts, for people.",
        default: None,
    },
    Key {
        name: "unit",
        wanted: "a unit, such as `seconds`",
        required: false,
        help: "The unit, which the name must end in (before `_total`).",
        default: None,
    },
    Key {
        name: "labels",
        wanted: "a list of fields, or a mapping of labels to expressions",
        required: false,
        help: "What tells one series from another.",
        default: Some("[]"),
    },
    Key {
        name: "where",
        wanted: "a condition, such as `status == \"paid\"`",
        required: false,
        help: "Takes only the events for which this holds.",
        default: None,
    },
    Key {
        name: "value",
        wanted: "an expression, such as `amount`",
        required: false,
        help: "What is recorded of each event; must be a finite number.",
        default: Some("1, where the kind allows it"),
    },
    Key {
        name: "max_series",
        wanted: "a whole number from 1 to 10000000",
        required: false,
        help: "The most series; events beyond are counted in one more, labelled `__overflow__`.",
        default: Some("10000"),
    },
    Key {
        name: "init",
        wanted: "a mapping of every label to a list of its values",
        required: false,
        help: "Shows the series of these label values as 0 before their first event.",
        default: None,
    },
    Key {
        name: "expire_after",
        wanted: "a duration, such as `1h`",
        required: false,
        help: "Hides series that had no event for so long; they go on where they were when they come back.",
        default: None,
    },
];

/// Reads all metrics of a pipeline; `None` if a fault was found in one.
pub(super) fn read_all(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<Vec<MetricPlan>> {
    let nodes = node.list("a list of metrics", faults)?;
    if nodes.is_empty() {
        faults.add_with_help(
            node.place,
            "a pipeline without metrics counts nothing",
            "add one: `- counter: {name: lines_total, help: Lines.}`",
        );
        return None;
    }
    // Every metric is read before one that is wrong ends this, so that all their faults are found.
    let read: Vec<_> = nodes.iter().map(|node| read(node, fields, faults)).collect();
    read.into_iter().collect()
}

fn read(node: &Node, fields: &mut Fields, faults: &mut Faults) -> Option<MetricPlan> {
    let names: Vec<_> = aggregate::KINDS.iter().map(|kind| kind.name).collect();
    let variant = node.variant("metric", &names, faults)?;
    let kind = aggregate::KINDS.iter().find(|kind| kind.name == variant.kind)?;
    let keys = Mapping::read(&variant.body, kind.name, &[KEYS, kind.keys], faults)?;
    let name = keys.text("name", faults).cloned();
    let unit = keys.text("unit", faults).map(|unit| unit.text.clone());
    if let Some(name) = &name {
        name::check(name, kind, unit.as_deref(), faults);
    }
    let help = keys.text("help", faults).and_then(|help| read_help(help, faults));
    let condition =
        optional(&keys, "where", faults, |text, faults| expr::compile_condition(text, fields, faults));
    let value = optional(&keys, "value", faults, |text, faults| expr::compile_number(text, fields, faults));
    if kind.needs_value && keys.get("value").is_none() {
        let problem = format!("`{}` needs a `value` to record", kind.name);
        faults.add_with_help(
            keys.place(),
            problem,
            "add `value:` with a field or an expression that is a number",
        );
    }
    let labels = keys.get("labels").map_or(Some(Vec::new()), |node| read_labels(node, kind, fields, faults));
    let max_series = keys.get("max_series").map(|node| node.integer(1..=10_000_000_usize, faults));
    let definition = (kind.build)(&keys, faults);
    let labels: Option<(Vec<_>, Vec<_>)> = labels.map(|labels| labels.into_iter().unzip());
    let max_series = max_series.unwrap_or(Some(MAX_SERIES));
    let names = labels.as_ref().map(|(names, _)| names.as_slice());
    let lifetimes = lifetime::read(&keys, kind, (names, max_series), faults);
    let (name, (labels, programs)) = (name?, labels?);
    let max_series = max_series?;
    let directory = Directory::new(labels.len(), max_series);
    Some(MetricPlan {
        place: name.place,
        family: Family { name: name.text, help: help?, unit, kind: kind.family, labels },
        condition: condition?,
        value: value?,
        labels: programs,
        declared: Declared::of(kind, KEYS, &keys),
        max_series,
        directory: Arc::new(directory),
        definition: definition?,
        lifetimes: lifetimes?,
    })
}

/// An expression that need not be there: `None` if it is faulty, `Some(None)` if it is not there.
fn optional(
    keys: &Mapping<'_>,
    name: &str,
    faults: &mut Faults,
    compile: impl FnOnce(&Text, &mut Faults) -> Option<Program>,
) -> Option<Option<Program>> {
    match keys.get(name) {
        None => Some(None),
        Some(_) => Some(Some(compile(keys.text(name, faults)?, faults)?)),
    }
}

fn read_help(help: &Text, faults: &mut Faults) -> Option<String> {
    if help.text.trim().is_empty() {
        faults.add(help.place, "`help` is empty, one line that says what is counted is wanted");
        return None;
    }
    Some(help.text.trim().to_owned())
}

/// A field in a list of labels. One with an expression of its own is often written there, too.
fn label_field<'n>(node: &'n Node, faults: &mut Faults) -> Option<&'n Text> {
    if let NodeKind::Map(_) = node.kind {
        let help = "write all labels as a mapping: `labels: {status: status, kind: expression}`";
        faults.add_with_help(node.place, "expected a field, found a mapping", help);
        return None;
    }
    node.text_of("a field", faults)
}

/// Labels with the programs of their values.
fn read_labels(
    node: &Node,
    kind: &Kind,
    fields: &mut Fields,
    faults: &mut Faults,
) -> Option<Vec<(String, Program)>> {
    let mapped = matches!(node.kind, NodeKind::Map(_));
    let written: Vec<(&Text, &Text)> = if mapped {
        let entries = node.entries("labels", faults)?;
        entries
            .iter()
            .filter_map(|(label, value)| Some((label, value.text_of("a field or an expression", faults)?)))
            .collect()
    } else {
        let fields = node.list("a list of fields, or a mapping of labels to expressions", faults)?;
        fields.iter().filter_map(|field| label_field(field, faults)).map(|field| (field, field)).collect()
    };
    let mut labels = Vec::new();
    let mut whole = true;
    for (label, value) in &written {
        whole &= name::check_label(label, kind, mapped, faults);
        if labels.iter().any(|(known, _)| *known == label.text) {
            faults.add(label.place, format!("label `{}` occurs twice", label.text));
            whole = false;
        }
        match expr::compile(value, fields, faults) {
            Some(program) => labels.push((label.text.clone(), program)),
            None => whole = false,
        }
    }
    let complete = labels.len() == written.len();
    (whole && complete).then_some(labels)
}
