//! A page as its parts: headings, paragraphs, tables, pictures. HTML and PDF are made of the same parts.
//!
//! Comes in: texts in one language. Goes out: HTML, or PDF/UA-1. Never: a figure on one that the other
//! lacks, or a text read as markup.

use maud::{Markup, html};
use serde::{Serialize, Serializer};

use super::{
    check::Check,
    messages::{Lang, Messages},
    page::{Page, Reader, commands, hash},
    pdf::{Error, Template, pdf},
};
use crate::instant::Instant;

/// A page as its parts.
#[derive(Clone, Serialize)]
pub struct Document {
    /// The language of all its texts.
    pub lang: Lang,
    /// What it is called.
    pub title: String,
    /// What stands under the title.
    pub lead: String,
    /// What stands at the foot of each printed page.
    pub foot: String,
    /// Its parts, from the top.
    pub blocks: Vec<Block>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A statement's texts are a person's.
        f.debug_struct("Document").field("lang", &self.lang).finish_non_exhaustive()
    }
}

/// A part of a page.
#[derive(Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(missing_debug_implementations, reason = "its texts are a person's")]
pub enum Block {
    /// A heading.
    Heading {
        /// 1 for a section, 2 below it.
        level: u8,
        /// Its words.
        text: String,
    },
    /// The one figure that matters most, and what it is.
    Hero {
        /// The figure.
        figure: String,
        /// What it is.
        text: String,
    },
    /// A paragraph.
    Text {
        /// Its words.
        text: String,
    },
    /// A table; the first cell of each row is its head.
    Table {
        /// What it shows.
        caption: String,
        /// The heads of its columns.
        heads: Vec<Head>,
        /// Its rows, each as long as the heads.
        rows: Vec<Row>,
    },
    /// Commands.
    Code {
        /// One a line.
        lines: Vec<String>,
    },
    /// Names and what they stand for, such as inputs and their digests.
    Pairs {
        /// What they are; folded away on a screen if it is given.
        title: Option<String>,
        /// The names and their values.
        pairs: Vec<Pair>,
    },
    /// A picture.
    Picture {
        /// The picture; its texts were escaped when it was drawn.
        #[serde(serialize_with = "drawn")]
        svg: Markup,
        /// What it shows, for who does not see it.
        alt: String,
    },
}

/// The head of a column.
#[derive(Debug, Clone, Serialize)]
pub struct Head {
    /// Its words.
    pub text: String,
    /// Whether the column holds numbers.
    pub number: bool,
}

/// A row of a table.
#[derive(Clone, Serialize)]
#[expect(missing_debug_implementations, reason = "its texts are a person's")]
pub struct Row {
    /// Its cells.
    pub cells: Vec<String>,
    /// Whether it sums up the rows before it.
    pub sum: bool,
}

/// A name and what it stands for.
#[derive(Clone, Serialize)]
#[expect(missing_debug_implementations, reason = "its texts are a person's")]
pub struct Pair {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub value: String,
}

fn drawn<S: Serializer>(svg: &Markup, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&svg.0)
}

impl Row {
    /// Makes a row.
    pub fn of<C: Into<String>>(cells: impl IntoIterator<Item = C>) -> Self {
        Self { cells: cells.into_iter().map(Into::into).collect(), sum: false }
    }

    /// Makes a row that sums up the ones before it.
    pub fn sum<C: Into<String>>(cells: impl IntoIterator<Item = C>) -> Self {
        Self { sum: true, ..Self::of(cells) }
    }
}

impl Document {
    /// Adds a section's heading.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading { level: 1, text: text.into() });
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text { text: text.into() });
    }

    /// Adds a table; heads that begin with `#` stand over numbers.
    pub fn table<H: AsRef<str>>(
        &mut self,
        caption: impl Into<String>,
        heads: impl IntoIterator<Item = H>,
        rows: Vec<Row>,
    ) {
        let head = |text: H| {
            let text = text.as_ref();
            Head { number: text.starts_with('#'), text: text.trim_start_matches('#').to_owned() }
        };
        let heads = heads.into_iter().map(head).collect();
        self.blocks.push(Block::Table { caption: caption.into(), heads, rows });
    }

    /// Writes the document as PDF/UA-1, made at `at`.
    pub fn pdf(&self, at: Instant) -> Result<Vec<u8>, Error> {
        pdf(Template::Document, &serde_json::to_value(self)?, at)
    }

    /// Writes the document as HTML, made at `time`; `beside` names the same facts in other forms: words
    /// and file name.
    pub(super) fn html(
        &self,
        reader: Reader,
        time: Instant,
        beside: &[(&str, &str)],
        check: Option<Check<'_>>,
    ) -> String {
        let body = html! { @for block in &self.blocks { (block.html()) } };
        let lead = html! { (self.lead) };
        Page { title: &self.title, lead, reader, time, beside, body }
            .render_with(Messages::of(self.lang), check)
    }
}

impl Block {
    fn html(&self) -> Markup {
        match self {
            Self::Heading { level: 1, text } => html! { h2 { (text) } },
            Self::Heading { text, .. } => html! { h3 { (text) } },
            Self::Hero { figure, text } => html! {
                div .hero { span .figure { (figure) } p { (text) } }
            },
            Self::Text { text } => html! { p { (text) } },
            Self::Table { caption, heads, rows } => sheet(caption, heads, rows),
            Self::Code { lines } => commands(lines),
            Self::Pairs { title: Some(title), pairs } => html! {
                details { summary { (title) } (definitions(pairs)) }
            },
            Self::Pairs { title: None, pairs } => definitions(pairs),
            Self::Picture { svg, alt } => html! { div role="img" aria-label=(alt) { (svg) } },
        }
    }
}

fn definitions(pairs: &[Pair]) -> Markup {
    html! { dl { @for pair in pairs { dt { (pair.name) } dd { (hash(&pair.value)) } } } }
}

fn sheet(caption: &str, heads: &[Head], rows: &[Row]) -> Markup {
    html! {
        div .scroll { table {
            caption { (caption) }
            thead { tr {
                @for head in heads { th scope="col" .n[head.number] { (head.text) } }
            } }
            tbody {
                @for row in rows { tr .sum[row.sum] {
                    @for (at, (head, cell)) in heads.iter().zip(&row.cells).enumerate() {
                        @if at == 0 { th scope="row" .n[head.number] { (cell) } }
                        @else { td .n[head.number] { (cell) } }
                    }
                } }
            }
        } }
    }
}
