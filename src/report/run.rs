//! The run report, for the steward: what came in, what went on, what was left behind and why.
//!
//! Private: its counts are exact, however small.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::{
    bars::{Part, bar, legend},
    number::{percent, share, thousands},
    page::{self, Checkpoint, Page, Reader, book, count, figures, hash, table, text, whole},
    words,
};
use crate::{instant::Instant, purpose::Purpose, schema::Role};

/// What a run did. The vault keeps it as `runs/<run>/report.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The dataset.
    pub dataset: String,
    /// The version it made; 0 for a dry run.
    pub version: u64,
    /// When.
    pub time: Instant,
    /// The purposes that every person in the version consented to.
    pub purposes: Vec<Purpose>,
    /// The declared k.
    pub k: u64,
    /// People with at least one released row.
    pub people: u64,
    /// Released people seen at two or more institutions.
    pub people_several: u64,
    /// What each institution brought.
    pub institutions: Vec<InstitutionLine>,
    /// Files that were not taken, where the pipeline asks for licences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_left: Vec<LeftLine>,
    /// Refused rows by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Rejected rows by rule.
    pub rejects: BTreeMap<String, u64>,
    /// Released columns whose role looks wrong by their name or their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<DoubtLine>,
    /// The released tables.
    pub tables: Vec<TableLine>,
    /// Which released rows count as records, by table; nothing where the pipeline does not ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RecordsLine>,
    /// The columns of free text, and how well each is scrubbed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scrubs: Vec<ScrubLine>,
    /// Segments written.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The version's entry in the public book, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The signed state that holds the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
}

/// What one institution brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstitutionLine {
    /// The institution.
    pub institution: String,
    /// People with at least one admitted row.
    pub people: u64,
    /// Rows read.
    pub read: u64,
    /// Rows that did not fit their schema.
    pub rejected: u64,
    /// Rows without a standing consent.
    pub refused: u64,
    /// Rows that went on to de-identification.
    pub admitted: u64,
    /// Rows released; what was admitted and is not here was suppressed.
    pub released: u64,
}

/// One file that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftLine {
    /// Whose it is.
    pub institution: String,
    /// Its path below the input folder.
    pub file: String,
    /// Why it was not taken, by its short name.
    pub reason: String,
}

/// A released column whose role looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubtLine {
    /// Its table.
    pub table: String,
    /// Its name in the source.
    pub column: String,
    /// What was seen, in words, without a value.
    pub said: String,
}

/// One released table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableLine {
    /// Its name.
    pub table: String,
    /// Rows released.
    pub rows: u64,
    /// Rows suppressed.
    pub suppressed: u64,
    /// The smallest class of people in it; 0 where it has no quasi-identifiers.
    pub class_min: u64,
    /// Its columns.
    pub columns: Vec<ColumnLine>,
    /// What could be learnt from it; none where it has no quasi-identifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskLine>,
    /// The generalisation that was chosen for it; none where nothing was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<ChoiceLine>,
}

/// The generalisation of one table, as a search chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceLine {
    /// The columns, each with its level and the highest there is.
    pub columns: Vec<(String, u64, u64)>,
    /// What was to be lost least.
    pub metric: String,
    /// What is lost, as decimal text.
    pub score: String,
    /// What no generalisation is below, where the search was stopped before it was sure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// The models of privacy, in words.
    pub models: Vec<String>,
    /// Records in classes that break one.
    pub suppressed: u64,
    /// Of these, records that stay, told less exactly than the others.
    pub recoded: u64,
    /// Generalisations that there are.
    pub lattice: u64,
    /// Generalisations whose classes were counted.
    pub checked: u64,
}

