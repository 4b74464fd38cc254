//! One request judged by one document, or by all of a person's.
//!
//! Comes in: a [`Request`]. Goes out: permit, deny or refer with reasons, obligations, and what is
//! left to check of each record. Never: a permit by what is unknown; an older document that
//! overrules a newer one.

use std::collections::BTreeSet;

use super::{
    code::{Coding, holds, touch},
    document::{Criteria, Document, Role, Rule, RuleType, Scope, Status},
    residual::{Data, Match, Residual, leaves},
};
use crate::{
    instant::Date,
    purpose::{Effect, Verdict},
};

/// Somebody wants data of a person.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who wants it: references of the user, their organisations and groups.
    pub recipients: BTreeSet<String>,
    /// Who holds it; none where that is not known.
    pub custodian: Option<String>,
    /// What is done, such as `access` or `use`; none where that is not known.
    pub action: Option<Coding>,
    /// What for; each must be permitted.
    pub purposes: Vec<Coding>,
    /// On which day.
    pub day: Date,
    /// Which record; none for all of them, with what is left to check of each.
    pub data: Option<Data>,
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Permit, refer or deny, with reasons and obligations.
    pub verdict: Verdict,
    /// What is left to check of each record; empty where nothing is.
    pub residual: Vec<Residual>,
    /// The purposes to which a permit is bound; empty for any.
    pub purposes: Vec<Coding>,
}

impl Outcome {
    fn of(effect: Effect, clause: &str, words: &str) -> Self {
        let mut outcome = Self::default();
        outcome.verdict.add(effect, clause, words);
        outcome
    }

    /// Returns permit, refer or deny.
    pub fn effect(&self) -> Effect {
        self.verdict.effect()
    }

    /// Both must permit; rules that differ on records cannot be joined here.
    fn and(self, other: Self) -> Self {
        let same = self.residual == other.residual;
        let mut verdict = self.verdict.and(other.verdict);
        if !same && verdict.effect() == Effect::Permit {
            verdict.add(Effect::Refer, "provision", "the rules leave different records");
        }
        let mut purposes = self.purposes;
        purposes.extend(other.purposes);
        purposes.dedup();
        Self { verdict, residual: self.residual, purposes }
    }
}

/// Judges a request by all documents of a person: of those that speak of its purpose the newest
/// decides, of two at the same instant the stricter. Who opted out is denied.
pub fn standing(documents: &[Document], request: &Request, opted_out: bool) -> Outcome {
    if opted_out {
        return Outcome::of(Effect::Deny, "opt-out", "the person opted out of every secondary use");
    }
    let speaks: Vec<&Document> = documents.iter().filter(|d| speaks(d, request)).collect();
    let newest = speaks.iter().map(|document| document.decided_at).max();
    speaks
        .into_iter()
        .filter(|document| Some(document.decided_at) == newest)
        .map(|document| decide(document, request))
        .reduce(Outcome::and)
        .unwrap_or_else(|| Outcome::of(Effect::Deny, "consent", "no consent speaks of this use"))
}

/// Says whether a document is a decision on the use of data for a purpose.
fn speaks(document: &Document, request: &Request) -> bool {
    let decided = match document.status {
        Status::Active | Status::Inactive | Status::Rejected => true,
        Status::Draft | Status::EnteredInError | Status::Unknown => false,
    };
    let listed = &document.base.criteria.purposes;
    let kind = document.base.kind;
    let about = |listed: &Coding, asked: &Coding| match touch(listed, asked) {
        Some(touches) => touches,
        None => kind == RuleType::Deny,
    };
    // One about records that others hold says nothing of these.
    let elsewhere = custodians(&document.base.criteria, request) == Some(Match::No);
    decided
        && !elsewhere
        && document.scope != Scope::Other
        && (listed.is_empty()
            || request.purposes.iter().any(|asked| listed.iter().any(|own| about(own, asked))))
}

