//! What a resource says of whose it is, where it belongs and when it was; nothing else is read.

use serde::Deserialize;

/// What of a resource says whose it is, where it belongs and when it was.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    pub(super) id: Option<String>,
    subject: Option<Reference>,
    patient: Option<Reference>,
    encounter: Option<Reference>,
    service_provider: Option<Reference>,
    #[serde(default)]
    identifier: Numbers,
    period: Option<Period>,
    performed_period: Option<Period>,
    effective_date_time: Option<String>,
    performed_date_time: Option<String>,
    occurrence_date_time: Option<String>,
    recorded_date: Option<String>,
    onset_date_time: Option<String>,
    authored_on: Option<String>,
    started: Option<String>,
    created: Option<String>,
    issued: Option<String>,
    start_date: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    reference: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Period {
    start: Option<String>,
}

/// Most types have a list of identifiers, some have one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Numbers {
    Many(Vec<Number>),
    One(Number),
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

#[derive(Debug, Deserialize)]
struct Number {
    #[serde(rename = "type")]
    kind: Option<Concept>,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Concept {
    #[serde(default)]
    coding: Vec<Coding>,
}

#[derive(Debug, Deserialize)]
struct Coding {
    code: Option<String>,
}

impl Reference {
    /// Returns the id at its end: `Patient/1`, `https://example.org/fhir/Patient/1`, `urn:uuid:1`.
    fn id(&self) -> Option<&str> {
        self.reference.as_deref()?.rsplit(['/', ':']).next()
    }
}

impl Seen {
    pub(super) fn patient(&self) -> Option<&str> {
        self.subject.as_ref().or(self.patient.as_ref()).and_then(Reference::id)
    }

    pub(super) fn encounter(&self) -> Option<&str> {
        self.encounter.as_ref().and_then(Reference::id)
    }

    pub(super) fn provider(&self) -> Option<&str> {
        self.service_provider.as_ref().and_then(Reference::id)
    }

    /// Returns the medical record numbers among the identifiers.
    pub(super) fn record_numbers(&self) -> impl Iterator<Item = &str> {
        let all = match &self.identifier {
            Numbers::Many(all) => all.as_slice(),
            Numbers::One(one) => std::slice::from_ref(one),
        };
        let is_record = |number: &&Number| {
            let codes = number.kind.iter().flat_map(|kind| &kind.coding);
            codes.filter_map(|coding| coding.code.as_deref()).any(|code| code == "MR")
        };
        all.iter().filter(is_record).filter_map(|number| number.value.as_deref())
    }

    /// Returns when it was, in seconds since 1970.
    pub(super) fn when(&self) -> Option<i64> {
        let start = |period: &'_ Option<Period>| period.as_ref()?.start.clone();
        let texts = [
            start(&self.period),
            start(&self.performed_period),
            self.effective_date_time.clone(),
            self.performed_date_time.clone(),
            self.occurrence_date_time.clone(),
            self.recorded_date.clone(),
            self.onset_date_time.clone(),
            self.authored_on.clone(),
            self.started.clone(),
            self.created.clone(),
            self.issued.clone(),
            self.start_date.clone(),
        ];
        seconds(&texts.into_iter().flatten().next()?)
    }
}

/// Reads an instant, or the first one of a day.
fn seconds(text: &str) -> Option<i64> {
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp());
    }
    let day = chrono::NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
    Some(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp())
}
