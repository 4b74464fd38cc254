//! What one institution knows of one person: the patient, visits, diagnoses, measurements.
//!
//! Comes in: a person and where they were seen. Goes out: records, in the order they were made.
//! Never: a record that rests on another person's or on another institution's draws.

use std::fmt::Write as _;

use chrono::Datelike as _;

use super::{
    canary,
    dice::Dice,
    person::{Person, date, day_of, last_day, mrn},
    places::{KINDS, PASSING, PAYERS},
    records::{Diagnosis, Measurement, Patient, Record, Visit},
    slips,
};
use crate::instant::Date;

/// The code systems of diagnoses.
pub(super) const ICD: &str = "http://hl7.org/fhir/sid/icd-10-cm";
pub(super) const SNOMED: &str = "http://snomed.info/sct";

/// Returns what institution `at` knows of a person.
pub(super) fn chart(seed: u64, person: &Person, at: u32) -> Vec<Record> {
    let number = mrn(seed, at, person.index);
    let seen = slips::written_down(seed, person, at);
    let mut records = vec![Record::Patient(Patient::new(number.clone(), seen))];
    let mut dice = Dice::new(seed, "records", person.index * 64 + u64::from(at));
    visits(seed, &mut dice, person, at, &number, &mut records);
    records
}

/// Visits, with what was found and measured at each.
fn visits(
    seed: u64,
    dice: &mut Dice,
    person: &Person,
    at: u32,
    mrn_here: &str,
    records: &mut Vec<Record>,
) {
    let first = day_of(2023, 1, 2);
    let last = person.death_date.map_or(last_day(), |death| death.num_days_from_ce());
    let wanted = if person.diabetic { dice.between(5, 10) } else { dice.between(2, 7) };
    let mut days: Vec<i32> = (0..wanted).map(|_| dice.day(first, last)).collect();
    days.sort_unstable();
    let number = mrn(seed ^ 0x5649_5349, at, person.index);
    let body = Body::of(dice, person);
    let mut diagnosis = 0;
    let mut lasting = person.conditions.iter();
    for (turn, day) in (1_u32..).zip(days) {
        let visit = format!("{number}-V{turn:02}");
        let (kind, minutes, cents) = dice.weighted(KINDS);
        let start =
            i64::from(day) * 86_400 + dice.between(7 * 60, 19 * 60) * 60 + dice.between(0, 59);
        let length = dice.between(minutes * 60 / 2, minutes * 90);
        let cost = dice.between(cents / 3, cents * 2);
        records.push(Record::Visit(Visit {
            id: visit.clone(),
            mrn: mrn_here.to_owned(),
            start: timestamp(start),
            end: timestamp(start + length),
            kind: kind.to_owned(),
            payer: dice.weighted(PAYERS),
            cost: format!("{}.{:02}", cost / 100, cost % 100),
        }));

        let mut found: Vec<(&'static str, &'static str, Date)> = Vec::new();
        found.extend(lasting.next().filter(|(.., onset)| onset.num_days_from_ce() <= day));
        if dice.chance(350_000) {
            let passing = dice.weighted(PASSING);
            found.push((passing.icd, passing.snomed, date(day - dice.day(0, 6))));
        }
        for (icd, snomed, onset) in found {
            diagnosis += 1;
            // One institution codes in SNOMED CT first, the others in ICD-10-CM.
            let ((system, code), also) = if at == 2 {
                ((SNOMED, snomed), (ICD, icd))
            } else {
                ((ICD, icd), (SNOMED, snomed))
            };
            records.push(Record::Diagnosis(Diagnosis {
                id: format!("{number}-D{diagnosis:02}"),
                visit: visit.clone(),
                mrn: mrn_here.to_owned(),
                code: code.to_owned(),
                system: system.to_owned(),
                also,
                onset: onset.to_string(),
                note: note(seed, dice, person),
            }));
        }
        for (nth, (loinc, value, unit)) in (1_u32..).zip(body.measure(dice, person.diabetic)) {
            let taken = start + dice.between(60, 1_200);
            records.push(Record::Measurement(Measurement {
                id: format!("{visit}-M{nth}"),
                visit: visit.clone(),
                mrn: mrn_here.to_owned(),
                loinc: loinc.to_owned(),
                taken_at: timestamp(taken),
                value,
                unit,
            }));
        }
    }
}

