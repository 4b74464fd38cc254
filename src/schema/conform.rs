//! Raw text to typed Arrow columns; rows that do not fit are taken out and told.
//!
//! Comes in: a schema and a raw batch. Goes out: a [`ConformedBatch`] and one [`Reject`] a bad row.
//! Never: an undeclared column kept, a value in a reason, an allocation for a good cell.

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder,
        RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondBuilder,
    },
    buffer::NullBuffer,
    error::ArrowError,
};

use super::{Column, ColumnType, ConformedBatch, Reject, Role, Rule, TableSchema, Unfit, cell};
use crate::{party::ContributorId, source::RawBatch};

/// Why a file does not fit its schema at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Columns that the schema does not know: they might hold anything.
    #[error("`{file}` has columns that `{table}` does not declare: {columns}")]
    Undeclared {
        /// The file.
        file: Arc<str>,
        /// The table.
        table: String,
        /// The columns, in backticks.
        columns: String,
    },
    /// Required columns that the file lacks.
    #[error("`{file}` lacks required columns of `{table}`: {columns}")]
    Missing {
        /// The file.
        file: Arc<str>,
        /// The table.
        table: String,
        /// The columns, in backticks.
        columns: String,
    },
    /// None of the columns is known: the first line may be a row. Its cells stay unsaid.
    #[error("`{file}` names none of the columns of `{table}`: its first line may be no header")]
    NoHeader {
        /// The file.
        file: Arc<str>,
        /// The table.
        table: String,
    },
    /// Arrow says no.
    #[error("rows of `{file}` do not fit one batch")]
    Arrow {
        /// The file.
        file: Arc<str>,
        /// Why.
        source: ArrowError,
    },
}

/// Conforms a raw batch to its schema.
///
/// A declared column that the file lacks is all null, and an error if it is required.
pub fn conform(
    schema: &Arc<TableSchema>,
    raw: &RawBatch,
) -> Result<(ConformedBatch, Vec<Reject>), Error> {
    check_columns(schema, raw)?;
    let file = raw.file();
    let rows = raw.rows();
    let absent = StringArray::new_null(rows);
    let mut causes = Causes::new(rows);
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.columns.len());
    for (index, column) in schema.columns.iter().enumerate() {
        let cells = raw.column(&column.name).unwrap_or(&absent);
        causes.column = index;
        columns.push(typed(schema, column, cells, &mut causes));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::new(schema.arrow()), columns, &options)
        .map_err(|source| Error::Arrow { file: Arc::clone(file), source })?;
    let batch = ConformedBatch {
        schema: Arc::clone(schema),
        rows: batch,
        file: Arc::clone(file),
        lines: raw.lines().to_vec(),
    };

    let mut rejects: Vec<Reject> = raw
        .faults()
        .iter()
        .map(|fault| Reject {
            file: Arc::clone(file),
            line: fault.line,
            column: fault.column.clone(),
            rule: fault.kind.into(),
            reason: fault.reason.clone(),
        })
        .collect();
    if causes.list.is_empty() {
        return Ok((batch, rejects));
    }
    for (row, cause) in causes.list {
        let line = raw.lines().get(row).copied().unwrap_or_default();
        let column = schema.columns.get(cause.column).map(|column| column.name.clone());
        let (rule, reason) = (cause.rule, cause.reason);
        rejects.push(Reject { file: Arc::clone(file), line, column, rule, reason });
    }
    rejects.sort_by_key(|reject| reject.line);
    let batch = batch
        .keep(&causes.good)
        .map_err(|source| Error::Arrow { file: Arc::clone(file), source })?;
    Ok((batch, rejects))
}

