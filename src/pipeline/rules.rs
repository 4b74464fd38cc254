//! Reads a file of rules: how a pool pays, as data. Read whole, every fault at once, each with its line
//! and column.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use crate::{
    fault::{Fault, Members, Sheet, Text},
    instant::Date,
    reward::{
        RuleError, RuleSet,
        rules::{CapRule, Grain, LayerRule, SplitRule, TaxRule, UsageWeight},
    },
};

/// Why rules cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or not text.
    #[error("`{}` cannot be read", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file has faults.
    #[error("the rules in `{}` have faults", file.display())]
    Faults {
        /// The file.
        file: PathBuf,
        /// Each fault, with its place.
        faults: Vec<Fault>,
    },
}

/// Reads a file of rules.
pub fn read(file: &Path) -> Result<RuleSet, Error> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| Error::File { file: file.to_owned(), source })?;
    parse(file, &text).map_err(|faults| Error::Faults { file: file.to_owned(), faults })
}

fn parse(file: &Path, text: &str) -> Result<RuleSet, Vec<Fault>> {
    let sheet = Sheet::new(file, text);
    let text = sheet.text();
    let table = sheet.parse(&text);
    let top = Members::new(&sheet, "rule set", &table);
    let name = top.text_needed("name");
    let version = needed(&top, "version", 1);
    let grain = top.choice("grain", &[("micro", Grain::Micro), ("minor", Grain::Minor)]);
    let fee_bps = small(&top, "fee_bps", 0).unwrap_or(0);
    let reserve_bps = small(&top, "reserve_bps", 0).unwrap_or(0);
    let minimum = top.integer("minimum_minor", 0).and_then(|n| u64::try_from(n).ok());
    let exclude_payer = top.flag("exclude_payer").unwrap_or(true);
    let layers = top.tables("layer");
    let places = Places {
        layers: layers.iter().map(Members::span).collect(),
        tax: top.tables("tax").iter().map(Members::span).collect(),
    };
    if layers.is_empty() && !top.has("layer") {
        sheet.fault_hint(
            0..0,
            "no layer says what is paid for",
            "add `[[layer]]` with a `kind` of `base`, `usage`, `new-data` or `value`, and its `ppm`",
        );
    }
    let layers = layers.into_iter().map(layer).collect::<Vec<_>>();
    let cap = top.table("cap").map(|cap| {
        let person_ppm = needed(&cap, "person_ppm", 0);
        cap.finish();
        CapRule { person_ppm: person_ppm.unwrap_or(0) }
    });
    let split = top.table("split").map(split);
    let tax = top.tables("tax").into_iter().map(tax).collect::<Vec<_>>();
    let tranches = tranches(&top);
    let spans = |key: &'static str| top.value_span(key);
    let span = |error: &RuleError| match error {
        RuleError::Name => spans("name"),
        RuleError::Rate(key) if top.has(key) => spans(key),
        RuleError::Rate(_) | RuleError::Layers(_) | RuleError::Half => places.layer(1),
        RuleError::Kept => spans("fee_bps"),
        RuleError::Twice(_) => places.layer(2),
        RuleError::Split(_) => spans("split"),
        RuleError::Tax(row) | RuleError::TaxTwice(_, row) => places.tax(*row),
        RuleError::Tranches => spans("tranches"),
    };
    if sheet.is_clean()
        && let (Some(Text { value: name, .. }), Some(version)) = (name, version)
    {
        let set = RuleSet {
            name,
            version,
            grain: grain.unwrap_or_default(),
            fee_bps,
            reserve_bps,
            minimum_minor: minimum.unwrap_or(0),
            layers: layers.into_iter().flatten().collect(),
            cap,
            split: split.unwrap_or_default(),
            tax: tax.into_iter().flatten().collect(),
            tranches,
            exclude_payer,
        };
        match set.check() {
            Ok(set) => {
                top.finish();
                if sheet.is_clean() {
                    return Ok(set);
                }
                return Err(sheet.into_faults());
            }
            Err(error) => sheet.fault(span(&error), error.to_string()),
        }
    }
    top.finish();
    Err(sheet.into_faults())
}

