//! Audits a site: opens its zones and keys for reading alone, has everything worked out again, and
//! writes the public page about it.
//!
//! Comes in: an address and a key folder, or an open site. Goes out: [`Audited`].
//! Never: a write to what is audited; a site that was tampered with is not mended first.

use std::path::Path;

use bytes::Bytes;

use super::{Progress, book::Prover};
pub use crate::audit::{Audit, Check, Finding, Recomputed, Rehashed};
use crate::{
    audit::{self, Evidence, Secrets},
    digest::Sha256,
    instant::Instant,
    ledger::{Reader, Trust, Verified, proof_file::Claim, reader, verify_book},
    report::{self, AuditCheck, AuditFinding, AuditPage, Checkpoint, PageProofs},
    reward::PoolId,
    signed_note::Verifier,
    site::{self, About, Keys, Site},
    store::{self, Store},
    vault::Keyring,
};

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The site or its keys cannot be opened.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// There is no such pool.
    #[error("there is no pool `{0}`")]
    Unknown(PoolId),
    /// The page could not be written as JSON.
    #[error("the audit could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// An audit, with when and of what.
#[derive(Debug, Clone)]
pub struct Audited {
    audit: Audit,
    page: AuditPage,
}

impl Audited {
    /// Returns how many checks were made.
    pub fn checks(&self) -> u64 {
        self.audit.checks()
    }

    /// Returns what did not come out.
    pub fn findings(&self) -> &[Finding] {
        self.audit.findings()
    }

    /// Returns the audit's page.
    pub fn page(&self) -> &AuditPage {
        &self.page
    }

    /// Returns the page as HTML and as JSON.
    pub fn files(&self) -> Result<[(&'static str, String); 2], Error> {
        let json = report::json(&self.page)?;
        Ok([("audit.html", report::audit_page(&self.page)), ("audit.json", json)])
    }
}

/// A site opened for reading alone: nothing is healed, locked or written.
#[derive(Debug)]
pub struct Files {
    store: Store,
    keyring: Keyring,
    evidence: Evidence,
}

impl Files {
    /// Opens the site at an address with the keys of a folder.
    pub fn open(address: &str, keys: &Path) -> Result<Self, Error> {
        let store = Store::open(address)?;
        let text = store.find("site.json")?;
        let text = text.ok_or_else(|| site::Error::Missing(address.to_owned()))?;
        let about: About = serde_json::from_slice(&text).map_err(|e| site::Error::Format {
            path: "site.json".to_owned(),
            reason: format!("line {}, column {}", e.line(), e.column()),
        })?;
        let keys = Keys::open(keys, &about.origin)?;
        let keyring = Keyring::new(&store, keys.site_key());
        let zones = (keyring.vault(), keyring.lake(), store.zone("ledger"));
        let evidence = evidence(&zones.0, &zones.1, &zones.2, &about, &keys);
        Ok(Self { store, keyring, evidence })
    }

    /// Holds transfers against the public ledgers of partners too, each a folder or a URL.
    pub fn beside(mut self, ledgers: &[String]) -> Result<Self, Error> {
        for ledger in ledgers {
            self.evidence.partners.push(Store::open(ledger)?);
        }
        Ok(self)
    }

    /// Checks every file of the book against its entries and checkpoints, and each entry by itself.
    pub fn book(&self) -> Result<Verified, Error> {
        let Evidence { ledger, origin, trust, .. } = &self.evidence;
        Ok(verify_book(ledger, origin, std::slice::from_ref(trust.first_log_key()))?)
    }

    /// Opens the book at the checkpoint that the world is shown.
    pub fn shown(&self) -> Result<Reader, reader::Error> {
        let Evidence { ledger, origin, trust, .. } = &self.evidence;
        Reader::open(ledger, origin, std::slice::from_ref(trust.first_log_key()))
    }

    /// Returns the key that the log began with: readers follow from it to the one of today.
    pub fn log_key(&self) -> &Verifier {
        self.evidence.trust.first_log_key()
    }

    /// Returns the zone of the book.
    pub fn ledger(&self) -> &Store {
        &self.evidence.ledger
    }

    /// Hashes every object that any commit names, and opens every key.
    pub fn rehash(&self) -> Result<Rehashed, Error> {
        let mut seen = audit::rehash(&self.evidence)?;
        let (keys, closed) = self.keyring.check().map_err(site::Error::from)?;
        seen.objects = seen.objects.saturating_add(keys);
        let check = Check::Object.as_str();
        seen.findings.extend(closed.into_iter().map(|path| Finding {
            check,
            object: format!("vault/{path}"),
            fault: "its bytes have changed: the key in it does not open".to_owned(),
        }));
        seen.findings.sort();
        Ok(seen)
    }

    /// Audits the site; with `pool` the money of that pool alone beside all the rest.
    pub fn audit(
        &self,
        now: Instant,
        pool: Option<&PoolId>,
        progress: &dyn Progress,
    ) -> Result<Audited, Error> {
        run(&self.evidence, now, pool, progress)
    }

