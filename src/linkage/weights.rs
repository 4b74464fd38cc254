//! How much agreement and disagreement weigh: the logarithm, in hundredths of a bit, of how much
//! more often a level of agreement is seen among records of one person than among strangers
//! (Fellegi and Sunter, "A Theory for Record Linkage", JASA 64 (1969) 1183-1210).
//!
//! `m`, the share among records of one person, is judged; no data with a known truth was at hand to
//! count it on, so the generator's truth tests it instead. `u`, the share among strangers, is the
//! default of [`TABLE`] and, where a value is common in the data, the value's own share: a common
//! name weighs less (Winkler's frequency-based weights).

use super::tokens::{Table, Token};

/// What two records are compared in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Field {
    /// Given name.
    Given,
    /// Family name.
    Family,
    /// Day of birth.
    Birth,
    /// Sex.
    Sex,
    /// House and street.
    Address,
    /// Postal code and town.
    Place,
    /// Telephone.
    Phone,
    /// E-mail.
    Email,
    /// The identifier that agrees best.
    Identifier,
}

impl Field {
    /// All fields, in order.
    pub const ALL: [Self; 9] = [
        Self::Given,
        Self::Family,
        Self::Birth,
        Self::Sex,
        Self::Address,
        Self::Place,
        Self::Phone,
        Self::Email,
        Self::Identifier,
    ];

    /// Returns the field's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Family => "family",
            Self::Birth => "birth",
            Self::Sex => "sex",
            Self::Address => "address",
            Self::Place => "place",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Identifier => "identifier",
        }
    }
}

/// How well two records agree in a field, from the best to the worst; the meaning of the levels
/// between is the field's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One of the two says nothing.
    Missing,
    /// The same.
    Exact,
    /// A name and its short form; day and month swapped; the same town.
    Alike,
    /// A typing error's distance; one name of two; two parts of three; the same street.
    Near,
    /// One is the other's initial.
    Initial,
    /// Not the same.
    Differs,
}

impl Level {
    /// Returns the level's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Exact => "exact",
            Self::Alike => "alike",
            Self::Near => "near",
            Self::Initial => "initial",
            Self::Differs => "differs",
        }
    }
}

/// For each field: (m, u) of exact, alike, near, initial, differs. Where a field has no such level
/// its m and u are 1.
const TABLE: [[(f64, f64); 5]; 9] = [
    // given: nicknames and typing errors are some per cent of duplicates
    [(0.86, 4e-3), (0.05, 4e-3), (0.05, 1e-2), (0.02, 4e-2), (0.02, 0.93)],
    // family: `alike` is one of two names; it differs after a marriage
    [(0.88, 1e-3), (0.02, 2e-3), (0.05, 5e-3), (1.0, 1.0), (0.05, 0.99)],
    // birth: 70 years of days; `alike` is day and month swapped, `near` two parts of three
    [(0.95, 4e-5), (0.015, 2e-5), (0.025, 4.4e-3), (1.0, 1.0), (0.01, 0.995)],
    // sex
    [(0.99, 0.5), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.01, 0.5)],
    // address: `near` is the street without the number; people move
    [(0.75, 2e-5), (1.0, 1.0), (0.03, 1e-3), (1.0, 1.0), (0.22, 0.999)],
    // place: exact is the postal code, `alike` the town
    [(0.82, 1e-3), (0.04, 1e-2), (1.0, 1.0), (1.0, 1.0), (0.14, 0.98)],
    // telephone: people have several
    [(0.65, 1e-6), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.35, 1.0)],
    // e-mail
    [(0.70, 1e-6), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.30, 1.0)],
    // identifier: `near` is two thirds of it, or a third and all its signs in another order
    [(0.96, 1e-8), (1.0, 1.0), (0.02, 1e-4), (1.0, 1.0), (0.02, 1.0)],
];

/// What a household shares (address, place, telephone, e-mail) adds at most this: it tells the house
/// and not who of it.
pub(super) const HOUSEHOLD_MAX: i32 = 1_200;

