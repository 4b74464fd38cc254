//! Enrols people in a policy, each enrolment once.
//!
//! Comes in: a CSV file. Goes out: one commit with what is new in it, and its entry in the book: a
//! count and a keyed digest. Never: a commit where nothing is new.

use std::{fs::File, path::Path};

use serde::Serialize;
use serde_json::Map;

use super::{Error, check_clock, commit, one, sealed};
use crate::{
    cover::{self, Act, Covers, EnrolmentFault, Enrolments, enrolments},
    ledger::{EntryId, Kind},
    payee::Object,
    pipeline::{consent::shown, linkage::resolver},
    reward::{PoolId, proof::leaf_hash},
    site::Site,
};

/// Millionths in the whole.
const MILLION: u64 = 1_000_000;

/// What an enrolment came to.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolled {
    /// Enrolments that are new or changed.
    pub enrolled: u64,
    /// Those that the policy held already as the file has them.
    pub known: u64,
    /// Rows that were refused.
    pub rejected: u64,
    /// The refused rows, for the steward.
    #[serde(skip)]
    pub rejects: Vec<(u64, EnrolmentFault)>,
    /// The commit; none where nothing was new.
    pub commit: Option<u64>,
    /// Its ledger entry.
    pub entry: Option<EntryId>,
}

/// Takes a file of people. Bad rows are left out and told; where they are more than `rejects_max_ppm`
/// of all, nothing is taken. A row replaces the due date of an enrolment of the same day; the same
/// file again changes nothing.
pub fn enrol(
    site: &Site,
    policy: &PoolId,
    file: &Path,
    rejects_max_ppm: u32,
) -> Result<Enrolled, Error> {
    let vault = site.vault();
    let covers = Covers::load(&vault)?;
    let held = one(&covers, policy)?;
    check_clock(site, held)?;
    let fault = |source| Error::People { file: file.to_owned(), source };
    let input = File::open(file).map_err(|error| fault(error.into()))?;
    let whose = resolver(site)?;
    let read = enrolments(held.policy(), input, site.now().date(), whose).map_err(fault)?;
    let Enrolments { good, bad: rejects } = read;
    let (taken, rejected) = (good.len() as u64, rejects.len() as u64);
    let rows = taken.saturating_add(rejected);
    if rejected.saturating_mul(MILLION) > rows.saturating_mul(u64::from(rejects_max_ppm)) {
        return Err(Error::Rejects { file: file.to_owned(), rejects, rows, rejects_max_ppm });
    }
    let known = held.enrolments(&vault)?;
    let news: Vec<_> = good.into_iter().filter(|own| known.binary_search(own).is_err()).collect();
    let count = news.len() as u64;
    let mut outcome = Enrolled {
        enrolled: count,
        known: taken.saturating_sub(count),
        rejected,
        rejects,
        commit: None,
        entry: None,
    };
    if news.is_empty() {
        return Ok(outcome);
    }
    let (people, bytes) = Object::write("covers/people", &news).map_err(Error::Write)?;
    vault.put_content(&people.path, &bytes)?;
    // Keyed and salted: whether somebody is enrolled could else be guessed and checked against the book.
    let txn = site.txn()?;
    let commitment = sealed(site, b"almoner/cover-people/v2", &txn, &people.digest);
    let mut body = Map::new();
    body.insert("policy".to_owned(), policy.as_str().into());
    body.insert("count".to_owned(), shown(count));
    body.insert("commitment".to_owned(), commitment.to_string().into());
    let prev = leaf_hash(held.newest_entry().as_bytes());
    let entry = site.entry(Kind::CoverEnrolled, &[], &[prev], &body)?;
    let act = cover::Enrolled { policy: policy.clone(), people, commitment };
    let done = commit(site, txn, covers.commit(), Act::Enrolled(act), &entry)?;
    outcome.commit = Some(done.commit);
    outcome.entry = Some(done.entry);
    Ok(outcome)
}
