//! Faulty records: about one in a hundred, so that the quarantine has work.
//!
//! Comes in: a good record. Goes out: what is wrong with it, which its schema or reader must find.
//! Never: another person's number, for such a record could pass for another's.

use super::{canary, dice::Dice, records::Record};

/// Faulty records in a million.
const FAULT_PPM: u64 = 10_000;

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A value that its column or element may not have.
    Value,
    /// The line ends too early: a cell is missing; the JSON is cut.
    Short,
    /// In CSV a cell too many; in FHIR no id.
    Shape,
    /// In FHIR a number or a text where another type belongs; CSV has no types.
    Type,
}

impl Fault {
    /// Draws a fault, now and then.
    pub(super) fn draw(dice: &mut Dice) -> Option<Self> {
        dice.chance(FAULT_PPM).then(|| {
            dice.weighted(&[
                (5, Some(Self::Value)),
                (1, Some(Self::Short)),
                (1, Some(Self::Shape)),
                (1, Some(Self::Type)),
            ])
            .unwrap_or(Self::Value)
        })
    }
}

/// Puts a value in a record that its table may not have.
pub(super) fn spoil(seed: u64, dice: &mut Dice, record: &mut Record) {
    let odd = canary::cell(seed);
    let which = dice.below(3);
    match record {
        Record::Patient(patient) => match which {
            0 => patient.birth_date = odd,
            1 => "1970-02-31".clone_into(&mut patient.birth_date),
            _ => "?".clone_into(&mut patient.sex),
        },
        Record::Visit(visit) => match which {
            0 => visit.start = odd,
            1 => visit.kind.clear(),
            _ => "-1".clone_into(&mut visit.cost),
        },
        Record::Diagnosis(found) => match which {
            0 => found.onset = odd,
            1 => found.code.clear(),
            _ => "ICD-9".clone_into(&mut found.system),
        },
        Record::Measurement(taken) => match which {
            0 => taken.value = odd,
            1 => "99999".clone_into(&mut taken.value),
            _ => taken.loinc.clear(),
        },
    }
}
