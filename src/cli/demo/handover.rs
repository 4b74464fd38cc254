//! One record goes from one institution to another because its patient says so: two more sites, each
//! with a book, keys and a desk of its own, and a folder between them.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::story::{Story, bug, day};
use crate::{
    cli::Failure,
    party::InstitutionId,
    pipeline::{
        Progress, audit,
        consent::{Source, import_fhir},
        licence, linkage,
        transfer::{self, Answer, Asked, Clerk, Desk, Outcome, Step, keys, licence_of},
    },
    population,
    site::{self, Site},
    transfer::{ApproverSigner as _, KeyFile, Role, TransferId},
};

/// On which days the steps are taken.
const DAYS: [&str; 4] = [
    "2026-09-22T08:00:00Z",
    "2026-09-23T08:00:00Z",
    "2026-09-24T08:00:00Z",
    "2026-09-25T08:00:00Z",
];

/// Who hands over and who takes, and by which ids they know the patient.
struct Ends {
    from: String,
    to: String,
    patient: String,
}

/// One institution's side: its site and its desk.
struct End<'a> {
    folder: PathBuf,
    records: PathBuf,
    name: &'a str,
    bar: &'a dyn Progress,
}

impl End<'_> {
    fn site(&self, now: &str) -> Result<Site, Failure> {
        let address = self.folder.join("site").display().to_string();
        let (keys, now) = (self.folder.join("keys"), day(now)?);
        let origin = format!("{}.example/ledger", self.name);
        match Site::init(&address, &keys, &origin, now) {
            Err(site::Error::Exists(_)) => Ok(Site::open(&address, &keys, now)?),
            made => Ok(made?),
        }
    }

    /// Writes the desk file, with a partner once there is one.
    fn desk(&self, partner: Option<&End<'_>>) -> Result<Desk, Failure> {
        fs::create_dir_all(&self.folder)?;
        let file = self.folder.join("desk.toml");
        let records = fs::canonicalize(&self.records)?;
        let mut text = format!(
            "institution = \"{}\"\nrecords     = \"{}\"\nexchange    = \"exchange\"\n\
             received    = \"received\"\n",
            self.name,
            records.display()
        );
        if let Some(partner) = partner {
            let known = keys(&partner.site(day_of(0)?)?, &partner.desk(None)?);
            let exchange = format!("../{}/exchange", partner.name);
            write!(text, "\n{}exchange    = \"{exchange}\"\n", known.toml()).map_err(bug)?;
        }
        fs::write(&file, text)?;
        Ok(Desk::read(&file)?)
    }

    fn act(
        &self,
        partner: &End<'_>,
        now: &str,
        act: impl FnOnce(&mut Clerk<'_>) -> Result<(), transfer::Error>,
    ) -> Result<Outcome, Failure> {
        let (desk, site) = (self.desk(Some(partner))?, self.site(now)?);
        let licence = licence_of(&site)?;
        let mut clerk = Clerk::open(&site, &desk, &licence, self.bar)?;
        act(&mut clerk)?;
        let outcome = clerk.close();
        match outcome.refused.first() {
            Some(refused) => Err(bug(format!("`{}`: {}", refused.file, refused.why))),
            None => Ok(outcome),
        }
    }

    fn run(&self, partner: &End<'_>, now: &str) -> Result<Outcome, Failure> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method is one clerk's, the closure any clerk's"
        )]
        self.act(partner, now, |clerk| clerk.run())
    }
}

fn day_of(at: usize) -> Result<&'static str, Failure> {
    DAYS.get(at).copied().ok_or_else(|| bug("no such day"))
}

