//! The series of one metric in the order of their keys.

use crate::model::series::{Labels, SeriesId};

/// How many series a block has when it is made. A block is what a new series has to be copied into, and its text lies
/// in one piece for those who read it.
const BLOCK: usize = 256;

/// Series sorted by their keys, in blocks. Going over all of them reads memory from one end to the other, block by
/// block; new series touch only the blocks that they belong to.
#[derive(Default)]
pub(super) struct Order {
    /// None of them is empty. Every key of one is less than every key of the next.
    blocks: Vec<Block>,
    len: usize,
}

/// Some neighbours.
pub(super) struct Block {
    /// Their keys, one after the other.
    text: Box<str>,
    /// Where each key ends.
    ends: Box<[u32]>,
    series: Box<[SeriesId]>,
}

impl Order {
    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The blocks, in order.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    /// The series whose keys come after this one, all of them where there is none, in order.
    pub(super) fn after(&self, key: Option<&str>) -> impl Iterator<Item = (SeriesId, &str)> {
        let first =
            key.map_or(0, |key| self.blocks.partition_point(|block| block.first() <= key).saturating_sub(1));
        let rest = self.blocks[first..].iter().flat_map(Block::iter);
        rest.skip_while(move |(_, own)| key.is_some_and(|key| *own <= key))
    }

    /// Adds series, which are sorted by their keys and of which none is there yet.
    pub(super) fn add(&mut self, new: &[(SeriesId, &str)]) {
        self.len += new.len();
        let mut blocks = Vec::with_capacity(self.blocks.len() + new.len() / BLOCK + 1);
        let mut rest = new;
        let mut old = std::mem::take(&mut self.blocks).into_iter().peekable();
        while let Some(block) = old.next() {
            let here = match old.peek() {
                Some(next) => rest.partition_point(|(_, key)| *key < next.first()),
                None => rest.len(),
            };
            let (new, others) = rest.split_at(here);
            rest = others;
            if new.is_empty() {
                blocks.push(block);
            } else {
                split(&block.with(new), &mut blocks);
            }
        }
        split(rest, &mut blocks);
        self.blocks = blocks;
    }

    /// Takes out the series that `stays` does not hold for.
    pub(super) fn retain(&mut self, stays: impl Fn(SeriesId) -> bool) {
        let mut blocks: Vec<Block> = Vec::with_capacity(self.blocks.len());
        for block in std::mem::take(&mut self.blocks) {
            if block.series.iter().all(|series| stays(*series)) {
                blocks.push(block);
                continue;
            }
            let left: Vec<_> = block.iter().filter(|(series, _)| stays(*series)).collect();
            match blocks.last_mut().filter(|last| last.series.len() + left.len() <= BLOCK) {
                Some(last) => *last = Block::of(&last.with(&left)),
                None if left.is_empty() => {}
                None => blocks.push(Block::of(&left)),
            }
        }
        self.len = blocks.iter().map(|block| block.series.len()).sum();
        self.blocks = blocks;
    }
}

/// Makes blocks of sorted series: as many as are full, with what is left over spread among them.
fn split(series: &[(SeriesId, &str)], into: &mut Vec<Block>) {
    let blocks = (series.len() / BLOCK).max(1);
    into.extend(series.chunks(series.len().div_ceil(blocks).max(1)).map(Block::of));
}

impl Block {
    fn of(series: &[(SeriesId, &str)]) -> Block {
        let mut text = String::with_capacity(series.iter().map(|(_, key)| key.len()).sum());
        let end = |(_, key): &(SeriesId, &str)| {
            text.push_str(key);
            u32::try_from(text.len()).expect("some hundred keys are far shorter than 4 GiB")
        };
        let ends = series.iter().map(end).collect();
        Block { text: text.into(), ends, series: series.iter().map(|(series, _)| *series).collect() }
    }

    /// The series, in order.
    pub(super) fn series(&self) -> &[SeriesId] {
        &self.series
    }

    /// The key of the series at this place.
    pub(super) fn labels(&self, at: usize) -> Labels<'_> {
        Labels::from_joined(self.key(at))
    }

    fn key(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[at] as usize]
    }

    /// The series with their keys, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SeriesId, &str)> {
        self.series.iter().enumerate().map(|(at, series)| (*series, self.key(at)))
    }

    fn first(&self) -> &str {
        self.key(0)
    }

    /// Its series and others, in order.
    fn with<'k>(&'k self, new: &[(SeriesId, &'k str)]) -> Vec<(SeriesId, &'k str)> {
        let mut all = Vec::with_capacity(self.series.len() + new.len());
        let mut rest = new;
        for (series, key) in self.iter() {
            let (before, after) = rest.split_at(rest.iter().take_while(|(_, new)| *new < key).count());
            all.extend_from_slice(before);
            all.push((series, key));
            rest = after;
        }
        all.extend_from_slice(rest);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn content(order: &Order) -> Vec<(SeriesId, &str)> {
        assert!(order.blocks().all(|block| (1..=2 * BLOCK).contains(&block.series().len())));
        order.blocks().flat_map(Block::iter).collect()
    }

    proptest! {
        #[test]
        fn series_are_in_the_order_of_their_keys_however_they_come_and_go(
            steps in prop::collection::vec((0usize..1500, 0u32..40, 0u64..1000), 1..8),
        ) {
            let (mut order, mut model, mut next) = (Order::default(), BTreeMap::new(), 0);
            for (count, gone, seed) in steps {
                let key = |at: u64| format!("{:x}", (seed + at).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40);
                let keys: BTreeSet<_> = (0..count as u64).map(key).filter(|key| !model.contains_key(key)).collect();
                let new: Vec<_> = keys.iter().zip(next..).map(|(key, id)| (SeriesId(id), key.as_str())).collect();
                next += new.len() as u32;
                order.add(&new);
                model.extend(new.iter().map(|(series, key)| ((*key).to_owned(), *series)));
                let stays = |series: SeriesId| gone == 0 || series.0 % 40 != gone;
                order.retain(stays);
                model.retain(|_, series| stays(*series));
                let wanted: Vec<_> = model.iter().map(|(key, series)| (*series, key.as_str())).collect();
                prop_assert_eq!(content(&order), wanted);
                prop_assert_eq!(order.len(), model.len());
            }
        }
    }

    #[test]
    fn few_that_are_left_of_many_blocks_share_one() {
        let keys: Vec<_> = (10_000..20_000).map(|key| key.to_string()).collect();
        let all: Vec<_> = keys.iter().zip(0..).map(|(key, id)| (SeriesId(id), key.as_str())).collect();
        let mut order = Order::default();
        order.add(&all);
        order.retain(|series| series.0.is_multiple_of(100));
        assert_eq!((order.len(), order.blocks().count()), (100, 1));
    }

    #[test]
    fn one_new_series_touches_one_block() {
        let keys: Vec<_> = (10_000..20_000).map(|key| key.to_string()).collect();
        let all: Vec<_> = keys.iter().zip(0..).map(|(key, id)| (SeriesId(id), key.as_str())).collect();
        let mut order = Order::default();
        order.add(&all);
        let places = |order: &Order| order.blocks().map(|block| block.text.as_ptr()).collect::<BTreeSet<_>>();
        let before = places(&order);
        order.add(&[(SeriesId(10_000), "15000x")]);
        assert_eq!(before.intersection(&places(&order)).count(), before.len() - 1);
    }
}
