//! What the entry of each commit of covers must say.
//!
//! Comes in: commits. Goes out: [`Said`], one a commit. Never: a person, an event or a sponsor named in
//! the book, or a sum of fewer than ten.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::shape::{CoverAct, CoverCommit, Evaluated};
use crate::{
    audit::{
        Evidence,
        commits::{Commits, Numbered},
        expected::{Said, shown},
        table::leaf_hash,
    },
    digest::{Sha3Digest, Sha256, canonical_digest, hex, hmac_sha3_parts},
    ledger::Kind,
    money::{Amount, Currency},
};

/// For each policy, the entries of its opening and of its newest act, and its currency.
type Heads<'a> = BTreeMap<&'a str, (Sha256, Sha256, Currency)>;

/// Returns what each entry must say, in order; `None` where it cannot be worked out.
pub(in crate::audit) fn said(evidence: &Evidence, commits: &Commits) -> Vec<Option<Said>> {
    let mut heads = Heads::new();
    commits
        .covers
        .iter()
        .map(|commit| one(evidence, commit, &mut heads, commits.erased.covers(&commit.path)))
        .collect()
}

/// `redacted` says that an erasure rewrote what the commit's keyed digest was made of.
fn one<'a>(
    evidence: &Evidence,
    commit: &'a Numbered<CoverCommit>,
    heads: &mut Heads<'a>,
    redacted: bool,
) -> Option<Said> {
    let CoverCommit { txn, time, act, entry } = &commit.body;
    let own = leaf_hash(entry.as_bytes());
    if let CoverAct::Opened(policy) = act {
        heads.insert(&policy.policy, (own, own, policy.currency));
        let body = json!({
            "policy": policy.policy,
            "cover": policy.cover,
            "currency": policy.currency,
            "term": policy.term,
            "sum": policy.sum,
            "purpose": policy.purpose,
        });
        let subject = (format!("cover:{}", policy.policy), canonical_digest(policy).ok()?, None);
        let (kind, prev) = (Kind::CoverOpened, Vec::new());
        return Some(Said { kind, time: *time, body, prev, subjects: vec![subject] });
    }
    let (opened, newest, currency) = *heads.get(act.policy())?;
    heads.insert(act.policy(), (opened, own, currency));
    let (kind, body, prev, subjects) = match act {
        CoverAct::Opened(_) => return None,
        CoverAct::Funded(act) => {
            let parts = [&act.pool, &act.sponsor, &act.reference].map(String::as_bytes);
            let sponsor = hmac_sha3_parts(&evidence.secrets.sponsor_token, &parts);
            let reference = hmac_sha3_parts(&evidence.secrets.payment_reference, &parts);
            let body = json!({
                "policy": act.pool,
                "amount": act.amount,
                "sponsor_token": hex(&sponsor),
                "reference_commitment": hex(&reference),
            });
            let subject = (format!("payment:{}", act.pool), Sha3Digest(reference), None);
            (Kind::CoverFunded, body, opened, vec![subject])
        }
        CoverAct::Enrolled(act) => {
            let commitment = sealed(evidence, b"almoner/cover-people/v2", txn, &act.people.digest);
            if commitment != act.commitment && !redacted {
                return None;
            }
            let body = json!({
                "policy": act.policy,
                "count": shown(act.people.count),
                "commitment": act.commitment,
            });
            (Kind::CoverEnrolled, body, newest, Vec::new())
        }
        CoverAct::Evaluated(act) => {
            let body = evaluated(evidence, commit, act, redacted, currency)?;
            let subject = (format!("cover:{}", act.policy), act.commitment, None);
            (Kind::CoverEvaluated, body, newest, vec![subject])
        }
    };
    Some(Said { kind, time: *time, body, prev: vec![prev], subjects })
}

fn sealed(evidence: &Evidence, label: &[u8], txn: &str, digest: &Sha3Digest) -> Sha3Digest {
    let parts = [label, txn.as_bytes(), digest.as_bytes().as_slice()];
    Sha3Digest(hmac_sha3_parts(&evidence.secrets.covers, &parts))
}

fn evaluated(
    evidence: &Evidence,
    commit: &Numbered<CoverCommit>,
    act: &Evaluated,
    redacted: bool,
    currency: Currency,
) -> Option<Value> {
    let entry = commit.entry.as_ref()?;
    let txn = &commit.body.txn;
    let commitment = sealed(evidence, b"almoner/cover-lines/v2", txn, &act.lines.digest);
    if commitment != act.commitment && !redacted {
        return None;
    }
    // The files of a run are not in a site: of their digest the entry alone tells.
    let inputs = entry.body().get("inputs").and_then(Value::as_str)?;
    let paid = act.totals.settled();
    let mut body = json!({
        "policy": act.policy,
        "count": shown(act.count),
        "paid": shown(paid),
        "root": act.root,
        "inputs": Sha3Digest::parse(inputs).ok()?,
        "commitment": act.commitment,
    });
    if paid >= 10 {
        let total = Amount::new(i128::from(act.totals.paid_minor), currency);
        body.as_object_mut()?.insert("total".to_owned(), json!(total));
    }
    Some(body)
}
