//! What the columns of one table become: which is the row's code, its time, its value; which stand
//! beside it; which stay behind.
//!
//! Comes in: released columns and their rows. Goes out: [`Event`]s. Never: a column of role `direct`.

use std::collections::BTreeSet;

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType},
    util::display::{ArrayFormatter, FormatOptions},
};

use super::{Codes, Error, Event};
use crate::{lake::ReleasedColumn, schema::Role};

/// Units of measure (UCUM), which belong to a value and not beside it.
const UCUM: &str = "http://unitsofmeasure.org";

const OMOP: &str = "https://athena.ohdsi.org/";

/// What code systems are called in codes; another one by the last part of its address.
const VOCABULARIES: [(&str, &str); 6] = [
    ("http://loinc.org", "LOINC"),
    ("http://snomed.info/sct", "SNOMED"),
    ("http://www.nlm.nih.gov/research/umls/rxnorm", "RxNorm"),
    ("http://hl7.org/fhir/sid/icd-10-cm", "ICD10CM"),
    ("http://hl7.org/fhir/sid/cvx", "CVX"),
    (OMOP, "OMOP"),
];

/// What the columns of one table become.
///
/// A table with a date and a code has events: each row is one, with the first sensitive code (else
/// the first code), the unit, the first sensitive number as its value, and the first date as its
/// time; other numbers, sensitive codes and dates are events beside it. A table without tells what
/// a person is: each column is an event without a time, save dates. Pseudonyms of other things, and
/// text that no code system explains in a table of events, stay behind.
#[derive(Debug)]
pub(super) struct Layout<'v> {
    table: String,
    time: Option<Moment<'v>>,
    code: Option<&'v ReleasedColumn>,
    /// The column that says each code's system, if one is named so.
    system: Option<&'v ReleasedColumn>,
    unit: Option<&'v ReleasedColumn>,
    value: Option<&'v ReleasedColumn>,
    others: Vec<Other<'v>>,
}

/// A column of times; OMOP writes a moment twice, as a date and, where it is known, with its hour.
#[derive(Debug, Clone, Copy)]
struct Moment<'v> {
    column: &'v ReleasedColumn,
    finer: Option<&'v ReleasedColumn>,
}

