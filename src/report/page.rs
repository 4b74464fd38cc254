//! What every page has: head, stylesheet, header, footer, and the pieces that pages share.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::{Deserialize, Serialize};

use super::{
    check::{Check, SCRIPT},
    messages::{Lang, Messages, Say},
    number::thousands,
};
use crate::{digest::Sha256, instant::Instant};

/// A signed state of the public book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its number of entries.
    pub size: u64,
    /// Its root hash.
    pub root: String,
}

/// A name and what it stands for, such as an input and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub value: String,
}

/// Writes a page's facts as JSON for programs; the same facts, the same bytes.
pub fn json<T: Serialize>(page: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(page)?;
    text.push('\n');
    Ok(text)
}

/// Who a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Everyone.
    Public,
    /// The steward.
    Steward,
    /// One contributor.
    Contributor,
    /// A sponsor and their auditor.
    Sponsor,
}

/// One page.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) lead: Markup,
    pub(super) reader: Reader,
    pub(super) time: Instant,
    /// The same facts for programs, as file names beside this page: words and name.
    pub(super) beside: &'a [(&'a str, &'a str)],
    pub(super) body: Markup,
}

impl Page<'_> {
    /// Writes the page as HTML, in English.
    pub(super) fn render(self) -> String {
        self.render_in(Messages::of(Lang::En))
    }

    /// Writes the page as HTML; title, lead and body are in the language of the messages.
    pub(super) fn render_in(self, messages: &Messages) -> String {
        self.render_with(messages, None)
    }

    /// Writes the page as HTML with the part that checks it, where there is one.
    pub(super) fn render_with(self, messages: &Messages, check: Option<Check<'_>>) -> String {
        let Self { title, lead, reader, time, beside, body } = self;
        let page = html! {
            (DOCTYPE)
            html lang=(messages.lang()) {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy(check.is_some()));
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    @if reader != Reader::Public { meta name="robots" content="noindex, noarchive"; }
                    title { (title) " · Almoner" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header .top { div .wrap {
                        b { "Almoner" }
                        span { (messages.say(match reader {
                            Reader::Public => "reader-public",
                            Reader::Steward => "reader-steward",
                            Reader::Contributor => "reader-contributor",
                            Reader::Sponsor => "reader-sponsor",
                        })) }
                    } }
                    main .wrap {
                        h1 { (title) }
                        p .lead { (lead) }
                        (body)
                        @if let Some(check) = check { (check.draw(messages)) }
                    }
                    footer { div .wrap {
                        time datetime=(time) {
                            (messages.tell("as-of", &[("time", Say::Text(&messages.instant(time)))]))
                        }
                        @for (words, name) in beside { " " (words) ": " (link(name, name)) "." }
                    } }
                }
            }
        };
        page.into_string()
    }
}

/// Draws a link when it leads to a page of the same folder or below; else just its words.
pub(super) fn link(href: &str, words: &str) -> Markup {
    let elsewhere = href.contains(':') || href.starts_with('/') || href.starts_with('\\');
    html! { @if elsewhere { (words) } @else { a href=(href) { (words) } } }
}

/// Writes an instant for people: `22 November 2026, 09:30 UTC`.
pub(super) fn instant(time: Instant) -> String {
    Messages::of(Lang::En).instant(time)
}

/// One figure with its words.
pub(super) fn figures(figures: &[(&str, String)]) -> Markup {
    html! {
        dl .figures {
            @for (words, figure) in figures { div { dt { (words) } dd { (figure) } } }
        }
    }
}

/// A table with its caption; columns whose heads begin with `#` hold numbers.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    let number = |at: usize| heads.get(at).is_some_and(|head| head.starts_with('#'));
    html! {
        div .scroll { table {
            caption { (caption) }
            thead { tr {
                @for head in heads {
                    th scope="col" .n[head.starts_with('#')] { (head.trim_start_matches('#')) }
                }
            } }
            tbody {
                @for row in rows { tr {
                    @for (at, cell) in row.iter().enumerate() {
                        @if at == 0 { th scope="row" { (cell) } }
                        @else { td .n[number(at)] { (cell) } }
                    }
                } }
            }
        } }
    }
}

/// A text as a cell.
pub(super) fn text(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}

/// A short text that is never broken, such as a date or an institution's name.
pub(super) fn whole(text: impl AsRef<str>) -> Markup {
    html! { span .nb { (text.as_ref()) } }
}

/// A number as a cell.
pub(super) fn count(count: u64) -> Markup {
    html! { (thousands(count)) }
}

/// A digest or another long name.
pub(super) fn hash(text: &str) -> Markup {
    html! { span .hash { (text) } }
}

/// The entry in the public book, and the signed state that holds it.
pub(super) fn book(entry: Option<&str>, checkpoint: Option<&Checkpoint>) -> Markup {
    html! {
        @if let Some(entry) = entry {
            p { "Entry in the public book: " (hash(entry)) }
        }
        @if let Some(checkpoint) = checkpoint {
            p {
                "Signed state of the book: " (thousands(checkpoint.size)) " entries, root "
                (hash(&checkpoint.root))
            }
        }
    }
}

/// Names and values, such as inputs and their digests, folded away.
pub(super) fn named(summary: &str, lines: &[Named]) -> Markup {
    html! {
        @if !lines.is_empty() {
            details {
                summary { (summary) }
                dl { @for line in lines { dt { (line.name) } dd { (hash(&line.value)) } } }
            }
        }
    }
}

/// Commands that a reader may run to check for themselves.
pub(super) fn commands(lines: &[String]) -> Markup {
    html! { @if !lines.is_empty() { pre { code { (lines.join("\n")) } } } }
}

const STYLE: &str = include_str!("style.css");

/// Nothing may be loaded. The one stylesheet, and on a page that checks itself the one script, are
/// known by their hashes; nothing else may run.
fn policy(checked: bool) -> String {
    use base64::Engine as _;
    let hash = |text: &str| {
        base64::engine::general_purpose::STANDARD.encode(Sha256::of(text.as_bytes()).0)
    };
    let script =
        if checked { format!("script-src 'sha256-{}'; ", hash(SCRIPT)) } else { String::new() };
    let style = hash(STYLE);
    format!(
        "default-src 'none'; {script}style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_elsewhere_is_words_alone() {
        for href in ["https://example.org", "//example.org", "javascript:alert(1)", "\\\\x\\y"] {
            assert_eq!(link(href, "x").into_string(), "x", "a page would call out");
        }
        assert_eq!(link("a.html", "x").into_string(), "<a href=\"a.html\">x</a>");
    }

    #[test]
    fn the_stylesheet_can_end_neither_itself_nor_load_anything() {
        for banned in ["</", "url(", "@import", "http"] {
            assert!(!STYLE.contains(banned), "{banned}");
        }
    }
}
