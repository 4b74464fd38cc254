//! The hierarchy of a column: what its leaves are, and how it is built over the values there are.
//!
//! Comes in: a column of a part; later the texts of all parts. Goes out: the texts that are staged,
//! and a [`Hierarchy`] with every one of them among its leaves. Never: a level below the least that
//! may be shown.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, StringArray},
    compute::cast,
    datatypes::DataType,
};

use super::{
    super::{
        Error,
        hierarchy::{Hierarchy, Rule, RuleError, Span, System},
        kernel::Kernel,
        people::People,
        search::{Quasi, QuasiColumn},
    },
    Late, LateError,
};
use crate::{
    digest::Sha3Digest,
    schema::{CodeSystem, ColumnType, DatePart, HierarchyRule},
};

/// The hierarchy of a column, as far as its schema says it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::deid) struct Ladder {
    /// What makes the values whose texts the leaves are.
    pub(in crate::deid) first: Box<Kernel>,
    /// What builds the hierarchy.
    pub(in crate::deid) rule: HierarchyRule,
    /// The hierarchy, where a file gives it; a rule's is built over the values that there are.
    pub(in crate::deid) read: Option<Arc<Hierarchy>>,
    /// The lowest level that may be shown.
    pub(in crate::deid) least: usize,
    /// The digest of the file or rule.
    pub(in crate::deid) digest: Sha3Digest,
}

impl Late {
    /// The type of the staged and of the released column.
    pub(in crate::deid) fn output(&self, kind: ColumnType) -> Option<DataType> {
        match self {
            Self::Hierarchy(ladder) => ladder.first.output(kind).map(|_| DataType::Utf8),
            Self::Mask(_) => {
                matches!(kind, ColumnType::Int | ColumnType::Float).then(|| kind.arrow())
            }
        }
    }

    /// Makes of a part's column the one that waits in the vault.
    pub(in crate::deid) fn stage(
        &self,
        column: &str,
        values: &ArrayRef,
        persons: &[u32],
        people: &People,
    ) -> Result<ArrayRef, Error> {
        match self {
            Self::Hierarchy(ladder) => {
                let values = ladder.first.run(column, values, persons, people)?;
                cast(&values, &DataType::Utf8).map_err(|_| Error::Column {
                    column: column.to_owned(),
                    found: values.data_type().to_string(),
                })
            }
            Self::Mask(_) => Ok(Arc::clone(values)),
        }
    }
}

/// A column on the levels that may be shown.
#[derive(Debug)]
pub(super) struct Climbed {
    /// The hierarchy from the least level on; its leaves are those of the whole one.
    pub(super) quasi: Quasi,
    /// The least level.
    pub(super) least: usize,
    /// How many levels the whole hierarchy has.
    pub(super) height: usize,
}

impl Ladder {
    /// Puts the texts of all rows on the hierarchy's leaves.
    pub(super) fn climb(&self, column: &str, texts: &StringArray) -> Result<Climbed, LateError> {
        let whole = match &self.read {
            Some(hierarchy) => Arc::clone(hierarchy),
            None => Arc::new(self.build(column, texts)?),
        };
        let height = whole.height();
        if self.least >= height {
            return Err(LateError::Least { column: column.to_owned(), height });
        }
        let mut leaves = QuasiColumn::new(Arc::clone(&whole));
        texts.iter().for_each(|text| leaves.push(text.unwrap_or_default()));
        let leaves = leaves.finish()?;
        if self.least == 0 {
            return Ok(Climbed { quasi: leaves, least: 0, height });
        }
        // What lies below the least level is no choice: the labels there become the values.
        let labels = |leaf| -> Vec<&str> {
            (self.least..height).filter_map(|level| whole.label(level, leaf)).collect()
        };
        let count = u32::try_from(whole.leaves()).unwrap_or(u32::MAX);
        let rest = Hierarchy::of_leaves(column, (0..count).map(labels));
        let defect = |(_, source)| RuleError::Defect { column: column.to_owned(), source };
        let mut shown = QuasiColumn::new(Arc::new(rest.map_err(defect)?));
        for leaf in &leaves.codes {
            shown.push(leaves.hierarchy.label(self.least, *leaf).unwrap_or_default());
        }
        Ok(Climbed { quasi: shown.finish()?, least: self.least, height })
    }

    fn build(&self, column: &str, texts: &StringArray) -> Result<Hierarchy, LateError> {
        let distinct: BTreeSet<&str> = texts.iter().map(Option::unwrap_or_default).collect();
        let distinct = distinct.into_iter().map(str::to_owned).collect();
        Ok(rule(&self.rule)?.hierarchy(column, &distinct)?)
    }
}

/// Returns what builds a hierarchy over values. A file's is read with the plan, so its rule is that
/// of no level.
pub(in crate::deid) fn rule(written: &HierarchyRule) -> Result<Rule, RuleError> {
    match written {
        HierarchyRule::File { .. } => Err(RuleError::NoLevel),
        HierarchyRule::Prefix(lengths) => {
            let lengths = lengths.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX));
            Rule::prefix(&lengths.collect::<Vec<_>>())
        }
        HierarchyRule::Widths(widths) => Rule::widths(widths),
        HierarchyRule::Dates(parts) => {
            let span = |part: &DatePart| match part {
                DatePart::Day => Span::Day,
                DatePart::Month => Span::Month,
                DatePart::Quarter => Span::Quarter,
                DatePart::Year => Span::Year,
                DatePart::Decade => Span::Decade,
            };
            Rule::dates(&parts.iter().map(span).collect::<Vec<_>>())
        }
        HierarchyRule::Codes(CodeSystem::Icd10) => Ok(Rule::Codes(System::Icd10)),
        HierarchyRule::Codes(CodeSystem::Atc) => Ok(Rule::Codes(System::Atc)),
    }
}
