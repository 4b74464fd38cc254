//! One deployment: its zones, keys, log, trust, and the run's one instant.
//!
//! Comes in: an address, a key folder, an instant. Goes out: a [`Site`] whose log is whole.
//! Never: a key inside the site, or an act begun before the one before it is in the book.

mod keys;
mod random;
mod seeds;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::keys::Keys;
use self::random::Random;
pub use crate::ledger::log::Error as LogError;
use crate::{
    digest::hex,
    instant::Instant,
    ledger::{
        entry::{self, Entry, EntryId, Kind, Subject},
        log::{self, Log},
        trust::{Head, Role, Trust},
        witnessed,
    },
    signed_note::{Signer, Verifier},
    store::{self, Committed, Created, Races, Sequence, Store, Unfit},
    vault::{self, Keyring},
};

/// The sequences whose newest commit names the entry it wants in the book: (zone, prefix).
const SEQUENCES: [(&str, &str); 17] = [
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
    SIGNERS,
    ("vault", "transfers/commits"),
    ("vault", "usage/commits"),
    ("vault", "values/commits"),
    ("lake", "commits"),
    ("ledger", witnessed::POLICIES),
];

/// The sequence of changes of the keys that sign.
const SIGNERS: (&str, &str) = ("vault", "signers/commits");

/// Where the plan of an erasure under way lies, in the vault.
pub const ERASURE_PENDING: &str = "erasures/pending.json";

/// How hard a foreign store is probed before a site is made there; `almoner doctor` probes harder.
const PROBE: Races = Races { rounds: 4, writers: 12 };

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
    /// The store does not keep what a site rests on.
    #[error("no site can be kept in this store")]
    Unfit(#[from] Unfit),
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
    /// An erasure is under way, or was cut off.
    #[error("an erasure was cut off, and nothing is written before it is at its end")]
    Erasing,
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
    trust: Trust,
    now: Instant,
    random: Random,
}

impl About {
    /// Returns the keys that the site began with.
    pub fn trust(&self) -> Result<Trust, Error> {
        let key = |vkey: &str| {
            Verifier::parse(vkey)
                .map_err(|e| Error::Format { path: "site.json".into(), reason: e.to_string() })
        };
        Ok(Trust::new(&self.origin, key(&self.log_vkey)?, key(&self.steward_vkey)?))
    }
}

impl Site {
    /// Makes a site: zones, keys, genesis entry. Run again on a half-made one, it finishes it.
    pub fn init(address: &str, keys: &Path, origin: &str, now: Instant) -> Result<Self, Error> {
        Self::init_after(address, keys, origin, now, None)
    }

    /// As `init`; the genesis names the last good checkpoint of a log that ended before.
    pub fn init_after(
        address: &str,
        keys: &Path,
        origin: &str,
        now: Instant,
        before: Option<&Head>,
    ) -> Result<Self, Error> {
        let store = Store::open(address)?;
        if store.find("site.json")?.is_some() {
            return Err(Error::Exists(address.to_owned()));
        }
        if store.is_foreign() {
            store.probe(PROBE, &|| ())?;
        }
        Self::make((store, address), keys, origin, now, before)
    }

    /// As [`Site::init`], in a store that is open already; made again with the same instant, a site is
    /// found as it is.
    pub fn init_in(store: Store, keys: &Path, origin: &str, now: Instant) -> Result<Self, Error> {
        Self::make((store, "the store"), keys, origin, now, None)
    }

    fn make(
        (store, address): (Store, &str),
        keys: &Path,
        origin: &str,
        now: Instant,
        before: Option<&Head>,
    ) -> Result<Self, Error> {
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
        let (trust, random) = (about.trust()?, Random::default());
        let mut site = Self { store, about, keys, keyring, log, trust, now, random };
        site.follow()?;
        let mut body = Map::new();
        body.insert("format".to_owned(), 1.into());
        body.insert("log_vkey".to_owned(), site.about.log_vkey.clone().into());
        body.insert("steward_vkey".to_owned(), site.about.steward_vkey.clone().into());
        body.insert("tree_hash".to_owned(), "sha256".into());
        body.insert("content_digest".to_owned(), "sha3-256".into());
        body.insert("tile_height".to_owned(), 8.into());
        body.extend(before.map(|head| ("continues".to_owned(), head.value())));
        let genesis = site.entry(Kind::LogGenesis, &[], &[], &body)?;
        if site.log.size()? == 0 {
            site.record(&genesis)?;
        }
        let text = serde_json::to_vec_pretty(&site.about)
            .map_err(|e| Error::Format { path: "site.json".into(), reason: e.to_string() })?;
        match site.store.create("site.json", Bytes::from(text.clone()))? {
            Created::New => Ok(site),
            // This call's own, whose answer was lost, or that of another who made it meanwhile.
            Created::Exists if site.store.get("site.json")? == text => Ok(site),
            Created::Exists => Err(Error::Exists(address.to_owned())),
        }
    }

