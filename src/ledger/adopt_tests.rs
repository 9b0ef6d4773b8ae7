//! Another configuration: what goes on with its state, what begins, and what is kept for a while.

use super::state::KEEP_REMOVED;
use super::world::{World, content, open};
use super::{Account, Posted};

const DAY: u64 = 86400;

/// A pipeline file with these metrics.
fn file(metrics: &[&str]) -> String {
    let metrics: String = metrics.iter().map(|metric| format!("  - {metric}\n")).collect();
    format!("source: {{file: {{include: [/a.log]}}}}\ndecode: json\nmetrics:\n{metrics}")
}

const COUNTER: &str = "counter: {name: a_total, help: Events., labels: [kind]}";
const AMOUNT: &str = "counter: {name: amount_total, help: Amounts., value: amount}";

fn begin(metrics: &[&str]) -> World {
    let mut world = World::new(&[("a.yaml", &file(metrics))]);
    world.process("a", "log", "{\"kind\":\"x\",\"amount\":2}\n{\"kind\":\"y\",\"amount\":-1}\n");
    assert!(world.tick(10).is_ok());
    world
}

/// The same by a restart and by a reload.
fn both(before: &[&str], now: &[&str], check: impl Fn(&World)) {
    check(&begin(before).restart(&[("a.yaml", &file(now))], 100));
    let mut world = begin(before);
    world.now += std::time::Duration::from_secs(100);
    assert!(world.reload(&[("a.yaml", &file(now))]).is_ok());
    check(&world);
}

#[test]
fn a_metric_that_is_only_shown_in_another_way_goes_on() {
    for now in [
        COUNTER,
        "counter: {name: a_total, help: Other words., labels: [kind]}",
        "counter: {name: a_total, help: Events., labels: [kind], max_series: 1}",
        "counter: {name: a_total, help: Events., labels: [kind], init: {kind: [x, z]}}",
        "counter: {name: a_total, help: Events., labels: [kind], expire_after: 1h}",
    ] {
        both(&[COUNTER, AMOUNT], &[AMOUNT, now], |world| {
            assert_eq!(world.sample("a_total{kind=\"x\"}"), Some(1.0), "{now}");
            assert_eq!(world.sample("a_created{kind=\"x\"}"), Some(1_000_000.0), "{now}");
            assert_eq!(world.sample("amount_total"), Some(2.0));
        });
    }
}

#[test]
fn what_is_declared_from_the_start_or_expires_is_as_it_is_configured_now() {
    let init =
        "counter: {name: a_total, help: Events., labels: [kind], expire_after: 50s, init: {kind: [x]}}";
    let other =
        "counter: {name: a_total, help: Events., labels: [kind], expire_after: 50s, init: {kind: [z]}}";
    both(&[init], &[other], |world| {
        assert_eq!(world.sample("a_total{kind=\"z\"}"), Some(0.0));
        assert_eq!(world.sample("a_total{kind=\"y\"}"), None, "it has been idle for 100 s");
        assert_eq!(world.sample("a_total{kind=\"x\"}"), Some(1.0), "it is idle from now on");
    });
}

#[test]
fn a_metric_that_is_declared_otherwise_starts_anew_from_now_on() {
    for now in [
        "counter: {name: amount_total, help: Amounts., value: amount * 2}",
        "counter: {name: amount_total, help: Amounts., value: amount, where: amount > 0}",
    ] {
        both(&[AMOUNT, COUNTER], &[now, COUNTER], |world| {
            assert_eq!(world.sample("amount_total"), Some(0.0), "{now}");
            assert_eq!(world.sample("amount_created"), Some(1_000_110.0), "{now}");
            assert_eq!(world.sample("a_total{kind=\"x\"}"), Some(1.0));
        });
        let world = begin(&[AMOUNT]).restart(&[("a.yaml", &file(&[now]))], 1);
        let world = world.restart(&[("a.yaml", &file(&[AMOUNT]))], 1);
        assert_eq!(world.sample("amount_total"), Some(0.0), "what it was before is over");
    }
}

