//! The acts of a pass: the steward issues it, anyone with the site checks it.
//!
//! Comes in: who may ask what, until when. Goes out: a signed note.
//! Never: a pass that begins before the run's instant, one that another key signed, or one for an
//! institution whose licence does not stand.

use super::standing;
use crate::{
    credential::{Error as PassError, Pass, PassRequest},
    site::{self, Site},
};

/// Why a pass was not issued or does not stand.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The pass.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The researcher's institution may not ask.
    #[error(transparent)]
    Standing(#[from] standing::Error),
}

/// Issues a pass from the run's instant on, to a researcher whose institution may ask then.
pub fn issue(site: &Site, request: PassRequest) -> Result<(Pass, String), Error> {
    standing::may_ask(site, request.institution.as_ref())?;
    let pass = Pass::new(request, site.now(), &site.txn()?)?;
    let note = pass.sign(site.keys().steward())?;
    Ok((pass, note))
}

/// Opens a pass and says whether it stands at the run's instant.
pub fn verify(site: &Site, note: &str) -> Result<Pass, Error> {
    let pass = Pass::open(note, &site.stewards())?;
    pass.stands(site.now())?;
    Ok(pass)
}
