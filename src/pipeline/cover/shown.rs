//! How policies stand, why a person was paid or not, and the proof of it.
//!
//! Comes in: a policy, a person. Goes out: standings whose small counts are hidden; lines in words;
//! proofs that were checked before they are handed over. Never: a proof that the book does not bear out.

use serde::Serialize;
use serde_json::Value;

use super::{Error, one};
use crate::{
    cover::{self, Covers, Enrolment, Outcome, Policy},
    instant::{Date, Instant},
    ledger::ProofFile,
    money::Amount,
    party::ContributorId,
    pipeline::{
        book::Prover,
        linkage,
        settle::{LineKeys, people},
    },
    reward::{
        PoolId,
        proof::{LineTree, leaf_hash},
    },
    site::Site,
};

/// How a policy stands; counts of people and events below ten are hidden.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// The policy.
    #[serde(flatten)]
    pub terms: Policy,
    /// All that came in.
    pub funded: Amount,
    /// All that was paid.
    pub paid: Amount,
    /// Who is enrolled.
    pub enrolled: Value,
    /// Events that were paid or kept for earlier payments.
    pub events: Value,
    /// Payments that turned out not to be due.
    pub flagged: Value,
    /// Evaluations that brought something new.
    pub evaluations: u64,
}

/// Says how the policies stand, one or all.
pub fn standings(site: &Site, policy: Option<&PoolId>) -> Result<Vec<Standing>, Error> {
    let vault = site.vault();
    let covers = Covers::load(&vault)?;
    let chosen = match policy {
        Some(policy) => vec![one(&covers, policy)?],
        None => covers.iter().collect(),
    };
    let standing = |cover: &cover::Cover| {
        let count = |count: &dyn Fn(&cover::CoverTotals) -> u64| {
            people(cover.evaluated.iter().map(|e| count(&e.act.totals)).sum())
        };
        let flagged = |totals: &cover::CoverTotals| {
            totals.count(Outcome::Flagged).saturating_add(totals.count(Outcome::Twice))
        };
        Ok(Standing {
            terms: cover.policy().clone(),
            funded: cover.funds()?,
            paid: cover.paid()?,
            enrolled: people(cover.enrolments(&vault)?.len() as u64),
            events: count(&cover::CoverTotals::settled),
            flagged: count(&flagged),
            evaluations: cover.evaluated.len() as u64,
        })
    };
    chosen.into_iter().map(standing).collect()
}

/// One line, as it is explained.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedLine {
    /// The commit of the evaluation.
    pub commit: u64,
    /// When it was made.
    pub time: Instant,
    /// The day of the event.
    pub day: Date,
    /// What event.
    pub trigger: String,
    /// Which institution's row showed it.
    pub institution: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The same in words.
    pub words: &'static str,
    /// What is due by it.
    pub owed: Amount,
    /// What of that is kept for earlier payments.
    pub recovered: Amount,
    /// What of it is paid.
    pub paid: Amount,
}

/// All that a policy says of a person.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    /// The policy.
    pub policy: PoolId,
    /// The person's enrolments.
    pub enrolments: Vec<Enrolment>,
    /// The lines, in the order in which they were made.
    pub lines: Vec<ExplainedLine>,
    /// What was paid in all.
    pub paid: Amount,
    /// What is still to be kept from later payments.
    pub to_recover: Amount,
}

/// Says why a person was paid by a policy, or not.
pub fn explain(site: &Site, policy: &PoolId, person: &str) -> Result<Explained, Error> {
    let vault = site.vault();
    let ids = linkage::ids(site, person)?;
    let covers = Covers::load(&vault)?;
    let cover = one(&covers, policy)?;
    let currency = cover.policy().currency;
    let amount = |minor: i64| Amount::new(i128::from(minor), currency);
    let (mut lines, nothing) = (Vec::new(), Amount::zero(currency));
    let (mut paid, mut owed) = (nothing, nothing);
    for evaluated in &cover.evaluated {
        for line in cover::lines(&vault, &evaluated.act)? {
            if !ids.contains(&line.contributor) {
                continue;
            }
            paid = paid.plus(amount(line.paid_minor))?;
            owed = owed.plus(amount(line.owed_minor))?;
            lines.push(ExplainedLine {
                commit: evaluated.commit,
                time: evaluated.time,
                day: line.day,
                trigger: line.trigger,
                institution: line.row.institution.to_string(),
                outcome: line.outcome,
                words: words(line.outcome),
                owed: amount(line.owed_minor),
                recovered: amount(line.recovered_minor),
                paid: amount(line.paid_minor),
            });
        }
    }
    lines.sort_by_key(|line| (line.commit, line.day));
    let mut enrolments = cover.enrolments(&vault)?;
    enrolments.retain(|enrolment| ids.contains(&enrolment.contributor));
    let to_recover = paid.minus(owed)?;
    Ok(Explained { policy: policy.clone(), enrolments, lines, paid, to_recover })
}

fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Paid => "the event is paid",
        Outcome::Recovered => "the event is due, and is kept for an earlier payment that was not",
        Outcome::Flagged => {
            "the record was taken back: what was paid is kept from later payments, never asked for"
        }
        Outcome::Waiting => "the event is due, and waits until the pool has money",
        Outcome::CapPerson => "one person gets no more by this policy",
        Outcome::CapPolicy => "this policy pays no more",
        Outcome::Known => "another record of an event that is known",
        Outcome::TakenBack => "the record was taken back, and shows nothing any more",
        Outcome::Twice => {
            "one event was paid under two ids: the second sum is kept from later payments"
        }
    }
}

/// Proves every line of a person, by all their ids.
pub fn prove(site: &Site, policy: &PoolId, ids: &[ContributorId]) -> Result<Vec<ProofFile>, Error> {
    let vault = site.vault();
    let covers = Covers::load(&vault)?;
    let cover = one(&covers, policy)?;
    let (keys, prover) = (LineKeys::load(site)?, Prover::open(site)?);
    let broken = || Error::Proof(policy.clone());
    let mut proofs = Vec::new();
    for evaluated in &cover.evaluated {
        let mut own = cover::lines(&vault, &evaluated.act)?;
        own.retain(|line| ids.contains(&line.contributor));
        if own.is_empty() {
            continue;
        }
        let bytes = vault.get(&evaluated.act.leaves.path)?;
        let tree = LineTree::read(&bytes).filter(|tree| tree.root() == evaluated.act.root);
        let tree = tree.ok_or_else(broken)?;
        let place = prover.find(&leaf_hash(evaluated.entry.as_bytes()))?;
        for line in own {
            let key = keys.of(&line.contributor);
            let proof = cover::proof::prove(&tree, policy, &line, &key)?.ok_or_else(broken)?;
            proofs.push(place.prove(proof.claim().ok_or_else(broken)?)?);
        }
    }
    Ok(proofs)
}
