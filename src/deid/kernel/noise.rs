//! Numbers with noise of a stated scale added (Kim 1986; Brand 2002 for what it does to analyses).
//!
//! Comes in: `Int64` or `Float64`, for each row its person. Goes out: the same type.
//! Never: digits below a tenth of the scale, which noise would leave to be read; a second draw for the
//! same value of the same person (`kernel::sticky`); a value outside the column's range.
//!
//! It protects against whoever knows a value exactly and looks for it: the released one lies within
//! `scale` with probability 0.63 (Laplace) or 0.68 (normal) and within three with 0.95 or 0.997. It
//! gives no differential privacy: the scale is the pipeline's choice, not the sensitivity over epsilon,
//! and the draw sticks. It does not hide an outlier that lies many scales from all others: code the
//! ends instead. It costs variance, which grows by 2·scale² (Laplace) or scale² (normal); means stay,
//! and regressions on the column are weakened by var / (var + what was added), which is stated and can
//! be corrected for. A value that would leave the column's `range` stops at its end.

use arrow::{
    array::{Float64Array, Int64Array},
    datatypes::{Float64Type, Int64Type},
};

use super::{
    round::{self, Multiple},
    sticky::{Draw, Sticky},
};
use crate::schema::Distribution;

/// Noise of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// `table.column`, to which draws stick.
    pub(in crate::deid) stream: String,
    /// Its scale.
    pub(in crate::deid) scale: Multiple,
    /// How it is distributed.
    pub(in crate::deid) distribution: Distribution,
    /// The least value that the column may hold, and the greatest.
    pub(in crate::deid) range: (Option<f64>, Option<f64>),
}

impl Noise {
    /// Adds noise to integers.
    pub(super) fn integers(
        &self,
        values: &Int64Array,
        persons: &[u32],
        sticky: &Sticky,
    ) -> Int64Array {
        let step = self.scale.tenth().whole().unwrap_or(1);
        let (low, high) = (self.range.0.map(whole), self.range.1.map(whole));
        let rows = values.iter().zip(persons);
        let noisy: Int64Array = rows
            .map(|(value, person)| {
                let value = value?;
                let draw = sticky.draw(&self.stream, *person, &value.to_be_bytes());
                Some(value.saturating_add(whole(self.of(draw))))
            })
            .collect();
        let within = |value: i64| value.max(low.unwrap_or(i64::MIN)).min(high.unwrap_or(i64::MAX));
        round::integers(&noisy, step).unary::<_, Int64Type>(within)
    }

    /// Adds noise to floats.
    pub(super) fn floats(
        &self,
        values: &Float64Array,
        persons: &[u32],
        sticky: &Sticky,
    ) -> Float64Array {
        let (low, high) = self.range;
        let rows = values.iter().zip(persons);
        let noisy: Float64Array = rows
            .map(|(value, person)| {
                // Zero from below is zero.
                let value = value? + 0.0;
                let draw = sticky.draw(&self.stream, *person, &value.to_bits().to_be_bytes());
                Some(value + self.of(draw))
            })
            .collect();
        let within = |value: f64| {
            value.max(low.unwrap_or(f64::NEG_INFINITY)).min(high.unwrap_or(f64::INFINITY))
        };
        round::floats(&noisy, self.scale.tenth()).unary::<_, Float64Type>(within)
    }

    fn of(&self, draw: Draw) -> f64 {
        let (first, second) = draw.units();
        let unscaled = match self.distribution {
            // By the inverse of its distribution.
            Distribution::Laplace => {
                let side = first - 0.5;
                -side.signum() * (1.0 - 2.0 * side.abs()).ln()
            }
            // Box and Muller 1958.
            Distribution::Normal => {
                (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos()
            }
        };
        unscaled * self.scale.number()
    }
}

/// The integer nearest to a number.
#[expect(clippy::cast_possible_truncation, reason = "a cast to an integer stops at its ends")]
fn whole(number: f64) -> i64 {
    number.round() as i64
}

#[cfg(test)]
mod tests {
    use arrow::array::Array as _;
    use proptest::prelude::*;

    use super::*;
    use crate::party::ContributorId;

    fn noise(scale: &str, distribution: Distribution) -> Noise {
        let scale = Multiple::parse(scale).unwrap();
        Noise { stream: "t.c".to_owned(), scale, distribution, range: (None, None) }
    }

    fn people(count: u32) -> (Sticky, Vec<u32>) {
        let roster: Vec<_> =
            (0..count).map(|n| ContributorId::parse(&format!("p{n}")).unwrap()).collect();
        (Sticky::new(&[9; 32], &roster), (0..count).collect())
    }

    #[test]
    fn noise_has_no_bias_and_the_stated_variance() {
        let (sticky, persons) = people(40_000);
        let values = Float64Array::from(vec![70.0; 40_000]);
        for (distribution, variance) in [(Distribution::Laplace, 2.0), (Distribution::Normal, 1.0)]
        {
            let shown = noise("2", distribution).floats(&values, &persons, &sticky);
            let off: Vec<f64> = shown.values().iter().map(|shown| (shown - 70.0) / 2.0).collect();
            let mean = off.iter().sum::<f64>() / 40_000.0;
            let found = off.iter().map(|off| off * off).sum::<f64>() / 40_000.0;
            assert!(mean.abs() < 0.03, "{distribution:?} moves the mean by {mean}");
            assert!((found / variance - 1.0).abs() < 0.05, "{distribution:?} varies by {found}");
            let near =
                off.iter().map(|off| f64::from(u8::from(off.abs() < 1.0))).sum::<f64>() / 40_000.0;
            let stated = if variance > 1.5 { 0.632 } else { 0.683 };
            assert!(
                (near - stated).abs() < 0.02,
                "{near} of {distribution:?} lie within the scale"
            );
        }
    }

    #[test]
    fn low_digits_are_not_handed_on() {
        let (sticky, persons) = people(2);
        let values = Float64Array::from(vec![Some(70.123_456_789), None]);
        let shown = noise("0.5", Distribution::Normal).floats(&values, &persons, &sticky);
        assert!(shown.is_null(1), "noise made a value of nothing");
        let hundredths = shown.value(0) * 100.0;
        assert!((hundredths - hundredths.round()).abs() < 1e-9, "digits show through");
        let shown = noise("20", Distribution::Laplace).integers(
            &Int64Array::from(vec![12_345, 7]),
            &persons,
            &sticky,
        );
        assert!(shown.iter().flatten().all(|shown| shown.abs() < 20_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_value_gets_the_same_noise_again_and_keeps_to_its_range(
            values in proptest::collection::vec(proptest::option::of(any::<i64>()), 1..40),
            normal in any::<bool>(),
        ) {
            let (sticky, persons) = people(40);
            let distribution = if normal { Distribution::Normal } else { Distribution::Laplace };
            let noise = Noise { range: (Some(-50.0), Some(500.0)), ..noise("30", distribution) };
            let array = Int64Array::from(values.clone());
            let shown = noise.integers(&array, &persons, &sticky);
            prop_assert_eq!(&shown, &noise.integers(&array, &persons, &sticky));
            prop_assert_eq!(shown.null_count(), array.null_count());
            prop_assert!(shown.iter().flatten().all(|shown| (-50..=500).contains(&shown)));
        }
    }
}
