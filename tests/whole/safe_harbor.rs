//! Safe harbour on real files: Synthea's patients, of whom no byte of eighteen kinds may leave; codes
//! that are drawn and kept; pipelines that are refused by paragraph.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{
    commons::{Commons, files},
    plain,
    real_input::{Table, consented, data, ingest, keep, newest, released, released_rows},
    search::{Needle, hay, search},
};

const PIPELINE: &str = "synthea-safe-harbor.toml";
/// The day on which ages are reckoned is the last of the run's year.
const YEAR: i64 = 2026;
const OLDEST_SHOWN: i64 = YEAR - 89;

const TABLES: [&str; 7] = [
    "patients",
    "encounters",
    "conditions",
    "medications",
    "procedures",
    "immunizations",
    "observations",
];

/// What identifies a patient, an institution, a provider or an event in the raw files.
const IDENTIFYING: [&str; 24] = [
    "id",
    "birthdate",
    "deathdate",
    "ssn",
    "drivers",
    "passport",
    "first",
    "last",
    "maiden",
    "address",
    "birthplace",
    "city",
    "county",
    "zip",
    "lat",
    "lon",
    "patient",
    "encounter",
    "organization",
    "provider",
    "payer",
    "start",
    "stop",
    "date",
];

fn needles(input: &Path) -> Vec<Needle> {
    let mut needles = BTreeSet::new();
    for table in TABLES {
        let rows = Table::read(&input.join(format!("{table}.csv")));
        for column in IDENTIFYING.iter().filter(|column| rows.header.iter().any(|h| h == *column)) {
            for cell in rows.column(column) {
                let what = format!("column `{column}` of {table}");
                if cell.len() >= 3 {
                    needles.insert(Needle { text: cell.to_owned(), what: what.clone() });
                }
                // A day is told by its date alone as well.
                if let Some((day, _)) = cell.split_once('T').filter(|(day, _)| day.len() == 10) {
                    needles.insert(Needle { text: day.to_owned(), what });
                }
            }
        }
    }
    needles.into_iter().collect()
}

#[test]
fn nothing_of_the_eighteen_kinds_leaves_a_real_export_under_safe_harbour() {
    let Some(input) = data("synthea-csv-27") else { return };
    let commons = consented("safe-harbor-run", PIPELINE, &input, "patients.csv", "Id");
    let said = ingest(&commons, PIPELINE, &input);
    assert!(
        released_rows(&commons) > 2_000,
        "a run that releases nothing keeps secrets too easily"
    );
    assert!(!said.err.contains("look at column"), "a column looks wrong: {}", said.err);

    let needles = needles(&input);
    for table in TABLES {
        let of_table = needles.iter().filter(|n| n.what.ends_with(&format!("of {table}"))).count();
        assert!(of_table > 20, "{table}: only {of_table} needles");
    }
    let hay = hay(&commons.path("site"));
    let found = search(&hay, &needles);
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));

    // No date is left, in no type of dates and in no text.
    let texts: Vec<&str> = hay
        .iter()
        .filter(|straw| straw.place.contains(", column "))
        .map(|straw| std::str::from_utf8(&straw.bytes).unwrap())
        .collect();
    assert!(texts.len() > 40, "few columns were read back: {}", texts.len());
    let is_date = |line: &&str| {
        let bytes = line.as_bytes();
        bytes.len() >= 7
            && bytes[..4].iter().all(u8::is_ascii_digit)
            && bytes[4] == b'-'
            && bytes[5..7].iter().all(u8::is_ascii_digit)
            && (bytes.len() == 7 || !bytes[7].is_ascii_digit())
    };
    let dates = texts.iter().flat_map(|text| text.lines()).filter(is_date).count();
    assert_eq!(dates, 0, "dates are left");

    let mut years = 0;
    for table in TABLES {
        let rows = released(&commons, table);
        assert!(!rows.is_empty(), "table {table} was not released");
        for name in ["birth_years", "died", "year", "end_year"] {
            for cell in rows.get(name).into_iter().flatten().filter(|cell| !cell.is_empty()) {
                let first: i64 = cell.split('-').next().unwrap().parse().unwrap();
                // Two years of a person never lie more than 89 apart: none tells an age over it.
                assert!((OLDEST_SHOWN..=YEAR).contains(&first), "{table}.{name} shows such an age");
                years += 1;
            }
        }
    }
    assert!(years > 2_000, "few years were looked at: {years}");
    println!(
        "safe harbour: {} identifiers, {} texts searched, {years} years, none found",
        needles.len(),
        hay.len()
    );
    zip_prefixes(&commons, &input);
    keep(&commons, "synthea-safe-harbor");
}

