//! What a search found, as programs read it: names of keys are kept.
//!
//! Comes in: a table, what was asked, an optimum, a recoding. Goes out: [`Found`]. Never: a count of a
//! class that single values could be read from.

use std::fmt;

use serde::Serialize;

use super::{
    asked::{self, Distance},
    written::Written,
};
use crate::deid::search::{self, Optimum, Proof, Recoding, Request, Table};

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The quasi-identifiers, in the order of the file.
    pub columns: Vec<String>,
    /// The level of each.
    pub levels: Vec<usize>,
    /// The highest level of each.
    pub levels_most: Vec<usize>,
    /// What is lost, on the metric's scale.
    pub score: f64,
    /// Records that are suppressed.
    pub suppressed_rows: u64,
    /// Classes that stay.
    pub classes: u64,
    /// Records in the smallest of them.
    pub smallest_class: u64,
    /// Nodes whose classes were counted.
    pub nodes_checked: u64,
    /// Nodes of the lattice.
    pub lattice: u64,
    /// Records.
    pub rows: u64,
    /// What was to be lost least.
    pub metric: &'static str,
    /// The models.
    pub models: Vec<Model>,
    /// The share of records that may be suppressed.
    pub suppress_limit: String,
    /// Whether no node loses less.
    pub optimal: bool,
    /// How much less a node might lose, on the metric's scale.
    pub gap: f64,
    /// How useful the table stays.
    pub quality: Quality,
    /// The same after local recoding, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recoded: Option<Recoded>,
    /// What was written, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// For people: each column with its labels.
    #[serde(skip)]
    pub told: Vec<Column>,
}

/// A quasi-identifier at its level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The column.
    pub name: String,
    /// Its level.
    pub level: usize,
    /// The highest that it has.
    pub highest: usize,
    /// How many labels the level has.
    pub labels: usize,
}

/// The table after local recoding: records that would be suppressed are told less exactly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recoded {
    /// Records that are suppressed all the same.
    pub suppressed_rows: u64,
    /// Classes.
    pub classes: u64,
    /// Records in the smallest.
    pub smallest_class: u64,
    /// How useful the table stays.
    pub quality: Quality,
}

/// How useful a table stays: 1 as it came, 0 where it tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Granularity.
    pub granularity: f64,
    /// Generalisation intensity.
    pub generalisation_intensity: f64,
    /// Non-uniform entropy.
    pub non_uniform_entropy: f64,
    /// Discernibility.
    pub discernibility: f64,
    /// Average class size.
    pub average_class: f64,
}

impl Quality {
    fn of(quality: &search::Quality) -> Self {
        Self {
            granularity: quality.granularity,
            generalisation_intensity: quality.intensity,
            non_uniform_entropy: quality.entropy,
            discernibility: quality.discernibility,
            average_class: quality.average_class,
        }
    }

    fn figures(&self) -> [(&'static str, String); 5] {
        [
            ("granularity", self.granularity.to_string()),
            ("generalisation_intensity", self.generalisation_intensity.to_string()),
            ("non_uniform_entropy", self.non_uniform_entropy.to_string()),
            ("discernibility", self.discernibility.to_string()),
            ("average_class", self.average_class.to_string()),
        ]
    }
}

impl Recoded {
    fn of(quality: &search::Quality) -> Self {
        Self {
            suppressed_rows: quality.suppressed,
            classes: quality.classes,
            smallest_class: quality.smallest,
            quality: Quality::of(quality),
        }
    }
}

/// A model, as programs read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "model", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the parameters are those of `deid::search::Model`")]
pub enum Model {
    KAnonymity { k: u64 },
    DistinctLDiversity { sensitive: String, l: u64 },
    EntropyLDiversity { sensitive: String, l: f64 },
    RecursiveLDiversity { sensitive: String, c: f64, l: u64 },
    TCloseness { sensitive: String, t: f64, distance: &'static str },
    KMap { k: u64 },
    Presence { least: f64, most: f64 },
    AverageRisk { most: f64 },
    MaximumRisk { most: f64 },
}

impl Found {
    pub(super) fn of(
        table: &Table,
        request: &Request,
        optimum: &Optimum,
        (node, recoding): (&Recoding, Option<&Recoding>),
    ) -> Self {
        let Optimum { score, suppressed, classes, smallest, lattice, checked, .. } = *optimum;
        let columns: Vec<Column> = table
            .quasi()
            .iter()
            .zip(&optimum.levels)
            .map(|(one, level)| Column {
                name: one.hierarchy.column().to_owned(),
                level: *level,
                highest: one.hierarchy.height().saturating_sub(1),
                labels: one.hierarchy.level(*level).map_or(0, |level| level.labels.len()),
            })
            .collect();
        Self {
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            levels: optimum.levels.clone(),
            levels_most: columns.iter().map(|column| column.highest).collect(),
            score,
            suppressed_rows: suppressed,
            classes,
            smallest_class: smallest,
            nodes_checked: checked,
            lattice,
            rows: table.released_rows(),
            metric: asked::metric_word(request.metric),
            models: request.models.iter().map(|model| Model::of(model, table)).collect(),
            suppress_limit: String::from(request.suppress),
            optimal: optimum.proof == Proof::Exact,
            gap: match optimum.proof {
                Proof::Exact => 0.0,
                Proof::Gap { bound } => score - bound,
            },
            quality: Quality::of(&search::Quality::of(table, node)),
            recoded: recoding.map(|recoding| Recoded::of(&search::Quality::of(table, recoding))),
            written: None,
            warnings: Vec::new(),
            told: columns,
        }
    }

