//! The public page of licences, from the register: institutions by name, practitioners by number.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Error;
use crate::{
    credential::{
        Holder, Holders, LICENCE_COMMITS, LicenceAct, LicenceAction, LicenceCommit, LicenceLine,
        Licences, LicencesError, Standing,
    },
    ledger::tree::leaf_hash,
    report::{
        self, Checkpoint, HistoryLine, IssuerLine, LicenceRecord, LicencesPage,
        LicensedInstitution, PractitionersLine, PublicCount,
    },
    site::Site,
    store::Sequence,
};

/// The page and its facts, without their endings.
const STEM: &str = "licences";

/// Returns what the page tells; none where no issuer was ever trusted.
pub fn facts(site: &Site, checkpoint: Option<Checkpoint>) -> Result<Option<LicencesPage>, Error> {
    let register = Licences::load(&site.vault())?;
    if !register.is_kept() {
        return Ok(None);
    }
    let issuers = register.trusts().iter().map(|trust| IssuerLine {
        issuer: trust.key.name().to_owned(),
        vkey: trust.key.vkey(),
        from: trust.from,
        until: trust.ended.map(|(since, _)| since),
    });
    Ok(Some(LicencesPage {
        time: site.now(),
        issuers: issuers.collect(),
        institutions: institutions(site, &register),
        practitioners: practitioners(site, &register),
        records: records(site)?,
        checkpoint,
    }))
}

fn institutions(site: &Site, register: &Licences) -> Vec<LicensedInstitution> {
    let mut all = Vec::new();
    for holder in register.holders() {
        let Holder::Institution(id) = holder else { continue };
        let history = register.history(holder).into_iter().map(|held| HistoryLine {
            effective: held.line.event.effective(),
            event: held.line.event,
            recorded_at: held.recorded_at,
            refused: held.refused.map(|why| why.to_string()),
        });
        all.push(LicensedInstitution {
            institution: id.to_string(),
            standing: register.standing(holder, site.now()),
            history: history.collect(),
        });
    }
    all
}

/// Counts practitioners' licences by class and state.
fn practitioners(site: &Site, register: &Licences) -> Vec<PractitionersLine> {
    let mut counts: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    let issued = register.held().iter().filter(|held| {
        let event = &held.line.event;
        held.refused.is_none()
            && event.action == LicenceAction::Issue
            && !event.holder.is_institution()
    });
    for held in issued {
        let event = &held.line.event;
        let standing: Standing = register.licence(&event.issuer, &event.licence, site.now());
        *counts.entry((event.class.clone(), standing.as_str())).or_default() += 1;
    }
    let line = |((class, state), count)| {
        let count = PublicCount::new(count);
        PractitionersLine { class, state, count }
    };
    counts.into_iter().map(line).collect()
}

/// Returns the entries that hold decisions on institutions' licences.
fn records(site: &Site) -> Result<Vec<LicenceRecord>, Error> {
    let vault = site.vault();
    let mut records = Vec::new();
    for (number, body) in Sequence::new(&vault, LICENCE_COMMITS).all()? {
        let commit: LicenceCommit = serde_json::from_slice(&body)
            .map_err(|e| LicencesError::Format { commit: number, line: e.line() })?;
        let LicenceAct::Recorded(recorded) = commit.act else { continue };
        if recorded.holders != Holders::Institutions {
            continue;
        }
        let lines: Vec<LicenceLine> = recorded.events.read(&vault).map_err(LicencesError::from)?;
        records.push(LicenceRecord {
            entry: leaf_hash(commit.entry.as_bytes()).to_string(),
            root: recorded.root,
            decisions: lines.into_iter().map(|line| line.event).collect(),
        });
    }
    Ok(records)
}

/// Writes the page and the same for programs, where the site keeps licences. Returns its name.
pub fn publish(site: &Site, checkpoint: Option<Checkpoint>) -> Result<Option<String>, Error> {
    let Some(page) = facts(site, checkpoint)? else { return Ok(None) };
    let json = report::json(&page).map_err(Error::Object)?;
    let public = site.public();
    let name = format!("{STEM}.html");
    public.put(&name, Bytes::from(report::licences_page(&page)))?;
    public.put(&format!("{STEM}.json"), Bytes::from(json))?;
    Ok(Some(name))
}
