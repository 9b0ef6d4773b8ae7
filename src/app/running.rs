//! Pipelines that run: their sources and the engine; and how they go on with another configuration.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

use super::page::Page;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::config::{PipelinePlan, Plan};
use crate::engine::{Engine, Options, Surroundings, Swap, Swapped};
use crate::journal;
use crate::ledger::{Keeper, Ledger};
use crate::serve::Exposition;
use crate::source::{Context, SourceError};
use crate::telemetry::Telemetry;

/// How long sources get to end when their pipeline is changed: as long as it takes to leave a group in order.
const SOURCE_GRACE: Duration = Duration::from_secs(60);

/// How long it is waited until what sources handed over is posted, and until processors are swapped.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
const SWAP_PATIENCE: Duration = Duration::from_secs(10);

/// What is said of a change that could not be posted when it was under way.
const LATER: &str = "it takes effect as soon as postings can be written again, /-/ready says why they cannot";

/// Why nothing is changed while nothing can be posted.
const STUCK: &str = "nothing can be posted at the moment, /-/ready says why";

/// Pipelines that run.
pub(super) struct Running {
    engine: Engine,
    surroundings: Surroundings,
    plan: Plan,
    readers: Vec<Reader>,
    /// Whether something that a source handed over before it ended may not be posted yet.
    is_unsettled: bool,
    pub(super) page: Arc<Page>,
}

/// The source of a pipeline, on a thread of its own.
struct Reader {
    pipeline: usize,
    shutdown: Shutdown,
    thread: JoinHandle<()>,
}

/// The ledger and who posts to it: of a directory where one is given, else one that lasts as long as the process.
pub(super) fn keeper(directory: Option<&Path>, clock: &Clock) -> anyhow::Result<(Arc<Ledger>, Keeper)> {
    let now = clock.steady();
    let Some(directory) = directory else {
        let ledger = Arc::new(Ledger::new(Vec::new(), now));
        return Ok((Arc::clone(&ledger), Keeper::volatile(ledger)));
    };
    let start = clock.monotonic();
    let opened = Keeper::open(directory, Arc::new(journal::System), now).context("nothing was started")?;
    let took = clock.monotonic().saturating_sub(start);
    let (directory, milliseconds) = (directory.display(), took.as_millis() as u64);
    match opened.is_new {
        true => tracing::info!(%directory, "a new ledger is kept here"),
        false => tracing::info!(%directory, milliseconds, "goes on with the ledger that is kept here"),
    }
    Ok((opened.ledger, opened.keeper))
}

impl Running {
    /// Starts the engine and the sources of every pipeline.
    pub(super) fn start(
        mut plan: Plan,
        layout: &Options,
        clock: Clock,
        (ledger, mut keeper): (Arc<Ledger>, Keeper),
    ) -> Running {
        plan.join(&ledger);
        keeper.adopt(plan.accounts(), clock.steady());
        let telemetry = Arc::new(Telemetry::default());
        telemetry.reloads.succeeded(clock.unix());
        telemetry.journal.instance(keeper.journal().map(|journal| journal.instance().to_owned()));
        let surroundings = Surroundings { ledger, telemetry, clock };
        let engine = Engine::start(layout, keeper, surroundings.clone(), || plan.processors());
        let Surroundings { ledger, telemetry, clock } = surroundings.clone();
        let page = Arc::new(Page::new(engine.ticker(), ledger, telemetry, clock));
        let mut running =
            Running { engine, surroundings, plan, readers: Vec::new(), is_unsettled: false, page };
        running.tend();
        running
    }

    /// What is served of them.
    pub(super) fn page(&self) -> Arc<dyn Exposition> {
        Arc::clone(&self.page) as Arc<dyn Exposition>
    }

