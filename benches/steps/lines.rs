//! What is done to lines before anything is decoded.

use memchr::memmem;
use streamgauge::pipeline::Processor;

use crate::Named;
use crate::measure::{Step, Work};
use crate::requests::{Lines, Requests};
use crate::rows::{batch, plan};

/// A word that few lines have.
const WORD: &str = " 503 ";

/// Every line is an event, and all are one series.
pub const PLAIN: &str = "metrics: [counter: {name: lines_total, help: Lines.}]\n";

pub fn steps(requests: &'static Requests) -> Vec<Named> {
    let lines = requests.log;
    vec![
        Named::new("lines: split, and count each", move || Step {
            work: process(PLAIN, lines),
            unit: "line",
            units: lines.records.len(),
            bytes: lines.text.len(),
            beside: Some(("memchr", newlines(lines))),
        }),
        Named::new("lines: search for a word", move || Step {
            work: process(
                &format!(
                    "metrics: [counter: {{name: a_total, help: A., where: 'raw.contains(\"{WORD}\")'}}]\n"
                ),
                lines,
            ),
            unit: "line",
            units: lines.records.len(),
            bytes: lines.text.len(),
            beside: Some(("memmem", words(requests))),
        }),
    ]
}

/// Takes lines through a pipeline.
fn process(pipeline: &str, lines: Lines) -> Work {
    let plan = plan(pipeline);
    let mut processors = plan.processors();
    let batch = batch(lines.text.to_vec());
    Work::new(lines.records.len(), move |watch| {
        watch.time(|| processors[0].process(&batch));
        events(&mut processors[0])
    })
}

/// How many events a processor has seen since it was last asked.
pub fn events(processor: &mut Processor) -> u64 {
    processor.take().flow.events
}

/// Finds the ends of lines.
pub fn newlines(lines: Lines) -> Work {
    Work::new(lines.records.len(), move |watch| {
        watch.time(|| memchr::memchr_iter(b'\n', lines.text).map(std::hint::black_box).count() as u64)
    })
}

fn words(requests: &'static Requests) -> Work {
    let finder = memmem::Finder::new(WORD).into_owned();
    let found = finder.find_iter(requests.log.text).count();
    assert!(found > 0 && found >= requests.count(|request| request.status == WORD.trim()), "the word occurs");
    Work::new(found, move |watch| watch.time(|| finder.find_iter(requests.log.text).count() as u64))
}

/// Copies lines.
pub fn copy(lines: Lines) -> Work {
    let mut copy = Vec::with_capacity(lines.text.len());
    Work::new(lines.text.len(), move |watch| {
        copy.clear();
        watch.time(|| copy.extend_from_slice(std::hint::black_box(lines.text)));
        copy.len() as u64
    })
}
