//! Waits of random length, so that many who wait for the same do not all come at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Random parts of waits: "full jitter", as in Marc Brooker's "Exponential Backoff And Jitter" (2015).
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// The sequence that follows from a seed.
    pub fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// A sequence that is another one in every process.
    pub fn random() -> Jitter {
        Jitter(RandomState::new().hash_one(()))
    }

    /// A part of `wait`, from none of it to all of it, all about equally likely.
    pub fn part_of(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(self.unit())
    }

    /// A number from 0 up to 1, by SplitMix64 (Steele, Lea and Flood, 2014).
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_spread_over_the_whole_wait() {
        let mut jitter = Jitter::new(7);
        let wait = Duration::from_secs(1);
        let parts: Vec<_> = (0..10_000).map(|_| jitter.part_of(wait)).collect();
        assert!(parts.iter().all(|part| *part <= wait));
        for tenth in 0..10 {
            let within = parts.iter().filter(|part| part.as_millis() / 100 == tenth).count();
            assert!((900..1100).contains(&within), "{within} of 10000 in tenth {tenth}");
        }
    }

    #[test]
    fn two_processes_differ() {
        let wait = Duration::from_secs(3600);
        assert_ne!(Jitter::random().part_of(wait), Jitter::random().part_of(wait));
        assert_eq!(Jitter::new(1).part_of(wait), Jitter::new(1).part_of(wait));
    }
}
