//! What each step of an event's way costs by itself, and beside something that does about the same.
//!
//! ```sh
//! cargo bench --bench steps                # all
//! cargo bench --bench steps -- decode      # those with `decode` in their names
//! cargo bench --bench steps -- --smoke     # once each, with little: does it work, is every answer right
//! ```
//!
//! Each step works on memory in this process. What counts is the processor time of the thread, which a busy machine
//! disturbs less than the wall's; of the samples the median is shown. Every pass is checked: a step that does nothing
//! ends the benchmark.

mod aggregators;
mod decoders;
mod encoders;
mod expressions;
mod lines;
mod measure;
mod requests;
mod rows;
mod series;
mod stages;

use std::fmt;

use measure::{Row, Step, Watch};
use requests::Requests;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Records of the inputs.
    pub records: usize,
    /// How many series many are.
    pub series: usize,
    /// How often each step is measured.
    pub samples: usize,
}

const FULL: Size = Size { records: 5_000, series: 1_000_000, samples: 31 };
const SMOKE: Size = Size { records: 500, series: 5_000, samples: 1 };

/// A step that is prepared only if it is wanted.
pub struct Named {
    name: String,
    prepare: Box<dyn FnOnce() -> Step>,
}

impl Named {
    /// A step of this name.
    pub fn new(name: impl Into<String>, prepare: impl FnOnce() -> Step + 'static) -> Named {
        Named { name: name.into(), prepare: Box::new(prepare) }
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let smoke = arguments.iter().any(|argument| argument == "--smoke")
        || std::env::var_os("STREAMGAUGE_BENCH_SMOKE").is_some_and(|value| value == "1");
    let wanted: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let size = if smoke { SMOKE } else { FULL };
    let requests: &'static Requests = Box::leak(Box::new(Requests::new(size.records)));
    let steps = [
        lines::steps(requests),
        decoders::steps(requests),
        expressions::steps(requests),
        stages::steps(requests),
        series::steps(size),
        aggregators::steps(size),
        encoders::steps(size),
    ];
    say(format_args!("{}\n", Row::HEAD));
    let mut watch = Watch::new();
    for Named { name, prepare } in steps.into_iter().flatten() {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            let row = prepare().measure(&name, size.samples, &mut watch);
            say(format_args!("{row}\n"));
        }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark is there to print")]
fn say(text: fmt::Arguments<'_>) {
    print!("{text}");
}

/// Sees to it that each kind of a table is measured.
fn check_all_are_there<'k>(table: &str, kinds: impl Iterator<Item = &'k str>, measured: &[&str]) {
    for kind in kinds {
        assert!(measured.contains(&kind), "benches/steps measures nothing of the kind `{kind}` in {table}");
    }
}
