//! What `streamgauge demo` shows: streams that are generated, and what was counted of them.
//!
//! The generators follow from a seed and from the times they are given, and keep the true totals of what they
//! made up. [`log_writer`], [`producer`] and [`feed`] carry it to where pipelines read: to a file, to Kafka, over a
//! WebSocket; [`drive`] says when.

pub mod access_log;
pub mod app_log;
pub mod counted;
pub mod drive;
pub mod feed;
pub mod log_writer;
pub mod orders;
pub mod producer;
pub mod report;
pub mod totals;
pub mod trades;

mod random;
mod text;

use std::time::Duration;

pub use access_log::AccessLog;
pub use app_log::AppLog;
pub use counted::Counted;
pub use orders::Orders;
pub use random::Random;
pub use totals::{Figure, Totals};
pub use trades::Trades;

/// Makes up the records of a stream.
pub trait Generate: Send {
    /// Appends one record, without a line end, of what happened at `unix`.
    fn record(&mut self, unix: Duration, out: &mut Vec<u8>);

    /// What a right count of all records so far comes to.
    fn totals(&self) -> Totals;

    /// Appends `lines` records of one moment, each as a line.
    fn fill(&mut self, lines: u64, unix: Duration, out: &mut Vec<u8>) {
        for _ in 0..lines {
            self.record(unix, out);
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of two moments, with the generator that made them.
    pub(super) fn generate<G: Generate>(mut generator: G, lines: u64) -> (G, String) {
        let mut out = Vec::new();
        generator.fill(lines / 2, Duration::from_millis(1_795_183_402_104), &mut out);
        generator.fill(lines - lines / 2, Duration::from_millis(1_795_183_403_007), &mut out);
        (generator, String::from_utf8(out).unwrap())
    }

    #[track_caller]
    fn check_follows_from_its_seed<G: Generate>(new: fn(u64) -> G) {
        let text = |seed| generate(new(seed), 1000).1;
        assert_eq!(text(3), text(3));
        assert_ne!(text(3), text(4));
        assert_eq!(text(3).lines().count(), 1000);
    }

    #[test]
    fn the_same_seed_makes_the_same_stream() {
        check_follows_from_its_seed(AppLog::new);
        check_follows_from_its_seed(AccessLog::new);
        check_follows_from_its_seed(Orders::new);
        check_follows_from_its_seed(Trades::new);
    }
}
