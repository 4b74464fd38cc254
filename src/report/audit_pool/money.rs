//! Money as an audit writes it: exact, whole minor units and what is above them apart.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::{
    money::{Accrual, Amount, Currency, MICRO},
    report::number,
};

/// A sum does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum of the audit does not fit")]
pub struct TooLarge;

/// An exact sum of money. In JSON `{"minor", "micro", "decimal"}`: whole minor units, rounded down,
/// the millionths of a minor unit above them, and all of it as decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(Accrual);

impl Money {
    /// Returns nothing of a currency.
    pub fn zero(currency: Currency) -> Self {
        Self(Accrual::new(0, currency))
    }

    /// Takes millionths of a minor unit.
    pub fn of_micro(micro: i128, currency: Currency) -> Self {
        Self(Accrual::new(micro, currency))
    }

    /// Takes an amount.
    pub fn of(amount: Amount) -> Result<Self, TooLarge> {
        amount.to_accrual().map(Self).map_err(|_| TooLarge)
    }

    /// Returns the millionths of a minor unit.
    pub fn micro(self) -> i128 {
        self.0.micro()
    }

    /// Says whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0.micro() == 0
    }

    /// Adds.
    pub fn plus(self, other: Self) -> Result<Self, TooLarge> {
        let micro = self.micro().checked_add(other.micro()).ok_or(TooLarge)?;
        Ok(Self::of_micro(micro, self.0.currency()))
    }

    /// Takes away.
    pub fn minus(self, other: Self) -> Result<Self, TooLarge> {
        let micro = self.micro().checked_sub(other.micro()).ok_or(TooLarge)?;
        Ok(Self::of_micro(micro, self.0.currency()))
    }

    /// Adds up.
    pub fn sum(currency: Currency, all: impl IntoIterator<Item = Self>) -> Result<Self, TooLarge> {
        all.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    /// Returns the whole minor units, rounded down.
    pub fn minor(self) -> i128 {
        self.0.whole().minor()
    }

    /// Returns the millionths above the whole minor units.
    pub fn above(self) -> i128 {
        self.micro().rem_euclid(MICRO)
    }

    /// Returns exact decimal text: the currency's decimals where these are all, else six more.
    pub fn decimal(self) -> String {
        if self.above() == 0 { self.0.whole().decimal() } else { self.0.decimal() }
    }

    /// Returns the same with thousands marked, as people read it.
    pub fn shown(self) -> String {
        number::decimal(&self.decimal())
    }
}

impl From<Accrual> for Money {
    fn from(accrual: Accrual) -> Self {
        Self(accrual)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Money", 3)?;
        out.serialize_field("minor", &self.minor().to_string())?;
        out.serialize_field("micro", &self.above().to_string())?;
        out.serialize_field("decimal", &self.decimal())?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_exactly_below_the_cent_and_below_nothing() {
        let euro = Currency::parse("EUR").unwrap();
        let json = |micro| serde_json::to_string(&Money::of_micro(micro, euro)).unwrap();
        assert_eq!(
            json(2_222_625_000_000),
            r#"{"minor":"2222625","micro":"0","decimal":"22226.25"}"#
        );
        assert_eq!(
            json(-1),
            r#"{"minor":"-1","micro":"999999","decimal":"-0.00000001"}"#,
            "minor and micro together must still be the sum"
        );
        let yen = Currency::parse("JPY").unwrap();
        assert_eq!(Money::of_micro(5_000_000, yen).decimal(), "5");
        assert_eq!(Money::of_micro(i128::MAX, yen).plus(Money::of_micro(1, yen)), Err(TooLarge));
    }
}
