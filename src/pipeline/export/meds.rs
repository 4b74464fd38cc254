//! MEDS v0.4: every row of a version as events (`subject_id`, `time`, `code`, `numeric_value`).
//!
//! Comes in: released columns with their roles, code systems and units. Goes out: `data/<split>/0.parquet`
//! and `metadata/`. Never: a pseudonym, let alone an id; subjects are numbered anew in each version.

mod layout;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, Float32Array, Int64Array, ListBuilder, RecordBatch,
        StringArray, StringBuilder, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use self::layout::Layout;
use super::{Error, File, put};
use crate::{
    lake::{Version, read_segment},
    store::Store,
};

const SPLITS: [&str; 3] = ["train", "tuning", "held_out"];
const MEDS_VERSION: &str = "0.4.1";

/// Writes a version as a MEDS dataset.
pub(super) fn write(lake: &Store, version: &Version, out: &Path) -> Result<Vec<File>, Error> {
    let subjects = subjects(lake, version)?;
    let mut codes = Codes::default();
    let mut events = Vec::new();
    for table in &version.tables {
        for segment in &table.segments {
            for batch in read_segment(lake, segment)? {
                Layout::of(&table.table, &table.columns, &batch).events(
                    &batch,
                    &subjects,
                    &mut codes,
                    &mut events,
                )?;
            }
        }
    }
    // Stable, so that events of one instant keep the order of their tables and rows.
    events.sort_by_key(|event| (event.subject, event.time));
    let mut files = Vec::new();
    let mut save = |name: String, batch: RecordBatch| -> Result<(), Error> {
        let path = out.join(name);
        put(&path, &parquet(&batch)?)?;
        files.push(File { path, rows: batch.num_rows() as u64 });
        Ok(())
    };
    let names = codes.names();
    for split in SPLITS {
        let own: Vec<&Event> = events.iter().filter(|e| of_split(e.subject) == split).collect();
        if !own.is_empty() {
            save(format!("data/{split}/0.parquet"), data(&own, &names)?)?;
        }
    }
    save("metadata/codes.parquet".to_owned(), codes.batch()?)?;
    save("metadata/subject_splits.parquet".to_owned(), splits(subjects.len())?)?;
    let about = serde_json::json!({
        "dataset_name": version.dataset,
        "dataset_version": version.version.to_string(),
        "etl_name": "almoner",
        "etl_version": env!("CARGO_PKG_VERSION"),
        "meds_version": MEDS_VERSION,
        "created_at": version.time.to_string(),
    });
    let path = out.join("metadata/dataset.json");
    put(&path, &serde_json::to_vec_pretty(&about)?)?;
    files.push(File { path, rows: 0 });
    Ok(files)
}

/// The pseudonyms of a version in order: a person's number is their place, from 1.
fn subjects(lake: &Store, version: &Version) -> Result<Vec<String>, Error> {
    let mut found = BTreeSet::new();
    for segment in version.tables.iter().flat_map(|table| &table.segments) {
        for batch in read_segment(lake, segment)? {
            let people = batch.column_by_name("person").and_then(|c| c.as_string_opt::<i32>());
            let mut last = None;
            for person in people.into_iter().flatten().flatten() {
                // Segments are ordered by person.
                if last != Some(person) {
                    found.insert(person.to_owned());
                }
                last = Some(person);
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Eight subjects in ten train, one tunes, one is held out. Pseudonyms are keyed hashes, so their
/// order is a draw.
fn of_split(subject: i64) -> &'static str {
    match subject % 10 {
        0 => "held_out",
        5 => "tuning",
        _ => "train",
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Event {
    subject: i64,
    /// Microseconds since 1970; `None` for what has no time, which stands first.
    time: Option<i64>,
    code: usize,
    value: Option<f32>,
}

/// Every code that occurs, with its vocabulary's own where it has one.
#[derive(Debug, Default)]
struct Codes {
    places: BTreeMap<String, (usize, Option<String>)>,
}

impl Codes {
    fn place(&mut self, code: String, parent: Option<String>) -> usize {
        let next = self.places.len();
        self.places.entry(code).or_insert((next, parent)).0
    }

    /// Returns the codes by their places.
    fn names(&self) -> Vec<&str> {
        let mut names = vec![""; self.places.len()];
        for (name, (place, _)) in &self.places {
            if let Some(slot) = names.get_mut(*place) {
                *slot = name;
            }
        }
        names
    }

    fn batch(&self) -> Result<RecordBatch, Error> {
        let codes: StringArray = self.places.keys().map(Some).collect();
        let descriptions = StringArray::new_null(self.places.len());
        let mut parents = ListBuilder::new(StringBuilder::new());
        for (_, parent) in self.places.values() {
            if let Some(parent) = parent {
                parents.values().append_value(parent);
            }
            parents.append(parent.is_some());
        }
        let parents = parents.finish();
        let schema = Schema::new(vec![
            Field::new("code", DataType::Utf8, false),
            Field::new("description", DataType::Utf8, true),
            Field::new("parent_codes", parents.data_type().clone(), true),
        ]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(codes), Arc::new(descriptions), Arc::new(parents)];
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }
}

fn data(events: &[&Event], names: &[&str]) -> Result<RecordBatch, Error> {
    let subjects: Int64Array = events.iter().map(|event| Some(event.subject)).collect();
    let times: TimestampMicrosecondArray = events.iter().map(|event| event.time).collect();
    let codes: StringArray = events.iter().map(|event| names.get(event.code).copied()).collect();
    let values: Float32Array = events.iter().map(|event| event.value).collect();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(subjects), Arc::new(times), Arc::new(codes), Arc::new(values)];
    Ok(RecordBatch::try_new(data_schema(), columns)?)
}

fn data_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("subject_id", DataType::Int64, false),
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("code", DataType::Utf8, false),
        Field::new("numeric_value", DataType::Float32, true),
    ]))
}

fn splits(subjects: usize) -> Result<RecordBatch, Error> {
    let all = 1..=i64::try_from(subjects).unwrap_or(i64::MAX);
    let names: StringArray = all.clone().map(|subject| Some(of_split(subject))).collect();
    let schema = Schema::new(vec![
        Field::new("subject_id", DataType::Int64, false),
        Field::new("split", DataType::Utf8, false),
    ]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(all)), Arc::new(names)];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

fn parquet(batch: &RecordBatch) -> Result<Vec<u8>, Error> {
    let properties = WriterProperties::builder()
        .set_created_by("almoner".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(bytes)
}
