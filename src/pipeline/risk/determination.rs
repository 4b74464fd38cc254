//! An expert's signed word that the risk of a version is very small: 45 CFR 164.514(b)(1).
//!
//! Comes in: a report, a key, a name. Goes out: a DSSE envelope of the report and of the version's
//! digests, a commit, an entry that holds the expert's public key. Never: two determinations of one
//! report by one key, or an envelope whose payload could be taken for another kind.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Error;
use crate::{
    digest::{Sha3Digest, Sha256, hex},
    instant::Instant,
    lake::{Lake, PrivateObject, Version},
    ledger::{
        Entry, Kind,
        entry::{EntryId, Subject},
    },
    report::{RiskReport, RiskSigned, RiskSubject},
    signed_note::{Signer, Verifier, seed},
    site::Site,
    store::Sequence,
};

/// The media type of the payload; it stands in what is signed.
const TYPE: &str = "application/vnd.almoner.determination+json";

/// Where determinations are committed, in the vault.
const COMMITS: &str = "determinations/commits";

/// The longest name of an expert.
const NAME_CHARS_MAX: usize = 200;

/// What an expert states.
const STATEMENT: &str = "By accepted methods of statistics I have determined that whoever receives \
                         these data is very unlikely to recognise anybody in them, also with \
                         whatever else they may reasonably have (45 CFR 164.514(b)(1)).";

/// What is signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Determination {
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: u64,
    /// The version's entry in the public book.
    pub version_entry: EntryId,
    /// The root of its record tree.
    pub record_root: Sha256,
    /// The digest of each table's list of segments: SHA3-256 over their digests, in order.
    pub tables: Vec<(String, Sha3Digest)>,
    /// The digest of the pipeline's file.
    pub pipeline: Sha3Digest,
    /// The expert.
    pub by: String,
    /// Their public key.
    pub key: Verifier,
    /// When.
    pub time: Instant,
    /// What they state.
    pub statement: String,
    /// The figures that they saw.
    pub report: RiskReport,
}

/// A DSSE envelope: <https://github.com/secure-systems-lab/dsse/blob/master/envelope.md>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// One commit of `vault/determinations/commits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Commit {
    txn: String,
    time: Instant,
    dataset: String,
    version: u64,
    /// The expert, as they sign.
    by: String,
    /// Their public key.
    vkey: String,
    /// The digest of the report that they saw, without its frame.
    report: Sha3Digest,
    /// The signed envelope.
    envelope: PrivateObject,
    entry: String,
}

/// What came of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Determined {
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: u64,
    /// The expert.
    pub by: String,
    /// Their public key.
    pub key: String,
    /// The digest of the signed file.
    pub digest: Sha3Digest,
    /// The entry in the public book.
    pub entry: EntryId,
    /// Whether it was signed before, and nothing was written.
    pub known: bool,
    /// The signed file.
    #[serde(skip)]
    pub file: Bytes,
}

/// A determination's file that holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// What is signed.
    pub determination: Determination,
    /// The digest of the file.
    pub digest: Sha3Digest,
    /// Its entry in the site's book; none where no site was asked, or it is not there.
    pub entry: Option<EntryId>,
}

/// Makes an expert's key in a new file; returns its public half.
pub fn new_key(file: &Path) -> Result<Verifier, Error> {
    if !seed::create(file)? {
        return Err(Error::KeyExists(file.to_owned()));
    }
    Ok(open(file)?.verifier().clone())
}

/// Opens an expert's key. Its name is made of the public key: the person signs by name beside it.
fn open(file: &Path) -> Result<Signer, Error> {
    let seed = seed::read(file)?;
    let unnamed = Signer::from_seed("expert", &seed)?.verifier().vkey();
    let name = format!("expert-{}", hex(Sha256::of(unnamed.as_bytes()).0.split_at(8).0));
    Ok(Signer::from_seed(&name, &seed)?)
}

