//! What one commit of the register holds: its events, its new people, and a keyed root over both.
//!
//! Comes in: events that are news. Goes out: Parquet objects named by their content, and [`Commit`]s.
//! Never: an object that is read without its digest being checked.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{
        ArrayRef, Date32Array, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{Field, Schema},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    event::Event,
    people::People,
    register::{Register, days},
};
use crate::{
    digest::{Sha3Digest, Sha256, hmac_sha3_parts},
    instant::Instant,
    ledger::tree,
    party::ContributorId,
    purpose::Purpose,
    redaction::standing,
    store::{Sequence, Store},
};

/// An object of the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its path in the vault.
    pub path: String,
    /// The SHA3-256 digest of its bytes.
    pub digest: Sha3Digest,
    /// Its rows.
    pub count: u64,
}

/// `vault/consent/commits/<n>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// A random id of this commit.
    pub txn: String,
    /// Its number, from 1.
    pub number: u64,
    /// When it was recorded.
    pub time: Instant,
    /// Its events.
    pub events: Object,
    /// The people it was the first to tell of, each with their key.
    pub contributors: Option<Object>,
    /// How many of its events give: grants and opt-ins.
    pub grants: u64,
    /// How many take: withdrawals and opt-outs.
    pub withdrawals: u64,
    /// The RFC 6962 root over the sorted commitments of its events.
    pub root: Sha256,
    /// The ledger entry of this commit, as its bytes stand in the log.
    pub entry: String,
}

/// A commit in the making: its objects' bytes, and what its manifest and entry say.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The number it will have.
    pub number: u64,
    /// Its events, with their bytes.
    pub events: (Object, Bytes),
    /// Its new people, with their bytes.
    pub contributors: Option<(Object, Bytes)>,
    /// How many people are new.
    pub people_new: u64,
    /// How many events give: grants and opt-ins.
    pub grants: u64,
    /// How many take: withdrawals and opt-outs.
    pub withdrawals: u64,
    /// The root over the commitments of its events.
    pub root: Sha256,
    /// All purposes that its events name.
    pub purposes: BTreeSet<Purpose>,
}

impl Batch {
    /// Writes the objects; writing them again is the same as once.
    pub fn write(&self, vault: &Store) -> Result<(), Error> {
        if let Some((object, bytes)) = &self.contributors {
            vault.put_content(&object.path, bytes)?;
        }
        Ok(vault.put_content(&self.events.0.path, &self.events.1)?)
    }

    /// Returns the manifest.
    pub fn commit(&self, txn: String, time: Instant, entry: &str) -> Commit {
        Commit {
            txn,
            number: self.number,
            time,
            events: self.events.0.clone(),
            contributors: self.contributors.as_ref().map(|(object, _)| object.clone()),
            grants: self.grants,
            withdrawals: self.withdrawals,
            root: self.root,
            entry: entry.to_owned(),
        }
    }
}

/// Prepares the next commit. `events` are news to the register and in order; `fresh` gives 32
/// random bytes for each person it does not know.
pub fn prepare(
    register: &Register,
    events: &[Event],
    recorded_at: Instant,
    source: &str,
    fresh: &mut dyn FnMut() -> Result<[u8; 32], Error>,
) -> Result<Batch, Error> {
    let known = register.people();
    let mut newcomers: Vec<&ContributorId> = events
        .iter()
        .map(Event::contributor)
        .filter(|id| known.index(id.as_str()).is_none())
        .collect();
    newcomers.sort_unstable();
    newcomers.dedup();
    let mut people = Vec::with_capacity(newcomers.len());
    for id in newcomers {
        people.push((id, fresh()?));
    }
    let new = People::new(people.iter().map(|(id, key)| ((*id).clone(), *key)).collect())?;
    let first = register.seq_max() + 1;
    let leaf = |(at, event): (usize, &Event)| {
        let id = event.contributor().as_str();
        let keyed = [known.as_ref(), &new].into_iter().find_map(|p| p.key(p.index(id)?));
        let key = keyed.ok_or_else(|| Error::format("consent", "a person has no key"))?;
        Ok(commitment(key, first + at as u64, event))
    };
    let mut leaves: Vec<[u8; 32]> =
        events.par_iter().enumerate().map(leaf).collect::<Result<_, Error>>()?;
    // Sorted, so that the root tells nothing of the order of people in a file.
    leaves.par_sort_unstable();
    let grants = events.iter().filter(|event| event.action().gives()).count() as u64;
    let contributors = if people.is_empty() {
        None
    } else {
        Some(object("contributors", &contributors(&people)?)?)
    };
    Ok(Batch {
        number: register.commit() + 1,
        events: object("events", &self::events(events, first, recorded_at, source)?)?,
        contributors,
        people_new: people.len() as u64,
        grants,
        withdrawals: events.len() as u64 - grants,
        root: tree::root(&leaves),
        purposes: events.iter().flat_map(|e| e.terms().purposes()).cloned().collect(),
    })
}

