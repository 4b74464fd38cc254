//! A stream of random numbers that a key decides: the same on every machine, in every build.
//!
//! Comes in: a key of 32 bytes. Goes out: numbers. Never: a number that says something of the key.
//!
//! Block n is SHA-256(key, n as 8 big-endian bytes): a hash in counter mode, as `Hash_DRBG` of NIST SP
//! 800-90A makes its output.

use sha2::{Digest as _, Sha256};

/// A stream of random numbers.
#[derive(Debug)]
pub(super) struct Stream {
    key: Key,
    block: u64,
    waiting: Vec<u64>,
}

struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Stream {
    /// Begins the stream of a key.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key: Key(key), block: 0, waiting: Vec::new() }
    }

    /// Draws a number below `limit`, each as likely as the next but for less than `limit` / 2^64.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let wide = u128::from(self.draw()) * (limit as u128);
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    fn draw(&mut self) -> u64 {
        if let Some(number) = self.waiting.pop() {
            return number;
        }
        let mut hash = Sha256::new();
        hash.update(self.key.0);
        hash.update(self.block.to_be_bytes());
        self.block += 1;
        let block: [u8; 32] = hash.finalize().into();
        let numbers = block.chunks_exact(8);
        self.waiting.extend(
            numbers.map(|bytes| bytes.iter().fold(0, |n: u64, byte| n << 8 | u64::from(*byte))),
        );
        self.waiting.pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_its_keys_and_even() {
        let draws = |key: u8| {
            let mut stream = Stream::new([key; 32]);
            (0..9_000).map(|_| stream.below(9)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1), "the same key gave another stream");
        assert_ne!(draws(1), draws(2), "two keys gave the same stream");
        for wanted in 0..9 {
            let found = draws(3).iter().filter(|draw| **draw == wanted).count();
            assert!((850..1150).contains(&found), "{wanted} was drawn {found} times in 9,000");
        }
    }
}
