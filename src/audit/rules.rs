//! How a pool pays, as the commit of its opening says it, and whether the parts are the whole.
//!
//! Comes in: JSON. Goes out: [`RuleSet`]. Never: a default that the engine would choose otherwise;
//! what a rule set leaves out, the schema says.

use serde::{Deserialize, Serialize};

use crate::instant::Date;

/// The whole, in millionths.
pub(super) const MILLION: u128 = 1_000_000;

/// The whole, in hundredths of a percent.
pub(super) const BASIS: u128 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSet {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) grain: Grain,
    pub(super) fee_bps: u32,
    pub(super) reserve_bps: u32,
    pub(super) minimum_minor: u64,
    #[serde(rename = "layer")]
    pub(super) layers: Vec<Layer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cap: Option<Cap>,
    pub(super) split: Split,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tax: Vec<Tax>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tranches: Vec<u32>,
    pub(super) exclude_payer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Grain {
    Micro,
    Minor,
}

impl Grain {
    /// Returns how many millionths of a minor unit one grain is.
    pub(super) fn micro(self) -> u128 {
        match self {
            Self::Micro => 1,
            Self::Minor => MILLION,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Layer {
    Base {
        ppm: u32,
    },
    Usage {
        ppm: u32,
        weigh: Weigh,
    },
    NewData {
        ppm: u32,
        half: u64,
        quality: bool,
        contributors_min: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        cap_ppm: Option<u32>,
    },
    Value {
        ppm: u32,
    },
}

impl Layer {
    pub(super) fn ppm(&self) -> u32 {
        match self {
            Self::Base { ppm }
            | Self::Usage { ppm, .. }
            | Self::NewData { ppm, .. }
            | Self::Value { ppm } => *ppm,
        }
    }

    /// Returns its place among a line's columns of weights.
    pub(super) fn place(&self) -> usize {
        match self {
            Self::Base { .. } => 0,
            Self::Usage { .. } => 1,
            Self::NewData { .. } => 2,
            Self::Value { .. } => 3,
        }
    }

    /// Returns its name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Base { .. } => "base",
            Self::Usage { .. } => "usage",
            Self::NewData { .. } => "new-data",
            Self::Value { .. } => "value",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Weigh {
    Question,
    Record,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cap {
    pub(super) person_ppm: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "a rule set spells them so")]
pub(super) struct Split {
    pub(super) person_bps: u32,
    pub(super) institution_bps: u32,
    pub(super) platform_bps: u32,
}

impl Split {
    /// Returns the parts in the order in which they tie.
    pub(super) fn parts(self) -> [u128; 3] {
        [self.person_bps, self.institution_bps, self.platform_bps].map(u128::from)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tax {
    pub(super) country: String,
    pub(super) from: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Date>,
    pub(super) bps: u32,
}

impl RuleSet {
    /// Says whether each division is of the whole, and no rate above it.
    pub(super) fn is_whole(&self) -> bool {
        let layers: u128 = self.layers.iter().map(|layer| u128::from(layer.ppm())).sum();
        let split: u128 = self.split.parts().into_iter().sum();
        let kept = u128::from(self.fee_bps).saturating_add(u128::from(self.reserve_bps));
        let twice = self
            .layers
            .iter()
            .enumerate()
            .any(|(at, layer)| self.layers.iter().take(at).any(|l| l.place() == layer.place()));
        let caps = self.cap.map(|cap| cap.person_ppm).into_iter();
        let mut caps = caps.chain(self.layers.iter().filter_map(|layer| match layer {
            Layer::NewData { cap_ppm, .. } => *cap_ppm,
            Layer::Base { .. } | Layer::Usage { .. } | Layer::Value { .. } => None,
        }));
        let pays = self.tranches.is_empty() || self.tranches.iter().any(|part| *part > 0);
        layers == MILLION
            && split == BASIS
            && kept <= BASIS
            && !twice
            && pays
            && caps.all(|cap| u128::from(cap) <= MILLION)
            && self.tax.iter().all(|tax| u128::from(tax.bps) <= BASIS)
    }

    /// Returns how many verified contributors a stratum needs before its new records count; `None`
    /// where new records are not paid for.
    pub(super) fn contributors_min(&self) -> Option<u64> {
        self.layers.iter().find_map(|layer| match layer {
            Layer::NewData { contributors_min, .. } => Some(u64::from(*contributors_min)),
            Layer::Base { .. } | Layer::Usage { .. } | Layer::Value { .. } => None,
        })
    }

    /// Says whether what records are worth to a model is paid for.
    pub(super) fn pays_by_value(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, Layer::Value { .. }))
    }

    /// Returns what is withheld of a payout to a country on a day, in hundredths of a percent: the
    /// country's own row goes before the row of every country.
    pub(super) fn tax_bps(&self, country: Option<&str>, day: Date) -> u32 {
        let mut every = 0;
        for tax in &self.tax {
            if tax.from > day || tax.until.is_some_and(|until| until < day) {
                continue;
            }
            if Some(tax.country.as_str()) == country {
                return tax.bps;
            }
            if tax.country == "*" {
                every = tax.bps;
            }
        }
        every
    }
}
