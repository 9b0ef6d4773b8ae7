//! Series before their first event and after their last: `init`, `expire_after`, and room for others.

use std::time::Duration;

use streamgauge::config::Plan;
use streamgauge::ledger::Ledger;
use streamgauge::pipeline::{Delta, Processor};

use crate::replayed::{batch, exposition_of, plan};
use crate::sample::{samples, total};

/// A pipeline of some workers, of which a test says when they tick.
struct World {
    ledger: Ledger,
    workers: Vec<Vec<Processor>>,
    now: Duration,
}

impl World {
    fn new(plan: &Plan, workers: usize) -> World {
        let now = Duration::from_secs(1_000_000);
        let workers = (0..workers).map(|_| plan.processors()).collect();
        World { ledger: plan.ledger(now), workers, now }
    }

    fn process(&mut self, worker: usize, lines: &str) {
        self.workers[worker][0].process(&batch(lines.as_bytes()));
    }

    fn tick(&mut self, after: u64) {
        self.now += Duration::from_secs(after);
        let take =
            |worker: &mut Vec<Processor>| worker.iter_mut().map(|processor| processor.take()).collect();
        let delta = |worker| Delta { positions: Vec::new(), pipelines: take(worker) };
        let deltas = self.workers.iter_mut().map(delta).collect();
        self.ledger.post(deltas, self.now);
    }

    fn text(&self, format: &str) -> String {
        exposition_of(&self.ledger, format, self.now)
    }

    #[track_caller]
    fn check(&self, wanted: &[&str]) {
        let text = self.text("prometheus");
        let found: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(found, wanted);
    }
}

fn counter(more: &str) -> Plan {
    plan(&format!(
        "source: stdin\nmetrics:\n  - counter: {{name: lines_total, help: Lines., labels: {{line: raw}}, {more}}}\n"
    ))
}

#[test]
fn declared_series_are_zero_from_the_start_and_never_hidden() {
    let text = "source: stdin\ndecode: json\nmetrics:\n  - counter: {name: orders_total, help: Orders., labels: [status, region], init: {region: [eu, us], status: [paid]}, expire_after: 1m}\n";
    let mut world = World::new(&plan(text), 1);
    let declared =
        ["orders_total{status=\"paid\",region=\"eu\"} 0", "orders_total{status=\"paid\",region=\"us\"} 0"];
    world.check(&declared);
    world.tick(3600);
    world.check(&declared);
}

#[test]
fn an_idle_series_is_hidden_and_goes_on_when_it_comes_back() {
    let mut world = World::new(&counter("expire_after: 1h"), 1);
    world.process(0, "a\na\nb\n");
    world.tick(1);
    let created = world.text("openmetrics");
    world.process(0, "b\n");
    world.tick(3600);
    world.check(&["lines_total{line=\"a\"} 2", "lines_total{line=\"b\"} 2"]);
    world.tick(1);
    world.check(&["lines_total{line=\"b\"} 2"]);
    world.process(0, "a\n");
    world.tick(1_000_000);
    world.check(&["lines_total{line=\"a\"} 3"]);
    let line = "lines_created{line=\"a\"} ";
    let since = |text: &str| text.lines().find_map(|text| text.strip_prefix(line).map(str::to_owned));
    assert_eq!(since(&world.text("openmetrics")), since(&created), "it was never reset");
}

#[test]
fn a_hidden_series_makes_room_where_the_cap_needs_it_and_its_return_is_a_reset() {
    let mut world = World::new(&counter("expire_after: 1h, max_series: 2"), 1);
    world.process(0, "a\na\n");
    world.tick(1);
    world.process(0, "b\n");
    world.tick(10);
    world.tick(3600);
    // There is no room yet when `c` comes first: hidden series are forgotten once it is missed.
    world.process(0, "c\n");
    world.tick(1);
    world.process(0, "c\n");
    world.tick(1);
    world.check(&["lines_total{line=\"__overflow__\"} 1", "lines_total{line=\"c\"} 1"]);
    world.process(0, "a\n");
    world.tick(1);
    world.process(0, "a\n");
    world.tick(1);
    let wanted =
        ["lines_total{line=\"__overflow__\"} 2", "lines_total{line=\"a\"} 1", "lines_total{line=\"c\"} 1"];
    world.check(&wanted);
}

#[test]
fn one_new_series_takes_the_room_of_one_hidden_series_however_many_events_it_has() {
    let mut world = World::new(&counter("expire_after: 1h, max_series: 10"), 1);
    world.process(0, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
    world.tick(1);
    world.tick(3700);
    world.process(0, &"new\n".repeat(1000));
    world.tick(1);
    world.process(0, &"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n".repeat(2));
    world.tick(1);
    let samples = samples(&world.text("prometheus"));
    let went_on = samples.values().filter(|value| **value == 3.0).count();
    assert_eq!(went_on, 9, "{samples:?}");
}

#[test]
fn what_a_worker_still_hands_over_for_a_forgotten_series_is_counted() {
    let mut world = World::new(&counter("expire_after: 1h, max_series: 2"), 2);
    world.process(0, "a\n");
    world.process(1, "b\n");
    world.tick(1);
    world.tick(3700);
    // Both are hidden; the other worker's event makes the ledger forget one of them.
    world.process(1, "x\ny\n");
    world.tick(1);
    // Neither worker has heard of that.
    world.process(0, "a\na\n");
    world.process(1, "b\nb\nb\n");
    world.tick(1);
    let samples = samples(&world.text("prometheus"));
    assert_eq!(total(&samples, "lines_total"), 2.0 + 2.0 + 3.0, "{samples:?}");
}

#[test]
fn many_series_that_come_and_go_are_all_counted_in_bounded_room() {
    let mut world = World::new(&counter("expire_after: 1m, max_series: 50"), 3);
    let (mut events, mut seen) = (0_u64, 0_f64);
    for round in 0..300_u64 {
        for worker in 0..3_u64 {
            let line = |n: u64| format!("k{}\n", (round / 3 * 40 + worker * 7 + n * n) % 1000);
            let lines: String = (0..20).map(line).collect();
            world.process(worker as usize, &lines);
            events += 20;
        }
        world.tick(20);
        let samples = samples(&world.text("prometheus"));
        assert!(samples.len() <= 51, "{} series", samples.len());
        seen = seen.max(samples["lines_total{line=\"__overflow__\"}"]);
    }
    assert!(seen > 0.0 && seen < events as f64, "{seen} of {events} in the overflow series");
}
