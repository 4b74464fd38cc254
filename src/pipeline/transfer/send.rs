//! The sender seals what was approved, once consent, licences and approver were judged again.
//!
//! Comes in: approved transfers, the kept records, what patients decided until now. Goes out: sealed
//! parts in the vault, then sent steps. Never: a parcel of what a patient has taken back since.

use std::{
    collections::BTreeSet,
    io::{self, BufReader, Read},
};

use bytes::{Buf as _, Bytes};

use super::{
    Clerk, Error, Why,
    book::{Content, End, Held, Line, Step},
    consents::Decided,
    end::line,
    exchange::part,
    file::File,
};
use crate::{
    digest::Sha3Digest,
    store::Store,
    transfer::{Accepted, Again, ConsentFault, ParcelError, Refused, Release, Signed, TransferId},
};

impl Clerk<'_> {
    /// Sends what is approved.
    pub fn send(&mut self, only: Option<&TransferId>) -> Result<(), Error> {
        self.take_refusals(only)?;
        let approved = self.held(only, End::Sender, &[Step::Approved]);
        if approved.is_empty() {
            return Ok(());
        }
        let patients: BTreeSet<String> = approved.iter().map(|held| held.patient.clone()).collect();
        let decided = Decided::load(self.site, self.desk, &patients)?;
        self.progress.stage("send", approved.len() as u64);
        let mut lines = Vec::new();
        for held in approved {
            self.progress.step();
            match self.released(&held, &decided)? {
                Ok(release) => {
                    let line = self.sealed(&held, &release)?;
                    lines.push((held.partner, line));
                }
                // `expire` ends it.
                Err(Why::Protocol(Refused::Expired)) => {}
                Err(why) => {
                    let ends = why.ends();
                    self.note_desk(&held, format!("send of {}", held.id), why)?;
                    if let Some(why) = ends {
                        self.end(&held, why, Vec::new())?;
                    }
                }
            }
        }
        self.commit_all(Step::Sent, lines)
    }

    /// Judges all that can have changed since the patient approved.
    fn released(&self, held: &Held, decided: &Decided) -> Result<Result<Release, Why>, Error> {
        let accepted: Accepted = match self.accepted(held)? {
            Ok(accepted) => accepted,
            Err(why) => return Ok(Err(why)),
        };
        let offer = &held.offer()?.payload;
        let asked = self.asked(&held.partner, &offer.purpose);
        let registered = decided.registered(&held.patient, asked.day);
        let consented = decided.consents(&held.patient).judge(&asked, registered);
        let kept = self.content(held)?;
        let consent = match consented.again(&offer.manifest, BufReader::new(kept)) {
            Ok(Again::Same) => Ok(()),
            Ok(Again::Withdrawn(_)) => Err(ConsentFault::Withdrawn),
            Ok(Again::Changed(_)) => Err(ConsentFault::Changed),
            Ok(Again::Lost) | Err(_) => return Ok(Err(Why::Lost)),
        };
        let partner = self.desk.partner(&held.partner)?;
        let shown = held.challenge()?.payload.licence.as_deref();
        let licences = self.licences(End::Sender, partner, shown);
        let approvers = self.approvers_of(&held.patient);
        let release = accepted.release(consent, licences, &approvers, self.clock());
        Ok(release.map_err(Why::from))
    }

    /// Seals the kept record into parts in the vault, each time in a folder of its own: parts of a run
    /// that was stopped are never mixed with others.
    fn sealed(&self, held: &Held, release: &Release) -> Result<Line, Error> {
        let vault = self.site.vault();
        let folder = format!("transfers/sealed/{}/{}", held.id, self.site.txn()?);
        let content = self.content(held)?;
        let parcel = release.seal(&self.key, content, self.now(), |number, bytes| {
            vault.put_content(&format!("{folder}/{}", part(number)), &bytes).map_err(Into::into)
        });
        let parcel = parcel.map_err(|error| match error {
            ParcelError::Content(_) => Error::Changed(held.id),
            error @ (ParcelError::Refused(_)
            | ParcelError::Part { .. }
            | ParcelError::Out(_)
            | ParcelError::Key(_)
            | ParcelError::Randomness(_)
            | ParcelError::TooLong) => Error::Parcel(error),
        })?;
        let file = File::Parcel(Signed::sign(parcel, self.site.keys().steward())?);
        let line = line(held, file, Vec::new())?;
        Ok(Line { sealed: Some(folder), ..line })
    }

    /// Reads the record as it was kept when it was offered.
    fn content(&self, held: &Held) -> Result<Kept, Error> {
        let offered = held.steps.get(&Step::Offered).ok_or(Error::Bug)?;
        let pieces: Vec<Content> = offered.line.content.iter().rev().cloned().collect();
        Ok(Kept { vault: self.site.vault(), pieces, bytes: Bytes::new() })
    }
}

/// A kept record, piece by piece.
struct Kept {
    vault: Store,
    /// Those to come, the next one last.
    pieces: Vec<Content>,
    bytes: Bytes,
}

impl Read for Kept {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.bytes.is_empty() {
            let Some(piece) = self.pieces.pop() else { return Ok(0) };
            let bytes = self.vault.get(&piece.path).map_err(io::Error::other)?;
            if Sha3Digest::of(&bytes) != piece.digest {
                return Err(io::Error::other("a kept piece of a record has changed"));
            }
            self.bytes = bytes;
        }
        let length = out.len().min(self.bytes.len());
        self.bytes.split_to(length).copy_to_slice(out.split_at_mut(length).0);
        Ok(length)
    }
}
