//! The receiver opens parcels, checks all of them and unpacks; the sender takes the receipts.
//!
//! Comes in: approvals and parcels, or receipts, of partners. Goes out: unpacked records and receipts, or
//! the end of what was kept. Never: a receipt for what was not whole, or a record under another's name.

use std::collections::BTreeSet;

use super::{
    Clerk, Error, Why,
    book::{End, Held, Step},
    end::line,
    exchange::{self, part, put_aside},
    file::{File, Name},
};
use crate::transfer::{
    Accept, Note, PART_CHUNKS, Parcel, ParcelError, Receipt, Refused, Sent, Signed, TransferId,
    UnpackError, Unpacked, Unpacking, unpacked,
};

/// Which file was refused, and why.
type RefusedFile = (Name, Why);

impl Clerk<'_> {
    /// Opens what came in, and takes the receipts for what went out.
    pub fn receive(&mut self, only: Option<&TransferId>) -> Result<(), Error> {
        self.take_receipts(only)?;
        let inbox = self.inbox()?;
        let came = |held: &Held| {
            let names = inbox.files.get(&(held.partner.clone(), held.id));
            names.is_some_and(|n| n.contains(&Name::Accept) && n.contains(&Name::Parcel))
        };
        let mut due = self.held(only, End::Receiver, &[Step::Challenged]);
        due.retain(came);
        self.progress.stage("receive", due.len() as u64);
        let mut lines = Vec::new();
        for held in due {
            self.progress.step();
            match self.came_whole(&held)? {
                Ok((accept, sent)) if self.is_complete(&held, &sent)? => {
                    match self.unpack(&held, &sent)? {
                        Ok(receipt) => {
                            let parcel = sent.parcel().file().clone();
                            let answers = vec![File::Accept(accept), File::Parcel(parcel)];
                            lines.push((held.partner.clone(), line(&held, receipt, answers)?));
                        }
                        Err(why) => self.refuse_parcel(&held, why)?,
                    }
                }
                // Its parts are on the way, or `expire` ends it.
                Ok(_) | Err((_, Why::Protocol(Refused::Expired))) => {}
                Err((name, why)) => self.refuse(&held.partner, &held.id, name, why)?,
            }
        }
        self.commit_all(Step::Received, lines)
    }

    /// Checks the approval and the parcel's header: whose they are, and what they answer.
    fn came_whole(
        &self,
        held: &Held,
    ) -> Result<Result<(Signed<Accept>, Sent), RefusedFile>, Error> {
        let partner = self.desk.partner(&held.partner)?;
        let party = Self::party(partner);
        let us = &self.desk.institution;
        let accept = self.came::<Accept>(&held.partner, &held.id, Name::Accept)?;
        let parcel = self.came::<Parcel>(&held.partner, &held.id, Name::Parcel)?;
        let (Some(accept), Some(parcel)) = (accept, parcel) else { return Err(Error::Bug) };
        let approvers = &held.offer()?.payload.approvers;
        let challenged = self.challenged(held)?;
        let clock = self.clock();
        let accepted = challenged.and_then(|challenged| {
            let accept = accept?.forwarded(approvers, &party, us)?;
            let file = accept.file().clone();
            Ok((file, challenged.accept(accept, approvers, clock)?))
        });
        let (file, accepted) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => return Ok(Err((Name::Accept, why))),
        };
        let licences = self.licences(End::Receiver, partner, None);
        let sent = parcel.and_then(|parcel| {
            let sent = accepted.send(parcel.received(&party, us)?, clock)?;
            let institution = partner.institution.clone();
            licences.from.map_err(|fault| Refused::Licence { institution, fault })?;
            Ok(sent)
        });
        Ok(sent.map(|sent| (file, sent)).map_err(|why| (Name::Parcel, why)))
    }

    /// Says whether all parts have come.
    fn is_complete(&self, held: &Held, sent: &Sent) -> Result<bool, Error> {
        let folder = exchange::inbox(&held.partner, &held.id);
        let listed = self.exchange.list(&format!("{folder}/parts"))?;
        let there: BTreeSet<String> = listed.into_iter().map(|object| object.path).collect();
        let parts = sent.parcel().payload().parts.iter();
        Ok((0..)
            .zip(parts)
            .all(|(number, _)| there.contains(&format!("{folder}/{}", part(number)))))
    }

    /// Opens and unpacks a parcel; what was unpacked before a crash is not opened again.
    fn unpack(&self, held: &Held, sent: &Sent) -> Result<Result<File, Why>, Error> {
        let offer = sent.accepted().offered().offer().payload();
        let root = &self.desk.received;
        let received = match unpacked(root, &held.id, &offer.manifest) {
            Ok(Some(received)) => Ok(received),
            Ok(None) => self.open_parcel(held, sent),
            Err(error) => Err(error.into()),
        };
        let received = match received {
            Ok(received) => received,
            Err(Stopped::Refused(refused)) => return Ok(Err(refused.into())),
            Err(Stopped::Error(error)) => return Err(*error),
        };
        let receipt = Receipt {
            transfer: held.id,
            parcel: *sent.parcel().digest(),
            manifest_root: offer.manifest.root,
            files: received.files,
            received: self.now(),
        };
        Ok(Ok(File::Receipt(Signed::sign(receipt, self.site.keys().steward())?)))
    }

    fn open_parcel(&self, held: &Held, sent: &Sent) -> Result<Unpacked, Stopped> {
        let offer = sent.accepted().offered().offer().payload();
        let folder = exchange::inbox(&held.partner, &held.id);
        let note = Note {
            transfer: held.id,
            from: offer.from.clone(),
            to: offer.to.clone(),
            purpose: offer.purpose.clone(),
            patient: held.patient.clone(),
            manifest: offer.manifest.clone(),
            received: self.now(),
        };
        let mut out = Unpacking::begin(&self.desk.received, note)?;
        let get = |number| {
            let path = format!("{folder}/{}", part(number));
            self.exchange.get(&path).map_err(Into::into)
        };
        match (sent.open(&self.key, get, &mut out), out.fault()) {
            (Ok(()), None) => Ok(out.finish()?),
            (_, Some(fault)) => Err(fault.into()),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// Puts a parcel aside: its header, and the part that is at fault.
    fn refuse_parcel(&mut self, held: &Held, why: Why) -> Result<(), Error> {
        let number = match &why {
            Why::Protocol(Refused::Part { index, .. }) => Some(*index),
            Why::Protocol(Refused::Chunk { index, .. }) => {
                u32::try_from(index / PART_CHUNKS as u64).ok()
            }
            Why::Protocol(_)
            | Why::Partner
            | Why::Name
            | Why::NoPatient
            | Why::SeveralPatients
            | Why::NoApprover
            | Why::NothingPermitted(_)
            | Why::TooLate
            | Why::Lost
            | Why::Differs => None,
        };
        if let Some(number) = number {
            let folder = exchange::inbox(&held.partner, &held.id);
            put_aside(&self.exchange, &format!("{folder}/{}", part(number)))?;
        }
        self.refuse(&held.partner, &held.id, Name::Parcel, why)
    }

    /// Takes the receipts that came, and keeps the records they are for no longer.
    pub(super) fn take_receipts(&mut self, only: Option<&TransferId>) -> Result<(), Error> {
        let inbox = self.inbox()?;
        let came: BTreeSet<TransferId> =
            inbox.with(Name::Receipt).into_iter().map(|(_, id)| id).collect();
        let mut lines = Vec::new();
        for held in self.held(only, End::Sender, &[Step::Sent]) {
            if !came.contains(&held.id) {
                continue;
            }
            let partner = self.desk.partner(&held.partner)?;
            let signed = self.came::<Receipt>(&held.partner, &held.id, Name::Receipt)?;
            let (Some(signed), sent) = (signed, self.sent(&held)?) else { continue };
            let received = signed.and_then(|signed| {
                let receipt = signed.received(&Self::party(partner), &self.desk.institution)?;
                Ok(sent?.receive(receipt, self.clock())?)
            });
            match received {
                Ok(received) => {
                    let file = File::Receipt(received.receipt().file().clone());
                    let line = line(&held, file, Vec::new())?;
                    lines.push((held.partner, line));
                }
                Err(why) => self.refuse(&held.partner, &held.id, Name::Receipt, why)?,
            }
        }
        self.commit_all(Step::Received, lines)
    }
}

/// Why a parcel was not unpacked: it is refused, or this machine failed.
enum Stopped {
    Refused(Refused),
    Error(Box<Error>),
}

impl From<UnpackError> for Stopped {
    fn from(error: UnpackError) -> Self {
        match error.refused() {
            Some(refused) => Self::Refused(refused),
            None => Self::Error(Box::new(error.into())),
        }
    }
}

impl From<ParcelError> for Stopped {
    fn from(error: ParcelError) -> Self {
        match error {
            ParcelError::Refused(refused) => Self::Refused(refused),
            // The header's key is none: nothing can have been sealed under it.
            ParcelError::Key(_) => Self::Refused(Refused::Sealed),
            error @ (ParcelError::Content(_)
            | ParcelError::Part { .. }
            | ParcelError::Out(_)
            | ParcelError::Randomness(_)
            | ParcelError::TooLong) => Self::Error(Box::new(error.into())),
        }
    }
}
