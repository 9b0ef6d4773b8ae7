//! Finding the series of an event: short lines by what they say, through a whole pipeline. That one without labels costs is
//! part of each.

use std::collections::HashMap;
use std::time::Duration;

use streamgauge::demo::Random;
use streamgauge::ledger::Ledger;
use streamgauge::pipeline::Delta;

use crate::lines::{PLAIN, events};
use crate::measure::{Step, Work};
use crate::requests::Lines;
use crate::rows::{batch, plan};
use crate::{Named, Size};

const BY_LINE: &str =
    "metrics: [counter: {name: lines_total, help: Lines., labels: [raw], max_series: 2000000}]\n";

/// How many series few are.
const FEW: usize = 100;

/// How many series are seen for the first time in one pass: a part of what many are.
const PART: usize = 10;

const NOW: Duration = Duration::from_secs(1_795_183_200);

pub fn steps(size: Size) -> Vec<Named> {
    let many = size.series;
    let known = move |pipeline, series| move || step(known(pipeline, series, many), many, Some(series));
    vec![
        Named::new("series: no labels", known(PLAIN, 1)),
        Named::new("series: known, of few", known(BY_LINE, FEW)),
        Named::new("series: known, of many", known(BY_LINE, many)),
        Named::new("series: first sight", move || step(first_sight(many / PART), many / PART, None)),
    ]
}

/// Beside it: a look-up, or the growth, of the standard library's map.
fn step(work: Work, events: usize, known: Option<usize>) -> Step {
    let map = match known {
        Some(series) => found_in_map(series, events),
        None => put_in_map(events),
    };
    Step { work, unit: "event", units: events, bytes: 0, beside: Some(("std's HashMap", map)) }
}

fn name(series: u64) -> String {
    format!("series-{series:07}")
}

/// `events` lines, each of one of `series` by chance.
fn drawn(series: usize, events: usize) -> Lines {
    let mut random = Random::new(1);
    Lines::new((0..events).map(|_| name(random.below(series as u64)) + "\n").collect())
}

/// Lines that all differ.
fn different(events: usize) -> Lines {
    Lines::new((0..events as u64).map(|series| name(series) + "\n").collect())
}

/// How many series a ledger has after one more delta.
fn post(ledger: &Ledger, delta: Delta) -> usize {
    ledger.post(vec![delta], NOW);
    ledger.look(|posted| posted[0].accounts[0].series().0)
}

fn known(pipeline: &str, series: usize, count: usize) -> Work {
    let plan = plan(pipeline);
    let mut processors = plan.processors();
    let all = if pipeline == PLAIN { different(1) } else { different(series) };
    processors[0].process(&batch(all.text.to_vec()));
    let pipelines = processors.iter_mut().map(|processor| processor.take()).collect();
    assert_eq!(post(&plan.ledger(NOW), Delta { positions: Vec::new(), pipelines }), series, "all are there");
    let batch = batch(drawn(series, count).text.to_vec());
    Work::new(count, move |watch| {
        watch.time(|| processors[0].process(&batch));
        events(&mut processors[0])
    })
}

fn first_sight(count: usize) -> Work {
    let batch = batch(different(count).text.to_vec());
    Work::new(count, move |watch| {
        let plan = plan(BY_LINE);
        let mut processors = plan.processors();
        watch.time(|| processors[0].process(&batch));
        let pipelines = processors.iter_mut().map(|processor| processor.take()).collect();
        post(&plan.ledger(NOW), Delta { positions: Vec::new(), pipelines }) as u64
    })
}

fn found_in_map(series: usize, events: usize) -> Work {
    let mut map: HashMap<&[u8], u64> = different(series).records.iter().map(|name| (*name, 0)).collect();
    let lines = drawn(series, events);
    Work::new(events, move |watch| {
        watch.time(|| {
            let mut found = 0;
            for name in lines.records {
                if let Some(count) = map.get_mut(name) {
                    *count += 1;
                    found += 1;
                }
            }
            found
        })
    })
}

fn put_in_map(events: usize) -> Work {
    let lines = different(events);
    Work::new(events, move |watch| {
        let mut map: HashMap<Vec<u8>, u64> = HashMap::new();
        watch.time(|| lines.records.iter().for_each(|name| *map.entry(name.to_vec()).or_default() += 1));
        map.len() as u64
    })
}
