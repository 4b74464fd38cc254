//! Where researchers work: once the site keeps licences, their institution must be named and its
//! licence must stand.
//!
//! Comes in: the institution of a pass. Goes out: leave to go on, or why not.
//! Never: a rule before any issuer is trusted.

use crate::{
    credential::{Activity, Holder, Licences, LicencesError, Unlicensed},
    party::InstitutionId,
    site::Site,
};

/// Why a researcher may not ask.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The register of licences cannot be read.
    #[error(transparent)]
    Licences(#[from] LicencesError),
    /// The pass names no institution.
    #[error("the pass names no institution, and this site asks for a licensed one")]
    Unnamed,
    /// The institution's licence does not allow it.
    #[error("`{institution}` may not ask: {reason}")]
    Unlicensed {
        /// The institution.
        institution: InstitutionId,
        /// Why.
        reason: Unlicensed,
    },
}

/// Says whether researchers of an institution may ask at the run's instant.
pub fn may_ask(site: &Site, institution: Option<&InstitutionId>) -> Result<(), Error> {
    let licences = Licences::load(&site.vault())?;
    if !licences.is_kept() {
        return Ok(());
    }
    let institution = institution.ok_or(Error::Unnamed)?;
    let standing = licences.standing(&Holder::Institution(institution.clone()), site.now());
    let refused = |reason| Error::Unlicensed { institution: institution.clone(), reason };
    Activity::Research.check(&standing).map_err(refused)
}
