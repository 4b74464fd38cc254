//! Every length of content comes back; every attack on a sealed parcel has its own error.

use std::cell::RefCell;

use proptest::prelude::*;

use super::*;
use crate::{digest::Sha3Digest, transfer::TransferId};

struct Ends {
    a: TransferKey,
    b: TransferKey,
    info: Info,
}

/// A parcel's head and its parts.
type Parcelled = (Parcel, Vec<Bytes>);

impl Ends {
    fn new() -> Self {
        let [offer, challenge, accept] = [b"o", b"c", b"a"].map(|name| Sha3Digest::of(name));
        let info = Info::new(&offer, &challenge, &accept);
        Self { a: TransferKey::derive(&[1; 32]), b: TransferKey::derive(&[2; 32]), info }
    }

    fn seal(&self, content: &[u8]) -> Parcelled {
        let mut parts = Vec::new();
        let keys = SealKeys { own: &self.a, recipient: &self.b.public() };
        let sealed = seal(&keys, &self.info, content, |index, part| {
            assert_eq!(usize::try_from(index).unwrap(), parts.len(), "parts come in order");
            parts.push(part);
            Ok(())
        });
        (head(sealed.unwrap()), parts)
    }

    fn open(&self, (parcel, parts): &Parcelled) -> Result<Vec<u8>, Refused> {
        let keys = OpenKeys { own: &self.b, sender: &self.a.public() };
        open_with(&keys, &self.info, parcel, parts)
    }

    /// Seals with parts of two chunks: what holds for them holds for parts of 64.
    fn seal_small(&self, content: &[u8]) -> Parcelled {
        let mut parts = Vec::new();
        let keys = SealKeys { own: &self.a, recipient: &self.b.public() };
        let put = |_, part| {
            parts.push(part);
            Ok(())
        };
        let sealed = seal_parts(&keys, &self.info, content, put, 2);
        (head(sealed.unwrap()), parts)
    }

    fn open_small(&self, (parcel, parts): &Parcelled) -> Result<Vec<u8>, Refused> {
        let keys = OpenKeys { own: &self.b, sender: &self.a.public() };
        let mut out = Vec::new();
        let get = |index: u32| Ok(parts[usize::try_from(index).unwrap()].clone());
        refused(open_parts(&keys, &self.info, parcel, get, &mut out)).map(|()| out)
    }

    /// Seals chunks as a sender would who does not keep to the rules: each with the index and the
    /// flag that it is given.
    fn seal_wrongly(&self, chunks: &[(&[u8], u64, bool)]) -> Parcelled {
        let mode = OpModeS::<Kem>::Auth(self.a.pair());
        let to = public_key(&self.b.public()).unwrap();
        let (enc, mut context) = setup_sender_with_rng::<Aead, Kdf, Kem>(
            &mode,
            &to,
            self.info.bytes(),
            &mut Drawn(&[9; 32]),
        )
        .unwrap();
        let mut commitment = [0; 32];
        context.export(COMMITMENT, &mut commitment).unwrap();
        let mut part = Vec::new();
        for (chunk, index, last) in chunks {
            part.extend(context.seal(chunk, &aad(*index, *last)).unwrap());
        }
        let parts = vec![Part { bytes: count(part.len()), digest: part_digest(&part) }];
        let sealed = Sealed {
            enc: Encapsulated(enc.to_bytes().into()),
            commitment: Commitment(commitment),
            chunks: count(chunks.len()),
            bytes: chunks.iter().map(|(chunk, _, _)| count(chunk.len())).sum(),
            parts,
        };
        (head(sealed), vec![Bytes::from(part)])
    }
}

fn head(sealed: Sealed) -> Parcel {
    let Sealed { enc, commitment, chunks, bytes, parts } = sealed;
    let name = |text: &[u8]| Sha3Digest::of(text);
    Parcel {
        transfer: TransferId([1; 16]),
        offer: name(b"o"),
        challenge: name(b"c"),
        accept: name(b"a"),
        enc,
        commitment,
        chunks,
        bytes,
        parts,
        issued: crate::instant::Instant::parse("2026-11-26").unwrap(),
    }
}

fn open_with(
    keys: &OpenKeys<'_>,
    info: &Info,
    parcel: &Parcel,
    parts: &[Bytes],
) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::new();
    let get = |index: u32| {
        parts.get(usize::try_from(index).unwrap()).cloned().ok_or_else(|| "no such part".into())
    };
    refused(open(keys, info, parcel, get, &mut out)).map(|()| out)
}

