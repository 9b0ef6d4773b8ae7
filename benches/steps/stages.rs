//! Each kind of stage.

use std::fs;
use std::path::Path;

use streamgauge::model::refused::Refusals;
use streamgauge::model::value::Value;
use streamgauge::stage;

use crate::measure::{Step, Work};
use crate::requests::{ITEMS, Lines, Requests};
use crate::rows::{Rows, plan};
use crate::{Named, check_all_are_there};

/// A stage, and the field that is looked at behind it.
struct Case {
    name: &'static str,
    kind: &'static str,
    /// The body of the stage.
    body: String,
    field: &'static str,
    /// How many events have that field behind the stage.
    left: fn(&Requests) -> usize,
}

fn cases() -> Vec<Case> {
    let case = |kind, body: &str, field, left| Case { name: kind, kind, body: body.to_owned(), field, left };
    let all: fn(&Requests) -> usize = |requests| requests.all.len();
    vec![
        case("keep", "status >= 400", "method", |requests| requests.count(|request| request.status() >= 400)),
        case("drop", "method == 'GET'", "method", |requests| {
            requests.count(|request| request.method != "GET")
        }),
        case("set", "{milliseconds: seconds * 1000}", "milliseconds", all),
        case("rewrite", "{field: path, regex: '/\\d+', with: '/:id', into: route}", "route", all),
        case("template", "{field: path, into: route}", "route", all),
        Case { name: "classify, 10 rules", ..case("classify", &rules(10), "thing", all) },
        Case { name: "classify, 100 rules", ..case("classify", &rules(100), "thing", all) },
        case("lookup", &table(), "text", all),
        case("status_class", "{field: status, into: class}", "class", all),
        case("explode", "items", "items.sku", |requests| ITEMS * requests.all.len()),
    ]
}

/// What the paths of the requests begin with, and other words.
fn rules(count: usize) -> String {
    let things = ["products", "orders", "users", "carts", "reviews"];
    let rule = |at: usize| match things.get(at) {
        Some(thing) => format!("{thing}: '^/{thing}(/|$)'"),
        None => format!("other_{at}: '/(?:thing|matter)-{at}/[a-z]+'"),
    };
    let rules: Vec<_> = (0..count).map(rule).collect();
    format!("{{field: path, into: thing, rules: {{{}}}, otherwise: other}}", rules.join(", "))
}

/// A table of statuses, which has not all of them.
fn table() -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("statuses.csv");
    let rows: String = (200..410).map(|status| format!("{status},says {status}\n")).collect();
    fs::write(&path, rows).expect("the folder for temporary files can be written");
    format!("{{field: status, into: text, file: '{}', otherwise: unknown}}", path.display())
}

pub fn steps(requests: &'static Requests) -> Vec<Named> {
    let cases = cases();
    let kinds: Vec<_> = cases.iter().map(|case| case.kind).collect();
    check_all_are_there("stage::KINDS", stage::KINDS.iter().map(|kind| kind.name), &kinds);
    let named = |case: Case| Named::new(format!("stage: {}", case.name), move || step(&case, requests));
    cases.into_iter().map(named).collect()
}

fn step(case: &Case, requests: &Requests) -> Step {
    let lines = requests.json;
    Step {
        work: work(case, lines, (case.left)(requests)),
        unit: "event",
        units: lines.records.len(),
        bytes: 0,
        beside: None,
    }
}

fn work(case: &Case, lines: Lines, left: usize) -> Work {
    let plan = plan(&format!(
        "decode: json\nstages: [{}: {}]\nmetrics: [counter: {{name: a_total, help: A., labels: {{a: {}}}}}]\n",
        case.kind,
        if case.body.starts_with('{') { case.body.clone() } else { format!("\"{}\"", case.body) },
        case.field
    ));
    let pipeline = &plan.pipelines[0];
    let (mut rows, mut decoder) = (Rows::new(pipeline, lines), pipeline.decode.bind(&pipeline.fields));
    let mut stage = pipeline.stages[0].stage.fork(&pipeline.fields);
    let field = pipeline.metrics[0].labels[0].clone();
    Work::new(left, move |watch| {
        let (mut found, mut refused) = (0, Refusals::default());
        rows.decoded(&mut *decoder, |arena, events| {
            watch.time(|| stage.apply(events, arena, &mut refused));
            found += events.iter().filter(|row| field.eval(row, arena) != Ok(Value::Missing)).count();
        });
        assert_eq!(refused, Refusals::default(), "every event has what the stage wants");
        found as u64
    })
}
