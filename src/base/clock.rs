//! Time, passed in: the system's, or one that a test turns by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the program takes its time from. Cheap to clone; clones of a manual clock show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System {
        start: Instant,
        /// The time since the epoch at the start.
        unix: Duration,
    },
    /// Nanoseconds since the epoch. Written by the test, read by whoever asks for the time.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    pub fn system() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock(Kind::System { start: Instant::now(), unix })
    }

    /// A clock that stands at `unix` until it is [advanced](Clock::advance).
    pub fn manual(unix: Duration) -> Clock {
        Clock(Kind::Manual(Arc::new(AtomicU64::new(unix.as_nanos() as u64))))
    }

    /// Turns a manual clock forward. Does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual(nanos) = &self.0 {
            nanos.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// Time since some fixed moment; never goes back.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Kind::System { start, .. } => Instant::now().duration_since(*start),
            Kind::Manual(nanos) => Duration::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }

    /// Time since the Unix epoch that goes on steadily from the moment the clock was made, also when the system's
    /// calendar is set.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    pub fn steady(&self) -> Duration {
        match &self.0 {
            Kind::System { start, unix } => *unix + Instant::now().duration_since(*start),
            Kind::Manual(nanos) => Duration::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }

    /// Time since the Unix epoch, by the system's calendar.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    pub fn unix(&self) -> Duration {
        match &self.0 {
            Kind::System { .. } => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Kind::Manual(nanos) => Duration::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }
}
