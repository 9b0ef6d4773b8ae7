//! The program is killed with SIGKILL again and again while events flow, and goes on each time with its state directory.
//!
//! One process reads two files that are rotated all the while, and a topic. Whoever scrapes it never sees a counter go back or
//! a page that does not fit together; in the end everything that was written is counted exactly once.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use streamgauge::base::clock::Clock;
use streamgauge::base::shutdown::Shutdown;

use crate::kafka::broker;
use crate::kafka::cluster::Mock;
use crate::kafka::watchman::{PROPERTIES, Watchman};
use crate::program::get;
use crate::prometheus::Prometheus;
use crate::sample::samples;
use files::{Log, PARTS, rotate_by_copy, rotate_by_rename};
use lives::{Chance, Life, Program, free_address, write_pipeline};
use scraper::{Counted, Seen, scrape};
use topic::PARTITIONS;
use truth::Truth;

mod files;
mod lives;
mod scraper;
mod topic;
mod truth;

/// The numbers of the second file's lines begin here.
const SECOND_FILE: u64 = 100_000_000;

/// The topic that is read, and how.
struct Topic<'t> {
    brokers: String,
    name: &'t str,
    /// What else the source is told.
    options: &'t str,
}

/// Everything that goes on at the same time.
struct Scene<'s> {
    program: &'s Program,
    topic: &'s Topic<'s>,
    counted: Counted,
    /// Raised when nothing more is to be written.
    stop: Shutdown,
    /// Raised when it is over.
    over: Shutdown,
}

/// Ends everything when the thread that has it panics, so that nobody waits for it.
struct Alarm<'s>(&'s Scene<'s>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop.raise();
            self.0.over.raise();
        }
    }
}

fn pipelines(folder: &Path, topic: &Topic<'_>) {
    let include = folder.join("logs/*.log");
    let source = format!("source: {{file: {{include: [\"{}\"], start_at: beginning}}}}\n", include.display());
    write_pipeline(folder, "files.yaml", &(source + &truth::metrics("files", "file.path")));
    let Topic { brokers, name, options } = topic;
    let source = format!(
        "source: {{kafka: {{brokers: [\"{brokers}\"], topics: [{name}], group: {name}, properties: {{{options}}}}}}}\n"
    );
    write_pipeline(folder, "topic.yaml", &(source + &truth::metrics("topic", "kafka.partition")));
}

/// Kills the program so many times; the life that is left.
fn lives(scene: &Scene<'_>, first: Life, kills: u64, chance: &mut Chance) -> Life {
    let Scene { program, counted, over, .. } = scene;
    let mut life = first;
    for number in 0..kills {
        match number % 6 {
            // Perhaps before it has read its state, or before it serves.
            5 => drop(over.wait(chance.time(60))),
            // To join its group takes a member some time: it is not to be killed before it has every time.
            2 => {
                life.wait_until_it_serves();
                let before = counted.sample("topic_events_total");
                counted.wait_for("topic_events_total", before + 1.0, over);
                over.wait(chance.time(500));
            }
            _ => {
                life.wait_until_it_serves();
                over.wait(chance.time(500));
            }
        }
        assert!(!over.is_raised(), "somebody else has panicked");
        life.kill();
        life = program.start();
    }
    life.wait_until_it_serves();
    life
}

/// What `increase` of Prometheus says of the whole run, and of every series that was there from the start.
fn check_increases(prometheus: &Prometheus, start: f64, truths: [&Truth; 2]) {
    let ends = truths
        .map(|truth| prometheus.wait_for(&format!("{}_events_total", truth.prefix), truth.events() as f64));
    let end = ends[0].max(ends[1]);
    // From the first scrape to the last there is nothing to extrapolate.
    let range = format!("[{}ms]", ((end - start) * 1000.0).round());
    for (name, expected) in truths.into_iter().flat_map(Truth::samples) {
        let found = prometheus.values(&format!("increase({name}{range})"), "", end);
        let found = *found.get("").unwrap_or_else(|| panic!("{name} has no increase over {range}"));
        // What a computation in floats may be off by, a millionth of an event in a thousand.
        assert!((found - expected).abs() <= expected * 1e-9, "{name} has grown by {found}, not {expected}");
    }
}

