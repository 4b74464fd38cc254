//! The register of licences as an auditor reads it: whom the site trusted, what those decided, each
//! decision under its leaf, its commitment and its issuer's signature.
//!
//! Comes in: the commits of licences and the lines they name. Goes out: findings, and the
//! [`Register`] by which `licensed` judges. Never: a decision of somebody who was not trusted.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    expected::{Said, shown},
    shape::Counted,
    table::{ascends, count, if_opens, leaf_hash, object, root},
};
use crate::{
    digest::{Sha3Digest, Sha256, canonical, hmac_sha3, hmac_sha3_parts},
    instant::Instant,
    ledger::Kind,
    signed_note::Verifier,
    store,
};

/// `vault/licences/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LicenceCommit {
    txn: String,
    time: Instant,
    pub(super) act: LicenceAct,
    pub(super) entry: String,
}

/// What was done with the register.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum LicenceAct {
    Trusted(Trusted),
    Recorded(Recorded),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trusted {
    vkey: String,
    change: Change,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    Added,
    Ended,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    holders: Holders,
    pub(super) events: Counted,
    root: Sha256,
    count: u64,
    commitment: Sha3Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Holders {
    Institutions,
    Practitioners,
}

/// One line of a commit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event: Decision,
    by: String,
    credential: Option<String>,
    list: Option<Sha3Digest>,
    salt: Option<Sha3Digest>,
}

/// What an issuer decided on a licence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    pub(super) licence: String,
    pub(super) holder: Holder,
    pub(super) issuer: String,
    pub(super) action: Action,
    pub(super) class: String,
    from: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) restriction: Option<String>,
    decided_at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decision(…)")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Action {
    Issue,
    Renew,
    Restrict,
    Suspend,
    Revoke,
    Reinstate,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Holder {
    Institution(String),
    Practitioner { npi: String },
}

impl Holder {
    /// Says whether it is this institution.
    pub(super) fn is(&self, institution: &str) -> bool {
        match self {
            Self::Institution(id) => id == institution,
            Self::Practitioner { .. } => false,
        }
    }
}

impl Decision {
    /// From when on it has effect: what takes away does not reach back before it was decided.
    pub(super) fn effective(&self) -> Instant {
        match self.action {
            Action::Issue | Action::Renew | Action::Reinstate => self.from,
            Action::Restrict | Action::Suspend | Action::Revoke => self.from.max(self.decided_at),
        }
    }

    /// Orders the decisions on one licence; of one instant what takes more comes last.
    pub(super) fn order(&self) -> (Instant, Instant, u8, &Self) {
        let takes = match self.action {
            Action::Issue => 0,
            Action::Renew => 1,
            Action::Reinstate => 2,
            Action::Restrict => 3,
            Action::Suspend => 4,
            Action::Revoke => 5,
        };
        (self.effective(), self.decided_at, takes, self)
    }
}

/// A span of trust.
#[derive(Debug)]
struct Trust {
    key: Verifier,
    id: String,
    from: Option<Instant>,
    added: u64,
    /// Since when, and the commit that says so.
    ended: Option<(Instant, u64)>,
}

/// A decision, and the commit that recorded it.
#[derive(Debug)]
struct Known {
    commit: u64,
    recorded: Instant,
    by: String,
    decision: Decision,
}

/// All that was recorded of licences.
#[derive(Debug, Default)]
pub(super) struct Register {
    commits: Vec<(u64, Instant)>,
    trusts: Vec<Trust>,
    known: Vec<Known>,
}

impl Register {
    /// Returns the newest commit of a time that fits, 0 where there is none.
    pub(super) fn newest(&self, fits: impl Fn(Instant) -> bool) -> u64 {
        let own = self.commits.iter().filter(|(_, time)| fits(*time));
        own.map(|(number, _)| *number).max().unwrap_or(0)
    }

    /// Says whether some issuer was ever trusted, as a commit knew it.
    pub(super) fn is_kept(&self, commit: u64) -> bool {
        self.trusts.iter().any(|trust| trust.added <= commit)
    }

