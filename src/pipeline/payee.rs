//! Takes files of payees into the register, each import once.
//!
//! Comes in: a CSV file. Goes out: one commit of `vault/payees` with what is new in it, and its entry in
//! the book: counts and a keyed digest. Never: a commit where nothing is new, or part of a file of which
//! too much is bad.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::Map;

use super::{consent::shown, linkage::resolver};
pub use crate::payee::Reject;
use crate::{
    digest::{Sha3Digest, hmac_sha3_parts},
    instant::Instant,
    ledger::entry::{EntryId, Kind},
    payee::{
        self, COMMITS, Commit, Payee, PayeeId, Payees, Read, ReadError, Register, write_payees,
    },
    site::{self, Site},
    store::{self, Sequence},
};

/// Millionths in the whole.
const MILLION: u64 = 1_000_000;

/// Why payees were not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The register is broken.
    #[error(transparent)]
    Register(#[from] payee::Error),
    /// The file cannot be read.
    #[error("`{}` cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// More rows are bad than was allowed.
    #[error(
        "`{}`: {} of {rows} rows are bad, more than {rejects_max_ppm} in a million; none was taken",
        file.display(),
        rejects.len()
    )]
    Rejects {
        /// The file.
        file: PathBuf,
        /// The bad rows.
        rejects: Vec<Reject>,
        /// All rows.
        rows: u64,
        /// How many were allowed.
        rejects_max_ppm: u32,
    },
    /// The run's instant lies before the newest import.
    #[error("the run's instant {now} lies before the newest import of payees, {newest}")]
    Clock {
        /// The run's instant.
        now: Instant,
        /// When the newest import was recorded.
        newest: Instant,
    },
    /// The person index is broken.
    #[error(transparent)]
    Linkage(#[from] super::linkage::Error),
    /// The payees could not be written.
    #[error("the payees could not be written")]
    Write(#[source] serde_json::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

/// What an import came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Contributors who are new or changed.
    pub contributors: u64,
    /// Institutions that are new or changed.
    pub institutions: u64,
    /// Payees that the register held already as the file has them.
    pub known: u64,
    /// Rows that were refused.
    pub rejected: u64,
    /// The refused rows, for the steward.
    #[serde(skip)]
    pub rejects: Vec<Reject>,
    /// The commit; none where nothing was new.
    pub commit: Option<u64>,
    /// Its ledger entry.
    pub entry: Option<EntryId>,
}

/// Takes a file of payees. Bad rows are left out and told; where they are more than `rejects_max_ppm` of
/// all, nothing is taken. A row replaces all that was known of its payee; the same file again changes
/// nothing.
pub fn import(site: &Site, file: &Path, rejects_max_ppm: u32) -> Result<Outcome, Error> {
    let fault = |source| Error::Read { file: file.to_owned(), source };
    let opened = File::open(file).map_err(|e: io::Error| fault(e.into()))?;
    let Read { payees, rejects } = payee::read(opened, resolver(site)?).map_err(fault)?;
    let (good, bad) = (payees.len() as u64, rejects.len() as u64);
    let rows = good.saturating_add(bad);
    if bad.saturating_mul(MILLION) > rows.saturating_mul(u64::from(rejects_max_ppm)) {
        return Err(Error::Rejects { file: file.to_owned(), rejects, rows, rejects_max_ppm });
    }
    let vault = site.vault();
    let register = Register::load(&vault)?;
    if let Some(newest) = register.recorded_until().filter(|newest| *newest > site.now()) {
        return Err(Error::Clock { now: site.now(), newest });
    }
    let news = news(&register.newest(), payees);
    let institution = |payee: &&Payee| matches!(payee.id, PayeeId::Institution(_));
    let institutions = news.iter().filter(institution).count() as u64;
    let count = news.len() as u64;
    let mut outcome = Outcome {
        contributors: count.saturating_sub(institutions),
        institutions,
        known: good.saturating_sub(count),
        rejected: bad,
        rejects,
        commit: None,
        entry: None,
    };
    if news.is_empty() {
        return Ok(outcome);
    }
    let (object, bytes) = write_payees(&news).map_err(Error::Write)?;
    vault.put_content(&object.path, &bytes)?;
    let number = register.commit().saturating_add(1);
    // Keyed, and salted by the commit's random id: who a payee is and where they bank could else be
    // guessed and checked against the book, by who holds the keys even once they are erased.
    let txn = site.txn()?;
    let parts = [b"almoner/payees/v2".as_slice(), txn.as_bytes(), object.digest.as_bytes()];
    let commitment = Sha3Digest(hmac_sha3_parts(&site.secret("payees"), &parts));
    let mut body = Map::new();
    body.insert("commit".to_owned(), number.into());
    body.insert("contributors".to_owned(), shown(outcome.contributors));
    body.insert("institutions".to_owned(), shown(outcome.institutions));
    body.insert("commitment".to_owned(), commitment.to_string().into());
    let entry = site.entry(Kind::PayeesRegistered, &[], &[], &body)?;
    let commit = Commit {
        txn,
        time: site.now(),
        payees: object,
        contributors: outcome.contributors,
        institutions: outcome.institutions,
        rejected: bad,
        commitment,
        entry: entry.text().to_owned(),
    };
    site.commit(&Sequence::new(&vault, COMMITS), number, &commit, &entry)?;
    outcome.commit = Some(number);
    outcome.entry = Some(entry.id());
    Ok(outcome)
}

fn news(known: &Payees<'_>, payees: Vec<Payee>) -> Vec<Payee> {
    payees.into_iter().filter(|payee| known.get(&payee.id) != Some(payee)).collect()
}

/// How many payees the register holds, and of what kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Imports.
    pub imports: u64,
    /// Contributors.
    pub contributors: u64,
    /// Contributors whom somebody verified.
    pub verified: u64,
    /// Verified persons: fewer than contributors where one has several ids.
    pub persons: u64,
    /// Institutions.
    pub institutions: u64,
    /// Payees with an account.
    pub accounts: u64,
    /// Payees without a country, who are taxed as those of every other country.
    pub without_country: u64,
}

