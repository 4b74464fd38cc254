//! What one institution knows of one person, as CSV lines: patient, visits, conditions,
//! measurements.
//!
//! Comes in: a person and where they were seen. Goes out: lines, appended to four buffers.
//! Never: a line that rests on another person's or on another institution's draws.

use std::fmt::Write as _;

use chrono::Datelike as _;

use super::{
    canary,
    dice::Dice,
    faults,
    person::{Person, date, day_of, last_day, mrn, street},
    places::{KINDS, PASSING, PAYERS, PLACES, Place},
};

/// The tables of an institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Patients,
    Visits,
    Conditions,
    Measurements,
}

impl Table {
    pub(super) const ALL: [Self; 4] =
        [Self::Patients, Self::Visits, Self::Conditions, Self::Measurements];

    /// Returns the name of its file.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Patients => "patients.csv",
            Self::Visits => "visits.csv",
            Self::Conditions => "conditions.csv",
            Self::Measurements => "measurements.csv",
        }
    }

    /// Returns the names of its columns.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Patients => &[
                "member_no",
                "mrn",
                "ssn",
                "first",
                "last",
                "birth_date",
                "sex",
                "race",
                "address",
                "city",
                "zip",
                "phone",
                "email",
                "death_date",
            ],
            Self::Visits => &["visit_id", "member_no", "start", "end", "kind", "payer", "cost"],
            Self::Conditions => {
                &["condition_id", "visit_id", "member_no", "code", "code_system", "onset", "note"]
            }
            Self::Measurements => &["visit_id", "member_no", "loinc", "taken_at", "value", "unit"],
        }
    }
}

/// Lines of the four tables of one institution.
#[derive(Debug, Default, Clone)]
pub(super) struct Lines {
    patients: Vec<u8>,
    visits: Vec<u8>,
    conditions: Vec<u8>,
    measurements: Vec<u8>,
    /// Lines appended.
    pub(super) rows: u64,
    /// Lines that carry a fault.
    pub(super) faulty: u64,
}

impl Lines {
    /// Returns a table's lines.
    pub(super) fn table(&self, table: Table) -> &[u8] {
        match table {
            Table::Patients => &self.patients,
            Table::Visits => &self.visits,
            Table::Conditions => &self.conditions,
            Table::Measurements => &self.measurements,
        }
    }

    fn push(&mut self, seed: u64, dice: &mut Dice, table: Table, mut cells: Vec<String>) {
        self.rows += 1;
        self.faulty += u64::from(faults::strike(seed, dice, table, &mut cells));
        let out = match table {
            Table::Patients => &mut self.patients,
            Table::Visits => &mut self.visits,
            Table::Conditions => &mut self.conditions,
            Table::Measurements => &mut self.measurements,
        };
        put(out, &cells);
    }
}

/// Appends what institution `at` knows of a person.
pub(super) fn append(seed: u64, person: &Person, at: u32, lines: &mut Lines) {
    let mut dice = Dice::new(seed, "records", person.index * 64 + u64::from(at));
    patient(seed, &mut dice, person, at, lines);
    visits(seed, &mut dice, person, at, lines);
}

/// Appends one CSV line, quoted where it must be.
pub(super) fn put(out: &mut Vec<u8>, cells: &[String]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if cell.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
            out.push(b'"');
            out.extend(cell.replace('"', "\"\"").bytes());
            out.push(b'"');
        } else {
            out.extend(cell.bytes());
        }
    }
    out.push(b'\n');
}

/// The person as this institution wrote them down: at all but the first with slips of the pen.
fn patient(seed: u64, dice: &mut Dice, person: &Person, at: u32, lines: &mut Lines) {
    let mut seen = person.clone();
    let usual = person.institutions.first() == Some(&at);
    if !usual && person.index >= canary::CANARY_PEOPLE {
        slip(dice, &mut seen);
    }
    let ssn = if dice.chance(150_000) && person.index >= canary::CANARY_PEOPLE {
        String::new()
    } else {
        seen.ssn
    };
    let cells = vec![
        seen.member_no,
        mrn(seed, at, person.index),
        ssn,
        seen.first,
        seen.last,
        seen.birth_date.to_string(),
        seen.sex.to_owned(),
        seen.race.to_owned(),
        seen.address,
        seen.city.to_owned(),
        seen.zip.to_owned(),
        seen.phone,
        seen.email,
        seen.death_date.map(|day| day.to_string()).unwrap_or_default(),
    ];
    if person.index < canary::CANARY_PEOPLE {
        // A fault would take a canary out of the run that it is there to watch.
        lines.rows += 1;
        put(&mut lines.patients, &cells);
    } else {
        lines.push(seed, dice, Table::Patients, cells);
    }
}