#[test]
fn a_metric_that_was_removed_comes_back_within_7_days() {
    assert_eq!(KEEP_REMOVED.as_secs(), 7 * DAY);
    let (with, without) = (file(&[COUNTER, AMOUNT]), file(&[AMOUNT]));
    for (days, value) in [(1, Some(1.0)), (6, Some(1.0)), (8, None)] {
        let mut world = begin(&[COUNTER, AMOUNT]).restart(&[("a.yaml", &without)], 1);
        assert_eq!(world.sample("a_total{kind=\"x\"}"), None);
        assert!(world.tick(days * DAY).is_ok());
        // It is dropped by whoever looks at the configuration next.
        let world = world.restart(&[("a.yaml", &without)], 0).restart(&[("a.yaml", &with)], 0);
        assert_eq!(world.sample("a_total{kind=\"x\"}"), value, "{days} days");
    }
}

#[test]
fn a_pipeline_that_was_removed_comes_back_within_7_days_with_its_number_and_all_that_it_counted() {
    let (a, b) = (file(&[COUNTER, AMOUNT]), file(&["counter: {name: b_total, help: Events.}"]));
    let c = b.replace("b_total", "c_total");
    for (days, value) in [(1, Some(1.0)), (6, Some(1.0)), (8, None)] {
        let world = begin(&[COUNTER, AMOUNT]);
        let mut world = world.restart(&[("b.yaml", &b), ("a.yaml", &a)], 1);
        let flow = |world: &World| {
            world.ledger.look(|posted| posted.iter().map(|posted| posted.flow.clone()).collect::<Vec<_>>())
        };
        let before = flow(&world)[0].clone();
        assert_eq!(before.metrics[1].iter().count(), 1, "a negative amount was refused");
        assert_eq!(world.ledger.numbers(&["b", "a"]), [1, 0]);
        assert!(world.reload(&[("b.yaml", &b)]).is_ok());
        world.process("b", "log", "{}\n");
        assert!(world.tick(days * DAY).is_ok());
        let world = world.restart(&[("b.yaml", &b)], 0);
        assert_eq!(world.sample("a_total{kind=\"x\"}"), None);
        let world = world.restart(&[("c.yaml", &c), ("b.yaml", &b), ("a.yaml", &a)], 0);
        assert_eq!(world.sample("a_total{kind=\"x\"}"), value, "{days} days");
        assert_eq!(world.sample("b_total"), Some(1.0));
        if value.is_some() {
            assert_eq!(world.ledger.numbers(&["a", "b", "c"]), [0, 1, 2]);
            assert_eq!(flow(&world)[0], before);
            assert_eq!(world.ledger.positions(0).get("log").map(|position| position.offset), Some(49));
        } else {
            assert_eq!(world.ledger.numbers(&["b"]), [1], "numbers of others stay");
            assert_eq!(world.ledger.positions(world.ledger.numbers(&["a"])[0]).get("log"), None);
        }
    }
}

#[test]
fn a_metric_that_moves_to_another_pipeline_begins_there() {
    let other = "counter: {name: other_total, help: Events.}";
    let (a, b) = (file(&[AMOUNT]), file(&[COUNTER]));
    let world = begin(&[COUNTER, AMOUNT]).restart(&[("a.yaml", &a), ("b.yaml", &b)], 1);
    assert_eq!(world.sample("a_total{kind=\"x\"}"), None);
    assert_eq!(world.sample("amount_total"), Some(2.0));
    let (a, b) = (file(&[AMOUNT, COUNTER]), file(&[other]));
    let mut world = world.restart(&[("a.yaml", &a), ("b.yaml", &b)], 1);
    assert_eq!(world.sample("a_total{kind=\"x\"}"), None, "it begins anew");
    world.process("a", "log", "{\"kind\":\"x\"}\n");
    assert!(world.tick(1).is_ok());
    assert_eq!(world.sample("a_total{kind=\"x\"}"), Some(1.0));
    assert_eq!(world.sample("a_created{kind=\"x\"}"), Some(1_000_012.0), "and nothing of it is older");
}