/// A clinician's words: just what must never leave.
fn note(seed: u64, dice: &mut Dice, person: &Person) -> String {
    if person.index < canary::CANARY_PEOPLE {
        return canary::note(seed, person.index);
    }
    if dice.chance(600_000) {
        return String::new();
    }
    let title = match person.sex {
        "female" => "Ms",
        "male" => "Mr",
        _ => "Mx",
    };
    format!("{title} {}, seen today; call {} with results", person.last, person.phone)
}

/// What a person's values lie about, in tenths.
#[derive(Debug)]
struct Body {
    hba1c: i64,
    systolic: i64,
    bmi: i64,
    creatinine: i64,
}

impl Body {
    fn of(dice: &mut Dice, person: &Person) -> Self {
        let has = |icd: &str| person.conditions.iter().any(|(code, ..)| *code == icd);
        Self {
            hba1c: if person.diabetic { dice.near(74, 9).max(62) } else { dice.near(54, 2) },
            systolic: if has("I10") { dice.near(1_420, 90) } else { dice.near(1_200, 80) },
            bmi: if has("E66.9") { dice.near(345, 30).max(300) } else { dice.near(255, 25) },
            creatinine: if has("N18.3") { dice.near(17, 2) } else { dice.near(9, 1) },
        }
    }

    fn measure(
        &self,
        dice: &mut Dice,
        diabetic: bool,
    ) -> Vec<(&'static str, String, &'static str)> {
        let tenths = |value: i64| {
            let value = value.max(1);
            format!("{}.{}", value / 10, value % 10)
        };
        let mut found = Vec::with_capacity(7);
        let systolic = dice.near(self.systolic, 70).clamp(800, 2_300) / 10;
        found.push(("8480-6", systolic.to_string(), "mm[Hg]"));
        found.push(("8462-4", (systolic * 2 / 3 + dice.between(-8, 8)).to_string(), "mm[Hg]"));
        if dice.chance(500_000) {
            found.push(("39156-5", tenths(dice.near(self.bmi, 5)), "kg/m2"));
        }
        if dice.chance(if diabetic { 700_000 } else { 200_000 }) {
            let hba1c = dice.near(self.hba1c, 4).clamp(38, 150);
            found.push(("4548-4", tenths(hba1c), "%"));
            // The estimated average glucose of this HbA1c: 28.7 x HbA1c - 46.7 mg/dL (ADAG).
            let glucose = dice.near((287 * hba1c - 4_670) / 100, 18).clamp(50, 500);
            found.push(("2339-0", glucose.to_string(), "mg/dL"));
        }
        if dice.chance(250_000) {
            found.push(("2160-0", tenths(dice.near(self.creatinine, 1).max(4)), "mg/dL"));
        }
        if dice.chance(200_000) {
            found.push(("18262-6", dice.near(118, 28).clamp(30, 260).to_string(), "mg/dL"));
        }
        found
    }
}

/// Writes seconds since the first midnight of year 1 (day 0) as `2025-03-02T09:30:00`.
fn timestamp(seconds: i64) -> String {
    let day = i32::try_from(seconds / 86_400).unwrap_or(0);
    let second = seconds % 86_400;
    let mut text = date(day).to_string();
    // Writing to a String cannot fail.
    let _: std::fmt::Result =
        write!(text, "T{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_institution_forgets_nothing_when_another_is_asked_first() {
        let person = super::super::person::make(8, 4, 21);
        let cells = |records: Vec<Record>| -> Vec<Vec<String>> {
            records.into_iter().map(Record::into_cells).collect()
        };
        let alone = cells(chart(8, &person, 1));
        let _other = chart(8, &person, 0);
        assert_eq!(alone, cells(chart(8, &person, 1)), "order would change the files");
    }
}
