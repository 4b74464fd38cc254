//! Which records are compared at all: those that share a key of some pass. Joined in Polars.
//!
//! Comes in: a table of tokens. Goes out: for each pass, pairs of rows. A key that more than
//! [`BLOCK_MAX`] records share is cut by a second token of the pass; what is still larger is left
//! out and counted. Never: two rows of a pair in the wrong order, or a row with itself.

use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch, UInt32Array, UInt64Array};
use polars::prelude::{DataFrame, IntoLazy as _, JoinArgs, JoinType, LazyFrame, col, len, lit};

use super::{
    Error,
    batch::table as batch_of,
    tokens::{Table, Token, Tokens},
};
use crate::frame;

/// The most records of one block: two of them make 1,225 pairs.
pub const BLOCK_MAX: u32 = 50;

/// One pass: what must be the same, and what cuts a block that is too large.
pub(super) struct Pass {
    key: &'static [Token],
    cut: &'static [Token],
}

/// The passes over tokens; passes over each kind of identifier go before them.
const PASSES: &[Pass] = &[
    Pass { key: &[Token::Phone], cut: &[Token::GivenRoot] },
    Pass { key: &[Token::Email], cut: &[Token::GivenRoot] },
    Pass { key: &[Token::FamilySound, Token::BirthYear], cut: &[Token::GivenSound] },
    Pass { key: &[Token::Birth, Token::Sex, Token::GivenInitial], cut: &[Token::FamilySound] },
    Pass { key: &[Token::Birth, Token::GivenRoot], cut: &[Token::Postal] },
    Pass { key: &[Token::Birth, Token::Postal], cut: &[Token::GivenInitial] },
    Pass {
        key: &[Token::GivenRoot, Token::FamilySound, Token::Postal],
        cut: &[Token::BirthMonthDay],
    },
    Pass {
        key: &[Token::GivenSound, Token::FamilySound, Token::BirthMonthDay],
        cut: &[Token::Postal],
    },
    Pass { key: &[Token::House, Token::GivenRoot], cut: &[Token::BirthYear] },
];

/// What a pass found.
pub(super) struct Pairs {
    pub(super) left: UInt32Array,
    pub(super) right: UInt32Array,
    /// Blocks that stayed too large.
    pub(super) left_out: u64,
}

/// Returns how many passes a table has.
pub(super) fn passes(table: &Table) -> usize {
    table.kinds.len() + PASSES.len() + 1
}

/// Runs one pass.
pub(super) fn run(table: &Table, pass: usize) -> Result<Pairs, Error> {
    let mut keys = Keys::default();
    for (row, record) in (0_u32..).zip(&table.records) {
        let tokens = &record.tokens;
        if pass < table.kinds.len() {
            let all = tokens.ids.get(pass).and_then(|id| id.first()).copied().unwrap_or(0);
            keys.add(row, all, tokens.get(Token::GivenRoot));
        } else if let Some(pass) = PASSES.get(pass - table.kinds.len()) {
            keys.add(row, mixed(tokens, pass.key), mixed(tokens, pass.cut));
        } else {
            // Day and month either way round: the sum does not tell which.
            let (birth, swapped) = (tokens.get(Token::Birth), tokens.get(Token::BirthSwapped));
            let either = if birth == 0 { 0 } else { birth.wrapping_add(swapped) };
            let sound = tokens.get(Token::FamilySound);
            keys.add(row, mix(&[either, tokens.get(Token::GivenInitial)]), sound);
        }
    }
    pairs(keys)
}

fn mixed(tokens: &Tokens, of: &[Token]) -> u64 {
    let mut all = [0; 3];
    all.iter_mut().zip(of).for_each(|(slot, token)| *slot = tokens.get(*token));
    mix(all.get(..of.len()).unwrap_or_default())
}

/// One key of several tokens; nothing where one of them is nothing.
fn mix(tokens: &[u64]) -> u64 {
    if tokens.contains(&0) {
        return 0;
    }
    let step =
        |sum: u64, token: &u64| (sum.rotate_left(23) ^ token).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    tokens.iter().fold(1, step).max(1)
}

#[derive(Default)]
struct Keys {
    rows: Vec<u32>,
    shared: Vec<u64>,
    cuts: Vec<u64>,
}

impl Keys {
    fn add(&mut self, row: u32, key: u64, cut: u64) {
        if key != 0 {
            self.rows.push(row);
            self.shared.push(key);
            self.cuts.push(cut);
        }
    }
}

fn pairs(keys: Keys) -> Result<Pairs, Error> {
    let batch = batch_of(vec![
        ("row", Arc::new(UInt32Array::from(keys.rows))),
        ("key", Arc::new(UInt64Array::from(keys.shared))),
        ("cut", Arc::new(UInt64Array::from(keys.cuts))),
    ])?;
    let all = frame::to_polars(&batch)?.lazy();
    let counted = counted(all, &["key"], "n").filter(col("n").gt(lit(1_u32))).collect()?;
    let small = counted.clone().lazy().filter(col("n").lt_eq(lit(BLOCK_MAX)));
    let large = counted.lazy().filter(col("n").gt(lit(BLOCK_MAX)));
    let cut = counted_again(large)?;
    let left_out = cut
        .clone()
        .lazy()
        .filter(col("n2").gt(lit(BLOCK_MAX)))
        .select([col("key"), col("cut")])
        .group_by([col("key"), col("cut")])
        .agg([])
        .collect()?
        .height() as u64;
    let cut = cut.lazy().filter(col("n2").lt_eq(lit(BLOCK_MAX)));
    let one = joined(small, &["key"])?;
    let two = joined(cut, &["key", "cut"])?;
    let whole = one.vstack(&two)?;
    let whole = frame::to_arrow(&whole)?;
    Ok(Pairs { left: rows(&whole, 0)?, right: rows(&whole, 1)?, left_out })
}

fn counted_again(large: LazyFrame) -> Result<DataFrame, Error> {
    let kept =
        large.filter(col("cut").neq(lit(0_u64))).select([col("row"), col("key"), col("cut")]);
    Ok(counted(kept, &["key", "cut"], "n2").filter(col("n2").gt(lit(1_u32))).collect()?)
}

/// Adds how many rows share each row's keys.
fn counted(frame: LazyFrame, keys: &[&str], name: &str) -> LazyFrame {
    let on: Vec<_> = keys.iter().map(|key| col(*key)).collect();
    let counts = frame.clone().group_by(on.clone()).agg([len().alias(name)]);
    frame.join(counts, on.clone(), on, JoinArgs::new(JoinType::Inner))
}

/// Joins rows with the later rows of the same keys.
fn joined(frame: LazyFrame, keys: &[&str]) -> Result<DataFrame, Error> {
    let on: Vec<_> = keys.iter().map(|key| col(*key)).collect();
    let frame = frame.select([col("row"), col("key"), col("cut")]);
    let joined = frame.clone().join(frame, on.clone(), on, JoinArgs::new(JoinType::Inner));
    let later = joined.filter(col("row").lt(col("row_right")));
    Ok(later.select([col("row"), col("row_right")]).collect()?)
}

fn rows(batch: &RecordBatch, at: usize) -> Result<UInt32Array, Error> {
    let column =
        batch.columns().get(at).and_then(|c| c.as_primitive_opt::<arrow::datatypes::UInt32Type>());
    column.cloned().ok_or_else(|| Error::format("pairs", "rows are no numbers"))
}
