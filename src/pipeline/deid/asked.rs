//! What is asked of a search, as words: `entropy:3`, `hierarchical:0.2`, `aecs`.
//!
//! Comes in: text. Goes out: models and metrics. Never: a threshold that no class could be under or
//! over.

use std::str::FromStr;

pub use crate::deid::search::{Metric, Model, model::Distance};

/// A text is not what an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unclear(&'static str);

/// l-diversity of whichever sensitive column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Diversity {
    /// `3` or `distinct:3`.
    Distinct(u64),
    /// `entropy:3`.
    Entropy(f64),
    /// `recursive:4:3`: c, then l.
    Recursive(f64, u64),
}

impl Diversity {
    /// Returns how many values a class must have.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 or more; what no table reaches saturates"
    )]
    pub fn least(&self) -> u64 {
        match *self {
            Self::Distinct(l) | Self::Recursive(_, l) => l,
            Self::Entropy(l) => l.ceil() as u64,
        }
    }
}

/// t-closeness of whichever sensitive column: `0.2`, `equal:0.2`, `ordered:0.2`, `hierarchical:0.2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Closeness {
    /// The ground distance.
    pub distance: Distance,
    /// The most that a class may be away.
    pub t: f64,
}

/// Bounds of delta-presence: `0.1:0.8`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Presence {
    /// At least.
    pub least: f64,
    /// At most.
    pub most: f64,
}

/// The models that are asked for; each sensitive column must satisfy those of sensitive columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Privacy {
    /// k-anonymity.
    pub k: Option<u64>,
    /// l-diversity.
    pub diversity: Vec<Diversity>,
    /// t-closeness.
    pub closeness: Vec<Closeness>,
    /// k-map.
    pub k_map: Option<u64>,
    /// delta-presence.
    pub presence: Option<Presence>,
    /// Average risk, at most.
    pub average_risk: Option<f64>,
    /// Maximum risk, at most.
    pub maximum_risk: Option<f64>,
}

impl Privacy {
    /// Returns the models, for so many sensitive columns.
    pub fn models(&self, sensitive: usize) -> Vec<Model> {
        let mut models: Vec<Model> = self.k.map(|k| Model::KAnonymity { k }).into_iter().collect();
        for sensitive in 0..sensitive {
            models.extend(self.diversity.iter().map(|one| match *one {
                Diversity::Distinct(l) => Model::DistinctL { sensitive, l },
                Diversity::Entropy(l) => Model::EntropyL { sensitive, l },
                Diversity::Recursive(c, l) => Model::RecursiveL { sensitive, c, l },
            }));
            models.extend(self.closeness.iter().map(|one| {
                let Closeness { distance, t } = *one;
                Model::TCloseness { sensitive, t, distance }
            }));
        }
        models.extend(self.k_map.map(|k| Model::KMap { k }));
        models
            .extend(self.presence.map(|Presence { least, most }| Model::Presence { least, most }));
        models.extend(self.average_risk.map(|most| Model::AverageRisk { most }));
        models.extend(self.maximum_risk.map(|most| Model::MaximumRisk { most }));
        models
    }

    /// Whether a model is about sensitive columns.
    pub fn is_sensitive(&self) -> bool {
        !(self.diversity.is_empty() && self.closeness.is_empty())
    }

    /// Whether a model goes by the hierarchies of sensitive columns.
    pub fn is_hierarchical(&self) -> bool {
        self.closeness.iter().any(|one| one.distance == Distance::Hierarchical)
    }

    /// Whether a model is about the population that the rows come from.
    pub fn is_of_population(&self) -> bool {
        self.k_map.is_some() || self.presence.is_some()
    }
}

/// The words for metrics, ARX's short ones too.
pub const METRICS: [(&str, Metric); 11] = [
    ("loss", Metric::Loss),
    ("entropy", Metric::Entropy),
    ("nmentropy", Metric::Entropy),
    ("monotonic-entropy", Metric::MonotonicEntropy),
    ("mentropy", Metric::MonotonicEntropy),
    ("discernibility", Metric::Discernibility),
    ("disc", Metric::Discernibility),
    ("aecs", Metric::AverageClass),
    ("average-class", Metric::AverageClass),
    ("precision", Metric::Precision),
    ("granularity", Metric::Granularity),
];

/// Returns the metric of a word.
pub fn metric(word: &str) -> Option<Metric> {
    METRICS.into_iter().find(|(one, _)| *one == word).map(|(_, metric)| metric)
}

/// Returns the first word of a metric.
pub fn metric_word(metric: Metric) -> &'static str {
    METRICS.into_iter().find(|(_, one)| *one == metric).map_or("", |(word, _)| word)
}

