//! The licences of the quarter: a board issues them, suspends one, and what rests on it stops.

use std::collections::BTreeMap;

use super::story::{Story, bug, day};
use crate::{
    cli::Failure,
    credential::Holder,
    party::{InstitutionId, ResearcherId},
    pipeline::{
        licence::{self, Decision, Terms},
        pass,
        query::{self, Question},
    },
    population,
    query::Limits,
    site::Site,
};

/// The universities whose researchers may ask.
const UNIVERSITIES: [&str; 3] = ["bay-university", "delta-institute", "st-anselm"];

fn holder(name: &str) -> Result<Holder, Failure> {
    Ok(Holder::Institution(InstitutionId::parse(name).map_err(bug)?))
}

fn number(name: &str) -> String {
    format!("L-{name}")
}

impl Story {
    /// The site is a board of licences itself: it licenses those who contribute and those who ask.
    pub(super) fn license(&self, site: &Site) -> Result<(), Failure> {
        let board = licence::make_issuer(site)?;
        licence::trust(site, &board, None)?;
        for (name, class) in self.licensed() {
            let decision = Decision::Issue {
                holder: holder(&name)?,
                class: class.to_owned(),
                terms: Terms { until: Some(day("2028-07-01")?), key: None },
                restriction: None,
            };
            licence::decide(site, &number(&name), decision, None)?;
        }
        Ok(())
    }

    /// Returns who is licensed, and as what; a university may have a hospital.
    fn licensed(&self) -> BTreeMap<String, &'static str> {
        let names = (0..self.population().institutions()).map(population::institution);
        let hospitals = names.map(|name| (name.into_owned(), "hospital"));
        UNIVERSITIES
            .map(|name| (name.to_owned(), "university"))
            .into_iter()
            .chain(hospitals)
            .collect()
    }

    /// A university loses its licence, and its researcher's pass is worth nothing from then on; what was
    /// answered before stays answered.
    pub(super) fn suspend(&self, site: &mut Site) -> Result<String, Failure> {
        let own = self.request("DUO:0000006")?;
        let other = UNIVERSITIES.iter().find(|name| {
            own.institution.as_ref().is_none_or(|institution| institution.as_str() != **name)
        });
        let other = *other.ok_or_else(|| bug("no second university"))?;
        let mut request = own;
        request.institution = Some(InstitutionId::parse(other).map_err(bug)?);
        request.researcher = ResearcherId::parse("r-vermeer").map_err(bug)?;
        site.set_now(day("2026-09-19T08:00:00Z")?);
        let (_, note) = pass::issue(site, request)?;
        site.set_now(day("2026-09-20T08:00:00Z")?);
        licence::decide(site, &number(other), Decision::Suspend, None)?;
        site.set_now(day("2026-09-21T10:00:00Z")?);
        let question = population::demo_questions().first().ok_or_else(|| bug("no question"))?;
        let asking = Question {
            pass: &note,
            dataset: None,
            purpose: None,
            sql: question.sql,
            limits: Limits::default(),
        };
        match query::answer(site, &asking) {
            Err(query::Error::Standing(_)) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(bug("a question was answered under a suspended licence")),
        }
        Ok(format!(
            "{} issued; {other} suspended on 2026-09-20: what its researchers ask is refused",
            self.licensed().len()
        ))
    }

    /// Returns the credential that shows an institution's licence.
    pub(super) fn shown(site: &Site, institution: &str) -> Result<String, Failure> {
        Ok(licence::export(site, &holder(institution)?)?)
    }
}
