//! For tests: workers, a ledger and who keeps it, on a disk that fails and crashes. A test says when anything happens.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::keeper::Sizes;
use super::state::State;
use super::{Abandoned, Keeper, Ledger, Opened};
use crate::config::{self, Plan};
use crate::encode;
use crate::journal::OpenError;
use crate::journal::faulty::Faulty;
use crate::model::batch::{Batch, Ends, Lane, LaneId, Position};
use crate::model::refused::Refusals;
use crate::model::series::SeriesId;
use crate::pipeline::{Delta, Processor};

pub(super) const DIRECTORY: &str = "/state";

/// Pipeline files: their names and texts.
pub(super) type Files = &'static [(&'static str, &'static str)];

pub(super) fn plan(files: &[(&str, &str)]) -> Plan {
    config::parse(files, &|_| None).unwrap_or_else(|faults| panic!("{}", faults.render(false)))
}

/// What is kept in a directory.
pub(super) fn open(disk: &Faulty, now: Duration) -> Result<Opened, OpenError> {
    Keeper::open(Path::new(DIRECTORY), Arc::new(disk.clone()), now)
}

/// One worker, and where its lanes are.
struct Worker {
    processors: Vec<Processor>,
    positions: Vec<(Arc<Lane>, Option<Position>)>,
}

/// Everything that posts, and what it posts to.
pub(super) struct World {
    pub(super) ledger: Arc<Ledger>,
    pub(super) keeper: Keeper,
    pub(super) now: Duration,
    disk: Faulty,
    plan: Plan,
    workers: Vec<Worker>,
    /// By pipeline and key: lanes, and how far they are.
    lanes: BTreeMap<String, (Arc<Lane>, u64)>,
    next_lane: u64,
    /// The keys of lanes that ended.
    ended: HashSet<String>,
    /// What is on disk while what was adopted is not.
    before: Option<Shot>,
}

/// What was being posted when it could not be committed: it may be there or not.
pub(super) struct Torn {
    pub(super) before: Shot,
    pub(super) after: Shot,
}

impl World {
    /// Goes on with what was found, as these pipelines.
    pub(super) fn begin(disk: &Faulty, opened: Opened, files: &[(&str, &str)], now: Duration) -> World {
        let Opened { ledger, mut keeper, .. } = opened;
        let mut plan = plan(files);
        plan.join(&ledger);
        let content = content(&ledger.read(), &Pending::new());
        let before = Some(Shot { content, pending: Pending::new(), expositions: Vec::new() });
        keeper.adopt(plan.accounts(), now);
        let (lanes, ended, workers, disk) = (BTreeMap::new(), HashSet::new(), Vec::new(), disk.clone());
        let mut world =
            World { ledger, keeper, now, disk, plan, workers, lanes, next_lane: 0, ended, before };
        world.hire(3);
        world
    }

    /// A new directory.
    pub(super) fn new(files: &[(&str, &str)]) -> World {
        let (disk, now) = (Faulty::new(1), Duration::from_secs(1_000_000));
        let opened = open(&disk, now).unwrap();
        World::begin(&disk, opened, files, now)
    }

    /// Ends, and another process goes on so much later with these pipelines.
    pub(super) fn restart(self, files: &[(&str, &str)], after: u64) -> World {
        let (disk, now) = (self.disk.clone(), self.now + Duration::from_secs(after));
        drop(self);
        let opened = open(&disk, now).unwrap();
        let mut world = World::begin(&disk, opened, files, now);
        assert!(world.tick(0).is_ok());
        world
    }

    pub(super) fn disk(&self) -> &Faulty {
        &self.disk
    }

    /// Has segments and slices of these sizes.
    pub(super) fn resize(&mut self, segment: u64, slice: usize) {
        self.keeper.resize(Sizes { segment, slice });
    }

    fn hire(&mut self, workers: usize) {
        let worker = |_| Worker { processors: self.plan.processors(), positions: Vec::new() };
        self.workers = (0..workers).map(worker).collect();
    }

    /// Takes lines of a lane of a pipeline to the worker that it is pinned to.
    pub(super) fn process(&mut self, pipeline: &str, key: &str, lines: &str) {
        self.send(pipeline, key, lines, false);
    }

    /// Ends a lane.
    pub(super) fn end(&mut self, pipeline: &str, key: &str) {
        self.send(pipeline, key, "", true);
        self.lanes.remove(&format!("{pipeline} {key}"));
        self.ended.insert(key.to_owned());
    }

    fn send(&mut self, pipeline: &str, key: &str, lines: &str, last: bool) {
        let Some(at) = self.plan.pipelines.iter().position(|plan| plan.name == pipeline) else { return };
        let number = self.plan.pipelines[at].number;
        let known = self.ledger.positions(number).get(key).filter(|_| !self.ended.contains(key));
        let next_lane = &mut self.next_lane;
        let (lane, offset) = self.lanes.entry(format!("{pipeline} {key}")).or_insert_with(|| {
            *next_lane += 1;
            let (key, name, fields) = (key.to_owned(), key.to_owned(), vec![Box::default()]);
            let lane = Lane { id: LaneId(*next_lane), pipeline: number, key, name, fields };
            (Arc::new(lane), known.unwrap_or_default().offset)
        });
        *offset += lines.len() as u64;
        let (lane, end) = (Arc::clone(lane), Position { offset: *offset, ..Position::default() });
        let count = self.workers.len();
        let worker = &mut self.workers[lane.id.0 as usize % count];
        let (bytes, refused) = (lines.as_bytes().to_vec(), Refusals::default());
        let batch = Batch { lane: Arc::clone(&lane), bytes, ends: Ends::Newlines, end, refused, last };
        worker.processors[at].process(&batch);
        worker.positions.push((lane, (!last).then_some(end)));
    }

