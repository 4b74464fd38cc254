//! One decision of one person: a grant, a withdrawal or an opt-out, and what it touches.
//!
//! Comes in: parsed parts. Goes out: an [`Event`] that is whole and in one spelling, so that equal
//! decisions are equal values. Never: a grant without a permission, or a withdrawal that ends.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    instant::{Date, Instant},
    party::{ContributorId, ID_BYTES_MAX, InstitutionId},
    purpose::{Purpose, covers},
};

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The person permits.
    Grant,
    /// The person takes back.
    Withdraw,
    /// The person keeps out of every secondary use, whatever was or will be granted.
    OptOut,
    /// The person ends an opt-out; what was granted holds again.
    OptIn,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Grant, Self::Withdraw, Self::OptOut, Self::OptIn];

    /// Returns `grant`, `withdraw`, `opt-out` or `opt-in`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Withdraw => "withdraw",
            Self::OptOut => "opt-out",
            Self::OptIn => "opt-in",
        }
    }

    /// Parses the action's name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// Says whether it gives, and so is committed after what takes.
    pub fn gives(self) -> bool {
        match self {
            Self::Grant | Self::OptIn => true,
            Self::Withdraw | Self::OptOut => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a decision touches. Lists are sorted; an empty list of purposes, and `None`, mean all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Terms {
    purposes: Vec<Purpose>,
    institutions: Option<Vec<InstitutionId>>,
    categories: Option<Vec<String>>,
}

/// Why parts make no event. It names the column, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` {reason}")]
pub struct EventError {
    /// The column at fault.
    pub column: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

fn fault(column: &'static str, reason: &'static str) -> EventError {
    EventError { column, reason }
}

/// `*` or nothing stands for all; else the items between `|`.
fn items(text: &str) -> Option<impl Iterator<Item = &str>> {
    let text = text.trim();
    (!text.is_empty() && text != "*").then(|| text.split('|').map(str::trim))
}

impl Terms {
    /// Reads the three lists, items separated by `|`, `*` or nothing for all.
    pub fn parse(purposes: &str, institutions: &str, categories: &str) -> Result<Self, EventError> {
        let purposes = match items(purposes) {
            None => Vec::new(),
            Some(items) => items
                .map(|item| Purpose::parse(item).map_err(|_| "holds no code like DUO:0000006"))
                .collect::<Result<_, _>>()
                .map_err(|reason| fault("purposes", reason))?,
        };
        let institutions = items(institutions)
            .map(|items| items.map(InstitutionId::parse).collect::<Result<Vec<_>, _>>())
            .transpose()
            .map_err(|_| fault("institutions", "holds an item that is no id"))?;
        let categories = items(categories).map(|items| items.map(str::to_owned).collect());
        Self::new(purposes, institutions, categories)
    }

    /// Makes terms of lists; an empty list of purposes, and `None`, mean all.
    pub fn new(
        mut purposes: Vec<Purpose>,
        mut institutions: Option<Vec<InstitutionId>>,
        mut categories: Option<Vec<String>>,
    ) -> Result<Self, EventError> {
        if !purposes.iter().all(Purpose::is_known) {
            return Err(fault("purposes", "holds a code that DUO does not have"));
        }
        purposes.sort();
        purposes.dedup();
        if let Some(list) = &mut institutions {
            let odd = |id: &InstitutionId| id.as_str().contains('|') || id.as_str() == "*";
            if list.is_empty() || list.iter().any(odd) {
                return Err(fault("institutions", "holds an item that is no id"));
            }
            list.sort();
            list.dedup();
        }
        if let Some(list) = &mut categories {
            let odd = |item: &String| {
                item.is_empty()
                    || item.len() > ID_BYTES_MAX
                    || item == "*"
                    || item.trim() != item
                    || item.chars().any(|c| c.is_control() || c == '|')
            };
            if list.is_empty() || list.iter().any(odd) {
                return Err(fault("categories", "holds an item that is no category"));
            }
            list.sort();
            list.dedup();
        }
        Ok(Self { purposes, institutions, categories })
    }

    /// Returns the same terms for these categories alone; `None` where there are none.
    #[must_use]
    pub fn limited(&self, categories: Vec<String>) -> Option<Self> {
        Self::new(self.purposes.clone(), self.institutions.clone(), Some(categories)).ok()
    }

    /// Returns its permissions and institutions for all categories: what a withdrawal may name.
    #[must_use]
    pub fn of_all_categories(&self) -> Self {
        let permissions = self.purposes.iter().filter(|purpose| purpose.is_permission());
        Self {
            purposes: permissions.cloned().collect(),
            institutions: self.institutions.clone(),
            categories: None,
        }
    }

    /// Says whether there may be a use that both touch.
    pub fn touch(&self, other: &Self) -> bool {
        let purposes = self.purposes.is_empty()
            || other.purposes.is_empty()
            || self.purposes.iter().any(|own| {
                other.purposes.iter().any(|its| covers(own, its) || covers(its, own) || own == its)
            });
        let institutions = match (&self.institutions, &other.institutions) {
            (Some(own), Some(its)) => own.iter().any(|id| its.contains(id)),
            (_, _) => true,
        };
        purposes && institutions
    }

    /// Returns the purposes; empty means all (withdrawals only).
    pub fn purposes(&self) -> &[Purpose] {
        &self.purposes
    }

    /// Says whether the terms touch what an institution holds.
    pub fn reach_institution(&self, institution: &InstitutionId) -> bool {
        self.institutions.as_ref().is_none_or(|list| list.binary_search(institution).is_ok())
    }

    /// Says whether the terms touch a category of data.
    pub fn reach_category(&self, category: &str) -> bool {
        self.categories
            .as_ref()
            .is_none_or(|list| list.binary_search_by(|item| item.as_str().cmp(category)).is_ok())
    }

    /// Returns the purposes between `|`, `*` for all.
    pub fn purposes_text(&self) -> String {
        if self.purposes.is_empty() {
            return "*".to_owned();
        }
        self.purposes.iter().map(Purpose::as_str).collect::<Vec<_>>().join("|")
    }

    /// Returns the institutions between `|`, `*` for all.
    pub fn institutions_text(&self) -> String {
        let join = |list: &Vec<InstitutionId>| {
            list.iter().map(InstitutionId::as_str).collect::<Vec<_>>().join("|")
        };
        self.institutions.as_ref().map_or_else(|| "*".to_owned(), join)
    }

    /// Returns the categories between `|`, `*` for all.
    pub fn categories_text(&self) -> String {
        self.categories.as_ref().map_or_else(|| "*".to_owned(), |list| list.join("|"))
    }
}

/// One decision of one person. Events order by the instant they were decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    decided_at: Instant,
    contributor: ContributorId,
    action: Action,
    terms: Arc<Terms>,
    valid_from: Date,
    valid_until: Option<Date>,
}

impl Event {
    /// Makes an event. Without `valid_from` it holds from the day it was decided; `valid_until` is
    /// the first day on which a grant no longer holds.
    pub fn new(
        contributor: ContributorId,
        action: Action,
        terms: Arc<Terms>,
        valid_from: Option<Date>,
        valid_until: Option<Date>,
        decided_at: Instant,
    ) -> Result<Self, EventError> {
        let day = decided_at.date();
        let from = valid_from.unwrap_or(day);
        match action {
            Action::Grant => {
                if !terms.purposes.iter().any(Purpose::is_permission) {
                    return Err(fault("purposes", "of a grant names no DUO permission"));
                }
                if valid_until.is_some_and(|until| until <= from) {
                    return Err(fault("valid_until", "is not after `valid_from`"));
                }
            }
            Action::Withdraw => {
                if !terms.purposes.iter().all(Purpose::is_permission) {
                    return Err(fault("purposes", "of a withdrawal may name permissions alone"));
                }
                if from > day {
                    return Err(fault("valid_from", "of a withdrawal is after its decision"));
                }
                if valid_until.is_some() {
                    return Err(fault("valid_until", "must be empty in a withdrawal"));
                }
            }
            Action::OptOut | Action::OptIn => {
                if !terms.purposes.is_empty() {
                    return Err(fault("purposes", "must be empty: an opt-out is of every purpose"));
                }
                if terms.institutions.is_some() {
                    return Err(fault("institutions", "must be empty: an opt-out is of all"));
                }
                if terms.categories.is_some() {
                    return Err(fault("categories", "must be empty: an opt-out is of all"));
                }
                if from > day {
                    return Err(fault("valid_from", "of an opt-out is after its decision"));
                }
                if valid_until.is_some() {
                    return Err(fault("valid_until", "must be empty; an opt-in ends an opt-out"));
                }
            }
        }
        Ok(Self { decided_at, contributor, action, terms, valid_from: from, valid_until })
    }

    /// Returns the same decision under another of its person's ids.
    #[must_use]
    pub fn of(mut self, contributor: ContributorId) -> Self {
        self.contributor = contributor;
        self
    }

    /// Returns whose decision it is.
    pub fn contributor(&self) -> &ContributorId {
        &self.contributor
    }

    /// Returns what was decided.
    pub fn action(&self) -> Action {
        self.action
    }

    /// Returns what it touches.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Returns the first day on which it holds.
    pub fn valid_from(&self) -> Date {
        self.valid_from
    }

    /// Returns the first day on which it no longer holds.
    pub fn valid_until(&self) -> Option<Date> {
        self.valid_until
    }

    /// Returns when it was decided.
    pub fn decided_at(&self) -> Instant {
        self.decided_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: Action, terms: Terms, until: Option<&str>) -> Result<Event, EventError> {
        Event::new(
            ContributorId::parse("p1").unwrap(),
            action,
            Arc::new(terms),
            None,
            until.map(|text| text.parse().unwrap()),
            Instant::parse("2026-05-01T10:00:00Z").unwrap(),
        )
    }

    #[test]
    fn lists_have_one_spelling() {
        let a = Terms::parse("DUO:0000042|DUO:0000006", "b | a|b", "*").unwrap();
        let b = Terms::parse("DUO:0000006|DUO:0000042|DUO:0000006", "a|b", "").unwrap();
        assert_eq!(a, b, "the same decision written twice would be recorded twice");
        assert_eq!(a.institutions_text(), "a|b");
        assert_eq!(a.categories_text(), "*");
        assert_eq!(Terms::parse(&a.purposes_text(), "a|b", "*").unwrap(), a);
    }

    #[test]
    fn an_empty_item_is_refused_and_does_not_mean_all() {
        assert!(Terms::parse("DUO:0000006", "a||b", "*").is_err());
        assert!(Terms::parse("DUO:0000006", "*", "a|").is_err());
        assert!(Terms::parse("DUO:0000006", "*", "*|a").is_err());
        assert!(Terms::new(Vec::new(), Some(Vec::new()), None).is_err());
    }

    #[test]
    fn a_grant_needs_a_permission_and_a_withdrawal_has_no_end() {
        let modifier = Terms::parse("DUO:0000045", "*", "*").unwrap();
        assert_eq!(event(Action::Grant, modifier.clone(), None).unwrap_err().column, "purposes");
        assert_eq!(event(Action::Withdraw, modifier, None).unwrap_err().column, "purposes");
        let all = Terms::parse("*", "*", "*").unwrap();
        assert_eq!(event(Action::Grant, all.clone(), None).unwrap_err().column, "purposes");
        let ends = event(Action::Withdraw, all.clone(), Some("2027-01-01")).unwrap_err();
        assert_eq!(ends.column, "valid_until", "a withdrawal that ends would permit again");
        assert!(event(Action::Withdraw, all, None).is_ok());
        let health = Terms::parse("DUO:0000006", "*", "*").unwrap();
        assert!(event(Action::Grant, health, Some("2026-05-01")).is_err());
        assert!(Terms::parse("DUO:9999999", "*", "*").is_err(), "a misspelt code would be silent");
    }
}
