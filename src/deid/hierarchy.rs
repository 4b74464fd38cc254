//! Generalisation hierarchies: what stands for a value when it is told less exactly.
//!
//! Comes in: a hierarchy's file, or a rule that builds one. Goes out: [`Hierarchy`]: for each level
//! the label of every leaf. Never: a value guessed to stand under a label; a value that no leaf names
//! is a fault of the hierarchy, told by the hierarchy's line and never by the person's row.

mod code;
mod csv;
mod date;
mod interval;
mod prefix;
mod rule;

use std::collections::BTreeMap;

pub use self::{
    code::System,
    date::Span,
    rule::{ALL, Rule, RuleError},
};

/// How the values of one column are told less exactly, level by level.
///
/// Level 0 is the value itself. In a file `value;level1;level2;…` a line is a leaf.
// INVARIANT: at least one level and one leaf; each level has a code for every leaf, codes count from
// 0 in order of first appearance, each level is a coarsening of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    column: String,
    levels: Vec<Level>,
}

/// One level of a hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// For each leaf the place of its label in `labels`.
    pub of_leaf: Vec<u32>,
    /// The labels, each once.
    pub labels: Vec<String>,
}

impl Hierarchy {
    /// Makes a hierarchy of its leaves: each the value itself, then its label at every level above.
    /// On error, tells what is wrong with which leaf, counted from 0.
    pub fn of_leaves<L, S>(
        column: &str,
        leaves: impl IntoIterator<Item = L>,
    ) -> Result<Self, (usize, Defect)>
    where
        L: AsRef<[S]>,
        S: AsRef<str>,
    {
        let mut builder = Builder::default();
        for (at, leaf) in leaves.into_iter().enumerate() {
            builder.push(leaf.as_ref()).map_err(|defect| (at, defect))?;
        }
        builder.finish(column).ok_or((0, Defect::NoLeaf))
    }

    /// Returns the column it is of.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Returns how many levels there are, level 0 counted.
    pub fn height(&self) -> usize {
        self.levels.len()
    }

    /// Returns how many leaves there are: the values it knows, whether rows hold them or not.
    pub fn leaves(&self) -> usize {
        self.levels.first().map_or(0, |level| level.of_leaf.len())
    }

    /// Returns a level.
    pub fn level(&self, level: usize) -> Option<&Level> {
        self.levels.get(level)
    }

    /// Returns the label of a leaf at a level.
    pub fn label(&self, level: usize, leaf: u32) -> Option<&str> {
        self.levels.get(level)?.label(leaf)
    }
}

impl Level {
    /// Returns the label of a leaf.
    pub fn label(&self, leaf: u32) -> Option<&str> {
        let code = *self.of_leaf.get(usize::try_from(leaf).ok()?)?;
        self.labels.get(usize::try_from(code).ok()?).map(String::as_str)
    }
}

/// What keeps leaves from being a hierarchy. Places of other leaves are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// There is no leaf.
    #[error("a hierarchy without a value")]
    NoLeaf,
    /// A leaf has another number of labels than the first.
    #[error("{found} labels where the first value has {expected}")]
    Height {
        /// How many it has, its own value counted.
        found: usize,
        /// How many the first has.
        expected: usize,
    },
    /// A value stands under other labels than it did before.
    #[error("a value that stood before under other labels")]
    Twice {
        /// The leaf that had it.
        first: usize,
    },
    /// Two leaves that share a label do not share the label above.
    #[error("level {level} tells apart what level {} does not", level - 1)]
    Finer {
        /// The level that is no coarsening of the one below.
        level: usize,
        /// A leaf that stands under the same label below and another here.
        first: usize,
    },
    /// More leaves than a code can count.
    #[error("more than {} values", u32::MAX)]
    Many,
}

/// Builds a hierarchy leaf by leaf.
#[derive(Debug, Default)]
struct Builder {
    levels: Vec<Layer>,
}

/// A level that is being built.
#[derive(Debug, Default)]
struct Layer {
    level: Vec<u32>,
    labels: BTreeMap<String, u32>,
    /// For each label the code of its label above, and a leaf that shows it.
    above: Vec<(u32, usize)>,
}