fn check_columns(schema: &TableSchema, raw: &RawBatch) -> Result<(), Error> {
    let list = |names: Vec<&str>| {
        let shown = names
            .iter()
            .take(12)
            .map(|name| format!("`{}`", name.chars().take(64).collect::<String>()));
        shown.collect::<Vec<_>>().join(", ")
    };
    let (file, table) = (Arc::clone(raw.file()), schema.table.clone());
    let unknown: Vec<&str> = raw
        .names()
        .iter()
        .map(AsRef::as_ref)
        .filter(|name| schema.column(name).is_none())
        .collect();
    if !unknown.is_empty() {
        // A file without a header has people's values where the names should be: say none of them
        // unless most of the line is known.
        if raw.is_headed() && 2 * unknown.len() > raw.names().len() {
            return Err(Error::NoHeader { file, table });
        }
        return Err(Error::Undeclared { file, table, columns: list(unknown) });
    }
    let missing: Vec<&str> = schema
        .columns
        .iter()
        .filter(|column| column.required && raw.is_headed() && raw.column(&column.name).is_none())
        .map(|column| column.name.as_str())
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::Missing { file, table, columns: list(missing) })
    }
}

/// Why a row is bad.
struct Cause {
    column: usize,
    rule: Rule,
    reason: String,
}

/// The first cause of each bad row.
struct Causes {
    column: usize,
    good: Vec<bool>,
    list: Vec<(usize, Cause)>,
}

impl Causes {
    fn new(rows: usize) -> Self {
        Self { column: 0, good: vec![true; rows], list: Vec::new() }
    }

    #[cold]
    fn add(&mut self, row: usize, rule: Rule, reason: impl FnOnce() -> String) {
        if self.good.get_mut(row).is_some_and(|good| std::mem::replace(good, false)) {
            let reason = reason();
            self.list.push((row, Cause { column: self.column, rule, reason }));
        }
    }
}

/// Reads one column.
fn typed(
    schema: &TableSchema,
    column: &Column,
    cells: &StringArray,
    causes: &mut Causes,
) -> ArrayRef {
    let rows = cells.len();
    let dates = schema.date_format.as_deref();
    let times = schema.timestamp_format.as_deref();
    let walk = Walk { column, cells, nulls: &schema.nulls };
    match column.kind {
        ColumnType::String => strings(schema, column, cells, causes),
        ColumnType::Int => {
            let mut out = Int64Builder::with_capacity(rows);
            walk.run(causes, "an integer", cell::int, |value| out.append_option(value));
            Arc::new(out.finish())
        }
        ColumnType::Float => {
            let mut out = Float64Builder::with_capacity(rows);
            walk.run(causes, "a finite number", cell::float, |value| out.append_option(value));
            Arc::new(out.finish())
        }
        ColumnType::Bool => {
            let mut out = BooleanBuilder::with_capacity(rows);
            walk.run(causes, "true or false", cell::bool, |value| out.append_option(value));
            Arc::new(out.finish())
        }
        ColumnType::Date => {
            let mut out = Date32Builder::with_capacity(rows);
            let wanted = dates.unwrap_or("YYYY-MM-DD");
            let what = format!("a date of the form {wanted}");
            walk.run(
                causes,
                &what,
                |text| {
                    let partial = || cell::partial(text, column.precision?);
                    cell::date(text, dates).or_else(partial)
                },
                |value| out.append_option(value),
            );
            Arc::new(out.finish())
        }
        ColumnType::Timestamp => {
            let mut out = TimestampMicrosecondBuilder::with_capacity(rows);
            let wanted = times.unwrap_or("YYYY-MM-DDTHH:MM:SSZ");
            let what = format!("a timestamp of the form {wanted}");
            let read = |text: &str| {
                let partial = || cell::partial_instant(text, column.precision?);
                cell::timestamp(text, times).or_else(partial)
            };
            walk.run(causes, &what, read, |value| out.append_option(value));
            Arc::new(out.finish())
        }
    }
}

/// One column's cells, and what an empty one looks like.
struct Walk<'a> {
    column: &'a Column,
    cells: &'a StringArray,
    nulls: &'a [String],
}

