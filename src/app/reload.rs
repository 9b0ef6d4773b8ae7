//! Loads the pipeline files again while the program runs, and goes on with them if nothing is wrong.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use super::page::Page;
use super::running::Running;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::config;
use crate::encode::Sink;
use crate::raw::fault::Faults;
use crate::serve::{Asked, Exposition, PipelineSummary, Readiness, Reload};
use crate::telemetry::Telemetry;

/// What runs, and the files that it was loaded from.
pub(super) struct Reloader {
    paths: Vec<PathBuf>,
    page: Arc<Page>,
    telemetry: Arc<Telemetry>,
    clock: Clock,
    /// Held while the configuration is changed; `None` once the program stops.
    running: Mutex<Option<Running>>,
}

impl Reloader {
    /// Pipelines that were started from these files.
    pub(super) fn new(paths: Vec<PathBuf>, running: Running, clock: Clock) -> Reloader {
        let page = Arc::clone(&running.page);
        let telemetry = Arc::clone(&page.telemetry);
        Reloader { paths, page, telemetry, clock, running: Mutex::new(Some(running)) }
    }

    /// What runs, to be stopped: there is no other configuration any more. One that is being changed to has so long; if it
    /// waits for something to be posted, that is given up then.
    pub(super) fn take(&self, patience: Duration) -> Option<Running> {
        let (end, pause) = (self.clock.monotonic() + patience, Shutdown::new());
        loop {
            match self.running.try_lock() {
                Ok(mut running) => return running.take(),
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner().take(),
                Err(TryLockError::WouldBlock) => {}
            }
            if self.clock.monotonic() >= end {
                self.page.ticker.close(Duration::ZERO);
            }
            pause.wait(Duration::from_millis(10));
        }
    }

    /// Loads the files and goes on with them, or says what is wrong. Takes as long as sources that are changed take to end.
    pub(super) fn load(&self, asked_by: &'static str) -> Reload {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = running.as_mut() else {
            return Reload::Impossible("The program is stopping.".to_owned());
        };
        tracing::info!(asked_by, "the configuration is loaded again");
        let plan = match config::load(&self.paths, &|name| std::env::var(name).ok()) {
            Ok(plan) => plan,
            Err(faults) => return self.refuse(&faults),
        };
        match running.change(plan) {
            Ok(changed) => {
                self.telemetry.reloads.succeeded(self.clock.unix());
                let said = changed.to_string();
                tracing::info!(changed = said, "the configuration was loaded");
                Reload::Done(format!("The configuration was loaded: {said}.\n"))
            }
            Err(why) => {
                self.telemetry.reloads.refused();
                tracing::error!(why, "the configuration was not changed");
                Reload::Impossible(format!("The configuration was not changed: {why}.\n"))
            }
        }
    }

    fn refuse(&self, faults: &Faults) -> Reload {
        self.telemetry.reloads.refused();
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
