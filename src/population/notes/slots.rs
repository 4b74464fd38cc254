//! What fills the slots of a sentence: names, dates, numbers, in the forms in which people write them.
//!
//! Comes in: a patient and draws. Goes out: pieces of text, those that must go with their class.
//! Never: a form that no note has.

use super::{Patient, first_name, last_name};
use crate::{deid::scrub::Class, population::dice::Dice};

/// How streets end.
pub(super) const STREET_ENDS: &[&str] =
    &["Street", "St", "Avenue", "Ave", "Road", "Rd", "Lane", "Drive"];

const HOSPITALS: &[&str] = &[
    "Mercy General",
    "St. Mary's",
    "Lakeshore",
    "Bayview",
    "Saint Jude",
    "Northfield",
    "Riverside",
    "Mount Alder",
    "Holy Cross",
    "Stonebridge",
    "Beth Shalom",
    "Eastbrook",
];
const TOWNS: &[&str] = &[
    "Long Beach",
    "Springfield",
    "Salem",
    "Worcester",
    "Hot Springs",
    "Reading",
    "Mobile",
    "Orange",
    "São Paulo",
    "El Paso",
    "Nashua",
    "Burlington",
    "San Juan",
    "Toronto",
    "Kraków",
    "Little Rock",
];
const EMPLOYERS: &[&str] =
    &["Acme Logistics", "Harbor Foods", "Blue Harbor Fishing", "Northwind", "Globex"];
const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: &[&str] =
    &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const KIN: &[&str] =
    &["wife", "husband", "daughter", "son", "sister", "brother", "mother", "friend"];

/// A piece of a sentence; with a class where it must go.
pub(super) type Piece = (String, Option<Class>);

/// Fills a slot; nothing for one that does not exist.
pub(super) fn fill(slot: &str, dice: &mut Dice, patient: &Patient) -> Vec<Piece> {
    let gone = |text: String, class: Class| vec![(text, Some(class))];
    let said = |text: &str, rest: Vec<Piece>| {
        let mut pieces = vec![(text.to_owned(), None)];
        pieces.extend(rest);
        pieces
    };
    match slot {
        "name" => gone(name(dice, patient), Class::Name),
        "first" => gone(patient.first.clone(), Class::Name),
        "last" => gone(patient.last.clone(), Class::Name),
        "mr" => {
            let title = if patient.sex == "F" { dice.pick(&["Ms. ", "Mrs. "]) } else { "Mr. " };
            said(title, gone(patient.last.clone(), Class::Name))
        }
        "doctor" => {
            let is_woman = dice.chance(500_000);
            let (first, last) = (first_name(dice, is_woman), last_name(dice));
            let shown = match dice.below(4) {
                0 => format!("{first} {last}"),
                1 => format!("{}. {last}", first.chars().next().unwrap_or('J')),
                _ => last,
            };
            said(dice.pick(&["Dr. ", "Dr ", "Dr. "]), gone(shown, Class::Name))
        }
        "signed" => {
            let is_woman = dice.chance(500_000);
            let name = format!("{} {}", first_name(dice, is_woman), last_name(dice));
            let mut pieces = gone(name, Class::Name);
            pieces.push((dice.pick(&[", MD", ", RN", ", NP", ", DO"]).to_owned(), None));
            pieces
        }
        "kin" => {
            let is_woman = dice.chance(500_000);
            let name = first_name(dice, is_woman);
            said(&format!("{} ", dice.pick(KIN)), gone(name, Class::Name))
        }
        "hospital" => {
            let mut pieces = gone(dice.pick(HOSPITALS).to_owned(), Class::Place);
            pieces.push((
                dice.pick(&[" Hospital", " Hospital", " Medical Center", " Clinic"]).to_owned(),
                None,
            ));
            pieces
        }
        "town" => gone(dice.pick(TOWNS).to_owned(), Class::Place),
        "employer" => gone(dice.pick(EMPLOYERS).to_owned(), Class::Place),
        "city" => gone(patient.city.to_owned(), Class::Place),
        "address" => gone(patient.address.clone(), Class::Place),
        "zip" => gone(patient.zip.to_owned(), Class::Zip),
        "zip4" => gone(format!("{}-{:04}", patient.zip, dice.between(1, 9_999)), Class::Zip),
        "phone" => gone(phone(dice), Class::Phone),
        "own_phone" => gone(patient.phone.clone(), Class::Phone),
        "email" => gone(patient.email.clone(), Class::Email),
        "url" => gone(
            format!(
                "https://www.example.org/{}{}",
                patient.mrn,
                dice.pick(&["", "/chart", "?v=2"])
            ),
            Class::Url,
        ),
        "ip" => gone(
            format!("10.{}.{}.{}", dice.below(256), dice.below(256), dice.below(256)),
            Class::Ip,
        ),
        "ssn" => gone(patient.ssn.clone(), Class::Ssn),
        "mrn" => gone(patient.mrn.clone(), Class::Id),
        "iban" => gone("DE89370400440532013000".to_owned(), Class::Iban),
        "code" => gone(
            format!("{}{:06}", dice.pick(&["A", "QX", "LN", "PB-"]), dice.below(1_000_000)),
            Class::Id,
        ),
        "date" => gone(date(dice), Class::Date),
        "day" => gone(short_date(dice), Class::Date),
        "weekday" => gone(dice.pick(WEEKDAYS).to_owned(), Class::Date),
        "year" => gone(dice.between(1970, 2025).to_string(), Class::Date),
        "time" => gone(format!("{:02}:{:02}", dice.below(24), dice.below(60)), Class::Date),
        "age" => gone(age(patient), Class::Age),
        _ => Vec::new(),
    }
}

