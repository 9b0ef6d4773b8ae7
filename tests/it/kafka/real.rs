//! At a real Kafka: what a mock cluster does not have, and once more what matters most.

use std::path::Path;

use super::broker::{Broker, shared};
use super::cluster::{Messages, committed, group, pipeline};
use super::members::{self, EVENTS, events_in_all, wait_until};
use crate::program::Running;

/// A pipeline that reads with TLS as a user.
fn secured(folder: &Path, broker: &Broker, login: &str, topics: &str) -> String {
    let options = format!(
        r#"topics: [{topics}], security: {{protocol: sasl_ssl, ca_file: "{}", {login}}}"#,
        broker.ca_file().display()
    );
    pipeline(folder, &broker.sasl_ssl, &options)
}

fn ready(running: &Running) -> (bool, String) {
    let (head, body) = running.get("/-/ready", "");
    (head.contains(" 200 "), body)
}

#[test]
fn members_join_and_leave_while_a_million_messages_flow() {
    let Some(broker) = shared() else { return };
    for protocol in ["classic", "consumer"] {
        let folder = tempfile::tempdir().unwrap();
        broker.create_topic(protocol, 8);
        let options = format!("protocol: {protocol}");
        members::join_and_leave(&broker.plaintext, folder.path(), protocol, &options);
    }
}

#[test]
fn a_broker_that_is_killed_and_comes_back_costs_nothing() {
    let Some(broker) = Broker::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    broker.create_topic("orders", 8);
    let path = pipeline(folder.path(), &broker.plaintext, "topics: [orders]");
    let mut messages = Messages::to(&broker.plaintext, "lz4");
    messages.produce("orders", 8, 50_000);
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 50_000.0);
    broker.kill();
    wait_until("it is said not to be ready", || !ready(&running).0);
    broker.start_again();
    messages.produce("orders", 8, 50_000);
    running.wait_for(EVENTS, 100_000.0);
    wait_until("it is ready again", || ready(&running).0);
    // A broker that has just come back may still take the partitions away, and with them what was not committed.
    wait_until("all is committed", || {
        committed(&broker.plaintext, &group(folder.path()), "orders", 8) == 100_000
    });
    // A restart of our own goes on where it stopped.
    let (status, log) = running.terminate();
    assert!(status.success() && events_in_all(&log) == 100_000, "{log}");
    messages.produce("orders", 8, 1000);
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 1000.0);
    wait_until("all is committed", || {
        committed(&broker.plaintext, &group(folder.path()), "orders", 8) == 101_000
    });
}

