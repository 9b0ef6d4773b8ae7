//! What was written: YAML files as nodes with their places, and the faults found in them.
//!
//! Knows shapes and places only. What the words mean is decided by whoever reads the nodes.

pub mod fault;
pub mod place;
