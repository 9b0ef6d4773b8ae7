//! `demo`: writes logs, counts them with the shipped pipelines, and shows that all of it was counted.

mod display;

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::net::TcpListener;

use self::display::Display;
use super::page::Page;
use super::run::{self, GRACE, Running};
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::cli::{Demo, EngineFlags, Web};
use crate::config::{self, Plan};
use crate::demo::report::Moment;
use crate::demo::writer::{Logs, Writer};
use crate::demo::{Counted, Figure, Totals, access_log, app_log};
use crate::serve;

/// The pipelines, in the order of the logs' paths, with the variable by which each is told its log.
const PIPELINES: [(&str, &str, &str); 2] = [
    ("log-errors.yaml", include_str!("../../pipelines/log-errors.yaml"), "APP_LOG"),
    ("access-log.yaml", include_str!("../../pipelines/access-log.yaml"), "ACCESS_LOG"),
];

/// What the pipelines are called, in the same order.
const NAMES: [&str; 2] = [app_log::PIPELINE, access_log::PIPELINE];

/// The time between two looks at something that takes a moment.
const LOOK: Duration = Duration::from_millis(5);

/// Writes and counts logs until the time is up or a signal comes. Fails if not everything was counted right.
pub(super) fn run(options: &Demo) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("streamgauge-demo-").tempdir();
    let folder = folder.context("no temporary folder can be made")?;
    let logs = Logs::create(folder.path(), options.seed).context("the logs cannot be created")?;
    let plan = plan(logs.paths())?;
    let runtime = run::runtime()?;
    let (listener, taken) = runtime.block_on(listen(&options.web))?;
    let mut display = Display::start();
    display.introduce(options, folder.path(), listener.local_addr()?, taken)?;

    let clock = Clock::system();
    let flags = EngineFlags { workers: 0, tick: Duration::from_secs(1) };
    let running = Running::start(plan, &flags, clock.clone());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let ended = async { drop(ended.await) };
    let web = serve::Options { telemetry_path: options.web.telemetry_path.clone() };
    let server = runtime.spawn(serve::serve(listener, web, running.page(), ended));
    let stop = Shutdown::new();
    runtime.spawn(stop_at_signal(stop.clone()));

    let page = Arc::clone(&running.page);
    let result = show(options, logs, &page, (&clock, &stop), &mut display);
    stop.raise();
    running.stop(GRACE);
    drop(end);
    runtime.block_on(server)??;
    Ok(if result? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(logs: [&Path; 2]) -> anyhow::Result<Plan> {
    let environment = |name: &str| {
        let at = PIPELINES.iter().position(|(_, _, variable)| *variable == name)?;
        Some(logs[at].display().to_string())
    };
    let texts = PIPELINES.map(|(name, text, _)| (name, text));
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

async fn stop_at_signal(stop: Shutdown) {
    match run::Signals::new() {
        Ok(mut signals) => signals.next().await,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "signals cannot be heard, so the demo ends")
        }
    }
    stop.raise();
}

/// Writes, watches, and compares; says whether everything agrees.
fn show(
    options: &Demo,
    logs: Logs,
    page: &Arc<Page>,
    (clock, stop): (&Clock, &Shutdown),
    display: &mut Display,
) -> anyhow::Result<bool> {
    wait_for_lanes(page, clock, stop)?;
    let counting = Arc::clone(page);
    let counted_lines = move || counted(&counting).totals.sum(Figure::SourceLines);
    let writer = Writer::start(logs, options.rate, clock.clone(), stop.clone(), counted_lines);
    let watched = watch(&writer, page, (clock, stop), (options.duration, display));
    stop.raise();
    let written = writer.finish().context("the logs cannot be written")?;
    watched?;
    let counted = settle(page, &written, clock);
    display.conclude(page, &written.compare(&counted.totals))
}

/// Waits until both sources have found their files, which are still empty.
fn wait_for_lanes(page: &Page, clock: &Clock, stop: &Shutdown) -> anyhow::Result<()> {
    let start = clock.monotonic();
    let all_found = || {
        let lanes = page.telemetry.sources.lags();
        (0..PIPELINES.len()).all(|pipeline| lanes.keys().any(|(of, _)| *of == pipeline))
    };
    while !all_found() && !stop.wait(LOOK) {
        ensure!(clock.monotonic() - start < GRACE, "the sources do not find the logs");
    }
    Ok(())
}

/// Shows every second where things stand, until `stop` is raised or the time is up.
fn watch(
    writer: &Writer,
    page: &Page,
    (clock, stop): (&Clock, &Shutdown),
    (duration, display): (Option<Duration>, &mut Display),
) -> anyhow::Result<()> {
    let start = clock.monotonic();
    let (mut before, mut lines_before) = (Duration::ZERO, 0);
    loop {
        let left =
            duration.map_or(Duration::MAX, |duration| (start + duration).saturating_sub(clock.monotonic()));
        if left.is_zero() || stop.wait(left.min(Duration::from_secs(1))) {
            return Ok(());
        }
        let counted = counted(page);
        let (elapsed, written) = (clock.monotonic() - start, writer.written());
        let last = (written - lines_before, elapsed - before);
        display.update(&Moment { elapsed, written, last }, &counted)?;
        (before, lines_before) = (elapsed, written);
    }
}

/// Waits until all that was written is counted, or nothing more is.
fn settle(page: &Page, written: &Totals, clock: &Clock) -> Counted {
    let all = written.sum(Figure::SourceLines);
    let never = Shutdown::new();
    let (mut most, mut since) = (0, clock.monotonic());
    loop {
        let counted = counted(page);
        let lines = counted.totals.sum(Figure::SourceLines);
        let now = clock.monotonic();
        if lines > most {
            (most, since) = (lines, now);
        }
        if lines >= all || now - since >= GRACE {
            return counted;
        }
        never.wait(LOOK);
    }
}

/// Everything counted up to now: one consistent cut.
fn counted(page: &Page) -> Counted {
    page.ticker.tick();
    let mut counted = Counted::default();
    let mut flows = Vec::new();
    page.ledger.encode(page.clock.unix(), &mut counted, &mut Vec::new(), |posted, _, _| {
        flows.extend(posted.iter().map(|posted| posted.flow.clone()));
    });
    NAMES.iter().zip(&flows).for_each(|(name, flow)| counted.flow(name, flow));
    counted
}
