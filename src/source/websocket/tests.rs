//! The source with an outlet that can be full, against a server in the same process.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio_tungstenite::tungstenite::{Message, accept};

use super::inbox::records;
use super::{Feeds, Options};
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::model::batch::{Batch, Lane, LaneId, Position};
use crate::model::refused::Refused;
use crate::raw::fault::Faults;
use crate::raw::parse;
use crate::source::{Closed, Context, Outlet, Rejected, Source};
use crate::telemetry::Lag;

/// Takes batches or not, and ends the source once all is booked.
struct Counting {
    /// Whether the offer of this number, from 1 on, finds the queue full.
    is_full: fn(u64) -> bool,
    offers: u64,
    /// Records of the batches that were taken.
    taken: u64,
    /// Records of the batches that were not.
    given_back: u64,
    /// What batches said was dropped.
    dropped: u64,
    lasts: u64,
    expected: u64,
    shutdown: Shutdown,
}

impl Counting {
    fn take(&mut self, batch: &Batch) {
        self.taken += records(&batch.bytes, &batch.ends);
        self.dropped += batch.refused.get(Refused::QueueFull);
        self.lasts += u64::from(batch.last);
    }
}

impl Outlet for Counting {
    fn open(&mut self, key: String, name: String, fields: Vec<Box<[u8]>>) -> Arc<Lane> {
        Arc::new(Lane { id: LaneId(0), pipeline: 0, key, name, fields })
    }

    fn position(&self, _key: &str) -> Option<Position> {
        None
    }

    fn buffer(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn send(&mut self, batch: Batch) -> Result<(), Closed> {
        self.take(&batch);
        Ok(())
    }

    fn offer(&mut self, batch: Batch) -> Result<(), Rejected> {
        self.offers += 1;
        let is_full = (self.is_full)(self.offers);
        if is_full {
            self.given_back += records(&batch.bytes, &batch.ends);
        } else {
            self.take(&batch);
        }
        if self.taken + self.given_back == self.expected && (is_full || self.dropped == self.given_back) {
            self.shutdown.raise();
        }
        if is_full { Err(Rejected::Full(Box::new(batch))) } else { Ok(()) }
    }

    fn lag(&mut self, _lane: &Lane, _lag: Option<Lag>) {}

    fn error(&mut self, _reason: &'static str) {}
}

/// Checks that what a server sends in so many messages is counted or dropped, whenever the queue is full.
#[track_caller]
fn check(split: &str, message: &str, expected: u64, is_full: fn(u64) -> bool) -> Counting {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let message = Message::text(message);
    let server = thread::spawn(move || {
        let mut connection = accept(listener.accept().unwrap().0).unwrap();
        for _ in 0..1000 {
            connection.send(message.clone()).unwrap();
        }
        while connection.read().is_ok() {}
    });
    let text = format!("{{url: 'ws://127.0.0.1:{port}', split: {split}}}");
    let mut faults = Faults::new();
    let file = faults.file("a.yaml", &text);
    let node = parse(file, &text, &|_| None, &mut faults).unwrap();
    let options = Options::read(&node, &mut faults).unwrap();
    let shutdown = Shutdown::new();
    let mut outlet = Counting {
        is_full,
        offers: 0,
        taken: 0,
        given_back: 0,
        dropped: 0,
        lasts: 0,
        expected,
        shutdown: shutdown.clone(),
    };
    let context = Context { clock: Clock::system(), shutdown, columns: Vec::new() };
    Box::new(Feeds(options)).run(&mut outlet, &context).unwrap();
    server.join().unwrap();
    assert_eq!((outlet.taken + outlet.given_back, outlet.dropped), (expected, outlet.given_back));
    assert_eq!(outlet.lasts, 1);
    outlet
}

#[test]
fn all_is_counted_where_there_is_room() {
    assert_eq!(check("message", "a\nb", 1000, |_| false).given_back, 0);
    assert_eq!(check("lines", "a\nb", 2000, |_| false).given_back, 0);
}

#[test]
fn what_is_dropped_is_counted_with_the_next_batch() {
    assert!(check("message", "a", 1000, |offer| offer <= 3).given_back > 0);
    assert!(check("lines", "a\nb\n", 2000, |offer| offer % 2 == 1).given_back > 0);
}

#[test]
fn what_is_dropped_to_the_end_is_counted_with_the_last_batch() {
    assert_eq!(check("message", "a", 1000, |_| true).given_back, 1000);
}
