//! Goods: that there was what was given, that each unit went by the highest averages on all that was
//! earned, and that each voucher was issued and ended once.
//!
//! Comes in: commits, the vault, the register. Goes out: findings. Never: an allotment taken over.
//!
//! Highest averages are checked, not repeated: with what each had before, a giving is right where
//! every unit that was given has a larger average (or, as large, a smaller key) than every next one
//! that was not.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use bytes::Bytes;
use ethnum::U256;
use serde_json::{Map, Value, json};

use super::{
    Audit, Check,
    commits::Numbered,
    erased,
    goods::{Given, GoodsAct, GoodsCommit, Lapsed, Received, Redeemed},
    inputs::interval,
    lines::{lines, rows},
    paid::Sources,
    shape::{Act, Settled},
    table::{ascends, count, if_opens, ints, leaf_hash, object, root, texts},
};
use crate::{
    digest::{Sha3Digest, Sha256, canonical, hex, hmac_sha3_parts},
    instant::{Date, Instant},
    money::Amount,
    store,
};

/// One contributor's line of a giving.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    contributor: String,
    weight: u128,
    held: u64,
    units: u64,
}

/// One voucher that was issued.
#[derive(Debug)]
struct Issued {
    giving: u64,
    expires: Option<Date>,
    ended: bool,
}

/// One item of a pool, as the commits so far left it.
#[derive(Debug, Default)]
struct Item {
    unit_price: Option<Amount>,
    received: u64,
    /// Vouchers issued, less those whose units came back.
    out: u64,
    /// The last giving: the end of its period, its lines, and what they were read as.
    last: Option<(Instant, Value, Vec<Line>)>,
    vouchers: BTreeMap<String, Issued>,
}

/// Checks the goods of all pools, or of one.
pub(super) fn goods(
    sources: &Sources<'_>,
    audit: &mut Audit,
    only: Option<&str>,
) -> Result<(), store::Error> {
    let mut items: BTreeMap<(&str, &str), Item> = BTreeMap::new();
    let mut references: BTreeSet<(&str, &str)> = BTreeSet::new();
    for commit in &sources.commits.goods {
        let (pool, name) = commit.body.act.of();
        if only.is_some_and(|only| only != pool) {
            continue;
        }
        let item = items.entry((pool, name)).or_default();
        match &commit.body.act {
            GoodsAct::Received(act) => {
                let fresh = references.insert((pool, &act.reference));
                audit.check(Check::Once, &commit.path, fresh, "the gift was recorded before");
                received(sources, audit, &commit.path, item, act);
            }
            GoodsAct::Given(act) => given(sources, audit, commit, item, act)?,
            GoodsAct::Redeemed(act) => redeemed(audit, commit, item, act),
            GoodsAct::Lapsed(act) => lapsed(audit, commit, item, act),
        }
    }
    Ok(())
}

fn received(sources: &Sources<'_>, audit: &mut Audit, path: &str, item: &mut Item, act: &Received) {
    let currency = sources.commits.pools.iter().find_map(|c| match &c.body.act {
        Act::Opened(opened) if opened.pool == act.pool => Some(opened.currency),
        Act::Opened(_)
        | Act::Funded(_)
        | Act::Overridden(_)
        | Act::Matched(_)
        | Act::Settled(_) => None,
    });
    let price = act.unit_price;
    let same = item.unit_price.is_none_or(|before| before == price);
    let good = act.units > 0 && price.minor() > 0 && currency == Some(price.currency()) && same;
    let fault = "it is nothing, or at another price than the item has in the pool's currency";
    audit.check(Check::Sums, path, good, fault);
    item.unit_price = Some(price);
    item.received = item.received.saturating_add(act.units);
}

