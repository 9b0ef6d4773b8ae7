//! What changes between two ticks when the configuration does.

use crate::ledger;
use crate::pipeline::Processor;

/// The processors of each worker that take the place of others, and the pipelines that the ledger is to keep.
///
/// Every worker hands over what it recorded before it takes the new ones. So what the old ones recorded is posted to the
/// old metrics before the ledger goes on with the new.
pub struct Swap {
    /// For each worker, by the number of the pipeline: the processor, or `None` where there is none any more.
    pub processors: Vec<Replacement>,
    /// All pipelines that there are from then on.
    pub pipelines: Vec<ledger::Pipeline>,
}

/// What became of a [`Swap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// It is done, and posted.
    Done,
    /// It is done in the workers, and will be in the ledger as soon as something can be posted again.
    Later,
    /// Nothing was swapped: nothing can be posted now, or the engine stops.
    Not,
}

/// Processors of one worker by the number of their pipeline.
pub type Replacement = Vec<(usize, Option<Processor>)>;
