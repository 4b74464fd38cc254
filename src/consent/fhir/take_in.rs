//! What a register can hold of a Consent: purposes, institutions, categories and days.
//!
//! Comes in: a [`Document`]. Goes out: an [`Intake`]: what is granted, what is taken back, and notes
//! on what was left out. Never: more granted than the document permits; what restricts rows in a way
//! that a register cannot say grants nothing, and what denies in such a way denies more.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    code::{Coding, Meant, holds, meant},
    document::{Actor, Criteria, Document, Role, Rule, RuleType, Scope, Status},
};
use crate::{
    consent::event::Terms,
    instant::{Date, Instant},
    party::InstitutionId,
    purpose::Purpose,
};

/// Whose records an import speaks of: those of one institution, or of all.
pub type Reach<'a> = Option<&'a InstitutionId>;

/// A grant to record: what, from which day, until which day.
pub type Granted = (Terms, Option<Date>, Option<Date>);

/// What a register takes of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intake {
    /// When it was decided.
    pub decided_at: Instant,
    /// What an older decision loses by this one; none where it does not speak of research.
    pub replaces: Option<Terms>,
    /// What it grants.
    pub grants: Vec<Granted>,
    /// What it takes back of its own grants.
    pub denials: Vec<Terms>,
    /// Whether it only undoes itself: it was entered in error.
    pub is_undone: bool,
    /// What was left out, and why.
    pub notes: BTreeSet<Note>,
}

