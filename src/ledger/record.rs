//! A record of the journal: what the ledger writes with each posting.
//!
//! A record is a list of parts, each of which begins with the byte of its [`Part`], up to the end of the record. The first
//! record of a segment begins with the layout. Then, over as many records as it takes, follow the series that there are,
//! slice by slice; in between, always as the last part of its record, each posting. Whoever reads a segment from its begin
//! knows every series once the last slice was read; what was posted to a series before its slice is in the slice.

use std::time::Duration;

use super::pipeline::Kept;
use super::state::State;
use super::stored;
use crate::base::pack::{Damaged, Pack};

/// What a part of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Part {
    /// The pipelines and their metrics, their flows and positions.
    Layout = 1,
    /// Some series of a metric, with all that is kept of them.
    Slice = 2,
    /// What a tick changed.
    Posting = 3,
}

impl Part {
    /// The part that begins with this byte.
    pub(super) fn of(byte: u8) -> Result<Part, Damaged> {
        let known = [Part::Layout, Part::Slice, Part::Posting].into_iter().find(|part| *part as u8 == byte);
        known.ok_or(Damaged("it has a part that nobody knows"))
    }
}

/// How far the slices of a segment are: which pipeline, which of its accounts, and the last key that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pipeline: usize,
    account: usize,
    after: Option<String>,
}

/// Appends the layout.
pub(super) fn put_layout(state: &State, into: &mut Vec<u8>) {
    into.push(Part::Layout as u8);
    into.put_float(state.posted);
    into.put_number(state.kept().count() as u64);
    for (number, kept) in state.kept() {
        into.put_number(number as u64);
        put_kept(kept, into);
    }
}

fn put_kept(kept: &Kept, into: &mut Vec<u8>) {
    stored::put_about(&kept.about, into);
    put_removed(kept.removed, into);
    put_time(kept.started, into);
    into.put_number(kept.order.load(std::sync::atomic::Ordering::Relaxed));
    stored::put_flow(&kept.flow, into);
    let positions = kept.positions.all();
    into.put_number(positions.len() as u64);
    positions.iter().for_each(|(key, position)| stored::put_position(key, Some(*position), into));
    into.put_number(kept.all().count() as u64);
    let removed =
        kept.accounts.iter().map(|_| None).chain(kept.remains.iter().map(|(since, _)| Some(*since)));
    for (account, removed) in kept.all().zip(removed) {
        stored::put_metric(account.family(), account.declared(), into);
        put_removed(removed, into);
        put_time(account.started(), into);
        into.put_number(account.series().1 as u64);
    }
}

fn put_time(time: Duration, into: &mut Vec<u8>) {
    into.put_number(time.as_nanos() as u64);
}

fn put_removed(removed: Option<Duration>, into: &mut Vec<u8>) {
    put_time(removed.unwrap_or_default(), into);
}

/// Appends slices from the cursor on, about as many bytes as `most`; `false` once there is nothing left.
pub(super) fn put_slices(state: &State, cursor: &mut Cursor, most: usize, into: &mut Vec<u8>) -> bool {
    let end = into.len().saturating_add(most);
    loop {
        let Some(kept) = state.pipelines.get(cursor.pipeline) else { return false };
        let Some(account) = kept.as_ref().and_then(|kept| kept.account(cursor.account)) else {
            *cursor = Cursor { pipeline: cursor.pipeline + 1, ..Cursor::default() };
            continue;
        };
        if into.len() >= end {
            return true;
        }
        let start = into.len();
        into.push(Part::Slice as u8);
        into.put_number(cursor.pipeline as u64);
        into.put_number(cursor.account as u64);
        let head = into.len();
        cursor.after = account.put_slice(cursor.after.as_deref(), end, into);
        if into.len() == head + 1 {
            // Not one series: only the byte that says so.
            into.truncate(start);
        }
        if cursor.after.is_none() {
            cursor.account += 1;
        }
    }
}
