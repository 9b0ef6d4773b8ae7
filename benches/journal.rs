//! What it costs to keep the ledger in a state directory, beside an embedded database.
//!
//! ```sh
//! cargo bench --bench journal              # a million series, on the disk of the target directory
//! cargo bench --bench journal -- --smoke   # few series: does it work
//! ```
//!
//! * **a posting**: some of a million counters are touched by each tick. The time from the deltas to where they are shown,
//!   with the write that makes them durable, and the bytes written. Beside it [redb](https://docs.rs/redb): the same
//!   series with their new values, by number, in one durable transaction.
//! * **a start** with the ledger of a million series.
//! * **the record path**: the events a second that one worker counts while 10,000 series are touched in each second, with a
//!   state directory and without, in turns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, TableDefinition};
use streamgauge::base::clock::Clock;
use streamgauge::config::{self, Plan};
use streamgauge::engine::{Engine, Options, Surroundings};
use streamgauge::journal::System;
use streamgauge::ledger::{Keeper, Ledger};
use streamgauge::model::batch::{Batch, Ends, Lane, LaneId, Position};
use streamgauge::model::refused::Refusals;
use streamgauge::pipeline::{Delta, Processor};
use streamgauge::source::Outlet;
use streamgauge::telemetry::Telemetry;

const PIPELINE: &str = "
source: stdin
decode: {pattern: '$series $value'}
metrics:
  - counter: {name: values_total, help: Values., value: value, labels: [series], max_series: 2000000}
";

/// The time of the first posting.
const START: Duration = Duration::from_secs(1_795_183_200);

/// How much is measured.
struct Scale {
    series: usize,
    touched: &'static [usize],
    postings: usize,
    seconds: u64,
}

const FULL: Scale =
    Scale { series: 1_000_000, touched: &[1_000, 10_000, 100_000], postings: 60, seconds: 10 };
const SMOKE: Scale = Scale { series: 2_000, touched: &[100], postings: 3, seconds: 1 };

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let scale = if smoke { SMOKE } else { FULL };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder beside the target");
    say(&format!("{} series; medians of {} postings", scale.series, scale.postings));
    for touched in scale.touched {
        let own = postings(&scale, *touched, &folder.path().join(format!("own-{touched}")));
        let redb = transactions(&scale, *touched, &folder.path().join(format!("redb-{touched}")));
        own.show(&format!("{touched} touched, journal"), *touched);
        redb.show(&format!("{touched} touched, redb"), *touched);
    }
    start(&folder.path().join(format!("own-{}", scale.touched[0])));
    record_path(&scale, folder.path());
}

#[expect(clippy::print_stdout, reason = "this is the answer")]
fn say(line: &str) {
    println!("{line}");
}

fn plan() -> Plan {
    config::parse(&[("bench.yaml", PIPELINE)], &|_| None).expect("the pipeline is right")
}

/// What the postings of one kind took.
struct Took {
    times: Vec<Duration>,
    written: u64,
    size: u64,
}

impl Took {
    fn show(mut self, what: &str, touched: usize) {
        self.times.sort();
        let (median, slowest) = (self.times[self.times.len() / 2], self.times[self.times.len() - 1]);
        let each = self.written as f64 / (self.times.len() * touched) as f64;
        say(&format!(
            "{what:<28} {:>8.2} ms, slowest {:>8.2} ms, {each:>7.1} B written a touched series, {:>6.1} MB on disk",
            median.as_secs_f64() * 1e3,
            slowest.as_secs_f64() * 1e3,
            self.size as f64 / 1e6
        ));
    }
}

/// The series that are touched by a posting: spread over all, others each time.
fn touched(scale: &Scale, count: usize, posting: usize) -> impl Iterator<Item = usize> {
    let (series, step) = (scale.series, scale.series / count);
    (0..count).map(move |at| (at * step + posting * 7919) % series)
}

fn lines(series: impl Iterator<Item = usize>) -> Vec<u8> {
    series.flat_map(|series| format!("series-{series:07} {}\n", 1 + series % 1000).into_bytes()).collect()
}

fn batch(lane: &Arc<Lane>, bytes: Vec<u8>) -> Batch {
    let end = Position { offset: bytes.len() as u64, ..Position::default() };
    let (lane, ends, refused) = (Arc::clone(lane), Ends::Newlines, Refusals::default());
    Batch { lane, bytes, ends, end, refused, last: false }
}

fn lane() -> Arc<Lane> {
    let name = "bench".to_owned();
    Arc::new(Lane { id: LaneId(0), pipeline: 0, key: name.clone(), name, fields: Vec::new() })
}

/// The ledger of a directory, for a plan.
fn open(directory: &Path) -> (Plan, Arc<Ledger>, Keeper) {
    let opened = Keeper::open(directory, Arc::new(System), START).expect("the directory is ours");
    let (ledger, mut keeper, mut plan) = (opened.ledger, opened.keeper, plan());
    plan.join(&ledger);
    keeper.adopt(plan.accounts(), START);
    (plan, ledger, keeper)
}

