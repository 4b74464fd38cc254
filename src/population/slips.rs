//! How an institution's record of a person differs from the person: what linkage has to get over.
//!
//! Comes in: a person and an institution. Goes out: the person as that institution wrote them down.
//! Never: a slip at a person's canaries, whom a leak test must find as they are.

use chrono::Datelike as _;

use super::{
    canary,
    dice::Dice,
    names::NICKNAMES,
    person::{Person, date, email, last_name, phone, street},
    places::PLACES,
};
use crate::instant::Date;

/// One way in which a record differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    /// A nickname, or an initial where the name has none.
    Nickname,
    /// A letter of the given name put for another, left out, doubled, or swapped with the next.
    FirstTypo,
    /// The same in the family name.
    LastTypo,
    /// The family name from before a marriage: of women, and of an eighth as many men.
    FormerName,
    /// Where the person lived before they moved, and their telephone there.
    FormerAddress,
    /// `St` for `Street`, `#` for `Apt`.
    AddressStyle,
    /// Day and month of birth swapped.
    DayForMonth,
    /// A date of birth some days or a year off.
    BirthTypo,
    /// The other sex.
    SexMiscoded,
    /// No social security number.
    SsnMissing,
    /// Two neighbouring digits of it swapped.
    SsnTransposed,
    /// One wrong digit.
    SsnDigit,
    /// No telephone number.
    PhoneMissing,
    /// Another one: of work, of a relative, an old one.
    PhoneOther,
    /// No e-mail address.
    EmailMissing,
    /// Another one.
    EmailOther,
}

/// How often, in a million records: at the institution that the person calls their usual one, and
/// at any other. The figures are judged by what registries report of their own duplicates (a first
/// or last name that differs in some per cent, an address in one of eight, a birth date in one of a
/// hundred, a social security number that is missing in a quarter); none is measured here.
const RATES: &[(Slip, u64, u64)] = &[
    (Slip::Nickname, 20_000, 60_000),
    (Slip::FirstTypo, 10_000, 25_000),
    (Slip::LastTypo, 10_000, 25_000),
    (Slip::FormerName, 0, 60_000),
    (Slip::FormerAddress, 0, 120_000),
    (Slip::AddressStyle, 200_000, 200_000),
    (Slip::DayForMonth, 2_000, 8_000),
    (Slip::BirthTypo, 2_000, 7_000),
    (Slip::SexMiscoded, 1_000, 2_000),
    (Slip::SsnMissing, 150_000, 250_000),
    (Slip::SsnTransposed, 2_000, 8_000),
    (Slip::SsnDigit, 2_000, 6_000),
    (Slip::PhoneMissing, 50_000, 100_000),
    (Slip::PhoneOther, 50_000, 200_000),
    (Slip::EmailMissing, 200_000, 300_000),
    (Slip::EmailOther, 30_000, 100_000),
];

/// Returns the person as institution `at` wrote them down.
pub(super) fn written_down(seed: u64, person: &Person, at: u32) -> Person {
    let mut seen = person.clone();
    if person.index < canary::CANARY_PEOPLE {
        return seen;
    }
    let mut dice = Dice::new(seed, "slips", person.index * 64 + u64::from(at));
    let is_usual = person.institutions.first() == Some(&at);
    for (slip, usual_ppm, other_ppm) in RATES {
        if dice.chance(if is_usual { *usual_ppm } else { *other_ppm }) {
            slip.make(seed, &mut dice, &mut seen);
        }
    }
    seen
}

impl Slip {
    fn make(self, seed: u64, dice: &mut Dice, seen: &mut Person) {
        match self {
            Self::Nickname => {
                let known = NICKNAMES.iter().find(|(name, _)| *name == seen.first);
                seen.first = known.map_or_else(
                    || seen.first.chars().take(1).chain(".".chars()).collect(),
                    |(_, nickname)| (*nickname).to_owned(),
                );
            }
            Self::FirstTypo => seen.first = typo(dice, &seen.first),
            Self::LastTypo => seen.last = typo(dice, &seen.last),
            Self::FormerName => {
                if seen.sex == "female" || dice.chance(125_000) {
                    // The same one everywhere, for a person has one name at a time.
                    seen.last = last_name(&mut Dice::new(seed, "former name", seen.index));
                }
            }
            Self::FormerAddress => {
                let mut before = Dice::new(seed, "former address", seen.index);
                let place = before.weighted(PLACES);
                (seen.city, seen.zip) = (place.city, place.zip);
                seen.address = street(&mut before);
                if before.chance(500_000) {
                    seen.phone = phone(&mut before);
                }
            }
            Self::AddressStyle => {
                for (long, short) in [
                    (" Street", " St"),
                    (" Avenue", " Ave"),
                    (" Road", " Rd"),
                    (" Lane", " Ln"),
                    (", Apt ", " #"),
                ] {
                    seen.address = seen.address.replace(long, short);
                }
            }
            Self::DayForMonth => seen.birth_date = day_for_month(seen.birth_date),
            Self::BirthTypo => {
                seen.birth_date = if dice.chance(500_000) {
                    seen.birth_date.with_year(seen.birth_date.year() - 1).unwrap_or(seen.birth_date)
                } else {
                    date(seen.birth_date.num_days_from_ce() + dice.day(1, 9))
                };
            }
            Self::SexMiscoded => seen.sex = if seen.sex == "female" { "male" } else { "female" },
            Self::SsnMissing => seen.ssn.clear(),
            Self::SsnTransposed => seen.ssn = transposed(dice, &seen.ssn),
            Self::SsnDigit => {
                let digit = dice.digits(1);
                if seen.ssn.pop().is_some() {
                    seen.ssn.push_str(&digit.to_string());
                }
            }
            Self::PhoneMissing => seen.phone.clear(),
            Self::PhoneOther => {
                if !seen.phone.is_empty() {
                    seen.phone = phone(dice);
                }
            }
            Self::EmailMissing => seen.email.clear(),
            Self::EmailOther => {
                if !seen.email.is_empty() {
                    seen.email = email(dice, &seen.first, &seen.last);
                }
            }
        }
    }
}

