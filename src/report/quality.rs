//! The page of quality, for the steward: what the rules found, what is missing, how values are
//! spread before and after de-identification.
//!
//! Private: its counts of rows are exact. Of values it shows only cells of eleven people or more.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::{
    bars::{Part, bar, heat, legend},
    number::{percent, share, thousands},
    page::{Named, Page, Reader, count, figures, named, table, text, whole},
};
use crate::{
    digest::Sha3Digest,
    instant::Instant,
    quality::{Category, Cell, Distribution, Finding, Outcome, Severity, Validity},
};

/// What the rules of quality found in a run, or would find. Kept in the vault under its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityReport {
    /// The run; empty for a check before one.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The dataset.
    pub dataset: String,
    /// The version it belongs to; 0 where none was made.
    pub version: u64,
    /// When.
    pub time: Instant,
    /// The files of rules.
    pub rules: Vec<RuleFile>,
    /// The version that drifts were held against.
    pub previous: Option<u64>,
    /// What came of each rule at each institution.
    pub findings: Vec<Finding>,
    /// How many cells hold a value.
    pub filled: Vec<FilledLine>,
    /// How many checks were made at each institution, and how many held.
    pub validity: BTreeMap<String, Validity>,
    /// How columns are spread before and after de-identification.
    pub distributions: Vec<Distribution>,
    /// Rules of tables that the pipeline does not read.
    pub idle: Vec<String>,
}

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFile {
    /// Its name.
    pub file: String,
    /// Its digest.
    pub digest: Sha3Digest,
}

/// How many cells of an institution's table hold a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledLine {
    /// The institution.
    pub institution: String,
    /// The table.
    pub table: String,
    /// Its conformed rows.
    pub rows: u64,
    /// Filled cells by column, in the order of the schema.
    pub columns: Vec<(String, u64)>,
}

const CATEGORIES: [Category; 3] =
    [Category::Conformance, Category::Completeness, Category::Plausibility];
const SEVERITIES: [Severity; 4] =
    [Severity::Fatal, Severity::Error, Severity::Warning, Severity::Info];
/// With more institutions than this the matrix shows them all together alone.
const LINES_MAX: usize = 12;

/// Writes the page of quality as HTML.
pub fn quality_page(report: &QualityReport) -> String {
    let of =
        |outcome: Outcome| report.findings.iter().filter(move |finding| finding.outcome == outcome);
    let told: Vec<&Finding> = of(Outcome::Stopped).chain(of(Outcome::Warned)).collect();
    let rejected: u64 = report.findings.iter().filter(|f| f.rejects).map(|f| f.failing).sum();
    let checked: u64 = report.validity.values().map(|v| v.checked).sum();
    let held: u64 = report.validity.values().map(|v| v.held).sum();
    let title = match (report.version, report.run.as_str()) {
        (0, "") => format!("Quality of {}: a check before a run", report.dataset),
        (0, _) => format!("Quality of {}: a run without a version", report.dataset),
        (version, _) => format!("Quality of {}, version {version}", report.dataset),
    };
    let stopped = of(Outcome::Stopped).count();
    let body = html! {
        div .hero .bad[stopped > 0] {
            span .figure { (thousands(told.len() as u64)) " findings" }
            p {
                "of " (thousands(report.findings.len() as u64))
                " rules asked at institutions; " (thousands(stopped as u64)) " stop the run."
            }
        }
        (figures(&[
            ("Checks of rows that held", share(held, checked)),
            ("Rows put into quarantine by rules", thousands(rejected)),
            ("Nothing to judge by yet", thousands(of(Outcome::Unjudged).count() as u64)),
            ("Rules of other tables", thousands(report.idle.len() as u64)),
        ]))
        h2 { "Findings by category" }
        (categories(&report.findings))
        (findings("What the rules found", &told))
        details {
            summary { "Rules that hold, or had nothing to be judged by" }
            (findings(
                "Rules without a finding",
                &of(Outcome::Passed).chain(of(Outcome::Unjudged)).collect::<Vec<_>>(),
            ))
        }
        h2 { "What is there and what is missing" }
        (matrix(&report.filled))
        h2 { "How values are spread" }
        p {
            "Quasi-identifiers and measures, by rows: dates by their year, numbers by themselves \
             or by their first digit. Values of fewer than eleven people are not told apart."
        }
        @for distribution in &report.distributions { (spread(distribution)) }
        (named("Files of rules and their digests", &report.rules.iter().map(|rules| Named {
            name: rules.file.clone(),
            value: rules.digest.to_string(),
        }).collect::<Vec<_>>()))
    };
    let lead = html! {
        "Pipeline " (report.pipeline)
        @if !report.run.is_empty() { ", run " (report.run) }
        @if let Some(previous) = report.previous { ", held against version " (previous) }
        "."
    };
    Page {
        title: &title,
        lead,
        reader: Reader::Steward,
        time: report.time,
        beside: &[("The same for programs", "quality.json")],
        body,
    }
    .render()
}

