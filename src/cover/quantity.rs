//! Measured values, exactly: decimals as scaled integers, and the few units that become each other.
//!
//! Comes in: decimal text with its unit. Goes out: whether one reaches another, or that nobody can say.
//! Never: a float, or a unit read as another one.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

/// A decimal number: `digits` times ten to the power of minus `scale`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

/// A text is no decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a number is like 180 or 8.5, of at most 18 digits before and behind the point")]
pub struct DecimalError;

/// The most digits before or behind the point.
const DIGITS_MAX: usize = 18;

impl Decimal {
    /// Parses digits, with a point and a minus where they are needed.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits =
            |part: &str| part.len() <= DIGITS_MAX && part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || unsigned.ends_with('.') || !digits(whole) || !digits(fraction) {
            return Err(DecimalError);
        }
        let fraction = fraction.trim_end_matches('0');
        let sign = if text.starts_with('-') { "-" } else { "" };
        let digits = format!("{sign}{whole}{fraction}").parse().map_err(|_| DecimalError)?;
        let scale = u32::try_from(fraction.len()).map_err(|_| DecimalError)?;
        Ok(Self { digits, scale })
    }

    /// Compares this times a fraction with another; `None` where the numbers are too long to say.
    fn times_compared(self, by: Fraction, other: Self) -> Option<Ordering> {
        let power = |scale: u32| 10_i128.checked_pow(scale);
        let own = self.digits.checked_mul(by.numerator)?.checked_mul(power(other.scale)?)?;
        let others = other.digits.checked_mul(by.denominator)?.checked_mul(power(self.scale)?)?;
        Some(own.cmp(&others))
    }
}

// INVARIANT: no fraction ends in a zero, so that one number has one form.
impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.digits == other.digits && self.scale == other.scale
    }
}

impl Eq for Decimal {}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::try_from(self.scale).unwrap_or_default();
        let digits = self.digits.unsigned_abs().to_string();
        let width = scale.saturating_add(1);
        let padded = format!("{digits:0>width$}");
        let (whole, fraction) = padded.split_at(padded.len().saturating_sub(scale));
        let sign = if self.digits < 0 { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

impl TryFrom<String> for Decimal {
    type Error = DecimalError;

    fn try_from(text: String) -> Result<Self, DecimalError> {
        Self::parse(&text)
    }
}

impl From<Decimal> for String {
    fn from(decimal: Decimal) -> Self {
        decimal.to_string()
    }
}

#[derive(Debug, Clone, Copy)]
struct Fraction {
    numerator: i128,
    denominator: i128,
}

impl Fraction {
    const fn new(numerator: i128, denominator: i128) -> Self {
        Self { numerator, denominator }
    }
}

/// What a unit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measures {
    /// Mass in a volume; the base is mg/dL.
    MassConcentration,
    /// Amount of substance in a volume; the base is mmol/L.
    SubstanceConcentration,
    /// Something that no other unit of the table measures.
    Alone,
}

/// A unit of measurement that policies may name, by its UCUM code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unit(&'static str);

/// A text is no unit that this engine reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a unit that is read here")]
pub struct UnitError;

/// The units: code, what it measures, how many of the base it is.
const UNITS: [(&str, Measures, Fraction); 14] = [
    ("mg/dL", Measures::MassConcentration, Fraction::new(1, 1)),
    ("mg/L", Measures::MassConcentration, Fraction::new(1, 10)),
    ("g/L", Measures::MassConcentration, Fraction::new(100, 1)),
    ("g/dL", Measures::MassConcentration, Fraction::new(1000, 1)),
    ("mmol/L", Measures::SubstanceConcentration, Fraction::new(1, 1)),
    ("umol/L", Measures::SubstanceConcentration, Fraction::new(1, 1000)),
    ("%", Measures::Alone, Fraction::new(1, 1)),
    ("mmol/mol", Measures::Alone, Fraction::new(1, 1)),
    ("mm[Hg]", Measures::Alone, Fraction::new(1, 1)),
    ("kg/m2", Measures::Alone, Fraction::new(1, 1)),
    ("kg", Measures::Alone, Fraction::new(1, 1)),
    ("cm", Measures::Alone, Fraction::new(1, 1)),
    ("Cel", Measures::Alone, Fraction::new(1, 1)),
    ("{score}", Measures::Alone, Fraction::new(1, 1)),
];

