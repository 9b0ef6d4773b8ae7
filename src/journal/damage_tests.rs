//! Damage is refused, or does not matter; what a crash leaves is not damage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::faulty::{Fault, Faulty};
use super::format::{FRAME_HEAD_LEN, HEAD_LEN};
use super::{Journal, Mark, OpenError};
use crate::base::pack::Damaged;

const DIRECTORY: &str = "/state";
const WHOLE: Mark = Mark { begins: true, completes: true };
const BEGINS: Mark = Mark { begins: true, completes: false };
const DELTA: Mark = Mark { begins: false, completes: false };

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn segment(number: u64) -> PathBuf {
    Path::new(DIRECTORY).join(format!("journal-{number:010}"))
}

fn noted() -> PathBuf {
    Path::new(DIRECTORY).join("committed")
}

/// Bytes of which none is zero.
fn record(number: usize) -> Vec<u8> {
    vec![number as u8 + 1; number * 211 % 700]
}

fn open(disk: &Faulty) -> Journal {
    Journal::open(Path::new(DIRECTORY), Arc::new(disk.clone()), &mut |_| Ok(())).unwrap()
}

/// The files after these records were committed, the first as record 0.
fn written(marks: &[Mark]) -> Files {
    let disk = Faulty::new(1);
    let mut journal = open(&disk);
    for (number, mark) in marks.iter().enumerate() {
        journal.commit(&record(number), *mark).unwrap();
    }
    disk.contents()
}

fn found(files: &Files) -> Result<Vec<Vec<u8>>, OpenError> {
    let disk = Faulty::holding(files);
    let mut found = Vec::new();
    let summary = Journal::look(Path::new(DIRECTORY), Arc::new(disk.clone()), &mut |record| {
        found.push(record.bytes.to_vec());
        Ok(())
    });
    assert_eq!(disk.contents(), *files, "who looks changes nothing");
    let opened = Journal::open(Path::new(DIRECTORY), Arc::new(disk.clone()), &mut |_| Ok(())).is_ok();
    assert_eq!(opened, summary.is_ok(), "who looks sees what who opens sees");
    assert!(opened || disk.contents() == *files, "a refusal changes nothing");
    assert_eq!(summary?.records, found.len() as u64);
    Ok(found)
}

#[track_caller]
fn check(files: &Files, records: std::ops::Range<usize>) {
    let expected: Vec<_> = records.map(record).collect();
    match found(files) {
        Ok(found) => assert!(found == expected, "{} records, not {}", found.len(), expected.len()),
        Err(error) => panic!("refused: {error}"),
    }
}

#[track_caller]
fn check_refused(files: &Files, number: u64, at: usize, why: &str) {
    match found(files).expect_err("it is to be refused") {
        OpenError::Damaged { file, offset, what } => {
            assert_eq!((file, offset, what), (segment(number), at as u64, why));
        }
        error => panic!("{error}"),
    }
}

#[track_caller]
fn check_emptied(files: &Files) {
    let error = found(files).expect_err("it is to be refused");
    assert!(
        matches!(&error, OpenError::Emptied { directory } if directory == Path::new(DIRECTORY)),
        "{error}"
    );
}

/// Where the records of a segment begin that has these.
fn offsets(numbers: std::ops::Range<usize>) -> Vec<usize> {
    let size = |number| record(number).len() + FRAME_HEAD_LEN + 1;
    numbers.clone().map(|number| HEAD_LEN + (numbers.start..number).map(size).sum::<usize>()).collect()
}

#[test]
fn a_segment_that_completes_stands_for_all_before_it() {
    check(&written(&[]), 0..0);
    check(&written(&[WHOLE, DELTA, DELTA]), 0..3);
    check(&written(&[WHOLE, DELTA, BEGINS, DELTA]), 0..4);
    let completes = Mark { begins: false, completes: true };
    let files = written(&[WHOLE, DELTA, BEGINS, DELTA, completes, DELTA]);
    check(&files, 2..6);
    assert!(!files.contains_key(&segment(1)), "what is not needed is removed");
}

#[test]
fn every_bit_of_a_committed_segment_matters() {
    let files = written(&[WHOLE, DELTA, DELTA, DELTA]);
    let len = files[&segment(1)].len();
    for bit in 0..8 * len {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap()[bit / 8] ^= 1 << (bit % 8);
        let refused = matches!(found(&files), Err(OpenError::Damaged { .. } | OpenError::Foreign { .. }));
        assert!(refused, "bit {bit}");
    }
}

