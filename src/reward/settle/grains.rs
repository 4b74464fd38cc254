//! Amounts in grains: whole millionths of a minor unit, or whole minor units.
//!
//! Comes in: an amount in millionths of a minor unit, and weights. Goes out: shares of whole grains.
//! Never: a share that a grain does not divide.

use super::Error;
use crate::reward::{apportion, apportion_capped, rules::Grain};

/// The grain in which a settlement gives out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grains(u128);

/// An amount given out, in millionths of a minor unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) micro: Vec<u128>,
    pub(super) unallocated: u128,
}

impl Grains {
    pub(super) fn new(grain: Grain) -> Self {
        Self(u128::from(grain.micro()))
    }

    /// Gives out an amount of whole grains by largest remainders.
    pub(super) fn give<K: Ord + Sync>(
        self,
        micro: u128,
        weights: &[u128],
        keys: &[K],
    ) -> Result<Given, Error> {
        let given = apportion(self.count(micro)?, weights, keys)?;
        self.micro(given.shares, given.unallocated)
    }

    /// Gives out an amount of whole grains by largest remainders, to nobody more than `cap`.
    pub(super) fn give_capped<K: Ord + Sync>(
        self,
        micro: u128,
        cap: u128,
        weights: &[u128],
        keys: &[K],
    ) -> Result<Given, Error> {
        let given = apportion_capped(self.count(micro)?, weights, keys, self.count(cap)?)?;
        self.micro(given.shares, given.unallocated)
    }

    /// Returns a part of an amount in millionths, rounded down to whole grains.
    pub(super) fn part(self, micro: u128, ppm: u32) -> Result<u128, Error> {
        let product =
            self.count(micro)?.checked_mul(u128::from(ppm)).ok_or(Error::Overflow("cap"))?;
        let grains = product.checked_div(MILLION).unwrap_or_default();
        grains.checked_mul(self.0).ok_or(Error::Overflow("cap"))
    }

    /// Returns an amount rounded down to whole grains.
    pub(super) fn floor(self, micro: u128) -> u128 {
        let rest = micro.checked_rem(self.0).unwrap_or_default();
        micro.saturating_sub(rest)
    }

    fn count(self, micro: u128) -> Result<u128, Error> {
        match (micro.checked_div(self.0), micro.checked_rem(self.0)) {
            (Some(grains), Some(0)) => Ok(grains),
            _ => Err(Error::Balance("an amount is not of whole grains")),
        }
    }

    fn micro(self, shares: Vec<u128>, unallocated: u128) -> Result<Given, Error> {
        let micro = |grains: u128| grains.checked_mul(self.0).ok_or(Error::Overflow("share"));
        let unallocated = micro(unallocated)?;
        Ok(Given { micro: shares.into_iter().map(micro).collect::<Result<_, _>>()?, unallocated })
    }
}

/// The whole, in millionths.
const MILLION: u128 = 1_000_000;
