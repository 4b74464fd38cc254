//! The page of a risk report: beside each figure what it means, for a reader who is no statistician.

use maud::{Markup, html};

use super::{
    RiskColumn, RiskFigures, RiskOutcome, RiskQuestion, RiskReport, RiskSensitive, RiskSigned,
    RiskSubject, RiskTable, RiskTest, RiskUnique,
};
use crate::{
    instant::Instant,
    quality::Cell,
    report::{
        charts::{self, Bar, Caption},
        messages::{Lang, Messages, Say},
        page::{Named, Page, Reader, hash, named, table, text, whole},
    },
};

/// Writes the page of a risk report as HTML.
///
/// `beside` is the file of the same facts for programs.
pub fn risk_page(
    report: &RiskReport,
    signed: &[RiskSigned],
    time: Instant,
    lang: Lang,
    beside: &str,
) -> String {
    let page = Writer { m: Messages::of(lang), k: report.k };
    let m = page.m;
    let name = match &report.subject {
        RiskSubject::Version { dataset, version, .. } => format!("{dataset}@{version}"),
        RiskSubject::File { file, .. } => file.clone(),
    };
    let title = m.tell("risk-title", &[("name", Say::Text(&name))]);
    let highest = report.tables.iter().filter_map(|table| table.figures.as_ref());
    let smallest = highest.map(|figures| figures.smallest_class).min();
    let body = html! {
        @if let Some(smallest) = smallest {
            div .hero .bad[smallest < report.k.max(2)] {
                span .figure { (m.tell("risk-hero", &[("class", Say::Count(smallest))])) }
                p { (m.say("risk-hero-means")) }
            }
        }
        (page.signed(signed))
        h2 { (m.say("risk-tests")) }
        p { (m.say("risk-tests-lead")) }
        (page.tests(&report.tests))
        @for (at, table) in report.tables.iter().enumerate() { (page.table(at, table)) }
        h2 { (m.say("risk-rests")) }
        (page.rests(report))
    };
    let lead = html! {
        (m.tell("risk-lead", &[
            ("people", Say::Text(&m.count(report.population.people))),
            ("population", Say::Text(&report.population.name)),
        ]))
    };
    let json = m.say("risk-json");
    Page { title: &title, lead, reader: Reader::Steward, time, beside: &[(&json, beside)], body }
        .render_in(m)
}

/// Reads a model's estimate, and the name under which it may be without a solution.
type ReadModel = fn(&RiskUnique) -> (f64, &str);

/// Reads a figure as it is written.
type Read = fn(&Writer, &RiskFigures) -> String;

struct Writer {
    m: &'static Messages,
    k: u64,
}

impl Writer {
    fn signed(&self, signed: &[RiskSigned]) -> Markup {
        let m = self.m;
        html! {
            @if signed.is_empty() { p { (m.say("risk-unsigned")) } }
            @for one in signed {
                p {
                    (m.tell("risk-signed", &[
                        ("by", Say::Text(&one.by)),
                        ("time", Say::Text(&m.instant(one.time))),
                    ]))
                    " " (m.say("risk-key")) ": " (hash(&one.key)) ". "
                    (m.say("risk-entry")) ": " (hash(&one.entry.to_string()))
                }
            }
        }
    }

