//! The commons at a glance, for everyone: datasets, money, the book, the last audit. Small groups
//! hidden.

use maud::html;
use serde::Serialize;

use super::{
    number::{PublicCount, decimal, thousands},
    page::{Checkpoint, Page, Reader, book, figures, link, table, text},
    words,
};
use crate::{instant::Instant, purpose::Purpose};

/// The front page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexPage {
    /// The site's name.
    pub name: String,
    /// When.
    pub time: Instant,
    /// People with a standing consent.
    pub people: PublicCount,
    /// Institutions that contribute.
    pub institutions: u64,
    /// Answers given to researchers.
    pub answers: u64,
    /// People who withdrew.
    pub withdrawn: PublicCount,
    /// The datasets' newest versions.
    pub datasets: Vec<IndexDataset>,
    /// The pools.
    pub pools: Vec<IndexPool>,
    /// The signed state of the book.
    pub checkpoint: Option<Checkpoint>,
    /// The last audit.
    pub audit: Option<IndexAudit>,
    /// Where to go on.
    pub links: Vec<Link>,
}

/// A dataset on the front page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexDataset {
    /// The dataset.
    pub dataset: String,
    /// Its newest version.
    pub version: u64,
    /// What for.
    pub purposes: Vec<Purpose>,
    /// People in it.
    pub people: PublicCount,
    /// Rows in it.
    pub rows: PublicCount,
    /// Its page, beside this one.
    pub href: Option<String>,
}

/// A pool on the front page. Amounts are decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexPool {
    /// The pool.
    pub pool: String,
    /// Its currency.
    pub currency: String,
    /// Received so far.
    pub received: String,
    /// Paid to contributors so far.
    pub paid: String,
    /// Contributors paid.
    pub contributors: PublicCount,
    /// Its newest settlement's page, beside this one.
    pub href: Option<String>,
}

/// The last audit on the front page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexAudit {
    /// Checks.
    pub checks: u64,
    /// Findings.
    pub findings: u64,
    /// Its page, beside this one.
    pub href: Option<String>,
}

/// Another page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its file, beside or below this page.
    pub href: String,
    /// Its title.
    pub title: String,
    /// What is there.
    pub what: String,
}

/// Writes the front page as HTML.
pub fn index_page(page: &IndexPage) -> String {
    let titled = |href: Option<&String>, words: &str| match href {
        Some(href) => link(href, words),
        None => text(words),
    };
    let body = html! {
        div .hero {
            span .figure { (page.people) " people" }
            p {
                "let their health records help research, say what for, and are paid when they are \
                 used."
            }
        }
        (figures(&[
            ("Institutions", thousands(page.institutions)),
            ("Answers to researchers", thousands(page.answers)),
            ("People who withdrew", page.withdrawn.to_string()),
            (
                "Entries in the public book",
                page.checkpoint.as_ref().map_or_else(|| "none".to_owned(), |c| thousands(c.size)),
            ),
        ]))
        @if let Some(audit) = &page.audit {
            p {
                strong { @if audit.findings == 0 { "The last audit found nothing wrong: " }
                    @else { "The last audit found something wrong: " } }
                (thousands(audit.checks)) " checks, "
                (titled(audit.href.as_ref(), &format!("{} findings", thousands(audit.findings)))) "."
            }
        }
        h2 { "Datasets" }
        @if page.datasets.is_empty() { p { "None yet." } } @else {
            (table(
                "Newest versions",
                &["Dataset", "What for", "#Version", "#People", "#Rows"],
                &page.datasets.iter().map(|line| vec![
                    titled(line.href.as_ref(), &line.dataset),
                    text(words::purposes(&line.purposes)),
                    text(line.version.to_string()),
                    text(line.people.to_string()),
                    text(line.rows.to_string()),
                ]).collect::<Vec<_>>(),
            ))
        }
        h2 { "Money" }
        @if page.pools.is_empty() { p { "No pool yet." } } @else {
            (table(
                "What sponsors gave and what reached people",
                &["Pool", "Currency", "#Received", "#Paid", "#People paid"],
                &page.pools.iter().map(|line| vec![
                    titled(line.href.as_ref(), &line.pool),
                    text(&line.currency),
                    text(decimal(&line.received)),
                    text(decimal(&line.paid)),
                    text(line.contributors.to_string()),
                ]).collect::<Vec<_>>(),
            ))
        }
        @if !page.links.is_empty() {
            h2 { "More" }
            ul .links {
                @for line in &page.links {
                    li { strong { (link(&line.href, &line.title)) } span { (line.what) } }
                }
            }
        }
        h2 { "The public book" }
        p {
            "Every consent, version, answer, payment and withdrawal leaves an entry here that \
             names nobody and cannot be changed unseen. Numbers of people from 1 to 10 are shown \
             as <11."
        }
        (book(None, page.checkpoint.as_ref()))
    };
    Page {
        title: &page.name,
        lead: html! { "A health-data commons, at a glance." },
        reader: Reader::Public,
        time: page.time,
        beside: &[("The same for programs", "index.json")],
        body,
    }
    .render()
}
