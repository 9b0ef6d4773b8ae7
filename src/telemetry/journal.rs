//! What the keeping of the ledger reports: commits to the journal, and what keeps them from succeeding.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is reported of the journal. Written by the ticker, read by expositions.
#[derive(Debug, Default)]
pub struct Journal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Who writes the journal, once there is one.
    instance: Option<String>,
    commits: Commits,
    /// When the commit under way was begun.
    begun: Option<Duration>,
    /// What the last try of it failed with.
    failing: Option<String>,
}

/// The commits to the journal of this process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commits {
    /// How many succeeded.
    pub succeeded: u64,
    /// How many tries failed, by reason.
    pub failed: BTreeMap<&'static str, u64>,
    /// How long those took, with the tries that failed.
    pub took: Duration,
    /// When the last one succeeded, since the Unix epoch.
    pub last: Option<Duration>,
    /// Bytes written.
    pub written: u64,
    /// Bytes that the journal takes.
    pub size: u64,
    /// Whether the last try failed.
    pub is_failing: bool,
}

impl Journal {
    /// Notes who writes the journal; `None` if there is none.
    pub fn instance(&self, instance: Option<String>) {
        self.state().instance = instance;
    }

    /// Who writes the journal, and the commits up to now; `None` if there is none.
    pub fn commits(&self) -> Option<(String, Commits)> {
        let state = self.state();
        Some((state.instance.clone()?, state.commits.clone()))
    }

    /// A commit begins.
    pub fn begin(&self, now: Duration) {
        self.state().begun = Some(now);
    }

    /// A try of the commit under way failed.
    pub fn failed(&self, error: &io::Error, what: String) {
        let mut state = self.state();
        *state.commits.failed.entry(reason(error)).or_default() += 1;
        state.commits.is_failing = true;
        state.failing = Some(what);
    }

    /// The commit under way ended at `now`, or at `unix` since the epoch, if it succeeded; so many bytes were written in
    /// all, and the journal takes so many.
    pub fn end(&self, now: Duration, succeeded: Option<Duration>, (written, size): (u64, u64)) {
        let mut state = self.state();
        let begun = state.begun.take().unwrap_or(now);
        (state.commits.written, state.commits.size) = (written, size);
        if let Some(unix) = succeeded {
            state.commits.succeeded += 1;
            state.commits.took += now.saturating_sub(begun);
            state.commits.last = Some(unix);
            state.commits.is_failing = false;
            state.failing = None;
        }
    }

    /// What keeps the commit under way from its end, if it has not ended for longer than `patience`, or has failed.
    pub fn trouble(&self, now: Duration, patience: Duration) -> Option<String> {
        let state = self.state();
        let waited = now.saturating_sub(state.begun?);
        let since = format!("nothing was posted for {} s", waited.as_secs());
        match &state.failing {
            Some(what) => Some(format!("{what}; {since}, sources wait")),
            None => {
                (waited > patience).then(|| format!("a write to the state directory is not done; {since}"))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a write failed, as a label.
fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "full",
        ErrorKind::ReadOnlyFilesystem => "read_only",
        ErrorKind::PermissionDenied => "not_permitted",
        ErrorKind::NotFound => "gone",
        _ => "io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_trouble_once_it_failed_or_takes_long() {
        let journal = Journal::default();
        assert_eq!(journal.commits(), None);
        journal.instance(Some("a".to_owned()));
        let at = Duration::from_secs;
        let trouble = |now| journal.trouble(at(now), at(5));
        assert_eq!(trouble(100), None);
        journal.begin(at(100));
        assert_eq!(trouble(105), None);
        assert_eq!(
            trouble(106).unwrap(),
            "a write to the state directory is not done; nothing was posted for 6 s"
        );
        journal.failed(&ErrorKind::StorageFull.into(), "no space in /x".to_owned());
        assert_eq!(trouble(101).unwrap(), "no space in /x; nothing was posted for 1 s, sources wait");
        assert!(journal.commits().unwrap().1.is_failing);
        journal.end(at(110), Some(at(1000)), (7, 8));
        assert_eq!(trouble(200), None);
        let failed = BTreeMap::from([("full", 1)]);
        let (took, last) = (at(10), Some(at(1000)));
        let wanted = Commits { succeeded: 1, failed, took, last, written: 7, size: 8, is_failing: false };
        assert_eq!(journal.commits(), Some(("a".to_owned(), wanted)));
    }
}