    fn tests(&self, tests: &[RiskTest]) -> Markup {
        let m = self.m;
        let rows: Vec<Vec<Markup>> = tests
            .iter()
            .map(|test| {
                let (name, asks) = match test.test {
                    RiskQuestion::SinglingOut => ("risk-singling", "risk-singling-asks"),
                    RiskQuestion::Linkability => ("risk-linking", "risk-linking-asks"),
                    RiskQuestion::Inference => ("risk-inference", "risk-inference-asks"),
                };
                let (word, why) = match (test.test, test.outcome) {
                    (RiskQuestion::SinglingOut, RiskOutcome::Holds | RiskOutcome::Judge) => {
                        ("risk-holds", "risk-singling-holds")
                    }
                    (RiskQuestion::SinglingOut, RiskOutcome::Fails) => {
                        ("risk-fails", "risk-singling-fails")
                    }
                    (RiskQuestion::Linkability, RiskOutcome::Holds | RiskOutcome::Judge) => {
                        ("risk-judge", "risk-linking-judge")
                    }
                    (RiskQuestion::Linkability, RiskOutcome::Fails) => {
                        ("risk-fails", "risk-linking-fails")
                    }
                    (RiskQuestion::Inference, RiskOutcome::Holds) => {
                        ("risk-holds", "risk-inference-holds")
                    }
                    (RiskQuestion::Inference, RiskOutcome::Judge) => {
                        ("risk-judge", "risk-inference-judge")
                    }
                    (RiskQuestion::Inference, RiskOutcome::Fails) => {
                        ("risk-fails", "risk-inference-fails")
                    }
                };
                vec![
                    whole(m.say(name)),
                    text(m.say(asks)),
                    whole(m.say(word)),
                    html! { (m.say(why)) @if !test.tables.is_empty() { " (" (test.tables.join(", ")) ")" } },
                ]
            })
            .collect();
        let heads =
            ["risk-test", "risk-asks", "risk-answer", "risk-because"].map(|head| m.say(head));
        table(&m.say("risk-tests"), &heads.each_ref().map(String::as_str), &rows)
    }

    fn table(&self, at: usize, one: &RiskTable) -> Markup {
        let m = self.m;
        html! {
            h2 { (m.tell("risk-table", &[("table", Say::Text(&one.table))])) }
            p {
                (m.tell("risk-rows", &[
                    ("rows", Say::Text(&m.count(one.rows))),
                    ("left", Say::Text(&self.few(one.suppressed_rows))),
                ])) " "
                @if one.quasi.is_empty() { (m.say("risk-no-quasi")) }
                @else { (m.tell("risk-quasi", &[("columns", Say::Text(&one.quasi.join(", ")))])) }
            }
            @if let Some(figures) = &one.figures {
                (self.figures(one.before.as_ref(), figures))
                h3 { (m.say("risk-minimal")) }
                (self.minimal(at, one))
            }
            @if !one.sensitive.is_empty() {
                h3 { (m.say("risk-sensitive")) }
                p { (m.say("risk-sensitive-lead")) }
                (self.sensitive(&one.sensitive))
            }
            @if !one.columns.is_empty() {
                h3 { (m.say("risk-columns")) }
                (self.columns(&one.columns))
                @for (column, line) in one.columns.iter().enumerate() {
                    (self.spread(&format!("t{at}c{column}"), line))
                }
            }
        }
    }

    fn figures(&self, before: Option<&RiskFigures>, after: &RiskFigures) -> Markup {
        let m = self.m;
        let lines: [(&str, &str, Read); 8] = [
            ("risk-smallest", "risk-smallest-means", |w, f| w.m.count(f.smallest_class)),
            ("risk-highest", "risk-highest-means", |w, f| w.share(f.prosecutor.highest)),
            ("risk-over", "risk-over-means", |w, f| w.people(f.prosecutor.at_risk, f.records)),
            ("risk-average", "risk-average-means", |w, f| w.share(f.prosecutor.success)),
            ("risk-journalist", "risk-journalist-means", |w, f| w.share(f.journalist.highest)),
            ("risk-marketer", "risk-marketer-means", |w, f| w.share(f.marketer.success)),
            ("risk-alone", "risk-alone-means", |w, f| w.people(f.sample_unique, f.records)),
            ("risk-population", "risk-population-means", |w, f| {
                w.unique(f, |u| (u.dankar, &u.dankar_model))
            }),
        ];
        let models: [(&str, ReadModel); 4] = [
            ("Pitman", |u| (u.pitman, "pitman")),
            ("Zayatz", |u| (u.zayatz, "zayatz")),
            ("SNB (ARX)", |u| (u.snb, "snb")),
            ("SNB (Shlosser)", |u| (u.snb_shlosser, "snb_shlosser")),
        ];
        let mut rows: Vec<Vec<Markup>> = Vec::new();
        let mut row = |name: String, means: String, read: &dyn Fn(&RiskFigures) -> String| {
            let had = before.map_or_else(|| "–".to_owned(), read);
            rows.push(vec![text(name), text(had), text(read(after)), text(means)]);
        };
        for (name, means, read) in lines {
            row(m.say(name), m.say(means), &|figures| read(self, figures));
        }
        for (name, read) in models {
            row(name.to_owned(), m.say("risk-model-means"), &|figures| self.unique(figures, read));
        }
        let heads = [
            m.say("risk-figure"),
            format!("#{}", m.say("risk-before")),
            format!("#{}", m.say("risk-after")),
            m.say("risk-means"),
        ];
        table(&m.say("risk-figures"), &heads.each_ref().map(String::as_str), &rows)
    }

