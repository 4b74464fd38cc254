//! A sample of lines for an auditor to look at: drawn by a seed that anyone can draw by again.
//!
//! Comes in: the roots and counts of line trees, a number, a seed. Goes out: line numbers.
//! Never: a choice that the order of the lines, or who drew, could bend.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BinaryHeap;

use crate::digest::{Sha3Digest, Sha256};

/// One line drawn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drawn {
    /// What it was drawn by: `SHA3-256(seed || root || line)`, the seed's bytes, the root's 32, and
    /// the line's number in eight bytes, the most significant first.
    pub key: Sha3Digest,
    /// The place of its settlement among those given.
    pub settlement: usize,
    /// Its number in the settlement, from 1.
    pub line: u64,
}

/// Draws `count` lines, or all where there are fewer: those with the smallest keys, in their order.
pub fn draw(settlements: &[(Sha256, u64)], count: usize, seed: &str) -> Vec<Drawn> {
    let mut smallest: BinaryHeap<Drawn> = BinaryHeap::new();
    for (settlement, (root, lines)) in settlements.iter().enumerate() {
        for line in 1..=*lines {
            let bytes = [seed.as_bytes(), root.as_bytes(), &line.to_be_bytes()].concat();
            smallest.push(Drawn { key: Sha3Digest::of(&bytes), settlement, line });
            if smallest.len() > count {
                let _largest = smallest.pop();
            }
        }
    }
    smallest.into_sorted_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn trees() -> [(Sha256, u64); 2] {
        [(Sha256::of(b"one"), 30), (Sha256::of(b"two"), 12)]
    }

    #[test]
    fn the_same_seed_draws_the_same_lines_and_another_seed_others() {
        let drawn = draw(&trees(), 5, "2026-11-25 auditor");
        assert_eq!(drawn, draw(&trees(), 5, "2026-11-25 auditor"), "no auditor could follow it");
        assert_ne!(drawn, draw(&trees(), 5, "2026-11-26 auditor"), "the seed would not matter");
        let mut other = trees();
        other[0].0 = Sha256::of(b"changed");
        assert_ne!(drawn, draw(&other, 5, "2026-11-25 auditor"), "other lines, another root");
    }

    #[test]
    fn a_larger_sample_holds_the_smaller_one_and_none_twice() {
        let (five, ten) = (draw(&trees(), 5, "s"), draw(&trees(), 10, "s"));
        assert_eq!(ten[..5], five, "who asks for more would get others");
        let all = draw(&trees(), 100, "s");
        let distinct: BTreeSet<_> = all.iter().map(|d| (d.settlement, d.line)).collect();
        assert_eq!((all.len(), distinct.len()), (42, 42));
        assert!(draw(&trees(), 0, "s").is_empty() && draw(&[], 9, "s").is_empty());
    }

    #[test]
    fn every_line_can_be_drawn_and_none_is_drawn_always() {
        let mut times = std::collections::BTreeMap::new();
        for seed in 0..600 {
            for drawn in draw(&trees(), 4, &seed.to_string()) {
                *times.entry((drawn.settlement, drawn.line)).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(times.len(), 42, "a line could hide");
        // 600 draws of 4 out of 42: 57 on average; 25 and 95 lie more than four deviations off.
        let (least, most) = (times.values().min().unwrap(), times.values().max().unwrap());
        assert!((25..=95).contains(least) && (25..=95).contains(most), "{least} {most}");
    }

    #[test]
    fn the_key_is_the_one_that_is_documented() {
        let root = Sha256::of(b"one");
        let bytes = [b"s".as_slice(), root.as_bytes(), &[0, 0, 0, 0, 0, 0, 0, 1]].concat();
        assert_eq!(draw(&[(root, 1)], 1, "s")[0].key, Sha3Digest::of(&bytes));
    }
}
