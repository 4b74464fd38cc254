//! Says why a person's records may or may not be used: the person's consent, the dataset's terms,
//! the researcher's evidence, layer by layer, each with the clause that decided.
//!
//! Comes in: a use, a day, and an instant by whose knowledge it is judged. Goes out: [`Told`].
//! Never: a layer that makes the answer of another milder.

use serde::Serialize;

use super::{Error, Release, releases};
use crate::{
    consent::{Decision, Explanation, Held, Register},
    credential::Pass,
    instant::{Date, Instant},
    lake::{Lake, Version},
    party::{ContributorId, InstitutionId},
    pipeline::terms,
    purpose::{Claims, Effect, Purpose, Reason, Study, Verdict, permits},
    site::Site,
};

/// What a person's decisions do not name stands for all the rest.
const OTHER: &str = "any other";

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Whose records.
    pub person: &'a ContributorId,
    /// What for, with the conditions that the use keeps.
    pub purposes: &'a [Purpose],
    /// Held by whom; all that decisions name, and any other, where it is not said.
    pub institution: Option<&'a InstitutionId>,
    /// Of which category; the same.
    pub category: Option<&'a str>,
    /// On which day.
    pub on: Date,
    /// By what was known at which instant.
    pub as_of: Instant,
    /// In which dataset, `name` or `name@version`.
    pub dataset: Option<&'a str>,
    /// By whom: a signed pass.
    pub pass: Option<&'a str>,
}

/// What comes of it.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Permit, refer or deny: the strictest of the layers.
    pub effect: Effect,
    /// The layers.
    pub layers: Vec<Layer>,
    /// What the researcher takes on.
    pub obligations: Vec<String>,
    /// For each institution and category, whether consent stands.
    pub cells: Vec<Cell>,
    /// The person's decisions, and what each did to the first cell that is refused, else the first.
    #[serde(skip)]
    pub events: Vec<(Held, String)>,
    /// Releases that hold the person already, and cannot be called back.
    pub released: Vec<Release>,
}

/// One layer.
#[derive(Debug, Clone, Serialize)]
pub struct Layer {
    /// `consent`, `dataset` or `evidence`.
    pub layer: &'static str,
    /// What it says.
    pub effect: Effect,
    /// Every clause that was read; those with the layer's own effect decided.
    pub reasons: Vec<Reason>,
}

/// What stands for the records of one institution and category.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// The institution.
    pub institution: String,
    /// The category.
    pub category: String,
    /// Whether consent stands.
    pub permit: bool,
    /// The reason, as reports say it.
    pub reason: &'static str,
    /// The number of the decision that decided.
    pub decision: Option<u64>,
}

/// Explains a use.
pub fn explain(site: &Site, asked: &Asked<'_>) -> Result<Told, Error> {
    let register = Register::load(&site.vault())?;
    let version = match asked.dataset {
        Some(name) => Some(Lake::new(site.lake()).find(name)?.version),
        None => None,
    };
    let (consent, cells, events) = consent(&register, asked, version.as_ref())?;
    let mut layers = vec![layer("consent", &consent)];
    let mut whole = consent;
    if let Some(version) = &version {
        let (dataset, evidence) = others(site, asked, version)?;
        layers.push(layer("dataset", &dataset));
        layers.extend(evidence.iter().map(|evidence| layer("evidence", evidence)));
        whole = whole.and(dataset).and(evidence.unwrap_or_default());
    }
    Ok(Told {
        effect: whole.effect(),
        layers,
        obligations: whole.obligations().iter().cloned().collect(),
        cells,
        events,
        released: releases(site, asked.person)?,
    })
}

fn layer(name: &'static str, verdict: &Verdict) -> Layer {
    Layer { layer: name, effect: verdict.effect(), reasons: verdict.reasons().to_vec() }
}

type Stood = (Verdict, Vec<Cell>, Vec<(Held, String)>);

