//! streamgauge turns streams of events into metrics.
//!
//! source → decode → stage → group → aggregate → delta → ledger → encode → serve

pub mod base; // time, shutdown, waiting: knows nothing above
pub mod model; // what flows: values, events, batches, series, readings

pub mod expr;
pub mod raw; // what was written: YAML with places, and the faults found in it
pub mod telemetry; // what we count about ourselves, and what we log // CEL source → program over field slots

pub mod aggregate; // what becomes of the values of a series
pub mod decode; // what a record says
pub mod encode;
pub mod group; // which series an event belongs to
pub mod ledger; // the posted state
pub mod pipeline; // the straight line on one worker: a batch in, changes out
pub mod source; // where records come from
pub mod stage; // what happens to events before they are counted // the posted state as text

pub mod app;
pub mod cli; // the command line
pub mod config; // pipeline files → plan
pub mod engine; // threads, queues, ticks
pub mod serve; // HTTP, and our own metrics // puts the parts together