    fn unique(&self, figures: &RiskFigures, read: impl Fn(&RiskUnique) -> (f64, &str)) -> String {
        let Some(unique) = &figures.population_unique else { return self.m.say("risk-unknown") };
        let (share, model) = read(unique);
        if unique.unsolved.iter().any(|unsolved| unsolved == model) {
            return self.m.say("risk-unsolved");
        }
        self.share(share)
    }

    fn minimal(&self, at: usize, one: &RiskTable) -> Markup {
        let m = self.m;
        let found = &one.minimal_uniques;
        let bars: Vec<Bar> = found
            .columns
            .iter()
            .filter(|(_, share)| *share > 0.0)
            .map(|(column, share)| Bar {
                label: column.clone(),
                size: i128::from(billionths(*share)),
                figure: self.share(*share),
            })
            .collect();
        let title = m.say("risk-minimal-chart");
        let id = format!("minimal-{at}");
        let caption = Caption { id: &id, title: &title, shows: &title };
        html! {
            p {
                (m.tell("risk-minimal-found", &[
                    ("records", Say::Text(&self.few(found.records))),
                    ("most", Say::Text(&m.count(found.columns_max))),
                ]))
            }
            @if !bars.is_empty() { div role="img" aria-label=(title) { (charts::bars(caption, &bars)) } }
        }
    }

    fn sensitive(&self, lines: &[RiskSensitive]) -> Markup {
        let m = self.m;
        let rows: Vec<Vec<Markup>> = lines
            .iter()
            .map(|line| {
                vec![
                    text(&line.column),
                    text(m.count(line.l)),
                    text(self.decimal(line.entropy_l)),
                    text(line.recursive_c.map_or_else(|| "–".to_owned(), |c| self.decimal(c))),
                    text(self.decimal(line.t)),
                    text(self.share(line.certain)),
                ]
            })
            .collect();
        let heads = ["risk-column", "risk-l", "risk-entropy-l", "risk-c", "risk-t", "risk-certain"];
        let heads = heads.map(|head| m.say(head));
        let numbers = heads.iter().enumerate().map(|(at, head)| match at {
            0 => head.clone(),
            _ => format!("#{head}"),
        });
        let numbers: Vec<String> = numbers.collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        table(&m.say("risk-sensitive"), &numbers, &rows)
    }

    fn columns(&self, columns: &[RiskColumn]) -> Markup {
        let m = self.m;
        let rows: Vec<Vec<Markup>> = columns
            .iter()
            .map(|column| {
                let left = match (&column.after, column.distance) {
                    (_, Some(distance)) => self.share((1.0 - distance).max(0.0)),
                    (Some(_), None) => m.say("risk-coarser"),
                    (None, None) => "–".to_owned(),
                };
                vec![
                    html! { code { (column.name) } },
                    text(crate::report::words::role(column.role)),
                    text(&column.done),
                    text(left),
                ]
            })
            .collect();
        let heads = ["risk-column", "risk-role", "risk-done", "risk-alike"].map(|head| m.say(head));
        html! {
            p { (m.say("risk-columns-lead")) }
            (table(&m.say("risk-columns"), &heads.each_ref().map(String::as_str), &rows))
        }
    }

