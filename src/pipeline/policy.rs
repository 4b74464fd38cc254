//! The policy of a site's book: which witnesses must have cosigned a checkpoint before it is shown.
//!
//! Comes in: a policy file (C2SP tlog-policy). Goes out: a commit, an entry with the policy's digest.
//! Never: a policy taken on that names other logs than this one, or one that is in the book twice.

use serde::Serialize;
use serde_json::json;

use crate::{
    digest::Sha3Digest,
    ledger::{
        Entry, EntryId, Kind, Policy,
        entry::{self, Subject},
        policy, publish, reader, witnessed,
    },
    site::{self, Site},
    store::Sequence,
};

/// Why a policy cannot be shown or taken on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The book cannot be believed.
    #[error("the book cannot be believed")]
    Reader(#[from] reader::Error),
    /// The entry of a policy cannot be read.
    #[error("the entry of the policy cannot be read")]
    Entry(#[from] entry::Error),
    /// The file is no policy.
    #[error("the file is no policy: {0}")]
    Policy(#[from] policy::Error),
    /// The file is not UTF-8.
    #[error("the file is no policy that a site can keep: it is not UTF-8")]
    Encoding,
    /// The policy is about other logs.
    #[error("the policy names other logs than `{0}`")]
    OtherLog(String),
}

/// The policy of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stands {
    /// The number of its commit.
    pub number: u64,
    /// The file's SHA3-256.
    pub digest: Sha3Digest,
    /// Its entry in the book.
    pub entry: EntryId,
    /// Whether it stood before, and nothing was written.
    pub known: bool,
    /// The file.
    pub policy: String,
    /// How many entries the newest signed checkpoint has.
    pub signed: u64,
    /// How many entries the checkpoint has that the world sees.
    pub shown: Option<u64>,
}

/// Returns the policy that stands, if there is one.
pub fn show(site: &Site) -> Result<Option<Stands>, Error> {
    let policy = witnessed::policy(&site.ledger())?;
    policy.map(|(number, adopted, _)| stands(site, number, adopted, true)).transpose()
}

/// Takes on a policy. From its entry on, checkpoints are shown when its witnesses have cosigned.
pub fn set(site: &Site, file: &[u8]) -> Result<Stands, Error> {
    let text = std::str::from_utf8(file).map_err(|_| Error::Encoding)?;
    let policy = Policy::parse(file)?;
    let own = site.keys().log().verifier();
    if !policy.logs().is_empty() && !policy.logs().iter().any(|log| log.key == *own) {
        return Err(Error::OtherLog(own.vkey()));
    }
    let zone = site.ledger();
    let number = match witnessed::policy(&zone)? {
        Some((number, adopted, _)) if adopted.policy == text => {
            return stands(site, number, adopted, true);
        }
        Some((number, _, _)) => number.saturating_add(1),
        None => 1,
    };
    let digest = Sha3Digest::of(file);
    let body = json!({
        "commit": number, "policy": digest, "witnesses": policy.witnesses().len(),
        "witnessed": policy.asks(),
    });
    let body = body.as_object().cloned().unwrap_or_default();
    let subject = Subject { name: format!("policy/{number}"), sha3: digest, sha256: None };
    let entry = site.entry(Kind::PolicySet, &[subject], &[], &body)?;
    let adopted = witnessed::Adopted {
        time: site.now(),
        policy: text.to_owned(),
        digest,
        entry: entry.text().to_owned(),
    };
    site.commit(&Sequence::new(&zone, witnessed::POLICIES), number, &adopted, &entry)?;
    stands(site, number, adopted, false)
}

/// Shows the world what may be shown now, and tells how the policy stands.
fn stands(
    site: &Site,
    number: u64,
    adopted: witnessed::Adopted,
    known: bool,
) -> Result<Stands, Error> {
    let logs = &site.log_verifiers();
    Ok(Stands {
        number,
        digest: adopted.digest,
        entry: Entry::parse(adopted.entry.as_bytes())?.id(),
        known,
        policy: adopted.policy,
        signed: site.book_size()?,
        shown: publish::raise(&site.ledger(), &site.about().origin, logs)?,
    })
}
