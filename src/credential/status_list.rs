//! Bits of a Bitstring Status List v1.0: one a licence, packed, compressed, in base64url.
//!
//! Comes in: an encoded list, or the places of bits to set. Goes out: whether a bit is set, or an encoded
//! list. Never: a list of fewer than 131,072 bits, which would tell who is meant, or one that unpacks
//! without end. <https://www.w3.org/TR/vc-bitstring-status-list/>

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};

/// The fewest bits of a list: 16 KiB.
pub const LIST_BITS: u64 = 131_072;
/// The fewest bytes of a list.
const BYTES_MIN: usize = 16 * 1024;
/// The most bytes that a list is unpacked to.
const BYTES_MAX: u64 = 2 << 20;

/// What is wrong with an encoded list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is not multibase base64url.
    #[error("the list is not `u` and base64url without padding")]
    Base64,
    /// It is not gzip.
    #[error("the list is not gzip")]
    Gzip,
    /// It is too short to hide whom it is about, or longer than is read.
    #[error("a list has 131,072 to 16,777,216 bits")]
    Length,
}

/// The bits of a list; bit 0 is the leftmost of the first byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Bits(Vec<u8>);

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bits({} bytes)", self.0.len())
    }
}

impl Bits {
    /// Sets bits of a list of so many bits, at least the fewest and at most the most; places beyond them
    /// are left out.
    pub fn new(places: &BTreeSet<u64>, bits: u64) -> Self {
        let bytes = usize::try_from(bits.div_ceil(8).min(BYTES_MAX)).unwrap_or(BYTES_MIN);
        let mut bytes = vec![0_u8; bytes.max(BYTES_MIN)];
        for place in places {
            let byte = usize::try_from(place / 8).ok().and_then(|at| bytes.get_mut(at));
            if let Some(byte) = byte {
                *byte |= 0x80 >> (place % 8);
            }
        }
        Self(bytes)
    }

    /// Unpacks an encoded list.
    pub fn decode(encoded: &str) -> Result<Self, ListError> {
        let text = encoded.strip_prefix('u').ok_or(ListError::Base64)?;
        let packed = URL_SAFE_NO_PAD.decode(text).map_err(|_| ListError::Base64)?;
        let mut bytes = Vec::new();
        let mut unpacked = GzDecoder::new(packed.as_slice()).take(BYTES_MAX + 1);
        unpacked.read_to_end(&mut bytes).map_err(|_| ListError::Gzip)?;
        if bytes.len() < BYTES_MIN || bytes.len() as u64 > BYTES_MAX {
            return Err(ListError::Length);
        }
        Ok(Self(bytes))
    }

    /// Packs the list.
    pub fn encode(&self) -> Result<String, ListError> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(&self.0).map_err(|_| ListError::Gzip)?;
        let packed = packer.finish().map_err(|_| ListError::Gzip)?;
        Ok(format!("u{}", URL_SAFE_NO_PAD.encode(packed)))
    }

    /// Returns how many bits there are.
    pub fn count(&self) -> u64 {
        (self.0.len() as u64).saturating_mul(8)
    }

    /// Returns how many bits are set.
    pub fn set(&self) -> u64 {
        self.0.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// Says whether a bit is set; none where the list has no such bit.
    pub fn is_set(&self, place: u64) -> Option<bool> {
        let byte = self.0.get(usize::try_from(place / 8).ok()?)?;
        Some(byte & (0x80 >> (place % 8)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_as_they_were_set_and_the_first_is_the_leftmost() {
        let places = BTreeSet::from([0, 9, 94_567, 131_071]);
        let bits = Bits::new(&places, 0);
        assert_eq!((bits.0[0], bits.0[1]), (0b1000_0000, 0b0100_0000));
        let back = Bits::decode(&bits.encode().unwrap()).unwrap();
        let set: BTreeSet<u64> =
            (0..LIST_BITS).filter(|place| back.is_set(*place) == Some(true)).collect();
        assert_eq!(set, places, "a bit would speak of another licence");
        assert_eq!(back.is_set(LIST_BITS), None);
    }

    #[test]
    fn the_standards_own_example_is_a_list_of_no_set_bits() {
        // The `encodedList` of examples in Bitstring Status List v1.0, 16 KiB of zeros.
        let zeros = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA";
        let bits = Bits::decode(zeros).unwrap();
        assert_eq!(bits, Bits::new(&BTreeSet::new(), 0));
    }

    #[test]
    fn a_short_list_an_endless_one_and_a_broken_one_are_refused() {
        let packed = |bytes: &[u8]| Bits(bytes.to_vec()).encode().unwrap();
        assert_eq!(Bits::decode(&packed(&[0; 16_383])), Err(ListError::Length));
        assert_eq!(Bits::decode(&packed(&vec![0; (2 << 20) + 1])), Err(ListError::Length));
        let good = Bits::new(&BTreeSet::new(), 0).encode().unwrap();
        assert_eq!(Bits::decode(good.trim_start_matches('u')), Err(ListError::Base64));
        assert_eq!(Bits::decode(&good.replace('u', "z")), Err(ListError::Base64));
        assert_eq!(Bits::decode("uAAAA"), Err(ListError::Gzip));
        assert_eq!(Bits::decode(&good[..good.len() - 8]), Err(ListError::Gzip));
    }
}
