//! Who is paid, and where to: contributors and institutions with what the bank and the tax office need.
//!
//! Comes in: files of payees. Goes out: the [`Register`] as it stood at any time, from the numbered
//! commits of `vault/payees`. Never: a name or an account in a log, an error or the book; `Debug` shows
//! neither.

mod account;
mod read;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{
    account::{Account, AccountError, Bic, Country, Iban},
    read::{COLUMNS, Read, ReadError, Reason, Reject, read},
};
use crate::{
    digest::Sha3Digest,
    instant::Instant,
    party::{ContributorId, InstitutionId},
    store::{self, Sequence, Store},
};

/// Where the commits of payees are, in the vault.
pub const COMMITS: &str = "payees/commits";

/// Who may be paid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayeeId {
    /// A person whose records they are.
    Contributor(ContributorId),
    /// An institution that contributes records.
    Institution(InstitutionId),
}

/// One payee, as the newest import that names them says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payee {
    /// Who.
    pub id: PayeeId,
    /// The verified person behind the contributor: the same key for all ids of one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Whether somebody has checked that the person is who they say.
    pub verified: bool,
    /// Where they pay taxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Where their money goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
}

impl fmt::Debug for Payee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payee(…)")
    }
}

/// An object of the vault: one JSON value a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its path in the vault.
    pub path: String,
    /// The SHA3-256 digest of its bytes.
    pub digest: Sha3Digest,
    /// The number of its lines.
    pub count: u64,
}

impl Object {
    /// Writes values as an object below a folder, named by its content: the same values give the same
    /// bytes.
    pub fn write<T: Serialize>(
        folder: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Result<(Self, Bytes), serde_json::Error> {
        let (mut text, mut count) = (String::new(), 0);
        for value in values {
            text.push_str(&serde_json::to_string(&value)?);
            text.push('\n');
            count += 1;
        }
        let digest = Sha3Digest::of(text.as_bytes());
        let path = format!("{folder}/{digest}.ndjson");
        Ok((Self { path, digest, count }, Bytes::from(text)))
    }

    /// Reads the values back, each as `T`.
    pub fn read<T: DeserializeOwned>(&self, vault: &Store) -> Result<Vec<T>, Error> {
        let bytes = vault.get(&self.path)?;
        if Sha3Digest::of(&bytes) != self.digest {
            return Err(Error::Changed { path: self.path.clone() });
        }
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let value = |(line, text): (usize, &[u8])| {
            serde_json::from_slice(text)
                .map_err(|_| Error::Format { path: self.path.clone(), line })
        };
        (1..).zip(lines).map(value).collect()
    }
}

/// One commit of `vault/payees/commits`: the payees that one import brought or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// A random id of this commit.
    pub txn: String,
    /// When.
    pub time: Instant,
    /// The payees, one JSON object a line, sorted.
    pub payees: Object,
    /// How many of them are contributors.
    pub contributors: u64,
    /// How many of them are institutions.
    pub institutions: u64,
    /// How many rows of the file were refused.
    pub rejected: u64,
    /// The keyed digest of the payees that stands in the book.
    pub commitment: Sha3Digest,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
}

/// Why the register cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A commit or its payees are not what this version wrote. What the reader said stays out: it may
    /// quote a cell.
    #[error("`{path}` is not what this version wrote, at line {line}")]
    Format {
        /// The object.
        path: String,
        /// Where.
        line: usize,
    },
    /// The payees of a commit are not those that it names.
    #[error("object `{path}` of the vault is not what was recorded")]
    Changed {
        /// The object.
        path: String,
    },
}

/// Writes payees, sorted: the same payees give the same bytes, whatever their order.
pub fn write_payees(payees: &[Payee]) -> Result<(Object, Bytes), serde_json::Error> {
    let mut sorted: Vec<&Payee> = payees.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    Object::write("payees/objects", sorted)
}

/// All imports, in order.
#[derive(Debug, Clone, Default)]
pub struct Register {
    commit: u64,
    imports: Vec<(Instant, Vec<Payee>)>,
}

impl Register {
    /// Reads the register of a vault.
    pub fn load(vault: &Store) -> Result<Self, Error> {
        let mut register = Self::default();
        for (number, body) in Sequence::new(vault, COMMITS).all()? {
            let commit: Commit = serde_json::from_slice(&body).map_err(|error| Error::Format {
                path: format!("vault/{COMMITS}/{number:012}.json"),
                line: error.line(),
            })?;
            register.commit = number;
            register.imports.push((commit.time, commit.payees.read(vault)?));
        }
        Ok(register)
    }

    /// Returns the number of the newest commit, 0 where there is none.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Returns when the newest import was recorded.
    pub fn recorded_until(&self) -> Option<Instant> {
        self.imports.last().map(|(time, _)| *time)
    }