/// A released column of free text, and how well its scrubber does on the pipeline's gold set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubLine {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// Of how many people tables say something that was looked for in their notes.
    pub people_known: u64,
    /// The digest of the gold set; `None` where the pipeline names none.
    pub gold: Option<String>,
    /// Notes in the gold set.
    pub notes: u64,
    /// Letters and digits in it that must go.
    pub characters: u64,
    /// The share of them that went, in millionths.
    pub recall_ppm: Option<u64>,
    /// What the share is at least, with a confidence of 95 % (Clopper-Pearson), in millionths.
    pub recall_bound_ppm: Option<u64>,
    /// The same share of what its form gives away: dates, telephone numbers, addresses of mail.
    pub patterns_ppm: Option<u64>,
    /// Of what went, the share that had to, in millionths.
    pub precision_ppm: Option<u64>,
}

/// Which released rows of one table count as records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsLine {
    /// The table.
    pub table: String,
    /// Rows released.
    pub rows: u64,
    /// Rows that count; the others weigh nothing.
    pub counting: u64,
    /// Rows whose person has the same record already.
    pub repeated: u64,
    /// Rows equal to a record that another person had first.
    pub copied: u64,
    /// Rows nearly the same as a record that another person had first.
    pub similar: u64,
}

/// What was done to one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnLine {
    /// Its name in the source.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// What was done to it, in words.
    pub done: String,
}

/// The risk that somebody is recognised, measured after suppression, in parts per million.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskLine {
    /// Classes of people who look alike.
    pub classes: u64,
    /// The highest risk of any person (1 / smallest class).
    pub prosecutor_max_ppm: u64,
    /// The average risk.
    pub prosecutor_avg_ppm: u64,
    /// The share of people whose risk lies above one fifth.
    pub at_risk_ppm: u64,
    /// The share of people who were alone in their class before suppression.
    pub unique_before_ppm: u64,
    /// The share of rows suppressed.
    pub suppressed_ppm: u64,
}

/// Writes the run report as HTML.
pub fn run_page(report: &RunReport) -> String {
    let sum = |of: fn(&InstitutionLine) -> u64| report.institutions.iter().map(of).sum::<u64>();
    let (read, rejected, refused) = (sum(|i| i.read), sum(|i| i.rejected), sum(|i| i.refused));
    let (admitted, released) = (sum(|i| i.admitted), sum(|i| i.released));
    let title = if report.version == 0 {
        format!("Dry run of {}", report.pipeline)
    } else {
        format!("{}, version {}", report.dataset, report.version)
    };
    let body = html! {
        div .hero {
            span .figure { (thousands(released)) " rows released" }
            p {
                "of " (thousands(read)) " read: the records of " (thousands(report.people))
                " people, " (thousands(report.people_several))
                " of them seen at two or more institutions."
            }
        }
        (figures(&[
            ("Rejected: did not fit", format!("{} ({})", thousands(rejected), share(rejected, read))),
            ("Refused: no consent", format!("{} ({})", thousands(refused), share(refused, read))),
            (
                "Suppressed: too rare",
                format!(
                    "{} ({})",
                    thousands(admitted.saturating_sub(released)),
                    share(admitted.saturating_sub(released), admitted)
                ),
            ),
            ("Smallest class allowed", format!("k = {}", report.k)),
        ]))
        h2 { "By institution" }
        (institutions(report))
        @if !report.files_left.is_empty() {
            h2 { "Files that were not taken" }
            (left(&report.files_left))
        }
        h2 { "Why rows stayed behind" }
        (reasons("Refused: rows without a standing consent", &report.refusals, words::refusal))
        (reasons("Rejected: rows that did not fit their schema", &report.rejects, words::reject))
        p {
            "Rejected rows lie in the vault by file, line, column and rule, without their values: "
            code { "almoner rejects show " (report.run) }
        }
        h2 { "What was done to each column" }
        @for table in &report.tables { (table_section(table)) }
        @if !report.doubts.is_empty() {
            h2 { "Columns to look at" }
            (doubts(&report.doubts))
        }
        @if !report.scrubs.is_empty() {
            h2 { "Free text" }
            (scrubs(&report.scrubs))
        }
        @if !report.records.is_empty() {
            h2 { "Which rows count" }
            (records(&report.records))
        }
        h2 { "What it left behind" }
        p {
            (thousands(report.segments)) " segments, " (thousands(report.bytes)) " bytes. Run "
            (hash(&report.run)) "."
        }
        (book(report.entry.as_deref(), report.checkpoint.as_ref()))
    };
    let lead = html! {
        "Pipeline " (report.pipeline) ", for " (words::purposes(&report.purposes)) "."
    };
    Page {
        title: &title,
        lead,
        reader: Reader::Steward,
        time: report.time,
        beside: &[("The same for programs", "report.json")],
        body,
    }
    .render()
}

