//! The views by which a pipeline reads FHIR: compiled when the pipeline is read, and checked against
//! the schemas that take their columns.
//!
//! Comes in: a `ViewDefinition`'s file. Goes out: a [`ViewSpec`]. Never: a column that the view makes
//! and the schema does not declare, or the other way round.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Error, read as read_text};
use crate::{
    digest::Sha3Digest,
    fault::Fault,
    schema::{ColumnType, TableSchema},
    source::fhir::{Kind, View},
};

/// A view, compiled.
#[derive(Debug, Clone)]
pub struct ViewSpec {
    /// Its file.
    pub file: PathBuf,
    /// The digest of its file.
    pub digest: Sha3Digest,
    /// What it makes of a resource.
    pub view: Arc<View>,
    text: Arc<str>,
}

impl ViewSpec {
    /// Reads a view, or notes what is wrong with it.
    pub(super) fn read(file: &Path, faults: &mut Vec<Fault>) -> Result<Option<Self>, Error> {
        let text: Arc<str> = read_text(file)?.into();
        match View::compile(&text) {
            Ok(view) => Ok(Some(Self {
                file: file.to_owned(),
                digest: Sha3Digest::of(text.as_bytes()),
                view: Arc::new(view),
                text,
            })),
            Err(error) => {
                faults.extend(error.faults().iter().map(|found| {
                    let place = place(&text, &found.path);
                    let fault = Fault::new(file, &text, place, found.to_string());
                    match &found.hint {
                        Some(hint) => fault.hint(hint.clone()),
                        None => fault,
                    }
                }));
                Ok(None)
            }
        }
    }

    /// Notes where the view's columns are not what the schema takes.
    pub(super) fn check(&self, schema: &TableSchema, faults: &mut Vec<Fault>) {
        let made = self.view.columns();
        for column in made {
            let mut fault = |message: String, hint: &str| {
                let place = quoted(&self.text, &column.name);
                faults.push(Fault::new(&self.file, &self.text, place, message).hint(hint));
            };
            let name = &column.name;
            let taken = schema.column(name).and_then(|at| schema.columns.get(at));
            match taken {
                None => fault(
                    format!("schema `{}` declares no column `{name}`", schema.table),
                    "declare it there, with role `drop` if it is not to be kept",
                ),
                Some(_) if column.collection => fault(
                    format!("`{name}` is a collection, and a table's cell holds one value"),
                    "take its `first()`, `join` it, or make a row of each by `forEach`",
                ),
                Some(taken) if !fits(column.kind, taken.kind) => fault(
                    format!(
                        "`{name}` holds {}, and its schema wants type `{}`",
                        column.kind.word(),
                        taken.kind.word()
                    ),
                    "say its FHIR `type` in the view, or another type in the schema",
                ),
                Some(_) => {}
            }
        }
        for column in &schema.columns {
            if made.iter().all(|made| made.name != column.name) {
                let text = std::fs::read_to_string(&schema.file).unwrap_or_default().into();
                let message =
                    format!("view `{}` makes no column `{}`", self.file.display(), column.name);
                let fault = Fault::new(&schema.file, &text, quoted(&text, &column.name), message);
                faults.push(fault.hint("add it to the view, or leave it out here"));
            }
        }
    }
}

/// Whether what a view makes can be read as a type.
fn fits(kind: Kind, wanted: ColumnType) -> bool {
    match wanted {
        ColumnType::String => matches!(kind, Kind::Text | Kind::Integer),
        ColumnType::Date | ColumnType::Timestamp => kind == Kind::Text,
        ColumnType::Int => kind == Kind::Integer,
        ColumnType::Float => matches!(kind, Kind::Integer | Kind::Decimal),
        ColumnType::Bool => kind == Kind::Boolean,
    }
}

/// Finds a text between quotes.
fn quoted(text: &str, name: &str) -> Range<usize> {
    let quoted = format!("\"{name}\"");
    text.find(&quoted).map_or(0..0, |at| at..at + quoted.len())
}

/// Finds the value that a path such as `select[0].column[2].path` leads to, or the last one on the
/// way that is there.
fn place(text: &str, path: &str) -> Range<usize> {
    let mut at = blank(text, 0);
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let found = match step.strip_suffix(']') {
            Some(index) => index.parse().ok().and_then(|index| item(text, at, index)),
            None => member(text, at, step),
        };
        let Some(found) = found else { break };
        at = found;
    }
    at..end(text, at)
}