/// Has events written and scraped while the program is killed so many times; the life that is left once all is counted, what
/// was written to the files and the topic, and what was scraped.
fn play(
    scene: &Scene<'_>,
    (first, kills, chance): (Life, u64, &mut Chance),
    [renamed, copied]: &[PathBuf; 2],
) -> (Life, [Truth; 2], Seen) {
    let Scene { program, topic, counted, stop, over } = scene;
    std::thread::scope(|scope| {
        let _alarm = Alarm(scene);
        let scraping = scope.spawn(|| {
            let _alarm = Alarm(scene);
            scrape(&program.address, &["files", "topic"], counted, over)
        });
        let by_rename = scope.spawn(|| {
            let _alarm = Alarm(scene);
            Log::new(renamed, 0, counted).write(rotate_by_rename, stop, over)
        });
        let by_copy = scope.spawn(|| {
            let _alarm = Alarm(scene);
            Log::new(copied, SECOND_FILE, counted).write(rotate_by_copy, stop, over)
        });
        let producing = scope.spawn(|| {
            let _alarm = Alarm(scene);
            topic::produce(&topic.brokers, topic.name, (counted, stop, over))
        });
        let life = lives(scene, first, kills, chance);
        stop.raise();
        let mut files = Truth::new("files");
        for (path, writing) in [(renamed, by_rename), (copied, by_copy)] {
            for (content, number) in writing.join().unwrap().into_iter().zip(0..) {
                files.add(&path.display().to_string(), number % PARTS, content);
            }
        }
        let (mut topic, messages) = (Truth::new("topic"), producing.join().unwrap());
        for partition in 0..PARTITIONS {
            let numbers = (partition..messages).step_by(PARTITIONS as usize);
            topic.add(&partition.to_string(), 0, numbers);
        }
        over.raise();
        (life, [files, topic], scraping.join().unwrap())
    })
}

/// Kills the program so many times while events flow: all are counted, exactly once.
fn check(kills: u64, topic: &Topic<'_>) {
    let (folder, mut chance) = (tempfile::tempdir().unwrap(), Chance::new());
    let begun = Clock::system();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let logs = ["renamed.log", "copied.log"].map(|name| folder.path().join("logs").join(name));
    logs.iter().for_each(|log| drop(File::create(log).unwrap()));
    pipelines(folder.path(), topic);
    let program = Program { folder: folder.path().to_owned(), address: free_address(&mut chance) };
    let first = program.start_and_serve();
    let prometheus = Prometheus::start(folder.path(), &program.address, "100ms");
    let start = prometheus.as_ref().map(|prometheus| prometheus.wait_for("topic_events_total", 0.0));
    let (counted, stop, over) = (Counted::default(), Shutdown::new(), Shutdown::new());
    let scene = Scene { program: &program, topic, counted, stop, over };
    let (life, truths, seen) = play(&scene, (first, kills, &mut chance), &logs);
    let check_all = || {
        let page = samples(&get(&program.address, "/metrics", "").unwrap().1);
        truths.iter().for_each(|truth| truth.check(&page));
    };
    check_all();
    if let (Some(prometheus), Some(start)) = (&prometheus, start) {
        check_increases(prometheus, start, truths.each_ref());
    }
    // What was shown is still there after another life, in which nothing comes any more.
    life.kill();
    let life = program.start_and_serve();
    check_all();
    life.kill();
    let [files, topic] = truths.each_ref().map(Truth::events);
    let (Seen { pages, failures, .. }, (counters, created)) = (&seen, seen.watched());
    assert!(*pages > kills && counters > 60 && created > 40, "{pages} {counters} {created}");
    if is_long() {
        let took = begun.monotonic();
        let said = format!("{kills} kills, {files} lines, {topic} messages, {took:?}");
        writeln!(std::io::stderr(), "{said}: {pages} scrapes, {failures} without an answer").ok();
    }
}

fn is_long() -> bool {
    std::env::var_os("STREAMGAUGE_LONG").is_some_and(|value| value == "1")
}

#[test]
fn killed_at_any_moment_it_goes_on_exactly() {
    let mock = Mock::new(1);
    mock.cluster.create_topic("crash", PARTITIONS as i32, 1).unwrap();
    let _watchman = Watchman::of(&mock, "crash");
    let topic = Topic { brokers: mock.brokers(), name: "crash", options: PROPERTIES };
    check(if is_long() { 200 } else { 12 }, &topic);
}

#[test]
fn with_a_real_kafka_too_it_goes_on_exactly_after_being_killed() {
    let Some(broker) = broker::shared() else { return };
    broker.create_topic("crash", PARTITIONS as u32);
    // A static member, which may come back without the group's waiting for the one that was killed.
    let options = "group.instance.id: crash";
    check(10, &Topic { brokers: broker.plaintext.clone(), name: "crash", options });
}
