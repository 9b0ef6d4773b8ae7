//! The measuring loop: how long a pass takes, in processor time, and that it did what it should.

use std::fmt;
use std::hint::black_box;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A sample goes on for at least so long, if one pass does not.
const SAMPLE: Duration = Duration::from_millis(2);

/// But for no more passes than this: what takes no time at all would otherwise go on for ever.
const MOST_PASSES: u32 = 1000;

/// Does something once and says what came of it; only what is done under the [`Watch`] is measured.
type Pass = Box<dyn FnMut(&mut Watch) -> u64>;

/// Something that can be done again and again.
pub struct Work {
    pass: Pass,
    /// What comes of each pass.
    expected: u64,
}

impl Work {
    pub fn new(expected: usize, pass: impl FnMut(&mut Watch) -> u64 + 'static) -> Work {
        Work { pass: Box::new(pass), expected: expected as u64 }
    }

    /// The processor time of a pass, the mean over as many as a sample takes.
    fn sample(&mut self, name: &str, watch: &mut Watch, at_least: Duration) -> f64 {
        let (mut passes, mut spent) = (0, Duration::ZERO);
        while passes == 0 || spent < at_least && passes < MOST_PASSES {
            watch.spent = Duration::ZERO;
            let found = (self.pass)(watch);
            assert_eq!(found, self.expected, "{name} is wrong");
            passes += 1;
            spent += watch.spent;
        }
        spent.as_secs_f64() * 1e9 / f64::from(passes)
    }
}

/// One step of an event's way.
pub struct Step {
    pub work: Work,
    /// What it is done to.
    pub unit: &'static str,
    /// How many of them a pass has, and their bytes; 0 where bytes say nothing.
    pub units: usize,
    pub bytes: usize,
    /// What the step is compared with, and its name.
    pub beside: Option<(&'static str, Work)>,
}

impl Step {
    /// The medians of so many samples. The step and what it is compared with take turns.
    pub fn measure(mut self, name: &str, samples: usize, watch: &mut Watch) -> Row {
        let at_least = if samples > 1 { SAMPLE } else { Duration::ZERO };
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for _ in 0..samples {
            own.push(self.work.sample(name, watch, at_least));
            if let Some((other, work)) = &mut self.beside {
                others.push(work.sample(other, watch, at_least));
            }
        }
        let pass = median(own);
        // One pass over little, as in a smoke run, may take less than can be measured.
        let beside = self.beside.map(|(other, _)| (pass / median(others), other));
        let beside = beside.filter(|(times, _)| times.is_finite());
        let megabytes = (self.bytes > 0).then(|| self.bytes as f64 * 1e3 / pass);
        Row { name: name.to_owned(), each: pass / self.units as f64, unit: self.unit, megabytes, beside }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A line of the table.
pub struct Row {
    name: String,
    /// Nanoseconds.
    each: f64,
    unit: &'static str,
    /// 10^6 bytes a second.
    megabytes: Option<f64>,
    /// How often the time of something else it takes.
    beside: Option<(f64, &'static str)>,
}

impl Row {
    pub const HEAD: &str =
        "step                                             ns of a         MB/s        x of";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:43} {:>7.1} {:7}", self.name, self.each, self.unit)?;
        let megabytes = self.megabytes.map_or(String::new(), |rate| format!("{rate:.0}"));
        write!(f, " {megabytes:>9}")?;
        match self.beside {
            Some((times, other)) => write!(f, " {times:>8.2} {other}"),
            None => Ok(()),
        }
    }
}

/// Measures the processor time of this thread.
pub struct Watch {
    /// What it takes to look at the clock twice.
    own: Duration,
    spent: Duration,
}

impl Watch {
    pub fn new() -> Watch {
        let looks = (0..1001).map(|_| {
            let start = processor_time();
            (processor_time() - start).as_secs_f64()
        });
        Watch { own: Duration::from_secs_f64(median(looks.collect())), spent: Duration::ZERO }
    }

    /// Does what is to be measured.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = processor_time();
        let done = black_box(work());
        self.spent += (processor_time() - start).saturating_sub(self.own);
        done
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock of its own").into()
}
