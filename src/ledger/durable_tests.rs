//! Whatever fails and whenever it crashes: what was posted is found, to the bit, and counting goes on from there.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::world::{Files, Torn, World, content, open};
use crate::journal::OpenError;
use crate::journal::faulty::{Fault, Faulty};

const FIRST: &str = r"
source: {file: {include: [/first.log]}}
decode: json
stages:
  - drop: kind == 'noise'
metrics:
  - counter: {name: events_total, help: Events.}
  - counter: {name: kinds_total, help: Events by kind., labels: [kind]}
  - gauge: {name: newest, help: The newest amount., value: amount}
  - counter: {name: amount_total, help: Amounts., value: amount, labels: [kind, user], max_series: 6, expire_after: 20s}
  - gauge: {name: least, help: The least., value: amount, op: min, window: 30s, labels: [user], max_series: 10, expire_after: 10s}
  - histogram: {name: amounts, help: Amounts., value: amount, labels: [user], max_series: 9, expire_after: 30s, buckets: [1, 10, 100]}
  - summary: {name: quantiles, help: Amounts., value: amount, labels: [kind, user], window: 1m, max_series: 25}
  - summary: {name: precise, help: Amounts., value: amount, hdr: {significant_digits: 1, lowest: 0.25, highest: 1000}, window: 1m}
  - rate: {name: user_rate, help: Events., labels: [user], window: 30s, max_series: 5, expire_after: 5s}
";

/// With less room, other buckets, another order, a stage more, without some metrics and with a new one.
const CHANGED: &str = r"
source: {file: {include: [/first.log]}}
decode: json
stages:
  - drop: kind == 'never'
  - drop: kind == 'noise'
metrics:
  - gauge: {name: newest, help: The newest., value: amount}
  - counter: {name: events_total, help: All events.}
  - counter: {name: more_total, help: Events., labels: [user], max_series: 7}
  - counter: {name: kinds_total, help: Events by kind., labels: [kind], init: {kind: [never, a]}}
  - counter: {name: amount_total, help: Amounts., value: amount, labels: [kind, user], max_series: 3, expire_after: 4s}
  - histogram: {name: amounts, help: Amounts., value: amount, labels: [user], max_series: 9, expire_after: 30s, buckets: [2, 20]}
";

const SECOND: &str = r"
source: {file: {include: [/second.log]}}
decode: json
metrics:
  - counter: {name: seconds_total, help: Events., labels: [kind, user], max_series: 15, expire_after: 10s}
";

static VARIANTS: [Files; 4] = [
    &[("first.yaml", FIRST)],
    &[("second.yaml", SECOND), ("first.yaml", FIRST)],
    &[("first.yaml", CHANGED), ("second.yaml", SECOND)],
    &[("first.yaml", CHANGED)],
];

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A batch of a lane.
    Lines { second: bool, lane: u8, lines: Vec<(String, u8, f64)> },
    /// A lane ends.
    End { lane: u8 },
    /// What was counted is posted, so many seconds later.
    Tick { after: u64 },
    /// The configuration changes.
    Reload { variant: usize },
    /// The next call of that kind fails.
    Plan(Fault),
    /// After so many calls the process dies, and perhaps the machine with it.
    Die { calls: usize, crashes: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let amount = (0..40_000_i64).prop_map(|amount| amount as f64 / 40.0);
    let line = ("[abc]|noise", 0..40_u8, amount);
    let lines = (prop::bool::weighted(0.2), 0..4_u8, prop::collection::vec(line, 0..12));
    let fault = prop_oneof![
        4 => (0_usize..2000).prop_map(Fault::NoSpace),
        4 => Just(Fault::Sync),
        1 => Just(Fault::SyncDirectory),
        1 => Just(Fault::Truncate),
        1 => Just(Fault::Create),
        1 => Just(Fault::Remove),
    ];
    prop_oneof![
        12 => lines.prop_map(|(second, lane, lines)| Step::Lines { second, lane, lines }),
        1 => (0..4_u8).prop_map(|lane| Step::End { lane }),
        10 => (0..12_u64).prop_map(|after| Step::Tick { after }),
        1 => (0..VARIANTS.len()).prop_map(|variant| Step::Reload { variant }),
        2 => fault.prop_map(Step::Plan),
        2 => (0_usize..12, any::<bool>()).prop_map(|(calls, crashes)| Step::Die { calls, crashes }),
    ]
}

/// What must have been counted, by a simple count of our own.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counted {
    events: u64,
    kinds: BTreeMap<String, u64>,
    newest: Option<f64>,
    offsets: BTreeMap<String, u64>,
}

struct Model {
    world: World,
    disk: Faulty,
    sizes: (u64, usize),
    variant: usize,
    /// By what the workers have seen.
    seen: Counted,
    /// By what was posted.
    posted: Counted,
    crashes: bool,
}