fn given(
    sources: &Sources<'_>,
    audit: &mut Audit,
    commit: &Numbered<GoodsCommit>,
    item: &mut Item,
    act: &Given,
) -> Result<(), store::Error> {
    let (path, vault) = (commit.path.as_str(), &sources.evidence.vault);
    let there = act.units > 0 && act.units <= item.received.saturating_sub(item.out);
    audit.check(Check::Sums, path, there, "it gives nothing, or more than was on hand");
    item.out = item.out.saturating_add(act.units);
    let days = interval(&act.period);
    let after =
        days.is_some_and(|(from, _)| item.last.as_ref().is_none_or(|(end, ..)| *end <= from));
    audit.check(Check::Once, path, after, "the item was given for its period before");

    let settled = days.map(|(_, until)| settlements(sources, &act.pool, until)).unwrap_or_default();
    let period = settled.last().is_some_and(|(_, _, s)| interval(&s.period) == days);
    audit.check(Check::Inputs, path, period, "its period was not settled before");
    let basis = object(audit, vault, "vault", &act.basis.path, &act.basis.digest)?;
    let expected = basis_of(act, &settled, item.last.as_ref().map(|(_, lines, _)| lines));
    let same = basis.is_some_and(|bytes| canonical(&expected).is_ok_and(|own| own == bytes));
    let name = format!("vault/{}", act.basis.path);
    audit.check(Check::Inputs, &name, same, "it is not what the giving had to rest on");

    let bytes = object(audit, vault, "vault", &act.lines.path, &act.lines.digest)?;
    let name = format!("vault/{}", act.lines.path);
    let own = bytes.and_then(read);
    audit.check(Check::Lines, &name, own.is_some(), "it holds what are no lines");
    let own = own.unwrap_or_default();
    let names: Vec<&String> = own.iter().map(|line| &line.contributor).collect();
    audit.check(Check::Once, &name, ascends(&names), "it is out of order, or names one twice");
    audit.check(Check::Lines, path, count(&own) == act.count, "its lines are counted otherwise");
    if let Some(earned) = earned(sources, &settled)? {
        let before = item.last.as_ref().map_or(&[][..], |(.., lines)| lines.as_slice());
        let good = stand(&own, &earned, before);
        audit.check(Check::Lines, &name, good, "a line is not what was earned and had before");
    }
    // Whose tie came first was made of the basis as the book knows it.
    let seed = match sources.commits.erased.before(act.basis.digest) {
        known if known != act.basis.digest => known,
        own => canonical(&expected).map_or(own, |bytes| Sha3Digest::of(&bytes)),
    };
    let nobody = |id: &str| sources.commits.erased.is_nobody(id);
    let good = highest(&own, act.units, &seed, &nobody) == Some(true);
    audit.check(Check::Lines, &name, good, "a unit did not go to the highest average");
    sealed(sources, audit, path, act, &own)?;
    issue(sources, audit, commit, item, act, &own);
    let end = days.map_or(commit.body.time, |(_, until)| until);
    item.last = Some((end, json!({"path": act.lines.path, "digest": act.lines.digest}), own));
    Ok(())
}

/// Number, entry and act of a pool's settlements that end with a period or before.
fn settlements<'a>(
    sources: &Sources<'a>,
    pool: &str,
    until: Instant,
) -> Vec<(u64, Sha256, &'a Settled)> {
    let commits = sources.commits.pools.iter();
    let of = |commit: &'a Numbered<super::shape::PoolCommit>| match &commit.body.act {
        Act::Settled(act) => Some((commit.number, leaf_hash(commit.body.entry.as_bytes()), &**act)),
        Act::Opened(_) | Act::Funded(_) | Act::Overridden(_) | Act::Matched(_) => None,
    };
    let counts =
        |s: &Settled| s.pool == pool && interval(&s.period).is_some_and(|(_, end)| end <= until);
    commits.filter_map(of).filter(|(_, _, s)| counts(s)).collect()
}

/// What a giving had to rest on.
fn basis_of(act: &Given, settled: &[(u64, Sha256, &Settled)], before: Option<&Value>) -> Value {
    let settlements: Vec<Value> = settled
        .iter()
        .map(|(commit, entry, s)| json!({"commit": commit, "entry": entry, "lines": s.lines}))
        .collect();
    let mut basis = json!({
        "pool": act.pool,
        "item": act.item,
        "period": act.period,
        "units": act.units,
        "settlements": settlements,
    });
    if let (Some(before), Some(members)) = (before, basis.as_object_mut()) {
        members.insert("before".to_owned(), before.clone());
    }
    basis
}

