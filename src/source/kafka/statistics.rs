//! librdkafka's statistics, of which only what says how the brokers and the group are is read.
//!
//! The shape is that of `STATISTICS.md` in librdkafka.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// How the client is.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Statistics {
    /// By name; those that were only configured are among them.
    #[serde(default)]
    pub brokers: BTreeMap<String, Broker>,
    /// The consumer group.
    #[serde(default)]
    pub cgrp: Group,
    /// The topics that are read.
    #[serde(default)]
    pub topics: BTreeMap<String, Topic>,
}

/// A broker.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Broker {
    /// Its number; -1 for one that is only configured.
    pub nodeid: i32,
    /// `UP`, or what hinders it.
    pub state: String,
}

/// The consumer group.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Group {
    /// `steady` when the member has its partitions.
    #[serde(default)]
    pub join_state: String,
}

/// A topic.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Topic {
    /// By number.
    #[serde(default)]
    pub partitions: BTreeMap<String, Partition>,
}

/// A partition.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Partition {
    /// The number of the broker that leads it; -1 if there is none.
    #[serde(default)]
    pub leader: i32,
    /// Whether it is one of ours.
    #[serde(default)]
    pub desired: bool,
}

impl Statistics {
    /// How many of the brokers that are known by number can be talked to, and how many cannot.
    pub fn reachable(&self) -> (usize, usize) {
        let known = self.brokers.values().filter(|broker| broker.nodeid >= 0);
        let up = known.clone().filter(|broker| broker.state == "UP").count();
        (up, known.count() - up)
    }

    /// Who leads the partitions that are read, by topic and number; those without a leader are not in it.
    pub fn leaders(&self) -> BTreeMap<(String, String), i32> {
        let own = self.topics.iter().flat_map(|(topic, Topic { partitions })| {
            let led = partitions.iter().filter(|(_, partition)| partition.desired && partition.leader >= 0);
            led.map(move |(number, partition)| ((topic.clone(), number.clone()), partition.leader))
        });
        own.collect()
    }

    /// What is wrong with the brokers that are needed, in words; `None` if nothing is.
    pub fn trouble(&self) -> Option<String> {
        if !self.brokers.values().any(|broker| broker.state == "UP") {
            // The client has names of its own for what it was told first, and for whoever coordinates the group.
            let names = self.brokers.keys().filter(|name| *name != "GroupCoordinator");
            let addresses: BTreeSet<_> = names.filter_map(|name| name.split('/').next()).collect();
            let addresses: Vec<_> = addresses.into_iter().collect();
            return Some(format!("no broker can be reached ({})", addresses.join(", ")));
        }
        let own = self.topics.iter().flat_map(|(topic, Topic { partitions })| {
            let own = partitions.iter().filter(|(_, partition)| partition.desired);
            own.map(move |(number, partition)| (topic, number, partition.leader))
        });
        let down = own.filter(|(.., leader)| {
            !self.brokers.values().any(|broker| broker.nodeid == *leader && broker.state == "UP")
        });
        let down: Vec<_> = down.map(|(topic, number, _)| format!("{topic}/{number}")).collect();
        let first = down.first()?;
        let more = match down.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("the leader of {first}{more} cannot be reached"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(brokers: &[(i32, &str)], leaders: &[i32], trouble: Option<&str>) {
        let broker = |(id, state): &(i32, &str)| {
            (format!("b{id}"), Broker { nodeid: *id, state: (*state).to_owned() })
        };
        let partition =
            |(at, leader): (usize, &i32)| (at.to_string(), Partition { leader: *leader, desired: true });
        let topic = Topic { partitions: leaders.iter().enumerate().map(partition).collect() };
        let statistics = Statistics {
            brokers: brokers.iter().map(broker).collect(),
            topics: [("orders".to_owned(), topic)].into(),
            ..Statistics::default()
        };
        assert_eq!(statistics.trouble().as_deref(), trouble);
    }

    #[test]
    fn only_brokers_that_are_needed_are_a_trouble() {
        check(&[(1, "UP"), (2, "DOWN")], &[1, 1], None);
        check(&[(1, "UP"), (2, "DOWN")], &[2, 1], Some("the leader of orders/0 cannot be reached"));
        check(&[(1, "UP")], &[-1, -1], Some("the leader of orders/0 and 1 more cannot be reached"));
        check(&[(-1, "TRY_CONNECT")], &[], Some("no broker can be reached (b-1)"));
        check(&[(-1, "UP")], &[], None);
    }

    #[test]
    fn statistics_of_librdkafka_are_read() {
        let text = r#"{"name":"x","brokers":{"127.0.0.1:9092/bootstrap":{"nodeid":-1,"state":"UP"},
            "127.0.0.1:9092/1":{"nodeid":1,"state":"DOWN","stateage":12}},
            "topics":{"orders":{"age":1,"partitions":{"0":{"partition":0,"leader":1,"desired":true}}}},
            "cgrp":{"state":"up","join_state":"steady"}}"#;
        let statistics: Statistics = serde_json::from_str(text).unwrap();
        assert_eq!(statistics.reachable(), (0, 1));
        assert_eq!(statistics.cgrp.join_state, "steady");
        assert_eq!(statistics.trouble().unwrap(), "the leader of orders/0 cannot be reached");
    }
}
