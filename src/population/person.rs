//! One person: who they are, where they live and are seen, and what ails them.
//!
//! Comes in: a seed and an index. Goes out: [`Person`], the same at any time and in any order.
//! Never: a real one: every social security number lies in a range that is not given out.

use std::borrow::Cow;

use chrono::Datelike as _;

use super::{
    Population, canary,
    dice::{Dice, PPM},
    family,
    names::{FIRST_F, FIRST_M, LAST},
    places::{COMPLICATIONS, DIABETES, Diagnosis, LASTING, PLACES, Place, RACES, STREETS},
};
use crate::instant::Date;

/// A person, as they would describe themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Person {
    /// The index in the population.
    pub index: u64,
    /// The person's name in the truth of linkage; no institution knows it.
    pub member_no: String,
    /// The social security number.
    pub ssn: String,
    /// The first name.
    pub first: String,
    /// The last name.
    pub last: String,
    /// The day of birth.
    pub birth_date: Date,
    /// `female`, `male` or `other`, as FHIR's administrative gender has it.
    pub sex: &'static str,
    /// Race, as asked; may be empty.
    pub race: &'static str,
    /// House number and street.
    pub address: String,
    /// The town.
    pub city: &'static str,
    /// The five-digit ZIP code.
    pub zip: &'static str,
    /// The telephone number.
    pub phone: String,
    /// The e-mail address.
    pub email: String,
    /// The day of death.
    pub death_date: Option<Date>,
    /// Where they are seen: indexes for [`institution`]; the first is their usual one.
    pub institutions: Vec<u32>,
    /// Lasting diagnoses as (ICD-10-CM, SNOMED CT, onset).
    pub conditions: Vec<(&'static str, &'static str, Date)>,
    /// Whether they have type 2 diabetes.
    pub diabetic: bool,
}

/// Makes person `index` of a population.
pub fn person(population: &Population, index: u64) -> Person {
    make(population.seed, population.institutions, index)
}

/// Returns everybody, one after the other.
pub fn people(population: &Population) -> impl Iterator<Item = Person> + use<> {
    let population = *population;
    (0..population.people).map(move |index| person(&population, index))
}

/// Returns an institution's id.
pub fn institution(at: u32) -> Cow<'static, str> {
    usize::try_from(at).ok().and_then(|at| INSTITUTIONS.get(at)).map_or_else(
        || Cow::Owned(format!("institution-{:02}", at + 1)),
        |(name, _)| Cow::Borrowed(*name),
    )
}

/// Returns the number by which institution `at` knows person `index`.
pub fn record_number(population: &Population, at: u32, index: u64) -> String {
    mrn(population.seed, at, index)
}

/// The last day on which anything happened: populations do not grow older with the calendar.
pub(super) fn last_day() -> i32 {
    day_of(2026, 9, 30)
}

/// Returns a date of a day number (days from the first day of year 1).
pub(super) fn date(day: i32) -> Date {
    Date::from_num_days_from_ce_opt(day).unwrap_or_default()
}

/// Returns the day number of a civil date.
pub(super) fn day_of(year: i32, month: u32, day: u32) -> i32 {
    Date::from_ymd_opt(year, month, day).unwrap_or_default().num_days_from_ce()
}

/// Returns a person's record number at an institution.
pub(super) fn mrn(seed: u64, at: u32, index: u64) -> String {
    format!("{}-{:09}", initials(at), mix(seed ^ u64::from(at + 1), MRN_STEP, NUMBERS, index))
}

/// Returns two letters and a number that stand for an institution in its own ids.
fn initials(at: u32) -> String {
    let letters: String = institution(at)
        .split('-')
        .filter_map(|word| word.chars().next())
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    format!("{letters}{at:02}")
}

/// Makes person `index` of a seed.
pub(super) fn make(seed: u64, institutions: u32, index: u64) -> Person {
    let Identity { sex, first, last, birth, race, place, address, phone } =
        family::identity(seed, index);
    let mut dice = Dice::new(seed, "life", index);
    let age = (last_day() - birth) / 365;
    let death = dice
        .chance(if age > 75 { 60_000 } else { 6_000 })
        .then(|| dice.day(day_of(2023, 6, 1), last_day()));
    let conditions = conditions(&mut dice, birth, age);
    let mut person = Person {
        index,
        member_no: member_no(seed, index),
        ssn: ssn(seed, index),
        birth_date: date(birth),
        sex,
        race,
        address,
        city: place.city,
        zip: place.zip,
        phone,
        email: email(&mut dice, &first, &last),
        first,
        last,
        death_date: death.map(date),
        institutions: seen_at(&mut dice, institutions),
        diabetic: conditions.iter().any(|(icd, ..)| *icd == DIABETES.icd),
        conditions,
    };
    canary::mark(seed, &mut person);
    person
}