/// A ledger of all series in `directory`, and then postings that touch some of them.
fn postings(scale: &Scale, count: usize, directory: &Path) -> Took {
    let (plan, _, mut keeper) = open(directory);
    let mut processors = plan.processors();
    let lane = lane();
    let mut delta = |series: &mut dyn Iterator<Item = usize>| {
        processors[0].process(&batch(&lane, lines(series)));
        let pipelines = processors.iter_mut().map(Processor::take).collect();
        Delta { positions: vec![(Arc::clone(&lane), Some(Position::default()))], pipelines }
    };
    let mut now = START;
    let mut post = |keeper: &mut Keeper, delta: Delta| {
        now += Duration::from_secs(1);
        keeper.post(vec![delta], now, &mut |error| panic!("{error}")).expect("it is tried again");
    };
    post(&mut keeper, delta(&mut (0..scale.series)));
    // So much new makes the journal begin a segment, and write all series into it over the next postings.
    let rolling = (0..scale.series.div_ceil(20_000)).map(|at| at..at + 1);
    rolling.for_each(|mut one| post(&mut keeper, delta(&mut one)));
    let written =
        |keeper: &Keeper| keeper.journal().map_or((0, 0), |journal| (journal.written(), journal.size()));
    let (clock, before) = (Clock::system(), written(&keeper).0);
    let mut times = Vec::new();
    for posting in 0..scale.postings {
        let delta = delta(&mut touched(scale, count, posting));
        let begun = clock.monotonic();
        post(&mut keeper, delta);
        times.push(clock.monotonic() - begun);
    }
    let (written, size) = written(&keeper);
    Took { times, written: written - before, size }
}

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("series");

/// The same in a database: 24 bytes for each series, by its number.
fn transactions(scale: &Scale, count: usize, path: &Path) -> Took {
    let database = Database::create(path).expect("the database can be made");
    let write = |series: &mut dyn Iterator<Item = usize>, value: u64| {
        let transaction = database.begin_write().expect("a transaction");
        {
            let mut table = transaction.open_table(TABLE).expect("a table");
            for series in series {
                let kept = [value.to_le_bytes(), value.to_le_bytes(), value.to_le_bytes()].concat();
                table.insert(series as u64, kept.as_slice()).expect("a value");
            }
        }
        transaction.commit().expect("it is durable");
    };
    write(&mut (0..scale.series), 1);
    let (clock, before) = (Clock::system(), disk_writes());
    let mut times = Vec::new();
    for posting in 0..scale.postings {
        let begun = clock.monotonic();
        write(&mut touched(scale, count, posting), posting as u64);
        times.push(clock.monotonic() - begun);
    }
    let written = disk_writes() - before;
    Took { times, written, size: std::fs::metadata(path).map_or(0, |file| file.len()) }
}

/// The bytes that this process has caused to be written.
fn disk_writes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or_default()
}

fn start(directory: &Path) {
    let clock = Clock::system();
    let (_, ledger, keeper) = open(directory);
    let took = clock.monotonic();
    let series = ledger.look(|posted| posted[0].accounts[0].series().0);
    let size = keeper.journal().map_or(0, |journal| journal.size());
    say(&format!(
        "start with {series} series       {:>8.0} ms, {:.1} MB on disk",
        took.as_secs_f64() * 1e3,
        size as f64 / 1e6
    ));
    // The system takes memory back at once.
    std::mem::forget((ledger, keeper));
}

/// Events a second of one worker, with 10,000 series, without and with a state directory.
fn record_path(scale: &Scale, folder: &Path) {
    let text = lines(0..scale.series.min(10_000));
    let events = memchr::memchr_iter(b'\n', &text).count();
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..3 {
        for (at, rates) in rates.iter_mut().enumerate() {
            let directory = (at == 1).then(|| folder.join(format!("path-{round}")));
            rates.push(rate(directory, (&text, events), scale.seconds));
        }
    }
    let [without, with] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    let loss = 100.0 * (1.0 - with / without);
    say(&format!(
        "record path, 10,000 series   {:>8.2} M events/s without, {:.2} M/s with a state directory: {loss:.1} % less",
        without / 1e6,
        with / 1e6
    ));
}

fn rate(directory: Option<PathBuf>, (text, events): (&[u8], usize), seconds: u64) -> f64 {
    let (plan, ledger, keeper) = match &directory {
        Some(directory) => open(directory),
        None => {
            let plan = plan();
            let ledger = Arc::new(plan.ledger(START));
            (plan, Arc::clone(&ledger), Keeper::volatile(ledger))
        }
    };
    let clock = Clock::system();
    let surroundings =
        Surroundings { ledger, telemetry: Arc::new(Telemetry::default()), clock: clock.clone() };
    let options = Options { workers: 1, queue_bytes: 4 << 20, tick: Some(Duration::from_secs(1)) };
    let engine = Engine::start(&options, keeper, surroundings, || plan.processors());
    let mut outlet = engine.outlet(0);
    let lane = outlet.open("bench".to_owned(), "bench".to_owned(), Vec::new());
    let (mut counted, begun) = (0, clock.monotonic());
    while clock.monotonic() - begun < Duration::from_secs(seconds) {
        let mut bytes = outlet.buffer();
        bytes.extend_from_slice(text);
        outlet.send(batch(&lane, bytes)).expect("the engine runs");
        counted += events;
    }
    let took = clock.monotonic() - begun;
    engine.drain(Duration::from_secs(10)).expect("all is posted");
    counted as f64 / took.as_secs_f64()
}
