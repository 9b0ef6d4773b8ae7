//! Ticks: at each, every worker hands over its delta, and the ledger posts them all as one.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Surroundings;
use super::queue::Queue;
use crate::pipeline::Delta;

/// Asks for ticks. Requests that come while a tick is under way share the next one.
#[derive(Clone)]
pub struct Ticker(Arc<Shared>);

struct Shared {
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
    /// The number of ticks whose deltas are all posted.
    posted: u64,
    closed: bool,
}

impl Ticker {
    /// Waits until everything that workers had recorded before this call is posted. Returns at once when the
    /// engine has stopped.
    pub fn tick(&self) {
        let mut state = self.0.state();
        let number = state.begun + 1;
        state.wanted = state.wanted.max(number);
        self.0.changed.notify_all();
        let waiting = |state: &mut State| state.posted < number && !state.closed;
        drop(self.0.changed.wait_while(state, waiting).unwrap_or_else(PoisonError::into_inner));
    }

    /// How many ticks were posted.
    pub fn posted(&self) -> u64 {
        self.0.state().posted
    }

    pub(super) fn close(&self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Counters cannot be left half written by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a tick is due; false when the engine is stopping.
    fn due(&self, interval: Option<Duration>) -> bool {
        let idle = |state: &mut State| state.wanted <= state.begun && !state.closed;
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
        !state.closed
    }

    fn done(&self) {
        let mut state = self.state();
        state.posted = state.begun;
        drop(state);
        self.changed.notify_all();
    }
}

/// Starts the thread that ticks the workers of `queues`, each of which answers on its channel of `deltas`.
pub(super) fn start(
    queues: Vec<Arc<Queue>>,
    deltas: Vec<Receiver<Delta>>,
    interval: Option<Duration>,
    surroundings: Surroundings,
) -> (Ticker, JoinHandle<()>) {
    let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
    let ticker = Ticker(Arc::clone(&shared));
    let run = move || {
        while shared.due(interval) {
            queues.iter().for_each(|queue| queue.request_hand_over());
            post(&surroundings, deltas.iter().filter_map(|worker| worker.recv().ok()));
            shared.done();
        }
        // The workers have ended: their last deltas wait in the channels.
        post(&surroundings, deltas.iter().flatten());
        shared.done();
    };
    let thread = std::thread::Builder::new().name("ticker".to_owned());
    (ticker, thread.spawn(run).expect("the system can start a thread"))
}

fn post(surroundings: &Surroundings, deltas: impl Iterator<Item = Delta>) {
    let start = surroundings.clock.monotonic();
    let deltas = deltas.collect();
    // Windows must not stretch or shrink when the calendar is set.
    surroundings.ledger.post(deltas, surroundings.clock.steady());
    let took = surroundings.clock.monotonic().saturating_sub(start);
    surroundings.telemetry.engine.ticked(took);
}
