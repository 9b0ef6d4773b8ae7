//! Members of a group that each keep their ledger in a directory of their own: restarted one after the other, and killed.

use std::fs;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use streamgauge::base::clock::Clock;
use streamgauge::base::shutdown::Shutdown;

use super::broker;
use super::cluster::{Messages, committed, group, pipeline};
use super::members::{EVENTS, wait_until};
use crate::program::Running;
use crate::sample::samples;

/// How often a member commits what it has posted, as `source/kafka/session.rs` says.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// A place for one member: its pipeline and its state.
struct Place {
    pipeline: String,
    state: PathBuf,
}

impl Place {
    /// In `folder`, whose last part is the name of the group and of its topic.
    fn new(folder: PathBuf, brokers: &str, properties: &str) -> Place {
        let topic = group(&folder);
        fs::create_dir_all(&folder).unwrap();
        let options = format!("topics: [{topic}], properties: {{{properties}}}");
        Place { pipeline: pipeline(&folder, brokers, &options), state: folder.join("state") }
    }

    fn start(&self) -> Running {
        Running::start(&[&self.pipeline, "--state.dir", &self.state.display().to_string()])
    }
}

fn share(member: &Running) -> f64 {
    member.sample(EVENTS)
}

fn sum(members: &[Running; 2]) -> f64 {
    members.iter().map(share).sum()
}

/// The identity that a member shows.
fn instance(member: &Running) -> String {
    let page = samples(&member.get("/metrics", "").1);
    page.keys().find(|name| name.starts_with("streamgauge_instance_info{")).unwrap().clone()
}

/// Messages that flow, a few thousand a second, until they are stopped.
struct Flow {
    stop: Shutdown,
    thread: JoinHandle<u64>,
}

impl Flow {
    fn to(brokers: &str, topic: &'static str) -> Flow {
        let (stop, brokers) = (Shutdown::new(), brokers.to_owned());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut messages = Messages::to(&brokers, "lz4");
            while !stopped.wait(Duration::from_millis(20)) {
                messages.produce(topic, 8, 200);
            }
            messages.count
        });
        Flow { stop, thread }
    }

    /// How many messages there are in the end.
    fn end(self) -> f64 {
        self.stop.raise();
        self.thread.join().unwrap() as f64
    }
}

/// Waits until a member counts something that it has not counted when it is asked.
#[track_caller]
fn wait_until_it_counts(member: &Running) {
    let before = share(member);
    wait_until("the member counts", || share(member) > before);
}

#[test]
fn a_rolling_restart_of_members_that_keep_their_ledgers_counts_each_message_once() {
    let Some(broker) = broker::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    broker.create_topic("rolling", 8);
    let brokers = &broker.plaintext;
    let properties = "session.timeout.ms: 6000";
    let places =
        ["0", "1"].map(|name| Place::new(folder.path().join(name).join("rolling"), brokers, properties));
    let flow = Flow::to(brokers, "rolling");
    let mut members = places.each_ref().map(Place::start);
    members.iter().for_each(wait_until_it_counts);
    let instances = members.each_ref().map(instance);
    assert_ne!(instances[0], instances[1]);
    for round in 0..4 {
        let [first, second] = members;
        let (ending, staying) = if round % 2 == 0 { (first, second) } else { (second, first) };
        let before = share(&ending);
        let (status, log) = ending.terminate();
        assert!(status.success(), "{log}");
        wait_until_it_counts(&staying);
        let again = places[round % 2].start();
        assert!(share(&again) >= before, "its counters went back");
        wait_until_it_counts(&again);
        members = if round % 2 == 0 { [again, staying] } else { [staying, again] };
    }
    let messages = flow.end();
    wait_until("all is counted", || sum(&members) >= messages);
    wait_until("all is committed", || committed(brokers, "rolling", "rolling", 8) as f64 == messages);
    assert_eq!(sum(&members), messages);
    assert_eq!(members.each_ref().map(instance), instances);
}

#[test]
fn what_a_killed_member_had_not_committed_is_all_that_is_counted_twice() {
    let Some(broker) = broker::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    broker.create_topic("moved", 8);
    let brokers = &broker.plaintext;
    let properties = "session.timeout.ms: 6000";
    let places =
        ["0", "1"].map(|name| Place::new(folder.path().join(name).join("moved"), brokers, properties));
    let flow = Flow::to(brokers, "moved");
    let [killed, staying] = places.each_ref().map(Place::start);
    [&killed, &staying].into_iter().for_each(wait_until_it_counts);
    let (clock, pause, mut shares) = (Clock::system(), Shutdown::new(), Vec::new());
    while clock.monotonic() < 4 * COMMIT_INTERVAL {
        shares.push((clock.monotonic(), share(&killed)));
        pause.wait(Duration::from_millis(50));
    }
    let last = share(&killed);
    let end = clock.monotonic();
    let identity = instance(&killed);
    drop(killed);
    // What was posted before the last commit but one is committed: one more may have been under way.
    let early = shares.iter().rfind(|(at, _)| *at + 2 * COMMIT_INTERVAL < end).unwrap().1;
    // The other one gets its partitions, and then it comes back.
    let lanes = r#"streamgauge_source_lanes{pipeline="orders",source="kafka"}"#;
    staying.wait_for(lanes, 8.0);
    wait_until_it_counts(&staying);
    let again = places[0].start();
    assert!(share(&again) >= last, "its counters went back");
    assert_eq!(instance(&again), identity);
    wait_until_it_counts(&again);
    let messages = flow.end();
    wait_until("all is committed", || committed(brokers, "moved", "moved", 8) as f64 == messages);
    let twice = sum(&[again, staying]) - messages;
    assert!((0.0..=last - early).contains(&twice), "{twice} of {messages} twice; {last} - {early} allowed");
}

#[test]
fn a_static_member_that_is_killed_and_comes_back_counts_exactly() {
    let Some(broker) = broker::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    broker.create_topic("static", 8);
    let brokers = &broker.plaintext;
    let places = ["0", "1"].map(|name| {
        let properties = format!("group.instance.id: member-{name}");
        Place::new(folder.path().join(name).join("static"), brokers, &properties)
    });
    let flow = Flow::to(brokers, "static");
    let mut members = places.each_ref().map(Place::start);
    members.iter().for_each(wait_until_it_counts);
    let instances = members.each_ref().map(instance);
    for _ in 0..5 {
        let [killed, staying] = members;
        let before = share(&killed);
        drop(killed);
        let again = places[0].start();
        assert!(share(&again) >= before, "its counters went back");
        wait_until_it_counts(&again);
        members = [again, staying];
    }
    let messages = flow.end();
    wait_until("all is committed", || committed(brokers, "static", "static", 8) as f64 == messages);
    assert_eq!(sum(&members), messages);
    assert_eq!(members.each_ref().map(instance), instances);
}
