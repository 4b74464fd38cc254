//! The audit: what was recomputed, and what did not come out as it was recorded. Public.

use maud::html;
use serde::Serialize;

use super::{
    number::thousands,
    page::{Checkpoint, Page, Reader, book, commands, count, hash, table, text},
};
use crate::instant::Instant;

/// One audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditPage {
    /// When.
    pub time: Instant,
    /// What was audited, such as a site's or a pool's name.
    pub scope: String,
    /// What was recomputed.
    pub checks: Vec<AuditCheck>,
    /// What did not come out.
    pub findings: Vec<AuditFinding>,
    /// How many objects nobody can read any more, because their keys were destroyed.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// The signed state that was audited.
    pub checkpoint: Option<Checkpoint>,
    /// Commands that repeat it.
    pub commands: Vec<String>,
}

/// One kind of check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditCheck {
    /// Its short name.
    pub name: String,
    /// What it asks, in words.
    pub asks: String,
    /// How often it was asked.
    pub count: u64,
    /// How often the answer was wrong.
    pub findings: u64,
}

/// One thing that did not come out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditFinding {
    /// The check.
    pub check: String,
    /// The object, by its path.
    pub object: String,
    /// What is wrong with it; never a value.
    pub fault: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Writes an audit as HTML.
pub fn audit_page(page: &AuditPage) -> String {
    let asked: u64 = page.checks.iter().map(|check| check.count).sum();
    let body = html! {
        div class=(if page.findings.is_empty() { "hero" } else { "hero bad" }) {
            span .figure {
                @match page.findings.len() {
                    0 => { "Everything adds up" }
                    1 => { "1 finding" }
                    many => { (many) " findings" }
                }
            }
            p {
                (thousands(asked)) " checks, " (page.findings.len()) " findings. Everything was \
                 reckoned anew from what was recorded, by code that is not the code which \
                 recorded it."
            }
        }
        @if page.unreadable > 0 {
            p {
                (thousands(page.unreadable)) " objects cannot be read any more, because their keys were \
                 destroyed. What rests on them was not checked; their digests stand in the book."
            }
        }
        @if !page.findings.is_empty() {
            h2 { "What did not come out" }
            (table(
                "Findings",
                &["Object", "Check", "What is wrong"],
                &page.findings.iter().map(|finding| vec![
                    hash(&finding.object), text(&finding.check), text(&finding.fault),
                ]).collect::<Vec<_>>(),
            ))
        }
        h2 { "What was checked" }
        (table(
            "Checks",
            &["Question", "#Asked", "#Findings"],
            &page.checks.iter().map(|check| vec![
                html! { (check.asks) " " code { (check.name) } },
                count(check.count),
                count(check.findings),
            ]).collect::<Vec<_>>(),
        ))
        h2 { "Do it again" }
        p { "Anyone with the recorded files gets the same answer:" }
        (commands(&page.commands))
        (book(None, page.checkpoint.as_ref()))
    };
    Page {
        title: "Audit",
        lead: html! { "Of " (page.scope) "." },
        reader: Reader::Public,
        time: page.time,
        beside: &[("The same for programs", "audit.json")],
        body,
    }
    .render()
}
