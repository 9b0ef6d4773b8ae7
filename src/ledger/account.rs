//! The account of one metric: its family, its series and their posted cells.

use std::sync::Arc;

use crate::aggregate::{Book, Changes};
use crate::encode::Encode;
use crate::group::Directory;
use crate::model::family::{Family, UnixSeconds};
use crate::model::series::{SeriesId, SeriesKey};

/// One metric's posted state.
pub struct Account {
    family: Family,
    directory: Arc<Directory>,
    book: Box<dyn Book>,
    /// The keys of the posted series, by id.
    keys: Vec<SeriesKey>,
    /// The series in the order of their keys, in which they are exposed.
    order: Vec<SeriesId>,
}

impl Account {
    /// An account without series.
    pub fn new(family: Family, directory: Arc<Directory>, book: Box<dyn Book>) -> Account {
        Account { family, directory, book, keys: Vec::new(), order: Vec::new() }
    }

    /// The family that the account is exposed as.
    pub fn family(&self) -> &Family {
        &self.family
    }

    /// How many series it has, and how many it may have.
    pub fn series(&self) -> (usize, usize) {
        (self.order.len(), self.directory.max_series())
    }

    /// Opens the one series of a metric without labels, which is exposed as 0 before the first event.
    pub(super) fn open(&mut self, created: UnixSeconds) {
        if self.family.labels.is_empty()
            && let Some(only) = self.directory.series(&SeriesKey::new::<&str>([]))
        {
            self.book.open(only, created);
            self.learn();
        }
    }

    pub(super) fn post(&mut self, changes: Changes, created: UnixSeconds) {
        self.book.post(changes, created);
        if self.book.end() > self.keys.len() {
            self.learn();
        }
    }

    /// Learns the keys of new series, and their places in the order.
    fn learn(&mut self) {
        let known = self.keys.len();
        self.keys.extend(self.directory.keys_from(known));
        self.order.extend((known..self.keys.len()).map(|id| SeriesId(id as u32)));
        self.order.sort_by(|left, right| self.keys[left.index()].cmp(&self.keys[right.index()]));
    }

    pub(super) fn encode(&self, encoder: &mut dyn Encode, out: &mut Vec<u8>) {
        encoder.family(&self.family, out);
        for series in &self.order {
            if let Some(reading) = self.book.read(*series) {
                encoder.series(&self.keys[series.index()], &reading, out);
            }
        }
    }
}