#[test]
fn a_flipped_bit_of_an_older_segment_is_refused_or_does_not_matter() {
    let files = written(&[WHOLE, DELTA, BEGINS, DELTA]);
    for bit in 0..8 * files[&segment(1)].len() {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap()[bit / 8] ^= 1 << (bit % 8);
        assert!(found(&files).is_err(), "bit {bit}");
    }
    // The newest record is repeated by who opens next, so that record does not matter any more where it was first.
    let disk = Faulty::holding(&files);
    open(&disk).commit(&record(4), DELTA).unwrap();
    let files = disk.contents();
    for bit in 0..8 * files[&segment(2)].len() {
        let mut files = files.clone();
        files.get_mut(&segment(2)).unwrap()[bit / 8] ^= 1 << (bit % 8);
        match found(&files) {
            Ok(found) => assert_eq!(found, (0..5).map(record).collect::<Vec<_>>()),
            Err(_) => assert!(bit / 8 < offsets(2..4)[1], "bit {bit}"),
        }
    }
}

#[test]
fn a_file_that_ends_early_is_a_write_that_was_cut_off() {
    let files = written(&[WHOLE, DELTA, DELTA, DELTA]);
    let offsets = offsets(0..4);
    for len in offsets[1]..files[&segment(1)].len() {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap().truncate(len);
        check(&files, 0..offsets[1..].iter().filter(|end| **end <= len).count());
    }
}

#[test]
fn the_only_file_without_a_record_is_refused_once_something_was_committed() {
    let mut files = written(&[WHOLE, DELTA, DELTA]);
    for len in 0..offsets(0..3)[1] {
        files.get_mut(&segment(1)).unwrap().truncate(offsets(0..3)[1] - 1 - len);
        check_emptied(&files);
    }
    files.remove(&segment(1));
    check_emptied(&files);
    files.remove(&Path::new(DIRECTORY).join("instance"));
    check_emptied(&files);
    files.remove(&noted());
    check(&files, 0..0);
}

/// Its head says that there were records before its first, so this needs no note.
#[test]
fn a_file_that_goes_on_from_others_is_refused_without_its_records() {
    let disk = Faulty::holding(&written(&[WHOLE, DELTA]));
    open(&disk).commit(&record(2), WHOLE).unwrap();
    let mut files = disk.contents();
    files.remove(&noted());
    let newest = files.keys().find(|path| path.to_string_lossy().contains("journal-")).unwrap().clone();
    assert_eq!(newest, segment(3), "it is the only one");
    for len in (HEAD_LEN..files[&newest].len()).rev() {
        files.get_mut(&newest).unwrap().truncate(len);
        check_refused(&files, 3, HEAD_LEN, "its records are gone");
    }
}

#[test]
fn the_first_commit_of_all_may_have_been_cut_off() {
    let mut files = written(&[WHOLE]);
    files.remove(&noted());
    for len in (0..files[&segment(1)].len()).rev() {
        files.get_mut(&segment(1)).unwrap().truncate(len);
        check(&files, 0..0);
    }
}

#[test]
fn that_something_was_committed_is_noted_as_soon_as_it_can_be() {
    for fault in [Fault::Create, Fault::SyncDirectory, Fault::Remove] {
        let mut files = written(&[WHOLE, DELTA]);
        files.remove(&noted());
        let disk = Faulty::holding(&files);
        drop(open(&disk));
        assert!(disk.contents().contains_key(&noted()), "what was found is noted");

        let disk = Faulty::new(1);
        let mut journal = open(&disk);
        assert!(!disk.contents().contains_key(&noted()));
        journal.commit(&record(0), WHOLE).unwrap();
        disk.crash();
        assert!(disk.contents().contains_key(&noted()), "it is durable");

        let disk = Faulty::new(1);
        let mut journal = open(&disk);
        disk.fail_at(&noted(), fault);
        journal.commit(&record(0), WHOLE).unwrap();
        journal.commit(&record(1), DELTA).unwrap();
        disk.crash();
        assert!(disk.contents().contains_key(&noted()), "{fault:?}");
        check(&disk.contents(), 0..2);
    }
}

#[test]
fn a_new_file_without_a_record_is_nothing() {
    for len in 0..2000 {
        let mut files = written(&[WHOLE, DELTA]);
        files.insert(segment(2), vec![0; len]);
        check(&files, 0..2);
        let disk = Faulty::holding(&files);
        open(&disk);
        assert!(!disk.contents().contains_key(&segment(2)), "it is removed");
    }
}

#[test]
fn an_older_segment_that_ends_early_is_refused() {
    let files = written(&[WHOLE, DELTA, BEGINS, DELTA]);
    let len = files[&segment(1)].len();
    for len in 0..len {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap().truncate(len);
        assert!(matches!(found(&files), Err(OpenError::Damaged { .. })), "{len}");
    }
    let mut files = files;
    files.remove(&segment(1));
    check_refused(&files, 2, HEAD_LEN, "the records before this one are missing");
}

