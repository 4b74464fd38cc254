//! What an attacker could still do: risk figures of one table, before and after suppression.
//!
//! Comes in: [`Classes`] and k. Goes out: [`Risk`], in integers and millionths for report and ledger.
//! Never: a run that goes on when more would be suppressed than the pipeline allows.
//!
//! A record here is a person in a class; where a table has one row a person, records are rows. The
//! models are those of El Emam (2013) as ARX reports them: the prosecutor knows that the person is in
//! the data; the journalist does not, and without figures of a population is taken to be as strong;
//! the marketer wants as many right matches as possible.

mod attained;
mod coded;
mod minimal;
mod population;

use serde::{Deserialize, Serialize};

pub use self::{
    attained::Attained,
    coded::{Coded, Measured, Part},
    minimal::{Contribution, MinimalUniques},
    population::{Chosen, Estimate, Estimates, Sizes},
};
use super::{Classes, Error, Fraction, classes::Class};

/// The risk of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// The least number of people a class must have.
    pub k: u32,
    /// Rows before suppression.
    pub rows: u64,
    /// Rows in classes that are too small.
    pub suppressed_rows: u64,
    /// Their share in millionths, rounded up.
    pub suppressed_ppm: u32,
    /// People who lose at least one row.
    pub suppressed_people: u64,
    /// The figures before suppression.
    pub before: Figures,
    /// The figures of what is released.
    pub after: Figures,
}

/// Figures over a set of classes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Classes.
    pub classes: u64,
    /// People, counted once in each class they have rows in.
    pub records: u64,
    /// The people of the smallest class: the k that is reached; 0 where there is no class.
    pub k: u64,
    /// Records alone in their class.
    pub uniques: u64,
    /// Their share in millionths.
    pub uniques_ppm: u32,
    /// The risk under a prosecutor's attack.
    pub prosecutor: Attack,
    /// The risk under a journalist's attack, without figures of a population.
    pub journalist: Attack,
    /// The share of records that a marketer would match rightly, in millionths.
    pub marketer_ppm: u32,
}

/// The risk under one attack, in millionths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attack {
    /// The highest risk of a record, rounded up.
    pub max_ppm: u32,
    /// The average risk of a record.
    pub average_ppm: u32,
    /// The share of records whose risk is over 0.2.
    pub over_fifth_ppm: u32,
    /// The share of records whose risk is over 1/k.
    pub over_k_ppm: u32,
}

impl Classes {
    /// Counts the classes by how many people they have.
    pub fn sizes(&self) -> Sizes {
        Sizes::of(self.iter().map(|class| class.people.len() as u64))
    }
}

impl Risk {
    /// Reckons the risk of a table's classes when those of fewer than `k` people are suppressed.
    pub fn of(classes: &Classes, k: u32) -> Self {
        let is_large = |class: &Class<'_>| class.is_shown(k);
        let rows = classes.iter().map(|class| class.rows).sum();
        let suppressed_rows = classes.iter().filter(|c| !is_large(c)).map(|class| class.rows).sum();
        let mut people: Vec<u32> = classes
            .iter()
            .filter(|class| !is_large(class))
            .flat_map(|class| class.people.iter().copied())
            .collect();
        people.sort_unstable();
        people.dedup();
        Self {
            k,
            rows,
            suppressed_rows,
            suppressed_ppm: ppm_up(suppressed_rows, rows),
            suppressed_people: people.len() as u64,
            before: Figures::of(classes.iter(), k),
            after: Figures::of(classes.iter().filter(is_large), k),
        }
    }

    /// Refuses to go on where more than `limit` of the rows would be suppressed.
    pub fn check(&self, table: &str, limit: Fraction) -> Result<(), Error> {
        // In whole numbers, so that a share just at the limit passes and one row more does not.
        let suppressed = u128::from(self.suppressed_rows) * 1_000_000;
        if suppressed <= u128::from(self.rows) * u128::from(limit.ppm()) {
            return Ok(());
        }
        Err(Error::Suppression {
            table: table.to_owned(),
            k: self.k,
            rows: self.rows,
            suppressed_rows: self.suppressed_rows,
            suppressed_ppm: self.suppressed_ppm,
            limit_ppm: limit.ppm(),
        })
    }
}

impl Figures {
    fn of<'a>(classes: impl Iterator<Item = Class<'a>>, k: u32) -> Self {
        let mut out = Self::default();
        let (mut over_fifth, mut over_k) = (0, 0);
        for class in classes {
            let size = class.people.len() as u64;
            out.classes += 1;
            out.records += size;
            out.k = if out.k == 0 { size } else { out.k.min(size) };
            out.uniques += u64::from(size == 1);
            over_fifth += if size < 5 { size } else { 0 };
            over_k += if size < u64::from(k) { size } else { 0 };
        }
        let attack = Attack {
            max_ppm: ppm_up(u64::from(out.k > 0), out.k),
            // The mean over records of 1 / (size of the record's class).
            average_ppm: ppm(out.classes, out.records),
            over_fifth_ppm: ppm(over_fifth, out.records),
            over_k_ppm: ppm(over_k, out.records),
        };
        out.uniques_ppm = ppm(out.uniques, out.records);
        out.marketer_ppm = attack.average_ppm;
        out.journalist = attack.clone();
        out.prosecutor = attack;
        out
    }
}

