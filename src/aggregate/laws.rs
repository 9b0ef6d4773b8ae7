//! The laws that every aggregator keeps, as property tests to call for each.

use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::{Aggregate, Moment, Stamp};
use crate::base::pack::{Damaged, Packed};

/// Checks that merging is commutative and associative, that zero changes nothing, and that recording into
/// one cell is the same as recording into several and merging them. And that a stored form is as good as what it was
/// made of.
///
/// The values are multiples of 1/64, so that sums of them are exact and equality means equality.
#[track_caller]
pub(super) fn check<A: Aggregate>(make: impl Fn() -> A, values: Range<f64>)
where
    A::Cell: Clone + PartialEq + std::fmt::Debug,
{
    let value =
        ((values.start * 64.0) as i64..(values.end * 64.0) as i64).prop_map(|steps| steps as f64 / 64.0);
    let some = || prop::collection::vec(value.clone(), 0..40);
    let definition = make();
    let cell = |values: &[f64], from: usize| recorded(&definition, values, from);
    let merged = |left: &A::Cell, right: &A::Cell| {
        let mut both = left.clone();
        definition.merge(&mut both, right);
        both
    };
    let law = |(a, b, c): (Vec<f64>, Vec<f64>, Vec<f64>)| {
        let all = cell(&[a.clone(), b.clone(), c.clone()].concat(), 0);
        let [a, b, c] = [cell(&a, 0), cell(&b, a.len()), cell(&c, a.len() + b.len())];
        prop_assert_eq!(merged(&a, &b), merged(&b, &a), "commutative");
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)), "associative");
        prop_assert_eq!(merged(&a, &definition.zero()), a.clone(), "zero");
        prop_assert_eq!(merged(&merged(&a, &b), &c), all, "splitting");
        let mut left = a.clone();
        prop_assert_eq!(definition.take(&mut left), a, "taking");
        prop_assert_eq!(left, definition.zero(), "what is left");
        Ok(())
    };
    TestRunner::default().run(&(some(), some(), some()), law).unwrap_or_else(|broken| panic!("{broken}"));
    check_stored(&definition, value);
}

/// A cell of values, of which each has a stamp of its own, `from` on.
fn recorded<A: Aggregate>(definition: &A, values: &[f64], from: usize) -> A::Cell {
    let mut cell = definition.zero();
    for (value, stamp) in values.iter().zip(from..) {
        assert_eq!(definition.accepted().check(*value), Ok(*value), "the range holds valid values only");
        definition.record(&mut cell, *value, Stamp(stamp as u64));
    }
    cell
}

/// Checks that what is recorded and kept goes on from its stored form as if it had never been stored, and that whatever
/// else is read is at worst an error.
#[track_caller]
fn check_stored<A: Aggregate>(definition: &A, value: impl Strategy<Value = f64>)
where
    A::Cell: Clone + PartialEq + std::fmt::Debug,
{
    // The values of each posting, more than a few at times, and how many seconds it came after the one before.
    let postings = prop::collection::vec((prop::collection::vec(value, 0..100), 0u64..30), 0..10);
    let law = |(postings, split, damage): (Vec<(Vec<f64>, u64)>, Index, Damage)| {
        let (mut live, mut stored) = (definition.keep(), definition.keep());
        let (split, mut stamp, mut now) = (split.index(postings.len() + 1), 0, 1000);
        for (at, (values, later)) in postings.iter().enumerate() {
            let cell = recorded(definition, values, stamp);
            let read = reread_cell(definition, &cell, &damage)?;
            (stamp, now) = (stamp + values.len(), now + later);
            if at == split {
                stored = reread_kept(definition, &stored, &damage)?;
            }
            definition.post(&mut live, cell.clone(), Duration::from_secs(now));
            definition.post(&mut stored, if at < split { cell } else { read }, Duration::from_secs(now));
            for now in [0, 20, 65, 90].map(|later| now + later) {
                prop_assert_eq!(said(definition, &stored, now), said(definition, &live, now), "kept");
            }
        }
        let bytes = |kept: &A::Kept| packed(kept, |kept, into| definition.pack_kept(kept, into));
        prop_assert_eq!(bytes(&stored), bytes(&live), "kept, all of it");
        reread_kept(definition, &live, &damage).map(|_| ())
    };
    let given = (postings, any::<Index>(), Damage::any());
    TestRunner::default().run(&given, law).unwrap_or_else(|broken| panic!("{broken}"));
}

