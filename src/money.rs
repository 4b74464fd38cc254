//! Amounts in minor units of an ISO 4217 currency, and accruals in millionths of a minor unit.
//!
//! Comes in: decimal text with exactly the currency's decimals. Goes out: checked integers.
//! Never: a float, a rounding that is not named, or a sum that wraps.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// Millionths of a minor unit in one minor unit: the grain in which rewards accrue.
pub const MICRO: i128 = 1_000_000;

/// What is wrong with an amount. It never repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No active currency of ISO 4217.
    #[error("not a currency code of ISO 4217 such as EUR")]
    Currency,
    /// Not a plain decimal number.
    #[error("not an amount like 100000.00: digits and one point, no separators")]
    Number,
    /// Too few or too many decimals.
    #[error("an amount in {currency} has {wanted} decimals, not {found}")]
    Decimals {
        /// The currency.
        currency: Currency,
        /// How many decimals it has.
        wanted: u8,
        /// How many were given.
        found: usize,
    },
    /// Two amounts of different currencies met.
    #[error("amounts in {0} and {1} do not add up")]
    Mixed(Currency, Currency),
    /// The result does not fit.
    #[error("the amount is too large")]
    Overflow,
}

/// An active currency of ISO 4217, with its number of decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: &'static str,
    exponent: u8,
}

impl Currency {
    /// Parses a code of three capital letters, such as `EUR`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        CURRENCIES
            .iter()
            .find_map(|&(exponent, codes)| {
                let code = codes.split_ascii_whitespace().find(|code| *code == text)?;
                Some(Self { code, exponent })
            })
            .ok_or(Error::Currency)
    }

    /// Returns the code.
    pub fn code(self) -> &'static str {
        self.code
    }

    /// Returns the number of decimals of the minor unit: 0 for JPY, 2 for EUR, 3 for KWD.
    pub fn exponent(self) -> u8 {
        self.exponent
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// An amount of money in minor units.
///
/// ```
/// use almoner::money::{Amount, Currency};
/// let gift = Amount::parse("100000.00", Currency::parse("EUR")?)?;
/// assert_eq!(gift.minor(), 10_000_000);
/// assert_eq!(gift.to_string(), "EUR 100,000.00");
/// # Ok::<(), almoner::money::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Amount {
    currency: Currency,
    minor: i128,
}

impl Amount {
    /// Makes an amount of minor units.
    pub fn new(minor: i128, currency: Currency) -> Self {
        Self { currency, minor }
    }

