//! Notes about people who do not exist, each with the spans in it that say who somebody is.
//!
//! Comes in: a seed and a number. Goes out: patients, and notes as a gold set: what a scrubber is
//! measured on. Never: a real person, or a span put there by the scrubber that it measures: a span
//! is known because the text was made of it.
//!
//! Some names are words as well (Young, Hope, Will), some have accents, hyphens or several parts; some
//! notes are in capitals, some in lower case, and lines break within names. Of the patient tables know
//! names, numbers and the address; doctors, relatives and hospitals are known to no table.

mod slots;
mod text;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    dice::Dice,
    names::{FIRST_F, FIRST_M, LAST},
    places::{PLACES, STREETS},
};
use crate::deid::scrub::{Gold, GoldValue, Kind};

/// A patient whom tables and notes tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// The person's id.
    pub id: String,
    /// The given name.
    pub first: String,
    /// The family name.
    pub last: String,
    /// The sex: F or M.
    pub sex: &'static str,
    /// The year of birth.
    pub born: i64,
    /// The social security number.
    pub ssn: String,
    /// The number of the medical record.
    pub mrn: String,
    /// The telephone number.
    pub phone: String,
    /// The e-mail address.
    pub email: String,
    /// Number and street.
    pub address: String,
    /// The town.
    pub city: &'static str,
    /// The ZIP code.
    pub zip: &'static str,
}

/// Names that are words as well, or of several parts, or with accents.
const AWKWARD_FIRST: &[&str] = &[
    "Grace",
    "Hope",
    "Will",
    "Mark",
    "Faith",
    "Rose",
    "May",
    "Art",
    "Bill",
    "Joy",
    "Dawn",
    "June",
    "José",
    "Zoë",
    "Mary Ann",
    "Jean-Luc",
    "Søren",
    "Nuño",
    "An",
    "Guadalupe",
];
const AWKWARD_LAST: &[&str] = &[
    "Young",
    "Brown",
    "White",
    "Long",
    "Hand",
    "Hill",
    "Short",
    "Small",
    "O'Neill",
    "de la Cruz",
    "Smith-Jones",
    "García",
    "Nuñez",
    "Müller",
    "Nguyen",
    "van der Berg",
    "McDonald",
    "Day",
    "Best",
    "Rice",
    "Head",
    "Bone",
    "Low",
    "Price",
    "Do",
    "Łukasz",
    "Cook",
    "Good",
    "Love",
    "Strong",
];

/// The patient of an index.
pub fn patient(seed: u64, index: u64) -> Patient {
    let mut dice = Dice::new(seed, "notes/patient", index);
    let is_woman = dice.chance(500_000);
    let first = first_name(&mut dice, is_woman);
    let last = last_name(&mut dice);
    let (city, zip) = {
        let place = dice.weighted(PLACES);
        (place.city, place.zip)
    };
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphabetic).collect::<String>();
    let email = format!("{}.{}{}@example.org", plain(&first), plain(&last), dice.below(100));
    Patient {
        id: format!("N{:06}", index + 1),
        sex: if is_woman { "F" } else { "M" },
        born: dice.between(1926, 2015),
        ssn: format!(
            "{:03}-{:02}-{:04}",
            dice.between(101, 665),
            dice.between(1, 99),
            dice.between(1, 9_999)
        ),
        mrn: format!("{}", dice.between(1_000_000, 9_999_999)),
        phone: format!("{}-555-{:04}", dice.pick(&[617, 781, 508, 978]), dice.below(10_000)),
        email: email.to_lowercase(),
        address: format!(
            "{} {} {}",
            dice.between(1, 999),
            dice.pick(STREETS),
            dice.pick(slots::STREET_ENDS)
        ),
        city,
        zip,
        first,
        last,
    }
}

/// The note of an index, of the patient `index / 2`: a patient has two.
pub fn note(seed: u64, index: u64) -> Gold {
    let patient = patient(seed, index / 2);
    let mut dice = Dice::new(seed, "notes/note", index);
    let (text, spans) = text::note(&mut dice, &patient);
    let value = |kind: Kind, value: &str| GoldValue { kind, value: value.to_owned() };
    let known = vec![
        value(Kind::Name, &patient.first),
        value(Kind::Name, &patient.last),
        value(Kind::Id, &patient.id),
        value(Kind::Id, &patient.ssn),
        value(Kind::Id, &patient.mrn),
        value(Kind::Contact, &patient.phone),
        value(Kind::Contact, &patient.email),
        value(Kind::Place, &patient.address),
        value(Kind::Place, patient.city),
        value(Kind::Place, patient.zip),
    ];
    Gold { text, spans, known }
}

