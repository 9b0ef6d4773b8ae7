//! An account on disk: what is written of it, and how it is read back.

use super::Account;
use crate::aggregate::{Changes, Posting};
use crate::base::pack::{Damaged, Pack, Packed};
use crate::model::series::SeriesId;

/// A number of a series beyond this is damage: an account has at most ten million, and some that were forgotten.
const MAX_SERIES: usize = 1 << 25;

/// What stands before each series of a slice: all that is kept of it follows, or nothing was posted to it yet.
const SERIES: u8 = 1;
const NAMED: u8 = 2;

/// What stands behind the last one.
const END: u8 = 0;

impl Account {
    /// Appends what one worker changed.
    pub(in super::super) fn pack_changes(&self, changes: &Changes, into: &mut Vec<u8>) {
        self.book.pack(changes, into);
    }

    /// Appends the series whose keys come after this one, at least one and until there are so many bytes, and an end behind
    /// the last. The last key, if there are more.
    pub(in super::super) fn put_slice(
        &self,
        after: Option<&str>,
        end: usize,
        into: &mut Vec<u8>,
    ) -> Option<String> {
        let mut last = None;
        for (series, key) in self.order.after(after) {
            // At least one: whoever comes with too little room for any would be told that there are no more.
            if last.is_some() && into.len() >= end {
                into.push(END);
                return last.map(str::to_owned);
            }
            let start = into.len();
            into.push(SERIES);
            into.put_number(series.0.into());
            into.put_text(key);
            if !self.book.pack_series(series, into) {
                into[start] = NAMED;
            }
            last = Some(key);
        }
        into.push(END);
        None
    }

    /// Reads what [`put_slice`](Account::put_slice) wrote.
    pub(in super::super) fn restore_slice(&mut self, from: &mut Packed<'_>) -> Result<(), Damaged> {
        loop {
            let tag = from.byte()?;
            if tag == END {
                return Ok(());
            }
            let series = SeriesId(from.size(MAX_SERIES)? as u32);
            let key = from.text()?;
            if !self.is_known(series) {
                self.define(series, key)?;
            }
            if tag == SERIES {
                self.book.restore(series, from)?;
            }
        }
    }

    /// Learns the number of a series while it is read back.
    pub(in super::super) fn define(&mut self, series: SeriesId, key: &str) -> Result<(), Damaged> {
        if series.index() > MAX_SERIES {
            return Err(Damaged("the number of a series is too large"));
        }
        if self.is_known(series) || !self.directory.restore(series, key) {
            return Err(Damaged("a series is there twice"));
        }
        if self.replayed.len() <= series.index() {
            self.replayed.resize(series.index() + 1, false);
        }
        self.replayed[series.index()] = true;
        Ok(())
    }

    fn is_known(&self, series: SeriesId) -> bool {
        self.replayed.get(series.index()).copied().unwrap_or(false)
    }

    /// Forgets series while it is read back; of one that was not read yet there is nothing to forget.
    pub(in super::super) fn forget_replayed(&mut self, forgotten: &[(SeriesId, &str)]) {
        let known: Vec<_> = forgotten.iter().filter(|(series, _)| self.is_known(*series)).copied().collect();
        if known.is_empty() {
            return;
        }
        self.learn(&self.directory.take_new());
        for (series, _) in &known {
            self.replayed[series.index()] = false;
            self.book.forget(*series);
        }
        let Account { order, replayed, .. } = self;
        order.retain(|series| replayed.get(series.index()).copied().unwrap_or(false));
        self.directory.forget(known.iter().map(|(_, key)| *key));
    }

    /// Posts what [`pack_changes`](Account::pack_changes) wrote. What is posted to a series that was not read yet is part
    /// of the slice in which it comes.
    pub(in super::super) fn post_packed(
        &mut self,
        from: &mut Packed<'_>,
        posting: Posting,
    ) -> Result<(), Damaged> {
        let Account { book, replayed, .. } = self;
        book.post_packed(from, posting, &|series| replayed.get(series.index()).copied().unwrap_or(false))
    }

    /// Ends the reading: numbers that no series has are free.
    pub(in super::super) fn recovered(&mut self) {
        self.learn(&self.directory.take_new());
        let replayed = std::mem::take(&mut self.replayed);
        let free = replayed.iter().enumerate().filter(|(_, known)| !**known);
        self.directory.release(free.map(|(series, _)| SeriesId(series as u32)));
    }
}
