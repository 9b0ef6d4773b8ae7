//! I1: recording allocates nothing once a series is known.

use crate::replayed::{batch, plan};

const METRICS: &str = r"
metrics:
  - counter: {name: events_total, help: Events.}
  - counter: {name: by_kind_total, help: Events by kind., labels: [kind, path]}
  - histogram: {name: size, help: Sizes., value: size, labels: {kind: kind.lowerAscii()}, where: 'size > 10'}
  - summary: {name: sizes, help: Sizes., value: size, quantiles: [0.5], window: 1h, labels: [kind]}
";

#[track_caller]
fn check(head: &str, line: impl Fn(usize) -> String) {
    let plan = plan(&format!("source: stdin\n{head}{METRICS}"));
    let lines: String = (0..2000).map(|n| line(n) + "\n").collect();
    let batch = batch(lines.as_bytes());
    let mut processors = plan.processors();
    // The first time the series are born, and buffers grow to their size; the second time the arena does.
    (0..3).for_each(|_| processors[0].process(&batch));
    let counted = allocation_counter::measure(|| processors[0].process(&batch));
    assert_eq!(counted.count_total, 0, "{head}");
    // What is handed over is a copy, and leaves its room behind.
    processors[0].take();
    let counted = allocation_counter::measure(|| processors[0].process(&batch));
    assert_eq!(counted.count_total, 0, "{head}");
}

#[test]
fn json_is_recorded_without_allocation() {
    check("decode: json\nstages:\n  - keep: size >= 0\n  - set: {size: size * 2}\n", |n| {
        format!(r#"{{"kind":"K{}","size":{n},"path":"/p{}","more":[1,2,{{"x":"y"}}]}}"#, n % 5, n % 7)
    });
}

#[test]
fn a_regex_is_recorded_without_allocation() {
    let head = "decode: {regex: '^(?P<kind>\\S+) (?P<path>/\\S*) (?P<size>\\d+)$'}\nstages: [{drop: kind == 'K1'}]\n";
    check(head, |n| format!("K{} /p{} {n}", n % 5, n % 7));
}

#[test]
fn lines_are_searched_without_allocation() {
    let regex = "decode: {regex: '^(?P<kind>\\S+) (?P<path>/\\S*) (?P<size>\\d+)$'}\n";
    // Few lines, and so many that the next batches are not searched.
    for keep in ["kind in ['K1', 'K2']", "kind == 'K3'", "path.startsWith('/p')"] {
        check(&format!("{regex}stages: [keep: \"{keep}\"]\n"), |n| format!("K{} /p{} {n}", n % 5, n % 7));
    }
}

#[test]
fn events_beyond_the_cap_are_recorded_without_allocation() {
    let plan = plan(
        "source: stdin\nmetrics: [{counter: {name: a_total, help: A., labels: [raw], max_series: 10}}]\n",
    );
    let lines: String = (0..2000).map(|n| format!("line {n} \u{e9}\n")).collect();
    let batch = batch(lines.as_bytes());
    let mut processors = plan.processors();
    processors[0].process(&batch);
    let counted = allocation_counter::measure(|| processors[0].process(&batch));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_regex_of_grok_patterns_is_recorded_without_allocation() {
    let head = "decode: {regex: '^%{WORD:kind} %{URIPATH:path} %{INT:size:int}$'}\n";
    check(head, |n| format!("K{} /p{} {n}", n % 5, n % 7));
}

#[test]
fn logfmt_is_recorded_without_allocation() {
    check("decode: logfmt\n", |n| {
        format!(r#"level=info kind=K{} msg="say \"hi\"" path="/\"{}\"" size={n} cached"#, n % 5, n % 7)
    });
}

#[test]
fn a_pattern_is_recorded_without_allocation() {
    let head = "decode: {pattern: '$kind [$_] \"$method $path\" $size'}\n";
    check(head, |n| format!(r#"K{} [now] "GET /\"{}\"" {n}"#, n % 5, n % 7));
}

#[test]
fn columns_are_recorded_without_allocation() {
    let csv = "decode: {csv: {columns: [_, kind, path, size], header: skip}}\n";
    check(csv, |n| format!(r#"1,K{},"/""{}""",{n}"#, n % 5, n % 7));
    let tsv = "decode: {tsv: {columns: [kind, path, size], trim: true}}\n";
    check(tsv, |n| format!("K{}\t /{} \t{n}", n % 5, n % 7));
}

#[test]
fn texts_are_rewritten_and_classified_without_allocation() {
    let head = r"decode: json
stages:
  - rewrite: {field: path, regex: '/(\d+)', with: '/<$1>'}
  - template: {field: route, patterns: [/static/*, '/users/:name/photo']}
  - classify:
      field: message
      into: kind
      rules: {timeout: 'timed? ?out', refused: 'connection (refused|reset)', number: '\d{4}', late: '(?i)l[a-z]te'}
      otherwise: other
  - status_class: {field: status, into: class}
  - set: {path: 'route != null && class != null ? route : path'}
";
    let messages = ["timed out", "connection reset", "took 1234 ms", "too LATE", "what"];
    check(head, |n| {
        format!(
            r#"{{"size":{n},"path":"/p/{}","route":"/a/{}/b?c=d","message":"{}","status":{}}}"#,
            n % 7,
            n % 1000,
            messages[n % 5],
            200 + n % 300
        )
    });
}

#[test]
fn lists_are_exploded_without_allocation() {
    check("decode: json\nstages:\n  - explode: items\n  - set: {kind: items.sku, path: items}\n", |n| {
        format!(r#"{{"size":{n},"items":[{{"sku":"a{}","deep":[[{{"b":1}}]]}},{},"c"]}}"#, n % 5, n % 3)
    });
}
