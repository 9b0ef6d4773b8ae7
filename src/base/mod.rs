//! What everything may use and what knows nothing of this program: time, shutdown, waiting between tries.

pub mod backoff;
pub mod clock;
pub mod shutdown;