    /// Returns the payees by all imports.
    pub fn newest(&self) -> Payees<'_> {
        Self::fold(&self.imports)
    }

    /// Returns the payees by the imports that were recorded at `time` or before.
    pub fn at(&self, time: Instant) -> Payees<'_> {
        let known = self.imports.partition_point(|(recorded, _)| *recorded <= time);
        Self::fold(self.imports.get(..known).unwrap_or_default())
    }

    fn fold(imports: &[(Instant, Vec<Payee>)]) -> Payees<'_> {
        let payees = imports.iter().flat_map(|(_, payees)| payees);
        Payees(payees.map(|payee| (&payee.id, payee)).collect())
    }
}

/// The payees as they stood at one time, each as the newest import before it said.
#[derive(Debug, Clone, Default)]
pub struct Payees<'a>(BTreeMap<&'a PayeeId, &'a Payee>);

impl<'a> Payees<'a> {
    /// Returns a payee.
    pub fn get(&self, id: &PayeeId) -> Option<&'a Payee> {
        self.0.get(id).copied()
    }

    /// Returns a contributor's entry.
    pub fn contributor(&self, id: &ContributorId) -> Option<&'a Payee> {
        self.get(&PayeeId::Contributor(id.clone()))
    }

    /// Returns an institution's entry.
    pub fn institution(&self, id: &InstitutionId) -> Option<&'a Payee> {
        self.get(&PayeeId::Institution(id.clone()))
    }

    /// Returns all payees, contributors before institutions, each sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = &'a Payee> {
        self.0.values().copied()
    }

    /// Returns all contributors with their entries, sorted.
    pub fn contributors(&self) -> impl Iterator<Item = (&'a ContributorId, &'a Payee)> {
        self.iter().filter_map(|payee| match &payee.id {
            PayeeId::Contributor(id) => Some((id, payee)),
            PayeeId::Institution(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, country: &str) -> Payee {
        Payee {
            id: PayeeId::Contributor(ContributorId::parse(id).unwrap()),
            person: Some(format!("person of {id}")),
            verified: true,
            country: Some(Country::parse(country).unwrap()),
            account: Some(Account {
                name: "Jane Roe".to_owned(),
                iban: Iban::parse("DE89370400440532013000").unwrap(),
                bic: None,
            }),
        }
    }

    fn instant(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn import(vault: &Store, number: u64, day: &str, payees: &[Payee]) {
        let (object, bytes) = write_payees(payees).unwrap();
        vault.put_content(&object.path, &bytes).unwrap();
        let commit = Commit {
            txn: number.to_string(),
            time: instant(day),
            payees: object,
            contributors: payees.len() as u64,
            institutions: 0,
            rejected: 0,
            commitment: Sha3Digest([0; 32]),
            entry: String::new(),
        };
        let body = Bytes::from(serde_json::to_vec_pretty(&commit).unwrap());
        assert_eq!(
            Sequence::new(vault, COMMITS).commit(number, &body).unwrap(),
            store::Committed::Done
        );
    }

    #[test]
    fn the_newest_import_at_a_time_says_who_a_payee_is() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Store::open(folder.path().to_str().unwrap()).unwrap();
        import(&vault, 1, "2026-10-01", &[person("b", "FR"), person("a", "DE")]);
        import(&vault, 2, "2026-11-01", &[person("a", "AT")]);
        let register = Register::load(&vault).unwrap();
        let country = |payees: &Payees<'_>, id: &str| {
            let payee = payees.contributor(&ContributorId::parse(id).unwrap())?;
            payee.country.map(|country| country.to_string())
        };
        assert_eq!(country(&register.newest(), "a").as_deref(), Some("AT"));
        let october = register.at(instant("2026-10-31T23:59:59Z"));
        assert_eq!(country(&october, "a").as_deref(), Some("DE"), "a later move taxed the past");
        assert_eq!(country(&october, "b").as_deref(), Some("FR"));
        assert_eq!(country(&register.at(instant("2026-09-30")), "a"), None);
        assert_eq!(register.at(instant("2026-11-01")).contributors().count(), 2);
    }

    #[test]
    fn payees_have_one_form_whatever_their_order_and_a_changed_one_is_found() {
        let [a, b] = [person("a", "DE"), person("b", "FR")];
        let (one, bytes) = write_payees(&[a.clone(), b.clone()]).unwrap();
        assert_eq!(one, write_payees(&[b, a.clone()]).unwrap().0);
        let folder = tempfile::tempdir().unwrap();
        let vault = Store::open(folder.path().to_str().unwrap()).unwrap();
        import(&vault, 1, "2026-10-01", &[a]);
        let path = write_payees(&[person("a", "DE")]).unwrap().0.path;
        vault.put(&path, bytes).unwrap();
        assert!(matches!(Register::load(&vault), Err(Error::Changed { .. })));
    }

    #[test]
    fn debug_output_hides_all_of_a_payee() {
        let payee = person("secret-person", "DE");
        for text in
            [format!("{payee:?}"), format!("{:?}", payee.account), format!("{:?}", payee.id)]
        {
            for secret in ["secret", "Jane", "DE89", "person of"] {
                assert!(!text.contains(secret), "a log line would name the payee: {text}");
            }
        }
    }
}
