//! The commits of goods as an auditor reads them, and what each one's entry in the book must say.
//!
//! Comes in: commits. Goes out: [`Said`], one a commit. Never: a person, a sponsor or a voucher named
//! in the book.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Evidence,
    commits::{Commits, Numbered},
    expected::{Said, shown},
    inputs::interval,
    shape::{Act, Named},
    table::{count, leaf_hash},
};
use crate::{
    digest::{Sha3Digest, Sha256, hex, hmac_sha3_parts},
    instant::{Date, Instant},
    ledger::Kind,
    money::Amount,
};

/// `vault/goods/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoodsCommit {
    pub(super) txn: String,
    pub(super) time: Instant,
    pub(super) act: GoodsAct,
    pub(super) entry: String,
}

/// What was done with goods.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum GoodsAct {
    Received(Received),
    Given(Box<Given>),
    Redeemed(Redeemed),
    Lapsed(Lapsed),
}

impl GoodsAct {
    /// Returns pool and item.
    pub(super) fn of(&self) -> (&str, &str) {
        match self {
            Self::Received(act) => (&act.pool, &act.item),
            Self::Given(act) => (&act.pool, &act.item),
            Self::Redeemed(act) => (&act.pool, &act.item),
            Self::Lapsed(act) => (&act.pool, &act.item),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Received {
    pub(super) pool: String,
    pub(super) item: String,
    pub(super) units: u64,
    pub(super) unit_price: Amount,
    pub(super) sponsor: String,
    pub(super) reference: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) pool: String,
    pub(super) period: String,
    pub(super) item: String,
    pub(super) units: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<Date>,
    pub(super) basis: Named,
    pub(super) lines: Named,
    pub(super) leaves: Named,
    pub(super) root: Sha256,
    pub(super) count: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Redeemed {
    pub(super) pool: String,
    pub(super) item: String,
    pub(super) giving: u64,
    pub(super) voucher: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Lapsed {
    pub(super) pool: String,
    pub(super) item: String,
    pub(super) how: String,
    pub(super) vouchers: Vec<String>,
}

/// What entries of one item refer to.
#[derive(Debug, Default)]
struct Heads {
    unit_price: Option<Amount>,
    /// The givings: commit and entry, in order.
    given: Vec<(u64, Sha256)>,
}

/// Returns what the entry of each commit must say, in order; `None` where it cannot be worked out.
pub(super) fn said(evidence: &Evidence, commits: &Commits) -> Vec<Option<Said>> {
    let mut heads: BTreeMap<(&str, &str), Heads> = BTreeMap::new();
    let all = commits.goods.iter();
    all.map(|commit| {
        let (pool, item) = commit.body.act.of();
        one(evidence, commits, commit, heads.entry((pool, item)).or_default())
    })
    .collect()
}

fn one(
    evidence: &Evidence,
    commits: &Commits,
    commit: &Numbered<GoodsCommit>,
    heads: &mut Heads,
) -> Option<Said> {
    let GoodsCommit { txn, time, act, entry } = &commit.body;
    let worth = |units: u64, price: Amount| {
        let minor = price.minor().checked_mul(i128::from(units))?;
        Some(Amount::new(minor, price.currency()))
    };
    let (kind, body, prev, subject) = match act {
        GoodsAct::Received(act) => {
            let Received { pool, item, units, unit_price, sponsor, reference } = act;
            heads.unit_price = Some(*unit_price);
            let parts = [pool, item, sponsor, reference].map(String::as_bytes);
            let token = hmac_sha3_parts(&evidence.secrets.sponsor_token, &parts);
            let sealed = hmac_sha3_parts(&evidence.secrets.payment_reference, &parts);
            let body = json!({
                "pool": pool,
                "item": item,
                "units": units,
                "unit_price": unit_price,
                "value": worth(*units, *unit_price)?,
                "sponsor_token": hex(&token),
                "reference_commitment": hex(&sealed),
            });
            let subject = (format!("goods:{pool}/{item}"), Sha3Digest(sealed));
            (Kind::GoodsReceived, body, vec![opened(commits, pool)?], subject)
        }
        GoodsAct::Given(act) => {
            let Given { pool, item, period, units, expires, basis, root, count, .. } = &**act;
            let body = json!({
                "pool": pool,
                "period": period,
                "item": item,
                "units": units,
                "value": worth(*units, heads.unit_price?)?,
                "expires": expires,
                "root": root,
                "count": shown(*count),
                "input_digest": basis.digest,
            });
            let mut prev = vec![settled(commits, pool, period)?];
            prev.extend(heads.given.last().map(|(_, entry)| *entry));
            heads.given.push((commit.number, leaf_hash(entry.as_bytes())));
            let subject = (format!("giving:{pool}/{item}@{period}"), basis.digest);
            (Kind::GoodsGiven, body, prev, subject)
        }
        GoodsAct::Redeemed(act) => {
            let sealed =
                ended(evidence, txn, &act.pool, &act.item, std::slice::from_ref(&act.voucher));
            let body = json!({
                "pool": act.pool,
                "item": act.item,
                "units": 1,
                "value": heads.unit_price?,
                "commitment": hex(&sealed),
            });
            let giving = heads.given.iter().find(|(number, _)| *number == act.giving)?.1;
            let subject = (format!("vouchers:{}/{}", act.pool, act.item), Sha3Digest(sealed));
            (Kind::VoucherRedeemed, body, vec![giving], subject)
        }
        GoodsAct::Lapsed(act) => {
            let sealed = ended(evidence, txn, &act.pool, &act.item, &act.vouchers);
            let units = count(&act.vouchers);
            let body = json!({
                "pool": act.pool,
                "item": act.item,
                "units": units,
                "value": worth(units, heads.unit_price?)?,
                "commitment": hex(&sealed),
                "how": act.how,
            });
            let giving = heads.given.last()?.1;
            let subject = (format!("vouchers:{}/{}", act.pool, act.item), Sha3Digest(sealed));
            (Kind::VouchersLapsed, body, vec![giving], subject)
        }
    };
    let subjects = vec![(subject.0, subject.1, None)];
    Some(Said { kind, time: *time, body, prev, subjects })
}

/// The commitment to vouchers that ended.
fn ended(evidence: &Evidence, txn: &str, pool: &str, item: &str, vouchers: &[String]) -> [u8; 32] {
    let label = b"almoner/vouchers-ended/v2".as_slice();
    let mut parts = vec![label, txn.as_bytes(), pool.as_bytes(), item.as_bytes()];
    parts.extend(vouchers.iter().map(String::as_bytes));
    hmac_sha3_parts(&evidence.secrets.voucher_ids, &parts)
}

/// The entry of a pool's opening.
fn opened(commits: &Commits, name: &str) -> Option<Sha256> {
    let own = commits
        .pools
        .iter()
        .find(|c| matches!(&c.body.act, Act::Opened(opened) if opened.pool == name))?;
    Some(leaf_hash(own.body.entry.as_bytes()))
}

/// The entry of the last settlement of a pool that ends with a period or before.
fn settled(commits: &Commits, name: &str, period: &str) -> Option<Sha256> {
    let (_, until) = interval(period)?;
    let counts = |act: &Act| match act {
        Act::Settled(act) => {
            act.pool == name && interval(&act.period).is_some_and(|(_, end)| end <= until)
        }
        Act::Opened(_) | Act::Funded(_) | Act::Overridden(_) | Act::Matched(_) => false,
    };
    let last = commits.pools.iter().rfind(|c| counts(&c.body.act))?;
    Some(leaf_hash(last.body.entry.as_bytes()))
}
