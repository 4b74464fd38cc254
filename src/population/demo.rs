//! The demo's pipeline, schemas and questions, carried in the binary so that it runs anywhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Error, write::file};

/// Returns the files that the demo and the benches need, as (path, text), to be written below a
/// folder.
pub fn demo_files() -> &'static [(&'static str, &'static str)] {
    &[
        ("pipelines/demo.toml", include_str!("../../pipelines/demo.toml")),
        ("pipelines/bench.toml", include_str!("../../pipelines/bench.toml")),
        ("pipelines/cover-accident.toml", include_str!("../../pipelines/cover-accident.toml")),
        ("pipelines/rewards.toml", include_str!("../../pipelines/rewards.toml")),
        ("schemas/demo/patients.toml", include_str!("../../schemas/demo/patients.toml")),
        ("schemas/demo/patients.json", include_str!("../../schemas/demo/patients.json")),
        ("schemas/demo/visits.toml", include_str!("../../schemas/demo/visits.toml")),
        ("schemas/demo/visits.json", include_str!("../../schemas/demo/visits.json")),
        ("schemas/demo/conditions.toml", include_str!("../../schemas/demo/conditions.toml")),
        ("schemas/demo/conditions.json", include_str!("../../schemas/demo/conditions.json")),
        ("schemas/demo/measurements.toml", include_str!("../../schemas/demo/measurements.toml")),
        ("schemas/demo/measurements.json", include_str!("../../schemas/demo/measurements.json")),
        ("schemas/quality/demo.toml", include_str!("../../schemas/quality/demo.toml")),
        ("schemas/bench/flat.toml", include_str!("../../schemas/bench/flat.toml")),
    ]
}

/// Writes the files below `dir`, and returns their paths.
///
/// A file that is there already stays as it is, for its owner may have changed it.
pub fn write_demo_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut written = Vec::new();
    for (name, text) in demo_files() {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| file("make", folder, source))?;
        }
        if !path.exists() {
            fs::write(&path, text).map_err(|source| file("write", &path, source))?;
        }
        written.push(path);
    }
    Ok(written)
}

/// A question that a researcher of the demo asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// What they want to know.
    pub title: &'static str,
    /// How they ask it.
    pub sql: &'static str,
    /// Why it is refused, if it should be.
    pub refused: Option<&'static str>,
}

/// Returns the demo's questions: answered ones first, then some that must be refused.
pub fn demo_questions() -> &'static [Question] {
    const fn ask(title: &'static str, sql: &'static str) -> Question {
        Question { title, sql, refused: None }
    }
    const fn refuse(title: &'static str, sql: &'static str, why: &'static str) -> Question {
        Question { title, sql, refused: Some(why) }
    }
    const {
        &[
            ask(
                "How many people are in the dataset, by sex?",
                "SELECT sex, COUNT(DISTINCT person) AS people FROM patients GROUP BY sex",
            ),
            ask(
                "Who has type 2 diabetes, by age?",
                "SELECT p.birth_years, COUNT(DISTINCT c.person) AS people \
                 FROM conditions c JOIN patients p ON c.person = p.person \
                 WHERE c.code IN ('E11.9', '44054006') GROUP BY p.birth_years",
            ),
            ask(
                "How high is HbA1c, with and without diabetes?",
                "SELECT COUNT(DISTINCT m.person) AS people, AVG(m.value) AS hba1c \
                 FROM measurements m JOIN conditions c ON m.person = c.person \
                 WHERE m.loinc = '4548-4' AND c.code IN ('E11.9', '44054006')",
            ),
            ask(
                "How many have an HbA1c of 9 % or more?",
                "SELECT COUNT(DISTINCT person) AS people FROM measurements \
                 WHERE loinc = '4548-4' AND value >= 9",
            ),
            ask(
                "What do visits cost, by kind?",
                "SELECT kind, COUNT(*) AS visits, AVG(cost) AS cost FROM visits GROUP BY kind",
            ),
            ask(
                "Which diagnoses are the most frequent?",
                "SELECT code, COUNT(DISTINCT person) AS people FROM conditions \
                 GROUP BY code ORDER BY people DESC LIMIT 10",
            ),
            ask(
                "How is blood pressure, by sex?",
                "SELECT p.sex, AVG(m.value) AS systolic \
                 FROM measurements m JOIN patients p ON m.person = p.person \
                 WHERE m.loinc = '8480-6' GROUP BY p.sex",
            ),
            refuse("Give me one person's rows", "SELECT * FROM conditions", "it is no aggregate"),
            refuse(
                "What is the highest HbA1c?",
                "SELECT MAX(value) FROM measurements WHERE loinc = '4548-4'",
                "a maximum is one person's value",
            ),
            refuse(
                "Count the rows of each person",
                "SELECT person, COUNT(*) FROM visits GROUP BY person",
                "its groups are people",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_and_view_that_a_pipeline_names_is_in_the_binary() {
        for (path, text) in demo_files().iter().filter(|(path, _)| path.starts_with("pipelines/")) {
            let file: toml::Table = text.parse().unwrap();
            // A file of rules reads nothing.
            for source in file.get("source").and_then(toml::Value::as_array).into_iter().flatten() {
                for named in [source.get("schema"), source.get("view")].into_iter().flatten() {
                    let named = named.as_str().unwrap();
                    assert!(demo_files().iter().any(|(p, _)| *p == named), "{path} needs {named}");
                }
            }
        }
    }

    #[test]
    fn every_column_that_is_written_or_viewed_is_declared_and_none_besides() {
        use super::super::records::Table;
        for table in Table::ALL {
            let name = format!("{}.toml", table.name());
            let (_, text) =
                demo_files().iter().find(|(p, _)| *p == format!("schemas/demo/{name}")).unwrap();
            let schema: toml::Table = text.parse().unwrap();
            let declared: Vec<&str> = schema["column"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| column["name"].as_str().unwrap())
                .collect();
            assert_eq!(declared, table.columns(), "{name}: the demo would stop at its first file");

            let view = format!("schemas/demo/{}.json", table.name());
            let (_, text) = demo_files().iter().find(|(p, _)| *p == view).unwrap();
            let view: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(view["resource"], table.resource());
            let shown: Vec<&str> = view["select"][0]["column"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| column["name"].as_str().unwrap())
                .collect();
            assert_eq!(shown, table.columns(), "{name}: its view shows other columns");
        }
    }
}
