//! Metrics whose names, or whose samples' names, are the same.

use std::collections::BTreeMap;

use super::plan::{MetricPlan, PipelinePlan};
use crate::raw::fault::Faults;

/// Checks that no two metrics of all pipelines show the same names, and no two pipelines have one name.
pub(super) fn check(pipelines: &[PipelinePlan], faults: &mut Faults) {
    let mut names = BTreeMap::new();
    for pipeline in pipelines {
        if let Some(first) = names.insert(&pipeline.name, pipeline.place) {
            let problem =
                format!("a pipeline is named after its file, and there is another `{}`", pipeline.name);
            faults.add_with_help(
                pipeline.place,
                problem,
                format!("rename one of the files; the other is {}", faults.locate(first)),
            );
        }
    }
    let mut readers = BTreeMap::new();
    for pipeline in pipelines {
        for claim in pipeline.source.claims() {
            match readers.get(&claim.what) {
                None => drop(readers.insert(claim.what, &pipeline.name)),
                Some(first) => {
                    let what = &claim.what;
                    let problem =
                        format!("{what} can have one reader, and pipeline `{first}` reads it already");
                    let help = format!("put the metrics of both into one pipeline{}", claim.or_else);
                    faults.add_with_help(pipeline.place, problem, help);
                }
            }
        }
    }
    let mut seen: BTreeMap<String, &MetricPlan> = BTreeMap::new();
    for metric in pipelines.iter().flat_map(|pipeline| &pipeline.metrics) {
        let samples = metric.family.names();
        if let Some((sample, first)) = samples.iter().find_map(|sample| Some((sample, seen.get(sample)?))) {
            let name = &metric.family.name;
            let place = faults.locate(first.place);
            if metric.place == first.place {
                let problem = format!("two metrics take the name `{name}` from here");
                let help =
                    "write a `name` of its own for each metric that takes the rest with `<<` or an alias";
                faults.add_with_help(metric.place, problem, help);
                continue;
            }
            let problem = if first.family.name == *name {
                format!("there is already a metric `{name}`, at {place}")
            } else {
                format!("`{name}` and `{}`, at {place}, would both be shown as `{sample}`", first.family.name)
            };
            faults.add_with_help(metric.place, problem, "names are shared by all pipelines: choose another");
            continue;
        }
        seen.extend(samples.into_iter().map(|sample| (sample, metric)));
    }
}
