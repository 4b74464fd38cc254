//! Reads `schemas/quality/*.toml`: every fault of a file at once, each with its place and a hint.
//!
//! Comes in: a file's text. Goes out: a [`RuleSet`]. Never: a rule with a member that its kind does
//! not know, or without one that it needs.

use std::{collections::BTreeSet, ops::Range, path::Path, sync::Arc};

use chrono::NaiveDate;
use polars::prelude::{DataFrame, IntoColumn as _, IntoLazy as _, NamedFrom as _, Series, col};

use super::{
    kind::{Bound, CodeUnits, Kind, Relation, Target, UnitRange},
    row,
    rule::{Rule, RuleSet, Scope, Severity, Test, Threshold, Use},
};
use crate::{
    digest::Sha3Digest,
    fault::{Choice, Fault, Members, Sheet, Text},
    schema::ColumnType,
};

const KINDS: [&str; 23] = [
    "primary-key",
    "foreign-key",
    "required",
    "allowed-codes",
    "range",
    "range-by-unit",
    "units-of-code",
    "pattern",
    "unique-share",
    "duplicates",
    "during-life",
    "before-death",
    "temporal-order",
    "duration",
    "within-span",
    "sex-specific-codes",
    "not-future",
    "rows-per-person",
    "consistency",
    "missing-share",
    "drift",
    "mean-shift",
    "row-count",
];

const SEVERITIES: &Choice<Severity> = &[
    ("info", Severity::Info),
    ("warning", Severity::Warning),
    ("error", Severity::Error),
    ("fatal", Severity::Fatal),
];

const RELATIONS: &Choice<Relation> = &[
    ("equal", Relation::Equal),
    ("at-most", Relation::AtMost),
    ("together", Relation::Together),
    ("implies", Relation::Implies),
];

type Takes = &'static [ColumnType];
const ANY: Takes = {
    use ColumnType::{Bool, Date, Float, Int, String, Timestamp};
    &[String, Int, Float, Bool, Date, Timestamp]
};
const CODES: Takes = &[ColumnType::String, ColumnType::Int, ColumnType::Bool];
const NUMBERS: Takes = &[ColumnType::Int, ColumnType::Float];
const TIMES: Takes = &[ColumnType::Date, ColumnType::Timestamp];
const TEXT: Takes = &[ColumnType::String];
/// A birth may be known by its year alone.
const BIRTHS: Takes = &[ColumnType::Date, ColumnType::Timestamp, ColumnType::Int];
/// What is compared as greater or less.
const ORDERED: Takes =
    &[ColumnType::Int, ColumnType::Float, ColumnType::Date, ColumnType::Timestamp];

impl RuleSet {
    /// Reads a set of rules from the text of its file.
    pub fn read(file: &Path, text: &str) -> Result<Self, Vec<Fault>> {
        let sheet = Sheet::new(file, text);
        let text = sheet.text();
        let parsed = sheet.parse(&text);
        if !sheet.is_clean() {
            // Half a file read would only add faults that are none.
            drop(parsed);
            return Err(sheet.into_faults());
        }
        let top = Members::new(&sheet, "file of rules", &parsed);
        top.text("description");
        let members = top.tables("rule");
        if members.is_empty() && !top.has("rule") {
            sheet.fault_hint(0..0, "this file holds no rules", "each is a `[[rule]]`");
        }
        let mut rules: Vec<Rule> = Vec::new();
        let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
        for members in members {
            let span = members.value_span("name");
            let Some(rule) = read_rule(&sheet, members) else { continue };
            if !names.insert(Arc::clone(&rule.name)) {
                sheet.fault(span, format!("a second rule named `{}`", rule.name));
            }
            rules.push(rule);
        }
        top.finish();
        drop(parsed);
        if !sheet.is_clean() {
            return Err(sheet.into_faults());
        }
        let digest = Sha3Digest::of(text.as_bytes());
        Ok(Self { rules, digest, file: file.to_owned(), text })
    }
}

