//! One wide CSV of seven columns for the benches: as many rows as asked, about 50 a patient.
//!
//! Comes in: a seed and a number of rows. Goes out: lines in event order, patients mixed at random.
//! Never: faulty rows: what is timed is the work, not its refusal.

use std::io::Write;

use rayon::prelude::*;

use super::{
    Error,
    dice::{Dice, scale, stir},
    person::{date, day_of},
    places::ZIPS,
};

/// Rows to a patient, on average.
const ROWS_PER_PATIENT: u64 = 50;

/// Rows made by one task; part of what the seed means.
const PIECE: u64 = 65_536;

/// Pieces made at once.
const ROUND: u64 = 16;

const ICD: [&str; 16] = [
    "E11.9", "E11.22", "E11.42", "I10", "E78.5", "E66.9", "I25.10", "N18.3", "J45.909", "J44.9",
    "F32.9", "M19.90", "I48.91", "J06.9", "M54.50", "N39.0",
];

/// Writes the flat table; returns its rows.
pub fn write_flat(seed: u64, rows: u64, out: &mut dyn Write) -> Result<u64, Error> {
    out.write_all(b"patient_id,birth_date,zip,sex,icd,value,event_date\n")?;
    let patients = rows.div_ceil(ROWS_PER_PATIENT).max(1);
    let days = Days::new();
    let pieces = rows.div_ceil(PIECE);
    for round in 0..pieces.div_ceil(ROUND) {
        let made: Vec<Vec<u8>> = (round * ROUND..((round + 1) * ROUND).min(pieces))
            .into_par_iter()
            .map(|piece| {
                let count = PIECE.min(rows - piece * PIECE);
                lines(seed, patients, piece, count, &days)
            })
            .collect();
        for piece in made {
            out.write_all(&piece)?;
        }
    }
    out.flush()?;
    Ok(rows)
}

fn lines(seed: u64, patients: u64, piece: u64, count: u64, days: &Days) -> Vec<u8> {
    let mut dice = Dice::new(seed, "flat", piece);
    let mut out = Vec::with_capacity(64 * 65_536);
    for _ in 0..count {
        let (which, what) = (dice.bits(), dice.bits());
        let patient = scale(which, patients);
        let person = stir(seed ^ stir(patient));
        out.extend_from_slice(b"P");
        decimal(&mut out, patient, 8);
        out.push(b',');
        out.extend_from_slice(days.text(days.birth(stir(person))));
        out.push(b',');
        out.extend_from_slice(pick(&ZIPS_BYTES, stir(person ^ 1)));
        out.extend_from_slice(if stir(person ^ 2) & 1 == 0 { b",F," } else { b",M," });
        out.extend_from_slice(pick(&ICD, what).as_bytes());
        out.push(b',');
        let tenths = 40 + scale(stir(what), 2_960);
        decimal(&mut out, tenths / 10, 1);
        out.push(b'.');
        decimal(&mut out, tenths % 10, 1);
        out.push(b',');
        out.extend_from_slice(days.text(days.event(stir(which))));
        out.push(b'\n');
    }
    out
}

const ZIPS_BYTES: [&[u8]; 30] = {
    let mut bytes: [&[u8]; 30] = [&[]; 30];
    let mut at = 0;
    while at < 30 {
        #[expect(clippy::indexing_slicing, reason = "computed when the program is compiled")]
        {
            bytes[at] = ZIPS[at].as_bytes();
        }
        at += 1;
    }
    bytes
};

fn pick<T: Copy + Default>(items: &[T], bits: u64) -> T {
    let at = scale(bits, items.len() as u64);
    usize::try_from(at).ok().and_then(|at| items.get(at)).copied().unwrap_or_default()
}

/// The text of every day that can occur, made once.
struct Days {
    first: i32,
    texts: Vec<[u8; 10]>,
}

impl Days {
    fn new() -> Self {
        let first = day_of(1930, 1, 1);
        let texts = (first..=day_of(2026, 9, 30))
            .map(|day| {
                let mut text = [b'0'; 10];
                for (to, from) in text.iter_mut().zip(date(day).to_string().bytes()) {
                    *to = from;
                }
                text
            })
            .collect();
        Self { first, texts }
    }

    fn text(&self, at: usize) -> &[u8] {
        self.texts.get(at).map_or(&[], |text| text.as_slice())
    }

    fn birth(&self, bits: u64) -> usize {
        self.between(day_of(1940, 1, 1), day_of(1999, 12, 31), bits)
    }

    fn event(&self, bits: u64) -> usize {
        self.between(day_of(2015, 1, 1), day_of(2026, 9, 30), bits)
    }

    fn between(&self, low: i32, high: i32, bits: u64) -> usize {
        let span = u64::from(low.abs_diff(high)) + 1;
        usize::try_from(scale(bits, span) + u64::from(self.first.abs_diff(low))).unwrap_or(0)
    }
}

/// Writes a number in at least `width` digits.
fn decimal(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut left = number;
    let mut used = 0;
    for (at, digit) in digits.iter_mut().rev().enumerate() {
        if left == 0 && at >= width {
            break;
        }
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        used = at + 1;
    }
    out.extend_from_slice(digits.split_at(20 - used).1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seed: u64, rows: u64) -> String {
        let mut out = Vec::new();
        assert_eq!(write_flat(seed, rows, &mut out).unwrap(), rows);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_line_has_seven_columns_and_a_patient_never_changes() {
        let text = text(3, 70_000);
        let mut known = std::collections::BTreeMap::new();
        let mut rows = 0;
        for line in text.lines().skip(1) {
            rows += 1;
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), 7);
            assert_eq!((cells[0].len(), cells[1].len(), cells[2].len()), (9, 10, 5));
            let person = (cells[1], cells[2], cells[3]);
            assert_eq!(*known.entry(cells[0]).or_insert(person), person);
        }
        assert_eq!((rows, known.len()), (70_000, 1_400), "rows, patients");
    }

    #[test]
    fn the_same_seed_writes_the_same_bytes() {
        assert_eq!(text(3, 5_000), text(3, 5_000));
        assert_ne!(text(3, 5_000), text(4, 5_000));
    }

    #[test]
    fn numbers_keep_their_leading_zeros() {
        let mut out = Vec::new();
        decimal(&mut out, 42, 8);
        decimal(&mut out, 0, 1);
        decimal(&mut out, 123, 1);
        assert_eq!(out, b"000000420123");
    }
}