    fn hand_over(&mut self) -> Vec<Delta> {
        let delta = |worker: &mut Worker| Delta {
            positions: std::mem::take(&mut worker.positions),
            pipelines: worker.processors.iter_mut().map(Processor::take).collect(),
        };
        self.workers.iter_mut().map(delta).collect()
    }

    /// Posts what the workers counted, so many seconds after the last time.
    pub(super) fn tick(&mut self, after: u64) -> Result<(), Box<Torn>> {
        self.now += Duration::from_secs(after);
        let deltas = self.hand_over();
        self.post(deltas)
    }

    /// Goes on with other pipelines, once everything that the workers counted is posted.
    pub(super) fn reload(&mut self, files: &[(&str, &str)]) -> Result<(), Box<Torn>> {
        let mut plan = plan(files);
        plan.join(&self.ledger);
        self.before = Some(self.shot());
        self.keeper.adopt(plan.accounts(), self.now);
        self.plan = plan;
        self.hire(self.workers.len());
        self.post(Vec::new())
    }

    /// As [`Keeper::post`] does, but what was not committed can be looked at.
    fn post(&mut self, deltas: Vec<Delta>) -> Result<(), Box<Torn>> {
        let prepared = self.ledger.prepare(deltas, self.now);
        let disk = &self.disk;
        match self.keeper.commit(&prepared, &mut |_| !disk.is_dead()) {
            Ok(_) => {
                self.ledger.apply(prepared);
                self.before = None;
                Ok(())
            }
            Err(Abandoned) => {
                let before = self.on_disk();
                self.ledger.apply(prepared);
                Err(Box::new(Torn { before, after: self.shot() }))
            }
        }
    }

    /// Everything that is committed now.
    pub(super) fn on_disk(&mut self) -> Shot {
        self.before.take().unwrap_or_else(|| self.shot())
    }

    /// Everything that is posted now.
    pub(super) fn shot(&self) -> Shot {
        let state = self.ledger.read();
        let pending = pending(&state);
        Shot { content: content(&state, &pending), pending, expositions: self.expositions() }
    }

    /// What is exposed now and later, when windows moved on and series are hidden.
    pub(super) fn expositions(&self) -> Vec<String> {
        let exposed = |after| exposition(&self.ledger, self.now + Duration::from_secs(after));
        [0, 7, 25, 100, 4000].map(exposed).to_vec()
    }

    /// The value of a sample; `None` if it is not there.
    pub(super) fn sample(&self, name: &str) -> Option<f64> {
        sample(&self.ledger, name, self.now)
    }
}

/// The value of a sample at `now`; `None` if it is not there.
pub(super) fn sample(ledger: &Ledger, name: &str, now: Duration) -> Option<f64> {
    let text = exposition(ledger, now);
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

pub(super) fn exposition(ledger: &Ledger, now: Duration) -> String {
    let kind = encode::KINDS.iter().find(|kind| kind.name == "openmetrics").unwrap();
    let (mut encoder, mut out) = ((kind.build)(now), Vec::new());
    ledger.encode(now, &mut *encoder, &mut out, |posted, _, out| {
        for posted in posted {
            out.extend(format!("# {:?} {:?}\n", posted.about, posted.flow).into_bytes());
        }
    });
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// A series that was forgotten when the newest posting was posted, by its pipeline, account and number: the journal hears of
/// it with the next posting, so until then it may be found.
type Pending = HashSet<(usize, usize, SeriesId)>;

/// A state that was looked at.
pub(super) struct Shot {
    /// Everything, to the bit.
    pub(super) content: Vec<String>,
    pub(super) pending: Pending,
    /// None if nothing was adopted yet: then it is not known what is hidden.
    pub(super) expositions: Vec<String>,
}

fn pending(state: &State) -> Pending {
    let mut pending = HashSet::new();
    for (number, kept) in state.kept() {
        for (at, account) in kept.all().enumerate() {
            pending.extend(account.forgotten().iter().map(|(series, _)| (number, at, *series)));
        }
    }
    pending
}

/// Everything in a state, but for those series.
pub(super) fn content(state: &State, but: &Pending) -> Vec<String> {
    let mut content = Vec::new();
    for (number, kept) in state.kept() {
        let (about, removed, started, flow) = (&kept.about, kept.removed, kept.started, &kept.flow);
        content.push(format!("{number}: {about:?} {removed:?} {started:?} {flow:?}"));
        let mut positions = kept.positions.all();
        positions.sort_by(|left, right| left.0.cmp(&right.0));
        content.push(format!("{positions:?}"));
        let configured = kept.accounts.len();
        for (at, account) in kept.all().enumerate() {
            let removed = at.checked_sub(configured).map(|at| kept.remains[at].0);
            let (family, declared) = (account.family(), account.declared());
            content.push(format!("{family:?} {declared:?} {removed:?} {:?}", account.started()));
            let mut seen = HashSet::new();
            for (series, key, kept) in account.everything() {
                assert!(seen.insert(series), "{series:?} is there twice");
                if !but.contains(&(number, at, series)) {
                    content.push(format!("{series:?} {key:?} {kept:?}"));
                }
            }
        }
    }
    content
}
