//! Covers as acts: a policy opened, funded, people enrolled, runs evaluated; and what came of it.
//!
//! Comes in: policy files, payments, files of people, a pipeline's inputs. Goes out: commits of
//! `vault/covers` and their entries in the book. Never: an event paid twice, in one run or in many, or
//! a person, an event or a small number in the book.

mod cells;
mod enrol;
mod error;
mod run;
mod shown;

#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use serde_json::Map;

pub use self::{
    enrol::{Enrolled, enrol},
    error::Error,
    run::{Paid, run, run_as},
    shown::{Explained, ExplainedLine, Standing, explain, prove, standings},
};
use super::{
    fund::{self, Done, found, json, subject},
    spec::Spec,
};
use crate::{
    cover::{self, Act, COMMITS, Commit, Cover, Covers, Policy},
    digest::{Sha3Digest, canonical_digest, hex, hmac_sha3_parts},
    ledger::{Entry, Kind},
    reward::{Funded, PoolId, proof::leaf_hash},
    schema::TableSchema,
    site::Site,
    store::Sequence,
};

/// Reads a policy's file.
pub fn read(file: &Path) -> Result<Policy, Error> {
    let text =
        fs::read_to_string(file).map_err(|source| Error::File { file: file.to_owned(), source })?;
    cover::read(file, &text).map_err(|faults| Error::Faults { file: file.to_owned(), faults })
}

/// Opens a policy. Opening it again on the same terms changes nothing.
pub fn open(site: &Site, policy: Policy) -> Result<Done, Error> {
    let covers = Covers::load(&site.vault())?;
    if let Some(known) = covers.get(&policy.policy) {
        return if known.opened.act == policy {
            Ok(found(&known.opened))
        } else {
            Err(Error::OtherTerms(policy.policy))
        };
    }
    if fund::pools(site)?.contains_key(&policy.policy) {
        return Err(Error::IsPool(policy.policy));
    }
    let mut body = Map::new();
    body.insert("policy".to_owned(), policy.policy.as_str().into());
    body.insert("cover".to_owned(), policy.kind.as_str().into());
    body.insert("currency".to_owned(), policy.currency.code().into());
    body.insert("term".to_owned(), json(&policy.term)?);
    body.insert("sum".to_owned(), json(&policy.sum)?);
    body.insert("purpose".to_owned(), policy.purpose.as_str().into());
    let subject = subject(format!("cover:{}", policy.policy), canonical_digest(&policy)?);
    let entry = site.entry(Kind::CoverOpened, &[subject], &[], &body)?;
    commit(site, site.txn()?, covers.commit(), Act::Opened(Box::new(policy)), &entry)
}

/// Puts the insurer's money in. The same reference again is the same payment, and changes nothing.
pub fn fund(site: &Site, funded: Funded) -> Result<Done, Error> {
    let covers = Covers::load(&site.vault())?;
    let cover = one(&covers, &funded.pool)?;
    if let Some(known) = cover.funded.iter().find(|f| f.act.reference == funded.reference) {
        return if known.act == funded {
            Ok(found(known))
        } else {
            Err(Error::OtherPayment { policy: funded.pool, commit: known.commit })
        };
    }
    if funded.amount.minor() <= 0 || funded.amount.currency() != cover.policy().currency {
        return Err(Error::Amount(funded.pool));
    }
    let keyed = |label: &str| {
        let parts =
            [funded.pool.as_str(), funded.sponsor.as_str(), &funded.reference].map(str::as_bytes);
        Sha3Digest(hmac_sha3_parts(&site.secret(label), &parts))
    };
    let commitment = keyed("payment-reference");
    let mut body = Map::new();
    body.insert("policy".to_owned(), funded.pool.as_str().into());
    body.insert("amount".to_owned(), json(&funded.amount)?);
    body.insert("sponsor_token".to_owned(), hex(keyed("sponsor-token").as_bytes()).into());
    body.insert("reference_commitment".to_owned(), commitment.to_string().into());
    let subject = subject(format!("payment:{}", funded.pool), commitment);
    let prev = leaf_hash(cover.opened.entry.as_bytes());
    let entry = site.entry(Kind::CoverFunded, &[subject], &[prev], &body)?;
    commit(site, site.txn()?, covers.commit(), Act::Funded(funded), &entry)
}

