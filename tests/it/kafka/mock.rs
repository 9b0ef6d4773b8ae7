//! At librdkafka's mock cluster: members that come and go, brokers that go and come, errors, commits.

use std::time::Duration;

use rdkafka::producer::BaseRecord;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use streamgauge::base::shutdown::Shutdown;

use super::cluster::{Messages, Mock, committed, group, pipeline};
use super::members::{self, EVENTS, events_in_all, wait_until};
use crate::program::Running;

const LEADERS: &str =
    r#"streamgauge_source_errors_total{pipeline="orders",source="kafka",reason="leader_changed"}"#;

#[test]
fn every_message_is_counted_once_with_its_own_fields() {
    let (mock, folder) = (Mock::new(3), tempfile::tempdir().unwrap());
    let mut messages = Messages::to(&mock.brokers(), "lz4");
    messages.produce("orders", 8, 10_000);
    messages.send(BaseRecord::to("orders").key("k1").partition(3));
    let text = format!(
        r#"
source: {{kafka: {{brokers: ["{}"], topics: [orders], group: fields, tombstones: keep}}}}
decode: json
metrics:
  - counter: {{name: messages_total, help: All., labels: {{partition: kafka.partition}}}}
  - counter: {{name: keys_total, help: By key., labels: {{key: kafka.key}}}}
  - counter: {{name: traces_total, help: By header., labels: {{trace: 'kafka.headers["trace"]', other: kafka.headers.other}}}}
  - counter: {{name: offsets_total, help: Offsets., value: kafka.offset}}
  - counter: {{name: recent_total, help: Those of this century., where: kafka.timestamp > 1700000000000}}
  - counter: {{name: tombstones_total, help: Without a value., where: kafka.tombstone}}
  - counter: {{name: numbers_total, help: Numbers., value: number, where: has(number)}}
"#,
        mock.brokers()
    );
    let path = folder.path().join("orders.yaml");
    std::fs::write(&path, text).unwrap();
    let running = Running::start(&[&path.display().to_string()]);
    running.wait_for(EVENTS, 10_001.0);
    for (name, value) in [
        (r#"messages_total{partition="3"}"#, 1251.0),
        (r#"keys_total{key="k1"}"#, 1001.0),
        (r#"traces_total{trace="t-1",other=""}"#, 10_000.0),
        (r#"traces_total{trace="",other=""}"#, 1.0),
        // Offsets 0 to 1249 in each of 8 partitions, and 1250 in one of them.
        ("offsets_total", 8.0 * 1249.0 * 1250.0 / 2.0 + 1250.0),
        ("recent_total", 10_001.0),
        ("tombstones_total", 1.0),
        ("numbers_total", 9999.0 * 10_000.0 / 2.0),
    ] {
        assert_eq!(running.sample(name), value, "{name}");
    }
    wait_until("there is no lag", || {
        running.sample(r#"streamgauge_source_lag_messages{pipeline="orders",source="kafka",lane="orders/3"}"#)
            == 0.0
            && running.sample(r#"streamgauge_source_lanes{pipeline="orders",source="kafka"}"#) == 8.0
    });
    wait_until("all is committed", || committed(&mock.brokers(), "fields", "orders", 8) == 10_001);
}

#[test]
fn tombstones_and_large_messages_are_counted_as_refused() {
    let (mock, folder) = (Mock::new(1), tempfile::tempdir().unwrap());
    let mut messages = Messages::to(&mock.brokers(), "none");
    messages.send(BaseRecord::to("orders").key("k").partition(0));
    messages.send(BaseRecord::to("orders").key("k").payload(&[b'x'; 100][..]).partition(0));
    messages.send(BaseRecord::to("orders").key("k").payload(&br#"{"number":7}"#[..]).partition(0));
    let path = pipeline(folder.path(), &mock.brokers(), "topics: [orders], max_message_bytes: 99");
    let running = Running::start(&[&path]);
    running.wait_for("numbers_total", 7.0);
    let refused = |reason: &str| {
        running.sample(&format!(
            r#"streamgauge_refused_total{{pipeline="orders",component="source",reason="{reason}"}}"#
        ))
    };
    assert_eq!((refused("tombstone"), refused("message_too_long")), (1.0, 1.0));
    let (head, told) = running.get("/-/ready", "");
    assert!(head.contains(" 200 ") && told.contains("offset 1 of orders/0 has 100 bytes"), "{told}");
    assert_eq!(running.sample(EVENTS), 1.0);
}

#[test]
fn members_join_and_leave_while_a_million_messages_flow() {
    let (mock, folder) = (Mock::new(3), tempfile::tempdir().unwrap());
    // The mock cluster waits for nearly a whole session before each rebalance.
    let options = "properties: {session.timeout.ms: 6000, heartbeat.interval.ms: 300}";
    members::join_and_leave(&mock.brokers(), folder.path(), "orders", options);
}

#[test]
fn brokers_that_are_away_are_named_and_waited_for() {
    let (mock, folder) = (Mock::new(3), tempfile::tempdir().unwrap());
    let path = pipeline(folder.path(), &mock.brokers(), "topics: [orders]");
    let mut messages = Messages::to(&mock.brokers(), "none");
    messages.produce("orders", 8, 1000);
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 1000.0);
    assert!(running.get("/-/ready", "").0.contains(" 200 "));
    mock.cluster.broker_down(-1).unwrap();
    wait_until("it is said not to be ready", || running.get("/-/ready", "").0.contains(" 503 "));
    let (_, why) = running.get("/-/ready", "");
    assert!(why.contains("pipeline orders") && why.contains("broker"), "{why}");
    mock.cluster.broker_up(-1).unwrap();
    Messages::to(&mock.brokers(), "none").produce("orders", 8, 1000);
    running.wait_for(EVENTS, 2000.0);
    wait_until("it is ready again", || running.get("/-/ready", "").0.contains(" 200 "));
    let unreachable =
        r#"streamgauge_source_errors_total{pipeline="orders",source="kafka",reason="broker_unreachable"}"#;
    assert!(running.sample(unreachable) > 0.0);
}

#[test]
fn errors_of_requests_lose_and_repeat_nothing() {
    use RDKafkaRespErr as Error;
    let (mock, folder) = (Mock::new(3), tempfile::tempdir().unwrap());
    let options = "topics: [orders], properties: {session.timeout.ms: 6000, heartbeat.interval.ms: 300}";
    let path = pipeline(folder.path(), &mock.brokers(), options);
    let mut messages = Messages::to(&mock.brokers(), "none");
    messages.produce("orders", 8, 10_000);
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 10_000.0);
    // The client looks every two seconds.
    let mut brokers = (1..=3).cycle();
    wait_until("another leader is seen", || {
        mock.cluster.partition_leader("orders", 0, brokers.next()).unwrap();
        Shutdown::new().wait(Duration::from_secs(3));
        running.sample(LEADERS) > 0.0
    });
    assert!(running.get("/-/ready", "").1.contains("leads orders/0 now"));
    let leader = [Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 3];
    mock.cluster.request_errors(RDKafkaApiKey::Fetch, &leader);
    messages.produce("orders", 8, 10_000);
    running.wait_for(EVENTS, 20_000.0);
    mock.cluster.request_errors(RDKafkaApiKey::Fetch, &[Error::RD_KAFKA_RESP_ERR__TRANSPORT; 3]);
    messages.produce("orders", 8, 10_000);
    running.wait_for(EVENTS, 30_000.0);
    mock.cluster.request_errors(
        RDKafkaApiKey::OffsetCommit,
        &[
            Error::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            Error::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE,
            Error::RD_KAFKA_RESP_ERR__TRANSPORT,
        ],
    );
    messages.produce("orders", 8, 10_000);
    running.wait_for(EVENTS, 40_000.0);
    wait_until("all is committed", || {
        committed(&mock.brokers(), &group(folder.path()), "orders", 8) == 40_000
    });
    // The member is thrown out of the group and has to join again: what it has posted is not counted again.
    mock.cluster.request_errors(RDKafkaApiKey::Heartbeat, &[Error::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID; 2]);
    messages.produce("orders", 8, 10_000);
    wait_until("it has joined again", || {
        let lost =
            r#"streamgauge_kafka_rebalanced_partitions_total{pipeline="orders",source="kafka",event="lost"}"#;
        running.sample(lost) > 0.0
    });
    messages.produce("orders", 8, 10_000);
    running.wait_for(EVENTS, 60_000.0);
    wait_until("all is committed", || {
        committed(&mock.brokers(), &group(folder.path()), "orders", 8) == 60_000
    });
    assert_eq!(running.sample("numbers_total"), 59_999.0 * 60_000.0 / 2.0);
}

#[test]
fn offsets_are_committed_only_once_what_was_read_is_posted() {
    let (mock, folder) = (Mock::new(1), tempfile::tempdir().unwrap());
    let path = pipeline(folder.path(), &mock.brokers(), "topics: [orders]");
    let mut messages = Messages::to(&mock.brokers(), "none");
    messages.produce("orders", 8, 800);
    // Nothing is posted but what somebody asks to see.
    let running = Running::start(&[&path, "--engine.tick", "1h"]);
    // It has read all by then, and would have committed it.
    Shutdown::new().wait(Duration::from_secs(8));
    assert_eq!(committed(&mock.brokers(), &group(folder.path()), "orders", 8), 0);
    running.wait_for(EVENTS, 800.0);
    wait_until("all is committed", || committed(&mock.brokers(), &group(folder.path()), "orders", 8) == 800);
}

#[test]
fn commits_that_fail_are_tried_again_with_pauses_and_given_up_with_a_word() {
    let (mock, folder) = (Mock::new(1), tempfile::tempdir().unwrap());
    let path = pipeline(folder.path(), &mock.brokers(), "topics: [orders]");
    Messages::to(&mock.brokers(), "none").produce("orders", 8, 800);
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE; 1000];
    mock.cluster.request_errors(RDKafkaApiKey::OffsetCommit, &refused);
    let running = Running::start(&[&path, "--log.level", "debug"]);
    running.wait_for(EVENTS, 800.0);
    let (status, log) = running.terminate();
    assert!(status.success(), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains("is counted again")).count(), 8, "{log}");
    let tries = log.lines().filter(|line| line.contains("offsets were not committed")).count();
    assert!((10..100).contains(&tries), "{tries} commits were refused");
}

#[test]
fn nothing_is_begun_before_the_offsets_of_the_group_are_known() {
    let (mock, folder) = (Mock::new(1), tempfile::tempdir().unwrap());
    let path = pipeline(folder.path(), &mock.brokers(), "topics: [orders], start_at: end");
    let mut messages = Messages::to(&mock.brokers(), "none");
    messages.produce("orders", 8, 80);
    let running = Running::start(&[&path]);
    let group = group(folder.path());
    wait_until("the ends are committed", || committed(&mock.brokers(), &group, "orders", 8) == 80);
    running.terminate();
    messages.produce("orders", 8, 800);
    let denied = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 200];
    mock.cluster.request_errors(RDKafkaApiKey::OffsetFetch, &denied);
    let running = Running::start(&[&path]);
    wait_until("it says what is wrong", || running.get("/-/ready", "").1.contains("where to begin"));
    assert_eq!(running.sample(EVENTS), 0.0);
    // One that stops meanwhile has not committed the end.
    let (_, log) = running.terminate();
    assert_eq!(events_in_all(&log), 0);
    mock.cluster.clear_request_errors(RDKafkaApiKey::OffsetFetch);
    assert_eq!(committed(&mock.brokers(), &group, "orders", 8), 80);
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 800.0);
    assert!(running.get("/-/ready", "").0.contains(" 200 "));
}

#[test]
fn a_restart_goes_on_where_the_last_one_stopped() {
    let (mock, folder) = (Mock::new(1), tempfile::tempdir().unwrap());
    let path = pipeline(folder.path(), &mock.brokers(), "topics: [orders], start_at: end");
    let mut messages = Messages::to(&mock.brokers(), "none");
    messages.produce("orders", 8, 100);
    let running = Running::start(&[&path]);
    // The ends that it began at are committed, although there was nothing to read.
    wait_until("all is committed", || committed(&mock.brokers(), &group(folder.path()), "orders", 8) == 100);
    assert_eq!(running.sample(EVENTS), 0.0);
    let (status, log) = running.terminate();
    assert!(status.success(), "{log}");
    messages.produce("orders", 8, 100);
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 100.0);
    let (_, log) = running.terminate();
    assert_eq!(events_in_all(&log), 100);
    assert_eq!(committed(&mock.brokers(), &group(folder.path()), "orders", 8), 200);
}