fn institutions(report: &RunReport) -> Markup {
    let longest = report.institutions.iter().map(|i| i.read).max().unwrap_or(0);
    let rows: Vec<Vec<Markup>> = report
        .institutions
        .iter()
        .map(|line| {
            let parts = [
                Part { class: "good", label: "released", size: line.released.into() },
                Part {
                    class: "calm",
                    label: "suppressed",
                    size: line.admitted.saturating_sub(line.released).into(),
                },
                Part { class: "warn", label: "refused", size: line.refused.into() },
                Part { class: "bad-part", label: "rejected", size: line.rejected.into() },
            ];
            let label = format!(
                "Rows of {}: {} of {} released",
                line.institution,
                thousands(line.released),
                thousands(line.read)
            );
            vec![
                whole(&line.institution),
                count(line.people),
                count(line.read),
                count(line.rejected),
                count(line.refused),
                count(line.admitted),
                count(line.released),
                bar(&label, &parts, longest.into()),
            ]
        })
        .collect();
    html! {
        (legend(&[
            ("good", "released"), ("calm", "suppressed"), ("warn", "refused"),
            ("bad-part", "rejected"),
        ]))
        (table(
            "Rows by institution and what became of them",
            &["Institution", "#People", "#Read", "#Rejected", "#Refused", "#Admitted",
                "#Released", "Rows"],
            &rows,
        ))
    }
}

fn left(files: &[LeftLine]) -> Markup {
    let rows: Vec<Vec<Markup>> = files
        .iter()
        .map(|line| {
            let (what, remedy) = words::left(&line.reason);
            vec![whole(&line.institution), whole(&line.file), text(what), text(remedy)]
        })
        .collect();
    let count = thousands(u64::try_from(files.len()).unwrap_or(u64::MAX));
    html! {
        p {
            "A file is taken only if a delivery note lists it as it is, signed with a key of a licence \
             that stood on that day. Nothing of the others was read: " (count) " in all."
        }
        (table(
            "Files that were not taken, and why",
            &["Institution", "File", "Reason", "What can be done"],
            &rows,
        ))
    }
}

fn doubts(lines: &[DoubtLine]) -> Markup {
    let rows: Vec<Vec<Markup>> = lines
        .iter()
        .map(|line| vec![whole(&line.table), html! { code { (line.column) } }, text(&line.said)])
        .collect();
    html! {
        p {
            "Their names or sampled values do not suit their roles. Nothing here is a value; whoever \
             answers for the schema should look."
        }
        (table("Columns whose role looks wrong", &["Table", "Column", "What was seen"], &rows))
    }
}