/// A share in millionths, to the nearest.
fn ppm(part: u64, whole: u64) -> u32 {
    share(part, whole, u128::from(whole) / 2)
}

/// A share in millionths, rounded up: for what is said to be "at most".
fn ppm_up(part: u64, whole: u64) -> u32 {
    share(part, whole, u128::from(whole).saturating_sub(1))
}

fn share(part: u64, whole: u64, add: u128) -> u32 {
    let scaled = u128::from(part) * 1_000_000 + add;
    let share = scaled.checked_div(u128::from(whole)).unwrap_or(0);
    u32::try_from(share).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deid::ClassCounter;

    fn of_sizes(sizes: &[u32]) -> Classes {
        let mut counter = ClassCounter::default();
        let mut person = 0;
        for (class, size) in (0_u128..).zip(sizes) {
            for _ in 0..*size {
                counter.add_rows(&[class], &[0], &[person]);
                person += 1;
            }
        }
        counter.finish()
    }

    #[test]
    fn the_figures_are_those_of_the_definitions() {
        let risk = Risk::of(&of_sizes(&[1, 4, 11, 84]), 11);
        assert_eq!((risk.before.k, risk.before.uniques, risk.before.uniques_ppm), (1, 1, 10_000));
        assert_eq!(risk.before.prosecutor.over_fifth_ppm, 50_000);
        assert_eq!(risk.before.prosecutor.over_k_ppm, 50_000);
        assert_eq!(risk.before.marketer_ppm, 40_000);
        assert_eq!(
            (risk.suppressed_rows, risk.suppressed_people, risk.suppressed_ppm),
            (5, 5, 50_000)
        );
        assert_eq!((risk.after.k, risk.after.records, risk.after.uniques), (11, 95, 0));
        assert_eq!(risk.after.prosecutor.max_ppm, 90_910, "1/11 is more than 9.0909 %");
        assert_eq!(risk.after.prosecutor.over_k_ppm, 0);
    }

    #[test]
    fn a_table_without_classes_has_no_figures_and_passes() {
        let risk = Risk::of(&Classes::default(), 11);
        assert_eq!((risk.after.k, risk.after.prosecutor.max_ppm), (0, 0));
        assert!(risk.check("visits", Fraction::from_ppm(0).unwrap()).is_ok());
    }

    #[test]
    fn suppression_at_the_limit_passes_and_one_row_more_fails() {
        let risk = Risk::of(&of_sizes(&[2, 98]), 11);
        assert!(risk.check("people", Fraction::parse("0.02").unwrap()).is_ok());
        let error = risk.check("people", Fraction::parse("0.019999").unwrap()).unwrap_err();
        assert!(matches!(error, Error::Suppression { suppressed_rows: 2, .. }));
        assert!(error.to_string().contains("2 of its 100 rows"));
    }

    #[test]
    fn figures_reach_canonical_bytes_without_a_float() {
        let risk = Risk::of(&of_sizes(&[1, 20]), 11);
        let bytes = crate::digest::canonical(&risk).unwrap();
        assert_eq!(serde_json::from_slice::<Risk>(&bytes).unwrap(), risk);
    }

    #[test]
    fn the_adult_figures_are_those_that_arx_reports() {
        let places = ["../shared/data", "../../shared/data", "../../../shared/data"];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = places.iter().map(|place| root.join(place).join("adult/adult.csv"));
        let Some(text) = files.into_iter().find_map(|file| std::fs::read_to_string(file).ok())
        else {
            println!("skipped: no adult/adult.csv beside the project");
            return;
        };
        let mut counter = ClassCounter::default();
        for (person, line) in (0_u32..).zip(text.lines().skip(1)) {
            // Every column of the file is a quasi-identifier: the line is the tuple.
            let digest = crate::digest::Sha256::of(line.trim_end().as_bytes());
            let key = digest.0.iter().take(16).fold(0, |key, b| key << 8 | u128::from(*b));
            counter.add_rows(&[key], &[0], &[person]);
        }
        let figures = Risk::of(&counter.finish(), 5).before;
        assert_eq!((figures.records, figures.classes), (30_162, 19_502));
        assert_eq!(figures.prosecutor.over_fifth_ppm, 778_131);
        assert_eq!(figures.prosecutor.average_ppm, 646_575);
        assert_eq!(figures.uniques_ppm, 514_290);
    }
}
