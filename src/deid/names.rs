//! What a column's name says it holds.
//!
//! Comes in: a name such as `BIRTHDATE`, `dateOfBirth`, `patient_zip`. Goes out: [`Likeness`].
//! Never: a verdict that a column is harmless; `None` only says that its name gives no alarm.

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
    /// A number that was given to one person: social security, passport, licence, record, account.
    Number,
    /// A telephone or fax number, an e-mail or network address.
    Contact,
    /// A person's name.
    Name,
    /// A street address or place of birth.
    Address,
    /// A point on the map.
    Point,
    /// An area smaller than a state.
    Area,
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
            Self::Number => "a number given to one person",
            Self::Contact => "a telephone number or an address on a network",
            Self::Name => "a name",
            Self::Address => "an address",
            Self::Point => "a point on the map",
            Self::Area => "an area smaller than a state",
            Self::Id => "a key of a record",
        }
    }
}

const ZIP: &[&str] = &["zip", "zips", "zipcode", "zcta", "postal", "postcode", "postalcode", "plz"];
const BIRTH_YEAR: &[&str] = &["birthyear", "yearofbirth", "yob"];
const BIRTH: &[&str] =
    &["birth", "birthdate", "birthday", "birthdatetime", "birthtime", "dateofbirth", "dob", "born"];
const AGE: &[&str] = &["age", "ages", "ageyears", "agegroup", "agemonths"];
const NUMBER: &[&str] = &[
    "ssn",
    "nino",
    "passport",
    "passports",
    "driver",
    "drivers",
    "licence",
    "licences",
    "license",
    "licenses",
    "mrn",
    "medicalrecord",
    "account",
    "accounts",
    "iban",
    "vin",
    "plate",
    "serial",
    "imei",
    "npi",
    "medicare",
    "medicaid",
    "beneficiary",
    "policynumber",
    "nationalid",
    "taxid",
    "socialsecurity",
    "certificate",
];
const NUMBER_PAIRS: &[(&str, &str)] = &[
    ("social", "security"),
    ("medical", "record"),
    ("national", "id"),
    ("tax", "id"),
    ("member", "id"),
    ("member", "number"),
    ("nhs", "number"),
    ("card", "number"),
    ("policy", "number"),
    ("insurance", "number"),
    ("insurance", "id"),
    ("subscriber", "id"),
];
const CONTACT: &[&str] = &[
    "phone",
    "phones",
    "telephone",
    "tel",
    "mobile",
    "cell",
    "fax",
    "email",
    "emails",
    "mail",
    "url",
    "urls",
    "website",
    "homepage",
    "ip",
    "ipaddress",
    "phonenumber",
    "emailaddress",
];
const NAME: &[&str] = &[
    "name",
    "names",
    "first",
    "last",
    "firstname",
    "lastname",
    "middlename",
    "fullname",
    "surname",
    "forename",
    "givenname",
    "familyname",
    "maiden",
    "nickname",
    "initials",
    "given",
    "lname",
    "fname",
];
const ADDRESS: &[&str] =
    &["address", "addresses", "addr", "street", "streets", "birthplace", "residence"];
const POINT: &[&str] =
    &["lat", "lon", "lng", "latitude", "longitude", "geocode", "geohash", "gps", "coordinates"];
const AREA: &[&str] = &[
    "city",
    "town",
    "village",
    "county",
    "precinct",
    "parish",
    "municipality",
    "neighborhood",
    "neighbourhood",
];
const ID: &[&str] = &["id", "ids", "identifier", "uuid", "guid", "uid"];
/// What names a term of a vocabulary, not a record.
const TERM: &[&str] = &["concept", "type", "code", "class", "category", "unit", "status"];

/// Tells what a name looks like; the kinds that ask for a kernel of their own come first.
pub(super) fn likeness(name: &str) -> Option<Likeness> {
    let words = words(name);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let whole = words.concat();
    if has(ZIP) {
        return Some(Likeness::Zip);
    }
    let tells_birth = has(BIRTH) || whole.contains("dateofbirth") || whole.contains("birthdate");
    if has(BIRTH_YEAR) || (tells_birth && has(&["year"])) {
        return Some(Likeness::BirthYear);
    }
    // A weight or order at birth is a measure; a place of birth is an address.
    let at_birth =
        ["weight", "order", "length", "type", "control", "rate", "place", "city", "country"];
    if tells_birth && !has(&at_birth) {
        return Some(Likeness::Birth);
    }
    if tells_birth && has(&["place", "city"]) {
        return Some(Likeness::Address);
    }
    if has(AGE) {
        return Some(Likeness::Age);
    }
    let pair = |(a, b): &(&str, &str)| has(&[*a]) && has(&[*b]);
    if has(NUMBER) || NUMBER_PAIRS.iter().any(pair) {
        return Some(Likeness::Number);
    }
    if has(CONTACT) || (has(&["e"]) && has(&["mail"])) {
        return Some(Likeness::Contact);
    }
    if has(ADDRESS) {
        return Some(Likeness::Address);
    }
    if has(POINT) {
        return Some(Likeness::Point);
    }
    if has(AREA) {
        return Some(Likeness::Area);
    }
    if has(NAME) {
        return Some(Likeness::Name);
    }
    if words.last().is_some_and(|word| ID.contains(&word.as_str())) && !has(TERM) {
        return Some(Likeness::Id);
    }
    None
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
            ("SSN", Likeness::Number),
            ("DRIVERS", Likeness::Number),
            ("PASSPORT", Likeness::Number),
            ("drivers_licence", Likeness::Number),
            ("medicalRecordNumber", Likeness::Number),
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
            ("age_at_visit", Likeness::Age),
            ("e-mail", Likeness::Contact),
            ("ip_address", Likeness::Contact),
            ("PHONE2", Likeness::Contact),
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
        ] {
            assert_eq!(likeness(name), None, "{name}");
        }
    }
}