fn refused(opened: Result<(), ParcelError>) -> Result<(), Refused> {
    match opened {
        Ok(()) => Ok(()),
        Err(ParcelError::Refused(refused)) => Err(refused),
        Err(other) => panic!("{other:?}"),
    }
}

/// Content without a pattern that two chunks could share.
fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut out: Vec<u8> = std::iter::repeat_with(next).take(length / 8 + 1).flatten().collect();
    out.truncate(length);
    out
}

fn changed(part: &Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = part.to_vec();
    change(&mut bytes);
    Bytes::from(bytes)
}

fn chunk(index: u64, fault: ChunkFault) -> Result<Vec<u8>, Refused> {
    Err(Refused::Chunk { index, fault })
}

fn part(index: u32, fault: PartFault) -> Result<Vec<u8>, Refused> {
    Err(Refused::Part { index, fault })
}

const SEALED: usize = CHUNK_BYTES + TAG_BYTES;

#[test]
fn an_empty_parcel_is_one_empty_chunk() {
    let ends = Ends::new();
    let parcelled = ends.seal(b"");
    assert_eq!((parcelled.0.chunks, parcelled.0.bytes, parcelled.1[0].len()), (1, 0, TAG_BYTES));
    assert_eq!(ends.open(&parcelled), Ok(Vec::new()));
}

#[test]
fn content_at_each_border_of_chunks_and_parts_comes_back() {
    let ends = Ends::new();
    for length in [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES] {
        let content = content(length);
        let parcelled = ends.seal(&content);
        assert_eq!(parcelled.0.chunks, count(length.div_ceil(CHUNK_BYTES)), "{length} bytes");
        assert!(ends.open(&parcelled).unwrap() == content, "{length} bytes did not come back");
    }
    for (chunks, more, parts) in [(2, 0, 1), (2, 1, 2), (4, 0, 2), (5, 7, 3)] {
        let content = content(chunks * CHUNK_BYTES + more);
        let parcelled = ends.seal_small(&content);
        assert_eq!(parcelled.1.len(), parts, "{chunks} chunks and {more} bytes");
        assert!(
            ends.open_small(&parcelled).unwrap() == content,
            "{chunks} chunks and {more} bytes"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn content_of_any_length_comes_back_however_its_reader_stutters(
        chunks in 0_usize..3,
        near in -40_i64..40,
        step in 1_usize..300_000,
    ) {
        let length = i64::try_from(chunks * CHUNK_BYTES).unwrap() + near;
        let content = content(usize::try_from(length.max(0)).unwrap());
        let ends = Ends::new();
        let keys = SealKeys { own: &ends.a, recipient: &ends.b.public() };
        let mut parts = Vec::new();
        let sealed = seal(&keys, &ends.info, Stutter { left: &content, step }, |_, part| {
            parts.push(part);
            Ok(())
        });
        let parcelled = (head(sealed.unwrap()), parts);
        prop_assert!(ends.open(&parcelled).unwrap() == content);
    }
}

/// A reader that gives a few bytes at a time.
struct Stutter<'a> {
    left: &'a [u8],
    step: usize,
}

impl Read for Stutter<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.step.min(out.len()).min(self.left.len());
        let (now, later) = self.left.split_at(length);
        out[..length].copy_from_slice(now);
        self.left = later;
        Ok(length)
    }
}

#[test]
fn the_same_content_is_never_sealed_under_the_same_key() {
    let ends = Ends::new();
    let (one, two) = (ends.seal(b"same"), ends.seal(b"same"));
    assert_ne!(one.0.enc, two.0.enc, "a key was used twice");
    assert_ne!(one.1, two.1);
}

#[test]
fn another_reader_sender_or_handshake_opens_nothing() {
    let (ends, other) = (Ends::new(), TransferKey::derive(&[3; 32]));
    let (parcel, parts) = ends.seal(b"for b alone");
    let (a, c) = (ends.a.public(), other.public());
    let another = Info::new(&parcel.offer, &parcel.challenge, &Sha3Digest::of(b"b"));
    for (own, sender, info, what) in [
        (&other, &a, &ends.info, "another reader"),
        (&ends.b, &c, &ends.info, "another sender"),
        (&ends.b, &a, &another, "another accept"),
    ] {
        let opened = open_with(&OpenKeys { own, sender }, info, &parcel, &parts);
        assert_eq!(opened, Err(Refused::Sealed), "{what}");
    }
}