/// Judges a request by one document.
pub fn decide(document: &Document, request: &Request) -> Outcome {
    if document.status != Status::Active {
        return Outcome::of(Effect::Deny, "status", document.status.words());
    }
    match document.scope {
        Scope::Data => {}
        Scope::Other => {
            return Outcome::of(Effect::Deny, "scope", "the consent is not about data");
        }
        Scope::Unknown => {
            return Outcome::of(Effect::Refer, "scope", "the scope of the consent is unknown");
        }
    }
    let asked: Vec<Option<&Coding>> = if request.purposes.is_empty() {
        vec![None]
    } else {
        request.purposes.iter().map(Some).collect()
    };
    let each = asked.into_iter().map(|purpose| {
        if document.is_open {
            open(document, request, purpose)
        } else {
            bounded(document, request, purpose)
        }
    });
    let mut outcome = each.reduce(Outcome::and).unwrap_or_default();
    for part in &document.unread {
        if outcome.effect() == Effect::Permit {
            outcome.verdict.add(Effect::Refer, *part, "this part of the consent cannot be read");
        }
    }
    outcome
}

/// The root provision of R4 without a type may bound its policy or be an exception to it. Where both
/// readings agree, that is it; else somebody must look.
fn open(document: &Document, request: &Request, purpose: Option<&Coding>) -> Outcome {
    let mut turned = document.clone();
    let criteria = std::mem::take(&mut turned.base.criteria);
    turned.exceptions.push(Rule { kind: document.base.kind.other(), criteria });
    let (one, other) = (bounded(document, request, purpose), bounded(&turned, request, purpose));
    if one.effect() == other.effect() && one.residual == other.residual {
        return one;
    }
    let words = "the root provision has no type: it may bound the policy or be an exception to it";
    Outcome::of(Effect::Refer, "provision.type", words)
}

fn bounded(document: &Document, request: &Request, purpose: Option<&Coding>) -> Outcome {
    let base = &document.base;
    let mut outcome = Outcome::default();
    // What binds the whole consent: its period, actors, acts and purposes.
    for (clause, found) in asked(&base.criteria, request, purpose, RuleType::Permit) {
        match found {
            Match::Yes => {}
            Match::Unknown => {
                outcome.verdict.add(Effect::Refer, clause, "whether it fits is not known");
            }
            Match::No => outcome.verdict.add(Effect::Deny, clause, "the consent does not cover it"),
        }
    }
    let exceptions: Vec<(&Rule, Match)> = document
        .exceptions
        .iter()
        .map(|rule| {
            let found = asked(&rule.criteria, request, purpose, rule.kind);
            (rule, found.into_iter().map(|(_, found)| found).min().unwrap_or(Match::Yes))
        })
        .collect();
    let given = |kind| exceptions.iter().filter(move |(rule, _)| rule.kind == kind);
    let mut permits: Vec<&Rule> = given(RuleType::Permit)
        .filter(|(_, found)| *found == Match::Yes)
        .map(|(rule, _)| *rule)
        .collect();
    if base.kind == RuleType::Permit {
        permits.insert(0, base);
    }
    let Some(first) = permits.first() else {
        outcome.verdict.add(Effect::Deny, "provision.type", "the consent denies it");
        return outcome;
    };
    outcome.verdict.add(Effect::Permit, "provision.type", "the consent permits it");
    outcome.purposes.clone_from(&first.criteria.purposes);
    if permits.iter().all(|rule| rule.criteria.is_of_data()) {
        let all = Residual { kind: RuleType::Deny, criteria: Criteria::default() };
        outcome.residual.push(all);
        outcome.residual.extend(permits.iter().map(|rule| residual(rule)));
    }
    for (rule, found) in given(RuleType::Deny) {
        match found {
            Match::No => {}
            Match::Unknown => {
                let words = "whether an exception applies is not known";
                outcome.verdict.add(Effect::Refer, "provision.provision", words);
            }
            Match::Yes if rule.criteria.is_of_data() => outcome.residual.push(residual(rule)),
            Match::Yes => {
                let words = "an exception of the consent denies it";
                outcome.verdict.add(Effect::Deny, "provision.provision", words);
            }
        }
    }
    if let Some(data) = &request.data {
        match leaves(&outcome.residual, data) {
            Effect::Permit => {}
            Effect::Refer => {
                let words = "whether the record is one of those permitted is not known";
                outcome.verdict.add(Effect::Refer, "residual", words);
            }
            Effect::Deny => {
                outcome.verdict.add(Effect::Deny, "residual", "the record is not permitted");
            }
        }
    } else if !outcome.residual.is_empty() {
        outcome.verdict.oblige("check each record by the residual rules");
    }
    if !outcome.purposes.is_empty() {
        let codes: Vec<&str> = outcome.purposes.iter().map(|own| own.code.as_str()).collect();
        outcome.verdict.oblige(format!("use it for {} alone", codes.join(", ")));
    }
    outcome
}