/// Who a person is, before anything happens to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) sex: &'static str,
    pub(super) first: String,
    pub(super) last: String,
    /// The day number of birth.
    pub(super) birth: i32,
    pub(super) race: &'static str,
    pub(super) place: Place,
    pub(super) address: String,
    pub(super) phone: String,
}

impl Identity {
    /// Draws somebody who has no family in the population.
    pub(super) fn alone(dice: &mut Dice) -> Self {
        let sex = dice.weighted(&[(508, "female"), (489, "male"), (3, "other")]);
        Self {
            sex,
            first: first_name(dice, sex),
            last: last_name(dice),
            birth: birth_day(dice),
            race: dice.weighted(RACES),
            place: dice.weighted(PLACES),
            address: street(dice),
            phone: phone(dice),
        }
    }
}

/// Picks a given name; four in ten bear one of the common ones.
pub(super) fn first_name(dice: &mut Dice, sex: &str) -> String {
    let lists = match sex {
        "female" => FIRST_F,
        "male" => FIRST_M,
        _ => dice.weighted(&[(1, FIRST_F), (1, FIRST_M)]),
    };
    one_of(dice, lists, 400_000).to_owned()
}

/// Picks a family name; three in ten bear one of the common ones, one in twenty-five two.
pub(super) fn last_name(dice: &mut Dice) -> String {
    let last = one_of(dice, LAST, 300_000);
    if dice.chance(40_000) {
        format!("{last}-{}", one_of(dice, LAST, 300_000))
    } else {
        last.to_owned()
    }
}

