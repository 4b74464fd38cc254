//! How a transfer ends before a receipt: cancelled, declined, revoked, expired, or refused for good.
//!
//! Comes in: a steward's word, the patient's refusal, the partner's word, the clock. Goes out: ended
//! steps. Never: an end after the receipt, or one that forgets what was sent.

use super::{
    Clerk, Error, Refused, Why,
    book::{End, Held, Line, Step},
    clerk::by_partner,
    exchange,
    file::{File, Name},
    patient::{DECLINE, REVOKE},
};
use crate::{
    party::InstitutionId,
    transfer::{
        Accept, Challenge, EndReason, Ended, Offer, Offered, Parcel, Refusal, Signed, TransferId,
    },
};

macro_rules! holds {
    ($($(#[$doc:meta])* $name:ident $kind:ident $payload:ident,)*) => {
        impl Held {
            $($(#[$doc])*
            pub(super) fn $name(&self) -> Result<&Signed<$payload>, Error> {
                let mut files = self.files();
                let own = files.find_map(|file| {
                    if let File::$kind(signed) = file { Some(signed) } else { None }
                });
                own.ok_or(Error::Bug)
            })*
        }
    };
}

holds! {
    /// Returns the offer; every transfer has one.
    offer Offer Offer,
    /// Returns the challenge, which a transfer has from that step on.
    challenge Challenge Challenge,
    /// Returns the approval, which a transfer has from that step on.
    accept Accept Accept,
    /// Returns the parcel's header, which a transfer has from that step on.
    parcel Parcel Parcel,
}

impl Clerk<'_> {
    /// Ends a transfer by this side's own word. One that has ended stays so; one that is sent or
    /// received is too late to end.
    pub fn cancel(&mut self, transfer: &TransferId) -> Result<(), Error> {
        let held = self.book.transfers.get(transfer).ok_or(Error::Unknown(*transfer))?.clone();
        match (held.step()?, held.end) {
            (Step::Ended, _) => {
                self.outcome.known += 1;
                Ok(())
            }
            (step @ Step::Received, _) | (step @ Step::Sent, End::Sender) => {
                Err(Error::TooLate { transfer: *transfer, step, act: "cancelled" })
            }
            (Step::Offered | Step::Challenged | Step::Approved | Step::Sent, _) => {
                self.end(&held, EndReason::Cancelled, Vec::new())
            }
        }
    }

    /// Takes the patients' refusals from the desk.
    pub(super) fn take_refusals(&mut self, only: Option<&TransferId>) -> Result<(), Error> {
        let open = [Step::Offered, Step::Approved, Step::Sent];
        let mut lines = Vec::new();
        for held in self.held(only, End::Sender, &open) {
            for name in [DECLINE, REVOKE] {
                let path = format!("{}/{name}", exchange::desk(&held.id));
                let Some(bytes) = self.exchange.find(&path)? else { continue };
                match self.refusal(&held, &bytes)? {
                    Ok((why, refusal)) => {
                        let line = self.ended(&held, why, vec![File::Refusal(refusal)])?;
                        lines.push((held.partner.clone(), line));
                        break;
                    }
                    Err(why) => self.note_desk(&held, path, why)?,
                }
            }
        }
        self.commit_all(Step::Ended, lines)
    }

    fn refusal(
        &self,
        held: &Held,
        bytes: &[u8],
    ) -> Result<Result<(EndReason, Signed<Refusal>), Why>, Error> {
        let offered = self.offered(held)?;
        let approvers = &held.offer()?.payload.approvers;
        let is_sent = held.step()? == Step::Sent;
        let checked = Signed::parse(bytes).map_err(Why::from).and_then(|signed| {
            let refusal = signed.approved(approvers)?;
            let why = offered?.refuse(&refusal, self.clock())?;
            if is_sent { Err(Why::TooLate) } else { Ok((why, refusal.file().clone())) }
        });
        Ok(checked)
    }

    /// Takes the partners' word that transfers are over.
    pub(super) fn take_ends(&mut self, only: Option<&TransferId>) -> Result<(), Error> {
        let mut lines = Vec::new();
        for (partner, id) in self.inbox()?.with(Name::Ended) {
            if only.is_some_and(|only| *only != id) {
                continue;
            }
            let Some(held) = self.book.transfers.get(&id).cloned() else { continue };
            if !held.is_open() || held.partner != partner {
                continue;
            }
            let offered = self.offered(&held)?;
            match self.end_of(&partner, &id, offered)? {
                None => {}
                Some(Err(why)) => self.refuse(&partner, &id, Name::Ended, why)?,
                Some(Ok(signed)) => {
                    let file = File::Ended(signed);
                    let line = line(&held, file, Vec::new())?;
                    lines.push((partner, line));
                }
            }
        }
        self.commit_all(Step::Ended, lines)
    }

    /// Reads and checks a partner's word that the transfer of an offer is over.
    pub(super) fn end_of(
        &self,
        partner: &InstitutionId,
        id: &TransferId,
        offered: Result<Offered, Why>,
    ) -> Result<Option<Result<Signed<Ended>, Why>>, Error> {
        let Some(came) = self.came::<Ended>(partner, id, Name::Ended)? else { return Ok(None) };
        let party = Self::party(self.desk.partner(partner)?);
        let checked = came.and_then(|signed| {
            let ended = signed.received(&party, &self.desk.institution)?;
            let ended = offered?.end(ended, self.clock())?;
            Ok(ended.ended().file().clone())
        });
        Ok(Some(checked))
    }

    /// Ends what has expired. A parcel that is out may still be received, and only the receiver can say
    /// that it was not: its sender waits, but keeps the record no longer.
    pub(super) fn expire(&mut self, only: Option<&TransferId>) -> Result<(), Error> {
        let open = [Step::Offered, Step::Challenged, Step::Approved, Step::Sent];
        let mut lines = Vec::new();
        for end in [End::Sender, End::Receiver] {
            for held in self.held(only, end, &open) {
                if self.now() < held.offer()?.payload.expires {
                    continue;
                }
                if held.step()? == Step::Sent {
                    self.forget(&held)?;
                    continue;
                }
                let line = self.ended(&held, EndReason::Expired, Vec::new())?;
                lines.push((held.partner.clone(), line));
            }
        }
        self.commit_all(Step::Ended, lines)
    }

    /// Ends one transfer.
    pub(super) fn end(
        &mut self,
        held: &Held,
        why: EndReason,
        answers: Vec<File>,
    ) -> Result<(), Error> {
        let line = self.ended(held, why, answers)?;
        self.commit(Step::Ended, &held.partner, vec![line])
    }

    pub(super) fn ended(
        &self,
        held: &Held,
        why: EndReason,
        answers: Vec<File>,
    ) -> Result<Line, Error> {
        let offer = held.offer()?.digest()?;
        let ended = Ended { transfer: held.id, offer, by: self.own(), why, at: self.now() };
        let file = File::Ended(Signed::sign(ended, self.site.keys().steward())?);
        line(held, file, answers)
    }

    /// Commits steps with any number of partners.
    pub(super) fn commit_all(
        &mut self,
        step: Step,
        lines: Vec<(InstitutionId, Line)>,
    ) -> Result<(), Error> {
        for (partner, lines) in by_partner(lines) {
            self.commit(step, &partner, lines)?;
        }
        Ok(())
    }

    /// Remembers that a file of the patient's was refused.
    pub(super) fn note_desk(&mut self, held: &Held, file: String, why: Why) -> Result<(), Error> {
        let (partner, transfer) = (Some(held.partner.clone()), Some(held.id));
        self.note(Refused { file, partner, transfer, why })
    }
}

/// Makes the line of a step of a transfer that is held.
pub(super) fn line(held: &Held, file: File, answers: Vec<File>) -> Result<Line, Error> {
    Ok(Line {
        transfer: held.id,
        role: held.end,
        patient: held.patient.clone(),
        digest: file.digest()?,
        file,
        answers,
        score: None,
        content: Vec::new(),
        sealed: None,
    })
}