#[test]
fn topics_that_come_late_are_found_by_name_and_by_pattern() {
    let Some(broker) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = "topics: [late, '^early-[0-9]+$'], properties: {topic.metadata.refresh.interval.ms: 500}";
    let path = pipeline(folder.path(), &broker.plaintext, options);
    let running = Running::start(&[&path]);
    wait_until("the topic is missed", || ready(&running).1.contains("late"));
    let unknown =
        r#"streamgauge_source_errors_total{pipeline="orders",source="kafka",reason="unknown_topic"}"#;
    assert!(running.sample(unknown) > 0.0);
    let mut messages = Messages::to(&broker.plaintext, "none");
    for (topic, partitions) in [("late", 2), ("early-1", 1), ("early-22", 1), ("early-x", 1)] {
        broker.create_topic(topic, partitions);
        messages.produce(topic, partitions.into(), 1000);
    }
    running.wait_for(EVENTS, 3000.0);
    assert_eq!(running.sample(r#"orders_total{topic="early-22",partition="0"}"#), 1000.0);
    wait_until("nothing is missed", || ready(&running).0);
}

#[test]
fn a_pattern_matches_the_beginning_of_names_by_both_protocols() {
    let Some(broker) = shared() else { return };
    for topic in ["pattern-a", "pattern-ab", "pattern-b"] {
        broker.create_topic(topic, 1);
        Messages::to(&broker.plaintext, "none").produce(topic, 1, 10);
    }
    for protocol in ["classic", "consumer"] {
        for (pattern, matched) in [("^pattern-a", 20.0), ("^pattern-a$", 10.0)] {
            let folder = tempfile::tempdir().unwrap();
            let options = format!("topics: '{pattern}', protocol: {protocol}");
            let running = Running::start(&[&pipeline(folder.path(), &broker.plaintext, &options)]);
            running.wait_for(EVENTS, matched);
        }
    }
}

#[test]
fn every_codec_is_read() {
    let Some(broker) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    broker.create_topic("codecs", 1);
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    for codec in codecs {
        Messages::to(&broker.plaintext, codec).produce("codecs", 1, 1000);
    }
    let path = pipeline(folder.path(), &broker.plaintext, "topics: [codecs]");
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 5000.0);
    assert_eq!(running.sample("numbers_total"), 5.0 * 999.0 * 1000.0 / 2.0);
}

#[test]
fn users_log_in_with_tls_by_every_mechanism() {
    let Some(broker) = shared() else { return };
    broker.create_topic("safe", 1);
    Messages::to(&broker.plaintext, "none").produce("safe", 1, 100);
    for mechanism in ["plain", "scram-sha-256", "scram-sha-512"] {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "alice-secret\n").unwrap();
        let login =
            format!(r#"mechanism: {mechanism}, username: alice, password_file: "{}""#, password.display());
        let path = secured(folder.path(), broker, &login, "safe");
        let running = Running::start(&[&path]);
        running.wait_for(EVENTS, 100.0);
        assert!(ready(&running).0);
    }
}

#[test]
fn a_wrong_password_and_an_unknown_authority_are_named_and_tried_again() {
    let Some(broker) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let login = "mechanism: scram-sha-512, username: alice, password: wrong";
    let running = Running::start(&[&secured(folder.path(), broker, login, "safe")]);
    let said = |text: &str| wait_until(text, || ready(&running).1.contains(text));
    said("`password`");
    let reason = |running: &Running, reason: &str| {
        running.sample(&format!(
            r#"streamgauge_source_errors_total{{pipeline="orders",source="kafka",reason="{reason}"}}"#
        ))
    };
    let before = reason(&running, "authentication");
    wait_until("it tries again", || reason(&running, "authentication") > before);
    // Without the authority's certificate those of the system are trusted, which are others.
    let options = "topics: [safe], security: {protocol: sasl_ssl, mechanism: plain, username: alice, password: alice-secret}";
    let running = Running::start(&[&pipeline(folder.path(), &broker.sasl_ssl, options)]);
    wait_until("the hint at ca_file", || ready(&running).1.contains("`ca_file`"));
    assert!(reason(&running, "tls") > 0.0);
}

#[test]
fn a_topic_that_may_not_be_read_is_named() {
    let Some(broker) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    broker.create_topic("secret-orders", 1);
    let login = "mechanism: plain, username: bob, password: bob-secret";
    let running = Running::start(&[&secured(folder.path(), broker, login, "secret-orders")]);
    wait_until("the topic is named", || ready(&running).1.contains("secret-orders"));
    let refused =
        r#"streamgauge_source_errors_total{pipeline="orders",source="kafka",reason="authorization"}"#;
    assert!(running.sample(refused) > 0.0);
}

#[test]
fn what_was_deleted_before_it_was_read_is_counted_as_skipped() {
    let Some(broker) = shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    broker.create_topic("deleted", 1);
    let mut messages = Messages::to(&broker.plaintext, "none");
    messages.produce("deleted", 1, 100);
    let path = pipeline(folder.path(), &broker.plaintext, "topics: [deleted]");
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 100.0);
    let (status, log) = running.terminate();
    assert!(status.success(), "{log}");
    messages.produce("deleted", 1, 500);
    broker.delete_records("deleted", 0, 400);
    let running = Running::start(&[&path]);
    running.wait_for(EVENTS, 200.0);
    let skipped = r#"streamgauge_kafka_skipped_messages_total{pipeline="orders",source="kafka"}"#;
    assert_eq!(running.sample(skipped), 300.0);
    assert!(ready(&running).1.contains("300 messages are skipped"));
    wait_until("all is committed", || {
        committed(&broker.plaintext, &group(folder.path()), "deleted", 1) == 600
    });
}
