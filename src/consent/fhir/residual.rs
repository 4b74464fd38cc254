//! What is left to check of each record once a request is permitted: IHE's `residual` rules.
//!
//! Comes in: rules on data. Goes out: an ordered list, and what it leaves of one record.
//! Never: a record permitted whose label, day, author or code is not known, where a rule asks.
//!
//! <https://profiles.ihe.net/ITI/PCF/>

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::{
    code::Coding,
    document::{Criteria, Meaning, Role, RuleType},
};
use crate::purpose::Effect;

/// One rule on records. Permits come before what forbids, and the last that speaks of a record wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residual {
    /// Whether it permits or forbids.
    pub kind: RuleType,
    /// Which records; those of all if it says nothing.
    pub criteria: Criteria,
}

/// A record, as far as it is known. Nothing said means that it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data {
    /// Its classes, such as `Observation` of FHIR's resource types.
    pub classes: Vec<Coding>,
    /// Its codes.
    pub codes: Vec<Coding>,
    /// The day that it speaks of.
    pub day: Option<NaiveDate>,
    /// Its own reference.
    pub reference: Option<String>,
    /// What it refers to, such as its encounter.
    pub related: Option<BTreeSet<String>>,
    /// Who wrote it.
    pub authors: Option<BTreeSet<String>>,
    /// Its security labels.
    pub labels: Vec<Coding>,
}

/// Whether a criterion holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    No,
    Unknown,
    Yes,
}

impl Match {
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Says what residual rules leave of a record.
pub fn leaves(residual: &[Residual], data: &Data) -> Effect {
    residual.iter().fold(Effect::Permit, |effect, rule| {
        match (rule.kind, matches(&rule.criteria, data, rule.kind)) {
            (RuleType::Permit, Match::Yes) => Effect::Permit,
            (RuleType::Permit, Match::Unknown) => effect.min(Effect::Refer),
            (RuleType::Deny, Match::Yes) => Effect::Deny,
            (RuleType::Deny, Match::Unknown) => effect.max(Effect::Refer),
            (RuleType::Permit | RuleType::Deny, Match::No) => effect,
        }
    })
}

/// Says whether a record is one that criteria speak of.
fn matches(criteria: &Criteria, data: &Data, kind: RuleType) -> Match {
    let mut found = Match::Yes;
    let mut need = |holds: Match| found = found.min(holds);
    if criteria.unread {
        need(Match::Unknown);
    }
    if !criteria.classes.is_empty() {
        need(any(&data.classes, |own| criteria.classes.contains(own)));
    }
    if !criteria.codes.is_empty() {
        need(any(&data.codes, |own| criteria.codes.iter().flatten().any(|code| code == own)));
    }
    if !criteria.labels.is_empty() {
        need(any(&data.labels, |own| {
            criteria.labels.iter().any(|label| is_labelled(label, own, kind))
        }));
    }
    if let Some(period) = &criteria.data_period {
        need(match (data.day, kind) {
            (None, _) => Match::Unknown,
            (Some(day), RuleType::Permit) => Match::of(period.holds(day)),
            (Some(day), RuleType::Deny) => Match::of(period.touches(day)),
        });
    }
    if !criteria.data.is_empty() {
        let each = criteria.data.iter().map(|named| {
            let is = data.reference.as_ref().map(|own| *own == named.reference);
            let among = |set: &Option<BTreeSet<String>>| {
                set.as_ref().map(|set| set.contains(&named.reference))
            };
            match named.meaning {
                Meaning::Instance => known(is),
                Meaning::Related => known(is).max(known(among(&data.related))),
                // What depends on what is not known here, save that a thing depends on itself.
                Meaning::Dependents => known(is).max(Match::Unknown),
                Meaning::AuthoredBy => known(among(&data.authors)),
            }
        });
        need(each.max().unwrap_or(Match::No));
    }
    let authors: Vec<_> = criteria.actors.iter().filter(|a| a.role == Role::Author).collect();
    if !authors.is_empty() {
        need(match &data.authors {
            None => Match::Unknown,
            Some(own) => {
                let named = |author: &&&super::Actor| match &author.reference {
                    Some(reference) => own.contains(reference),
                    None => true,
                };
                Match::of(authors.iter().any(|author| named(&author)))
            }
        });
    }
    found
}

fn known(holds: Option<bool>) -> Match {
    holds.map_or(Match::Unknown, Match::of)
}

/// One of a record's codings must fit; a record without any is not known.
fn any(own: &[Coding], fits: impl Fn(&Coding) -> bool) -> Match {
    if own.is_empty() { Match::Unknown } else { Match::of(own.iter().any(fits)) }
}

/// Confidentiality, from the least to the most restricted.
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const GRADES: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

/// A denial of restricted records touches those more restricted too; a permit is of its own label.
fn is_labelled(named: &Coding, own: &Coding, kind: RuleType) -> bool {
    let grade = |coding: &Coding| {
        let at = GRADES.iter().position(|grade| *grade == coding.code);
        at.filter(|_| coding.system == CONFIDENTIALITY)
    };
    let above = match (grade(named), grade(own)) {
        (Some(named), Some(own)) => own > named && kind == RuleType::Deny,
        (_, _) => false,
    };
    named == own || above
}
