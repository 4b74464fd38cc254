//! Status lists and the register: what a list tells of licences, and what the site's own lists say.
//!
//! Comes in: a status list of a trusted issuer, or the wish for one's own. Goes out: decisions as of the
//! list's time, or the places of set bits. Never: a decision for what the register knows already.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    licence::{LicenceAction, LicenceEvent, Standing},
    register::{Held, Licences, Line},
    status_list::LIST_BITS,
    vc::{Purpose, StatusEntry, StatusList, list_url, status_entries},
};
use crate::{
    digest::{Sha3Digest, hmac_sha3_parts},
    instant::Instant,
};

impl Licences {
    /// Returns the decisions that a status list tells and the register does not know: a set bit that the
    /// licence is revoked or suspended as of the list's `validFrom`, a cleared one that a suspension has
    /// ended by then. An old list says nothing of what came after it.
    pub fn told_by(&self, list: &StatusList, digest: Sha3Digest) -> Vec<Line> {
        let mut lines = Vec::new();
        for held in self.shown(&list.issuer, list.from).into_values() {
            let Some(place) = place(held, list.purpose, &list.id) else { continue };
            let event = &held.line.event;
            let standing = self.licence(&event.issuer, &event.licence, list.from);
            let is_revoked = matches!(standing, Standing::Revoked { .. });
            let is_suspended = matches!(standing, Standing::Suspended { .. });
            let action = match (list.purpose, list.bits.is_set(place)) {
                (Purpose::Revocation, Some(true)) if !is_revoked => LicenceAction::Revoke,
                (Purpose::Suspension, Some(true)) if !is_suspended && !is_revoked => {
                    LicenceAction::Suspend
                }
                (Purpose::Suspension, Some(false)) if is_suspended => LicenceAction::Reinstate,
                (Purpose::Revocation | Purpose::Suspension, Some(_) | None) => continue,
            };
            let event = LicenceEvent {
                action,
                from: list.from,
                decided_at: list.from,
                until: None,
                restriction: None,
                key: None,
                ..event.clone()
            };
            lines.push(Line {
                event,
                by: list.by.clone(),
                credential: None,
                list: Some(digest),
                salt: None,
            });
        }
        lines
    }

    /// Returns the newest credential of each licence of an issuer that shows it at an instant.
    fn shown(&self, issuer: &str, at: Instant) -> BTreeMap<&str, &Held> {
        let mut shown: BTreeMap<&str, &Held> = BTreeMap::new();
        for held in self.held() {
            let event = &held.line.event;
            let is_given = matches!(event.action, LicenceAction::Issue | LicenceAction::Renew);
            if held.refused.is_some()
                || event.issuer != issuer
                || !is_given
                || event.effective() > at
                || held.line.credential.is_none()
            {
                continue;
            }
            let newest = shown.entry(&event.licence).or_insert(held);
            if newest.line.event.place() < event.place() {
                *newest = held;
            }
        }
        shown
    }

    /// Returns the places of set bits in an issuer's own list at an instant, and the list's length.
    pub fn places(&self, issuer: &str, purpose: Purpose, at: Instant) -> (BTreeSet<u64>, u64) {
        let url = list_url(issuer, purpose);
        let taken = self.taken(issuer);
        let mut places = BTreeSet::new();
        for held in self.shown(issuer, at).into_values() {
            let is_set = match self.licence(issuer, &held.line.event.licence, at) {
                Standing::Revoked { .. } => purpose == Purpose::Revocation,
                Standing::Suspended { .. } => purpose == Purpose::Suspension,
                Standing::Stands { .. }
                | Standing::NotYet
                | Standing::Expired { .. }
                | Standing::Unknown => false,
            };
            places.extend(place(held, purpose, &url).filter(|_| is_set));
        }
        let last = taken.values().copied().max().unwrap_or(0);
        (places, length(taken.len() as u64).max(last.saturating_add(1).next_power_of_two()))
    }

    /// Returns where an issuer's own lists tell of a licence: the place that it has, or a free one that
    /// tells nothing of when it was issued.
    pub fn entries(&self, issuer: &str, licence: &str, secret: &[u8; 32]) -> Vec<StatusEntry> {
        let taken = self.taken(issuer);
        let index = taken.get(licence).copied().unwrap_or_else(|| {
            let used: BTreeSet<u64> = taken.values().copied().collect();
            let bits = length(used.len() as u64 + 1);
            let mac = hmac_sha3_parts(secret, &[b"almoner/status-place/v1", licence.as_bytes()]);
            let start = u64::from_be_bytes(*mac.first_chunk::<8>().unwrap_or(&[0; 8])) % bits;
            let places = (start..bits).chain(0..start);
            // INVARIANT: at most half of the places are taken.
            places.into_iter().find(|place| !used.contains(place)).unwrap_or(start)
        });
        let entry = |purpose| StatusEntry { list: list_url(issuer, purpose), purpose, index };
        Purpose::ALL.map(entry).to_vec()
    }

    /// Returns the place that each licence of an issuer has in the issuer's own lists.
    fn taken(&self, issuer: &str) -> BTreeMap<&str, u64> {
        let url = list_url(issuer, Purpose::Suspension);
        let mut taken = BTreeMap::new();
        for held in self.held().iter().filter(|held| held.line.event.issuer == issuer) {
            if let Some(place) = place(held, Purpose::Suspension, &url) {
                taken.entry(held.line.event.licence.as_str()).or_insert(place);
            }
        }
        taken
    }
}

/// Returns a credential's place in a list.
fn place(held: &Held, purpose: Purpose, url: &str) -> Option<u64> {
    let entries = status_entries(held.line.credential.as_ref()?);
    let own = entries.into_iter().find(|entry| entry.purpose == purpose && entry.list == url);
    own.map(|entry| entry.index)
}

/// Returns the length of a list of so many licences: at least twice as many bits, and never so few that a
/// bit tells who is meant.
fn length(licences: u64) -> u64 {
    licences.saturating_mul(2).next_power_of_two().max(LIST_BITS)
}
