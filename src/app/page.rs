//! What the server shows: ticks on every scrape, and encodes one consistent cut.

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::encode::{Chunks, Encode, Selected, Sink};
use crate::engine::Ticker;
use crate::ledger::{Ledger, Posted};
use crate::serve::own::Own;
use crate::serve::{Asked, Exposition, PipelineSummary, Readiness};
use crate::telemetry::{Process, Telemetry};

/// How long a commit may take before it is said.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// Everything that is served.
pub(super) struct Page {
    pub(super) ticker: Ticker,
    pub(super) ledger: Arc<Ledger>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) clock: Clock,
    /// Seconds since the Unix epoch.
    pub(super) started: f64,
}

impl Page {
    /// The page of an engine that has started.
    pub(super) fn new(ticker: Ticker, ledger: Arc<Ledger>, telemetry: Arc<Telemetry>, clock: Clock) -> Page {
        let started = clock.unix().as_secs_f64();
        Page { ticker, ledger, telemetry, clock, started }
    }
}

impl Page {
    /// Logs what every pipeline has counted in all: the last word of a program that stops.
    pub(super) fn log_totals(&self) {
        self.ledger.look(|posted| {
            for Posted { about, flow, .. } in posted {
                tracing::info!(
                    pipeline = about.name,
                    events = flow.events,
                    bytes = flow.bytes,
                    "counted in all"
                );
            }
        });
    }
}

impl Exposition for Page {
    fn expose(&self, asked: &Asked, sink: &mut dyn Sink) {
        self.ticker.tick_for_scrape();
        let now = self.clock.unix();
        let mut encoder = Selected::new((asked.kind.build)(now), &asked.families);
        // The ledger is held only while this writes to memory: the sink waits for nobody.
        let (mut chunks, mut out) = (Chunks::new(&mut encoder, sink), Vec::new());
        let uptime = now.as_secs_f64() - self.started;
        // Read before the ledger is held.
        let process = Process::read();
        let own = Own { telemetry: &self.telemetry, started: self.started, uptime, process };
        self.ledger.encode(self.clock.steady(), &mut chunks, &mut out, |posted, encoder, out| {
            own.encode(posted, encoder, out)
        });
        chunks.finish(&mut out);
    }

    fn ready(&self) -> Readiness {
        let sources = &self.telemetry.sources;
        let name = |pipeline: usize| sources.name(pipeline);
        let failures = sources.failures().into_iter().map(|(pipeline, error)| {
            format!("The source of pipeline {} has failed: {error}.", name(pipeline))
        });
        let troubles = sources.troubles().into_iter().map(|(pipeline, trouble)| {
            format!("The source of pipeline {} is held up: {trouble}.", name(pipeline))
        });
        let journal = self.telemetry.journal.trouble(self.clock.monotonic(), COMMIT_PATIENCE);
        let journal = journal.map(|trouble| format!("{}.", capitalized(&trouble)));
        let lately = sources.incidents(self.clock.monotonic()).into_iter();
        Readiness {
            faults: journal.into_iter().chain(failures).chain(troubles).collect(),
            lately: lately
                .map(|(at, what)| format!("The source of pipeline {}: {what}.", name(at)))
                .collect(),
        }
    }

    fn pipelines(&self) -> Vec<PipelineSummary> {
        self.ticker.tick_for_scrape();
        let lags = self.telemetry.sources.lags();
        let lanes = |pipeline| {
            let own = lags.iter().filter(move |((of, _), _)| *of == pipeline);
            own.map(|((_, lane), (behind, _))| (lane.clone(), *behind)).collect()
        };
        let now = self.clock.steady();
        self.ledger.look(|posted| {
            posted.iter().map(|posted| PipelineSummary::of(posted, lanes(posted.pipeline), now)).collect()
        })
    }
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