fn read_rule(sheet: &Sheet<'_>, members: Members<'_, '_>) -> Option<Rule> {
    let name = members.text_needed("name");
    let table = members.text_needed("table");
    let word = members.text_needed("kind");
    let description = members.text("description").map(|text| text.value);
    let severity = members.choice("severity", SEVERITIES).unwrap_or(Severity::Warning);
    let warn_if = threshold(sheet, &members, "warn_if").unwrap_or(Threshold::ANY);
    let stops = threshold(sheet, &members, "error_if");
    let error_if = stops.or((severity == Severity::Fatal).then_some(Threshold::ANY));
    let reject = members.flag("reject").unwrap_or(false);
    if let Some(name) = &name
        && !is_plain(&name.value)
    {
        let hint = "a rule's name is lower-case letters, digits and `-`";
        sheet.fault_hint(name.span.clone(), format!("`{}` is no rule name", name.value), hint);
    }
    let (Some(table), Some(word)) = (table, word) else { return None };
    if !KINDS.contains(&word.value.as_str()) {
        // What else the rule holds belongs to a kind that is not known.
        sheet.unknown(word.span, "kind", &word.value, KINDS);
        return None;
    }
    let mut reading = Reading { sheet, members: &members, table: &table.value, uses: Vec::new() };
    let scope = reading.scope();
    let kind = reading.kind(&word.value);
    let uses = reading.uses;
    let span = name.as_ref().map_or_else(|| members.span(), |name| name.span.clone());
    if let Some(kind) = &kind
        && kind.is_aggregate()
        && reject
    {
        sheet.fault_hint(
            members.value_span("reject"),
            format!("`{}` judges a table as a whole: no row of it fails", kind.word()),
            "say `error_if` to stop the run instead",
        );
    }
    members.finish();
    Some(Rule {
        name: Arc::from(name?.value),
        description,
        table: table.value,
        kind: kind?,
        scope,
        severity,
        warn_if,
        error_if,
        reject,
        uses,
        span,
    })
}

fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(fits)
}

fn threshold(sheet: &Sheet<'_>, members: &Members<'_, '_>, key: &'static str) -> Option<Threshold> {
    let text = members.scalar(key)?;
    let parsed = Threshold::parse(&text.value);
    if parsed.is_none() {
        let hint = "write a share such as 0.01, or a number such as \"10 rows\"";
        sheet.fault_hint(text.span, format!("`{key}` is no threshold"), hint);
    }
    parsed
}

/// One rule under reading: the columns it names are noted, to be held against the schemas later.
struct Reading<'r, 's, 't> {
    sheet: &'r Sheet<'s>,
    members: &'r Members<'s, 't>,
    table: &'r str,
    uses: Vec<Use>,
}

