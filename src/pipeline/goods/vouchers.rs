//! Vouchers: listed for handing out, shown, proven, and ended once: redeemed, given back, or expired.
//!
//! Comes in: a code, a person, a pool. Goes out: vouchers as they stand, and commits that end them.
//! Never: a code or a person in an error, a log or the book.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Error, commit, given_lines, goods, goods_of, json, load_goods, object, secrets, subject,
};
use crate::{
    digest::{Sha3Digest, hex},
    instant::Date,
    ledger::{Entry, EntryId, Kind},
    money::Amount,
    party::ContributorId,
    pipeline::{fund::Done, settle::LineKeys},
    reward::{
        PoolId,
        goods::{
            GivingProof, GivingTree, GoodsAct, Item, ItemId, Lapse, Lapsed, Redeemed, Secrets,
            Voucher, VoucherCode, VoucherId, VoucherState,
        },
        proof::leaf_hash,
    },
    site::Site,
};

/// A voucher, with what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The voucher.
    pub voucher: Voucher,
    /// What it is worth at the recorded price.
    pub value: Amount,
}

/// What became of vouchers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The pool.
    pub pool: PoolId,
    /// Of what.
    pub item: ItemId,
    /// How many.
    pub units: u64,
    /// What they were worth.
    pub value: Amount,
    /// The commit and entry.
    pub done: Done,
}

/// Returns all vouchers of an item, by giving and contributor.
fn of_item(
    site: &Site,
    secrets: &Secrets,
    pool: &PoolId,
    name: &ItemId,
    item: &Item,
) -> Result<Vec<Voucher>, Error> {
    let mut vouchers = Vec::new();
    for given in &item.given {
        for line in given_lines(site, given.commit, &given.act)? {
            for number in
                (line.held.saturating_add(1)..).take_while(|n| n - line.held <= line.units)
            {
                let id = secrets.id(pool, name, &line.contributor, number);
                vouchers.push(Voucher {
                    state: item.state(&id),
                    id,
                    pool: pool.clone(),
                    item: name.clone(),
                    contributor: line.contributor.clone(),
                    number,
                    period: given.act.period.clone(),
                    giving: given.commit,
                    expires: given.act.expires,
                });
            }
        }
    }
    Ok(vouchers)
}

/// Returns a pool's vouchers that may still be redeemed, each with its code, for handing out.
pub fn listed(site: &Site, pool: &PoolId) -> Result<Vec<(Voucher, VoucherCode)>, Error> {
    let (secrets, today) = (secrets(site), site.now().date());
    let open =
        |v: &Voucher| v.state == VoucherState::Issued && v.expires.is_none_or(|last| today <= last);
    let mut listed = Vec::new();
    for (pool, goods) in goods_of(site, Some(pool))? {
        for (name, item) in &goods {
            for voucher in of_item(site, &secrets, &pool, name, item)? {
                if open(&voucher) {
                    let code = secrets.code(&pool, name, &voucher.contributor, voucher.number);
                    listed.push((voucher, code));
                }
            }
        }
    }
    Ok(listed)
}

/// Finds the voucher of a code.
pub fn find(site: &Site, code: &VoucherCode) -> Result<Found, Error> {
    let secrets = secrets(site);
    for (pool, goods) in goods(site)? {
        for (name, item) in &goods {
            let vouchers = of_item(site, &secrets, &pool, name, item)?;
            let own = |v: &Voucher| secrets.code(&pool, name, &v.contributor, v.number) == *code;
            if let Some(voucher) = vouchers.into_iter().find(own) {
                return Ok(Found { voucher, value: item.unit_price });
            }
        }
    }
    Err(Error::NoVoucher)
}

/// Redeems a voucher: its unit is handed out. A second time is refused, with the day of the first.
pub fn redeem(site: &Site, code: &VoucherCode) -> Result<Ended, Error> {
    let (found, newest, giving) = standing(site, code)?;
    let Voucher { id, pool, item, giving: at, .. } = found.voucher;
    let txn = site.txn()?;
    let entry = entry(
        site,
        &txn,
        Kind::VoucherRedeemed,
        None,
        (&pool, &item),
        std::slice::from_ref(&id),
        found.value,
        giving,
    )?;
    let act = Redeemed { pool: pool.clone(), item: item.clone(), giving: at, voucher: id };
    let done = commit(site, txn, newest, GoodsAct::Redeemed(act), &entry)?;
    Ok(Ended { pool, item, units: 1, value: found.value, done })
}

/// Takes a voucher back from an owner who does not want it; its unit goes to the next giving.
pub fn give_back(site: &Site, code: &VoucherCode) -> Result<Ended, Error> {
    let (found, newest, giving) = standing(site, code)?;
    let Voucher { id, pool, item, .. } = found.voucher;
    lapse(site, newest, Lapse::Returned, (pool, item), vec![id], found.value, giving)
}