/// The commitment to one event under its person's key: only who holds the key can tell which event
/// it stands for, and the number in it keeps equal decisions apart. The parts, framed by
/// [`hmac_sha3_parts`]: label, number (8 bytes), contributor, action, purposes, institutions and
/// categories as the Parquet columns hold them, first day (4 bytes of days since 1970-01-01), end
/// (the same, or nothing), decided (8 bytes of Unix seconds); integers big-endian.
pub fn commitment(key: &[u8; 32], seq: u64, event: &Event) -> [u8; 32] {
    let terms = event.terms();
    let until = event.valid_until().map(days);
    hmac_sha3_parts(
        key,
        &[
            b"almoner/consent-event/v1",
            &seq.to_be_bytes(),
            event.contributor().as_str().as_bytes(),
            event.action().as_str().as_bytes(),
            terms.purposes_text().as_bytes(),
            terms.institutions_text().as_bytes(),
            terms.categories_text().as_bytes(),
            &days(event.valid_from()).to_be_bytes(),
            until.map(i32::to_be_bytes).as_ref().map_or(&[], |bytes| bytes.as_slice()),
            &event.decided_at().unix().to_be_bytes(),
        ],
    )
}

pub(super) fn contributors(people: &[(&ContributorId, [u8; 32])]) -> Result<RecordBatch, Error> {
    let ids: StringArray = people.iter().map(|(id, _)| Some(id.as_str())).collect();
    let keys = people.iter().map(|(_, key)| Some(key.as_slice()));
    let keys = FixedSizeBinaryArray::try_from_sparse_iter_with_size(keys, 32);
    let keys = keys.map_err(Error::written)?;
    batch(vec![("contributor", Arc::new(ids), false), ("key", Arc::new(keys), false)])
}

pub(super) fn events(
    events: &[Event],
    first: u64,
    recorded_at: Instant,
    source: &str,
) -> Result<RecordBatch, Error> {
    let numbers = (first..).zip(events).map(|(seq, _)| i64::try_from(seq).unwrap_or(i64::MAX));
    let seq: Int64Array = numbers.collect::<Vec<_>>().into();
    let text = |cell: &dyn Fn(&Event) -> String| -> ArrayRef {
        Arc::new(events.iter().map(|event| Some(cell(event))).collect::<StringArray>())
    };
    let ids: StringArray = events.iter().map(|e| Some(e.contributor().as_str())).collect();
    let actions: StringArray = events.iter().map(|e| Some(e.action().as_str())).collect();
    let sources: StringArray = events.iter().map(|_| Some(source)).collect();
    let from: Date32Array = events.iter().map(|e| Some(days(e.valid_from()))).collect();
    let until: Date32Array = events.iter().map(|e| e.valid_until().map(days)).collect();
    let instants = |cell: &dyn Fn(&Event) -> Instant| -> ArrayRef {
        let micros = |e: &Event| cell(e).unix().saturating_mul(1_000_000);
        let array: TimestampMicrosecondArray = events.iter().map(micros).collect::<Vec<_>>().into();
        Arc::new(array.with_timezone("UTC"))
    };
    batch(vec![
        ("seq", Arc::new(seq), false),
        ("contributor", Arc::new(ids), false),
        ("action", Arc::new(actions), false),
        ("purposes", text(&|e| e.terms().purposes_text()), false),
        ("institutions", text(&|e| e.terms().institutions_text()), false),
        ("categories", text(&|e| e.terms().categories_text()), false),
        ("valid_from", Arc::new(from), false),
        ("valid_until", Arc::new(until), true),
        ("decided_at", instants(&Event::decided_at), false),
        ("recorded_at", instants(&|_| recorded_at), false),
        ("source", Arc::new(sources), false),
    ])
}

fn batch(columns: Vec<(&str, ArrayRef, bool)>) -> Result<RecordBatch, Error> {
    let fields = columns
        .iter()
        .map(|(name, array, nullable)| Field::new(*name, array.data_type().clone(), *nullable));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    RecordBatch::try_new(schema, arrays).map_err(Error::written)
}

fn object(kind: &str, batch: &RecordBatch) -> Result<(Object, Bytes), Error> {
    let level = ZstdLevel::try_new(3).map_err(Error::written)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))
        .map_err(Error::written)?;
    writer.write(batch).map_err(Error::written)?;
    writer.close().map_err(Error::written)?;
    let digest = Sha3Digest::of(&bytes);
    let path = format!("consent/{kind}/{digest}.parquet");
    Ok((Object { path, digest, count: batch.num_rows() as u64 }, Bytes::from(bytes)))
}

