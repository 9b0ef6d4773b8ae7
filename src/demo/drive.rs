//! What a stream is driven by: when it begins, how many events are due, and how far ahead of the counts it may be.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Totals;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;

/// The time between two bursts of a stream.
pub const BURST: Duration = Duration::from_millis(20);

/// The most events of one burst; more are due only if the system is too slow.
const BURST_EVENTS: u64 = 20_000;

/// How far a stream is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Added to by the stream, when an event is where its pipeline reads.
    generated: AtomicU64,
    /// Set by whoever looks at the ledger, read by the stream.
    counted: AtomicU64,
}

impl Progress {
    /// How many events there are.
    pub fn generated(&self) -> u64 {
        self.generated.load(Ordering::Relaxed)
    }

    /// How many of them are known to be counted.
    pub fn counted(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// Adds events that are where their pipeline reads.
    pub fn add_generated(&self, events: u64) {
        self.generated.fetch_add(events, Ordering::Relaxed);
    }

    /// Notes how many events are counted.
    pub fn set_counted(&self, events: u64) {
        self.counted.store(events, Ordering::Relaxed);
    }
}

/// What a stream is driven by. Clones drive the same stream.
#[derive(Clone, Debug)]
pub struct Drive {
    /// How far the stream is.
    pub progress: Arc<Progress>,
    /// The time.
    pub clock: Clock,
    /// When to end.
    pub stop: Shutdown,
    /// Events a second.
    pub rate: u64,
    /// How many events may be there without being counted.
    pub ahead: u64,
    /// When the first event is due. Set once, when all pipelines are ready.
    pub start: Arc<OnceLock<Duration>>,
}

impl Drive {
    /// How many events are due after `made` of them.
    pub fn due(&self, made: u64) -> u64 {
        let Some(start) = self.start.get() else { return 0 };
        let elapsed = self.clock.monotonic().saturating_sub(*start);
        let due = (elapsed.as_secs_f64() * self.rate as f64) as u64;
        let most = self.progress.counted().saturating_add(self.ahead);
        due.min(most).saturating_sub(made).min(BURST_EVENTS)
    }
}

/// A stream on a thread of its own.
pub struct Stream {
    thread: JoinHandle<io::Result<Totals>>,
}

impl Stream {
    /// Starts it. `run` returns when `stop` is raised; if it cannot go on before that, it raises `stop` for all.
    pub fn start(
        name: &str,
        stop: Shutdown,
        run: impl FnOnce() -> io::Result<Totals> + Send + 'static,
    ) -> Stream {
        let run = move || {
            let totals = run();
            stop.raise();
            totals
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        Stream { thread: thread.expect("the system can start a thread") }
    }

    /// Waits until the last event is where its pipeline reads: the true totals.
    ///
    /// # Errors
    /// What kept it from going on.
    pub fn finish(self) -> io::Result<Totals> {
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))
    }
}

#[cfg(test)]
impl Drive {
    /// A drive by this clock that has begun.
    pub(super) fn begun(rate: u64, ahead: u64, clock: Clock) -> Drive {
        let start = Arc::new(OnceLock::from(clock.monotonic()));
        Drive { progress: Arc::default(), clock, stop: Shutdown::new(), rate, ahead, start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_by_the_time_that_went_by_since_the_start() {
        let clock = Clock::manual(Duration::from_secs(100));
        let mut drive = Drive::begun(1000, u64::MAX, clock.clone());
        assert_eq!(drive.due(0), 0);
        clock.advance(Duration::from_millis(500));
        assert_eq!((drive.due(0), drive.due(400), drive.due(501)), (500, 100, 0));
        drive.start = Arc::default();
        assert_eq!(drive.due(0), 0, "it has not begun");
    }

    #[test]
    fn a_stream_does_not_run_ahead_of_the_counts() {
        let clock = Clock::manual(Duration::ZERO);
        let drive = Drive::begun(1000, 50, clock.clone());
        clock.advance(Duration::from_secs(10));
        assert_eq!((drive.due(0), drive.due(50)), (50, 0));
        drive.progress.set_counted(30);
        assert_eq!(drive.due(50), 30);
    }

    #[test]
    fn a_stream_that_cannot_go_on_stops_all() {
        let stop = Shutdown::new();
        let stream = Stream::start("test", stop.clone(), || Err(io::Error::other("no more")));
        assert!(stop.wait(Duration::from_secs(60)));
        assert_eq!(stream.finish().unwrap_err().to_string(), "no more");
        let stream = Stream::start("test", stop, || panic!("for the test"));
        assert_eq!(stream.finish().unwrap_err().to_string(), "its thread panicked");
    }
}
