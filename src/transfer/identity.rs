//! The right record for the right patient: A tells B whom it means by keyed tokens, B shows what it
//! knows of them under a nonce, and A judges.
//!
//! Comes in: demographics of one's own patients, the pair's secret, what the other side sent. Goes
//! out: tokens, [`Found`], evidence, a [`Match`]. Never: a match on what only one side says; a
//! patient taken for another because most of their fields agree.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Evidence, Mismatch, Nonce, PairToken, TransferId,
    demographics::{Demographics, Detail},
    pair::PairSecret,
};
use crate::{digest::Sha256, linkage::Floor};

/// The sets of details of which tokens are made, from those that people change least.
const SETS: [(&str, &[Detail]); 4] = [
    ("name+birth+sex", &[Detail::GivenRoot, Detail::Family, Detail::Birth, Detail::Sex]),
    ("name+birth+postal", &[Detail::GivenRoot, Detail::Family, Detail::Birth, Detail::Postal]),
    ("sound+birth+sex", &[Detail::GivenSound, Detail::FamilySound, Detail::Birth, Detail::Sex]),
    ("given+birth+address", &[Detail::GivenRoot, Detail::Birth, Detail::Address]),
];
/// The set of one identifier or document.
const IDENTIFIER: &str = "identifier";

/// Returns a patient's tokens: one for each way in which a set's details were written, sorted.
pub fn tokens(pair: &PairSecret, patient: &Demographics) -> Vec<PairToken> {
    let mut found = BTreeSet::new();
    for (set, details) in SETS {
        let mut rows: Vec<Vec<&str>> = vec![vec![set]];
        for detail in details {
            let forms = patient.get(detail);
            let with = |form| rows.iter().map(move |row| [row.as_slice(), &[form]].concat());
            rows = forms.flat_map(with).collect();
        }
        found.extend(rows.into_iter().map(|row| (set, token(pair, &row))));
    }
    for (detail, forms) in patient.all().filter(|(detail, _)| is_number(detail)) {
        let kind = detail.name();
        let each = forms.iter().map(|form| token(pair, &[IDENTIFIER, &kind, form]));
        found.extend(each.map(|token| (IDENTIFIER, token)));
    }
    found.into_iter().map(|(set, token)| PairToken { set: set.to_owned(), token }).collect()
}

fn token(pair: &PairSecret, parts: &[&str]) -> Sha256 {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    pair.mac("almoner/pair-token/v1", &parts)
}

fn is_number(detail: &Detail) -> bool {
    match detail {
        Detail::Identifier(_) | Detail::Document(_) => true,
        Detail::Given
        | Detail::GivenRoot
        | Detail::GivenSound
        | Detail::GivenInitial
        | Detail::Family
        | Detail::FamilySound
        | Detail::Birth
        | Detail::Sex
        | Detail::Address
        | Detail::Postal
        | Detail::Phone
        | Detail::Email => false,
    }
}

/// An institution's own patients by their tokens for one partner.
#[derive(Debug, Default)]
pub struct Roll {
    // The tokens that are looked for; none for all of them.
    sought: Option<BTreeSet<Sha256>>,
    locals: Vec<String>,
    holders: BTreeMap<Sha256, Vec<usize>>,
}

/// Which of an institution's patients bears an offer's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// None.
    Nobody,
    /// This one, by its local id.
    One(String),
    /// So many, and none stands out.
    Several(usize),
}

