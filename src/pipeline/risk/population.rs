//! The population that data are taken to be drawn from.
//!
//! Comes in: a region's name or a number of people. Goes out: a [`Population`]. Never: a region
//! guessed.

use std::str::FromStr;

use crate::fault::nearest;

/// A population.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    /// The region's name, or `given`.
    pub name: String,
    /// Its people.
    pub people: u64,
}

/// A text names no population.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no region is called `{text}`{}", near.map(|near| format!(", but `{near}`")).unwrap_or_default())]
pub struct PopulationError {
    text: String,
    near: Option<&'static str>,
}

/// Regions and their people, as ARX counts them (2014), so that figures can be held against its own.
const REGIONS: [(&str, u64); 14] = [
    ("africa", 1_100_000_000),
    ("australia", 23_130_900),
    ("brazil", 202_656_788),
    ("canada", 34_834_841),
    ("china", 1_366_040_000),
    ("eu", 507_420_000),
    ("europe", 740_000_000),
    ("france", 65_820_916),
    ("germany", 80_767_000),
    ("india", 1_210_569_573),
    ("north-america", 565_265_000),
    ("south-america", 385_742_554),
    ("uk", 63_705_000),
    ("us", 317_238_626),
];

impl Population {
    /// A population of so many people.
    pub fn given(people: u64) -> Self {
        Self { name: "given".to_owned(), people }
    }
}

impl FromStr for Population {
    type Err = PopulationError;

    fn from_str(text: &str) -> Result<Self, PopulationError> {
        let found = REGIONS.iter().find(|(name, _)| *name == text);
        let (name, people) = found.ok_or_else(|| PopulationError {
            text: text.to_owned(),
            near: nearest(text, REGIONS.iter().map(|(name, _)| *name)),
        })?;
        Ok(Self { name: (*name).to_owned(), people: *people })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_known_by_its_name_and_another_is_refused_with_the_nearest() {
        assert_eq!("us".parse::<Population>().unwrap().people, 317_238_626);
        let error = "germeny".parse::<Population>().unwrap_err();
        assert!(error.to_string().contains("`germany`"), "{error}");
    }
}
