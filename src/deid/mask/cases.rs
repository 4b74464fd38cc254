//! Cases of the masks, written down with what ours make of them: `tests/oracles/masks.py` reckons the
//! same again with numpy.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::*;
use crate::party::ContributorId;

/// xorshift64: the same cases on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    /// A number without ties, or nothing one time in twelve.
    fn cell(&mut self) -> Option<f64> {
        let sum: u64 = (0..4).map(|_| self.below(1_000_003)).sum();
        (self.below(12) > 0).then_some(f64::from(u32::try_from(sum).unwrap()) / 7_919.0)
    }
}

#[test]
fn cases_of_the_masks_are_left_for_another_program_to_reckon_again() {
    let mut dice = Dice(0x51ab_1e5e_ed00_0001);
    let sticky = Sticky::new(&[6; 32], &[ContributorId::parse("p").unwrap()]);
    let mut cases: Vec<Value> = Vec::new();
    for (rows, width, k) in
        [(40, 1, 3), (300, 2, 5), (500, 3, 4), (1_200, 4, 7), (7, 2, 3), (2, 1, 3)]
    {
        let given: Vec<Vec<Option<f64>>> =
            (0..width).map(|_| (0..rows).map(|_| dice.cell()).collect()).collect();
        let persons: Vec<u32> = (0..).take(rows).collect();
        let columns = || -> BTreeMap<usize, ArrayRef> {
            let array =
                |of: &Vec<Option<f64>>| Arc::new(Float64Array::from(of.clone())) as ArrayRef;
            given.iter().map(array).enumerate().collect()
        };
        let show = |mask: Mask| -> Vec<Vec<Option<f64>>> {
            let mut columns = columns();
            let masks = (0..width).map(|at| (at, &mask)).collect();
            run(&mut columns, &masks, &persons, &sticky).unwrap();
            columns.values().map(|column| numbers(column).unwrap()).collect()
        };
        let small = u32::try_from(k).unwrap();
        let tails = Tails { bottom_ppm: Some(30_000), top_ppm: Some(975_000) };
        let window = Fraction::parse("0.05").unwrap();
        let stream = "t.c".to_owned();
        cases.push(json!({
            "k": k, "given": given,
            "microaggregate": show(Mask::Microaggregate { group: "g".to_owned(), k: small }),
            "bottom": "0.03", "top": "0.975", "top_bottom": show(Mask::TopBottom { tails, k: small }),
            "window": 0.05,
            "rank_swap": show(Mask::RankSwap { window, tails: None, k: small, stream }),
        }));
    }
    assert_eq!(cases.len(), 6);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("masks.json"), serde_json::to_vec(&cases).unwrap()).unwrap();
}
