//! No cell's value in any output: inputs full of canaries, every command, also those that fail,
//! with all logs on; then everything they said and everything others may read is searched.

use std::{fs, path::Path};

use super::{
    commons::{Commons, Said},
    people, plain,
    search::{Hay, Needle, hay, search},
};

/// Runs a command with all logs on, and keeps what it said.
fn hear(commons: &Commons, heard: &mut Vec<Hay>, arguments: &[&str]) -> Said {
    let mut all = vec!["--log-level", "trace"];
    all.extend(arguments);
    let said = commons.run(&all);
    assert!(
        said.code.is_some_and(|c| c <= 8),
        "almoner {arguments:?} ended with {:?}: a panic or a signal",
        said.code
    );
    for (stream, text) in [("stdout", &said.out), ("stderr", &said.err)] {
        heard.push(Hay {
            place: format!("{stream} of almoner {}", arguments.join(" ")),
            bytes: text.clone().into_bytes(),
            text: true,
        });
    }
    said
}

#[test]
fn no_output_holds_a_cell_of_the_input() {
    let commons = Commons::new("canaries");
    let mut heard = Vec::new();
    people::prepare(&commons, 200);
    let path = |name: &str| commons.path(name).display().to_string();

    let ingest = people::ingest(&commons);
    let ingest: Vec<&str> = ingest.iter().map(String::as_str).collect();
    let mut dry = ingest.clone();
    dry.push("--dry-run");
    assert_eq!(hear(&commons, &mut heard, &dry).code, Some(0));
    assert_eq!(hear(&commons, &mut heard, &ingest).code, Some(0));
    assert_eq!(hear(&commons, &mut heard, &ingest).code, Some(0));
    people::ask(&commons);

    // Commands that must fail, each where a careless message would quote what it met.
    for (name, from, to, code) in [
        ("strict.toml", "rejects_max = 0.5", "rejects_max = 0.0", 4),
        ("crowd.toml", "k = 3", "k = 1000", 4),
    ] {
        let text = plain::read_to_string(commons.path("pipeline.toml")).unwrap();
        let text = text.replace(from, to).replace("suppress_limit = 1.0", "suppress_limit = 0.1");
        plain::write(commons.path(name), text).unwrap();
        let said = hear(&commons, &mut heard, &["ingest", &path(name), "--input", &path("input")]);
        assert_eq!(said.code, Some(code), "{name}: {}", said.err);
    }
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/demo/patients.toml");
    let bare = plain::read_to_string(&schema).unwrap().replace("\"direct\"", "\"measure\"");
    plain::write(commons.path("bare.toml"), bare).unwrap();
    let leaky = plain::read_to_string(commons.path("pipeline.toml")).unwrap();
    let leaky = leaky.replace(&schema.display().to_string(), &path("bare.toml"));
    plain::write(commons.path("leaky.toml"), leaky).unwrap();
    let said =
        hear(&commons, &mut heard, &["ingest", &path("leaky.toml"), "--input", &path("input")]);
    assert_eq!(said.code, Some(3), "a bare identifier must not pass: {}", said.err);

    // A patient table where consents are awaited: nothing in it is a consent.
    let patients = path("input/north-shore/patients.csv");
    let said = hear(&commons, &mut heard, &["consent", "import", &patients]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    let (pipeline, input, truth) = (path("pipeline.toml"), path("input"), path("input/truth.csv"));
    let patients = path("input/lake-county/Patient.ndjson");
    for arguments in [
        &["consent", "import", "--input-format", "fhir", &patients][..],
        &["linkage", "run", &pipeline, "--input", &input],
        &["linkage", "review"],
        &["linkage", "show", "north-shore/nobody"],
        &["linkage", "evaluate", &pipeline, "--input", &input, "--truth", &truth],
        &["linkage", "evaluate", &pipeline, "--input", &input, "--truth", &patients],
    ] {
        let _said = hear(&commons, &mut heard, arguments);
    }

    let pass = path("pass");
    for sql in [
        "SELECT person, count(*) FROM patients GROUP BY person",
        "SELECT min(birth_year) FROM patients",
        "SELECT * FROM patients",
        "SELECT nonsense FROM patients",
        "SELECT sex, count(*) FROM patients GROUP BY sex",
        "SELEC",
    ] {
        let _said = hear(&commons, &mut heard, &["query", "--pass", &pass, sql]);
    }
    for arguments in [
        &["settle", "diabetes-2026", "--period", "2026-Q4", "--dry-run"][..],
        &["settle", "diabetes-2026", "--period", "2026-Q4"],
        &["settle", "diabetes-2026", "--period", "2026-11-01..2026-11-21"],
        &["settle", "diabetes-2026", "--period", "2026-Q5"],
        &["pool", "show"],
        &["pool", "journal", "diabetes-2026", "--as", "hledger"],
        &["dataset", "list"],
        &["dataset", "show", "diabetes@1"],
        &["dataset", "verify", "diabetes@1"],
        &["ledger", "show"],
        &["audit"],
        &["verify", "--deep"],
        &["doctor"],
    ] {
        let _said = hear(&commons, &mut heard, arguments);
    }
    let runs = commons.path("site/vault/runs");
    for run in fs::read_dir(&runs).unwrap() {
        let run = run.unwrap().file_name().to_string_lossy().into_owned();
        let _said = hear(&commons, &mut heard, &["rejects", "show", &run]);
    }

    let needles: Vec<Needle> = almoner::population::canaries(people::SEED, 4)
        .into_iter()
        .enumerate()
        .map(|(i, text)| Needle { text, what: format!("canary {i}") })
        .collect();
    assert!(needles.len() > 20, "there are no canaries to look for");
    for file in ["north-shore/patients.csv", "lake-county/Patient.ndjson"] {
        let bytes = plain::read(commons.path("input").join(file)).unwrap();
        let input = Hay { place: "the input".into(), bytes, text: true };
        assert!(!search(&[input], &needles).is_empty(), "canaries that are nowhere prove nothing");
    }

    heard.extend(hay(&commons.path("site")));
    let found = search(&heard, &needles);
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    println!("canaries: {} needles, {} texts searched, none found", needles.len(), heard.len());
}
