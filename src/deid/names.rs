//! What a column's name says it holds.
//!
//! Comes in: a name such as `BIRTHDATE`, `dateOfBirth`, `patient_zip`. Goes out: [`Likeness`].
//! Never: a verdict that a column is harmless; `None` only says that its name gives no alarm.

mod lists;

use self::lists::{AT_BIRTH, BIRTH, BIRTH_YEAR, KINDS, OTHERS, TERM, ZIP};

/// What kind of identifier a column's name looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// A ZIP or postal code.
    Zip,
    /// A year of birth.
    BirthYear,
    /// A date of birth, or its month or day.
    Birth,
    /// An age.
    Age,
    /// A social security number.
    SocialSecurity,
    /// A number of a medical record.
    MedicalRecord,
    /// A number of somebody insured.
    HealthPlan,
    /// A number of an account.
    Account,
    /// A number of a certificate or licence.
    Licence,
    /// A number of a vehicle, or its plate.
    Vehicle,
    /// A number of a device.
    Device,
    /// Another number given to one person, such as that of a passport.
    Number,
    /// A telephone number.
    Phone,
    /// A fax number.
    Fax,
    /// An e-mail address.
    Email,
    /// A web address.
    Web,
    /// An address on a network.
    Network,
    /// A finger print, a voice print, another measure of a body that tells who somebody is.
    Biometric,
    /// A picture of somebody.
    Picture,
    /// A street address or place of birth.
    Address,
    /// A point on the map.
    Point,
    /// An area smaller than a state.
    Area,
    /// A person's name.
    Name,
    /// Somebody beside the person: a relative, an employer, a member of the household.
    Relative,
    /// A date, in a column that is of no type of dates.
    Date,
    /// A month, a day, a week of a date.
    DatePart,
    /// The year of an event.
    Year,
    /// A key of some record.
    Id,
}

impl Likeness {
    /// Says it in words, after "looks like".
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Zip => "a ZIP or postal code",
            Self::BirthYear => "a year of birth",
            Self::Birth => "a date of birth or a part of one",
            Self::Age => "an age",
            Self::SocialSecurity => "a number given to one person (social security)",
            Self::MedicalRecord => "a number given to one person (medical record)",
            Self::HealthPlan => "a number given to one person (health plan)",
            Self::Account => "a number given to one person (account)",
            Self::Licence => "a number given to one person (certificate or licence)",
            Self::Vehicle => "a number given to one vehicle",
            Self::Device => "a number given to one device",
            Self::Number => "a number given to one person",
            Self::Phone => "a telephone number",
            Self::Fax => "a fax number",
            Self::Email => "an e-mail address",
            Self::Web => "a web address",
            Self::Network => "an address on a network",
            Self::Biometric => "a biometric identifier",
            Self::Picture => "a picture of somebody",
            Self::Name => "a name",
            Self::Relative => "a relative, an employer or a member of the household",
            Self::Address => "an address",
            Self::Point => "a point on the map",
            Self::Area => "an area smaller than a state",
            Self::Date => "a date that is not of a type of dates",
            Self::DatePart => "a part of a date",
            Self::Year => "a year of an event",
            Self::Id => "a key of a record",
        }
    }

    /// Returns the paragraph of 45 CFR 164.514(b)(2)(i) that names it, `A` to `R`.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Name | Self::Relative => 'A',
            Self::Zip | Self::Address | Self::Point | Self::Area => 'B',
            Self::BirthYear
            | Self::Birth
            | Self::Age
            | Self::Date
            | Self::DatePart
            | Self::Year => 'C',
            Self::Phone => 'D',
            Self::Fax => 'E',
            Self::Email => 'F',
            Self::SocialSecurity => 'G',
            Self::MedicalRecord => 'H',
            Self::HealthPlan => 'I',
            Self::Account => 'J',
            Self::Licence => 'K',
            Self::Vehicle => 'L',
            Self::Device => 'M',
            Self::Web => 'N',
            Self::Network => 'O',
            Self::Biometric => 'P',
            Self::Picture => 'Q',
            Self::Number | Self::Id => 'R',
        }
    }
}

/// Tells what a name looks like; the kinds that ask for a kernel of their own come first.
pub(super) fn likeness(name: &str) -> Option<Likeness> {
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let whole = words.concat();
    if has(ZIP) {
        return Some(Likeness::Zip);
    }
    let tells_birth = has(BIRTH) || whole.contains("dateofbirth") || whole.contains("birthdate");
    if has(BIRTH_YEAR) || (tells_birth && has(&["year", "years"])) {
        return Some(Likeness::BirthYear);
    }
    // A weight or order at birth is a measure; a place of birth is an address.
    if tells_birth && !has(AT_BIRTH) {
        return Some(Likeness::Birth);
    }
    if tells_birth && has(&["place", "city"]) {
        return Some(Likeness::Address);
    }
    let pair = |(a, b): &(&str, &str)| {
        words.windows(2).any(|next| matches!(next, [one, two] if one == a && two == b))
    };
    let is_term = has(TERM);
    let found = KINDS.iter().find(|kind| {
        (has(kind.words) || kind.pairs.iter().any(pair)) && !(kind.unless_term && is_term)
    });
    if let Some(kind) = found {
        return Some(kind.likeness);
    }
    if words.last().is_some_and(|word| lists::ID.contains(&word.as_str())) && !is_term {
        return Some(Likeness::Id);
    }
    None
}

