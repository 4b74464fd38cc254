//! The states of a transfer, each a type that only the checked step before it makes:
//! [`Offered`] → [`Challenged`] → [`Accepted`] → [`Sent`] → [`Received`], or [`Ended`].
//!
//! Comes in: authentic files, what the site found of patient, consent and licences, an instant.
//! Goes out: the next state, or the reason why not. Never: a state whose files do not name each
//! other, or a step that was skipped.

use std::sync::Arc;

use super::{
    Accept, ApproverKey, Authentic, Challenge, EndReason, HpkeKey, Info, LicenceFault, Mismatch,
    Offer, Parcel, Party, Payload, Receipt, ReceivedFile, Refusal, RefusalAct, Refused,
    chunk::check_counts, wire,
};
use crate::{digest::Sha3Digest, instant::Instant};

/// Both ends of a transfer, the same for both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// Who holds the record.
    pub from: Party,
    /// Who asks for it.
    pub to: Party,
}

/// When it is, and how far two clocks may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The instant of the run.
    pub now: Instant,
    /// How many seconds another's clock may be ahead.
    pub skew_seconds: u32,
}

impl Clock {
    /// Refuses an instant that has not come, or lies before `after`.
    fn check(self, file: &'static str, at: Instant, after: Instant) -> Result<(), Refused> {
        let skew = i64::from(self.skew_seconds);
        let come = at.unix() <= self.now.unix().saturating_add(skew);
        let follows = at.unix().saturating_add(skew) >= after.unix();
        if come && follows { Ok(()) } else { Err(Refused::NotYet { file }) }
    }
}

/// How the licences of both ends stand, as far as this end knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Licences {
    /// The sender's.
    pub from: Result<(), LicenceFault>,
    /// The receiver's.
    pub to: Result<(), LicenceFault>,
}

impl Licences {
    /// Both stand.
    pub const STAND: Self = Self { from: Ok(()), to: Ok(()) };

    fn check(self, ends: &Ends) -> Result<(), Refused> {
        let refused = |party: &Party| {
            let institution = party.side.institution.clone();
            move |fault| Refused::Licence { institution, fault }
        };
        self.from.map_err(refused(&ends.from))?;
        self.to.map_err(refused(&ends.to))
    }
}

/// How consent no longer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsentFault {
    /// It was withdrawn, or an opt-out was recorded.
    Withdrawn,
    /// It permits other resources than those that were approved.
    Changed,
}

impl From<ConsentFault> for Refused {
    fn from(fault: ConsentFault) -> Self {
        match fault {
            ConsentFault::Withdrawn => Self::ConsentWithdrawn,
            ConsentFault::Changed => Self::ConsentChanged,
        }
    }
}

/// A record was offered.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    ends: Arc<Ends>,
    offer: Authentic<Offer>,
}

/// The receiver asked for it and showed that it knows the patient.
#[derive(Debug, Clone, PartialEq)]
pub struct Challenged {
    offered: Offered,
    challenge: Authentic<Challenge>,
}

/// The patient, or a delegate, approved.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    challenged: Challenged,
    accept: Authentic<Accept>,
}

/// The parcel is on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    accepted: Accepted,
    parcel: Authentic<Parcel>,
}

/// The receiver opened it and found what was offered.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    sent: Sent,
    receipt: Authentic<Receipt>,
}

/// It ended before a receipt.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    offered: Offered,
    ended: Authentic<wire::Ended>,
}

impl Offered {
    /// Takes an offer between these ends.
    pub fn open(
        offer: Authentic<Offer>,
        ends: impl Into<Arc<Ends>>,
        clock: Clock,
    ) -> Result<Self, Refused> {
        let (ends, said) = (ends.into(), offer.payload());
        signed_by(&offer, &ends.from)?;
        require(said.from == ends.from.side, Refused::WrongSender { file: Offer::NAME })?;
        require(said.to == ends.to.side, Refused::WrongRecipient { file: Offer::NAME })?;
        said.manifest.check()?;
        let form = |reason| Refused::Form { file: Offer::NAME, reason };
        require(said.expires > said.issued, form("it expires before it was issued"))?;
        require(!said.approvers.is_empty(), form("nobody may approve it"))?;
        clock.check(Offer::NAME, said.issued, said.issued)?;
        let offered = Self { ends, offer };
        offered.check_time(clock)?;
        Ok(offered)
    }

    /// Takes the receiver's challenge; the sender passes what it found of the patient in it.
    pub fn challenge(
        self,
        challenge: Authentic<Challenge>,
        patient: Result<(), Mismatch>,
        licences: Licences,
        clock: Clock,
    ) -> Result<Challenged, Refused> {
        let said = challenge.payload();
        self.check_names(said, &said.offer)?;
        signed_by(&challenge, &self.ends.to)?;
        require(said.by == self.ends.to.side, Refused::WrongRecipient { file: Challenge::NAME })?;
        clock.check(Challenge::NAME, said.issued, self.offer.payload().issued)?;
        self.check_time(clock)?;
        licences.check(&self.ends)?;
        patient?;
        Ok(Challenged { offered: self, challenge })
    }

