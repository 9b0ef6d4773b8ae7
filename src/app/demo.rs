//! `demo`: generates three live streams, counts them with the shipped pipelines, and shows that all of it was counted.

mod display;
mod streams;

use std::io::ErrorKind;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::net::TcpListener;

use self::display::Display;
use self::streams::{KINDS, Kind, QUEUE_BYTES, Streams};
use super::page::Page;
use super::run::{self, GRACE};
use super::running::{self, Running};
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::cli::{Demo, EngineFlags, Web};
use crate::config::{self, Plan};
use crate::demo::drive::Drive;
use crate::demo::report::Row;
use crate::demo::{Counted, Figure, Totals};
use crate::engine::Options;
use crate::serve;

/// The time between two looks at what is counted.
const LOOK: Duration = Duration::from_millis(20);

/// The time between two summaries.
const SUMMARY: Duration = Duration::from_secs(1);

/// How long the pipelines may take until all of them read.
const CONNECTING: Duration = Duration::from_secs(30);

/// Generates and counts until the time is up or a signal comes. Fails if not everything was counted right.
pub(super) fn run(options: &Demo) -> anyhow::Result<ExitCode> {
    let runtime = run::runtime()?;
    let (clock, stop, abandon) = (Clock::system(), Shutdown::new(), Shutdown::new());
    let mut streams = Streams::prepare(options, &runtime, &clock, &stop)?;
    let plan = plan(&streams.places)?;
    let (listener, taken) = runtime.block_on(listen(&options.web))?;
    let mut display = Display::start();
    display.introduce(options, &streams.places, listener.local_addr()?, taken)?;

    run::abort_on_panic();
    let flags = EngineFlags { workers: 0, tick: SUMMARY };
    let layout = Options { queue_bytes: QUEUE_BYTES, ..run::layout(&flags) };
    let kept = running::keeper(None, &clock)?;
    let running = Running::start(plan, &layout, clock.clone(), kept);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let ended = async { drop(ended.await) };
    let web = serve::Options { telemetry_path: options.web.telemetry_path.clone() };
    let server = runtime.spawn(serve::serve(listener, web, running.page(), ended));
    runtime.spawn(stop_at_signal(stop.clone(), abandon.clone()));

    let view = View { page: Arc::clone(&running.page), clock, stop, abandon };
    let result = view.show(options.duration, &mut streams, &mut display);
    view.stop.raise();
    running.stop(GRACE);
    drop(end);
    runtime.block_on(server)??;
    Ok(if result? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(places: &[String]) -> anyhow::Result<Plan> {
    let environment = |name: &str| {
        let at = KINDS.iter().position(|kind| kind.variable == name)?;
        Some(places[at].clone())
    };
    let texts = KINDS.map(|kind| (kind.file, kind.text));
    config::parse(&texts, &environment).map_err(|faults| anyhow::anyhow!(faults.render(false)))
}

/// Opens the address to serve on. Only the default one is given up for a free port if it is taken; says whether
/// it was.
async fn listen(web: &Web) -> anyhow::Result<(TcpListener, Option<&str>)> {
    let address = web.address();
    if web.listen.is_none()
        && let Err(error) = TcpListener::bind(address).await
        && error.kind() == ErrorKind::AddrInUse
    {
        let free = Web { listen: Some("127.0.0.1:0".to_owned()), ..web.clone() };
        return Ok((run::listen(&free).await?, Some(address)));
    }
    Ok((run::listen(web).await?, None))
}

/// Ends the streams at the first signal, and the waiting for the last counts at the second.
async fn stop_at_signal(stop: Shutdown, abandon: Shutdown) {
    match run::Signals::new() {
        Ok(mut signals) => {
            signals.next().await;
            stop.raise();
            signals.next().await;
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "signals cannot be heard, so the demo ends")
        }
    }
    stop.raise();
    abandon.raise();
}

/// What watches the streams and their counts.
struct View {
    page: Arc<Page>,
    clock: Clock,
    /// Ends the streams.
    stop: Shutdown,
    /// Ends the waiting for the last counts.
    abandon: Shutdown,
}

impl View {
    /// Has the streams generated, watches, and compares; says whether everything agrees.
    fn show(
        &self,
        duration: Option<Duration>,
        streams: &mut Streams,
        display: &mut Display,
    ) -> anyhow::Result<bool> {
        display.connecting()?;
        self.wait_until_all_read()?;
        display.running(duration)?;
        streams.begin(self.clock.monotonic());
        let watched = self.watch(duration, streams, display);
        let generated = streams.finish()?;
        watched?;
        display.waiting()?;
        let counted = self.settle(&generated)?;
        display.conclude(&self.page, &generated.compare(&counted.totals))
    }

    /// Waits until every pipeline reads.
    fn wait_until_all_read(&self) -> anyhow::Result<()> {
        let start = self.clock.monotonic();
        loop {
            self.check_sources()?;
            let lanes = self.page.telemetry.sources.lags();
            let reads = |at: usize| lanes.keys().any(|(of, _)| *of == at);
            let Some(late) = (0..KINDS.len()).find(|at| !reads(*at)) else { return Ok(()) };
            let name = KINDS[late].name;
            ensure!(
                self.clock.monotonic() - start < CONNECTING,
                "the pipeline of the {name} reads nothing after {CONNECTING:?}"
            );
            if self.stop.wait(LOOK) {
                return Ok(());
            }
        }
    }

    /// Fails if a source has ended.
    fn check_sources(&self) -> anyhow::Result<()> {
        match self.page.telemetry.sources.failures().first_key_value() {
            Some((at, error)) => bail!("the source of the {} failed: {error}", KINDS[*at].name),
            None => Ok(()),
        }
    }

    /// Tells the streams what is counted of them, and shows every second where things stand, until they are to end or
    /// the time is up.
    fn watch(
        &self,
        duration: Option<Duration>,
        streams: &Streams,
        display: &mut Display,
    ) -> anyhow::Result<()> {
        let start = self.clock.monotonic();
        let (mut shown, mut before) = (start, [0; KINDS.len()]);
        loop {
            if self.stop.wait(LOOK) {
                return Ok(());
            }
            self.check_sources()?;
            let counted = self.counted_events();
            streams
                .drives
                .iter()
                .zip(&counted)
                .for_each(|(drive, events)| drive.progress.set_counted(*events));
            let now = self.clock.monotonic();
            if duration.is_some_and(|duration| now - start >= duration) {
                return Ok(());
            }
            if now - shown >= SUMMARY {
                let took = (now - shown).as_secs_f64();
                let rates = counted.iter().zip(before).map(|(now, before)| (now - before) as f64 / took);
                display.update(now - start, &rows(streams, &rates.collect::<Vec<_>>(), &self.counted()))?;
                (shown, before) = (now, counted.try_into().expect("one number for each stream"));
            }
        }
    }

    /// Waits until all that was generated is counted, or nothing more is.
    fn settle(&self, generated: &Totals) -> anyhow::Result<Counted> {
        let all = generated.sum(Figure::SourceEvents);
        let (mut most, mut since) = (0, self.clock.monotonic());
        loop {
            self.check_sources()?;
            let events = self.counted_events().iter().sum();
            let now = self.clock.monotonic();
            if events > most {
                (most, since) = (events, now);
            }
            if events >= all || now - since >= GRACE || self.abandon.wait(LOOK) {
                return Ok(self.counted());
            }
        }
    }

    /// How many events of each stream are counted up to now.
    fn counted_events(&self) -> Vec<u64> {
        self.page.ticker.tick();
        self.page.ledger.look(|posted| posted.iter().map(|posted| posted.flow.events).collect())
    }

    /// Everything counted up to now: one consistent cut.
    fn counted(&self) -> Counted {
        self.page.ticker.tick();
        let mut counted = Counted::default();
        let mut flows = Vec::new();
        let now = self.page.clock.steady();
        self.page.ledger.encode(now, &mut counted, &mut Vec::new(), |posted, _, _| {
            flows.extend(posted.iter().map(|posted| posted.flow.clone()));
        });
        KINDS.iter().zip(&flows).for_each(|(kind, flow)| counted.flow(kind.pipeline, flow));
        counted
    }
}

fn rows(streams: &Streams, rates: &[f64], counted: &Counted) -> Vec<Row> {
    let row = |((kind, drive), per_second): ((&Kind, &Drive), &f64)| Row {
        name: kind.name,
        generated: drive.progress.generated(),
        counted: drive.progress.counted(),
        per_second: *per_second,
        says: (kind.says)(counted),
    };
    KINDS.iter().zip(&streams.drives).zip(rates).map(row).collect()
}