/// Whether a name speaks of a relative, an employer or a member of the household, of whom safe
/// harbour protects what it protects of the person.
pub(super) fn is_of_others(name: &str) -> bool {
    words(name).iter().any(|word| OTHERS.contains(&word.as_str()))
}

/// Whether a name tells of what neighbours know of a person, so that it belongs into a class.
pub(super) fn is_known_to_others(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| lists::KNOWN.contains(&word.as_str()))
}

/// Cuts a name into lower-case words, at signs, digits, and where small letters turn into capitals.
fn words(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        let is_new = !c.is_alphabetic() || (c.is_uppercase() && was_small);
        if is_new && out.last().is_some_and(|word| !word.is_empty()) {
            out.push(String::new());
        }
        if c.is_alphabetic()
            && let Some(word) = out.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        was_small = c.is_lowercase();
    }
    out.retain(|word| !word.is_empty());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_identifiers_are_recognised_however_they_are_written() {
        for (name, kind) in [
            ("SSN", Likeness::SocialSecurity),
            ("DRIVERS", Likeness::Licence),
            ("PASSPORT", Likeness::Number),
            ("drivers_licence", Likeness::Licence),
            ("license_plate", Likeness::Vehicle),
            ("vehicle_vin", Likeness::Vehicle),
            ("medicalRecordNumber", Likeness::MedicalRecord),
            ("member_id", Likeness::HealthPlan),
            ("policyNumber", Likeness::HealthPlan),
            ("account_no", Likeness::Account),
            ("device_serial", Likeness::Device),
            ("deviceId", Likeness::Device),
            ("fingerprint", Likeness::Biometric),
            ("face_image", Likeness::Picture),
            ("PHOTO", Likeness::Picture),
            ("mother", Likeness::Relative),
            ("next_of_kin", Likeness::Relative),
            ("employer", Likeness::Relative),
            ("employerPhone", Likeness::Phone),
            ("emergency_contact", Likeness::Relative),
            ("Vorname", Likeness::Name),
            ("FIRST", Likeness::Name),
            ("last_name", Likeness::Name),
            ("MAIDEN", Likeness::Name),
            ("ADDRESS", Likeness::Address),
            ("BIRTHPLACE", Likeness::Address),
            ("LAT", Likeness::Point),
            ("CITY", Likeness::Area),
            ("ZIP", Likeness::Zip),
            ("patientZip5", Likeness::Zip),
            ("postal_code", Likeness::Zip),
            ("BIRTHDATE", Likeness::Birth),
            ("dateOfBirth", Likeness::Birth),
            ("birth_datetime", Likeness::Birth),
            ("month_of_birth", Likeness::Birth),
            ("year_of_birth", Likeness::BirthYear),
            ("birthYear", Likeness::BirthYear),
            ("birth_years", Likeness::BirthYear),
            ("age_at_visit", Likeness::Age),
            ("e-mail", Likeness::Email),
            ("ip_address", Likeness::Network),
            ("homepage_url", Likeness::Web),
            ("fax_number", Likeness::Fax),
            ("PHONE2", Likeness::Phone),
            ("visit_date", Likeness::Date),
            ("admission_month", Likeness::DatePart),
            ("discharge_year", Likeness::Year),
            ("visit_occurrence_id", Likeness::Id),
        ] {
            assert_eq!(likeness(name), Some(kind), "{name}");
        }
    }

    #[test]
    fn ordinary_names_raise_no_alarm() {
        for name in [
            "value",
            "code",
            "icd10",
            "agent",
            "stage",
            "language",
            "condition_concept_id",
            "gender",
            "birth_weight",
            "shipment",
            "description",
            "quantity",
            "unit",
            "start",
            "platelets",
            "state",
            "days_supply",
            "device_concept_id",
            "photo_type",
            "pack_years",
        ] {
            assert_eq!(likeness(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_tells_whether_it_speaks_of_others() {
        for name in ["mothers_maiden_name", "EMPLOYER", "spousePhone", "next_of_kin_address"] {
            assert!(is_of_others(name), "{name} is of somebody beside the person");
        }
        for name in ["phone", "address", "parental", "childhood_asthma"] {
            assert!(!is_of_others(name), "{name} is taken for another person's");
        }
    }

    #[test]
    fn all_eighteen_paragraphs_have_names_that_betray_them() {
        let letters: std::collections::BTreeSet<char> = [
            "name",
            "city",
            "birth_date",
            "phone",
            "fax",
            "email",
            "ssn",
            "mrn",
            "member_id",
            "account",
            "licence",
            "vin",
            "serial",
            "url",
            "ip",
            "fingerprint",
            "photo",
            "passport",
        ]
        .iter()
        .filter_map(|name| likeness(name))
        .map(Likeness::letter)
        .collect();
        assert_eq!(letters.into_iter().collect::<String>(), "ABCDEFGHIJKLMNOPQR");
    }
}
