//! The generated people of the demo, few enough for a test, with a pipeline that suits so few.
//!
//! Comes in: a folder. Goes out: a site with linked people, consents and a funded pool, and what to
//! ingest.

use std::{fs, path::Path};

use super::commons::Commons;

/// The seed of the people.
pub(crate) const SEED: u64 = 20_261_122;

/// Makes people, their consents, a site, and a pipeline that reads them, two institutions in CSV and
/// two in FHIR; nothing is ingested yet.
/// The pipeline is the demo's, with a smaller k and no limit on suppression: with so few people
/// the demo's own would rightly stop.
pub(crate) fn prepare(commons: &Commons, people: u64) {
    let input = commons.path("input");
    let input = input.to_str().unwrap();
    let (count, seed) = (people.to_string(), SEED.to_string());
    commons.ok(&[
        "population",
        "people",
        "--people",
        &count,
        "--institutions",
        "4",
        "--seed",
        &seed,
        "--out",
        input,
    ]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let demo = fs::read_to_string(root.join("pipelines/demo.toml")).unwrap();
    let schemas = format!("\"{}/schemas/", root.display());
    let pipeline: Vec<String> = demo
        .lines()
        .map(|line| match line.split('=').next().map(str::trim) {
            Some("k") => "k = 3".to_owned(),
            Some("suppress_limit") => "suppress_limit = 1.0".to_owned(),
            Some("rejects_max") => "rejects_max = 0.5".to_owned(),
            _ => line.replace("\"schemas/", &schemas),
        })
        .collect();
    fs::write(commons.path("pipeline.toml"), pipeline.join("\n")).unwrap();
    commons.ok(&["init", &commons.site()]);
    let pipeline = commons.path("pipeline.toml");
    commons.ok(&["linkage", "run", pipeline.to_str().unwrap(), "--input", input]);
    for (institution, file, format) in [
        ("north-shore", "consents.csv", "csv"),
        ("lake-county", "Consent.ndjson", "fhir"),
        ("riverside", "Consent.ndjson", "fhir"),
        ("st-anselm", "consents.csv", "csv"),
    ] {
        let file = format!("{input}/{institution}/{file}");
        let whose = ["--institution", institution, "--input-format", format];
        commons.ok(&[&["consent", "import", &file][..], &whose].concat());
    }
    commons.ok(&[
        "pool",
        "open",
        "diabetes-2026",
        "--currency",
        "EUR",
        "--dataset",
        "diabetes",
        "--fee-bps",
        "500",
        "--institution-bps",
        "1500",
        "--base-ppm",
        "300000",
        "--usage-ppm",
        "700000",
    ]);
    commons.ok(&[
        "pool",
        "fund",
        "diabetes-2026",
        "--amount",
        "100000.00",
        "--sponsor",
        "acme",
        "--reference",
        "wire-1",
    ]);
}

/// Ingests the people's records.
pub(crate) fn ingest(commons: &Commons) -> [String; 4] {
    let path = |name: &str| commons.path(name).display().to_string();
    ["ingest".to_owned(), path("pipeline.toml"), "--input".to_owned(), path("input")]
}

/// Asks two questions that count, so that a settlement has usage to pay for.
pub(crate) fn ask(commons: &Commons) {
    let pass = commons.path("pass");
    let pass = pass.to_str().unwrap();
    commons.ok(&[
        "credential",
        "issue",
        "--researcher",
        "r-1",
        "--dataset",
        "diabetes",
        "--purpose",
        "DUO:0000006",
        "--expires",
        "2027-11-22",
        "--out",
        pass,
    ]);
    ask_again(commons);
}

/// Asks them with the pass that is there.
pub(crate) fn ask_again(commons: &Commons) {
    let pass = commons.path("pass");
    let pass = pass.to_str().unwrap();
    for sql in [
        "SELECT count(*) AS visits FROM visits",
        "SELECT sex, count(*) AS people FROM patients GROUP BY sex",
    ] {
        commons.ok(&["query", "--pass", pass, sql]);
    }
}
