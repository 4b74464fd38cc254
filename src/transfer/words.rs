//! A consent's rule in plain words, for the manifest that the patient and the receiver read.
//!
//! Comes in: a rule on resources. Goes out: what it asks, as the consent wrote it.
//! Never: anything of a resource; an id of a resource or a person whom the consent names.

use super::resource::TYPE_SYSTEMS;
use crate::consent::fhir::{Coding, Criteria, Residual, Role, RuleType};

/// Says whether a coding names a FHIR type.
pub(super) fn is_type(class: &Coding) -> bool {
    TYPE_SYSTEMS.contains(&class.system.as_str())
}

/// Tells the rule that kept a resource. `rules` are all of the consent's: where nothing permitted
/// it, they say what is permitted.
pub(super) fn of(rule: &Residual, unknown: bool, rules: &[Residual]) -> String {
    let own = criteria(&rule.criteria);
    match (rule.kind, unknown) {
        (RuleType::Deny, false) if own.is_empty() => {
            let given = rules.iter().filter(|rule| rule.kind == RuleType::Permit);
            let given: Vec<String> = given.map(|rule| criteria(&rule.criteria)).collect();
            format!("not permitted; permitted is only: {}", given.join(", or "))
        }
        (RuleType::Deny, false) => own,
        (RuleType::Deny, true) => format!("{own} (whether it applies is not known)"),
        (RuleType::Permit, _) => {
            format!("not permitted; whether it is of what is permitted is not known: {own}")
        }
    }
}

fn criteria(criteria: &Criteria) -> String {
    let mut parts = Vec::new();
    let codes = |codings: &[&Coding]| {
        codings.iter().map(|coding| coding.code.as_str()).collect::<Vec<_>>().join(" or ")
    };
    let mut list = |name: &str, codings: Vec<&Coding>| {
        if !codings.is_empty() {
            parts.push(format!("{name} {}", codes(&codings)));
        }
    };
    list("class", criteria.classes.iter().collect());
    list("code", criteria.codes.iter().flatten().collect());
    list("security label", criteria.labels.iter().collect());
    if let Some(period) = &criteria.data_period {
        match (period.first(), period.after()) {
            (Some(first), Some(after)) => {
                parts.push(format!("data from {first} on and before {after}"));
            }
            (Some(first), None) => parts.push(format!("data from {first} on")),
            (None, Some(after)) => parts.push(format!("data before {after}")),
            (None, None) => {}
        }
    }
    if criteria.actors.iter().any(|actor| actor.role == Role::Author) {
        parts.push("written by one whom the consent names".to_owned());
    }
    if !criteria.data.is_empty() {
        parts.push("of a resource that the consent names".to_owned());
    }
    if criteria.unread {
        parts.push("a condition that cannot be read".to_owned());
    }
    parts.join(", ")
}