    /// Both histograms of a column; values of too few people stand together, uncounted.
    fn spread(&self, id: &str, column: &RiskColumn) -> Markup {
        let m = self.m;
        let drawn = |which: &str, cells: Option<&Vec<Cell>>| {
            let title = format!(
                "{}, {}",
                column.name,
                m.say(if which == "b" { "risk-before" } else { "risk-after" })
            );
            let bars: Vec<Bar> = cells
                .into_iter()
                .flatten()
                .map(|cell| Bar {
                    label: if cell.rows.is_none() {
                        m.say("risk-others")
                    } else {
                        cell.label.clone()
                    },
                    size: i128::from(cell.rows.unwrap_or(0)),
                    figure: cell.rows.map_or_else(|| "–".to_owned(), |rows| m.count(rows)),
                })
                .collect();
            let id = format!("{id}{which}");
            html! {
                @if !bars.is_empty() {
                    p { (title) }
                    div role="img" aria-label=(title) {
                        (charts::bars(Caption { id: &id, title: &title, shows: &title }, &bars))
                    }
                }
            }
        };
        html! {
            @if column.before.is_some() || column.after.is_some() {
                details {
                    summary { (column.name) }
                    (drawn("b", column.before.as_ref()))
                    (drawn("a", column.after.as_ref()))
                }
            }
        }
    }

    fn rests(&self, report: &RiskReport) -> Markup {
        let m = self.m;
        let rests = &report.configuration;
        let mut lines = Vec::new();
        let mut line = |name: String, value: String| lines.push(Named { name, value });
        match &report.subject {
            RiskSubject::Version { entry, .. } => line(m.say("risk-entry"), entry.to_string()),
            RiskSubject::File { file, sha3 } => line(file.clone(), sha3.to_string()),
        }
        if let Some((name, digest)) = &rests.pipeline {
            line(name.clone(), digest.to_string());
        }
        if let Some(key) = rests.run_key {
            line(m.say("risk-run-key"), key.to_string());
        }
        for (table, digest) in &rests.schemas {
            line(table.clone(), digest.to_string());
        }
        let code = rests.code.map_or_else(|| m.say("risk-unknown"), |code| code.to_string());
        line(rests.program.clone(), code);
        html! {
            p { (m.say("risk-rests-lead")) }
            (named(&m.say("risk-digests"), &lines))
            @if let Some(deid) = rests.deid.as_ref().and_then(|deid| serde_json::to_string_pretty(deid).ok()) {
                details { summary { (m.say("risk-generalised")) } pre { code { (deid) } } }
            }
        }
    }

    /// A share, to four decimals of a per cent.
    fn share(&self, share: f64) -> String {
        self.m.share(billionths(share))
    }

    /// A share of people; of fewer than k it says no more than that.
    fn people(&self, share: f64, of: u64) -> String {
        let (Ok(of), Ok(k)) = (u32::try_from(of), u32::try_from(self.k)) else {
            return self.share(share);
        };
        let people = share * f64::from(of);
        if people > 0.5 && people < f64::from(k) - 0.5 {
            let most = self.share(f64::from(k) / f64::from(of));
            return self.m.tell("risk-under", &[("most", Say::Text(&most))]);
        }
        self.share(share)
    }

    /// A count of people; of fewer than k it says no more than that.
    fn few(&self, count: u64) -> String {
        if (1..self.k).contains(&count) {
            return self.m.tell("risk-under", &[("most", Say::Text(&self.m.count(self.k)))]);
        }
        self.m.count(count)
    }

    fn decimal(&self, number: f64) -> String {
        self.m.decimal(&format!("{number:.3}"))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share lies between 0 and 1, and the cast holds at its ends"
)]
fn billionths(share: f64) -> u64 {
    (share * 1e9).round() as u64
}
