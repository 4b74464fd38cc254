//! Whether an institution's licence stands, by the site's own register.
//!
//! Comes in: the register of licences, what an institution shows. Goes out: yes, or how it does not.
//! Never: a rule on licences where the site trusts no issuer.

use super::{Error, LicenceOf};
use crate::{
    credential::{Activity, Holder, Licences, Standing, Unlicensed},
    instant::Instant,
    party::InstitutionId,
    site::Site,
    transfer::LicenceFault,
};

/// Returns how this site judges licences.
pub fn licence_of(site: &Site) -> Result<Box<LicenceOf<'static>>, Error> {
    let licences = Licences::load(&site.vault())?;
    Ok(Box::new(move |institution: &InstitutionId, shown: Option<&str>, at: Instant| {
        if !licences.is_kept() {
            return Ok(());
        }
        let holder = Holder::Institution(institution.clone());
        let standing = match (licences.standing(&holder, at), shown) {
            (Standing::Unknown, Some(token)) => {
                licences.shown_by(token, &holder, at).map_err(|_| LicenceFault::Forged)?
            }
            (known, _) => known,
        };
        Activity::Transfer.check(&standing).map_err(|reason| match reason {
            Unlicensed::NotYet => LicenceFault::NotYet,
            Unlicensed::Expired { .. } => LicenceFault::Expired,
            Unlicensed::Suspended { .. } => LicenceFault::Suspended,
            Unlicensed::Revoked { .. } => LicenceFault::Revoked,
            Unlicensed::Unknown => LicenceFault::Unknown,
            Unlicensed::Restricted(_) => LicenceFault::Restricted,
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pipeline::fund::tests::site, pipeline::licence::trust, signed_note::Signer};

    #[test]
    fn a_site_that_trusts_an_issuer_asks_for_a_licence_and_believes_no_forged_one() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(&folder, "2026-10-01");
        let north = InstitutionId::parse("north-shore").unwrap();
        let judge = |shown| licence_of(&site).unwrap()(&north, shown, site.now());
        assert_eq!(judge(None), Ok(()), "a site without issuers could transfer nothing");
        let board = Signer::from_seed("board.example", &[7; 32]).unwrap();
        trust(&site, board.verifier(), None).unwrap();
        assert_eq!(judge(None), Err(LicenceFault::Unknown), "anybody could receive records");
        assert_eq!(judge(Some("a.b.c")), Err(LicenceFault::Forged));
    }
}
