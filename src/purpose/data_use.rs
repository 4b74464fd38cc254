//! The terms of a dataset: one DUO permission and its modifiers, each with what it needs to be
//! judged.
//!
//! Comes in: terms of a pipeline or a version's manifest. Goes out: [`DataUse`].
//! Never: a modifier without the list or the day that it speaks of.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Purpose, claims};
use crate::{instant::Date, party::ID_BYTES_MAX};

/// What a modifier speaks of; most need nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// GS: the countries, ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub countries: BTreeSet<String>,
    /// US: the researchers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub users: BTreeSet<String>,
    /// IS: the institutions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub institutions: BTreeSet<String>,
    /// PS: the projects.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub projects: BTreeSet<String>,
    /// RS: the types of research.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub research: BTreeSet<String>,
    /// TS: for how many months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months: Option<u32>,
    /// TS: from which day they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// MOR: the first day on which results may be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// One term with its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataTerm {
    /// The term.
    pub term: Purpose,
    /// What it speaks of.
    #[serde(flatten)]
    pub limits: Limits,
}

/// What a dataset may be used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataUse {
    terms: Vec<DataTerm>,
}

/// What is wrong with a list of terms: at which place, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DataUseError {
    /// The place of the term at fault, from 0; none where the list as a whole is.
    pub at: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

impl DataUse {
    /// Takes terms that can be judged: known ones, one permission (or several diseases), every
    /// modifier with what it needs and nothing else.
    pub fn new(terms: Vec<DataTerm>) -> Result<Self, DataUseError> {
        for (at, term) in terms.iter().enumerate() {
            term.check().map_err(|reason| DataUseError { at: Some(at), reason })?;
        }
        let fault = |reason: &str| Err(DataUseError { at: None, reason: reason.to_owned() });
        let permissions: Vec<&Purpose> =
            terms.iter().map(|t| &t.term).filter(|term| term.is_research()).collect();
        if permissions.is_empty() {
            return fault("the terms hold no permission, so nothing would be permitted");
        }
        let diseases = permissions.iter().all(|term| term.disease().is_some());
        if permissions.len() > 1 && !diseases {
            return fault("the terms hold two permissions; only diseases may be several");
        }
        Ok(Self::unchecked(terms))
    }

    /// Takes any terms, such as those of a foreign manifest; what cannot be judged never permits.
    pub fn unchecked(terms: Vec<DataTerm>) -> Self {
        Self { terms }
    }

    /// Returns the terms, as they were given.
    pub fn terms(&self) -> &[DataTerm] {
        &self.terms
    }
}

impl DataTerm {
    /// Makes a term without limits.
    pub fn bare(term: Purpose) -> Self {
        Self { term, limits: Limits::default() }
    }

    fn check(&self) -> Result<(), String> {
        let Some(known) = self.term.term() else {
            return Err("the Data Use Ontology has no such term".to_owned());
        };
        if known.shorthand.is_empty() {
            return Err("this term only groups others".to_owned());
        }
        if known.shorthand == "DS" && self.term.disease().is_none() {
            return Err("name the disease: DUO:0000007=MONDO:0005148".to_owned());
        }
        let wanted: &[&str] = match known.shorthand {
            "GS" => &["countries"],
            "US" => &["users"],
            "IS" => &["institutions"],
            "PS" => &["projects"],
            "RS" => &["research"],
            "TS" => &["months", "from"],
            "MOR" => &["until"],
            _ => &[],
        };
        for (name, given) in self.limits.given() {
            if given && !wanted.contains(&name) {
                return Err(format!("{} takes no `{name}`", known.shorthand));
            }
            if !given && wanted.contains(&name) {
                return Err(format!("{} needs `{name}`", known.shorthand));
            }
        }
        self.limits.check()
    }
}

impl Limits {
    fn given(&self) -> [(&'static str, bool); 8] {
        [
            ("countries", !self.countries.is_empty()),
            ("users", !self.users.is_empty()),
            ("institutions", !self.institutions.is_empty()),
            ("projects", !self.projects.is_empty()),
            ("research", !self.research.is_empty()),
            ("months", self.months.is_some()),
            ("from", self.from.is_some()),
            ("until", self.until.is_some()),
        ]
    }

    fn check(&self) -> Result<(), String> {
        if !self.countries.iter().all(|country| claims::is_country(country)) {
            return Err("a country is two capital letters, such as DE".to_owned());
        }
        let words = self.projects.iter().chain(&self.research);
        if !words.into_iter().all(|word| claims::plain(word)) {
            return Err("a project or type of research is a word without spaces".to_owned());
        }
        let ids = self.users.iter().chain(&self.institutions);
        if !ids.into_iter().all(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX) {
            return Err("a user or institution is an id".to_owned());
        }
        Ok(())
    }

    /// Returns the first day after the time limit.
    pub fn ends(&self) -> Option<Date> {
        self.from?.checked_add_months(chrono::Months::new(self.months?))
    }
}
