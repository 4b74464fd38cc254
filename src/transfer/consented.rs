//! What of a record may go: the patient's own consents, judged for one recipient, purpose and day.
//!
//! Comes in: FHIR Consents, what the register knows beside them, resources. Goes out: for each
//! resource, that it may go or the rule that keeps it. Never: a resource that goes because a rule
//! could not be judged; a consent that cannot be read taken for none.

use std::{
    collections::BTreeSet,
    io::{self, BufRead},
};

use serde_json::Value;

use super::{
    ConsentFault, Manifest,
    compartment::SUPPORTING,
    resource::Facts,
    tally::{Tally, file_of},
    words,
};
use crate::{
    consent::fhir::{Coding, Criteria, Document, Request, Residual, RuleType, leaves, standing},
    digest::{Sha3Digest, canonical_digest},
    instant::{Date, Instant},
    purpose::Effect,
};

/// HL7's code for handing data on.
const DISCLOSE: (&str, &str) = ("http://terminology.hl7.org/CodeSystem/consentaction", "disclose");

/// Who wants a record, what for, and on which day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The recipient, by all names that a consent may use: `Organization/<institution>` and others.
    pub recipients: BTreeSet<String>,
    /// Who holds the record, such as `Organization/north-shore`.
    pub custodian: Option<String>,
    /// The purpose, a code of v3-ActReason such as `TREAT`.
    pub purpose: String,
    /// The day.
    pub day: Date,
    /// How the custodian wants a resource without security labels to be read, such as
    /// confidentiality `N`; none where it is not known, and then a rule on labels keeps it.
    pub unlabelled: Option<Coding>,
}

/// What a consent register knows of the patient beside the documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registered {
    /// Whether the patient opted out.
    pub opted_out: bool,
    /// When they last withdrew, whatever document they had signed before.
    pub withdrawn: Option<Instant>,
}

/// All Consents of one patient.
#[derive(Debug, Clone, Default)]
pub struct Consents {
    documents: Vec<Document>,
    digests: BTreeSet<Sha3Digest>,
    unread: bool,
}

impl Consents {
    /// Adds a Consent. One that cannot be read may be the one that forbids: nothing goes beside it.
    pub fn add(&mut self, consent: &Value) {
        match (Document::parse(consent), canonical_digest(consent)) {
            (Ok(document), Ok(digest)) => {
                self.documents.push(document);
                self.digests.insert(digest);
            }
            (..) => self.unread = true,
        }
    }

    /// Judges whether anything may go, and by which rules.
    pub fn judge(&self, asked: &Asked, registered: Registered) -> Consented {
        let request = Request {
            recipients: asked.recipients.clone(),
            custodian: asked.custodian.clone(),
            action: Some(Coding::new(DISCLOSE.0, DISCLOSE.1)),
            purposes: vec![Coding::purpose(&asked.purpose)],
            day: asked.day,
            data: None,
        };
        let outcome = standing(&self.documents, &request, registered.opted_out);
        let permits = |document: &&Document| {
            let alone = standing(std::slice::from_ref(*document), &request, false);
            alone.effect() == Effect::Permit
        };
        let decided = self.documents.iter().filter(permits).map(|own| own.decided_at).max();
        let rules = if self.unread {
            Err("a consent of the patient cannot be read".to_owned())
        } else if outcome.effect() != Effect::Permit {
            let deciding = outcome.verdict.deciding();
            let words: BTreeSet<&str> = deciding.map(|reason| reason.words.as_str()).collect();
            let words: Vec<&str> = words.into_iter().collect();
            Err(words.join("; "))
        } else if registered.withdrawn > decided {
            Err("the patient has withdrawn since the consent was signed".to_owned())
        } else {
            Ok(outcome.residual)
        };
        Consented {
            rules,
            documents: self.digests.iter().copied().collect(),
            day: asked.day,
            unlabelled: asked.unlabelled.clone(),
        }
    }
}

/// What a patient's consents leave of their record.
#[derive(Debug, Clone)]
pub struct Consented {
    rules: Result<Vec<Residual>, String>,
    documents: Vec<Sha3Digest>,
    day: Date,
    unlabelled: Option<Coding>,
}

/// What came of judging kept lines again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// All of them may still go.
    Same,
    /// None may go any more: why.
    Withdrawn(String),
    /// Some may not go any more: how many.
    Changed(u64),
    /// The lines are not those of the manifest.
    Lost,
}

impl Again {
    /// Returns it as the protocol asks for it. Lines that are not those of the manifest are not what
    /// was approved.
    pub fn verdict(&self) -> Result<(), ConsentFault> {
        match self {
            Self::Same => Ok(()),
            Self::Withdrawn(_) => Err(ConsentFault::Withdrawn),
            Self::Changed(_) | Self::Lost => Err(ConsentFault::Changed),
        }
    }
}