fn one_of(dice: &mut Dice, [common, rare]: [&[&'static str]; 2], common_ppm: u64) -> &'static str {
    let list = if dice.chance(common_ppm) { common } else { rare };
    dice.pick(list)
}

/// A number that no telephone has: no exchange begins with 1.
pub(super) fn phone(dice: &mut Dice) -> String {
    format!(
        "{}-1{:02}-{:04}",
        dice.pick(&[617, 781, 978, 508, 603]),
        dice.digits(2),
        dice.digits(4)
    )
}

/// Institutions of the demo and how many people call each their usual one.
const INSTITUTIONS: &[(&str, u64)] =
    &[("north-shore", 35), ("lake-county", 28), ("riverside", 21), ("st-anselm", 16)];

/// Share of people seen at more than one institution, as measured on Synthea's (288 of 615).
const SEVERAL_PPM: u64 = 470_000;

/// Numbers of nine digits.
const NUMBERS: u64 = 1_000_000_000;

/// Social security numbers of areas 901 to 998, which are not given out.
const SSNS: u64 = 98_000_000;

/// Steps (3^18 and 7^10) that share no factor with a size: multiplying by one renumbers it all.
const STEP: u64 = 387_420_489;
const MRN_STEP: u64 = 282_475_249;

fn mix(seed: u64, step: u64, size: u64, index: u64) -> u64 {
    let start = super::dice::stir(seed) % size;
    ((index % size) * step % size + start) % size
}

/// A social security number that no two people share.
fn ssn(seed: u64, index: u64) -> String {
    let number = mix(seed ^ 0x0053_534e, STEP, SSNS, index);
    let (area, group, serial) = (901 + number / 1_000_000, number / 10_000 % 100, number % 10_000);
    format!("{area}-{group:02}-{serial:04}")
}

/// A number that no two people share: nine digits and a check digit (Luhn).
fn member_no(seed: u64, index: u64) -> String {
    let digits = format!("{:09}", mix(seed, STEP, NUMBERS, index));
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            let doubled = if at % 2 == 0 { digit * 2 } else { digit };
            doubled / 10 + doubled % 10
        })
        .sum();
    format!("M{digits}{}", (10 - sum % 10) % 10)
}

/// Adults, most of them of middle age, few over 86.
fn birth_day(dice: &mut Dice) -> i32 {
    let (low, high) = dice.weighted(&[
        (80, (18, 26)),
        (270, (27, 46)),
        (380, (47, 66)),
        (250, (67, 86)),
        (20, (87, 98)),
    ]);
    last_day() - dice.day(low * 36_525 / 100 + 1, (high + 1) * 36_525 / 100)
}

pub(super) fn street(dice: &mut Dice) -> String {
    let number = 1 + dice.below(980);
    let name = dice.pick(STREETS);
    let kind = dice.weighted(&[(5, "Street"), (3, "Avenue"), (2, "Road"), (1, "Lane")]);
    if dice.chance(180_000) {
        format!("{number} {name} {kind}, Apt {}", 1 + dice.below(40))
    } else {
        format!("{number} {name} {kind}")
    }
}

pub(super) fn email(dice: &mut Dice, first: &str, last: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(char::is_ascii_alphabetic)
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    format!("{}.{}{}@example.org", plain(first), plain(last), dice.digits(3))
}

fn seen_at(dice: &mut Dice, institutions: u32) -> Vec<u32> {
    let weight =
        |at: u32| usize::try_from(at).ok().and_then(|at| INSTITUTIONS.get(at)).map_or(20, |i| i.1);
    let mut open: Vec<(u64, u32)> = (0..institutions).map(|at| (weight(at), at)).collect();
    let several = dice.chance(SEVERAL_PPM);
    let wanted: usize = if several { dice.weighted(&[(70, 2), (22, 3), (8, 4)]) } else { 1 };
    let mut seen = Vec::with_capacity(wanted);
    while seen.len() < wanted && !open.is_empty() {
        let at = dice.weighted(&open);
        open.retain(|(_, other)| *other != at);
        seen.push(at);
    }
    seen
}

fn conditions(dice: &mut Dice, birth: i32, age: i32) -> Vec<(&'static str, &'static str, Date)> {
    let mut found = Vec::new();
    let mut add = |dice: &mut Dice, diagnosis: Diagnosis, since: i32| {
        let onset = dice.day(since.min(last_day() - 30), last_day() - 30);
        found.push((diagnosis.icd, diagnosis.snomed, date(onset)));
        onset
    };
    let years = u64::try_from((age - 20).clamp(0, 60)).unwrap_or(0);
    // The commons is one for diabetes, so it holds more of it than the street does.
    if dice.chance(60_000 + years * 6_500) {
        let onset = add(dice, DIABETES, birth + 25 * 365);
        for (ppm, complication) in COMPLICATIONS {
            if dice.chance(*ppm) {
                add(dice, *complication, onset);
            }
        }
    }
    for (young, old, diagnosis) in LASTING {
        let ppm = (young * (60 - years) + old * years) / 60;
        if dice.chance(ppm.min(PPM)) {
            add(dice, *diagnosis, birth + 18 * 365);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_alone_is_the_same_as_in_the_stream() {
        let population = Population::new(42, 500, 4).unwrap();
        for (index, streamed) in people(&population).enumerate().step_by(37) {
            let alone = person(&population, index as u64);
            assert_eq!(alone, streamed, "an audit could not make the person again");
        }
    }

    #[test]
    fn about_47_in_100_people_are_seen_at_several_institutions() {
        let population = Population::new(1, 10_000, 4).unwrap();
        let several = people(&population).filter(|p| p.institutions.len() > 1).count();
        assert!((4_500..=4_900).contains(&several), "{several} of 10,000");
    }

    #[test]
    fn no_two_people_share_a_member_number_and_each_ends_in_its_check_digit() {
        let population = Population::new(9, 5_000, 2).unwrap();
        let numbers: std::collections::BTreeSet<String> =
            people(&population).map(|p| p.member_no).collect();
        assert_eq!(numbers.len(), 5_000, "two people would be paid as one");
        for number in numbers {
            let sum: u32 = number[1..]
                .bytes()
                .rev()
                .enumerate()
                .map(|(at, b)| {
                    let digit = u32::from(b - b'0') * if at % 2 == 1 { 2 } else { 1 };
                    digit / 10 + digit % 10
                })
                .sum();
            assert_eq!(sum % 10, 0, "a mistyped number would go unseen");
        }
    }

    #[test]
    fn nobody_dies_before_birth_or_after_the_last_day() {
        let population = Population::new(3, 3_000, 4).unwrap();
        for person in people(&population) {
            assert!(person.birth_date < date(last_day()));
            if let Some(death) = person.death_date {
                assert!(person.birth_date < death && death <= date(last_day()));
            }
            for (.., onset) in &person.conditions {
                assert!(*onset > person.birth_date && *onset <= date(last_day()));
            }
        }
    }

    #[test]
    fn diabetes_is_common_enough_for_a_study() {
        let population = Population::new(1, 4_000, 4).unwrap();
        let diabetic = people(&population).filter(|p| p.diabetic).count();
        assert!((700..=1_700).contains(&diabetic), "{diabetic} of 4,000");
    }
}
