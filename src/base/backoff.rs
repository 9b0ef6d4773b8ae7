//! How long to wait before the next try.

use std::time::Duration;

/// Waits that double from `min` to `max`, until a success.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// The first wait is `min`, none is longer than `max`.
    pub fn new(min: Duration, max: Duration) -> Backoff {
        Backoff { min, max, next: min }
    }

    /// The wait after one more failure.
    pub fn failed(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.max);
        wait
    }

    /// Starts anew after a success.
    pub fn succeeded(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3));
        let waits: Vec<_> = (0..4).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(waits, [1, 2, 3, 3]);
        backoff.succeeded();
        assert_eq!(backoff.failed().as_secs(), 1);
    }
}
