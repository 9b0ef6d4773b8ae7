//! `source: {kafka: …}`: reads topics as a member of a consumer group, each message exactly once.
//!
//! ```yaml
//! source:
//!   kafka:
//!     brokers: [localhost:9092]
//!     topics: [orders]
//!     group: streamgauge
//! ```
//!
//! [`client`] hears what librdkafka says, [`queue`] takes messages from it, [`partition`] makes batches of them,
//! [`session`] is the loop, [`rebalance`] takes partitions over and hands them on, [`health`] says what is wrong.

use std::time::Duration;

use self::options::Options;
use self::session::{Ended, Session};
use super::{Claim, Context, Kind, Outlet, Source, SourceError, Written};
use crate::base::backoff::Backoff;
use crate::raw::fault::Faults;
use crate::raw::node::Node;
pub use security::KEYS as SECURITY_KEYS;

mod client;
mod health;
mod options;
mod partition;
mod queue;
mod rebalance;
mod security;
mod session;
mod statistics;

pub(super) static KIND: Kind = Kind {
    name: "kafka",
    help: "Reads topics as a member of a consumer group; each message is counted exactly once.",
    example: "source:\n  kafka:\n    brokers: [localhost:9092]\n    topics: [orders]\n    group: streamgauge\n",
    keys: options::KEYS,
    fields: &["kafka.topic", "kafka.partition"],
    record_fields: &partition::FIELDS,
    record_maps: &["kafka.headers"],
    meters: health::METERS,
    read: |node: &Node, faults: &mut Faults| Some(Box::new(options::read(node, faults)?)),
};

impl Written for Options {
    fn source(&self) -> Box<dyn Source> {
        Box::new(Kafka(self.clone()))
    }

    fn claims(&self) -> Vec<Claim> {
        // Members of a group share its topics, whatever each of them names.
        let mut brokers: Vec<_> = self.brokers.iter().map(String::as_str).collect();
        brokers.sort_unstable();
        let what = format!("group `{}` at {}", self.group, brokers.join(", "));
        vec![Claim { what, or_else: ", or give each a group of its own" }]
    }

    fn describe(&self) -> String {
        self.topics.join(", ")
    }
}

/// The source.
struct Kafka(Options);

/// How long to wait before a client is made anew.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Source for Kafka {
    fn run(self: Box<Self>, outlet: &mut dyn Outlet, context: &Context) -> Result<(), SourceError> {
        let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
        // librdkafka mends nearly everything by itself. What it calls fatal ends a client, and a new one is made.
        while !context.shutdown.is_raised() {
            let begun = context.clock.monotonic();
            let ended = match Session::start(&self.0, &mut *outlet, context) {
                Ok(session) => session.run(),
                Err(problem) => Ended::Fatal(problem),
            };
            let Ended::Fatal(problem) = ended else { break };
            tracing::warn!(problem, "the Kafka client could not go on; a new one is made");
            outlet.error("client_failed");
            outlet.trouble("client", Some(problem));
            if context.clock.monotonic().saturating_sub(begun) > AGAIN.1 {
                backoff.succeeded();
            }
            context.shutdown.wait(backoff.failed());
        }
        Ok(())
    }
}