    /// Makes nothing of a currency.
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Parses `100000.00`: exactly the currency's decimals, an optional minus, nothing else.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, Error> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        let bare_point = unsigned.ends_with('.');
        if whole.is_empty() || bare_point || !digits(whole) || !digits(fraction) {
            return Err(Error::Number);
        }
        if fraction.len() != usize::from(currency.exponent) {
            let (wanted, found) = (currency.exponent, fraction.len());
            return Err(Error::Decimals { currency, wanted, found });
        }
        let sign = if text.starts_with('-') { "-" } else { "" };
        let minor =
            format!("{sign}{whole}{fraction}").parse::<i128>().map_err(|_| Error::Overflow)?;
        Ok(Self { currency, minor })
    }

    /// Returns the minor units.
    pub fn minor(self) -> i128 {
        self.minor
    }

    /// Returns the currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Adds an amount of the same currency.
    pub fn plus(self, other: Self) -> Result<Self, Error> {
        let minor = self.minor.checked_add(self.same(other)?).ok_or(Error::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Takes away an amount of the same currency; the result may be negative.
    pub fn minus(self, other: Self) -> Result<Self, Error> {
        let minor = self.minor.checked_sub(self.same(other)?).ok_or(Error::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Returns `floor(amount * numerator / denominator)`; the division rounds down.
    pub fn portion_floor(self, numerator: u32, denominator: u32) -> Result<Self, Error> {
        let product = self.minor.checked_mul(i128::from(numerator)).ok_or(Error::Overflow)?;
        let minor = product.checked_div_euclid(i128::from(denominator)).ok_or(Error::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Returns the same amount in millionths of a minor unit.
    pub fn to_accrual(self) -> Result<Accrual, Error> {
        let micro = self.minor.checked_mul(MICRO).ok_or(Error::Overflow)?;
        Ok(Accrual::new(micro, self.currency))
    }

    /// Returns the number alone, `100000.00`, as [`Amount::parse`] reads it.
    pub fn decimal(self) -> String {
        plain(self.minor, self.currency.exponent)
    }

    /// Returns the number alone with thousands marked: `100,000.00`.
    pub fn grouped(self) -> String {
        group(&self.decimal())
    }

    fn same(self, other: Self) -> Result<i128, Error> {
        if self.currency == other.currency {
            Ok(other.minor)
        } else {
            Err(Error::Mixed(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.grouped())
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.decimal())
    }
}

/// What somebody has earned, in millionths of a minor unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Accrual {
    currency: Currency,
    micro: i128,
}

impl Accrual {
    /// Makes an accrual of millionths of a minor unit.
    pub fn new(micro: i128, currency: Currency) -> Self {
        Self { currency, micro }
    }

    /// Returns the millionths.
    pub fn micro(self) -> i128 {
        self.micro
    }

    /// Returns the currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Adds an accrual of the same currency.
    pub fn plus(self, other: Self) -> Result<Self, Error> {
        let micro = self.micro.checked_add(self.same(other)?).ok_or(Error::Overflow)?;
        Ok(Self { micro, ..self })
    }

    /// Takes away an accrual of the same currency; the result may be negative.
    pub fn minus(self, other: Self) -> Result<Self, Error> {
        let micro = self.micro.checked_sub(self.same(other)?).ok_or(Error::Overflow)?;
        Ok(Self { micro, ..self })
    }

    fn same(self, other: Self) -> Result<i128, Error> {
        if self.currency == other.currency {
            Ok(other.micro)
        } else {
            Err(Error::Mixed(self.currency, other.currency))
        }
    }

    /// Returns the whole minor units in it, rounded down.
    pub fn whole(self) -> Amount {
        Amount::new(self.micro.div_euclid(MICRO), self.currency)
    }

    /// Returns the number alone with all its decimals: `0.12345678` for a currency of two.
    pub fn decimal(self) -> String {
        plain(self.micro, self.scale())
    }

    /// Returns the number alone with all its decimals and thousands marked.
    pub fn grouped(self) -> String {
        group(&self.decimal())
    }

    fn scale(self) -> u8 {
        self.currency.exponent.saturating_add(MICRO_SCALE)
    }
}

impl fmt::Display for Accrual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.grouped())
    }
}

impl fmt::Debug for Accrual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.decimal())
    }
}

/// Money in JSON: `{"amount":"12345","scale":2,"currency":"EUR"}`, the amount in units of
/// 10^-scale, as text, because a JSON number is not exact beyond 2^53.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    amount: String,
    scale: u8,
    currency: Currency,
}

impl Wire {
    fn read(&self, scale: u8) -> Result<i128, Error> {
        if self.scale != scale {
            let (currency, found) = (self.currency, usize::from(self.scale));
            return Err(Error::Decimals { currency, wanted: scale, found });
        }
        let value = self.amount.parse::<i128>().map_err(|_| Error::Number)?;
        // INVARIANT: one value has one text, or two digests could stand for one amount.
        if value.to_string() == self.amount { Ok(value) } else { Err(Error::Number) }
    }
}

impl From<Amount> for Wire {
    fn from(amount: Amount) -> Self {
        let (scale, currency) = (amount.currency.exponent, amount.currency);
        Self { amount: amount.minor.to_string(), scale, currency }
    }
}

impl TryFrom<Wire> for Amount {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self, Error> {
        Ok(Self::new(wire.read(wire.currency.exponent)?, wire.currency))
    }
}

impl From<Accrual> for Wire {
    fn from(accrual: Accrual) -> Self {
        let (scale, currency) = (accrual.scale(), accrual.currency);
        Self { amount: accrual.micro.to_string(), scale, currency }
    }
}

impl TryFrom<Wire> for Accrual {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self, Error> {
        let scale = Self::new(0, wire.currency).scale();
        Ok(Self::new(wire.read(scale)?, wire.currency))
    }
}