/// Where the tables of lists stand, to point at.
struct Places {
    layers: Vec<Range<usize>>,
    tax: Vec<Range<usize>>,
}

impl Places {
    fn layer(&self, number: usize) -> Range<usize> {
        at(&self.layers, number)
    }

    fn tax(&self, number: usize) -> Range<usize> {
        at(&self.tax, number)
    }
}

fn at(spans: &[Range<usize>], number: usize) -> Range<usize> {
    number.checked_sub(1).and_then(|at| spans.get(at)).cloned().unwrap_or(0..0)
}

/// The kinds of layers, as a file names them.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Base,
    Usage,
    NewData,
    Value,
}

fn layer(members: Members<'_, '_>) -> Option<LayerRule> {
    let kinds = [
        ("base", Kind::Base),
        ("usage", Kind::Usage),
        ("new-data", Kind::NewData),
        ("value", Kind::Value),
    ];
    let kind = members.choice_needed("kind", &kinds);
    let ppm = needed(&members, "ppm", 0);
    let rule = kind.zip(ppm).and_then(|(kind, ppm)| match kind {
        Kind::Base => Some(LayerRule::Base { ppm }),
        Kind::Usage => {
            let words = [("question", UsageWeight::Question), ("record", UsageWeight::Record)];
            let weigh = members.choice("weigh", &words).unwrap_or_default();
            Some(LayerRule::Usage { ppm, weigh })
        }
        Kind::NewData => {
            let half = needed(&members, "half", 1).map(u64::from);
            let quality = members.flag("quality").unwrap_or(true);
            let contributors_min = small(&members, "contributors_min", 0).unwrap_or(2);
            let cap_ppm = small(&members, "cap_ppm", 0);
            Some(LayerRule::NewData { ppm, half: half?, quality, contributors_min, cap_ppm })
        }
        Kind::Value => Some(LayerRule::Value { ppm }),
    });
    // Of a layer whose kind is not known no member is: only what is known to be wrong is said.
    if kind.is_some() {
        members.finish();
    }
    rule
}

fn split(members: Members<'_, '_>) -> SplitRule {
    let part = |key| small(&members, key, 0).unwrap_or(0);
    let split = SplitRule {
        person_bps: part("person_bps"),
        institution_bps: part("institution_bps"),
        platform_bps: part("platform_bps"),
    };
    members.finish();
    split
}

fn tax(members: Members<'_, '_>) -> Option<TaxRule> {
    let country = members.text_needed("country");
    let from = day(&members, "from");
    if !members.has("from") {
        members.sheet().fault(members.span(), "this tax lacks `from`, the first day of its rate");
    }
    let until = day(&members, "until");
    let bps = needed(&members, "bps", 0);
    members.finish();
    Some(TaxRule { country: country?.value, from: from?, until, bps: bps? })
}

fn day(members: &Members<'_, '_>, key: &'static str) -> Option<Date> {
    let text = members.scalar(key)?;
    let day = Date::parse_from_str(&text.value, "%Y-%m-%d").ok();
    if day.is_none() {
        let hint = "write a day as \"2026-12-31\"";
        members.sheet().fault_hint(text.span, format!("`{key}` is no day"), hint);
    }
    day
}

fn tranches(top: &Members<'_, '_>) -> Vec<u32> {
    let parts = top.texts("tranches").unwrap_or_default();
    let mut tranches = Vec::new();
    for part in parts {
        match part.value.parse() {
            Ok(weight) => tranches.push(weight),
            Err(_) => top.sheet().fault(part.span, "a tranche is an integer of 0 or more"),
        }
    }
    tranches
}

