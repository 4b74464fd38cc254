//! The books of goods: units of an item as a commodity at its recorded price, apart from the cash.
//!
//! Comes in: a pool's goods. Goes out: hledger, beancount or CSV text that stands for itself, or
//! behind the pool's journal. Never: a posting in money, or a transaction that does not balance.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{Goods, Item, ItemId};
use crate::{
    digest::Sha256,
    instant::Instant,
    money::{Amount, Error},
    reward::{
        Dated, PoolId,
        journal::{Dialect, capitalised},
        proof::leaf_hash,
    },
};

/// One move of units from an account to another.
struct Move<'a> {
    time: Instant,
    commit: u64,
    entry: Sha256,
    narration: String,
    item: &'a ItemId,
    unit_price: Amount,
    units: i64,
    /// The account that is debited, and the one that is credited.
    accounts: [&'a str; 2],
}

/// The accounts of a pool's goods.
struct Accounts {
    stores: String,
    pool: String,
    vouchers: String,
}

impl Accounts {
    fn of(pool: &PoolId) -> Self {
        let name = capitalised(pool.as_str());
        Self {
            stores: format!("Assets:Goods:{name}"),
            pool: format!("Liabilities:Goods:{name}"),
            vouchers: format!("Liabilities:Vouchers:{name}"),
        }
    }
}

/// Writes the books of a pool's goods.
pub fn write_journal(pool: &PoolId, goods: &Goods, dialect: Dialect) -> Result<String, Error> {
    let accounts = Accounts::of(pool);
    let mut moves = Vec::new();
    for (name, item) in goods {
        item_moves(&accounts, pool, name, item, &mut moves)?;
    }
    moves.sort_by_key(|m| (m.time, m.commit));
    Ok(match dialect {
        Dialect::Hledger => asserted(pool, &moves, "1. ")?,
        Dialect::Ledger => asserted(pool, &moves, "")?,
        Dialect::Beancount => beancount(pool, &moves)?,
        Dialect::Csv => csv(&moves),
    })
}

fn item_moves<'a>(
    accounts: &'a Accounts,
    pool: &PoolId,
    name: &'a ItemId,
    item: &Item,
    moves: &mut Vec<Move<'a>>,
) -> Result<(), Error> {
    let Accounts { stores, pool: held, vouchers } = accounts;
    let mut add = |at: (Instant, u64, &str), what: String, units: u64, accounts: [&'a str; 2]| {
        let (time, commit, entry) = at;
        moves.push(Move {
            time,
            commit,
            entry: leaf_hash(entry.as_bytes()),
            narration: format!("{what} {name} in {pool}"),
            item: name,
            unit_price: item.unit_price,
            units: i64::try_from(units).map_err(|_| Error::Overflow)?,
            accounts,
        });
        Ok(())
    };
    for act in &item.received {
        add(at(act), "receive".to_owned(), act.act.units, [stores, held])?;
    }
    for act in &item.given {
        let what = format!("give for {}", act.act.period);
        add(at(act), what, act.act.units, [held, vouchers])?;
    }
    for act in &item.redeemed {
        add(at(act), "redeem".to_owned(), 1, [vouchers, stores])?;
    }
    for act in &item.lapsed {
        let units = u64::try_from(act.act.vouchers.len()).map_err(|_| Error::Overflow)?;
        add(at(act), act.act.how.name().to_owned(), units, [vouchers, held])?;
    }
    Ok(())
}

fn at<T>(act: &Dated<T>) -> (Instant, u64, &str) {
    (act.time, act.commit, &act.entry)
}

/// The balance of each account in each item.
type Balances<'a> = BTreeMap<(&'a str, &'a ItemId), i64>;

/// Posts a move; returns what each of its accounts holds then.
fn post<'a>(balances: &mut Balances<'a>, m: &Move<'a>) -> Result<[(i64, i64); 2], Error> {
    let [debit, credit] = m.accounts;
    let less = m.units.checked_neg().ok_or(Error::Overflow)?;
    let mut one = |account: &'a str, units: i64| {
        let balance = balances.entry((account, m.item)).or_default();
        *balance = balance.checked_add(units).ok_or(Error::Overflow)?;
        Ok((units, *balance))
    };
    Ok([one(debit, m.units)?, one(credit, less)?])
}

/// The form that hledger and ledger share: every posting with the balance that it leads to. A decimal
/// mark tells hledger that units are whole.
fn asserted(pool: &PoolId, moves: &[Move<'_>], mark: &str) -> Result<String, Error> {
    let mut out = format!("; almoner: goods of pool {pool}\n");
    let items: BTreeSet<&ItemId> = moves.iter().map(|m| m.item).collect();
    for item in items {
        let _ = writeln!(out, "commodity {mark}\"{}\"", commodity(item));
    }
    for account in moves.iter().flat_map(|m| m.accounts).collect::<BTreeSet<_>>() {
        let _ = writeln!(out, "account {account}");
    }
    let mut balances = Balances::new();
    for m in moves {
        let _ = writeln!(out, "\n{} * {}  ; entry:{}", m.time.date(), m.narration, m.entry);
        let (name, price) = (commodity(m.item), m.unit_price);
        for (account, (units, balance)) in m.accounts.into_iter().zip(post(&mut balances, m)?) {
            let _ = writeln!(
                out,
                "    {account}  {units} \"{name}\" @ {} {} = {balance} \"{name}\"",
                price.decimal(),
                price.currency()
            );
        }
    }
    Ok(out)
}

fn beancount(pool: &PoolId, moves: &[Move<'_>]) -> Result<String, Error> {
    let mut out = format!("; almoner: goods of pool {pool}\n");
    let Some(first) = moves.first().map(|m| m.time.date()) else { return Ok(out) };
    for account in moves.iter().flat_map(|m| m.accounts).collect::<BTreeSet<_>>() {
        let _ = writeln!(out, "{first} open {account}");
    }
    let mut balances = Balances::new();
    let mut last = first;
    for m in moves {
        let [(units, _), (less, _)] = post(&mut balances, m)?;
        let [debit, credit] = m.accounts;
        let (name, price) = (commodity(m.item), m.unit_price);
        last = m.time.date();
        let _ = writeln!(
            out,
            "\n{last} * \"{}\"\n  entry: \"{}\"\n  {debit}  {units} {name} @ {price} {currency}\n  \
             {credit}  {less} {name} @ {price} {currency}",
            m.narration,
            m.entry,
            price = price.decimal(),
            currency = price.currency(),
        );
    }
    // An assertion holds at the beginning of its day.
    let after = last.succ_opt().ok_or(Error::Overflow)?;
    out.push('\n');
    for ((account, item), balance) in &balances {
        let _ = writeln!(out, "{after} balance {account}  {balance} {}", commodity(item));
    }
    Ok(out)
}

/// The columns are those of a pool's journal; an item stands where a currency would.
fn csv(moves: &[Move<'_>]) -> String {
    let mut out =
        String::from("date,time,commit,entry,narration,account,side,minor,amount,currency\n");
    for m in moves {
        for (account, side) in m.accounts.into_iter().zip(["debit", "credit"]) {
            let sign = if side == "credit" { "-" } else { "" };
            let _ = writeln!(
                out,
                "{},{},{},{},{},{account},{side},{sign}{units},{units},{}",
                m.time.date(),
                m.time,
                m.commit,
                m.entry,
                m.narration,
                commodity(m.item),
                units = m.units,
            );
        }
    }
    out
}

fn commodity(item: &ItemId) -> String {
    item.as_str().to_ascii_uppercase()
}