/// What each earned in all of these settlements; `None` where one cannot be read, which is a finding
/// of the settlement's own.
fn earned(
    sources: &Sources<'_>,
    settled: &[(u64, Sha256, &Settled)],
) -> Result<Option<BTreeMap<String, u128>>, store::Error> {
    let mut earned: BTreeMap<String, u128> = BTreeMap::new();
    for (_, _, act) in settled {
        let Some(bytes) = if_opens(sources.evidence.vault.find(&act.lines.path))? else {
            return Ok(None);
        };
        let Some(lines) = lines(bytes) else { return Ok(None) };
        for line in lines {
            let Ok(gross) = u128::try_from(line.gross) else { return Ok(None) };
            let sum = earned.entry(line.contributor).or_default();
            let Some(all) = sum.checked_add(gross) else { return Ok(None) };
            *sum = all;
        }
    }
    Ok(Some(earned))
}

/// Says whether weights and what was had before are right, for everyone who has either.
fn stand(own: &[Line], earned: &BTreeMap<String, u128>, before: &[Line]) -> bool {
    let mut had: BTreeMap<&str, u64> = BTreeMap::new();
    for line in before {
        had.insert(&line.contributor, line.held.saturating_add(line.units));
    }
    let weight = |whose: &str| earned.get(whose).copied().unwrap_or(0);
    let held = |whose: &str| had.get(whose).copied().unwrap_or(0);
    let right = own.iter().all(|line| {
        let whose = line.contributor.as_str();
        line.weight == weight(whose) && line.held == held(whose)
    });
    let named: BTreeSet<&str> = own.iter().map(|line| line.contributor.as_str()).collect();
    let mut all = earned.keys().map(String::as_str).chain(had.keys().copied());
    right && all.all(|w| named.contains(w) || (weight(w) == 0 && held(w) == 0))
}

/// A claim to one unit: weight, divisor, and what breaks ties.
type Claim = (u128, u128, Sha3Digest);

/// Which of two claims comes first.
fn rank(a: &Claim, b: &Claim) -> Ordering {
    let (left, right) = (
        U256::from(b.0).checked_mul(U256::from(a.1)),
        U256::from(a.0).checked_mul(U256::from(b.1)),
    );
    left.cmp(&right).then(a.2.cmp(&b.2))
}

/// Says whether every unit went to the highest average; `None` where a number does not fit.
fn highest(
    own: &[Line],
    units: u64,
    seed: &Sha3Digest,
    nobody: &dyn Fn(&str) -> bool,
) -> Option<bool> {
    let (mut sum, mut last, mut next) = (0_u64, None::<Claim>, None::<Claim>);
    for line in own {
        sum = sum.checked_add(line.units)?;
        let has = u128::from(line.held).checked_add(u128::from(line.units))?;
        let twice = has.checked_mul(2)?;
        let key =
            Sha3Digest::of(&[seed.as_bytes().as_slice(), line.contributor.as_bytes()].concat());
        // What broke an erased person's ties is not known any more: they fell as the line has it.
        let tie = |end: u8| if nobody(&line.contributor) { Sha3Digest([end; 32]) } else { key };
        if line.units > 0 {
            let won = (line.weight, twice.checked_sub(1)?, tie(0));
            last = Some(last.filter(|l| rank(l, &won) == Ordering::Greater).unwrap_or(won));
        }
        let open = (line.weight, twice.checked_add(1)?, tie(0xff));
        next = Some(next.filter(|n| rank(n, &open) == Ordering::Less).unwrap_or(open));
    }
    let nobody = own.iter().any(|line| line.weight == 0 && line.units > 0);
    let good = match (last, next) {
        (Some(last), Some(next)) => rank(&last, &next) == Ordering::Less,
        (None, _) | (_, None) => false,
    };
    Some(sum == units && !nobody && good)
}

