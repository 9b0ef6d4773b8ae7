//! A member that makes a group of the mock cluster quick to take back those that were killed.
//!
//! The mock cluster knows no static members. It lets the one that came first lead a group even if it is dead, makes who joins an
//! empty group wait for three seconds, and one that joins others for a second less than `session.timeout.ms`; and it throws out
//! whoever waits for longer than that. With somebody who is always there a group is never empty nor led by the dead, so that
//! sessions may be short.

use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use streamgauge::base::shutdown::Shutdown;

use super::cluster::Mock;
use super::members::wait_until;

/// What the members of a group with a watchman are told besides, as `properties` of a pipeline.
pub const PROPERTIES: &str = "session.timeout.ms: 1500, heartbeat.interval.ms: 100";

/// Each is longer than the wait that the one before it makes for who joins.
const SESSIONS: [&str; 3] = ["3100", "2300", "1500"];

/// Its topic, which nobody else reads.
const TOPIC: &str = "watched";

/// The member; it leaves when dropped.
pub struct Watchman {
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Watchman {
    /// Founds the group.
    pub fn of(mock: &Mock, group: &str) -> Watchman {
        mock.cluster.create_topic(TOPIC, 2, 1).unwrap();
        let brokers = mock.brokers();
        let mut watchman = member(&brokers, group, SESSIONS[0]);
        wait_until("the group is founded", || partitions(&watchman) == 2);
        for session in &SESSIONS[1..] {
            let next = member(&brokers, group, session);
            wait_until("there are two", || [&watchman, &next].map(partitions) == [1, 1]);
            drop(std::mem::replace(&mut watchman, next));
            wait_until("there is one again", || partitions(&watchman) == 2);
        }
        let shutdown = Shutdown::new();
        let pause = shutdown.clone();
        let run = move || while !pause.wait(Duration::from_millis(10)) && partitions(&watchman) < 3 {};
        Watchman { shutdown, thread: Some(std::thread::spawn(run)) }
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        self.shutdown.raise();
        self.thread.take().map(JoinHandle::join);
    }
}

fn member(brokers: &str, group: &str, session: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("session.timeout.ms", session)
        .set("heartbeat.interval.ms", "50")
        .set("partition.assignment.strategy", "cooperative-sticky");
    let member: BaseConsumer = config.create().unwrap();
    member.subscribe(&[TOPIC]).unwrap();
    member
}

/// How many partitions a member has, which by this shows that it is there.
fn partitions(member: &BaseConsumer) -> usize {
    // There are no messages; what is heard are errors that pass.
    drop(member.poll(Duration::ZERO));
    member.assignment().unwrap().count()
}