/// The weight from which two records are taken for one person, where a pipeline says nothing: with
/// it, two strangers of a million would have to agree in more than their names and birthday.
pub const MATCH_DEFAULT: i32 = 2_400;

/// The weight from which two records are put to the steward, where a pipeline says nothing.
pub const REVIEW_DEFAULT: i32 = 1_700;

/// Fields whose exact agreement weighs less where the value is common, and the token that says so.
const COMMON: [(Field, Token); 7] = [
    (Field::Given, Token::Given),
    (Field::Family, Token::Family),
    (Field::Birth, Token::Birth),
    (Field::Address, Token::House),
    (Field::Place, Token::Postal),
    (Field::Phone, Token::Phone),
    (Field::Email, Token::Email),
];

/// The weights of a table of records.
#[derive(Debug)]
pub struct Weights {
    levels: [[i32; 5]; 9],
    // For each record, the weights of exact agreement in the fields of `COMMON`.
    exact: Vec<[i16; 7]>,
}

impl Weights {
    /// Works out the weights for a table.
    pub fn of(table: &Table) -> Self {
        let levels = TABLE.map(|levels| levels.map(|(m, u)| centibits(m, u)));
        let mut exact: Vec<[i16; 7]> = vec![[0; 7]; table.len()];
        for (at, (field, token)) in COMMON.into_iter().enumerate() {
            let [(m, u), ..] = TABLE.get(field as usize).copied().unwrap_or([(1.0, 1.0); 5]);
            let common = common(table, token);
            for (own, record) in exact.iter_mut().zip(&table.records) {
                let value = record.tokens.get(token);
                let found = common.binary_search_by_key(&value, |(token, _)| *token).ok();
                let share = found.and_then(|at| common.get(at)).map_or(u, |(_, share)| *share);
                if let Some(slot) = own.get_mut(at) {
                    *slot = i16::try_from(centibits(m, share.max(u))).unwrap_or(i16::MAX);
                }
            }
        }
        Self { levels, exact }
    }

    /// Returns the weight of a level that two records reach in a field.
    pub(super) fn weight(&self, field: Field, level: Level, a: usize, b: usize) -> i32 {
        let at = match level {
            Level::Missing => return 0,
            Level::Exact => {
                let Some(at) = COMMON.iter().position(|(own, _)| *own == field) else {
                    return self.level(field, 0);
                };
                // Both have the value, so both have its weight; an identifier has the table's.
                let of = |row: usize| self.exact.get(row).and_then(|own| own.get(at)).copied();
                return i32::from(of(a).min(of(b)).unwrap_or(0));
            }
            Level::Alike => 1,
            Level::Near => 2,
            Level::Initial => 3,
            Level::Differs => 4,
        };
        self.level(field, at)
    }

    fn level(&self, field: Field, at: usize) -> i32 {
        self.levels.get(field as usize).and_then(|levels| levels.get(at)).copied().unwrap_or(0)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "weights are a few thousand at most")]
fn centibits(m: f64, u: f64) -> i32 {
    ((m / u).log2() * 100.0).round() as i32
}

/// The values that are common enough for their share to be known, sorted, each with its share. A
/// person has records at several institutions, so a few records of one value say nothing.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
fn common(table: &Table, token: Token) -> Vec<(u64, f64)> {
    let mut institutions: Vec<&str> =
        table.records.iter().map(|record| record.institution.as_str()).collect();
    institutions.dedup();
    let few = 8 + institutions.len();
    let mut values: Vec<u64> = table.records.iter().map(|r| r.tokens.get(token)).collect();
    values.retain(|value| *value != 0);
    values.sort_unstable();
    let all = values.len() as f64;
    let runs = values.chunk_by(PartialEq::eq).filter(|run| run.len() > few);
    runs.filter_map(|run| Some((*run.first()?, (run.len() - few) as f64 / all))).collect()
}
