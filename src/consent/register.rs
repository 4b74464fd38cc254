//! The register: every decision ever recorded, by person, in the order they were decided.
//!
//! Comes in: the commits in the vault. Goes out: admissions, explanations, one person's events.
//! Never: an event changed or forgotten; what stood at a past instant stays what it was.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use arrow::{
    array::{
        Array, AsArray as _, Date32Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{Date32Type, Int64Type, TimestampMicrosecondType},
};
use chrono::TimeDelta;
use rayon::prelude::*;

use super::{
    Error,
    admission::{Admission, Scope},
    batch,
    event::{Action, Event, Terms},
    people::People,
    standing::{Decision, Explanation, Fit, Refusal, Use, View, deciding, judge, words},
};
use crate::{
    instant::{Date, Instant},
    party::{ContributorId, InstitutionId},
    purpose::Purpose,
    store::Store,
};

/// An event as the register holds it.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its number, from 1, in the order of recording.
    pub seq: u64,
    /// The event.
    pub event: Event,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Where it came from: the digest of a file, or `command`.
    pub source: String,
}

/// An event in the register's own form: indices, days and seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) person: u32,
    pub(super) action: Action,
    pub(super) terms: u32,
    pub(super) from: i32,
    pub(super) until: Option<i32>,
    pub(super) decided: i64,
    pub(super) recorded: i64,
    pub(super) seq: u64,
    source: u32,
}

/// Every decision recorded until some commit.
#[derive(Debug)]
pub struct Register {
    commit: u64,
    recorded_until: Option<Instant>,
    seq_max: u64,
    people: Arc<People>,
    terms: Vec<Arc<Terms>>,
    known_terms: BTreeMap<Arc<Terms>, u32>,
    sources: Vec<String>,
    rows: Vec<Row>,
    // Where each person's rows begin; one more than there are people.
    starts: Vec<usize>,
}

/// Days since 1970-01-01, as Arrow counts them. Dates beyond 32 bits of days do not exist in chrono.
pub(super) fn days(date: Date) -> i32 {
    i32::try_from((date - Date::default()).num_days()).unwrap_or(i32::MAX)
}

fn date(days: i32) -> Date {
    Date::default().checked_add_signed(TimeDelta::days(days.into())).unwrap_or(Date::MAX)
}

impl Register {
    /// Reads the whole register.
    pub fn load(vault: &Store) -> Result<Self, Error> {
        Self::load_at(vault, u64::MAX)
    }

    /// Reads the register as it was after commit `number`.
    pub fn load_at(vault: &Store, number: u64) -> Result<Self, Error> {
        let commits = batch::commits(vault, number)?;
        let (mut contributors, mut events) = (Vec::new(), Vec::new());
        for commit in &commits {
            if let Some(object) = &commit.contributors {
                contributors.extend(batch::read(vault, object)?);
            }
            events.extend(batch::read(vault, &commit.events)?);
        }
        let number = commits.last().map_or(0, |commit| commit.number);
        let mut register = Self::assemble(number, &contributors, &events)?;
        // Rows of people who were erased are not read, and their numbers are not given again.
        register.seq_max = commits.iter().map(|commit| commit.events.count).sum();
        register.recorded_until = commits.iter().map(|commit| commit.time).max();
        Ok(register)
    }

    /// Makes the register of the contents of its objects.
    pub(super) fn assemble(
        commit: u64,
        contributors: &[RecordBatch],
        events: &[RecordBatch],
    ) -> Result<Self, Error> {
        let mut people = Vec::with_capacity(contributors.iter().map(RecordBatch::num_rows).sum());
        for batch in contributors {
            let ids = strings(batch, "contributor")?;
            let keys = column(batch, "key")?.as_fixed_size_binary_opt();
            let keys = keys.ok_or_else(|| wrong("key"))?;
            for (id, key) in ids.iter().zip(keys.iter()) {
                let id = ContributorId::parse(id.unwrap_or_default());
                let key = key.and_then(|key| key.try_into().ok());
                people.push((
                    id.map_err(|_| wrong("contributor"))?,
                    key.ok_or_else(|| wrong("key"))?,
                ));
            }
        }
        let mut register = Self {
            commit,
            recorded_until: None,
            seq_max: 0,
            people: Arc::new(People::new(people)?),
            terms: Vec::new(),
            known_terms: BTreeMap::new(),
            sources: Vec::new(),
            rows: Vec::with_capacity(events.iter().map(RecordBatch::num_rows).sum()),
            starts: Vec::new(),
        };
        let mut seen = Seen::default();
        for batch in events {
            register.take(batch, &mut seen)?;
        }
        register
            .rows
            .par_sort_unstable_by_key(|row| (row.person, row.decided, row.action, row.seq));
        let mut at = 0;
        register.starts.reserve(register.people.ids().len() + 1);
        for person in 0..=register.people.ids().len() {
            let before = |row: &Row| usize::try_from(row.person).is_ok_and(|own| own < person);
            at += register.rows.iter().skip(at).take_while(|row| before(row)).count();
            register.starts.push(at);
        }
        Ok(register)
    }

