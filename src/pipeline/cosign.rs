//! Witnesses asked to cosign the site's checkpoints, by files that travel or over HTTP, and their
//! answers taken in.
//!
//! Comes in: a witness's name, or what witnesses answered. Goes out: request bodies; which lines hold,
//! and what the world sees then. Never: a line kept that was not verified.

use serde::Serialize;

use crate::{
    ledger::{Policy, Reader, policy::Party, publish, publish::Taken, reader, witnessed},
    signed_note::{self, Signature},
    site::{self, Site},
    store,
    witness::{self, Request, http},
};

/// Why witnesses cannot be asked, or their answers not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The book cannot be believed.
    #[error("the book cannot be believed")]
    Reader(#[from] reader::Error),
    /// A witness could not be reached.
    #[error(transparent)]
    Witness(#[from] witness::Error),
    /// The site has no policy.
    #[error("this site has no policy, so no witness is known to it")]
    NoPolicy,
    /// The policy has no such witness.
    #[error("the policy has no witness `{0}`")]
    NoWitness(String),
    /// An answer is a size.
    #[error(
        "`{answer}`: the witness last cosigned {size} entries, and was asked from another size"
    )]
    Stale {
        /// The answer.
        answer: String,
        /// The size.
        size: u64,
    },
    /// An answer is none.
    #[error("`{answer}`: line {line} is no signature line: {source}")]
    Form {
        /// The answer.
        answer: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: signed_note::Error,
    },
}

/// What became of one line of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The key's name in the line.
    pub witness: String,
    /// `new`, `known`, `unknown` or `bad`.
    pub taken: &'static str,
    /// The size of the checkpoint that it holds under.
    pub size: Option<u64>,
}

/// What came of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosigned {
    /// The lines, in the order in which they came.
    pub lines: Vec<Line>,
    /// How many entries the newest signed checkpoint has.
    pub signed: u64,
    /// How many entries the checkpoint has that the world sees.
    pub shown: Option<u64>,
}

/// What one witness said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The witness, as the policy calls it.
    pub witness: String,
    /// Where it was asked.
    pub url: String,
    /// `cosigned`, or why not.
    pub said: String,
    /// Whether it cosigned.
    pub cosigned: bool,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answers {
    /// Each witness that was asked.
    pub asked: Vec<Asked>,
    /// How many entries the newest signed checkpoint has.
    pub signed: u64,
    /// How many entries the checkpoint has that the world sees.
    pub shown: Option<u64>,
}

/// Makes the request of the newest signed checkpoint, from the size `old`, or from where a witness
/// of the policy stands as far as the site knows, or from nothing.
pub fn request(site: &Site, witness: Option<&str>, old: Option<u64>) -> Result<Request, Error> {
    let known = match witness {
        Some(name) => {
            let policy = policy(site)?;
            let found = policy.witnesses().iter().find(|witness| witness.name == name);
            let witness = found.ok_or_else(|| Error::NoWitness(name.to_owned()))?;
            witnessed::last_of(&site.ledger(), &witness.key)?
        }
        None => None,
    };
    from(&signed(site)?, old.or(known).unwrap_or(0))
}

/// Takes in what witnesses answered: the text of each with what it is called.
pub fn cosign(site: &Site, answers: &[(String, String)]) -> Result<Cosigned, Error> {
    let mut parsed = Vec::new();
    for (name, text) in answers {
        if let Ok(size) = text.trim().parse() {
            return Err(Error::Stale { answer: name.clone(), size });
        }
        for (line, read) in (1..).zip(text.lines()) {
            let form = |source| Error::Form { answer: name.clone(), line, source };
            parsed.push(Signature::parse(read).map_err(form)?);
        }
    }
    let lines = take(site, &policy(site)?, &parsed)?;
    Ok(Cosigned { lines, signed: site.book_size()?, shown: raise(site)? })
}

