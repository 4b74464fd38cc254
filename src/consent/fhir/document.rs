//! A Consent as it is judged: one base rule, its exceptions, and what of it could not be read.
//!
//! R4 and R5 say the same in two shapes; here is one. Never: a part that restricts left out.

use super::{code::Coding, period::Period};
use crate::instant::Instant;

/// How far a document has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It is in force.
    Active,
    /// It ended or was replaced.
    Inactive,
    /// The person said no to it.
    Rejected,
    /// It was never decided.
    Draft,
    /// It should not be there.
    EnteredInError,
    /// Nobody knows.
    Unknown,
}

impl Status {
    /// Returns the status in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Active => "the consent is in force",
            Self::Inactive => "the consent is no longer in force",
            Self::Rejected => "the person rejected the consent",
            Self::Draft => "the consent was never decided",
            Self::EnteredInError => "the consent was entered in error",
            Self::Unknown => "nobody knows whether the consent is in force",
        }
    }
}

/// What a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The use of data: privacy or research, or not said (R5).
    Data,
    /// Something else, such as a treatment or an advance directive.
    Other,
    /// An unknown code.
    Unknown,
}

/// Whether a rule gives or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleType {
    /// It permits.
    Permit,
    /// It denies.
    Deny,
}

impl RuleType {
    /// Returns the other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Permit => Self::Deny,
            Self::Deny => Self::Permit,
        }
    }
}

/// What an actor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It receives data.
    Recipient,
    /// It holds data.
    Custodian,
    /// It wrote data.
    Author,
    /// Something that this engine does not know.
    Unknown,
}

/// Somebody whom a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What they do.
    pub role: Role,
    /// Who they are, such as `Organization/north-shore`; none for anybody in the role.
    pub reference: Option<String>,
}

/// How data relates to the resource that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It is that resource.
    Instance,
    /// It is that resource or refers to it.
    Related,
    /// It is that resource or depends on it.
    Dependents,
    /// It was written by it.
    AuthoredBy,
}

impl Meaning {
    /// Returns FHIR's code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Related => "related",
            Self::Dependents => "dependents",
            Self::AuthoredBy => "authoredby",
        }
    }
}

/// Data that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataReference {
    /// How it relates.
    pub meaning: Meaning,
    /// To what.
    pub reference: String,
}

/// When a rule applies: all that is said must hold; of a list, one item must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Criteria {
    /// On which days.
    pub period: Option<Period>,
    /// For whom.
    pub actors: Vec<Actor>,
    /// For which acts; a list of alternative codings each.
    pub actions: Vec<Vec<Coding>>,
    /// For which purposes.
    pub purposes: Vec<Coding>,
    /// On which classes of data.
    pub classes: Vec<Coding>,
    /// On data of which codes; a list of alternative codings each.
    pub codes: Vec<Vec<Coding>>,
    /// On data of which days.
    pub data_period: Option<Period>,
    /// On which data.
    pub data: Vec<DataReference>,
    /// On data with which labels.
    pub labels: Vec<Coding>,
    /// Whether the rule says more that could not be read.
    pub unread: bool,
}

impl Criteria {
    /// Says whether it speaks of some of the data alone.
    pub fn is_of_data(&self) -> bool {
        !self.classes.is_empty()
            || !self.codes.is_empty()
            || self.data_period.is_some()
            || !self.data.is_empty()
            || !self.labels.is_empty()
            || self.actors.iter().any(|actor| actor.role == Role::Author)
    }

    /// Returns the part that speaks of data.
    #[must_use]
    pub fn of_data(&self) -> Self {
        Self {
            period: None,
            actors: self.actors.iter().filter(|a| a.role == Role::Author).cloned().collect(),
            actions: Vec::new(),
            purposes: Vec::new(),
            unread: false,
            ..self.clone()
        }
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whether it gives or takes.
    pub kind: RuleType,
    /// When it applies.
    pub criteria: Criteria,
}

/// A Consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The reference to the patient.
    pub patient: String,
    /// How far it has come.
    pub status: Status,
    /// When it was decided.
    pub decided_at: Instant,
    pub(super) scope: Scope,
    /// The base rule.
    pub base: Rule,
    /// Whether the base rule's criteria could as well be an exception to it: in R4, where the base
    /// stands in `policyRule` and the root provision has no type, the standard does not say.
    pub is_open: bool,
    /// Its exceptions.
    pub exceptions: Vec<Rule>,
    /// Which parts could not be read; with any of them nothing is permitted.
    pub unread: Vec<&'static str>,
}
