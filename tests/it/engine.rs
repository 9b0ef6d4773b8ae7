//! The engine's laws: how the input is split among workers and ticks changes nothing, every exposition is a
//! consistent cut, and nothing that is exposed goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use streamgauge::base::clock::Clock;
use streamgauge::config::{self, Plan};
use streamgauge::encode;
use streamgauge::engine::{Engine, Options, Surroundings};
use streamgauge::ledger::{Keeper, Ledger};
use streamgauge::model::batch::{Batch, Ends, Lane, LaneId, Position};
use streamgauge::model::refused::Refusals;
use streamgauge::pipeline::Delta;
use streamgauge::source::Outlet;
use streamgauge::telemetry::Telemetry;

use crate::sample::{samples, total};

const PIPELINE: &str = r"
source: stdin
decode: json
stages:
  - drop: kind == 'noise'
metrics:
  - counter: {name: events_total, help: Events.}
  - counter: {name: events_by_kind_total, help: Events by kind., labels: [kind]}
  - counter: {name: amount_total, help: Amounts., value: amount, labels: [kind, user]}
  - histogram: {name: amounts, help: Amounts., value: amount, labels: [kind], buckets: [1, 10, 100]}
";

fn plan(text: &str) -> Plan {
    config::parse(&[("test.yaml", text)], &|_| None)
        .unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

fn exposition(ledger: &Ledger, format: &str) -> String {
    let kind = encode::KINDS.iter().find(|kind| kind.name == format).unwrap();
    let now = Duration::from_secs(1000);
    let (mut encoder, mut out) = ((kind.build)(now), Vec::new());
    ledger.encode(now, &mut *encoder, &mut out, |posted, _, out| {
        for posted in posted {
            out.extend(format!("# {:?}\n", posted.flow).into_bytes());
        }
    });
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

fn lane(id: u64) -> Arc<Lane> {
    Arc::new(Lane {
        id: LaneId(id),
        pipeline: 0,
        key: id.to_string(),
        name: id.to_string(),
        fields: Vec::new(),
    })
}

fn batch(lane: &Arc<Lane>, lines: &[String]) -> Batch {
    let bytes = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
    let end = Position { offset: lines.len() as u64, ..Position::default() };
    Batch {
        lane: Arc::clone(lane),
        bytes,
        ends: Ends::Newlines,
        end,
        refused: Refusals::default(),
        last: false,
    }
}

/// Lines of few kinds and users, some of which do not decode or have no number.
fn line() -> impl Strategy<Value = String> {
    let amount = prop_oneof![
        8 => (0..4000i64).prop_map(|quarters| format!("{}", quarters as f64 / 4.0)),
        1 => Just("-1".to_owned()),
        1 => Just("\"x\"".to_owned()),
    ];
    prop_oneof![
        9 => ("[abc]|noise", 0..20u8, amount).prop_map(|(kind, user, amount)| {
            format!(r#"{{"kind":"{kind}","user":{user},"amount":{amount}}}"#)
        }),
        1 => ".{0,20}".prop_map(|line| line.replace(['\n', '\r'], " ")),
    ]
}

/// Takes batches of one lane each through `workers` workers; a worker hands over after the batches that
/// `ticks` says.
fn posted(plan: &Plan, batches: &[(u64, Vec<String>)], workers: usize, ticks: &[bool]) -> String {
    let ledger = plan.ledger(Duration::from_secs(1000));
    let mut workers: Vec<_> = (0..workers).map(|_| plan.processors()).collect();
    let count = workers.len();
    let post = |worker: &mut Vec<streamgauge::pipeline::Processor>, at: usize| {
        let pipelines = worker.iter_mut().map(|processor| processor.take()).collect();
        let lane = lane(batches.get(at).map_or(0, |batch| batch.0));
        let positions = vec![(lane, Some(Position { offset: at as u64, ..Position::default() }))];
        ledger.post(vec![Delta { positions, pipelines }], Duration::from_secs(1000));
    };
    for (at, (id, lines)) in batches.iter().enumerate() {
        let worker = &mut workers[*id as usize % count];
        worker[0].process(&batch(&lane(*id), lines));
        if ticks.get(at).copied().unwrap_or_default() {
            post(worker, at);
        }
    }
    workers.iter_mut().for_each(|worker| post(worker, 0));
    exposition(&ledger, "openmetrics")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_split_among_workers_and_ticks_gives_the_same_result(
        batches in prop::collection::vec((0..9u64, prop::collection::vec(line(), 0..30)), 1..20),
        workers in 1..9usize,
        ticks in prop::collection::vec(any::<bool>(), 20),
    ) {
        // Each plan has directories of its own, which number series in the order in which they come.
        let one = posted(&plan(PIPELINE), &batches, 1, &[]);
        let many = posted(&plan(PIPELINE), &batches, workers, &ticks);
        prop_assert_eq!(one, many);
    }
}

fn start(plan: &Plan, workers: usize, ledger: &Arc<Ledger>) -> Engine {
    let surroundings = Surroundings {
        ledger: Arc::clone(ledger),
        telemetry: Arc::new(Telemetry::default()),
        clock: Clock::manual(Duration::from_secs(1000)),
    };
    let options = Options { workers, queue_bytes: 1 << 16, tick: None };
    let keeper = Keeper::volatile(Arc::clone(&surroundings.ledger));
    Engine::start(&options, keeper, surroundings, || plan.processors())
}

/// Sends `rounds` batches through each of `lanes` lanes, while `meanwhile` runs until it says that it is done.
fn under_load(workers: usize, lanes: usize, rounds: usize, meanwhile: impl Fn(&Engine, &Ledger)) -> String {
    let plan = plan(PIPELINE);
    let ledger = Arc::new(plan.ledger(Duration::from_secs(1000)));
    let engine = start(&plan, workers, &ledger);
    let stop = AtomicBool::new(false);
    let feed = |outlet: &mut dyn Outlet, id: usize| {
        let lane = outlet.open(format!("lane {id}"), format!("lane {id}"), Vec::new());
        let lines: Vec<_> = (0..100)
            .map(|n| format!(r#"{{"kind":"{}","user":{n},"amount":{}}}"#, ["a", "b", "noise"][n % 3], n * 3))
            .collect();
        let mut sent = 0;
        while sent < rounds || !stop.load(Ordering::Relaxed) {
            outlet.send(batch(&lane, &lines)).unwrap();
            sent += 1;
        }
        sent
    };
    let sent: usize = std::thread::scope(|scope| {
        let feeds: Vec<_> = (0..lanes)
            .map(|id| {
                let mut outlet = engine.outlet(0);
                scope.spawn(move || feed(&mut outlet, id))
            })
            .collect();
        meanwhile(&engine, &ledger);
        stop.store(true, Ordering::Relaxed);
        feeds.into_iter().map(|feed| feed.join().unwrap()).sum()
    });
    engine.drain(Duration::ZERO).unwrap();
    let text = exposition(&ledger, "prometheus");
    assert_eq!(samples(&text)["events_total"], (sent * 67) as f64, "67 of each 100 lines are no noise");
    text
}

#[test]
fn every_exposition_is_a_consistent_cut_and_never_goes_back() {
    under_load(4, 6, 0, |engine, ledger| {
        let mut before = 0.0;
        let mut moved = 0;
        for _ in 0..1000 {
            engine.ticker().tick();
            let samples = samples(&exposition(ledger, "prometheus"));
            let events = samples["events_total"];
            assert_eq!(events, total(&samples, "events_by_kind_total"));
            assert_eq!(events, total(&samples, "amounts_count"));
            assert_eq!(total(&samples, "amounts_sum"), total(&samples, "amount_total"));
            assert!(events >= before, "{events} after {before}");
            moved += usize::from(events > before);
            before = events;
        }
        assert!(moved > 100, "the load moved the counters only {moved} times in 1,000 scrapes");
    });
}

#[test]
fn a_tick_shows_everything_that_was_processed_before_it() {
    let plan = plan(PIPELINE);
    let ledger = Arc::new(plan.ledger(Duration::from_secs(1000)));
    let engine = start(&plan, 3, &ledger);
    let mut outlet = engine.outlet(0);
    let lane = outlet.open("a".to_owned(), "a".to_owned(), Vec::new());
    outlet.send(batch(&lane, &[r#"{"kind":"a","user":1,"amount":2}"#.to_owned()])).unwrap();
    // A tick may overtake the batch in the queue, but not twice once the batch is taken.
    while outlet.position("a").is_none() {
        engine.ticker().tick();
    }
    let position = outlet.position("a").unwrap();
    assert_eq!(position.offset, 1);
    assert_eq!(outlet.positions(), [("a".to_owned(), position)]);
    assert_eq!(samples(&exposition(&ledger, "prometheus"))["events_total"], 1.0);
    let mut last = batch(&lane, &[]);
    last.last = true;
    outlet.send(last).unwrap();
    engine.drain(Duration::ZERO).unwrap();
    assert_eq!(ledger.positions(0).get("a"), None, "the position of a lane that ended is forgotten");
}

#[test]
fn many_threads_may_ask_for_ticks_at_once() {
    under_load(2, 2, 50, |engine, _| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| engine.ticker().tick()));
            }
        });
        // Threads that wait for the same tick share it, so the number is usually far below that of the requests.
        assert!((50..=8 * 50).contains(&engine.ticker().posted()), "{} ticks", engine.ticker().posted());
    });
}
