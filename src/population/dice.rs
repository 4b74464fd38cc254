//! Draws from a `ChaCha` stream of its own for each (seed, what, index): the same on every machine.
//!
//! Comes in: a seed, what is drawn, for whom. Goes out: integers and picks.
//! Never: a call into the C library's mathematics, whose last digits differ between machines.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// One part in a million: chances are whole numbers of these.
pub(super) const PPM: u64 = 1_000_000;

/// A stream of draws.
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// Starts the stream for thing `index` of kind `domain` (at most 24 bytes of it count).
    pub(super) fn new(seed: u64, domain: &str, index: u64) -> Self {
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(seed.to_le_bytes().into_iter().chain(domain.bytes())) {
            *to = from;
        }
        let mut stream = ChaCha8Rng::from_seed(key);
        stream.set_stream(index);
        Self(stream)
    }

    /// Draws 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Draws from `0..bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        scale(self.0.next_u64(), bound)
    }

    /// Draws from `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.saturating_sub(low).unsigned_abs().saturating_add(1);
        low.saturating_add_unsigned(self.below(span))
    }

    /// Draws a day or another small number from `low..=high`.
    pub(super) fn day(&mut self, low: i32, high: i32) -> i32 {
        i32::try_from(self.between(i64::from(low), i64::from(high.max(low)))).unwrap_or(low)
    }

    /// Says yes `ppm` times in a million.
    pub(super) fn chance(&mut self, ppm: u64) -> bool {
        self.below(PPM) < ppm
    }

    /// Picks one of `items`, each as likely as the others.
    pub(super) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let at = self.below(items.len() as u64);
        usize::try_from(at).ok().and_then(|at| items.get(at)).copied().unwrap_or_default()
    }

    /// Picks one of `items` by weight.
    pub(super) fn weighted<T: Copy + Default>(&mut self, items: &[(u64, T)]) -> T {
        let mut left = self.below(items.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in items {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        T::default()
    }

    /// Draws near `mean`, rarely further off than three times `spread`: a sum of twelve even draws.
    pub(super) fn near(&mut self, mean: i64, spread: i64) -> i64 {
        let sum: i64 = (0..12).map(|_| self.between(-5_000, 5_000)).sum();
        mean + sum * spread / 10_000
    }

    /// Draws `count` decimal digits.
    pub(super) fn digits(&mut self, count: u32) -> u64 {
        self.below(10_u64.saturating_pow(count))
    }
}

/// Spreads 64 random bits over `0..bound`.
pub(super) fn scale(bits: u64, bound: u64) -> u64 {
    u64::try_from((u128::from(bits) * u128::from(bound)) >> 64).unwrap_or(0)
}

/// Stirs 64 bits (`SplitMix64`): for what is drawn millions of times a second.
pub(super) fn stir(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_rests_on_its_seed_its_kind_and_its_index_alone() {
        let first = Dice::new(7, "person", 3).bits();
        assert_eq!(first, Dice::new(7, "person", 3).bits(), "a person could not be made again");
        for other in
            [Dice::new(8, "person", 3), Dice::new(7, "visit", 3), Dice::new(7, "person", 4)]
        {
            assert_ne!(first, other.clone().bits(), "two people would share their draws");
        }
    }

    #[test]
    fn draws_stay_in_their_bounds_and_reach_both_ends() {
        let mut dice = Dice::new(1, "bounds", 0);
        let draws: Vec<i64> = (0..2_000).map(|_| dice.between(-2, 2)).collect();
        assert_eq!((draws.iter().min(), draws.iter().max()), (Some(&-2), Some(&2)));
    }

    #[test]
    fn the_spread_of_near_is_the_standard_deviation() {
        let mut dice = Dice::new(1, "near", 0);
        let draws: Vec<i64> = (0..20_000).map(|_| dice.near(1_000, 100)).collect();
        let mean = draws.iter().sum::<i64>() / 20_000;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<i64>() / 20_000;
        assert!((995..=1_005).contains(&mean), "mean {mean}");
        assert!((9_500..=10_500).contains(&variance), "variance {variance}");
    }
}
