//! What the server shows: ticks on every scrape, and encodes one consistent cut.

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::config::Plan;
use crate::encode::{Chunks, Encode, Selected, Sink};
use crate::engine::Ticker;
use crate::ledger::Ledger;
use crate::serve::own::{Names, Own};
use crate::serve::{Asked, Exposition, PipelineSummary, Readiness};
use crate::telemetry::{Process, Telemetry};

/// Everything that is served.
pub(super) struct Page {
    pub(super) ticker: Ticker,
    pub(super) ledger: Arc<Ledger>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) clock: Clock,
    pub(super) names: Vec<Names>,
    /// Seconds since the Unix epoch.
    pub(super) started: f64,
}

impl Page {
    /// The page of a plan whose engine has started.
    pub(super) fn new(
        plan: &Plan,
        ticker: Ticker,
        ledger: Arc<Ledger>,
        telemetry: Arc<Telemetry>,
        clock: Clock,
    ) -> Page {
        let names = plan.pipelines.iter().map(|pipeline| Names {
            pipeline: pipeline.name.clone(),
            source: pipeline.source_kind.name,
            reads: pipeline.source.describe(),
            stages: pipeline.stages.iter().map(|stage| stage.name.clone()).collect(),
        });
        let names = names.collect();
        let started = clock.unix().as_secs_f64();
        Page { ticker, ledger, telemetry, clock, names, started }
    }
}

impl Page {
    /// Logs what every pipeline has counted in all: the last word of a program that stops.
    pub(super) fn log_totals(&self) {
        self.ledger.look(self.clock.steady(), |posted, _| {
            for (names, posted) in self.names.iter().zip(posted) {
                let (pipeline, flow) = (&names.pipeline, posted.flow);
                tracing::info!(pipeline, events = flow.events, bytes = flow.bytes, "counted in all");
            }
        });
    }
}

impl Exposition for Page {
    fn expose(&self, asked: &Asked, sink: &mut dyn Sink) {
        self.ticker.tick();
        let now = self.clock.unix();
        let mut encoder = Selected::new((asked.kind.build)(now), &asked.families);
        // The ledger is held only while this writes to memory: the sink waits for nobody.
        let (mut chunks, mut out) = (Chunks::new(&mut encoder, sink), Vec::new());
        let uptime = now.as_secs_f64() - self.started;
        // Read before the ledger is held.
        let process = Process::read();
        let own =
            Own { names: &self.names, telemetry: &self.telemetry, started: self.started, uptime, process };
        self.ledger.encode(self.clock.steady(), &mut chunks, &mut out, |posted, encoder, out| {
            own.encode(posted, encoder, out)
        });
        chunks.finish(&mut out);
    }

    fn ready(&self) -> Readiness {
        let sources = &self.telemetry.sources;
        let name = |pipeline: usize| &self.names[pipeline].pipeline;
        let failures = sources.failures().into_iter().map(|(pipeline, error)| {
            format!("The source of pipeline {} has failed: {error}.", name(pipeline))
        });
        let troubles = sources.troubles().into_iter().map(|(pipeline, trouble)| {
            format!("The source of pipeline {} is held up: {trouble}.", name(pipeline))
        });
        let lately = sources.incidents(self.clock.monotonic()).into_iter();
        Readiness {
            faults: failures.chain(troubles).collect(),
            lately: lately
                .map(|(at, what)| format!("The source of pipeline {}: {what}.", name(at)))
                .collect(),
        }
    }

    fn pipelines(&self) -> Vec<PipelineSummary> {
        self.ticker.tick();
        let lags = self.telemetry.sources.lags();
        let lanes = |pipeline| {
            let own = lags.iter().filter(move |((of, _), _)| *of == pipeline);
            own.map(|((_, lane), (behind, _))| (lane.clone(), *behind)).collect()
        };
        let pipelines = self.names.iter().enumerate();
        self.ledger.look(self.clock.steady(), |posted, moment| {
            let summary = |((at, names), posted): ((_, &Names), _)| names.summary(posted, lanes(at), moment);
            pipelines.zip(posted).map(summary).collect()
        })
    }
}
