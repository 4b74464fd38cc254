//! A parcel that is sealed here and opened by another program (`tests/oracles/parcel.py`), and one
//! that the other program sealed and that is opened here. All keys are test keys.

use std::{fs, path::Path};

use almoner::{
    digest::{Sha3Digest, hex},
    instant::Instant,
    signed_note::Signer,
    transfer::{
        CHUNK_BYTES, Info, OpenKeys, Parcel, SealKeys, Signed, TransferId, TransferKey, open, seal,
    },
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

fn names() -> [Sha3Digest; 3] {
    [b"offer".as_slice(), b"challenge", b"accept"].map(Sha3Digest::of)
}

fn info() -> Info {
    let [offer, challenge, accept] = names();
    Info::new(&offer, &challenge, &accept)
}

/// `tests/oracles/parcel.py` opens what this leaves in `target/tmp`.
#[test]
fn a_parcel_of_two_chunks_is_left_for_another_program_to_open() {
    let (a, b) = (TransferKey::derive(&[0xa; 32]), TransferKey::derive(&[0xb; 32]));
    let content: Vec<u8> =
        (0..CHUNK_BYTES + 1000).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
    let mut parts = Vec::new();
    let keys = SealKeys { own: &a, recipient: &b.public() };
    let sealed = seal(&keys, &info(), content.as_slice(), |_, part| {
        parts.push(part);
        Ok(())
    })
    .unwrap();
    let [offer, challenge, accept] = names();
    let parcel = Parcel {
        transfer: TransferId([1; 16]),
        offer,
        challenge,
        accept,
        enc: sealed.enc,
        commitment: sealed.commitment,
        chunks: sealed.chunks,
        bytes: sealed.bytes,
        parts: sealed.parts,
        issued: Instant::parse("2026-11-26T12:00:00Z").unwrap(),
    };
    let steward = Signer::from_seed("north.example/ledger/steward", &[0xc; 32]).unwrap();
    let signed = Signed::sign(parcel, &steward).unwrap();
    let case = json!({
        "sender_secret": hex(&[0xa; 32]),
        "reader_secret": hex(&[0xb; 32]),
        "sender": a.public(),
        "reader": b.public(),
        "steward": steward.verifier().vkey(),
        "head": String::from_utf8(signed.bytes().unwrap()).unwrap(),
        "parts": parts.iter().map(|part| hex(part)).collect::<Vec<_>>(),
        "content_sha3": Sha3Digest::of(&content),
    });
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(folder.join("parcel.json"), serde_json::to_vec(&case).unwrap()).unwrap();
}

#[derive(Deserialize)]
struct Vector {
    sender: almoner::transfer::HpkeKey,
    reader_secret: Sha3Digest,
    head: Parcel,
    part: String,
    content: String,
}

/// `tests/oracles/parcel.py --make` wrote the vector, with pyhpke 0.6.5.
#[test]
fn a_parcel_that_another_program_sealed_opens() {
    let text = include_str!("../vectors/transfer/parcel.json");
    let vector: Vector = serde_json::from_str(text).unwrap();
    let reader = TransferKey::derive(vector.reader_secret.as_bytes());
    let part: Vec<u8> = (0..vector.part.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&vector.part[at..at + 2], 16).unwrap())
        .collect();
    let part = Bytes::from(part);
    let keys = OpenKeys { own: &reader, sender: &vector.sender };
    let mut out = Vec::new();
    open(&keys, &info(), &vector.head, |_| Ok(part.clone()), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), vector.content, "the two programs differ");
}
