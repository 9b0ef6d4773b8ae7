//! Sliding windows: what was posted in the last minutes, in parts that leave one after the other.

use std::time::Duration;

use crate::base::pack::{Damaged, Pack, Packed};
use crate::raw::fault::Faults;
use crate::raw::mapping::Key;
use crate::raw::node::Node;

/// How many parts a window has. One more is being filled, so a window covers its length and up to a tenth more.
const PARTS: u64 = 10;

/// The shortest window: no part is shorter than the shortest time between ticks that makes sense.
const MIN: Duration = Duration::from_secs(1);

/// The longest window.
const MAX: Duration = Duration::from_secs(30 * 86400);

/// The key of a window in a pipeline file.
pub(super) const fn key(required: bool, help: &'static str) -> Key {
    Key { name: "window", wanted: "a duration, such as `5m`", required, help, default: None }
}

/// The length of a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    part: Duration,
}

impl Window {
    /// A window of about `length`: a multiple of the tenth of it.
    pub(super) fn new(length: Duration) -> Window {
        Window { part: length / PARTS as u32 }
    }

    /// Reads the value of `window`.
    pub(super) fn read(node: &Node, faults: &mut Faults) -> Option<Window> {
        let length = node.duration(faults)?;
        if length < MIN || length > MAX {
            faults.add(node.place, "the window is out of range, 1s to 30d are possible");
            return None;
        }
        Some(Window::new(length))
    }

    /// The number of the part that `now` is in.
    fn at(self, now: Duration) -> u64 {
        (now.as_nanos() / self.part.as_nanos()) as u64
    }

    /// How much time the window covers at `now`, of what has passed since `started`; never less than a second.
    pub(super) fn covered(self, now: Duration, started: Duration) -> Duration {
        // Not as a product of a duration, whose factor has 32 bits: short parts since 1970 are more.
        let begin = Duration::from_nanos(self.at(now).saturating_sub(PARTS) * self.part.as_nanos() as u64);
        now.saturating_sub(begin.max(started)).max(MIN)
    }
}

/// What was posted in a window, by part. Parts in which nothing was posted take no room, and most series have one part
/// only: it is kept without a list.
#[derive(Clone, Debug)]
pub(super) struct Ring<C> {
    newest: Part<C>,
    /// In ascending order of their numbers, at most [`PARTS`].
    older: Box<[Part<C>]>,
}

/// What was posted in a part of a window.
#[derive(Clone, Debug)]
struct Part<C> {
    number: u64,
    cell: C,
}

impl<C> Part<C> {
    /// Whether the part is still in the window when the part `now` is being filled.
    fn is_recent(&self, now: u64) -> bool {
        self.number + PARTS >= now
    }
}

impl<C> Ring<C> {
    /// A ring in which nothing was posted: its only part is that of 1970, and says `zero`.
    pub(super) fn new(zero: C) -> Ring<C> {
        Ring { newest: Part { number: 0, cell: zero }, older: Box::default() }
    }

    /// The cell of the part that `now` is in, `zero` if nothing was posted in it.
    pub(super) fn part(&mut self, window: Window, now: Duration, zero: impl FnOnce() -> C) -> &mut C {
        let number = window.at(now);
        // A clock that was set back does not open old parts again.
        if self.newest.number < number {
            self.begin(Part { number, cell: zero() });
        }
        &mut self.newest.cell
    }

    /// Begins a part. The list of the others is made for as many as there are, as series are many and parts begin seldom.
    #[cold]
    fn begin(&mut self, part: Part<C>) {
        let now = part.number;
        let left = std::mem::replace(&mut self.newest, part);
        let mut older = std::mem::take(&mut self.older).into_vec();
        older.retain(|part| part.is_recent(now));
        if left.is_recent(now) {
            older.reserve_exact(1);
            older.push(left);
        }
        self.older = older.into_boxed_slice();
    }

    /// What the window holds at `now`, oldest part first.
    pub(super) fn recent(&self, window: Window, now: Duration) -> impl Iterator<Item = &C> {
        let now = window.at(now);
        let parts = self.older.iter().chain(std::iter::once(&self.newest));
        parts.filter(move |part| part.is_recent(now)).map(|part| &part.cell)
    }

    /// Appends the stored form, in which `cell` appends cells: the newest part, and how far behind it each older one is.
    pub(super) fn pack(&self, into: &mut Vec<u8>, mut cell: impl FnMut(&C, &mut Vec<u8>)) {
        into.put_number(self.newest.number);
        cell(&self.newest.cell, into);
        into.put_number(self.older.len() as u64);
        for part in &self.older {
            into.put_number(self.newest.number - part.number);
            cell(&part.cell, into);
        }
    }

