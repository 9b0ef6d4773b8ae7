//! Records whose checksum is right but that are nonsense: refused, or read as something else; never a panic.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Ledger;
use super::replay::Replay;
use super::world::{DIRECTORY, World, exposition};
use crate::base::pack::Damaged;
use crate::journal::Journal;

const FILE: &str = r"
source: {file: {include: [/a.log]}}
decode: json
metrics:
  - counter: {name: a_total, help: Events., labels: [kind], max_series: 4, expire_after: 2s}
  - gauge: {name: least, help: The least., value: amount, op: min, window: 30s, labels: [kind]}
  - histogram: {name: amounts, help: Amounts., value: amount, buckets: [1, 10, 100]}
  - summary: {name: quantiles, help: Amounts., value: amount, window: 1m}
";

/// The records of a journal: one that is whole, and postings with slices.
fn records() -> Vec<Vec<u8>> {
    let mut world = World::new(&[("a.yaml", FILE)]);
    world.resize(300, 60);
    for at in 0..12 {
        world.process("a", "log", &format!("{{\"kind\":\"{}\",\"amount\":{at}}}\nx\n", at % 6));
        assert!(world.tick(1).is_ok());
    }
    let disk = world.disk().clone();
    drop(world);
    let mut records = Vec::new();
    let found = Journal::look(Path::new(DIRECTORY), Arc::new(disk), &mut |record| {
        records.push(record.bytes.to_vec());
        Ok(())
    });
    assert!(found.is_ok() && records.len() > 2, "{} records", records.len());
    records
}

/// Reads all of them, and shows what was read.
fn read<'r>(records: impl IntoIterator<Item = &'r [u8]>) -> Result<String, Damaged> {
    let mut replay = Replay::new();
    records.into_iter().try_for_each(|record| replay.record(record))?;
    Ok(exposition(&Ledger::of(replay.end()), Duration::from_secs(1_000_100)))
}

#[test]
fn a_record_that_ends_early_is_refused() {
    let records = records();
    let whole = read(records.iter().map(Vec::as_slice)).unwrap();
    assert!(whole.contains("a_total{kind=\"1\"}"), "{whole}");
    for (at, record) in records.iter().enumerate() {
        let mut refused = 0;
        for len in 0..record.len() {
            let cut = records[..at].iter().map(Vec::as_slice).chain([&record[..len]]);
            refused += usize::from(read(cut).is_err());
        }
        // Only between two parts does it look whole.
        assert!(refused + 20 > record.len(), "{refused} of {} bytes", record.len());
    }
}

#[test]
fn whatever_is_in_a_record_panics_nowhere() {
    let records = records();
    let (mut refused, mut all) = (0, 0);
    for at in 0..records.len() {
        for bit in 0..8 * records[at].len() {
            let mut changed = records.clone();
            changed[at][bit / 8] ^= 1 << (bit % 8);
            refused += usize::from(read(changed.iter().map(Vec::as_slice)).is_err());
            all += 1;
        }
    }
    assert!(refused > all / 10, "{refused} of {all}");
}

#[test]
fn what_a_record_cannot_be_about_is_refused() {
    let records = records();
    let refused = |record: &[u8]| {
        read(records.iter().map(Vec::as_slice).chain([record])).err().map(|damaged| damaged.0)
    };
    assert_eq!(refused(&[9]), Some("it has a part that nobody knows"));
    assert_eq!(refused(&[2, 7, 0]), Some("it has series of a metric that nobody knows"));
    assert_eq!(refused(&[2, 0, 7]), Some("it has series of a metric that nobody knows"));
    let posting = |rest: &[u8]| [&[3, 1][..], &[0; 8], rest].concat();
    assert_eq!(refused(&posting(&[1, 5])), Some("it has a posting to a pipeline that nobody knows"));
    let flow = [0; 7];
    let other = [&[1, 0, 1][..], &flow[..6], &[3]].concat();
    assert_eq!(refused(&posting(&other)), Some("it has a posting to other metrics than there are"));
    let twice = [&[1, 0, 1][..], &flow[..6], &[4, 0, 1, 3, 1, b'1']].concat();
    assert_eq!(refused(&posting(&twice)), Some("a series is there twice"));
}
