//! How many who are alone in the data are alone in the population too, estimated from the sizes of
//! the classes by four models.
//!
//! Comes in: class sizes, the number of people in the population. Goes out: [`Estimates`], as shares
//! of the population. Never: a model without a solution taken for one that found nobody.
//!
//! Zayatz (1991) asks how likely a sample's unique is one of the population. The slide negative
//! binomial model (Chen and Keller-McNulty 1998) and Pitman's (Hoshino 2001) fit a distribution of
//! class sizes. Dankar et al. (2012) say which to believe at which sampling fraction.

#![expect(clippy::cast_precision_loss, reason = "counts of records lie far below 2^53")]

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::function::gamma::{digamma, ln_gamma};

/// How many classes there are of each size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sizes(BTreeMap<u64, u64>);

/// The share of the population that is unique in it, by each model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimates {
    /// The people of the population.
    pub population: u64,
    /// By the model that the rule of Dankar et al. chooses.
    pub dankar: Estimate,
    /// The model that it chooses.
    pub chosen: Chosen,
    /// By Zayatz.
    pub zayatz: Estimate,
    /// By the slide negative binomial model, its number of classes estimated as ARX does.
    pub snb: Estimate,
    /// The same, its number of classes estimated as Haas and Stokes (1998) print Shlosser's formula.
    pub snb_shlosser: Estimate,
    /// By Pitman.
    pub pitman: Estimate,
}

/// One model's estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The share of the population; 0 where the model has no solution.
    pub share: f64,
    /// Whether the model has one.
    pub solved: bool,
}

/// The model that Dankar's rule chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Chosen {
    /// Nobody is unique in the sample, so nobody is in the population.
    None,
    /// Pitman's.
    Pitman,
    /// The slide negative binomial.
    Snb,
    /// Zayatz's.
    Zayatz,
}

impl Sizes {
    /// Counts classes by their sizes; a class of nobody is none.
    pub fn of(sizes: impl IntoIterator<Item = u64>) -> Self {
        let mut all = BTreeMap::new();
        for size in sizes.into_iter().filter(|size| *size > 0) {
            *all.entry(size).or_default() += 1;
        }
        Self(all)
    }

    /// Takes sizes that were counted before, each with its number of classes.
    pub fn counted(sizes: &[(u64, u64)]) -> Self {
        Self(sizes.iter().copied().filter(|(size, count)| *size > 0 && *count > 0).collect())
    }

