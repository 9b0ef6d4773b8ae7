//! What is reported of the configuration that runs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When the configuration was loaded, and how that went the last time. Written by who loads it, read by expositions.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<Loaded>);

/// The last times that the configuration was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Whether the last one was refused.
    pub refused: bool,
    /// When the one that runs was loaded, since the Unix epoch.
    pub at: Duration,
}

impl Reloads {
    /// A configuration was loaded, and runs.
    pub fn succeeded(&self, now: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Loaded { refused: false, at: now };
    }

    /// A configuration was refused; the one before it runs on.
    pub fn refused(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused = true;
    }

    /// How it went.
    pub fn last(&self) -> Loaded {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
