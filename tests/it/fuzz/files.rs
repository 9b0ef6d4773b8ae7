//! Pipeline files: any text is loaded. What is wrong with it is shown; what is valid is run and exposed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use streamgauge::config::{self, Plan};
use streamgauge::encode::KINDS;

use super::seen::Seen;
use super::{Target, words};
use crate::parse::{Format, parse};
use crate::replayed::exposition;
use crate::{docs, lines};

pub const PIPELINES: Target = Target {
    name: "pipelines",
    words: words::PIPELINES,
    seeds,
    start: || Box::new(|input, seen| check(&String::from_utf8_lossy(input), seen)),
};

/// Every pipeline that the repository has, faulty or not.
fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
        files.sort();
        files.into_iter().map(|path| fs::read(path).unwrap())
    };
    let documented = docs::blocks().into_iter().filter(|block| block.language == "yaml");
    let documented = documented.map(|block| block.text.into_bytes());
    files("pipelines").chain(documented).chain(files("tests/it/faults")).collect()
}

/// Records of every format.
const INPUT: &str = "{\"a\":1,\"b\":\"x\",\"user\":{\"id\":7}}
{\"a\":1e300,\"b\":null}
a=2 b=\"y z\" level=info
1,2,3
1\t2\t3
127.0.0.1 - bob [20/Nov/2026:14:03:22 +0000] \"GET /a?b=c HTTP/1.1\" 200 512 \"-\" \"curl\" 0.25
2026-11-20T14:03:22.104Z ERROR billing payment declined order=4711

nothing \u{1f600}
NaN
";

fn check(text: &str, seen: &mut Seen) {
    let environment = |name: &str| (name == "NAME").then(|| "a: b # \"'".to_owned());
    match config::parse(&[("test.yaml", text)], &environment) {
        Ok(plan) => run(&plan, seen),
        Err(faults) => {
            assert!(!faults.is_empty());
            let shown = faults.render(false);
            let hidden = shown.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(hidden, None, "control characters are made visible");
            faults.render(true);
            seen.note_faults(&faults);
        }
    }
}

fn run(plan: &Plan, seen: &mut Seen) {
    let mut input = INPUT.as_bytes().to_vec();
    input.extend(b"bytes \xff\0\n");
    for kind in KINDS {
        let (text, flow) = exposition(plan, &input, kind.name, Duration::from_secs(1_800_000_000));
        match kind.name {
            "prometheus" => drop(parse(&text, Format::Prometheus)),
            "openmetrics" => drop(parse(&text, Format::OpenMetrics)),
            "json" => drop(serde_json::from_str::<serde_json::Value>(&text).unwrap()),
            _ => drop(lines::parse(&text)),
        }
        let reasons = flow.stages.iter().map(|(refused, _)| refused).chain(&flow.metrics);
        for (reason, _) in reasons.chain([&flow.decode]).flat_map(|refused| refused.iter()) {
            seen.note(("refused", reason));
        }
    }
    for metric in &plan.pipelines[0].metrics {
        seen.note(("family", metric.family.kind.name(), metric.condition.is_some(), metric.value.is_some()));
        seen.note(("labels", metric.labels.len().min(3), metric.lifetimes.init.len().min(3)));
    }
    seen.note(("stages", plan.pipelines[0].stages.len().min(3), plan.pipelines[0].source_kind.name));
}
