//! Keys of transfers: what a partner must know of this site.
//!
//! Comes in: a site and its desk. Goes out: public keys. Never: a secret that leaves.

use serde::Serialize;
use zeroize::Zeroizing;

use super::Desk;
use crate::{
    party::InstitutionId,
    site::Site,
    transfer::{HpkeKey, TransferKey},
};

/// What a partner's desk file says of this site.
#[derive(Debug, Clone, Serialize)]
pub struct Keys {
    /// Who this site is.
    pub institution: InstitutionId,
    /// The origin of its book.
    pub origin: String,
    /// Its steward's key.
    pub vkey: String,
    /// Its transfer key.
    pub hpke: HpkeKey,
}

impl Keys {
    /// Writes it as the table of a desk file.
    pub fn toml(&self) -> String {
        format!(
            "[[partner]]\ninstitution = \"{}\"\norigin      = \"{}\"\nvkey        = \"{}\"\n\
             hpke        = \"{}\"\n",
            self.institution, self.origin, self.vkey, self.hpke
        )
    }
}

/// Returns what a partner must know of this site.
pub fn keys(site: &Site, desk: &Desk) -> Keys {
    Keys {
        institution: desk.institution.clone(),
        origin: site.about().origin.clone(),
        vkey: site.steward_verifier().vkey(),
        hpke: own(site).public(),
    }
}

/// Returns this site's transfer key.
pub(super) fn own(site: &Site) -> TransferKey {
    TransferKey::derive(&Zeroizing::new(site.secret("transfer-hpke")))
}
