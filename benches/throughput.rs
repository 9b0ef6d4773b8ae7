//! How fast the whole program is: `streamgauge replay` on generated logs, beside `grep -c` and `wc -l`.
//!
//! ```sh
//! cargo bench --bench throughput              # 100 MB of each log, seven rounds
//! cargo bench --bench throughput -- --smoke   # 1 MB, one round: does it work, is every answer right
//! ```
//!
//! Each job runs as a process of its own, started by a small process that does nothing else and reads the
//! processor time and peak memory of its one child. The programs take turns, so that whatever else the machine
//! does falls on all of them. Every answer is checked against the true totals of the generators.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use streamgauge::base::clock::Clock;
use streamgauge::demo::{AccessLog, AppLog, Figure, Generate, Totals};

/// The argument by which this program is told to measure one command.
const MEASURE: &str = "--measure";

/// Where the logs begin: 2026-11-20 14:00 UTC.
const START: Duration = Duration::from_secs(1_795_183_200);

/// The seed of both logs.
const SEED: u64 = 1;

const WORD: &str = "
source: stdin
metrics:
  - counter: {name: errors_total, help: Lines with the word., where: 'raw.contains(\"ERROR\")'}
";

const BY_SERVICE: &str = r"
source: stdin
decode: {regex: '^\S+ (?P<level>[A-Z]+) (?P<service>\S+)'}
stages:
  - keep: level == 'ERROR'
metrics:
  - counter: {name: errors_total, help: Errors by service., labels: [service]}
";

const ACCESS_LOG: &str = include_str!("../pipelines/access-log.yaml");

/// How the access log is read by a pattern; the metrics are the same.
const BY_PATTERN: &str = r#"
source: stdin
decode: {pattern: '$_ - $_ [$_] "$method $path $_" $status $bytes "$_" "$_" $request_time'}
stages:
  - rewrite: {field: path, regex: '^(/[^/?]*).*$', with: '$1', into: route}
"#;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [flag, command @ ..] = arguments.as_slice()
        && flag == MEASURE
    {
        return measure_child(command);
    }
    let smoke = arguments.iter().any(|argument| argument == "--smoke")
        || std::env::var_os("STREAMGAUGE_BENCH_SMOKE").is_some_and(|value| value == "1");
    let size =
        if smoke { Size { bytes: 1_000_000, rounds: 1 } } else { Size { bytes: 100 << 20, rounds: 7 } };
    run(size);
    ExitCode::SUCCESS
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Size {
    /// The least size of each log.
    bytes: u64,
    rounds: usize,
}

fn run(size: Size) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let app = Log::generate(folder.path().join("app.log"), &mut AppLog::new(SEED), size);
    let access = Log::generate(folder.path().join("access.log"), &mut AccessLog::new(SEED), size);
    say(format_args!(
        "app.log: {app}\naccess.log: {access}\nrounds: {}, after one to warm up\n",
        size.rounds
    ));
    say(format_args!(
        "{:30} {:>12} {:>8} {:>8} {:>8} {:>9} {:>8}\n",
        "job", "lines/s", "MB/s", "wall s", "CPU s", "peak MiB", "of grep"
    ));
    for job in jobs(&folder, &app, &access) {
        let runs = job.rounds(size.rounds);
        job.report(&runs);
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark is there to print")]
fn say(text: fmt::Arguments<'_>) {
    print!("{text}");
}

/// A generated log.
struct Log {
    path: PathBuf,
    totals: Totals,
}

impl Log {
    fn generate(path: PathBuf, generator: &mut dyn Generate, size: Size) -> Log {
        let mut file = BufWriter::new(File::create(&path).expect("the folder is ours"));
        let (mut written, mut unix) = (0, START);
        let mut lines = Vec::new();
        while written < size.bytes {
            lines.clear();
            generator.fill(100, unix, &mut lines);
            file.write_all(&lines).expect("there is room for the logs");
            written += lines.len() as u64;
            unix += Duration::from_millis(7);
        }
        file.flush().expect("there is room for the logs");
        Log { path, totals: generator.totals() }
    }

    fn lines(&self) -> u64 {
        self.totals.sum(Figure::SourceEvents)
    }

    fn bytes(&self) -> u64 {
        self.totals.sum(Figure::SourceBytes)
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lines, bytes) = (self.lines(), self.bytes());
        write!(f, "{lines} lines, {bytes} bytes, {:.1} a line", bytes as f64 / lines as f64)
    }
}