/// Signs a report of a version of the site. Signed before by the same key, nothing changes.
pub fn sign(site: &Site, report: &RiskReport, by: &str, key: &Path) -> Result<Determined, Error> {
    let by = by.trim();
    let odd = by.chars().any(char::is_control) || by.chars().count() > NAME_CHARS_MAX;
    if by.is_empty() || odd {
        return Err(Error::Name);
    }
    let RiskSubject::Version { dataset, version, entry } = &report.subject else {
        return Err(Error::NotOfASite);
    };
    let signer = open(key)?;
    let (name, vkey) = (format!("{dataset}@{version}"), signer.verifier().vkey());
    let measured = Lake::new(site.lake()).find(&name)?.version;
    if Entry::parse(measured.entry.as_bytes())?.id() != *entry {
        return Err(Error::NotOfASite);
    }
    let seen = Sha3Digest::of(&serde_json::to_vec(report).map_err(Error::Write)?);
    let sequence = Sequence::new(&site.vault(), COMMITS);
    let commits = commits(site)?;
    for (_, commit) in &commits {
        if commit.vkey == vkey && commit.report == seen && commit.by == by {
            return Ok(Determined {
                dataset: commit.dataset.clone(),
                version: commit.version,
                by: commit.by.clone(),
                key: vkey,
                digest: commit.envelope.digest,
                entry: Entry::parse(commit.entry.as_bytes())?.id(),
                known: true,
                file: site.vault().get(&commit.envelope.path)?,
            });
        }
    }
    let determination = Determination {
        dataset: dataset.clone(),
        version: *version,
        version_entry: *entry,
        record_root: measured.record.root,
        tables: lists(&measured),
        pipeline: measured.pipeline.1,
        by: by.to_owned(),
        key: signer.verifier().clone(),
        time: site.now(),
        statement: STATEMENT.to_owned(),
        report: report.clone(),
    };
    let file = Bytes::from(determination.seal(&signer)?);
    let digest = Sha3Digest::of(&file);
    let envelope = PrivateObject { path: format!("determinations/objects/{digest}.json"), digest };
    site.vault().put_content(&envelope.path, &file)?;
    let number = commits.last().map_or(0, |(number, _)| *number).saturating_add(1);
    let body = json!({
        "commit": number, "dataset": dataset, "version": version, "version_entry": entry,
        "record_root": measured.record.root, "report": seen, "determination": digest, "vkey": vkey,
    });
    let body = body.as_object().cloned().unwrap_or_default();
    let subject = Subject { name: format!("{name}/determination"), sha3: digest, sha256: None };
    let entry = site.entry(Kind::DeterminationSigned, &[subject], &[*entry], &body)?;
    let commit = Commit {
        txn: site.txn()?,
        time: site.now(),
        dataset: dataset.clone(),
        version: *version,
        by: by.to_owned(),
        vkey: vkey.clone(),
        report: seen,
        envelope,
        entry: entry.text().to_owned(),
    };
    site.commit(&sequence, number, &commit, &entry)?;
    Ok(Determined {
        dataset: dataset.clone(),
        version: *version,
        by: by.to_owned(),
        key: vkey,
        digest,
        entry: entry.id(),
        known: false,
        file,
    })
}

/// Returns who determined a version, in the order in which they did.
pub fn signed(site: &Site, dataset: &str, version: u64) -> Result<Vec<RiskSigned>, Error> {
    let own = commits(site)?.into_iter().map(|(_, commit)| commit);
    let own = own.filter(|commit| commit.dataset == dataset && commit.version == version);
    own.map(|commit| {
        let entry = Entry::parse(commit.entry.as_bytes())?.id();
        Ok(RiskSigned { by: commit.by, key: commit.vkey, time: commit.time, entry })
    })
    .collect()
}

/// Opens a determination's file: by the key given, or else by the one it names itself. With a site its
/// entry is looked for.
pub fn verify(site: Option<&Site>, file: &Path, key: Option<&Verifier>) -> Result<Verified, Error> {
    let read = |source| Error::Read { file: file.to_owned(), source };
    let bytes = fs::read(file).map_err(read)?;
    let fault = |reason| Error::Unsigned { file: file.to_owned(), reason };
    let determination = Determination::open(&bytes, key).map_err(fault)?;
    let digest = Sha3Digest::of(&bytes);
    let entry = match site {
        None => None,
        Some(site) => {
            let mut own = commits(site)?.into_iter().map(|(_, commit)| commit);
            let own = own.find(|commit| commit.envelope.digest == digest);
            own.map(|commit| Entry::parse(commit.entry.as_bytes()).map(|e| e.id())).transpose()?
        }
    };
    if site.is_some() && entry.is_none() {
        return Err(fault("no entry of this site's book holds its digest"));
    }
    Ok(Verified { determination, digest, entry })
}

