//! What the server shows: ticks on every scrape, and encodes one consistent cut.

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::config::Plan;
use crate::encode;
use crate::engine::Ticker;
use crate::ledger::Ledger;
use crate::serve::own::{Names, Own};
use crate::serve::{Bytes, Exposition, PipelineSummary};
use crate::telemetry::Telemetry;

/// Everything that is served.
pub(super) struct Page {
    pub(super) ticker: Ticker,
    pub(super) ledger: Arc<Ledger>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) clock: Clock,
    pub(super) names: Vec<Names>,
    pub(super) summaries: Vec<PipelineSummary>,
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
            stages: pipeline.stages.iter().map(|stage| stage.name.clone()).collect(),
        });
        let summaries = plan.pipelines.iter().map(|pipeline| PipelineSummary {
            name: pipeline.name.clone(),
            source: pipeline.source_kind.name.to_owned(),
            metrics: pipeline
                .metrics
                .iter()
                .map(|metric| (metric.family.name.clone(), metric.family.help.clone()))
                .collect(),
        });
        let (names, summaries) = (names.collect(), summaries.collect());
        let started = clock.unix().as_secs_f64();
        Page { ticker, ledger, telemetry, clock, names, summaries, started }
    }
}

impl Exposition for Page {
    fn expose(&self, kind: &'static encode::Kind) -> Vec<Bytes> {
        self.ticker.tick();
        let mut encoder = (kind.build)();
        let mut out = Vec::new();
        let uptime = self.clock.unix().as_secs_f64() - self.started;
        let own = Own { names: &self.names, telemetry: &self.telemetry, started: self.started, uptime };
        self.ledger.encode(self.clock.unix(), &mut *encoder, &mut out, |posted, encoder, out| {
            own.encode(posted, encoder, out)
        });
        encoder.finish(&mut out);
        vec![out.into()]
    }

    fn ready(&self) -> Result<(), Vec<String>> {
        let failures = self.telemetry.sources.failures();
        let reasons = failures.into_iter().map(|(pipeline, error)| {
            format!("The source of pipeline {} has failed: {error}.", self.names[pipeline].pipeline)
        });
        let reasons: Vec<_> = reasons.collect();
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    fn pipelines(&self) -> Vec<PipelineSummary> {
        self.summaries.clone()
    }
}