    /// Returns what is audited.
    pub(super) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Writes an audit's page into the public zone.
    pub fn publish(&self, audited: &Audited) -> Result<(), Error> {
        put(&self.store.zone("public"), audited)
    }
}

/// Audits an open site; with `pool` the money of that pool alone beside all the rest.
pub fn audit(
    site: &Site,
    pool: Option<&PoolId>,
    progress: &dyn Progress,
) -> Result<Audited, Error> {
    let zones = (site.vault(), site.lake(), site.ledger());
    let evidence = evidence(&zones.0, &zones.1, &zones.2, site.about(), site.keys());
    run(&evidence, site.now(), pool, progress)
}

/// Writes an audit's page into the public zone.
pub fn publish(site: &Site, audited: &Audited) -> Result<(), Error> {
    put(&site.public(), audited)
}

/// Follows the keys from those that `site.json` names to those of the key folder; where that cannot
/// be done, the auditor knows the key folder's alone.
fn trust(ledger: &Store, about: &About, keys: &Keys) -> Trust {
    let begun = about.trust().ok().and_then(|trust| trust.follow(ledger).ok());
    let own = || {
        let (log, steward) = (keys.log().verifier().clone(), keys.steward().verifier().clone());
        Trust::new(&about.origin, log, steward)
    };
    begun.filter(|trust| keys.clone().follow(trust).is_ok()).unwrap_or_else(own)
}

fn evidence(vault: &Store, lake: &Store, ledger: &Store, about: &About, keys: &Keys) -> Evidence {
    Evidence {
        vault: vault.clone(),
        lake: lake.clone(),
        ledger: ledger.clone(),
        origin: about.origin.clone(),
        created: about.created,
        claimed: [about.log_vkey.clone(), about.steward_vkey.clone()],
        trust: trust(ledger, about, keys),
        secrets: Secrets {
            payout_lines: keys.secret("payout-lines"),
            payment_reference: keys.secret("payment-reference"),
            sponsor_token: keys.secret("sponsor-token"),
            researcher_token: keys.secret("researcher-token"),
            linkage_commitments: keys.secret(crate::pipeline::linkage::COMMITMENTS),
            overrides: keys.secret("settlement-overrides"),
            payees: keys.secret("payees"),
            voucher_ids: keys.secret("voucher-ids"),
            payouts: keys.secret("payouts"),
            licences: keys.secret("licences"),
            approvers: keys.secret("approvers"),
            covers: keys.secret("covers"),
        },
        partners: Vec::new(),
    }
}

fn run(
    evidence: &Evidence,
    now: Instant,
    pool: Option<&PoolId>,
    progress: &dyn Progress,
) -> Result<Audited, Error> {
    let audit = audit::audit(evidence, pool.map(PoolId::as_str), &mut |name| {
        progress.stage(name, 1);
    })?;
    if let Some(pool) = pool
        && !audit.pools().contains(pool.as_str())
        && audit.findings().is_empty()
    {
        return Err(Error::Unknown(pool.clone()));
    }
    let checks = Check::ALL.into_iter().map(|check| {
        let (count, findings) = audit.count(check);
        AuditCheck {
            name: check.as_str().to_owned(),
            asks: check.asks().to_owned(),
            count,
            findings,
        }
    });
    let findings = audit.findings().iter().map(|finding| AuditFinding {
        check: finding.check.to_owned(),
        object: finding.object.clone(),
        fault: finding.fault.clone(),
    });
    let page = AuditPage {
        time: now,
        scope: match pool {
            Some(pool) => format!("pool {pool} of {}", evidence.origin),
            None => evidence.origin.clone(),
        },
        checks: checks.filter(|check| check.count > 0).collect(),
        findings: findings.collect(),
        unreadable: audit.unreadable().len() as u64,
        checkpoint: audit.head().map(|(size, root)| Checkpoint { size, root: root.to_string() }),
        commands: vec![
            pool.map_or_else(|| "almoner audit".to_owned(), |pool| format!("almoner audit {pool}")),
            "almoner verify --deep".to_owned(),
        ],
        proofs: head_proof(evidence, audit.head()),
    };
    Ok(Audited { audit, page })
}

/// Proves that the newest entry is under the state that was audited; nothing where the book has gone on
/// or cannot be believed, which the findings tell.
fn head_proof(evidence: &Evidence, head: Option<(u64, Sha256)>) -> Option<PageProofs> {
    let Evidence { ledger, origin, trust, .. } = evidence;
    let prover = Prover::new(ledger, origin, std::slice::from_ref(trust.first_log_key())).ok()?;
    if head? != prover.head() {
        return None;
    }
    let mut proofs = PageProofs::default();
    prover.newest().ok()?.prove_on(&mut proofs, Claim::Entry {}).ok()?;
    Some(proofs)
}

fn put(public: &Store, audited: &Audited) -> Result<(), Error> {
    for (name, text) in audited.files()? {
        public.put(name, Bytes::from(text))?;
    }
    Ok(())
}
