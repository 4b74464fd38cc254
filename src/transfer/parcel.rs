//! Sealing and opening a parcel: HPKE in authenticated mode (RFC 9180), chunk by chunk.
//!
//! Comes in: content of any length, or the parts of a parcel. Goes out: parts and what their head
//! must say, or the content. Never: more than one part in memory, a key that seals twice, or a byte
//! written out that was not sealed in its place by this sender for this reader.

use std::io::{self, Read, Write};

use bytes::Bytes;
use hpke::{
    Deserializable as _, HpkeError, OpModeR, OpModeS, Serializable as _,
    aead::{AeadCtxR, AeadCtxS, AeadTag},
    inout::InOutBuf,
    setup_receiver, setup_sender_with_rng,
};
use zeroize::Zeroizing;

use super::{
    CHUNK_BYTES, ChunkFault, Commitment, Encapsulated, HpkeKey, Info, PART_CHUNKS, Parcel, Part,
    PartFault, Refused, TransferKey, WeakKey,
    chunk::{TAG_BYTES, aad, check_counts, count, part_digest, sealed_chunks},
    keys::{Aead, Drawn, Kdf, Kem, public_key},
};
use crate::signed_note::seed::{self, SeedError};

/// What a caller's own store said.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// By whom and for whom a parcel is sealed.
#[derive(Debug, Clone, Copy)]
pub struct SealKeys<'a> {
    /// The sender's own key.
    pub own: &'a TransferKey,
    /// The key that the challenge asks for.
    pub recipient: &'a HpkeKey,
}

/// For whom and by whom a parcel was sealed.
#[derive(Debug, Clone, Copy)]
pub struct OpenKeys<'a> {
    /// The key that the challenge asked for.
    pub own: &'a TransferKey,
    /// The sender's key.
    pub sender: &'a HpkeKey,
}

/// What the head of a sealed parcel must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The encapsulated key.
    pub enc: Encapsulated,
    /// What binds the head to the key.
    pub commitment: Commitment,
    /// How many chunks there are.
    pub chunks: u64,
    /// How many bytes were sealed.
    pub bytes: u64,
    /// The parts that were put.
    pub parts: Vec<Part>,
}

