//! `run`: pipelines run and their metrics are served until a signal comes; then everything is drained.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::page::Page;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::cli::{EngineFlags, Run, Web};
use crate::config::Plan;
use crate::engine::{Engine, Options, Surroundings};
use crate::serve::{self, Exposition};
use crate::source::{Context, SourceError};
use crate::telemetry::Telemetry;

/// How many bytes may wait for each worker: enough that it always has work, few enough to stay in the cache.
const QUEUE_BYTES: usize = 4 << 20;

/// How long sources get to finish what they are reading.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Runs the pipelines until SIGTERM or SIGINT; a second signal ends the process at once.
pub(super) fn run(options: &Run) -> anyhow::Result<ExitCode> {
    let plan = match super::load(&options.paths) {
        Ok(plan) => plan,
        Err(code) => return Ok(code),
    };
    let runtime = runtime()?;
    let listener = runtime.block_on(listen(&options.web))?;
    abort_on_panic();
    let running = Running::start(plan, &layout(&options.engine), Clock::system());
    let address = listener.local_addr().context("the address listened on is not known")?;
    tracing::info!(%address, path = options.web.telemetry_path, "serving metrics");
    let ended = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let options = serve::Options { telemetry_path: options.web.telemetry_path.clone() };
        let server = tokio::spawn(serve::serve(listener, options, running.page(), stopped));
        signals.next().await;
        tracing::info!("stopping: sources finish, everything is posted");
        let page = Arc::clone(&running.page);
        let end = async {
            tokio::task::spawn_blocking(move || running.stop(GRACE)).await?;
            page.log_totals();
            drop(stop);
            server.await??;
            anyhow::Ok(ExitCode::SUCCESS)
        };
        tokio::select! {
            ended = end => ended,
            () = signals.next() => Ok(ExitCode::FAILURE),
        }
    });
    match &ended {
        Ok(code) if *code == ExitCode::SUCCESS => tracing::info!("stopped"),
        _ => tracing::error!("ended at once; what was read but not posted is not counted"),
    }
    // What still runs after a second signal is not waited for.
    runtime.shutdown_background();
    ended
}

/// How the engine is laid out by these flags.
pub(super) fn layout(flags: &EngineFlags) -> Options {
    let workers = match flags.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    Options { workers, queue_bytes: QUEUE_BYTES, tick: Some(flags.tick) }
}

/// Ends the process when one of the threads panics that everything hangs on: a worker, a source, the ticker. Without it
/// the numbers would stand still, or be wrong, while everything looks well.
pub(super) fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        let thread = std::thread::current();
        if thread.name().is_some_and(|name| ["worker", "source", "ticker"].contains(&name)) {
            tracing::error!(thread = thread.name(), "a thread panicked, the process ends");
            std::process::abort();
        }
    }));
}

/// The runtime of the server. The record path does not run on it.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .thread_name("server")
        .enable_all()
        .build()
        .context("the server's threads cannot be started")
}

/// Opens the address that metrics are served on.
pub(super) async fn listen(web: &Web) -> anyhow::Result<TcpListener> {
    let address = web.address();
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (see --web.listen-address)"))
}

/// SIGTERM and SIGINT. One that comes while nobody waits is not lost.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Hears signals from now on.
    pub(super) fn new() -> anyhow::Result<Signals> {
        let terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        Ok(Signals { terminate, interrupt })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Pipelines that run: their sources, and the engine.
pub(super) struct Running {
    engine: Engine,
    sources: Vec<JoinHandle<()>>,
    shutdown: Shutdown,
    pub(super) page: Arc<Page>,
}

impl Running {
    /// Starts the engine and the sources of every pipeline.
    pub(super) fn start(plan: Plan, layout: &Options, clock: Clock) -> Running {
        let ledger = Arc::new(plan.ledger(clock.steady()));
        let telemetry = Arc::new(Telemetry::default());
        let surroundings = Surroundings {
            ledger: Arc::clone(&ledger),
            telemetry: Arc::clone(&telemetry),
            clock: clock.clone(),
        };
        let engine = Engine::start(layout, surroundings, || plan.processors());
        let shutdown = Shutdown::new();
        let sources = plan.pipelines.iter().enumerate().map(|(at, pipeline)| {
            let (source, mut outlet) = (pipeline.source.source(), engine.outlet(at));
            let columns = pipeline.columns();
            let context = Context { clock: clock.clone(), shutdown: shutdown.clone(), columns };
            let name = pipeline.name.clone();
            let telemetry = Arc::clone(&telemetry);
            let run = move || ended((at, &name), source.run(&mut outlet, &context), &telemetry);
            std::thread::Builder::new()
                .name("source".to_owned())
                .spawn(run)
                .expect("the system can start a thread")
        });
        let sources = sources.collect();
        let page = Arc::new(Page::new(&plan, engine.ticker(), ledger, telemetry, clock));
        Running { engine, sources, shutdown, page }
    }

    /// What is served of them.
    pub(super) fn page(&self) -> Arc<dyn Exposition> {
        Arc::clone(&self.page) as Arc<dyn Exposition>
    }

    /// Lets the sources finish, for at most `grace`, and posts everything they handed over.
    pub(super) fn stop(self, grace: Duration) {
        self.shutdown.raise();
        let clock = Clock::system();
        let all_ended = || self.sources.iter().all(JoinHandle::is_finished);
        let never = Shutdown::new();
        while !all_ended() && clock.monotonic() < grace {
            never.wait(Duration::from_millis(5));
        }
        if !all_ended() {
            tracing::warn!("a source did not finish in time; what it had not handed over is not counted");
        }
        self.engine.drain();
    }
}

fn ended((at, pipeline): (usize, &str), result: Result<(), SourceError>, telemetry: &Telemetry) {
    match result {
        Ok(()) => tracing::info!(pipeline, "source ended"),
        Err(error) => {
            telemetry.sources.failed(at, error.to_string());
            tracing::error!(pipeline, error = %error, "source failed; its metrics stay as they are");
        }
    }
}