fn reasons(
    caption: &str,
    counts: &BTreeMap<String, u64>,
    say: fn(&str) -> (String, &'static str),
) -> Markup {
    if counts.is_empty() {
        return html! { p { (caption) ": none." } };
    }
    let mut sorted: Vec<(&String, &u64)> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let rows: Vec<Vec<Markup>> = sorted
        .into_iter()
        .map(|(reason, rows)| {
            let (what, remedy) = say(reason);
            vec![text(what), count(*rows), text(remedy)]
        })
        .collect();
    table(caption, &["Reason", "#Rows", "What can be done"], &rows)
}

fn records(lines: &[RecordsLine]) -> Markup {
    let rows: Vec<Vec<Markup>> = lines
        .iter()
        .map(|line| {
            let figures = [line.rows, line.counting, line.repeated, line.copied, line.similar];
            let cells = figures.into_iter().map(count);
            std::iter::once(whole(&line.table)).chain(cells).collect()
        })
        .collect();
    html! {
        p {
            "A record counts once, whoever brings it again: rows that repeat or copy another are in \
             the release like any other, and weigh nothing where people are rewarded for them."
        }
        (table(
            "Released rows by table, and which count",
            &["Table", "#Rows", "#Count", "#Repeated by the same person",
                "#Copied from another person", "#Nearly the same as another person's"],
            &rows,
        ))
    }
}

fn scrubs(lines: &[ScrubLine]) -> Markup {
    let share = |ppm: Option<u64>| match ppm {
        None => text("not measured"),
        Some(ppm) => text(format!("{}.{:04} %", ppm / 10_000, ppm % 10_000)),
    };
    let rows: Vec<Vec<Markup>> = lines
        .iter()
        .map(|line| {
            vec![
                whole(format!("{}.{}", line.table, line.column)),
                count(line.people_known),
                count(line.notes),
                count(line.characters),
                share(line.recall_ppm),
                share(line.recall_bound_ppm),
                share(line.patterns_ppm),
                share(line.precision_ppm),
            ]
        })
        .collect();
    html! {
        p {
            "Of a note there is left what is on a list of harmless words and numbers of clinical \
             shapes. How much of what must go the scrubber finds is measured on notes that the \
             pipeline names, not on those of this release."
        }
        (table(
            "Free text, and how well it is scrubbed",
            &["Column", "#People looked for", "#Notes measured", "#Characters that must go",
                "#Of them went", "#At least, with 95 % confidence", "#Of those of a fixed form",
                "#Of what went, rightly"],
            &rows,
        ))
    }
}

fn table_section(line: &TableLine) -> Markup {
    let rows: Vec<Vec<Markup>> = line
        .columns
        .iter()
        .map(|column| {
            vec![
                html! { code { (column.name) } },
                text(words::role(column.role)),
                text(&column.done),
            ]
        })
        .collect();
    let caption = format!(
        "Table {}: {} rows released, {} suppressed",
        line.table,
        thousands(line.rows),
        thousands(line.suppressed)
    );
    html! {
        h3 { (line.table) }
        @if let Some(risk) = &line.risk {
            (page::figures(&[
                ("Smallest class", format!("{} people", thousands(line.class_min))),
                ("Highest risk of one person", percent(risk.prosecutor_max_ppm)),
                ("Average risk", percent(risk.prosecutor_avg_ppm)),
                ("Alone in class before", percent(risk.unique_before_ppm)),
            ]))
            p {
                (thousands(risk.classes)) " classes of people who look alike in what others may \
                 know of them. " (percent(risk.at_risk_ppm))
                " of people could be told apart with a chance above one in five; "
                (percent(risk.suppressed_ppm)) " of the rows were left out to get there."
            }
        }
        @if let Some(choice) = &line.choice {
            p { (chosen(choice)) }
        }
        (table(&caption, &["Column", "What it is", "What was done"], &rows))
    }
}

/// Says what a search chose, and how sure it is.
fn chosen(choice: &ChoiceLine) -> String {
    let levels = choice.columns.iter().map(|(name, level, top)| format!("{name} {level} of {top}"));
    let levels: Vec<String> = levels.collect();
    let sure = match &choice.bound {
        None => "none loses less".to_owned(),
        Some(bound) => format!("the search was stopped; none loses less than {bound}"),
    };
    let recoded = match choice.recoded {
        0 => String::new(),
        rows => format!(" {} of these records stay, told less exactly.", thousands(rows)),
    };
    format!(
        "Of {} generalisations this one loses least by {} ({}; {sure}): levels {}. It satisfies {}, \
         but for {} records.{recoded}",
        thousands(choice.lattice),
        choice.metric,
        choice.score,
        levels.join(", "),
        choice.models.join(", "),
        thousands(choice.suppressed),
    )
}
