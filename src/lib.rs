//! streamgauge turns streams of events into metrics.
//!
//! source → decode → stage → group → aggregate → delta → ledger → encode → serve

pub mod base; // time, shutdown, waiting: knows nothing of this program
pub mod journal; // records on disk, found again after a crash
pub mod model; // what flows: values, events, batches, series, readings
pub mod telemetry; // what we count about ourselves, and what we log
pub mod json; // the fields of a JSON text
pub mod scanner; // regexes that are matched by one walk over a text
pub mod raw; // what was written: YAML with places, and the faults found in it
pub mod expr; // CEL source → program over field slots

pub mod source; // where records come from
pub mod decode; // what a record says
pub mod stage; // what happens to events before they are counted
pub mod group; // which series an event belongs to
pub mod aggregate; // what becomes of the values of a series
pub mod pipeline; // the straight line on one worker: a batch in, changes out
pub mod ledger; // the posted state
pub mod encode; // the posted state as text

pub mod config; // pipeline files → plan
pub mod engine; // threads, queues, ticks
pub mod serve; // HTTP, and our own metrics
pub mod demo; // generated logs, and what was counted of them
pub mod reference; // what can be written in a pipeline file
pub mod cli; // the command line
pub mod app; // puts the parts together