fn plain(value: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let width = scale.saturating_add(1);
    let digits = format!("{:0>width$}", value.unsigned_abs());
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    let sign = if value < 0 { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

fn group(decimal: &str) -> String {
    let (whole, fraction) = match decimal.find('.') {
        Some(at) => decimal.split_at(at),
        None => (decimal, ""),
    };
    let (sign, whole) = match whole.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", whole),
    };
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len().saturating_sub(at);
        if at > 0 && left.is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(fraction);
    out
}

const MICRO_SCALE: u8 = 6;

/// The active currencies of ISO 4217 (list one, 2026), by number of decimals. Metals, testing
/// codes and units of account without a minor unit are left out: nobody is paid in them.
const CURRENCIES: [(u8, &str); 4] = [
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD \
         CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP \
         GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK \
         LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO \
         NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS \
         SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST \
         XAD XCD XCG YER ZAR ZMW ZWG",
    ),
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eur() -> Currency {
        Currency::parse("EUR").unwrap()
    }

    #[test]
    fn an_amount_has_exactly_its_currencys_decimals() {
        assert_eq!(Amount::parse("100000.00", eur()).unwrap().minor(), 10_000_000);
        assert_eq!(Amount::parse("7", Currency::parse("JPY").unwrap()).unwrap().minor(), 7);
        assert_eq!(Amount::parse("-0.001", Currency::parse("KWD").unwrap()).unwrap().minor(), -1);
        for text in ["100000", "1.0", "1.000"] {
            assert!(
                matches!(Amount::parse(text, eur()), Err(Error::Decimals { .. })),
                "a slip of the decimal point would fund a hundred times too much"
            );
        }
        for text in ["", ".00", "1.", "1,000.00", " 1.00", "1e3.00", "+1.00", "--1.00", "1.0.0"] {
            assert_eq!(Amount::parse(text, eur()), Err(Error::Number), "{text}");
        }
    }

    #[test]
    fn thousands_are_marked_and_cents_are_kept() {
        for (minor, text) in
            [(10_000_000, "100,000.00"), (-123_456, "-1,234.56"), (5, "0.05"), (99_999, "999.99")]
        {
            assert_eq!(Amount::new(minor, eur()).grouped(), text);
        }
        assert_eq!(Amount::new(1_000, Currency::parse("JPY").unwrap()).to_string(), "JPY 1,000");
        assert_eq!(Accrual::new(1_234_567, eur()).decimal(), "0.01234567");
    }

    #[test]
    fn euros_and_dollars_do_not_add_up() {
        let dollar = Amount::new(1, Currency::parse("USD").unwrap());
        assert!(matches!(Amount::new(1, eur()).plus(dollar), Err(Error::Mixed(..))));
        assert_eq!(Currency::parse("XAU"), Err(Error::Currency));
        assert_eq!(Currency::parse("eur"), Err(Error::Currency));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_refused() {
        let most = Amount::new(i128::MAX, eur());
        assert_eq!(most.plus(Amount::new(1, eur())), Err(Error::Overflow));
        assert_eq!(most.to_accrual(), Err(Error::Overflow));
        assert_eq!(most.portion_floor(500, 10_000), Err(Error::Overflow));
    }

    #[test]
    fn a_fee_rounds_down() {
        let fee = Amount::new(10_001, eur()).portion_floor(500, 10_000).unwrap();
        assert_eq!(fee.minor(), 500, "the payer of the fee would lose the fraction");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_amount_reads_back_as_it_was_written(minor in any::<i128>(), code in 0_usize..4) {
            let codes = ["EUR", "JPY", "KWD", "CLF"];
            let currency = Currency::parse(codes[code]).unwrap();
            let amount = Amount::new(minor, currency);
            prop_assert_eq!(Amount::parse(&amount.decimal(), currency), Ok(amount));
            let json = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), amount);
            let accrual = Accrual::new(minor, currency);
            let json = serde_json::to_string(&accrual).unwrap();
            prop_assert_eq!(serde_json::from_str::<Accrual>(&json).unwrap(), accrual);
        }
    }
}