fn consent(
    register: &Register,
    asked: &Asked<'_>,
    version: Option<&Version>,
) -> Result<Stood, Error> {
    let held = register.events(asked.person).unwrap_or_default();
    let mut institutions: Vec<String> = match asked.institution {
        Some(own) => vec![own.to_string()],
        None => named(&held, |held| held.event.terms().institutions_text()),
    };
    let mut categories: Vec<String> = match (asked.category, version) {
        (Some(own), _) => vec![own.to_owned()],
        (None, Some(version)) => version.tables.iter().map(|t| t.category.clone()).collect(),
        (None, None) => named(&held, |held| held.event.terms().categories_text()),
    };
    for list in [&mut institutions, &mut categories] {
        list.sort();
        list.dedup();
    }
    let mut verdict = Verdict::default();
    let (mut cells, mut shown): (Vec<Cell>, Option<Explanation>) = (Vec::new(), None);
    for institution in &institutions {
        let id = InstitutionId::parse(institution).map_err(|_| Error::Event)?;
        for category in &categories {
            let Asked { person, purposes, on, as_of, .. } = *asked;
            let found = register.explain(person, purposes, &id, category, on, as_of);
            let (effect, reason, words) = match found.decision {
                Decision::Permit => (Effect::Permit, "permit", "consent stands"),
                Decision::Refuse(refusal) => (Effect::Deny, refusal.as_str(), refusal.words()),
            };
            let decision = found.deciding;
            let clause = decision.map_or("register".to_owned(), |seq| format!("decision {seq}"));
            verdict.add(effect, clause, format!("{category} of {institution}: {words}"));
            let permit = effect == Effect::Permit;
            let (institution, category) = (institution.clone(), category.clone());
            cells.push(Cell { institution, category, permit, reason, decision });
            let stands = |found: &Explanation| found.decision == Decision::Permit;
            if shown.as_ref().is_none_or(|shown| stands(shown) && !permit) {
                shown = Some(found);
            }
        }
    }
    Ok((verdict, cells, shown.map(|shown| shown.events).unwrap_or_default()))
}

/// What the decisions name, and one that none does.
fn named(held: &[Held], text: impl Fn(&Held) -> String) -> Vec<String> {
    let all = held.iter().map(text).filter(|text| text != "*");
    let mut names: Vec<String> =
        all.flat_map(|text| text.split('|').map(str::to_owned).collect::<Vec<_>>()).collect();
    names.push(OTHER.to_owned());
    names
}

/// The layers of the dataset and of the evidence.
fn others(
    site: &Site,
    asked: &Asked<'_>,
    version: &Version,
) -> Result<(Verdict, Option<Verdict>), Error> {
    let name = format!("{}@{}", version.dataset, version.version);
    let mut dataset = Verdict::default();
    let consented: Vec<&str> = version.purposes.iter().map(Purpose::as_str).collect();
    let clause = format!("purposes of {name}");
    if permits(&version.purposes, asked.purposes) {
        dataset.add(Effect::Permit, clause, "they cover the use");
    } else {
        let words = format!("they are {}, which does not cover the use", consented.join(", "));
        dataset.add(Effect::Deny, clause, words);
    }
    let purpose = asked.purposes.iter().find(|purpose| !purpose.is_modifier());
    let Some(note) = asked.pass else {
        let claims = Claims::default();
        let (researcher, institution) = (None, None);
        let study = Study { purpose, day: asked.on, researcher, institution, claims: &claims };
        let terms = terms::verdict(site, version, &study)?.unwrap_or_default();
        return Ok((dataset.and(terms), None));
    };
    let mut evidence = Verdict::default();
    let granted = Pass::open(note, &site.stewards())
        .and_then(|pass| pass.grant(Some(&version.dataset), purpose, asked.as_of));
    match granted {
        Ok(grant) => {
            evidence.add(
                Effect::Permit,
                "pass",
                "it is signed and stands for this dataset and use",
            );
            let terms = terms::verdict(site, version, &grant.study(asked.on))?;
            dataset = dataset.and(terms.unwrap_or_default());
        }
        Err(error) => evidence.add(Effect::Deny, "pass", error.to_string()),
    }
    Ok((dataset, Some(evidence)))
}
