//! What the DUO terms of a dataset version say of a study.
//!
//! Comes in: a version and a study. Goes out: a verdict, or nothing where the version has no terms.
//! Never: diseases judged by another ontology than the one that the version names.

use crate::{
    digest::Sha3Digest,
    lake::{PrivateObject, Version},
    purpose::{Diseases, Study, Verdict, judge},
    site::{self, Site},
};

/// Judges a study by a version's terms; `None` where it has none.
pub fn verdict(
    site: &Site,
    version: &Version,
    study: &Study<'_>,
) -> Result<Option<Verdict>, site::Error> {
    let Some(duo) = &version.duo else { return Ok(None) };
    let diseases = match &duo.ontology {
        None => Diseases::default(),
        Some(object) => diseases(site, object)?,
    };
    Ok(Some(judge(&duo.terms, study, &diseases)))
}

fn diseases(site: &Site, object: &PrivateObject) -> Result<Diseases, site::Error> {
    let fault = |reason: &str| site::Error::Format {
        path: format!("vault/{}", object.path),
        reason: reason.to_owned(),
    };
    let bytes = site.vault().get(&object.path)?;
    if Sha3Digest::of(&bytes) != object.digest {
        return Err(fault("it is not the ontology that the version names"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| fault("it is no text"))?;
    Diseases::parse(text).map_err(|error| fault(&error.to_string()))
}
