//! The site's own decisions, where it issues licences itself: a board of licences is a site too.
//!
//! Comes in: what is decided on a licence. Goes out: the decision, signed as a credential and recorded;
//! status lists of the site's own licences. Never: a decision that does not follow from the history.

use super::{Error, Outcome, record, register};
use crate::{
    credential::{
        Holder, LicenceAction, LicenceEvent, LicenceLine, Licences, StatusPurpose, key_id,
        write_licence, write_list,
    },
    instant::Instant,
    signed_note::{Signer, Verifier},
    site::Site,
};

/// What is given with a licence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The end of the term, exclusive; none where it has no end.
    pub until: Option<Instant>,
    /// The vkey with which the holder signs.
    pub key: Option<String>,
}

/// What is decided on a licence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It begins.
    Issue {
        /// Who holds it.
        holder: Holder,
        /// Its class.
        class: String,
        /// Its term, and the holder's key.
        terms: Terms,
        /// The condition under which it is issued.
        restriction: Option<String>,
    },
    /// It has a new term.
    Renew(Terms),
    /// It stands under one condition more, in words.
    Restrict(String),
    /// It rests.
    Suspend,
    /// It ends for ever.
    Revoke,
    /// A suspension ends; where there is none, the restrictions do.
    Reinstate,
}

impl Decision {
    fn action(&self) -> LicenceAction {
        match self {
            Self::Issue { .. } => LicenceAction::Issue,
            Self::Renew(_) => LicenceAction::Renew,
            Self::Restrict(_) => LicenceAction::Restrict,
            Self::Suspend => LicenceAction::Suspend,
            Self::Revoke => LicenceAction::Revoke,
            Self::Reinstate => LicenceAction::Reinstate,
        }
    }
}

/// A decision that stands in the register, as a credential to hand on. Its `Debug` shows no credential.
#[derive(Clone, PartialEq, Eq)]
pub struct Decided {
    /// The decision.
    pub event: LicenceEvent,
    /// The credential that tells it, a compact `vc+jwt`.
    pub credential: String,
    /// What was recorded: nothing, where it was decided before.
    pub outcome: Outcome,
}

impl std::fmt::Debug for Decided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decided").field("event", &self.event).finish_non_exhaustive()
    }
}

/// Makes the site's key for licences, where it has none, and returns its public half.
pub fn make_issuer(site: &Site) -> Result<Verifier, Error> {
    site.keys().make_issuer()?;
    Ok(issuer(site)?.verifier().clone())
}

/// Returns the public half of the site's key for licences.
pub fn own_issuer(site: &Site) -> Result<Verifier, Error> {
    Ok(issuer(site)?.verifier().clone())
}

fn issuer(site: &Site) -> Result<Signer, Error> {
    site.keys().issuer()?.ok_or(Error::NoIssuer)
}

/// Decides on a licence of the site's own, from `from` on or from now, and signs it. Decided again as it was
/// decided last, it changes nothing.
pub fn decide(
    site: &Site,
    licence: &str,
    decision: Decision,
    from: Option<Instant>,
) -> Result<Decided, Error> {
    let signer = issuer(site)?;
    let own = signer.verifier();
    let register = register(site)?;
    if !register.trusts().iter().any(|trust| trust.key == *own && trust.stands(site.now())) {
        return Err(Error::OwnKey(own.name().to_owned()));
    }
    let action = decision.action();
    let issued = || issued(&register, own.name(), licence);
    let ((holder, class), terms, restriction) = match decision {
        Decision::Issue { holder, class, terms, restriction } => {
            ((holder, class), terms, restriction)
        }
        Decision::Renew(terms) => (issued()?, terms, None),
        Decision::Restrict(words) => (issued()?, Terms::default(), Some(words)),
        Decision::Suspend | Decision::Revoke | Decision::Reinstate => {
            (issued()?, Terms::default(), None)
        }
    };
    let event = LicenceEvent {
        licence: licence.to_owned(),
        holder,
        issuer: own.name().to_owned(),
        action,
        class,
        from: from.unwrap_or(site.now()),
        until: terms.until,
        restriction,
        decided_at: site.now(),
        key: terms.key,
    };
    event.check()?;
    if let Some(before) = decided(&register, &event, from) {
        return Ok(before);
    }
    let status = register.entries(own.name(), licence, &site.secret("licence-status"));
    let credential = write_licence(&event, &status, &signer)?;
    let line = LicenceLine {
        event: event.clone(),
        by: key_id(own),
        credential: Some(credential.clone()),
        list: None,
        salt: None,
    };
    let (outcome, verdicts) = record::lines(site, &register, &[line])?;
    match verdicts.into_iter().flatten().next() {
        Some(refusal) => Err(Error::Refused(refusal)),
        None => Ok(Decided { event, credential, outcome }),
    }
}

/// Returns to whom a licence was issued, and its class.
fn issued(register: &Licences, issuer: &str, licence: &str) -> Result<(Holder, String), Error> {
    let own = register.held().iter().map(|held| (&held.line.event, held.refused));
    let mut own = own.filter(|(event, _)| event.issuer == issuer && event.licence == licence);
    let issue = own
        .find(|(event, refused)| event.action == LicenceAction::Issue && refused.is_none())
        .ok_or(Error::NoLicence)?;
    Ok((issue.0.holder.clone(), issue.0.class.clone()))
}

/// Returns the decision where it is the last one on its licence already; when it was made makes no
/// difference, nor from when on it has effect where that was not said.
fn decided(register: &Licences, event: &LicenceEvent, from: Option<Instant>) -> Option<Decided> {
    let history = register.history(&event.holder);
    let same = |of: &LicenceEvent| of.issuer == event.issuer && of.licence == event.licence;
    let last = history.iter().rfind(|held| held.refused.is_none() && same(&held.line.event))?;
    let before = &last.line.event;
    let again = LicenceEvent {
        decided_at: before.decided_at,
        from: from.unwrap_or(before.from),
        ..event.clone()
    };
    let credential = last.line.credential.clone().filter(|_| again == *before)?;
    let outcome = Outcome { known: 1, ..Outcome::default() };
    Some(Decided { event: again, credential, outcome })
}

/// Writes the status list of the site's own licences as they are now.
pub fn status_list(site: &Site, purpose: StatusPurpose) -> Result<String, Error> {
    let signer = issuer(site)?;
    let register = register(site)?;
    let (places, bits) = register.places(signer.verifier().name(), purpose, site.now());
    Ok(write_list(purpose, (&places, bits), site.now(), &signer)?)
}
