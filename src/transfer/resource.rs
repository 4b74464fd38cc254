//! What a consent's rules ask of a resource: its type, codes, days, labels, authors, references.
//!
//! Comes in: a resource of FHIR R4. Goes out: [`Facts`], read narrowly for what permits and widely
//! for what forbids. Never: a day, code or label that stands somewhere in a resource and is not seen
//! by a rule that forbids it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::compartment::is_supporting;
use crate::{
    consent::fhir::{Coding, Data},
    instant::{Date, Instant},
};

/// The systems by which a rule may name a FHIR type.
pub(super) const TYPE_SYSTEMS: [&str; 3] = [
    "http://hl7.org/fhir/resource-types",
    "http://hl7.org/fhir/fhir-types",
    "http://hl7.org/fhir/types",
];
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const GRADES: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

/// Elements at the top of a resource that say what it is of.
const CODES: [&str; 5] =
    ["code", "vaccineCode", "medicationCodeableConcept", "type", "description"];
/// Elements at the top that say who wrote it.
const AUTHORS: [&str; 8] = [
    "author",
    "recorder",
    "asserter",
    "performer",
    "requester",
    "enterer",
    "informationSource",
    "sender",
];
/// Elements at the top that say of which day it speaks, or from when until when.
const DAYS: [&str; 26] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "occurrenceDateTime",
    "occurrencePeriod",
    "performedDateTime",
    "performedPeriod",
    "onsetDateTime",
    "onsetPeriod",
    "abatementDateTime",
    "abatementPeriod",
    "recordedDate",
    "assertedDate",
    "authoredOn",
    "authored",
    "started",
    "period",
    "servicedPeriod",
    "servicedDate",
    "billablePeriod",
    "issued",
    "created",
    "date",
    "dateTime",
    "startDate",
    "start",
];

/// A resource as a consent judges it.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    // What permits must be true of it as a whole.
    narrow: Data,
    // What forbids need only touch it.
    wide: Data,
    // Whether it says what it is of in words alone.
    uncoded: bool,
    // The first and last day of which it speaks.
    days: Option<(Date, Date)>,
    // What it leans on.
    supporting: BTreeSet<String>,
}

impl Facts {
    /// Reads a resource. `today` is the day of a Patient, which speaks of who somebody is and not of
    /// what happened; `unlabelled` is how the custodian wants a resource without labels to be read.
    pub(super) fn of(
        kind: &str,
        resource: &Map<String, Value>,
        today: Date,
        unlabelled: Option<&Coding>,
    ) -> Self {
        let mut seen = Seen::default();
        resource.values().for_each(|value| seen.walk(value));
        let mut labels = labels(resource);
        let contained = resource.get("contained").and_then(Value::as_array);
        let below: Vec<Coding> = contained
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .flat_map(self::labels)
            .collect();
        if labels.is_empty() && below.is_empty() {
            labels.extend(unlabelled.cloned());
        }
        let authors: BTreeSet<String> = references_of(resource, &AUTHORS);
        let authors = (!authors.is_empty()).then_some(authors);
        let own = resource.get("id").and_then(Value::as_str).map(|id| format!("{kind}/{id}"));
        let classes: Vec<Coding> =
            TYPE_SYSTEMS.iter().map(|system| Coding::new(system, kind)).collect();
        let days = if kind == "Patient" { Some((today, today)) } else { days(resource) };
        let mut codes = Seen::default();
        let of = CODES.iter().filter_map(|name| resource.get(*name));
        let of: Vec<&Value> = of.filter(|value| value.is_object() || value.is_array()).collect();
        for value in &of {
            codes.walk(value);
        }
        let uncoded = !of.is_empty() && codes.codings.is_empty();
        if kind == "Patient" {
            // Who somebody is has no code, and it is known that it has none.
            let own = Coding::new("http://hl7.org/fhir/resource-types", kind);
            seen.codings.push(own);
        }
        let narrow = Data {
            classes,
            codes: codes.codings,
            day: None,
            reference: own,
            related: Some(seen.references.clone()),
            authors: authors.clone(),
            labels: highest(&labels),
        };
        let wide = Data {
            codes: seen.codings,
            authors: authors.map(|own| own.into_iter().chain(seen.references.clone()).collect()),
            labels: labels.into_iter().chain(below).collect(),
            ..narrow.clone()
        };
        let supporting = seen.references.into_iter().filter(|own| is_supporting(own)).collect();
        Self { narrow, wide, uncoded, days, supporting }
    }

    /// Returns it as a rule that permits sees it: once for each day on which all must hold.
    pub(super) fn narrow(&self) -> Vec<Data> {
        let on = |day| Data { day, ..self.narrow.clone() };
        match self.days {
            None => vec![on(None)],
            Some((first, last)) if first == last => vec![on(Some(first))],
            Some((first, last)) => vec![on(Some(first)), on(Some(last))],
        }
    }

    /// Returns it as a rule that forbids sees it: once for each day on which one suffices; `within`
    /// are days of the rule that may lie inside of the resource's own.
    pub(super) fn wide(&self, within: impl IntoIterator<Item = Date>) -> Vec<Data> {
        let on = |day| Data { day, ..self.wide.clone() };
        let Some((first, last)) = self.days else { return vec![on(None)] };
        let mut days = BTreeSet::from([first, last]);
        days.extend(within.into_iter().filter(|day| (first..=last).contains(day)));
        days.into_iter().map(|day| on(Some(day))).collect()
    }

    /// Says whether it says what it is of in words alone, so that no rule on codes can be sure.
    pub(super) fn is_uncoded(&self) -> bool {
        self.uncoded
    }

    /// Returns the references to what it leans on: organisations, practitioners, places.
    pub(super) fn supporting(&self) -> &BTreeSet<String> {
        &self.supporting
    }
}

