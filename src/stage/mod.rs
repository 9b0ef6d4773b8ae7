//! What happens to events between decoder and metrics. One file per kind of stage, and their table.

mod filter;
mod set;

use bumpalo::Bump;

use crate::model::event::Events;
use crate::model::field::Fields;
use crate::model::refused::Refusals;
use crate::raw::fault::Faults;
use crate::raw::mapping::Key;
use crate::raw::node::Node;

/// One kind of stage, as written in a pipeline file.
#[derive(Debug)]
pub struct Kind {
    /// The word in the pipeline file.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// A stage of this kind, as YAML.
    pub example: &'static str,
    /// The keys of its body, where that is a mapping whose keys are not the user's.
    pub keys: &'static [Key],
    /// Makes the stage from its body, the node after `name:`.
    pub build: fn(&Node, &mut Fields, &mut Faults) -> Option<Box<dyn Stage>>,
}

/// Every kind of stage.
pub static KINDS: &[&Kind] = &[&filter::KEEP, &filter::DROP, &set::KIND];

/// A step that changes events or takes them out of play.
pub trait Stage: Send + Sync {
    /// Does so with the events in play.
    fn apply<'b>(&mut self, events: &mut Events<'b>, arena: &'b Bump, refused: &mut Refusals);

    /// The same stage for another worker.
    fn fork(&self) -> Box<dyn Stage>;
}
