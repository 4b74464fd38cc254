//! Repairs a site's book: what follows from its entries is written again.
//!
//! Comes in: an address and a key folder; the site is not opened, for its book may be too broken.
//! Goes out: what was mended and what was not. Never: anything but the book touched.

use std::path::Path;

use super::audit::{Error, Files};
pub use crate::ledger::repair::Repaired;
use crate::{ledger::repair::repair as mend, site::Keys};

/// Repairs the book of the site at an address; a dry run says what it would do.
pub fn repair(address: &str, keys: &Path, is_dry: bool) -> Result<Repaired, Error> {
    let files = Files::open(address, keys)?;
    let origin = files.log_key().name().to_owned();
    let seeds = Keys::open(keys, &origin)?.logs();
    let known = std::slice::from_ref(files.log_key());
    Ok(mend(files.ledger(), &origin, known, &seeds, is_dry)?)
}