    /// Reads what [`pack`](Ring::pack) wrote for a window of the same length, with cells that `cell` reads.
    pub(super) fn unpack(
        from: &mut Packed<'_>,
        mut cell: impl FnMut(&mut Packed<'_>) -> Result<C, Damaged>,
    ) -> Result<Ring<C>, Damaged> {
        let newest = Part { number: from.number()?, cell: cell(from)? };
        if newest.number > u64::MAX - PARTS {
            return Err(Damaged("a part of a window is never over"));
        }
        let len = from.size(PARTS as usize)?;
        let (mut older, mut before) = (Vec::with_capacity(len), PARTS + 1);
        for _ in 0..len {
            let behind = from.number()?;
            if behind == 0 || behind >= before || behind > newest.number {
                return Err(Damaged("the parts of a window are out of order"));
            }
            before = behind;
            older.push(Part { number: newest.number - behind, cell: cell(from)? });
        }
        Ok(Ring { newest, older: older.into_boxed_slice() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Window = Window { part: Duration::from_secs(6) };

    fn sum(ring: &Ring<u64>, now: u64) -> u64 {
        ring.recent(WINDOW, Duration::from_secs(now)).sum()
    }

    #[test]
    fn what_was_posted_leaves_a_window_and_at_most_a_tenth_later() {
        let mut ring = Ring::new(0);
        *ring.part(WINDOW, Duration::from_secs(600), || 0) += 1;
        *ring.part(WINDOW, Duration::from_secs(605), || 0) += 2;
        *ring.part(WINDOW, Duration::from_secs(606), || 0) += 4;
        assert_eq!([605, 606, 660, 665].map(|now| sum(&ring, now)), [7, 7, 7, 7]);
        assert_eq!([666, 671, 672].map(|now| sum(&ring, now)), [4, 4, 0]);
    }

    #[test]
    fn parts_that_left_take_no_room() {
        let mut ring = Ring::new(0);
        for now in 0..10_000 {
            *ring.part(WINDOW, Duration::from_secs(now), || 0) += 1;
        }
        assert_eq!(ring.older.len(), 10);
        assert_eq!(sum(&ring, 9_999), 9_999 % 6 + 1 + 60);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut ring = Ring::new(0);
        *ring.part(WINDOW, Duration::from_secs(600), || 0) += 1;
        *ring.part(WINDOW, Duration::from_secs(300), || 0) += 1;
        assert_eq!([300, 600].map(|now| sum(&ring, now)), [2, 2]);
    }

    #[test]
    fn a_window_covers_no_more_than_there_was() {
        let window = Window::new(Duration::from_secs(60));
        let covered =
            |now, started| window.covered(Duration::from_secs(now), Duration::from_secs(started)).as_secs();
        assert_eq!(covered(1000, 0), 1000 - 936);
        assert_eq!(covered(1000, 990), 10);
        assert_eq!(covered(1000, 1000), 1);
    }

    #[test]
    fn a_window_of_a_second_covers_about_a_second_today() {
        let today = Duration::from_secs(1_800_000_000);
        let covered = Window::new(Duration::from_secs(1)).covered(today, today - Duration::from_secs(1000));
        assert_eq!(covered, Duration::from_secs(1));
    }

    #[test]
    fn a_ring_of_one_part_is_its_part_and_an_empty_list() {
        assert_eq!(size_of::<Ring<u64>>(), size_of::<(u64, u64)>() + 16);
        let mut ring = Ring::new(0);
        (600..606).for_each(|now| *ring.part(WINDOW, Duration::from_secs(now), || 0) += 1);
        assert_eq!((sum(&ring, 605), ring.older.len()), (6, 0));
    }

    #[test]
    fn parts_that_cannot_be_in_a_window_are_not_read() {
        let read = |newest: u64, behind: &[u64]| {
            let mut bytes = Vec::new();
            bytes.put_number(newest);
            bytes.put_number(behind.len() as u64);
            behind.iter().for_each(|behind| bytes.put_number(*behind));
            Ring::unpack(&mut Packed::new(&bytes), |_| Ok(0)).is_ok()
        };
        assert!(
            read(100, &[])
                && read(100, &[10, 5, 1])
                && read(5, &[5])
                && read(100, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
        );
        assert!(!read(100, &[11]) && !read(100, &[5, 5]) && !read(100, &[5, 6]) && !read(100, &[0]));
        assert!(!read(5, &[6]) && !read(u64::MAX, &[]));
    }

    proptest! {
        #[test]
        fn it_holds_what_was_posted_in_the_last_eleven_parts(times in prop::collection::vec(0u64..300, 0..60), later in 0u64..100) {
            let mut times = times;
            times.sort_unstable();
            let mut ring = Ring::new(0);
            times.iter().for_each(|now| *ring.part(WINDOW, Duration::from_secs(*now), || 0) += now);
            let now = times.last().unwrap_or(&0) + later;
            let recent = times.iter().filter(|time| **time / 6 + 10 >= now / 6);
            prop_assert_eq!(sum(&ring, now), recent.sum::<u64>());
        }
    }
}
