//! A folder of hierarchies: which file is of which column.
//!
//! Comes in: a folder of files named `NAME_hierarchy_COLUMN.csv`. Goes out: for each column its file,
//! and the hierarchy in it. Never: a choice between two files of one column.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Error;
use crate::{
    deid::{hierarchy::Hierarchy, search::Missing},
    fault::Fault,
};

/// What stands between a data set's name and a column's in a file's name.
const INFIX: &str = "_hierarchy_";

/// Lists the files of a folder by column. Where a column has several, the one that is named after
/// the data's file is meant.
pub(in crate::pipeline) fn list(
    dir: &Path,
    data: &Path,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    let own = name.split_once('.').map_or(name.as_ref(), |(stem, _)| stem);
    let fault = |source| Error::Folder { dir: dir.to_owned(), source };
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((set, column)) = name.strip_suffix(".csv").and_then(|n| n.split_once(INFIX))
        else {
            continue;
        };
        let all = files.entry(column.to_owned()).or_default();
        if set == own {
            all.insert(0, path);
            all.truncate(1);
        } else if !all.first().is_some_and(|first| is_of(first, own)) {
            all.push(path);
        }
    }
    let one = |(column, mut all): (String, Vec<PathBuf>)| match (all.pop(), all.pop()) {
        (Some(one), None) => Ok((column, one)),
        _ => Err(Error::SeveralFiles { column, dir: dir.to_owned(), own: own.to_owned() }),
    };
    let files = files.into_iter().map(one).collect::<Result<BTreeMap<_, _>, _>>()?;
    if files.is_empty() {
        return Err(Error::NoHierarchies { dir: dir.to_owned() });
    }
    Ok(files)
}

fn is_of(file: &Path, own: &str) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split_once(INFIX).is_some_and(|(set, _)| set == own)
}

/// A hierarchy with the text that it was read from.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) hierarchy: Arc<Hierarchy>,
    file: PathBuf,
    text: Arc<str>,
}

impl Listed {
    /// Reads the hierarchy of a column.
    pub(super) fn read(column: &str, file: &Path, trim: bool) -> Result<Self, Error> {
        let fault = |source| Error::Read { file: file.to_owned(), source };
        let text = String::from_utf8(std::fs::read(file).map_err(fault)?)
            .map_err(|error| not_utf8(file, &error))?;
        let text: Arc<str> = Arc::from(text);
        let hierarchy = Hierarchy::read(column, file, &text, trim).map_err(Error::Hierarchies)?;
        Ok(Self { hierarchy: Arc::new(hierarchy), file: file.to_owned(), text })
    }

    /// Makes a fault of the file of what it misses: at its end, where a line is to be added.
    pub(super) fn misses(&self, missing: &Missing, trimmed: bool) -> Fault {
        let end = self.text.trim_end_matches(['\r', '\n']).len();
        Fault::new(&self.file, &self.text, end..end, missing.to_string())
            .hint(advice(missing, trimmed))
    }
}

fn not_utf8(file: &Path, error: &std::string::FromUtf8Error) -> Error {
    let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let line = memchr::memchr_iter(b'\n', good).count() + 1;
    Error::Encoding { file: file.to_owned(), line }
}

/// What can be said of missing values without telling one.
fn advice(missing: &Missing, trimmed: bool) -> String {
    let Missing { column, values, empty, spaced, cased, above, .. } = missing;
    let mut advice = vec![format!(
        "add a line for each value of `{column}` that no line begins with, to the letter; values \
         are not shown, since one may name a person"
    )];
    if *empty {
        advice.push("the empty cell is one: its line begins with the separator".to_owned());
    }
    if *spaced > 0 && !trimmed {
        advice.push(format!(
            "{spaced} of {values} have a line but for spaces at their ends: `--trim` takes those off"
        ));
    }
    if *cased > 0 {
        advice.push(format!("{cased} of {values} have a line but for capital and small letters"));
    }
    if *above > 0 {
        advice.push(format!(
            "{above} of {values} are labels of a level above, as in rows that were generalised or \
             suppressed before: take the rows as they came"
        ));
    }
    advice.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(dir.path().join(name), "1;*\n").unwrap();
        }
        dir
    }

    #[test]
    fn a_column_has_the_file_that_is_named_after_the_data() {
        let dir = folder(&[
            "adult_hierarchy_marital-status.csv",
            "adult_hierarchy_age.csv",
            "aaa_hierarchy_age.csv",
            "zzz_hierarchy_age.csv",
            "zzz_hierarchy_zip.csv",
            "adult.csv",
            "hierarchy_x.csv",
            "adult_hierarchy_sex.txt",
        ]);
        let files = list(dir.path(), Path::new("/data/adult.csv")).unwrap();
        let named = |column: &str| files[column].file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["age", "marital-status", "zip"]);
        assert_eq!(named("age"), "adult_hierarchy_age.csv", "another data set's file was taken");
        assert_eq!(named("zip"), "zzz_hierarchy_zip.csv");
        let error = list(dir.path(), Path::new("other.csv")).unwrap_err();
        assert!(matches!(error, Error::SeveralFiles { column, .. } if column == "age"));
        let none = list(folder(&["adult.csv"]).path(), Path::new("adult.csv")).unwrap_err();
        assert!(matches!(none, Error::NoHierarchies { .. }));
    }

    #[test]
    fn what_is_missing_is_told_at_the_end_of_the_hierarchys_file() {
        let dir = folder(&[]);
        let file = dir.path().join("h.csv");
        std::fs::write(&file, "1;*\n2;*\n").unwrap();
        let listed = Listed::read("age", &file, false).unwrap();
        let missing = Missing {
            column: "age".to_owned(),
            values: 2,
            rows: 7,
            empty: true,
            spaced: 1,
            cased: 0,
            above: 0,
        };
        let fault = listed.misses(&missing, false);
        assert_eq!(fault.place().0, 2, "it is not told at the last line");
        assert_eq!(fault.message(), "the hierarchy misses 2 values of column `age`, in 7 rows");
        let hint = fault.hint_text().unwrap();
        assert!(hint.contains("`--trim`") && hint.contains("empty cell"), "{hint}");
        assert!(!listed.misses(&missing, true).hint_text().unwrap().contains("--trim"));
    }
}
