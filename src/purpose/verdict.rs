//! What came out of judging a use: permit, refer or deny, with every reason and obligation.
//!
//! Comes in: one reason after the other. Goes out: a [`Verdict`], as restrictive as its strictest
//! reason. Never: a reason that makes a verdict milder.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

/// What a rule says of a use, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It may be.
    Permit,
    /// It may not be until somebody has looked at it, or shown what is missing.
    Refer,
    /// It may not be.
    Deny,
}

impl Effect {
    /// Returns `permit`, `refer` or `deny`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Refer => "refer",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason: the clause that was read, what it says, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it comes to.
    pub effect: Effect,
    /// The clause, such as `DUO:0000021 (IRB)` or `provision.period`.
    pub clause: String,
    /// Why, in plain words.
    pub words: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.clause, self.words)
    }
}

/// What is said of a use, with its reasons and what the user takes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    effect: Effect,
    reasons: Vec<Reason>,
    obligations: BTreeSet<String>,
}

impl Default for Verdict {
    fn default() -> Self {
        Self { effect: Effect::Permit, reasons: Vec::new(), obligations: BTreeSet::new() }
    }
}

impl Verdict {
    /// Adds a reason; the verdict is at least as strict from then on.
    pub fn add(&mut self, effect: Effect, clause: impl Into<String>, words: impl Into<String>) {
        self.effect = self.effect.max(effect);
        self.reasons.push(Reason { effect, clause: clause.into(), words: words.into() });
    }

    /// Adds what the user takes on.
    pub fn oblige(&mut self, words: impl Into<String>) {
        self.obligations.insert(words.into());
    }

    /// Joins two verdicts on one use: the stricter wins, and all that either says is kept.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.effect = self.effect.max(other.effect);
        self.reasons.extend(other.reasons);
        self.obligations.extend(other.obligations);
        self
    }

    /// Returns what it comes to.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns every reason, in the order in which clauses were read.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Returns the reasons that made it what it is.
    pub fn deciding(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.iter().filter(|reason| reason.effect == self.effect)
    }

    /// Returns what the user takes on.
    pub fn obligations(&self) -> &BTreeSet<String> {
        &self.obligations
    }
}