    /// Returns each size with its number of classes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(size, count)| (*size, *count))
    }

    /// Returns how many records there are.
    pub fn records(&self) -> u64 {
        self.iter().map(|(size, count)| size * count).sum()
    }

    /// Returns how many classes there are.
    pub fn classes(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the size of the smallest class; 0 where there is none.
    pub fn smallest(&self) -> u64 {
        self.0.keys().next().copied().unwrap_or(0)
    }

    /// Returns how many classes are of this size.
    pub fn of_size(&self, size: u64) -> u64 {
        self.0.get(&size).copied().unwrap_or(0)
    }

    /// Returns the share of records in classes smaller than `size`.
    pub fn below(&self, size: u64) -> f64 {
        let small: u64 = self.0.range(..size).map(|(size, count)| size * count).sum();
        ratio(small, self.records())
    }

    /// Returns the share of right guesses where each record is guessed once: classes per record.
    pub fn success(&self) -> f64 {
        ratio(self.classes(), self.records())
    }

    /// Estimates who is unique in the population; nothing where the population is smaller than the
    /// sample, or there is no sample.
    pub fn estimate(&self, population: u64) -> Option<Estimates> {
        let records = self.records();
        if records == 0 || population < records {
            return None;
        }
        if self.of_size(1) == 0 {
            let none = Estimate { share: 0.0, solved: true };
            return Some(Estimates {
                population,
                dankar: none,
                chosen: Chosen::None,
                zayatz: none,
                snb: none,
                snb_shlosser: none,
                pitman: none,
            });
        }
        let share = |uniques: Option<f64>| {
            let share = uniques.map(|uniques| uniques / population as f64);
            let share = share.filter(|share| *share > 0.0 && *share <= 1.0);
            Estimate { share: share.unwrap_or(0.0), solved: share.is_some() }
        };
        let zayatz = share(Some(self.zayatz(population)));
        let [arx, printed] = self.population_classes(population);
        let snb = share(self.snb(population, arx));
        let snb_shlosser = share(self.snb(population, printed));
        let pitman = share(self.pitman(population));
        let (dankar, chosen) = if ratio(records, population) <= 0.1 {
            if pitman.solved { (pitman, Chosen::Pitman) } else { (zayatz, Chosen::Zayatz) }
        } else if snb.solved && snb.share <= zayatz.share {
            (snb, Chosen::Snb)
        } else {
            (zayatz, Chosen::Zayatz)
        };
        Some(Estimates { population, dankar, chosen, zayatz, snb, snb_shlosser, pitman })
    }

    /// Zayatz: the chance that a unique of the sample comes from a class of one, the classes of the
    /// population being taken to have the sizes of the sample's.
    fn zayatz(&self, population: u64) -> f64 {
        let (records, singles) = (self.records(), self.of_size(1) as f64);
        let one = |size| self.one_drawn(size, population);
        let all: f64 = self.iter().map(|(size, count)| count as f64 * one(size)).sum();
        let chance = singles * one(1) / all;
        singles * chance * population as f64 / records as f64
    }

    /// The chance that exactly one of a class of the population is in the sample: hypergeometric.
    fn one_drawn(&self, size: u64, population: u64) -> f64 {
        let (all, drawn) = (population as f64, self.records() as f64);
        let rest: f64 = (1..size)
            .map(|at| ((all - drawn - at as f64 + 1.0) / (all - at as f64)).max(0.0))
            .product();
        size as f64 * drawn / all * rest
    }

    /// Estimates how many classes the population has, by Shlosser's third formula: as ARX writes it,
    /// where the bracket of one sum closes late, and as Haas and Stokes print it.
    fn population_classes(&self, population: u64) -> [f64; 2] {
        let q = ratio(self.records(), population);
        let (mut above, mut as_arx, mut as_printed, mut unseen, mut singly) = (0., 0., 0., 0., 0.);
        for (size, count) in self.iter() {
            let (i, classes) = (size as f64, count as f64);
            let missed = (1.0 - q).powf(i) * classes;
            above += i * q * q * (1.0 - q * q).powf(i - 1.0) * classes;
            as_arx += missed * (1.0 + q).powf(i) - 1.0;
            as_printed += missed * (i * q.ln_1p()).exp_m1();
            unseen += missed;
            singly += i * q * (1.0 - q).powf(i - 1.0) * classes;
        }
        let square = (unseen / singly) * (unseen / singly);
        let (classes, singles) = (self.classes() as f64, self.of_size(1) as f64);
        [as_arx, as_printed].map(|below| classes + singles * above / below * square)
    }

    /// Slide negative binomial: a class of the population has one person and a negative binomial
    /// number more. Fits both parameters to the classes of one and of two in the sample.
    fn snb(&self, population: u64, classes: f64) -> Option<f64> {
        let q = ratio(self.records(), population);
        let (ones, twos) = (self.of_size(1) as f64, self.of_size(2) as f64);
        if twos == 0.0 {
            return None;
        }
        // The logarithms of expected over seen, so that neither equation drowns the other; the
        // parameters as logarithm and log-odds, so that every pair of numbers is a valid one.
        let error = |[x, y]: [f64; 2]| {
            let (a, b) = (x.exp(), 1.0 / (1.0 + (-y).exp()));
            let more = (1.0 - q) * (1.0 - b);
            let less = b + q * (1.0 - b);
            let drawn = a * (b.ln() - less.ln());
            let one = (classes * q).ln() + drawn + (a * more / less).ln_1p();
            let two = (classes * a * q * q * (1.0 - b) / 2.0).ln() + drawn - 2.0 * less.ln()
                + (2.0 - (1.0 - a) * more).ln();
            [one - ones.ln(), two - twos.ln()]
        };
        let mut starts =
            (-4..=2).flat_map(|x| (-6..=3).map(move |y| [f64::from(2 * x), f64::from(2 * y)]));
        let [x, y] = starts.find_map(|start| newton(start, &error))?;
        Some(classes * (x.exp() * -(-y).exp().ln_1p()).exp())
    }

    /// Pitman: the maximum of the likelihood of its sampling formula in theta and alpha.
    fn pitman(&self, population: u64) -> Option<f64> {
        let (records, classes) = (self.records() as f64, self.classes() as f64);
        if self.classes() < 2 || self.classes() == self.records() {
            return None;
        }
        // The sum of 1 / (theta + i alpha) for i from 1 to the classes less one.
        let met = |theta: f64, alpha: f64| {
            (digamma(theta / alpha + classes) - digamma(theta / alpha + 1.0)) / alpha
        };
        let in_theta = |theta: f64, alpha: f64| {
            met(theta, alpha) - (digamma(records + theta) - digamma(theta + 1.0))
        };
        let in_alpha = |theta: f64, alpha: f64| {
            let again = |(size, count): (u64, u64)| {
                count as f64 * (digamma(size as f64 - alpha) - digamma(1.0 - alpha))
            };
            let again: f64 = self.iter().filter(|(size, _)| *size > 1).map(again).sum();
            (classes - 1.0 - theta * met(theta, alpha)) / alpha - again
        };
        // For each alpha the best theta, 0 at the least; along it the likelihood has one top.
        let best = |alpha: f64| {
            let mut most = 1.0;
            while in_theta(most, alpha) > 0.0 && most < 1e15 {
                most *= 4.0;
            }
            halve(0.0, most, |theta| in_theta(theta, alpha) > 0.0)
        };
        let alpha = halve(1e-6, 1.0 - 1e-9, |alpha| in_alpha(best(alpha), alpha) > 0.0);
        let theta = best(alpha);
        let log =
            ln_gamma(theta + 1.0) - ln_gamma(theta + alpha) + alpha * (population as f64).ln();
        Some(log.exp())
    }
}

