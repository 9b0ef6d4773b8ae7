//! One flag that tells every thread to finish, and wakes those that wait.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Asks everything that holds a clone to finish. Raised once, never lowered.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<(Mutex<bool>, Condvar)>);

impl Shutdown {
    /// Not raised yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Raises the flag and wakes all waiting threads.
    pub fn raise(&self) {
        *self.flag() = true;
        self.0.1.notify_all();
    }

    /// Whether the flag is up.
    pub fn is_raised(&self) -> bool {
        *self.flag()
    }

    /// Waits until the flag is up, at most `timeout`; says whether it is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let waited = self.0.1.wait_timeout_while(self.flag(), timeout, |raised| !*raised);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn flag(&self) -> MutexGuard<'_, bool> {
        // A flag cannot be left half written by a panic.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_thread_is_woken_at_once() {
        let shutdown = Shutdown::new();
        let waiting = std::thread::spawn({
            let shutdown = shutdown.clone();
            move || shutdown.wait(Duration::from_secs(3600))
        });
        shutdown.raise();
        assert!(waiting.join().unwrap());
        assert!(shutdown.is_raised());
    }

    #[test]
    fn waiting_ends_when_the_time_is_up() {
        assert!(!Shutdown::new().wait(Duration::from_millis(1)));
    }
}
