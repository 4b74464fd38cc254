//! The exchange: folders of files that go out, that came in, and that wait for a patient.
//!
//! Comes in: a store and names. Goes out: the place of each file, and what lies there.
//! Never: an object made twice with other bytes, or a parcel's header before its parts.
//!
//! `outbox/<partner>/<transfer>/` holds `offer.json`, `challenge.json`, `accept.json`, `parcel.json`,
//! `receipt.json` or `ended.json`, and below `parts/` what a parcel is made of; `inbox/` the same names
//! from the partner; `desk/<transfer>/` what the patient is shown (`offer.json`, `challenge.json`,
//! `match.json`) and what they decided (`accept.json`, `decline.json`, `revoke.json`). What was refused
//! because of its bytes lies in `aside/<partner>/<transfer>/<digest>-<name>`: the partner's next delivery
//! can so put the right file in its place.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Error, Refused, Why, file::Name};
use crate::{digest::Sha3Digest, party::InstitutionId, store::Store, transfer::TransferId};

/// Returns the folder of a transfer's files that go to a partner.
pub(super) fn outbox(partner: &InstitutionId, transfer: &TransferId) -> String {
    format!("outbox/{partner}/{transfer}")
}

/// Returns the folder of a transfer's files that came from a partner.
pub(super) fn inbox(partner: &InstitutionId, transfer: &TransferId) -> String {
    format!("inbox/{partner}/{transfer}")
}

/// Returns the folder of a transfer's files for the patient.
pub(super) fn desk(transfer: &TransferId) -> String {
    format!("desk/{transfer}")
}

/// Returns the name of a part below a transfer's folder.
pub(super) fn part(number: u32) -> String {
    format!("parts/{number:06}")
}

/// What came in, by partner and transfer: the names of whole files; parts are not listed here.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) files: BTreeMap<(InstitutionId, TransferId), BTreeSet<Name>>,
    /// What lies where no partner puts anything.
    pub(super) strays: Vec<Refused>,
}

impl Inbox {
    /// Lists what came in from known partners.
    pub(super) fn list<'p>(
        exchange: &Store,
        partners: impl Iterator<Item = &'p InstitutionId>,
    ) -> Result<Self, Error> {
        let known: BTreeMap<&str, &InstitutionId> = partners.map(|id| (id.as_str(), id)).collect();
        let mut inbox = Self::default();
        for object in exchange.list("inbox")? {
            let path = object.path;
            let mut words = path.split('/').skip(1);
            let partner = words.next().and_then(|name| known.get(name).copied());
            let transfer = words.next().and_then(|name| TransferId::parse(name).ok());
            let (file, more) = (words.next(), words.next());
            let name = file.filter(|_| more.is_none()).and_then(Name::of_file);
            match (partner, transfer, name) {
                (Some(partner), Some(transfer), Some(name)) => {
                    let key = (partner.clone(), transfer);
                    inbox.files.entry(key).or_default().insert(name);
                }
                (Some(_), Some(_), None) if file == Some("parts") && more.is_some() => {}
                (partner, transfer, _) => {
                    let why = if partner.is_none() { Why::Partner } else { Why::Name };
                    let partner = partner.cloned();
                    inbox.strays.push(Refused { file: path, partner, transfer, why });
                }
            }
        }
        Ok(inbox)
    }

    /// Returns the transfers of which a file of this name came in.
    pub(super) fn with(&self, name: Name) -> Vec<(InstitutionId, TransferId)> {
        let having = self.files.iter().filter(|(_, names)| names.contains(&name));
        having.map(|(key, _)| key.clone()).collect()
    }
}

/// Puts a refused file aside, under its digest, and takes it out of the way.
pub(super) fn put_aside(exchange: &Store, path: &str) -> Result<(), Error> {
    let Some(bytes) = exchange.find(path)? else { return Ok(()) };
    let rest = path.strip_prefix("inbox/").unwrap_or(path);
    let (folder, name) = rest.rsplit_once('/').unwrap_or(("", rest));
    let digest = Sha3Digest::of(&bytes).to_string();
    let short = digest.get(..16).unwrap_or(&digest);
    exchange.put_content(&format!("aside/{folder}/{short}-{name}"), &bytes)?;
    exchange.delete(path)?;
    Ok(())
}

/// Carries the files that go to a partner into the partner's inbox: parts before the rest, so that a
/// parcel's header comes last. Returns how many were carried, and which could not be because others lie
/// in their place.
pub(super) fn deliver(
    own: &InstitutionId,
    partner: &InstitutionId,
    from: &Store,
    to: &Store,
) -> Result<(u64, Vec<String>), Error> {
    let (outbox, inbox) = (format!("outbox/{partner}"), format!("inbox/{own}"));
    let there: BTreeMap<String, u64> =
        to.list(&inbox)?.into_iter().map(|object| (object.path, object.bytes)).collect();
    let mut files = from.list(&outbox)?;
    files.sort_by_key(|file| (!file.path.contains("/parts/"), file.path.clone()));
    let (mut carried, mut blocked) = (0, Vec::new());
    for file in files {
        let Some(rest) = file.path.strip_prefix(&outbox) else { continue };
        let target = format!("{inbox}{rest}");
        match there.get(&target) {
            Some(bytes) if *bytes == file.bytes => {}
            Some(_) => blocked.push(format!("at {partner} other bytes lie in `{target}`")),
            None => {
                let bytes: Bytes = from.get(&file.path)?;
                to.put_content(&target, &bytes)?;
                carried += 1;
            }
        }
    }
    Ok((carried, blocked))
}
