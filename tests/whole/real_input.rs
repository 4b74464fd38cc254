//! Real files: Synthea's 27 patients with every direct identifier, and two OMOP databases.
//!
//! The data lie beside the repository in `../shared/data`; where they are absent, it is said.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    commons::{Commons, Said, files},
    plain,
    search::{Needle, columns, hay, search, search_numbers},
};

/// Returns a folder of the shared data, or says that the test is skipped.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = ["../shared/data", "../../shared/data"]
        .iter()
        .map(|up| root.join(up).join(name))
        .find(|folder| folder.is_dir());
    if found.is_none() {
        println!("SKIPPED the run on {name}: ../shared/data/{name} is absent");
    }
    found
}

/// A table: its header and its rows.
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    pub(crate) fn read(path: &Path) -> Self {
        let mut bytes = plain::read(path).unwrap();
        if path.extension().is_some_and(|e| e == "zst") {
            bytes = zstd::decode_all(bytes.as_slice()).unwrap();
        }
        let mut text = String::new();
        bytes.as_slice().read_to_string(&mut text).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().iter().map(str::to_ascii_lowercase).collect();
        Self { header, rows: reader.records().map(Result::unwrap).collect() }
    }

    /// Returns the cells of a column; none where there is no such column.
    pub(crate) fn column(&self, name: &str) -> Vec<&str> {
        match self.header.iter().position(|h| h == name) {
            Some(at) => self.rows.iter().map(|row| row.get(at).unwrap_or_default()).collect(),
            None => Vec::new(),
        }
    }
}

/// Makes a site with consents of nearly all people of `file`, and ingests the pipeline.
pub(crate) fn run(name: &str, pipeline: &str, input: &Path, file: &str, column: &str) -> Commons {
    let commons = consented(name, pipeline, input, file, column);
    ingest(&commons, pipeline, input);
    commons
}

/// Ingests a pipeline of this repository.
pub(crate) fn ingest(commons: &Commons, pipeline: &str, input: &Path) -> Said {
    let pipeline = format!("pipelines/{pipeline}");
    commons.ok(&["ingest", &pipeline, "--input", input.to_str().unwrap()])
}

/// Makes a site with consents of nearly all people of `file` to what the pipeline asks for.
pub(crate) fn consented(
    name: &str,
    pipeline: &str,
    input: &Path,
    file: &str,
    column: &str,
) -> Commons {
    let commons = Commons::new(&format!("real_input/{name}"));
    let consents = commons.path("consents.csv");
    let people = input.join(file);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pipeline = root.join("pipelines").join(pipeline);
    let text = plain::read_to_string(&pipeline).unwrap();
    let namespace = text
        .lines()
        .find_map(|line| line.strip_prefix("namespace")?.split('"').nth(1))
        .unwrap_or_default();
    let mut arguments = vec![
        "population",
        "consents",
        "--for",
        people.to_str().unwrap(),
        "--column",
        column,
        "--seed",
        "7",
        "--out",
        consents.to_str().unwrap(),
    ];
    if !namespace.is_empty() {
        arguments.extend(["--namespace", namespace]);
    }
    commons.ok(&arguments);
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    commons.ok(&["consent", "import", consents.to_str().unwrap()]);
    commons
}

/// Reads the newest version of the lake.
pub(crate) fn newest(commons: &Commons) -> serde_json::Value {
    let newest = files(&commons.path("site/lake/commits")).pop().unwrap();
    serde_json::from_slice(&plain::read(newest).unwrap()).unwrap()
}

/// Reads a table of the newest version: its columns by name, row by row, as text.
pub(crate) fn released(commons: &Commons, table: &str) -> BTreeMap<String, Vec<String>> {
    let site = commons.path("site");
    let version = newest(commons);
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let tables = version["tables"].as_array().unwrap();
    let Some(table) = tables.iter().find(|t| t["table"] == table) else { return found };
    for segment in table["segments"].as_array().unwrap() {
        let path = site.join("lake").join(segment["path"].as_str().unwrap());
        for straw in columns("", &path) {
            let Some(name) = straw.place.strip_prefix(", column ") else { continue };
            let text = String::from_utf8(straw.bytes).unwrap();
            found.entry(name.to_owned()).or_default().extend(text.lines().map(str::to_owned));
        }
    }
    found
}

pub(crate) fn released_rows(commons: &Commons) -> u64 {
    newest(commons)["counts"]["released"].as_u64().unwrap()
}

/// Leaves an open copy of a site under a name by which `tests/run` finds it, to let another program look
/// at it.
pub(crate) fn keep(commons: &Commons, name: &str) {
    let kept = commons.folder.with_file_name(name);
    if kept.exists() {
        fs::remove_dir_all(&kept).unwrap();
    }
    commons.ok(&["keys", "copy", kept.to_str().unwrap()]);
}

