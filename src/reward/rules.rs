//! How a pool pays, as data: the rule set of a `[reward]` table, with a name, a version and a digest.
//!
//! Comes in: TOML, or the options of a command. Goes out: a checked [`RuleSet`]; its digest stands in
//! the ledger from the day the pool opens. Never: a part that is not the whole, or a rate above it.

use serde::{Deserialize, Serialize};

use crate::{
    digest::{CanonicalError, Sha3Digest, canonical},
    instant::Date,
};

/// The whole, in millionths.
pub const MILLION: u32 = 1_000_000;

/// The whole, in hundredths of a percent.
pub const BASIS: u32 = 10_000;

/// A rule set: everything a settlement computes by that is not an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// Its name: `a-z`, `0-9`, `-`.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// The grain in which rewards accrue.
    #[serde(default)]
    pub grain: Grain,
    /// The platform's fee of each minor unit received, once, in hundredths of a percent, rounded down.
    #[serde(default)]
    pub fee_bps: u32,
    /// What is kept back of each minor unit received, once, in hundredths of a percent, rounded down.
    #[serde(default)]
    pub reserve_bps: u32,
    /// The least that is paid out, in minor units of the pool's currency; less than this is carried.
    #[serde(default)]
    pub minimum_minor: u64,
    /// What is paid for, in the order in which ties of the parts are broken; the parts sum to the whole.
    #[serde(rename = "layer")]
    pub layers: Vec<LayerRule>,
    /// The most that one verified person gets of one settlement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapRule>,
    /// How what a contributor earned is split.
    #[serde(default)]
    pub split: SplitRule,
    /// What is withheld of a person's payout, by country and date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tax: Vec<TaxRule>,
    /// In which parts a person's earnings become theirs to draw: the first at once, each further one a
    /// settlement later. One part, all at once, if none is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tranches: Vec<u32>,
    /// Whether a question counts records of the institution that asks it, or of one related to it.
    #[serde(default = "yes")]
    pub exclude_payer: bool,
}

fn yes() -> bool {
    true
}

/// The grain in which rewards accrue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grain {
    /// Millionths of a minor unit: a payout's dust is carried, never lost.
    #[default]
    Micro,
    /// Whole minor units: each settlement is apportioned to the cent.
    Minor,
}

impl Grain {
    /// Returns how many millionths of a minor unit one grain is.
    pub fn micro(self) -> u32 {
        match self {
            Self::Micro => 1,
            Self::Minor => MILLION,
        }
    }
}

/// One thing that is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerRule {
    /// Having contributed: records times quality in the newest version of each dataset.
    Base {
        /// Its part, in millionths.
        ppm: u32,
    },
    /// Having been used.
    Usage {
        /// Its part, in millionths.
        ppm: u32,
        /// How uses are weighed.
        #[serde(default)]
        weigh: UsageWeight,
    },
    /// Having brought what was not there: new records, the more the rarer their stratum.
    NewData {
        /// Its part, in millionths.
        ppm: u32,
        /// How many records a stratum holds when a new one counts half.
        half: u64,
        /// Whether a record's quality counts.
        #[serde(default = "yes")]
        quality: bool,
        /// How many verified contributors a stratum needs before its new records count.
        #[serde(default = "two")]
        contributors_min: u32,
        /// The most that one contributor gets of this layer, in millionths.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cap_ppm: Option<u32>,
    },
    /// Having made a model better: values that the steward computed and recorded (KNN-Shapley).
    Value {
        /// Its part, in millionths.
        ppm: u32,
    },
}

fn two() -> u32 {
    2
}

impl LayerRule {
    /// Returns its part, in millionths.
    pub fn ppm(&self) -> u32 {
        match self {
            Self::Base { ppm }
            | Self::Usage { ppm, .. }
            | Self::NewData { ppm, .. }
            | Self::Value { ppm } => *ppm,
        }
    }

    /// Returns which layer it is.
    pub fn layer(&self) -> Layer {
        match self {
            Self::Base { .. } => Layer::Base,
            Self::Usage { .. } => Layer::Usage,
            Self::NewData { .. } => Layer::NewData,
            Self::Value { .. } => Layer::Value,
        }
    }
}

/// A layer, by name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Having contributed.
    Base,
    /// Having been used.
    Usage,
    /// Having brought what was not there.
    NewData,
    /// Having made a model better.
    Value,
}

impl Layer {
    /// All layers, in the order of a line's columns.
    pub const ALL: [Self; 4] = [Self::Base, Self::Usage, Self::NewData, Self::Value];

    /// Returns its name as rule sets, lines and statements spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Usage => "usage",
            Self::NewData => "new-data",
            Self::Value => "value",
        }
    }
}

/// How uses are weighed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageWeight {
    /// Each question holds the same weight (times its price), split over the records it drew on.
    #[default]
    Question,
    /// Each record drawn on holds the same weight (times the question's price).
    Record,
}

/// The most that one verified person gets of one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapRule {
    /// Millionths of what the settlement gives out. Contributors whom nobody verified share one cap.
    pub person_ppm: u32,
}

