//! The money: each settlement reckoned anew from what counted, line by line, and each pool's books
//! closed to the millionth of a minor unit.
//!
//! Comes in: commits, the register, the vault. Goes out: findings. Never: a settlement taken over.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::{
    Audit, Check, Evidence,
    booked::Book,
    closed::closes,
    commits::Commits,
    compared, erased, given,
    inputs::{Before, gather, interval},
    lines::Line,
    matched,
    reckon::reckon,
    shape::{Act, Overridden, Override, PoolCommit, Settled},
    snapshot,
    stood::Register,
    table::{ascends, count, leaf_hash, object, root},
};
use crate::{
    digest::{Sha256, hmac_sha3_parts},
    instant::Instant,
    store,
};

/// What all the settlements are reckoned from.
pub(super) struct Sources<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) commits: &'a Commits,
    pub(super) register: &'a Register,
    pub(super) book: Option<&'a Book>,
}

impl Sources<'_> {
    /// Says whether a commit was made before another: not after it by the clock, and before it in the
    /// book.
    pub(super) fn is_before(&self, one: (Instant, &str), other: (Instant, &str)) -> bool {
        let place = |entry: &str| self.book?.places.get(&leaf_hash(entry.as_bytes()));
        let first = place(one.1).zip(place(other.1)).is_none_or(|(a, b)| a < b);
        one.0 <= other.0 && first
    }

    /// Returns the key under which a person's lines are committed to.
    pub(super) fn line_key(&self, id: &str) -> [u8; 32] {
        let secret = &self.evidence.secrets.payout_lines;
        let other = || hmac_sha3_parts(secret, &[id.as_bytes()]);
        self.register.key(id).copied().unwrap_or_else(other)
    }
}

pub(super) fn pools(
    sources: &Sources<'_>,
    audit: &mut Audit,
    only: Option<&str>,
) -> Result<(), store::Error> {
    let payments = matched::payments(sources.commits);
    let mut pools: BTreeMap<&str, Before<'_>> = BTreeMap::new();
    for commit in &sources.commits.parties {
        let relation = &commit.body.act;
        reasoned(audit, &commit.path, &relation.reason, &relation.approver);
    }
    for commit in &sources.commits.pools {
        let act = &commit.body.act;
        if let Act::Matched(act) = act {
            if only.is_none() {
                matched::check(sources.evidence, audit, commit, &pools, act)?;
            }
            for paid in payments.get(&commit.number).into_iter().flatten() {
                if let Some(pool) = pools.get_mut(paid.pool.as_str()) {
                    pool.payments.insert(commit.number);
                    pool.funded.push((commit.number, commit.body.time, &commit.body.entry, paid));
                }
            }
        }
        if only.is_some_and(|only| only != act.pool()) {
            continue;
        }
        if let Act::Opened(opened) = act {
            let fresh = pools.insert(&opened.pool, Before::new(opened)).is_none();
            audit.check(Check::Once, &commit.path, fresh, "the pool was opened before");
            let whole = opened.rules.is_whole();
            audit.check(Check::Sums, &commit.path, whole, "its rules do not give out the whole");
            continue;
        }
        let pool = pools.get_mut(act.pool());
        let opened = "the pool was not opened before";
        if !audit.check(Check::Commit, &commit.path, pool.is_some(), opened) {
            continue;
        }
        let Some(pool) = pool else { continue };
        match act {
            Act::Opened(_) => {}
            Act::Funded(funded) => {
                let amount = funded.amount;
                let good = amount.minor() > 0 && amount.currency() == pool.opened.currency;
                let fault = "the payment is not a positive one in the pool's currency";
                audit.check(Check::Sums, &commit.path, good, fault);
                let again = pool.funded.iter().any(|(.., f)| f.reference == funded.reference);
                audit.check(Check::Once, &commit.path, !again, "the payment was recorded before");
                pool.funded.push((commit.number, commit.body.time, &commit.body.entry, funded));
            }
            Act::Overridden(decision) => {
                decided(audit, &commit.path, pool, decision);
                pool.overridden.push((commit.number, &commit.body.entry, decision));
            }
            Act::Matched(act) => pool.matched.push(act),
            Act::Settled(act) => {
                let fund = !pool.matched.is_empty();
                audit.check(Check::Once, &commit.path, !fund, "its pool is a fund for other pools");
                once(audit, &commit.path, pool, act);
                let PoolCommit { time, entry, .. } = &commit.body;
                let at = Place { path: &commit.path, time: *time, entry };
                settlement(sources, audit, &at, pool, act)?;
                pool.settled.push((commit.number, act));
            }
        }
    }
    for (name, pool) in &pools {
        let good = closes(pool) == Some(true);
        let fault = "what came in is not fees, payments, carried balances and what is left";
        audit.check(Check::Sums, &format!("vault/pools/{name}"), good, fault);
    }
    Ok(())
}

fn reasoned(audit: &mut Audit, path: &str, reason: &str, approver: &str) {
    let good = !reason.trim().is_empty() && !approver.trim().is_empty();
    audit.check(Check::Inputs, path, good, "it has no reason, or nobody approved it");
}

/// A decision names its reason and who approved it, and corrects by an amount above zero.
fn decided(audit: &mut Audit, path: &str, pool: &Before<'_>, decision: &Overridden) {
    reasoned(audit, path, &decision.reason, &decision.approver);
    if let Override::Correct { amount, .. } = &decision.change {
        let good = amount.minor() > 0 && amount.currency() == pool.opened.currency;
        let fault = "the correction is not a positive one in the pool's currency";
        audit.check(Check::Sums, path, good, fault);
    }
}