#[test]
fn info_binds_each_of_the_three_digests_in_its_place() {
    let [a, b, c] = [b"a", b"b", b"c"].map(|name| Sha3Digest::of(name));
    let infos = [
        Info::new(&a, &b, &c),
        Info::new(&b, &a, &c),
        Info::new(&a, &c, &b),
        Info::new(&a, &b, &a),
    ];
    for (at, info) in infos.iter().enumerate() {
        assert!(!infos[..at].contains(info), "two handshakes give one key");
    }
}

#[test]
fn a_cut_or_lengthened_part_is_refused() {
    let ends = Ends::new();
    let (parcel, parts) = ends.seal(&content(CHUNK_BYTES + 10));
    for keep in [0, 1, SEALED - 1, SEALED, SEALED + 25] {
        let cut = changed(&parts[0], |bytes| bytes.truncate(keep));
        let opened = ends.open(&(parcel.clone(), vec![cut]));
        assert_eq!(opened, part(0, PartFault::Truncated), "cut to {keep}");
    }
    let longer = changed(&parts[0], |bytes| bytes.push(0));
    assert_eq!(ends.open(&(parcel, vec![longer])), part(0, PartFault::TooLong));
}

#[test]
fn a_chunk_that_is_reordered_repeated_or_changed_is_named() {
    let ends = Ends::new();
    let (parcel, parts) = ends.seal(&content(3 * CHUNK_BYTES));
    let with = |change: &dyn Fn(&mut [u8])| {
        let part = changed(&parts[0], |bytes| change(bytes));
        ends.open(&(parcel.clone(), vec![part]))
    };
    let swapped = with(&|bytes| {
        let (first, rest) = bytes.split_at_mut(SEALED);
        first.swap_with_slice(&mut rest[..SEALED]);
    });
    assert_eq!(swapped, chunk(0, ChunkFault::Reordered));
    let swapped = with(&|bytes| {
        let (front, last) = bytes.split_at_mut(2 * SEALED);
        front[SEALED..].swap_with_slice(last);
    });
    assert_eq!(swapped, chunk(1, ChunkFault::Reordered));
    let repeated = with(&|bytes| bytes.copy_within(..SEALED, SEALED));
    assert_eq!(repeated, chunk(1, ChunkFault::Repeated));
    let body = with(&|bytes| bytes[2 * SEALED + 5] ^= 1);
    assert_eq!(body, chunk(2, ChunkFault::Changed));
    let tag = with(&|bytes| bytes[2 * SEALED - 1] ^= 1);
    assert_eq!(tag, chunk(1, ChunkFault::Changed));
}

#[test]
fn parts_that_change_places_or_come_from_another_parcel_are_refused() {
    let ends = Ends::new();
    let (parcel, parts) = ends.seal_small(&content(4 * CHUNK_BYTES));
    let open = |first: &Bytes, second: &Bytes| {
        ends.open_small(&(parcel.clone(), vec![first.clone(), second.clone()]))
    };
    assert_eq!(open(&parts[1], &parts[0]), part(0, PartFault::Misplaced));
    assert_eq!(open(&parts[0], &parts[0]), part(1, PartFault::Misplaced), "a part came twice");
    let (_, others) = ends.seal_small(&content(4 * CHUNK_BYTES));
    assert_eq!(open(&parts[0], &others[1]), part(1, PartFault::Foreign));
}

#[test]
fn a_sender_who_cuts_the_end_or_numbers_wrongly_is_found_out() {
    let ends = Ends::new();
    let whole = content(CHUNK_BYTES);
    let open = |chunks: &[(&[u8], u64, bool)]| ends.open(&ends.seal_wrongly(chunks));
    assert_eq!(
        open(&[(&whole, 0, false), (b"x", 1, true)]).map(|out| out.len()),
        Ok(CHUNK_BYTES + 1)
    );
    let cut = open(&[(&whole, 0, false)]);
    assert_eq!(cut, chunk(0, ChunkFault::EndMissing), "a parcel without its end was taken");
    let early = open(&[(&whole, 0, true), (b"x", 1, true)]);
    assert_eq!(early, chunk(0, ChunkFault::EndEarly));
    let number = open(&[(&whole, 0, false), (b"x", 7, true)]);
    assert_eq!(number, chunk(1, ChunkFault::Changed));
}