/// Holds the prefixes that were released against the census's own figures.
fn zip_prefixes(commons: &Commons, input: &Path) {
    let shown: BTreeSet<String> = released(commons, "patients")["zip3"].iter().cloned().collect();
    assert!(shown.iter().any(|prefix| !prefix.is_empty() && prefix != "000"), "no prefix is shown");
    let census = input.with_file_name("zip").join("zcta_population_2020.csv");
    let Ok(census) = plain::read_to_string(census) else {
        println!("SKIPPED the census: ../shared/data/zip is absent");
        return;
    };
    let mut people: BTreeMap<&str, u64> = BTreeMap::new();
    for (zip, count) in census.lines().filter_map(|line| line.split_once(',')) {
        *people.entry(&zip[..3]).or_default() += count.parse::<u64>().unwrap();
    }
    for prefix in shown.iter().filter(|prefix| !matches!(prefix.as_str(), "" | "000")) {
        let count = people.get(prefix.as_str()).copied().unwrap_or(0);
        assert!(count > 20_000, "a prefix of {count} people is shown");
    }
}

/// Returns the codes that a site's vault keeps: by line, the code and whose it is.
fn kept_codes(commons: &Commons) -> Vec<(String, String)> {
    let tables = files(&commons.path("site/vault/runs"));
    let table = tables.iter().find(|file| file.ends_with("codes.tsv")).unwrap();
    let text = plain::read_to_string(table).unwrap();
    let pair = |line: &str| {
        let (code, person) = line.split_once('\t').unwrap();
        (code.to_owned(), person.to_owned())
    };
    text.lines().skip(1).map(pair).collect()
}

fn people_of(commons: &Commons) -> BTreeSet<String> {
    TABLES.iter().flat_map(|table| released(commons, table).remove("person").unwrap()).collect()
}