fn age(patient: &Patient) -> String {
    (2025 - patient.born).max(1).to_string()
}

fn name(dice: &mut Dice, patient: &Patient) -> String {
    let Patient { first, last, .. } = patient;
    match dice.below(6) {
        0 => format!("{last}, {first}"),
        1 => format!("{first} {}. {last}", dice.pick(&["A", "J", "Q", "M"])),
        2 => format!("{}, {}", last.to_uppercase(), first.to_uppercase()),
        _ => format!("{first} {last}"),
    }
}

fn phone(dice: &mut Dice) -> String {
    let (area, line) = (dice.between(201, 989), dice.below(10_000));
    match dice.below(6) {
        0 => format!("{area}.555.{line:04}"),
        1 => format!("{area} 555 {line:04}"),
        2 => format!("+1 {area} 555 {line:04}"),
        3 => format!("1-{area}-555-{line:04}"),
        4 => format!("{area}-555-{line:04} x{}", dice.between(10, 9_999)),
        _ => format!("{area}-555-{line:04}"),
    }
}

fn date(dice: &mut Dice) -> String {
    let (year, at, day) = (dice.between(1990, 2025), dice.between(1, 12), dice.between(1, 28));
    let month =
        usize::try_from(at - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("May");
    let short = month.get(..3).unwrap_or(month);
    match dice.below(9) {
        0 => format!("{year}-{at:02}-{day:02}"),
        1 => format!("{at}/{day}/{year}"),
        2 => format!("{at:02}/{day:02}/{:02}", year % 100),
        3 => format!("{month} {day}, {year}"),
        4 => format!("{day} {month} {year}"),
        5 => format!("{day:02}-{short}-{year}"),
        6 => format!("{month} {year}"),
        7 => format!("{short}. {day}, {year}"),
        _ => format!("{day}.{at}.{year}"),
    }
}

fn short_date(dice: &mut Dice) -> String {
    let (at, day) = (dice.between(1, 12), dice.between(1, 28));
    let month =
        usize::try_from(at - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("May");
    match dice.below(3) {
        0 => format!("{at}/{day}"),
        1 => format!("{month} {day}"),
        _ => format!("{} {day}", month.get(..3).unwrap_or(month)),
    }
}
