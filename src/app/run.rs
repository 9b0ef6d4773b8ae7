//! `run`: pipelines run and their metrics are served until a signal comes; then everything is drained.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::reload::Reloader;
use super::running::{self, Running};
use super::watch::Watch;
use crate::base::clock::Clock;
use crate::cli::{EngineFlags, Run, Web};
use crate::engine::Options;
use crate::serve::{self, Exposition, Reload};

/// How many bytes may wait for each worker: enough that it always has work, few enough to stay in the cache.
const QUEUE_BYTES: usize = 4 << 20;

/// The time between two looks at files that are watched.
const WATCH: Duration = Duration::from_secs(1);

/// How long sources get to finish what they are reading.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Runs the pipelines until SIGTERM or SIGINT; a second signal ends the process at once.
pub(super) fn run(options: &Run) -> anyhow::Result<ExitCode> {
    // What changes from here on is noticed.
    let watch = options.watch.then(|| Watch::new(options.paths.clone()));
    let plan = match super::load(&options.paths) {
        Ok(plan) => plan,
        Err(code) => return Ok(code),
    };
    let runtime = runtime()?;
    let (mut signals, told, _limit) = runtime.block_on(async {
        let told = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
        // A file that grows beyond the limit for files is to be an error, not the end.
        let too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        let too_large = signal(too_large).context("cannot wait for SIGXFSZ")?;
        anyhow::Ok((Signals::new()?, told, too_large))
    })?;
    let listener = runtime.block_on(listen(&options.web))?;
    abort_on_panic();
    let clock = Clock::system();
    let kept = running::keeper(options.state.directory.as_deref(), &clock)?;
    let running = Running::start(plan, &layout(&options.engine), clock, kept);
    let address = listener.local_addr().context("the address listened on is not known")?;
    tracing::info!(%address, path = options.web.telemetry_path, "serving metrics");
    let reloader = Arc::new(Reloader::new(options.paths.clone(), running));
    let ended = runtime.block_on(async {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let web = serve::Options { telemetry_path: options.web.telemetry_path.clone() };
        let shown: Arc<dyn Exposition> = Arc::clone(&reloader) as Arc<dyn Exposition>;
        let server = tokio::spawn(serve::serve(listener, web, shown, stopped));
        let reloading = tokio::spawn(reload_when_told(told, Arc::clone(&reloader), watch));
        signals.next().await;
        reloading.abort();
        tracing::info!("stopping: sources finish, everything is posted");
        let end = async {
            let is_posted = tokio::task::spawn_blocking(move || reloader.stop(GRACE)).await?;
            drop(stop);
            server.await??;
            anyhow::Ok(if is_posted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        };
        tokio::select! {
            ended = end => ended,
            () = signals.next() => {
                tracing::error!("ended at once; what was not posted is read again, where the state is kept");
                Ok(ExitCode::FAILURE)
            }
        }
    });
    if matches!(ended, Ok(code) if code == ExitCode::SUCCESS) {
        tracing::info!("stopped");
    }
    // What still runs after a second signal is not waited for.
    runtime.shutdown_background();
    ended
}

/// Loads the configuration again at each SIGHUP, and when these files change.
async fn reload_when_told(
    mut told: Signal,
    reloader: Arc<Reloader>,
    mut watch: Option<Watch>,
) -> anyhow::Result<()> {
    let mut pause = tokio::time::interval(WATCH);
    loop {
        let is_told = tokio::select! {
            _ = told.recv() => true,
            _ = pause.tick() => false,
        };
        let reloader = Arc::clone(&reloader);
        let looked = tokio::task::spawn_blocking(move || {
            reloader.tend();
            // What loading says is in the log as well.
            let is_changed = watch.as_mut().is_some_and(Watch::look);
            let asked_by = if is_told { "SIGHUP" } else { "a change of the files" };
            let loaded = (is_told || is_changed).then(|| reloader.load(asked_by));
            if is_changed && matches!(loaded, Some(Reload::Impossible(_))) {
                watch.as_mut().map(Watch::again);
            }
            watch
        });
        watch = looked.await?;
    }
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
