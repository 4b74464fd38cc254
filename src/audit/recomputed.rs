//! The settlements of one pool reproduced from what they name and nothing else: the recorded inputs,
//! the tables that those name, and the lines that came of it.
//!
//! Comes in: a vault, the steward's public key. Goes out: [`Recomputed`]. Never: a look at consents,
//! data or questions beyond the recorded inputs, or at an object whose bytes have changed.

use std::collections::BTreeSet;

use super::{
    Audit, Check, Evidence, Finding, compared,
    erased::Erased,
    expected, given,
    lines::{Line, MONEY},
    reckon::reckon,
    settled,
    shape::{Act, Named, PoolCommit, Settled},
    table::{count, if_opens, leaf_hash, object, root},
};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    ledger::{Entry, trust::Role},
    money::Amount,
    store,
};

/// One settlement, reproduced.
#[derive(Debug, Clone)]
pub struct Recomputed {
    /// Its period.
    pub period: String,
    /// Its pool commit.
    pub commit: u64,
    /// When it was made.
    pub time: Instant,
    /// The inputs, by their path and digest.
    pub inputs: (String, Sha3Digest),
    /// The lines, by their path and digest.
    pub lines: (String, Sha3Digest),
    /// The objects that were read and held against their digests.
    pub objects: u64,
    /// The lines of contributors that were reckoned anew and compared.
    pub people: u64,
    /// The lines of institutions that were.
    pub institutions: u64,
    /// What people are paid, as reckoned; none where it could not be.
    pub paid: Option<Amount>,
    /// The sum of each column of amounts over all lines, as reckoned.
    pub sums: Vec<(&'static str, i128)>,
}

/// Reproduces the settlements of a pool, or the one of a period; what is wrong is a finding that names
/// its object. Fails only where a store does.
pub fn recompute(
    evidence: &Evidence,
    pool: &str,
    period: Option<&str>,
) -> Result<(Vec<Recomputed>, Vec<Finding>), store::Error> {
    let mut audit = Audit::default();
    let mut done = Vec::new();
    let vault = &evidence.vault;
    let erased = Erased::signed(evidence, &mut audit)?;
    for listed in vault.list("pools/commits")? {
        let path = format!("vault/{}", listed.path);
        let commit: Option<PoolCommit> = {
            let bytes = if_opens(vault.find(&listed.path))?.unwrap_or_default();
            serde_json::from_slice(&bytes).ok()
        };
        if !audit.check(Check::Commit, &path, commit.is_some(), "it cannot be read") {
            continue;
        }
        let Some(PoolCommit { time, act: Act::Settled(act), entry, .. }) = commit else { continue };
        if act.pool != pool || period.is_some_and(|period| period != act.period) {
            continue;
        }
        said(evidence, &mut audit, (&path, &erased), &act, &entry);
        let number = listed.path.rsplit('/').next().and_then(|name| name.strip_suffix(".json"));
        let number = number.and_then(|name| name.parse().ok()).unwrap_or_default();
        done.push(reproduce(evidence, &mut audit, (&path, &erased), (number, time), &act)?);
    }
    audit.findings.sort();
    Ok((done, audit.findings))
}

fn reproduce(
    evidence: &Evidence,
    audit: &mut Audit,
    (path, erased): (&str, &Erased),
    (commit, time): (u64, Instant),
    act: &Settled,
) -> Result<Recomputed, store::Error> {
    let vault = &evidence.vault;
    let mut done = Recomputed {
        period: act.period.clone(),
        commit,
        time,
        inputs: (act.inputs.path.clone(), act.inputs.digest),
        lines: (act.lines.path.clone(), act.lines.digest),
        objects: 0,
        people: 0,
        institutions: 0,
        paid: None,
        sums: Vec::new(),
    };
    let mut named: BTreeSet<&Named> = BTreeSet::from([&act.inputs, &act.lines, &act.leaves]);
    named.extend(act.institution_lines.iter().chain(&act.held));
    let mut objects = count_of(&named);
    if let Some(leaves) = object(audit, vault, "vault", &act.leaves.path, &act.leaves.digest)? {
        let (leaves, rest) = leaves.as_chunks::<64>();
        let hashes: Vec<Sha256> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let good = rest.is_empty() && root(&hashes) == act.root && count(leaves) == act.count;
        let name = format!("vault/{}", act.leaves.path);
        audit.check(Check::Lines, &name, good, "its root or count is not that of the commit");
    }
    let mut own = None;
    if let Some((inputs, _)) = given::inputs(audit, vault, &act.inputs)? {
        objects = objects.saturating_add(inputs.objects());
        if let Some(given) = given::load(audit, vault, inputs)? {
            own = reckon(&given);
            let fault = "it cannot be reckoned from what it rests on";
            audit.check(Check::Lines, &format!("vault/{}", act.inputs.path), own.is_some(), fault);
        }
    }
    compared::compare(audit, vault, path, act, own.as_ref(), &|id| erased.is_nobody(id))?;
    done.objects = objects;
    if let Some(own) = own {
        done.people = count(&own.lines);
        done.institutions = count(&own.institutions);
        done.paid = Some(own.totals.paid);
        done.sums = sums(&own.lines);
    }
    Ok(done)
}

/// The entry of the commit is signed, and says what the commit says.
fn said(
    evidence: &Evidence,
    audit: &mut Audit,
    (path, erased): (&str, &Erased),
    act: &Settled,
    entry: &str,
) {
    let entry = Entry::parse(entry.as_bytes()).ok();
    let known = evidence.trust.all(Role::Steward);
    let signed = entry.as_ref().is_some_and(|entry| entry.verify(&known));
    audit.check(Check::Entry, path, signed, "its entry is not signed by the steward");
    let (Some(entry), Some(mut body)) = (entry, settled::body(evidence, act)) else { return };
    erased.restore(&mut body);
    let odd = expected::differing(entry.body(), &body);
    let fault = format!("its entry says otherwise in `{}`", odd.join("`, `"));
    audit.check(Check::Agrees, path, odd.is_empty(), &fault);
}

fn sums(lines: &[Line]) -> Vec<(&'static str, i128)> {
    let mut sums = MONEY.map(|name| (name, 0_i128));
    for line in lines {
        for ((_, sum), cell) in sums.iter_mut().zip(line.money()) {
            *sum = sum.saturating_add(i128::from(cell));
        }
    }
    sums.to_vec()
}

fn count_of(named: &BTreeSet<&Named>) -> u64 {
    u64::try_from(named.len()).unwrap_or(u64::MAX)
}
