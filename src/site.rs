//! One deployment: its zones, keys, log, trust, and the run's one instant.
//!
//! Comes in: an address, a key folder, an instant. Goes out: a [`Site`] whose log is whole.
//! Never: a key inside the site, or an act begun before the one before it is in the book.

mod keys;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::keys::Keys;
use crate::{
    instant::Instant,
    ledger::{
        entry::{self, Entry, EntryId, Kind, Subject},
        log::{self, Log},
    },
    signed_note::Verifier,
    store::{self, Committed, Sequence, Store},
    vault::{self, Keyring},
};

/// The sequences whose newest commit names the entry it wants in the book: (zone, prefix).
const SEQUENCES: [(&str, &str); 15] = [
    ("vault", "consent/commits"),
    ("vault", "linkage/commits"),
    ("vault", "covers/commits"),
    ("vault", "determinations/commits"),
    ("vault", "erasures/commits"),
    ("vault", "goods/commits"),
    ("vault", "licences/commits"),
    ("vault", "parties/commits"),
    ("vault", "payees/commits"),
    ("vault", "payouts/commits"),
    ("vault", "pools/commits"),
    ("vault", "transfers/commits"),
    ("vault", "usage/commits"),
    ("vault", "values/commits"),
    ("lake", "commits"),
];