#[test]
fn a_metric_of_a_removed_pipeline_begins_anew_if_another_had_its_name_since() {
    let only = "counter: {name: all_total, help: All.}";
    let (p, r) = (file(&[COUNTER, only, AMOUNT]), file(&[only]));
    let lines = "{\"kind\":\"x\",\"amount\":-1}\n{\"kind\":\"x\",\"amount\":2}\n";
    for reloads in [false, true] {
        let go_on = |mut world: World, files: &[(&str, &str)]| {
            if !reloads {
                return world.restart(files, 10);
            }
            assert!(world.tick(10).is_ok());
            assert!(world.reload(files).is_ok());
            world
        };
        let mut world = World::new(&[("p.yaml", &p)]);
        world.process("p", "log", lines);
        assert!(world.tick(1).is_ok());
        let mut world = go_on(world, &[("r.yaml", &r)]);
        world.process("r", "log", &"{}\n".repeat(100));
        assert!(world.tick(1).is_ok());
        assert_eq!(world.sample("all_total"), Some(100.0));
        let created = world.sample("all_created").unwrap();
        let world = go_on(world, &[("p.yaml", &p)]);
        assert_eq!(world.sample("all_total"), Some(0.0));
        assert!(world.sample("all_created").unwrap() > created, "reloads: {reloads}");
        assert_eq!(world.sample("a_total{kind=\"x\"}"), Some(2.0), "others go on");
        assert_eq!(world.sample("amount_total"), Some(2.0), "others go on");
        let refused = |world: &World| {
            let counts = |posted: &Posted<'_>| {
                posted.flow.metrics.iter().map(|refused| refused.iter().count()).collect::<Vec<_>>()
            };
            world.ledger.look(|posted| counts(&posted[0]))
        };
        assert_eq!(refused(&world), [0, 0, 1], "reloads: {reloads}");
    }
}

/// The metrics that are kept, configured or not.
fn remembered(world: &World) -> Vec<String> {
    let name = |account: &Account| account.family().name.clone();
    world.ledger.remembered(|all| {
        all.iter().flat_map(|kept| kept.metrics.iter().map(|(account, _)| name(account))).collect()
    })
}

#[test]
fn what_was_removed_is_dropped_after_7_days_also_without_another_configuration() {
    let (a, b) = (file(&[COUNTER, AMOUNT]), file(&["counter: {name: b_total, help: Events.}"]));
    let (less, c) = (file(&[AMOUNT]), file(&["counter: {name: c_total, help: Events.}"]));
    let mut world = World::new(&[("b.yaml", &b), ("a.yaml", &a), ("c.yaml", &c)]);
    world.resize(200, 50);
    let work = |world: &mut World, days: u64| {
        for _ in 0..days * 24 {
            world.process("a", "log", "{\"kind\":\"x\",\"amount\":2}\n");
            world.process("c", "log", "{}\n");
            assert!(world.tick(3600).is_ok());
        }
    };
    work(&mut world, 1);
    assert!(world.reload(&[("a.yaml", &less), ("c.yaml", &c)]).is_ok());
    work(&mut world, 6);
    assert_eq!(remembered(&world), ["b_total", "amount_total", "a_total", "c_total"]);
    work(&mut world, 2);
    assert_eq!(remembered(&world), ["amount_total", "c_total"]);
    let count = |world: &World| (world.sample("amount_total"), world.sample("c_total"));
    assert_eq!(count(&world), (Some(2.0 * 9.0 * 24.0), Some(9.0 * 24.0)));
    let (shot, disk, now) = (world.shot(), world.disk().clone(), world.now);
    drop(world);
    let opened = open(&disk, now).unwrap();
    assert_eq!(content(&opened.ledger.read(), &shot.pending), shot.content, "and so it is on disk");
    assert_eq!(opened.ledger.numbers(&["a", "c", "d"]), [1, 2, 0], "its number is free");
}

#[test]
fn nothing_is_dropped_that_a_configuration_which_is_about_to_be_adopted_was_told_of() {
    let (a, b) = (file(&[COUNTER]), file(&["counter: {name: b_total, help: Events.}"]));
    let mut world = World::new(&[("b.yaml", &b), ("a.yaml", &a)]);
    world.resize(200, 50);
    assert!(world.reload(&[("a.yaml", &a)]).is_ok());
    assert_eq!(world.ledger.numbers(&["d", "b"]), [2, 0]);
    for _ in 0..9 * 24 {
        world.process("a", "log", "{}\n");
        assert!(world.tick(3600).is_ok());
    }
    assert_eq!(world.ledger.numbers(&["d", "b"]), [2, 0]);
    assert!(world.reload(&[("a.yaml", &a)]).is_ok());
    assert_eq!(world.ledger.numbers(&["d", "b"]), [0, 2]);
}

