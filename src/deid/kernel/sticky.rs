//! Randomness that sticks: the same value of the same person in the same column is met by the same
//! draw in every version of a dataset.
//!
//! Comes in: a secret of the dataset, the roster. Goes out: [`Draw`]s. Never: a second draw for one
//! value, of which the mean would wear the noise away; a draw that anybody can repeat without the
//! secret.
//!
//! A person's key is HMAC-SHA-256(secret, lp("almoner/sticky/v1") || lp(id)), a draw is
//! HMAC-SHA-256(key, lp(table.column) || lp(value)), where lp is a length of 4 big-endian bytes and then
//! the bytes. What sticks to a value does not stick to its neighbour: who gets 80.0 and 80.1 of one
//! person gets two draws, and many near values of a person still show where they lie.

use std::{fmt, sync::Arc};

use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::{digest::hmac_sha256, party::ContributorId};

const DOMAIN: &[u8] = b"almoner/sticky/v1";
const STREAM: &[u8] = b"almoner/stream/v1";

/// The keys of a dataset's people, and of its columns as a whole.
#[derive(Clone)]
pub(in crate::deid) struct Sticky {
    secret: Arc<Zeroizing<[u8; 32]>>,
    people: Arc<[[u8; 32]]>,
}

impl fmt::Debug for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sticky(…)")
    }
}

impl Sticky {
    /// Reckons the keys of a roster, on every core.
    pub(in crate::deid) fn new(secret: &[u8; 32], roster: &[ContributorId]) -> Self {
        let key = |id: &ContributorId| hmac_sha256(secret, &[DOMAIN, id.as_str().as_bytes()]);
        let people = roster.par_iter().map(key).collect();
        Self { secret: Arc::new(Zeroizing::new(*secret)), people }
    }

    /// Draws for a value of a person; people were checked against the roster before.
    pub(in crate::deid) fn draw(&self, stream: &str, person: u32, value: &[u8]) -> Draw {
        let key = usize::try_from(person).ok().and_then(|at| self.people.get(at));
        Draw(hmac_sha256(key.unwrap_or(&self.secret), &[stream.as_bytes(), value]))
    }

    /// Returns the key of a stream of random numbers for a column as a whole.
    pub(in crate::deid) fn stream(&self, stream: &str) -> [u8; 32] {
        hmac_sha256(&self.secret, &[STREAM, stream.as_bytes()])
    }
}

/// One draw: 256 random bits.
#[derive(Debug, Clone, Copy)]
pub(in crate::deid) struct Draw([u8; 32]);

impl Draw {
    /// Returns its two numbers, each above 0 and below 1.
    pub(in crate::deid) fn units(self) -> (f64, f64) {
        (unit(self.bits(0)), unit(self.bits(8)))
    }

    /// Returns the second of them as a place below `limit`.
    pub(in crate::deid) fn place(self, limit: usize) -> usize {
        usize::try_from((u128::from(self.bits(8)) * (limit as u128)) >> 64).unwrap_or(0)
    }

    fn bits(self, from: usize) -> u64 {
        self.0.iter().skip(from).take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}

#[expect(clippy::cast_precision_loss, reason = "52 bits are exact in a float")]
fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster() -> Vec<ContributorId> {
        (0..3).map(|n| ContributorId::parse(&format!("p{n}")).unwrap()).collect()
    }

    #[test]
    fn a_draw_sticks_to_column_person_and_value_and_to_nothing_else() {
        let sticky = Sticky::new(&[1; 32], &roster());
        let again = Sticky::new(&[1; 32], &roster()[..1]);
        let draw =
            |sticky: &Sticky, stream, person, value: &[u8]| sticky.draw(stream, person, value).0;
        let first = draw(&sticky, "t.c", 0, b"80");
        assert_eq!(first, draw(&again, "t.c", 0, b"80"), "another version drew anew");
        assert_ne!(first, draw(&sticky, "t.d", 0, b"80"), "two columns share a draw");
        assert_ne!(first, draw(&sticky, "t.c", 1, b"80"), "two people share a draw");
        assert_ne!(first, draw(&sticky, "t.c", 0, b"81"), "two values share a draw");
        assert_ne!(
            first,
            draw(&Sticky::new(&[2; 32], &roster()), "t.c", 0, b"80"),
            "not the secret's"
        );
        assert!(!format!("{sticky:?}").contains('1'), "debug output shows the secret");
    }

    #[test]
    fn both_numbers_of_a_draw_are_even_and_apart() {
        let sticky = Sticky::new(&[7; 32], &roster());
        let draws: Vec<Draw> =
            (0..10_000_u32).map(|n| sticky.draw("t.c", 0, &n.to_be_bytes())).collect();
        let mean = |of: &dyn Fn(&Draw) -> f64| draws.iter().map(of).sum::<f64>() / 10_000.0;
        assert!((mean(&|draw| draw.units().0) - 0.5).abs() < 0.01);
        assert!((mean(&|draw| draw.units().1) - 0.5).abs() < 0.01);
        let together = mean(&|draw| draw.units().0 * draw.units().1);
        assert!((together - 0.25).abs() < 0.01, "they go together");
        assert!((mean(&|draw| f64::from(u8::try_from(draw.place(7)).unwrap())) - 3.0).abs() < 0.07);
        assert!(draws.iter().all(|draw| (f64::MIN_POSITIVE..1.0).contains(&draw.units().0)));
        assert!(draws.iter().all(|draw| draw.place(7) < 7));
    }
}
