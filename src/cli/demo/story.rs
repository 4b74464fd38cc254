//! The quarter itself, July to September 2026, day by day.

use std::path::{Path, PathBuf};

use super::{
    Args,
    account::{Account, Consents, Institution, Linkage, Release},
    money::{POOL, QUARTER, settlement},
};
use crate::{
    cli::{Context, Failure, Kind},
    consent::{Action, Event, Terms},
    credential::PassRequest,
    instant::Instant,
    ledger::policy::Believed,
    linkage::{Counts, Quality},
    party::{ContributorId, InstitutionId, ResearcherId},
    pipeline::{
        audit, book,
        consent::{self, Source},
        ingest::{self, Ingested},
        linkage, pass, proof, publish,
        query::{self, Question},
        settle,
        spec::Spec,
        statement::Selection,
    },
    population::{self, Population},
    purpose::{Claims, Purpose},
    query::Limits,
    reward::{Period, PoolId},
    signed_note::Verifier,
    site::{self, Site},
};

const ORIGIN: &str = "demo.commons.example/ledger";
const DATASET: &str = "diabetes";

/// The steps of a demo, for its progress bar.
const STEPS: u64 = 22;

pub(super) struct Story {
    /// The site; what is no part of a site lies in its folder `story`.
    folder: PathBuf,
    around: PathBuf,
    population: Population,
}

pub(super) fn day(text: &str) -> Result<Instant, Failure> {
    Instant::parse(text).map_err(|e| Failure::new(Kind::Failed, e))
}

pub(super) fn bug(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Failed, format!("the demo: {error}"))
}

impl Story {
    pub(super) fn new(args: &Args) -> Result<Self, Failure> {
        let population = Population::new(args.seed, args.people, args.institutions)
            .map_err(|e| Failure::new(Kind::Usage, e))?;
        let population = population.with_fhir(args.institutions / 2);
        Ok(Self { folder: args.folder.clone(), around: args.folder.join("story"), population })
    }

    pub(super) fn population(&self) -> &Population {
        &self.population
    }

    pub(super) fn around(&self) -> &Path {
        &self.around
    }

    fn site(&self, now: &str) -> Result<Site, Failure> {
        let now = day(now)?;
        let place = self.folder.display().to_string();
        let keys = PathBuf::from(format!("{}.keys", place.trim_end_matches('/')));
        match Site::init(&place, &keys, ORIGIN, now) {
            Err(site::Error::Exists(_)) => Ok(Site::open(&place, &keys, now)?),
            made => Ok(made?),
        }
    }

    /// Checks that the site is still as the account says.
    pub(super) fn unchanged(&self, account: &Account) -> Result<(), Failure> {
        let site = self.site("2026-10-02")?;
        if book::checkpoint(&site)? == account.checkpoint {
            return Ok(());
        }
        Err(Failure::new(Kind::Conflict, "this demo's site has gone on since")
            .hint("name another folder, or delete this one"))
    }

