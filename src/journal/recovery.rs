//! Finds what was committed.
//!
//! Everything is read and judged before the first record is handed on, from the newest segment back to the begin of the
//! newest that completes. A second pass replays. Where a file has records that an earlier one has too, those of the later
//! one count: who wrote it had found, or had just tried to write, everything before.

use std::ops::Range;
use std::path::PathBuf;

use super::error::OpenError;
use super::format::{Frame, HEAD_LEN};
use super::home::Home;
use super::segment::{Bad, Segment, Stop};
use super::{Record, Replay};

/// What is in a segment's file.
pub(super) struct Survey {
    pub number: u64,
    /// Bytes of the file.
    pub size: u64,
    /// The sequence that its head says its first record has, if the head can be read.
    first: Option<u64>,
    /// The first and the last record, if there is one.
    ends: Option<(Frame, Frame)>,
    /// The sequence of the first record that completes.
    completes: Option<u64>,
    /// The sequence from which on a later file has the records.
    until: u64,
    /// What is behind the last record, if anything.
    bad: Option<Bad>,
}

impl Survey {
    /// The sequences of the records that count.
    pub fn sequences(&self) -> Range<u64> {
        self.ends.map_or(0..0, |(first, last)| first.sequence..self.until.min(last.sequence + 1))
    }

    /// Whether with this file a segment as the caller sees it begins.
    pub fn begins(&self) -> bool {
        self.ends.is_some_and(|(first, _)| first.mark.begins) && !self.sequences().is_empty()
    }

    fn completes(&self) -> bool {
        self.completes.is_some_and(|sequence| sequence < self.until)
    }

    fn of(home: &Home, number: u64, until: u64, record: &mut Vec<u8>) -> Result<Survey, OpenError> {
        let mut segment = Segment::open(&*home.disk, &home.segment_path(number), number)?;
        let size = segment.size();
        let mut survey = Survey { number, size, first: None, ends: None, completes: None, until, bad: None };
        match survey.read(&mut segment, record) {
            Ok(()) => {}
            Err(Stop::Bad(bad)) => survey.bad = Some(bad),
            Err(Stop::Refused(error)) => return Err(error),
        }
        Ok(survey)
    }

    fn read(&mut self, segment: &mut Segment, record: &mut Vec<u8>) -> Result<(), Stop> {
        self.first = Some(segment.head()?.first);
        while let Some(frame) = segment.next(record)? {
            let first = self.ends.map_or(frame, |(first, _)| first);
            self.ends = Some((first, frame));
            if frame.mark.completes {
                self.completes.get_or_insert(frame.sequence);
            }
        }
        Ok(())
    }
}

/// What recovery found.
pub(super) struct Found {
    /// The files from which records are replayed and those between and behind them, the oldest first.
    pub files: Vec<Survey>,
    /// The newest record, if there is one, and its bytes.
    pub last: Option<Frame>,
    pub last_record: Vec<u8>,
    /// How many records were handed on.
    pub replayed: u64,
}

/// Hands every committed record to `replay`, in order.
pub(super) fn recover(home: &Home, numbers: &[u64], replay: &mut Replay<'_>) -> Result<Found, OpenError> {
    let mut record = Vec::new();
    let mut files = Vec::new();
    let (mut completes, mut whole, mut until) = (false, false, u64::MAX);
    for number in numbers.iter().rev() {
        let survey = Survey::of(home, *number, until, &mut record)?;
        completes |= survey.completes();
        whole = completes && survey.begins();
        until = survey.ends.map_or(until, |(first, _)| until.min(first.sequence));
        files.push(survey);
        if whole {
            break;
        }
    }
    files.reverse();
    check_chain(home, &files, whole)?;
    if files.iter().all(|survey| survey.sequences().is_empty()) {
        check_new(home, &files)?;
    }
    let mut found = Found { files, last: None, last_record: record, replayed: 0 };
    found.replay(home, replay)?;
    Ok(found)
}

/// Refuses if a record is missing. What is bad behind the last record of a file does not matter if the next record is in
/// another file; if there is none, it must be what a crash leaves.
fn check_chain(home: &Home, files: &[Survey], whole: bool) -> Result<(), OpenError> {
    let mut next: Option<u64> = None;
    let mut bads: Vec<(PathBuf, Bad)> = Vec::new();
    for survey in files {
        let path = home.segment_path(survey.number);
        let sequences = survey.sequences();
        if !sequences.is_empty() {
            let goes_on = next.map_or(whole || sequences.start == 1, |next| next == sequences.start);
            if !goes_on {
                let missing = Bad { offset: HEAD_LEN as u64, what: MISSING, torn: false };
                let (file, bad) = bads.into_iter().next().unwrap_or((path, missing));
                return Err(damaged(file, bad));
            }
            bads.clear();
            next = Some(sequences.end);
        }
        bads.extend(survey.bad.map(|bad| (path, bad)));
    }
    match bads.into_iter().find(|(_, bad)| !bad.torn) {
        Some((file, bad)) => Err(damaged(file, bad)),
        None => Ok(()),
    }
}

/// Where no record was found, refuses if there were some.
fn check_new(home: &Home, files: &[Survey]) -> Result<(), OpenError> {
    match files.iter().find(|survey| survey.first.is_some_and(|first| first > 1)) {
        Some(survey) => {
            let gone = Bad { offset: HEAD_LEN as u64, what: "its records are gone", torn: false };
            Err(damaged(home.segment_path(survey.number), gone))
        }
        None => home.refuse_emptied(),
    }
}

const MISSING: &str = "the records before this one are missing";

fn damaged(file: PathBuf, bad: Bad) -> OpenError {
    OpenError::Damaged { file, offset: bad.offset, what: bad.what }
}

impl Found {
    fn replay(&mut self, home: &Home, replay: &mut Replay<'_>) -> Result<(), OpenError> {
        for survey in &self.files {
            if survey.sequences().is_empty() {
                continue;
            }
            let path = home.segment_path(survey.number);
            let refused = |stop| match stop {
                Stop::Bad(bad) => damaged(path.clone(), bad),
                Stop::Refused(error) => error,
            };
            let mut segment = Segment::open(&*home.disk, &path, survey.number)?;
            segment.head().map_err(refused)?;
            for _ in survey.sequences() {
                let offset = segment.offset();
                let changed = Bad { offset, what: "it changed while it was read", torn: false };
                let frame = segment.next(&mut self.last_record).map_err(refused)?;
                let frame = frame.ok_or_else(|| damaged(path.clone(), changed))?;
                self.last = Some(frame);
                let record = Record { bytes: &self.last_record, sequence: frame.sequence, mark: frame.mark };
                replay(record).map_err(|what| damaged(path.clone(), Bad { what: what.0, ..changed }))?;
                self.replayed += 1;
            }
        }
        Ok(())
    }
}