    /// Opens a site and brings the book up to what was committed before a crash.
    pub fn open(address: &str, keys: &Path, now: Instant) -> Result<Self, Error> {
        Self::open_in(Store::open(address)?, address, keys, now)
    }

    /// As [`Site::open`], in a store that is open already; `address` is what errors call it.
    pub fn open_in(store: Store, address: &str, keys: &Path, now: Instant) -> Result<Self, Error> {
        let text = store.find("site.json")?.ok_or_else(|| Error::Missing(address.to_owned()))?;
        let about: About = serde_json::from_slice(&text)
            .map_err(|e| Error::Format { path: "site.json".into(), reason: e.to_string() })?;
        let keys = Keys::open(keys, &about.origin)?;
        let strange = |reason: String| Error::Keys { folder: keys.folder().to_owned(), reason };
        let log = match Log::open_with(store.zone("ledger"), &about.origin, keys.logs()) {
            Err(error @ log::Error::NoSeed(_)) => {
                return Err(strange(format!("these are the keys of another site: {error}")));
            }
            opened => opened?,
        };
        if log.first_key().vkey() != about.log_vkey {
            return Err(strange("these are the keys of another site".to_owned()));
        }
        let keyring = Keyring::new(&store, keys.site_key());
        keyring.note_epoch()?;
        let (trust, random) = (about.trust()?, Random::default());
        let mut site = Self { store, about, keys, keyring, log, trust, now, random };
        site.follow()?;
        site.recover()?;
        Ok(site)
    }

    /// Learns from the book which keys are in force.
    fn follow(&mut self) -> Result<(), Error> {
        if let Some(trust) = self.log.trust() {
            self.trust = trust;
        }
        self.keys.follow(&self.trust)
    }

