//! Sealing and opening a parcel beside the same chunks through AES-256-GCM alone, in the same run.
//!
//! `cargo bench --bench transfer`, or `-- 64` for another number of MiB. Both read each chunk from
//! the same content into memory and work on it there. What a parcel adds: fresh memory for parts,
//! digests of tags, the look ahead, the HPKE set-up. The aim is 0.8.
#![expect(clippy::unwrap_used, reason = "a bench stops where something does not hold")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]
#![expect(clippy::print_stdout, reason = "a bench says what it measured")]
#![expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "speeds are shown rounded")]

use std::{
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use aes_gcm::{
    Aes256Gcm, Tag,
    aead::{AeadInOut as _, KeyInit as _},
};
use almoner::{
    digest::Sha3Digest,
    instant::Instant as When,
    transfer::{
        CHUNK_BYTES, Info, OpenKeys, Parcel, SealKeys, TransferId, TransferKey, open, seal,
    },
};
use bytes::Bytes;

const ROUNDS: usize = 7;

fn main() {
    let mib = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(256);
    let content: Vec<u8> = (0..mib * CHUNK_BYTES).map(|n| n.to_le_bytes()[n % 3]).collect();
    let (a, b) = (TransferKey::derive(&[1; 32]), TransferKey::derive(&[2; 32]));
    let name = Sha3Digest::of(b"name");
    let info = Info::new(&name, &name, &name);
    let cipher = Aes256Gcm::new(&[7; 32].into());

    let keys = SealKeys { own: &a, recipient: &b.public() };
    let mut parts: Vec<Bytes> = Vec::new();
    let sealed = seal(&keys, &info, content.as_slice(), |_, part| {
        parts.push(part);
        Ok(())
    })
    .unwrap();
    let parcel = Parcel {
        transfer: TransferId([0; 16]),
        offer: name,
        challenge: name,
        accept: name,
        enc: sealed.enc,
        commitment: sealed.commitment,
        chunks: sealed.chunks,
        bytes: sealed.bytes,
        parts: sealed.parts,
        issued: When::parse("2026-11-26").unwrap(),
    };

    let mut took: [Vec<Duration>; 4] = Default::default();
    let (mut sealed, mut opened) = (vec![0; content.len()], vec![0; CHUNK_BYTES]);
    for _ in 0..ROUNDS {
        let mut tags: Vec<Tag> = Vec::new();
        let begun = Instant::now();
        for ((nonce, chunk), place) in nonces().zip(chunks(&content)).zip(chunks_mut(&mut sealed)) {
            place.copy_from_slice(chunk);
            let tag = cipher.encrypt_inout_detached(&nonce.into(), &[0; 25], place.into());
            tags.push(tag.unwrap());
        }
        took[0].push(begun.elapsed());

        let begun = Instant::now();
        seal(&keys, &info, content.as_slice(), |_, part| {
            black_box(part);
            Ok(())
        })
        .unwrap();
        took[1].push(begun.elapsed());

        let begun = Instant::now();
        for ((nonce, chunk), tag) in nonces().zip(chunks(&sealed)).zip(&tags) {
            opened.copy_from_slice(chunk);
            let place = opened.as_mut_slice();
            cipher.decrypt_inout_detached(&nonce.into(), &[0; 25], place.into(), tag).unwrap();
        }
        took[2].push(begun.elapsed());
        black_box(&opened);

        let keys = OpenKeys { own: &b, sender: &a.public() };
        let get = |index: u32| Ok(parts[usize::try_from(index).unwrap()].clone());
        let begun = Instant::now();
        open(&keys, &info, &parcel, get, &mut io::sink()).unwrap();
        took[3].push(begun.elapsed());
    }
    let [raw_seal, seal, raw_open, open] = took.map(|times| speed(mib, times));
    println!("{mib} MiB, medians of {ROUNDS} rounds, MiB/s");
    println!("seal  {seal:6.0}   AES-256-GCM alone {raw_seal:6.0}   {:.2}", seal / raw_seal);
    println!("open  {open:6.0}   AES-256-GCM alone {raw_open:6.0}   {:.2}", open / raw_open);
}

fn chunks(bytes: &[u8]) -> std::slice::Chunks<'_, u8> {
    bytes.chunks(CHUNK_BYTES)
}

fn chunks_mut(bytes: &mut [u8]) -> std::slice::ChunksMut<'_, u8> {
    bytes.chunks_mut(CHUNK_BYTES)
}

fn nonces() -> impl Iterator<Item = [u8; 12]> {
    (0_u64..).map(|n| {
        let mut nonce = [0; 12];
        nonce.split_at_mut(4).1.copy_from_slice(&n.to_be_bytes());
        nonce
    })
}

/// The speed of the median.
fn speed(mib: usize, mut times: Vec<Duration>) -> f64 {
    times.sort();
    mib as f64 / times[times.len() / 2].as_secs_f64()
}