impl Unit {
    /// Parses a UCUM code, by its case.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        UNITS.iter().find(|(code, ..)| *code == text).map(|(code, ..)| Self(code)).ok_or(UnitError)
    }

    /// Returns all codes.
    pub fn all() -> impl Iterator<Item = &'static str> + Clone {
        UNITS.iter().map(|(code, ..)| *code)
    }

    /// Returns the code.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    fn measures(self) -> (Measures, Fraction) {
        let found = UNITS.iter().find(|(code, ..)| *code == self.0);
        found.map_or((Measures::Alone, Fraction::new(1, 1)), |(_, measures, base)| {
            (*measures, *base)
        })
    }

    /// Returns how many of `other` one of this is; `None` where nobody can say.
    fn in_units_of(self, other: Self, substance: Option<Substance>) -> Option<Fraction> {
        if self == other {
            return Some(Fraction::new(1, 1));
        }
        let ((own, from), (theirs, to)) = (self.measures(), other.measures());
        let between = match (own, theirs) {
            (Measures::MassConcentration, Measures::MassConcentration)
            | (Measures::SubstanceConcentration, Measures::SubstanceConcentration) => {
                Fraction::new(1, 1)
            }
            (Measures::SubstanceConcentration, Measures::MassConcentration) => {
                substance?.mg_per_dl_of_mmol_per_l()
            }
            (Measures::MassConcentration, Measures::SubstanceConcentration) => {
                let Fraction { numerator, denominator } = substance?.mg_per_dl_of_mmol_per_l();
                Fraction::new(denominator, numerator)
            }
            (Measures::Alone, _) | (_, Measures::Alone) => return None,
        };
        let product = |a: i128, b: i128, c: i128| a.checked_mul(b)?.checked_mul(c);
        Some(Fraction::new(
            product(from.numerator, between.numerator, to.denominator)?,
            product(from.denominator, between.denominator, to.numerator)?,
        ))
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Unit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A substance whose mass and amount become each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Substance {
    /// Glucose, C6H12O6: 180.156 g/mol by the abridged atomic weights (C 12.011, H 1.008, O 15.999).
    Glucose,
}

impl Substance {
    /// All, by the words of policy files.
    pub const WORDS: [(&'static str, Self); 1] = [("glucose", Self::Glucose)];

    /// Molar mass in g/mol over ten: one mmol/L in mg/dL.
    fn mg_per_dl_of_mmol_per_l(self) -> Fraction {
        match self {
            Self::Glucose => Fraction::new(180_156, 10_000),
        }
    }
}

/// Whether a measured value reaches a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It is the threshold or more.
    Yes,
    /// It is less.
    No,
    /// Its unit is none that can be compared with the threshold's.
    Unit,
    /// It is no number that can be compared.
    Number,
}

/// Compares a value as it was sent with a threshold.
pub fn reaches(
    (value, unit): (&str, &str),
    (least, least_unit): (Decimal, Unit),
    substance: Option<Substance>,
) -> Reached {
    let factor = Unit::parse(unit).ok().and_then(|u| u.in_units_of(least_unit, substance));
    let Some(factor) = factor else { return Reached::Unit };
    let compared = Decimal::parse(value).ok().and_then(|v| v.times_compared(factor, least));
    match compared {
        None => Reached::Number,
        Some(Ordering::Less) => Reached::No,
        Some(Ordering::Equal | Ordering::Greater) => Reached::Yes,
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glucose(value: &str, unit: &str, least: &str, least_unit: &str) -> Reached {
        let least = (Decimal::parse(least).unwrap(), Unit::parse(least_unit).unwrap());
        reaches((value, unit), least, Some(Substance::Glucose))
    }

    #[test]
    fn a_value_is_compared_to_the_last_digit() {
        assert_eq!(glucose("180", "mg/dL", "180", "mg/dL"), Reached::Yes);
        assert_eq!(glucose("180.0", "mg/dL", "180", "mg/dL"), Reached::Yes);
        assert_eq!(glucose("179.99999999999999", "mg/dL", "180", "mg/dL"), Reached::No);
        assert_eq!(glucose("-1", "mg/dL", "0", "mg/dL"), Reached::No);
        assert_eq!(glucose("1.53", "g/L", "153", "mg/dL"), Reached::Yes);
        assert_eq!(glucose("1.529", "g/L", "153", "mg/dL"), Reached::No);
    }

    #[test]
    fn mass_becomes_amount_by_the_substance_alone() {
        // 10.0 mmol/L of glucose are 180.156 mg/dL; 8.5 are 153.1326; 5.1 are 91.87956.
        assert_eq!(glucose("10.0", "mmol/L", "180.156", "mg/dL"), Reached::Yes);
        assert_eq!(glucose("10.0", "mmol/L", "180.157", "mg/dL"), Reached::No);
        assert_eq!(glucose("8.5", "mmol/L", "153", "mg/dL"), Reached::Yes);
        assert_eq!(glucose("5.1", "mmol/L", "92", "mg/dL"), Reached::No, "it is 91.88 mg/dL");
        assert_eq!(glucose("180.156", "mg/dL", "10", "mmol/L"), Reached::Yes);
        assert_eq!(glucose("180.155", "mg/dL", "10", "mmol/L"), Reached::No);
        let least = (Decimal::parse("180").unwrap(), Unit::parse("mg/dL").unwrap());
        let unsaid = reaches(("10.0", "mmol/L"), least, None);
        assert_eq!(unsaid, Reached::Unit, "of cholesterol it would be another mass");
    }

    #[test]
    fn what_cannot_be_compared_is_never_reached() {
        assert_eq!(glucose("200", "mg/dl", "180", "mg/dL"), Reached::Unit, "UCUM tells case");
        assert_eq!(glucose("200", "", "180", "mg/dL"), Reached::Unit);
        assert_eq!(glucose("200", "%", "180", "mg/dL"), Reached::Unit);
        for value in ["", "200.", ".5", "2e2", "NaN", "inf", "+200", "1 000", "> 200"] {
            assert_eq!(glucose(value, "mg/dL", "180", "mg/dL"), Reached::Number, "{value}");
        }
        let long = "9".repeat(18);
        let verdict = glucose(&format!("{long}.{long}"), "mmol/L", "0.000000000000000001", "g/dL");
        assert_eq!(verdict, Reached::Number, "a sum that wrapped would pay by chance");
    }

    proptest! {
        #[test]
        fn a_number_and_its_text_are_one(digits in -10_i64.pow(15)..10_i64.pow(15), scale in 0_usize..12) {
            let text = {
                let plain = format!("{:0>13}", digits.unsigned_abs());
                let (whole, fraction) = plain.split_at(plain.len() - scale);
                let sign = if digits < 0 { "-" } else { "" };
                let point = if scale == 0 { "" } else { "." };
                format!("{sign}{whole}{point}{fraction}")
            };
            let number = Decimal::parse(&text).unwrap();
            prop_assert_eq!(Decimal::parse(&number.to_string()).unwrap(), number);
            let one = Fraction::new(1, 1);
            prop_assert_eq!(number.times_compared(one, number), Some(Ordering::Equal));
        }

        #[test]
        fn comparing_by_a_unit_agrees_with_comparing_by_its_inverse(a in 1_i64..100_000, b in 1_i64..100_000) {
            let (a, b) = (a.to_string(), b.to_string());
            let there = glucose(&a, "mmol/L", &b, "mg/dL");
            let back = glucose(&b, "mg/dL", &a, "mmol/L");
            // One of the two reaches the other; both only where they are the same.
            prop_assert!(there == Reached::Yes || back == Reached::Yes);
        }
    }
}