    /// Puts the entry of each sequence's newest commit into the book where a crash kept it out.
    fn recover(&mut self) -> Result<(), Error> {
        for (zone, prefix) in SEQUENCES {
            let store = match zone {
                "vault" => self.vault(),
                "lake" => self.lake(),
                _ => self.ledger(),
            };
            let sequence = Sequence::new(&store, prefix);
            let Some((number, body)) = sequence.latest()? else { continue };
            let path = format!("{zone}/{prefix}/{number:012}.json");
            let entry = named_entry(&path, &body)?;
            self.record(&entry)?;
            self.follow()?;
            // INVARIANT: nothing is signed by a key that gave way. A listing of a while ago may lack the
            // newest change of keys; the commit that made it does not.
            let changes = || self.trust.changes().iter().any(|(_, id)| *id == entry.id());
            if (zone, prefix) == SIGNERS && !changes() {
                return Err(log::Error::KeysChanged.into());
            }
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

    /// Draws all that is random from a seed from now on, so that a story told again is the same to the
    /// last byte. For simulations: whoever knows the seed knows every key that is made.
    pub fn set_seed(&mut self, seed: [u8; 32]) {
        self.random = Random::seeded(seed);
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

    /// Returns the key that the log began with: readers follow from it to the one of today.
    pub fn log_verifier(&self) -> &Verifier {
        self.trust.first_log_key()
    }

    /// Returns all keys that sign or signed the log's checkpoints.
    pub fn log_verifiers(&self) -> Vec<Verifier> {
        self.trust.all(Role::Log)
    }

    /// Returns the steward's keys whose passes hold: all but the revoked ones.
    pub fn stewards(&self) -> Vec<Verifier> {
        self.trust.good(Role::Steward)
    }

    /// Returns who may sign for the site, and since when.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Returns a key of a role that never stood, for a change of keys.
    pub fn next_signer(&mut self, role: Role) -> Result<Signer, Error> {
        let (random, folder) = (&self.random, self.keys.folder().to_owned());
        let drawn = || random.secret(&folder, role.as_str());
        let signer = self.keys.next(role, &self.trust, drawn)?;
        if role == Role::Log {
            self.log.hold(signer.clone());
        }
        Ok(signer)
    }

    /// Commits a change of keys as number `number` of a sequence, records its entry and follows it.
    pub fn commit_keys<T: Serialize>(
        &mut self,
        sequence: &Sequence,
        number: u64,
        body: &T,
        entry: &Entry,
    ) -> Result<(), Error> {
        // INVARIANT: no change of keys is committed that the book would not take.
        self.trust.clone().take(self.log.size()?, entry).map_err(log::Error::Keys)?;
        self.commit(sequence, number, body, entry)?;
        self.follow()
    }

    /// Destroys the secret of all pseudonyms made so far and makes another: nobody can work out any more
    /// which pseudonym was whose.
    pub fn renew_pseudonyms(&self) -> Result<(), Error> {
        let secret = self.random.secret(self.keys.folder(), "pseudonyms")?;
        self.keys.renew_pseudonyms(&secret)
    }

    /// Deletes the seeds whose time is over; returns their keys.
    pub fn forget_seeds(&mut self) -> Result<Vec<String>, Error> {
        self.keys.forget(&self.trust, self.log.size()?)
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
        // INVARIANT: nobody is written of by who read of them before they were erased.
        self.keyring.take_part()?;
        if self.vault().find(ERASURE_PENDING)?.is_some() {
            return Err(Error::Erasing);
        }
        self.commit_erasure(sequence, number, body, entry)
    }

    /// As `commit`, of an erasure, which goes on while it is under way.
    pub fn commit_erasure<T: Serialize>(
        &self,
        sequence: &Sequence,
        number: u64,
        body: &T,
        entry: &Entry,
    ) -> Result<(), Error> {
        let name = format!("commit {number}");
        self.is_current()?;
        let text = serde_json::to_vec_pretty(body)
            .map_err(|e| Error::Format { path: name.clone(), reason: e.to_string() })?;
        self.record_before(sequence, number)?;
        match sequence.commit(number, &Bytes::from(text))? {
            Committed::Done => self.record(entry),
            Committed::Conflict => Err(Error::Conflict(name)),
        }
    }

    /// Puts the entry of the commit before `number` into the book, where whoever made it has not come
    /// so far. The newest commit is thus the only one whose entry can be missing, and the book tells
    /// the commits of a sequence in their order.
    fn record_before(&self, sequence: &Sequence, number: u64) -> Result<(), Error> {
        match number.checked_sub(1) {
            None | Some(0) => Ok(()),
            Some(before) => {
                let name = format!("commit {before}");
                self.record(&named_entry(&name, &sequence.read(before)?)?)
            }
        }
    }

    /// Puts an entry into the book, once, and publishes the checkpoint that holds it.
    pub fn record(&self, entry: &Entry) -> Result<(), Error> {
        self.is_current()?;
        if !self.log.contains(&entry.id())? {
            let at = self.log.append(std::slice::from_ref(entry))?;
            tracing::info!(id = %entry.id(), index = ?at.first(), "entry recorded");
        }
        Ok(())
    }

    /// Refuses to go on under keys that another has changed meanwhile.
    fn is_current(&self) -> Result<(), Error> {
        match self.log.trust() {
            Some(trust) if trust != self.trust => Err(log::Error::KeysChanged.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the number of entries in the book.
    pub fn book_size(&self) -> Result<u64, Error> {
        Ok(self.log.size()?)
    }

    /// Returns 32 random bytes: a person's key, a salt.
    pub fn random(&self) -> Result<[u8; 32], Error> {
        self.random.draw(self.keys.folder())
    }

    /// Returns a new random id of 128 bits for a commit.
    pub fn txn(&self) -> Result<String, Error> {
        Ok(hex(self.random()?.split_at(16).0))
    }
}

/// Reads the entry that a commit wants in the book.
fn named_entry(path: &str, body: &[u8]) -> Result<Entry, Error> {
    let fault = |reason: String| Error::Format { path: path.to_owned(), reason };
    let commit: Value = serde_json::from_slice(body).map_err(|e| fault(e.to_string()))?;
    let text = commit
        .get("entry")
        .and_then(Value::as_str)
        .ok_or_else(|| fault("it names no entry".to_owned()))?;
    Ok(Entry::parse(text.as_bytes())?)
}