impl Reading<'_, '_, '_> {
    fn kind(&mut self, word: &str) -> Option<Kind> {
        Some(match word {
            "primary-key" => Kind::PrimaryKey { columns: self.columns(ANY)? },
            "foreign-key" => {
                let column = self.column("column", CODES)?;
                Kind::ForeignKey { column, to: self.target("to", CODES)? }
            }
            "required" => Kind::Required { columns: self.columns(ANY)? },
            "allowed-codes" => {
                let column = self.column("column", CODES)?;
                Kind::AllowedCodes { column, codes: self.list("codes")? }
            }
            "range" => self.range()?,
            "range-by-unit" => {
                let column = self.column("column", NUMBERS)?;
                let unit = self.column("unit", CODES)?;
                let code = self.members.has("code").then(|| self.column("code", CODES)).flatten();
                let ranges = self.ranges(code.is_some());
                Kind::RangeByUnit { column, unit, code, ranges }
            }
            "units-of-code" => {
                let column = self.column("column", CODES)?;
                let code = self.column("code", CODES)?;
                Kind::UnitsOfCode { column, code, units: self.units() }
            }
            "pattern" => {
                let column = self.column("column", TEXT)?;
                Kind::Pattern { column, pattern: self.pattern()? }
            }
            "unique-share" => Kind::UniqueShare { columns: self.columns(ANY)? },
            "duplicates" => Kind::Duplicates { columns: self.columns(ANY)? },
            "during-life" => {
                let column = self.column("column", TIMES)?;
                let birth = self.target("birth", BIRTHS)?;
                let death =
                    self.members.has("death").then(|| self.target("death", TIMES)).flatten();
                Kind::DuringLife { column, birth, death, grace_days: self.grace() }
            }
            "before-death" => {
                let column = self.column("column", TIMES)?;
                let death = self.target("death", TIMES)?;
                Kind::BeforeDeath { column, death, grace_days: self.grace() }
            }
            "temporal-order" => {
                let (first, second) = self.pair(TIMES)?;
                Kind::TemporalOrder { first, second }
            }
            "duration" => {
                let (first, second) = self.pair(TIMES)?;
                let (min_days, max_days) =
                    (self.members.number("min_days"), self.members.number("max_days"));
                if min_days.is_none() && max_days.is_none() {
                    self.lacks("`min_days` or `max_days`");
                }
                Kind::Duration { first, second, min_days, max_days }
            }
            "within-span" => self.within()?,
            "sex-specific-codes" => {
                let column = self.column("column", CODES)?;
                let codes = self.texts("codes");
                let prefixes = self.texts("prefixes");
                if codes.is_empty() && prefixes.is_empty() {
                    self.lacks("`codes` or `prefixes`");
                }
                let sex = self.target("sex", CODES)?;
                Kind::SexSpecificCodes { column, codes, prefixes, sex, is: self.list("is")? }
            }
            "not-future" => Kind::NotFuture { column: self.column("column", TIMES)? },
            "rows-per-person" => {
                if !self.members.has("max") {
                    self.lacks("`max`");
                }
                let max = self.members.integer("max", 1).and_then(|n| u32::try_from(n).ok())?;
                Kind::RowsPerPerson { max }
            }
            "consistency" => {
                let relation = self.members.choice_needed("relation", RELATIONS)?;
                let takes = match relation {
                    Relation::AtMost => ORDERED,
                    Relation::Equal | Relation::Together | Relation::Implies => ANY,
                };
                let (first, second) = self.pair(takes)?;
                Kind::Consistency { first, second, relation }
            }
            "missing-share" => {
                let column = self.column("column", ANY)?;
                let baseline = threshold(self.sheet, self.members, "baseline");
                let baseline_ppm = match baseline {
                    Some(Threshold::SharePpm(ppm)) => Some(ppm),
                    Some(Threshold::Rows(_)) => {
                        let span = self.members.value_span("baseline");
                        self.sheet.fault(span, "`baseline` is a share");
                        None
                    }
                    None => None,
                };
                Kind::MissingShare { column, baseline_ppm }
            }
            "drift" => {
                Kind::Drift { column: self.column("column", ANY)?, rows_min: self.rows_min() }
            }
            "mean-shift" => Kind::MeanShift {
                column: self.column("column", NUMBERS)?,
                rows_min: self.rows_min(),
            },
            "row-count" => Kind::RowCount { rows_min: self.rows_min() },
            // Every word of `KINDS` has its arm; a test reads one rule of each.
            _ => return None,
        })
    }

    fn lacks(&self, what: &str) {
        self.sheet.fault(self.members.span(), format!("this rule lacks {what}"));
    }

    fn note(&mut self, table: &str, text: &Text, takes: Takes) {
        self.uses.push(Use {
            table: table.to_owned(),
            column: text.value.clone(),
            takes,
            span: text.span.clone(),
        });
    }

    fn column(&mut self, key: &'static str, takes: Takes) -> Option<String> {
        let text = self.members.text_needed(key)?;
        let table = self.table;
        self.note(table, &text, takes);
        Some(text.value)
    }

    fn columns(&mut self, takes: Takes) -> Option<Vec<String>> {
        if !self.members.has("columns") {
            self.lacks("`columns`");
        }
        let texts = self.members.texts("columns")?;
        if texts.is_empty() {
            self.sheet.fault(self.members.value_span("columns"), "`columns` names no column");
        }
        let table = self.table;
        for text in &texts {
            self.note(table, text, takes);
        }
        Some(texts.into_iter().map(|text| text.value).collect())
    }

    fn pair(&mut self, takes: Takes) -> Option<(String, String)> {
        let span = self.members.value_span("columns");
        if let Ok([first, second]) = <[String; 2]>::try_from(self.columns(takes)?) {
            return Some((first, second));
        }
        self.sheet.fault(span, "`columns` must name two columns, in order");
        None
    }

    /// A `table.column`, of this table or another.
    fn target(&mut self, key: &'static str, takes: Takes) -> Option<Target> {
        let text = self.members.text_needed(key)?;
        let Some((table, column)) =
            text.value.split_once('.').filter(|(t, c)| !t.is_empty() && !c.is_empty())
        else {
            let hint = format!("write it as \"{}.column\"", self.table);
            self.sheet.fault_hint(text.span, format!("`{key}` names no `table.column`"), hint);
            return None;
        };
        let named = Text { value: column.to_owned(), span: text.span.clone() };
        self.note(table, &named, takes);
        Some(Target { table: table.to_owned(), column: column.to_owned() })
    }

    fn texts(&self, key: &'static str) -> Vec<String> {
        let texts = self.members.texts(key).unwrap_or_default();
        texts.into_iter().map(|text| text.value).collect()
    }

    /// A list that must be there and hold something.
    fn list(&self, key: &'static str) -> Option<Vec<String>> {
        if !self.members.has(key) {
            self.lacks(&format!("`{key}`"));
            return None;
        }
        let list = self.texts(key);
        if list.is_empty() {
            self.sheet.fault(self.members.value_span(key), format!("`{key}` is empty"));
        }
        Some(list)
    }

    fn grace(&self) -> i64 {
        self.members.integer("grace_days", 0).unwrap_or(0)
    }

    fn rows_min(&self) -> u64 {
        self.members.integer("rows_min", 1).and_then(|n| u64::try_from(n).ok()).unwrap_or(100)
    }

    fn range(&mut self) -> Option<Kind> {
        let column = self.members.text_needed("column");
        let bound = |key| {
            let text = self.members.scalar(key)?;
            let parsed = bound(&text.value);
            if parsed.is_none() {
                self.sheet.fault(text.span, format!("`{key}` is neither a number nor a date"));
            }
            parsed
        };
        let (min, max) = (bound("min"), bound("max"));
        let takes = match (min, max) {
            (None, None) => {
                if !self.members.has("min") && !self.members.has("max") {
                    self.lacks("`min` or `max`");
                }
                return None;
            }
            (Some(Bound::Number(_)), None | Some(Bound::Number(_)))
            | (None, Some(Bound::Number(_))) => NUMBERS,
            (Some(Bound::Day(_)), None | Some(Bound::Day(_))) | (None, Some(Bound::Day(_))) => {
                TIMES
            }
            (Some(Bound::Day(_)), Some(Bound::Number(_)))
            | (Some(Bound::Number(_)), Some(Bound::Day(_))) => {
                let span = self.members.value_span("max");
                self.sheet.fault(span, "one bound is a date and the other a number");
                return None;
            }
        };
        let upside_down = match (min, max) {
            (Some(Bound::Number(min)), Some(Bound::Number(max))) => min > max,
            (Some(Bound::Day(min)), Some(Bound::Day(max))) => min > max,
            (_, _) => false,
        };
        if upside_down {
            self.sheet.fault(self.members.value_span("min"), "`min` is greater than `max`");
        }
        let (table, column) = (self.table, column?);
        self.note(table, &column, takes);
        Some(Kind::Range { column: column.value, min, max })
    }

    fn ranges(&self, with_code: bool) -> Vec<UnitRange> {
        let mut ranges = Vec::new();
        let tables = self.members.tables("ranges");
        if tables.is_empty() {
            self.lacks("`ranges`");
        }
        for table in tables {
            let unit = table.text_needed("unit");
            let code = table.scalar("code");
            let (min, max) = (table.number("min"), table.number("max"));
            if min.is_none() && max.is_none() {
                self.sheet.fault(table.span(), "this range has neither `min` nor `max`");
            }
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                self.sheet.fault(table.value_span("min"), "`min` is greater than `max`");
            }
            if let Some(code) = &code
                && !with_code
            {
                let hint = "say `code = \"…\"` in the rule: the column of codes";
                let message = "a range of one code, and the rule names no column of codes";
                self.sheet.fault_hint(code.span.clone(), message, hint);
            }
            table.finish();
            if let Some(unit) = unit {
                let code = code.map(|code| code.value);
                ranges.push(UnitRange { unit: unit.value, code, min, max });
            }
        }
        ranges
    }

    fn units(&self) -> Vec<CodeUnits> {
        let mut units = Vec::new();
        let tables = self.members.tables("units");
        if tables.is_empty() {
            self.lacks("`units`");
        }
        for table in tables {
            let code = table.scalar("code");
            if code.is_none() && !table.has("code") {
                self.sheet.fault(table.span(), "these units are of no `code`");
            }
            let list = table.texts("units").unwrap_or_default();
            if list.is_empty() {
                self.sheet.fault(table.span(), "this code has no `units`");
            }
            table.finish();
            if let Some(code) = code {
                let list = list.into_iter().map(|text| text.value).collect();
                units.push(CodeUnits { code: code.value, units: list });
            }
        }
        units
    }

    fn pattern(&self) -> Option<String> {
        let text = self.members.text_needed("pattern")?;
        // The engine that will run it says whether it is one.
        let empty = Series::new("x".into(), [""]).into_column();
        let fits = DataFrame::new(1, vec![empty])
            .and_then(|frame| frame.lazy().select([row::matches(col("x"), &text.value)]).collect());
        if fits.is_err() {
            let hint =
                "it is a regular expression without look-around, and must fit all of the text";
            self.sheet.fault_hint(text.span, "`pattern` is no regular expression", hint);
            return None;
        }
        Some(text.value)
    }

    fn within(&mut self) -> Option<Kind> {
        let column = self.column("column", TIMES)?;
        let by = self.column("by", CODES)?;
        let of = self.target("of", CODES)?;
        let table = of.table.clone();
        let mut end = |key: &'static str| {
            let text = self.members.text_needed(key)?;
            self.note(&table, &text, TIMES);
            Some(text.value)
        };
        let (from, until) = (end("from")?, end("until")?);
        Some(Kind::WithinSpan { column, by, of, from, until, grace_days: self.grace() })
    }

    fn scope(&mut self) -> Option<Scope> {
        let members = self.members.table("where")?;
        let column = members.text_needed("column")?;
        let table = self.table;
        self.note(table, &column, ANY);
        let list = |key| {
            let texts: Option<Vec<Text>> = members.texts(key);
            texts.map(|texts| texts.into_iter().map(|text| text.value).collect())
        };
        let tests = [
            list("is").map(Test::Is),
            list("not").map(Test::Not),
            members.flag("filled").map(Test::Filled),
        ];
        let span: Range<usize> = members.span();
        members.finish();
        let mut tests = tests.into_iter().flatten();
        let (Some(test), None) = (tests.next(), tests.next()) else {
            self.sheet.fault(span, "`where` says one of `is`, `not` and `filled`");
            return None;
        };
        Some(Scope { column: column.value, test })
    }
}

fn bound(text: &str) -> Option<Bound> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(Bound::Number(number));
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Bound::Day)
}
