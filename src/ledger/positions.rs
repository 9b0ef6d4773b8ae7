//! The positions of the lanes of one pipeline.

use dashmap::DashMap;

use crate::model::batch::Position;

/// How far each lane is posted, by its key. Written when a tick is posted, after all that the positions stand for and while
/// the ledger is locked; read by sources, which wait neither for a posting nor for an exposition.
#[derive(Debug, Default)]
pub struct Positions(DashMap<String, Position>);

impl Positions {
    /// The posted position of the lane with this key.
    pub fn get(&self, key: &str) -> Option<Position> {
        self.0.get(key).map(|position| *position)
    }

    /// All of them.
    pub fn all(&self) -> Vec<(String, Position)> {
        self.0.iter().map(|entry| (entry.key().clone(), *entry.value())).collect()
    }

    /// Sets the position of a lane; `None` where it has ended.
    pub(super) fn set(&self, key: &str, position: Option<Position>) {
        match position {
            Some(position) => drop(self.0.insert(key.to_owned(), position)),
            None => drop(self.0.remove(key)),
        }
    }
}
