//! Two books held against each other: each entry that names one of the other site's names one that is
//! there.
//!
//! Comes in: the public ledgers of partners, this site's commits of transfers and its book. Goes out:
//! findings, and the keys of the partners' stewards. Never: a look at what a partner keeps to itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Audit, Check, Evidence,
    booked::Book,
    commits::Commits,
    table::leaf_hash,
    transfers::{Stewards, TransferAct},
};
use crate::{
    digest::Sha256,
    ledger::{Entry, Kind, Reader, Trust, trust::Role},
    signed_note::Verifier,
    store::{self, Store},
};

/// Who takes part in this site's transfers, by its offers.
#[derive(Debug, Default)]
pub(super) struct Sides {
    /// This site's institution.
    pub(super) own: BTreeSet<String>,
    /// The origin of each partner's ledger, by institution.
    pub(super) partners: BTreeMap<String, String>,
}

/// A partner's book.
#[derive(Debug)]
pub(super) struct Partner {
    origin: String,
    stewards: Vec<Verifier>,
    ids: BTreeSet<Sha256>,
    entries: Vec<Entry>,
}

/// Reads the partners' books that the auditor was given.
pub(super) fn partners(
    evidence: &Evidence,
    audit: &mut Audit,
) -> Result<Vec<Partner>, store::Error> {
    let mut partners = Vec::new();
    for ledger in &evidence.partners {
        partners.extend(partner(audit, ledger)?);
    }
    Ok(partners)
}

/// Returns the keys of the partners' stewards.
pub(super) fn stewards(partners: &[Partner]) -> Stewards {
    partners.iter().map(|own| (own.origin.clone(), own.stewards.clone())).collect()
}

fn partner(audit: &mut Audit, ledger: &Store) -> Result<Option<Partner>, store::Error> {
    let text = ledger.find("log.vkey")?.unwrap_or_default();
    let log =
        std::str::from_utf8(&text).ok().and_then(|text| Verifier::parse(text.trim_end()).ok());
    let Some(log) = log else {
        audit.check(Check::Transfers, "partner", false, "its ledger names no key");
        return Ok(None);
    };
    let origin = log.name().to_owned();
    let name = format!("partner {origin}");
    let read = Reader::open(ledger, &origin, std::slice::from_ref(&log)).ok();
    let read = read.and_then(|reader| reader.entries().collect::<Result<Vec<_>, _>>().ok());
    let entries: Vec<Entry> = read.into_iter().flatten().map(|(_, entry)| entry).collect();
    let trust = Trust::replay((0..).zip(&entries)).ok();
    let Some(trust) = trust.filter(|trust| *trust.first_log_key() == log) else {
        let fault = "its ledger cannot be read under its own key";
        audit.check(Check::Transfers, &name, false, fault);
        return Ok(None);
    };
    let signed = (0..).zip(&entries).all(|(at, entry)| trust.check_entry(at, entry).is_ok());
    let fault = "an entry of its ledger is not signed by its steward";
    audit.check(Check::Transfers, &name, signed, fault);
    let ids = entries.iter().map(|entry| leaf_hash(entry.bytes())).collect();
    let stewards = trust.all(Role::Steward);
    Ok(Some(Partner { origin, stewards, ids, entries }))
}

/// Holds this site's book against the partners'.
pub(super) fn check(
    audit: &mut Audit,
    commits: &Commits,
    book: Option<&Book>,
    sides: &Sides,
    partners: &[Partner],
) {
    for commit in &commits.transfers {
        let TransferAct::Steps(act) = &commit.body.act else { continue };
        let origin = sides.partners.get(&act.partner);
        let known = origin.and_then(|origin| partners.iter().find(|own| own.origin == *origin));
        let (Some(partner), Some(entry)) = (known, &commit.entry) else { continue };
        let good = entry.prev().iter().all(|id| partner.ids.contains(id));
        let fault = "its entry names one that is not in the partner's ledger";
        audit.check(Check::Transfers, &commit.path, good, fault);
    }
    let Some(book) = book else { return };
    for partner in partners {
        for (index, entry) in partner.entries.iter().enumerate() {
            if !is_of_transfers(entry.kind()) {
                continue;
            }
            let about = entry.body().get("partner").and_then(Value::as_str);
            if !about.is_some_and(|about| sides.own.contains(about)) {
                continue;
            }
            let name = format!("partner {} entry {index}", partner.origin);
            let good = entry.prev().iter().all(|id| book.places.contains_key(id));
            let fault = "it names an entry that is not in this site's ledger";
            audit.check(Check::Transfers, &name, good, fault);
        }
    }
}

fn is_of_transfers(kind: Option<Kind>) -> bool {
    let kinds = [
        Kind::TransfersOffered,
        Kind::TransfersChallenged,
        Kind::TransfersApproved,
        Kind::TransfersSent,
        Kind::TransfersReceived,
        Kind::TransfersEnded,
    ];
    kind.is_some_and(|kind| kinds.contains(&kind))
}