/// Puts a letter for another, leaves one out, doubles one, or swaps two neighbours.
fn typo(dice: &mut Dice, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() < 3 {
        return text.to_owned();
    }
    let at = usize::try_from(dice.below(letters.len() as u64 - 1)).unwrap_or(0) + 1;
    match dice.below(4) {
        0 => letters.swap(at - 1, at),
        1 => {
            letters.remove(at);
        }
        2 => {
            let letter = letters.get(at).copied().unwrap_or('e');
            letters.insert(at, letter);
        }
        _ => {
            let other = dice.pick(&['a', 'e', 'i', 'o', 'n', 'r', 's', 't']);
            if let Some(letter) = letters.get_mut(at) {
                *letter = other;
            }
        }
    }
    letters.into_iter().collect()
}

/// Swaps day and month where that is a date.
fn day_for_month(day: Date) -> Date {
    Date::from_ymd_opt(day.year(), day.day(), day.month()).unwrap_or(day)
}

/// Swaps two neighbouring digits.
fn transposed(dice: &mut Dice, ssn: &str) -> String {
    let mut letters: Vec<char> = ssn.chars().collect();
    let pairs: Vec<usize> = letters
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair.iter().all(char::is_ascii_digit))
        .map(|(at, _)| at)
        .collect();
    let at = dice.pick(&pairs);
    if at + 1 < letters.len() {
        letters.swap(at, at + 1);
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Population, people},
        *,
    };

    #[test]
    fn records_of_one_person_differ_as_often_as_the_table_says() {
        let population = Population::new(5, 20_000, 4).unwrap();
        let mut others = 0_u32;
        let (mut ssn, mut moved, mut swapped, mut renamed) = (0, 0, 0, 0);
        for person in people(&population).skip(8) {
            for at in person.institutions.iter().skip(1) {
                others += 1;
                let seen = written_down(5, &person, *at);
                ssn += u32::from(seen.ssn.is_empty());
                moved += u32::from(seen.zip != person.zip);
                let birth = (seen.birth_date, day_for_month(person.birth_date));
                swapped += u32::from(birth.0 == birth.1 && seen.birth_date != person.birth_date);
                let mut former = Dice::new(5, "former name", person.index);
                renamed += u32::from(
                    person.sex == "female"
                        && seen.last != person.last
                        && seen.last == last_name(&mut former),
                );
            }
        }
        let ppm = |count: u32| u64::from(count) * 1_000_000 / u64::from(others);
        assert!((240_000..260_000).contains(&ppm(ssn)), "{} without a number", ppm(ssn));
        // One move in nine ends in the same town.
        assert!((95_000..125_000).contains(&ppm(moved)), "{} moved", ppm(moved));
        // Two days of five can be a month; a twelfth of those is its own.
        assert!((1_500..5_000).contains(&ppm(swapped)), "{} swapped", ppm(swapped));
        assert!((24_000..36_000).contains(&ppm(renamed)), "{} married", ppm(renamed));
    }

    #[test]
    fn an_earlier_name_and_home_are_the_same_at_every_institution() {
        let mut dice = [Dice::new(1, "a", 0), Dice::new(1, "b", 0)];
        let person = super::super::person::make(1, 4, 40);
        let seen = dice.each_mut().map(|dice| {
            let mut seen = person.clone();
            Slip::FormerAddress.make(1, dice, &mut seen);
            (seen.address, seen.zip)
        });
        assert_eq!(seen[0], seen[1], "a person would have lived in two places before");
        assert_ne!(seen[0].0, person.address, "nobody moved");
    }

    #[test]
    fn a_record_is_the_same_whoever_asks() {
        let person = super::super::person::make(1, 4, 77);
        assert_eq!(written_down(1, &person, 2), written_down(1, &person, 2));
    }

    #[test]
    fn a_slip_in_an_empty_cell_leaves_it_empty() {
        let mut dice = Dice::new(1, "empty", 0);
        assert_eq!(transposed(&mut dice, ""), "", "a missing number has no digits to swap");
        assert_eq!(typo(&mut dice, "Al"), "Al", "so short a name would be another's");
    }
}
