//! `multiline`: several lines make one record, a stack trace say.
//!
//! ```yaml
//! multiline:
//!   start: '^\d{4}-\d\d-\d\d'     # or  continue: '^\s'
//!   timeout: 1s
//!   max_bytes: 64KiB
//! ```
//!
//! A record is a line that begins one, with the lines that follow it up to the next such line. The first line
//! of a stream begins a record whatever it looks like.

use std::time::Duration;

use regex_automata::meta::Regex;

use super::block::{self, Cut, Look, Skip};
use crate::model::batch::Ends;
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;
use crate::raw::regex;

const fn key(name: &'static str, wanted: &'static str, help: &'static str, default: &'static str) -> Key {
    Key { name, wanted, required: false, help, default: Some(default) }
}

/// The keys of `multiline`.
pub static KEYS: &[Key] = &[
    key("start", "a regex, such as `'^\\d{4}-'`", "Lines that match begin a record.", ""),
    key("continue", "a regex, such as `'^\\s'`", "Lines that match go on with the record.", ""),
    key(
        "timeout",
        "a duration, such as `1s`",
        "A record is handed on when nothing was added for so long.",
        "1s",
    ),
    key("max_bytes", "a size, such as `64KiB`", "Longer records are skipped and counted.", "64KiB"),
];

/// Which lines make a record.
#[derive(Clone, Debug)]
pub struct Multiline {
    rule: Rule,
    /// A record is handed on when nothing was added to it for so long.
    pub timeout: Duration,
    /// The longest record that is handed on, without its last newline. A line is judged by as many bytes.
    pub max_bytes: usize,
}

#[derive(Clone, Debug)]
enum Rule {
    Start(Regex),
    Continue(Regex),
}

/// How far a block holds whole records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Up to the last line that begins a record.
    Record,
    /// Up to the last newline.
    Line,
    /// Up to the end of the block.
    End,
}

/// Reads the value of `multiline`.
pub fn read(node: &Node, faults: &mut Faults) -> Option<Multiline> {
    if node.is_null() {
        let help = "write for example `multiline: {start: '^\\d{4}-\\d\\d-\\d\\d'}`";
        faults.add_with_help(node.place, "`multiline` has no value", help);
        return None;
    }
    let before = faults.found().len();
    let keys = Mapping::read(node, "multiline", &[KEYS], faults)?;
    let is_sound = faults.found().len() == before;
    let rule = read_rule(&keys, is_sound, faults);
    let timeout = keys.get("timeout").map_or(Some(Duration::from_secs(1)), |node| read_timeout(node, faults));
    let max_bytes =
        keys.get("max_bytes").map_or(Some(64 << 10), |node| block::read_bytes("max_bytes", node, faults));
    Some(Multiline { rule: rule?, timeout: timeout?, max_bytes: max_bytes? })
}

/// Where a key is unknown (not `is_sound`), it may be the one that is missing.
fn read_rule(keys: &Mapping<'_>, is_sound: bool, faults: &mut Faults) -> Option<Rule> {
    match (keys.get("start"), keys.get("continue")) {
        (Some(node), None) => Some(Rule::Start(read_regex(node, faults)?)),
        (None, Some(node)) => Some(Rule::Continue(read_regex(node, faults)?)),
        (None, None) if !is_sound => None,
        (None, None) => {
            let help = "add `start: '^\\d{4}-'`, which matches the first line of a record, or `continue: '^\\s'`, \
                        which matches the others";
            faults.add_with_help(keys.place(), "`multiline` needs `start` or `continue`", help);
            None
        }
        (Some(start), Some(other)) => {
            // Both are read, so that the faults of both are found.
            drop((read_regex(start, faults), read_regex(other, faults)));
            let place = keys.key("continue").map_or(other.place, |key| key.place);
            let help = "leave one out: a line that does not match `start` continues the record";
            faults.add_with_help(place, "`multiline` takes `start` or `continue`, not both", help);
            None
        }
    }
}

fn read_regex(node: &Node, faults: &mut Faults) -> Option<Regex> {
    let (regex, _) = regex::read(node.text_of("a regex", faults)?, faults)?;
    Some(regex)
}

