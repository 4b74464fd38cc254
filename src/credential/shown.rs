//! What a holder's credential shows to somebody whose register may not know the licence.

use super::{
    licence::{Holder, LicenceAction, Standing},
    register::Licences,
    vc::{Credential, CredentialError, open_credential},
};
use crate::{instant::Instant, signed_note::Verifier};

impl Licences {
    /// Returns the keys of the issuers who are trusted at an instant.
    pub fn issuers(&self, at: Instant) -> Vec<Verifier> {
        let standing = self.trusts().iter().filter(|trust| trust.stands(at));
        standing.map(|trust| trust.key.clone()).collect()
    }

    /// Says what a credential shows of its holder now. Where the register knows the licence, the register
    /// counts: what was suspended since stands in no credential. Else the credential's own term does.
    pub fn shown_by(
        &self,
        token: &str,
        holder: &Holder,
        now: Instant,
    ) -> Result<Standing, CredentialError> {
        let Credential::Licence(told) = open_credential(token, &self.issuers(now), now)? else {
            return Err(CredentialError::Form("it is a status list"));
        };
        let event = told.event;
        if event.holder != *holder {
            return Ok(Standing::Unknown);
        }
        let known = self.licence(&event.issuer, &event.licence, now);
        if known != Standing::Unknown {
            return Ok(known);
        }
        Ok(match (event.action, event.until) {
            (LicenceAction::Issue | LicenceAction::Renew, _) if now < event.from => {
                Standing::NotYet
            }
            (LicenceAction::Issue | LicenceAction::Renew, Some(since)) if since <= now => {
                Standing::Expired { since }
            }
            (LicenceAction::Issue | LicenceAction::Renew, until) => {
                Standing::Stands { until, restrictions: event.restriction.into_iter().collect() }
            }
            // A decision that gives no licence shows none.
            (
                LicenceAction::Restrict
                | LicenceAction::Suspend
                | LicenceAction::Revoke
                | LicenceAction::Reinstate,
                _,
            ) => Standing::Unknown,
        })
    }
}
