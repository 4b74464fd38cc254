//! One contributor's statement: what they were paid and why, where their records are, what stands.
//!
//! Private to the person. As HTML, JSON and CSV; the CSV is safe to open in a spreadsheet.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::{
    csv,
    number::{coins, decimal, places, sum, thousands},
    page::{Named, Page, Reader, commands, hash, named, table, text, whole},
    words,
};
use crate::{
    instant::{Date, Instant},
    purpose::Purpose,
};

/// A statement. Amounts are decimal text in `currency`, such as `12.43`; accrued amounts may have
/// more decimals than the currency, for what is less than its smallest coin is carried, not lost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementPage {
    /// Whose it is.
    pub contributor: String,
    /// The pool that pays.
    pub pool: String,
    /// The period, such as `2026-Q4`.
    pub period: String,
    /// The currency's ISO 4217 code.
    pub currency: String,
    /// When it was made.
    pub time: Instant,
    /// Paid in this period.
    pub paid: String,
    /// Earned in this period, all layers together.
    pub accrued: String,
    /// Carried from earlier periods.
    pub opening: String,
    /// Carried to the next period.
    pub closing: String,
    /// The least amount that is paid out.
    pub minimum: String,
    /// What was earned by each layer.
    pub layers: Vec<StatementLayer>,
    /// The questions whose answers drew on the person's records.
    pub queries: Vec<StatementQuery>,
    /// The versions that hold, or no longer hold, their records.
    pub releases: Vec<StatementRelease>,
    /// What they have decided.
    pub consents: Vec<StatementConsent>,
    /// The proof that this statement is the one in the public book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<StatementProof>,
    /// What the amounts were reckoned from: names and digests.
    pub inputs: Vec<Named>,
    /// Commands that check it.
    pub checks: Vec<String>,
}

impl std::fmt::Debug for StatementPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementPage")
            .field("pool", &self.pool)
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}

/// What was earned by one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementLayer {
    /// `base` or `usage`.
    pub layer: String,
    /// The person's weight.
    pub weight: String,
    /// Everybody's weight together.
    pub total_weight: String,
    /// What it earned them.
    pub accrued: String,
}

/// One question whose answer drew on the person's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementQuery {
    /// When it was asked.
    pub date: Date,
    /// What for.
    pub purpose: Purpose,
    /// How many of the person's rows it drew on.
    pub rows: u64,
    /// How many rows of everybody's; none where they came of fewer than 11 people.
    pub rows_all: Option<u64>,
    /// What it earned them, where that is known by question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accrued: Option<String>,
    /// Its entry in the public book.
    pub entry: String,
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

/// One decision of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementConsent {
    /// `grant` or `withdraw`.
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

/// The proof that a statement's line is under the root in the public book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementProof {
    /// The settlement's entry in the public book.
    pub entry: String,
    /// What the line says, canonical JSON.
    pub line: String,
    /// What names the line without naming the person, hex.
    pub token: String,
    /// What hides the line in its commitment, hex.
    pub salt: String,
    /// The line's place.
    pub leaf_index: u64,
    /// How many lines there are.
    pub leaf_count: u64,
    /// The leaf, hex.
    pub leaf: String,
    /// The hashes up to the root, hex.
    pub path: Vec<String>,
    /// The root, hex.
    pub root: String,
}

