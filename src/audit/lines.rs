//! The tables that a settlement leaves, read plainly: a line a contributor, what is held back for
//! whom, a line an institution; and the leaf that commits to a line.
//!
//! Comes in: Parquet bytes. Goes out: [`Line`], [`Held`], [`Share`]. Never: a cell that was guessed.

use std::collections::BTreeMap;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    compared::Slack,
    table::{self, ints, texts},
};
use crate::digest::{Sha3Digest, canonical, hmac_sha3_parts};

/// The columns of weights, in the order of layers: decimal text.
pub(super) const WEIGHTS: [&str; 4] = ["base_weight", "usage_weight", "new_weight", "value_weight"];

/// The columns of money, in order.
pub(super) const MONEY: [&str; 17] = [
    "base_micro",
    "usage_micro",
    "new_micro",
    "value_micro",
    "gross_micro",
    "institution_micro",
    "platform_micro",
    "person_micro",
    "adjust_micro",
    "debt_micro",
    "held_micro",
    "vested_micro",
    "opening_micro",
    "closing_micro",
    "payable_minor",
    "tax_minor",
    "paid_minor",
];

/// One contributor's line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) contributor: String,
    /// By layer: base, usage, new data, value.
    pub(super) weights: [u128; 4],
    pub(super) micro: [i64; 4],
    pub(super) gross: i64,
    pub(super) institution: i64,
    pub(super) platform: i64,
    pub(super) person: i64,
    pub(super) adjust: i64,
    pub(super) debt: i64,
    pub(super) held: i64,
    pub(super) vested: i64,
    pub(super) opening: i64,
    pub(super) closing: i64,
    pub(super) payable: i64,
    pub(super) tax: i64,
    pub(super) paid: i64,
}

impl Line {
    /// Returns the cells of [`MONEY`], in its order.
    pub(super) fn money(&self) -> [i64; 17] {
        let [base, usage, new, value] = self.micro;
        [
            base,
            usage,
            new,
            value,
            self.gross,
            self.institution,
            self.platform,
            self.person,
            self.adjust,
            self.debt,
            self.held,
            self.vested,
            self.opening,
            self.closing,
            self.payable,
            self.tax,
            self.paid,
        ]
    }

    fn of(contributor: String, weights: [u128; 4], money: [i64; 17]) -> Self {
        let [
            base,
            usage,
            new,
            value,
            gross,
            institution,
            platform,
            person,
            adjust,
            debt,
            held,
            vested,
            opening,
            closing,
            payable,
            tax,
            paid,
        ] = money;
        Self {
            contributor,
            weights,
            micro: [base, usage, new, value],
            gross,
            institution,
            platform,
            person,
            adjust,
            debt,
            held,
            vested,
            opening,
            closing,
            payable,
            tax,
            paid,
        }
    }

    /// Names the columns in which two lines of one contributor differ.
    pub(super) fn differing(&self, other: &Self, slack: Slack) -> Vec<&'static str> {
        let weights = WEIGHTS.into_iter().zip(self.weights.iter().zip(&other.weights));
        let money = MONEY.into_iter().zip(self.money().into_iter().zip(other.money()));
        let weights = weights.filter_map(|(name, (a, b))| {
            let same = a == b || (name == "usage_weight" && slack.is_weight_near(*a, *b));
            (!same).then_some(name)
        });
        let money = money.filter_map(|(name, (a, b))| {
            let (a, b) = (i128::from(a), i128::from(b));
            let same = match name {
                "closing_micro" => slack.is_rest_near(a, b),
                name if name.ends_with("_minor") => slack.is_whole_near(a, b),
                _ => slack.is_near(a, b),
            };
            (!same).then_some(name)
        });
        weights.chain(money).collect()
    }

    /// Returns the leaf that commits to the line under its person's key.
    pub(super) fn leaf(&self, pool: &str, period: &str, key: &[u8; 32]) -> Option<[u8; 64]> {
        let mut cells = Map::new();
        for (name, text) in [("pool", pool), ("period", period), ("contributor", &self.contributor)]
        {
            cells.insert(name.to_owned(), text.into());
        }
        for (name, weight) in WEIGHTS.into_iter().zip(self.weights) {
            cells.insert(name.to_owned(), weight.to_string().into());
        }
        for (name, cell) in MONEY.into_iter().zip(self.money()) {
            cells.insert(name.to_owned(), cell.to_string().into());
        }
        let text = canonical(&Value::Object(cells)).ok()?;
        let (pool, period) = (pool.as_bytes(), period.as_bytes());
        let token = hmac_sha3_parts(key, &[b"rdm/payout-token/v1", pool, period]);
        let salt = hmac_sha3_parts(key, &[b"rdm/payout-salt/v1", pool, period]);
        let digest = Sha3Digest::of(&text);
        let sealed = hmac_sha3_parts(&salt, &[b"rdm/payout/v1", pool, period, digest.as_bytes()]);
        let mut leaf = [0; 64];
        let (left, right) = leaf.split_at_mut(32);
        left.copy_from_slice(&token);
        right.copy_from_slice(&sealed);
        Some(leaf)
    }
}

