//! How a stream of bytes is cut into records: at each line, or at the lines that begin a record.

use super::block::{self, Cut, Limits, Look, Skip};
use super::multiline::{self, Multiline, Until};
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};

/// The key of the limit of a line.
pub const MAX_LINE_BYTES: Key = Key {
    name: "max_line_bytes",
    wanted: "a size, such as `1MiB`",
    required: false,
    help: "Longer lines are skipped and counted.",
    default: Some("1MiB"),
};

/// The key of what makes a record of several lines.
pub const MULTILINE: Key = Key {
    name: "multiline",
    wanted: "a mapping, such as `{start: '^\\d{4}-'}`",
    required: false,
    help: "Which lines make one record together: those from one that matches `start`, or with those that match `continue`.",
    default: Some("each line is a record"),
};

/// How a stream is read and cut into records.
#[derive(Clone, Debug, Default)]
pub struct Framing {
    /// The sizes of reads and lines. Where several lines make a record, it has a limit of its own.
    pub limits: Limits,
    /// Which lines make a record together; `None` where each is one.
    pub multiline: Option<Multiline>,
}

/// Reads the values of [`MAX_LINE_BYTES`] and [`MULTILINE`].
pub fn read(keys: &Mapping<'_>, faults: &mut Faults) -> Option<Framing> {
    let mut limits = Limits::default();
    let max_line_bytes =
        keys.get("max_line_bytes").map(|node| block::read_bytes("max_line_bytes", node, faults));
    let multiline = keys.get("multiline").map(|node| multiline::read(node, faults));
    if let (Some(key), Some(_)) = (keys.key("max_line_bytes"), keys.key("multiline")) {
        let help = "give `max_bytes` in `multiline` instead, which limits the whole record";
        faults.add_with_help(key.place, "`max_line_bytes` means nothing beside `multiline`", help);
        return None;
    }
    if let Some(max_line_bytes) = max_line_bytes {
        limits.max_line_bytes = max_line_bytes?;
    }
    Some(Framing { limits, multiline: multiline.map_or(Some(None), |read| read.map(Some))? })
}

impl Framing {
    /// Looks for whole records in `block`, which starts with a record. For lines: its first `seen` bytes hold
    /// no newline.
    pub fn look(&self, block: &[u8], seen: usize) -> Look {
        match &self.multiline {
            None => block::look(block, seen, self.limits.max_line_bytes),
            Some(multiline) => multiline.look(block),
        }
    }

    /// Looks for the end of the record that is too long, in which the block starts, perhaps inside a line.
    pub fn skip(&self, block: &[u8], inside: bool) -> Skip {
        match &self.multiline {
            None => block::skip(block),
            Some(multiline) => multiline.skip(block, inside),
        }
    }

    /// Leaves in `block` the records that a [`look`](Framing::look) found, without those that are too long.
    pub fn cut(&self, block: &mut Vec<u8>, bounds: &[usize]) -> Cut {
        match &self.multiline {
            None => block::cut(block, self.limits.max_line_bytes),
            Some(multiline) => multiline.cut(block, bounds),
        }
    }

    /// Leaves in `block` the records of its whole lines, to which nothing was added for so long that the last
    /// one is taken for whole.
    pub fn cut_lines(&self, block: &mut Vec<u8>) -> Cut {
        match &self.multiline {
            None => block::cut(block, self.limits.max_line_bytes),
            Some(multiline) => {
                let bounds = multiline.bounds(block, Until::Line);
                multiline.cut(block, &bounds)
            }
        }
    }

    /// Leaves in `block`, which ends with the end of the stream, all its records.
    pub fn cut_rest(&self, block: &mut Vec<u8>) -> Cut {
        let taken = block.len();
        match &self.multiline {
            None if taken > self.limits.max_line_bytes => {
                block.clear();
                Cut { taken, overlong: 1, ..Cut::default() }
            }
            None => Cut { taken, ..Cut::default() },
            Some(multiline) => {
                let bounds = multiline.bounds(block, Until::End);
                multiline.cut(block, &bounds)
            }
        }
    }

    /// The same for a stream that ends inside a record which is too long, and perhaps inside a line of it: the
    /// last line, which nothing ended, may begin another record.
    pub fn cut_rest_of_overlong(&self, block: &mut Vec<u8>, inside: bool) -> Cut {
        let begins = |multiline: &Multiline| !inside && !block.is_empty() && multiline.begins(block);
        if self.multiline.as_ref().is_some_and(begins) {
            let cut = self.cut_rest(block);
            return Cut { overlong: cut.overlong + 1, ..cut };
        }
        let taken = block.len();
        block.clear();
        Cut { taken, overlong: 1, ..Cut::default() }
    }
}