impl Model {
    fn new(seed: u64, sizes: (u64, usize)) -> Model {
        let (disk, now) = (Faulty::new(seed), Duration::from_secs(1_000_000));
        let mut world = World::begin(&disk, open(&disk, now).unwrap(), VARIANTS[0], now);
        world.resize(sizes.0, sizes.1);
        let (seen, posted) = (Counted::default(), Counted::default());
        Model { world, disk, sizes, variant: 0, seen, posted, crashes: false }
    }

    fn lines(&mut self, second: bool, lane: u8, lines: &[(String, u8, f64)]) {
        let json = |(kind, user, amount): &(String, u8, f64)| {
            format!("{{\"kind\":\"{kind}\",\"user\":{user},\"amount\":{amount}}}\n")
        };
        let text: String = lines.iter().map(json).collect();
        let key = format!("lane {lane}");
        self.world.process(if second { "second" } else { "first" }, &key, &text);
        if second {
            return;
        }
        let seen = &mut self.seen;
        *seen.offsets.entry(key).or_default() += text.len() as u64;
        for (kind, _, amount) in lines.iter().filter(|(kind, ..)| kind != "noise") {
            seen.events += 1;
            *seen.kinds.entry(kind.clone()).or_default() += 1;
            seen.newest = Some(*amount);
        }
    }

    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Lines { second, lane, lines } => self.lines(second, lane, &lines),
            Step::End { lane } => {
                let key = format!("lane {lane}");
                self.world.end("first", &key);
                self.seen.offsets.remove(&key);
            }
            Step::Tick { after } => {
                let torn = self.world.tick(after);
                self.settle(torn, self.variant)?;
            }
            Step::Reload { variant } => {
                let torn = self.world.tick(0);
                let died = torn.is_err();
                self.settle(torn, self.variant)?;
                if !died {
                    let torn = self.world.reload(VARIANTS[variant]);
                    self.settle(torn, variant)?;
                }
            }
            Step::Plan(fault) => self.disk.plan(fault),
            Step::Die { calls, crashes } => {
                self.disk.die_after(calls);
                self.crashes = crashes;
                if calls == 0 {
                    self.seen = self.posted.clone();
                    let (before, after) = (self.world.on_disk(), self.world.shot());
                    self.recover(&Torn { before, after }, self.variant)?;
                }
            }
        }
        Ok(())
    }

    /// All that was seen is posted, or the process is dead.
    fn settle(&mut self, torn: Result<(), Box<Torn>>, variant: usize) -> Result<(), TestCaseError> {
        if let Err(torn) = torn {
            return self.recover(&torn, variant);
        }
        self.posted = self.seen.clone();
        self.variant = variant;
        self.check()
    }

    fn open(&self) -> Result<super::Opened, TestCaseError> {
        loop {
            match open(&self.disk, self.world.now) {
                Ok(opened) => return Ok(opened),
                Err(OpenError::Failed { .. } | OpenError::Directory { .. }) => self.revive(),
                Err(error) => return Err(TestCaseError::fail(format!("refused: {error}"))),
            }
        }
    }

    fn revive(&self) {
        if self.disk.is_dead() {
            if self.crashes { self.disk.crash() } else { self.disk.restart_process() }
        }
    }

    /// Another process goes on, with what was torn or without it.
    fn recover(&mut self, torn: &Torn, variant: usize) -> Result<(), TestCaseError> {
        self.world.keeper = super::Keeper::volatile(self.world.ledger.clone());
        self.revive();
        let opened = self.open()?;
        let found = |shot: &super::world::Shot| content(&opened.ledger.read(), &shot.pending);
        let is_there = found(&torn.after) == torn.after.content;
        let shot = if is_there { &torn.after } else { &torn.before };
        let found = found(shot);
        let different = found.iter().zip(&shot.content).find(|(found, posted)| found != posted);
        prop_assert_eq!(different, None);
        prop_assert_eq!(found.len(), shot.content.len());
        if is_there {
            self.variant = variant;
            self.posted = self.seen.clone();
        }
        let is_whole = same_pipelines(&opened, VARIANTS[self.variant]);
        self.world = World::begin(&self.disk, opened, VARIANTS[self.variant], self.world.now);
        self.world.resize(self.sizes.0, self.sizes.1);
        if is_whole {
            for (found, posted) in self.world.expositions().iter().zip(&shot.expositions) {
                let different = found.lines().zip(posted.lines()).find(|(found, posted)| found != posted);
                prop_assert_eq!(different, None);
                prop_assert_eq!(found.len(), posted.len());
            }
        }
        self.seen = self.posted.clone();
        self.check()
    }

    /// What is exposed is what was counted.
    fn check(&self) -> Result<(), TestCaseError> {
        let Counted { events, kinds, newest, offsets } = &self.posted;
        prop_assert_eq!(self.world.sample("events_total"), Some(*events as f64));
        prop_assert_eq!(self.world.sample("newest"), *newest);
        for (kind, count) in kinds {
            let name = format!("kinds_total{{kind=\"{kind}\"}}");
            prop_assert_eq!(self.world.sample(&name), Some(*count as f64), "{}", name);
        }
        let number = self.world.ledger.numbers(&["first"])[0];
        let found = self.world.ledger.positions(number).all();
        let found: BTreeMap<_, _> = found.into_iter().map(|(key, position)| (key, position.offset)).collect();
        prop_assert_eq!(&found, offsets);
        Ok(())
    }

    /// Several times what the ledger takes is bound to be enough for its segments.
    fn check_size(&self) -> Result<(), TestCaseError> {
        let bytes: usize = self.disk.contents().values().map(Vec::len).sum();
        prop_assert!(bytes < 400_000, "{} bytes", bytes);
        Ok(())
    }
}

