//! Expressions on the fields of requests: texts from a log, numbers from JSON.

use streamgauge::model::value::Value;

use crate::Named;
use crate::measure::{Step, Work};
use crate::requests::{Lines, Request, Requests};
use crate::rows::{Rows, plan};

const LOG: &str = r#"{pattern: '$_ - $_ [$_] "$method $path $_" $status $bytes "$_" "$_" $seconds'}"#;

const MATCHES: &str = "^/[a-z]+(/[a-z]+)?/[0-9]+$";

/// An expression, and of which requests it is neither false nor missing.
struct Case {
    name: &'static str,
    decode: &'static str,
    expression: String,
    holds: fn(&Request) -> bool,
}

fn cases() -> Vec<Case> {
    let text =
        |name, expression: &str, holds| Case { name, decode: LOG, expression: expression.to_owned(), holds };
    let json = |name, expression: &str, holds| Case { decode: "json", ..text(name, expression, holds) };
    let all: fn(&Request) -> bool = |_| true;
    vec![
        text("a field", "method", all),
        text("a text equals", "method == 'POST'", |request| request.method == "POST"),
        text("a text is in a list", "status in ['500', '502', '503']", |request| {
            [500, 502, 503].contains(&request.status())
        }),
        text("a text is compared as a number", "status >= 400", |request| request.status() >= 400),
        json("a number is compared", "status >= 400", |request| request.status() >= 400),
        text("and", "status >= 400 && seconds > 0.05", |request| {
            request.status() >= 400 && request.seconds() > 0.05
        }),
        text("arithmetic with texts", "bytes / 1024.0 + seconds * 8", all),
        json("arithmetic with numbers", "bytes / 1024.0 + seconds * 8", all),
        text("texts are joined", "method + ' ' + path", all),
        text("lowerAscii", "method.lowerAscii()", all),
        text("size", "size(path)", all),
        text("contains", "path.contains('/1')", |request| request.path.contains("/1")),
        text("matches", &format!("path.matches('{MATCHES}')"), |request| {
            let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
            let parts: Vec<_> = request.path.split('/').skip(1).collect();
            let (number, words) = parts.split_last().expect("a path begins with a slash");
            is_number(number) && (1..=2).contains(&words.len()) && words.iter().all(|word| is_word(word))
        }),
    ]
}

pub fn steps(requests: &'static Requests) -> Vec<Named> {
    let named = |case: Case| Named::new(format!("expression: {}", case.name), move || step(&case, requests));
    cases().into_iter().map(named).collect()
}

fn step(case: &Case, requests: &'static Requests) -> Step {
    let lines = if case.decode == LOG { requests.log } else { requests.json };
    let expected = requests.count(case.holds);
    let by_regex = || ("the regex crate", by_regex(requests, expected));
    Step {
        work: work(case, lines, expected),
        unit: "event",
        units: lines.records.len(),
        bytes: 0,
        beside: (case.name == "matches").then(by_regex),
    }
}

fn work(case: &Case, lines: Lines, expected: usize) -> Work {
    let plan = plan(&format!(
        "decode: {}\nmetrics: [counter: {{name: a_total, help: A., labels: {{a: \"{}\"}}}}]\n",
        case.decode, case.expression
    ));
    let pipeline = &plan.pipelines[0];
    let (mut rows, mut decoder) = (Rows::new(pipeline, lines), pipeline.decode.bind(&pipeline.fields));
    let program = pipeline.metrics[0].labels[0].clone();
    Work::new(expected, move |watch| {
        let mut found = 0;
        rows.decoded(&mut *decoder, |arena, events| {
            found += watch.time(|| {
                let holds = |row: &&[Value<'_>]| {
                    !matches!(program.eval(row, arena), Ok(Value::Bool(false) | Value::Missing) | Err(_))
                };
                events.iter().filter(holds).count()
            });
        });
        found as u64
    })
}

fn by_regex(requests: &'static Requests, expected: usize) -> Work {
    let regex = regex::bytes::Regex::new(MATCHES).expect("the pattern is valid");
    let is_match = move |request: &&Request| regex.is_match(request.path.as_bytes());
    Work::new(expected, move |watch| watch.time(|| requests.all.iter().filter(&is_match).count() as u64))
}
