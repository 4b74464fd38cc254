//! Privacy models: what each class of records must satisfy to be shown.
//!
//! Comes in: a class's counts. Goes out: whether it may stay. Never: a class that a model cannot judge
//! taken for a good one.

#![expect(clippy::cast_precision_loss, reason = "counts of records stay far below 2^53")]

use super::distance::Whole;

/// A privacy model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Model {
    /// k-anonymity: at least so many records (Sweeney 2002).
    KAnonymity {
        /// The least number.
        k: u64,
    },
    /// Distinct l-diversity of a sensitive attribute (Machanavajjhala et al. 2007).
    DistinctL {
        /// The attribute's place among the table's sensitive ones.
        sensitive: usize,
        /// The least number of distinct values.
        l: u64,
    },
    /// Entropy l-diversity: the class's Shannon entropy is at least log l.
    EntropyL {
        /// The attribute's place.
        sensitive: usize,
        /// l, 1 or more.
        l: f64,
    },
    /// Recursive (c, l)-diversity.
    RecursiveL {
        /// The attribute's place.
        sensitive: usize,
        /// c.
        c: f64,
        /// l.
        l: u64,
    },
    /// t-closeness: the distance of the class's distribution from the table's (Li et al. 2007).
    TCloseness {
        /// The attribute's place.
        sensitive: usize,
        /// The most.
        t: f64,
        /// Which ground distance.
        distance: Distance,
    },
    /// k-map: at least so many people of the population share the class.
    KMap {
        /// The least number.
        k: u64,
    },
    /// Delta-presence: the share of a class's population that is released (Nergiz et al. 2007).
    Presence {
        /// At least.
        least: f64,
        /// At most.
        most: f64,
    },
    /// The mean over records of 1 / (size of the record's class) is at most this.
    AverageRisk {
        /// At most.
        most: f64,
    },
    /// The highest 1 / (size of a class) is at most this.
    MaximumRisk {
        /// At most.
        most: f64,
    },
}

/// What is counted of one class.
#[derive(Debug, Clone, Copy)]
pub struct ClassCounts<'a> {
    /// Its released records.
    pub rows: u64,
    /// Its records in all, those that are not released too.
    pub population: u64,
    /// For each sensitive attribute of the table its values among the released records, each once
    /// with its count, 1 or more.
    pub sensitive: &'a [&'a [(u32, u32)]],
}

impl ClassCounts<'_> {
    fn values(&self, sensitive: usize) -> &[(u32, u32)] {
        self.sensitive.get(sensitive).copied().unwrap_or_default()
    }
}

impl Model {
    /// Tells whether a class with released records satisfies the model. [`Model::AverageRisk`] is
    /// about all classes at once and lets each pass: see [`super::average`].
    pub fn holds(&self, class: &ClassCounts<'_>, whole: &Whole) -> bool {
        match *self {
            Self::KAnonymity { .. } | Self::MaximumRisk { .. } => class.rows >= self.least_rows(),
            Self::DistinctL { sensitive, l } => class.values(sensitive).len() as u64 >= l,
            Self::EntropyL { sensitive, l } => entropy_is_at_least(class.values(sensitive), l),
            Self::RecursiveL { sensitive, c, l } => is_recursive(class.values(sensitive), c, l),
            Self::TCloseness { sensitive, t, distance } => {
                whole.is_close(sensitive, class.values(sensitive), t, distance)
            }
            Self::KMap { k } => class.population >= k,
            Self::Presence { least, most } => {
                let share = class.rows as f64 / class.population as f64;
                share >= least && share <= most
            }
            Self::AverageRisk { .. } => true,
        }
    }

    /// Tells whether the records in classes that break the model can only grow fewer on the way up,
    /// so that a node is beyond help where the highest node above it is. With nothing suppressed
    /// every model is such: classes that satisfy it satisfy it when they are joined.
    pub fn is_monotone(&self) -> bool {
        match self {
            Self::KAnonymity { .. }
            | Self::DistinctL { .. }
            | Self::KMap { .. }
            | Self::MaximumRisk { .. } => true,
            Self::EntropyL { .. }
            | Self::RecursiveL { .. }
            | Self::TCloseness { .. }
            | Self::Presence { .. }
            | Self::AverageRisk { .. } => false,
        }
    }

    /// Returns the released records that a class must have, whatever its values are.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a threshold is positive; one that no table reaches saturates"
    )]
    pub fn least_rows(&self) -> u64 {
        match *self {
            Self::KAnonymity { k } => k,
            Self::DistinctL { l, .. } | Self::RecursiveL { l, .. } => l,
            Self::EntropyL { l, .. } => l.ceil() as u64,
            Self::MaximumRisk { most } => {
                // The least size with 1 / size <= most, reckoned as the comparison is made.
                let least = (1.0 / most).floor().max(1.0);
                (if 1.0 / least <= most { least } else { least + 1.0 }) as u64
            }
            Self::TCloseness { .. }
            | Self::KMap { .. }
            | Self::Presence { .. }
            | Self::AverageRisk { .. } => 0,
        }
    }

    /// Returns the place of the sensitive attribute that the model asks for.
    pub fn sensitive(&self) -> Option<usize> {
        match *self {
            Self::DistinctL { sensitive, .. }
            | Self::EntropyL { sensitive, .. }
            | Self::RecursiveL { sensitive, .. }
            | Self::TCloseness { sensitive, .. } => Some(sensitive),
            Self::KAnonymity { .. }
            | Self::KMap { .. }
            | Self::Presence { .. }
            | Self::AverageRisk { .. }
            | Self::MaximumRisk { .. } => None,
        }
    }
}

/// Tells whether n (log n - log l) is at least the sum of f log f: the entropy of the values is at
/// least log l, and there are l of them.
fn entropy_is_at_least(values: &[(u32, u32)], l: f64) -> bool {
    if (values.len() as f64) < l.ceil() {
        return false;
    }
    let rows = values.iter().map(|(_, count)| u64::from(*count)).sum::<u64>() as f64;
    let most = rows * (rows.ln() - l.ln());
    let sum: f64 = values.iter().map(|(_, count)| f64::from(*count) * f64::from(*count).ln()).sum();
    sum <= most
}

/// Tells whether the most frequent value is rarer than c times all values from the l-th on.
fn is_recursive(values: &[(u32, u32)], c: f64, l: u64) -> bool {
    let least = usize::try_from(l).unwrap_or(usize::MAX);
    if values.len() < least {
        return false;
    }
    let mut counts: Vec<u32> = values.iter().map(|(_, count)| *count).collect();
    counts.sort_unstable_by(|one, other| other.cmp(one));
    let tail: f64 = counts.iter().skip(least.saturating_sub(1)).map(|n| f64::from(*n)).sum();
    counts.first().is_some_and(|most| f64::from(*most) < tail * c)
}

/// The ground distance of t-closeness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// All values are equally far apart.
    Equal,
    /// Values stand in an order, one step apart.
    Ordered,
    /// Values are as far apart as the lowest label that both stand under is high.
    Hierarchical,
}
