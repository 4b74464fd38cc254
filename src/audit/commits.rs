//! The sequences of commits: read in order, each in the very bytes that this version writes,
//! with the entry that it wants in the book.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Audit, Check, Evidence,
    covers::CoverCommit,
    determined::DeterminationCommit,
    erased::{Erased, ErasureCommit},
    goods::GoodsCommit,
    licences::LicenceCommit,
    payees::PayeeCommit,
    payouts::PayoutCommit,
    policies::PolicyCommit,
    shape::{ConsentCommit, LinkageCommit, PartyCommit, PoolCommit},
    signers::SignerCommit,
    table::if_opens,
    transfers::TransferCommit,
    values::ValueCommit,
};
use crate::{
    lake::Version,
    ledger::Entry,
    store::{self, Store},
    usage::UsageRecord,
};

/// One commit.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    pub(super) number: u64,
    pub(super) path: String,
    pub(super) body: T,
    /// The entry that the commit names; none where it cannot be read.
    pub(super) entry: Option<Entry>,
}

/// All commits, each sequence in order.
#[derive(Debug)]
pub(super) struct Commits {
    pub(super) consents: Vec<Numbered<ConsentCommit>>,
    pub(super) linkage: Vec<Numbered<LinkageCommit>>,
    pub(super) licences: Vec<Numbered<LicenceCommit>>,
    pub(super) parties: Vec<Numbered<PartyCommit>>,
    pub(super) payees: Vec<Numbered<PayeeCommit>>,
    pub(super) payouts: Vec<Numbered<PayoutCommit>>,
    pub(super) pools: Vec<Numbered<PoolCommit>>,
    pub(super) covers: Vec<Numbered<CoverCommit>>,
    pub(super) determinations: Vec<Numbered<DeterminationCommit>>,
    pub(super) goods: Vec<Numbered<GoodsCommit>>,
    pub(super) policies: Vec<Numbered<PolicyCommit>>,
    pub(super) signers: Vec<Numbered<SignerCommit>>,
    pub(super) transfers: Vec<Numbered<TransferCommit>>,
    pub(super) usage: Vec<Numbered<UsageRecord>>,
    pub(super) values: Vec<Numbered<ValueCommit>>,
    pub(super) lake: Vec<Numbered<Version>>,
    pub(super) erasures: Vec<Numbered<ErasureCommit>>,
    /// What the erasures cover.
    pub(super) erased: Erased,
    /// Whether every commit that there is could be read.
    pub(super) complete: bool,
}

