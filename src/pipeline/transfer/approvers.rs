//! The keys with which patients and delegates approve: registered, revoked and listed at the desk.
//!
//! Comes in: a patient, a key. Goes out: a commit and its entry, which names neither.
//! Never: a key registered twice, or one that is forgotten when it is revoked.

use serde::Serialize;
use serde_json::Map;

use super::{
    Clerk, Error,
    book::{Act, ApproverLine, Approvers, COMMITS, Commit},
};
use crate::{
    digest::{Sha3Digest, hmac_sha3_parts},
    instant::Instant,
    ledger::entry::Kind,
    payee::Object,
    pipeline::consent::shown,
    signed_note::{KeyUse, Verifier},
    store::Sequence,
    transfer::{ApproverKey, Role},
};

/// A key of a patient, as it is shown. Its `Debug` names no patient.
#[derive(Clone, Serialize)]
pub struct Approver {
    /// The patient's id at this site.
    pub patient: String,
    /// The key.
    pub key: String,
    /// Whose it is.
    pub role: Role,
    /// Until when it may approve.
    pub until: Option<Instant>,
    /// When it was revoked.
    pub revoked: Option<Instant>,
}

impl std::fmt::Debug for Approver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Approver").field("role", &self.role).finish_non_exhaustive()
    }
}

impl Clerk<'_> {
    /// Registers a key of a patient. The same again changes nothing; another role or end replaces.
    pub fn add_approver(
        &mut self,
        patient: &str,
        vkey: &str,
        role: Role,
        until: Option<Instant>,
    ) -> Result<(), Error> {
        let key = Verifier::parse(vkey).map_err(|e| Error::Key(e.to_string()))?;
        if key.key_use() != KeyUse::Sign {
            return Err(Error::Key("a witness's key approves nothing".to_owned()));
        }
        let (patient, vkey) = (patient.to_owned(), key.vkey());
        self.register(ApproverLine { patient, vkey, role, until, revoked: None })
    }

    /// Revokes a key of a patient: what it signs from now on counts for nothing.
    pub fn revoke_approver(&mut self, patient: &str, vkey: &str) -> Result<(), Error> {
        let key = (patient.to_owned(), vkey.to_owned());
        let Some(line) = self.book.approvers.get(&key) else {
            return Err(Error::Key("no such key is registered for this patient".to_owned()));
        };
        let revoked = Some(line.revoked.unwrap_or(self.now()));
        self.register(ApproverLine { revoked, ..line.clone() })
    }

    /// Returns the keys of a patient that stand now.
    pub(super) fn approvers_of(&self, patient: &str) -> Vec<ApproverKey> {
        let own = self.book.approvers.values().filter(|line| line.patient == patient);
        let now = self.now();
        let stands = |line: &&ApproverLine| {
            line.revoked.is_none() && line.until.is_none_or(|until| now < until)
        };
        own.filter(stands)
            .filter_map(|line| {
                let key = Verifier::parse(&line.vkey).ok()?;
                Some(ApproverKey { key, role: line.role, until: line.until })
            })
            .collect()
    }

    fn register(&mut self, line: ApproverLine) -> Result<(), Error> {
        let known = self.book.approvers.get(&(line.patient.clone(), line.vkey.clone()));
        let same = known.is_some_and(|known| {
            (known.role, known.until, known.revoked) == (line.role, line.until, line.revoked)
        });
        if same {
            self.outcome.known += 1;
            return Ok(());
        }
        let vault = self.site.vault();
        let lines = vec![line];
        let (approvers, bytes) = Object::write("transfers/approvers", &lines)?;
        vault.put_content(&approvers.path, &bytes)?;
        // Keyed and salted: whose key it is could else be guessed and checked against the book.
        let txn = self.site.txn()?;
        let digest = approvers.digest.as_bytes();
        let parts = [b"almoner/approvers/v2".as_slice(), txn.as_bytes(), digest];
        let commitment = Sha3Digest(hmac_sha3_parts(&self.site.secret("approvers"), &parts));
        let mut body = Map::new();
        body.insert("count".to_owned(), shown(approvers.count));
        body.insert("commitment".to_owned(), commitment.to_string().into());
        let entry = self.site.entry(Kind::ApproversRegistered, &[], &[], &body)?;
        let number = self.book.number.saturating_add(1);
        let commit = Commit {
            txn,
            time: self.now(),
            act: Act::Approvers(Approvers { approvers }),
            entry: entry.text().to_owned(),
        };
        self.site.commit(&Sequence::new(&vault, COMMITS), number, &commit, &entry)?;
        self.book.take_approvers(number, &commit, lines);
        self.outcome.commits.push(number);
        self.outcome.entries.push(entry.id());
        Ok(())
    }

    /// Returns all keys, or those of one patient: for the steward's own eyes.
    pub fn approvers(&self, patient: Option<&str>) -> Vec<Approver> {
        let own = self.book.approvers.values();
        own.filter(|line| patient.is_none_or(|patient| patient == line.patient))
            .map(|line| Approver {
                patient: line.patient.clone(),
                key: line.vkey.clone(),
                role: line.role,
                until: line.until,
                revoked: line.revoked,
            })
            .collect()
    }
}
