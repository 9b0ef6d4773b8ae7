//! The program as a member of consumer groups: at librdkafka's mock cluster, and at a real broker.

mod broker;
mod cluster;
mod members;
mod mock;
mod real;