fn share(text: &str) -> Option<f64> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share))
}

/// Parses a risk: over 0, at most 1.
pub fn risk(text: &str) -> Result<f64, Unclear> {
    let wanted = Unclear("not a risk over 0 and at most 1, such as 0.05");
    share(text).filter(|risk| *risk > 0.0).ok_or(wanted)
}

impl FromStr for Diversity {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let least = |text: &str| text.parse().ok().filter(|l| *l >= 1_u64);
        let real = |text: &str| text.parse().ok().filter(|l| (1.0..f64::INFINITY).contains(l));
        let over = |text: &str| text.parse().ok().filter(|c| *c > 0.0 && *c < f64::INFINITY);
        let parts: Vec<&str> = text.split(':').collect();
        let found = match parts.as_slice() {
            [l] | ["distinct", l] => least(l).map(Self::Distinct),
            ["entropy", l] => real(l).map(Self::Entropy),
            ["recursive", c, l] => over(c).zip(least(l)).map(|(c, l)| Self::Recursive(c, l)),
            _ => None,
        };
        found.ok_or(Unclear("not `3`, `entropy:3` or `recursive:4:3` (c, then l; l from 1)"))
    }
}

impl FromStr for Closeness {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let (word, t) = text.split_once(':').unwrap_or(("equal", text));
        let distance = match word {
            "equal" => Some(Distance::Equal),
            "ordered" => Some(Distance::Ordered),
            "hierarchical" => Some(Distance::Hierarchical),
            _ => None,
        };
        let found = distance.zip(share(t)).map(|(distance, t)| Self { distance, t });
        found.ok_or(Unclear("not `0.2`, `ordered:0.2` or `hierarchical:0.2` (from 0 to 1)"))
    }
}

impl FromStr for Presence {
    type Err = Unclear;

    fn from_str(text: &str) -> Result<Self, Unclear> {
        let bounds = text.split_once(':').and_then(|(least, most)| share(least).zip(share(most)));
        let found = bounds.filter(|(least, most)| least <= most);
        let found = found.map(|(least, most)| Self { least, most });
        found.ok_or(Unclear("not two shares from 0 to 1, the least first: `0.1:0.8`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_read_as_they_are_written() {
        let diversity = |text: &str| text.parse::<Diversity>().ok();
        assert_eq!(diversity("3"), Some(Diversity::Distinct(3)));
        assert_eq!(diversity("distinct:3"), diversity("3"));
        assert_eq!(diversity("entropy:2.5"), Some(Diversity::Entropy(2.5)));
        assert_eq!(diversity("recursive:4:3"), Some(Diversity::Recursive(4.0, 3)), "c, then l");
        for text in ["", "0", "3.5", "entropy:0", "entropy:inf", "recursive:4", "recursive:0:3"] {
            assert_eq!(diversity(text), None, "`{text}` was taken");
        }
        let closeness = |text: &str| text.parse::<Closeness>().ok();
        assert_eq!(closeness("0.2").unwrap().distance, Distance::Equal);
        assert_eq!(closeness("hierarchical:0.2").unwrap().distance, Distance::Hierarchical);
        for text in ["", "1.1", "-0.1", "nan", "near:0.2"] {
            assert_eq!(closeness(text), None, "`{text}` was taken");
        }
        let presence = |text: &str| text.parse::<Presence>().ok();
        assert_eq!(presence("0.1:0.8"), Some(Presence { least: 0.1, most: 0.8 }));
        assert_eq!((presence("0.8:0.1"), presence("0.1")), (None, None));
        assert!(risk("0").is_err() && risk("1").is_ok());
    }

    #[test]
    fn each_metric_has_a_word_and_reads_back_from_it() {
        for (word, one) in METRICS {
            assert_eq!(metric(word), Some(one));
            assert_eq!(metric(metric_word(one)), Some(one), "`{word}` has no first word");
        }
        assert_eq!(metric("Loss"), None);
    }

    #[test]
    fn every_sensitive_column_must_satisfy_the_models_of_sensitive_columns() {
        let privacy = Privacy {
            k: Some(5),
            diversity: vec![Diversity::Distinct(3)],
            maximum_risk: Some(0.1),
            ..Privacy::default()
        };
        let models = [
            Model::KAnonymity { k: 5 },
            Model::DistinctL { sensitive: 0, l: 3 },
            Model::DistinctL { sensitive: 1, l: 3 },
            Model::MaximumRisk { most: 0.1 },
        ];
        assert_eq!(privacy.models(2), models);
        assert_eq!(privacy.models(0).len(), 2);
    }
}
