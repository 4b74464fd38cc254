//! The patient's side: what is asked of them, and their answer in a file. Needs no site.
//!
//! Comes in: the folder of a transfer at the desk, a key that signs. Goes out: `accept.json`,
//! `decline.json` or `revoke.json` beside the offer. Never: a signature to what was not shown.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Serialize;

use super::{Error, book::Score};
use crate::{
    instant::Instant,
    store::Store,
    transfer::{
        Accept, ApproverKey, ApproverSigner, Challenge, Offer, Payload, Refusal, RefusalAct, Role,
        Signed,
    },
};

/// What lies beside the offer: how the two records agree, as the desk judged it.
pub(super) const MATCH: &str = "match.json";
/// The patient's approval.
pub(super) const ACCEPT: &str = "accept.json";
/// The patient's refusal.
pub(super) const DECLINE: &str = "decline.json";
/// The patient's refusal of what they approved.
pub(super) const REVOKE: &str = "revoke.json";

/// What a patient answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// No more.
    Revoke,
}

impl Answer {
    fn file(self) -> &'static str {
        match self {
            Self::Accept => ACCEPT,
            Self::Decline => DECLINE,
            Self::Revoke => REVOKE,
        }
    }
}

/// What a patient is asked.
#[derive(Debug)]
pub struct Asked {
    /// Its folder.
    pub folder: PathBuf,
    /// What is offered, to whom.
    pub offer: Signed<Offer>,
    /// What the other side says; none where it has not asked yet.
    pub challenge: Option<Signed<Challenge>>,
    /// How the two records agree, where the desk judged it.
    pub matched: Option<Score>,
    /// What was answered before.
    pub answered: Vec<Answer>,
}

/// What an answer came to.
#[derive(Debug, Clone, Serialize)]
pub struct Decided {
    /// The answer.
    pub answer: Answer,
    /// Its file.
    pub file: PathBuf,
    /// Whether this call wrote it; else it was given before.
    pub new: bool,
    /// As what it was signed.
    pub role: Role,
}

impl Asked {
    /// Reads what is asked: the folder of a transfer, its `offer.json`, or a desk where one transfer
    /// waits.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let fault = |path: &Path, reason: &str| Error::Asked {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let folder = if path.is_dir() {
            if path.join("offer.json").exists() { path.to_owned() } else { only(path)? }
        } else {
            path.parent().map(Path::to_owned).unwrap_or_default()
        };
        let file = if path.is_dir() { folder.join("offer.json") } else { path.to_owned() };
        let offer: Signed<Offer> = read(&file)?.ok_or_else(|| fault(&file, "there is no offer"))?;
        let digest = offer.digest()?;
        let challenge: Option<Signed<Challenge>> = read(&folder.join("challenge.json"))?;
        if challenge.as_ref().is_some_and(|challenge| challenge.payload.offer != digest) {
            return Err(fault(&folder, "the challenge answers another offer"));
        }
        let matched = match std::fs::read(folder.join(MATCH)) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes)?),
            Err(_) => None,
        };
        let answers = [Answer::Accept, Answer::Decline, Answer::Revoke];
        let answered = answers.into_iter().filter(|a| folder.join(a.file()).exists()).collect();
        Ok(Self { folder, offer, challenge, matched, answered })
    }

    /// Signs the answer and puts it beside the offer. The same answer again changes nothing.
    pub fn answer(
        &self,
        answer: Answer,
        hand: &dyn ApproverSigner,
        now: Instant,
    ) -> Result<Decided, Error> {
        let offer = &self.offer.payload;
        let fault =
            |reason: &str| Error::Asked { path: self.folder.clone(), reason: reason.to_owned() };
        let approver = self.approver(hand, now)?;
        let (role, file) = (approver.role, self.folder.join(answer.file()));
        let has = |answer| self.answered.contains(&answer);
        if has(answer) {
            return Ok(Decided { answer, file, new: false, role });
        }
        if has(Answer::Decline) || has(Answer::Revoke) {
            return Err(fault("it was refused before, and stays so"));
        }
        if now >= offer.expires {
            return Err(fault("the offer has expired"));
        }
        let (transfer, digest) = (offer.transfer, self.offer.digest()?);
        let refusal = |act| Refusal { transfer, offer: digest, act, decided: now };
        let bytes = match answer {
            Answer::Accept => {
                let Some(challenge) = &self.challenge else {
                    return Err(fault("the other side has not asked for it yet"));
                };
                let challenge = challenge.digest()?;
                let accept = Accept { transfer, offer: digest, challenge, decided: now, role };
                Signed::approve(accept, hand)?.bytes()?
            }
            Answer::Decline if has(Answer::Accept) => {
                return Err(fault("it was approved before: revoke it"));
            }
            Answer::Decline => Signed::approve(refusal(RefusalAct::Decline), hand)?.bytes()?,
            Answer::Revoke if !has(Answer::Accept) => {
                return Err(fault("it was not approved: decline it"));
            }
            Answer::Revoke => Signed::approve(refusal(RefusalAct::Revoke), hand)?.bytes()?,
        };
        let store = Store::open(&self.folder.display().to_string())?;
        store.put_content(answer.file(), &Bytes::from(bytes))?;
        Ok(Decided { answer, file, new: true, role })
    }

    /// Returns the approver whose key the hand holds.
    pub fn approver(&self, hand: &dyn ApproverSigner, now: Instant) -> Result<&ApproverKey, Error> {
        let approvers = &self.offer.payload.approvers;
        let own = approvers.iter().find(|approver| approver.key == *hand.key());
        own.filter(|approver| approver.until.is_none_or(|until| now < until)).ok_or_else(|| {
            Error::Asked {
                path: self.folder.clone(),
                reason: "the offer does not ask for this key's signature".to_owned(),
            }
        })
    }
}

/// Returns the one transfer of a desk that waits for an answer.
fn only(desk: &Path) -> Result<PathBuf, Error> {
    let fault = |source| Error::File { path: desk.to_owned(), source };
    let mut waiting = Vec::new();
    for entry in std::fs::read_dir(desk).map_err(fault)? {
        let folder = entry.map_err(fault)?.path();
        let answered = [DECLINE, REVOKE].iter().any(|name| folder.join(name).exists());
        if folder.join("offer.json").exists() && !answered {
            waiting.push(folder);
        }
    }
    match <[PathBuf; 1]>::try_from(waiting) {
        Ok([folder]) => Ok(folder),
        Err(waiting) => Err(Error::Asked {
            path: desk.to_owned(),
            reason: format!("{} transfers lie here; name the folder of one", waiting.len()),
        }),
    }
}

fn read<T: Payload>(file: &Path) -> Result<Option<Signed<T>>, Error> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::File { path: file.to_owned(), source }),
    };
    let signed = Signed::parse(&bytes)
        .map_err(|why| Error::Asked { path: file.to_owned(), reason: why.to_string() })?;
    Ok(Some(signed))
}