/// Writes `patients.csv`, `notes.csv` and `gold.jsonl` of so many notes.
pub fn write_notes(seed: u64, notes: u64, folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let mut patients = csv::Writer::from_path(folder.join("patients.csv"))?;
    let mut table = csv::Writer::from_path(folder.join("notes.csv"))?;
    let mut gold = String::new();
    patients.write_record([
        "patient_id",
        "first_name",
        "last_name",
        "sex",
        "birth_year",
        "ssn",
        "mrn",
        "phone",
        "email",
        "address",
        "city",
        "zip",
    ])?;
    table.write_record(["note_id", "patient_id", "written_on", "kind", "note_text"])?;
    for index in 0..notes.div_ceil(2) {
        let who = patient(seed, index);
        let born = who.born.to_string();
        patients.write_record([
            &who.id,
            &who.first,
            &who.last,
            who.sex,
            &born,
            &who.ssn,
            &who.mrn,
            &who.phone,
            &who.email,
            &who.address,
            who.city,
            who.zip,
        ])?;
    }
    for index in 0..notes {
        let mut dice = Dice::new(seed, "notes/row", index);
        let id = (index + 1).to_string();
        let day = format!("2025-{:02}-{:02}", dice.between(1, 12), dice.between(1, 28));
        let note = note(seed, index);
        let who = patient(seed, index / 2);
        let kind = dice.pick(&["progress", "discharge", "consult", "nursing"]);
        table.write_record([&id, &who.id, &day, kind, &note.text])?;
        gold.push_str(&serde_json::to_string(&note).map_err(io::Error::other)?);
        gold.push('\n');
    }
    patients.flush()?;
    table.flush()?;
    fs::write(folder.join("gold.jsonl"), gold)?;
    let names = ["patients.csv", "notes.csv", "gold.jsonl"];
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

fn first_name(dice: &mut Dice, is_woman: bool) -> String {
    if dice.chance(150_000) {
        return dice.pick(AWKWARD_FIRST).to_owned();
    }
    let [common, rare] = if is_woman { FIRST_F } else { FIRST_M };
    let names = if dice.chance(400_000) { common } else { rare };
    dice.pick(names).to_owned()
}

fn last_name(dice: &mut Dice) -> String {
    if dice.chance(250_000) {
        return dice.pick(AWKWARD_LAST).to_owned();
    }
    let [common, rare] = LAST;
    let names = if dice.chance(400_000) { common } else { rare };
    dice.pick(names).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        deid::scrub::{Class, Recall, Scrubber},
        schema::ScrubDates,
    };

    #[test]
    fn a_note_is_the_same_for_the_same_seed_and_its_spans_hold_what_they_say() {
        for index in 0..200 {
            let gold = note(7, index);
            assert_eq!(gold, note(7, index), "a seed makes two notes");
            let signs: Vec<char> = gold.text.chars().collect();
            for span in &gold.spans {
                let text: String = signs[span.start..span.end].iter().collect();
                assert_eq!(text.trim(), text, "a span holds blanks at its ends");
                if span.class == Class::Email {
                    assert!(text.contains('@'), "a span of {:?} is off", span.class);
                }
            }
        }
        assert_ne!(note(7, 0), note(8, 0));
    }

    #[test]
    fn the_scrubber_reaches_its_targets_on_generated_notes() {
        let gold: Vec<Gold> = (0..1_500).map(|index| note(20_261_126, index)).collect();
        let recall = Recall::measure(&Scrubber::new(&[], ScrubDates::Mask), &gold);
        assert_eq!(
            recall.patterns.recall_ppm(),
            1_000_000,
            "of what its form gives away {} characters are left",
            recall.patterns.characters - recall.patterns.characters_found
        );
        assert!(recall.all.recall_ppm() >= 995_000, "recall is {}", recall.all.recall_ppm());
        assert!(recall.all.bound_ppm() >= 995_000, "its bound is {}", recall.all.bound_ppm());
        assert!(recall.precision_ppm() >= 900_000, "precision is {}", recall.precision_ppm());
    }
}