#[test]
fn a_segment_that_is_missing_in_the_middle_is_refused() {
    let mut files = written(&[WHOLE, DELTA, BEGINS, DELTA, BEGINS]);
    files.remove(&segment(2));
    check_refused(&files, 3, HEAD_LEN, "the records before this one are missing");
}

#[test]
fn zeros_within_the_last_record_are_sectors_that_were_never_written() {
    let mut marks = [DELTA; 12];
    marks[0] = WHOLE;
    let files = written(&marks);
    let (offsets, len) = (offsets(0..12), files[&segment(1)].len());
    let sectors =
        |from: usize| (0..len / 512 + 1).map(move |at| (at * 512).max(from)..(at * 512 + 512).min(len));
    for zeros in sectors(offsets[11]).filter(|zeros| !zeros.is_empty()) {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap()[zeros].fill(0);
        check(&files, 0..11);
    }
    let whole_records = offsets.iter().map(|from| *from..from + 1024);
    for zeros in sectors(0).chain(whole_records).filter(|zeros| zeros.end <= offsets[11]) {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap()[zeros.clone()].fill(0);
        assert!(matches!(found(&files), Err(OpenError::Damaged { .. })), "{zeros:?}");
    }
}

#[test]
fn a_bad_record_is_named_with_its_place() {
    let files = written(&[WHOLE, DELTA, DELTA]);
    let offsets = offsets(0..3);
    let with_changed = |at: usize| {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap()[at] ^= 1;
        files
    };
    check_refused(&with_changed(HEAD_LEN - 1), 1, 0, "the checksum of the segment's head is wrong");
    check_refused(&with_changed(offsets[1]), 1, offsets[1], "the head of a record is not what was written");
    check_refused(&with_changed(offsets[2] - 1), 1, offsets[1], "a record is not what was written");
    let mut files = files;
    files.get_mut(&segment(1)).unwrap().extend_from_within(offsets[1]..offsets[2]);
    let len = files[&segment(1)].len() - (offsets[2] - offsets[1]);
    check_refused(&files, 1, len, "a record is not the one that comes next");
    files.get_mut(&segment(1)).unwrap().truncate(len);
    let moved = files[&segment(1)].clone();
    files.insert(segment(2), moved);
    check_refused(&files, 2, 0, "it is another segment, under a wrong name");
}

#[test]
fn a_newer_format_and_foreign_files_are_refused() {
    let mut files = written(&[WHOLE]);
    let bytes = files.get_mut(&segment(1)).unwrap();
    bytes[20] = 9;
    let hash = xxhash_rust::xxh3::xxh3_64(&bytes[..40]);
    bytes[40..48].copy_from_slice(&hash.to_le_bytes());
    let refused = found(&files).unwrap_err().to_string();
    assert!(refused.contains("written by a newer streamgauge (format 9; this one knows 1)"), "{refused}");
    files.insert(segment(1), b"once upon a time, there was a file that was somebody else's".to_vec());
    assert!(matches!(found(&files), Err(OpenError::Foreign { .. })));
    files.insert(segment(1), b"short".to_vec());
    assert!(matches!(found(&files), Err(OpenError::Foreign { .. })));
    files.clear();
    files.insert(Path::new(DIRECTORY).join("syslog"), Vec::new());
    assert!(matches!(found(&files), Err(OpenError::Foreign { .. })));
}

#[test]
fn an_instance_that_is_missing_or_damaged_is_refused() {
    let mut files = written(&[WHOLE]);
    let instance = Path::new(DIRECTORY).join("instance");
    files.get_mut(&instance).unwrap().truncate(20);
    assert!(matches!(found(&files), Err(OpenError::Damaged { file, .. }) if file == instance));
    files.remove(&instance);
    assert!(matches!(found(&files), Err(OpenError::Damaged { file, .. }) if file == instance));
}