/// How what a contributor earned is split, in hundredths of a percent; the parts sum to the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRule {
    /// The person's own part.
    pub person_bps: u32,
    /// The part of the institutions that sent their records.
    pub institution_bps: u32,
    /// The platform's part.
    #[serde(default)]
    pub platform_bps: u32,
}

impl Default for SplitRule {
    fn default() -> Self {
        Self { person_bps: BASIS, institution_bps: 0, platform_bps: 0 }
    }
}

/// What is withheld of a person's payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRule {
    /// The country, ISO 3166-1 alpha-2; `*` is every country without a row of its own.
    pub country: String,
    /// The first day on which it holds.
    pub from: Date,
    /// The last day on which it holds; open if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// The rate, in hundredths of a percent of the payout, rounded down.
    pub bps: u32,
}

/// What is wrong with a rule set. It names the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The name is no name.
    #[error("a rule set's name is 1 to 64 of a-z, 0-9 and `-`, and its version is 1 or more")]
    Name,
    /// A rate is above the whole.
    #[error("`{0}` is more than the whole")]
    Rate(&'static str),
    /// The fee and the reserve are more than all.
    #[error("`fee_bps` and `reserve_bps` together are more than the whole")]
    Kept,
    /// The layers are not the whole.
    #[error("the layers sum to {0} ppm, not to 1000000")]
    Layers(u64),
    /// A layer stands twice.
    #[error("layer `{0}` stands twice")]
    Twice(&'static str),
    /// No new record would count.
    #[error("`half` is 1 or more: a new record counts half where the stratum holds as many")]
    Half,
    /// The split is not the whole.
    #[error("the split sums to {0} bps, not to 10000")]
    Split(u64),
    /// A tax row is wrong.
    #[error("tax row {0}: a country is two capital letters or `*`, and its days are in order")]
    Tax(usize),
    /// Two tax rows hold on one day.
    #[error("tax rows {0} and {1} hold for one country on one day")]
    TaxTwice(usize, usize),
    /// The tranches pay nothing.
    #[error("the tranches sum to nothing")]
    Tranches,
}

impl RuleSet {
    /// Returns the rule set that pays for contribution and use alone.
    pub fn plain(base_ppm: u32, usage_ppm: u32) -> Self {
        let usage = LayerRule::Usage { ppm: usage_ppm, weigh: UsageWeight::Question };
        Self {
            name: "plain".to_owned(),
            version: 1,
            grain: Grain::Micro,
            fee_bps: 0,
            reserve_bps: 0,
            minimum_minor: 0,
            layers: vec![LayerRule::Base { ppm: base_ppm }, usage],
            cap: None,
            split: SplitRule::default(),
            tax: Vec::new(),
            tranches: Vec::new(),
            exclude_payer: true,
        }
    }

    /// Checks that every part is of the whole, and every whole of its parts.
    pub fn check(self) -> Result<Self, RuleError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(fits) || self.version == 0
        {
            return Err(RuleError::Name);
        }
        for (name, rate) in [("fee_bps", self.fee_bps), ("reserve_bps", self.reserve_bps)] {
            if rate > BASIS {
                return Err(RuleError::Rate(name));
            }
        }
        if self.fee_bps.saturating_add(self.reserve_bps) > BASIS {
            return Err(RuleError::Kept);
        }
        if self.cap.is_some_and(|cap| cap.person_ppm > MILLION) {
            return Err(RuleError::Rate("person_ppm"));
        }
        let sum: u64 = self.layers.iter().map(|layer| u64::from(layer.ppm())).sum();
        if sum != u64::from(MILLION) {
            return Err(RuleError::Layers(sum));
        }
        for (at, rule) in self.layers.iter().enumerate() {
            if self.layers.iter().skip(at.saturating_add(1)).any(|r| r.layer() == rule.layer()) {
                return Err(RuleError::Twice(rule.layer().name()));
            }
            if let LayerRule::NewData { half, cap_ppm, .. } = rule {
                if *half == 0 {
                    return Err(RuleError::Half);
                }
                if cap_ppm.is_some_and(|cap| cap > MILLION) {
                    return Err(RuleError::Rate("cap_ppm"));
                }
            }
        }
        let SplitRule { person_bps, institution_bps, platform_bps } = self.split;
        let split = [person_bps, institution_bps, platform_bps].map(u64::from).iter().sum::<u64>();
        if split != u64::from(BASIS) {
            return Err(RuleError::Split(split));
        }
        self.check_tax()?;
        if !self.tranches.is_empty() && self.tranches.iter().all(|weight| *weight == 0) {
            return Err(RuleError::Tranches);
        }
        Ok(self)
    }

    fn check_tax(&self) -> Result<(), RuleError> {
        let country = |text: &str| {
            text == "*" || (text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()))
        };
        for (row, tax) in (1_usize..).zip(&self.tax) {
            if !country(&tax.country) || tax.until.is_some_and(|until| until < tax.from) {
                return Err(RuleError::Tax(row));
            }
            if tax.bps > BASIS {
                return Err(RuleError::Rate("bps"));
            }
            for (other, earlier) in (1_usize..row).zip(&self.tax) {
                let apart = earlier.until.is_some_and(|until| until < tax.from)
                    || tax.until.is_some_and(|until| until < earlier.from);
                if earlier.country == tax.country && !apart {
                    return Err(RuleError::TaxTwice(other, row));
                }
            }
        }
        Ok(())
    }

    /// Returns what is withheld of a payout to a country on a day, in hundredths of a percent: by the
    /// country's own row, else by the row of every country, else nothing.
    pub fn tax_bps(&self, country: Option<&str>, day: Date) -> u32 {
        let holds = |tax: &&TaxRule| tax.from <= day && tax.until.is_none_or(|until| day <= until);
        let row = |name: &str| self.tax.iter().filter(holds).find(|tax| tax.country == name);
        country.and_then(row).or_else(|| row("*")).map_or(0, |tax| tax.bps)
    }

    /// Returns the rule of a layer.
    pub fn layer(&self, layer: Layer) -> Option<&LayerRule> {
        self.layers.iter().find(|rule| rule.layer() == layer)
    }

    /// Returns the SHA3-256 digest of the rule set's canonical bytes.
    pub fn digest(&self) -> Result<Sha3Digest, CanonicalError> {
        Ok(Sha3Digest::of(&canonical(self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> RuleSet {
        toml::from_str(
            "name = 'standard'\nversion = 1\nfee_bps = 500\nminimum_minor = 100\n\
             [[layer]]\nkind = 'base'\nppm = 300000\n\
             [[layer]]\nkind = 'usage'\nppm = 500000\n\
             [[layer]]\nkind = 'new-data'\nppm = 200000\nhalf = 50\n\
             [split]\nperson_bps = 7000\ninstitution_bps = 2500\nplatform_bps = 500\n\
             [[tax]]\ncountry = 'DE'\nfrom = '2026-01-01'\nuntil = '2026-12-31'\nbps = 1500\n\
             [[tax]]\ncountry = 'DE'\nfrom = '2027-01-01'\nbps = 1600\n\
             [[tax]]\ncountry = '*'\nfrom = '2026-01-01'\nbps = 2000\n",
        )
        .unwrap()
    }

    #[test]
    fn a_rule_set_reads_from_toml_and_back_from_json() {
        let rules = rules().check().unwrap();
        assert!(rules.exclude_payer, "a payer's own data is excluded unless a rule says otherwise");
        let json = serde_json::to_string(&rules).unwrap();
        assert_eq!(serde_json::from_str::<RuleSet>(&json).unwrap(), rules);
        let mut other = rules.clone();
        other.version = 2;
        assert_ne!(rules.digest().unwrap(), other.digest().unwrap());
    }

    #[test]
    fn a_rule_that_is_not_the_whole_or_above_it_is_refused_by_name() {
        let wrong = |change: fn(&mut RuleSet)| {
            let mut rules = rules();
            change(&mut rules);
            rules.check().unwrap_err()
        };
        assert_eq!(
            wrong(|r| r.layers[0] = LayerRule::Base { ppm: 299_999 }),
            RuleError::Layers(999_999),
            "a millionth would be nobody's"
        );
        assert_eq!(wrong(|r| r.fee_bps = 10_001), RuleError::Rate("fee_bps"));
        assert_eq!(wrong(|r| r.reserve_bps = 9_600), RuleError::Kept);
        assert_eq!(wrong(|r| r.split.person_bps = 7_001), RuleError::Split(10_001));
        assert_eq!(
            wrong(|r| r.layers[1] = LayerRule::Base { ppm: 500_000 }),
            RuleError::Twice("base")
        );
        assert_eq!(wrong(|r| r.tax[0].until = None), RuleError::TaxTwice(1, 2));
        assert_eq!(wrong(|r| r.tax[0].country = "de".into()), RuleError::Tax(1));
        assert_eq!(wrong(|r| r.tranches = vec![0, 0]), RuleError::Tranches);
        assert_eq!(wrong(|r| r.version = 0), RuleError::Name);
    }

    #[test]
    fn the_tax_is_that_of_the_country_and_the_day() {
        let rules = rules();
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(rules.tax_bps(Some("DE"), day("2026-12-31")), 1_500);
        assert_eq!(rules.tax_bps(Some("DE"), day("2027-01-01")), 1_600);
        assert_eq!(rules.tax_bps(Some("FR"), day("2026-06-01")), 2_000);
        assert_eq!(rules.tax_bps(None, day("2026-06-01")), 2_000);
        assert_eq!(rules.tax_bps(Some("DE"), day("2025-12-31")), 0, "no row held yet");
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        let text =
            "name = 'a'\nversion = 1\nfee_bsp = 5\n[[layer]]\nkind = 'base'\nppm = 1000000\n";
        assert!(toml::from_str::<RuleSet>(text).is_err(), "the fee would silently be none");
    }
}
