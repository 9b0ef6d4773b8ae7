//! What everything may use and what knows nothing of this program: time, shutdown, waits between tries.

pub mod backoff;
pub mod clock;
pub mod jitter;
pub mod shutdown;
