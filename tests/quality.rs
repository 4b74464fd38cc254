//! Every rule file of the repository is read and fits the schemas it is for; every broken one is
//! refused at its fault's line and column.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use almoner::{fault::Fault, quality::Rules, schema::TableSchema, source::find};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn files(folder: &str) -> Vec<PathBuf> {
    find(&format!("{folder}/*.toml"), Path::new(ROOT)).unwrap()
}

fn schemas(folder: &str) -> Vec<Arc<TableSchema>> {
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        Arc::new(TableSchema::read(&path, &text).unwrap())
    };
    files(&format!("schemas/{folder}")).into_iter().map(read).collect()
}

/// Reads a rule file and holds it against the schemas of a folder.
fn faults(path: &Path, schemas: &[Arc<TableSchema>]) -> Vec<Fault> {
    let mut rules = Rules::default();
    match rules.add(path, &std::fs::read_to_string(path).unwrap()) {
        Ok(()) => rules.check(schemas),
        Err(faults) => faults,
    }
}

#[test]
fn every_rule_file_that_ships_fits_the_schemas_it_is_for() {
    for path in files("schemas/quality") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let folder = Path::new(ROOT).join("schemas").join(name);
        let has_tables = folder.is_dir()
            && std::fs::read_dir(&folder)
                .unwrap()
                .any(|entry| entry.unwrap().path().extension().is_some_and(|e| e == "toml"));
        let schemas = if has_tables { schemas(name) } else { Vec::new() };
        let faults = faults(&path, &schemas);
        assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
    }
    for path in files("tests/samples/quality/valid") {
        let faults = faults(&path, &schemas("demo"));
        assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
    }
}

/// `places.txt` says where each broken file's fault stands, and the hint it gives: one a line.
#[test]
fn every_broken_rule_file_is_refused_at_its_fault() {
    let schemas = schemas("demo");
    let mut found = String::new();
    for path in files("tests/samples/quality/invalid") {
        let faults = faults(&path, &schemas);
        let name = path.file_stem().unwrap().to_str().unwrap();
        let Some(first) = faults.first() else { panic!("`{name}` was taken for a file of rules") };
        let ((line, column), hint) = (first.place(), first.hint_text().unwrap_or("-"));
        writeln!(found, "{name} {line}:{column} {hint}").unwrap();
    }
    let wanted = Path::new(ROOT).join("tests/samples/quality/invalid/places.txt");
    let wanted = std::fs::read_to_string(wanted).unwrap();
    assert_eq!(found, wanted, "a fault is told elsewhere or otherwise:\n{found}");
}
