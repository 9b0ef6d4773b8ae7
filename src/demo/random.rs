//! Random numbers that follow from a seed.

/// A sequence of random numbers: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, all about equally likely.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// One of `choices`, all about equally likely.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// An index of `shares`, each as likely as its share of their sum.
    pub fn share<const N: usize>(&mut self, shares: &[u64; N]) -> usize {
        let mut drawn = self.below(shares.iter().sum());
        let is_it = |share: &u64| match drawn.checked_sub(*share) {
            None => true,
            Some(rest) => {
                drawn = rest;
                false
            }
        };
        shares.iter().position(is_it).expect("what is drawn is below the sum of the shares")
    }

    /// A number from 0 up to 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number of a bell curve around 0 with standard deviation 1: a sum of four even ones, so never beyond
    /// 3.5.
    pub fn bell(&mut self) -> f64 {
        let bits = self.bits();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        (sum as f64 / 65_536.0 - 2.0) * 3f64.sqrt()
    }

    /// A size whose logarithm has a bell curve: `median`, times or divided by about `spread`.
    pub fn skewed(&mut self, median: f64, spread: f64) -> f64 {
        median * spread.powf(self.bell())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bell_curve_has_mean_0_and_deviation_1() {
        let mut random = Random::new(1);
        let numbers: Vec<_> = (0..100_000).map(|_| random.bell()).collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let variance = numbers.iter().map(|number| number * number).sum::<f64>() / numbers.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn shares_are_drawn_as_often_as_they_say() {
        let mut random = Random::new(3);
        let mut drawn = [0; 3];
        (0..100_000).for_each(|_| drawn[random.share(&[1, 0, 3])] += 1);
        assert_eq!(drawn[1], 0);
        assert!((24_000..26_000).contains(&drawn[0]), "{drawn:?}");
    }

    #[test]
    fn numbers_stay_below_their_end_and_reach_all_before_it() {
        let mut random = Random::new(7);
        let mut seen = [false; 10];
        (0..1000).for_each(|_| seen[random.below(10) as usize] = true);
        assert_eq!(seen, [true; 10]);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit())));
    }
}