/// Says how many payees the register holds.
pub fn standing(site: &Site) -> Result<Standing, Error> {
    let register = Register::load(&site.vault())?;
    let payees = register.newest();
    let mut standing = Standing { imports: register.commit(), ..Standing::default() };
    let mut persons = std::collections::BTreeSet::new();
    for payee in payees.iter() {
        match payee.id {
            PayeeId::Contributor(_) => standing.contributors += 1,
            PayeeId::Institution(_) => standing.institutions += 1,
        }
        standing.verified += u64::from(payee.verified);
        standing.accounts += u64::from(payee.account.is_some());
        standing.without_country += u64::from(payee.country.is_none());
        persons.extend(payee.person.as_ref().filter(|_| payee.verified));
    }
    standing.persons = persons.len() as u64;
    Ok(standing)
}

/// Returns every payee as the register holds it: for the steward's own eyes.
pub fn private(site: &Site) -> Result<Vec<Payee>, Error> {
    Ok(Register::load(&site.vault())?.newest().iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::fund::tests::site;

    const HEADER: &str = "contributor,institution,person,verified,country,name,iban,bic\n";
    const IBAN: &str = "DE89370400440532013000";

    fn file(folder: &tempfile::TempDir, rows: &str) -> PathBuf {
        let path = folder.path().join("payees.csv");
        std::fs::write(&path, format!("{HEADER}{rows}")).unwrap();
        path
    }

    #[test]
    fn a_file_is_taken_once_and_only_its_changes_after_that() {
        let folder = tempfile::tempdir().unwrap();
        let rows =
            format!("p1,,jane,true,DE,Jane Roe,{IBAN},\np2,,jane,true,DE,,,\n,north,,,,,,\n");
        let path = file(&folder, &rows);
        let one = import(&site(&folder, "2026-10-01"), &path, 0).unwrap();
        assert_eq!((one.contributors, one.institutions, one.commit), (2, 1, Some(1)));
        let again = import(&site(&folder, "2026-10-02"), &path, 0).unwrap();
        assert_eq!((again.known, again.commit), (3, None), "an import told twice stands twice");
        let path = file(&folder, &rows.replace("p2,,jane,true,DE", "p2,,jane,true,AT"));
        let moved = import(&site(&folder, "2026-10-03"), &path, 0).unwrap();
        assert_eq!((moved.contributors, moved.known, moved.commit), (1, 2, Some(2)));
        let site = site(&folder, "2026-10-04");
        let expected = Standing {
            imports: 2,
            contributors: 2,
            verified: 2,
            persons: 1,
            institutions: 1,
            accounts: 1,
            without_country: 1,
        };
        assert_eq!(standing(&site).unwrap(), expected);
        for object in site.ledger().list("").unwrap() {
            let bytes = site.ledger().get(&object.path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            let leaks = ["Jane", "jane", IBAN].iter().any(|secret| text.contains(secret));
            assert!(!leaks, "the book names a payee in {}", object.path);
        }
    }

    #[test]
    fn more_bad_rows_than_allowed_and_nothing_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "p1,,,,DE,,,\np2,,,,D,,,\n");
        let site = site(&folder, "2026-10-01");
        let refused = import(&site, &path, 499_999);
        assert!(
            matches!(&refused, Err(Error::Rejects { rejects, rows: 2, .. }) if rejects.len() == 1)
        );
        assert_eq!(Register::load(&site.vault()).unwrap().commit(), 0);
        let taken = import(&site, &path, 500_000).unwrap();
        assert_eq!((taken.contributors, taken.rejected, taken.commit), (1, 1, Some(1)));
    }

    #[test]
    fn a_clock_set_back_may_not_rewrite_who_was_paid() {
        let folder = tempfile::tempdir().unwrap();
        import(&site(&folder, "2026-10-02"), &file(&folder, "p1,,,,DE,,,\n"), 0).unwrap();
        let late = import(&site(&folder, "2026-10-01"), &file(&folder, "p1,,,,AT,,,\n"), 0);
        assert!(matches!(late, Err(Error::Clock { .. })));
    }
}