impl Story {
    /// Hands one patient's record over, and says what went. Nothing where no two institutions keep FHIR.
    pub(super) fn hand_over(&self, commons: &Site, bar: &dyn Progress) -> Result<String, Failure> {
        let Some(ends) = self.ends(commons) else {
            return Ok("none: no two institutions that keep FHIR share a patient".to_owned());
        };
        let around = self.around().join("transfer");
        let end = |name| End {
            folder: around.join(name),
            records: self.around().join("input").join(name),
            name,
            bar,
        };
        let (from, to) = (end(ends.from.as_str()), end(ends.to.as_str()));
        let first = day_of(0)?;
        for side in [&from, &to] {
            let site = side.site(first)?;
            licence::trust(&site, &licence::own_issuer(commons)?, None)?;
            let tokens = [&from, &to].map(|end| Self::shown(commons, end.name));
            let tokens = tokens.into_iter().collect::<Result<Vec<_>, _>>()?;
            let file = side.folder.join("licences.jwt");
            fs::write(&file, tokens.join("\n"))?;
            licence::import(&site, &file)?;
        }
        let hand = patient_key(&around.join("patient.key"))?;
        Self::permit(&from, &ends)?;
        let partner = InstitutionId::parse(to.name).map_err(bug)?;
        from.act(&to, first, |clerk| {
            clerk.add_approver(&ends.patient, &hand.key().vkey(), Role::Patient, None)
        })?;
        let offered = from.act(&to, first, |clerk| {
            clerk.offer(&partner, std::slice::from_ref(&ends.patient), None)?;
            clerk.run()
        })?;
        let transfer = offered.steps.iter().find(|done| done.step == Step::Offered);
        let transfer = transfer.ok_or_else(|| bug("nothing was offered"))?.transfer;
        to.run(&from, day_of(1)?)?;
        from.run(&to, day_of(1)?)?;
        let desk = from.folder.join("exchange/desk").join(transfer.to_string());
        let asked = Asked::read(&desk)?;
        asked.answer(Answer::Accept, &hand, day(day_of(2)?)?)?;
        from.run(&to, day_of(2)?)?;
        let received = to.run(&from, day_of(3)?)?;
        from.run(&to, day_of(3)?)?;
        if !received.steps.iter().any(|done| done.step == Step::Received) {
            return Err(bug("the record was not received"));
        }
        for side in [&from, &to] {
            let audited = audit::audit(&side.site(day_of(3)?)?, None, bar)?;
            if !audited.findings().is_empty() {
                return Err(bug(format!("the audit of {} has findings", side.name)));
            }
        }
        Ok(told(&asked, &to.folder, &transfer))
    }

    /// Finds a patient whom two institutions keep in FHIR and whom linkage knows at both.
    fn ends(&self, commons: &Site) -> Option<Ends> {
        let keeps = |at: &u32| {
            let folder = self.around().join("input").join(population::institution(*at).as_ref());
            folder.join("Patient.ndjson").exists()
        };
        let known = |at: u32, index: u64| {
            let number = population::record_number(self.population(), at, index);
            let record = format!("{}/{number}", population::institution(at));
            linkage::person(commons, &record).ok().map(|person| (person, number))
        };
        population::people(self.population()).find_map(|person| {
            let mut own = person.institutions.iter().copied().filter(keeps);
            let (one, two) = (own.next()?, own.next()?);
            let ((from, patient), (to, _)) = (known(one, person.index)?, known(two, person.index)?);
            let name = |at| population::institution(at).into_owned();
            (from == to).then(|| Ends { from: name(one), to: name(two), patient })
        })
    }

    /// The patient's Consent: for treatment, at that institution, all but diagnoses.
    fn permit(from: &End<'_>, ends: &Ends) -> Result<(), Failure> {
        let text = serde_json::json!({
            "resourceType": "Consent",
            "id": "handover",
            "status": "active",
            "scope": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                "code": "patient-privacy",
            }]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"reference": format!("Patient/{}", ends.patient)},
            "dateTime": "2026-09-21",
            "policy": [{"uri": "https://commons.example/policy/transfer"}],
            "provision": {
                "type": "permit",
                "actor": [{
                    "role": {"coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                        "code": "IRCP",
                    }]},
                    "reference": {"reference": format!("Organization/{}", ends.to)},
                }],
                "purpose": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                    "code": "TREAT",
                }],
                "provision": [{
                    "type": "deny",
                    "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}],
                }],
            },
        });
        let file = from.folder.join("Consent.ndjson");
        fs::write(&file, format!("{text}\n"))?;
        let institution = Some(InstitutionId::parse(from.name).map_err(bug)?);
        drop(import_fhir(&from.site(day_of(0)?)?, &[Source { file, institution }], "")?);
        Ok(())
    }
}

fn patient_key(file: &Path) -> Result<KeyFile, Failure> {
    if file.exists() { Ok(KeyFile::open(file)?) } else { Ok(KeyFile::create(file)?) }
}

fn told(asked: &Asked, to: &Path, transfer: &TransferId) -> String {
    let offer = &asked.offer.payload;
    let withheld: u64 = offer.manifest.withheld.iter().map(|held| held.resources).sum();
    format!(
        "1 record from {} to {}, approved by its patient: {} resources sealed and received in {}; \
         {withheld} kept back as the patient said",
        offer.from.institution,
        offer.to.institution,
        offer.manifest.resources,
        to.join("received").join(transfer.to_string()).display()
    )
}
