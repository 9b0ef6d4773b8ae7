//! A metric as one worker records it.

use bumpalo::Bump;

use crate::aggregate::{Accepted, Changes, Shard, Stamp};
use crate::expr::Program;
use crate::group::{Group, Keys, Place};
use crate::model::event::Events;
use crate::model::refused::{Refusals, Refused};
use crate::model::value::Value;

/// A metric as one worker records it.
pub struct Metric {
    condition: Option<Program>,
    value: Option<Program>,
    labels: Vec<Program>,
    /// Which of the pipeline's keys are those of its labels.
    keys: usize,
    group: Group,
    shard: Box<dyn Shard>,
    accepted: Accepted,
    /// The cells and values of the events at hand, handed to the shard together.
    cells: Vec<u32>,
    values: Vec<f64>,
}

impl Metric {
    /// Records `value` (1 where there is none) of the events that `condition` holds for.
    pub fn new(
        condition: Option<Program>,
        value: Option<Program>,
        labels: Vec<Program>,
        group: Group,
        shard: Box<dyn Shard>,
    ) -> Metric {
        let accepted = shard.accepted();
        let (cells, values) = (Vec::new(), Vec::new());
        Metric { condition, value, labels, keys: 0, group, shard, accepted, cells, values }
    }

    /// Takes its labels' keys from `keys`, to which they are added if no other metric has the same.
    pub(super) fn share(&mut self, keys: &mut Vec<Keys>) {
        let shared = keys.iter_mut().position(|keys| keys.share(&self.labels));
        self.keys = shared.unwrap_or_else(|| {
            keys.push(Keys::new(std::mem::take(&mut self.labels)));
            keys.len() - 1
        });
    }

    pub(super) fn record<'b>(
        &mut self,
        events: &Events<'b>,
        arena: &'b Bump,
        stamp: Stamp,
        (keys, refused): (&mut [Keys], &mut Refusals),
    ) {
        self.cells.clear();
        self.values.clear();
        let keys = &mut keys[self.keys];
        for (at, row) in events.iter().enumerate() {
            if let Err(reason) = self.gather((at, row), arena, keys, refused) {
                refused.count(reason);
            }
        }
        match self.value {
            Some(_) => self.shard.record(&self.cells, &self.values, stamp),
            None => self.shard.count(&self.cells, stamp),
        }
    }

    /// Hands over everything since the last time. The keys of series that were forgotten meanwhile are forgotten too.
    pub(super) fn take(&mut self, keys: &mut [Keys]) -> Changes {
        let changes = self.shard.take();
        if self.group.renew(&mut *self.shard) {
            keys[self.keys].clear();
        }
        changes
    }

    /// Forgets the cells of its keys if those were forgotten.
    pub(super) fn follow(&mut self, keys: &[Keys]) {
        if keys[self.keys].is_empty() {
            self.group.forget_keys();
        }
    }

    fn gather<'b>(
        &mut self,
        (at, row): (usize, &[Value<'b>]),
        arena: &'b Bump,
        keys: &mut Keys,
        refused: &mut Refusals,
    ) -> Result<(), Refused> {
        if let Some(condition) = &self.condition
            && !condition.holds(row, arena)?
        {
            return Ok(());
        }
        if let Some(value) = &self.value {
            self.values.push(self.accepted.check(number(value.eval(row, arena)?)?)?);
        }
        let place = Place { keys, shard: &mut *self.shard, refused };
        self.cells.push(self.group.cell(at, row, arena, place));
        Ok(())
    }
}

fn number(value: Value<'_>) -> Result<f64, Refused> {
    match value.as_number() {
        Some(number) => Ok(number),
        None if value == Value::Missing => Err(Refused::MissingField),
        None => Err(Refused::NotANumber),
    }
}
