//! Reads one stream of lines to its end: what `replay` reads, and standard input.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;

use super::block::{Cut, Look, Skip};
use super::framing::Framing;
use super::unpack;
use super::{Closed, Context, Outlet, Source, SourceError};
use crate::model::batch::{Batch, Lane, Position};

/// Something that can be read to its end.
pub trait Input: Send {
    /// Appends at most about `most` bytes to `into`; 0 at the end. `WouldBlock` means "nothing yet, ask again".
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize>;
}

/// A file, a pipe, a terminal: read into memory that nobody has to clear first.
#[derive(Debug)]
pub struct Descriptor<F> {
    /// What is read.
    pub from: F,
    /// The bytes read so far. Written here, read by whoever shows the progress.
    pub progress: Arc<AtomicU64>,
}

impl<F: AsFd + Send> Input for Descriptor<F> {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        into.reserve_exact(most.max(1));
        let read = rustix::io::read(&self.from, spare_capacity(into))?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
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
    /// How much is read at once, and what a record is.
    pub framing: Framing,
}

impl Once {
    /// Reads the file at `path` from its first byte to its last, unpacked where it is compressed, or standard
    /// input where the path is `-`. The source's own fields of whatever pipeline this stands in for are `fields`;
    /// `progress` counts the bytes read, of a compressed file as they are in it.
    ///
    /// # Errors
    /// What the system says of a file that cannot be opened.
    pub fn open(
        path: &Path,
        framing: Framing,
        fields: Vec<Box<[u8]>>,
        progress: Arc<AtomicU64>,
    ) -> io::Result<Once> {
        if path == Path::new("-") {
            let input = Box::new(Descriptor { from: io::stdin(), progress });
            return Ok(Once { input, name: "stdin".to_owned(), fields, framing });
        }
        let file = File::open(path)?;
        let input: Box<dyn Input> = match unpack::packing(&file) {
            Some(packing) => Box::new(Reader(unpack::unpack(file, packing, progress)?)),
            None => Box::new(Descriptor { from: file, progress }),
        };
        Ok(Once { input, name: path.display().to_string(), fields, framing })
    }
}

impl Source for Once {
    fn run(self: Box<Self>, outlet: &mut dyn Outlet, context: &Context) -> Result<(), SourceError> {
        let lane = outlet.open(self.name.clone(), self.name.clone(), self.fields);
        let block_bytes = self.framing.limits.block_bytes;
        let mut records = Records::new(lane, self.framing, Position::default());
        let (mut input, mut block) = (self.input, outlet.buffer());
        let mut added_at = context.clock.monotonic();
        while !context.shutdown.is_raised() {
            let before = block.len();
            // `Closed` means that nobody is left to hear it.
            let passed = match input.read(&mut block, block_bytes) {
                Ok(0) => return records.finish(block, outlet).or(Ok(())),
                Ok(_) => {
                    added_at = context.clock.monotonic();
                    records.pass(block, before, outlet)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let idle = context.clock.monotonic().saturating_sub(added_at);
                    records.pass_stale(block, idle, outlet)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(block),
                // The whole records before the fault are handed on already.
                Err(error) => {
                    return Err(SourceError { what: format!("cannot read {} to its end", self.name), error });
                }
            };
            match passed {
                Ok(next) => block = next,
                Err(Closed) => return Ok(()),
            }
        }
        Ok(())
    }
}

/// The records of a stream that is read from one end to the other.
#[derive(Debug)]
pub struct Records {
    lane: Arc<Lane>,
    framing: Framing,
    /// The bytes dealt with.
    offset: u64,
    /// The end of the last record that was dealt with, and by what the stream is known again.
    position: Position,
    /// Inside a record that is too long, looking for its end: whether inside a line of it.
    skipping: Option<bool>,
    /// The records that were too long and not reported yet.
    overlong: u64,
}

impl Records {
    /// The records of the stream behind `position`, which is the end of one.
    pub fn new(lane: Arc<Lane>, framing: Framing, position: Position) -> Records {
        Records { lane, framing, offset: position.offset, position, skipping: None, overlong: 0 }
    }

