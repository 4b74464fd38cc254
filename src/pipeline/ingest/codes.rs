//! The codes that stand for people in a release under safe harbour: drawn from the system's
//! randomness once a run, kept in the vault, found again by a run that goes on.
//!
//! Never: a second draw for a run whose rows may be staged; of two processes that begin one run the
//! first to write its table wins, and both go on with it.

use bytes::Bytes;

use super::Error;
use crate::{
    deid::{CODE_BYTES, Codes},
    party::ContributorId,
    site::Site,
    store::Created,
};

/// Where the code table of a run lies in the vault; it is one of the version's papers.
pub(super) fn path(run: &str) -> String {
    format!("runs/{run}/codes.tsv")
}

/// Finds the codes of a run, or draws them; a dry run keeps none.
pub(super) fn of_run(
    site: &Site,
    run: &str,
    roster: &[ContributorId],
    is_dry: bool,
) -> Result<Codes, Error> {
    let (vault, path) = (site.vault(), path(run));
    if let Some(table) = vault.find(&path)? {
        return Ok(Codes::read(roster, &table)?);
    }
    let mut random = vec![0; roster.len() * CODE_BYTES];
    getrandom::fill(&mut random).map_err(|error| Error::Randomness(error.to_string()))?;
    let codes = Codes::draw(roster, &random)?;
    if is_dry {
        return Ok(codes);
    }
    match vault.create(&path, Bytes::from(codes.table(roster)))? {
        Created::New => Ok(codes),
        Created::Exists => Ok(Codes::read(roster, &vault.get(&path)?)?),
    }
}