impl Builder {
    /// Takes the next leaf; a defect leaves the builder as it was.
    ///
    /// A leaf that says again what an earlier one said is a leaf of its own: shares of a domain count
    /// the lines of a hierarchy's file, as ARX does.
    fn push<S: AsRef<str>>(&mut self, leaf: &[S]) -> Result<(), Defect> {
        if self.levels.is_empty() {
            self.levels = leaf.iter().map(|_| Layer::default()).collect();
        }
        if leaf.len() != self.levels.len() {
            return Err(Defect::Height { found: leaf.len(), expected: self.levels.len() });
        }
        let at = self.levels.first().map_or(0, |layer| layer.level.len());
        if u32::try_from(at).is_err() {
            return Err(Defect::Many);
        }
        let codes: Vec<u32> = leaf
            .iter()
            .zip(&self.levels)
            .map(|(label, layer)| layer.code(label.as_ref()))
            .collect();
        for (below, (layer, pair)) in self.levels.iter().zip(codes.windows(2)).enumerate() {
            let [code, above] = pair else { continue };
            let known = usize::try_from(*code).ok().and_then(|code| layer.above.get(code));
            if let Some((_, first)) = known.filter(|(known, _)| known != above) {
                let first = *first;
                return Err(if below == 0 {
                    Defect::Twice { first }
                } else {
                    Defect::Finer { level: below + 1, first }
                });
            }
        }
        let aboves = codes.iter().skip(1).chain([&0]);
        for (((label, layer), code), above) in
            leaf.iter().zip(&mut self.levels).zip(&codes).zip(aboves)
        {
            layer.level.push(*code);
            if usize::try_from(*code).is_ok_and(|code| code == layer.above.len()) {
                layer.labels.insert(label.as_ref().to_owned(), *code);
                layer.above.push((*above, at));
            }
        }
        Ok(())
    }

    fn finish(self, column: &str) -> Option<Hierarchy> {
        let levels: Vec<Level> = self.levels.into_iter().map(Layer::finish).collect();
        (!levels.is_empty()).then(|| Hierarchy { column: column.to_owned(), levels })
    }
}

impl Layer {
    /// Returns the code of a label: its own, or the next one.
    fn code(&self, label: &str) -> u32 {
        // INVARIANT: there are not more labels than leaves, and `push` counts those.
        let next = || u32::try_from(self.labels.len()).unwrap_or(u32::MAX);
        self.labels.get(label).copied().unwrap_or_else(next)
    }

    fn finish(self) -> Level {
        let mut labels: Vec<(u32, String)> =
            self.labels.into_iter().map(|(label, code)| (code, label)).collect();
        labels.sort_unstable();
        let labels = labels.into_iter().map(|(_, label)| label).collect();
        Level { of_leaf: self.level, labels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ages() -> Vec<[&'static str; 3]> {
        vec![["1", "0-4", "*"], ["7", "5-9", "*"], ["2", "0-4", "*"]]
    }

    #[test]
    fn each_level_tells_every_leaf_by_its_label() {
        let hierarchy = Hierarchy::of_leaves("age", ages()).unwrap();
        assert_eq!((hierarchy.height(), hierarchy.leaves()), (3, 3));
        assert_eq!(hierarchy.level(1).unwrap().of_leaf, [0, 1, 0], "codes are not by appearance");
        assert_eq!(hierarchy.level(1).unwrap().labels, ["0-4", "5-9"]);
        assert_eq!(hierarchy.label(0, 2), Some("2"), "level 0 is not the value itself");
        assert_eq!(hierarchy.label(2, 1), Some("*"));
        assert_eq!((hierarchy.label(3, 0), hierarchy.label(0, 3)), (None, None));
    }

    #[test]
    fn what_is_no_hierarchy_is_told_by_its_leaf() {
        let broken = |more: &[&'static str]| {
            let mut leaves: Vec<Vec<&str>> = ages().iter().map(|leaf| leaf.to_vec()).collect();
            leaves.push(more.to_vec());
            Hierarchy::of_leaves("age", leaves).unwrap_err()
        };
        assert_eq!(broken(&["3", "0-4"]), (3, Defect::Height { found: 2, expected: 3 }));
        assert_eq!(broken(&["7", "0-4", "*"]), (3, Defect::Twice { first: 1 }));
        assert_eq!(broken(&["3", "0-4", "young"]), (3, Defect::Finer { level: 2, first: 0 }));
        let none: [[&str; 0]; 0] = [];
        assert_eq!(Hierarchy::of_leaves("age", none), Err((0, Defect::NoLeaf)));
    }

    #[test]
    fn a_line_said_again_counts_twice_in_its_labels_share() {
        let mut leaves = ages();
        leaves.push(["2", "0-4", "*"]);
        let hierarchy = Hierarchy::of_leaves("age", leaves).unwrap();
        assert_eq!(hierarchy.leaves(), 4);
        assert_eq!(hierarchy.level(0).unwrap().of_leaf, [0, 1, 2, 2]);
    }
}