    fn take(&mut self, batch: &RecordBatch, seen: &mut Seen) -> Result<(), Error> {
        let seq = column(batch, "seq")?.as_primitive_opt::<Int64Type>();
        let seq: &Int64Array = seq.ok_or_else(|| wrong("seq"))?;
        let person = strings(batch, "contributor")?;
        let action = strings(batch, "action")?;
        let purposes = strings(batch, "purposes")?;
        let institutions = strings(batch, "institutions")?;
        let categories = strings(batch, "categories")?;
        let from = dates(batch, "valid_from")?;
        let until = dates(batch, "valid_until")?;
        let decided = instants(batch, "decided_at")?;
        let recorded = instants(batch, "recorded_at")?;
        let source = strings(batch, "source")?;
        for at in 0..batch.num_rows() {
            let texts = [purposes.value(at), institutions.value(at), categories.value(at)];
            let terms = if let Some(index) = seen.terms(texts) {
                index
            } else {
                let [purposes, institutions, categories] = texts;
                let terms = Terms::parse(purposes, institutions, categories);
                let index = self.intern(terms.map_err(|e| wrong(e.column))?)?;
                seen.learn(index);
                index
            };
            let source = self.source(source.value(at), seen)?;
            self.rows.push(Row {
                person: self.people.index(person.value(at)).ok_or_else(|| wrong("contributor"))?,
                action: Action::parse(action.value(at)).ok_or_else(|| wrong("action"))?,
                terms,
                from: from.value(at),
                until: until.is_valid(at).then(|| until.value(at)),
                decided: decided.value(at).div_euclid(1_000_000),
                recorded: recorded.value(at).div_euclid(1_000_000),
                seq: u64::try_from(seq.value(at)).map_err(|_| wrong("seq"))?,
                source,
            });
        }
        Ok(())
    }

    fn intern(&mut self, terms: Terms) -> Result<u32, Error> {
        let terms = Arc::new(terms);
        if let Some(&index) = self.known_terms.get(&terms) {
            return Ok(index);
        }
        let index = u32::try_from(self.terms.len()).map_err(|_| Error::TooMany)?;
        self.known_terms.insert(Arc::clone(&terms), index);
        self.terms.push(terms);
        Ok(index)
    }

    fn source(&mut self, text: &str, seen: &mut Seen) -> Result<u32, Error> {
        // Events of one batch share their source, so the last one seen is nearly always the one.
        if self.sources.get(seen.source).is_none_or(|source| source != text) {
            let known = self.sources.iter().position(|source| source == text);
            seen.source = known.unwrap_or(self.sources.len());
            if known.is_none() {
                self.sources.push(text.to_owned());
            }
        }
        u32::try_from(seen.source).map_err(|_| Error::TooMany)
    }

    /// Returns the number of the newest commit read; 0 where there is none.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Returns when its newest commit was recorded; what comes next may not claim to be older.
    pub fn recorded_until(&self) -> Option<Instant> {
        self.recorded_until
    }

    /// Returns how many events it holds.
    pub fn event_count(&self) -> usize {
        self.rows.len()
    }

    /// Returns everyone it knows.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    /// Returns the events of one person, in the order they were decided; `None` for a stranger.
    pub fn events(&self, contributor: &ContributorId) -> Option<Vec<Held>> {
        let person = self.people.index(contributor.as_str())?;
        Some(self.rows_of(person).iter().filter_map(|row| self.held(row)).collect())
    }

    /// Returns those events that it does not hold yet, each once, in order.
    pub fn news(&self, mut events: Vec<Event>) -> Vec<Event> {
        events.par_sort_unstable();
        events.dedup();
        events.retain(|event| !self.holds(event));
        events
    }

    fn holds(&self, event: &Event) -> bool {
        let Some(person) = self.people.index(event.contributor().as_str()) else { return false };
        let Some(&terms) = self.known_terms.get(event.terms()) else { return false };
        self.rows_of(person).iter().any(|row| {
            row.action == event.action()
                && row.terms == terms
                && row.decided == event.decided_at().unix()
                && row.from == days(event.valid_from())
                && row.until == event.valid_until().map(days)
        })
    }

    /// Decides for everyone it knows, for each cell of the scope.
    pub fn admission(&self, scope: &Scope) -> Admission {
        Admission::decide(self, scope)
    }

    /// Decides whether one person's records may go on; `None` for a stranger.
    pub fn decision(
        &self,
        contributor: &ContributorId,
        purposes: &[Purpose],
        institution: &InstitutionId,
        category: &str,
        on: Date,
        known_at: Instant,
    ) -> Option<Decision> {
        let rows = self.rows_of(self.people.index(contributor.as_str())?);
        let view = View::new(on, known_at);
        let uses = uses(purposes, institution, category);
        let judged = uses.iter().map(|wanted| judge(rows, view, |terms| self.fit(terms, wanted)));
        Some(all_permit(judged))
    }