/// What differs between two institutions' records of one person, each with its own likelihood.
fn slip(dice: &mut Dice, person: &mut Person) {
    if dice.chance(110_000) {
        person.first = if dice.chance(400_000) {
            person.first.chars().take(1).chain(".".chars()).collect()
        } else {
            typo(dice, &person.first)
        };
    }
    if dice.chance(80_000) {
        person.last = typo(dice, &person.last);
    }
    if dice.chance(40_000) {
        person.birth_date = misdate(dice, person.birth_date);
    }
    if dice.chance(20_000) {
        let digit = dice.digits(1);
        person.ssn.pop();
        person.ssn.push_str(&digit.to_string());
    }
    if dice.chance(120_000) {
        let place: Place = dice.weighted(PLACES);
        (person.city, person.zip) = (place.city, place.zip);
        person.address = street(dice);
    } else if dice.chance(250_000) {
        person.address = person
            .address
            .replace(" Street", " St")
            .replace(" Avenue", " Ave")
            .replace(", Apt ", " #");
    }
    if dice.chance(200_000) {
        person.phone = format!("{}-555-{:04}", dice.pick(&[617, 781, 978]), dice.digits(4));
    }
    if dice.chance(300_000) {
        person.email.clear();
    }
}

/// Swaps two neighbours, drops a letter or doubles one.
fn typo(dice: &mut Dice, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() < 3 {
        return text.to_owned();
    }
    let at = usize::try_from(dice.below(letters.len() as u64 - 2)).unwrap_or(0) + 1;
    match dice.below(3) {
        0 => letters.swap(at - 1, at),
        1 => {
            letters.remove(at);
        }
        _ => {
            let letter = letters.get(at).copied().unwrap_or('e');
            letters.insert(at, letter);
        }
    }
    letters.into_iter().collect()
}

/// Swaps day and month where that is a date, or is a day or a year off.
fn misdate(dice: &mut Dice, day: crate::instant::Date) -> crate::instant::Date {
    let swapped = crate::instant::Date::from_ymd_opt(day.year(), day.day(), day.month());
    match (dice.below(3), swapped) {
        (0, Some(swapped)) => swapped,
        (1, _) => day.with_year(day.year() + 1).unwrap_or(day),
        _ => date(day.num_days_from_ce() + dice.day(1, 9)),
    }
}

/// Visits, with what was found and measured at each.
fn visits(seed: u64, dice: &mut Dice, person: &Person, at: u32, lines: &mut Lines) {
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
        let cells = vec![
            visit.clone(),
            person.member_no.clone(),
            timestamp(start),
            timestamp(start + length),
            kind.to_owned(),
            dice.weighted(PAYERS).to_owned(),
            format!("{}.{:02}", cost / 100, cost % 100),
        ];
        lines.push(seed, dice, Table::Visits, cells);

        let mut found: Vec<(&str, &str, crate::instant::Date)> = Vec::new();
        found.extend(lasting.next().filter(|(.., onset)| onset.num_days_from_ce() <= day));
        if dice.chance(350_000) {
            let passing = dice.weighted(PASSING);
            found.push((passing.icd, passing.snomed, date(day - dice.day(0, 6))));
        }
        for (icd, snomed, onset) in found {
            diagnosis += 1;
            // One institution codes in SNOMED CT, the others in ICD-10-CM.
            let (code, system) = if at == 2 { (snomed, "SNOMED-CT") } else { (icd, "ICD-10-CM") };
            let cells = vec![
                format!("{number}-D{diagnosis:02}"),
                visit.clone(),
                person.member_no.clone(),
                code.to_owned(),
                system.to_owned(),
                onset.to_string(),
                note(seed, dice, person),
            ];
            lines.push(seed, dice, Table::Conditions, cells);
        }
        for (loinc, value, unit) in body.measure(dice, person.diabetic) {
            let taken = start + dice.between(60, 1_200);
            let cells = vec![
                visit.clone(),
                person.member_no.clone(),
                loinc.to_owned(),
                timestamp(taken),
                value,
                unit.to_owned(),
            ];
            lines.push(seed, dice, Table::Measurements, cells);
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
        "F" => "Ms",
        "M" => "Mr",
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
    fn a_cell_with_commas_and_quotes_reads_back() {
        let mut out = Vec::new();
        let cells = ["a,b".to_owned(), "say \"x\"".to_owned(), String::new()];
        put(&mut out, &cells);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*out);
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(row.iter().collect::<Vec<_>>(), ["a,b", "say \"x\"", ""]);
    }

    #[test]
    fn an_institution_forgets_nothing_when_another_is_asked_first() {
        let person = super::super::person::make(8, 4, 21);
        let (mut alone, mut after) = (Lines::default(), Lines::default());
        append(8, &person, 1, &mut alone);
        append(8, &person, 0, &mut Lines::default());
        append(8, &person, 1, &mut after);
        assert_eq!(alone.visits, after.visits, "order would change the files");
    }
}
