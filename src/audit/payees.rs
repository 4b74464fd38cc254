//! The register of payees as an auditor reads it: each import's lines, their order, their counts, and
//! what makes a payee payable: check digits by a second reckoning, and a person behind each verified id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    expected::{Said, shown},
    given::Payee,
    shape::Counted,
    table::{ascends, count, if_opens, object},
};
use crate::{
    digest::{Sha3Digest, hmac_sha3_parts},
    instant::Instant,
    ledger::Kind,
    store,
};

/// `vault/payees/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayeeCommit {
    txn: String,
    time: Instant,
    pub(super) payees: Counted,
    contributors: u64,
    institutions: u64,
    rejected: u64,
    commitment: Sha3Digest,
    pub(super) entry: String,
}

/// One line of an import.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: Id,
    person: Option<String>,
    verified: bool,
    country: Option<String>,
    account: Option<Account>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Id {
    Contributor(String),
    Institution(String),
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Id(…)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    name: String,
    iban: String,
    #[serde(default)]
    bic: Option<String>,
}

/// What the entry of an import must say.
pub(super) fn said(evidence: &Evidence, commit: &Numbered<PayeeCommit>) -> Said {
    let PayeeCommit { time, contributors, institutions, .. } = &commit.body;
    let body = json!({
        "commit": commit.number,
        "contributors": shown(*contributors),
        "institutions": shown(*institutions),
        "commitment": Sha3Digest(commitment(evidence, &commit.body)),
    });
    let (prev, subjects) = (Vec::new(), Vec::new());
    Said { kind: Kind::PayeesRegistered, time: *time, body, prev, subjects }
}

fn commitment(evidence: &Evidence, commit: &PayeeCommit) -> [u8; 32] {
    let (txn, payees) = (commit.txn.as_bytes(), commit.payees.digest.as_bytes());
    let parts = [b"almoner/payees/v2".as_slice(), txn, payees];
    hmac_sha3_parts(&evidence.secrets.payees, &parts)
}

/// Reads the lines of every import.
pub(super) fn check(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
) -> Result<(), store::Error> {
    let mut newest = None;
    for commit in &commits.payees {
        let PayeeCommit { time, payees, contributors, institutions, commitment: own, .. } =
            &commit.body;
        let forward = newest.is_none_or(|newest| newest <= *time);
        audit.check(Check::Commit, &commit.path, forward, "it is older than the one before it");
        newest = Some(*time);
        let redacted = commits.erased.covers(&commit.path);
        let same = redacted || commitment(evidence, &commit.body) == own.0;
        audit.check(Check::Payees, &commit.path, same, "its commitment is not that of its payees");
        let vault = &evidence.vault;
        let bytes = object(audit, vault, "vault", &payees.path, &payees.digest)?;
        let Some(bytes) = bytes else { continue };
        let name = format!("vault/{}", payees.path);
        let Some(lines) = lines(&bytes) else {
            audit.check(Check::Payees, &name, false, "it holds what is no payee");
            continue;
        };
        let is_person = |line: &&Line| matches!(line.id, Id::Contributor(_));
        let people = lines.iter().filter(is_person).count();
        let people = u64::try_from(people).unwrap_or(u64::MAX);
        let all = count(&lines) == payees.count
            && people == *contributors
            && count(&lines).checked_sub(people) == Some(*institutions);
        audit.check(Check::Payees, &name, all, "it holds another number of payees");
        let ids: Vec<&Id> = lines.iter().map(|line| &line.id).collect();
        audit.check(Check::Payees, &name, ascends(&ids), "a payee stands twice or out of order");
        let good = lines.iter().all(payable);
        audit.check(Check::Payees, &name, good, "a payee has parts that could not be paid");
        audit.passed(Check::Payees, count(&lines));
    }
    Ok(())
}

/// Returns what the register said of each contributor by the imports that were `known`; `None` where
/// one cannot be read.
pub(super) fn at(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    known: &dyn Fn(Instant, &str) -> bool,
) -> Result<Option<BTreeMap<String, Payee>>, store::Error> {
    let mut payees = BTreeMap::new();
    for commit in commits.payees.iter().filter(|c| known(c.body.time, &c.body.entry)) {
        let at = &commit.body.payees;
        let bytes = object(audit, &evidence.vault, "vault", &at.path, &at.digest)?;
        let Some(lines) = bytes.and_then(|bytes| lines(&bytes)) else { return Ok(None) };
        for Line { id, person, verified, country, .. } in lines {
            if let Id::Contributor(contributor) = id {
                payees.insert(contributor, Payee { person, verified, country });
            }
        }
    }
    Ok(Some(payees))
}

fn lines(bytes: &[u8]) -> Option<Vec<Line>> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The account of each payee that each import brought; none where it took it away.
pub(super) type Accounts = Vec<(Instant, Vec<(Id, Option<String>)>)>;

/// Reads the accounts of every import.
pub(super) fn accounts(evidence: &Evidence, commits: &Commits) -> Result<Accounts, store::Error> {
    let mut imports = Vec::new();
    for commit in &commits.payees {
        let PayeeCommit { time, payees, .. } = &commit.body;
        let bytes = if_opens(evidence.vault.find(&payees.path))?.unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
        let own = lines.map(|line| (line.id, line.account.map(|account| account.iban)));
        imports.push((*time, own.collect()));
    }
    Ok(imports)
}

/// Returns the accounts as they stood at a time.
pub(super) fn accounts_at(accounts: &Accounts, time: Instant) -> BTreeMap<&Id, Option<&str>> {
    let known = accounts.iter().filter(|(imported, _)| *imported <= time);
    let own = known.flat_map(|(_, own)| own.iter().map(|(id, iban)| (id, iban.as_deref())));
    own.collect()
}

fn payable(line: &Line) -> bool {
    let named = match line.id {
        Id::Contributor(_) => line.person.is_some() || !line.verified,
        Id::Institution(_) => line.person.is_none() && !line.verified,
    };
    let capitals = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase());
    let country = line.country.as_ref().is_none_or(|c| c.len() == 2 && capitals(c));
    let account = line.account.as_ref().is_none_or(|account| {
        let bic = account.bic.as_ref().is_none_or(|bic| matches!(bic.len(), 8 | 11));
        bic && !account.name.is_empty() && divides(&account.iban)
    });
    named && country && account
}

/// ISO 13616 by the book: the head to the tail, letters to two digits, and the whole number by 97.
fn divides(iban: &str) -> bool {
    let Some((head, tail)) = iban.split_at_checked(4) else { return false };
    let digits: Option<String> =
        tail.chars().chain(head.chars()).map(|c| c.to_digit(36).map(|d| d.to_string())).collect();
    let Some(digits) = digits else { return false };
    let remainder = digits.bytes().fold(0_u32, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0'))) % 97
    });
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_reckoning_of_check_digits_takes_what_is_right_alone() {
        assert!(divides("DE89370400440532013000") && divides("GB29NWBK60161331926819"));
        assert!(!divides("DE89370400440532013001") && !divides("DE8") && !divides("DE89-"));
    }
}