fn read_timeout(node: &Node, faults: &mut Faults) -> Option<Duration> {
    let timeout = node.duration(faults)?;
    if timeout < Duration::from_millis(10) || timeout > Duration::from_secs(3600) {
        let found = node.found();
        faults.add(node.place, format!("`timeout` is out of range: expected 10ms to 1h, found {found}"));
        return None;
    }
    Some(timeout)
}

impl Multiline {
    #[cfg(test)]
    pub fn begun_by(start: &str, timeout: Duration, max_bytes: usize) -> Multiline {
        Multiline { rule: Rule::Start(regex::compile(start).unwrap().0), timeout, max_bytes }
    }

    /// Whether this line, with or without its end, begins a record. Only its first bytes are looked at, so that
    /// it makes no difference how much of a very long line is there.
    pub fn begins(&self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = &line[..line.len().min(self.max_bytes)];
        match &self.rule {
            Rule::Start(regex) => regex.is_match(line),
            Rule::Continue(regex) => !regex.is_match(line),
        }
    }

    /// Where the records of `block`, which starts with one, start, and where the last whole one ends.
    pub fn bounds(&self, block: &[u8], until: Until) -> Vec<usize> {
        let (mut bounds, mut start) = (vec![0], 0);
        for newline in memchr::memchr_iter(b'\n', block) {
            if start > 0 && self.begins(&block[start..newline]) {
                bounds.push(start);
            }
            start = newline + 1;
        }
        let rest = &block[start..];
        let is_known = if until == Until::End { !rest.is_empty() } else { rest.len() > self.max_bytes };
        if start > 0 && is_known && self.begins(rest) {
            bounds.push(start);
        }
        let end = match until {
            Until::Record => return bounds,
            Until::Line => start,
            Until::End => block.len(),
        };
        if bounds.last() != Some(&end) {
            bounds.push(end);
        }
        bounds
    }

    /// Looks for whole records in `block`, which starts with one.
    pub fn look(&self, block: &[u8]) -> Look {
        let bounds = self.bounds(block, Until::Record);
        if bounds.len() > 1 {
            return Look::Whole(bounds);
        }
        let lines = memchr::memrchr(b'\n', block).map_or(0, |newline| newline + 1);
        if block.len() - lines > self.max_bytes {
            Look::Overlong { from: block.len(), inside: true }
        } else if lines > self.max_bytes + 1 {
            Look::Overlong { from: lines, inside: false }
        } else {
            Look::Partial
        }
    }

    /// Looks for the next line that begins a record in `block`, which starts inside a record that is too long.
    pub fn skip(&self, block: &[u8], inside: bool) -> Skip {
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', block) {
            if !(inside && start == 0) && self.begins(&block[start..newline]) {
                return Skip::Ends(start);
            }
            start = newline + 1;
        }
        let (rest, inside) = (&block[start..], inside && start == 0);
        if inside {
            Skip::Passes { to: block.len(), inside }
        } else if rest.len() > self.max_bytes {
            if self.begins(rest) { Skip::Ends(start) } else { Skip::Passes { to: block.len(), inside: true } }
        } else if start > 0 {
            Skip::Passes { to: start, inside: false }
        } else {
            Skip::Unknown
        }
    }

    /// Leaves in `block` the records between these bounds that are not too long.
    pub fn cut(&self, block: &mut Vec<u8>, bounds: &[usize]) -> Cut {
        let taken = bounds.last().copied().unwrap_or_default();
        let (mut kept, mut overlong, mut ends) = (0, 0, Vec::with_capacity(bounds.len()));
        for record in bounds.windows(2) {
            let range = record[0]..record[1];
            let len = range.len() - usize::from(block[range.clone()].ends_with(b"\n"));
            if len > self.max_bytes {
                overlong += 1;
                continue;
            }
            let bytes = range.len();
            if range.start != kept {
                block.copy_within(range, kept);
            }
            kept += bytes;
            ends.push(kept);
        }
        block.truncate(kept);
        Cut { taken, overlong, ends: Ends::At(ends.into()) }
    }
}
