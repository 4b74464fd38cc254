//! Faulty rows: about one in a hundred, so that the quarantine has work.
//!
//! Comes in: a good row. Goes out: the same row with one fault that its schema must find.
//! Never: a faulty key or person, for such a row could pass for another's.

use super::{canary, dice::Dice, records::Table};

/// Faulty rows in a million.
const FAULT_PPM: u64 = 10_000;

/// Breaks a row now and then; says whether it did.
pub(super) fn strike(seed: u64, dice: &mut Dice, table: Table, cells: &mut Vec<String>) -> bool {
    if !dice.chance(FAULT_PPM) {
        return false;
    }
    let odd = canary::cell(seed);
    let (column, text): (&str, String) = match table {
        Table::Patients => dice_pick(
            dice,
            [("birth_date", odd), ("birth_date", "1970-02-31".into()), ("sex", "?".into())],
        ),
        Table::Visits => {
            dice_pick(dice, [("start", odd), ("kind", String::new()), ("cost", "-1".into())])
        }
        Table::Conditions => dice_pick(
            dice,
            [("onset", odd), ("code", String::new()), ("code_system", "ICD-9".into())],
        ),
        Table::Measurements => {
            dice_pick(dice, [("value", odd), ("value", "99999".into()), ("loinc", String::new())])
        }
    };
    match dice.below(8) {
        0 => {
            cells.pop();
        }
        1 => cells.push(canary::cell(seed)),
        _ => {
            let at = table.columns().iter().position(|name| *name == column);
            if let Some(cell) = at.and_then(|at| cells.get_mut(at)) {
                *cell = text;
            }
        }
    }
    true
}

fn dice_pick<T>(dice: &mut Dice, choices: [T; 3]) -> T {
    let [first, second, third] = choices;
    match dice.below(3) {
        0 => first,
        1 => second,
        _ => third,
    }
}
