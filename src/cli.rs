//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::encode;
use crate::raw::fault::listed;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Turns streams of events into metrics.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What is logged to standard error, and how.
    #[command(flatten)]
    pub log: Log,
}

const EXIT_CODES: &str = "Exit codes:
  0   done, or stopped by SIGTERM or SIGINT after everything was counted
  1   could not go on: an address in use, an input that cannot be read, a state directory that is damaged or
      in use; or the totals of a demo differ; or what was generated did not get to its broker
  2   the command line is wrong
  78  a pipeline file is faulty; every fault is printed, nothing was started";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs pipelines and serves their metrics until it is stopped.
    Run(Run),
    /// Checks pipeline files, prints every fault, and starts nothing.
    Check(Check),
    /// Reads an input to its end through one pipeline, prints the metrics, and exits.
    Replay(Replay),
    /// Looks at a directory in which `run --state.dir` keeps its ledger, and changes nothing there.
    State(State),
    /// Lists what can be written in a pipeline file: sources, decoders, stages, metrics, and outputs.
    Kinds(Kinds),
    /// Prints the JSON Schema of a pipeline file, by which editors complete and check it.
    Schema,
    /// Shows streamgauge at work on three live streams that it generates itself: Kafka, WebSocket, a log.
    Demo(Demo),
    /// Generates the demo's orders into a Kafka of yours until it is stopped.
    Generate(Generate),
}

/// What `run` is told.
#[derive(Debug, Args)]
pub struct Run {
    /// Pipeline files, or folders of them.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Where and how metrics are served.
    #[command(flatten)]
    pub web: Web,
    /// How the engine is laid out.
    #[command(flatten)]
    pub engine: EngineFlags,
    /// Where the ledger is kept.
    #[command(flatten)]
    pub state: StateFlags,
    /// Loads the pipeline files again when they change. SIGHUP and `POST /-/reload` do that too.
    #[arg(long = "config.watch")]
    pub watch: bool,
}

/// Where the ledger is kept.
#[derive(Clone, Debug, Args)]
pub struct StateFlags {
    /// Keeps what is counted, and how far sources are, in this directory: counting goes on exactly there after a restart or a
    /// crash. Without it everything is counted anew.
    #[arg(long = "state.dir", value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// Where and how metrics are served.
#[derive(Clone, Debug, Args)]
pub struct Web {
    /// The address to listen on; `:9101` is port 9101 of every interface [default: 127.0.0.1:9101]
    #[arg(long = "web.listen-address", value_name = "ADDRESS:PORT", value_parser = listen_address)]
    pub listen: Option<String>,
    /// The path of the metrics.
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics", value_parser = telemetry_path)]
    pub telemetry_path: String,
}

impl Web {
    /// The address to listen on: the one given, or the default.
    pub fn address(&self) -> &str {
        self.listen.as_deref().unwrap_or("127.0.0.1:9101")
    }
}

/// How the engine is laid out.
#[derive(Clone, Debug, Args)]
pub struct EngineFlags {
    /// How many workers there are; each file stays on one. 0: one for each processor.
    #[arg(long = "engine.workers", value_name = "N", default_value_t = 0, value_parser = workers)]
    pub workers: usize,
    /// The time between ticks, at which what the workers counted becomes visible. A scrape asks for one too.
    #[arg(long = "engine.tick", value_name = "DURATION", default_value = "1s", value_parser = tick)]
    pub tick: Duration,
}

/// What `check` is told.
#[derive(Debug, Args)]
pub struct Check {
    /// Pipeline files, or folders of them.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
}

/// What `replay` is told.
#[derive(Debug, Args)]
pub struct Replay {
    /// The pipeline file.
    pub path: PathBuf,
    /// The input, in place of the pipeline's source; `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// The format of what is printed: one of the outputs that `streamgauge kinds` lists.
    #[arg(long, value_name = "FORMAT", default_value = "prometheus", value_parser = format)]
    pub format: &'static encode::Kind,
}

/// What `state` is told.
#[derive(Debug, Args)]
#[command(disable_help_subcommand = true)]
pub struct State {
    /// What to do.
    #[command(subcommand)]
    pub command: StateCommand,
}

/// The commands of `state`. None of them changes anything, and all of them refuse while a process uses the directory.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Shows what is kept: pipelines, positions, metrics, also those that are not configured any more.
    Inspect(StateDirectory),
    /// Reads everything and says whether it is whole, or which file is damaged, and where.
    Verify(StateDirectory),
    /// Prints the metrics as of the last posting, with every series, also those that `expire_after` hides. Metrics that
    /// are not configured any more are left out.
    Export(StateExport),
}