/// What is wrong with a site.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// An entry could not be made.
    #[error("an entry of the ledger could not be made")]
    Entry(#[from] entry::Error),
    /// There is no site at the address.
    #[error("there is no site at `{0}`")]
    Missing(String),
    /// There is one already.
    #[error("there is a site at `{0}` already")]
    Exists(String),
    /// The key folder is missing, open to others, or holds other keys than the site's.
    #[error("the key folder `{}`: {reason}", folder.display())]
    Keys {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `site.json` or a commit cannot be read.
    #[error("`{path}` is not what this version wrote: {reason}")]
    Format {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The keys of its data failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// Somebody else committed first.
    #[error("somebody else committed to `{0}` first")]
    Conflict(String),
}

/// `site.json`: what the site is, in the open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The format of the site, 1.
    pub format: u32,
    /// The ledger's origin, such as `commons.example/ledger`.
    pub origin: String,
    /// When it was made.
    pub created: Instant,
    /// The vkey that signs checkpoints.
    pub log_vkey: String,
    /// The vkey that signs entries and passes: the steward's.
    pub steward_vkey: String,
}

/// One deployment, open.
#[derive(Debug)]
pub struct Site {
    store: Store,
    about: About,
    keys: Keys,
    keyring: Keyring,
    log: Log,
    now: Instant,
}

impl Site {
    /// Makes a site: zones, keys, genesis entry. Run again on a half-made one, it finishes it.
    pub fn init(address: &str, keys: &Path, origin: &str, now: Instant) -> Result<Self, Error> {
        let store = Store::open(address)?;
        if store.find("site.json")?.is_some() {
            return Err(Error::Exists(address.to_owned()));
        }
        let keys = Keys::create(keys, origin)?;
        keys.site_key().create()?;
        let keyring = Keyring::new(&store, keys.site_key());
        let log = Log::create(store.zone("ledger"), origin, keys.log().clone())?;
        let about = About {
            format: 1,
            origin: origin.to_owned(),
            created: now,
            log_vkey: keys.log().verifier().vkey(),
            steward_vkey: keys.steward().verifier().vkey(),
        };
        let site = Self { store, about, keys, keyring, log, now };
        let mut body = Map::new();
        body.insert("format".to_owned(), 1.into());
        body.insert("log_vkey".to_owned(), site.about.log_vkey.clone().into());
        body.insert("steward_vkey".to_owned(), site.about.steward_vkey.clone().into());
        body.insert("tree_hash".to_owned(), "sha256".into());
        body.insert("content_digest".to_owned(), "sha3-256".into());
        body.insert("tile_height".to_owned(), 8.into());
        let genesis = site.entry(Kind::LogGenesis, &[], &[], &body)?;
        if site.log.size()? == 0 {
            site.record(&genesis)?;
        }
        let text = serde_json::to_vec_pretty(&site.about)
            .map_err(|e| Error::Format { path: "site.json".into(), reason: e.to_string() })?;
        let _: store::Created = site.store.create("site.json", Bytes::from(text))?;
        Ok(site)
    }

    /// Opens a site and brings the book up to what was committed before a crash.
    pub fn open(address: &str, keys: &Path, now: Instant) -> Result<Self, Error> {
        let store = Store::open(address)?;
        let text = store.find("site.json")?.ok_or_else(|| Error::Missing(address.to_owned()))?;
        let about: About = serde_json::from_slice(&text)
            .map_err(|e| Error::Format { path: "site.json".into(), reason: e.to_string() })?;
        let keys = Keys::open(keys, &about.origin)?;
        if keys.log().verifier().vkey() != about.log_vkey {
            return Err(Error::Keys {
                folder: keys.folder().to_owned(),
                reason: "these are the keys of another site".to_owned(),
            });
        }
        let log = Log::open(store.zone("ledger"), &about.origin, keys.log().clone())?;
        let keyring = Keyring::new(&store, keys.site_key());
        let site = Self { store, about, keys, keyring, log, now };
        site.recover()?;
        Ok(site)
    }

    /// Puts the entry of each sequence's newest commit into the book where a crash kept it out.
    fn recover(&self) -> Result<(), Error> {
        for (zone, prefix) in SEQUENCES {
            let store = if zone == "vault" { self.vault() } else { self.lake() };
            let sequence = Sequence::new(&store, prefix);
            let Some((number, body)) = sequence.latest()? else { continue };
            let path = format!("{zone}/{prefix}/{number:012}.json");
            let fault = |reason: String| Error::Format { path: path.clone(), reason };
            let commit: Value = serde_json::from_slice(&body).map_err(|e| fault(e.to_string()))?;
            let text = commit
                .get("entry")
                .and_then(Value::as_str)
                .ok_or_else(|| fault("it names no entry".to_owned()))?;
            self.record(&Entry::parse(text.as_bytes())?)?;
        }
        Ok(())
    }

    /// Returns what the site is.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Returns the run's one instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Moves the run's instant; a story that spans a quarter acts at many.
    pub fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Returns the private zone: it seals what is written to it and opens what is read.
    pub fn vault(&self) -> Store {
        self.keyring.vault()
    }

    /// Returns the governed zone: it seals the segments that are written to it and opens them.
    pub fn lake(&self) -> Store {
        self.keyring.lake()
    }

    /// Returns the keys of the data in both.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Returns the whole site, as it lies there.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the zone of the book, for readers; [`Site::record`] writes it.
    pub fn ledger(&self) -> Store {
        self.store.zone("ledger")
    }

    /// Returns the open zone of pages.
    pub fn public(&self) -> Store {
        self.store.zone("public")
    }

    /// Returns a secret of this site for one use, named by `label`.
    pub fn secret(&self, label: &str) -> [u8; 32] {
        self.keys.secret(label)
    }

    /// Returns the keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns the key that vouches for checkpoints.
    pub fn log_verifier(&self) -> &Verifier {
        self.keys.log().verifier()
    }

    /// Returns the key that vouches for entries and passes.
    pub fn steward_verifier(&self) -> &Verifier {
        self.keys.steward().verifier()
    }

    /// Makes a signed entry at the run's instant; the same arguments give the same entry.
    pub fn entry(
        &self,
        kind: Kind,
        subjects: &[Subject],
        prev: &[EntryId],
        body: &Map<String, Value>,
    ) -> Result<Entry, Error> {
        let signer = self.keys.steward();
        Ok(Entry::sign(kind, &self.about.origin, self.now, subjects, prev, body, signer)?)
    }

    /// Commits `body` as number `number` of a sequence, then records `entry`, which the body must
    /// hold as its member `entry`: a crash between the two is mended when the site is next opened.
    pub fn commit<T: Serialize>(
        &self,
        sequence: &Sequence,
        number: u64,
        body: &T,
        entry: &Entry,
    ) -> Result<(), Error> {
        let name = format!("commit {number}");
        let text = serde_json::to_vec_pretty(body)
            .map_err(|e| Error::Format { path: name.clone(), reason: e.to_string() })?;
        match sequence.commit(number, &Bytes::from(text))? {
            Committed::Done => self.record(entry),
            Committed::Conflict => Err(Error::Conflict(name)),
        }
    }

    /// Puts an entry into the book, once, and publishes the checkpoint that holds it.
    pub fn record(&self, entry: &Entry) -> Result<(), Error> {
        if !self.log.contains(&entry.id())? {
            let at = self.log.append(std::slice::from_ref(entry))?;
            tracing::info!(id = %entry.id(), index = ?at.first(), "entry recorded");
        }
        Ok(())
    }

    /// Returns the number of entries in the book.
    pub fn book_size(&self) -> Result<u64, Error> {
        Ok(self.log.size()?)
    }

    /// Returns a new random id for a commit.
    pub fn txn(&self) -> Result<String, Error> {
        self.keys.random_id()
    }
}