/// Why a parcel is not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum ParcelError {
    /// The parcel is not what it should be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The content to seal cannot be read.
    #[error("the content to seal cannot be read")]
    Content(#[source] io::Error),
    /// A part cannot be written or read.
    #[error("part {index} of the parcel cannot be kept or had")]
    Part {
        /// Which, from 0.
        index: u32,
        /// What the store said.
        source: Fault,
    },
    /// The open content cannot be written.
    #[error("the open content cannot be written")]
    Out(#[source] io::Error),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] WeakKey),
    /// There is no randomness for a fresh key.
    #[error("no fresh key can be made")]
    Randomness(#[from] SeedError),
    /// The cipher takes no more.
    #[error("the parcel is longer than a cipher may seal")]
    TooLong,
}

/// Seals content under a fresh key, part by part; `put` keeps each part.
pub fn seal(
    keys: &SealKeys<'_>,
    info: &Info,
    content: impl Read,
    put: impl FnMut(u32, Bytes) -> Result<(), Fault>,
) -> Result<Sealed, ParcelError> {
    seal_parts(keys, info, content, put, PART_CHUNKS)
}

fn seal_parts(
    keys: &SealKeys<'_>,
    info: &Info,
    content: impl Read,
    mut put: impl FnMut(u32, Bytes) -> Result<(), Fault>,
    part_chunks: usize,
) -> Result<Sealed, ParcelError> {
    let fresh = seed::random()?;
    let to = public_key(keys.recipient).ok_or(WeakKey)?;
    let mode = OpModeS::<Kem>::Auth(keys.own.pair());
    let (enc, mut context) =
        setup_sender_with_rng::<Aead, Kdf, Kem>(&mode, &to, info.bytes(), &mut Drawn(&fresh))
            .map_err(|_| WeakKey)?;
    let mut commitment = [0; 32];
    context.export(COMMITMENT, &mut commitment).map_err(|_| ParcelError::TooLong)?;
    let mut sealed = Sealed {
        enc: Encapsulated(enc.to_bytes().into()),
        commitment: Commitment(commitment),
        chunks: 0,
        bytes: 0,
        parts: Vec::new(),
    };
    let mut content = Content { reader: content, ahead: Vec::new(), ended: false };
    let mut part = Vec::new();
    while !content.ended {
        seal_part(&mut part, &mut content, &mut context, &mut sealed, part_chunks)?;
        let index = u32::try_from(sealed.parts.len()).map_err(|_| ParcelError::TooLong)?;
        sealed.parts.push(Part { bytes: count(part.len()), digest: part_digest(&part) });
        let bytes = Bytes::from(part);
        put(index, bytes.clone()).map_err(|source| ParcelError::Part { index, source })?;
        part = reused(bytes);
    }
    Ok(sealed)
}

/// Takes the memory of a part back that nobody holds any longer: fresh pages cost as much as the
/// cipher.
fn reused(part: Bytes) -> Vec<u8> {
    part.try_into_mut().map_or_else(
        |_| Vec::new(),
        |mut part| {
            part.clear();
            part.into()
        },
    )
}

fn seal_part(
    part: &mut Vec<u8>,
    content: &mut Content<impl Read>,
    context: &mut AeadCtxS<Aead, Kdf, Kem>,
    sealed: &mut Sealed,
    part_chunks: usize,
) -> Result<(), ParcelError> {
    part.reserve_exact(CHUNK_BYTES + TAG_BYTES);
    for at in 0..part_chunks {
        if at == 1 {
            part.reserve_exact((part_chunks - 1) * (CHUNK_BYTES + TAG_BYTES));
        }
        let start = part.len();
        content.read_chunk(part).map_err(ParcelError::Content)?;
        let (_, open) = part.split_at_mut(start);
        sealed.bytes += count(open.len());
        let tag = context
            .seal_inout_detached(InOutBuf::from(open), &aad(sealed.chunks, content.ended))
            .map_err(|_| ParcelError::TooLong)?;
        sealed.chunks += 1;
        part.extend_from_slice(&tag.to_bytes());
        if content.ended {
            break;
        }
    }
    Ok(())
}

/// Content that is read a chunk at a time, one byte ahead: so that the last chunk knows that it is.
struct Content<R> {
    reader: R,
    ahead: Vec<u8>,
    ended: bool,
}

impl<R: Read> Content<R> {
    fn read_chunk(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let missing = CHUNK_BYTES - self.ahead.len();
        out.append(&mut self.ahead);
        let read = self.reader.by_ref().take(count(missing)).read_to_end(out)?;
        if read == missing {
            self.reader.by_ref().take(1).read_to_end(&mut self.ahead)?;
        }
        self.ended = self.ahead.is_empty();
        Ok(())
    }
}

/// Opens a parcel whose head is known to be the sender's; `get` gives each part.
///
/// What `out` got before an error is the start of the true content, and worth nothing: whoever
/// calls throws it away.
pub fn open(
    keys: &OpenKeys<'_>,
    info: &Info,
    parcel: &Parcel,
    get: impl FnMut(u32) -> Result<Bytes, Fault>,
    out: &mut impl Write,
) -> Result<(), ParcelError> {
    check_counts(parcel)?;
    open_parts(keys, info, parcel, get, out)
}

fn open_parts(
    keys: &OpenKeys<'_>,
    info: &Info,
    parcel: &Parcel,
    mut get: impl FnMut(u32) -> Result<Bytes, Fault>,
    out: &mut impl Write,
) -> Result<(), ParcelError> {
    let mut opening = Opening::new(keys, info, parcel)?;
    for (index, head) in (0_u32..).zip(&parcel.parts) {
        let part = get(index).map_err(|source| ParcelError::Part { index, source })?;
        opening.open_part(index, head, &part, out)?;
    }
    Ok(())
}

/// A parcel that is being opened.
struct Opening<'a> {
    parcel: &'a Parcel,
    context: AeadCtxR<Aead, Kdf, Kem>,
    /// The chunk that comes next.
    index: u64,
    open: Zeroizing<Vec<u8>>,
}

impl<'a> Opening<'a> {
    fn new(keys: &OpenKeys<'_>, info: &Info, parcel: &'a Parcel) -> Result<Self, ParcelError> {
        let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(parcel.enc.as_bytes())
            .map_err(|_| WeakKey)?;
        let from = public_key(keys.sender).ok_or(WeakKey)?;
        let (mode, own) = (OpModeR::<Kem>::Auth(from), keys.own.private());
        let context = setup_receiver::<Aead, Kdf, Kem>(&mode, own, &enc, info.bytes())
            .map_err(|_| WeakKey)?;
        let mut commitment = [0; 32];
        context.export(COMMITMENT, &mut commitment).map_err(|_| WeakKey)?;
        if Commitment(commitment) != parcel.commitment {
            return Err(Refused::Sealed.into());
        }
        Ok(Self { parcel, context, index: 0, open: Zeroizing::new(vec![0; CHUNK_BYTES]) })
    }

    fn open_part(
        &mut self,
        index: u32,
        head: &Part,
        part: &[u8],
        out: &mut impl Write,
    ) -> Result<(), ParcelError> {
        let refused = |fault| Err(Refused::Part { index, fault }.into());
        match count(part.len()).cmp(&head.bytes) {
            std::cmp::Ordering::Less => return refused(PartFault::Truncated),
            std::cmp::Ordering::Greater => return refused(PartFault::TooLong),
            std::cmp::Ordering::Equal => {}
        }
        let digest = part_digest(part);
        if digest == head.digest {
            for sealed in sealed_chunks(part) {
                let last = self.index + 1 == self.parcel.chunks;
                let Ok(length) = self.open_chunk(sealed, last) else {
                    let index = self.index;
                    let fault = self.fault(part, sealed);
                    return Err(Refused::Chunk { index, fault }.into());
                };
                out.write_all(self.open.split_at(length).0).map_err(ParcelError::Out)?;
            }
            return Ok(());
        }
        if self.parcel.parts.iter().any(|other| other.digest == digest) {
            return refused(PartFault::Misplaced);
        }
        // Its chunks are not those that were sealed here: find the first that is not.
        for (at, sealed) in sealed_chunks(part).enumerate() {
            let last = self.index + 1 == self.parcel.chunks;
            if self.open_chunk(sealed, last).is_err() {
                let index = self.index;
                return match self.fault(part, sealed) {
                    ChunkFault::Changed if at == 0 => refused(PartFault::Foreign),
                    fault @ (ChunkFault::Changed
                    | ChunkFault::Repeated
                    | ChunkFault::Reordered
                    | ChunkFault::EndMissing
                    | ChunkFault::EndEarly) => Err(Refused::Chunk { index, fault }.into()),
                };
            }
        }
        refused(PartFault::Foreign)
    }

    /// Opens a sealed chunk as the next one; returns its length.
    fn open_chunk(&mut self, sealed: &[u8], last: bool) -> Result<usize, HpkeError> {
        let (body, tag) = sealed.split_at(sealed.len().saturating_sub(TAG_BYTES));
        let open = self.open.split_at_mut(body.len()).0;
        let buffer = InOutBuf::new(body, open).map_err(|_| HpkeError::OpenError)?;
        let tag = AeadTag::from_bytes(tag)?;
        self.context.open_inout_detached(buffer, &aad(self.index, last), &tag)?;
        self.index += 1;
        Ok(body.len())
    }

    /// Says what is wrong with a chunk that does not open as the next one.
    fn fault(&mut self, part: &[u8], sealed: &[u8]) -> ChunkFault {
        let last = self.index + 1 == self.parcel.chunks;
        let earlier = |other: &&[u8]| other.as_ptr() < sealed.as_ptr();
        let (before, after): (Vec<&[u8]>, Vec<&[u8]>) = sealed_chunks(part).partition(earlier);
        if before.contains(&sealed) {
            ChunkFault::Repeated
        } else if after.iter().any(|other| *other != sealed && self.open_chunk(other, last).is_ok())
        {
            ChunkFault::Reordered
        } else if self.open_chunk(sealed, !last).is_ok() {
            if last { ChunkFault::EndMissing } else { ChunkFault::EndEarly }
        } else {
            ChunkFault::Changed
        }
    }
}

/// What the commitment to a parcel's key is exported for.
const COMMITMENT: &[u8] = b"almoner/parcel-key/v1";

#[cfg(test)]
mod tests;