#[test]
fn what_the_caller_cannot_read_is_named_with_its_place() {
    let disk = Faulty::holding(&written(&[WHOLE, DELTA]));
    let refuse = &mut |record: super::Record<'_>| {
        if record.sequence == 2 { Err(Damaged("a number is too long")) } else { Ok(()) }
    };
    match Journal::open(Path::new(DIRECTORY), Arc::new(disk), refuse).err().unwrap() {
        OpenError::Damaged { file, offset, what } => {
            assert_eq!((file, offset), (segment(1), offsets(0..2)[1] as u64));
            assert_eq!(what, "a number is too long");
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_record_that_is_tried_again_is_the_same_one() {
    let disk = Faulty::new(1);
    let mut journal = open(&disk);
    disk.plan(Fault::Create);
    assert!(journal.commit(b"one", WHOLE).is_err());
    let refused = journal.commit(b"two", WHOLE).unwrap_err().to_string();
    assert_eq!(refused, "record 1 is being committed again, but as another one");
    journal.commit(b"one", WHOLE).unwrap();
    journal.commit(b"two", DELTA).unwrap();
    assert_eq!(journal.written(), (HEAD_LEN + 2 * (FRAME_HEAD_LEN + 3 + 1)) as u64);
}

#[test]
fn a_write_that_failed_is_cut_off_and_goes_to_another_file() {
    let disk = Faulty::new(1);
    let mut journal = open(&disk);
    journal.commit(&record(0), WHOLE).unwrap();
    let before = disk.contents();
    disk.plan(Fault::NoSpace(30));
    assert!(journal.commit(&record(1), DELTA).is_err());
    assert_eq!(disk.contents(), before);
    journal.commit(&record(1), DELTA).unwrap();
    assert_eq!(disk.contents()[&segment(1)], before[&segment(1)]);
    check(&disk.contents(), 0..2);
}

#[test]
fn trying_again_on_a_full_disk_leaves_no_files() {
    let disk = Faulty::holding(&written(&[WHOLE, DELTA]));
    let mut journal = open(&disk);
    let before = disk.contents();
    for _ in 0..5 {
        disk.plan(Fault::NoSpace(60));
        assert!(journal.commit(&record(2), BEGINS).is_err());
        assert_eq!(disk.contents(), before);
    }
    journal.commit(&record(2), BEGINS).unwrap();
    check(&disk.contents(), 0..3);
}

#[test]
fn after_a_failed_sync_nothing_is_written_to_that_file() {
    let disk = Faulty::new(1);
    let mut journal = open(&disk);
    journal.commit(&record(0), WHOLE).unwrap();
    disk.plan(Fault::Sync);
    assert!(journal.commit(&record(1), DELTA).is_err());
    journal.commit(&record(1), DELTA).unwrap();
    journal.commit(&record(2), DELTA).unwrap();
    check(&disk.contents(), 0..3);
    assert!(disk.contents().contains_key(&segment(2)));
}

/// A file whose removal was lost in a crash, with a record that nobody found when the journal went on.
#[test]
fn what_a_later_file_has_counts_there_only() {
    let completes = Mark { begins: false, completes: true };
    for mark in [WHOLE, completes] {
        let disk = Faulty::holding(&written(&[WHOLE, BEGINS, DELTA]));
        let mut files = written(&[WHOLE, BEGINS, DELTA]);
        let mut journal = open(&disk);
        journal.commit(&record(3), mark).unwrap();
        let revived = disk.contents().remove(&segment(4));
        files.insert(segment(4), Vec::new());
        let disk = Faulty::holding(&files);
        open(&disk).commit(&record(4), DELTA).unwrap();
        let mut files = disk.contents();
        files.extend(revived.map(|bytes| (segment(4), bytes)));
        assert_eq!(found(&files).unwrap(), [0, 1, 2, 4].map(record), "{mark:?}");
    }
}

#[test]
fn opening_again_and_again_leaves_one_file_more() {
    let disk = Faulty::holding(&written(&[WHOLE, DELTA]));
    for _ in 0..5 {
        open(&disk);
    }
    let files = disk.contents();
    assert_eq!(files.len(), 4, "{:?}", files.keys());
    check(&files, 0..2);
}

/// Processes and machines die after a failed sync, when what can be read is not what is on disk.
#[test]
fn what_was_found_once_is_found_again() {
    for seed in 0..50 {
        let disk = Faulty::new(seed);
        let mut journal = open(&disk);
        journal.commit(&record(0), WHOLE).unwrap();
        disk.plan(Fault::Sync);
        assert!(journal.commit(&record(1), DELTA).is_err());
        drop(journal);
        check(&disk.contents(), 0..2);
        drop(open(&disk));
        disk.crash();
        check(&disk.contents(), 0..2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_in_the_files_panics_nowhere(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_usize..600), 1..5),
    ) {
        let mut files = written(&[WHOLE, DELTA, BEGINS, DELTA]);
        for (number, (at, byte, len)) in cuts.into_iter().enumerate() {
            let bytes = files.get_mut(&segment(number as u64 % 2 + 1)).unwrap();
            let from = at.index(bytes.len());
            let to = (from + len).min(bytes.len());
            bytes[from..to].fill(byte);
        }
        if let Ok(found) = found(&files) {
            let all: Vec<_> = (0..4).map(record).collect();
            prop_assert!(all.starts_with(&found));
        }
    }
}