impl Walk<'_> {
    fn run<T: PartialOrd + Copy>(
        &self,
        causes: &mut Causes,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
        mut push: impl FnMut(Option<T>),
    ) {
        // Bounds and codes were read when the schema was; what does not read bounds nothing.
        let bound = |text: &Option<String>| text.as_deref().and_then(&read);
        let (min, max) = (bound(&self.column.min), bound(&self.column.max));
        let codes: Vec<T> = self.column.codes.iter().filter_map(|code| read(code)).collect();
        for (row, text) in self.cells.iter().enumerate() {
            let text = text.filter(|text| !self.nulls.iter().any(|null| null == text));
            let Some(text) = text else {
                if self.column.required {
                    causes.add(row, Rule::Required, || "empty".to_owned());
                }
                push(None);
                continue;
            };
            let value = read(text);
            let broken = match value {
                None => Some(Rule::Type),
                Some(value) if min.is_some_and(|min| value < min) => Some(Rule::Range),
                Some(value) if max.is_some_and(|max| value > max) => Some(Rule::Range),
                Some(value) if !codes.is_empty() && !codes.contains(&value) => Some(Rule::Code),
                Some(_) => None,
            };
            if let Some(rule) = broken {
                if self.column.unfit == Unfit::Reject {
                    let reason = || self.reason(&rule, what, text.len());
                    causes.add(row, rule.clone(), reason);
                }
                push(None);
            } else {
                push(value);
            }
        }
    }

    fn reason(&self, rule: &Rule, what: &str, bytes: usize) -> String {
        if *rule == Rule::Type {
            format!("not {what}, {bytes} bytes")
        } else {
            broken(self.column, rule, bytes)
        }
    }
}

/// Says which bound or list a cell breaks; never the cell.
fn broken(column: &Column, rule: &Rule, bytes: usize) -> String {
    if *rule == Rule::Code {
        return format!("none of the {} codes, {bytes} bytes", column.codes.len());
    }
    match (&column.min, &column.max) {
        (Some(min), Some(max)) => format!("not within {min} and {max}"),
        (Some(min), None) => format!("less than {min}"),
        (None, Some(max)) => format!("more than {max}"),
        (None, None) => "out of range".to_owned(),
    }
}

/// Checks a text column; its bytes are taken as they are, without a copy.
fn strings(
    schema: &TableSchema,
    column: &Column,
    cells: &StringArray,
    causes: &mut Causes,
) -> ArrayRef {
    let cells = nulled(cells, &schema.nulls);
    // The person's cell must always be there: without it nobody could consent.
    let needed = column.required || column.role == Role::Person;
    if let Some(nulls) = cells.nulls().filter(|nulls| needed && nulls.null_count() > 0) {
        for row in nulls.iter().enumerate().filter(|(_, valid)| !valid).map(|(row, _)| row) {
            causes.add(row, Rule::Required, || "empty".to_owned());
        }
    }
    if column.role == Role::Person {
        for (row, text) in cells.iter().enumerate() {
            if let Some(Err(error)) = text.map(ContributorId::check) {
                causes.add(row, Rule::Type, || error.to_string());
            }
        }
    }
    let (min, max) = (column.min.as_deref(), column.max.as_deref());
    let mut codes: Vec<&str> = column.codes.iter().map(String::as_str).collect();
    codes.sort_unstable();
    if min.is_none() && max.is_none() && codes.is_empty() {
        return Arc::new(cells);
    }
    let mut emptied: Option<Vec<bool>> = None;
    for (row, text) in cells.iter().enumerate() {
        let Some(text) = text else { continue };
        let rule = if min.is_some_and(|min| text < min) || max.is_some_and(|max| text > max) {
            Rule::Range
        } else if !codes.is_empty() && codes.binary_search(&text).is_err() {
            Rule::Code
        } else {
            continue;
        };
        match column.unfit {
            Unfit::Reject => {
                let reason = || broken(column, &rule, text.len());
                causes.add(row, rule.clone(), reason);
            }
            Unfit::Null => {
                let valid = emptied.get_or_insert_with(|| {
                    (0..cells.len()).map(|row| cells.is_valid(row)).collect()
                });
                if let Some(valid) = valid.get_mut(row) {
                    *valid = false;
                }
            }
        }
    }
    match emptied {
        None => Arc::new(cells),
        // Copied, so that the bytes of emptied cells are gone and not only hidden.
        Some(valid) => Arc::new(
            cells
                .iter()
                .zip(valid)
                .map(|(text, valid)| text.filter(|_| valid))
                .collect::<StringArray>(),
        ),
    }
}