#[derive(Debug)]
enum Other<'v> {
    Moment(Moment<'v>),
    Code(&'v ReleasedColumn),
    Number(&'v ReleasedColumn),
    Text(&'v ReleasedColumn),
}

impl<'v> Layout<'v> {
    pub(super) fn of(table: &str, columns: &'v [ReleasedColumn], batch: &RecordBatch) -> Self {
        let kind = |column: &ReleasedColumn| {
            batch.column_by_name(&column.name).map(|array| array.data_type().clone())
        };
        let is_time = |c: &&ReleasedColumn| {
            matches!(kind(c), Some(DataType::Date32 | DataType::Timestamp(..)))
        };
        let is_number = |c: &ReleasedColumn| {
            c.code_system.is_none() && matches!(kind(c), Some(DataType::Int64 | DataType::Float64))
        };
        let tells: Vec<&ReleasedColumn> = columns
            .iter()
            .filter(|c| matches!(c.role, Role::Quasi | Role::Sensitive | Role::Measure))
            .collect();
        let times: Vec<&ReleasedColumn> = tells.iter().copied().filter(is_time).collect();
        let moments = moments(&times);
        let unit = tells.iter().copied().find(|c| c.code_system.as_deref() == Some(UCUM));
        let is_code =
            |c: &&ReleasedColumn| c.code_system.as_deref().is_some_and(|system| system != UCUM);
        let is_sensitive = |c: &&ReleasedColumn| c.role == Role::Sensitive;
        let codes: Vec<&ReleasedColumn> = tells.iter().copied().filter(is_code).collect();
        let code = codes.iter().copied().find(is_sensitive).or(codes.first().copied());
        let numbers = tells.iter().copied().filter(|c| is_number(c));
        let value = numbers.clone().find(is_sensitive);
        let system = code.and_then(|code| {
            let wanted = format!("{}_system", code.name);
            tells.iter().copied().find(|column| column.name == wanted)
        });
        let has_events = code.is_some() && !moments.is_empty();
        let main = |c: &ReleasedColumn| {
            let same = |other: Option<&ReleasedColumn>| other.is_some_and(|o| o.name == c.name);
            has_events && (same(code) || same(value) || same(unit))
        };
        let mut others = Vec::new();
        for column in tells.iter().copied().filter(|c| !main(c) && !is_time(c)) {
            if is_number(column) {
                others.push(Other::Number(column));
            } else if is_code(&column) {
                if column.role != Role::Measure || !has_events {
                    others.push(Other::Code(column));
                }
            } else if !has_events {
                others.push(Other::Text(column));
            }
        }
        let time = moments.first().copied().filter(|_| has_events);
        others.extend(moments.into_iter().skip(usize::from(has_events)).map(Other::Moment));
        Self {
            table: table.to_uppercase(),
            time,
            code: code.filter(|_| has_events),
            system: system.filter(|_| has_events),
            unit: unit.filter(|_| has_events),
            value: value.filter(|_| has_events),
            others,
        }
    }

    pub(super) fn events(
        &self,
        batch: &RecordBatch,
        subjects: &[String],
        codes: &mut Codes,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        let numbers: Vec<Option<i64>> = numbers(batch, subjects);
        let times = self.time.map(|moment| moment.micros(batch)).transpose()?;
        let time = |row: usize| times.as_ref().and_then(|times| times.get(row).copied().flatten());
        if let Some(moment) = self.time {
            let own = self.code.map(|column| Cells::of(batch, column)).transpose()?;
            let systems = self.system.map(|column| Cells::of(batch, column)).transpose()?;
            let units = self.unit.map(|column| Cells::of(batch, column)).transpose()?;
            let values = self.value.map(|column| values(batch, column)).transpose()?;
            let bare = codes.place(format!("{}//{}", self.table, moment.column.name), None);
            let fixed = self.value.and_then(|column| column.unit.clone());
            for (row, subject) in numbers.iter().enumerate() {
                let Some(subject) = *subject else { continue };
                let value = values.as_ref().and_then(|v| v.get(row).copied().flatten());
                let unit = units.as_ref().and_then(|u| u.text(row)).or_else(|| fixed.clone());
                let unit = unit.filter(|_| value.is_some());
                let system = systems.as_ref().and_then(|systems| systems.text(row));
                let code = match own.as_ref().and_then(|cells| cells.code(row, system.as_deref())) {
                    None => bare,
                    Some((code, parent)) => {
                        let unit = unit.map(|unit| format!("//{unit}")).unwrap_or_default();
                        codes.place(format!("{}//{code}{unit}", self.table), parent)
                    }
                };
                events.push(Event { subject, time: time(row), code, value });
            }
        }
        for other in &self.others {
            self.beside(other, batch, &numbers, &time, codes, events)?;
        }
        Ok(())
    }

    /// Makes the events of a column that is not the row's own.
    fn beside(
        &self,
        other: &Other<'_>,
        batch: &RecordBatch,
        numbers: &[Option<i64>],
        time: &dyn Fn(usize) -> Option<i64>,
        codes: &mut Codes,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        let rows = numbers.iter().enumerate().filter_map(|(row, n)| Some((row, (*n)?)));
        let name = |column: &ReleasedColumn| format!("{}//{}", self.table, column.name);
        match other {
            Other::Moment(moment) => {
                let times = moment.micros(batch)?;
                let code = codes.place(name(moment.column), None);
                for (row, subject) in rows {
                    if let Some(at) = times.get(row).copied().flatten() {
                        events.push(Event { subject, time: Some(at), code, value: None });
                    }
                }
            }
            Other::Number(column) => {
                let unit = column.unit.as_deref().map(|u| format!("//{u}")).unwrap_or_default();
                let code = codes.place(format!("{}{unit}", name(column)), None);
                let values = values(batch, column)?;
                for (row, subject) in rows {
                    if let Some(value) = values.get(row).copied().flatten() {
                        let value = Some(value);
                        events.push(Event { subject, time: time(row), code, value });
                    }
                }
            }
            Other::Code(column) | Other::Text(column) => {
                let cells = Cells::of(batch, column)?;
                for (row, subject) in rows {
                    if let Some((text, parent)) = cells.code(row, None) {
                        let code = codes.place(format!("{}//{text}", name(column)), parent);
                        events.push(Event { subject, time: time(row), code, value: None });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Puts `x_date` and `x_datetime` together.
fn moments<'v>(columns: &[&'v ReleasedColumn]) -> Vec<Moment<'v>> {
    let stem =
        |c: &ReleasedColumn| c.name.strip_suffix("_date").map(|stem| format!("{stem}_datetime"));
    let finer = |c: &ReleasedColumn| {
        let wanted = stem(c)?;
        columns.iter().copied().find(|other| other.name == wanted)
    };
    let taken: BTreeSet<&str> =
        columns.iter().filter_map(|c| finer(c)).map(|c| c.name.as_str()).collect();
    let own = columns.iter().copied().filter(|c| !taken.contains(c.name.as_str()));
    own.map(|column| Moment { column, finer: finer(column) }).collect()
}

impl Moment<'_> {
    fn micros(&self, batch: &RecordBatch) -> Result<Vec<Option<i64>>, Error> {
        let read = |column: &ReleasedColumn| -> Result<Vec<Option<i64>>, Error> {
            let Some(array) = batch.column_by_name(&column.name) else {
                return Ok(vec![None; batch.num_rows()]);
            };
            let array = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            Ok(array.as_primitive::<TimestampMicrosecondType>().iter().collect())
        };
        let days = read(self.column)?;
        let Some(finer) = self.finer else { return Ok(days) };
        Ok(read(finer)?.into_iter().zip(days).map(|(finer, day)| finer.or(day)).collect())
    }
}

/// The texts of a column.
struct Cells<'b> {
    texts: Option<ArrayFormatter<'b>>,
    valid: Box<dyn Fn(usize) -> bool + 'b>,
    system: Option<&'b str>,
}

impl<'b> Cells<'b> {
    fn of(batch: &'b RecordBatch, column: &'b ReleasedColumn) -> Result<Self, Error> {
        let array = batch.column_by_name(&column.name);
        let texts = array
            .map(|array| ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default()))
            .transpose()?;
        let valid = Box::new(move |row| array.is_some_and(|array| array.is_valid(row)));
        Ok(Self { texts, valid, system: column.code_system.as_deref() })
    }

    fn text(&self, row: usize) -> Option<String> {
        let texts = self.texts.as_ref().filter(|_| (self.valid)(row))?;
        Some(texts.value(row).to_string())
    }

    /// Returns `vocabulary//code`, or the text alone, and the code in its vocabulary's own form.
    fn code(&self, row: usize, system: Option<&str>) -> Option<(String, Option<String>)> {
        let text = self.text(row)?;
        let Some(system) = system.or(self.system) else { return Some((text, None)) };
        // Concept 0 of OMOP is "no matching concept": nothing is coded.
        if system == OMOP && text == "0" {
            return None;
        }
        let known = VOCABULARIES.iter().find(|(address, _)| *address == system);
        let name = known.map(|(_, name)| *name);
        let name = name.or_else(|| system.trim_end_matches('/').rsplit('/').next());
        let name = name.unwrap_or(system);
        Some((format!("{name}//{text}"), known.map(|_| format!("{name}/{text}"))))
    }
}

/// Returns each row's subject.
fn numbers(batch: &RecordBatch, subjects: &[String]) -> Vec<Option<i64>> {
    let people = batch.column_by_name("person").and_then(|column| column.as_string_opt::<i32>());
    let Some(people) = people else { return vec![None; batch.num_rows()] };
    let place = |person: &str| subjects.binary_search_by(|s| s.as_str().cmp(person)).ok();
    people.iter().map(|person| i64::try_from(place(person?)? + 1).ok()).collect()
}

fn values(batch: &RecordBatch, column: &ReleasedColumn) -> Result<Vec<Option<f32>>, Error> {
    let Some(array) = batch.column_by_name(&column.name) else {
        return Ok(vec![None; batch.num_rows()]);
    };
    let array = cast(array, &DataType::Float64)?;
    #[expect(clippy::cast_possible_truncation, reason = "MEDS has 32-bit values")]
    Ok(array.as_primitive::<Float64Type>().iter().map(|value| value.map(|v| v as f32)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, StringArray};

    use super::*;
    use crate::schema::ColumnType;

    fn column(name: &str, role: Role, system: Option<&str>, unit: Option<&str>) -> ReleasedColumn {
        ReleasedColumn {
            name: name.to_owned(),
            kind: String::new(),
            source: ColumnType::String,
            role,
            done: String::new(),
            unit: unit.map(str::to_owned),
            code_system: system.map(str::to_owned),
        }
    }

    fn texts(cells: &[Option<&str>]) -> ArrayRef {
        Arc::new(cells.iter().copied().collect::<StringArray>())
    }

    /// Returns (subject, day, code, value) of each event.
    fn told(
        table: &str,
        columns: &[ReleasedColumn],
        arrays: Vec<ArrayRef>,
    ) -> Vec<(i64, Option<i64>, String, Option<f32>)> {
        let named = columns.iter().map(|c| c.name.as_str()).zip(arrays);
        let batch =
            RecordBatch::try_from_iter_with_nullable(named.map(|(n, a)| (n, a, true))).unwrap();
        let (mut codes, mut events) = (Codes::default(), Vec::new());
        let subjects = ["a", "b"].map(str::to_owned);
        let layout = Layout::of(table, columns, &batch);
        layout.events(&batch, &subjects, &mut codes, &mut events).unwrap();
        let names = codes.names();
        let day = |micros: i64| micros / 86_400_000_000;
        events
            .iter()
            .map(|e| (e.subject, e.time.map(day), names[e.code].to_owned(), e.value))
            .collect()
    }

    #[test]
    fn a_row_with_a_date_and_a_code_is_an_event_with_its_unit_and_value() {
        let columns = [
            column("person", Role::Person, None, None),
            column("visit", Role::Direct, None, None),
            column("status", Role::Measure, None, None),
            column("code", Role::Sensitive, Some("http://loinc.org"), None),
            column("code_system", Role::Measure, None, None),
            column("taken", Role::Quasi, None, None),
            column("value", Role::Sensitive, None, None),
            column("unit", Role::Measure, Some(UCUM), None),
            column("cost", Role::Measure, None, Some("[USD]")),
            column("ended", Role::Quasi, None, None),
        ];
        let found = told(
            "labs",
            &columns,
            vec![
                texts(&[Some("b"), Some("a"), Some("a")]),
                texts(&[Some("v"), Some("v"), Some("v")]),
                texts(&[Some("final"); 3]),
                texts(&[Some("8302-2"), Some("73211009"), None]),
                texts(&[None, Some("http://snomed.info/sct"), None]),
                Arc::new(Date32Array::from(vec![10, 20, 30])),
                Arc::new(Float64Array::from(vec![Some(1.5), None, None])),
                texts(&[Some("cm"), Some("cm"), None]),
                Arc::new(Int64Array::from(vec![None, Some(7), None])),
                Arc::new(Date32Array::from(vec![None, Some(21), None])),
            ],
        );
        let event = |s, d, code: &str, v| (s, Some(d), code.to_owned(), v);
        let wanted = [
            event(2, 10, "LABS//LOINC//8302-2//cm", Some(1.5)),
            event(1, 20, "LABS//SNOMED//73211009", None),
            event(1, 30, "LABS//taken", None),
            event(1, 20, "LABS//cost//[USD]", Some(7.0)),
            event(1, 21, "LABS//ended", None),
        ];
        assert_eq!(found, wanted, "an event would say something else than its row");
    }

    #[test]
    fn a_table_of_what_people_are_has_no_times_but_its_dates() {
        let columns = [
            column("person", Role::Person, None, None),
            column("birth_years", Role::Quasi, None, None),
            column("died", Role::Sensitive, None, None),
        ];
        let found = told(
            "patients",
            &columns,
            vec![
                texts(&[Some("a"), Some("b")]),
                texts(&[Some("1980-2024"), None]),
                Arc::new(Date32Array::from(vec![None, Some(40)])),
            ],
        );
        let birth = (1, None, "PATIENTS//birth_years//1980-2024".to_owned(), None);
        let died = (2, Some(40), "PATIENTS//died".to_owned(), None);
        assert_eq!(found, [birth, died]);
    }

    #[test]
    fn omop_moments_are_one_and_concept_0_is_no_code() {
        let columns = [
            column("person", Role::Person, None, None),
            column("x_concept_id", Role::Sensitive, Some(OMOP), None),
            column("x_date", Role::Quasi, None, None),
            column("x_datetime", Role::Quasi, None, None),
        ];
        let found = told(
            "x",
            &columns,
            vec![
                texts(&[Some("a"), Some("a")]),
                Arc::new(Int64Array::from(vec![0, 5])),
                Arc::new(Date32Array::from(vec![1, 2])),
                Arc::new(Date32Array::from(vec![None, Some(3)])),
            ],
        );
        let wanted = [
            (1, Some(1), "X//x_date".to_owned(), None),
            (1, Some(3), "X//OMOP//5".to_owned(), None),
        ];
        assert_eq!(found, wanted, "a moment was told twice, or nothing coded");
    }
}
