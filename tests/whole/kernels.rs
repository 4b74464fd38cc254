//! Random cases of the money's kernels, written down with what ours make of them: `tests/oracles` lets
//! `apportionment` and `pyDVL` of `PyPI` reckon the same again.

use std::{fs, num::NonZeroU32, path::Path};

use almoner::reward::{Neighbour, apportion, knn_shapley, units};
use serde_json::{Value, json};

/// xorshift64: the same cases on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    /// Weights of one size for all, some of them zero, not all.
    fn weights(&mut self, payees_max: u64) -> Vec<u128> {
        let size = 1_u64 << (2 + self.below(40));
        let count = 2 + self.below(payees_max - 1);
        let mut weights: Vec<u128> =
            (0..count).map(|_| u128::from(self.below(size) * self.below(8).min(1))).collect();
        weights[0] += 1;
        weights
    }
}

fn texts(numbers: &[u128]) -> Vec<String> {
    numbers.iter().map(u128::to_string).collect()
}

#[test]
fn cases_of_the_kernels_are_left_for_other_programs_to_reckon_again() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let hamilton: Vec<Value> = (0..3_000)
        .map(|_| {
            let weights = dice.weights(40);
            let size = 10_u64.pow(u32::try_from(1 + dice.below(14)).unwrap());
            let amount = u128::from(1 + dice.below(size));
            let keys: Vec<usize> = (0..weights.len()).collect();
            let given = apportion(amount, &weights, &keys).unwrap();
            assert_eq!(given.shares.iter().sum::<u128>(), amount, "a unit was lost or made");
            json!({"amount": amount.to_string(), "weights": texts(&weights),
                   "shares": texts(&given.shares)})
        })
        .collect();
    let sainte_lague: Vec<Value> = (0..400)
        .map(|_| {
            let weights = dice.weights(8);
            let house = 1 + dice.below(100);
            let keys: Vec<usize> = (0..weights.len()).collect();
            let given = units(house, &weights, &keys).unwrap();
            json!({"house": house, "weights": texts(&weights), "units": given})
        })
        .collect();
    let shapley: Vec<Value> = (0..60_u32)
        .map(|case| {
            // The first half small enough for all coalitions, and all with more records than k.
            let records = if case < 30 { 8 } else { 20 + dice.below(60) };
            let k = NonZeroU32::new(u32::try_from(1 + dice.below(7)).unwrap()).unwrap();
            let mut neighbours: Vec<Neighbour> = (0..u32::try_from(records).unwrap())
                .map(|record| Neighbour {
                    distance: dice.below(1_000) * 100 + u64::from(record),
                    record,
                    is_match: dice.below(3) > 0,
                })
                .collect();
            let values = knn_shapley(k, &mut neighbours).unwrap();
            let rows: Vec<Value> = neighbours
                .iter()
                .zip(values)
                .map(|(near, value)| json!([near.distance, near.is_match, value]))
                .collect();
            json!({"k": k, "rows": rows})
        })
        .collect();
    let cases = json!({"hamilton": hamilton, "sainte_lague": sainte_lague, "shapley": shapley});
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(folder.join("kernels.json"), serde_json::to_vec(&cases).unwrap()).unwrap();
}
