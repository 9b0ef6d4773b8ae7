//! Cuts blocks of bytes at the ends of lines; shared by everything that reads lines.

use crate::model::batch::Ends;
use crate::model::refused::{Refusals, Refused};
use crate::raw::fault::Faults;
use crate::raw::node::Node;

/// How much is read at once, and how long a line may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of one read.
    pub block_bytes: usize,
    /// The longest line that is handed on, without its newline. Longer ones are skipped and counted.
    pub max_line_bytes: usize,
}

/// A longer record would not fit the bound on memory.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// Reads the limit of a line or a record, the value of `key`.
pub fn read_bytes(key: &str, node: &Node, faults: &mut Faults) -> Option<usize> {
    let bytes = node.bytes(faults)?;
    if bytes == 0 || bytes > MAX_RECORD_BYTES {
        let found = node.found();
        faults.add(node.place, format!("`{key}` is out of range: expected 1B to 64MiB, found {found}"));
        return None;
    }
    Some(bytes as usize)
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { block_bytes: 256 << 10, max_line_bytes: 1 << 20 }
    }
}

/// What is at the start of a block that starts with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Whole records. Where each starts and the last one ends; nothing where the records are lines.
    Whole(Vec<usize>),
    /// A record that may still grow.
    Partial,
    /// A record that is too long. Its end is to be looked for from byte `from`.
    Overlong {
        /// The bytes that are surely part of it.
        from: usize,
        /// Whether `from` is inside one of its lines.
        inside: bool,
    },
}

/// What is at the start of a block that starts inside a record which is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The record ends here.
    Ends(usize),
    /// It does not end before `to`.
    Passes {
        /// The bytes that are surely part of it.
        to: usize,
        /// Whether `to` is inside one of its lines.
        inside: bool,
    },
    /// More bytes are needed to say.
    Unknown,
}

/// What was taken from a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// The bytes from the block's start that are dealt with.
    pub taken: usize,
    /// The records among them that were too long and are left out.
    pub overlong: u64,
    /// Where the records that are left end.
    pub ends: Ends,
}

impl Cut {
    /// The records that were left out, as a batch reports them.
    pub fn refused(&self) -> Refusals {
        let mut refused = Refusals::default();
        refused.add(Refused::LineTooLong, self.overlong);
        refused
    }
}

/// Looks for the end of a line in `block`, whose first `seen` bytes hold none.
pub fn look(block: &[u8], seen: usize, max_line_bytes: usize) -> Look {
    if memchr::memrchr(b'\n', &block[seen..]).is_some() {
        Look::Whole(Vec::new())
    } else if block.len() > max_line_bytes {
        Look::Overlong { from: block.len(), inside: true }
    } else {
        Look::Partial
    }
}

/// Looks for the end of the line that the block starts in.
pub fn skip(block: &[u8]) -> Skip {
    match memchr::memchr(b'\n', block) {
        Some(newline) => Skip::Ends(newline + 1),
        None => Skip::Passes { to: block.len(), inside: true },
    }
}

/// Leaves in `block`, which starts at the start of a line, its whole lines of at most `max_line_bytes`.
pub fn cut(block: &mut Vec<u8>, max_line_bytes: usize) -> Cut {
    let taken = memchr::memrchr(b'\n', block).map_or(0, |newline| newline + 1);
    block.truncate(taken);
    let overlong = if taken > max_line_bytes { drop_overlong(block, max_line_bytes) } else { 0 };
    Cut { taken, overlong, ends: Ends::Newlines }
}

/// Removes the lines longer than `max_line_bytes` from `block`, which ends with a newline; says how many.
///
/// It looks for the last newline that a line of the longest size may reach, so it strides over many short
/// lines at once.
fn drop_overlong(block: &mut Vec<u8>, max_line_bytes: usize) -> u64 {
    let stride = max_line_bytes.saturating_add(1);
    let (mut from, mut kept, mut overlong) = (0, 0, 0);
    while from < block.len() {
        let window = &block[from..block.len().min(from.saturating_add(stride))];
        if let Some(newline) = memchr::memrchr(b'\n', window) {
            block.copy_within(from..=from + newline, kept);
            kept += newline + 1;
            from += newline + 1;
        } else {
            let newline = memchr::memchr(b'\n', &block[from..]).expect("the block ends with a newline");
            from += newline + 1;
            overlong += 1;
        }
    }
    block.truncate(kept);
    overlong
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(block: &str, max: usize, left: &str, cut_off: Cut) {
        let mut bytes = block.as_bytes().to_vec();
        assert_eq!(cut(&mut bytes, max), cut_off);
        assert_eq!(String::from_utf8(bytes).unwrap(), left);
    }

    #[test]
    fn the_partial_last_line_is_left_for_later() {
        check("a\nb\nc", 9, "a\nb\n", Cut { taken: 4, overlong: 0, ends: Ends::Newlines });
        check("abc", 9, "", Cut::default());
        check("", 9, "", Cut::default());
    }

    #[test]
    fn a_line_of_exactly_the_limit_stays_and_a_longer_one_goes() {
        check("abc\nabcd\nab\n", 3, "abc\nab\n", Cut { taken: 12, overlong: 1, ends: Ends::Newlines });
        check("\n\nabcd\n", 0, "\n\n", Cut { taken: 7, overlong: 1, ends: Ends::Newlines });
    }

    proptest! {
        #[test]
        fn cutting_agrees_with_looking_at_every_line(text in "[ab\n]{0,60}", max in 0_usize..8) {
            let whole = text.rfind('\n').map_or("", |newline| &text[..=newline]);
            let (short, long): (Vec<&str>, Vec<&str>) =
                whole.split_inclusive('\n').partition(|line| line.len() - 1 <= max);
            let mut bytes = text.clone().into_bytes();
            let cut = cut(&mut bytes, max);
            prop_assert_eq!(bytes, short.concat().into_bytes());
            prop_assert_eq!(cut, Cut { taken: whole.len(), overlong: long.len() as u64, ends: Ends::Newlines });
        }
    }
}