/// Returns the cells with the schema's null texts as nulls; the bytes are shared.
fn nulled(cells: &StringArray, nulls: &[String]) -> StringArray {
    if nulls.is_empty() {
        return cells.clone();
    }
    let valid: Vec<bool> = cells
        .iter()
        .map(|text| text.is_some_and(|text| !nulls.iter().any(|null| null == text)))
        .collect();
    let (offsets, values, _) = cells.clone().into_parts();
    StringArray::new(offsets, values, Some(NullBuffer::from(valid)))
}

#[cfg(test)]
mod tests {
    use std::{ops::ControlFlow, path::Path};

    use arrow::{
        array::AsArray as _,
        datatypes::{Date32Type, Float64Type, TimestampMicrosecondType},
    };

    use super::*;
    use crate::source::{Format, Options, read_all};

    const SCHEMA: &str = r#"
table = "visits"
key = ["id"]
null = ["NULL"]
[[column]]
name = "who"
type = "string"
role = "person"
[[column]]
name = "id"
type = "int"
role = "measure"
required = true
range = { min = 1, max = 99 }
[[column]]
name = "day"
type = "date"
role = "quasi"
[[column]]
name = "sex"
type = "string"
role = "quasi"
codes = ["F", "M"]
[[column]]
name = "value"
type = "float"
role = "measure"
unfit = "null"
range = { max = 100 }
"#;

    fn run(csv: &str) -> Result<(ConformedBatch, Vec<Reject>), Error> {
        run_with(SCHEMA, csv)
    }

