//! The acts of licences: trust in issuers, their decisions as credentials and status lists bring them,
//! and the site's own decisions where it issues licences itself.
//!
//! Comes in: keys, files of tokens, decisions. Goes out: commits of `vault/licences`, each with its entry
//! in the book. Never: a decision of an issuer who is not trusted, one that does not follow from those
//! before it, or a practitioner in the book.

mod file;
mod issue;
mod page;
mod record;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use serde::Serialize;

pub use self::{
    file::{Reject, Unfit, import},
    issue::{Decided, Decision, Terms, decide, make_issuer, own_issuer, status_list},
    page::{facts, publish},
};
use crate::{
    credential::{
        Credential, CredentialError, HeldLicence, Holder, LicenceAct, Licences, LicencesError,
        Refusal, ShapeError, Standing, Trust, TrustChange, Trusted, WriteError, open_credential,
    },
    digest::CanonicalError,
    instant::Instant,
    ledger::entry::EntryId,
    signed_note::{KeyUse, Verifier},
    site::{self, Site},
    store,
};

/// Why an act on licences did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The register is broken.
    #[error(transparent)]
    Register(#[from] LicencesError),
    /// The file cannot be read.
    #[error("`{}` cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds no token.
    #[error("`{}` holds neither a credential nor a status list", .0.display())]
    NoToken(PathBuf),
    /// A token is not to be believed.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// What was written has no canonical bytes.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A token could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The decisions could not be written.
    #[error("the decisions could not be written")]
    Object(#[source] serde_json::Error),
    /// The run's instant lies before the newest act on licences.
    #[error("the run's instant {now} lies before the newest act on licences, {newest}")]
    Clock {
        /// The run's instant.
        now: Instant,
        /// When the newest act was recorded.
        newest: Instant,
    },
    /// The site has no key to issue licences with.
    #[error("this site has no key to issue licences with")]
    NoIssuer,
    /// The site does not trust its own key for licences.
    #[error("this site does not trust its own key `{0}`")]
    OwnKey(String),
    /// The key is a witness's, which signs no credentials.
    #[error("the key of `{0}` cosigns checkpoints; it signs no credentials")]
    Cosigner(String),
    /// Another key than the one that is trusted bears the name.
    #[error("no key of the name `{0}` is trusted")]
    NotTrusted(String),
    /// The licence is not known, or was not issued by this site.
    #[error("this site has issued no such licence")]
    NoLicence,
    /// The decision makes no sense by itself.
    #[error("the decision makes no sense")]
    Shape(#[from] ShapeError),
    /// The decision does not follow from the licence's history.
    #[error("the decision cannot be: {0}")]
    Refused(Refusal),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

/// What an act on licences came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Decisions recorded on licences of institutions.
    pub institutions: u64,
    /// Decisions recorded on licences of practitioners.
    pub practitioners: u64,
    /// Decisions that the register held already.
    pub known: u64,
    /// Identifiers of practitioners whose check digit is wrong; they were kept.
    pub bad_npis: u64,
    /// Tokens and decisions that were refused.
    pub rejected: u64,
    /// Which, for the steward.
    #[serde(skip)]
    pub rejects: Vec<Reject>,
    /// The numbers of the commits made.
    pub commits: Vec<u64>,
    /// The ids of their entries.
    pub entries: Vec<EntryId>,
}

/// Reads the register, for an act of now.
fn register(site: &Site) -> Result<Licences, Error> {
    let register = Licences::load(&site.vault())?;
    match register.recorded_until() {
        Some(newest) if newest > site.now() => Err(Error::Clock { now: site.now(), newest }),
        Some(_) | None => Ok(register),
    }
}

/// Trusts an issuer's key: what it decided from `from` on counts, or all that it ever decided. Trusted
/// already, nothing changes; trusted again after an end, it counts from now on where `from` does not say.
pub fn trust(site: &Site, key: &Verifier, from: Option<Instant>) -> Result<Outcome, Error> {
    if key.key_use() != KeyUse::Sign {
        return Err(Error::Cosigner(key.name().to_owned()));
    }
    let register = register(site)?;
    let own = || register.trusts().iter().filter(|trust| trust.key == *key);
    if own().any(|trust| trust.ended.is_none()) {
        return Ok(Outcome { known: 1, ..Outcome::default() });
    }
    let from = from.or_else(|| own().next().map(|_| site.now()));
    let act = Trusted { vkey: key.vkey(), change: TrustChange::Added, from };
    record::commit(site, register.commit(), LicenceAct::Trusted(act))
}

/// Ends the trust in an issuer from `from` on, or from now: what it decided before stays, what it decides
/// from then on counts no more, and what is brought later is not taken.
pub fn distrust(site: &Site, issuer: &str, from: Option<Instant>) -> Result<Outcome, Error> {
    let register = register(site)?;
    let own = register.trusts().iter().filter(|trust| trust.key.name() == issuer);
    let open: Vec<_> = own.clone().filter(|trust| trust.ended.is_none()).collect();
    if own.count() == 0 {
        return Err(Error::NotTrusted(issuer.to_owned()));
    }
    let mut outcome = Outcome::default();
    if open.is_empty() {
        outcome.known = 1;
    }
    let mut commit = register.commit();
    for trust in open {
        let from = Some(from.unwrap_or(site.now()));
        let act = Trusted { vkey: trust.key.vkey(), change: TrustChange::Ended, from };
        let done = record::commit(site, commit, LicenceAct::Trusted(act))?;
        commit = commit.saturating_add(1);
        outcome.commits.extend(done.commits);
        outcome.entries.extend(done.entries);
    }
    Ok(outcome)
}

/// Returns whom the site trusts or trusted to issue licences, in the order in which it began.
pub fn trusts(site: &Site) -> Result<Vec<Trust>, Error> {
    Ok(Licences::load(&site.vault())?.trusts().to_vec())
}

/// Returns all that was decided on a holder's licences, in the order in which it has effect.
pub fn history(site: &Site, holder: &Holder) -> Result<Vec<HeldLicence>, Error> {
    Ok(Licences::load(&site.vault())?.history(holder))
}

/// Says what a holder's licences are worth at an instant, as the site knows it now, or knew it after a
/// commit.
pub fn status(
    site: &Site,
    holder: &Holder,
    at: Instant,
    known: Option<u64>,
) -> Result<Standing, Error> {
    let register = Licences::load_at(&site.vault(), known.unwrap_or(u64::MAX))?;
    Ok(register.standing(holder, at))
}

/// A token that was opened, and what the register says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it tells.
    pub credential: Credential,
    /// What the licence is worth now: by the register, or by its own term where that does not know it.
    pub standing: Option<Standing>,
}

/// Opens a token by the keys of trusted issuers.
pub fn verify(site: &Site, token: &str) -> Result<Verified, Error> {
    let register = Licences::load(&site.vault())?;
    let (token, now) = (token.trim(), site.now());
    let credential = open_credential(token, &register.issuers(now), now)?;
    let standing = match &credential {
        Credential::Licence(told) => Some(register.shown_by(token, &told.event.holder, now)?),
        Credential::List(_) => None,
    };
    Ok(Verified { credential, standing })
}

/// Returns the newest credential that shows a holder's licence now, as its issuer signed it.
pub fn export(site: &Site, holder: &Holder) -> Result<String, Error> {
    let register = Licences::load(&site.vault())?;
    register.credential(holder, site.now()).map(str::to_owned).ok_or(Error::NoLicence)
}