/// Returns a policy as it stands.
pub fn policy(site: &Site, policy: &PoolId) -> Result<Cover, Error> {
    Ok(one(&Covers::load(&site.vault())?, policy)?.clone())
}

fn one<'a>(covers: &'a Covers, policy: &PoolId) -> Result<&'a Cover, Error> {
    covers.get(policy).ok_or_else(|| Error::Unknown(policy.clone()))
}

/// Makes the commit after `newest`, the last one that the act was decided on, and puts its entry into
/// the book. Whoever committed since then makes it a conflict: the act must be decided again.
fn commit(site: &Site, txn: String, newest: u64, act: Act, entry: &Entry) -> Result<Done, Error> {
    let number = newest.saturating_add(1);
    let body = Commit { txn, time: site.now(), act, entry: entry.text().to_owned() };
    site.commit(&Sequence::new(&site.vault(), COMMITS), number, &body, entry)?;
    Ok(Done { commit: number, entry: entry.id(), new: true })
}

/// Returns what the book holds in place of an object: a digest under a key of the site, salted by the
/// random id of its commit, which an erasure destroys.
fn sealed(site: &Site, label: &[u8], txn: &str, object: &Sha3Digest) -> Sha3Digest {
    let parts = [label, txn.as_bytes(), object.as_bytes().as_slice()];
    Sha3Digest(hmac_sha3_parts(&site.secret("covers"), &parts))
}

/// Refuses an act before what was recorded: it would rewrite who was paid.
fn check_clock(site: &Site, cover: &Cover) -> Result<(), Error> {
    let enrolled = cover.enrolled.last().map(|act| act.time);
    let evaluated = cover.evaluated.last().map(|act| act.time);
    match enrolled.max(evaluated) {
        Some(newest) if newest > site.now() => Err(Error::Clock { now: site.now(), newest }),
        Some(_) | None => Ok(()),
    }
}

/// Says what keeps a policy from being evaluated over a pipeline's tables; nothing where it can be.
pub(super) fn misfits(policy: &Policy, schemas: &[std::sync::Arc<TableSchema>]) -> Vec<String> {
    let of = |table: &str| schemas.iter().find(|schema| schema.table == table);
    if !policy.triggers.iter().any(|trigger| of(&trigger.table).is_some()) {
        return vec![format!("policy `{}` looks at no table of this pipeline", policy.policy)];
    }
    let mut faults = Vec::new();
    for trigger in &policy.triggers {
        let Some(schema) = of(&trigger.table) else { continue };
        let table = &trigger.table;
        if schema.person().is_none() {
            faults.push(format!("table `{table}` tells of no person"));
        }
        let mut columns = vec![&trigger.id, &trigger.day, &trigger.code.column];
        columns.extend(&trigger.code.system);
        columns.extend(trigger.value.iter().flat_map(|test| [&test.column, &test.unit_column]));
        columns.extend(trigger.status.iter().map(|test| &test.column));
        for column in columns {
            if schema.column(column).is_none() {
                faults.push(format!(
                    "policy `{}` looks at column `{column}`, which table `{table}` does not have",
                    policy.policy
                ));
            }
        }
        let said = schema.column(&trigger.code.column).and_then(|at| schema.columns.get(at));
        if trigger.code.system.is_none() && said.is_some_and(|said| said.code_system.is_none()) {
            faults.push(format!(
                "nothing says which code system column `{}` of table `{table}` is of: name its \
                 column as `system`",
                trigger.code.column
            ));
        }
    }
    faults
}

/// Checks, before a pipeline runs, that the policies it names were opened on the terms of their files.
pub(super) fn ready(site: &Site, spec: &Spec) -> Result<(), Error> {
    if spec.covers.is_empty() {
        return Ok(());
    }
    let covers = Covers::load(&site.vault())?;
    for policy in &spec.covers {
        if one(&covers, &policy.policy)?.policy() != policy {
            return Err(Error::OtherTerms(policy.policy.clone()));
        }
    }
    Ok(())
}