/// A program that is run on a log.
struct Contender {
    name: &'static str,
    command: Vec<String>,
    /// Whether what it printed is right.
    is_right: Box<dyn Fn(&str) -> bool>,
}

/// Programs that are measured side by side on one log.
struct Job<'l> {
    log: &'l Log,
    contenders: Vec<Contender>,
}

fn jobs<'l>(folder: &tempfile::TempDir, app: &'l Log, access: &'l Log) -> [Job<'l>; 3] {
    let errors: u64 = level(&app.totals, "ERROR");
    let replay = |name: &'static str, pipeline: &str, log: &Log, is_right| {
        let path = folder.path().join(name.replace(' ', "-")).with_extension("yaml");
        fs::write(&path, pipeline).expect("the folder is ours");
        let program = env!("CARGO_BIN_EXE_streamgauge");
        let parts = [program, "replay", &shown(&path), "--input", &shown(&log.path)];
        Contender { name, command: parts.map(str::to_owned).to_vec(), is_right }
    };
    let is_total = Box::new(move |out: &str| adds_up(out, "errors_total", errors));
    let totals = access.totals.clone();
    let (by_pattern, pattern_totals) = (by_pattern(), totals.clone());
    [
        Job {
            log: app,
            contenders: vec![
                replay("lines with a word", WORD, app, is_total.clone()),
                counter("grep -c ERROR", &["grep", "-c", "ERROR"], app, errors),
                counter("wc -l", &["wc", "-l"], app, app.lines()),
            ],
        },
        Job {
            log: app,
            contenders: vec![
                replay("errors by service", BY_SERVICE, app, is_total),
                counter("grep -c ERROR", &["grep", "-c", "ERROR"], app, errors),
                counter("wc -l", &["wc", "-l"], app, app.lines()),
            ],
        },
        Job {
            log: access,
            contenders: vec![
                replay("access log", ACCESS_LOG, access, Box::new(move |out| is_access_log(out, &totals))),
                replay(
                    "access log by pattern",
                    &by_pattern,
                    access,
                    Box::new(move |out| is_access_log(out, &pattern_totals)),
                ),
                counter("wc -l", &["wc", "-l"], access, access.lines()),
            ],
        },
    ]
}

/// The pipeline of the access log with a pattern in the place of its regex.
fn by_pattern() -> String {
    let (_, metrics) = ACCESS_LOG.split_once("\nmetrics:\n").expect("the pipeline has metrics");
    format!("{BY_PATTERN}metrics:\n{metrics}")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn level(totals: &Totals, level: &str) -> u64 {
    totals.of(Figure::LogLines).filter(|(of, _)| *of == [level]).map(|(_, lines)| lines).sum()
}

/// A program that prints one number and perhaps the file's name.
fn counter(name: &'static str, command: &[&str], log: &Log, expected: u64) -> Contender {
    let path = shown(&log.path);
    let command = command.iter().copied().chain([path.as_str()]).map(str::to_owned).collect();
    let number = move |out: &str| out.split_whitespace().next().and_then(|number| number.parse().ok());
    Contender { name, command, is_right: Box::new(move |out| number(out) == Some(expected)) }
}

/// The sum of the samples of a name.
fn samples<'e>(exposition: impl Iterator<Item = &'e str>, name: &str) -> f64 {
    let of_name = |line: &&str| line.split(['{', ' ']).next() == Some(name);
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    exposition.filter(of_name).filter_map(value).sum()
}

/// Whether all samples of a name, which are whole numbers, add up to `expected`.
fn adds_up(exposition: &str, name: &str, expected: u64) -> bool {
    samples(exposition.lines(), name) == expected as f64
}

fn is_access_log(out: &str, totals: &Totals) -> bool {
    let status = |(of, requests): (&[String], u64)| {
        let label = format!("status=\"{}\"", of[0]);
        let lines = out.lines().filter(|line| line.contains(&label));
        samples(lines, "http_requests_total") == requests as f64
    };
    let seconds = samples(out.lines(), "http_request_duration_seconds_sum");
    totals.of(Figure::Requests).all(status)
        && adds_up(out, "http_response_bytes_total", totals.sum(Figure::ResponseBytes))
        && adds_up(out, "http_request_duration_seconds_count", totals.sum(Figure::Durations))
        && (seconds * 1000.0).round() as u64 == totals.sum(Figure::DurationMillis)
}

