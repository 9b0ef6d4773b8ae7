//! A ledger that is kept in a directory, to be looked at.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::pipeline::Kept;
use super::replay::Replay;
use super::{About, Ledger};
use crate::journal::{Disk, Journal, OpenError, Summary};
use crate::model::batch::Position;
use crate::pipeline::Flow;

/// What was found in a state directory.
pub struct Found {
    /// The ledger of the last run. Which series are hidden is not kept: every one is shown.
    pub ledger: Ledger,
    /// The journal that it was read from.
    pub journal: Summary,
    /// When something was posted last, since the Unix epoch.
    pub posted: Duration,
}

impl Found {
    /// Reads the ledger that is kept in a directory, and changes nothing.
    ///
    /// # Errors
    /// Why it cannot be read; a process that uses the directory is a reason.
    pub fn look(directory: &Path, disk: Arc<dyn Disk>) -> Result<Found, OpenError> {
        let mut replay = Replay::new();
        let journal = Journal::look(directory, disk, &mut |record| replay.record(record.bytes))?;
        let state = replay.end();
        // As many nanoseconds as have room: the year 2554.
        let posted = Duration::from_nanos((state.posted * 1e9) as u64);
        Ok(Found { ledger: Ledger::of(state), journal, posted })
    }
}

/// What is kept of one pipeline, whether it is configured or not.
pub struct Remembered<'l> {
    /// What it is called, and what its parts are.
    pub about: &'l About,
    /// Since when it is not configured any more, if it is not.
    pub removed: Option<Duration>,
    /// Since when its events are counted.
    pub started: Duration,
    /// Its events.
    pub flow: &'l Flow,
    /// How far its lanes are, by their keys, in the order of those.
    pub positions: Vec<(String, Position)>,
    /// Its metrics, and since when one is not configured any more, if it is not.
    pub metrics: Vec<(&'l Account, Option<Duration>)>,
}

impl Remembered<'_> {
    pub(super) fn of(kept: &Kept) -> Remembered<'_> {
        let mut positions = kept.positions.all();
        positions.sort_by(|left, right| left.0.cmp(&right.0));
        let metrics = kept.accounts.iter().map(|account| (account, kept.removed));
        let remains = kept.remains.iter().map(|(since, account)| (account, Some(*since)));
        Remembered {
            about: &kept.about,
            removed: kept.removed,
            started: kept.started,
            flow: &kept.flow,
            positions,
            metrics: metrics.chain(remains).collect(),
        }
    }
}
