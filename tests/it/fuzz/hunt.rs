//! Takes input after input to a target, and watches that it comes back.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use streamgauge::base::clock::Clock;
use streamgauge::base::shutdown::Shutdown;
use streamgauge::demo::Random;

use super::corpus::{self, Corpus};
use super::mutate::{MAX_BYTES, below, mutate};
use super::seen::Seen;
use super::{PATIENCE, Taker, Target};

/// So many tries are made to shorten an input that is kept.
const SHORTENINGS: usize = 200;

/// Fuzzes `target` for `time`, after replaying its folder; `keep` writes the folder anew.
pub fn hunt(target: &Target, time: Duration, keep: bool) {
    let mut trial = Trial::new(target);
    let mut corpus = Corpus::default();
    for path in corpus::files(target.name) {
        let input = fs::read(path).unwrap();
        let marks = trial.take(&input);
        corpus.add(input, marks);
    }
    let repeated = target.words.iter().map(|word| word.repeat(MAX_BYTES / 2 / word.len()).into_bytes());
    for seed in (target.seeds)().into_iter().chain(repeated) {
        // The burst of an ordinary test run has no time for many large seeds.
        if !keep && trial.clock.monotonic() > time {
            break;
        }
        let marks = trial.take(&seed);
        if corpus.lacks(&marks) {
            corpus.add(seed, marks);
        }
    }
    let kept = corpus.len();
    // A long hunt sees other inputs every time, a burst the same.
    let seed = if keep { trial.clock.unix().as_nanos() as u64 } else { 1 };
    let mut random = Random::new(seed);
    while trial.clock.monotonic() < time {
        let input = mutate(corpus.pick(&mut random), corpus.pick(&mut random), target.words, &mut random);
        let marks = trial.take(&input);
        if corpus.lacks(&marks) {
            let input = trial.shorten(input, &corpus.new_of(&marks), &mut random);
            let marks = trial.take(&input);
            corpus.add(input, marks);
        }
    }
    if keep {
        corpus.keep(target.name);
        trial.report(&corpus, kept);
    }
}

/// One target being tried.
struct Trial {
    name: &'static str,
    taker: Taker,
    clock: Clock,
    /// Holds the input at hand, for when the process dies of it.
    current: (File, PathBuf),
    /// How many inputs were begun and how many ended: written here, read by the watchdog.
    progress: Arc<AtomicU64>,
    /// Raised at the end: the watchdog goes.
    over: Shutdown,
    /// The slowest input, by what it took.
    slowest: (Duration, Vec<u8>),
}

impl Trial {
    fn new(target: &Target) -> Trial {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
        let trial = Trial {
            name: target.name,
            taker: (target.start)(),
            clock: Clock::system(),
            current: (File::create(&path).unwrap(), path),
            progress: Arc::default(),
            over: Shutdown::new(),
            slowest: Default::default(),
        };
        let (name, progress, over) = (trial.name, Arc::clone(&trial.progress), trial.over.clone());
        let path = trial.current.1.clone();
        std::thread::spawn(move || watch(name, &progress, &over, &path));
        trial
    }

    /// How the target answers `input`.
    fn take(&mut self, input: &[u8]) -> BTreeSet<u64> {
        let (mut took, marks) = self.time(input);
        // What else the machine does may have taken the time.
        for _ in 0..3 {
            if took > self.slowest.0 {
                took = took.min(self.time(input).0);
            }
        }
        if took > self.slowest.0 {
            self.slowest = (took, input.to_vec());
        }
        if took > PATIENCE {
            let path = crash(self.name, input);
            panic!("{}: {took:?} for one input, {}", self.name, path.display());
        }
        marks
    }

    /// The same, with the time it took.
    fn time(&mut self, input: &[u8]) -> (Duration, BTreeSet<u64>) {
        self.current.0.write_all_at(input, 0).unwrap();
        self.current.0.set_len(input.len() as u64).unwrap();
        self.progress.fetch_add(1, Ordering::Relaxed);
        let mut seen = Seen::default();
        let before = self.clock.monotonic();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.taker)(input, &mut seen)));
        let took = self.clock.monotonic() - before;
        self.progress.fetch_add(1, Ordering::Relaxed);
        if outcome.is_err() {
            let path = crash(self.name, input);
            panic!("{}: a panic, see above; the input is {}", self.name, path.display());
        }
        (took, seen.marks().clone())
    }

    /// A shorter input that shows what is `new` as well.
    fn shorten(&mut self, mut input: Vec<u8>, new: &BTreeSet<u64>, random: &mut Random) -> Vec<u8> {
        for _ in 0..SHORTENINGS {
            if input.len() < 2 {
                break;
            }
            let start = below(random, input.len());
            let most = 1 << below(random, 12);
            let len = 1 + below(random, (input.len() - start).min(most));
            let mut shorter = input.clone();
            shorter.drain(start..start + len);
            if new.is_subset(&self.take(&shorter)) {
                input = shorter;
            }
        }
        input
    }

    fn report(&self, corpus: &Corpus, seeds: usize) {
        let seconds = self.clock.monotonic().as_secs_f64();
        let inputs = self.progress.load(Ordering::Relaxed) / 2;
        let (took, slowest) = &self.slowest;
        // Written past the test harness, which keeps what a test that passes prints.
        writeln!(
            std::io::stderr(),
            "{}: {inputs} inputs in {seconds:.0} s, {:.0}/s; {} ways to answer, shown by {} inputs, {} of them found here; \
             the slowest had {} bytes and took {took:.1?}",
            self.name,
            inputs as f64 / seconds,
            corpus.answers(),
            corpus.len(),
            corpus.len() - seeds,
            slowest.len(),
        )
        .ok();
        fs::write(self.current.1.with_extension("slowest"), slowest).unwrap();
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.over.raise();
    }
}

/// Ends the process when one input never ends.
fn watch(name: &str, progress: &AtomicU64, over: &Shutdown, path: &PathBuf) {
    let mut before = u64::MAX;
    while !over.wait(10 * PATIENCE) {
        let now = progress.load(Ordering::Relaxed);
        if now == before && now % 2 == 1 {
            let path = crash(name, &fs::read(path).unwrap());
            writeln!(std::io::stderr(), "{name}: one input does not end, {}", path.display()).ok();
            std::process::exit(1);
        }
        before = now;
    }
}

/// Keeps an input that must be mended, and says where.
fn crash(target: &str, input: &[u8]) -> PathBuf {
    let folder = corpus::folder(target);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("crash-{}", corpus::name(input)));
    fs::write(&path, input).unwrap();
    path
}

/// Falls for one word, and answers in a new way for each letter of it.
const TRAP: Target = Target {
    name: "trap",
    words: &["b", "u", "g", "x"],
    seeds: || vec![b"x".to_vec()],
    start: || {
        Box::new(|input, seen| {
            let right = input.iter().zip(b"bug").take_while(|(found, wanted)| found == wanted).count();
            seen.note(right);
            assert!(right < 3, "it fell for it");
        })
    },
};

#[test]
fn a_word_is_found_letter_by_letter_and_kept() {
    let fell = catch_unwind(|| hunt(&TRAP, Duration::from_secs(60), false)).is_err();
    let kept = corpus::files(TRAP.name);
    let inputs: Vec<_> = kept.iter().map(|path| fs::read(path).unwrap()).collect();
    fs::remove_dir_all(corpus::folder(TRAP.name)).unwrap();
    assert!(fell && kept.len() == 1 && inputs[0].starts_with(b"bug"), "{kept:?}");
}
