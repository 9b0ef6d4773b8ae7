//! The events of a stretch of a batch: one row each, one column for each field the pipeline uses.

use super::field::Slot;
use super::value::Value;

/// Rows of values, and which of the rows are still in play.
///
/// The decoder fills rows, stages change them or take them out of play, metrics read them. The rows are
/// stored one after the other, `width` values each.
#[derive(Debug)]
pub struct Events<'b> {
    width: usize,
    values: Vec<Value<'b>>,
    live: Vec<u32>,
    /// The storage of `live` while its rows are replaced.
    replaced: Vec<u32>,
    /// How many rows went out of play and left nothing behind.
    removed: u64,
}

/// Storage for more values than this is given back: one record with a huge list must not hold it for ever.
const KEPT_VALUES: usize = 1 << 18;

/// A row that is being replaced, by as many rows as are wanted.
#[derive(Debug)]
pub struct Replacement<'e, 'b> {
    width: usize,
    values: &'e mut Vec<Value<'b>>,
    live: &'e mut Vec<u32>,
    row: usize,
    /// How many rows were in play before this one's replacements.
    before: usize,
}

impl<'b> Replacement<'_, 'b> {
    /// The values of the row, by slot.
    pub fn row(&self) -> &[Value<'b>] {
        &self.values[self.row * self.width..(self.row + 1) * self.width]
    }

    /// Puts a copy of the row in play, behind the copies before it: its values, to be changed.
    pub fn push(&mut self) -> &mut [Value<'b>] {
        let start = self.values.len();
        self.values.extend_from_within(self.row * self.width..(self.row + 1) * self.width);
        self.live.push((start / self.width) as u32);
        &mut self.values[start..]
    }

    /// Takes every copy back.
    pub fn clear(&mut self) {
        let copies = self.live.len() - self.before;
        self.values.truncate(self.values.len() - copies * self.width);
        self.live.truncate(self.before);
    }
}

impl<'b> Events<'b> {
    /// No rows yet, of `width` fields each.
    pub fn new(width: usize) -> Events<'b> {
        Events { width, values: Vec::new(), live: Vec::new(), replaced: Vec::new(), removed: 0 }
    }

    /// Starts anew with `rows` rows of missing values, none of them in play.
    pub fn reset(&mut self, rows: usize) {
        self.live.clear();
        self.values.clear();
        self.values.resize(rows * self.width, Value::Missing);
    }

    /// Puts `row` in play. Rows are put in play in ascending order.
    pub fn admit(&mut self, row: usize) {
        debug_assert!(self.live.last().is_none_or(|last| (*last as usize) < row));
        self.live.push(row as u32);
    }

    /// The number of rows in play.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// The values of `row`, by slot.
    pub fn row(&self, row: usize) -> &[Value<'b>] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// The values of `row`, by slot, to be filled.
    pub fn row_mut(&mut self, row: usize) -> &mut [Value<'b>] {
        &mut self.values[row * self.width..(row + 1) * self.width]
    }

    /// Fills `slot` of every row from `values`, in order.
    pub fn fill(&mut self, slot: Slot, values: impl Iterator<Item = Value<'b>>) {
        if self.width == 0 {
            return;
        }
        for (row, value) in self.values.chunks_exact_mut(self.width).zip(values) {
            row[slot.0] = value;
        }
    }

    /// The rows in play, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[Value<'b>]> {
        self.live.iter().map(|row| self.row(*row as usize))
    }

    /// Keeps in play the rows for which `keep` says so; it may change them.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut [Value<'b>]) -> bool) {
        let Events { width, values, live, removed, .. } = self;
        let before = live.len();
        live.retain(|row| {
            let start = *row as usize * *width;
            keep(&mut values[start..start + *width])
        });
        *removed += (before - live.len()) as u64;
    }

    /// Replaces each row in play by the copies of it that `replace` makes; without any it goes out of play.
    pub fn replace(&mut self, mut replace: impl FnMut(&mut Replacement<'_, 'b>)) {
        std::mem::swap(&mut self.live, &mut self.replaced);
        let Events { width, values, live, replaced, removed } = self;
        for row in replaced.drain(..) {
            let before = live.len();
            replace(&mut Replacement { width: *width, values, live, row: row as usize, before });
            *removed += u64::from(live.len() == before);
        }
    }

    /// How many rows went out of play and left nothing behind, since this was last asked.
    pub fn take_removed(&mut self) -> u64 {
        std::mem::take(&mut self.removed)
    }

    /// The same storage for another batch: what the values borrowed may be gone, so the rows are too.
    pub fn recycle<'n>(mut self) -> Events<'n> {
        if self.values.capacity() > KEPT_VALUES {
            return Events::new(self.width);
        }
        self.values.clear();
        self.live.clear();
        // Collecting an emptied vector into one of the same layout reuses its allocation.
        let values = self.values.into_iter().map(|_| Value::Missing).collect();
        Events { values, width: self.width, live: self.live, replaced: self.replaced, removed: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recycling_keeps_the_storage() {
        let mut events = Events::new(2);
        events.reset(100);
        let before = events.values.capacity();
        let after: Events<'static> = events.recycle();
        assert!(before >= 200);
        assert_eq!(after.values.capacity(), before);
    }

    #[test]
    fn storage_for_a_huge_list_is_not_kept() {
        let mut events = Events::new(1);
        events.reset(1);
        events.admit(0);
        events.replace(|row| (0..=KEPT_VALUES).for_each(|_| row.push()[0] = Value::Bool(true)));
        assert_eq!(events.live(), KEPT_VALUES + 1);
        assert_eq!(events.recycle().values.capacity(), 0);
    }

    #[test]
    fn rows_leave_play_in_order_and_keep_their_values() {
        let mut events = Events::new(1);
        events.reset(4);
        for row in [0, 1, 3] {
            events.row_mut(row)[0] = Value::Integer(row as i64);
            events.admit(row);
        }
        events.retain(|row| row[0] != Value::Integer(1));
        let left: Vec<_> = events.iter().map(|row| row[0]).collect();
        assert_eq!(left, [Value::Integer(0), Value::Integer(3)]);
        assert_eq!(events.take_removed(), 1);
        assert_eq!(events.take_removed(), 0);
    }

    #[test]
    fn rows_are_replaced_by_copies_in_their_order() {
        let mut events = Events::new(2);
        events.reset(3);
        for row in 0..3 {
            events.row_mut(row)[0] = Value::Integer(row as i64);
            events.admit(row);
        }
        // Row 0 by none, row 1 by one after second thoughts, row 2 by two.
        events.replace(|replacement| {
            let Value::Integer(copies) = replacement.row()[0] else { return };
            if copies == 1 {
                replacement.push()[1] = Value::Bool(true);
                replacement.clear();
            }
            (0..copies).for_each(|copy| replacement.push()[1] = Value::Integer(copy));
        });
        let left: Vec<_> = events.iter().map(|row| (row[0], row[1])).collect();
        let [zero, one, two] = [0, 1, 2].map(Value::Integer);
        assert_eq!(left, [(one, zero), (two, zero), (two, one)]);
        assert_eq!(events.take_removed(), 1);
    }
}