impl Determination {
    fn seal(&self, signer: &Signer) -> Result<Vec<u8>, Error> {
        let payload = serde_json::to_vec(self).map_err(Error::Write)?;
        let sig = STANDARD.encode(signer.sign_typed(TYPE, &payload));
        let envelope = Envelope {
            payload_type: TYPE.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature { keyid: signer.verifier().key_id(), sig }],
        };
        serde_json::to_vec(&envelope).map_err(Error::Write)
    }

    fn open(bytes: &[u8], known: Option<&Verifier>) -> Result<Self, &'static str> {
        let envelope: Envelope =
            serde_json::from_slice(bytes).map_err(|_| "it is not the JSON of a DSSE envelope")?;
        if envelope.payload_type != TYPE {
            return Err("it is an envelope of another kind");
        }
        let payload =
            STANDARD.decode(&envelope.payload).map_err(|_| "its payload is not base64")?;
        let own: Self =
            serde_json::from_slice(&payload).map_err(|_| "its payload is no determination")?;
        let [signature] = envelope.signatures.as_slice() else {
            return Err("it has not exactly one signature");
        };
        let key = known.unwrap_or(&own.key);
        if own.key != *key || signature.keyid != key.key_id() {
            return Err("another key signed it");
        }
        let sig = STANDARD.decode(&signature.sig).map_err(|_| "its signature is not base64")?;
        if key.verify_typed(TYPE, &payload, &sig) { Ok(own) } else { Err("its signature is wrong") }
    }
}

fn commits(site: &Site) -> Result<Vec<(u64, Commit)>, Error> {
    let all = Sequence::new(&site.vault(), COMMITS).all()?;
    all.into_iter()
        .map(|(number, bytes)| {
            let fault = |error: serde_json::Error| Error::Paper {
                path: format!("{COMMITS}/{number:012}.json"),
                reason: error.to_string(),
            };
            Ok((number, serde_json::from_slice(&bytes).map_err(fault)?))
        })
        .collect()
}

/// The digest of each table's list of segments, as the version's entry tells it.
fn lists(version: &Version) -> Vec<(String, Sha3Digest)> {
    let list = |segments: &[crate::lake::Segment]| {
        let all: Vec<u8> = segments.iter().flat_map(|segment| segment.sha3.0).collect();
        Sha3Digest::of(&all)
    };
    version.tables.iter().map(|table| (table.table.clone(), list(&table.segments))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{RiskConfiguration, RiskPopulation};

    fn signer(seed: u8) -> Signer {
        Signer::from_seed("expert-1", &[seed; 32]).unwrap()
    }

    fn determination(signer: &Signer) -> Determination {
        let entry = Sha256::of(b"entry");
        let subject = RiskSubject::Version { dataset: "d".to_owned(), version: 1, entry };
        let population = RiskPopulation { name: "us".to_owned(), people: 317_238_626 };
        Determination {
            dataset: "d".to_owned(),
            version: 1,
            version_entry: entry,
            record_root: Sha256::of(b"root"),
            tables: vec![("patients".to_owned(), Sha3Digest::of(b"list"))],
            pipeline: Sha3Digest::of(b"pipeline"),
            by: "Dr. Ada Example".to_owned(),
            key: signer.verifier().clone(),
            time: Instant::parse("2026-11-26T10:00:00Z").unwrap(),
            statement: STATEMENT.to_owned(),
            report: RiskReport {
                subject,
                k: 11,
                population,
                tables: Vec::new(),
                tests: Vec::new(),
                configuration: RiskConfiguration::default(),
            },
        }
    }

    #[test]
    fn what_is_sealed_opens_by_its_key_and_by_no_other() {
        let made = determination(&signer(1));
        let bytes = made.seal(&signer(1)).unwrap();
        assert_eq!(Determination::open(&bytes, None).unwrap(), made);
        assert_eq!(Determination::open(&bytes, Some(signer(1).verifier())).unwrap(), made);
        let other = Determination::open(&bytes, Some(signer(2).verifier()));
        assert_eq!(other, Err("another key signed it"));
        // A forger who names the expert's key and signs with their own.
        let forged = made.seal(&signer(2)).unwrap();
        assert!(Determination::open(&forged, None).is_err(), "a name passes for a signature");
    }

    #[test]
    fn every_byte_of_a_determination_is_covered() {
        let bytes = determination(&signer(1)).seal(&signer(1)).unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Determination::open(&bad, None).is_err(), "byte {at} is not covered");
        }
    }

    #[test]
    fn a_key_is_made_once_and_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("expert.key");
        let key = new_key(&file).unwrap();
        assert!(key.name().starts_with("expert-"));
        assert_eq!(open(&file).unwrap().verifier(), &key);
        assert!(matches!(new_key(&file), Err(Error::KeyExists(_))), "a key was written over");
    }
}