/// Finds where `is_low` ends, between two places.
fn halve(mut low: f64, mut high: f64, is_low: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if is_low(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Solves two equations in two unknowns by Newton's method with halved steps; nothing where it
/// comes to no end.
fn newton(start: [f64; 2], error: &dyn Fn([f64; 2]) -> [f64; 2]) -> Option<[f64; 2]> {
    let size = |[a, b]: [f64; 2]| a.hypot(b);
    let mut at = start;
    let mut off = error(at);
    for _ in 0..200 {
        if size(off) < 1e-10 {
            return Some(at);
        }
        let step = 1e-6;
        let right = error([at[0] + step, at[1]]);
        let up = error([at[0], at[1] + step]);
        let [a, c] = [(right[0] - off[0]) / step, (right[1] - off[1]) / step];
        let [b, d] = [(up[0] - off[0]) / step, (up[1] - off[1]) / step];
        let determinant = a * d - b * c;
        let along =
            [(d * off[0] - b * off[1]) / determinant, (a * off[1] - c * off[0]) / determinant];
        if !along[0].is_finite() || !along[1].is_finite() {
            return None;
        }
        // No step longer than 2 on either axis, then halved until it gets nearer.
        let mut share = (2.0 / size(along)).min(1.0);
        loop {
            let next = [at[0] - share * along[0], at[1] - share * along[1]];
            let left = error(next);
            if size(left) < size(off) {
                (at, off) = (next, left);
                break;
            }
            share /= 2.0;
            if share < 1e-9 {
                return None;
            }
        }
    }
    None
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class sizes of `adult.csv` with all nine columns as quasi-identifiers.
    fn adult() -> Option<Sizes> {
        let places = ["../shared/data", "../../shared/data", "../../../shared/data"];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = places.iter().map(|place| root.join(place).join("adult/adult.csv"));
        let text = files.find_map(|file| std::fs::read_to_string(file).ok())?;
        let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
        for line in text.lines().skip(1) {
            *classes.entry(line.trim_end()).or_default() += 1;
        }
        Some(Sizes::of(classes.into_values()))
    }

    /// What a figure prints as with so many significant digits.
    fn printed(figure: f64, decimals: usize) -> String {
        format!("{figure:.decimals$}")
    }

    #[test]
    fn the_figures_of_adult_are_those_that_arx_prints_to_every_digit() {
        let Some(sizes) = adult() else {
            println!("skipped: no adult/adult.csv beside the project");
            return;
        };
        let usa = sizes.estimate(317_238_626).unwrap();
        let rows: [(&str, f64, usize, &str); 8] = [
            ("at risk above one fifth", sizes.below(5), 6, "0.778131"),
            ("success", sizes.success(), 6, "0.646575"),
            ("unique in the sample", ratio(sizes.of_size(1), sizes.records()), 6, "0.514290"),
            ("Pitman", usa.pitman.share, 7, "0.0388962"),
            ("Dankar", usa.dankar.share, 7, "0.0388962"),
            ("Zayatz", usa.zayatz.share, 6, "0.264565"),
            ("SNB", usa.snb.share, 5, "0.00000"),
            ("average class", 1.0 / sizes.success(), 3, "1.547"),
        ];
        for (name, figure, decimals, arx) in rows {
            assert_eq!(printed(figure, decimals), arx, "{name} is another figure than ARX's");
        }
        assert_eq!((sizes.records(), sizes.classes(), sizes.smallest()), (30_162, 19_502, 1));
        assert_eq!(usa.chosen, Chosen::Pitman);
        assert!(!usa.snb.solved, "0 would be told as an estimate, and the model has no solution");
        // With Shlosser's formula as it is printed the model has one, between the other two.
        assert!((0.2..0.23).contains(&usa.snb_shlosser.share), "{:?}", usa.snb_shlosser);
    }

    #[test]
    fn nobody_unique_in_the_sample_is_nobody_unique_in_the_population() {
        let found = Sizes::of([5, 7, 11]).estimate(1_000).unwrap();
        assert_eq!(found.chosen, Chosen::None);
        assert!(found.pitman.solved && found.pitman.share == 0.0);
    }

    #[test]
    fn a_population_smaller_than_the_sample_has_no_estimate() {
        assert_eq!(Sizes::of([1, 1, 1]).estimate(2), None);
        assert_eq!(Sizes::default().estimate(100), None);
    }

    #[test]
    fn a_sample_that_is_the_population_has_its_uniques_by_zayatz() {
        let sizes = Sizes::of([1, 1, 1, 2, 3]);
        let found = sizes.estimate(8).unwrap();
        // Only classes of one can show one of theirs: three of eight.
        assert!((found.zayatz.share - 0.375).abs() < 1e-12, "{:?}", found.zayatz);
    }

    proptest::proptest! {
        #[test]
        fn every_estimate_is_a_share(
            sizes in proptest::collection::vec(1_u64..40, 1..200), times in 1_u64..10_000,
        ) {
            let sizes = Sizes::of(sizes);
            let found = sizes.estimate(sizes.records() * times).unwrap();
            for one in [found.dankar, found.zayatz, found.snb, found.snb_shlosser, found.pitman] {
                proptest::prop_assert!((0.0..=1.0).contains(&one.share), "{found:?}");
                proptest::prop_assert!(one.solved || one.share == 0.0);
            }
        }
    }
}