    /// Returns the figures with their names, as text: numbers to the last digit.
    pub fn figures(&self) -> Vec<(&'static str, String)> {
        let models: Vec<String> = self.models.iter().map(ToString::to_string).collect();
        let levels: Vec<String> = self.levels.iter().map(ToString::to_string).collect();
        let mut figures = vec![
            ("levels", format!("[{}]", levels.join(","))),
            ("score", self.score.to_string()),
            ("suppressed_rows", self.suppressed_rows.to_string()),
            ("classes", self.classes.to_string()),
            ("smallest_class", self.smallest_class.to_string()),
            ("nodes_checked", self.nodes_checked.to_string()),
            ("lattice", self.lattice.to_string()),
            ("rows", self.rows.to_string()),
            ("metric", self.metric.to_owned()),
            ("models", models.join(", ")),
            ("suppress_limit", self.suppress_limit.clone()),
            ("optimal", self.optimal.to_string()),
            ("gap", self.gap.to_string()),
        ];
        figures.extend(self.quality.figures());
        if let Some(recoded) = &self.recoded {
            figures.extend([
                ("recoded_suppressed_rows", recoded.suppressed_rows.to_string()),
                ("recoded_classes", recoded.classes.to_string()),
                ("recoded_smallest_class", recoded.smallest_class.to_string()),
                ("recoded_granularity", recoded.quality.granularity.to_string()),
            ]);
        }
        figures
    }
}

impl Model {
    fn of(model: &search::Model, table: &Table) -> Self {
        let sensitive = |place: usize| {
            table.sensitive().get(place).map_or_else(String::new, |one| one.name.clone())
        };
        match *model {
            search::Model::KAnonymity { k } => Self::KAnonymity { k },
            search::Model::DistinctL { sensitive: at, l } => {
                Self::DistinctLDiversity { sensitive: sensitive(at), l }
            }
            search::Model::EntropyL { sensitive: at, l } => {
                Self::EntropyLDiversity { sensitive: sensitive(at), l }
            }
            search::Model::RecursiveL { sensitive: at, c, l } => {
                Self::RecursiveLDiversity { sensitive: sensitive(at), c, l }
            }
            search::Model::TCloseness { sensitive: at, t, distance } => {
                let distance = match distance {
                    Distance::Equal => "equal",
                    Distance::Ordered => "ordered",
                    Distance::Hierarchical => "hierarchical",
                };
                Self::TCloseness { sensitive: sensitive(at), t, distance }
            }
            search::Model::KMap { k } => Self::KMap { k },
            search::Model::Presence { least, most } => Self::Presence { least, most },
            search::Model::AverageRisk { most } => Self::AverageRisk { most },
            search::Model::MaximumRisk { most } => Self::MaximumRisk { most },
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KAnonymity { k } => write!(f, "{k}-anonymity"),
            Self::DistinctLDiversity { sensitive, l } => {
                write!(f, "distinct {l}-diversity of {sensitive}")
            }
            Self::EntropyLDiversity { sensitive, l } => {
                write!(f, "entropy {l}-diversity of {sensitive}")
            }
            Self::RecursiveLDiversity { sensitive, c, l } => {
                write!(f, "recursive ({c}, {l})-diversity of {sensitive}")
            }
            Self::TCloseness { sensitive, t, distance } => {
                write!(f, "{t}-closeness of {sensitive}, {distance} distance")
            }
            Self::KMap { k } => write!(f, "{k}-map"),
            Self::Presence { least, most } => write!(f, "({least}, {most})-presence"),
            Self::AverageRisk { most } => write!(f, "average risk of at most {most}"),
            Self::MaximumRisk { most } => write!(f, "maximum risk of at most {most}"),
        }
    }
}