/// What may have become of stored bytes.
#[derive(Debug)]
struct Damage {
    /// Bits that are others: which of them in which byte.
    flips: Vec<(Index, u8)>,
    /// Where the bytes end.
    end: Index,
    /// Other bytes altogether.
    noise: Vec<u8>,
}

impl Damage {
    fn any() -> impl Strategy<Value = Damage> {
        let flips = prop::collection::vec((any::<Index>(), 0u8..8), 1..4);
        let noise = prop::collection::vec(any::<u8>(), 0..60);
        (flips, any::<Index>(), noise).prop_map(|(flips, end, noise)| Damage { flips, end, noise })
    }

    fn of(&self, bytes: &[u8]) -> [Vec<u8>; 3] {
        let mut flipped = bytes.to_vec();
        self.flips.iter().for_each(|(at, bit)| flipped[at.index(bytes.len())] ^= 1 << bit);
        [flipped, bytes[..self.end.index(bytes.len())].to_vec(), self.noise.clone()]
    }
}

/// What a series says at so many seconds: as text, in which a float that is not a number is the same as another.
fn said<A: Aggregate>(definition: &A, kept: &A::Kept, now: u64) -> String {
    let moment = Moment { now: Duration::from_secs(now), started: Duration::from_secs(900) };
    format!("{:?}", definition.read(kept, 900.0, moment))
}

fn packed<T>(what: &T, pack: impl Fn(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack(what, &mut bytes);
    bytes
}

/// What is read from a stored form: from all of it, and something with the same stored form.
fn reread<T>(
    bytes: &[u8],
    pack: impl Fn(&T, &mut Vec<u8>),
    unpack: impl Fn(&mut Packed<'_>) -> Result<T, Damaged>,
) -> Result<T, TestCaseError> {
    let mut from = Packed::new(bytes);
    let read = unpack(&mut from).map_err(|damaged| TestCaseError::fail(damaged.to_string()))?;
    prop_assert!(from.is_empty(), "everything is read");
    prop_assert_eq!(packed(&read, pack), bytes, "its stored form");
    Ok(read)
}

/// A cell as it is read from its stored form, after attempts to read and to go on with damaged ones.
fn reread_cell<A: Aggregate>(
    definition: &A,
    cell: &A::Cell,
    damage: &Damage,
) -> Result<A::Cell, TestCaseError>
where
    A::Cell: PartialEq + std::fmt::Debug,
{
    let pack = |cell: &A::Cell, into: &mut Vec<u8>| definition.pack(cell, into);
    let bytes = packed(cell, pack);
    for damaged in damage.of(&bytes) {
        if let Ok(damaged) = definition.unpack(&mut Packed::new(&damaged)) {
            let (mut kept, mut merged) = (definition.keep(), recorded(definition, &[1.0; 70], 0));
            definition.merge(&mut merged, &damaged);
            definition.post(&mut kept, damaged, Duration::from_secs(1000));
            definition.post(&mut kept, merged, Duration::from_secs(1030));
            said(definition, &kept, 1030);
        }
    }
    let read = reread(&bytes, pack, |from| definition.unpack(from))?;
    prop_assert_eq!(&read, cell, "a cell");
    Ok(read)
}

/// What is kept as it is read from its stored form, after attempts to read and to go on with damaged ones.
fn reread_kept<A: Aggregate>(
    definition: &A,
    kept: &A::Kept,
    damage: &Damage,
) -> Result<A::Kept, TestCaseError> {
    let pack = |kept: &A::Kept, into: &mut Vec<u8>| definition.pack_kept(kept, into);
    let bytes = packed(kept, pack);
    for damaged in damage.of(&bytes) {
        if let Ok(mut damaged) = definition.unpack_kept(&mut Packed::new(&damaged)) {
            said(definition, &damaged, 1000);
            definition.post(&mut damaged, recorded(definition, &[1.0; 70], 0), Duration::from_secs(1300));
            said(definition, &damaged, 1300);
        }
    }
    reread(&bytes, pack, |from| definition.unpack_kept(from))
}
