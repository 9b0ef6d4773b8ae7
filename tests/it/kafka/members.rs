//! Members of a group that come and go, whatever the cluster is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use streamgauge::base::shutdown::Shutdown;

use super::cluster::{Messages, committed, group, pipeline};
use crate::program::Running;

/// The sample of all events of the pipeline.
pub const EVENTS: &str = r#"streamgauge_source_events_total{pipeline="orders",source="kafka"}"#;

/// The events that a program counted in all, which it logs when it stops.
pub fn events_in_all(log: &str) -> u64 {
    let line = log.lines().find(|line| line.contains("counted in all")).unwrap_or_else(|| panic!("{log}"));
    line.split("events=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

/// Waits until something holds, or panics after three minutes.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let pause = Shutdown::new();
    for _ in 0..3600 {
        if holds() {
            return;
        }
        pause.wait(Duration::from_millis(50));
    }
    panic!("after three minutes: {what}");
}

/// Two of three members at a time read 8 partitions of a topic into which a million messages flow: together they count
/// each message once.
pub fn join_and_leave(brokers: &str, folder: &Path, topic: &str, options: &str) {
    const MESSAGES: u64 = 1_000_000;
    let path = pipeline(folder, brokers, &format!("topics: [{topic}], {options}"));
    let joined = Arc::new(AtomicBool::new(false));
    let produced = std::thread::spawn({
        let (brokers, topic, all_joined) = (brokers.to_owned(), topic.to_owned(), Arc::clone(&joined));
        move || {
            let mut messages = Messages::to(&brokers, "zstd");
            let pause = Shutdown::new();
            while messages.count < MESSAGES {
                // Some are left for the last to join, however long it takes.
                let is_slow = messages.count >= MESSAGES / 2 && !all_joined.load(Ordering::Relaxed);
                let count: u64 = if is_slow { 1000 } else { 10_000 };
                messages.produce(&topic, 8, count.min(MESSAGES - messages.count));
                pause.wait(Duration::from_millis(120));
            }
        }
    });
    let share = |running: &Running| running.sample(EVENTS);
    let first = Running::start(&[&path]);
    wait_until("the first has some", || share(&first) > 0.0);
    let second = Running::start(&[&path]);
    wait_until("the second has some", || share(&second) > 10_000.0);
    let (status, log) = first.terminate();
    assert!(status.success(), "{log}");
    let mut shares = vec![events_in_all(&log)];
    let before = share(&second);
    wait_until("the second goes on alone", || share(&second) > before + 10_000.0);
    let third = Running::start(&[&path]);
    wait_until("the third has some", || share(&third) > 10_000.0);
    joined.store(true, Ordering::Relaxed);
    produced.join().unwrap();
    wait_until("all is committed", || committed(brokers, &group(folder), topic, 8) == MESSAGES as i64);
    for member in [second, third] {
        let counted: f64 = (0..8)
            .map(|number| member.sample(&format!(r#"orders_total{{topic="{topic}",partition="{number}"}}"#)))
            .sum();
        assert_eq!(counted, share(&member));
        let (status, log) = member.terminate();
        assert!(status.success(), "{log}");
        shares.push(events_in_all(&log));
    }
    assert_eq!(shares.iter().sum::<u64>(), MESSAGES, "{shares:?}");
}
