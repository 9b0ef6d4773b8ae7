//! `replay`: reads an input to its end through one pipeline and prints the metrics.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::cli::Replay;
use crate::config::PipelinePlan;
use crate::engine::{Engine, Options, Surroundings};
use crate::ledger::Keeper;
use crate::pipeline::Flow;
use crate::source::once::Once;
use crate::source::{Context, Source};
use crate::telemetry::Telemetry;

/// How many bytes may wait for the worker.
const QUEUE_BYTES: usize = 1 << 20;

/// Replays the input and prints the metrics to standard output.
pub(super) fn run(options: &Replay) -> anyhow::Result<ExitCode> {
    let plan = match super::load(std::slice::from_ref(&options.path)) {
        Ok(plan) => plan,
        Err(code) => return Ok(code),
    };
    let [pipeline] = plan.pipelines.as_slice() else {
        let found = plan.pipelines.len();
        anyhow::bail!("{} holds {found} pipelines, replay takes one of them", options.path.display());
    };
    let read = Arc::new(AtomicU64::new(0));
    let path = || options.input.as_os_str().as_encoded_bytes().into();
    // Of the fields that the pipeline's own source would fill, a replayed file has its path.
    let fields = pipeline
        .source_kind
        .fields
        .iter()
        .map(|field| if *field == "file.path" { path() } else { [].into() });
    let source = Once::open(&options.input, pipeline.source.framing(), fields.collect(), Arc::clone(&read))
        .with_context(|| format!("cannot read {}", options.input.display()))?;
    let clock = Clock::system();
    let ledger = Arc::new(plan.ledger(clock.steady()));
    let telemetry = Arc::new(Telemetry::default());
    let surroundings = Surroundings { ledger: Arc::clone(&ledger), telemetry, clock: clock.clone() };
    let layout = Options { workers: 1, queue_bytes: QUEUE_BYTES, tick: None };
    let keeper = Keeper::volatile(Arc::clone(&ledger));
    let engine = Engine::start(&layout, keeper, surroundings, || plan.processors());
    let mut outlet = engine.outlet(0);
    let context = Context { clock: clock.clone(), shutdown: Shutdown::new(), columns: Vec::new() };
    let progress = Progress::start(&options.input, read);
    let result = Box::new(source).run(&mut outlet, &context);
    progress.end();
    engine.drain(Duration::ZERO).expect("nothing is kept, so all is posted");
    let mut flow = Flow::default();
    let encoder = (options.format.build)(clock.unix());
    output::print(&ledger, encoder, clock.steady(), |posted| flow = posted[0].flow.clone())?;
    summarize(pipeline, &flow);
    // The system takes memory back at once; to give a million series back one by one takes as long as to count them.
    std::mem::forget((ledger, plan));
    // What could be read of an input that cannot be read to its end is shown, and still it is a failure.
    result?;
    Ok(ExitCode::SUCCESS)
}

/// Says on standard error what came in and what was refused.
fn summarize(pipeline: &PipelinePlan, flow: &Flow) {
    let mut refused = Vec::new();
    let mut add = |component: &str, refusals: &crate::model::refused::Refusals| {
        refused.extend(
            refusals.iter().map(|(reason, times)| format!("{times} {component} {}", reason.reason())),
        );
    };
    add("source", &flow.source);
    add("decode", &flow.decode);
    for (stage, (refusals, _)) in pipeline.stages.iter().zip(&flow.stages) {
        add(&format!("stage {}", stage.name), refusals);
    }
    for (metric, refusals) in pipeline.metrics.iter().zip(&flow.metrics) {
        add(&metric.family.name, refusals);
    }
    let refused = if refused.is_empty() { "none".to_owned() } else { refused.join(", ") };
    tracing::info!(pipeline = pipeline.name, events = flow.events, bytes = flow.bytes, refused, "replayed");
}

/// A progress bar on a terminal, nothing elsewhere.
struct Progress {
    bar: ProgressBar,
    done: Shutdown,
    drawing: Option<std::thread::JoinHandle<()>>,
}

impl Progress {
    fn start(input: &std::path::Path, read: Arc<AtomicU64>) -> Progress {
        let done = Shutdown::new();
        let len = std::fs::metadata(input).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
        if !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden(), done, drawing: None };
        }
        let bar = len.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        let draw = {
            let (bar, done) = (bar.clone(), done.clone());
            move || {
                while !done.wait(Duration::from_millis(100)) {
                    bar.set_position(read.load(Ordering::Relaxed));
                }
            }
        };
        let drawing = std::thread::Builder::new().name("progress".to_owned()).spawn(draw).ok();
        Progress { bar, done, drawing }
    }

    fn end(self) {
        self.done.raise();
        if let Some(drawing) = self.drawing {
            drop(drawing.join());
        }
        self.bar.finish_and_clear();
    }
}