    /// Lives through the quarter. Every act finds itself done where an earlier run did it.
    pub(super) fn live(&self, context: &mut Context<'_>) -> Result<Account, Failure> {
        let bar = context.bar("demo");
        let step = |name: &str| {
            use crate::pipeline::Progress as _;
            bar.stage(name, STEPS);
        };
        std::fs::create_dir_all(&self.around)?;
        step("a population from its seed");
        let input = self.around.join("input");
        population::write_people(&self.population, &input).map_err(bug)?;
        population::write_demo_files(&self.around).map_err(bug)?;
        let spec = Spec::read(&self.around.join("pipelines/demo.toml"))?;

        step("people are found to be one person");
        let mut site = self.site("2026-07-01T08:00:00Z")?;
        site.set_now(day("2026-07-01T12:00:00Z")?);
        let linked = linkage::run(&site, &spec, &input, false, &bar)?;
        let quality = linkage::standing(&site, &input.join("truth.csv"))?;

        step("a board issues licences");
        self.license(&site)?;

        step("people say where they are paid");
        self.payees(&site)?;

        step("people consent");
        site.set_now(day("2026-07-02T08:00:00Z")?);
        let consents = self.consents(&site, &input)?;

        step("sponsors give money and meters");
        site.set_now(day("2026-07-03T08:00:00Z")?);
        self.sponsor(&site, DATASET)?;

        step("people are insured");
        self.insure(&site)?;

        step("institutions contribute");
        site.set_now(day("2026-07-05T08:00:00Z")?);
        let first = ingest::ingest(&site, &spec, &input, false, &bar)?;

        step("researchers ask");
        let mut asked = Asked::default();
        self.ask(&mut site, 7, &mut asked)?;

        step("a person withdraws");
        let person = self.leaver(&site)?;
        site.set_now(day("2026-08-20T08:00:00Z")?);
        let everything = Terms::new(Vec::new(), None, None).map_err(bug)?;
        let withdrawal = Event::new(
            person.clone(),
            Action::Withdraw,
            std::sync::Arc::new(everything),
            None,
            None,
            site.now(),
        );
        consent::decide(&site, vec![withdrawal.map_err(bug)?])?;
        site.set_now(day("2026-08-21T08:00:00Z")?);
        let second = ingest::ingest(&site, &spec, &input, false, &bar)?;
        let mut proofs = self.prove(&site, &person, &second)?;

        step("an expert signs");
        site.set_now(day("2026-08-22T08:00:00Z")?);
        let determination = self.determine(&site, &second)?;

        step("researchers ask again");
        self.ask(&mut site, 9, &mut asked)?;

        step("a cover pays");
        site.set_now(day("2026-09-18T08:00:00Z")?);
        let cover = self.pay_covers(&site, &spec, &bar)?;

        step("a licence is suspended");
        let licences = self.suspend(&mut site)?;

        step("a patient has a record handed over");
        site.set_now(day("2026-09-22T08:00:00Z")?);
        let transfer = self.hand_over(&site, &bar)?;

        step("the quarter is settled");
        site.set_now(day("2026-10-01T08:00:00Z")?);
        let pool = PoolId::parse(POOL).map_err(bug)?;
        let period = Period::parse(QUARTER).map_err(bug)?;
        let settled = settle::settle(&site, &pool, &period, false)?;

        step("goods are given");
        let goods = Self::give(&site)?;

        step("the bank pays");
        let banked = self.pay(&mut site)?;

        step("everyone gets a statement");
        let out = self.around.join("statements");
        let statements = publish::statements(&site, &Selection::default(), &out, &bar)?;
        proofs += statements;

        step("an auditor checks all of it");
        site.set_now(day("2026-10-02T08:00:00Z")?);
        let audited = audit::audit(&site, None, &bar)?;
        audit::publish(&site, &audited)?;
        let sponsor_audit = self.sponsor_audit(&site, &audited)?;
        let published = publish::publish(&site)?;

        Ok(Account {
            institutions: first.report.institutions.iter().map(institution).collect(),
            linkage: linkage_line(&linked.counts, &quality),
            consents,
            people: first.report.people,
            people_several: first.report.people_several,
            releases: [&first, &second].into_iter().map(release).collect(),
            answered: asked.answered,
            refused: asked.refused,
            determination,
            withdrawal: format!(
                "1 person; absent from {DATASET}@{}, proof in {}",
                second.version.version,
                self.around.join("proofs/absence.tlog-proof").display()
            ),
            licences,
            transfer,
            cover,
            settlement: settlement(&settled.settled.totals).to_vec(),
            goods,
            bank: banked.told(),
            sponsor_audit,
            statements,
            proofs_checked: proofs,
            ledger_entries: site.book_size()?,
            checkpoint: book::checkpoint(&site)?,
            audit_checks: audited.checks(),
            audit_findings: audited.findings().len() as u64,
            pages: self.folder.join("public").join(published.index).display().to_string(),
            site: self.folder.display().to_string(),
        })
    }

    /// Takes in what each institution keeps of its people's decisions.
    fn consents(&self, site: &Site, input: &Path) -> Result<Consents, Failure> {
        let mut told = Consents::default();
        for at in 0..self.population.institutions() {
            let name = population::institution(at);
            let institution = InstitutionId::parse(&name).map_err(bug)?;
            let folder = input.join(name.as_ref());
            let fhir = folder.join("Consent.ndjson");
            let outcome = if fhir.exists() {
                let source = Source { file: fhir, institution: Some(institution) };
                let (outcome, report) = consent::import_fhir(site, &[source], "")?;
                told.fhir += report.documents;
                outcome
            } else {
                let file = folder.join("consents.csv");
                let outcome = consent::import(site, &file, None, Some(&institution))?;
                told.csv +=
                    outcome.grants + outcome.withdrawals + outcome.known + outcome.not_linked;
                outcome
            };
            told.grants += outcome.grants;
            told.withdrawals += outcome.withdrawals;
            told.not_linked += outcome.not_linked;
        }
        Ok(told)
    }

    /// Asks the demo's questions, one a day of a month; two researchers hold passes, and one of
    /// them for a purpose that nobody consented to.
    fn ask(&self, site: &mut Site, month: u32, asked: &mut Asked) -> Result<(), Failure> {
        let known = query::history(site)?;
        let purposes = ["DUO:0000006", "DUO:0000011"];
        let mut notes = Vec::new();
        for purpose in purposes {
            let now = day(&format!("2026-{month:02}-08T08:00:00Z"))?;
            site.set_now(now);
            let (_, note) = pass::issue(site, self.request(purpose)?)?;
            notes.push(note);
        }
        let questions = population::demo_questions();
        let foreign = questions.first().map(|q| (q, 1));
        let own = questions.iter().map(|q| (q, 0));
        for (at, (question, pass)) in own.chain(foreign).enumerate() {
            let now = day(&format!("2026-{month:02}-{:02}T10:00:00Z", at + 10))?;
            site.set_now(now);
            if known.iter().any(|record| record.time == now) {
                asked.answered += 1;
                continue;
            }
            let note = notes.get(pass).ok_or_else(|| bug("no pass"))?;
            let asking = Question {
                pass: note,
                dataset: None,
                purpose: None,
                sql: question.sql,
                limits: Limits::default(),
            };
            match (query::answer(site, &asking), question.refused, pass) {
                (Ok(_), None, 0) => asked.answered += 1,
                (Err(_), Some(why), 0) => asked.refuse(why),
                (Err(query::Error::NotConsented { .. }), _, 1) => {
                    asked.refuse("purpose not consented to");
                }
                (Err(error), _, _) => return Err(error.into()),
                (Ok(_), _, _) => return Err(bug("a question was answered that must not be")),
            }
        }
        Ok(())
    }

