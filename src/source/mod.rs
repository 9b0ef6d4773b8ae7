//! Where records come from: one file per kind of source, and the table of them.

pub mod framing;
pub mod once;

mod block;
mod file;
mod kafka;
mod multiline;
mod stdin;
mod unpack;
mod websocket;

pub use kafka::SECURITY_KEYS;
pub use multiline::KEYS as MULTILINE_KEYS;
pub use websocket::{RECONNECT_KEYS, TLS_KEYS};

use std::sync::Arc;

use self::framing::Framing;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::model::batch::{Batch, Lane, Position};
use crate::raw::fault::Faults;
use crate::raw::mapping::Key;
use crate::raw::node::Node;
use crate::telemetry::{Change, Lag, Meter};

/// One kind of source, as written in a pipeline file.
#[derive(Debug)]
pub struct Kind {
    /// The word in the pipeline file.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// A source of this kind, as YAML.
    pub example: &'static str,
    /// The keys of its body, where that is a mapping whose keys are not the user's.
    pub keys: &'static [Key],
    /// The fields that it fills itself and that are the same for all records of a lane, in the order of
    /// [`Lane::fields`].
    pub fields: &'static [&'static str],
    /// The fields that it fills itself for each record, where they are asked for: see [`Context::columns`].
    pub record_fields: &'static [&'static str],
    /// Those among `record_fields` that have keys of the record's own: `kafka.headers["trace"]`.
    pub record_maps: &'static [&'static str],
    /// What it measures, beside what every source does.
    pub meters: &'static [&'static Meter],
    /// Reads its body, the node after `name:`, null where it was written as a bare word.
    pub read: fn(&Node, &mut Faults) -> Option<Box<dyn Written>>,
}

/// Every kind of source.
pub static KINDS: &[&Kind] = &[&file::KIND, &kafka::KIND, &stdin::KIND, &websocket::KIND];

impl Kind {
    /// The names of all the fields that it fills itself.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().chain(self.record_fields).copied()
    }
}

/// A field of single records that a pipeline uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnField {
    /// One of the kind's `record_fields`.
    pub name: &'static str,
    /// The key, where the field is one of its `record_maps`.
    pub key: Option<String>,
}

/// A source as configured.
pub trait Written: Send + Sync {
    /// The source, ready to run.
    fn source(&self) -> Box<dyn Source>;

    /// What it reads, in a few words for the landing page: the globs of files. Empty if its kind says it.
    fn describe(&self) -> String {
        String::new()
    }

    /// What nobody else may read: another reader would take records away.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// How it cuts a stream of bytes into records, for whoever stands in for it.
    fn framing(&self) -> Framing {
        Framing::default()
    }
}

/// Something that can have one reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What it is, for people, and the same for whoever reads the same.
    pub what: String,
    /// What helps beside reading it in one pipeline: empty, or ", or …".
    pub or_else: &'static str,
}

/// A source of records. It runs on a thread of its own and waits when its outlet does.
pub trait Source: Send {
    /// Reads until `shutdown` is raised, or until the input has ended for good; returns what it could not
    /// recover from. Faults that pass (a file that cannot be read for a while) are counted and tried again.
    fn run(self: Box<Self>, outlet: &mut dyn Outlet, context: &Context) -> Result<(), SourceError>;
}

/// What a source is given to run with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time.
    pub clock: Clock,
    /// When to finish.
    pub shutdown: Shutdown,
    /// The fields of single records that the pipeline uses: the columns of [`Records`](crate::model::batch::Records).
    pub columns: Vec<OwnField>,
}

/// Where a source puts what it reads: the engine's side of the boundary.
pub trait Outlet {
    /// Registers a lane; see [`Lane`] for what describes it.
    fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane>;

    /// The position that the ledger holds for the lane with this key, from an earlier run or an earlier lane.
    fn position(&self, key: &str) -> Option<Position>;

    /// All positions that the ledger holds for the pipeline, with the keys of their lanes. They are for a source that
    /// looks for streams which are not where their keys say, so nobody else has to know them.
    fn positions(&self) -> Vec<(String, Position)> {
        Vec::new()
    }

    /// An empty buffer of the usual size, a used one where there is one.
    fn buffer(&mut self) -> Vec<u8>;

    /// Hands over a batch; waits while the worker's queue is full. Fails only once the engine is gone.
    fn send(&mut self, batch: Batch) -> Result<(), Closed>;

    /// The same without waiting, for a source that has something else to do meanwhile, or cannot wait: gives the
    /// batch back while the queue is full.
    fn offer(&mut self, batch: Batch) -> Result<(), Rejected> {
        self.send(batch).map_err(|Closed| Rejected::Closed)
    }

    /// Waits until everything that was handed over is posted: then [`position`](Outlet::position) shows it.
    fn settle(&mut self) -> Result<(), Closed> {
        Ok(())
    }

    /// Says how far a lane is behind its end, for the lag metrics. `None`: the lane is gone.
    fn lag(&mut self, lane: &Lane, lag: Option<Lag>);

    /// Counts a fault that passed, by a constant reason, for `streamgauge_source_errors_total`.
    fn error(&mut self, reason: &'static str);

    /// Says what keeps the source from working until further notice (a whole sentence, for `/-/ready`), or that it does no
    /// longer. Each trouble is `of` something: a broker, a topic, a lane.
    fn trouble(&mut self, _of: &str, _what: Option<String>) {}

    /// Says what happened to something, and is over: `/-/ready` tells it for ten minutes.
    fn incident(&mut self, _of: &str, _what: String) {}

    /// Changes one of the kind's own metrics. The label is that of the meter, empty where it has none.
    fn meter(&mut self, _meter: &'static Meter, _label: &str, _change: Change) {}
}

/// Why a batch was not let in.
#[derive(Debug)]
pub enum Rejected {
    /// The worker's queue is full; this is the batch.
    Full(Box<Batch>),
    /// The engine takes no more batches.
    Closed,
}

/// The engine takes no more batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// What a source could not recover from.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
pub struct SourceError {
    /// What was tried, and on what.
    pub what: String,
    /// What the system said.
    pub error: std::io::Error,
}
