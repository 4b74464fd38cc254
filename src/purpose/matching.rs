//! Whether a study may use a dataset, by the dataset's DUO terms and what was shown of the study.
//!
//! Comes in: [`DataUse`], [`Study`], [`Diseases`]. Goes out: a [`Verdict`] with every clause read.
//! Never: a permit by a term that is unknown, or by evidence that nobody gave.
//!
//! The permission comes first, then each modifier, joined by AND. What contradicts a term denies;
//! what is not shown refers.
//!
//! | asked \ dataset | NRES, GRU | HMB | DS(d) | POA | none |
//! |---|---|---|---|---|---|
//! | GRU | permit | deny | deny | deny | deny |
//! | HMB | permit | permit | deny | deny | deny |
//! | DS(p) | permit | permit | permit where p is d or a kind of it | deny | deny |
//! | POA | permit | deny | deny | permit | deny |
//! | methods alone | permit | permit | deny | deny | deny |
//! | methods and a purpose | as the purpose | as the purpose | as the purpose | as the purpose | deny |
//!
//! NRES is covered by NRES alone. This is stricter than the matcher that made DUO known, which lets
//! a question for any research pass on a dataset of one disease: that one advises a committee, this
//! one stands at the door.

use super::{
    Claims, DataTerm, DataUse, Diseases, Effect, Organisation, Permission, Promise, Purpose,
    Verdict, covers,
};
use crate::{
    instant::Date,
    party::{InstitutionId, ResearcherId},
};

/// A study that wants to use a dataset.
#[derive(Debug, Clone, Copy)]
pub struct Study<'a> {
    /// The permission asked for; `None` where methods alone are developed.
    pub purpose: Option<&'a Purpose>,
    /// The day of the use.
    pub day: Date,
    /// Who uses it.
    pub researcher: Option<&'a ResearcherId>,
    /// Where they work.
    pub institution: Option<&'a InstitutionId>,
    /// What was shown of the study.
    pub claims: &'a Claims,
}

/// Judges a study by a dataset's terms.
pub fn judge(data: &DataUse, study: &Study<'_>, diseases: &Diseases) -> Verdict {
    let mut verdict = Verdict::default();
    let (permissions, modifiers): (Vec<&DataTerm>, Vec<&DataTerm>) =
        data.terms().iter().partition(|term| term.term.is_research());
    permission(&mut verdict, &permissions, study, diseases);
    let within_disease = permissions.iter().any(|given| {
        given.term.disease().is_some()
            && study.purpose.is_some_and(|asked| covers_kind(&given.term, asked, diseases))
    });
    for term in modifiers {
        modifier(&mut verdict, term, study, within_disease);
    }
    verdict
}

/// As [`covers`], and a disease covers every kind of it.
pub fn covers_kind(granted: &Purpose, asked: &Purpose, diseases: &Diseases) -> bool {
    match (granted.disease(), asked.disease()) {
        (Some(granted), Some(asked)) => diseases.is_kind_of(asked, granted),
        (_, _) => covers(granted, asked),
    }
}

fn permission(verdict: &mut Verdict, given: &[&DataTerm], study: &Study<'_>, diseases: &Diseases) {
    if given.is_empty() {
        verdict.add(Effect::Deny, "permission", "the dataset's terms permit nothing");
        return;
    }
    let Some(asked) = study.purpose else {
        let open = given.iter().find(|given| match given.term.permission() {
            Some(Permission::NoRestriction | Permission::GeneralResearch | Permission::Health) => {
                true
            }
            Some(Permission::Disease(_) | Permission::Ancestry) | None => false,
        });
        match open {
            Some(given) if study.claims.methods == Some(true) => {
                let words = "developing methods is research of the kind that it permits";
                verdict.add(Effect::Permit, given.term.label(), words);
            }
            Some(_) => verdict.add(Effect::Deny, "purpose", "the study names no purpose"),
            None => {
                let words = "methods alone are not what it permits; name the purpose";
                verdict.add(Effect::Deny, labels(given), words);
            }
        }
        return;
    };
    if let Some(given) = given.iter().find(|given| covers_kind(&given.term, asked, diseases)) {
        let words = format!("it covers {}", asked.label());
        verdict.add(Effect::Permit, given.term.label(), words);
    } else {
        let words = format!("it does not cover {}", asked.label());
        verdict.add(Effect::Deny, labels(given), words);
    }
}

fn labels(terms: &[&DataTerm]) -> String {
    terms.iter().map(|term| term.term.label()).collect::<Vec<_>>().join(", ")
}

