//! Which disease is a kind of which: a small ontology, as child and parent on each line.
//!
//! Comes in: `child<TAB>parent` lines of CURIEs. Goes out: [`Diseases::is_kind_of`].
//! Never: a guess about a disease that the file does not name: it is a kind of itself alone.

use std::collections::{BTreeMap, BTreeSet};

use super::is_curie;

/// Diseases and what each is a kind of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diseases {
    parents: BTreeMap<String, BTreeSet<String>>,
}

/// A line that is no pair of CURIEs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is not `child<TAB>parent` of two CURIEs such as MONDO:0005148")]
pub struct OntologyError(pub usize);

impl Diseases {
    /// Reads lines of `child<TAB>parent`; what follows a second tab is for people, as are empty
    /// lines and those that begin with `#`.
    pub fn parse(text: &str) -> Result<Self, OntologyError> {
        let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut cells = line.split('\t').map(str::trim);
            match (cells.next(), cells.next()) {
                (Some(child), Some(parent)) if is_curie(child) && is_curie(parent) => {
                    parents.entry(child.to_owned()).or_default().insert(parent.to_owned());
                }
                (_, _) => return Err(OntologyError(at + 1)),
            }
        }
        Ok(Self { parents })
    }

    /// Says whether `disease` is `kind` or any kind of it.
    pub fn is_kind_of(&self, disease: &str, kind: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![disease];
        // A circle in the file ends here: nothing is looked at twice.
        while let Some(next) = open.pop() {
            if next == kind {
                return true;
            }
            if seen.insert(next) {
                open.extend(self.parents.get(next).into_iter().flatten().map(String::as_str));
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_a_kind_is_a_kind_and_never_the_reverse() {
        let text = "# facts\nX:1\tX:2\tlung cancer is a cancer\n\nX:2\tX:3\nX:3\tX:2\n";
        let diseases = Diseases::parse(text).unwrap();
        assert!(diseases.is_kind_of("X:1", "X:3") && diseases.is_kind_of("X:1", "X:1"));
        assert!(!diseases.is_kind_of("X:2", "X:1"), "consent to one disease would open its parent");
        assert!(!diseases.is_kind_of("X:9", "X:2") && diseases.is_kind_of("X:9", "X:9"));
        assert_eq!(Diseases::parse("X:1\tX:2\nX:1 X:2\n"), Err(OntologyError(2)));
    }
}
