//! The words by which names of columns are recognised, in English and a few in German, French and
//! Spanish, whose files come with such headers.
//!
//! Never: a word that is in common use for what identifies nobody; a false alarm costs a written
//! permission, and many of them teach people to write it without a look.

use super::Likeness;

/// How one kind is recognised: by a word, or by two that follow each other.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) likeness: Likeness,
    pub(super) words: &'static [&'static str],
    pub(super) pairs: &'static [(&'static str, &'static str)],
    /// Whether a word such as `code` or `type` beside it says that it is a term of a vocabulary.
    pub(super) unless_term: bool,
}

const fn kind(
    likeness: Likeness,
    words: &'static [&'static str],
    pairs: &'static [(&'static str, &'static str)],
) -> Kind {
    Kind { likeness, words, pairs, unless_term: false }
}

const fn unless_term(kind: Kind) -> Kind {
    Kind { unless_term: true, ..kind }
}

pub(super) const ZIP: &[&str] =
    &["zip", "zips", "zipcode", "zcta", "postal", "postcode", "postalcode", "plz", "postleitzahl"];
pub(super) const BIRTH_YEAR: &[&str] = &["birthyear", "yearofbirth", "yob", "geburtsjahr"];
pub(super) const BIRTH: &[&str] = &[
    "birth",
    "birthdate",
    "birthday",
    "birthdatetime",
    "birthtime",
    "dateofbirth",
    "dob",
    "born",
    "geburtsdatum",
    "naissance",
    "nacimiento",
];
/// What is measured or noted at a birth and is no part of its date.
pub(super) const AT_BIRTH: &[&str] =
    &["weight", "order", "length", "type", "control", "rate", "place", "city", "country", "state"];

/// The kinds, those first whose words say most.
pub(super) const KINDS: &[Kind] = &[
    kind(Likeness::Age, &["age", "ages", "ageyears", "agegroup", "agemonths", "alter"], &[]),
    kind(
        Likeness::SocialSecurity,
        &["ssn", "socialsecurity", "nino", "sozialversicherungsnummer"],
        &[("social", "security"), ("national", "insurance")],
    ),
    kind(
        Likeness::MedicalRecord,
        &["mrn", "medicalrecord", "chartnumber", "patientnumber"],
        &[
            ("medical", "record"),
            ("chart", "number"),
            ("patient", "number"),
            ("record", "number"),
            ("case", "number"),
            ("hospital", "number"),
        ],
    ),
    kind(
        Likeness::HealthPlan,
        &["medicare", "medicaid", "beneficiary", "policynumber", "mbi", "hicn", "kvnr"],
        &[
            ("member", "id"),
            ("member", "number"),
            ("policy", "number"),
            ("insurance", "number"),
            ("insurance", "id"),
            ("subscriber", "id"),
            ("subscriber", "number"),
            ("nhs", "number"),
            ("group", "number"),
        ],
    ),
    kind(
        Likeness::Account,
        &["account", "accounts", "iban", "kontonummer"],
        &[("card", "number"), ("credit", "card")],
    ),
    kind(
        Likeness::Vehicle,
        &["vin", "plate", "numberplate", "kennzeichen", "vehicle"],
        &[("license", "plate"), ("licence", "plate")],
    ),
    kind(
        Likeness::Licence,
        &[
            "driver",
            "drivers",
            "licence",
            "licences",
            "license",
            "licenses",
            "certificate",
            "dea",
            "npi",
        ],
        &[],
    ),
    kind(
        Likeness::Device,
        &["serial", "imei", "imsi", "udi", "serialnumber"],
        &[("device", "id"), ("device", "identifier"), ("mac", "address")],
    ),
    kind(
        Likeness::Number,
        &["passport", "passports", "nationalid", "taxid", "curp", "dni", "steuernummer"],
        &[("national", "id"), ("tax", "id"), ("voter", "id"), ("student", "id")],
    ),
    kind(Likeness::Fax, &["fax", "faxes", "faxnumber"], &[]),
    kind(
        Likeness::Phone,
        &[
            "phone",
            "phones",
            "telephone",
            "tel",
            "mobile",
            "cell",
            "phonenumber",
            "telefon",
            "telefono",
            "handy",
        ],
        &[],
    ),
    kind(Likeness::Email, &["email", "emails", "mail", "emailaddress"], &[("e", "mail")]),
    kind(Likeness::Web, &["url", "urls", "website", "homepage", "uri"], &[("web", "address")]),
    kind(Likeness::Network, &["ip", "ipaddress", "ipv", "hostname"], &[]),
    unless_term(kind(
        Likeness::Biometric,
        &["fingerprint", "fingerprints", "voiceprint", "biometric", "biometrics", "palmprint"],
        &[("finger", "print"), ("voice", "print"), ("iris", "scan"), ("retina", "scan")],
    )),
    unless_term(kind(
        Likeness::Picture,
        &["photo", "photos", "photograph", "portrait", "selfie", "headshot", "picture", "foto"],
        &[("face", "image"), ("facial", "image")],
    )),
    kind(
        Likeness::Address,
        &[
            "address",
            "addresses",
            "addr",
            "street",
            "streets",
            "birthplace",
            "residence",
            "adresse",
            "anschrift",
            "strasse",
            "direccion",
        ],
        &[],
    ),
    kind(
        Likeness::Point,
        &["lat", "lon", "lng", "latitude", "longitude", "geocode", "geohash", "gps", "coordinates"],
        &[],
    ),
    kind(
        Likeness::Area,
        &[
            "city",
            "town",
            "village",
            "county",
            "precinct",
            "parish",
            "municipality",
            "neighborhood",
            "neighbourhood",
            "wohnort",
            "ciudad",
            "ville",
        ],
        &[("census", "tract"), ("census", "block")],
    ),
    kind(
        Likeness::Name,
        &[
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
            "vorname",
            "nachname",
            "nom",
            "prenom",
            "nombre",
            "apellido",
        ],
        &[],
    ),
    unless_term(kind(
        Likeness::Relative,
        &["employer", "mother", "father", "spouse", "guardian", "husband", "wife", "kin"],
        &[("emergency", "contact"), ("household", "member")],
    )),
    unless_term(kind(Likeness::Date, &["date", "datetime", "timestamp", "datum", "fecha"], &[])),
    unless_term(kind(Likeness::DatePart, &["month", "day", "weekday", "week", "quarter"], &[])),
    unless_term(kind(Likeness::Year, &["year"], &[])),
];

pub(super) const ID: &[&str] = &["id", "ids", "identifier", "uuid", "guid", "uid"];
/// What names a term of a vocabulary, not a record.
pub(super) const TERM: &[&str] =
    &["concept", "type", "code", "class", "category", "unit", "status"];

/// Relatives, employers and members of the household.
pub(super) const OTHERS: &[&str] = &[
    "employer",
    "mother",
    "mothers",
    "father",
    "fathers",
    "parent",
    "parents",
    "spouse",
    "spouses",
    "partner",
    "husband",
    "wife",
    "guardian",
    "kin",
    "sibling",
    "child",
    "relative",
    "household",
    "emergency",
    "caregiver",
    "guarantor",
    "subscriber",
];

/// What neighbours, colleagues and registers know of a person.
pub(super) const KNOWN: &[&str] = &[
    "sex",
    "gender",
    "race",
    "ethnicity",
    "marital",
    "religion",
    "nationality",
    "occupation",
    "education",
    "language",
    "state",
    "country",
];
