//! What generalisation loses, by name: the smaller, the more useful the table stays.
//!
//! Comes in: the name of a metric. Goes out: [`Metric`], which [`super::Measure`] reckons with.
//! Never: two names for one scale in a report.

use serde::{Deserialize, Serialize};

/// How loss of information is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Loss (Iyengar 2002) as ARX reckons it: the geometric mean over columns, 0 to 1.
    #[default]
    Loss,
    /// Non-uniform entropy (De Waal and Willenborg 1999), in bits; what is suppressed loses its
    /// own entropy on top.
    Entropy,
    /// Non-uniform entropy of the levels alone: a suppressed record costs what a kept one does.
    /// ARX calls it monotonic.
    MonotonicEntropy,
    /// Discernibility (Bayardo and Agrawal 2005), in pairs of records.
    Discernibility,
    /// Average class size (`LeFevre` et al. 2006): what is suppressed is one class more.
    AverageClass,
    /// Precision (Sweeney 2002), as what is lost: 0 to 1.
    Precision,
    /// Granularity (Iyengar 2002), as what is lost: the arithmetic mean over columns, 0 to 1.
    Granularity,
}
