//! One dataset, for everyone: what it holds, what for, how it was made safe. Small groups hidden.

use maud::{Markup, html};
use serde::Serialize;

use super::{
    number::PublicCount,
    page::{Checkpoint, Page, Reader, book, figures, hash, instant, table, text},
    run::ColumnLine,
    words,
};
use crate::{instant::Instant, purpose::Purpose};

/// One version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetPage {
    /// The dataset.
    pub dataset: String,
    /// The version shown.
    pub version: u64,
    /// When it was made.
    pub time: Instant,
    /// What every person in it consented to.
    pub purposes: Vec<Purpose>,
    /// The pool that pays for its use.
    pub pool: Option<String>,
    /// The declared k.
    pub k: u64,
    /// People in it.
    pub people: PublicCount,
    /// Institutions that contributed.
    pub institutions: u64,
    /// Its tables.
    pub tables: Vec<DatasetTable>,
    /// All its versions, the oldest first.
    pub versions: Vec<DatasetVersion>,
    /// The pipeline's name.
    pub pipeline: String,
    /// The digest of the pipeline.
    pub pipeline_digest: String,
    /// The root of the record tree.
    pub record_root: String,
    /// Its entry in the public book.
    pub entry: Option<String>,
    /// The signed state that holds the entry.
    pub checkpoint: Option<Checkpoint>,
}

/// One table of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetTable {
    /// Its name.
    pub table: String,
    /// What it holds.
    pub description: Option<String>,
    /// Its rows.
    pub rows: PublicCount,
    /// Its columns as they were released.
    pub columns: Vec<ColumnLine>,
}

/// One version of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetVersion {
    /// The version.
    pub version: u64,
    /// When.
    pub time: Instant,
    /// People in it.
    pub people: PublicCount,
    /// Rows in it.
    pub rows: PublicCount,
}

/// Writes a dataset's page as HTML, to stand beside `STEM.json`.
pub fn dataset_page(page: &DatasetPage, stem: &str) -> String {
    let facts = format!("{stem}.json");
    let body = html! {
        div .hero {
            span .figure { (page.people) " people" }
            p { "each of whom permits " (words::purposes(&page.purposes)) "." }
        }
        (figures(&[
            ("Version", page.version.to_string()),
            ("Institutions", page.institutions.to_string()),
            ("Smallest class", format!("k = {}", page.k)),
            ("Paid by pool", page.pool.clone().unwrap_or_else(|| "none".to_owned())),
        ]))
        p {
            "What says directly who somebody is was taken out or replaced; what was done to each \
             column stands below. Who is one of fewer than " (page.k) " people alike is left out. \
             Researchers see totals of 11 or more people, never a row."
        }
        h2 { "What it holds" }
        @for line in &page.tables { (table_section(line)) }
        h2 { "Versions" }
        (table(
            "A version never changes; a new one leaves out who withdrew",
            &["Version", "Made", "#People", "#Rows"],
            &page.versions.iter().map(|version| vec![
                text(version.version.to_string()),
                text(instant(version.time)),
                text(version.people.to_string()),
                text(version.rows.to_string()),
            ]).collect::<Vec<_>>(),
        ))
        h2 { "Check it" }
        p { "Pipeline " (page.pipeline) ": " (hash(&page.pipeline_digest)) }
        p {
            "Root of the record tree, under which each person can prove that they are, or are not, \
             in this version: " (hash(&page.record_root))
        }
        (book(page.entry.as_deref(), page.checkpoint.as_ref()))
    };
    let title = format!("Dataset {}", page.dataset);
    Page {
        title: &title,
        lead: html! { "Version " (page.version) ", made by pipeline " (page.pipeline) "." },
        reader: Reader::Public,
        time: page.time,
        beside: &[("The same for programs", &facts)],
        body,
    }
    .render()
}

fn table_section(line: &DatasetTable) -> Markup {
    html! {
        h3 { (line.table) }
        @if let Some(words) = &line.description { p { (words) "." } }
        (table(
            &format!("{} rows", line.rows),
            &["Column", "What it is", "What was done"],
            &line.columns.iter().map(|column| vec![
                html! { code { (column.name) } },
                text(words::role(column.role)),
                text(&column.done),
            ]).collect::<Vec<_>>(),
        ))
    }
}
