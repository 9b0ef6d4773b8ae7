//! streamgauge turns streams of events into metrics.
//!
//! source → decode → stage → group → aggregate → delta → ledger → encode → serve

pub mod base; // time, shutdown, waiting: knows nothing above
pub mod model; // what flows: values, events, batches, series, readings
pub mod raw; // what was written: YAML with places, and the faults found in it
pub mod expr; // CEL source → program over field slots
pub mod source; // where records come from
