//! Takes a file of tokens: licences' credentials and status lists of trusted issuers, one a line.
//!
//! Comes in: a file. Goes out: what is news of it, recorded. Never: part of a status list, or a token
//! whose refusal is not told with its line.

use std::{fs, path::Path};

use bytes::Bytes;

use super::{Error, Outcome, record, register};
use crate::{
    credential::{
        Credential, CredentialError, LicenceLine, Licences, Refusal, is_token, open_credential,
    },
    digest::Sha3Digest,
    site::Site,
};

/// A line of a file that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Reject {
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub why: Unfit,
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not to be believed, or says nothing that is understood.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// What it says does not follow from the licence's history.
    #[error("{0}")]
    Refused(Refusal),
}

/// Takes a file of tokens. What the register knows changes nothing; what is refused is told; the rest is
/// recorded: credentials first, then what status lists say of them.
pub fn import(site: &Site, file: &Path) -> Result<Outcome, Error> {
    let text =
        fs::read_to_string(file).map_err(|source| Error::Read { file: file.to_owned(), source })?;
    let tokens: Vec<(usize, &str)> =
        (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty()).collect();
    if !tokens.iter().any(|(_, token)| is_token(token)) {
        return Err(Error::NoToken(file.to_owned()));
    }
    let mut known = register(site)?;
    let keys = known.issuers(site.now());
    let (mut lines, mut places, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    let mut rejects = Vec::new();
    for (line, token) in tokens {
        match open_credential(token, &keys, site.now()) {
            Ok(Credential::Licence(told)) => {
                places.push(line);
                let (event, by) = (told.event, told.by);
                let credential = Some(token.to_owned());
                lines.push(LicenceLine { event, by, credential, list: None, salt: None });
            }
            Ok(Credential::List(list)) => lists.push((line, token, list)),
            Err(why) => rejects.push(Reject { line, why: why.into() }),
        }
    }
    let (mut outcome, verdicts) = record::lines(site, &known, &lines)?;
    rejects.extend(
        places
            .into_iter()
            .zip(verdicts)
            .filter_map(|(line, refusal)| Some(Reject { line, why: Unfit::Refused(refusal?) })),
    );
    // The older list first: what it says is judged before what came after it.
    lists.sort_by_key(|(line, _, list)| (list.from, *line));
    for (line, token, list) in lists {
        known = Licences::load(&site.vault())?;
        let digest = Sha3Digest::of(token.as_bytes());
        let lines = known.told_by(&list, digest);
        if !lines.is_empty() {
            let path = format!("licences/lists/{digest}.jwt");
            site.vault().put_content(&path, &Bytes::from(token.to_owned()))?;
        }
        let (told, verdicts) = record::lines(site, &known, &lines)?;
        let refused = verdicts.into_iter().flatten();
        rejects.extend(refused.map(|why| Reject { line, why: Unfit::Refused(why) }));
        outcome.institutions += told.institutions;
        outcome.practitioners += told.practitioners;
        outcome.known += told.known;
        outcome.bad_npis += told.bad_npis;
        outcome.commits.extend(told.commits);
        outcome.entries.extend(told.entries);
    }
    rejects.sort_by_key(|reject| reject.line);
    outcome.rejected = rejects.len() as u64;
    outcome.rejects = rejects;
    Ok(outcome)
}