/// Reads the commits up to a number; they must be 1, 2, 3, … without a gap.
pub(super) fn commits(vault: &Store, number: u64) -> Result<Vec<Commit>, Error> {
    let sequence = Sequence::new(vault, "consent/commits");
    let mut commits = Vec::new();
    for (found, expected) in sequence.numbers()?.into_iter().zip(1_u64..) {
        if expected > number {
            break;
        }
        let path = format!("consent/commits/{found:012}.json");
        let commit: Commit = serde_json::from_slice(&sequence.read(found)?)
            .map_err(|_| Error::format(&path, "it is no manifest of a consent commit"))?;
        if found != expected || commit.number != expected {
            return Err(Error::format(&path, format!("commit {expected} should be here")));
        }
        commits.push(commit);
    }
    Ok(commits)
}

/// Reads an object and checks its digest and count; rows of people who were erased are left out.
pub(super) fn read(vault: &Store, object: &Object) -> Result<Vec<RecordBatch>, Error> {
    let bytes = vault.get(&object.path)?;
    if Sha3Digest::of(&bytes) != object.digest {
        return Err(Error::Changed { path: object.path.clone() });
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(Error::read)?;
    let reader = reader.with_batch_size(1 << 16).build().map_err(Error::read)?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(Error::read)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows as u64 != object.count {
        return Err(Error::Changed { path: object.path.clone() });
    }
    batches.iter().map(standing).collect::<Result<_, _>>().map_err(Error::read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::event::{Action, Terms};

    fn grant(id: &str) -> Event {
        Event::new(
            ContributorId::parse(id).unwrap(),
            Action::Grant,
            Arc::new(Terms::parse("DUO:0000006", "*", "*").unwrap()),
            None,
            Some("2030-01-01".parse().unwrap()),
            Instant::parse("2026-05-01T10:00:00Z").unwrap(),
        )
        .unwrap()
    }

    fn record(store: &Store, register: &Register, events: Vec<Event>) -> Batch {
        let now = Instant::parse("2026-06-01T00:00:00Z").unwrap();
        let mut next = 0;
        let mut fresh = || {
            next += 1;
            Ok([next; 32])
        };
        let news = register.news(events);
        let batch = prepare(register, &news, now, "test", &mut fresh).unwrap();
        batch.write(store).unwrap();
        let body = serde_json::to_vec(&batch.commit("t".into(), now, "{}")).unwrap();
        let sequence = Sequence::new(store, "consent/commits");
        let done = sequence.commit(batch.number, &body.into()).unwrap();
        assert_eq!(done, crate::store::Committed::Done);
        batch
    }

    #[test]
    fn a_commit_reads_back_whole_and_an_earlier_register_stays_readable() {
        let store = Store::open("memory://consent-batch").unwrap();
        let empty = Register::load(&store).unwrap();
        assert_eq!((empty.commit(), empty.event_count()), (0, 0));
        record(&store, &empty, vec![grant("b"), grant("a"), grant("b")]);
        let one = Register::load(&store).unwrap();
        assert_eq!((one.commit(), one.event_count()), (1, 2), "one decision was recorded twice");
        let second = record(&store, &one, vec![grant("a"), grant("c")]);
        assert_eq!((second.number, second.people_new, second.grants), (2, 1, 1));
        let two = Register::load(&store).unwrap();
        assert_eq!(two.event_count(), 3);
        assert_eq!(two.events(grant("c").contributor()).unwrap()[0].event, grant("c"));
        assert_eq!(two.events(grant("c").contributor()).unwrap()[0].seq, 3);
        let a = two.people().index("a").unwrap();
        assert_eq!(two.people().key(a), one.people().key(a), "a key changed with a later commit");
        assert_eq!(Register::load_at(&store, 1).unwrap().event_count(), 2);
        assert!(two.news(vec![grant("a"), grant("b"), grant("c")]).is_empty());
    }

    #[test]
    fn a_changed_object_is_noticed() {
        let store = Store::open("memory://consent-changed").unwrap();
        let batch = record(&store, &Register::load(&store).unwrap(), vec![grant("a")]);
        let (object, bytes) = batch.events;
        let mut changed = bytes.to_vec();
        changed[20] ^= 1;
        store.put(&object.path, changed.into()).unwrap();
        assert!(matches!(Register::load(&store), Err(Error::Changed { .. })));
    }

    #[test]
    fn a_commitment_hides_its_event_without_the_key() {
        let one = commitment(&[1; 32], 1, &grant("a"));
        assert_ne!(one, commitment(&[2; 32], 1, &grant("a")));
        assert_ne!(one, commitment(&[1; 32], 2, &grant("a")));
        assert_eq!(one, commitment(&[1; 32], 1, &grant("a")));
    }
}
