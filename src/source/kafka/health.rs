//! What is wrong, in words and in metrics: errors by reason, what stands in the way, and what the cluster says.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;

use super::client::Ears;
use super::statistics::Statistics;
use crate::model::family::FamilyKind;
use crate::source::Outlet;
use crate::telemetry::{Change, Meter};

/// Partitions that came and went.
pub static REBALANCED: Meter = Meter {
    name: "streamgauge_kafka_rebalanced_partitions_total",
    help: "Partitions that this member was given, gave up in order, or lost.",
    kind: FamilyKind::Counter,
    label: Some("event"),
};

/// Commits.
pub static COMMITS: Meter = Meter {
    name: "streamgauge_kafka_commits_total",
    help: "Commits of offsets to the group, by how they ended.",
    kind: FamilyKind::Counter,
    label: Some("result"),
};

/// What retention took away.
pub static SKIPPED: Meter = Meter {
    name: "streamgauge_kafka_skipped_messages_total",
    help: "Messages that were deleted from their topic before they were read.",
    kind: FamilyKind::Counter,
    label: None,
};

/// Brokers that can be talked to.
static BROKERS: Meter = Meter {
    name: "streamgauge_kafka_brokers",
    help: "Brokers of the cluster that this client knows, by whether it is connected to them.",
    kind: FamilyKind::Gauge,
    label: Some("state"),
};

/// Every meter of the source.
pub static METERS: &[&Meter] = &[&REBALANCED, &COMMITS, &SKIPPED, &BROKERS];

/// How long the cluster may take to answer what it knows of a topic.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is wrong now.
#[derive(Default)]
pub struct Health {
    /// The last thing that was wrong with a connection.
    connection: Option<String>,
    /// Whether brokers that are needed could not be reached when this was last looked at.
    brokers: bool,
    /// Who leads the partitions that are read, as of the last look.
    leaders: BTreeMap<(String, String), i32>,
    /// Whether a subscribed topic is missing or may not be read.
    topics: bool,
    /// Whether the group may not be joined.
    group: bool,
}

/// What an error is about.
enum About {
    Connection,
    Topic,
    Group,
    /// Something that passes.
    Passing,
}

/// The `reason` of an error, and what it is about.
fn classify(code: RDKafkaErrorCode) -> (&'static str, About) {
    use RDKafkaErrorCode as Code;
    match code {
        Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::Resolve
        | Code::CriticalSystemResource => ("broker_unreachable", About::Connection),
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            ("authentication", About::Connection)
        }
        Code::SSL => ("tls", About::Connection),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            ("unknown_topic", About::Topic)
        }
        Code::TopicAuthorizationFailed => ("authorization", About::Topic),
        Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => ("authorization", About::Group),
        Code::AutoOffsetReset | Code::OffsetOutOfRange => ("offset_out_of_range", About::Passing),
        Code::MessageSizeTooLarge => ("message_too_large", About::Passing),
        Code::BadMessage | Code::BadCompression | Code::InvalidMessage => ("bad_message", About::Passing),
        Code::PollExceeded => ("poll_interval_exceeded", About::Passing),
        _ => ("client", About::Passing),
    }
}

impl Health {
    /// Takes note of an error.
    pub fn error(&mut self, code: RDKafkaErrorCode, said: &str, outlet: &mut dyn Outlet) {
        let (reason, about) = classify(code);
        outlet.error(reason);
        tracing::debug!(?code, said, "librdkafka reports an error");
        match about {
            About::Connection => {
                let told = format!("{said}{}", hint(reason));
                if reason != "broker_unreachable" {
                    outlet.trouble("brokers", Some(told.clone()));
                }
                // That all are down, or how many, says less than why one of them is.
                if code != RDKafkaErrorCode::AllBrokersDown {
                    self.connection = Some(told);
                }
            }
            About::Topic => {
                self.topics = true;
                outlet.trouble("topics", Some(said.to_owned()));
            }
            About::Group => {
                self.group = true;
                outlet.trouble("group", Some(said.to_owned()));
            }
            About::Passing => {}
        }
    }

    /// Takes note of how the client is: what is mended is no trouble any more.
    pub fn statistics(
        &mut self,
        statistics: &Statistics,
        (consumer, topics): (&BaseConsumer<Ears>, &[String]),
        outlet: &mut dyn Outlet,
    ) {
        let (up, down) = statistics.reachable();
        outlet.meter(&BROKERS, "connected", Change::Set(up as f64));
        outlet.meter(&BROKERS, "unconnected", Change::Set(down as f64));
        let trouble = statistics.trouble();
        if trouble.is_none() {
            self.connection = None;
        }
        // A connection that is merely closed is no error to librdkafka.
        if trouble.is_some() && !self.brokers {
            outlet.error("broker_unreachable");
        }
        self.brokers = trouble.is_some();
        let why = self.connection.as_ref().map_or(String::new(), |why| format!(": {why}"));
        outlet.trouble("brokers", trouble.as_ref().map(|trouble| format!("{trouble}{why}")));
        self.follow_leaders(statistics, outlet);
        if self.group && statistics.cgrp.join_state == "steady" {
            self.group = false;
            outlet.trouble("group", None);
        }
        if self.topics && trouble.is_none() {
            let wrong = topics.iter().filter(|topic| !topic.starts_with('^')).find_map(|topic| {
                let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).ok()?;
                let error = metadata.topics().first()?.error()?;
                Some(format!("the topic {topic} cannot be read: {}", RDKafkaErrorCode::from(error)))
            });
            self.topics = wrong.is_some();
            outlet.trouble("topics", wrong);
        }
    }

    /// Tells which partitions have another leader; librdkafka follows by itself.
    fn follow_leaders(&mut self, statistics: &Statistics, outlet: &mut dyn Outlet) {
        let leaders = statistics.leaders();
        for (of, leader) in &leaders {
            let (topic, number) = of;
            if let Some(before) = self.leaders.get(of).filter(|before| *before != leader) {
                outlet.error("leader_changed");
                let what = format!("broker {leader} leads {topic}/{number} now, {before} did before");
                outlet.incident(&format!("leader {topic}/{number}"), what);
            }
        }
        self.leaders = leaders;
    }
}

/// What to do about it.
fn hint(reason: &str) -> &'static str {
    match reason {
        "authentication" => " (see `mechanism`, `username` and `password` under `security`)",
        "tls" => " (see `ca_file` under `security`, and whether the broker's port is one for TLS)",
        _ => "",
    }
}