/// Takes an integer that fits 32 bits.
fn small(members: &Members<'_, '_>, key: &'static str, least: i64) -> Option<u32> {
    let number = members.integer(key, least)?;
    let small = u32::try_from(number).ok();
    if small.is_none() {
        members.sheet().fault(members.value_span(key), format!("`{key}` is too large"));
    }
    small
}

/// Takes an integer that fits 32 bits and must be there.
fn needed(members: &Members<'_, '_>, key: &'static str, least: i64) -> Option<u32> {
    if !members.has(key) {
        members.sheet().fault(members.span(), format!("`{key}` is missing"));
    }
    small(members, key, least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "\
name = 'standard'
version = 1
fee_bps = 500
minimum_minor = 100
tranches = [60, 40]

[[layer]]
kind = 'base'
ppm = 300_000

[[layer]]
kind = 'new-data'
ppm = 700_000
half = 50

[cap]
person_ppm = 10_000

[split]
person_bps = 7_000
institution_bps = 3_000

[[tax]]
country = 'DE'
from = '2026-01-01'
bps = 1_500
";

    fn faults(from: &str, to: &str) -> Vec<String> {
        assert!(WHOLE.contains(from), "the fault is not in the file: {from}");
        let text = WHOLE.replace(from, to);
        let faults = parse(Path::new("r.toml"), &text).unwrap_err();
        faults
            .iter()
            .map(|fault| match fault.hint_text() {
                Some(hint) => format!("{fault} ({hint})"),
                None => fault.to_string(),
            })
            .collect()
    }

    #[test]
    fn a_file_of_rules_reads_as_serde_reads_it() {
        let set = parse(Path::new("r.toml"), WHOLE).unwrap();
        assert_eq!(toml::from_str::<RuleSet>(WHOLE).unwrap(), set, "two readers, two rules");
        assert_eq!(set.tranches, [60, 40]);
        assert!(set.exclude_payer);
    }

    #[test]
    fn a_typo_is_named_by_line_and_column_with_the_word_that_was_meant() {
        assert_eq!(
            faults("fee_bps = 500", "fee_bsp = 500"),
            ["r.toml:3:1: unknown member of a rule set `fee_bsp` (did you mean `fee_bps`?)"],
            "the fee would silently be none"
        );
        assert_eq!(
            faults("kind = 'base'", "kind = 'bass'"),
            ["r.toml:8:8: unknown kind `bass` (did you mean `base`?)"]
        );
        assert_eq!(
            faults("half = 50", "hafl = 50"),
            [
                "r.toml:11:1: `half` is missing",
                "r.toml:14:1: unknown member of a layer `hafl` (did you mean `half`?)",
            ]
        );
        assert_eq!(
            faults("from = '2026-01-01'", "from = '1.1.2026'"),
            ["r.toml:25:8: `from` is no day (write a day as \"2026-12-31\")"]
        );
    }

    #[test]
    fn what_is_not_the_whole_is_said_where_it_stands() {
        assert_eq!(
            faults("ppm = 300_000", "ppm = 300_001"),
            ["r.toml:7:1: the layers sum to 1000001 ppm, not to 1000000"]
        );
        assert_eq!(
            faults("person_bps = 7_000", "person_bps = 6_000"),
            ["r.toml:19:1: the split sums to 9000 bps, not to 10000"]
        );
        assert_eq!(
            faults("fee_bps = 500", "fee_bps = 10_001"),
            ["r.toml:3:11: `fee_bps` is more than the whole"]
        );
        assert_eq!(
            faults("country = 'DE'", "country = 'de'"),
            ["r.toml:23:1: tax row 1: a country is two capital letters or `*`, and its days are \
                 in order"]
        );
        assert_eq!(faults("ppm = 300_000", "ppm = -1").len(), 1, "a negative part was taken");
        assert_eq!(faults("version = 1", "version = 0").len(), 1);
    }
}