    /// Starts the source of a pipeline.
    fn read(&mut self, at: usize) {
        let pipeline = &self.plan.pipelines[at];
        let (number, name) = (pipeline.number, pipeline.name.clone());
        let Surroundings { telemetry, clock, .. } = self.surroundings.clone();
        telemetry.sources.begin(number, &name);
        let (source, mut outlet) = (pipeline.source.source(), self.engine.outlet(number));
        let shutdown = Shutdown::new();
        let context = Context { clock, shutdown: shutdown.clone(), columns: pipeline.columns() };
        let run = move || ended((number, &name), source.run(&mut outlet, &context), &telemetry);
        let thread = std::thread::Builder::new().name("source".to_owned());
        let thread = thread.spawn(run).expect("the system can start a thread");
        self.readers.push(Reader { pipeline: number, shutdown, thread });
    }

    /// Goes on with another plan. Pipelines that are the same run on as if nothing had happened; where only what is done with
    /// the events is another, the source reads on. Sources that have failed are begun again. Gives up when `stop` is raised.
    ///
    /// # Errors
    /// Why it was not possible. Then everything goes on as before, unless it says otherwise.
    pub(super) fn change(&mut self, mut plan: Plan, stop: &Shutdown) -> Result<Changed, String> {
        self.tend();
        if self.page.ticker.is_stuck() || self.is_unsettled {
            return Err(STUCK.to_owned());
        }
        plan.join(&self.surroundings.ledger);
        let failed = self.surroundings.telemetry.sources.failures();
        let stays = |number: usize| {
            let (Some(old), Some(new)) = (find(&self.plan, number), find(&plan, number)) else {
                return false;
            };
            old.written.source == new.written.source
                && old.columns() == new.columns()
                && !failed.contains_key(&number)
        };
        let readers = self.readers.iter().map(|reader| reader.pipeline);
        let ending: Vec<_> = readers.filter(|number| !stays(*number)).collect();
        let changed = Changed::between(&self.plan, &plan);
        let done = match self.end(&ending, stop).map(|()| self.swap(&plan)) {
            Err(why) => Err(why),
            Ok(Swapped::Not) => Err(STUCK.to_owned()),
            Ok(Swapped::Done) => {
                self.take_on(plan);
                Ok(changed)
            }
            Ok(Swapped::Later) => {
                self.take_on(plan);
                self.is_unsettled = true;
                Err(LATER.to_owned())
            }
        };
        // Also those that were ended for nothing.
        self.tend();
        done
    }

    /// Goes on as another plan says, which the workers have already.
    fn take_on(&mut self, plan: Plan) {
        let old = std::mem::replace(&mut self.plan, plan);
        for gone in old.pipelines.iter().filter(|old| find(&self.plan, old.number).is_none()) {
            self.surroundings.telemetry.sources.end(gone.number);
        }
    }

    /// Begins the sources that are to read and do not, once all that others have handed over is posted: only then do
    /// positions say where to begin. To be called now and then.
    pub(super) fn tend(&mut self) {
        self.readers.retain(|reader| !reader.shutdown.is_raised() || !reader.thread.is_finished());
        let is_read = |number: usize| self.readers.iter().any(|reader| reader.pipeline == number);
        let plans = self.plan.pipelines.iter().enumerate();
        let unread: Vec<_> = plans.filter(|(_, plan)| !is_read(plan.number)).map(|(at, _)| at).collect();
        if self.is_unsettled && (self.page.ticker.is_stuck() || !self.engine.settle(SETTLE_PATIENCE)) {
            return;
        }
        self.is_unsettled = self.readers.iter().any(|reader| reader.shutdown.is_raised());
        unread.into_iter().for_each(|at| self.read(at));
    }