/// Ends all vouchers of a pool whose last day is over; their units go to the next giving.
pub fn end_expired(site: &Site, pool: &PoolId) -> Result<Vec<Ended>, Error> {
    let (secrets, today) = (secrets(site), site.now().date());
    let (_, mut newest) = load_goods(site)?;
    let mut ended = Vec::new();
    for (pool, goods) in goods_of(site, Some(pool))? {
        for (name, item) in goods {
            let vouchers = of_item(site, &secrets, &pool, &name, &item)?;
            let over = |v: &Voucher| {
                v.state == VoucherState::Issued && v.expires.is_some_and(|last| last < today)
            };
            let mut over: Vec<VoucherId> =
                vouchers.into_iter().filter(over).map(|v| v.id).collect();
            over.sort();
            let Some(giving) = item.given.last().filter(|_| !over.is_empty()) else { continue };
            let giving = leaf_hash(giving.entry.as_bytes());
            let value = item.value(over.len() as u64)?;
            let of = (pool.clone(), name);
            let one = lapse(site, newest, Lapse::Expired, of, over, value, giving)?;
            newest = one.done.commit;
            ended.push(one);
        }
    }
    Ok(ended)
}

/// Finds a voucher that may be redeemed today, with the newest commit and the entry of its giving.
fn standing(site: &Site, code: &VoucherCode) -> Result<(Found, u64, EntryId), Error> {
    let (all, newest) = load_goods(site)?;
    let found = find(site, code)?;
    let voucher = &found.voucher;
    match voucher.state {
        VoucherState::Redeemed(time) => {
            return Err(Error::Over { how: "redeemed", on: time.date() });
        }
        VoucherState::Lapsed(how, time) => {
            return Err(Error::Over { how: how.name(), on: time.date() });
        }
        VoucherState::Issued => {}
    }
    if let Some(last) = voucher.expires.filter(|last| *last < site.now().date()) {
        return Err(Error::Late(last));
    }
    let item = all.get(&voucher.pool).and_then(|goods| goods.get(&voucher.item));
    let giving = item.and_then(|item| item.given.iter().find(|g| g.commit == voucher.giving));
    let giving = giving.map(|g| leaf_hash(g.entry.as_bytes())).ok_or(Error::NoVoucher)?;
    Ok((found, newest, giving))
}

fn lapse(
    site: &Site,
    newest: u64,
    how: Lapse,
    (pool, item): (PoolId, ItemId),
    vouchers: Vec<VoucherId>,
    value: Amount,
    giving: EntryId,
) -> Result<Ended, Error> {
    let units = vouchers.len() as u64;
    let of = (&pool, &item);
    let txn = site.txn()?;
    let entry = entry(site, &txn, Kind::VouchersLapsed, Some(how), of, &vouchers, value, giving)?;
    let act = Lapsed { pool: pool.clone(), item: item.clone(), how, vouchers };
    let done = commit(site, txn, newest, GoodsAct::Lapsed(act), &entry)?;
    Ok(Ended { pool, item, units, value, done })
}

/// Makes the entry of vouchers that end: how many, and a commitment to which, keyed and salted.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a member of the entry, or what it is signed with"
)]
fn entry(
    site: &Site,
    txn: &str,
    kind: Kind,
    how: Option<Lapse>,
    (pool, item): (&PoolId, &ItemId),
    vouchers: &[VoucherId],
    value: Amount,
    giving: EntryId,
) -> Result<Entry, Error> {
    let commitment = secrets(site).commitment(txn, pool, item, vouchers);
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("pool", pool.as_str().into());
    put("item", item.as_str().into());
    put("units", vouchers.len().into());
    put("value", json(&value)?);
    put("commitment", hex(&commitment).into());
    if let Some(how) = how {
        put("how", how.name().into());
    }
    let subject = subject(format!("vouchers:{pool}/{item}"), Sha3Digest(commitment));
    Ok(site.entry(kind, &[subject], &[giving], &body)?)
}

/// What a person was given of an item for one period, with the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// The pool.
    pub pool: PoolId,
    /// The item.
    pub item: ItemId,
    /// The last day of the vouchers.
    pub expires: Option<Date>,
    /// The ids of the vouchers.
    pub vouchers: Vec<VoucherId>,
    /// That the line is under the root in the book.
    pub proof: GivingProof,
}

/// Returns what one person, by all ids, was given in a pool, each with its proof.
pub fn prove(site: &Site, pool: &PoolId, whose: &[ContributorId]) -> Result<Vec<Proven>, Error> {
    let (secrets, keys) = (secrets(site), LineKeys::load(site)?);
    let mut proven = Vec::new();
    for (pool, goods) in goods_of(site, Some(pool))? {
        for (name, item) in &goods {
            let vouchers = of_item(site, &secrets, &pool, name, item)?;
            for given in &item.given {
                let act = &given.act;
                let changed = || Error::Changed { path: act.leaves.path.clone() };
                let tree = GivingTree::read(act, &object(site, &act.leaves)?);
                let tree = tree.ok_or_else(changed)?;
                let lines = given_lines(site, given.commit, act)?;
                for line in lines.iter().filter(|line| whose.contains(&line.contributor)) {
                    let entry = leaf_hash(given.entry.as_bytes());
                    let key = keys.of(&line.contributor);
                    let own = |v: &&Voucher| {
                        v.giving == given.commit && v.contributor == line.contributor
                    };
                    proven.push(Proven {
                        pool: pool.clone(),
                        item: name.clone(),
                        expires: act.expires,
                        vouchers: vouchers.iter().filter(own).map(|v| v.id.clone()).collect(),
                        proof: tree.prove(line, &key, entry)?.ok_or_else(changed)?,
                    });
                }
            }
        }
    }
    Ok(proven)
}