macro_rules! notes {
    ($($(#[$doc:meta])* $name:ident => $words:literal,)*) => {
        /// Why something in a document is not granted, or denied more widely than it says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Note {
            $($(#[$doc])* $name,)*
        }

        impl Note {
            /// Returns the reason in words.
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

notes! {
    /// The status is none that permits.
    NotInForce => "it is not in force",
    /// It is a draft or its status is unknown.
    NotDecided => "it was never decided",
    /// It was entered in error.
    EnteredInError => "it was entered in error",
    /// Its scope is other than data, or unknown.
    NotOfData => "it is not about the use of data",
    /// A part cannot be read.
    Unread => "a part of it cannot be read",
    /// The root provision has no type.
    Ambiguous => "its root provision may bound its policy or be an exception to it",
    /// It names no purpose.
    PurposeUnsaid => "it names no purpose",
    /// It names a purpose that is unknown.
    PurposeUnknown => "it names a purpose that is unknown",
    /// It names a purpose narrower than any permission.
    PurposeNarrower => "it names a purpose narrower than any permission",
    /// It is of care or operations.
    NotResearch => "it is about neither research nor payment",
    /// It is for named recipients.
    Recipients => "it is for named recipients alone",
    /// It names an actor in a role that is unknown.
    ActorRole => "it names an actor in a role that is unknown",
    /// It names institutions outside of the import's reach.
    Institution => "it names other institutions",
    /// It does not permit to use data.
    Act => "it does not permit to use data",
    /// It is for classes of data that no category stands for.
    Class => "it is for classes of data that no category stands for",
    /// It is for data of some codes.
    Code => "it is for data of some codes alone",
    /// It is for data of some days.
    DataPeriod => "it is for data of some days alone",
    /// It is for some resources.
    DataInstance => "it is for some resources alone",
    /// It is for data of some authors.
    Author => "it is for data of some authors alone",
    /// It is for data of some labels.
    SecurityLabel => "it is for data of some security labels alone",
    /// Its days are over before they begin.
    Over => "its days are over",
    /// A denial was taken for wider than it says.
    DenialWidened => "a denial in it is taken for wider than it says",
    /// It denies.
    Denied => "it denies the use",
}

/// FHIR's resource types.
const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
/// The system of categories as schemas name them.
const CATEGORY: &str = "urn:almoner:category";

/// The categories of data that a FHIR resource type may stand in, as schemas name them.
const CATEGORIES: [(&str, &[&str]); 12] = [
    ("Patient", &["patient", "patients", "person", "persons"]),
    ("Encounter", &["encounter", "encounters", "visit", "visits", "visit_occurrence"]),
    ("Condition", &["condition", "conditions", "condition_occurrence"]),
    ("Observation", &["observation", "observations", "measurement", "measurements"]),
    (
        "MedicationRequest",
        &["medication", "medications", "medication_requests", "medicationrequest", "drug_exposure"],
    ),
    ("Procedure", &["procedure", "procedures", "procedure_occurrence"]),
    ("Immunization", &["immunization", "immunizations"]),
    ("AllergyIntolerance", &["allergies", "allergyintolerance"]),
    ("DiagnosticReport", &["diagnostic_reports", "diagnosticreport"]),
    ("CarePlan", &["care_plans", "careplan"]),
    ("Claim", &["claim", "claims"]),
    ("ExplanationOfBenefit", &["explanation_of_benefit", "benefits"]),
];

/// Returns the categories of a class; none where it stands for no category here.
pub(super) fn categories(class: &Coding) -> Option<Vec<&str>> {
    match class.system.as_str() {
        CATEGORY => Some(vec![class.code.as_str()]),
        RESOURCE_TYPES => {
            let found = CATEGORIES.iter().find(|(name, _)| *name == class.code);
            found.map(|(_, all)| all.to_vec())
        }
        _ => None,
    }
}

/// Says what a register takes of a document.
pub fn take_in(document: &Document, reach: Reach<'_>) -> Intake {
    let mut intake = Intake {
        decided_at: document.decided_at,
        replaces: None,
        grants: Vec::new(),
        denials: Vec::new(),
        is_undone: false,
        notes: BTreeSet::new(),
    };
    if document.scope != Scope::Data {
        intake.notes.insert(Note::NotOfData);
        return intake;
    }
    let base = &document.base.criteria;
    let in_force = match document.status {
        Status::Active => true,
        Status::Inactive | Status::Rejected => false,
        Status::EnteredInError => {
            intake.is_undone = true;
            intake.notes.insert(Note::EnteredInError);
            false
        }
        Status::Draft | Status::Unknown => {
            intake.notes.insert(Note::NotDecided);
            return intake;
        }
    };
    let denies = document.base.kind == RuleType::Deny || !in_force;
    let purposes = match research(&base.purposes, denies) {
        Ok(purposes) => purposes,
        Err(note) => {
            intake.notes.insert(note);
            return intake;
        }
    };
    let institutions = match places(&base.actors, reach) {
        Places::Elsewhere => {
            intake.notes.insert(Note::Institution);
            return intake;
        }
        Places::Named(named) => Some(named),
        Places::Unsaid => reach.map(|own| vec![own.clone()]),
    };
    intake.replaces = Terms::new(purposes, institutions, None).ok();
    if !in_force {
        intake.notes.insert(Note::NotInForce);
        return intake;
    }
    if document.base.kind == RuleType::Deny {
        intake.notes.insert(Note::Denied);
    }
    if !document.unread.is_empty() {
        intake.notes.insert(Note::Unread);
        return intake;
    }
    if document.is_open {
        intake.notes.insert(Note::Ambiguous);
        return intake;
    }
    let own = (document.base.kind == RuleType::Permit).then_some(&document.base);
    let given = document.exceptions.iter().filter(|rule| rule.kind == RuleType::Permit);
    for rule in own.into_iter().chain(given) {
        match granted(document, rule, reach) {
            Ok(grant) => intake.grants.push(grant),
            Err(note) => {
                intake.notes.insert(note);
            }
        }
    }
    for rule in document.exceptions.iter().filter(|rule| rule.kind == RuleType::Deny) {
        denied(&mut intake, rule, reach);
    }
    intake
}

/// The permissions that a document speaks of, for what it takes away from older ones; empty for all.
fn research(listed: &[Coding], denies: bool) -> Result<Vec<Purpose>, Note> {
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let mut purposes = Vec::new();
    let mut unknown = false;
    let all = ["DUO:0000006", "DUO:0000011"];
    for coding in listed {
        match meant(coding) {
            // To give health research says nothing of ancestry; to take it back may.
            Meant::Permission(_) if denies && coding.code == "HRESCH" => {
                purposes.extend(all.iter().filter_map(|code| Purpose::parse(code).ok()));
            }
            Meant::Permission(purpose) => purposes.push(purpose),
            Meant::Narrower(than) => purposes.push(than),
            Meant::Condition(_) | Meant::NotResearch => {}
            Meant::Unknown => unknown = true,
        }
    }
    match (unknown, purposes.is_empty()) {
        (true, _) if denies => Ok(Vec::new()),
        (true, true) => Err(Note::PurposeUnknown),
        (false, true) => Err(Note::NotResearch),
        (_, false) => Ok(purposes),
    }
}

fn granted(document: &Document, rule: &Rule, reach: Reach<'_>) -> Result<Granted, Note> {
    let base = &document.base.criteria;
    let own = &rule.criteria;
    for criteria in [base, own] {
        let role = |role: Role| criteria.actors.iter().any(|actor| actor.role == role);
        let uses = |code: &Coding| code.code == "use";
        if role(Role::Recipient) {
            return Err(Note::Recipients);
        }
        if role(Role::Unknown) {
            return Err(Note::ActorRole);
        }
        if !criteria.actions.is_empty() && !criteria.actions.iter().flatten().any(uses) {
            return Err(Note::Act);
        }
    }
    if let Some(note) = unsayable(own) {
        return Err(note);
    }
    let categories = match own.classes.as_slice() {
        [] => None,
        classes => {
            let all = classes.iter().filter_map(categories).flatten().map(str::to_owned);
            Some(all.collect::<Vec<_>>())
                .filter(|all| !all.is_empty())
                .ok_or(Note::Class)
                .map(Some)?
        }
    };
    let purposes = permissions(&base.purposes, &own.purposes)?;
    let institutions = institutions(&base.actors, &own.actors, reach)?;
    let terms = Terms::new(purposes, institutions, categories).map_err(|_| Note::PurposeUnknown)?;
    let decided = document.decided_at.date();
    let periods = [base.period, own.period];
    let periods = || periods.iter().flatten();
    let from = periods().filter_map(super::Period::first).max().map_or(decided, |d| d.max(decided));
    let until = periods().filter_map(super::Period::after).min();
    if until.is_some_and(|until| until <= from) {
        return Err(Note::Over);
    }
    Ok((terms, Some(from), until))
}

/// Returns why criteria restrict rows in a way that a register cannot say.
fn unsayable(criteria: &Criteria) -> Option<Note> {
    let author = criteria.actors.iter().any(|actor| actor.role == Role::Author);
    [
        (criteria.unread, Note::Unread),
        (!criteria.labels.is_empty(), Note::SecurityLabel),
        (!criteria.data.is_empty(), Note::DataInstance),
        (criteria.data_period.is_some(), Note::DataPeriod),
        (!criteria.codes.is_empty(), Note::Code),
        (author, Note::Author),
    ]
    .into_iter()
    .find_map(|(is, note)| is.then_some(note))
}

/// The permissions and conditions of a rule, within those of its base.
fn permissions(base: &[Coding], own: &[Coding]) -> Result<Vec<Purpose>, Note> {
    let listed: Vec<&Coding> = match (base, own) {
        ([], []) => return Err(Note::PurposeUnsaid),
        ([], own) => own.iter().collect(),
        (base, []) => base.iter().collect(),
        (base, own) => {
            own.iter().filter(|code| base.iter().any(|wide| holds(wide, code))).collect()
        }
    };
    let mut purposes = Vec::new();
    let mut note = Note::PurposeUnsaid;
    // A condition of the base binds its exceptions too.
    let conditions = base.iter().chain(own).map(meant);
    for meant in listed.into_iter().map(meant).chain(conditions.filter(is_condition)) {
        match meant {
            Meant::Permission(purpose) | Meant::Condition(purpose) => purposes.push(purpose),
            Meant::Narrower(_) => note = note.max(Note::PurposeNarrower),
            Meant::NotResearch => note = note.max(Note::NotResearch),
            Meant::Unknown => note = note.max(Note::PurposeUnknown),
        }
    }
    // An unknown code of DUO could be a condition: then nothing is given.
    let odd = base.iter().chain(own).any(|code| code.is_duo() && meant(code) == Meant::Unknown);
    if odd {
        return Err(Note::PurposeUnknown);
    }
    if purposes.iter().any(Purpose::is_permission) { Ok(purposes) } else { Err(note) }
}

fn is_condition(meant: &Meant) -> bool {
    matches!(meant, Meant::Condition(_))
}

/// The institutions that custodians stand for.
enum Places {
    /// No custodian is named, or anybody in that role is meant.
    Unsaid,
    /// These, within the reach of the import.
    Named(Vec<InstitutionId>),
    /// Some, none of them within the reach of the import.
    Elsewhere,
}

fn places(actors: &[Actor], reach: Reach<'_>) -> Places {
    let custodians = actors.iter().filter(|actor| actor.role == Role::Custodian);
    let named: Option<Vec<&str>> =
        custodians.map(|actor| actor.reference.as_deref()).collect::<Option<_>>();
    let Some(named) = named.filter(|named| !named.is_empty()) else { return Places::Unsaid };
    let own = named.into_iter().filter_map(institution);
    let own: Vec<InstitutionId> =
        own.filter(|own| reach.is_none_or(|reach| reach == own)).collect();
    if own.is_empty() { Places::Elsewhere } else { Places::Named(own) }
}

fn institution(reference: &str) -> Option<InstitutionId> {
    let local = reference.rsplit('/').next()?;
    InstitutionId::parse(local).ok()
}

fn institutions(
    base: &[Actor],
    own: &[Actor],
    reach: Reach<'_>,
) -> Result<Option<Vec<InstitutionId>>, Note> {
    let mut within = reach.map(|reach| vec![reach.clone()]);
    for actors in [base, own] {
        let named = match places(actors, reach) {
            Places::Unsaid => continue,
            Places::Elsewhere => return Err(Note::Institution),
            Places::Named(named) => named,
        };
        within = Some(match within {
            None => named,
            Some(within) => within.into_iter().filter(|own| named.contains(own)).collect(),
        });
    }
    match within {
        Some(within) if within.is_empty() => Err(Note::Institution),
        within => Ok(within),
    }
}

/// Takes a denial: as terms that take grants back, or by leaving its categories out of every grant.
fn denied(intake: &mut Intake, rule: &Rule, reach: Reach<'_>) {
    let own = &rule.criteria;
    let harmless = |code: &Coding| matches!(code.code.as_str(), "collect" | "correct");
    if !own.actions.is_empty() && own.actions.iter().all(|codes| codes.iter().all(harmless)) {
        return;
    }
    let Ok(purposes) = research(&own.purposes, true) else { return };
    let over = |after: Date| after <= intake.decided_at.date();
    if own.period.and_then(|period| period.after()).is_some_and(over) {
        return;
    }
    let actors = own.actors.iter().any(|actor| actor.role != Role::Custodian);
    let narrower = unsayable(own).is_some() || own.period.is_some() || actors;
    let known: Option<Vec<Vec<&str>>> = own.classes.iter().map(categories).collect();
    if let Some(classes) = known.filter(|classes| !classes.is_empty()) {
        if narrower || !own.purposes.is_empty() || !own.actors.is_empty() {
            intake.notes.insert(Note::DenialWidened);
        }
        let gone: BTreeSet<&str> = classes.into_iter().flatten().collect();
        leave_out(intake, &gone);
        return;
    }
    if narrower || !own.classes.is_empty() {
        intake.notes.insert(Note::DenialWidened);
    }
    let institutions = match places(&own.actors, reach) {
        // Another institution's records are not of this import.
        Places::Elsewhere => return,
        Places::Named(named) => Some(named),
        Places::Unsaid => reach.map(|reach| vec![reach.clone()]),
    };
    intake.denials.extend(Terms::new(purposes, institutions, None));
}

/// Grants what is left of all categories that are known: one by another name may hold such data.
fn leave_out(intake: &mut Intake, gone: &BTreeSet<&str>) {
    let known = || CATEGORIES.iter().flat_map(|(_, all)| all.iter().copied());
    let grants = std::mem::take(&mut intake.grants);
    for (terms, from, until) in grants {
        let text = terms.categories_text();
        let listed: Vec<&str> =
            if text == "*" { known().collect() } else { text.split('|').collect() };
        let left: Vec<String> =
            listed.into_iter().filter(|own| !gone.contains(own)).map(str::to_owned).collect();
        match terms.limited(left) {
            Some(terms) => intake.grants.push((terms, from, until)),
            None => {
                intake.notes.insert(Note::Class);
            }
        }
    }
}

#[cfg(test)]
mod tests;
