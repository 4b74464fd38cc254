//! Which files an import of FHIR Consents reads, and whose they are.
//!
//! Comes in: paths, some with `{institution}` in a folder's place. Goes out: [`Source`]s.
//! Never: a file read twice, or one whose folder's name is no institution.

use std::path::{Path, PathBuf};

use super::Error;
use crate::{party::InstitutionId, source};

/// What stands for a folder's name in a path.
const HOLE: &str = "{institution}";

/// A file of Consents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The file.
    pub file: PathBuf,
    /// Whose patients it speaks of; none where ids are those of contributors already.
    pub institution: Option<InstitutionId>,
}

/// Finds the files that paths name: plain, as a pattern, or as a template of institutions' folders.
pub fn sources(
    paths: &[PathBuf],
    institution: Option<&InstitutionId>,
) -> Result<Vec<Source>, Error> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_file() {
            found.push(Source { file: path.clone(), institution: institution.cloned() });
            continue;
        }
        let place = path.components().position(|part| part.as_os_str() == HOLE);
        let pattern = path.to_string_lossy().replace(HOLE, "*");
        let files = source::find(&pattern, Path::new(""))
            .map_err(|_| Error::NothingFound { pattern: path.clone() })?;
        for file in files {
            let name = place.and_then(|at| file.components().nth(at));
            let own = match name.and_then(|part| part.as_os_str().to_str()) {
                Some(name) => {
                    let id = InstitutionId::parse(name);
                    Some(id.map_err(|_| Error::NothingFound { pattern: path.clone() })?)
                }
                None => institution.cloned(),
            };
            found.push(Source { file, institution: own });
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_names_the_institution_of_each_file() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["north/Consent.ndjson", "lake/Consent.ndjson.gz", "lake/Patient.ndjson"] {
            let file = dir.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let found = sources(&[dir.path().join("{institution}/Consent.ndjson*")], None).unwrap();
        let own: Vec<_> =
            found.iter().map(|s| s.institution.as_ref().map(InstitutionId::as_str)).collect();
        assert_eq!(own, [Some("lake"), Some("north")]);
        let one = dir.path().join("north/Consent.ndjson");
        assert_eq!(sources(&[one.clone(), one], None).unwrap().len(), 1, "a file is read twice");
        assert!(sources(&[dir.path().join("{institution}/none*")], None).is_err());
    }
}
