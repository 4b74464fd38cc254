//! One contributor's statement: what they were paid and why, where their records are, what stands.
//!
//! Comes in: the settlement's [`Statement`], the person's decisions and releases. Goes out: one page as
//! parts, for HTML and PDF; JSON; CSV that is safe to open in a spreadsheet. Private to the person.

mod checks;
mod money;
mod rows;
mod uses;

#[cfg(test)]
pub(super) mod tests;

use serde::{Deserialize, Serialize};

pub(super) use self::money::balance;
pub use self::rows::statement_csv;
use super::{
    check::{Check, PageProofs, Shows},
    document::{Block, Document},
    messages::{Lang, Messages, Say::Text},
    page::Reader,
};
use crate::{
    consent::Event,
    instant::{Date, Instant},
    purpose::Purpose,
    reward::statement::Statement,
};

/// A statement with what the settlement does not know: the facts of one page, and its JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementPage {
    /// What the settlement says.
    #[serde(flatten)]
    pub statement: Statement,
    /// The versions that hold, or no longer hold, the person's records.
    pub releases: Vec<StatementRelease>,
    /// The rows of all people that the versions' runs did not take in.
    pub rejected: Vec<StatementRejected>,
    /// What the person has decided, the newest last.
    pub consents: Vec<StatementConsent>,
    /// The command that withdraws the person's consent.
    pub withdraw: String,
    /// The proof of the line, up to a signed state of the book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofs: Option<PageProofs>,
}

impl std::fmt::Debug for StatementPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementPage").field("statement", &self.statement).finish_non_exhaustive()
    }
}

/// One version of a dataset and whether the person is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementRelease {
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: u64,
    /// Their rows in it; 0 when they are not in it.
    pub rows: u64,
}

/// Rows of all people that a version's run did not take in, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementRejected {
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: u64,
    /// The rule that they broke.
    pub reason: String,
    /// How many; none where they are fewer than eleven.
    pub rows: Option<u64>,
}

/// One decision of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementConsent {
    /// `grant`, `withdraw`, `opt-out` or `opt-in`.
    pub action: String,
    /// What for; empty means everything.
    pub purposes: Vec<Purpose>,
    /// For which institutions; empty means all.
    pub institutions: Vec<String>,
    /// For which kinds of data; empty means all.
    pub categories: Vec<String>,
    /// The first day.
    pub from: Date,
    /// The first day on which it no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

impl StatementConsent {
    /// Says a decision of the consent register.
    pub fn of(event: &Event) -> Self {
        let list = |text: String| -> Vec<String> {
            if text == "*" { Vec::new() } else { text.split('|').map(str::to_owned).collect() }
        };
        Self {
            action: event.action().as_str().to_owned(),
            purposes: event.terms().purposes().to_vec(),
            institutions: list(event.terms().institutions_text()),
            categories: list(event.terms().categories_text()),
            from: event.valid_from(),
            until: event.valid_until(),
        }
    }
}

impl StatementPage {
    /// Puts a statement together with what the settlement does not know.
    pub fn of(
        statement: Statement,
        releases: Vec<StatementRelease>,
        rejected: Vec<StatementRejected>,
        decisions: &[Event],
    ) -> Self {
        Self {
            withdraw: format!("almoner consent withdraw {}", statement.contributor.as_str()),
            consents: decisions.iter().map(StatementConsent::of).collect(),
            statement,
            releases,
            rejected,
            proofs: None,
        }
    }

    /// Returns the parts of the page in a language.
    pub fn document(&self, lang: Lang) -> Document {
        let messages = Messages::of(lang);
        let statement = &self.statement;
        let (pool, period) = (statement.pool.as_str(), statement.period.as_str());
        let named = [("pool", Text(pool)), ("period", Text(period))];
        let date = messages.date(statement.settled.date());
        let member = statement.contributor.as_str();
        let mut page = Document {
            lang,
            title: messages.say("statement-title"),
            lead: messages.tell(
                "statement-lead",
                &[
                    ("pool", Text(pool)),
                    ("period", Text(period)),
                    ("date", Text(&date)),
                    ("member", Text(member)),
                ],
            ),
            foot: messages.tell("statement-foot", &named),
            blocks: vec![money::hero(statement, messages)],
        };
        money::account(&mut page, statement, messages);
        uses::uses(&mut page, statement, messages);
        uses::records(&mut page, self, messages);
        money::decisions(&mut page, statement, messages);
        money::later(&mut page, statement, messages);
        money::year(&mut page, statement, messages);
        checks::consents(&mut page, self, messages);
        checks::releases(&mut page, &self.releases, messages);
        checks::dispute(&mut page, statement, messages);
        checks::check(&mut page, statement, messages);
        page
    }
}

/// Writes a statement as HTML, to stand beside `STEM.csv`, `STEM.json` and, if `printed`, `STEM.pdf`.
pub fn statement_page(page: &StatementPage, lang: Lang, stem: &str, printed: bool) -> String {
    with_forms(&page.document(lang), page.statement.settled, stem, printed, page.proofs.as_ref())
}

/// Writes a contributor's page as HTML with its other forms beside it.
pub(super) fn with_forms(
    page: &Document,
    time: Instant,
    stem: &str,
    printed: bool,
    proofs: Option<&PageProofs>,
) -> String {
    let messages = Messages::of(page.lang);
    let mut forms = vec![("statement-csv", "csv"), ("statement-json", "json")];
    if printed {
        forms.push(("statement-pdf", "pdf"));
    }
    let beside: Vec<(String, String)> = forms
        .into_iter()
        .map(|(name, kind)| (messages.say(name), format!("{stem}.{kind}")))
        .collect();
    let beside: Vec<(&str, &str)> =
        beside.iter().map(|(words, file)| (words.as_str(), file.as_str())).collect();
    let check = proofs.map(|proofs| Check { shows: Shows::Paid, proofs });
    page.html(Reader::Contributor, time, &beside, check)
}

fn pairs(title: Option<String>, pairs: impl IntoIterator<Item = (String, String)>) -> Block {
    let pairs = pairs.into_iter().map(|(name, value)| super::Pair { name, value }).collect();
    Block::Pairs { title, pairs }
}