/// All codings and references below a value.
#[derive(Default)]
struct Seen {
    codings: Vec<Coding>,
    references: BTreeSet<String>,
}

impl Seen {
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(code) = members.get("code").and_then(Value::as_str) {
                    let system = members.get("system").and_then(Value::as_str).unwrap_or_default();
                    self.codings.push(Coding::new(system, code));
                }
                if let Some(reference) = members.get("reference").and_then(Value::as_str) {
                    let bare = reference.split("/_history/").next().unwrap_or(reference);
                    self.references.insert(bare.to_owned());
                }
                members.values().for_each(|value| self.walk(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn references_of(resource: &Map<String, Value>, names: &[&str]) -> BTreeSet<String> {
    let mut seen = Seen::default();
    names.iter().filter_map(|name| resource.get(*name)).for_each(|value| seen.walk(value));
    seen.references
}

fn labels(resource: &Map<String, Value>) -> Vec<Coding> {
    let labels = resource.get("meta").and_then(|meta| meta.get("security"));
    let mut seen = Seen::default();
    if let Some(labels) = labels {
        seen.walk(labels);
    }
    seen.codings
}

/// Labels as a rule that permits reads them: of several grades of confidentiality the highest.
fn highest(labels: &[Coding]) -> Vec<Coding> {
    let grade = |label: &Coding| {
        let at = GRADES.iter().position(|grade| *grade == label.code);
        at.filter(|_| label.system == CONFIDENTIALITY)
    };
    let most = labels.iter().filter_map(grade).max();
    labels
        .iter()
        .filter(|label| grade(label).is_none_or(|own| Some(own) == most))
        .cloned()
        .collect()
}

/// The first and last day that stand at the top of a resource. A moment counts for its day where it
/// was written down and for its day in UTC.
fn days(resource: &Map<String, Value>) -> Option<(Date, Date)> {
    let mut days = BTreeSet::new();
    for value in DAYS.iter().filter_map(|name| resource.get(*name)) {
        match value {
            Value::String(text) => days.extend(span(text)?),
            Value::Object(period) => {
                let bounds = ["start", "end"].map(|name| period.get(name).and_then(Value::as_str));
                for bound in bounds.into_iter().flatten() {
                    days.extend(span(bound)?);
                }
                // A period without an end goes on.
                if bounds == [None, None] || (bounds[1].is_none() && bounds[0].is_some()) {
                    days.insert(Date::MAX);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
        }
    }
    Some((*days.first()?, *days.last()?))
}

/// The days that a FHIR date, dateTime or instant may mean; `None` where it is none of them.
fn span(text: &str) -> Option<Vec<Date>> {
    let day = |text: &str| Date::parse_from_str(text, "%Y-%m-%d").ok();
    match text.len() {
        4 => Some(vec![day(&format!("{text}-01-01"))?, day(&format!("{text}-12-31"))?]),
        7 => {
            let first = day(&format!("{text}-01"))?;
            let after = first.checked_add_months(chrono::Months::new(1))?;
            Some(vec![first, after.pred_opt()?])
        }
        10 => Some(vec![day(text)?]),
        _ => Some(vec![day(text.get(..10)?)?, Instant::parse(text).ok()?.date()]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(resource: &Value) -> Facts {
        let today = "2026-11-26".parse().unwrap();
        let kind = resource["resourceType"].as_str().unwrap();
        Facts::of(kind, resource.as_object().unwrap(), today, None)
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_resource_speaks_of_all_its_days_and_an_open_period_of_those_to_come() {
        let stay = facts(&json!({"resourceType": "Encounter",
            "period": {"start": "2012-12-31T23:30:00-05:00", "end": "2013-02"}}));
        assert_eq!(stay.days, Some((day("2012-12-31"), day("2013-02-28"))));
        let open = facts(&json!({"resourceType": "CarePlan", "period": {"start": "2012"}}));
        assert_eq!(open.days, Some((day("2012-01-01"), Date::MAX)), "it has not ended");
        let odd = facts(&json!({"resourceType": "Observation", "effectiveDateTime": "soon",
            "issued": "2020-01-01"}));
        assert_eq!(odd.days, None, "a day that cannot be read would be passed over");
        let who = facts(&json!({"resourceType": "Patient", "birthDate": "1956-08-03"}));
        assert_eq!(who.days, Some((day("2026-11-26"), day("2026-11-26"))));
        let around = stay.wide([day("2013-01-15"), day("2020-01-01")]);
        assert_eq!(around.len(), 3, "a rule within a stay would not touch it");
    }

    #[test]
    fn what_forbids_sees_every_code_and_label_and_what_permits_only_the_resources_own() {
        let found = facts(&json!({"resourceType": "Observation", "id": "1",
            "meta": {"security": [
                {"system": CONFIDENTIALITY, "code": "N"}, {"system": CONFIDENTIALITY, "code": "R"}]},
            "contained": [{"meta": {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "1-1"}]},
            "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "2"}]}]}));
        let [narrow] = found.narrow().try_into().unwrap();
        let [wide] = found.wide([]).try_into().unwrap();
        assert_eq!(narrow.codes, [Coding::new("http://loinc.org", "1-1")]);
        assert!(wide.codes.contains(&Coding::new("http://snomed.info/sct", "2")));
        let codes = |data: &Data| data.labels.iter().map(|l| l.code.clone()).collect::<Vec<_>>();
        assert_eq!(codes(&narrow), ["R"], "a permit of N would let R through");
        assert_eq!(codes(&wide), ["N", "R", "V"], "a label further in would not be seen");
        assert_eq!(narrow.reference.as_deref(), Some("Observation/1"));
    }
}