/// What of a person's earnings waits: for how many settlements still, and how much.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    pub(super) contributor: String,
    pub(super) due: i64,
    pub(super) micro: i64,
}

/// One institution's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) institution: String,
    pub(super) weight: u128,
    pub(super) accrued: i64,
    pub(super) opening: i64,
    pub(super) closing: i64,
    pub(super) paid: i64,
}

impl Share {
    /// Says whether two lines are of one institution, and the same but for ties of erased people.
    pub(super) fn is_near(&self, other: &Self, slack: Slack) -> bool {
        let near = |a: i64, b: i64| slack.is_near(a.into(), b.into());
        (&self.institution, self.weight) == (&other.institution, other.weight)
            && near(self.accrued, other.accrued)
            && self.opening == other.opening
            && slack.is_rest_near(self.closing.into(), other.closing.into())
            && slack.is_whole_near(self.paid.into(), other.paid.into())
    }
}

/// Reads the lines of contributors; `None` where the bytes hold no lines.
pub(super) fn lines(bytes: Bytes) -> Option<Vec<Line>> {
    rows(bytes, |batch, all| {
        let contributor = texts(batch, "contributor")?;
        let weights: Vec<&StringArray> = columns(&WEIGHTS, |name| texts(batch, name))?;
        let money: Vec<&Int64Array> = columns(&MONEY, |name| ints(batch, name))?;
        for row in 0..batch.num_rows() {
            let weights: Option<Vec<u128>> =
                weights.iter().map(|column| column.value(row).parse().ok()).collect();
            let money: Vec<i64> = money.iter().map(|column| column.value(row)).collect();
            let contributor = contributor.value(row).to_owned();
            let (weights, money) = (weights?.try_into().ok()?, money.try_into().ok()?);
            all.push(Line::of(contributor, weights, money));
        }
        Some(())
    })
}

/// Reads what is held back; `None` where the bytes hold no such thing.
pub(super) fn held(bytes: Bytes) -> Option<Vec<Held>> {
    rows(bytes, |batch, all| {
        let contributor = texts(batch, "contributor")?;
        let (due, micro) = (ints(batch, "due")?, ints(batch, "micro")?);
        for row in 0..batch.num_rows() {
            all.push(Held {
                contributor: contributor.value(row).to_owned(),
                due: due.value(row),
                micro: micro.value(row),
            });
        }
        Some(())
    })
}

/// Reads the lines of institutions; `None` where the bytes hold no lines.
pub(super) fn institutions(bytes: Bytes) -> Option<Vec<Share>> {
    rows(bytes, |batch, all| {
        let (institution, weight) = (texts(batch, "institution")?, texts(batch, "weight")?);
        let of = |name| ints(batch, name);
        let (accrued, opening) = (of("accrued_micro")?, of("opening_micro")?);
        let (closing, paid) = (of("closing_micro")?, of("paid_minor")?);
        for row in 0..batch.num_rows() {
            all.push(Share {
                institution: institution.value(row).to_owned(),
                weight: weight.value(row).parse().ok()?,
                accrued: accrued.value(row),
                opening: opening.value(row),
                closing: closing.value(row),
                paid: paid.value(row),
            });
        }
        Some(())
    })
}

/// Reads every batch of a table into one list.
pub(super) fn rows<T>(
    bytes: Bytes,
    read: impl Fn(&RecordBatch, &mut Vec<T>) -> Option<()>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for batch in table::batches(bytes)? {
        read(&batch, &mut all)?;
    }
    Some(all)
}

fn columns<'a, T>(
    names: &[&'static str],
    column: impl Fn(&'static str) -> Option<&'a T>,
) -> Option<Vec<&'a T>> {
    names.iter().map(|name| column(name)).collect()
}

/// Finds lines by contributor.
pub(super) fn by_contributor(lines: &[Line]) -> BTreeMap<&str, &Line> {
    lines.iter().map(|line| (line.contributor.as_str(), line)).collect()
}