/// The lines are those that the book commits to.
fn sealed(
    sources: &Sources<'_>,
    audit: &mut Audit,
    path: &str,
    act: &Given,
    own: &[Line],
) -> Result<(), store::Error> {
    let leaf = |line: &Line| leaf(act, line, &sources.line_key(&line.contributor));
    let nobody = |line: &&Line| sources.commits.erased.is_nobody(&line.contributor);
    let gone = count(&own.iter().filter(nobody).collect::<Vec<_>>());
    let leaves: Option<Vec<[u8; 64]>> = own.iter().filter(|line| !nobody(line)).map(leaf).collect();
    if gone > 0 {
        let vault = &sources.evidence.vault;
        let all = object(audit, vault, "vault", &act.leaves.path, &act.leaves.digest)?;
        let good = all
            .is_some_and(|all| erased::sealed(&leaves.unwrap_or_default(), gone, &all, &act.root));
        audit.check(Check::Lines, path, good, "its root is not that of its lines");
        return Ok(());
    }
    let mut leaves = leaves.unwrap_or_default();
    leaves.sort_unstable();
    let hashes: Vec<Sha256> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    audit.check(Check::Lines, path, root(&hashes) == act.root, "its root is not that of its lines");
    let vault = &sources.evidence.vault;
    if let Some(recorded) = object(audit, vault, "vault", &act.leaves.path, &act.leaves.digest)? {
        let name = format!("vault/{}", act.leaves.path);
        let same = leaves.concat() == recorded;
        audit.check(Check::Lines, &name, same, "its leaves are not its lines'");
    }
    Ok(())
}

fn leaf(act: &Given, line: &Line, key: &[u8; 32]) -> Option<[u8; 64]> {
    let mut cells = Map::new();
    for (name, text) in [
        ("pool", act.pool.clone()),
        ("item", act.item.clone()),
        ("period", act.period.clone()),
        ("contributor", line.contributor.clone()),
        ("weight", line.weight.to_string()),
        ("held", line.held.to_string()),
        ("units", line.units.to_string()),
    ] {
        cells.insert(name.to_owned(), text.into());
    }
    let text = canonical(&Value::Object(cells)).ok()?;
    let [pool, item, period] = [&act.pool, &act.item, &act.period].map(String::as_bytes);
    let token = hmac_sha3_parts(key, &[b"rdm/giving-token/v1", pool, item, period]);
    let salt = hmac_sha3_parts(key, &[b"rdm/giving-salt/v1", pool, item, period]);
    let (label, digest) = (b"rdm/giving/v1".as_slice(), Sha3Digest::of(&text));
    let sealed = hmac_sha3_parts(&salt, &[label, pool, item, period, digest.as_bytes()]);
    let mut leaf = [0; 64];
    let (left, right) = leaf.split_at_mut(32);
    left.copy_from_slice(&token);
    right.copy_from_slice(&sealed);
    Some(leaf)
}

/// Works out which vouchers a giving issued.
fn issue(
    sources: &Sources<'_>,
    audit: &mut Audit,
    commit: &Numbered<GoodsCommit>,
    item: &mut Item,
    act: &Given,
    own: &[Line],
) {
    let mut fresh = true;
    for line in own {
        let numbers = line.held.saturating_add(1)..=line.held.saturating_add(line.units);
        // More than the giving has is found already.
        for number in numbers.take(usize::try_from(act.units).unwrap_or(usize::MAX)) {
            let parts = [
                b"almoner/voucher-id/v1".as_slice(),
                act.pool.as_bytes(),
                act.item.as_bytes(),
                line.contributor.as_bytes(),
                &number.to_be_bytes(),
            ];
            let mac = hmac_sha3_parts(&sources.evidence.secrets.voucher_ids, &parts);
            let id = hex(mac.split_at(12).0);
            let issued = Issued { giving: commit.number, expires: act.expires, ended: false };
            fresh &= item.vouchers.insert(id, issued).is_none();
        }
    }
    audit.check(Check::Once, &commit.path, fresh, "it issues a voucher that was issued before");
}

fn redeemed(audit: &mut Audit, commit: &Numbered<GoodsCommit>, item: &mut Item, act: &Redeemed) {
    let path = commit.path.as_str();
    let issued = item.vouchers.get_mut(&act.voucher);
    let known = issued.as_ref().is_some_and(|issued| issued.giving == act.giving);
    audit.check(Check::Inputs, path, known, "its giving issued no such voucher");
    let Some(issued) = issued else { return };
    audit.check(Check::Once, path, !issued.ended, "the voucher had ended before");
    issued.ended = true;
    let today = commit.body.time.date();
    let open = issued.expires.is_none_or(|last| today <= last);
    audit.check(Check::Inputs, path, open, "the voucher's last day was over");
}

