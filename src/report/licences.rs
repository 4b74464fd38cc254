//! Licences for everyone: which institution's stand, what became of them, and who says so. Practitioners
//! are counted, never named.

use maud::{Markup, html};
use serde::Serialize;

use super::{
    number::{PublicCount, thousands},
    page::{Checkpoint, Page, Reader, book, figures, hash, table, text, whole},
};
use crate::{
    credential::{LicenceEvent, Standing},
    digest::Sha256,
    instant::Instant,
};

/// The page of licences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LicencesPage {
    /// When.
    pub time: Instant,
    /// Whose decisions count.
    pub issuers: Vec<IssuerLine>,
    /// Institutions that hold or held a licence, sorted.
    pub institutions: Vec<LicensedInstitution>,
    /// Practitioners by class and state, sorted.
    pub practitioners: Vec<PractitionersLine>,
    /// What the book holds of it, in order: who hashes the canonical bytes of an entry's decisions as
    /// leaves of a tree (RFC 6962) gets its root.
    pub records: Vec<LicenceRecord>,
    /// The signed state of the book.
    pub checkpoint: Option<Checkpoint>,
}

/// A key that the site trusts or trusted to issue licences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssuerLine {
    /// The issuer.
    pub issuer: String,
    /// The key.
    pub vkey: String,
    /// From when on its decisions count; none for all of them.
    pub from: Option<Instant>,
    /// Since when they count no more.
    pub until: Option<Instant>,
}

/// An institution and its licences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LicensedInstitution {
    /// The institution.
    pub institution: String,
    /// What its licences are worth.
    pub standing: Standing,
    /// What was decided, in the order in which it has effect.
    pub history: Vec<HistoryLine>,
}

/// One decision on an institution's licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryLine {
    /// The decision.
    pub event: LicenceEvent,
    /// From when on it has effect.
    pub effective: Instant,
    /// When the site learnt it.
    pub recorded_at: Instant,
    /// Why it changes nothing, if it does not.
    pub refused: Option<String>,
}

/// Practitioners of one class in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PractitionersLine {
    /// The class.
    pub class: String,
    /// The state.
    pub state: &'static str,
    /// How many.
    pub count: PublicCount,
}

/// An entry of the book and the decisions on institutions' licences under its root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LicenceRecord {
    /// The entry.
    pub entry: String,
    /// The root that stands in it.
    pub root: Sha256,
    /// The decisions, in the order of the leaves.
    pub decisions: Vec<LicenceEvent>,
}

/// Writes the page of licences as HTML.
pub fn licences_page(page: &LicencesPage) -> String {
    let stand = page.institutions.iter().filter(|one| one.standing.stands()).count() as u64;
    let body = html! {
        (figures(&[
            ("Institutions whose licence stands", thousands(stand)),
            ("Institutions that hold or held one", thousands(page.institutions.len() as u64)),
            ("Issuers", thousands(page.issuers.len() as u64)),
        ]))
        p {
            "An institution's records are taken, and parcels go to it and come from it, only while its "
            "licence stands on the day. A suspension today does not undo yesterday."
        }
        h2 { "Institutions" }
        @if page.institutions.is_empty() { p { "None yet." } } @else {
            (table(
                "What their licences are worth now",
                &["Institution", "State", "Conditions"],
                &page.institutions.iter().map(|one| vec![
                    whole(&one.institution),
                    text(one.standing.to_string()),
                    text(conditions(&one.standing)),
                ]).collect::<Vec<_>>(),
            ))
            @for one in &page.institutions { (history(one)) }
        }
        h2 { "Practitioners" }
        @if page.practitioners.is_empty() { p { "None." } } @else {
            (table(
                "How many, by class and state",
                &["Class", "State", "#Practitioners"],
                &page.practitioners.iter().map(|line| vec![
                    text(&line.class),
                    text(line.state),
                    text(line.count.to_string()),
                ]).collect::<Vec<_>>(),
            ))
        }
        h2 { "Who says so" }
        (table(
            "Issuers whom this site trusts or trusted",
            &["Issuer", "Key", "From", "Until"],
            &page.issuers.iter().map(|line| vec![
                text(&line.issuer),
                hash(&line.vkey),
                text(line.from.map_or_else(|| "always".to_owned(), |from| from.to_string())),
                text(line.until.map_or_else(String::new, |until| until.to_string())),
            ]).collect::<Vec<_>>(),
        ))
        @if !page.records.is_empty() {
            h2 { "In the public book" }
            (table(
                "Entries that hold decisions on institutions' licences",
                &["Entry", "#Decisions", "Root"],
                &page.records.iter().map(|line| vec![
                    hash(&line.entry),
                    text(thousands(line.decisions.len() as u64)),
                    hash(&line.root.to_string()),
                ]).collect::<Vec<_>>(),
            ))
        }
        (book(None, page.checkpoint.as_ref()))
    };
    Page {
        title: "Licences",
        lead: html! { "Which institutions may take part, since when, and who decided it." },
        reader: Reader::Public,
        time: page.time,
        beside: &[("The same for programs", "licences.json")],
        body,
    }
    .render()
}

fn conditions(standing: &Standing) -> String {
    match standing {
        Standing::Stands { restrictions, .. } => restrictions.join("; "),
        Standing::NotYet
        | Standing::Expired { .. }
        | Standing::Suspended { .. }
        | Standing::Revoked { .. }
        | Standing::Unknown => String::new(),
    }
}

fn history(one: &LicensedInstitution) -> Markup {
    html! {
        details {
            summary { "The history of " (one.institution) }
            (table(
                "What was decided, in the order in which it has effect",
                &["From", "Decision", "Licence", "Class", "Until", "Condition", "Issuer", "Learnt", "Remark"],
                &one.history.iter().map(|line| vec![
                    whole(line.effective.to_string()),
                    text(line.event.action.as_str()),
                    text(&line.event.licence),
                    text(&line.event.class),
                    text(line.event.until.map(|until| until.to_string()).unwrap_or_default()),
                    text(line.event.restriction.as_deref().unwrap_or_default()),
                    text(&line.event.issuer),
                    whole(line.recorded_at.to_string()),
                    text(line.refused.as_deref().map(|why| format!("changes nothing: {why}")).unwrap_or_default()),
                ]).collect::<Vec<_>>(),
            ))
        }
    }
}