impl Roll {
    /// Makes one that remembers no patient but those who bear some of these tokens: it takes the
    /// memory of the offers, however many patients there are.
    pub fn looking_for<'o>(offered: impl IntoIterator<Item = &'o PairToken>) -> Self {
        let sought = offered.into_iter().map(|offered| offered.token).collect();
        Self { sought: Some(sought), ..Self::default() }
    }

    /// Adds a patient.
    pub fn add(&mut self, pair: &PairSecret, local: &str, patient: &Demographics) {
        let is_sought =
            |own: &PairToken| self.sought.as_ref().is_none_or(|sought| sought.contains(&own.token));
        let own: Vec<PairToken> = tokens(pair, patient).into_iter().filter(is_sought).collect();
        if own.is_empty() {
            return;
        }
        let at = self.locals.len();
        self.locals.push(local.to_owned());
        for own in own {
            self.holders.entry(own.token).or_default().push(at);
        }
    }

    /// Looks for the patient of an offer. Of several one stands out that bears an identifier and the
    /// name, where no other bears an identifier.
    pub fn find(&self, offered: &[PairToken]) -> Found {
        // For each candidate, whether it bears an identifier and whether it bears a name.
        let mut candidates: BTreeMap<usize, (bool, bool)> = BTreeMap::new();
        for offered in offered {
            for at in self.holders.get(&offered.token).into_iter().flatten() {
                let (number, name) = candidates.entry(*at).or_default();
                let bears = if offered.set == IDENTIFIER { number } else { name };
                *bears = true;
            }
        }
        let mut numbered = candidates.iter().filter(|(_, (number, _))| *number);
        let one = match (candidates.len(), numbered.next(), numbered.next()) {
            (0, ..) => return Found::Nobody,
            (1, ..) => candidates.keys().next(),
            (_, Some((at, (_, true))), None) => Some(at),
            (..) => None,
        };
        let local = one.and_then(|at| self.locals.get(*at)).cloned();
        local.map_or(Found::Several(candidates.len()), Found::One)
    }
}

/// How much evidence of one detail is read. Who sends more is guessing.
fn most(detail: &Detail) -> usize {
    match detail {
        Detail::Birth | Detail::Sex => 1,
        Detail::Given
        | Detail::GivenRoot
        | Detail::GivenSound
        | Detail::GivenInitial
        | Detail::Family
        | Detail::FamilySound => 4,
        Detail::Address | Detail::Postal | Detail::Phone | Detail::Email => 16,
        Detail::Identifier(_) | Detail::Document(_) => 3,
    }
}

/// Says of a detail whether it is compared once a patient is found.
fn is_shown(detail: &Detail) -> bool {
    !matches!(detail, Detail::FamilySound | Detail::Postal)
}

/// Returns what B knows of its patient, under the nonce of one challenge: no more of a detail than A
/// reads, in order.
pub fn evidence(
    pair: &PairSecret,
    transfer: &TransferId,
    nonce: &Nonce,
    patient: &Demographics,
) -> Vec<Evidence> {
    let shown = patient.all().filter(|(detail, _)| is_shown(detail));
    let each = shown.flat_map(|(detail, forms)| {
        let field = detail.name();
        forms.iter().take(most(detail)).map(move |form| {
            let mac = proof(pair, transfer, nonce, &field, form);
            Evidence { field: field.clone(), mac }
        })
    });
    let mut all: Vec<Evidence> = each.collect();
    all.sort_by(|a, b| (&a.field, a.mac).cmp(&(&b.field, b.mac)));
    all
}

fn proof(
    pair: &PairSecret,
    transfer: &TransferId,
    nonce: &Nonce,
    field: &str,
    form: &str,
) -> Sha256 {
    let parts = [nonce.0.as_slice(), &transfer.0, field.as_bytes(), form.as_bytes()];
    pair.mac("almoner/match-evidence/v1", &parts)
}

/// In what two records clearly tell of two people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// Another given name, and no short form or spelling of the same.
    Given,
    /// Another day of birth.
    Birth,
    /// The other sex, and a given name that is not quite the same.
    Sex,
    /// Another number of one kind: social security, passport, driver's licence.
    Identifier,
    /// More guesses at one detail than a person has.
    Guesses,
}

impl Conflict {
    /// Returns what is in conflict, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Given => "given name",
            Self::Birth => "date of birth",
            Self::Sex => "sex",
            Self::Identifier => "identifier",
            Self::Guesses => "too much evidence of one field",
        }
    }
}

