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

/// Calls `each` with every component of a pipeline that refused something, the reason, and how often.
pub(super) fn refusals(posted: &Posted<'_>, mut each: impl FnMut(&str, &'static str, u64)) {
    let Posted { about, flow, accounts, .. } = posted;
    let mut component = |component: &str, refusals: &Refusals| {
        refusals.iter().for_each(|(reason, times)| each(component, reason.reason(), times));
    };
    component("source", &flow.source);
    component("decode", &flow.decode);
    for (stage, (refusals, _)) in about.stages.iter().zip(&flow.stages) {
        component(&format!("stage {stage}"), refusals);
    }
    for (account, refusals) in accounts.iter().zip(&flow.metrics) {
        component(&account.family().name, refusals);
    }
}

/// What is shown of the program itself at one moment.
pub struct Own<'o> {
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
        flow(posted, &mut page);
        refused(posted, &mut page);
        series(posted, &mut page);
        self.sources(posted, &mut page);
        self.meters(posted, &mut page);
        self.engine(&mut page);
        process(&self.process, &mut page);
    }

    fn sources(&self, posted: &[Posted<'_>], page: &mut Page<'_>) {
        // What is told of a pipeline that was just removed is told no more.
        let about = |pipeline: usize| {
            posted.iter().find(|posted| posted.pipeline == pipeline).map(|posted| posted.about)
        };
        let labels = ["pipeline", "source", "reason"];
        page.counter(
            "streamgauge_source_errors_total",
            "Faults of a source that passed or are tried again.",
            &labels,
        );
        for ((pipeline, reason), times) in self.telemetry.sources.errors() {
            if let Some(about) = about(pipeline) {
                page.count(&[&about.name, &about.source, reason], times);
            }
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
                if let Some(about) = about(*pipeline) {
                    page.show(&[&about.name, &about.source, lane], behind);
                }
            }
        }
        page.gauge("streamgauge_source_lanes", "Lanes that a source has open.", &["pipeline", "source"]);
        for Posted { pipeline, about, .. } in posted {
            let open = lags.iter().filter(|((of, _), _)| of == pipeline).map(|(_, (_, lanes))| lanes);
            page.show(&[&about.name, &about.source], open.sum::<u64>() as f64);
        }
    }

    /// The metrics of those kinds of sources that are in use.
    fn meters(&self, posted: &[Posted<'_>], page: &mut Page<'_>) {
        for kind in source::KINDS {
            let of_kind = || posted.iter().filter(|posted| posted.about.source == kind.name);
            for meter in kind.meters.iter().filter(|_| of_kind().next().is_some()) {
                let labels = ["pipeline", "source"].into_iter().chain(meter.label);
                page.family(meter.name, meter.help, meter.kind, &labels.collect::<Vec<_>>());
                let read = self.telemetry.sources.read(meter);
                for Posted { pipeline, about, .. } in of_kind() {
                    let mut own = read.iter().filter(|(of, ..)| of == pipeline);
                    if meter.label.is_none() {
                        let value = own.next().map_or(0.0, |(.., value)| *value);
                        page.measure(meter.kind, &[&about.name, &about.source], value);
                        continue;
                    }
                    for (_, label, value) in own {
                        page.measure(meter.kind, &[&about.name, &about.source, label], *value);
                    }
                }
            }
        }
    }

    /// What the keeping of the ledger reports, and the configuration.
    fn journal(&self, page: &mut Page<'_>) {
        let loaded = self.telemetry.reloads.last();
        page.gauge(
            "streamgauge_config_last_reload_successful",
            "Whether the configuration was last loaded without a fault.",
            &[],
        );
        page.show(&[], f64::from(u8::from(!loaded.refused)));
        page.gauge(
            "streamgauge_config_last_reload_success_timestamp_seconds",
            "When the configuration that runs was loaded.",
            &[],
        );
        page.show(&[], loaded.at.as_secs_f64());
        let Some((instance, commits)) = self.telemetry.journal.commits() else { return };
        page.family(
            "streamgauge_instance_info",
            "Whose ledger this is: the identity of the state directory.",
            FamilyKind::Info,
            &["instance"],
        );
        page.show(&[&instance], 1.0);
        page.counter(
            "streamgauge_journal_commits_total",
            "Postings that were committed to the journal.",
            &[],
        );
        page.count(&[], commits.succeeded);
        page.counter(
            "streamgauge_journal_commit_failures_total",
            "Tries to commit a posting that failed.",
            &["reason"],
        );
        for (reason, times) in &commits.failed {
            page.count(&[reason], *times);
        }
        page.counter("streamgauge_journal_commit_seconds_total", "Time spent committing postings.", &[]);
        page.total(&[], commits.took.as_secs_f64());
        page.counter("streamgauge_journal_written_bytes_total", "Bytes written to the journal.", &[]);
        page.count(&[], commits.written);
        let gauges = [
            ("streamgauge_journal_bytes", "Bytes that the journal takes.", Some(commits.size as f64)),
            (
                "streamgauge_journal_failing",
                "Whether the posting under way could not be committed: 1 while sources wait for that.",
                Some(f64::from(u8::from(commits.is_failing))),
            ),
            (
                "streamgauge_journal_last_commit_timestamp_seconds",
                "When a posting was last committed.",
                commits.last.map(|last| last.as_secs_f64()),
            ),
        ];
        for (name, help, value) in gauges {
            page.gauge(name, help, &[]);
            value.into_iter().for_each(|value| page.show(&[], value));
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
        self.journal(page);
        page.gauge("streamgauge_uptime_seconds", "Time since the start.", &[]);
        page.show(&[], self.uptime);
        page.family("streamgauge_build_info", "The program that runs here.", FamilyKind::Info, &["version"]);
        page.show(&[env!("CARGO_PKG_VERSION")], 1.0);
    }
}

fn flow(posted: &[Posted<'_>], page: &mut Page<'_>) {
    let labels = ["pipeline", "source"];
    page.counter("streamgauge_source_events_total", "Records that came from the source.", &labels);
    for Posted { about, flow, created, .. } in posted {
        page.count_since(*created, &[&about.name, &about.source], flow.events);
    }
    page.counter(
        "streamgauge_source_bytes_total",
        "Bytes of the records that came from the source.",
        &labels,
    );
    for Posted { about, flow, created, .. } in posted {
        page.count_since(*created, &[&about.name, &about.source], flow.bytes);
    }
    let labels = ["pipeline", "stage"];
    page.counter("streamgauge_filtered_events_total", "Events that a stage took out of play.", &labels);
    for Posted { about, flow, created, .. } in posted {
        for (stage, (_, filtered)) in about.stages.iter().zip(&flow.stages) {
            page.count_since(*created, &[&about.name, stage], *filtered);
        }
    }
}

fn refused(posted: &[Posted<'_>], page: &mut Page<'_>) {
    let labels = ["pipeline", "component", "reason"];
    page.counter(
        "streamgauge_refused_total",
        "What a source, decoder, stage or metric refused or had to mend.",
        &labels,
    );
    for posted in posted {
        refusals(posted, |component, reason, times| {
            page.count_since(posted.created, &[&posted.about.name, component, reason], times);
        });
    }
}

fn series(posted: &[Posted<'_>], page: &mut Page<'_>) {
    let labels = ["pipeline", "metric"];
    let accounts = || {
        posted.iter().flat_map(|posted| posted.accounts.iter().map(|account| (&posted.about.name, account)))
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

    fn count_since(&mut self, created: UnixSeconds, labels: &[&str], times: u64) {
        self.total_since(created, labels, times as f64);
    }

    fn total(&mut self, labels: &[&str], total: f64) {
        self.total_since(self.created, labels, total);
    }

    fn total_since(&mut self, created: UnixSeconds, labels: &[&str], total: f64) {
        let mut sum = Sum::ZERO;
        sum.add(total);
        let reading = Reading::Counter { total: sum, created };
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