/// What most commands of `state` are told.
#[derive(Debug, Args)]
pub struct StateDirectory {
    /// The directory that `run --state.dir` was given.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// What `state export` is told.
#[derive(Debug, Args)]
pub struct StateExport {
    /// The directory that `run --state.dir` was given.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The format of what is printed: one of the outputs that `streamgauge kinds` lists.
    #[arg(long, value_name = "FORMAT", default_value = "prometheus", value_parser = format)]
    pub format: &'static encode::Kind,
}

/// What `kinds` is told.
#[derive(Debug, Args)]
pub struct Kinds {
    /// The kind to say everything about, such as `histogram`.
    pub name: Option<String>,
    /// Prints everything about all of them, as Markdown.
    #[arg(long, conflicts_with = "name")]
    pub markdown: bool,
}

/// What `demo` is told.
#[derive(Debug, Args)]
pub struct Demo {
    /// How long to run; until it is stopped if not given.
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Events a second: one half lines of a log, one quarter orders, one quarter trades.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: u64,
    /// What the generated events follow from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where and how metrics are served.
    #[command(flatten)]
    pub web: Web,
}

/// What `generate` is told.
#[derive(Debug, Args)]
pub struct Generate {
    /// Brokers of the Kafka to write to, as `host:port`, with commas between them.
    #[arg(long)]
    pub brokers: String,
    /// The topic to write to. It is not created.
    #[arg(long, default_value = "orders")]
    pub topic: String,
    /// Orders a second.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: u64,
    /// What the orders follow from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How long to run; until it is stopped if not given.
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,
}

/// What is logged, and how.
#[derive(Clone, Debug, Args)]
pub struct Log {
    /// The least severe level that is logged [default: info, and warn for `demo`]
    #[arg(long = "log.level", value_name = "LEVEL", global = true)]
    pub log_level: Option<Level>,
    /// The form of a log line.
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "logfmt", global = true)]
    pub log_format: LogFormat,
}

/// Levels of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Forms of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    Logfmt,
    /// One JSON object a line.
    Json,
}

impl Log {
    /// Starts logging for a command.
    pub fn start(&self, command: &Command) {
        // What the demo has to say is on its display, which log lines would tear apart.
        let usual = if matches!(command, Command::Demo(_)) { Level::Warn } else { Level::Info };
        let level = match self.log_level.unwrap_or(usual) {
            Level::Debug => tracing::Level::DEBUG,
            Level::Info => tracing::Level::INFO,
            Level::Warn => tracing::Level::WARN,
            Level::Error => tracing::Level::ERROR,
        };
        crate::telemetry::log::start(level, self.log_format == LogFormat::Json);
    }
}

/// `host:port`, where no host stands for every interface, as in other exporters.
fn listen_address(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            Ok(format!("{}:{port}", if host.is_empty() { "[::]" } else { host }))
        }
        _ => Err("an address and a port such as 127.0.0.1:9101, [::1]:9101 or :9101 is wanted".to_owned()),
    }
}

fn telemetry_path(text: &str) -> Result<String, String> {
    crate::serve::check_path(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| *workers <= 1024);
    workers.ok_or_else(|| "a whole number from 0 to 1024 is wanted".to_owned())
}

fn tick(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(10)..=Duration::from_secs(3600);
    let tick = duration(text).ok().filter(|tick| range.contains(tick));
    tick.ok_or_else(|| "a duration from 10ms to 1h is wanted".to_owned())
}

/// One of the outputs.
fn format(text: &str) -> Result<&'static encode::Kind, String> {
    encode::KINDS.iter().find(|kind| kind.name == text).copied().ok_or_else(|| {
        let names = listed(encode::KINDS.iter().map(|kind| kind.name));
        format!("the formats are {names}")
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::raw::quantity::duration(text)
        .ok_or_else(|| "a duration such as 500ms, 10s or 5m is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_port_alone_is_that_of_every_interface() {
        assert_eq!(listen_address(":9101").as_deref(), Ok("[::]:9101"));
        for address in ["127.0.0.1:0", "[::1]:9101", "localhost:80"] {
            assert_eq!(listen_address(address).as_deref(), Ok(address));
        }
        for wrong in ["", "localhost", "9101", ":", ":x", ":65536"] {
            assert!(listen_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_default_address_is_the_one_that_the_help_names() {
        let web = Web { listen: None, telemetry_path: "/metrics".to_owned() };
        let help = Arguments::command().find_subcommand_mut("run").unwrap().render_help().to_string();
        assert!(help.contains(&format!("[default: {}]", web.address())), "{help}");
    }
}
