//! The sender judges challenges, lays them before the patients, and takes the approvals.
//!
//! Comes in: challenges of partners, answers at the desk. Goes out: what the patient is shown; approved
//! steps. Never: an approval of what the patient was not shown, or of a challenge for somebody else.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    Clerk, Error, Why,
    book::{End, Held, Line, Score, Step},
    end::line,
    exchange,
    file::{File, Name},
    patient::{ACCEPT, MATCH},
};
use crate::transfer::{
    Accept, Challenge, Challenged, Demographics, Match, Mismatch, Signed, TransferId, each_patient,
    judge,
};

/// A challenge that holds, or why not.
type Judged = Result<(Challenged, Score), Why>;

impl Clerk<'_> {
    /// Judges the challenges that came in, puts those that hold on the desk, and takes the patients'
    /// approvals from there.
    pub fn accept(&mut self, only: Option<&TransferId>) -> Result<(), Error> {
        self.take_refusals(only)?;
        let inbox = self.inbox()?;
        let came: BTreeSet<TransferId> =
            inbox.with(Name::Challenge).into_iter().map(|(_, id)| id).collect();
        let mut waiting = self.held(only, End::Sender, &[Step::Offered]);
        waiting.retain(|held| came.contains(&held.id));
        if waiting.is_empty() {
            return Ok(());
        }
        let people = self.people(&waiting)?;
        self.progress.stage("accept", waiting.len() as u64);
        let mut lines = Vec::new();
        for held in waiting {
            self.progress.step();
            let (challenged, score) = match self.judged(&held, people.get(&held.patient))? {
                Some(Ok(judged)) => judged,
                Some(Err(why)) => {
                    self.refuse_challenge(&held, why)?;
                    continue;
                }
                None => continue,
            };
            if !self.show(&held, &challenged, &score)? {
                let file = format!("{}/{}", exchange::desk(&held.id), Name::Challenge.file());
                self.note_desk(&held, file, Why::Differs)?;
                continue;
            }
            let path = format!("{}/{ACCEPT}", exchange::desk(&held.id));
            let Some(bytes) = self.exchange.find(&path)? else { continue };
            let challenge = challenged.challenge().file().clone();
            match self.approval(&held, &bytes, challenged) {
                Ok(accept) => {
                    let answers = vec![File::Challenge(challenge)];
                    let line = line(&held, File::Accept(accept), answers)?;
                    lines.push((held.partner, Line { score: Some(score), ..line }));
                }
                Err(why) => self.note_desk(&held, path, why)?,
            }
        }
        self.commit_all(Step::Approved, lines)
    }

    /// Returns who the patients of transfers are, from the records.
    fn people(&self, waiting: &[Held]) -> Result<BTreeMap<String, Demographics>, Error> {
        let wanted: BTreeSet<&str> = waiting.iter().map(|held| held.patient.as_str()).collect();
        let mut people = BTreeMap::new();
        each_patient(&self.desk.records, &mut |local, patient| {
            if wanted.contains(local) {
                people.insert(local.to_owned(), Demographics::of(patient));
            }
        })?;
        Ok(people)
    }

    /// Checks a challenge and judges what it shows of the patient.
    fn judged(&self, held: &Held, person: Option<&Demographics>) -> Result<Option<Judged>, Error> {
        let came = self.came::<Challenge>(&held.partner, &held.id, Name::Challenge)?;
        let (Some(came), offered) = (came, self.offered(held)?) else { return Ok(None) };
        let partner = self.desk.partner(&held.partner)?;
        let pair = self.pair(partner)?;
        let judged = came.and_then(|signed| {
            let person = person.ok_or(Why::NoPatient)?;
            let challenge = signed.received(&Self::party(partner), &self.desk.institution)?;
            let said = challenge.payload();
            let found = judge(&pair, &held.id, &said.nonce, &said.evidence, person);
            let licences = self.licences(End::Sender, partner, said.licence.as_deref());
            let mismatch = if found.is_the_patient() {
                Ok(())
            } else if found.conflicts.is_empty() {
                Err(Mismatch::ScoreBelow)
            } else {
                Err(Mismatch::WrongPatient)
            };
            let challenged = offered?.challenge(challenge, mismatch, licences, self.clock())?;
            Ok((challenged, score(&found)))
        });
        Ok(Some(judged))
    }

    /// Refuses a challenge; the wrong patient's ends the transfer.
    fn refuse_challenge(&mut self, held: &Held, why: Why) -> Result<(), Error> {
        let ends = why.ends();
        self.refuse(&held.partner, &held.id, Name::Challenge, why)?;
        ends.map_or(Ok(()), |why| self.end(held, why, Vec::new()))
    }

    /// Lays a challenge before the patient, with how the two records agree; says whether it lies there
    /// as it came.
    fn show(&self, held: &Held, challenged: &Challenged, score: &Score) -> Result<bool, Error> {
        let folder = exchange::desk(&held.id);
        let path = format!("{folder}/{}", Name::Challenge.file());
        let bytes = Bytes::from(challenged.challenge().file().bytes()?);
        if let Some(there) = self.exchange.find(&path)? {
            return Ok(there == bytes);
        }
        self.exchange.put(&format!("{folder}/{MATCH}"), serde_json::to_vec(score)?.into())?;
        self.exchange.put_content(&path, &bytes)?;
        Ok(true)
    }

    fn approval(
        &self,
        held: &Held,
        bytes: &[u8],
        challenged: Challenged,
    ) -> Result<Signed<Accept>, Why> {
        let signed: Signed<Accept> = Signed::parse(bytes)?;
        let approvers = &challenged.offered().offer().payload().approvers;
        let accept = signed.approved(approvers)?;
        let registered = self.approvers_of(&held.patient);
        let accepted = challenged.accept(accept, &registered, self.clock())?;
        Ok(accepted.accepted().file().clone())
    }
}

/// Names the fields in which two records of a patient agree or differ, as a patient reads them.
fn score(found: &Match) -> Score {
    let floor = &found.floor;
    let agree = [
        (floor.name, "name"),
        (floor.birth_date, "date of birth"),
        (floor.document, "identity document"),
        (floor.identifier, "personal number"),
        (floor.address, "address"),
        (floor.phone, "telephone"),
        (floor.email, "e-mail"),
    ];
    let agree = agree.into_iter().filter(|(is, _)| *is).map(|(_, words)| words.to_owned());
    let differ = found.conflicts.iter().map(|conflict| conflict.words().to_owned());
    Score { agree: agree.collect(), differ: differ.collect() }
}
