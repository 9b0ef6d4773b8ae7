//! What flows and what comes out: values, fields, events, batches, lanes, series keys, readings.
//!
//! Plain data. Knows no I/O, no clock, no locks, and no other module but `base`.

pub mod batch;
pub mod event;
pub mod family;
pub mod field;
pub mod refused;
pub mod series;
pub mod sum;
pub mod value;
