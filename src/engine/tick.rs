//! Ticks: at each, every worker hands over its delta, and the ledger posts them all as one.

use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Surroundings;
use super::queue::Queue;
use super::swap::{Replacement, Swap, Swapped};
use crate::base::backoff::Backoff;
use crate::base::clock::Clock;
use crate::journal::CommitError;
use crate::ledger::{Abandoned, Keeper};
use crate::pipeline::Delta;

/// A scrape shows what was posted at most so long ago; those that come within it share a tick.
const FRESH: Duration = Duration::from_millis(100);

/// How long a scrape waits for its tick: longer than a disk usually takes to write, shorter than a scrape may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The time between two tries of the last posting.
const LAST_PAUSE: Duration = Duration::from_millis(20);

/// Asks for ticks. Requests that come while a tick is under way share the next one.
#[derive(Clone)]
pub struct Ticker(Arc<Shared>);

struct Shared {
    clock: Clock,
    /// Requests are added by anyone; ticks are counted by the ticking thread.
    state: Mutex<State>,
    /// Signalled at every request and after every tick.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the newest tick that was asked for; ticks are numbered from 1.
    wanted: u64,
    /// The number of ticks begun.
    begun: u64,
    /// When the last one was begun.
    begun_at: Option<Duration>,
    /// The number of ticks whose deltas are all posted.
    posted: u64,
    /// Whether the tick under way could not be committed up to now.
    stuck: bool,
    /// What is to be swapped at the next tick.
    swap: Option<Swap>,
    /// No tick comes any more but the last one, which may be tried until then.
    closed: Option<Duration>,
}

impl Ticker {
    /// Waits until everything that workers had recorded before this call is posted; at most for `patience`, and not while
    /// nothing can be posted. Says whether it is.
    pub fn tick_within(&self, patience: Duration) -> bool {
        let mut state = self.0.state();
        let number = state.begun + 1;
        state.wanted = state.wanted.max(number);
        self.0.changed.notify_all();
        self.0.wait(state, number, patience)
    }

    /// The same, however long it takes.
    pub fn tick(&self) {
        self.tick_within(Duration::MAX);
    }

    /// The same for a scrape: a tick that was begun a moment ago is recent enough, and what takes too long is not waited for.
    pub fn tick_for_scrape(&self) {
        let now = self.0.clock.monotonic();
        let state = self.0.state();
        if state.begun_at.is_some_and(|at| now.saturating_sub(at) < FRESH) {
            let number = state.begun;
            self.0.wait(state, number, PATIENCE);
        } else {
            drop(state);
            self.tick_within(PATIENCE);
        }
    }

    /// Has processors and pipelines swapped between two ticks, and waits until it is done, at most for so long.
    pub(super) fn swap(&self, swap: Swap, patience: Duration) -> Swapped {
        let mut state = self.0.state();
        if state.closed.is_some() || state.stuck || state.swap.is_some() {
            return Swapped::Not;
        }
        state.swap = Some(swap);
        let number = state.begun + 1;
        state.wanted = state.wanted.max(number);
        self.0.changed.notify_all();
        let waiting = |state: &mut State| state.posted < number && state.closed.is_none();
        let waited = self.0.changed.wait_timeout_while(state, patience, waiting);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.posted >= number {
            Swapped::Done
        } else if state.swap.take().is_some() {
            Swapped::Not
        } else {
            Swapped::Later
        }
    }

    /// Whether the tick under way could not be committed up to now.
    pub fn is_stuck(&self) -> bool {
        self.0.state().stuck
    }

    /// How many ticks were posted.
    pub fn posted(&self) -> u64 {
        self.0.state().posted
    }