/// What A makes of B's evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// In what both records agree, as HL7 weighs it: what only one of them says does not count.
    pub floor: Floor,
    /// In what they clearly tell of two people.
    pub conflicts: BTreeSet<Conflict>,
}

impl Match {
    /// Says whether a record may be released: enough agrees, and nothing tells of another person.
    pub fn is_the_patient(&self) -> bool {
        self.verdict().is_ok()
    }

    /// Returns it as the protocol asks for it.
    pub fn verdict(&self) -> Result<(), Mismatch> {
        if !self.conflicts.is_empty() {
            Err(Mismatch::WrongPatient)
        } else if !self.floor.is_reached() {
            Err(Mismatch::ScoreBelow)
        } else {
            Ok(())
        }
    }

    /// Returns the weight of what agrees.
    pub fn weight(&self) -> u32 {
        self.floor.weight()
    }
}

/// Judges B's evidence by what A knows of the patient it offered.
pub fn judge(
    pair: &PairSecret,
    transfer: &TransferId,
    nonce: &Nonce,
    evidence: &[Evidence],
    patient: &Demographics,
) -> Match {
    let own = self::evidence(pair, transfer, nonce, patient);
    compare(&own, evidence, patient)
}

/// Compares two sides' evidence under one nonce.
fn compare(own: &[Evidence], shown: &[Evidence], patient: &Demographics) -> Match {
    let by_field = |all: &[Evidence]| {
        let mut fields: BTreeMap<String, BTreeSet<Sha256>> = BTreeMap::new();
        for one in all {
            fields.entry(one.field.clone()).or_default().insert(one.mac);
        }
        fields
    };
    let (own, shown) = (by_field(own), by_field(shown));
    // Both say something: whether it is the same.
    let agrees = |detail: &Detail| {
        let name = detail.name();
        let (own, shown) = (own.get(&name)?, shown.get(&name)?);
        Some(!own.is_disjoint(shown))
    };
    let same = |detail: Detail| agrees(&detail) == Some(true);
    let differs = |detail: Detail| agrees(&detail) == Some(false);
    let mut conflicts = BTreeSet::new();
    let mut numbers = [false, false];
    for (detail, _) in patient.all().filter(|(detail, _)| is_shown(detail)) {
        let count = shown.get(&detail.name()).map_or(0, BTreeSet::len);
        if count > most(detail) {
            conflicts.insert(Conflict::Guesses);
        }
        if is_number(detail) {
            let [document, identifier] = &mut numbers;
            let kind = if matches!(detail, Detail::Document(_)) { document } else { identifier };
            match agrees(detail) {
                Some(true) => *kind = true,
                Some(false) => drop(conflicts.insert(Conflict::Identifier)),
                None => {}
            }
        }
    }
    let [document, identifier] = numbers;
    let is_near = same(Detail::GivenRoot) || same(Detail::GivenSound);
    let is_initial =
        |side: &BTreeMap<String, BTreeSet<Sha256>>| !side.contains_key(&Detail::GivenRoot.name());
    let is_other = if is_initial(&own) || is_initial(&shown) {
        differs(Detail::GivenInitial)
    } else {
        !same(Detail::Given) && !is_near
    };
    if is_other {
        conflicts.insert(Conflict::Given);
    }
    if differs(Detail::Birth) {
        conflicts.insert(Conflict::Birth);
    }
    if differs(Detail::Sex) && !same(Detail::Given) {
        conflicts.insert(Conflict::Sex);
    }
    let floor = Floor {
        document,
        identifier,
        address: same(Detail::Address),
        email: same(Detail::Email),
        phone: same(Detail::Phone),
        name: same(Detail::Given) && same(Detail::Family),
        birth_date: same(Detail::Birth),
    };
    Match { floor, conflicts }
}

#[cfg(test)]
mod tests;