    /// Says whether any decision on an institution counted, as a commit knew it.
    pub(super) fn knows(&self, institution: &str, commit: u64) -> bool {
        self.trusted(commit).any(|decision| decision.holder.is(institution))
    }

    /// Returns the decisions that counted, as a commit knew it.
    pub(super) fn trusted(&self, commit: u64) -> impl Iterator<Item = &Decision> {
        let known = self.known.iter().filter(move |known| known.commit <= commit);
        let known = known.filter(move |known| {
            self.trusts.iter().any(|trust| trust.added <= commit && trust.covers(known, commit))
        });
        known.map(|known| &known.decision)
    }
}

impl Trust {
    /// Once trust has ended nothing new counts, whatever date it bears.
    fn covers(&self, known: &Known, commit: u64) -> bool {
        let decided = known.decision.decided_at;
        let ended = self.ended.filter(|(_, by)| *by <= commit).is_some_and(|(since, by)| {
            decided >= since || (known.commit > by && known.recorded >= since)
        });
        self.id == known.by
            && self.key.name() == known.decision.issuer
            && self.from.is_none_or(|from| from <= decided)
            && !ended
    }
}

/// What the entry of a commit must say.
pub(super) fn said(commit: &Numbered<LicenceCommit>) -> Option<Said> {
    let LicenceCommit { time, act, .. } = &commit.body;
    let mut body = match act {
        LicenceAct::Trusted(act) => json!({
            "what": "issuer",
            "issuer": Verifier::parse(&act.vkey).ok()?.name(),
            "vkey": act.vkey,
            "change": act.change,
        }),
        LicenceAct::Recorded(act) => json!({
            "what": "decisions",
            "holders": act.holders,
            "count": match act.holders {
                Holders::Institutions => act.count.into(),
                Holders::Practitioners => shown(act.count),
            },
            "root": act.root,
            "commitment": act.commitment,
        }),
    };
    let members = body.as_object_mut()?;
    members.insert("commit".to_owned(), commit.number.into());
    if let LicenceAct::Trusted(Trusted { from: Some(from), .. }) = act {
        members.insert("from".to_owned(), from.to_string().into());
    }
    let (prev, subjects) = (Vec::new(), Vec::new());
    Some(Said { kind: Kind::LicencesRecorded, time: *time, body, prev, subjects })
}

/// Reads the register, and checks each commit of it.
pub(super) fn register(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
) -> Result<Register, store::Error> {
    let mut register = Register::default();
    let mut newest = None;
    for commit in &commits.licences {
        let LicenceCommit { time, act, .. } = &commit.body;
        let forward = newest.is_none_or(|newest| newest <= *time);
        audit.check(Check::Commit, &commit.path, forward, "it is older than the one before it");
        newest = Some(*time);
        register.commits.push((commit.number, *time));
        match act {
            LicenceAct::Trusted(act) => {
                let good = trust(&mut register, commit.number, *time, act).is_some();
                let fault = "it trusts a key that is none, or ends a trust that there is not";
                audit.check(Check::Licences, &commit.path, good, fault);
            }
            LicenceAct::Recorded(act) => {
                let own = hmac_sha3_parts(
                    &evidence.secrets.licences,
                    &[b"almoner/licences/v1", act.events.digest.as_bytes()],
                );
                let same = own == act.commitment.0;
                let fault = "its commitment is not that of its decisions";
                audit.check(Check::Licences, &commit.path, same, fault);
                for line in lines(evidence, audit, act, &register.trusts)? {
                    let Line { event: decision, by, .. } = line;
                    let (commit, recorded) = (commit.number, *time);
                    register.known.push(Known { commit, recorded, by, decision });
                }
            }
        }
    }
    Ok(register)
}

fn trust(register: &mut Register, commit: u64, time: Instant, act: &Trusted) -> Option<()> {
    let key = Verifier::parse(&act.vkey).ok()?;
    let id = key.key_id();
    match act.change {
        Change::Added => {
            register.trusts.push(Trust { key, id, from: act.from, added: commit, ended: None });
        }
        Change::Ended => {
            let since = act.from.unwrap_or(time);
            let open = |trust: &&mut Trust| trust.key == key && trust.ended.is_none();
            let mut open = register.trusts.iter_mut().filter(open).peekable();
            open.peek()?;
            open.for_each(|trust| trust.ended = Some((since, commit)));
        }
    }
    Some(())
}

