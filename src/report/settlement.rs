//! What became of a sponsor's money in one period. Public: it names no contributor.

use maud::{Markup, html};
use serde::Serialize;

use super::{
    bars::{Part, bar, legend},
    number::{PublicCount, decimal, scaled},
    page::{Checkpoint, Named, Page, Reader, book, commands, figures, hash, named, table, text},
    words,
};
use crate::{instant::Instant, purpose::Purpose};

/// One settlement. Amounts are decimal text in `currency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettlementPage {
    /// The pool.
    pub pool: String,
    /// The period.
    pub period: String,
    /// The currency's ISO 4217 code.
    pub currency: String,
    /// When it was settled.
    pub time: Instant,
    /// Received and not settled before.
    pub received: String,
    /// Brought along from earlier periods: unallocated then, or carried for contributors and
    /// institutions.
    pub earlier: String,
    /// Kept for running the commons.
    pub fee: String,
    /// Kept in reserve.
    pub reserve: String,
    /// Paid to contributors.
    pub paid: String,
    /// Withheld of contributors' payouts for tax offices, or held back for later settlements.
    pub kept: String,
    /// Earned, and carried for contributors until it can be paid.
    pub carried: String,
    /// What institutions get, where the pool's rules give them a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub institutions: Option<SettlementAccount>,
    /// What the platform gets, where the pool's rules give it a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<SettlementAccount>,
    /// Earned by nobody, and still in the pool.
    pub unallocated: String,
    /// Contributors who were paid.
    pub contributors_paid: PublicCount,
    /// Contributors who earned.
    pub contributors: PublicCount,
    /// What each layer gave.
    pub layers: Vec<SettlementLayer>,
    /// What the records were used for.
    pub uses: Vec<SettlementUse>,
    /// The root over all lines.
    pub root: String,
    /// What it was reckoned from: names and digests.
    pub inputs: Vec<Named>,
    /// Its entry in the public book.
    pub entry: Option<String>,
    /// The signed state that holds the entry.
    pub checkpoint: Option<Checkpoint>,
    /// Commands that check it.
    pub checks: Vec<String>,
}

/// What the institutions that hold the records get, all together, or the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettlementAccount {
    /// Their part of the money.
    pub part: String,
    /// Paid to them.
    pub paid: String,
    /// Earned, and carried for them until it can be paid.
    pub carried: String,
}

/// What one layer gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettlementLayer {
    /// `base`, `usage`, `new-data` or `value`.
    pub layer: String,
    /// Its amount.
    pub amount: String,
    /// Contributors who earned by it.
    pub contributors: PublicCount,
}

/// Answers of one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettlementUse {
    /// The purpose.
    pub purpose: Purpose,
    /// Answers that were paid for.
    pub answers: u64,
}

/// Writes a settlement as HTML, to stand beside `STEM.json`.
pub fn settlement_page(page: &SettlementPage, stem: &str) -> String {
    let facts = format!("{stem}.json");
    let money = |amount: &str| format!("{} {}", page.currency, decimal(amount));
    let in_coins = |words: &str| format!("{words}, {}", page.currency);
    let body = html! {
        div .hero {
            span .figure { (money(&page.paid)) }
            p {
                "went to " (page.contributors_paid) " people whose records were used, out of "
                (money(&page.received)) " received."
            }
        }
        (flow(page))
        (figures(&[
            (&in_coins("Received"), decimal(&page.received)),
            (&in_coins("From earlier periods"), decimal(&page.earlier)),
            (&in_coins("Fee"), decimal(&page.fee)),
            (&in_coins("Kept in reserve"), decimal(&page.reserve)),
            (&in_coins("Paid"), decimal(&page.paid)),
            (&in_coins("Tax, or held back"), decimal(&page.kept)),
            (&in_coins("Carried for people"), decimal(&page.carried)),
            (&in_coins("Still in the pool"), decimal(&page.unallocated)),
        ]))
        @if let Some(shared) = &page.institutions {
            (figures(&[
                (&in_coins("Institutions’ part"), decimal(&shared.part)),
                (&in_coins("Paid to institutions"), decimal(&shared.paid)),
                (&in_coins("Carried for institutions"), decimal(&shared.carried)),
            ]))
        }
        @if let Some(own) = &page.platform {
            (figures(&[
                (&in_coins("The platform’s part"), decimal(&own.part)),
                (&in_coins("Paid to the platform"), decimal(&own.paid)),
                (&in_coins("Carried for the platform"), decimal(&own.carried)),
            ]))
        }
        h2 { "How it was shared" }
        p {
            "Each part below goes to the people who earned it, by a weight that anyone can reckon \
             again. Every cent is given out or shown here; nothing is rounded away."
        }
        @if page.institutions.is_some() || page.platform.is_some() {
            p {
                "Of what each person’s records earn, fixed parts go to the institutions that hold \
                 them and to the platform, where the pool’s rules say so; the rest is the person’s."
            }
        }
        (table(
            "Layers of the settlement",
            &["Layer", &format!("#{}", page.currency), "#People"],
            &page.layers.iter().map(|layer| vec![
                text(match layer.layer.as_str() {
                    "base" => "For being in the dataset",
                    "usage" => "For answers that drew on the records",
                    "new-data" => "For data that was not there before",
                    "value" => "For making a model better",
                    other => other,
                }),
                text(decimal(&layer.amount)),
                text(layer.contributors.to_string()),
            ]).collect::<Vec<_>>(),
        ))
        h2 { "What the records were used for" }
        @if page.uses.is_empty() { p { "No answer was paid for in this period." } } @else {
            (table(
                "Answers by purpose",
                &["Purpose", "#Answers"],
                &page.uses.iter().map(|line| vec![
                    text(words::purpose(&line.purpose)),
                    text(line.answers.to_string()),
                ]).collect::<Vec<_>>(),
            ))
        }
        h2 { "Check it" }
        p {
            "Each contributor has a statement with a proof that it is one of the lines under this \
             root: " (hash(&page.root)) "."
        }
        (commands(&page.checks))
        (book(page.entry.as_deref(), page.checkpoint.as_ref()))
        (named("What it was reckoned from", &page.inputs))
    };
    let title = format!("{}: {}", page.pool, page.period);
    Page {
        title: &title,
        lead: html! { "What became of the sponsors’ money. " (page.contributors) " people earned." },
        reader: Reader::Public,
        time: page.time,
        beside: &[("The same for programs", &facts)],
        body,
    }
    .render()
}

fn flow(page: &SettlementPage) -> Markup {
    let amount = |text: &str| scaled(text, 6);
    let of = |part: fn(&SettlementAccount) -> &str| {
        let shared = [&page.institutions, &page.platform].into_iter().flatten();
        shared.map(|shared| amount(part(shared))).sum::<u128>()
    };
    let (paid, carried) = (of(|shared| &shared.paid), of(|shared| &shared.carried));
    let carried = amount(&page.carried) + amount(&page.kept) + carried;
    let pool = amount(&page.unallocated) + amount(&page.reserve);
    let parts = [
        Part { class: "good", label: "paid", size: amount(&page.paid) + paid },
        Part { class: "warn", label: "fee", size: amount(&page.fee) },
        Part { class: "calm", label: "carried, held back or withheld", size: carried },
        Part { class: "bad-part", label: "still in the pool", size: pool },
    ];
    let whole = parts.iter().map(|part| part.size).sum();
    html! {
        (bar("Paid, fee, carried, still in the pool", &parts, whole))
        (legend(&parts.each_ref().map(|part| (part.class, part.label))))
    }
}
