//! Two records compared: level by level, weighed, and judged by the rules that no weight overrides.
//!
//! Comes in: the tokens of two records. Goes out: a [`Comparison`], the same in either order.
//! Never: an automatic match of two records that clearly tell of two people.

use super::{
    tokens::{PAIRS, Record, Table, Token, Tokens},
    weights::{Field, HOUSEHOLD_MAX, Level, Weights},
};

/// What came of comparing two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// For each of [`Field::ALL`], how well they agree.
    pub levels: [Level; 9],
    /// For each of them, what that weighs, in hundredths of a bit.
    pub weights: [i32; 9],
    /// What all of it weighs; what a household shares counts up to a limit.
    pub weight: i32,
    /// What both tell of, as HL7 weighs it.
    pub floor: Floor,
    /// Whether some identifier is given by both and is clearly another.
    pub ids_clash: bool,
}

/// What both records of a pair tell of, for the floor that HL7's Identity Matching guide sets
/// (STU 2, invariant `idi-L0` of profile IDI-Patient-L0,
/// <https://hl7.org/fhir/us/identity-matching/StructureDefinition-IDI-Patient-L0.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the guide's own list of elements")]
pub struct Floor {
    /// Passport, driver's licence, state id or digital identifier.
    pub document: bool,
    /// Any other identifier.
    pub identifier: bool,
    /// A line of an address, and the postal code or town.
    pub address: bool,
    /// E-mail.
    pub email: bool,
    /// Telephone.
    pub phone: bool,
    /// Given and family name.
    pub name: bool,
    /// Day of birth.
    pub birth_date: bool,
}

impl Floor {
    /// The least weight for an automatic match.
    pub const LEAST: u32 = 9;

    /// Returns the weight: a document 10; one of address, e-mail, telephone and other identifiers
    /// 4, two or more of them 5; first and last name 3; date of birth 2.
    pub fn weight(self) -> u32 {
        let contacts = [self.identifier, self.address, self.email, self.phone];
        let contacts = match contacts.into_iter().filter(|given| *given).count() {
            0 => 0,
            1 => 4,
            _ => 5,
        };
        let of = |given: bool, weight: u32| if given { weight } else { 0 };
        of(self.document, 10) + contacts + of(self.name, 3) + of(self.birth_date, 2)
    }

    /// Says whether a pair may be matched automatically at all.
    pub fn is_reached(self) -> bool {
        self.weight() >= Self::LEAST
    }
}

impl Comparison {
    /// Returns how well the records agree in a field.
    pub fn level(&self, field: Field) -> Level {
        self.levels.get(field as usize).copied().unwrap_or(Level::Missing)
    }

    /// Says whether some identifier is the same.
    pub fn shares_identifier(&self) -> bool {
        self.level(Field::Identifier) == Level::Exact
    }

    /// Says whether the records clearly tell of two people: twins, parent and child, a couple. No
    /// weight makes up for it, and no cluster holds two such records.
    pub fn is_conflict(&self) -> bool {
        let differs = |field| self.level(field) == Level::Differs;
        if self.shares_identifier() {
            // One number for two people: a spouse's, a parent's.
            return differs(Field::Given) && (differs(Field::Birth) || differs(Field::Sex));
        }
        let loose = self.level(Field::Given) != Level::Exact;
        differs(Field::Given)
            || differs(Field::Birth)
            || self.ids_clash
            || (differs(Field::Sex) && loose)
    }

    /// Says whether a steward need not look: another name or birthday, and no number in common.
    pub fn is_hopeless(&self) -> bool {
        let differs = |field| self.level(field) == Level::Differs;
        self.is_conflict() && (differs(Field::Given) || differs(Field::Birth))
    }
}

/// Compares two records of a table.
pub(super) fn compare(table: &Table, weights: &Weights, a: usize, b: usize) -> Option<Comparison> {
    let (one, two) = (table.records.get(a)?, table.records.get(b)?);
    let (x, y) = (&one.tokens, &two.tokens);
    let mut ids = Ids::default();
    for (kind, (x, y)) in table.kinds.iter().zip(x.ids.iter().zip(y.ids.iter())) {
        ids.add(kind.is_document, x, y);
    }
    let levels = [
        given(x, y),
        family(x, y),
        birth(x, y),
        same(x, y, Token::Sex),
        address(x, y),
        place(x, y),
        same(x, y, Token::Phone),
        same(x, y, Token::Email),
        ids.level(),
    ];
    let mut own = [0; 9];
    let mut sum = [0, 0];
    for (slot, (field, level)) in own.iter_mut().zip(Field::ALL.into_iter().zip(levels)) {
        *slot = weights.weight(field, level, a, b);
        let [person, house] = &mut sum;
        match field {
            Field::Address | Field::Place | Field::Phone | Field::Email => *house += *slot,
            Field::Given | Field::Family | Field::Birth | Field::Sex | Field::Identifier => {
                *person += *slot;
            }
        }
    }
    let [person, house] = sum;
    let both = |token| x.get(token) != 0 && y.get(token) != 0;
    let floor = Floor {
        document: ids.documents,
        identifier: ids.others,
        address: both(Token::House) && (both(Token::Postal) || both(Token::City)),
        email: both(Token::Email),
        phone: both(Token::Phone),
        name: both(Token::Given) && both(Token::Family),
        birth_date: both(Token::Birth),
    };
    Some(Comparison {
        levels,
        weights: own,
        weight: person + house.min(HOUSEHOLD_MAX),
        floor,
        ids_clash: ids.clash,
    })
}

