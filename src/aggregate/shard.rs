//! The cells that a worker writes: plain memory, no locks, no allocation for a known series.

use std::sync::Arc;

use super::{Accepted, Aggregate, Changes, Shard, Stamp};
use crate::model::series::SeriesId;

/// No cell for this series yet.
const NONE: u32 = u32::MAX;

pub(super) struct Cells<A: Aggregate> {
    definition: Arc<A>,
    /// By series id: the index of its cell here, or [`NONE`].
    by_series: Vec<u32>,
    cells: Vec<Cell<A::Cell>>,
    /// The cells written since the last tick, each once.
    touched: Vec<u32>,
}

/// There may be one for every series: with a sum, 32 bytes.
struct Cell<C> {
    series: SeriesId,
    touched: bool,
    state: C,
}

impl<A: Aggregate> Cells<A> {
    pub(super) fn new(definition: Arc<A>) -> Cells<A> {
        Cells { definition, by_series: Vec::new(), cells: Vec::new(), touched: Vec::new() }
    }

    fn add(&mut self, at: u32, value: f64, stamp: Stamp) {
        let cell = &mut self.cells[at as usize];
        self.definition.record(&mut cell.state, value, stamp);
        if !cell.touched {
            cell.touched = true;
            self.touched.push(at);
        }
    }
}

impl<A: Aggregate> Shard for Cells<A> {
    fn cell(&mut self, series: SeriesId) -> u32 {
        if self.by_series.len() <= series.index() {
            self.by_series.resize(series.index() + 1, NONE);
        }
        let at = &mut self.by_series[series.index()];
        if *at == NONE {
            *at = self.cells.len() as u32;
            self.cells.push(Cell { series, touched: false, state: self.definition.zero() });
        }
        *at
    }

    fn accepted(&self) -> Accepted {
        self.definition.accepted()
    }

    fn record(&mut self, cells: &[u32], values: &[f64], stamp: Stamp) {
        for (cell, value) in cells.iter().zip(values) {
            self.add(*cell, *value, stamp);
        }
    }

    fn count(&mut self, cells: &[u32], stamp: Stamp) {
        for cell in cells {
            self.add(*cell, 1.0, stamp);
        }
    }

    fn take(&mut self) -> Changes {
        let changes: Vec<(SeriesId, A::Cell)> = self
            .touched
            .drain(..)
            .map(|at| {
                let cell = &mut self.cells[at as usize];
                cell.touched = false;
                (cell.series, self.definition.take(&mut cell.state))
            })
            .collect();
        Changes(Box::new(changes))
    }

    fn clear(&mut self) {
        self.by_series.clear();
        self.cells.clear();
        self.touched.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sum::Sum;

    #[test]
    fn the_cell_of_a_counter_takes_32_bytes() {
        assert_eq!(size_of::<Cell<Sum>>(), 32);
        assert_eq!(size_of::<(SeriesId, Sum)>(), 32);
    }
}
