//! Every schema of the repository is read; every broken one is refused at its fault's line and
//! column; the real files that the schemas are for conform to them.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]
#![expect(clippy::print_stdout, reason = "a test says what it measured and what it skipped")]

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use almoner::{
    schema::{KeySet, ReferenceSet, Reject, Rule, TableSchema, check_references, conform},
    source::{Format, Options, find, read, survey},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Each broken schema, where its fault stands, and the hint it gives.
const INVALID: &[(&str, usize, usize, Option<&str>)] = &[
    ("codes-not-of-type", 13, 13, None),
    ("column-twice", 16, 8, None),
    ("distribution-unknown", 19, 54, Some("did you mean `normal`?")),
    ("format-not-a-format", 3, 15, None),
    ("kernel-does-not-fit-type", 19, 19, Some("it takes `string`")),
    ("kernel-lacks-domain", 13, 8, None),
    ("kernel-lacks-window", 19, 8, None),
    ("kernel-on-dropped", 19, 8, None),
    ("kernel-on-person", 8, 8, None),
    ("key-column-missing", 2, 8, Some("did you mean `id`?")),
    ("name-missing", 15, 1, None),
    ("no-columns", 1, 1, None),
    ("no-person", 1, 9, None),
    ("not-person-released-as-person", 19, 6, None),
    ("person-not-text", 7, 8, None),
    ("person-optional", 7, 8, None),
    ("person-released-under-another-name", 8, 6, None),
    (
        "precision-not-of-type",
        19,
        13,
        Some("dates take `year` and `month`, timestamps `day` too, where no format is given"),
    ),
    ("range-not-of-type", 19, 17, None),
    ("range-upside-down", 13, 17, None),
    ("reference-not-a-reference", 13, 14, None),
    (
        "reference-table-keeps-a-column",
        13,
        8,
        Some("give its columns the role `drop`; rows of people need a column of role `person`"),
    ),
    ("released-name-not-a-name", 19, 6, None),
    ("released-twice", 19, 6, None),
    ("required-not-a-flag", 19, 12, None),
    ("share-over-one", 19, 39, None),
    ("syntax", 11, 8, None),
    ("table-name-not-a-name", 1, 9, None),
    ("two-persons", 18, 8, None),
    ("unfit-on-required", 20, 9, None),
    ("unknown-kernel", 13, 19, Some("did you mean `pseudonym`?")),
    ("unknown-key-of-column", 20, 1, Some("did you mean `required`?")),
    ("unknown-key-of-schema", 2, 1, Some("did you mean `key`?")),
    ("unknown-member-of-kernel", 19, 27, Some("did you mean `top_age`?")),
    ("unknown-role", 12, 8, Some("did you mean `direct`?")),
    ("unknown-type", 11, 8, Some("did you mean `int`?")),
    ("unknown-unfit", 19, 9, Some("did you mean `null`?")),
];

fn schemas_below(folder: &str) -> Vec<PathBuf> {
    find(&format!("{folder}/**/*.toml"), Path::new(ROOT)).unwrap()
}

fn read_schema(path: &Path) -> Result<TableSchema, Vec<almoner::fault::Fault>> {
    TableSchema::read(path, &std::fs::read_to_string(path).unwrap())
}

#[test]
fn every_schema_that_ships_is_read_and_its_references_hold() {
    let mut folders: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    let shipped = schemas_below("schemas").into_iter();
    // Files of rules are read by `tests/quality.rs`.
    let shipped = shipped.filter(|path| !path.parent().is_some_and(|p| p.ends_with("quality")));
    for path in shipped.chain(schemas_below("tests/samples/schemas/valid")) {
        folders.entry(path.parent().unwrap().to_owned()).or_default().push(path);
    }
    assert!(folders.len() >= 3);
    for paths in folders.values() {
        let schemas: Vec<_> = paths
            .iter()
            .map(|path| Arc::new(read_schema(path).unwrap_or_else(|faults| panic!("{faults:#?}"))))
            .collect();
        let texts: Vec<Arc<str>> =
            paths.iter().map(|path| Arc::from(std::fs::read_to_string(path).unwrap())).collect();
        let faults = check_references(&schemas, &texts);
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn every_broken_schema_is_refused_at_its_fault() {
    let files = schemas_below("tests/samples/schemas/invalid");
    assert_eq!(files.len(), INVALID.len(), "a sample that no line here expects");
    for &(name, line, column, hint) in INVALID {
        let path = Path::new(ROOT).join(format!("tests/samples/schemas/invalid/{name}.toml"));
        let Err(faults) = read_schema(&path) else { panic!("`{name}` was taken for a schema") };
        let first = &faults[0];
        assert_eq!(first.place(), (line, column), "`{name}` points elsewhere: {faults:#?}");
        if let Some(hint) = hint {
            assert_eq!(first.hint_text(), Some(hint), "{name}");
        }
        let mut shown = String::new();
        let report = miette::Report::new(first.clone());
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
            .render_report(&mut shown, report.as_ref())
            .unwrap();
        assert!(shown.contains(&format!("{name}.toml:{line}:{column}")), "{shown}");
    }
}

/// Returns the folder of shared data, if this machine has it.
fn shared(folder: &str) -> Option<PathBuf> {
    let found = ["../shared/data", "../../shared/data"]
        .iter()
        .map(|base| Path::new(ROOT).join(base).join(folder))
        .find(|path| path.is_dir());
    if found.is_none() {
        println!("skipped: no ../shared/data/{folder} here");
    }
    found
}

/// What one table's files come to.
struct Conformed {
    rows: usize,
    rejects: Vec<Reject>,
    keys: KeySet,
    references: BTreeMap<String, ReferenceSet>,
}

fn conform_all(schema: &Arc<TableSchema>, file: &Path) -> Conformed {
    let options = Options { batch_rows: 1000, ..Options::default() };
    let mut out = Conformed {
        rows: 0,
        rejects: Vec::new(),
        keys: KeySet::default(),
        references: BTreeMap::new(),
    };
    let name = Arc::from(file.file_name().unwrap().to_str().unwrap());
    for part in survey(file, Format::Csv, 64 << 10).unwrap().parts {
        read(file, &name, Format::Csv, &part, &options, &mut |raw| {
            let (batch, rejects) = conform(schema, &raw).unwrap();
            out.rows += batch.rows().num_rows();
            out.rejects.extend(rejects);
            out.keys.gather(0, &batch);
            for (at, column) in schema.columns.iter().enumerate() {
                if let Some(to) = &column.references {
                    out.references.entry(to.clone()).or_default().gather(at, &batch);
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    out
}

/// Conforms a folder's tables and returns how many rows each has; panics over any reject.
fn conform_folder(folder: &str, schemas: &str, tables: &[(&str, &str)]) -> Option<Vec<usize>> {
    let data = shared(folder)?;
    let mut rows = Vec::new();
    let mut keys: BTreeMap<String, KeySet> = BTreeMap::new();
    let mut references = Vec::new();
    for (table, file) in tables {
        let path = Path::new(ROOT).join(format!("schemas/{schemas}/{table}.toml"));
        let schema = Arc::new(read_schema(&path).unwrap());
        let mut seen = conform_all(&schema, &data.join(file));
        println!("{folder} {table}: {} rows, {} rejects", seen.rows, seen.rejects.len());
        assert!(seen.rejects.is_empty(), "{table}: {:#?}", &seen.rejects[..1]);
        assert!(seen.keys.duplicates().is_empty(), "{table} repeats a key");
        if let [key] = schema.key.as_slice() {
            keys.insert(format!("{table}.{key}"), seen.keys);
        }
        references.extend(seen.references);
        rows.push(seen.rows);
    }
    for (to, set) in references {
        // A database need not have every table of its model.
        let Some(keys) = keys.get_mut(&to) else { continue };
        let missing = set.missing(keys).count();
        assert_eq!(missing, 0, "references to {to} that lead nowhere");
    }
    Some(rows)
}

/// The tables that both OMOP databases have.
const OMOP: [&str; 10] = [
    "person",
    "observation_period",
    "visit_occurrence",
    "visit_detail",
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "device_exposure",
    "death",
    "location",
];

#[test]
fn the_real_synthea_files_conform_without_a_reject() {
    let tables = ["patients", "encounters", "conditions", "observations", "medications"];
    let files: Vec<String> = tables.iter().map(|table| format!("{table}.csv")).collect();
    let pairs: Vec<_> = tables.iter().copied().zip(files.iter().map(String::as_str)).collect();
    if let Some(rows) = conform_folder("synthea-csv-27", "synthea", &pairs) {
        assert_eq!(rows, [27, 604, 438, 990, 663]);
    }
}

#[test]
fn the_real_mimic_files_conform_without_a_reject() {
    let files: Vec<String> = OMOP.iter().map(|table| format!("{table}.csv.zst")).collect();
    let pairs: Vec<_> = OMOP.iter().copied().zip(files.iter().map(String::as_str)).collect();
    if let Some(rows) = conform_folder("omop-mimic-demo", "omop", &pairs) {
        assert_eq!(rows, [100, 100, 852, 14_479, 16_441, 18_229, 18_447, 3_855, 15, 1]);
    }
}

#[test]
fn the_real_omop_5_4_files_conform_without_a_reject() {
    let tables: Vec<&str> = OMOP
        .into_iter()
        .chain(["measurement", "observation", "care_site", "provider", "cdm_source"])
        .collect();
    let files: Vec<String> =
        tables.iter().map(|table| format!("{}.csv", table.to_uppercase())).collect();
    let pairs: Vec<_> = tables.iter().copied().zip(files.iter().map(String::as_str)).collect();
    if let Some(rows) = conform_folder("omop-27nj", "omop", &pairs) {
        let wanted = [28, 28, 1791, 1791, 470, 883, 1649, 1, 3, 0, 10_040, 8_099, 0, 67, 1];
        assert_eq!(rows, wanted);
    }
}

#[test]
fn a_visit_of_nobody_would_be_seen() {
    let Some(data) = shared("synthea-csv-27") else { return };
    let schema = |table: &str| {
        let path = Path::new(ROOT).join(format!("schemas/synthea/{table}.toml"));
        Arc::new(read_schema(&path).unwrap())
    };
    let visits = conform_all(&schema("encounters"), &data.join("encounters.csv"));
    let mut nobody = KeySet::default();
    let missing = visits.references["patients.Id"].missing(&mut nobody);
    assert_eq!(missing.count(), 27);
    assert_eq!(Rule::ForeignKey.name(), "foreign-key");
}
