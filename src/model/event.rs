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
}

impl<'b> Events<'b> {
    /// No rows yet, of `width` fields each.
    pub fn new(width: usize) -> Events<'b> {
        Events { width, values: Vec::new(), live: Vec::new() }
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
        let Events { width, values, live } = self;
        live.retain(|row| {
            let start = *row as usize * *width;
            keep(&mut values[start..start + *width])
        });
    }

    /// The same storage for another batch: what the values borrowed may be gone, so the rows are too.
    pub fn recycle<'n>(mut self) -> Events<'n> {
        self.values.clear();
        self.live.clear();
        // Collecting an emptied vector into one of the same layout reuses its allocation.
        let values = self.values.into_iter().map(|_| Value::Missing).collect();
        Events { width: self.width, values, live: self.live }
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
    }
}