fn categories(findings: &[Finding]) -> Markup {
    let rows: Vec<Vec<Markup>> = CATEGORIES
        .iter()
        .map(|category| {
            let own: Vec<&Finding> = findings.iter().filter(|f| f.category == *category).collect();
            let many = |severity: Severity| {
                let told = |f: &&&Finding| f.outcome >= Outcome::Warned && f.severity == severity;
                own.iter().filter(told).count() as u64
            };
            let bad = many(Severity::Fatal) + many(Severity::Error);
            let warned = many(Severity::Warning);
            let calm = many(Severity::Info);
            let good = own.len() as u64 - bad - warned - calm;
            let parts = [
                Part { class: "bad-part", label: "errors", size: bad.into() },
                Part { class: "warn", label: "warnings", size: warned.into() },
                Part { class: "calm", label: "information", size: calm.into() },
                Part { class: "good", label: "without a finding", size: good.into() },
            ];
            let word = category_word(*category);
            let label = format!("{word}: {bad} errors, {warned} warnings of {} rules", own.len());
            let mut cells = vec![whole(word)];
            cells.extend(SEVERITIES.iter().map(|severity| count(many(*severity))));
            cells.push(count(own.len() as u64));
            cells.push(bar(&label, &parts, (own.len() as u128).max(1)));
            cells
        })
        .collect();
    html! {
        (legend(&[
            ("bad-part", "errors"), ("warn", "warnings"), ("calm", "information"),
            ("good", "without a finding"),
        ]))
        (table(
            "Rules with a finding by category and severity, of all asked",
            &["Category", "#Fatal", "#Error", "#Warning", "#Info", "#Asked", "Rules"],
            &rows,
        ))
    }
}

fn findings(caption: &str, findings: &[&Finding]) -> Markup {
    if findings.is_empty() {
        return html! { p { (caption) ": none." } };
    }
    let rows: Vec<Vec<Markup>> = findings
        .iter()
        .map(|finding| {
            let columns = finding.columns.join(", ");
            let fails = match finding.measure {
                None => format!("{} ({})", thousands(finding.failing), percent(finding.share_ppm)),
                Some(measure) => format!("off by {}", percent(measure.off_ppm)),
            };
            let places = finding.first.iter().map(|place| format!("{}:{}", place.file, place.line));
            vec![
                html! {
                    code { (finding.rule) }
                    @if let Some(why) = &finding.description { br; (why) }
                },
                text(format!("{} {columns}", finding.table)),
                whole(&finding.institution),
                whole(severity_word(finding.severity)),
                whole(outcome_word(finding)),
                count(finding.rows),
                text(fails),
                text(places.collect::<Vec<_>>().join(" ")),
            ]
        })
        .collect();
    table(
        caption,
        &[
            "Rule",
            "Table and columns",
            "Institution",
            "Severity",
            "What follows",
            "#Rows",
            "#Fail",
            "First rows",
        ],
        &rows,
    )
}