    /// Ends the ticks with a last one, which is tried until `deadline`, a time of the monotonic clock.
    pub fn close(&self, deadline: Duration) {
        self.0.state().closed = Some(deadline);
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Counters cannot be left half written by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the tick of this number is posted.
    fn wait(&self, state: MutexGuard<'_, State>, number: u64, patience: Duration) -> bool {
        let waiting = |state: &mut State| {
            state.posted < number && state.closed.is_none() && (!state.stuck || patience == Duration::MAX)
        };
        let state = match patience {
            Duration::MAX => self.changed.wait_while(state, waiting).unwrap_or_else(PoisonError::into_inner),
            _ => {
                let waited = self.changed.wait_timeout_while(state, patience, waiting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.posted >= number
    }

    /// Waits until a tick is due; `false` when the engine is stopping.
    fn due(&self, interval: Option<Duration>) -> bool {
        let idle = |state: &mut State| state.wanted <= state.begun && state.closed.is_none();
        let state = self.state();
        let mut state = match interval {
            Some(interval) => {
                self.changed
                    .wait_timeout_while(state, interval, idle)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
        };
        state.begun += 1;
        state.begun_at = Some(self.clock.monotonic());
        state.closed.is_none()
    }

    fn wants_swap(&self) -> bool {
        self.state().swap.is_some()
    }

    /// What is to be swapped, which from here on cannot be taken back.
    fn take_swap(&self) -> Option<Swap> {
        self.state().swap.take()
    }

    fn done(&self) {
        let mut state = self.state();
        state.posted = state.begun;
        state.stuck = false;
        drop(state);
        self.changed.notify_all();
    }

    /// Notes that nothing can be posted, and waits for a while; whether to try it again.
    fn stuck(&self, pause: Duration) -> bool {
        let mut state = self.state();
        state.stuck = true;
        self.changed.notify_all();
        let closed = state.closed;
        // When the end is near every moment counts.
        let pause = if closed.is_some() { LAST_PAUSE } else { pause };
        let waited = self.changed.wait_timeout_while(state, pause, |state| state.closed == closed);
        let closed = waited.unwrap_or_else(PoisonError::into_inner).0.closed;
        closed.is_none_or(|deadline| self.clock.monotonic() < deadline)
    }
}

/// Starts the thread that ticks the workers of `queues`, each of which answers on its channel of `deltas`.
pub(super) fn start(
    queues: Vec<Arc<Queue>>,
    deltas: Vec<Receiver<Delta>>,
    interval: Option<Duration>,
    (keeper, surroundings): (Keeper, Surroundings),
) -> (Ticker, JoinHandle<Result<(), Abandoned>>) {
    let shared =
        Shared { clock: surroundings.clock.clone(), state: Mutex::default(), changed: Condvar::new() };
    let shared = Arc::new(shared);
    let ticker = Ticker(Arc::clone(&shared));
    let mut ticking = Ticking { shared, queues, deltas, keeper, surroundings };
    let run = move || ticking.run(interval);
    let thread = std::thread::Builder::new().name("ticker".to_owned());
    (ticker, thread.spawn(run).expect("the system can start a thread"))
}

/// What the ticking thread has.
struct Ticking {
    shared: Arc<Shared>,
    queues: Vec<Arc<Queue>>,
    deltas: Vec<Receiver<Delta>>,
    keeper: Keeper,
    surroundings: Surroundings,
}

impl Ticking {
    fn run(&mut self, interval: Option<Duration>) -> Result<(), Abandoned> {
        while self.shared.due(interval) {
            let start = self.surroundings.clock.monotonic();
            if self.shared.wants_swap() {
                // Before anything is another it is seen whether a posting can be committed.
                self.keeper.insist();
                self.hand_over(Vec::new())?;
            }
            match self.shared.take_swap() {
                None => self.hand_over(Vec::new())?,
                Some(Swap { processors, pipelines }) => {
                    self.hand_over(processors)?;
                    self.keeper.adopt(pipelines, self.surroundings.clock.steady());
                    self.post(Vec::new())?;
                }
            }
            self.done(start);
        }
        let start = self.surroundings.clock.monotonic();
        // The workers have ended: their last deltas wait in the channels.
        let deltas = self.deltas.iter().flatten().collect();
        let posted = self.post(deltas);
        self.done(start);
        posted
    }

    /// Ends the tick that was begun at `start`.
    fn done(&self, start: Duration) {
        let Surroundings { telemetry, clock, .. } = &self.surroundings;
        telemetry.engine.ticked(clock.monotonic().saturating_sub(start));
        self.shared.done();
    }

    /// Has every worker hand over, and go on with other processors, and posts what they handed over.
    fn hand_over(&mut self, processors: Vec<Replacement>) -> Result<(), Abandoned> {
        let mut processors = processors.into_iter();
        for queue in &self.queues {
            queue.request_hand_over(processors.next().unwrap_or_default());
        }
        let deltas = self.deltas.iter().filter_map(|worker| worker.recv().ok()).collect();
        self.post(deltas)
    }

    fn post(&mut self, deltas: Vec<Delta>) -> Result<(), Abandoned> {
        let Ticking { shared, queues, keeper, surroundings, .. } = self;
        let Surroundings { telemetry, clock, .. } = surroundings;
        telemetry.journal.begin(clock.monotonic());
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut failures = 0;
        let mut again = |error: &CommitError| {
            if failures == 0 {
                tracing::error!(%error, "nothing can be posted; sources wait until it can");
                // What workers still take could not be posted either.
                queues.iter().for_each(|queue| queue.hold(true));
            }
            failures += 1;
            telemetry.journal.failed(said(error), error.to_string());
            shared.stuck(backoff.failed())
        };
        // Windows must not stretch or shrink when the calendar is set.
        let posted = keeper.post(deltas, clock.steady(), &mut again);
        let (now, unix) = (clock.monotonic(), clock.unix());
        let size = keeper.journal().map_or((0, 0), |journal| (journal.written(), journal.size()));
        telemetry.journal.end(now, matches!(posted, Ok(true)).then_some(unix), size);
        if failures > 0 && posted.is_ok() {
            tracing::info!(failures, "posted again; sources go on");
            queues.iter().for_each(|queue| queue.hold(false));
        }
        posted.map(drop)
    }
}

/// What the system said.
fn said(error: &CommitError) -> &io::Error {
    match error {
        CommitError::Failed { error, .. } => error,
        CommitError::Changed { .. } => unreachable!("a posting is tried again as it is"),
    }
}