    /// How many bytes were dealt with: the next block starts there.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The position to go on from.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The lane that they are put into.
    pub fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Hands on the whole records of `block`, whose first `seen` bytes hold the end of none, and returns the next
    /// block, which starts with what is left.
    ///
    /// # Errors
    /// The engine takes no more batches.
    pub fn pass(
        &mut self,
        mut block: Vec<u8>,
        mut seen: usize,
        outlet: &mut dyn Outlet,
    ) -> Result<Vec<u8>, Closed> {
        loop {
            if self.skipping.is_some() {
                self.skip(&mut block);
                seen = 0;
            }
            if self.skipping.is_some() {
                break;
            }
            match self.framing.look(&block, seen) {
                Look::Partial => break,
                Look::Overlong { from, inside } => {
                    self.take(&mut block, from);
                    self.skipping = Some(inside);
                }
                Look::Whole(bounds) => {
                    let (whole, rest) = self.split(block, bounds.last().copied(), outlet);
                    self.send_cut(whole, |framing, block| framing.cut(block, &bounds), outlet)?;
                    (block, seen) = (rest, 0);
                }
            }
            if block.is_empty() {
                break;
            }
        }
        if self.overlong > 0 {
            self.send(Vec::new(), Cut::default(), false, outlet)?;
        }
        Ok(block)
    }

    /// Hands on the lines of `block` as records, if nothing was added to them for so long that they are whole.
    fn pass_stale(
        &mut self,
        block: Vec<u8>,
        idle: Duration,
        outlet: &mut dyn Outlet,
    ) -> Result<Vec<u8>, Closed> {
        let is_stale = self.framing.multiline.as_ref().is_some_and(|multiline| idle >= multiline.timeout);
        if !is_stale || self.skipping.is_some() || memchr::memchr(b'\n', &block).is_none() {
            return Ok(block);
        }
        let (whole, rest) = self.split(block, None, outlet);
        self.send_cut(whole, Framing::cut_lines, outlet)?;
        Ok(rest)
    }

    /// The block up to `end`, or its last newline, and a block with the rest.
    fn split(&self, block: Vec<u8>, end: Option<usize>, outlet: &mut dyn Outlet) -> (Vec<u8>, Vec<u8>) {
        let end = end.unwrap_or_else(|| memchr::memrchr(b'\n', &block).map_or(0, |newline| newline + 1));
        let mut rest = outlet.buffer();
        rest.extend_from_slice(&block[end..]);
        (block, rest)
    }

    fn skip(&mut self, block: &mut Vec<u8>) {
        let Some(inside) = self.skipping else { return };
        match self.framing.skip(block, inside) {
            Skip::Ends(end) => {
                self.take(block, end);
                self.skipping = None;
                self.overlong += 1;
            }
            Skip::Passes { to, inside } => {
                self.take(block, to);
                self.skipping = Some(inside);
            }
            Skip::Unknown => {}
        }
    }

    fn take(&mut self, block: &mut Vec<u8>, bytes: usize) {
        self.offset += bytes as u64;
        block.drain(..bytes);
    }

    /// Hands on what is left, which nothing ended, and says that the lane is over.
    ///
    /// # Errors
    /// The engine takes no more batches.
    pub fn finish(&mut self, mut rest: Vec<u8>, outlet: &mut dyn Outlet) -> Result<(), Closed> {
        let cut = match self.skipping {
            Some(inside) => self.framing.cut_rest_of_overlong(&mut rest, inside),
            None => self.framing.cut_rest(&mut rest),
        };
        self.offset += cut.taken as u64;
        self.send(rest, cut, true, outlet)
    }

    fn send_cut(
        &mut self,
        mut block: Vec<u8>,
        cut: impl FnOnce(&Framing, &mut Vec<u8>) -> Cut,
        outlet: &mut dyn Outlet,
    ) -> Result<(), Closed> {
        let cut = cut(&self.framing, &mut block);
        self.offset += cut.taken as u64;
        self.send(block, cut, false, outlet)
    }

