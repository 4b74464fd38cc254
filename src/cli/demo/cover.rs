//! A cover pays without a claim: people are enrolled, consent to it, and an accident in their records
//! pays them once.

use std::{fmt::Write as _, fs, sync::Arc};

use super::story::{Story, bug};
use crate::{
    cli::Failure,
    consent::{Action, Event, Terms},
    money::{Amount, Currency},
    party::SponsorId,
    pipeline::{
        Progress, consent, cover, linkage,
        payout::{self, Debtor, Version},
        spec::Spec,
    },
    population,
    reward::{Funded, Period},
    site::Site,
};

/// The day on which all of them enrol and consent.
const ENROLLED: &str = "2026-07-02";

impl Story {
    /// Opens the policy, and enrols people who consent to it.
    pub(super) fn insure(&self, site: &Site) -> Result<(), Failure> {
        let policy = cover::read(&self.around().join("pipelines/cover-accident.toml"))?;
        let (name, currency) = (policy.policy.clone(), policy.currency);
        let insurer = policy.insurer.clone();
        cover::open(site, policy)?;
        cover::fund(site, premium(&name, currency, insurer)?)?;
        let terms = Arc::new(Terms::parse("HL7:HPAYMT", "*", "*").map_err(bug)?);
        let (mut rows, mut consents) = ("contributor,enrolled\n".to_owned(), Vec::new());
        for person in population::people(self.population()) {
            let usual = person.institutions.first().copied().unwrap_or_default();
            let number = population::record_number(self.population(), usual, person.index);
            let record = format!("{}/{number}", population::institution(usual));
            let Ok(id) = linkage::person(site, &record) else { continue };
            writeln!(rows, "{record},{ENROLLED}").map_err(bug)?;
            let grant = Event::new(id, Action::Grant, Arc::clone(&terms), None, None, site.now());
            consents.push(grant.map_err(bug)?);
        }
        let file = self.around().join("insured.csv");
        fs::write(&file, rows)?;
        consent::decide(site, consents)?;
        cover::enrol(site, &name, &file, 0)?;
        Ok(())
    }

    /// Looks for what the records show, and orders the bank to pay it.
    pub(super) fn pay_covers(
        &self,
        site: &Site,
        spec: &Spec,
        bar: &dyn Progress,
    ) -> Result<String, Failure> {
        let policy = cover::read(&self.around().join("pipelines/cover-accident.toml"))?.policy;
        let input = self.around().join("input");
        let paid = cover::run(site, spec, &input, std::slice::from_ref(&policy), bar)?;
        let insured = cover::standings(site, Some(&policy))?
            .first()
            .map_or_else(String::new, |own| own.enrolled.to_string());
        let paid = paid.first().ok_or_else(|| bug("no policy was evaluated"))?;
        let told = format!(
            "{} accidents in the records of {} insured: {policy} paid each once, {} in all",
            paid.events, insured, paid.amount
        );
        if paid.events == 0 {
            return Ok(told);
        }
        let debtor = Debtor::read(super::money::DEBTOR).map_err(|_| bug("the debtor"))?;
        let terms = payout::Terms { debtor, version: Version::V09, date: None, exchange: None };
        let period = Period::parse(super::money::QUARTER).map_err(bug)?;
        let ordered = payout::export(site, &policy, &period, &terms)?;
        let folder = self.around().join("bank");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("cover.xml"), &ordered.file)?;
        Ok(told)
    }
}

fn premium(
    policy: &crate::reward::PoolId,
    currency: Currency,
    sponsor: SponsorId,
) -> Result<Funded, Failure> {
    Ok(Funded {
        pool: policy.clone(),
        amount: Amount::parse("50000.00", currency).map_err(bug)?,
        sponsor,
        reference: "premiums-2026-Q3".to_owned(),
    })
}
