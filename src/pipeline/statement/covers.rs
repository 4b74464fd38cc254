//! What covers paid a person: the recorded lines of evaluations, held against their entries in the book,
//! with what the bank said of each payment.
//!
//! Comes in: whose, under which policy, of which days. Goes out: one page a person and policy.
//! Never: a line that the record or the book does not bear out.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{Error, Selection};
use crate::{
    bank::{Payouts, State},
    cover::{self, Cover, CoverLine, Covers, Evaluated},
    digest::{hex, hmac_sha3_parts},
    ledger::EntryId,
    money::{self, Amount},
    party::ContributorId,
    payee::PayeeId,
    pipeline::{
        book::{self, Booked},
        settle::LineKeys,
    },
    report::{CoverPage, CoverPageLine, PaymentState},
    reward::{
        Dated,
        proof::{LineTree, leaf_hash},
    },
    site::Site,
};

/// Returns the pages of the selected people, by policy and person.
pub fn covers(site: &Site, selection: &Selection) -> Result<Vec<CoverPage>, Error> {
    let covers = Covers::load(&site.vault())?;
    let wanted =
        |cover: &&Cover| selection.pool.as_ref().is_none_or(|pool| *pool == cover.policy().policy);
    let wanted: Vec<&Cover> =
        covers.iter().filter(wanted).filter(|cover| !cover.evaluated.is_empty()).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let (payouts, keys) = (Payouts::load(&site.vault())?, LineKeys::load(site)?);
    let booked = book::with_lines(site)?;
    let mut pages = Vec::new();
    for cover in wanted {
        let mut people: BTreeMap<ContributorId, CoverPage> = BTreeMap::new();
        for evaluated in &cover.evaluated {
            let (place, tree, lines) = recorded(site, &booked, evaluated)?;
            let of_period = selection.period.as_ref().is_none_or(|p| p.contains(evaluated.time));
            for line in lines {
                let whose = &selection.contributors;
                if !whose.is_empty() && !whose.contains(&line.contributor) {
                    continue;
                }
                let page = match people.entry(line.contributor.clone()) {
                    Entry::Occupied(page) => page.into_mut(),
                    Entry::Vacant(free) => {
                        let key = keys.of(&line.contributor);
                        free.insert(empty(cover, &line.contributor, &key))
                    }
                };
                add(page, &payouts, evaluated, &line, of_period)?;
                if of_period {
                    let (policy, key) = (&evaluated.act.policy, keys.of(&line.contributor));
                    let proof = cover::proof::prove(&tree, policy, &line, &key)?;
                    let claim = proof.and_then(|proof| proof.claim());
                    let claim = claim.ok_or_else(|| unbooked(evaluated))?;
                    place.prove_on(page.proofs.get_or_insert_default(), claim)?;
                }
            }
        }
        pages.extend(people.into_values().filter(|page| !page.lines.is_empty()));
    }
    Ok(pages)
}

/// Reads the lines of an evaluation and their tree, once its entry in the book has their root.
fn recorded<'a>(
    site: &Site,
    booked: &'a BTreeMap<EntryId, Booked>,
    evaluated: &Dated<Evaluated>,
) -> Result<(&'a Booked, LineTree, Vec<CoverLine>), Error> {
    let act = &evaluated.act;
    let place = booked.get(&leaf_hash(evaluated.entry.as_bytes()));
    let place = place.filter(|place| place.root() == Some(act.root));
    let place = place.ok_or_else(|| unbooked(evaluated))?;
    let tree = LineTree::read(&site.vault().get(&act.leaves.path)?);
    let tree = tree.filter(|tree| tree.root() == act.root).ok_or_else(|| unbooked(evaluated))?;
    Ok((place, tree, cover::lines(&site.vault(), act)?))
}

fn unbooked(evaluated: &Dated<Evaluated>) -> Error {
    Error::Unbooked { policy: evaluated.act.policy.to_string(), commit: evaluated.commit }
}

/// Makes a person's page without lines.
fn empty(cover: &Cover, contributor: &ContributorId, key: &[u8; 32]) -> CoverPage {
    let policy = cover.policy();
    let zero = Amount::zero(policy.currency);
    let name = policy.policy.as_str();
    let mut token = hex(&hmac_sha3_parts(key, &[b"almoner/cover-page/v1", name.as_bytes()]));
    token.truncate(16);
    let who = contributor.as_str();
    CoverPage {
        format: "almoner-cover-statement/v1".to_owned(),
        policy: policy.policy.clone(),
        kind: policy.kind,
        insurer: policy.insurer.as_str().to_owned(),
        term: policy.term,
        sum: policy.sum,
        purpose: policy.purpose.clone(),
        contributor: contributor.clone(),
        token,
        time: cover.opened.time,
        paid: zero,
        to_recover: zero,
        lines: Vec::new(),
        prove: format!("almoner cover prove {name} {who}"),
        withdraw: format!("almoner consent withdraw {who}"),
        proofs: None,
    }
}

/// Adds a line; what is still to be kept counts lines of all times, the rest those of the period.
fn add(
    page: &mut CoverPage,
    payouts: &Payouts,
    evaluated: &Dated<Evaluated>,
    line: &CoverLine,
    of_period: bool,
) -> Result<(), money::Error> {
    let amount = |minor: i64| Amount::new(i128::from(minor), page.sum.currency());
    let (owed, paid) = (amount(line.owed_minor), amount(line.paid_minor));
    let kept = amount(line.recovered_minor);
    page.to_recover = page.to_recover.plus(paid)?.minus(owed)?;
    if !of_period {
        return Ok(());
    }
    page.paid = page.paid.plus(paid)?;
    page.time = evaluated.time;
    let payee = PayeeId::Contributor(line.contributor.clone());
    let payment = match payouts.newest(&page.policy, evaluated.commit, &payee) {
        None | Some(State::Returned) => PaymentState::Open,
        Some(State::Ordered) => PaymentState::Ordered,
        Some(State::Booked) => PaymentState::Booked,
    };
    page.lines.push(CoverPageLine {
        day: line.day,
        event: line.trigger.clone(),
        institution: line.row.institution.as_str().to_owned(),
        outcome: line.outcome,
        owed,
        kept,
        paid,
        payment: (line.paid_minor > 0).then_some(payment),
        evaluated: evaluated.time,
        evidence: line.evidence,
        root: evaluated.act.root,
        entry: leaf_hash(evaluated.entry.as_bytes()),
    });
    Ok(())
}