    pub(super) fn request(&self, purpose: &str) -> Result<PassRequest, Failure> {
        let researcher = population::researchers(self.population.seed(), 1).into_iter().next();
        let researcher = researcher.ok_or_else(|| bug("no researcher"))?;
        Ok(PassRequest {
            researcher: ResearcherId::parse(&researcher.researcher).map_err(bug)?,
            institution: Some(InstitutionId::parse(researcher.institution).map_err(bug)?),
            datasets: [DATASET.to_owned()].into(),
            purposes: [Purpose::parse(purpose).map_err(bug)?].into(),
            claims: Claims::default(),
            expires: day("2027-12-31")?,
        })
    }

    /// The first person of the population whose record is in the first version.
    fn leaver(&self, site: &Site) -> Result<ContributorId, Failure> {
        let name = format!("{DATASET}@1");
        for person in population::people(&self.population) {
            let usual = person.institutions.first().copied().unwrap_or_default();
            let number = population::record_number(&self.population, usual, person.index);
            let record = format!("{}/{number}", population::institution(usual));
            // Whose record was faulty is not linked, and so in no version.
            let Ok(id) = linkage::person(site, &record) else { continue };
            if book::prove_record(site, std::slice::from_ref(&id), &name, false).is_ok() {
                return Ok(id);
            }
        }
        Err(bug("nobody is in the first version"))
    }

    /// Proves that the person was in the first version and is not in the second, and checks both
    /// proofs with nothing but the log's key.
    fn prove(
        &self,
        site: &Site,
        person: &ContributorId,
        second: &Ingested,
    ) -> Result<u64, Failure> {
        let folder = self.around.join("proofs");
        std::fs::create_dir_all(&folder)?;
        let keys = vec![Verifier::parse(&site.about().log_vkey).map_err(bug)?];
        let believed = Believed::new(keys, None);
        let before = format!("{DATASET}@1");
        let after = format!("{DATASET}@{}", second.version.version);
        for (name, dataset, absent) in
            [("presence.tlog-proof", &before, false), ("absence.tlog-proof", &after, true)]
        {
            let proof = book::prove_record(site, std::slice::from_ref(person), dataset, absent)?;
            let text = proof.text()?;
            proof::verify(&text, &believed)?;
            write(&folder.join(name), &text)?;
        }
        Ok(2)
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    Ok(std::fs::write(file, text)?)
}

#[derive(Default)]
struct Asked {
    answered: u64,
    refused: Vec<String>,
}

impl Asked {
    fn refuse(&mut self, why: &str) {
        if !self.refused.iter().any(|known| known == why) {
            self.refused.push(why.to_owned());
        }
    }
}

fn linkage_line(counts: &Counts, quality: &Quality) -> Linkage {
    Linkage {
        records: counts.records,
        people: counts.people,
        people_several: counts.people_several,
        pairs_review: counts.pairs_review,
        precision_ppm: ppm(quality.pairs_right, quality.pairs_found),
        recall_ppm: ppm(quality.pairs_right, quality.pairs_true),
    }
}

/// A share in millionths, rounded down; all of nothing is all.
fn ppm(part: u64, whole: u64) -> u64 {
    (part * 1_000_000).checked_div(whole).unwrap_or(1_000_000)
}

fn institution(line: &crate::report::InstitutionLine) -> Institution {
    Institution {
        name: line.institution.clone(),
        people: line.people,
        read: line.read,
        admitted: line.admitted,
        refused: line.refused,
        rejected: line.rejected,
    }
}

fn release(done: &Ingested) -> Release {
    let tables = &done.report.tables;
    let most = |of: fn(&crate::report::RiskLine) -> u64| {
        tables.iter().filter_map(|table| table.risk.as_ref()).map(of).max().unwrap_or(0)
    };
    Release {
        version: format!("{}@{}", done.version.dataset, done.version.version),
        people: done.version.counts.people,
        rows: done.version.counts.released,
        k: done.version.k,
        suppressed_ppm: most(|risk| risk.suppressed_ppm),
        risk_max_ppm: most(|risk| risk.prosecutor_max_ppm),
    }
}