    /// Ends the sources of these pipelines, and has all that they handed over posted.
    fn end(&mut self, pipelines: &[usize], stop: &Shutdown) -> Result<(), String> {
        if pipelines.is_empty() {
            return Ok(());
        }
        let is_ending = |reader: &Reader| pipelines.contains(&reader.pipeline);
        self.readers.iter().filter(|reader| is_ending(reader)).for_each(|reader| reader.shutdown.raise());
        self.is_unsettled = true;
        let late = || self.readers.iter().find(|reader| is_ending(reader) && !reader.thread.is_finished());
        wait_until(SOURCE_GRACE, || late().is_none() || stop.is_raised());
        if let Some(late) = late() {
            let name = find(&self.plan, late.pipeline).map_or("", |plan| plan.name.as_str());
            return Err(format!(
                "the source of pipeline {name} takes long to end; it is begun again as it was"
            ));
        }
        if !self.engine.settle(SETTLE_PATIENCE) {
            return Err(STUCK.to_owned());
        }
        self.readers.retain(|reader| !is_ending(reader));
        self.is_unsettled = false;
        Ok(())
    }

    /// Has the workers and the ledger go on with what is different in another plan.
    fn swap(&self, plan: &Plan) -> Swapped {
        let changed: Vec<_> = plan.pipelines.iter().filter(|new| !is_as_before(&self.plan, new)).collect();
        let gone: Vec<_> =
            self.plan.pipelines.iter().filter(|old| find(plan, old.number).is_none()).collect();
        let processors = (0..self.engine.workers()).map(|_| {
            let new = changed.iter().map(|plan| (plan.number, Some(plan.processor())));
            new.chain(gone.iter().map(|plan| (plan.number, None))).collect()
        });
        let swap = Swap { processors: processors.collect(), pipelines: plan.accounts() };
        self.engine.swap(swap, SWAP_PATIENCE)
    }

    /// Lets the sources finish, for at most `grace`, and posts everything they handed over. Says whether all of it is.
    pub(super) fn stop(self, grace: Duration) -> bool {
        self.readers.iter().for_each(|reader| reader.shutdown.raise());
        let clock = Clock::system();
        if !wait_until(grace, || self.readers.iter().all(|reader| reader.thread.is_finished())) {
            tracing::warn!("a source did not finish in time; what it had not handed over is not counted");
        }
        let left = grace.saturating_sub(clock.monotonic());
        match self.engine.drain(left) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "it is read again at the next start, where the source can");
                false
            }
        }
    }
}

/// What another plan changes: how many pipelines there are of each sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) same: usize,
    pub(super) changed: usize,
    pub(super) new: usize,
    pub(super) removed: usize,
}

impl Changed {
    fn between(old: &Plan, new: &Plan) -> Changed {
        let known = new.pipelines.iter().filter(|plan| find(old, plan.number).is_some()).count();
        let same = new.pipelines.iter().filter(|plan| is_as_before(old, plan)).count();
        let gone = old.pipelines.iter().filter(|plan| find(new, plan.number).is_none()).count();
        Changed { same, changed: known - same, new: new.pipelines.len() - known, removed: gone }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Changed { same, changed, new, removed } = self;
        write!(out, "pipelines changed: {changed}, new: {new}, removed: {removed}, as before: {same}")
    }
}

/// Whether a pipeline is written as it is in an old plan.
fn is_as_before(old: &Plan, pipeline: &PipelinePlan) -> bool {
    find(old, pipeline.number).is_some_and(|old| old.written == pipeline.written)
}

fn find(plan: &Plan, number: usize) -> Option<&PipelinePlan> {
    plan.pipelines.iter().find(|plan| plan.number == number)
}

/// Waits until something is so, at most for so long; whether it is.
fn wait_until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let (clock, never) = (Clock::system(), Shutdown::new());
    while !is_so() {
        if clock.monotonic() >= patience {
            return false;
        }
        never.wait(Duration::from_millis(5));
    }
    true
}

fn ended((at, pipeline): (usize, &str), result: Result<(), SourceError>, telemetry: &Telemetry) {
    match result {
        Ok(()) => tracing::info!(pipeline, "source ended"),
        Err(error) => {
            telemetry.sources.failed(at, error.to_string());
            tracing::error!(pipeline, error = %error, "source failed; its metrics stay as they are");
        }
    }
}
