//! Everything that is tested from outside: one binary.

#![expect(clippy::unwrap_used, reason = "a test that fails to unwrap has failed")]

mod cap;
mod crash;
mod cut;
mod demo;
mod deploy;
mod docs;
mod engine;
mod exposition;
mod faults;
mod golden;
mod formats;
mod full_disk;
mod fuzz;
mod hostile;
mod http;
mod influxdb;
mod kafka;
mod lifetime;
mod lines;
mod parse;
mod program;
mod prometheus;
mod record_path;
mod reference;
mod reload;
mod replayed;
mod rotation;
mod sample;
mod search;
mod slow_disk;
mod stages;
mod state;
mod storm;
mod tidy;
mod tool;
mod validated;
mod websocket;
