//! Loads the pipeline files again while the program runs, and goes on with them if nothing is wrong.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use super::page::Page;
use super::running::{Changed, Running};
use crate::base::shutdown::Shutdown;
use crate::config;
use crate::encode::Sink;
use crate::raw::fault::Faults;
use crate::serve::{Asked, Exposition, PipelineSummary, Readiness, Reload};

/// What runs, and the files that it was loaded from.
pub(super) struct Reloader {
    paths: Vec<PathBuf>,
    page: Arc<Page>,
    /// Raised when the program stops.
    stopping: Shutdown,
    /// Held while the configuration is changed; `None` once the program stops.
    running: Mutex<Option<Running>>,
}

impl Reloader {
    /// Pipelines that were started from these files.
    pub(super) fn new(paths: Vec<PathBuf>, running: Running) -> Reloader {
        let page = Arc::clone(&running.page);
        Reloader { paths, page, stopping: Shutdown::new(), running: Mutex::new(Some(running)) }
    }

    /// Stops what runs within so long; says whether everything was posted. Nothing is loaded any more; a change under way
    /// is given up where it waits.
    pub(super) fn stop(&self, grace: Duration) -> bool {
        let end = self.page.clock.monotonic() + grace;
        self.stopping.raise();
        let pause = Shutdown::new();
        let running = loop {
            match self.running.try_lock() {
                Ok(mut running) => break running.take(),
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner().take(),
                Err(TryLockError::WouldBlock) => {}
            }
            if self.page.clock.monotonic() >= end {
                self.page.ticker.close(Duration::ZERO);
            }
            pause.wait(Duration::from_millis(10));
        };
        let left = end.saturating_sub(self.page.clock.monotonic());
        let is_posted = running.is_none_or(|running| running.stop(left));
        self.page.log_totals();
        is_posted
    }

    /// Begins again what could not be begun before; to be called every second or so.
    pub(super) fn tend(&self) {
        if let Ok(mut running) = self.running.try_lock()
            && let Some(running) = running.as_mut()
        {
            running.tend();
        }
    }

    /// Loads the files and goes on with them, or says what is wrong. Takes as long as sources that are changed take to end.
    pub(super) fn load(&self, asked_by: &'static str) -> Reload {
        // Those who ask while it is done would each hold a thread.
        let Ok(mut running) = self.running.try_lock() else {
            tracing::warn!(
                asked_by,
                "the configuration is being changed already, and is not loaded once more"
            );
            return Reload::Impossible("The configuration is being changed already; try again.\n".to_owned());
        };
        let Some(running) = running.as_mut() else {
            return Reload::Impossible("The program is stopping.\n".to_owned());
        };
        tracing::info!(asked_by, "the configuration is loaded again");
        let plan = match config::load(&self.paths, &|name| std::env::var(name).ok()) {
            Ok(plan) => plan,
            Err(faults) => return self.refuse(&faults),
        };
        match running.change(plan, &self.stopping) {
            Ok(changed) => {
                self.page.telemetry.reloads.succeeded(self.page.clock.unix());
                let Changed { same, changed: other, new, removed } = changed;
                tracing::info!(changed = other, new, removed, same, "the configuration was loaded");
                Reload::Done(format!("The configuration was loaded; {changed}.\n"))
            }
            Err(why) => {
                self.page.telemetry.reloads.refused();
                tracing::error!(why, "the configuration is not in effect");
                Reload::Impossible(format!("The configuration is not in effect: {why}.\n"))
            }
        }
    }

    fn refuse(&self, faults: &Faults) -> Reload {
        self.page.telemetry.reloads.refused();
        tracing::error!(faults = faults.len(), "the configuration is faulty; the one before it runs on");
        for fault in faults.found() {
            let help = fault.help.as_deref().unwrap_or_default();
            tracing::error!(at = faults.locate(fault.place), problem = fault.problem, help, "faulty");
        }
        Reload::Faulty(faults.render(false))
    }
}

impl Exposition for Reloader {
    fn expose(&self, asked: &Asked, sink: &mut dyn Sink) {
        self.page.expose(asked, sink);
    }

    fn ready(&self) -> Readiness {
        self.page.ready()
    }

    fn pipelines(&self) -> Vec<PipelineSummary> {
        self.page.pipelines()
    }

    fn reload(&self) -> Reload {
        self.load("a request")
    }
}