/// Whether the pipelines that were found are the configured ones: then all of it is shown as it was.
fn same_pipelines(opened: &super::Opened, files: Files) -> bool {
    let mut found: Vec<_> = opened
        .ledger
        .look(|posted| posted.iter().map(|posted| format!("{}.yaml", posted.about.name)).collect());
    let mut wanted: Vec<_> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    found.sort();
    wanted.sort();
    found == wanted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_posted_is_found_and_counting_goes_on(
        seed: u64,
        segment in 500_u64..20_000,
        slice in 1_usize..600,
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut model = Model::new(seed, (segment, slice));
        for step in steps {
            model.apply(step)?;
        }
        model.disk.mend();
        model.check_size()?;
        model.apply(Step::Die { calls: 0, crashes: true })?;
    }
}

const LINES: &str = "{\"kind\":\"a\",\"user\":1,\"amount\":2.5}\n{\"kind\":\"b\",\"user\":2,\"amount\":7}\n";

fn world(seed: u64) -> World {
    let (disk, now) = (Faulty::new(seed), Duration::from_secs(1_000_000));
    let mut world = World::begin(&disk, open(&disk, now).unwrap(), VARIANTS[0], now);
    world.resize(700, 50);
    for _ in 0..3 {
        world.process("first", "log", LINES);
        assert!(world.tick(1).is_ok());
    }
    world
}

/// What is found after a crash must be one of these.
#[track_caller]
fn check_found(world: World, wanted: &[&super::world::Shot]) {
    let (disk, now) = (world.disk().clone(), world.now);
    drop(world);
    disk.crash();
    let opened = open(&disk, now).unwrap_or_else(|error| panic!("refused: {error}"));
    let is_found = |shot: &&super::world::Shot| content(&opened.ledger.read(), &shot.pending) == shot.content;
    assert!(wanted.iter().any(is_found), "what is found was never posted");
}

#[test]
fn what_is_posted_after_a_failure_is_found() {
    let no_space = [0, 1, 30, 200, 900].map(Fault::NoSpace);
    let others = [Fault::Sync, Fault::SyncDirectory, Fault::Create, Fault::Truncate, Fault::Remove];
    for seed in 0..20 {
        for fault in no_space.iter().chain(&others) {
            let mut world = world(seed);
            for again in [&[][..], &[Fault::Sync], &[Fault::NoSpace(40), Fault::Sync]] {
                world.disk().plan(*fault);
                again.iter().for_each(|fault| world.disk().plan(*fault));
                world.process("first", "log", LINES);
                assert!(world.tick(1).is_ok());
            }
            let shot = world.shot();
            check_found(world, &[&shot]);
        }
    }
}

#[test]
fn a_posting_that_a_crash_cut_off_is_found_whole_or_not_at_all() {
    for seed in 0..200 {
        let mut cut_off = 0;
        for calls in 1..8 {
            let mut world = world(seed);
            world.disk().die_after(calls);
            world.process("first", "log", LINES);
            match world.tick(1) {
                Ok(()) => {
                    let shot = world.shot();
                    check_found(world, &[&shot]);
                }
                Err(torn) => {
                    cut_off += 1;
                    check_found(world, &[&torn.before, &torn.after]);
                }
            }
        }
        assert!(cut_off > 0);
    }
}

#[test]
fn segments_roll_over_and_older_ones_are_removed() {
    let mut world = world(1);
    let size = |world: &World| {
        let files = world.disk().contents();
        let newest = files.keys().next_back().unwrap().display().to_string();
        (files.len(), files.values().map(Vec::len).sum::<usize>(), newest)
    };
    let mut most = 0;
    for at in 0..2000 {
        if at % 3 == 0 {
            world.disk().plan(Fault::Sync);
        }
        world.process("first", "log", LINES);
        assert!(world.tick(1).is_ok());
        most = most.max(size(&world).1);
    }
    let (files, _, newest) = size(&world);
    assert!(most < 40_000 && files < 20, "{most} bytes, {files} files");
    assert!(newest.as_str() > "/state/journal-0000000050", "{newest}");
    let shot = world.shot();
    check_found(world, &[&shot]);
}

/// Budgets of slices that end within the head of the next one.
#[test]
fn slices_of_any_size_hold_every_series() {
    for slice in 1..400 {
        let mut world = world(1);
        world.resize(100, slice);
        for at in 0..40 {
            world.process("first", "log", &LINES.replace(":1,", &format!(":{},", at % 7)));
            assert!(world.tick(1).is_ok());
        }
        let shot = world.shot();
        check_found(world, &[&shot]);
    }
}
