//! Reads one stream of lines to its end: what `replay` reads, and standard input.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::buffer::spare_capacity;

use super::block::{Cut, Limits, cut};
use super::{Closed, Context, Outlet, Source, SourceError};
use crate::model::batch::{Batch, Lane, Position, Witness};
use crate::model::refused::Refusals;

/// Something that can be read to its end.
pub trait Input: Send {
    /// Appends at most about `most` bytes to `into`; 0 at the end. `WouldBlock` means "nothing yet, ask again".
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize>;
}

/// A file, a pipe, a terminal: read into memory that nobody has to clear first.
#[derive(Debug)]
pub struct Descriptor<F>(pub F);

impl<F: AsFd + Send> Input for Descriptor<F> {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        into.reserve_exact(most.max(1));
        Ok(rustix::io::read(&self.0, spare_capacity(into))?)
    }
}

/// Any reader, a decompressor say.
#[derive(Debug)]
pub struct Reader<R>(pub R);

impl<R: Read + Send> Input for Reader<R> {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let before = into.len();
        into.resize(before + most.max(1), 0);
        let read = self.0.read(&mut into[before..]);
        into.truncate(before + *read.as_ref().unwrap_or(&0));
        read
    }
}

/// The source of one stream. Its positions are offsets without a witness: it is never resumed.
pub struct Once {
    /// Where the lines come from.
    pub input: Box<dyn Input>,
    /// What a person calls it: a path, or `stdin`. It is the lane's key as well.
    pub name: String,
    /// The values of the source's own fields.
    pub fields: Vec<Box<[u8]>>,
    /// The sizes of reads and lines.
    pub limits: Limits,
    /// The bytes read so far. Written here, read by whoever shows the progress.
    pub progress: Arc<AtomicU64>,
}

impl Once {
    /// Reads the file at `path` from its first byte to its last, or standard input where the path is `-`. The
    /// source's own fields of whatever pipeline this stands in for are `fields`; `progress` counts the bytes read.
    ///
    /// # Errors
    /// What the system says of a file that cannot be opened.
    pub fn open(path: &Path, fields: Vec<Box<[u8]>>, progress: Arc<AtomicU64>) -> io::Result<Once> {
        if path == Path::new("-") {
            let input = Box::new(Descriptor(io::stdin()));
            return Ok(Once { input, name: "stdin".to_owned(), fields, limits: Limits::default(), progress });
        }
        let input = Box::new(Descriptor(File::open(path)?));
        Ok(Once { input, name: path.display().to_string(), fields, limits: Limits::default(), progress })
    }
}

impl Source for Once {
    fn run(self: Box<Self>, outlet: &mut dyn Outlet, context: &Context) -> Result<(), SourceError> {
        let lane = outlet.open(self.name.clone(), self.name.clone(), self.fields);
        let mut lines = Lines { lane, limits: self.limits, offset: 0, skipping: false };
        let (mut input, mut block) = (self.input, outlet.buffer());
        while !context.shutdown.is_raised() {
            let before = block.len();
            match input.read(&mut block, self.limits.block_bytes) {
                Ok(0) => {
                    // `Closed` means that nobody is left to hear it.
                    return lines.finish(block, outlet).or(Ok(()));
                }
                Ok(read) => {
                    self.progress.fetch_add(read as u64, Ordering::Relaxed);
                    match lines.pass(block, before, outlet) {
                        Ok(next) => block = next,
                        Err(Closed) => return Ok(()),
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(SourceError { what: format!("cannot read {}", self.name), error }),
            }
        }
        Ok(())
    }
}

/// The lines of a stream that cannot be read twice.
struct Lines {
    lane: Arc<Lane>,
    limits: Limits,
    /// The bytes dealt with.
    offset: u64,
    /// Inside a line that is too long, looking for its end.
    skipping: bool,
}

impl Lines {
    /// Hands on the whole lines of `block`, whose first `seen` bytes hold no newline, and returns the next
    /// block, which starts with the partial last line.
    fn pass(&mut self, mut block: Vec<u8>, seen: usize, outlet: &mut dyn Outlet) -> Result<Vec<u8>, Closed> {
        let mut skipped = 0;
        if self.skipping {
            let end = memchr::memchr(b'\n', &block).map(|newline| newline + 1);
            self.skipping = end.is_none();
            skipped = u64::from(end.is_some());
            let gone = end.unwrap_or(block.len());
            self.offset += gone as u64;
            block.drain(..gone);
        }
        let fresh = if skipped > 0 { 0 } else { seen.min(block.len()) };
        let whole = memchr::memrchr(b'\n', &block[fresh..]).map_or(0, |newline| fresh + newline + 1);
        if whole == 0 && skipped == 0 {
            self.skip_if_overlong(&mut block);
            return Ok(block);
        }
        let mut next = outlet.buffer();
        next.extend_from_slice(&block[whole..]);
        let Cut { taken, overlong } = cut(&mut block, self.limits.max_line_bytes);
        self.offset += taken as u64;
        self.send(block, Cut { taken, overlong: overlong + skipped }.refused(), false, outlet)?;
        self.skip_if_overlong(&mut next);
        Ok(next)
    }

    fn skip_if_overlong(&mut self, partial: &mut Vec<u8>) {
        if partial.len() > self.limits.max_line_bytes {
            self.skipping = true;
            self.offset += partial.len() as u64;
            partial.clear();
        }
    }

    /// Hands on the last line, which nothing ended, and says that the lane is over.
    fn finish(&mut self, rest: Vec<u8>, outlet: &mut dyn Outlet) -> Result<(), Closed> {
        self.offset += rest.len() as u64;
        let refused = Cut { taken: 0, overlong: u64::from(self.skipping) }.refused();
        self.send(rest, refused, true, outlet)
    }

    fn send(
        &self,
        bytes: Vec<u8>,
        refused: Refusals,
        last: bool,
        outlet: &mut dyn Outlet,
    ) -> Result<(), Closed> {
        let end = Position { offset: self.offset, witness: Witness::default() };
        outlet.send(Batch { lane: Arc::clone(&self.lane), bytes, end, refused, last })
    }
}