    /// Says why a person's records may or may not go on.
    pub fn explain(
        &self,
        contributor: &ContributorId,
        purposes: &[Purpose],
        institution: &InstitutionId,
        category: &str,
        on: Date,
        known_at: Instant,
    ) -> Explanation {
        let stranger = Explanation {
            decision: Decision::Refuse(Refusal::NoConsent),
            deciding: None,
            events: Vec::new(),
        };
        let Some(person) = self.people.index(contributor.as_str()) else { return stranger };
        let rows = self.rows_of(person);
        let view = View::new(on, known_at);
        let uses = uses(purposes, institution, category);
        let fit = |wanted: &Use<'_>, terms: u32| self.fit(terms, wanted);
        let judged: Vec<Decision> =
            uses.iter().map(|wanted| judge(rows, view, |terms| fit(wanted, terms))).collect();
        let decision = all_permit(judged.iter().copied());
        // The use that decided: the first refused, else the first.
        let at = judged.iter().position(|d| *d != Decision::Permit).unwrap_or(0);
        let events = rows.iter().filter_map(|row| {
            let text = match uses.get(at) {
                Some(wanted) => words(row, rows, view, |terms| fit(wanted, terms)),
                None => "the use asks for no permission that consent could give".to_owned(),
            };
            Some((self.held(row)?, text))
        });
        let deciding =
            uses.get(at).and_then(|wanted| deciding(rows, view, |terms| fit(wanted, terms)));
        Explanation { decision, deciding, events: events.collect() }
    }

    pub(super) fn terms(&self) -> &[Arc<Terms>] {
        &self.terms
    }

    pub(super) fn seq_max(&self) -> u64 {
        self.seq_max
    }

    pub(super) fn rows_of(&self, person: u32) -> &[Row] {
        self.range_of(person).and_then(|range| self.rows.get(range)).unwrap_or_default()
    }

    fn range_of(&self, person: u32) -> Option<Range<usize>> {
        let at = usize::try_from(person).ok()?;
        Some(*self.starts.get(at)?..*self.starts.get(at + 1)?)
    }

    fn fit(&self, terms: u32, wanted: &Use<'_>) -> Fit {
        let terms = usize::try_from(terms).ok().and_then(|at| self.terms.get(at));
        // INVARIANT: rows hold indices of `terms`; a lost one would permit nothing.
        terms.map_or(
            Fit { grant: Decision::Refuse(Refusal::NoConsent), withdrawal: true },
            |terms| Fit::of(terms, wanted),
        )
    }

    fn held(&self, row: &Row) -> Option<Held> {
        let contributor = self.people.ids().get(usize::try_from(row.person).ok()?)?.clone();
        let terms = Arc::clone(self.terms.get(usize::try_from(row.terms).ok()?)?);
        let decided = Instant::from_unix(row.decided).ok()?;
        let until = row.until.map(date);
        let event =
            Event::new(contributor, row.action, terms, Some(date(row.from)), until, decided)
                .ok()?;
        Some(Held {
            seq: row.seq,
            event,
            recorded_at: Instant::from_unix(row.recorded).ok()?,
            source: self.sources.get(usize::try_from(row.source).ok()?)?.clone(),
        })
    }
}

/// Splits a use into one for each permission it asks for; what is no permission asks for the
/// impossible, so it stays in and is refused.
pub(super) fn uses<'a>(
    purposes: &'a [Purpose],
    institution: &'a InstitutionId,
    category: &'a str,
) -> Vec<Use<'a>> {
    let wanted = purposes.iter().filter(|purpose| !purpose.is_modifier());
    wanted.map(|permission| Use { purposes, permission, institution, category }).collect()
}

/// Joins the decisions on each permission of a use: all must permit, and there must be one.
pub(super) fn all_permit(mut judged: impl Iterator<Item = Decision>) -> Decision {
    match judged.next() {
        None => Decision::Refuse(Refusal::PurposeNotConsented),
        Some(Decision::Permit) => {
            judged.find(|decision| *decision != Decision::Permit).unwrap_or(Decision::Permit)
        }
        Some(refused) => refused,
    }
}

/// Texts of terms, and the source, that were read before.
#[derive(Default)]
struct Seen {
    key: String,
    source: usize,
    all: BTreeMap<String, u32>,
}

impl Seen {
    fn terms(&mut self, texts: [&str; 3]) -> Option<u32> {
        self.key.clear();
        for text in texts {
            self.key.push_str(text);
            self.key.push('\u{1f}');
        }
        self.all.get(&self.key).copied()
    }

    /// Keeps the index of the texts that [`Seen::terms`] was last asked for.
    fn learn(&mut self, index: u32) {
        self.all.insert(self.key.clone(), index);
    }
}

fn wrong(name: &str) -> Error {
    Error::format("consent", format!("column `{name}` holds what no register holds"))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, Error> {
    batch.column_by_name(name).map(AsRef::as_ref).ok_or_else(|| wrong(name))
}

fn strings<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, Error> {
    column(batch, name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name))
}

fn dates<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Date32Array, Error> {
    column(batch, name)?.as_primitive_opt::<Date32Type>().ok_or_else(|| wrong(name))
}

fn instants<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a TimestampMicrosecondArray, Error> {
    let column = column(batch, name)?.as_primitive_opt::<TimestampMicrosecondType>();
    column.ok_or_else(|| wrong(name))
}
