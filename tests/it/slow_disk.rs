//! A disk that takes its time: scrapes do not wait for it for ever, and show what is durable.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use streamgauge::base::clock::Clock;
use streamgauge::config;
use streamgauge::engine::{Engine, Options, Surroundings};
use streamgauge::journal::{Access, Appendable, Disk, Lock, Readable, System};
use streamgauge::ledger::{Keeper, Ledger};
use streamgauge::model::batch::{Batch, Ends, Lane, Position};
use streamgauge::model::refused::Refusals;
use streamgauge::source::Outlet;
use streamgauge::telemetry::Telemetry;

/// Whether syncs return. Set by the test, waited for by the ticker.
#[derive(Debug, Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        drop(self.opened.wait_while(self.is_shut.lock().unwrap(), |is_shut| *is_shut).unwrap());
    }
}

/// The files of this machine, which are synced while the gate is open.
#[derive(Debug)]
struct Slow(Arc<Gate>);

impl Disk for Slow {
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        System.make_directory(directory)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        System.list(directory)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Readable>> {
        System.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appendable>> {
        Ok(Box::new(SlowFile(System.create(path)?, Arc::clone(&self.0))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        System.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        System.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        System.sync_directory(directory)
    }

    fn lock(&self, path: &Path, access: Access) -> io::Result<Lock> {
        System.lock(path, access)
    }
}

struct SlowFile(Box<dyn Appendable>, Arc<Gate>);

impl Appendable for SlowFile {
    fn append(&mut self, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.0.append(parts)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.pass();
        self.0.sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
}

struct World {
    gate: Arc<Gate>,
    clock: Clock,
    ledger: Arc<Ledger>,
    telemetry: Arc<Telemetry>,
    engine: Engine,
    lane: Arc<Lane>,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let (folder, gate) = (tempfile::tempdir().unwrap(), Arc::new(Gate::default()));
        let clock = Clock::manual(Duration::from_secs(1_800_000_000));
        let disk = Arc::new(Slow(Arc::clone(&gate)));
        let opened = Keeper::open(&folder.path().join("state"), disk, clock.steady()).unwrap();
        let text = "source: stdin\nmetrics: [{counter: {name: lines_total, help: Lines.}}]\n";
        let mut plan = config::parse(&[("test.yaml", text)], &|_| None).unwrap();
        let (ledger, mut keeper, telemetry) = (opened.ledger, opened.keeper, Arc::new(Telemetry::default()));
        plan.join(&ledger);
        keeper.adopt(plan.accounts(), clock.steady());
        let surroundings = Surroundings {
            ledger: Arc::clone(&ledger),
            telemetry: Arc::clone(&telemetry),
            clock: clock.clone(),
        };
        let options = Options { workers: 1, queue_bytes: 1 << 16, tick: None };
        let engine = Engine::start(&options, keeper, surroundings, || plan.processors());
        let lane = engine.outlet(0).open("a".to_owned(), "a".to_owned(), Vec::new());
        World { gate, clock, ledger, telemetry, engine, lane, folder }
    }

    fn line(&self) {
        let batch = Batch {
            lane: Arc::clone(&self.lane),
            bytes: b"line\n".to_vec(),
            ends: Ends::Newlines,
            end: Position { offset: 5, ..Position::default() },
            refused: Refusals::default(),
            last: false,
        };
        self.engine.outlet(0).send(batch).unwrap();
    }

    /// The lines that are shown.
    fn shown(&self) -> u64 {
        self.ledger.look(|posted| posted[0].flow.events)
    }
}

#[test]
fn a_scrape_does_not_wait_for_ever_and_shows_what_is_durable() {
    let world = World::new();
    world.line();
    while world.shown() == 0 {
        world.engine.ticker().tick();
    }
    world.gate.shut(true);
    world.line();
    let ticker = world.engine.ticker();
    assert!(!ticker.tick_within(Duration::from_millis(200)), "nothing could be committed");
    world.clock.advance(Duration::from_secs(1));
    // It waits for two seconds, not for the disk.
    ticker.tick_for_scrape();
    assert_eq!(world.shown(), 1);
    world.clock.advance(Duration::from_secs(6));
    let trouble = world.telemetry.journal.trouble(world.clock.monotonic(), Duration::from_secs(5));
    assert!(trouble.unwrap().contains("nothing was posted for 7 s"));
    world.gate.shut(false);
    while world.shown() < 2 {
        ticker.tick();
    }
    assert_eq!(world.telemetry.journal.trouble(world.clock.monotonic(), Duration::ZERO), None);
    let World { engine, folder, .. } = world;
    engine.drain(Duration::ZERO).unwrap();
    let opened = Keeper::open(&folder.path().join("state"), Arc::new(System), Duration::ZERO).unwrap();
    opened.keeper.journal().unwrap();
}

#[test]
fn scrapes_that_come_within_a_moment_share_a_tick() {
    let world = World::new();
    let ticker = world.engine.ticker();
    ticker.tick();
    let before = ticker.posted();
    (0..50).for_each(|_| ticker.tick_for_scrape());
    assert_eq!(ticker.posted(), before);
    world.clock.advance(Duration::from_millis(100));
    (0..50).for_each(|_| ticker.tick_for_scrape());
    assert_eq!(ticker.posted(), before + 1);
}
