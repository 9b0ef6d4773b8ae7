//! Any bytes at all, at everything that reads what others wrote: decoders, expressions, pipeline files.
//!
//! Each target starts from the inputs in its folder `fuzz/<target>/` and from what the repository has anyway
//! (golden inputs, faulty files, docs), changes them, and keeps what the code answers in a way that it had not
//! answered before: another reason, another fault, another shape of values. That is cheaper than measured
//! coverage and needs no nightly compiler. A panic, or a single input that takes longer than [`PATIENCE`], is written to
//! `fuzz/<target>/crash-…` and fails the test; from then on it is replayed with the rest.
//!
//! Without more every target gets two seconds. `STREAMGAUGE_FUZZ_SECONDS=600` gives it ten minutes, writes what is
//! worth keeping into its folder, and says how fast it was.

mod corpus;
mod decoders;
mod files;
mod hunt;
mod mutate;
mod seen;
mod source_texts;
mod words;

use std::time::Duration;

use hunt::hunt;
use seen::Seen;

/// Longer than this no input may take, optimised or not.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How long each target is fuzzed where nothing else is asked for.
const BURST: Duration = Duration::from_secs(2);

/// Something that is to bear any input.
pub struct Target {
    /// Its folder in `fuzz/`.
    pub name: &'static str,
    /// What means something to it: inserted into inputs, and repeated.
    pub words: &'static [&'static str],
    /// The inputs to begin with, beside those of its folder.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes what takes an input and notes how it was answered. It panics on what must not be.
    pub start: fn() -> Taker,
}

/// Takes inputs, one after the other.
pub type Taker = Box<dyn FnMut(&[u8], &mut Seen)>;

/// How long to fuzz, and whether that was asked for.
fn time() -> (Duration, bool) {
    match std::env::var("STREAMGAUGE_FUZZ_SECONDS") {
        Ok(seconds) => {
            let seconds = seconds.parse().expect("STREAMGAUGE_FUZZ_SECONDS is a whole number of seconds");
            (Duration::from_secs(seconds), true)
        }
        Err(_) => (BURST, false),
    }
}

#[track_caller]
fn check(target: &Target) {
    let (time, keep) = time();
    hunt(target, time, keep);
}

#[test]
fn no_record_troubles_json() {
    check(&decoders::JSON);
}

#[test]
fn no_record_troubles_logfmt() {
    check(&decoders::LOGFMT);
}

#[test]
fn no_record_troubles_regexes_and_patterns() {
    check(&decoders::LINES);
}

#[test]
fn no_record_troubles_columns() {
    check(&decoders::COLUMNS);
}

#[test]
fn no_text_troubles_expressions() {
    check(&source_texts::EXPRESSIONS);
}

#[test]
fn no_text_troubles_pipeline_files() {
    check(&files::PIPELINES);
}
