//! Our own metrics, beside the user's: what came in, what was refused, what waits, and the process.

use crate::encode::Encode;
use crate::ledger::Posted;
use crate::model::family::{Family, FamilyKind, Reading, UnixSeconds};
use crate::model::refused::Refusals;
use crate::model::series::SeriesKey;
use crate::model::sum::Sum;
use crate::source;
use crate::telemetry::{Lag, Process, Telemetry};

/// More lanes than this are shown together as one.
const MAX_LANES: usize = 1000;

/// What our own metrics call things: by pipeline, in the order of the ledger.
#[derive(Clone, Debug)]
pub struct Names {
    /// The pipeline.
    pub pipeline: String,
    /// The kind of its source.
    pub source: &'static str,
    /// What it reads, in a few words.
    pub reads: String,
    /// Its stages, in order.
    pub stages: Vec<String>,
}

impl Names {
    /// Calls `each` with every component that refused something, the reason, and how often.
    pub(super) fn refusals(&self, posted: &Posted<'_>, mut each: impl FnMut(&str, &'static str, u64)) {
        let Posted { flow, accounts } = posted;
        let mut component = |component: &str, refusals: &Refusals| {
            refusals.iter().for_each(|(reason, times)| each(component, reason.reason(), times));
        };
        component("source", &flow.source);
        component("decode", &flow.decode);
        for (stage, (refusals, _)) in self.stages.iter().zip(&flow.stages) {
            component(&format!("stage {stage}"), refusals);
        }
        for (account, refusals) in accounts.iter().zip(&flow.metrics) {
            component(&account.family().name, refusals);
        }
    }
}

/// What is shown of the program itself at one moment.
pub struct Own<'o> {
    /// By pipeline.
    pub names: &'o [Names],
    /// What is counted outside the record path.
    pub telemetry: &'o Telemetry,
    /// When the program started.
    pub started: UnixSeconds,
    /// How long ago that was, in seconds.
    pub uptime: f64,
    /// What the system says of the process.
    pub process: Process,
}