#[test]
fn no_identifier_of_the_synthea_patients_leaves() {
    let Some(input) = data("synthea-csv-27") else { return };
    let commons = run("synthea-run", "synthea.toml", &input, "patients.csv", "Id");
    assert!(released_rows(&commons) > 0, "a run that releases nothing keeps secrets too easily");

    let patients = Table::read(&input.join("patients.csv"));
    let mut needles = BTreeSet::new();
    for column in [
        "id",
        "birthdate",
        "ssn",
        "drivers",
        "passport",
        "first",
        "last",
        "maiden",
        "address",
        "city",
        "zip",
        "lat",
        "lon",
        "birthplace",
    ] {
        let cells = patients.column(column);
        assert_eq!(cells.len(), 27, "the patients have no column `{column}`");
        for (row, cell) in cells.iter().enumerate() {
            if cell.len() >= 3 {
                let what = format!("column `{column}` of patient {}", row + 1);
                needles.insert(Needle { text: (*cell).to_owned(), what });
            }
        }
    }
    let needles: Vec<Needle> = needles.into_iter().collect();
    let hay = hay(&commons.path("site"));
    // A shifted date may fall on somebody's birthday; a column made of birth dates must not.
    let found: Vec<String> = search(&hay, &needles)
        .into_iter()
        .filter(|f| !(f.contains("`birthdate`") && shifted(f)))
        .collect();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    println!("Synthea: {} identifiers, {} texts searched, none found", needles.len(), hay.len());

    keep(&commons, "synthea");
}

/// Says whether a find lies in a column of dates that is not made of birth dates.
fn shifted(found: &str) -> bool {
    let column = found.split(", column ").nth(1).and_then(|f| f.split(',').next());
    column.is_some_and(|name| !name.contains("birth"))
}

#[test]
fn omop_keeps_every_interval_and_no_original_id() {
    for (folder, pipeline, end) in
        [("omop-mimic-demo", "omop-mimic.toml", "csv.zst"), ("omop-27nj", "omop-27nj.toml", "csv")]
    {
        let Some(input) = data(folder) else { continue };
        let find = |table: &str| {
            let names = [format!("{table}.{end}"), format!("{}.{end}", table.to_uppercase())];
            names.iter().map(|n| input.join(n)).find(|p| p.is_file())
        };
        let people = find("person").unwrap();
        let name = people.file_name().unwrap().to_str().unwrap();
        let person = Table::read(&people);
        let commons = run(folder, pipeline, &input, name, "person_id");
        assert!(released_rows(&commons) > 0, "{folder}: nothing was released");

        // Where a person's visits begin and end, counted from the person's first: the same steps
        // must be found in the release, of a person who stands there once.
        let visits = Table::read(&find("visit_occurrence").unwrap());
        let columns = ["visit_start_datetime", "visit_end_datetime"];
        let original = steps(&visits.column("person_id"), &columns.map(|c| visits.column(c)));
        let table = released(&commons, "visit_occurrence");
        assert!(!table.is_empty(), "{folder}: no visits were released");
        let texts = |name: &str| -> Vec<&str> {
            table.get(name).map(|t| t.iter().map(String::as_str).collect()).unwrap_or_default()
        };
        let kept = steps(&texts("person"), &columns.map(texts));
        let mut pool: Vec<&Vec<i64>> = original.values().collect();
        for (at, person) in kept.values().enumerate() {
            let same = pool.iter().position(|o| *o == person);
            let same = same.unwrap_or_else(|| panic!("{folder}: steps of person {at} are new"));
            pool.swap_remove(same);
        }
        assert!(!kept.is_empty(), "{folder}: no person has a visit");

        // No id that stood in the input stands in the release.
        let (mut numbers, mut others) = (BTreeMap::new(), Vec::new());
        for (table, id) in [
            ("person", "person_id"),
            ("person", "person_source_value"),
            ("visit_occurrence", "visit_occurrence_id"),
            ("condition_occurrence", "condition_occurrence_id"),
            ("drug_exposure", "drug_exposure_id"),
            ("procedure_occurrence", "procedure_occurrence_id"),
        ] {
            let Some(path) = find(table) else { continue };
            for cell in Table::read(&path).column(id) {
                // A short number is an id here and a count there: it proves nothing.
                let digits = cell.trim_start_matches('-');
                let what = format!("{table}.{id}");
                if digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit()) {
                    numbers.insert(digits.as_bytes().to_vec(), what);
                } else if digits.len() >= 8 {
                    others.push(Needle { text: cell.to_owned(), what });
                }
            }
        }
        let hay = hay(&commons.path("site"));
        let mut found = search(&hay, &others);
        found.extend(search_numbers(&hay, &numbers));
        assert!(found.is_empty(), "{folder}: {} ids survive:\n{}", found.len(), found.join("\n"));
        println!(
            "{folder}: {} of {} people released, {} steps agree to the second, {} ids gone",
            kept.len(),
            person.rows.len(),
            kept.values().map(Vec::len).sum::<usize>(),
            numbers.len() + others.len()
        );
    }
}

/// For each person, the seconds from the person's first instant to each other, sorted.
fn steps(people: &[&str], columns: &[Vec<&str>]) -> BTreeMap<String, Vec<i64>> {
    let mut instants: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for column in columns {
        for (person, cell) in people.iter().zip(column) {
            let text = cell.trim_end_matches('Z').replace('T', " ");
            let text = text.split('.').next().unwrap_or_default();
            let format =
                if text.len() == 10 { format!("{text} 00:00:00") } else { text.to_owned() };
            if let Ok(at) = chrono::NaiveDateTime::parse_from_str(&format, "%Y-%m-%d %H:%M:%S") {
                instants.entry((*person).to_owned()).or_default().push(at.and_utc().timestamp());
            }
        }
    }
    for times in instants.values_mut() {
        times.sort_unstable();
        let first = times.first().copied().unwrap_or_default();
        for time in times {
            *time -= first;
        }
    }
    instants
}