/// Reads one modifier. Every one of the ontology stands here by its shorthand; any other term is
/// one that nobody can keep.
fn modifier(verdict: &mut Verdict, data: &DataTerm, study: &Study<'_>, within_disease: bool) {
    let claims = study.claims;
    let clause = data.term.label();
    let shorthand = data.term.term().map_or("", |term| term.shorthand);
    let mut say = |effect: Effect, words: &str| verdict.add(effect, clause.as_str(), words);
    match shorthand {
        "NPU" => non_profit(&mut say, claims),
        "NCU" => non_commercial(&mut say, claims),
        "NPUNCU" => {
            non_profit(&mut say, claims);
            non_commercial(&mut say, claims);
        }
        "IRB" => match &claims.ethics {
            Some(_) => say(Effect::Permit, "an ethics approval was shown"),
            None => say(Effect::Refer, "an ethics approval is missing"),
        },
        "PUB" => promised(verdict, &clause, claims, Promise::Publication, "make results public"),
        "COL" => {
            let words = "work with those who made the data";
            promised(verdict, &clause, claims, Promise::Collaboration, words);
        }
        "RTN" => {
            promised(verdict, &clause, claims, Promise::Return, "give back what is derived");
        }
        "MOR" => match data.limits.until {
            None => say(Effect::Refer, "the terms do not say until when"),
            Some(until) if study.day >= until => {
                say(Effect::Permit, &format!("it ended on {until}"));
            }
            Some(until) => {
                let words = format!("publish nothing before {until}");
                promised(verdict, &clause, claims, Promise::Moratorium, &words);
            }
        },
        "GS" => {
            listed(&mut say, &data.limits.countries, claims.country.as_deref(), "the country");
        }
        "US" => {
            let user = study.researcher.map(ResearcherId::as_str);
            listed(&mut say, &data.limits.users, user, "the researcher");
        }
        "IS" => {
            let place = study.institution.map(InstitutionId::as_str);
            listed(&mut say, &data.limits.institutions, place, "the researcher's institution");
        }
        "PS" => {
            listed(&mut say, &data.limits.projects, claims.project.as_deref(), "the project");
        }
        "RS" => {
            // A study of several types is of the types permitted only if each of them is.
            let odd = claims.research.iter().find(|own| !data.limits.research.contains(*own));
            let shown = odd.or(claims.research.first()).map(String::as_str);
            listed(&mut say, &data.limits.research, shown, "the type of research");
        }
        "TS" => match data.limits.ends() {
            None => say(Effect::Refer, "the terms do not say for how long"),
            Some(end) if study.day < end => say(Effect::Permit, &format!("it holds until {end}")),
            Some(end) => say(Effect::Deny, &format!("it ended on {end}")),
        },
        "GSO" => flag(&mut say, claims.genetic, "that genotypes are studied"),
        "CC" => flag(&mut say, claims.clinical, "that the use is clinical care"),
        "NMDS" => match claims.methods {
            None => say(Effect::Refer, "it is not shown whether methods are developed"),
            Some(false) => say(Effect::Permit, "no methods are developed"),
            Some(true) if within_disease => {
                say(Effect::Permit, "methods are developed within the disease");
            }
            Some(true) => say(Effect::Deny, "methods are developed"),
        },
        "NPOA" => ancestry(verdict, &clause, study),
        _ => say(Effect::Refer, "nobody here can read this term, so nobody can keep it"),
    }
}

fn non_profit(say: &mut impl FnMut(Effect, &str), claims: &Claims) {
    match claims.organisation {
        Some(Organisation::NonProfit) => say(Effect::Permit, "the organisation is non-profit"),
        Some(Organisation::ForProfit) => say(Effect::Deny, "the organisation works for profit"),
        None => say(Effect::Refer, "it is not shown whether the organisation works for profit"),
    }
}

fn non_commercial(say: &mut impl FnMut(Effect, &str), claims: &Claims) {
    match claims.commercial {
        Some(false) => say(Effect::Permit, "the use is not commercial"),
        Some(true) => say(Effect::Deny, "the use is commercial"),
        None => say(Effect::Refer, "it is not shown whether the use is commercial"),
    }
}

fn flag(say: &mut impl FnMut(Effect, &str), claim: Option<bool>, what: &str) {
    match claim {
        Some(true) => say(Effect::Permit, &format!("it is shown {what}")),
        Some(false) => say(Effect::Deny, &format!("it is not so {what}")),
        None => say(Effect::Refer, &format!("it is not shown {what}")),
    }
}

fn listed(
    say: &mut impl FnMut(Effect, &str),
    list: &std::collections::BTreeSet<String>,
    shown: Option<&str>,
    what: &str,
) {
    match shown {
        _ if list.is_empty() => say(Effect::Refer, "the terms hold no list"),
        None => say(Effect::Refer, &format!("{what} is not shown")),
        Some(own) if list.contains(own) => say(Effect::Permit, &format!("{what} is on the list")),
        Some(_) => say(Effect::Deny, &format!("{what} is not on the list")),
    }
}

fn promised(verdict: &mut Verdict, clause: &str, claims: &Claims, wanted: Promise, words: &str) {
    if claims.accepts.contains(&wanted) {
        verdict.add(Effect::Permit, clause, format!("the researcher took on to {words}"));
        verdict.oblige(words);
    } else {
        verdict.add(Effect::Refer, clause, format!("the promise to {words} is missing"));
    }
}

fn ancestry(verdict: &mut Verdict, clause: &str, study: &Study<'_>) {
    match study.purpose.and_then(Purpose::permission) {
        Some(Permission::Ancestry) => {
            verdict.add(Effect::Deny, clause, "the study is of origins or ancestry");
        }
        // Any research would hold that of ancestry, unless the researcher leaves it alone.
        Some(Permission::NoRestriction | Permission::GeneralResearch) | None => {
            let words = "leave origins and ancestry of populations alone";
            promised(verdict, clause, study.claims, Promise::NoAncestry, words);
        }
        Some(Permission::Health | Permission::Disease(_)) => {
            verdict.add(Effect::Permit, clause, "the study is not of origins or ancestry");
        }
    }
}

#[cfg(test)]
mod tests;
