//! The program as a member of consumer groups: at librdkafka's mock cluster, and at a real broker.

mod cluster;
mod mock;