    fn run_with(schema: &str, csv: &str) -> Result<(ConformedBatch, Vec<Reject>), Error> {
        let schema = Arc::new(TableSchema::read(Path::new("s.toml"), schema).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("visits.csv");
        std::fs::write(&file, csv).unwrap();
        let mut out = None;
        read_all(&file, Format::Csv, &Options::default(), &mut |raw| {
            out = Some(conform(&schema, &raw));
            ControlFlow::Break(())
        })
        .unwrap();
        out.unwrap()
    }

    #[test]
    fn each_broken_rule_is_told_by_line_and_column_and_never_by_value() {
        let (batch, rejects) = run("who,id,day,sex,value\n\
            p1,1,2020-01-01,F,1.5\n\
            ,2,2020-01-01,F,\n\
            p1,CANARY,2020-01-01,F,\n\
            p1,100,2020-01-01,F,\n\
            p1,3,2020-02-30,F,\n\
            p1,4,NULL,CANARY,\n\
            p1,,NULL,M,\n\
            p1,5\n\
            NULL,6,,,\n\
            p2,7,NULL,NULL,7\n")
        .unwrap();
        let told: Vec<_> = rejects
            .iter()
            .map(|r| (r.line, r.column.as_deref().unwrap_or("-"), r.rule.clone()))
            .collect();
        let wanted = [
            (3, "who", Rule::Required),
            (4, "id", Rule::Type),
            (5, "id", Rule::Range),
            (6, "day", Rule::Type),
            (7, "sex", Rule::Code),
            (8, "id", Rule::Required),
            (9, "-", Rule::Columns),
            (10, "who", Rule::Required),
        ];
        assert_eq!(told, wanted);
        assert!(rejects.iter().all(|r| !r.reason.contains("CANARY") && &*r.file == "visits.csv"));
        assert_eq!(rejects[3].reason, "not a date of the form YYYY-MM-DD, 10 bytes");
        assert_eq!(batch.lines(), [2, 11]);
        assert_eq!(batch.rows().num_rows(), 2);
        assert_eq!(batch.rows().column(3).null_count(), 1);
    }

    #[test]
    fn a_cell_that_may_be_emptied_costs_no_row() {
        let (batch, rejects) =
            run("who,id,value\np,1,12 High Street\np,2,101\np,3,99.5\n").unwrap();
        assert!(rejects.is_empty());
        let values = batch.rows().column(4).as_primitive::<Float64Type>();
        let values: Vec<_> = values.iter().collect();
        assert_eq!(values, [None, None, Some(99.5)], "an address would be released");
    }

    #[test]
    fn fhir_times_become_utc_and_partial_ones_are_read_or_emptied_as_the_schema_says() {
        const FHIR: &str = r#"
table = "visits"
[[column]]
name = "who"
type = "string"
role = "person"
[[column]]
name = "born"
type = "date"
role = "quasi"
precision = "year"
[[column]]
name = "start"
type = "timestamp"
role = "quasi"
unfit = "null"
precision = "day"
"#;
        let csv = "who,born,start\n\
            p1,1992,2020-03-01T00:30:00+02:00\n\
            p2,1992-03,2020-03-01\n\
            p3,1992-03-30,2020-03\n\
            p4,92,2020\n";
        let (batch, rejects) = run_with(FHIR, csv).unwrap();
        assert_eq!(rejects.iter().map(|r| r.line).collect::<Vec<_>>(), [5], "92 is no year");
        let day = |text| cell::date(text, None);
        let born: Vec<_> = batch.rows().column(1).as_primitive::<Date32Type>().iter().collect();
        assert_eq!(born, ["1992-01-01", "1992-03-01", "1992-03-30"].map(day), "another birthday");
        let at = |text| cell::timestamp(text, None);
        let starts = batch.rows().column(2).as_primitive::<TimestampMicrosecondType>();
        let starts: Vec<_> = starts.iter().collect();
        let utc = [at("2020-02-29T22:30:00Z"), at("2020-03-01T00:00:00Z"), None];
        assert_eq!(starts, utc, "a month would become an instant, or an offset be lost");
    }

    #[test]
    fn an_undeclared_column_is_an_error_that_names_file_and_column() {
        let text = run("who,id,ssn\np,1,2\n").unwrap_err().to_string();
        assert_eq!(text, "`visits.csv` has columns that `visits` does not declare: `ssn`");
    }

    #[test]
    fn a_missing_required_column_is_an_error_and_a_missing_optional_one_is_null() {
        let text = run("who,day\np,2020-01-01\n").unwrap_err().to_string();
        assert_eq!(text, "`visits.csv` lacks required columns of `visits`: `id`");
        let (batch, _) = run("id,who\n1,p\n").unwrap();
        assert_eq!(batch.rows().column(2).null_count(), 1);
    }

    #[test]
    fn a_file_without_a_header_shows_none_of_its_first_row() {
        let error = run("CANARY,1970-01-01,F\np,1,2\n").unwrap_err();
        assert!(matches!(error, Error::NoHeader { .. }));
        assert!(!error.to_string().contains("CANARY"), "it would name a person");
    }

    #[test]
    fn an_id_that_no_contributor_can_have_is_rejected() {
        let (_, rejects) = run(&format!("who,id\n{},1\n\"a\nb\",2\n", "x".repeat(200))).unwrap();
        assert_eq!(rejects.len(), 2, "it could never be matched to a consent");
    }

    #[test]
    fn duplicate_keys_and_dangling_references_are_found_across_parts() {
        use crate::schema::{KeySet, ReferenceSet, Screen};

        let (one, _) = run("who,id\na,1\nb,2\na,1\n").unwrap();
        let (two, _) = run("who,id\nc,2\nd,3\n").unwrap();
        let mut keys = KeySet::default();
        keys.gather(1, &two);
        let mut first = KeySet::default();
        first.gather(0, &one);
        keys.merge(KeySet::decode(&first.encode()).unwrap());
        let duplicates = keys.duplicates();
        let wanted = [((0, 4), (0, 2)), ((1, 2), (0, 3))];
        assert!(
            duplicates.iter().map(|(a, b)| (*a, *b)).eq(wanted),
            "the order of parts would decide"
        );

        let mut references = ReferenceSet::default();
        references.gather(1, &two);
        let mut only_one = KeySet::default();
        only_one.gather(0, &one);
        let missing = references.missing(&mut only_one);
        assert_eq!(missing.count(), 1);
        let missing = ReferenceSet::decode(&missing.encode()).unwrap();
        let screen = Screen::new(duplicates).references(1, missing);
        let (kept, rejects) = screen.apply(1, two).unwrap();
        assert_eq!(kept.rows().num_rows(), 0);
        let rules: Vec<_> = rejects.iter().map(|r| (r.line, r.rule.clone())).collect();
        assert_eq!(rules, [(2, Rule::KeyDuplicate), (3, Rule::ForeignKey)]);
        let (kept, rejects) = screen.apply(0, one).unwrap();
        assert_eq!((kept.lines(), rejects.len()), ([2, 3].as_slice(), 1));
    }
}