impl Consented {
    /// Returns why nothing at all may go; `None` where something may.
    pub fn refusal(&self) -> Option<&str> {
        self.rules.as_ref().err().map(String::as_str)
    }

    /// Returns the digests of the documents that were judged, sorted.
    pub fn documents(&self) -> &[Sha3Digest] {
        &self.documents
    }

    /// Reads what its rules ask of a resource.
    pub(super) fn facts(&self, kind: &str, resource: &serde_json::Map<String, Value>) -> Facts {
        Facts::of(kind, resource, self.day, self.unlabelled.as_ref())
    }

    /// Returns the rule that keeps a resource, in words; `None` where it may go.
    pub(super) fn keeps(&self, facts: &Facts) -> Option<String> {
        let rules = match &self.rules {
            Ok(rules) => rules,
            Err(words) => return Some(words.clone()),
        };
        let mut effect = Effect::Permit;
        let mut by = None;
        for rule in rules {
            let found = applies(rule, facts);
            let next = match (rule.kind, found) {
                (_, Applies::No) => continue,
                (RuleType::Permit, Applies::Yes) => Effect::Permit,
                (RuleType::Permit, Applies::Unknown) => effect.min(Effect::Refer),
                (RuleType::Deny, Applies::Yes) => Effect::Deny,
                (RuleType::Deny, Applies::Unknown) => effect.max(Effect::Refer),
            };
            if next != effect {
                (effect, by) = (next, Some((rule, found)));
            }
        }
        let (rule, found) = by.filter(|_| effect != Effect::Permit)?;
        Some(words::of(rule, found == Applies::Unknown, rules))
    }

    /// Judges again the lines that were kept when the offer was made, and whether they still are
    /// those of its manifest.
    ///
    /// # Errors
    /// Only where the lines cannot be read.
    pub fn again(&self, manifest: &Manifest, mut kept: impl BufRead) -> io::Result<Again> {
        if let Some(words) = self.refusal() {
            return Ok(Again::Withdrawn(words.to_owned()));
        }
        let mut tally = Tally::default();
        let (mut judged, mut gone) = (0_u64, 0);
        let mut last = String::new();
        let mut line = Vec::new();
        while kept.read_until(b'\n', &mut line)? > 0 {
            let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
            let Ok(Value::Object(resource)) = serde_json::from_slice::<Value>(bytes) else {
                return Ok(Again::Lost);
            };
            let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
            tally.add(&file_of(kind), bytes);
            if !SUPPORTING.contains(&kind) {
                judged += 1;
                if let Some(words) = self.keeps(&self.facts(kind, &resource)) {
                    gone += 1;
                    last = words;
                }
            }
            line.clear();
        }
        let found = tally.manifest();
        Ok(if (found.root, &found.files) != (manifest.root, &manifest.files) {
            Again::Lost
        } else if gone == 0 {
            Again::Same
        } else if gone == judged {
            Again::Withdrawn(last)
        } else {
            Again::Changed(gone)
        })
    }
}

/// Whether a rule speaks of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Applies {
    No,
    Unknown,
    Yes,
}

/// A rule that permits must hold for all of a resource, one that forbids for any of it.
fn applies(rule: &Residual, facts: &Facts) -> Applies {
    match rule.kind {
        RuleType::Permit => {
            let nothing = Residual { kind: RuleType::Deny, criteria: Criteria::default() };
            let rules = [nothing, rule.clone()];
            let each = facts.narrow().into_iter().map(|data| match leaves(&rules, &data) {
                Effect::Permit => Applies::Yes,
                Effect::Refer => Applies::Unknown,
                Effect::Deny => Applies::No,
            });
            each.min().unwrap_or(Applies::No)
        }
        RuleType::Deny => {
            let bounds = rule.criteria.data_period.map(|own| [own.first(), own.after()]);
            // The last day that a period holds is the one before the first after it.
            let within = bounds.into_iter().flat_map(|[first, after]| {
                [first, after.and_then(|day| day.pred_opt())].into_iter().flatten()
            });
            let rules = std::slice::from_ref(rule);
            let each = facts.wide(within).into_iter().map(|data| match leaves(rules, &data) {
                Effect::Permit => Applies::No,
                Effect::Refer => Applies::Unknown,
                Effect::Deny => Applies::Yes,
            });
            let found = each.max().unwrap_or(Applies::Unknown);
            let unsure = !rule.criteria.classes.iter().all(words::is_type)
                || (!rule.criteria.codes.is_empty() && facts.is_uncoded());
            if unsure { found.max(Applies::Unknown) } else { found }
        }
    }
}

#[cfg(test)]
mod tests;
