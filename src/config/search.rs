//! Whether the lines that a pipeline can do something with are found by a search, and for what.

use super::plan::{MetricPlan, PipelinePlan};
use crate::decode::Skipping;
use crate::expr::Program;
use crate::model::field::{Field, Path, RAW, Slot, Step};
use crate::pipeline::{Search, Skipped};

/// The search for the lines of a pipeline; `None` where each line is to be looked at.
///
/// A first stage `keep` says what an event must have. Without stages all metrics together say so, if each has a
/// condition and the decoder takes every line. With other stages they do not: a stage may change fields, and counts
/// what it does to events.
pub(super) fn of(pipeline: &PipelinePlan) -> Option<Search> {
    let skipping = pipeline.decode.skipping();
    let known = pipeline.decode.known().unwrap_or_default();
    let is_verbatim = |slot: Slot| match pipeline.fields.used().get(slot.0) {
        Some(Field::Source(name)) => name == RAW,
        Some(Field::Event(Path(steps))) => {
            matches!(steps.as_slice(), [Step::Key(name)] if known.contains(name))
        }
        _ => false,
    };
    let unnoticed = skipping == Skipping::Unnoticed;
    match pipeline.stages.first() {
        _ if skipping == Skipping::Never => None,
        Some(first) => {
            let literals = first.stage.kept()?.required(&is_verbatim)?;
            Search::new(&literals, Skipped::Filtered { unnoticed })
        }
        None if unnoticed => {
            let conditions = pipeline.metrics.iter().map(|MetricPlan { condition, .. }| condition.as_ref());
            let conditions: Option<Vec<&Program>> = conditions.collect();
            Search::new(&Program::required_by_any(&conditions?, &is_verbatim)?, Skipped::Untaken)
        }
        // What the decoder refuses is counted, and no stage was asked to have it otherwise.
        None => None,
    }
}