/// Nothing of a settlement was settled before.
fn once(audit: &mut Audit, path: &str, pool: &Before<'_>, act: &Settled) {
    let own = interval(&act.period);
    let after = pool.settled.iter().all(|(_, earlier)| {
        matches!((interval(&earlier.period), own), (Some((_, end)), Some((start, _))) if end <= start)
    });
    audit.check(Check::Once, path, own.is_some() && after, "its period was settled before");
    let used: BTreeSet<u64> =
        pool.settled.iter().flat_map(|(_, s)| s.funded.iter().copied()).collect();
    let fresh = act.funded.iter().all(|commit| !used.contains(commit)) && ascends(&act.funded);
    audit.check(Check::Once, path, fresh, "it gives out a payment that was given out before");
}

/// The commit of a settlement.
struct Place<'a> {
    path: &'a str,
    time: Instant,
    entry: &'a str,
}

/// Compares what a settlement rests on with what counted, and what it left with what is reckoned.
fn settlement(
    sources: &Sources<'_>,
    audit: &mut Audit,
    at: &Place<'_>,
    pool: &Before<'_>,
    act: &Settled,
) -> Result<(), store::Error> {
    let (path, vault) = (at.path, &sources.evidence.vault);
    let leaves = object(audit, vault, "vault", &act.leaves.path, &act.leaves.digest)?;
    let known = |time, entry: &str| sources.is_before((time, entry), (at.time, at.entry));
    let expected = gather(pool, act, sources.commits, &known);
    audit.check(Check::Inputs, path, expected.is_some(), "what it rests on is not to be found");
    let mut own = None;
    if let Some((inputs, bytes)) = given::inputs(audit, vault, &act.inputs)? {
        let said = inputs.pool == act.pool && inputs.period == act.period;
        audit.check(Check::Inputs, path, said, "its inputs are of another pool or period");
        if let Some(expected) = expected {
            counted(audit, &act.inputs.path, &expected, &bytes);
            let funded: Option<Vec<u64>> = expected.get("funded").and_then(|funded| {
                funded.as_array()?.iter().map(|f| f.get("commit")?.as_u64()).collect()
            });
            let same = funded.as_deref() == Some(&act.funded);
            let fault = "it gives out other payments than had come in";
            audit.check(Check::Inputs, path, same, fault);
        }
        if let Some(given) = given::load(audit, vault, inputs)? {
            own = reckon(&given);
            let fault = "it cannot be reckoned from what it rests on";
            audit.check(Check::Lines, path, own.is_some(), fault);
            snapshot::compare(sources.evidence, audit, sources.commits, pool, &given, &known)?;
        }
    }
    let nobody = |id: &str| sources.commits.erased.is_nobody(id);
    if let Some(recorded) = compared::compare(audit, vault, path, act, own.as_ref(), &nobody)? {
        sealed(sources, audit, path, act, &recorded, leaves);
    }
    Ok(())
}

/// Compares the recorded inputs with those gathered anew, member by member.
fn counted(audit: &mut Audit, path: &str, expected: &Value, bytes: &Bytes) {
    let name = format!("vault/{path}");
    let own: Option<Value> = serde_json::from_slice(bytes).ok();
    let (Some(own), Some(expected)) =
        (own.as_ref().and_then(Value::as_object), expected.as_object())
    else {
        return;
    };
    let names: BTreeSet<&String> = own.keys().chain(expected.keys()).collect();
    // The seed is judged by the members, and tables that were gathered are compared row by row.
    let other = ["seed", "payees", "new_data"];
    for member in names.into_iter().filter(|member| !other.contains(&member.as_str())) {
        let good = own.get(member) == expected.get(member);
        audit.check(Check::Inputs, &name, good, &format!("`{member}` is not what counted"));
    }
}

/// The leaves are the commitments to the lines, and their root is the recorded one.
fn sealed(
    sources: &Sources<'_>,
    audit: &mut Audit,
    path: &str,
    act: &Settled,
    lines: &[Line],
    leaves: Option<Bytes>,
) {
    let leaf =
        |line: &Line| line.leaf(&act.pool, &act.period, &sources.line_key(&line.contributor));
    let nobody = |line: &&Line| sources.commits.erased.is_nobody(&line.contributor);
    let gone = count(&lines.iter().filter(nobody).collect::<Vec<_>>());
    let own: Option<Vec<[u8; 64]>> = lines.iter().filter(|line| !nobody(line)).map(leaf).collect();
    if gone > 0 {
        let good = leaves.is_some_and(|leaves| {
            erased::sealed(&own.unwrap_or_default(), gone, &leaves, &act.root)
        });
        audit.check(Check::Lines, path, good, "its root is not that of its lines");
        return;
    }
    let mut own = own.unwrap_or_default();
    own.sort_unstable();
    let hashes: Vec<Sha256> = own.iter().map(|leaf| leaf_hash(leaf)).collect();
    audit.check(Check::Lines, path, root(&hashes) == act.root, "its root is not that of its lines");
    if let Some(leaves) = leaves {
        let name = format!("vault/{}", act.leaves.path);
        audit.check(Check::Lines, &name, own.concat() == leaves, "its leaves are not its lines'");
    }
}