    /// Takes the patient's no, given before a parcel was sent; returns why the transfer ends.
    pub fn refuse(&self, refusal: &Authentic<Refusal>, clock: Clock) -> Result<EndReason, Refused> {
        let said = refusal.payload();
        self.check_names(said, &said.offer)?;
        let known = |a: &ApproverKey| a.key == *refusal.by();
        let approvers = &self.offer.payload().approvers;
        require(approvers.iter().any(known), Refused::UnknownKey { file: Refusal::NAME })?;
        clock.check(Refusal::NAME, said.decided, self.offer.payload().issued)?;
        Ok(match said.act {
            RefusalAct::Decline => EndReason::Declined,
            RefusalAct::Revoke => EndReason::Revoked,
        })
    }

    /// Takes either end's word that it is over.
    pub fn end(self, ended: Authentic<wire::Ended>, clock: Clock) -> Result<Ended, Refused> {
        let said = ended.payload();
        self.check_names(said, &said.offer)?;
        let by_sender = said.by == self.ends.from.side;
        let (party, other) = if by_sender {
            (&self.ends.from, Refused::WrongSender { file: wire::Ended::NAME })
        } else {
            (&self.ends.to, Refused::WrongRecipient { file: wire::Ended::NAME })
        };
        require(said.by == party.side && *ended.by() == party.steward, other)?;
        clock.check(wire::Ended::NAME, said.at, self.offer.payload().issued)?;
        Ok(Ended { offered: self, ended })
    }

    /// Returns both ends.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Returns the offer.
    pub fn offer(&self) -> &Authentic<Offer> {
        &self.offer
    }

    fn check_time(&self, clock: Clock) -> Result<(), Refused> {
        require(clock.now < self.offer.payload().expires, Refused::Expired)
    }

    /// Checks that a file belongs to this transfer and answers this offer.
    fn check_names<T: Payload>(&self, said: &T, offer: &Sha3Digest) -> Result<(), Refused> {
        let same = said.transfer() == &self.offer.payload().transfer;
        require(same, Refused::NotThisTransfer { file: T::NAME })?;
        require(offer == self.offer.digest(), Refused::NotTheOffer { file: T::NAME })
    }
}

impl Challenged {
    /// Takes the patient's yes. `registered` are the approvers as they stand now: the receiver, who
    /// knows of none, passes the offer's own.
    pub fn accept(
        self,
        accept: Authentic<Accept>,
        registered: &[ApproverKey],
        clock: Clock,
    ) -> Result<Accepted, Refused> {
        let said = accept.payload();
        self.offered.check_names(said, &said.offer)?;
        let names = said.challenge == *self.challenge.digest();
        require(names, Refused::NotTheChallenge { file: Accept::NAME })?;
        let after = self.challenge.payload().issued;
        clock.check(Accept::NAME, said.decided, after)?;
        self.offered.check_time(clock)?;
        let accepted = Accepted { challenged: self, accept };
        accepted.check_approver(registered, clock)?;
        Ok(accepted)
    }

    /// Returns the offer's state.
    pub fn offered(&self) -> &Offered {
        &self.offered
    }

    /// Returns the challenge.
    pub fn challenge(&self) -> &Authentic<Challenge> {
        &self.challenge
    }
}

impl Accepted {
    /// Lets a parcel be sealed: all that was checked before is checked once more, for this instant.
    pub fn release(
        &self,
        consent: Result<(), ConsentFault>,
        licences: Licences,
        registered: &[ApproverKey],
        clock: Clock,
    ) -> Result<super::Release, Refused> {
        self.offered().check_time(clock)?;
        self.check_approver(registered, clock)?;
        licences.check(self.offered().ends())?;
        consent?;
        Ok(super::Release::new(self))
    }

    /// Takes the head of the sealed parcel.
    pub fn send(self, parcel: Authentic<Parcel>, clock: Clock) -> Result<Sent, Refused> {
        let (offered, said) = (self.offered(), parcel.payload());
        signed_by(&parcel, &offered.ends.from)?;
        offered.check_names(said, &said.offer)?;
        let names = said.challenge == *self.challenged.challenge.digest();
        require(names, Refused::NotTheChallenge { file: Parcel::NAME })?;
        require(said.accept == *self.accept.digest(), Refused::NotTheAccept)?;
        check_counts(said)?;
        let whole = said.bytes == offered.offer.payload().manifest.bytes;
        require(whole, Refused::Counts { file: Parcel::NAME })?;
        clock.check(Parcel::NAME, said.issued, self.accept.payload().decided)?;
        offered.check_time(clock)?;
        Ok(Sent { accepted: self, parcel })
    }