/// Writes a statement as HTML, to stand beside `STEM.csv` and `STEM.json`.
pub fn statement_page(page: &StatementPage, stem: &str) -> String {
    let (sheet, facts) = (format!("{stem}.csv"), format!("{stem}.json"));
    let money = |amount: &str| format!("{} {}", page.currency, decimal(amount));
    let nothing = is_zero(&page.paid);
    let coin_places = places(&page.paid);
    let rest = coins(&page.closing, coin_places).map_or_else(
        || format!("less than {} {}", page.currency, smallest(coin_places)),
        |coins| money(&coins),
    );
    let present: Vec<&StatementRelease> = page.releases.iter().filter(|r| r.rows > 0).collect();
    let body = html! {
        div .hero {
            @if nothing {
                span .figure { "Nothing paid this time" }
                p {
                    "What you earned stays yours: " strong { (rest) }
                    " is carried to the next period. Amounts under " (money(&page.minimum))
                    " are not paid out until they add up."
                }
            } @else {
                span .figure { (money(&page.paid)) }
                p {
                    "paid to you for " (page.period) ". "
                    @if !is_zero(&page.closing) {
                        "The rest, " (rest) ", is carried to the next period."
                    }
                }
            }
        }
        p {
            @if page.releases.is_empty() {
                // Nobody said where the records are, so the page claims nothing.
            } @else if present.is_empty() {
                "Your records are in no current version of a dataset. "
            } @else {
                "Your records helped research in " strong { (names(&present)) }
                ", without your name or anything else that says directly who you are. "
            }
            @match page.queries.len() {
                0 => { "No researcher's answer drew on them in this period." }
                1 => { "One researcher’s answer drew on them in this period." }
                many => { (many) " researchers’ answers drew on them in this period." }
            }
        }
        h2 { "How it adds up" }
        (sums(page))
        h2 { "What your records were used for" }
        (queries(page))
        h2 { "What you have decided" }
        (consents(page))
        p {
            "You may change your mind at any time, without a reason and at no cost: tell any of "
            "your institutions, or the steward runs " code { "almoner consent withdraw" }
            " for you. Every version made after that day is made without you. What was already "
            "paid stays yours."
        }
        @if !page.releases.is_empty() {
            h2 { "Where your records are" }
            (releases(page))
            p {
                "A version that holds you was made while you consented and cannot be called back. "
                "Each one made after you withdraw leaves you out."
            }
        }
        h2 { "Check it yourself" }
        p {
            "Nobody has to take our word for this. The amounts follow from recorded inputs by a "
            "published rule, and a fingerprint of this statement stands in a public book that "
            "cannot be changed unseen. It names nobody."
        }
        (commands(&page.checks))
        @if let Some(proof) = &page.proof { (proof_section(proof)) }
        (named("What the amounts were reckoned from", &page.inputs))
    };
    let lead = html! {
        "Pool " (page.pool) ", " (page.period) ". Member " (hash(&page.contributor)) "."
    };
    Page {
        title: "Your statement",
        lead,
        reader: Reader::Contributor,
        time: page.time,
        beside: &[("As a spreadsheet", &sheet), ("For programs", &facts)],
        body,
    }
    .render()
}

/// Writes a statement as CSV: one line a part of it.
pub fn statement_csv(page: &StatementPage) -> String {
    let header =
        ["part", "item", "date", "purpose", "my_rows", "all_rows", "amount", "currency", "entry"];
    let money = |part: &str, item: &str, amount: &str| {
        let cells = [part, item, "", "", "", "", amount, &page.currency, ""];
        cells.map(str::to_owned).to_vec()
    };
    let mut rows = vec![money("balance", "opening", &page.opening)];
    rows.extend(page.layers.iter().map(|layer| money("layer", &layer.layer, &layer.accrued)));
    rows.push(money("balance", "paid", &page.paid));
    rows.push(money("balance", "closing", &page.closing));
    rows.extend(page.queries.iter().map(|query| {
        vec![
            "query".to_owned(),
            page.pool.clone(),
            query.date.to_string(),
            query.purpose.to_string(),
            query.rows.to_string(),
            query.rows_all.map_or_else(|| "<11".to_owned(), |rows| rows.to_string()),
            query.accrued.clone().unwrap_or_default(),
            page.currency.clone(),
            query.entry.clone(),
        ]
    }));
    rows.extend(page.releases.iter().map(|release| {
        let item = format!("{}@{}", release.dataset, release.version);
        let mut cells = ["release", &item, "", "", "", "", "", "", ""].map(str::to_owned).to_vec();
        if let Some(cell) = cells.get_mut(4) {
            *cell = release.rows.to_string();
        }
        cells
    }));
    csv::write(&header, rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()))
}

fn sums(page: &StatementPage) -> Markup {
    let line = |words: &str, weight: &str, amount: &str, sum: bool| {
        html! {
            tr .sum[sum] {
                th scope="row" { (words) } td .n { (weight) } td .n { (decimal(amount)) }
            }
        }
    };
    html! {
        div .scroll { table {
            caption { "Your account with pool " (page.pool) ", in " (page.currency) }
            thead { tr {
                th scope="col" { "What for" } th .n scope="col" { "Your part of all" }
                th .n scope="col" { (page.currency) }
            } }
            tbody {
                (line("Carried from before", "", &page.opening, false))
                @for layer in &page.layers {
                    (line(
                        &layer_words(&layer.layer),
                        &format!("{} of {}", decimal(&layer.weight), decimal(&layer.total_weight)),
                        &layer.accrued,
                        false,
                    ))
                }
                (line("Together", "", &sum(&page.opening, &page.accrued), true))
                (line("Paid to you", "", &page.paid, true))
                (line("Carried to the next period", "", &page.closing, false))
            }
        } }
    }
}