/// Reads the lines of a commit, and checks what can be known of each by itself.
fn lines(
    evidence: &Evidence,
    audit: &mut Audit,
    act: &Recorded,
    trusts: &[Trust],
) -> Result<Vec<Line>, store::Error> {
    let Counted { path, digest, count: told } = &act.events;
    let bytes = object(audit, &evidence.vault, "vault", path, digest)?;
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let name = format!("vault/{path}");
    let parts = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines: Option<Vec<Line>> = parts.map(|line| serde_json::from_slice(line).ok()).collect();
    let Some(lines) = lines else {
        audit.check(Check::Licences, &name, false, "it holds what is no decision on a licence");
        return Ok(Vec::new());
    };
    let all = count(&lines) == *told && *told == act.count;
    audit.check(Check::Licences, &name, all, "it holds another number of decisions");
    audit.check(Check::Licences, &name, ascends(&lines), "a decision stands twice or out of order");
    let leaves: Option<Vec<Sha256>> = lines.iter().map(leaf).collect();
    let same = leaves.is_some_and(|leaves| root(&leaves) == act.root);
    audit.check(Check::Licences, &name, same, "its root is not that of its decisions");
    for line in &lines {
        let fits = match (&line.event.holder, act.holders) {
            (Holder::Institution(_), Holders::Institutions) => line.salt.is_none(),
            (Holder::Practitioner { .. }, Holders::Practitioners) => {
                line.salt.is_some() && line.salt == salt(evidence, &line.event)
            }
            (Holder::Institution(_), Holders::Practitioners)
            | (Holder::Practitioner { .. }, Holders::Institutions) => false,
        };
        let fault = "a decision is on another kind of holder, or has another salt";
        audit.check(Check::Licences, &name, fits, fault);
        let own = line.by.rsplit_once('+').is_some_and(|(name, _)| name == line.event.issuer);
        let signed = own && is_signed(evidence, line, trusts)?;
        let fault = "a decision is not signed by the issuer that it names";
        audit.check(Check::Licences, &name, signed, fault);
    }
    Ok(lines)
}

fn salt(evidence: &Evidence, decision: &Decision) -> Option<Sha3Digest> {
    let parts = [b"almoner/licence-salt/v1".as_slice(), &canonical(decision).ok()?];
    Some(Sha3Digest(hmac_sha3_parts(&evidence.secrets.licences, &parts)))
}

fn leaf(line: &Line) -> Option<Sha256> {
    let bytes = canonical(&line.event).ok()?;
    Some(match &line.salt {
        None => leaf_hash(&bytes),
        Some(salt) => leaf_hash(&hmac_sha3(salt.as_bytes(), &bytes)),
    })
}

/// A decision rests on a compact JWS of its issuer: a credential, or a status list of the vault.
fn is_signed(evidence: &Evidence, line: &Line, trusts: &[Trust]) -> Result<bool, store::Error> {
    let text = match (&line.credential, &line.list) {
        (Some(credential), None) => credential.clone(),
        (None, Some(digest)) => {
            let bytes = if_opens(evidence.vault.find(&format!("licences/lists/{digest}.jwt")))?;
            let bytes = bytes.filter(|bytes| Sha3Digest::of(bytes) == *digest).unwrap_or_default();
            String::from_utf8(bytes.to_vec()).unwrap_or_default()
        }
        (Some(_), Some(_)) | (None, None) => return Ok(false),
    };
    let Some((signed, signature)) = text.trim_end().rsplit_once('.') else { return Ok(false) };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let mut keys = trusts.iter().filter(|trust| trust.id == line.by);
    Ok(keys.any(|trust| trust.key.verify_raw(signed.as_bytes(), &signature)))
}

#[cfg(test)]
mod tests;