#[test]
fn a_byte_changed_anywhere_in_a_parcel_or_its_head_is_refused() {
    let ends = Ends::new();
    let (parcel, parts) = ends.seal(b"{\"resourceType\":\"Patient\"}\n");
    for at in 0..parts[0].len() {
        for bit in [0x01, 0x20, 0x80] {
            let part = changed(&parts[0], |bytes| bytes[at] ^= bit);
            let opened = ends.open(&(parcel.clone(), vec![part]));
            assert!(opened.is_err(), "byte {at} of the part is not covered");
        }
    }
    for at in 0..32 {
        let (mut enc, mut commitment, mut part) =
            (parcel.enc, parcel.commitment, parcel.parts[0].clone());
        enc.0[at] ^= 1;
        commitment.0[at] ^= 1;
        part.digest.0[at] ^= 1;
        for head in [
            Parcel { enc, ..parcel.clone() },
            Parcel { commitment, ..parcel.clone() },
            Parcel { parts: vec![part], ..parcel.clone() },
        ] {
            assert!(ends.open(&(head, parts.clone())).is_err(), "byte {at} of the head");
        }
    }
}

#[test]
fn a_head_whose_counts_do_not_belong_together_is_refused_before_a_part_is_read() {
    let ends = Ends::new();
    let (parcel, parts) = ends.seal(&content(CHUNK_BYTES + 1));
    let mut other = parcel.parts.clone();
    other[0].bytes += 1;
    for head in [
        Parcel { chunks: 1, ..parcel.clone() },
        Parcel { chunks: 3, ..parcel.clone() },
        Parcel { bytes: parcel.bytes - 2, ..parcel.clone() },
        Parcel { bytes: u64::MAX, chunks: u64::MAX, ..parcel.clone() },
        Parcel { parts: other, ..parcel.clone() },
        Parcel { parts: Vec::new(), ..parcel.clone() },
    ] {
        let refused = ends.open(&(head.clone(), parts.clone()));
        assert_eq!(refused, Err(Refused::Counts { file: "parcel" }), "{head:?}");
    }
}

#[test]
fn never_more_than_one_part_of_64_chunks_is_in_memory() {
    // What is put is the only buffer that lives: neither side ever holds a longer one.
    let (ends, held) = (Ends::new(), RefCell::new(Vec::new()));
    let keys = SealKeys { own: &ends.a, recipient: &ends.b.public() };
    let length = count(PART_CHUNKS * CHUNK_BYTES + 1);
    let sealed = seal(&keys, &ends.info, io::repeat(7).take(length), |_, part| {
        held.borrow_mut().push(part);
        Ok(())
    });
    let parcel = head(sealed.unwrap());
    let lengths: Vec<usize> = held.borrow().iter().map(Bytes::len).collect();
    assert_eq!(lengths, [PART_CHUNKS * SEALED, 1 + TAG_BYTES]);
    let keys = OpenKeys { own: &ends.b, sender: &ends.a.public() };
    let get = |_| Ok(held.borrow_mut().remove(0));
    let mut out = Counted(0);
    open(&keys, &ends.info, &parcel, get, &mut out).unwrap();
    assert_eq!(out.0, length, "each part was asked for once, in order, and let go");
}

/// A writer that counts.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(bytes.len() <= CHUNK_BYTES && bytes.iter().all(|byte| *byte == 7));
        self.0 += count(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_the_store_or_the_reader_says_is_handed_on() {
    let ends = Ends::new();
    let keys = SealKeys { own: &ends.a, recipient: &ends.b.public() };
    let full = seal(&keys, &ends.info, b"x".as_slice(), |_, _| Err("the disk is full".into()));
    assert!(matches!(full, Err(ParcelError::Part { index: 0, .. })), "{full:?}");
    let weak = SealKeys { own: &ends.a, recipient: &HpkeKey([0; 32]) };
    let weak = seal(&weak, &ends.info, b"x".as_slice(), |_, _| Ok(()));
    assert!(matches!(weak, Err(ParcelError::Key(_))), "{weak:?}");
    let (parcel, _) = ends.seal(b"x");
    let keys = OpenKeys { own: &ends.b, sender: &ends.a.public() };
    let none = open(&keys, &ends.info, &parcel, |_| Err("gone".into()), &mut Vec::new());
    assert!(matches!(none, Err(ParcelError::Part { index: 0, .. })), "{none:?}");
}