#[test]
fn codes_of_people_are_drawn_once_a_run_and_stand_in_the_versions_papers() {
    let Some(input) = data("synthea-csv-27") else { return };
    let one = consented("codes-one", PIPELINE, &input, "patients.csv", "Id");
    // The same site twice: the same keys, people, consents and so the same run.
    let [two, again] = ["codes-two", "codes-again"].map(|name| {
        let copy = Commons::new(&format!("real_input/{name}"));
        copy_folder(&one.folder, &copy.folder);
        copy
    });
    ingest(&one, PIPELINE, &input);
    ingest(&two, PIPELINE, &input);
    let codes = kept_codes(&one);
    let known: BTreeSet<&str> = codes.iter().map(|(code, _)| code.as_str()).collect();
    let people = people_of(&one);
    assert!(people.len() > 20 && people.iter().all(|code| known.contains(code.as_str())));
    assert!(people_of(&two).is_disjoint(&people), "a code follows from keys or from people");

    let paper = newest(&one)["papers"]
        .as_array()
        .unwrap()
        .iter()
        .any(|paper| paper["path"].as_str().is_some_and(|path| path.ends_with("/codes.tsv")));
    assert!(paper, "the code table is no paper of the version");

    // A run that was begun and goes on finds the codes it drew.
    let table = files(&one.path("site/vault/runs"));
    let table = table.iter().find(|file| file.ends_with("codes.tsv")).unwrap();
    let place = again.path("site").join(table.strip_prefix(one.path("site")).unwrap());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    plain::write(place, plain::read(table).unwrap()).unwrap();
    ingest(&again, PIPELINE, &input);
    assert_eq!(people_of(&again), people, "a run that goes on draws new codes");
    let said = ingest(&again, PIPELINE, &input);
    assert!(said.err.contains("nothing new"), "the same run is made twice: {}", said.err);

    // A table of other people is not taken for this run's.
    let torn = Commons::new("real_input/codes-torn");
    copy_folder(&two.folder, &torn.folder);
    fs::remove_dir_all(torn.path("site/lake")).unwrap();
    let file = files(&torn.path("site/vault/runs"));
    let file = file.iter().find(|file| file.ends_with("codes.tsv")).unwrap();
    let text = plain::read_to_string(file).unwrap();
    let short: Vec<&str> = text.lines().take(text.lines().count() - 1).collect();
    plain::write(file, short.join("\n")).unwrap();
    let pipeline = format!("pipelines/{PIPELINE}");
    let said = torn.run(&["ingest", &pipeline, "--input", input.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("the code table has"), "{}", said.err);
    for (code, person) in &codes {
        assert!(!said.err.contains(code.as_str()) && !said.err.contains(person.as_str()));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for file in files(from) {
        let place = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(&file, &place).unwrap();
    }
}

/// Writes a table of 60 people and runs a pipeline over it whose one column is given; returns the
/// exit code and what was said.
fn refused(commons: &Commons, column: &str, cells: impl Fn(usize) -> String) -> (i32, String) {
    let name = column.split('"').nth(1).unwrap();
    let rows = (0..60).map(|row| format!("p{row},{}\n", cells(row)));
    plain::write(commons.path("t.csv"), format!("Id,{name}\n{}", rows.collect::<String>()))
        .unwrap();
    let schema = format!(
        "table = \"t\"\n[[column]]\nname = \"Id\"\ntype = \"string\"\nrole = \"person\"\n\
         [[column]]\nname = {column}\n"
    );
    plain::write(commons.path("t.toml"), schema).unwrap();
    let pipeline = format!(
        "name = \"t\"\ndataset = \"t\"\npurpose = [\"DUO:0000006\"]\n[[source]]\n\
         institution = \"north-shore\"\ntable = \"t\"\nschema = \"{}\"\nformat = \"csv\"\n\
         path = \"t.csv\"\n[deid]\nprofile = \"safe-harbor\"\nk = 2\nsuppress_limit = 1.0\n",
        commons.path("t.toml").display()
    );
    plain::write(commons.path("p.toml"), pipeline).unwrap();
    let (pipeline, folder) = (commons.path("p.toml"), commons.folder.clone());
    let said =
        commons.run(&["ingest", pipeline.to_str().unwrap(), "--input", folder.to_str().unwrap()]);
    (said.code.unwrap(), said.err)
}

#[test]
fn a_pipeline_that_keeps_a_date_a_hash_or_an_unclassified_column_is_refused_by_its_paragraph() {
    let commons = Commons::new("safe-harbor-refusals");
    let consents = commons.path("consents.csv");
    let rows = (0..60).map(|row| format!("p{row}")).collect::<Vec<_>>().join("\n");
    plain::write(commons.path("people.csv"), format!("Id\n{rows}")).unwrap();
    commons.ok(&[
        "population",
        "consents",
        "--for",
        commons.path("people.csv").to_str().unwrap(),
        "--column",
        "Id",
        "--seed",
        "7",
        "--out",
        consents.to_str().unwrap(),
    ]);
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    commons.ok(&["consent", "import", consents.to_str().unwrap()]);
    let ssn = |row: usize| format!("219-09-{:04}", 1_000 + row);
    for (letter, column) in [
        ("C", "\"seen\"\ntype = \"date\"\nrole = \"measure\""),
        ("C", "\"seen\"\ntype = \"date\"\nrole = \"measure\"\ndeid = { kernel = \"shift-date\" }"),
        (
            "R",
            "\"visit\"\ntype = \"string\"\nrole = \"direct\"\ndeid = { kernel = \"pseudonym\", domain = \"visit\" }",
        ),
        ("R", "\"finding\"\ntype = \"string\"\nrole = \"quasi\""),
        (
            "R",
            "\"finding\"\ntype = \"string\"\nrole = \"measure\"\ndeid = { kernel = \"keep\", allow = \"why not\" }",
        ),
        ("R", "\"score\"\ntype = \"int\"\nrole = \"measure\""),
        ("R", "\"score\"\ntype = \"int\""),
        ("A", "\"employer\"\ntype = \"string\"\nrole = \"quasi\""),
        // Said to be codes, and social security numbers by their values.
        (
            "G",
            "\"finding\"\ntype = \"string\"\nrole = \"quasi\"\ncode_system = \"http://loinc.org\"",
        ),
    ] {
        let (code, said) = refused(&commons, column, ssn);
        let paragraph = format!("164.514(b)(2)(i)({letter})");
        let words: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        // A terminal's lines break long words of a report.
        let joined: String = said.chars().filter(|c| !c.is_whitespace() && *c != '│').collect();
        assert!(joined.contains(&paragraph), "{column}: {paragraph} is not named:\n{said}");
        assert_ne!(code, 0, "{column} leaves:\n{said}");
        assert!(words.to_lowercase().contains("help:") || words.contains("Hint:"), "{said}");
        assert!(!said.contains("219-09"), "a refusal repeats a value");
    }
    // A column of the file that no schema names is no smaller a hole.
    let good = "\"score\"\ntype = \"int\"\nrole = \"measure\"\nrange = { min = 0 }";
    refused(&commons, good, |row| row.to_string());
    plain::write(commons.path("t.csv"), "Id,score,more\np1,1,2\n").unwrap();
    let pipeline = commons.path("p.toml");
    let input = commons.folder.to_str().unwrap();
    let said = commons.run(&["ingest", pipeline.to_str().unwrap(), "--input", input]);
    assert_ne!(said.code, Some(0));
    assert!(said.err.contains("`more`") && said.err.contains("(R)"), "{}", said.err);
    let commits = files(&commons.path("site/lake/commits"));
    assert_eq!(commits.len(), 1, "what was refused made a version, or the good one made none");
}