fn queries(page: &StatementPage) -> Markup {
    if page.queries.is_empty() {
        return html! { p { "Nothing in this period." } };
    }
    let rows: Vec<Vec<Markup>> = page
        .queries
        .iter()
        .map(|query| {
            vec![
                whole(query.date.to_string()),
                text(words::purpose(&query.purpose)),
                text(thousands(query.rows)),
                text(query.rows_all.map_or_else(|| "hidden".to_owned(), thousands)),
                text(query.accrued.as_deref().map_or_else(|| "–".to_owned(), decimal)),
                html! { span .{ "hash nb" } { (query.entry.get(..12).unwrap_or(&query.entry)) } },
            ]
        })
        .collect();
    html! {
        (table(
            "Answers that drew on your records; researchers saw totals of 11 or more people, \
             never a row",
            &["Day", "What for", "#Your rows", "#All rows", "#Earned", "Public entry"],
            &rows,
        ))
        @if page.queries.iter().any(|query| query.rows_all.is_none()) {
            p { "A total is hidden where fewer than 11 people stand behind it." }
        }
    }
}

fn consents(page: &StatementPage) -> Markup {
    if page.consents.is_empty() {
        return html! { p { "No decision of yours is on record, so nothing of yours is used." } };
    }
    let all = |list: &[String], words: &str| {
        if list.is_empty() { words.to_owned() } else { list.join(", ") }
    };
    let rows: Vec<Vec<Markup>> = page
        .consents
        .iter()
        .map(|consent| {
            let what = if consent.purposes.is_empty() {
                "every purpose".to_owned()
            } else {
                words::purposes(&consent.purposes)
            };
            vec![
                text(match consent.action.as_str() {
                    "grant" => "You permitted",
                    "withdraw" => "You took back",
                    other => other,
                }),
                text(what),
                text(all(&consent.institutions, "all institutions")),
                text(all(&consent.categories, "all kinds of data")),
                whole(consent.from.to_string()),
                text(
                    consent.until.map_or_else(|| "until you say no".to_owned(), |d| d.to_string()),
                ),
            ]
        })
        .collect();
    table(
        "Your decisions, the newest last",
        &["Decision", "What for", "Where", "Which data", "From", "Until"],
        &rows,
    )
}

fn releases(page: &StatementPage) -> Markup {
    let rows: Vec<Vec<Markup>> = page
        .releases
        .iter()
        .map(|release| {
            let state = if release.rows > 0 { "in it" } else { "not in it" };
            vec![
                text(format!("{}, version {}", release.dataset, release.version)),
                text(state),
                text(thousands(release.rows)),
            ]
        })
        .collect();
    table("Versions of datasets", &["Version", "You are", "#Your rows"], &rows)
}

fn proof_section(proof: &StatementProof) -> Markup {
    html! {
        details {
            summary { "The proof" }
            p {
                "This is line " (thousands(proof.leaf_index + 1)) " of "
                (thousands(proof.leaf_count)) ". Hash its leaf with the hashes below, one after the \
                 other, and the root that stands in the public entry comes out (RFC 6962)."
            }
            dl {
                dt { "Public entry" } dd { (hash(&proof.entry)) }
                dt { "What the line says" } dd { (hash(&proof.line)) }
                dt { "Salt" } dd { (hash(&proof.salt)) }
                dt { "Leaf" } dd { (hash(&proof.leaf)) }
                @for (step, path) in (1..).zip(&proof.path) {
                    dt { "Hash " (step) } dd { (hash(path)) }
                }
                dt { "Root" } dd { (hash(&proof.root)) }
            }
        }
    }
}

fn layer_words(layer: &str) -> String {
    match layer {
        "base" => "For being in the dataset".to_owned(),
        "usage" => "For answers that drew on your records".to_owned(),
        other => other.to_owned(),
    }
}

