//! Names that Prometheus takes: metric names, label names, units.
//!
//! See the [data model](https://prometheus.io/docs/concepts/data_model/) and the
//! [OpenMetrics specification](https://prometheus.io/docs/specs/om/open_metrics_spec/).

use crate::aggregate::Kind;
use crate::model::family::FamilyKind;
use crate::raw::fault::Faults;
use crate::raw::place::Text;

/// The endings that the formats themselves put behind a metric's name.
const RESERVED_ENDINGS: [&str; 6] = ["_total", "_bucket", "_sum", "_count", "_created", "_info"];

/// What our own metrics' names start with.
const RESERVED_STARTS: [&str; 2] = ["streamgauge_", "process_"];

/// Checks the name of a metric of this kind and unit.
pub(super) fn check(name: &Text, kind: &Kind, unit: Option<&str>, faults: &mut Faults) {
    let text = &name.text;
    if !is_name(text) {
        let problem = format!("`{text}` is not a metric name");
        faults.add_with_help(
            name.place,
            problem,
            "a name is made of letters, digits and `_`, and does not start with a digit",
        );
        return;
    }
    if let Some(start) = RESERVED_STARTS.iter().find(|start| text.starts_with(**start)) {
        faults.add(
            name.place,
            format!("names that start with `{start}` are kept for streamgauge's own metrics"),
        );
    }
    let stem = text.strip_suffix("_total").unwrap_or(text);
    if kind.family == FamilyKind::Counter && stem == text {
        let problem = format!("the name of a counter ends in `_total`, `{text}` does not");
        faults.add_with_help(name.place, problem, format!("name it `{text}_total`"));
    }
    let own = if kind.family == FamilyKind::Counter { stem } else { text.as_str() };
    if let Some(ending) = RESERVED_ENDINGS.iter().find(|ending| own.ends_with(**ending)) {
        let problem = format!("the name of a {} cannot end in `{ending}`, as `{text}` does", kind.name);
        faults.add_with_help(
            name.place,
            problem,
            "the exposition formats put this ending behind names themselves",
        );
    }
    if let Some(unit) = unit
        && !own.ends_with(&format!("_{unit}"))
    {
        let total = if kind.family == FamilyKind::Counter { "_total" } else { "" };
        let problem = format!("the name `{text}` does not end in its unit `{unit}`");
        faults.add_with_help(
            name.place,
            problem,
            format!("name it `{own}_{unit}{total}`, or leave the unit out"),
        );
    }
}

/// Checks the name of a label; `mapped` where it was written with an expression of its own.
pub(super) fn check_label(label: &Text, kind: &Kind, mapped: bool, faults: &mut Faults) -> bool {
    let text = &label.text;
    if !is_name(text) {
        let problem = format!("`{text}` is not a label name");
        let name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let help = if mapped {
            "a name is made of letters, digits and `_`, and does not start with a digit".to_owned()
        } else {
            format!("give the label a name of its own: `labels: {{{}: {text}}}`", name.trim_matches('_'))
        };
        faults.add_with_help(label.place, problem, help);
        return false;
    }
    let own = match kind.family {
        FamilyKind::Histogram => text == "le",
        FamilyKind::Summary => text == "quantile",
        _ => false,
    };
    let reserved = text.starts_with("__") || own;
    if reserved {
        faults.add(label.place, format!("the label `{text}` is kept for the exposition format itself"));
    }
    !reserved
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
