//! The search for lines that are worth decoding changes nothing that is counted of events. What is searched is
//! compared with pipelines that say the same in words that no search understands.

use std::time::Duration;

use proptest::prelude::*;
use streamgauge::model::refused::Refused;
use streamgauge::pipeline::{Delta, Flow};

use crate::replayed::{batch, exposition_of, plan, replay};

const REGEX: &str = r"decode: {regex: '^(?P<level>\S+) (?P<service>\S+)( (?P<rest>.*))?$'}";
const PATTERN: &str = "decode: {pattern: '$level $service $rest'}";

/// A pipeline with these stages and conditions. `means` says how conditions are written.
fn pipeline(
    decode: &str,
    keep: Option<&str>,
    conditions: &[String],
    means: impl Fn(&str) -> String,
) -> String {
    let keep = keep.map_or(String::new(), |keep| format!("stages:\n  - keep: >-\n      {}\n", means(keep)));
    let labels = if decode.is_empty() { "[raw]" } else { "[service]" };
    let metric = |(at, condition): (usize, &String)| {
        let condition = means(condition);
        format!(
            "  - counter:\n      name: a{at}_total\n      help: A.\n      labels: {labels}\n      where: >-\n        {condition}\n"
        )
    };
    let metrics: String = conditions.iter().enumerate().map(metric).collect();
    format!("source: stdin\n{decode}\n{keep}metrics:\n{metrics}")
}

/// The same condition, which nothing can be said of beforehand.
fn unsearched(condition: &str) -> String {
    format!("({condition}) ? true : false")
}

/// The metrics, in the order of the text, and what became of the events; in batches of so many lines.
fn counted(pipeline: &str, lines: &[String], at_once: usize) -> (String, Flow) {
    let (plan, now) = (plan(pipeline), Duration::from_secs(1));
    let (ledger, mut processors) = (plan.ledger(now), plan.processors());
    for lines in lines.chunks(at_once) {
        processors[0].process(&batch(lines.concat().as_bytes()));
    }
    let pipelines: Vec<_> = processors.iter_mut().map(|processor| processor.take()).collect();
    let flow = pipelines[0].flow.clone();
    ledger.post(vec![Delta { positions: Vec::new(), pipelines }], now);
    let mut samples: Vec<_> = exposition_of(&ledger, "prometheus", now).lines().map(str::to_owned).collect();
    samples.sort();
    (samples.join("\n"), flow)
}

fn line() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["ERROR", "WARN", "INFO", "ERR", "", "RROR", "x", "error", "ERRORS"]);
    let end = prop::sample::select(vec!["\n", "\n", "\r\n"]);
    let space = prop::sample::select(vec![" ", " ", " ", "", "  "]);
    (part.clone(), space.clone(), part.clone(), space, part, end)
        .prop_map(|(a, b, c, d, e, end)| format!("{a}{b}{c}{d}{e}{end}"))
}

fn condition(fields: &'static [&'static str]) -> impl Strategy<Value = String> {
    let field = prop::sample::select(fields);
    let text = prop::sample::select(vec!["ERROR", "WARN", "RR", "x", "ERROR x", "INFO", ""]);
    let term = (field, text, 0..7usize).prop_map(|(field, text, shape)| match shape {
        0 => format!("{field} == '{text}'"),
        1 => format!("{field}.contains('{text}')"),
        2 => format!("{field}.startsWith('{text}')"),
        3 => format!("{field}.matches('{text}.?$')"),
        4 => format!("{field} in ['{text}', 'WARN']"),
        5 => format!("{field}.matches('(?i){text}')"),
        _ => format!("{field} != '{text}'"),
    });
    term.prop_recursive(2, 6, 2, |inner| {
        let operator = prop::sample::select(vec!["&&", "||"]);
        (inner.clone(), operator, inner)
            .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
    })
}

