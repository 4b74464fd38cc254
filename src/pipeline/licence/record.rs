//! Records what is news to the register: decisions that follow from its history, institutions' and
//! practitioners' apart, each as one commit with its entry.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;

use super::{Error, Outcome};
use crate::{
    credential::{
        Holder, Holders, LICENCE_COMMITS, LicenceAct, LicenceAction, LicenceCommit, LicenceEvent,
        LicenceLine, Licences, Recorded, Refusal, Trusted,
    },
    digest::{Sha3Digest, canonical, hmac_sha3_parts},
    ledger::{entry::Kind, tree},
    party::is_npi,
    payee::Object,
    pipeline::consent::shown,
    signed_note::Verifier,
    site::Site,
    store::Sequence,
};

/// Records decisions. Returns what came of it, and for each decision, in the order given, why it was
/// refused if it was: what cannot be is left out, the rest kept.
pub(super) fn lines(
    site: &Site,
    register: &Licences,
    lines: &[LicenceLine],
) -> Result<(Outcome, Vec<Option<Refusal>>), Error> {
    let known: BTreeSet<Place<'_>> = register.held().iter().map(|held| place(&held.line)).collect();
    let issued: BTreeMap<(&str, &str), &Holder> = register
        .held()
        .iter()
        .filter(|held| held.refused.is_none())
        .map(|held| &held.line.event)
        .map(|event| ((event.issuer.as_str(), event.licence.as_str()), &event.holder))
        .collect();
    let mut outcome = Outcome::default();
    let mut fresh: Vec<LicenceLine> = Vec::new();
    let mut verdicts: BTreeMap<Place<'_>, Option<Refusal>> = BTreeMap::new();
    for line in lines {
        if known.contains(&place(line)) || verdicts.contains_key(&place(line)) {
            outcome.known += 1;
            continue;
        }
        let event = &line.event;
        // A licence of the register is not displaced by a second one of its id, whatever its date.
        let refusal = match issued.get(&(event.issuer.as_str(), event.licence.as_str())) {
            Some(holder) if **holder != event.holder => Some(Refusal::OtherHolder),
            Some(_) if event.action == LicenceAction::Issue => Some(Refusal::Issued),
            Some(_) | None => None,
        };
        verdicts.insert(place(line), refusal);
        if refusal.is_none() {
            fresh.push(salted(site, line.clone())?);
        }
    }
    let ahead = register.with(site.now(), fresh);
    let mut good = Vec::new();
    for held in ahead.held().iter().skip(register.held().len()) {
        match held.refused {
            None => good.push(held.line.clone()),
            refused @ Some(_) => drop(verdicts.insert(place(&held.line), refused)),
        }
    }
    let refused = |line: &LicenceLine| verdicts.get(&place(line)).copied().flatten();
    let verdicts: Vec<Option<Refusal>> = lines.iter().map(refused).collect();
    outcome.rejected = verdicts.iter().flatten().count() as u64;
    let bad = |line: &&LicenceLine| match &line.event.holder {
        Holder::Institution(_) => false,
        Holder::Practitioner { npi } => !is_npi(npi),
    };
    outcome.bad_npis = good.iter().filter(bad).count() as u64;
    let (institutions, practitioners): (Vec<_>, Vec<_>) =
        good.into_iter().partition(|line| line.event.holder.is_institution());
    outcome.institutions = institutions.len() as u64;
    outcome.practitioners = practitioners.len() as u64;
    let mut newest = register.commit();
    for (holders, lines) in
        [(Holders::Institutions, institutions), (Holders::Practitioners, practitioners)]
    {
        if lines.is_empty() {
            continue;
        }
        let act = recorded(site, holders, lines)?;
        let done = commit(site, newest, LicenceAct::Recorded(act))?;
        newest = newest.saturating_add(1);
        outcome.commits.extend(done.commits);
        outcome.entries.extend(done.entries);
    }
    Ok((outcome, verdicts))
}

/// What makes two lines one: the decision, and the key that signed it.
type Place<'a> = (&'a LicenceEvent, &'a str);

fn place(line: &LicenceLine) -> Place<'_> {
    (&line.event, &line.by)
}

/// Gives a practitioner's decision the salt of its leaf: the same decision, the same salt.
fn salted(site: &Site, mut line: LicenceLine) -> Result<LicenceLine, Error> {
    if !line.event.holder.is_institution() {
        let parts = [b"almoner/licence-salt/v1".as_slice(), &canonical(&line.event)?];
        line.salt = Some(Sha3Digest(hmac_sha3_parts(&site.secret("licences"), &parts)));
    }
    Ok(line)
}

fn recorded(site: &Site, holders: Holders, mut lines: Vec<LicenceLine>) -> Result<Recorded, Error> {
    lines.sort();
    let leaves = lines.iter().map(LicenceLine::leaf).collect::<Result<Vec<_>, _>>()?;
    let root = tree::root(&leaves);
    let (events, bytes) = Object::write("licences/objects", &lines).map_err(Error::Object)?;
    site.vault().put_content(&events.path, &bytes)?;
    let parts = [b"almoner/licences/v1".as_slice(), events.digest.as_bytes()];
    let commitment = Sha3Digest(hmac_sha3_parts(&site.secret("licences"), &parts));
    let count = events.count;
    Ok(Recorded { holders, events, root, count, commitment })
}

/// Commits one act after commit `newest`, with its entry.
pub(super) fn commit(site: &Site, newest: u64, act: LicenceAct) -> Result<Outcome, Error> {
    let number = newest.saturating_add(1);
    let mut body = Map::new();
    body.insert("commit".to_owned(), number.into());
    match &act {
        LicenceAct::Trusted(Trusted { vkey, change, from }) => {
            let name = Verifier::parse(vkey).map(|key| key.name().to_owned()).unwrap_or_default();
            body.insert("what".to_owned(), "issuer".into());
            body.insert("issuer".to_owned(), name.into());
            body.insert("vkey".to_owned(), vkey.clone().into());
            body.insert("change".to_owned(), serde_json::to_value(change).map_err(Error::Object)?);
            if let Some(from) = from {
                body.insert("from".to_owned(), from.to_string().into());
            }
        }
        LicenceAct::Recorded(Recorded { holders, root, count, commitment, .. }) => {
            // Institutions are published one by one; how few practitioners there are is told to nobody.
            let count = match holders {
                Holders::Institutions => (*count).into(),
                Holders::Practitioners => shown(*count),
            };
            body.insert("what".to_owned(), "decisions".into());
            let name = serde_json::to_value(holders).map_err(Error::Object)?;
            body.insert("holders".to_owned(), name);
            body.insert("count".to_owned(), count);
            body.insert("root".to_owned(), root.to_string().into());
            body.insert("commitment".to_owned(), commitment.to_string().into());
        }
    }
    let entry = site.entry(Kind::LicencesRecorded, &[], &[], &body)?;
    let text = entry.text().to_owned();
    let commit = LicenceCommit { txn: site.txn()?, time: site.now(), act, entry: text };
    let vault = site.vault();
    site.commit(&Sequence::new(&vault, LICENCE_COMMITS), number, &commit, &entry)?;
    Ok(Outcome { commits: vec![number], entries: vec![entry.id()], ..Outcome::default() })
}