    /// Returns what the parcel's key is bound to.
    pub fn info(&self) -> Info {
        let challenge = self.challenged.challenge.digest();
        Info::new(self.offered().offer.digest(), challenge, self.accept.digest())
    }

    /// Returns the key that the parcel is sealed for.
    pub fn recipient(&self) -> &HpkeKey {
        &self.challenged.challenge.payload().hpke
    }

    /// Returns the offer's state.
    pub fn offered(&self) -> &Offered {
        &self.challenged.offered
    }

    /// Returns the challenge's state.
    pub fn challenged(&self) -> &Challenged {
        &self.challenged
    }

    /// Returns the accept.
    pub fn accepted(&self) -> &Authentic<Accept> {
        &self.accept
    }

    /// Checks that the key that approved is one that the offer names, in its role, and has neither
    /// ended nor been taken back.
    fn check_approver(&self, registered: &[ApproverKey], clock: Clock) -> Result<(), Refused> {
        let find = |keys: &[ApproverKey]| keys.iter().find(|a| a.key == *self.accept.by()).cloned();
        let said = self.accept.payload();
        let named = find(&self.offered().offer.payload().approvers)
            .ok_or(Refused::UnknownKey { file: Accept::NAME })?;
        require(named.role == said.role, Refused::WrongRole)?;
        let now = find(registered).ok_or(Refused::ApproverEnded)?;
        let stands = |key: &ApproverKey| {
            key.until.is_none_or(|until| clock.now < until && said.decided < until)
        };
        require(stands(&named) && stands(&now), Refused::ApproverEnded)
    }
}

impl Sent {
    /// Takes the receiver's receipt. It may come late: what counts is when the parcel was received.
    pub fn receive(self, receipt: Authentic<Receipt>, clock: Clock) -> Result<Received, Refused> {
        let (offer, said) = (self.accepted.offered().offer.payload(), receipt.payload());
        signed_by(&receipt, &self.accepted.offered().ends.to)?;
        let same = said.transfer == offer.transfer;
        require(same, Refused::NotThisTransfer { file: Receipt::NAME })?;
        require(said.parcel == *self.parcel.digest(), Refused::NotTheParcel)?;
        require(said.manifest_root == offer.manifest.root, Refused::Root)?;
        let files = offer.manifest.received();
        require(said.files == files, Refused::Counts { file: Receipt::NAME })?;
        clock.check(Receipt::NAME, said.received, self.parcel.payload().issued)?;
        require(said.received < offer.expires, Refused::Expired)?;
        Ok(Received { sent: self, receipt })
    }

    /// Returns the state before.
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
    }

    /// Returns the parcel's head.
    pub fn parcel(&self) -> &Authentic<Parcel> {
        &self.parcel
    }
}

impl Received {
    /// Returns the state before.
    pub fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Returns the receipt.
    pub fn receipt(&self) -> &Authentic<Receipt> {
        &self.receipt
    }
}

impl Ended {
    /// Returns what was offered.
    pub fn offered(&self) -> &Offered {
        &self.offered
    }

    /// Returns who ended it, and why.
    pub fn ended(&self) -> &Authentic<wire::Ended> {
        &self.ended
    }
}

impl wire::Manifest {
    /// Checks that the sums are the files' and that each name is a plain `Type.ndjson`, once.
    pub(super) fn check(&self) -> Result<(), Refused> {
        let plain = |name: &str| {
            name.strip_suffix(".ndjson").is_some_and(|class| {
                !class.is_empty() && class.bytes().all(|b| b.is_ascii_alphabetic())
            })
        };
        let names: std::collections::BTreeSet<&str> =
            self.files.iter().map(|file| file.name.as_str()).collect();
        let form = Refused::Form { file: Offer::NAME, reason: "a file is not named `Type.ndjson`" };
        require(names.len() == self.files.len() && names.iter().all(|name| plain(name)), form)?;
        let sum = |part: fn(&wire::FileEntry) -> u64| {
            self.files.iter().map(part).try_fold(0_u64, u64::checked_add)
        };
        let same = sum(|file| file.resources) == Some(self.resources)
            && sum(|file| file.bytes) == Some(self.bytes);
        require(same, Refused::Counts { file: Offer::NAME })
    }

    /// Returns the files as a receipt must name them.
    pub fn received(&self) -> Vec<ReceivedFile> {
        let file = |file: &wire::FileEntry| ReceivedFile {
            name: file.name.clone(),
            resources: file.resources,
            bytes: file.bytes,
        };
        self.files.iter().map(file).collect()
    }
}

/// Checks that an end's steward signed a file.
fn signed_by<T: Payload>(file: &Authentic<T>, party: &Party) -> Result<(), Refused> {
    require(*file.by() == party.steward, Refused::UnknownKey { file: T::NAME })
}

fn require(holds: bool, or: Refused) -> Result<(), Refused> {
    if holds { Ok(()) } else { Err(or) }
}

#[cfg(test)]
mod tests;