/// What the search may move: a line that is passed over counts as filtered by a first `keep`, whatever the decoder
/// would have said.
fn seen(flow: &Flow) -> (u64, u64, Option<u64>) {
    let refused: u64 = flow.decode.iter().map(|(_, times)| times).sum();
    (flow.events, flow.bytes, flow.stages.first().map(|(_, filtered)| filtered + refused))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn lines_as_they_are_count_the_same_with_a_search_and_without(
        lines in prop::collection::vec(line(), 0..600),
        keep in prop::option::of(condition(&["raw"])),
        conditions in prop::collection::vec(condition(&["raw"]), 1..3),
        at_once in prop::sample::select(vec![1usize, 3, 50, 1000]),
    ) {
        let with = pipeline("", keep.as_deref(), &conditions, str::to_owned);
        let without = pipeline("", keep.as_deref(), &conditions, unsearched);
        // Even what was refused and filtered is the same.
        prop_assert_eq!(counted(&with, &lines, at_once), counted(&without, &lines, at_once), "{}", with);
    }

    #[test]
    fn fields_of_a_line_count_the_same_with_a_search_and_without(
        lines in prop::collection::vec(line(), 0..600),
        decode in prop::sample::select(vec![REGEX, PATTERN]),
        keep in prop::option::of(condition(&["level", "service", "rest", "raw"])),
        conditions in prop::collection::vec(condition(&["level", "rest", "raw"]), 1..3),
        at_once in prop::sample::select(vec![1usize, 3, 50, 1000]),
    ) {
        let with = pipeline(decode, keep.as_deref(), &conditions, str::to_owned);
        let without = pipeline(decode, keep.as_deref(), &conditions, unsearched);
        let ((metrics, flow), (expected, unsearched)) =
            (counted(&with, &lines, at_once), counted(&without, &lines, 1000));
        prop_assert_eq!(metrics, expected, "{}", with);
        prop_assert_eq!(seen(&flow), seen(&unsearched), "{}", with);
        if keep.is_none() {
            prop_assert_eq!(&flow, &unsearched, "{}", with);
        }
        // How lines come together in batches changes nothing at all.
        prop_assert_eq!(flow, counted(&with, &lines, 7).1);
    }
}

#[test]
fn what_a_first_keep_could_not_let_through_is_filtered_before_it_is_decoded() {
    let metric = "metrics: [{counter: {name: a_total, help: A.}}]\n";
    let input = "ERROR a x\nINFO a x\nnoise\nERRORS\nERROR b\nno ERROR";
    for (condition, filtered, no_match) in
        [("level == 'ERROR'", 3, 1), ("(level == 'ERROR') ? true : false", 2, 2)]
    {
        let pipeline = format!("source: stdin\n{REGEX}\nstages: [\"keep\": \"{condition}\"]\n{metric}");
        let (text, flow) = replay(&pipeline, input, Duration::from_secs(1));
        assert!(text.ends_with("a_total 2\n"), "{text}");
        assert_eq!((flow.events, flow.bytes), (6, input.len() as u64));
        assert_eq!(
            (flow.stages[0].1, flow.decode.get(Refused::NoMatch)),
            (filtered, no_match),
            "{condition}"
        );
    }
}

#[test]
fn a_decoder_that_tells_well_formed_lines_sees_them_all() {
    let metric = "metrics: [{counter: {name: a_total, help: A., where: level == 'ERROR'}}]\n";
    let pipeline = format!("source: stdin\ndecode: json\n{metric}");
    let input = "{\"level\":\"ERROR\"}\n{\"level\":\"\\u0045RROR\"}\nnoise\n";
    let (text, flow) = replay(&pipeline, input, Duration::from_secs(1));
    assert!(text.ends_with("a_total 2\n"), "{text}");
    assert_eq!(flow.decode.get(Refused::InvalidJson), 1);
}

#[test]
fn a_field_that_a_stage_changes_is_not_searched_for() {
    let stages = "stages:\n  - set: {level: '\"ERR\" + \"OR\"'}\n  - keep: level == 'ERROR'\n";
    let metric = "metrics: [{counter: {name: a_total, help: A., where: level == 'ERROR'}}]\n";
    let pipeline = format!("source: stdin\n{REGEX}\n{stages}{metric}");
    let (text, _) = replay(&pipeline, "INFO a\nWARN b\n", Duration::from_secs(1));
    assert!(text.ends_with("a_total 2\n"), "{text}");
}