/// How the identifiers of two records agree.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "five questions, each asked of every kind")]
struct Ids {
    exact: bool,
    near: bool,
    clash: bool,
    documents: bool,
    others: bool,
}

impl Ids {
    fn add(&mut self, is_document: bool, x: &[u64; 5], y: &[u64; 5]) {
        let ([x_all, x_parts @ .., x_signs], [y_all, y_parts @ .., y_signs]) = (x, y);
        if *x_all == 0 || *y_all == 0 {
            return;
        }
        if is_document {
            self.documents = true;
        } else {
            self.others = true;
        }
        let parts = x_parts.iter().zip(y_parts).filter(|(x, y)| x == y && **x != 0).count();
        if x_all == y_all {
            self.exact = true;
        } else if parts >= 2 || (parts == 1 && x_signs == y_signs) {
            self.near = true;
        } else {
            self.clash = true;
        }
    }

    fn level(&self) -> Level {
        match self {
            Self { exact: true, .. } => Level::Exact,
            Self { near: true, .. } => Level::Near,
            Self { clash: true, .. } => Level::Differs,
            Self { .. } => Level::Missing,
        }
    }
}

fn equal(x: &Tokens, y: &Tokens, a: Token, b: Token) -> bool {
    x.get(a) != 0 && x.get(a) == y.get(b)
}

fn same(x: &Tokens, y: &Tokens, token: Token) -> Level {
    if x.get(token) == 0 || y.get(token) == 0 {
        Level::Missing
    } else if equal(x, y, token, token) {
        Level::Exact
    } else {
        Level::Differs
    }
}

fn given(x: &Tokens, y: &Tokens) -> Level {
    let (own, short) = (same(x, y, Token::Given), |pairs: &[u32; PAIRS]| count(pairs) <= 2);
    if own != Level::Differs {
        own
    } else if equal(x, y, Token::GivenRoot, Token::GivenRoot) {
        Level::Alike
    } else if is_typo(&x.given, &y.given, equal(x, y, Token::GivenSound, Token::GivenSound)) {
        Level::Near
    } else if (short(&x.given) || short(&y.given))
        && equal(x, y, Token::GivenInitial, Token::GivenInitial)
    {
        Level::Initial
    } else {
        Level::Differs
    }
}

fn family(x: &Tokens, y: &Tokens) -> Level {
    let own = same(x, y, Token::Family);
    let parts = [Token::FamilyFirst, Token::FamilyLast];
    let shares = || parts.into_iter().any(|a| parts.into_iter().any(|b| equal(x, y, a, b)));
    if own != Level::Differs {
        own
    } else if shares() {
        Level::Alike
    } else if is_typo(&x.family, &y.family, equal(x, y, Token::FamilySound, Token::FamilySound)) {
        Level::Near
    } else {
        Level::Differs
    }
}

fn birth(x: &Tokens, y: &Tokens) -> Level {
    let own = same(x, y, Token::Birth);
    let parts = [Token::BirthYearMonth, Token::BirthYearDay, Token::BirthMonthDay];
    if own != Level::Differs {
        own
    } else if equal(x, y, Token::Birth, Token::BirthSwapped) {
        Level::Alike
    } else if parts.into_iter().any(|part| equal(x, y, part, part)) {
        Level::Near
    } else {
        Level::Differs
    }
}

fn address(x: &Tokens, y: &Tokens) -> Level {
    let house = same(x, y, Token::House);
    let street = equal(x, y, Token::Street, Token::Street);
    if house == Level::Differs && street { Level::Near } else { house }
}

fn place(x: &Tokens, y: &Tokens) -> Level {
    let (postal, city) = (same(x, y, Token::Postal), same(x, y, Token::City));
    match (postal, city) {
        (Level::Exact, _) => Level::Exact,
        (_, Level::Exact) => Level::Alike,
        (Level::Missing, Level::Missing) => Level::Missing,
        (_, _) => Level::Differs,
    }
}

fn count(pairs: &[u32; PAIRS]) -> usize {
    pairs.iter().take_while(|pair| **pair != 0).count()
}

/// Says whether two names share as many pairs of letters as a slip leaves: half of them (Dice's
/// measure), or a third where they sound alike.
fn is_typo(x: &[u32; PAIRS], y: &[u32; PAIRS], sounds: bool) -> bool {
    // Both are in order, with nothing at the end: one walk through the two of them.
    let (mut a, mut b) = (x.iter(), y.iter());
    let (mut left, mut right) = (a.next(), b.next());
    let mut shared = 0;
    while let (Some(x @ 1..), Some(y @ 1..)) = (left, right) {
        shared += usize::from(x == y);
        (left, right) =
            (if x <= y { a.next() } else { left }, if y <= x { b.next() } else { right });
    }
    let all = count(x) + count(y);
    if sounds { shared * 6 >= all } else { shared * 4 >= all }
}

/// Says whether two records may be of one person without an identifier in common: an institution
/// seldom writes a person down twice.
pub(super) fn may_join(a: &Record, b: &Record, comparison: &Comparison, rule: Within) -> bool {
    let within = a.institution == b.institution;
    !comparison.is_conflict()
        && (!within
            || match rule {
                Within::Never => false,
                Within::Identifier => comparison.shares_identifier(),
            })
}

/// When two records of one institution may be of one person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Within {
    /// Where an identifier is the same.
    #[default]
    Identifier,
    /// Never: the institution keeps its own index.
    Never,
}
