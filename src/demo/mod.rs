//! What `streamgauge demo` shows: logs that are generated, and what was counted of them.
//!
//! The generators follow from a seed and from the times they are given, and keep the true totals of what they
//! wrote. [`writer`] is the one file here that writes to disk and keeps time.

pub mod access_log;
pub mod app_log;
pub mod counted;
pub mod report;
pub mod totals;
pub mod writer;

mod random;
mod text;

use std::time::Duration;

pub use access_log::AccessLog;
pub use app_log::AppLog;
pub use counted::Counted;
pub use random::Random;
pub use totals::{Figure, Totals};

/// Makes up the lines of a log.
pub trait Generate: Send {
    /// Appends one line, its end included, that was written at `unix`.
    fn line(&mut self, unix: Duration, out: &mut Vec<u8>);

    /// What a right count of all lines so far comes to.
    fn totals(&self) -> Totals;

    /// Appends `lines` lines of one moment.
    fn fill(&mut self, lines: u64, unix: Duration, out: &mut Vec<u8>) {
        for _ in 0..lines {
            self.line(unix, out);
        }
    }
}
