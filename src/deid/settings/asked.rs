//! What a pipeline asks of classes beyond k people.
//!
//! Comes in: the members of `models = [{ … }]`. Goes out: [`Asked`], and the [`Model`]s of one table.
//! Never: a float kept; settings reach digests.

use serde::{Deserialize, Serialize};

use super::Fraction;
use crate::deid::search::{Model, model::Distance};

/// A model of privacy, as a pipeline asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Asked {
    /// Distinct l-diversity.
    DistinctL {
        /// The sensitive column, as it is released.
        sensitive: String,
        /// The least number of distinct values of a class.
        l: u32,
    },
    /// Entropy l-diversity.
    EntropyL {
        /// The sensitive column.
        sensitive: String,
        /// The least effective number of values.
        l: u32,
    },
    /// Recursive (c, l)-diversity.
    RecursiveL {
        /// The sensitive column.
        sensitive: String,
        /// c in millionths.
        c_ppm: u32,
        /// l.
        l: u32,
    },
    /// t-closeness.
    TCloseness {
        /// The sensitive column.
        sensitive: String,
        /// The most that a class's distribution may differ from the table's.
        t: Fraction,
        /// How far apart values are.
        by: Apart,
    },
    /// The mean risk of a record is at most this.
    AverageRisk {
        /// At most.
        most: Fraction,
    },
    /// The highest risk of a record is at most this.
    MaximumRisk {
        /// At most.
        most: Fraction,
    },
}

/// How far apart two values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Apart {
    /// Any two equally far.
    Equal,
    /// In steps of their order.
    Ordered,
}

impl Asked {
    /// Returns the sensitive column that it speaks of.
    pub fn sensitive(&self) -> Option<&str> {
        match self {
            Self::DistinctL { sensitive, .. }
            | Self::EntropyL { sensitive, .. }
            | Self::RecursiveL { sensitive, .. }
            | Self::TCloseness { sensitive, .. } => Some(sensitive),
            Self::AverageRisk { .. } | Self::MaximumRisk { .. } => None,
        }
    }

    /// Returns the model, where its column stands at `place` among a table's sensitive ones.
    pub(in crate::deid) fn model(&self, place: usize) -> Model {
        let share = |fraction: &Fraction| f64::from(fraction.ppm()) / 1e6;
        match self {
            Self::DistinctL { l, .. } => Model::DistinctL { sensitive: place, l: u64::from(*l) },
            Self::EntropyL { l, .. } => Model::EntropyL { sensitive: place, l: f64::from(*l) },
            Self::RecursiveL { c_ppm, l, .. } => {
                Model::RecursiveL { sensitive: place, c: f64::from(*c_ppm) / 1e6, l: u64::from(*l) }
            }
            Self::TCloseness { t, by, .. } => Model::TCloseness {
                sensitive: place,
                t: share(t),
                distance: match by {
                    Apart::Equal => Distance::Equal,
                    Apart::Ordered => Distance::Ordered,
                },
            },
            Self::AverageRisk { most } => Model::AverageRisk { most: share(most) },
            Self::MaximumRisk { most } => Model::MaximumRisk { most: share(most) },
        }
    }

    /// Says it in words, for reports and for the book's readers.
    pub(in crate::deid) fn words(&self) -> String {
        match self {
            Self::DistinctL { sensitive, l } => format!("{l} distinct values of `{sensitive}`"),
            Self::EntropyL { sensitive, l } => format!("entropy {l}-diversity of `{sensitive}`"),
            Self::RecursiveL { sensitive, c_ppm, l } => {
                let (whole, parts) = (c_ppm / 1_000_000, c_ppm % 1_000_000);
                let c = format!("{whole}.{parts:06}");
                let c = c.trim_end_matches('0').trim_end_matches('.');
                format!("recursive ({c}, {l})-diversity of `{sensitive}`")
            }
            Self::TCloseness { sensitive, t, by } => {
                let by = match by {
                    Apart::Equal => "",
                    Apart::Ordered => ", its values in their order",
                };
                format!("{}-closeness of `{sensitive}`{by}", String::from(*t))
            }
            Self::AverageRisk { most } => format!("average risk at most {}", String::from(*most)),
            Self::MaximumRisk { most } => format!("highest risk at most {}", String::from(*most)),
        }
    }
}
