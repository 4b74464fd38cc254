//! The receiver answers offers: finds its own patient, shows what it knows of them under a nonce, and
//! its licence.
//!
//! Comes in: offers of partners, this site's patients. Goes out: one signed challenge an offer.
//! Never: an answer for somebody who is not the one patient that fits.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Clerk, Error, Why,
    book::{End, Line, Step},
    file::{File, Name},
};
use crate::{
    digest::hmac_sha256,
    party::InstitutionId,
    transfer::{
        Challenge, Demographics, Found, Nonce, Offer, Offered, Payload as _, Refused, Roll, Signed,
        TransferId, each_patient, evidence,
    },
};

/// Whom each offer is about here, and what is known of them.
type Patients = BTreeMap<InstitutionId, BTreeMap<TransferId, Result<(String, Demographics), Why>>>;

impl Clerk<'_> {
    /// Answers the offers that came in, or one of them.
    pub fn challenge(&mut self, only: Option<&TransferId>) -> Result<(), Error> {
        let inbox = self.inbox()?;
        let mut offers: BTreeMap<InstitutionId, Vec<Offered>> = BTreeMap::new();
        for (partner, id) in inbox.with(Name::Offer) {
            let known = self.book.transfers.contains_key(&id);
            if known || only.is_some_and(|only| *only != id) {
                continue;
            }
            match self.came_offered(&partner, &id)? {
                Some(Ok(offered)) => offers.entry(partner).or_default().push(offered),
                Some(Err(why)) => self.refuse(&partner, &id, Name::Offer, why)?,
                None => {}
            }
        }
        if offers.is_empty() {
            return Ok(());
        }
        let mut found = self.find(&offers)?;
        let licence = self.own_licence()?;
        self.progress.stage("challenge", found.values().map(|own| own.len() as u64).sum());
        for (partner, offers) in offers {
            let mut lines = Vec::new();
            let own = self.desk.partner(&partner)?;
            let pair = self.pair(own)?;
            for offered in offers {
                let id = offered.offer().payload().transfer;
                let found = found.get_mut(&partner).and_then(|all| all.remove(&id));
                let (patient, person) = match found.unwrap_or(Err(Why::NoPatient)) {
                    Ok(found) => found,
                    Err(why) => {
                        self.refuse(&partner, &id, Name::Offer, why)?;
                        continue;
                    }
                };
                self.progress.step();
                let nonce = self.nonce(&offered);
                let challenge = Challenge {
                    transfer: id,
                    offer: *offered.offer().digest(),
                    by: self.own(),
                    nonce,
                    hpke: self.key.public(),
                    licence: licence.clone(),
                    evidence: evidence(&pair, &id, &nonce, &person),
                    issued: self.now(),
                };
                let file = File::Challenge(Signed::sign(challenge, self.site.keys().steward())?);
                lines.push(Line {
                    transfer: id,
                    role: End::Receiver,
                    patient,
                    digest: file.digest()?,
                    file,
                    answers: vec![File::Offer(offered.offer().file().clone())],
                    score: None,
                    content: Vec::new(),
                    sealed: None,
                });
            }
            self.commit(Step::Challenged, &partner, lines)?;
        }
        Ok(())
    }

    /// Reads and checks an offer; none where it was taken back.
    fn came_offered(
        &self,
        partner: &InstitutionId,
        id: &TransferId,
    ) -> Result<Option<Result<Offered, Why>>, Error> {
        let Some(came) = self.came::<Offer>(partner, id, Name::Offer)? else { return Ok(None) };
        let own = self.desk.partner(partner)?;
        let offered = came.and_then(|signed| {
            if signed.payload.transfer != *id {
                return Err(Refused::NotThisTransfer { file: Offer::NAME }.into());
            }
            let offer = signed.received(&Self::party(own), &self.desk.institution)?;
            Ok(Offered::open(offer, self.ends(End::Receiver, own), self.clock())?)
        });
        let offered = match offered {
            Ok(offered) => offered,
            Err(why) => return Ok(Some(Err(why))),
        };
        if let Some(Ok(_)) = self.end_of(partner, id, Ok(offered.clone()))? {
            return Ok(None);
        }
        if let Err(fault) = self.licences(End::Receiver, own, None).from {
            let institution = partner.clone();
            return Ok(Some(Err(Refused::Licence { institution, fault }.into())));
        }
        Ok(Some(Ok(offered)))
    }

    /// Finds the patients of offers among this site's own, in two passes over them: whom the tokens
    /// fit, and what is known of those.
    fn find(&self, offers: &BTreeMap<InstitutionId, Vec<Offered>>) -> Result<Patients, Error> {
        let mut rolls = Vec::new();
        for (partner, offers) in offers {
            let pair = self.pair(self.desk.partner(partner)?)?;
            let sought = offers.iter().flat_map(|offered| &offered.offer().payload().tokens);
            rolls.push((partner, offers, pair, Roll::looking_for(sought)));
        }
        each_patient(&self.desk.records, &mut |local, patient| {
            let person = Demographics::of(patient);
            for (_, _, pair, roll) in &mut rolls {
                roll.add(pair, local, &person);
            }
        })?;
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        let mut fits: Vec<(&InstitutionId, TransferId, Found)> = Vec::new();
        for (partner, offers, _, roll) in &rolls {
            for offered in *offers {
                let found = roll.find(&offered.offer().payload().tokens);
                if let Found::One(local) = &found {
                    wanted.insert(local.clone());
                }
                fits.push((partner, offered.offer().payload().transfer, found));
            }
        }
        let mut people: BTreeMap<String, Demographics> = BTreeMap::new();
        each_patient(&self.desk.records, &mut |local, patient| {
            if wanted.contains(local) {
                people.insert(local.to_owned(), Demographics::of(patient));
            }
        })?;
        let mut all = Patients::new();
        for (partner, id, found) in fits {
            let found = match found {
                Found::Nobody => Err(Why::NoPatient),
                Found::Several(_) => Err(Why::SeveralPatients),
                Found::One(local) => {
                    let person = people.get(&local).cloned();
                    person.map(|person| (local, person)).ok_or(Why::NoPatient)
                }
            };
            all.entry(partner.clone()).or_default().insert(id, found);
        }
        Ok(all)
    }

    /// Makes the nonce of a challenge: random to whoever lacks the site's secret, another for each
    /// offer.
    fn nonce(&self, offered: &Offered) -> Nonce {
        let offer = offered.offer();
        let parts = [offer.payload().transfer.0.as_slice(), offer.digest().as_bytes()];
        Nonce(hmac_sha256(&self.site.secret("transfer-nonce"), &parts))
    }

    /// Reads this institution's licence, where the desk file names one.
    fn own_licence(&self) -> Result<Option<String>, Error> {
        let Some(path) = &self.desk.licence else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(Some(text.trim().to_owned()))
    }
}