/// Returns where the value of a member begins, in the object that begins at `at`.
fn member(text: &str, at: usize, name: &str) -> Option<usize> {
    let mut at = blank(text, inside(text, at, '{')?);
    while text.get(at..)?.starts_with('"') {
        let after = end(text, at);
        let found = text.get(at + 1..after - 1)? == name;
        at = blank(text, after);
        at = blank(text, inside(text, at, ':')?);
        if found {
            return Some(at);
        }
        at = blank(text, end(text, at));
        at = blank(text, inside(text, at, ',')?);
    }
    None
}

/// Returns where an item begins, in the array that begins at `at`.
fn item(text: &str, at: usize, index: usize) -> Option<usize> {
    let mut at = blank(text, inside(text, at, '[')?);
    for _ in 0..index {
        at = blank(text, end(text, at));
        at = blank(text, inside(text, at, ',')?);
    }
    (!text.get(at..)?.starts_with(']')).then_some(at)
}

fn inside(text: &str, at: usize, mark: char) -> Option<usize> {
    text.get(at..)?.starts_with(mark).then_some(at + 1)
}

fn blank(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + (rest.len() - rest.trim_start().len())
}

/// Returns where the JSON value that begins at `at` ends.
fn end(text: &str, at: usize) -> usize {
    let (mut depth, mut in_text, mut escaped) = (0_u32, false, false);
    for (offset, c) in text.get(at..).unwrap_or_default().char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => continue,
            '{' | '[' => depth += 1,
            '}' | ']' | ',' if depth == 0 => return at + offset,
            '}' | ']' => depth -= 1,
            _ => continue,
        }
        if depth == 0 && !in_text && matches!(c, '"' | '}' | ']') {
            return at + offset + c.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = r#"{
  "resourceType": "ViewDefinition", "status": "active", "resource": "Patient",
  "select": [{"column": [
    {"name": "id", "type": "id", "path": "getResourceKey()"},
    {"name": "given", "path": "name.given", "collection": true},
    {"name": "born", "type": "date", "path": "birthDate"},
    {"name": "a\"b", "path": "x"}
  ]}]
}"#;

    #[test]
    fn a_fault_of_a_view_points_at_its_value() {
        let at = |path: &str| &VIEW[place(VIEW, path)];
        assert_eq!(at("select[0].column[2].path"), "\"birthDate\"");
        assert_eq!(at("select[0].column[3].name"), r#""a\"b""#);
        assert!(at("select[0].column[1]").starts_with("{\"name\": \"given\""));
        assert_eq!(at("resource"), "\"Patient\"");
        assert!(at("select[0].column[9].path").starts_with("[\n"), "the last that is there");
        assert_eq!(place("", "a.b"), 0..0);
    }

    fn faults(schema: &str) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let view = dir.path().join("view.json");
        std::fs::write(&view, VIEW.replace(",\n    {\"name\": \"a\\\"b\", \"path\": \"x\"}", ""))
            .unwrap();
        let file = dir.path().join("people.toml");
        std::fs::write(&file, schema).unwrap();
        let schema = TableSchema::read(&file, schema).unwrap();
        let mut faults = Vec::new();
        let view = ViewSpec::read(&view, &mut faults).unwrap().unwrap();
        view.check(&schema, &mut faults);
        let base = format!("{}/", dir.path().display());
        faults.iter().map(|fault| fault.to_string().replace(&base, "")).collect()
    }

    #[test]
    fn a_view_and_a_schema_that_disagree_are_told_at_the_column() {
        let found = faults(
            "table = \"people\"\n[[column]]\nname = \"id\"\ntype = \"string\"\nrole = \"person\"\n\
             [[column]]\nname = \"born\"\ntype = \"int\"\nrole = \"drop\"\n\
             [[column]]\nname = \"died\"\ntype = \"date\"\nrole = \"drop\"\n\
             [[column]]\nname = \"given\"\ntype = \"string\"\nrole = \"drop\"\n",
        );
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[0].starts_with("view.json:5:14: `given` is a collection"), "{found:#?}");
        assert!(found[1].starts_with("view.json:6:14: `born` holds text"), "{found:#?}");
        assert!(found[2].starts_with("people.toml:11:8: view `view.json` makes no"), "{found:#?}");
        let found = faults(
            "table = \"people\"\n[[column]]\nname = \"id\"\ntype = \"string\"\nrole = \"person\"\n",
        );
        assert!(found[0].contains("declares no column `given`"), "{found:#?}");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_view_that_is_none_is_told_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("view.json");
        std::fs::write(&file, VIEW.replace("birthDate", "birthDate(")).unwrap();
        let mut faults = Vec::new();
        assert!(ViewSpec::read(&file, &mut faults).unwrap().is_none());
        assert_eq!(faults[0].place().0, 6, "{faults:#?}");
    }
}
