//! Finds what stands in one open place of a file pattern: whose folders there are.

use std::{
    collections::BTreeSet,
    path::{Component, Path},
};

use super::{Error, find};

/// Returns the folders, by name, that stand where `hole` is one whole part of the pattern and in
/// which the rest of it finds a file.
///
/// What stands before the hole must match one folder a part: no `**`.
pub fn folders(pattern: &str, hole: &str, dir: &Path) -> Result<BTreeSet<String>, Error> {
    let nothing = || Error::NothingFound { pattern: pattern.to_owned(), dir: dir.to_owned() };
    let at = names(Path::new(pattern)).position(|name| name == hole).ok_or_else(nothing)?;
    let files = match find(&pattern.replacen(hole, "*", 1), dir) {
        Err(Error::NothingFound { .. }) => return Err(nothing()),
        found => found?,
    };
    let found = files.iter().filter_map(|file| {
        let below =
            if Path::new(pattern).is_absolute() { file } else { file.strip_prefix(dir).ok()? };
        names(below).nth(at)
    });
    Ok(found.collect())
}

fn names(path: &Path) -> impl Iterator<Item = String> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_counts_if_the_rest_of_the_pattern_finds_a_file_in_it() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b/Patient.ndjson", "a [1]/Patient.ndjson.gz", "c/Encounter.ndjson", "x.csv"] {
            let file = dir.path().join("q3").join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "{}").unwrap();
        }
        let read = |pattern: &str| folders(pattern, "{institution}", dir.path());
        let found: Vec<String> =
            read("q3/{institution}/Patient.ndjson*").unwrap().into_iter().collect();
        assert_eq!(found, ["a [1]", "b"], "an institution would be left out or made up");
        let absolute = format!("{}/q3/{{institution}}/Patient.ndjson", dir.path().display());
        assert_eq!(read(&absolute).unwrap().len(), 1);
        let error = read("q3/{institution}/Procedure.ndjson").unwrap_err().to_string();
        assert!(error.contains("`q3/{institution}/Procedure.ndjson`"), "{error}");
    }
}
