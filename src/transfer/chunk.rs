//! How a parcel is cut: chunks of 1 MiB, parts of up to 16 of them, and what each chunk is bound to.
//!
//! Comes in: a parcel's head. Goes out: the lengths it must have, the data that a chunk is sealed
//! with. Never: a chunk that could stand in another place, another handshake or at another end.

use super::{Parcel, Part, Refused};
use crate::digest::Sha3Digest;

/// The bytes of a chunk before it is sealed; the last may be shorter.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The most chunks of one part: few, so that sealing works in memory that it has touched before.
pub const PART_CHUNKS: usize = 16;

/// The bytes of AES-GCM's tag, which follows each sealed chunk.
pub(super) const TAG_BYTES: usize = 16;

/// What both ends bind the key of a parcel to: `info` of RFC 9180.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info(Vec<u8>);

impl Info {
    /// Binds a key to one offer, challenge and accept.
    pub fn new(offer: &Sha3Digest, challenge: &Sha3Digest, accept: &Sha3Digest) -> Self {
        let digests = [offer.0, challenge.0, accept.0];
        Self([b"almoner/transfer/v1".as_slice(), digests.as_flattened()].concat())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The additional data of chunk `index`.
pub(super) fn aad(index: u64, last: bool) -> [u8; 25] {
    let mut aad = *b"almoner/chunk/v1\0\0\0\0\0\0\0\0\0";
    let (_, place) = aad.split_at_mut(16);
    place.split_at_mut(8).0.copy_from_slice(&index.to_be_bytes());
    if let Some(flag) = place.last_mut() {
        *flag = u8::from(last);
    }
    aad
}

/// Cuts a part into its sealed chunks.
pub(super) fn sealed_chunks(part: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    part.chunks(CHUNK_BYTES + TAG_BYTES)
}

/// The digest of a part: over its chunks' tags.
pub(super) fn part_digest(part: &[u8]) -> Sha3Digest {
    let tags: Vec<u8> = sealed_chunks(part)
        .flat_map(|chunk| chunk.split_at(chunk.len().saturating_sub(TAG_BYTES)).1)
        .copied()
        .collect();
    Sha3Digest::of(&tags)
}

/// Checks that a head's counts belong together: so many bytes are cut into so many chunks and parts
/// of these lengths, and in no other way.
pub(super) fn check_counts(parcel: &Parcel) -> Result<(), Refused> {
    let wrong = Refused::Counts { file: "parcel" };
    let (chunk, parts) = (count(CHUNK_BYTES), count(PART_CHUNKS));
    if parcel.chunks != parcel.bytes.div_ceil(chunk).max(1)
        || count(parcel.parts.len()) != parcel.chunks.div_ceil(parts)
    {
        return Err(wrong);
    }
    let (mut chunks, mut bytes) = (parcel.chunks, parcel.bytes);
    for Part { bytes: sealed, .. } in &parcel.parts {
        let (here, open) = (chunks.min(parts), bytes.min(parts * chunk));
        if *sealed != open + here * count(TAG_BYTES) {
            return Err(wrong);
        }
        (chunks, bytes) = (chunks - here, bytes - open);
    }
    Ok(())
}

/// A length as a head counts it.
pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
