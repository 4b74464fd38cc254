//! Looks for texts in every byte of the zones that others read, as they lie and decoded.
//!
//! Comes in: a site and needles. Goes out: where one was found. Never: the needle itself in a
//! message, lest a failing test publish what it looks for.

use std::{collections::BTreeMap, path::Path};

use arrow::{
    array::{Array as _, RecordBatchReader as _},
    util::display::{ArrayFormatter, FormatOptions},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::commons::files;
use super::plain;

/// The zones that researchers or everyone may read.
pub(crate) const OPEN_ZONES: [&str; 3] = ["lake", "ledger", "public"];

/// Something to look for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Needle {
    /// What is looked for.
    pub(crate) text: String,
    /// What it is, for messages.
    pub(crate) what: String,
}

/// A text and where it was found.
#[derive(Debug)]
pub(crate) struct Hay {
    /// Where.
    pub(crate) place: String,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Whether they are text; elsewhere a short needle is found by chance.
    pub(crate) text: bool,
}

/// Reads every object of the open zones: its name, its bytes, and what they stand for.
pub(crate) fn hay(site: &Path) -> Vec<Hay> {
    let mut found = Vec::new();
    for zone in OPEN_ZONES {
        for file in files(&site.join(zone)) {
            let place = file.strip_prefix(site).unwrap().display().to_string();
            let bytes = plain::read(&file).unwrap();
            let text = std::str::from_utf8(&bytes).is_ok();
            found.push(Hay {
                place: "the name of a file".into(),
                bytes: place.clone().into(),
                text,
            });
            if bytes.starts_with(b"PAR1") {
                found.extend(columns(&place, &file));
            }
            for inner in envelopes(&bytes) {
                found.push(Hay {
                    place: format!("{place}, out of base64"),
                    bytes: inner,
                    text: true,
                });
            }
            found.push(Hay { place, bytes, text });
        }
    }
    found
}

/// Decodes a Parquet file: one text a column, one line a cell, and the key-value metadata.
pub(crate) fn columns(place: &str, file: &Path) -> Vec<Hay> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(plain::read(file).unwrap()))
            .unwrap();
    let metadata = format!("{:?}", reader.metadata().file_metadata().key_value_metadata());
    let reader = reader.build().unwrap();
    let schema = reader.schema();
    let mut texts = vec![String::new(); schema.fields().len()];
    for batch in reader {
        let batch = batch.unwrap();
        for (column, text) in batch.columns().iter().zip(&mut texts) {
            let formatter = ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap();
            for row in 0..column.len() {
                text.push_str(&formatter.value(row).to_string());
                text.push('\n');
            }
        }
    }
    let mut found: Vec<Hay> = schema
        .fields()
        .iter()
        .zip(texts)
        .map(|(field, text)| Hay {
            place: format!("{place}, column {}", field.name()),
            bytes: text.into_bytes(),
            text: true,
        })
        .collect();
    found.push(Hay {
        place: format!("{place}, metadata"),
        bytes: metadata.into_bytes(),
        text: true,
    });
    found
}

/// Decodes the runs of base64 in a text (the payloads of entries), and those in what they hold.
fn envelopes(bytes: &[u8]) -> Vec<Vec<u8>> {
    let of_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let mut found = Vec::new();
    for run in bytes.split(|b| !of_base64(b)).filter(|run| run.len() >= 64) {
        if let Ok(inner) = STANDARD.decode(run) {
            found.extend(envelopes(&inner));
            found.push(inner);
        }
    }
    found
}

/// Says where needles were found. In text a needle must stand alone: `02155` inside a digest or a
/// longer number is no ZIP code. In other bytes only needles of five and more count.
pub(crate) fn search(hay: &[Hay], needles: &[Needle]) -> Vec<String> {
    let mut found = Vec::new();
    for straw in hay {
        for needle in needles {
            let wanted = needle.text.as_bytes();
            if wanted.is_empty() || (!straw.text && wanted.len() < 5) {
                continue;
            }
            let mut from = 0;
            while let Some(at) = position(&straw.bytes, wanted, from) {
                let before = at.checked_sub(1).and_then(|i| straw.bytes.get(i));
                let after = straw.bytes.get(at + wanted.len());
                let joined = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
                if !straw.text || !(joined(before) || joined(after)) {
                    found.push(format!("{}, byte {at}: {}", straw.place, needle.what));
                    break;
                }
                from = at + 1;
            }
        }
    }
    found
}

/// Says where numbers were found, of which there may be many: each run of digits is looked up.
pub(crate) fn search_numbers(hay: &[Hay], numbers: &BTreeMap<Vec<u8>, String>) -> Vec<String> {
    let mut found = Vec::new();
    for straw in hay {
        for run in straw.bytes.split(|b| !b.is_ascii_digit()).filter(|run| run.len() >= 8) {
            if let Some(what) = numbers.get(run) {
                found.push(format!("{}: {what}", straw.place));
            }
        }
    }
    found
}

fn position(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    Some(from + memchr::memmem::find(bytes.get(from..)?, wanted)?)
}

#[test]
fn a_needle_is_found_as_it_lies_and_inside_an_envelope_but_not_inside_a_digest() {
    let needle = |text: &str| Needle { text: text.into(), what: "a needle".into() };
    let straw = |bytes: &[u8], text| Hay { place: "here".into(), bytes: bytes.to_vec(), text };
    let payload = STANDARD.encode(format!("{{\"zip\":\"02155\",\"x\":\"{}\"}}", "-".repeat(64)));
    let inner = envelopes(format!("{{\"payload\":\"{payload}\"}}").as_bytes());
    assert_eq!(search(&[straw(&inner[0], true)], &[needle("02155")]).len(), 1);
    assert_eq!(search(&[straw(b"ab02155cd 102155", true)], &[needle("02155")]).len(), 0);
    assert_eq!(search(&[straw(b"ab02155cd, 02155", true)], &[needle("02155")]).len(), 1);
    assert_eq!(search(&[straw(b"\xff02155\xfe", false)], &[needle("02155")]).len(), 1);
    assert_eq!(search(&[straw(b"\xffLee\xfe", false)], &[needle("Lee")]).len(), 0);
    let numbers = BTreeMap::from([(b"12345678".to_vec(), "an id".to_owned())]);
    assert_eq!(search_numbers(&[straw(b"\x00-12345678\x01", false)], &numbers).len(), 1);
    assert_eq!(search_numbers(&[straw(b"123456789", true)], &numbers).len(), 0);
}
