//! Decimal numbers as FHIR writes them: every digit kept, sums and products exact.
//!
//! Comes in: the text of a JSON number. Goes out: a [`Decimal`]. Never: a digit changed on its way
//! through a float; what does not fit is refused.

use std::{cmp::Ordering, fmt};

/// Digits after the point that a quotient is worked out to.
const QUOTIENT_SCALE: u32 = 16;
/// The largest power of ten that a scale may stand for.
const SCALE_MAX: u32 = 36;

/// `digits` divided by ten to the `scale`; equal here is written the same, [`Decimal::compare`]
/// knows equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    pub(super) fn whole(digits: i64) -> Self {
        Self { digits: digits.into(), scale: 0 }
    }

    /// Reads a JSON number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let negative = whole.starts_with('-');
        let mut digits = 0_i128;
        for byte in whole.trim_start_matches(['-', '+']).bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
            digits = digits.checked_mul(10)?.checked_add(digit)?;
        }
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        if scale < 0 {
            digits = digits.checked_mul(power(scale.unsigned_abs())?)?;
        }
        let scale = u32::try_from(scale.max(0)).ok().filter(|scale| *scale <= SCALE_MAX)?;
        Some(Self { digits: if negative { -digits } else { digits }, scale })
    }

    pub(super) fn negate(self) -> Self {
        Self { digits: -self.digits, ..self }
    }

    pub(super) fn add(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.align(other)?;
        Some(Self { digits: a.checked_add(b)?, scale })
    }

    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        let scale = self.scale + other.scale;
        (scale <= SCALE_MAX).then_some(Self { digits, scale })
    }

    /// Divides; the quotient is rounded half away from zero at 16 digits after the point.
    pub(super) fn divide(self, other: Self) -> Option<Self> {
        let (a, b, _) = self.align(other)?;
        let scaled = a.checked_mul(power(QUOTIENT_SCALE + 1)?)?.checked_div(b)?;
        let half = if scaled < 0 { -5 } else { 5 };
        Some(Self { digits: (scaled + half) / 10, scale: QUOTIENT_SCALE }.trimmed())
    }

    pub(super) fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Returns which is greater; `None` only where the digits do not fit side by side.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        let (a, b, _) = self.align(other)?;
        Some(a.cmp(&b))
    }

    /// Returns the least (or greatest) number that is written so when rounded.
    pub(super) fn boundary(self, high: bool) -> Option<Self> {
        let step = if high { 5 } else { -5 };
        let digits = self.digits.checked_mul(10)?.checked_add(step)?;
        Some(Self { digits, scale: self.scale + 1 })
    }

    /// Returns it as a whole number, if it is one of 64 bits.
    pub(super) fn to_integer(self) -> Option<i64> {
        let trimmed = self.trimmed();
        if trimmed.scale == 0 { i64::try_from(trimmed.digits).ok() } else { None }
    }

    fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.digits % 10 == 0 {
            self.digits /= 10;
            self.scale -= 1;
        }
        self
    }

    fn align(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        let lift = |one: Self| one.digits.checked_mul(power(scale - one.scale)?);
        Some((lift(self)?, lift(other)?, scale))
    }
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::try_from(self.scale).unwrap_or(0);
        let digits = self.digits.unsigned_abs().to_string();
        let sign = if self.digits < 0 { "-" } else { "" };
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn sums_and_products_keep_every_digit() {
        assert_eq!(of("0.1").add(of("0.2")).unwrap().to_string(), "0.3", "a float would give more");
        assert_eq!(of("1.50").multiply(of("-2")).unwrap().to_string(), "-3.00");
        assert_eq!(of("3").divide(of("2")).unwrap().to_string(), "1.5");
        assert_eq!(of("2").divide(of("3")).unwrap().to_string(), "0.6666666666666667");
        assert!(of("1").divide(of("0")).is_none());
        assert_eq!(of("-0.05").to_string(), "-0.05");
        assert_eq!(of("1e3").to_string(), "1000");
        assert_eq!(of("12e-1").to_string(), "1.2");
    }

    #[test]
    fn a_boundary_lies_half_a_last_digit_away() {
        assert_eq!(of("1.0").boundary(false).unwrap().to_string(), "0.95");
        assert_eq!(of("1.0").boundary(true).unwrap().to_string(), "1.05");
        assert_eq!(of("2").boundary(false).unwrap().to_string(), "1.5");
    }

    #[test]
    fn equal_numbers_are_equal_however_they_are_written() {
        assert_eq!(of("1.20").compare(of("1.2")), Some(Ordering::Equal));
        assert_eq!(of("2.0").to_integer(), Some(2));
        assert_eq!(of("2.5").to_integer(), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in
            ["1e40", "1e-40", "123456789012345678901234567890123456789012", "x", "1e9999999999"]
        {
            assert!(Decimal::parse(text).is_none(), "{text} would be another number");
        }
    }
}