/// Asks the policy's witnesses that have a URL, all at once, or the one of a name.
pub fn ask(site: &Site, only: Option<&str>) -> Result<Answers, Error> {
    let policy = policy(site)?;
    let wanted = |witness: &&Party| only.is_none_or(|only| witness.name == only);
    let witnesses: Vec<&Party> = policy.witnesses().iter().filter(wanted).collect();
    if let (Some(only), true) = (only, witnesses.is_empty()) {
        return Err(Error::NoWitness(only.to_owned()));
    }
    let reader = signed(site)?;
    let replies: Vec<(&Party, Result<http::Reply, Error>)> = std::thread::scope(|scope| {
        let asked = witnesses.into_iter().filter_map(|witness| {
            let url = witness.url.as_ref()?;
            let (reader, zone) = (&reader, site.ledger());
            Some((
                witness,
                scope.spawn(move || -> Result<http::Reply, Error> {
                    let old = witnessed::last_of(&zone, &witness.key)?.unwrap_or(0);
                    match http::ask(url, from(reader, old)?.to_string())? {
                        // It knows better where it stands; once is enough, unless it contradicts itself.
                        http::Reply::Stale(size) if size != old && size <= reader.size() => {
                            Ok(http::ask(url, from(reader, size)?.to_string())?)
                        }
                        reply @ (http::Reply::Lines(_)
                        | http::Reply::Stale(_)
                        | http::Reply::Refused { .. }) => Ok(reply),
                    }
                }),
            ))
        });
        let asked: Vec<_> = asked.collect();
        let joined = asked
            .into_iter()
            .filter_map(|(witness, thread)| thread.join().ok().map(|reply| (witness, reply)));
        joined.collect()
    });
    let mut asked = Vec::new();
    for (witness, reply) in replies {
        let url = witness.url.as_ref().map(ToString::to_string).unwrap_or_default();
        let (cosigned, said) = match reply {
            Ok(http::Reply::Lines(text)) => {
                let lines: Vec<_> = text.lines().filter_map(|l| Signature::parse(l).ok()).collect();
                let taken = take(site, &policy, &lines)?;
                let good = taken.iter().any(|line| line.size == Some(reader.size()));
                let said = if good { "cosigned" } else { "answered no line that holds" };
                (good, said.to_owned())
            }
            Ok(http::Reply::Stale(size)) if size > reader.size() => {
                (false, format!("says that it cosigned {size} entries, more than this log has"))
            }
            Ok(http::Reply::Stale(size)) => (false, format!("last cosigned {size} entries")),
            Ok(http::Reply::Refused { status, reason }) => (false, format!("{status}: {reason}")),
            Err(error) => (false, error.to_string()),
        };
        asked.push(Asked { witness: witness.name.clone(), url, said, cosigned });
    }
    Ok(Answers { asked, signed: reader.size(), shown: raise(site)? })
}

fn policy(site: &Site) -> Result<Policy, Error> {
    witnessed::policy(&site.ledger())?.map(|(_, _, policy)| policy).ok_or(Error::NoPolicy)
}

/// The book at its newest signed checkpoint, shown or not.
fn signed(site: &Site) -> Result<Reader, Error> {
    let known = &site.log_verifiers();
    let size = site.book_size()?;
    Ok(Reader::open_size(&site.ledger(), &site.about().origin, known, size)?)
}

fn from(reader: &Reader, old: u64) -> Result<Request, Error> {
    let proof = if old == 0 { Vec::new() } else { reader.consistency(old, reader.size())? };
    Ok(Request { old, proof, checkpoint: reader.note().to_owned() })
}

fn take(site: &Site, policy: &Policy, lines: &[Signature]) -> Result<Vec<Line>, Error> {
    let (zone, origin) = (site.ledger(), &site.about().origin);
    let logs = &site.log_verifiers();
    let sizes = publish::unshown(&zone, origin, logs)?;
    let mut told = Vec::new();
    for line in lines {
        let (taken, size) = publish::take(&zone, origin, logs, policy, &sizes, line)?;
        let taken = match taken {
            Taken::New => "new",
            Taken::Known => "known",
            Taken::Unknown => "unknown",
            Taken::Bad => "bad",
        };
        told.push(Line { witness: line.name.clone(), taken, size });
    }
    Ok(told)
}

fn raise(site: &Site) -> Result<Option<u64>, Error> {
    let logs = &site.log_verifiers();
    Ok(publish::raise(&site.ledger(), &site.about().origin, logs)?)
}
