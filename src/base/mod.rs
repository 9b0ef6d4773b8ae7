//! What everything may use and what knows nothing of this program: bytes, time, the calendar, shutdown, waits between tries, how values are packed.

pub mod backoff;
pub mod bytes;
pub mod civil;
pub mod clock;
pub mod jitter;
pub mod pack;
pub mod shutdown;