fn names(releases: &[&StatementRelease]) -> String {
    let mut names: Vec<&str> = releases.iter().map(|release| release.dataset.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// The smallest coin of a currency, such as `0.01`.
fn smallest(places: usize) -> String {
    if places == 0 { "1".to_owned() } else { format!("0.{:0>places$}", 1) }
}

fn is_zero(amount: &str) -> bool {
    amount.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample() -> StatementPage {
        StatementPage {
            contributor: "M0000000420".to_owned(),
            pool: "diabetes-2026".to_owned(),
            period: "2026-Q4".to_owned(),
            currency: "EUR".to_owned(),
            time: Instant::parse("2026-12-31T12:00:00Z").unwrap(),
            paid: "51.27".to_owned(),
            accrued: "51.268431".to_owned(),
            opening: "0.004200".to_owned(),
            closing: "0.002631".to_owned(),
            minimum: "1.00".to_owned(),
            layers: vec![
                StatementLayer {
                    layer: "base".to_owned(),
                    weight: "43".to_owned(),
                    total_weight: "88210".to_owned(),
                    accrued: "13.892441".to_owned(),
                },
                StatementLayer {
                    layer: "usage".to_owned(),
                    weight: "812004".to_owned(),
                    total_weight: "1444000000".to_owned(),
                    accrued: "37.375990".to_owned(),
                },
            ],
            queries: vec![StatementQuery {
                date: Date::from_ymd_opt(2026, 11, 3).unwrap(),
                purpose: Purpose::parse("DUO:0000006").unwrap(),
                rows: 12,
                rows_all: None,
                accrued: Some("4.10".to_owned()),
                entry: "0f".repeat(32),
            }],
            releases: vec![StatementRelease {
                dataset: "diabetes".to_owned(),
                version: 1,
                rows: 43,
            }],
            consents: vec![StatementConsent {
                action: "grant".to_owned(),
                purposes: vec![Purpose::parse("DUO:0000006").unwrap()],
                institutions: vec![],
                categories: vec![],
                from: Date::from_ymd_opt(2020, 1, 1).unwrap(),
                until: None,
            }],
            proof: Some(StatementProof {
                entry: "0f".repeat(32),
                line: "{}".to_owned(),
                token: "ee".repeat(32),
                salt: "ff".repeat(32),
                leaf_index: 17,
                leaf_count: 1_842,
                leaf: "aa".repeat(64),
                path: vec!["bb".repeat(32)],
                root: "cc".repeat(32),
            }),
            inputs: vec![Named { name: "rules".to_owned(), value: "dd".repeat(32) }],
            checks: vec!["almoner audit diabetes-2026".to_owned()],
        }
    }

    #[test]
    fn a_statement_says_what_was_paid_first() {
        let html = statement_page(&sample(), "statement");
        let hero = html.find("EUR 51.27").unwrap();
        assert!(hero < html.find("How it adds up").unwrap());
        assert!(html.contains("until you say no") && html.contains("line 18 of 1,842"));
    }

    #[test]
    fn an_unpaid_statement_says_that_nothing_is_lost() {
        let page =
            StatementPage { paid: "0.00".to_owned(), closing: "0.437200".to_owned(), ..sample() };
        let html = statement_page(&page, "statement");
        assert!(html.contains("Nothing paid this time") && html.contains("EUR 0.43<"), "{html}");
        assert!(
            statement_page(&sample(), "statement")
                .contains("The rest, less than EUR 0.01, is carried")
        );
    }

    #[test]
    fn a_statement_as_csv_runs_no_formula_and_hides_small_groups() {
        let page = StatementPage {
            pool: "=HYPERLINK(1)".to_owned(),
            layers: vec![StatementLayer { layer: "@sum".to_owned(), ..sample().layers[0].clone() }],
            ..sample()
        };
        let text = statement_csv(&page);
        assert!(text.contains("'=HYPERLINK(1)") && text.contains("'@sum") && text.contains("<11"));
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        for row in reader.records() {
            for cell in &row.unwrap() {
                assert!(!cell.starts_with(['=', '+', '@']), "{cell}");
            }
        }
    }

    #[test]
    fn a_statement_reads_back_from_its_json() {
        let text = super::super::json(&sample()).unwrap();
        assert!(serde_json::from_str::<StatementPage>(&text).unwrap() == sample());
    }

    #[test]
    fn a_statement_in_a_log_names_nobody() {
        assert!(!format!("{:?}", sample()).contains("M0000000420"));
    }
}
