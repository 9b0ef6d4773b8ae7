//! The program as a member of consumer groups: at librdkafka's mock cluster, and at a real broker.

pub mod broker;
pub mod cluster;
mod kept;
mod members;
mod mock;
mod real;
pub mod watchman;
