//! Sliding windows: what was posted in the last minutes, in parts that leave one after the other.

use std::collections::VecDeque;
use std::time::Duration;

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

/// What was posted in a window, by part. Parts in which nothing was posted take no room.
#[derive(Clone, Debug)]
pub(super) struct Ring<C> {
    /// Numbers of parts in ascending order, at most one more than [`PARTS`].
    parts: VecDeque<(u64, C)>,
}

impl<C> Default for Ring<C> {
    fn default() -> Ring<C> {
        Ring { parts: VecDeque::new() }
    }
}

impl<C> Ring<C> {
    /// The cell of the part that `now` is in, `zero` if nothing was posted in it. Without a window there is one part,
    /// which never leaves.
    pub(super) fn part(&mut self, window: Option<Window>, now: Duration, zero: impl FnOnce() -> C) -> &mut C {
        let at = window.map_or(0, |window| window.at(now));
        while self.parts.front().is_some_and(|(part, _)| part + PARTS < at) {
            self.parts.pop_front();
        }
        // A clock that was set back does not open old parts again.
        if self.parts.back().is_none_or(|(part, _)| *part < at) {
            self.parts.push_back((at, zero()));
        }
        &mut self.parts.back_mut().expect("a part was just put there").1
    }

    /// What the window holds at `now`, oldest part first.
    pub(super) fn recent(&self, window: Option<Window>, now: Duration) -> impl Iterator<Item = &C> {
        let at = window.map_or(0, |window| window.at(now));
        self.parts.iter().filter(move |(part, _)| part + PARTS >= at).map(|(_, cell)| cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Option<Window> = Some(Window { part: Duration::from_secs(6) });

    fn sum(ring: &Ring<u64>, now: u64) -> u64 {
        ring.recent(WINDOW, Duration::from_secs(now)).sum()
    }

    #[test]
    fn what_was_posted_leaves_a_window_and_at_most_a_tenth_later() {
        let mut ring = Ring::default();
        *ring.part(WINDOW, Duration::from_secs(600), || 0) += 1;
        *ring.part(WINDOW, Duration::from_secs(605), || 0) += 2;
        *ring.part(WINDOW, Duration::from_secs(606), || 0) += 4;
        assert_eq!([605, 606, 660, 665].map(|now| sum(&ring, now)), [7, 7, 7, 7]);
        assert_eq!([666, 671, 672].map(|now| sum(&ring, now)), [4, 4, 0]);
    }

    #[test]
    fn parts_that_left_take_no_room() {
        let mut ring = Ring::default();
        for now in 0..10_000 {
            *ring.part(WINDOW, Duration::from_secs(now), || 0) += 1;
        }
        assert_eq!(ring.parts.len(), 11);
        assert_eq!(sum(&ring, 9_999), 9_999 % 6 + 1 + 60);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut ring = Ring::default();
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
    fn without_a_window_everything_stays() {
        let mut ring = Ring::default();
        for now in [0, 1_000_000] {
            *ring.part(None, Duration::from_secs(now), || 0) += 1;
        }
        assert_eq!(ring.recent(None, Duration::MAX).sum::<u64>(), 2);
    }
}