/// One picture a table: columns from left to right, institutions below each other.
fn matrix(lines: &[FilledLine]) -> Markup {
    let mut tables: BTreeMap<&str, Vec<&FilledLine>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.rows > 0) {
        tables.entry(&line.table).or_default().push(line);
    }
    html! {
        (legend(&[("good", "filled: the darker, the fuller")]))
        @for (name, lines) in tables {
            @let all = together(&lines);
            @let own: &[&FilledLine] = if lines.len() > LINES_MAX { &[] } else { &lines };
            @let shares = std::iter::once(&all).chain(own.iter().copied()).map(|line| {
                (line.institution.as_str(), line.columns.iter().map(|(column, filled)| {
                    (column.as_str(), ppm(*filled, line.rows))
                }).collect::<Vec<_>>())
            }).collect::<Vec<_>>();
            h3 { (name) }
            (heat(&format!("Filled cells of table {name}"), &shares))
            @let worst = worst(&all);
            @if !worst.is_empty() {
                p { "Least filled: " (worst.join(", ")) "." }
            }
        }
    }
}

fn together(lines: &[&FilledLine]) -> FilledLine {
    let mut all = FilledLine {
        institution: "all".to_owned(),
        table: String::new(),
        rows: 0,
        columns: Vec::new(),
    };
    for line in lines {
        all.rows += line.rows;
        for (at, (column, filled)) in line.columns.iter().enumerate() {
            match all.columns.get_mut(at) {
                Some((_, sum)) => *sum += filled,
                None => all.columns.push((column.clone(), *filled)),
            }
        }
    }
    all
}

/// The three columns that miss the most.
fn worst(line: &FilledLine) -> Vec<String> {
    let mut columns: Vec<(u64, &str)> = line
        .columns
        .iter()
        .map(|(name, filled)| (ppm(*filled, line.rows), name.as_str()))
        .collect();
    columns.sort_unstable();
    let worst = columns.into_iter().filter(|(ppm, _)| *ppm < 1_000_000).take(3);
    worst.map(|(ppm, name)| format!("{name} ({})", percent(ppm))).collect()
}

fn ppm(part: u64, of: u64) -> u64 {
    let share = (u128::from(part) * 1_000_000).checked_div(u128::from(of)).unwrap_or(0);
    u64::try_from(share).unwrap_or(1_000_000)
}

fn spread(distribution: &Distribution) -> Markup {
    let name = format!("{}.{}", distribution.table, distribution.column);
    html! {
        details {
            summary { (name) }
            (cells(&format!("{name} before"), distribution.before.as_deref()))
            (cells(&format!("{name} after"), distribution.after.as_deref()))
        }
    }
}

fn cells(caption: &str, cells: Option<&[Cell]>) -> Markup {
    let Some(cells) = cells else {
        return html! { p { (caption) ": not released, or of too many values to be drawn." } };
    };
    let most = cells.iter().filter_map(|cell| cell.rows).max().unwrap_or(0);
    let rows: Vec<Vec<Markup>> = cells
        .iter()
        .map(|cell| {
            let rows = cell.rows.unwrap_or(0);
            let label = format!("{}: {} rows", cell.label, thousands(rows));
            let part = Part { class: "good", label: &label, size: rows.into() };
            vec![
                text(&cell.label),
                cell.rows.map_or_else(|| text("not told"), count),
                bar(&label, &[part], most.into()),
            ]
        })
        .collect();
    table(caption, &["Value", "#Rows", "Spread"], &rows)
}

fn category_word(category: Category) -> &'static str {
    match category {
        Category::Conformance => "Conformance: written as agreed",
        Category::Completeness => "Completeness: it is there",
        Category::Plausibility => "Plausibility: it can be true",
    }
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    }
}

fn outcome_word(finding: &Finding) -> &'static str {
    match finding.outcome {
        Outcome::Passed => "holds",
        Outcome::Unjudged => "no version before",
        Outcome::Warned if finding.rejects => "rows in quarantine",
        Outcome::Warned => "told",
        Outcome::Stopped => "stops the run",
    }
}