fn lapsed(audit: &mut Audit, commit: &Numbered<GoodsCommit>, item: &mut Item, act: &Lapsed) {
    let path = commit.path.as_str();
    let named = matches!(act.how.as_str(), "expired" | "returned") && !act.vouchers.is_empty();
    audit.check(Check::Inputs, path, named, "it ends no voucher, or for no known reason");
    audit.check(Check::Once, path, ascends(&act.vouchers), "its vouchers are out of order");
    let today = commit.body.time.date();
    for voucher in &act.vouchers {
        let issued = item.vouchers.get_mut(voucher);
        audit.check(Check::Inputs, path, issued.is_some(), "no giving issued such a voucher");
        let Some(issued) = issued else { continue };
        audit.check(Check::Once, path, !issued.ended, "a voucher had ended before");
        issued.ended = true;
        let over = act.how != "expired" || issued.expires.is_some_and(|last| last < today);
        audit.check(Check::Inputs, path, over, "a voucher expired before its last day was over");
    }
    item.out = item.out.saturating_sub(count(&act.vouchers));
}

fn read(bytes: Bytes) -> Option<Vec<Line>> {
    rows(bytes, |batch, all| {
        let (contributor, weight) = (texts(batch, "contributor")?, texts(batch, "weight")?);
        let (held, units) = (ints(batch, "held")?, ints(batch, "units")?);
        for row in 0..batch.num_rows() {
            all.push(Line {
                contributor: contributor.value(row).to_owned(),
                weight: weight.value(row).parse().ok()?,
                held: u64::try_from(held.value(row)).ok()?,
                units: u64::try_from(units.value(row)).ok()?,
            });
        }
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &dyn Fn(&str) -> bool = &|_| false;

    fn lines(cells: &[(u128, u64, u64)]) -> Vec<Line> {
        let line = |(at, (weight, held, units)): (usize, &(u128, u64, u64))| Line {
            contributor: format!("c-{at}"),
            weight: *weight,
            held: *held,
            units: *units,
        };
        cells.iter().enumerate().map(line).collect()
    }

    #[test]
    fn the_worked_example_stands_and_no_unit_may_go_elsewhere() {
        let seed = Sha3Digest::of(b"seed");
        let gross = [3_175_179, 2_771_861, 3_304_197, 248_763];
        let of = |units: [u64; 4]| {
            let cells: Vec<_> = gross.into_iter().zip(units).map(|(w, u)| (w, 0, u)).collect();
            highest(&lines(&cells), units.iter().sum(), &seed, NONE)
        };
        assert_eq!(of([2, 2, 3, 0]), Some(true), "seven meters");
        assert_eq!(of([14, 12, 15, 1]), Some(true), "forty-two meters");
        for wrong in [[3, 2, 2, 0], [2, 3, 2, 0], [2, 1, 3, 1], [1, 2, 4, 0]] {
            assert_eq!(of(wrong), Some(false), "{wrong:?} passed");
        }
        let later = [(3_175_179, 2, 12), (2_771_861, 2, 10), (3_304_197, 3, 12), (248_763, 0, 1)];
        assert_eq!(highest(&lines(&later), 35, &seed, NONE), Some(true), "after those before");
        assert_eq!(highest(&lines(&later), 36, &seed, NONE), Some(false), "a unit is nobody's");
        assert_eq!(
            highest(&lines(&[(0, 0, 1)]), 1, &seed, NONE),
            Some(false),
            "nothing was earned"
        );
    }

    #[test]
    fn a_tie_goes_to_the_smaller_key_alone() {
        let seed = Sha3Digest::of(b"seed");
        let one = highest(&lines(&[(5, 0, 1), (5, 0, 0)]), 1, &seed, NONE);
        let other = highest(&lines(&[(5, 0, 0), (5, 0, 1)]), 1, &seed, NONE);
        assert_ne!(one, other, "both ways out of a tie would pass");
    }

    #[test]
    fn everyone_who_earned_or_had_something_has_a_line() {
        let earned = BTreeMap::from([("c-0".to_owned(), 7), ("c-1".to_owned(), 0)]);
        let before = lines(&[(7, 1, 1)]);
        assert!(stand(&lines(&[(7, 2, 1)]), &earned, &before));
        assert!(!stand(&lines(&[(7, 1, 1)]), &earned, &before), "what was had before is forgotten");
        assert!(!stand(&lines(&[(8, 2, 1)]), &earned, &before), "more than was earned counts");
        assert!(!stand(&[], &earned, &before), "a contributor was left out");
    }
}