impl Own<'_> {
    /// Appends every family. `posted` is the ledger's part.
    pub fn encode(&self, posted: &[Posted<'_>], encoder: &mut dyn Encode, out: &mut Vec<u8>) {
        let mut page = Page { encoder, out, created: self.started };
        self.flow(posted, &mut page);
        self.refused(posted, &mut page);
        self.series(posted, &mut page);
        self.sources(&mut page);
        self.meters(&mut page);
        self.engine(&mut page);
        process(&self.process, &mut page);
    }

    fn flow(&self, posted: &[Posted<'_>], page: &mut Page<'_>) {
        let labels = ["pipeline", "source"];
        let flows = || self.names.iter().zip(posted.iter().map(|posted| posted.flow));
        page.counter("streamgauge_source_events_total", "Records that came from the source.", &labels);
        flows().for_each(|(names, flow)| page.count(&[&names.pipeline, names.source], flow.events));
        page.counter(
            "streamgauge_source_bytes_total",
            "Bytes of the records that came from the source.",
            &labels,
        );
        flows().for_each(|(names, flow)| page.count(&[&names.pipeline, names.source], flow.bytes));
        let labels = ["pipeline", "stage"];
        page.counter("streamgauge_filtered_events_total", "Events that a stage took out of play.", &labels);
        for (names, flow) in flows() {
            for (stage, (_, filtered)) in names.stages.iter().zip(&flow.stages) {
                page.count(&[&names.pipeline, stage], *filtered);
            }
        }
    }

    fn refused(&self, posted: &[Posted<'_>], page: &mut Page<'_>) {
        let labels = ["pipeline", "component", "reason"];
        page.counter(
            "streamgauge_refused_total",
            "What a source, decoder, stage or metric refused or had to mend.",
            &labels,
        );
        for (names, posted) in self.names.iter().zip(posted) {
            names.refusals(posted, |component, reason, times| {
                page.count(&[&names.pipeline, component, reason], times);
            });
        }
    }

    fn series(&self, posted: &[Posted<'_>], page: &mut Page<'_>) {
        let labels = ["pipeline", "metric"];
        let accounts = || {
            let pipelines = self.names.iter().zip(posted);
            pipelines
                .flat_map(|(names, posted)| posted.accounts.iter().map(|account| (&names.pipeline, account)))
        };
        page.gauge("streamgauge_series", "Series that a metric has.", &labels);
        for (pipeline, account) in accounts() {
            page.show(&[pipeline, &account.family().name], account.series().0 as f64);
        }
        page.gauge(
            "streamgauge_series_limit",
            "Series that a metric may have; events beyond are counted in one more.",
            &labels,
        );
        for (pipeline, account) in accounts() {
            page.show(&[pipeline, &account.family().name], account.series().1 as f64);
        }
    }

    fn sources(&self, page: &mut Page<'_>) {
        let labels = ["pipeline", "source", "reason"];
        page.counter(
            "streamgauge_source_errors_total",
            "Faults of a source that passed or are tried again.",
            &labels,
        );
        for ((pipeline, reason), times) in self.telemetry.sources.errors() {
            let names = &self.names[pipeline];
            page.count(&[&names.pipeline, names.source, reason], times);
        }
        let lags = self.telemetry.sources.lags();
        let labels = ["pipeline", "source", "lane"];
        type Read = fn(&Lag) -> Option<f64>;
        let gauges: [(_, _, Read); 3] =
            [
                ("streamgauge_source_lag_bytes", "Bytes of a lane that are not read yet.", |lag| match lag {
                    Lag::Bytes(bytes) => Some(*bytes as f64),
                    _ => None,
                }),
                ("streamgauge_source_lag_messages", "Messages of a lane that are not read yet.", |lag| {
                    match lag {
                        Lag::Messages { messages, .. } => Some(*messages as f64),
                        _ => None,
                    }
                }),
                (
                    "streamgauge_source_lag_seconds",
                    "Age of the newest message of a lane that was read, while others wait.",
                    |lag| match lag {
                        Lag::Messages { seconds, .. } => Some(*seconds),
                        _ => None,
                    },
                ),
            ];
        for (name, help, read) in gauges {
            page.gauge(name, help, &labels);
            let known = lags.iter().filter_map(|(lane, (lag, _))| Some((lane, read(lag)?)));
            for ((pipeline, lane), behind) in known.take(MAX_LANES) {
                let names = &self.names[*pipeline];
                page.show(&[&names.pipeline, names.source, lane], behind);
            }
        }
        page.gauge("streamgauge_source_lanes", "Lanes that a source has open.", &["pipeline", "source"]);
        for (pipeline, names) in self.names.iter().enumerate() {
            let open = lags.iter().filter(|((of, _), _)| *of == pipeline).map(|(_, (_, lanes))| lanes);
            page.show(&[&names.pipeline, names.source], open.sum::<u64>() as f64);
        }
    }

    /// The metrics of those kinds of sources that are in use.
    fn meters(&self, page: &mut Page<'_>) {
        for kind in source::KINDS {
            let of_kind = || self.names.iter().enumerate().filter(|(_, names)| names.source == kind.name);
            for meter in kind.meters.iter().filter(|_| of_kind().next().is_some()) {
                let labels = ["pipeline", "source"].into_iter().chain(meter.label);
                page.family(meter.name, meter.help, meter.kind, &labels.collect::<Vec<_>>());
                let read = self.telemetry.sources.read(meter);
                if meter.label.is_none() {
                    for (at, names) in of_kind() {
                        let value = read.iter().find(|(of, ..)| *of == at).map_or(0.0, |(.., value)| *value);
                        page.measure(meter.kind, &[&names.pipeline, names.source], value);
                    }
                    continue;
                }
                for (pipeline, label, value) in &read {
                    let names = &self.names[*pipeline];
                    page.measure(meter.kind, &[&names.pipeline, names.source, label], *value);
                }
            }
        }
    }

    fn engine(&self, page: &mut Page<'_>) {
        let (ticks, posting) = self.telemetry.engine.ticks();
        page.counter("streamgauge_ticks_total", "Ticks whose changes were posted.", &[]);
        page.count(&[], ticks);
        page.counter(
            "streamgauge_posting_seconds_total",
            "Time spent waiting for workers' changes and posting them.",
            &[],
        );
        page.total(&[], posting.as_secs_f64());
        page.gauge("streamgauge_queue_bytes", "Bytes that wait for a worker.", &["worker"]);
        for (worker, bytes) in self.telemetry.engine.queues().into_iter().enumerate() {
            page.show(&[&worker.to_string()], bytes as f64);
        }
        page.gauge("streamgauge_uptime_seconds", "Time since the start.", &[]);
        page.show(&[], self.uptime);
        page.family("streamgauge_build_info", "The program that runs here.", FamilyKind::Info, &["version"]);
        page.show(&[env!("CARGO_PKG_VERSION")], 1.0);
    }
}

fn process(process: &Process, page: &mut Page<'_>) {
    if let Some(seconds) = process.cpu_seconds {
        page.counter("process_cpu_seconds_total", "User and system CPU time spent in seconds.", &[]);
        page.total(&[], seconds);
    }
    let gauges = [
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            process.resident_bytes.map(|n| n as f64),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            process.virtual_bytes.map(|n| n as f64),
        ),
        ("process_start_time_seconds", "Start time since the Unix epoch in seconds.", process.start_seconds),
        ("process_open_fds", "Open file descriptors.", process.open_files.map(|n| n as f64)),
        ("process_max_fds", "Most file descriptors that may be open.", process.max_files.map(|n| n as f64)),
        ("process_threads", "Threads.", process.threads.map(|n| n as f64)),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            page.gauge(name, help, &[]);
            page.show(&[], value);
        }
    }
}

/// Writes families one after the other.
struct Page<'p> {
    encoder: &'p mut dyn Encode,
    out: &'p mut Vec<u8>,
    created: UnixSeconds,
}

impl Page<'_> {
    fn family(&mut self, name: &str, help: &str, kind: FamilyKind, labels: &[&str]) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.encoder.family(
            &Family { name: name.to_owned(), help: help.to_owned(), unit: None, kind, labels },
            self.out,
        );
    }

    fn counter(&mut self, name: &str, help: &str, labels: &[&str]) {
        self.family(name, help, FamilyKind::Counter, labels);
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[&str]) {
        self.family(name, help, FamilyKind::Gauge, labels);
    }

    fn count(&mut self, labels: &[&str], times: u64) {
        self.total(labels, times as f64);
    }

    fn total(&mut self, labels: &[&str], total: f64) {
        let mut sum = Sum::ZERO;
        sum.add(total);
        let reading = Reading::Counter { total: sum, created: self.created };
        self.encoder.series(SeriesKey::new(labels).labels(), &reading, self.out);
    }

    fn measure(&mut self, kind: FamilyKind, labels: &[&str], value: f64) {
        match kind {
            FamilyKind::Counter => self.total(labels, value),
            _ => self.show(labels, value),
        }
    }

    fn show(&mut self, labels: &[&str], value: f64) {
        self.encoder.series(SeriesKey::new(labels).labels(), &Reading::Gauge(value), self.out);
    }
}