#[test]
fn counts_of_stages_go_with_their_names_and_those_of_metrics_with_theirs() {
    let stages = |stages: &str, metrics: &[&str]| {
        file(metrics).replace("metrics:", &format!("stages:\n{stages}metrics:"))
    };
    let drop = "  - drop: kind == 'x'\n";
    let first = stages(drop, &[COUNTER, AMOUNT]);
    let flow = |world: &World| world.ledger.look(|posted| posted[0].flow.clone());
    for reloads in [false, true] {
        let mut world = World::new(&[("a.yaml", &first)]);
        world.process("a", "log", "{\"kind\":\"x\"}\n{\"kind\":\"y\",\"amount\":-1}\n");
        assert!(world.tick(1).is_ok());
        assert_eq!(flow(&world).stages[0].1, 1);
        let second = stages(&format!("{drop}  - set: {{more: kind}}\n"), &[AMOUNT, COUNTER]);
        if reloads {
            assert!(world.reload(&[("a.yaml", &second)]).is_ok());
        } else {
            world = world.restart(&[("a.yaml", &second)], 1);
        }
        let counts = |world: &World| {
            let flow = flow(world);
            let stages: Vec<_> = flow.stages.iter().map(|(_, filtered)| *filtered).collect();
            let metrics: Vec<_> = flow.metrics.iter().map(|refused| refused.iter().count()).collect();
            (flow.events, stages, metrics)
        };
        assert_eq!(counts(&world), (2, vec![1, 0], vec![1, 0]), "reloads: {reloads}");
        assert!(world.tick(1).is_ok());
        assert_eq!(counts(&world), (2, vec![1, 0], vec![1, 0]), "reloads: {reloads}");
    }
}

#[test]
fn a_newer_value_wins_over_a_restored_one() {
    let gauge = "gauge: {name: newest, help: Newest., value: amount}";
    let mut world = begin(&[gauge]);
    for amount in 0..5 {
        world.process("a", "log", &format!("{{\"amount\":{amount}}}\n"));
        assert!(world.tick(1).is_ok());
    }
    let mut world = world.restart(&[("a.yaml", &file(&[gauge]))], 1);
    assert_eq!(world.sample("newest"), Some(4.0));
    world.process("a", "log", "{\"amount\":1}\n");
    assert!(world.tick(1).is_ok());
    assert_eq!(world.sample("newest"), Some(1.0));
}

#[test]
fn numbers_of_series_are_given_out_again_once_they_are_free() {
    let metric = "counter: {name: a_total, help: Events., labels: [kind], max_series: 3, expire_after: 10s}";
    let text = file(&[metric]);
    let mut world = World::new(&[("a.yaml", &text)]);
    let send = |world: &mut World, after: u64, kinds: &[&str]| {
        kinds.iter().for_each(|kind| world.process("a", "log", &format!("{{\"kind\":\"{kind}\"}}\n")));
        assert!(world.tick(after).is_ok());
    };
    let numbers = |world: &World| {
        let state = world.ledger.read();
        let all = state.kept().next().unwrap().1.account(0).unwrap().everything();
        all.into_iter().map(|(series, key, _)| (key, series.0)).collect::<Vec<_>>()
    };
    send(&mut world, 1, &["a", "b", "c"]);
    send(&mut world, 20, &["c"]);
    // There is no room for another until hidden ones are forgotten, which the journal hears of with the next posting.
    send(&mut world, 1, &["c", "d", "e"]);
    send(&mut world, 1, &["c"]);
    let number = |key: &str, number| (key.to_owned(), number);
    let left = [number("__overflow__", 3), number("c", 2)];
    assert_eq!(numbers(&world), left);
    let mut world = world.restart(&[("a.yaml", &text)], 1);
    assert_eq!(numbers(&world), left);
    send(&mut world, 1, &["c", "f", "g"]);
    let mut then: Vec<_> = numbers(&world).into_iter().map(|(_, number)| number).collect();
    then.sort_unstable();
    assert_eq!(then, [0, 1, 2, 3]);
}

#[test]
fn a_lane_that_begins_where_another_ended_keeps_its_position() {
    let mut world = begin(&[COUNTER]);
    for _ in 0..4 {
        world.end("a", "log");
        world.process("a", "log", "{}\n");
        assert!(world.tick(1).is_ok());
        assert_eq!(world.ledger.positions(0).get("log").map(|position| position.offset), Some(3));
    }
    let world = world.restart(&[("a.yaml", &file(&[COUNTER]))], 1);
    assert_eq!(world.ledger.positions(0).get("log").map(|position| position.offset), Some(3));
}