    fn send(&mut self, bytes: Vec<u8>, cut: Cut, last: bool, outlet: &mut dyn Outlet) -> Result<(), Closed> {
        let overlong = cut.overlong + std::mem::take(&mut self.overlong);
        let refused = Cut { overlong, ..Cut::default() }.refused();
        // In the midst of a record that is too long nothing can go on.
        if last || self.skipping.is_none() {
            self.position.offset = self.offset;
        }
        let end = self.position;
        outlet.send(Batch { lane: Arc::clone(&self.lane), bytes, ends: cut.ends, end, refused, last })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::shutdown::Shutdown;
    use crate::model::batch::{Ends, LaneId};
    use crate::model::refused::Refused;
    use crate::source::block::Limits;
    use crate::source::multiline::Multiline;
    use crate::telemetry::Lag;

    /// An input that gives so many bytes at a time, and now and then none.
    struct Pieces {
        text: Vec<u8>,
        sizes: Vec<usize>,
        clock: Clock,
    }

    impl Input for Pieces {
        fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
            let size = self.sizes.pop().unwrap_or(most);
            if size == 0 {
                self.clock.advance(Duration::from_secs(1));
                return Err(ErrorKind::WouldBlock.into());
            }
            let size = size.min(most).min(self.text.len());
            into.extend(self.text.drain(..size));
            Ok(size)
        }
    }

    /// The records that come out, and how many were too long.
    #[derive(Default)]
    struct Records {
        records: Vec<String>,
        overlong: u64,
        end: u64,
    }

    impl Outlet for Records {
        fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane> {
            Arc::new(Lane { id: LaneId(0), pipeline: 0, key, name, fields })
        }

        fn position(&self, _: &str) -> Option<Position> {
            None
        }

        fn buffer(&mut self) -> Vec<u8> {
            Vec::new()
        }

        fn send(&mut self, batch: Batch) -> Result<(), Closed> {
            let text = String::from_utf8(batch.bytes).unwrap();
            match batch.ends {
                Ends::Newlines => self.records.extend(text.split_inclusive('\n').map(str::to_owned)),
                Ends::At(crate::model::batch::Records { ends, .. }) => {
                    let starts = std::iter::once(&0).chain(&ends);
                    self.records.extend(starts.zip(&ends).map(|(start, end)| text[*start..*end].to_owned()));
                }
            }
            self.overlong += batch.refused.get(Refused::LineTooLong);
            self.end = batch.end.offset;
            Ok(())
        }

        fn lag(&mut self, _: &Lane, _: Option<Lag>) {}

        fn error(&mut self, _: &'static str) {}
    }

    fn read(text: &str, framing: Framing, sizes: Vec<usize>) -> Records {
        let clock = Clock::manual(Duration::ZERO);
        let input = Box::new(Pieces { text: text.as_bytes().to_vec(), sizes, clock: clock.clone() });
        let once = Box::new(Once { input, name: "stdin".to_owned(), fields: Vec::new(), framing });
        let mut out = Records::default();
        once.run(&mut out, &Context { clock, shutdown: Shutdown::new(), columns: vec![] }).unwrap();
        out
    }

    fn framing(multiline: bool, max_bytes: usize, timeout: u64) -> Framing {
        let timeout = Duration::from_secs(timeout);
        let multiline = multiline.then(|| Multiline::begun_by("^S", timeout, max_bytes));
        Framing { limits: Limits { block_bytes: 7, max_line_bytes: max_bytes }, multiline }
    }

    /// The records of a whole text, and how many are too long.
    fn reference(text: &str, multiline: bool, max_bytes: usize) -> (Vec<String>, u64) {
        let mut records: Vec<String> = Vec::new();
        for line in text.split_inclusive('\n') {
            match records.last_mut() {
                Some(record) if multiline && !line.starts_with('S') => record.push_str(line),
                _ => records.push(line.to_owned()),
            }
        }
        let all = records.len();
        records.retain(|record| record.strip_suffix('\n').unwrap_or(record).len() <= max_bytes);
        let overlong = all - records.len();
        (records, overlong as u64)
    }

    #[test]
    fn a_silent_stream_hands_on_its_last_record() {
        // Read from the end: the record, a second's silence, and what follows.
        let out = read("S\na\nb", framing(true, 9, 1), vec![1, 0, 4]);
        assert_eq!(out.records, ["S\na\n", "b"]);
        let out = read("S\na\nb", framing(true, 9, 2), vec![1, 0, 4]);
        assert_eq!(out.records, ["S\na\nb"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn however_a_stream_comes_in_pieces_its_records_are_the_same(
            text in "[Sa\r\n]{0,60}",
            max_bytes in 1_usize..12,
            sizes in prop::collection::vec(0_usize..12, 0..30),
            multiline: bool,
        ) {
            let out = read(&text, framing(multiline, max_bytes, 1_000_000), sizes);
            prop_assert_eq!((out.records, out.overlong), reference(&text, multiline, max_bytes));
            prop_assert_eq!(out.end, text.len() as u64);
        }
    }
}
