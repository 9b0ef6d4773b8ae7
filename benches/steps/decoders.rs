//! Each kind of decoder: the same five fields of the same requests, in its notation.

use serde::Deserialize;
use streamgauge::decode;
use streamgauge::model::refused::Refusals;
use streamgauge::model::value::Value;

use crate::measure::{Step, Work};
use crate::requests::{FIELDS, Lines, Requests, WANTED};
use crate::rows::{Rows, plan};
use crate::{Named, check_all_are_there, lines};

/// The access log as a regex that is matched by one walk.
const REGEX: &str = r#"^\S+ \S+ \S+ \[[^\]]*\] "(?P<method>[A-Z]+) (?P<path>[^ "]*) [^"]*" (?P<status>\d{3}) (?P<bytes>\d+|-) "[^"]*" "[^"]*" (?P<seconds>[\d.]+)$"#;

/// The same with names of grok.
const GROK: &str = r#"^%{NOTSPACE} %{NOTSPACE} %{NOTSPACE} \[[^\]]*\] "(?P<method>[A-Z]+) (?P<path>[^ "]*) [^"]*" %{INT:status} %{INT:bytes} %{QS} %{QS} %{NUMBER:seconds}$"#;

/// The same with a name that may have to take a way back.
const GROK_IP: &str = r#"^%{IPORHOST} - - \[%{HTTPDATE}\] "%{WORD:method} %{NOTSPACE:path} [^"]*" %{INT:status} %{INT:bytes} %{QS} %{QS} %{NUMBER:seconds}$"#;

const PATTERN: &str = r#"$_ - $_ [$_] "$method $path $_" $status $bytes "$_" "$_" $seconds"#;

const COLUMNS: &str = "{columns: [_, _, method, path, status, bytes, _, seconds]}";

struct Case {
    name: &'static str,
    kind: &'static str,
    /// The body of the decoder.
    body: String,
    lines: fn(&Requests) -> Lines,
    beside: (&'static str, fn(Lines) -> Work),
}

fn cases() -> Vec<Case> {
    let quoted = |regex: &str| format!("'{regex}'");
    let case = |name, kind, body, lines, beside| Case { name, kind, body, lines, beside };
    let memchr: (_, fn(_) -> _) = ("memchr of the line ends", lines::newlines);
    let log: fn(&Requests) -> Lines = |requests| requests.log;
    vec![
        case("text", "text", String::new(), log, ("memcpy", lines::copy)),
        case("regex, by a walk", "regex", quoted(REGEX), log, ("the regex crate", by_regex)),
        case("regex, by the engine", "regex", quoted(&REGEX[1..]), log, ("the regex crate", by_regex)),
        case("regex of grok names", "regex", quoted(GROK), log, ("the regex crate", by_regex)),
        case(
            "regex of grok names, by the engine",
            "regex",
            quoted(GROK_IP),
            log,
            ("the regex crate", by_regex),
        ),
        case("pattern", "pattern", quoted(PATTERN), log, memchr),
        case("json", "json", String::new(), |requests| requests.json, ("serde_json, typed", by_serde)),
        case("logfmt", "logfmt", String::new(), |requests| requests.logfmt, memchr),
        case("csv", "csv", COLUMNS.to_owned(), |requests| requests.csv, memchr),
        case("tsv", "tsv", COLUMNS.to_owned(), |requests| requests.tsv, memchr),
    ]
}

pub fn steps(requests: &'static Requests) -> Vec<Named> {
    let cases = cases();
    let kinds: Vec<_> = cases.iter().map(|case| case.kind).collect();
    check_all_are_there("decode::KINDS", decode::KINDS.iter().map(|kind| kind.name), &kinds);
    let named = |case: Case| Named::new(format!("decode: {}", case.name), move || step(&case, requests));
    cases.into_iter().map(named).collect()
}

fn step(case: &Case, requests: &Requests) -> Step {
    let lines = (case.lines)(requests);
    let (other, beside) = case.beside;
    Step {
        work: work(case, lines),
        unit: "record",
        units: lines.records.len(),
        bytes: lines.text.len(),
        beside: Some((other, beside(lines))),
    }
}

fn work(case: &Case, lines: Lines) -> Work {
    let (fields, wanted) = if case.kind == "text" { ("raw", 1) } else { (FIELDS, WANTED) };
    let plan = plan(&format!(
        "decode: {{{}: {}}}\nmetrics: [counter: {{name: a_total, help: A., labels: [{fields}]}}]\n",
        case.kind, case.body
    ));
    let pipeline = &plan.pipelines[0];
    let (mut rows, mut decoder) = (Rows::new(pipeline, lines), pipeline.decode.bind(&pipeline.fields));
    Work::new(lines.records.len() * wanted, move |watch| {
        let (mut filled, mut refused) = (0, Refusals::default());
        rows.each(|records, arena, events| {
            watch.time(|| decoder.decode(records, arena, events, &mut refused));
            filled += events.iter().flatten().filter(|value| **value != Value::Missing).count();
        });
        filled as u64
    })
}

fn by_regex(lines: Lines) -> Work {
    let regex = regex::bytes::Regex::new(REGEX).expect("the pattern is valid");
    let mut places = regex.capture_locations();
    Work::new(lines.records.len() * WANTED, move |watch| {
        watch.time(|| {
            let mut filled = 0;
            for record in lines.records {
                if regex.captures_read(&mut places, record).is_some() {
                    filled += (1..places.len()).filter(|group| places.get(*group).is_some()).count();
                }
            }
            filled as u64
        })
    })
}

/// What is wanted of a request.
#[derive(Deserialize)]
struct Wanted<'l> {
    method: &'l str,
    path: &'l str,
    status: u16,
    bytes: u64,
    seconds: f64,
}

fn by_serde(lines: Lines) -> Work {
    Work::new(lines.records.len() * WANTED, move |watch| {
        watch.time(|| {
            let mut filled = 0;
            for record in lines.records {
                let wanted: Wanted<'_> = serde_json::from_slice(record).expect("the inputs are well-formed");
                let Wanted { method, path, status, bytes, seconds } = std::hint::black_box(wanted);
                let is_whole = !method.is_empty() && !path.is_empty() && status > 0 && seconds >= 0.0;
                filled += if is_whole && bytes < u64::MAX { WANTED } else { 0 };
            }
            filled as u64
        })
    })
}
