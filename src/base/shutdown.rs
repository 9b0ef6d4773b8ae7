//! One flag that tells every thread to finish, and wakes those that wait.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

/// Asks everything that holds a clone to finish. Raised once, never lowered.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<(Mutex<Flag>, Condvar)>);

#[derive(Debug, Default)]
struct Flag {
    raised: bool,
    /// Rung when the flag is raised.
    bells: Vec<Arc<OwnedFd>>,
}

impl Shutdown {
    /// Not raised yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Raises the flag and wakes all waiting threads.
    pub fn raise(&self) {
        let mut flag = self.flag();
        flag.raised = true;
        for bell in flag.bells.drain(..) {
            // It fails only where the bell has rung so often that it is readable anyhow.
            rustix::io::write(&*bell, &1_u64.to_ne_bytes()).ok();
        }
        drop(flag);
        self.0.1.notify_all();
    }

    /// Whether the flag is up.
    pub fn is_raised(&self) -> bool {
        self.flag().raised
    }

    /// A descriptor that becomes readable when the flag is raised, for a thread that waits in `poll`.
    ///
    /// # Errors
    /// What the system says when it has no descriptor to give.
    pub fn bell(&self) -> io::Result<Arc<OwnedFd>> {
        let mut flag = self.flag();
        let bell = Arc::new(eventfd(u32::from(flag.raised), EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        flag.bells.push(Arc::clone(&bell));
        Ok(bell)
    }

    /// Waits until the flag is up, at most `timeout`; says whether it is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let waited = self.0.1.wait_timeout_while(self.flag(), timeout, |flag| !flag.raised);
        waited.unwrap_or_else(PoisonError::into_inner).0.raised
    }

    fn flag(&self) -> MutexGuard<'_, Flag> {
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
    fn a_bell_rings_when_the_flag_is_raised_and_where_it_was_raised_before() {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let rings = |bell: &OwnedFd| {
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&at_once)).unwrap() == 1
        };
        let shutdown = Shutdown::new();
        let early = shutdown.bell().unwrap();
        assert!(!rings(&early));
        shutdown.raise();
        assert!(rings(&early) && rings(&shutdown.bell().unwrap()));
    }

    #[test]
    fn waiting_ends_when_the_time_is_up() {
        assert!(!Shutdown::new().wait(Duration::from_millis(1)));
    }
}
