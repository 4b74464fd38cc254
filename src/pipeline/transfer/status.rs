//! How transfers stand: for the steward's eyes.
//!
//! Comes in: the commits, what was refused. Goes out: one row a transfer, and the refused files.
//! Never: a patient's id unless it was asked for.

use serde::Serialize;

use super::{
    Clerk, Error,
    book::{End, Held, Step},
    file::File,
};
use crate::{
    instant::Instant,
    party::InstitutionId,
    transfer::{EndReason, TransferId},
};

/// How all transfers stand.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The transfers, by id.
    pub transfers: Vec<Row>,
    /// Files and offers that were refused, of transfers that did not go on since.
    pub refused: Vec<RefusedRow>,
}

/// How one transfer stands. Its `Debug` names no patient.
#[derive(Serialize)]
pub struct Row {
    /// The transfer.
    pub transfer: TransferId,
    /// The other side.
    pub partner: InstitutionId,
    /// Which end this site is.
    pub role: End,
    /// The newest step.
    pub step: Step,
    /// When it was taken.
    pub since: Instant,
    /// When the offer ends.
    pub expires: Instant,
    /// What is due, or why it ended; in words.
    pub note: String,
    /// The patient's id at this site, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("transfer", &self.transfer).finish_non_exhaustive()
    }
}

/// A file that was refused.
#[derive(Debug, Serialize)]
pub struct RefusedRow {
    /// The file, or what was to be done.
    pub file: String,
    /// The transfer, where there is one.
    pub transfer: Option<TransferId>,
    /// Why, for programs.
    pub code: String,
    /// Why, in words.
    pub words: String,
    /// Since when.
    pub since: Instant,
}

impl Clerk<'_> {
    /// Says how transfers stand; with the patients' own ids where `patients` says so.
    pub fn status(&self, patients: bool) -> Result<Status, Error> {
        let mut transfers = Vec::new();
        for held in self.book.transfers.values() {
            transfers.push(self.row(held, patients)?);
        }
        let mut refused = Vec::new();
        for note in self.notes()? {
            let held = note.transfer.and_then(|id| self.book.transfers.get(&id));
            let step = held.and_then(|held| held.step().ok());
            let went_on = step.is_some_and(|step| step != Step::Ended) && step != note.step;
            if went_on {
                continue;
            }
            refused.push(RefusedRow {
                file: note.file,
                transfer: note.transfer,
                code: note.code,
                words: note.words,
                since: note.since,
            });
        }
        refused.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(Status { transfers, refused })
    }

    fn row(&self, held: &Held, patients: bool) -> Result<Row, Error> {
        let (step, taken) = held.newest()?;
        let expires = held.offer()?.payload.expires;
        let late = self.now() >= expires;
        let note = match (step, held.end) {
            (Step::Received, End::Sender) => "the receipt is here".to_owned(),
            (Step::Received, End::Receiver) => "the record is unpacked".to_owned(),
            (Step::Ended, _) => why(&taken.line.file),
            (Step::Sent, _) if late => "the receipt is overdue".to_owned(),
            (_, _) if late => "it has expired: `transfer run` ends it".to_owned(),
            (Step::Offered, _) => format!("{} is to challenge", held.partner),
            (Step::Challenged, _) => {
                format!("the patient is to approve, then {} sends", held.partner)
            }
            (Step::Approved, _) => "`transfer send` is due".to_owned(),
            (Step::Sent, _) => format!("{} is to send a receipt", held.partner),
        };
        Ok(Row {
            transfer: held.id,
            partner: held.partner.clone(),
            role: held.end,
            step,
            since: taken.batch.time,
            expires,
            note,
            patient: patients.then(|| held.patient.clone()),
        })
    }
}

fn why(file: &File) -> String {
    let File::Ended(ended) = file else { return String::new() };
    let ended = &ended.payload;
    match ended.why {
        EndReason::Cancelled => format!("cancelled by {}", ended.by.institution),
        EndReason::Declined => "the patient declined".to_owned(),
        EndReason::Revoked => "the patient took the approval back".to_owned(),
        EndReason::Expired => "it expired".to_owned(),
        EndReason::Refused(cause) => {
            let cause = serde_json::to_value(cause).unwrap_or_default();
            format!("refused: {}", cause.as_str().unwrap_or_default())
        }
    }
}
