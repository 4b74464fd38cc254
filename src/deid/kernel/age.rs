//! Ages in years; those over the top age are one class (45 CFR 164.514(b)(2)(i)(C)).
//!
//! Comes in: `Int64` ages. Goes out: the same, none over `top_age + 1`.
//! Never: an age of 91 or more, whatever the schema says; the plan takes no top age over 89.

use arrow::array::Int64Array;

/// Ages over `top_age` become `top_age + 1`, which reads "that or more".
pub fn age(ages: &Int64Array, top_age: u32) -> Int64Array {
    let class = i64::from(top_age) + 1;
    ages.unary(|age| age.min(class))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn everyone_over_89_is_of_one_class() {
        let ages = Int64Array::from(vec![Some(0), Some(89), Some(90), Some(112), None]);
        let shown: Vec<_> = age(&ages, 89).iter().collect();
        assert_eq!(shown, [Some(0), Some(89), Some(90), Some(90), None]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_age_above_90_is_shown(ages in proptest::collection::vec(any::<i64>(), 0..50)) {
            prop_assert!(age(&Int64Array::from(ages), 89).values().iter().all(|a| *a <= 90));
        }
    }
}