/// What one run took.
#[derive(Clone, Copy)]
struct Run {
    wall: Duration,
    /// In user and system mode.
    processor: Duration,
    peak_kib: u64,
}

impl Job<'_> {
    /// The runs of each contender; none if its program is missing.
    fn rounds(&self, rounds: usize) -> Vec<Vec<Run>> {
        let present: Vec<_> = self.contenders.iter().map(|one| measure(one).is_some()).collect();
        let mut runs = vec![Vec::new(); self.contenders.len()];
        for _ in 0..rounds {
            for (at, contender) in self.contenders.iter().enumerate().filter(|(at, _)| present[*at]) {
                runs[at].extend(measure(contender));
            }
        }
        runs
    }

    fn report(&self, runs: &[Vec<Run>]) {
        let wall = |runs: &[Run]| median(runs, |run| run.wall.as_secs_f64());
        let grep = self.contenders.iter().position(|one| one.name.starts_with("grep"));
        let grep = grep.and_then(|at| wall(&runs[at]));
        for (contender, runs) in self.contenders.iter().zip(runs) {
            let Some(seconds) = wall(runs) else {
                say(format_args!(
                    "{:30} missing: `{}` is not installed\n",
                    contender.name, contender.command[0]
                ));
                continue;
            };
            let processor = median(runs, |run| run.processor.as_secs_f64()).unwrap_or_default();
            let peak = runs.iter().map(|run| run.peak_kib).max().unwrap_or_default() as f64 / 1024.0;
            let (lines, bytes) = (self.log.lines() as f64 / seconds, self.log.bytes() as f64 / 1e6 / seconds);
            let ratio = grep.map_or("-".to_owned(), |grep| format!("{:.2}", seconds / grep));
            say(format_args!(
                "{:30} {lines:>12.0} {bytes:>8.0} {seconds:>8.3} {processor:>8.3} {peak:>9.1} {ratio:>8}\n",
                contender.name
            ));
        }
        say(format_args!("\n"));
    }
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> Option<f64> {
    let mut values: Vec<_> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Runs a contender once and checks its answer; `None` if its program is missing.
fn measure(contender: &Contender) -> Option<Run> {
    let own = std::env::current_exe().expect("the system knows which program this is");
    let mut measuring = Command::new(own);
    measuring.arg(MEASURE).args(&contender.command).env("LC_ALL", "C").stdin(Stdio::null());
    let output = measuring.output().expect("this program can be started again");
    let usage = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(i32::from(MISSING)) {
        return None;
    }
    assert!(output.status.success(), "{}: {usage}", contender.name);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!((contender.is_right)(&printed), "{} is wrong: {printed}", contender.name);
    let figures = usage.lines().last().unwrap_or_default().split(' ').map(str::parse);
    let figures: Vec<u64> = figures.collect::<Result<_, _>>().expect("the figures were written below");
    let [wall, processor, peak_kib] = figures[..] else { panic!("not three figures: {usage}") };
    let (wall, processor) = (Duration::from_nanos(wall), Duration::from_micros(processor));
    Some(Run { wall, processor, peak_kib })
}

/// The exit code for a program that is missing, as shells have it.
const MISSING: u8 = 127;

/// Runs a command as this process's only child; the last line on standard error is what it took: nanoseconds,
/// microseconds of processor time, KiB of peak memory.
#[expect(clippy::print_stderr, reason = "standard output is the command's")]
fn measure_child(command: &[String]) -> ExitCode {
    let clock = Clock::system();
    let start = clock.monotonic();
    let status = match Command::new(&command[0]).args(&command[1..]).status() {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return ExitCode::from(MISSING),
        Err(error) => panic!("{} cannot be started: {error}", command[0]),
    };
    let wall = clock.monotonic() - start;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system counts what children use");
    let times = [usage.user_time(), usage.system_time()];
    let processor: i64 = times.iter().map(|time| time.tv_sec() * 1_000_000 + time.tv_usec()).sum();
    eprintln!("{} {processor} {}", wall.as_nanos(), usage.max_rss());
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