pub(super) fn read(evidence: &Evidence, audit: &mut Audit) -> Result<Commits, store::Error> {
    let mut complete = true;
    let vault = &evidence.vault;
    let consents = sequence(audit, vault, "vault", "consent/commits", &mut complete, |c| {
        let c: &ConsentCommit = c;
        &c.entry
    })?;
    let linkage = sequence(audit, vault, "vault", "linkage/commits", &mut complete, |c| {
        let c: &LinkageCommit = c;
        &c.entry
    })?;
    let licences = sequence(audit, vault, "vault", "licences/commits", &mut complete, |c| {
        let c: &LicenceCommit = c;
        &c.entry
    })?;
    let parties = sequence(audit, vault, "vault", "parties/commits", &mut complete, |c| {
        let c: &PartyCommit = c;
        &c.entry
    })?;
    let payees = sequence(audit, vault, "vault", "payees/commits", &mut complete, |c| {
        let c: &PayeeCommit = c;
        &c.entry
    })?;
    let payouts = sequence(audit, vault, "vault", "payouts/commits", &mut complete, |c| {
        let c: &PayoutCommit = c;
        &c.entry
    })?;
    let pools = sequence(audit, vault, "vault", "pools/commits", &mut complete, |c| {
        let c: &PoolCommit = c;
        &c.entry
    })?;
    let covers = sequence(audit, vault, "vault", "covers/commits", &mut complete, |c| {
        let c: &CoverCommit = c;
        &c.entry
    })?;
    let determinations =
        sequence(audit, vault, "vault", "determinations/commits", &mut complete, |c| {
            let c: &DeterminationCommit = c;
            &c.entry
        })?;
    let erasures = erasures(evidence, audit)?;
    let erased = Erased::read(evidence, audit, &erasures)?;
    let goods = sequence(audit, vault, "vault", "goods/commits", &mut complete, |c| {
        let c: &GoodsCommit = c;
        &c.entry
    })?;
    let policies = sequence(audit, &evidence.ledger, "ledger", "policies", &mut complete, |c| {
        let c: &PolicyCommit = c;
        &c.entry
    })?;
    let signers = sequence(audit, vault, "vault", "signers/commits", &mut complete, |c| {
        let c: &SignerCommit = c;
        &c.entry
    })?;
    let transfers = sequence(audit, vault, "vault", "transfers/commits", &mut complete, |c| {
        let c: &TransferCommit = c;
        &c.entry
    })?;
    let usage = sequence(audit, vault, "vault", "usage/commits", &mut complete, |c| {
        let c: &UsageRecord = c;
        &c.entry
    })?;
    let values = sequence(audit, vault, "vault", "values/commits", &mut complete, |c| {
        let c: &ValueCommit = c;
        &c.entry
    })?;
    let lake = sequence(audit, &evidence.lake, "lake", "commits", &mut complete, |c| {
        let c: &Version = c;
        &c.entry
    })?;
    let consents_named = consents.iter().map(|c| (&c.path, c.number == c.body.number));
    let linkage_named = linkage.iter().map(|c| (&c.path, c.number == c.body.number));
    for (path, good) in consents_named.chain(linkage_named) {
        audit.check(Check::Commit, path, good, "it bears another number than its name");
    }
    Ok(Commits {
        consents,
        linkage,
        licences,
        parties,
        payees,
        payouts,
        pools,
        covers,
        determinations,
        goods,
        policies,
        signers,
        transfers,
        usage,
        values,
        lake,
        erasures,
        erased,
        complete,
    })
}

/// Reads the commits of erasures alone.
pub(super) fn erasures(
    evidence: &Evidence,
    audit: &mut Audit,
) -> Result<Vec<Numbered<ErasureCommit>>, store::Error> {
    let mut complete = true;
    sequence(audit, &evidence.vault, "vault", "erasures/commits", &mut complete, |c| {
        let c: &ErasureCommit = c;
        &c.entry
    })
}

fn sequence<T: Serialize + DeserializeOwned>(
    audit: &mut Audit,
    zone: &Store,
    named: &str,
    prefix: &str,
    complete: &mut bool,
    entry: impl Fn(&T) -> &String,
) -> Result<Vec<Numbered<T>>, store::Error> {
    let mut commits = Vec::new();
    let mut next = 1_u64;
    for listed in zone.list(prefix)? {
        let path = format!("{named}/{}", listed.path);
        let stem = listed.path.strip_prefix(prefix).and_then(|p| p.strip_prefix('/'));
        let number = stem
            .and_then(|name| name.strip_suffix(".json"))
            .filter(|stem| stem.len() == 12 && stem.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|stem| stem.parse::<u64>().ok());
        let Some(number) = number else {
            audit.check(Check::Commit, &path, false, "its name is no number of a commit");
            continue;
        };
        for missing in next..number.min(next.saturating_add(16)) {
            let gap = format!("{named}/{prefix}/{missing:012}.json");
            audit.check(Check::Commit, &gap, false, "it is missing");
            *complete = false;
        }
        next = number.saturating_add(1);
        let Some(bytes) = if_opens(zone.find(&listed.path))? else {
            audit.check(Check::Commit, &path, false, "it does not open");
            *complete = false;
            continue;
        };
        let body: T = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(error) => {
                // The reader's own words could quote a value: only the place is told.
                let (line, column) = (error.line(), error.column());
                let fault = format!("it cannot be read at line {line}, column {column}");
                audit.check(Check::Commit, &path, false, &fault);
                *complete = false;
                continue;
            }
        };
        let same = serde_json::to_vec_pretty(&body).is_ok_and(|again| again == bytes);
        audit.check(Check::Commit, &path, same, "its bytes are not as this version writes them");
        let entry = Entry::parse(entry(&body).as_bytes()).ok();
        audit.check(Check::Commit, &path, entry.is_some(), "the entry that it names is malformed");
        commits.push(Numbered { number, path, body, entry });
    }
    Ok(commits)
}