fn residual(rule: &Rule) -> Residual {
    Residual { kind: rule.kind, criteria: rule.criteria.of_data() }
}

/// Whether the criteria that are not of data fit a request: a permit needs each to fit wholly, a
/// denial applies where each may touch it.
fn asked(
    criteria: &Criteria,
    request: &Request,
    purpose: Option<&Coding>,
    kind: RuleType,
) -> Vec<(&'static str, Match)> {
    let mut found = Vec::new();
    if criteria.unread {
        found.push(("provision", Match::Unknown));
    }
    if let Some(period) = &criteria.period {
        let fits = match kind {
            RuleType::Permit => period.holds(request.day),
            RuleType::Deny => period.touches(request.day),
        };
        found.push(("provision.period", Match::of(fits)));
    }
    if let Some(own) = actors(criteria, request, kind) {
        found.push(("provision.actor", own));
    }
    if !criteria.actions.is_empty() {
        let listed = |own: &Coding| criteria.actions.iter().flatten().any(|code| code == own);
        let own = request.action.as_ref().map_or(Match::Unknown, |own| Match::of(listed(own)));
        found.push(("provision.action", own));
    }
    if !criteria.purposes.is_empty() {
        let own = purpose.map_or(Match::Unknown, |asked| {
            let each = criteria.purposes.iter().map(|listed| match kind {
                RuleType::Permit => Match::of(holds(listed, asked)),
                RuleType::Deny => touch(listed, asked).map_or(Match::Unknown, Match::of),
            });
            each.max().unwrap_or(Match::No)
        });
        found.push(("provision.purpose", own));
    }
    found
}

/// Recipients and custodians must both fit, where both are named. Where one fits and the other does
/// not, a denial may still be meant.
fn actors(criteria: &Criteria, request: &Request, kind: RuleType) -> Option<Match> {
    let group = |role: Role| {
        let own: Vec<_> = criteria.actors.iter().filter(|actor| actor.role == role).collect();
        (!own.is_empty()).then_some(own)
    };
    let recipients = group(Role::Recipient).map(|own| {
        let each = own.iter().map(|actor| match &actor.reference {
            None => Match::Yes,
            Some(named) => Match::of(request.recipients.contains(named)),
        });
        each.max().unwrap_or(Match::No)
    });
    let unknown = group(Role::Unknown).map(|_| Match::Unknown);
    let all: Vec<Match> =
        [recipients, custodians(criteria, request), unknown].into_iter().flatten().collect();
    let (least, most) = (all.iter().min().copied()?, all.iter().max().copied()?);
    let may = kind == RuleType::Deny && least == Match::No && most > Match::No;
    Some(if may { Match::Unknown } else { least })
}

/// Whether the custodians that criteria name hold the data; `None` where none is named.
fn custodians(criteria: &Criteria, request: &Request) -> Option<Match> {
    let named = criteria.actors.iter().filter(|actor| actor.role == Role::Custodian);
    let each = named.map(|actor| match (&actor.reference, &request.custodian) {
        (None, _) => Match::Yes,
        (Some(_), None) => Match::Unknown,
        (Some(named), Some(custodian)) => Match::of(named == custodian),
    });
    each.max()
}
