//! The vault and the lake of a small site: sealed, rotated, destroyed, killed on the way, and looked at by
//! somebody who kept an older copy.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::metadata::KeyValue,
};
use proptest::prelude::*;

use super::{Closed, Error, KeyName, Keyring, SiteKey, cipher, segments};
use crate::{
    digest::Sha3Digest,
    lake::segment_properties,
    store::{self, Sequence, Store, stop},
};

/// A site of folders with a key folder beside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.keys()).unwrap();
        fs::set_permissions(place.keys(), fs::Permissions::from_mode(0o700)).unwrap();
        place
    }

    fn sealed() -> Self {
        let place = Self::new();
        SiteKey::new(&place.keys(), None).create().unwrap();
        place
    }

    fn keys(&self) -> std::path::PathBuf {
        self.folder.path().join("keys")
    }

    fn site(&self) -> std::path::PathBuf {
        self.folder.path().join("site")
    }

    fn store(&self) -> Store {
        Store::open(self.site().to_str().unwrap()).unwrap()
    }

    fn keyring(&self) -> Keyring {
        Keyring::new(&self.store(), SiteKey::new(&self.keys(), None))
    }

    /// Copies the site, as a backup does, and names the copy with the keys that there are now.
    fn backup(&self, name: &str) -> Keyring {
        let to = self.folder.path().join(name);
        copy(&self.site(), &to);
        Keyring::new(&Store::open(to.to_str().unwrap()).unwrap(), SiteKey::new(&self.keys(), None))
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// A plain segment, by the properties that segments have.
fn segment(dataset: &str, version: u64, rows: &RecordBatch, people: u64) -> Bytes {
    let pair = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let pairs = vec![
        pair("almoner.dataset", dataset.to_owned()),
        pair("almoner.version", version.to_string()),
    ];
    let person = parquet::schema::types::ColumnPath::from("person");
    let properties = segment_properties()
        .set_column_bloom_filter_enabled(person.clone(), true)
        .set_column_bloom_filter_max_ndv(person, people.max(1))
        .set_key_value_metadata(Some(pairs))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    bytes.into()
}

fn rows(count: usize) -> RecordBatch {
    let count = i32::try_from(count).unwrap();
    table((0..count).map(|n| {
        (usize::try_from(n / 3).unwrap(), Some(n.into()), Some(f64::from(n) / 7.0), Some(n))
    }))
}

type Row = (usize, Option<i64>, Option<f64>, Option<i32>);

fn table(rows: impl Iterator<Item = Row>) -> RecordBatch {
    let rows: Vec<Row> = rows.collect();
    let schema = Schema::new(vec![
        Field::new("person", DataType::Utf8, false),
        Field::new("count", DataType::Int64, true),
        Field::new("value", DataType::Float64, true),
        Field::new("day", DataType::Date32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| Some(format!("{:032x}", row.0))).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.3).collect::<Date32Array>()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn path_of(dataset: &str, plain: &Bytes) -> String {
    format!("{dataset}/segments/{}.parquet", Sha3Digest::of(plain))
}

#[test]
fn what_is_written_to_a_sealed_vault_is_read_back_and_lies_there_sealed() {
    let place = Place::sealed();
    let vault = place.keyring().vault();
    vault.put("a/b", Bytes::from_static(b"who is who")).unwrap();
    let stored = place.store().get("vault/a/b").unwrap();
    assert!(!stored.windows(6).any(|w| w == b"who is"), "the object lies in the open");
    assert_eq!(place.keyring().vault().get("a/b").unwrap(), "who is who");
    assert_eq!(place.keyring().vault().zone("a").get("b").unwrap(), "who is who");
    vault.put("a/b", Bytes::from_static(b"who is who")).unwrap();
    assert_eq!(place.store().get("vault/a/b").unwrap(), stored, "the same was written anew");
    vault.put_content("a/c", &Bytes::from_static(b"x")).unwrap();
    vault.put_content("a/c", &Bytes::from_static(b"x")).unwrap();
    let sequence = Sequence::new(&vault, "commits");
    let body = Bytes::from_static(b"{}");
    assert_eq!(sequence.commit(1, &body).unwrap(), store::Committed::Done);
    assert_eq!(sequence.commit(1, &body).unwrap(), store::Committed::Done, "a retry is a conflict");
    assert_eq!(
        sequence.commit(1, &Bytes::from_static(b"[]")).unwrap(),
        store::Committed::Conflict,
        "another's commit was taken for ours"
    );
}

#[test]
fn a_changed_moved_or_plain_object_does_not_open() {
    let place = Place::sealed();
    let vault = place.keyring().vault();
    vault.put("a", Bytes::from_static(b"content")).unwrap();
    let stored = place.store().get("vault/a").unwrap();
    for bit in 0..stored.len() * 8 {
        let mut bent = stored.to_vec();
        bent[bit / 8] ^= 1 << (bit % 8);
        place.store().put("vault/a", bent.into()).unwrap();
        let error = vault.get("a").unwrap_err();
        assert!(matches!(error, store::Error::Sealed { .. }), "bit {bit} was changed unseen");
    }
    place.store().put("vault/b", stored.clone()).unwrap();
    assert!(vault.get("b").is_err(), "one object stands in for another");
    place.store().put("vault/c", Bytes::from_static(b"plain")).unwrap();
    let error = vault.get("c").unwrap_err().to_string();
    assert!(error.contains("not sealed"), "{error}");
    place.store().put("vault/a", stored).unwrap();
    assert_eq!(vault.get("a").unwrap(), "content");
}

#[test]
fn a_wrapped_key_is_taken_under_its_own_name_alone() {
    let place = Place::sealed();
    let keyring = place.keyring();
    keyring.vault().put("a", Bytes::from_static(b"x")).unwrap();
    let plain = segment("d", 1, &rows(5), 2);
    keyring.lake().put_content(&path_of("d", &plain), &plain).unwrap();
    let other = place.store().get("vault/keyring/lake/d@1/1.json").unwrap();
    let dressed = String::from_utf8(other.to_vec()).unwrap().replace("lake/d@1/1", "vault/1");
    place.store().put("vault/keyring/vault/1.json", dressed.into()).unwrap();
    let error = place.keyring().vault().get("a").unwrap_err().to_string();
    assert!(error.contains("does not open"), "a version's key stands for the vault's: {error}");
}

#[test]
fn nobody_without_the_site_key_can_say_that_a_key_was_destroyed() {
    let place = Place::sealed();
    let plain = segment("d", 1, &rows(5), 2);
    let path = path_of("d", &plain);
    place.keyring().lake().put_content(&path, &plain).unwrap();
    place.keyring().vault().put("a", Bytes::from_static(b"x")).unwrap();
    let (record, object) = ("vault/keyring/lake/d@1/1.json", "vault/a");
    let (living, older) = (place.store().get(record).unwrap(), place.store().get(object).unwrap());
    place.store().put(record, Bytes::from_static(b"{\"key\":\"lake/d@1/1\"}")).unwrap();
    let error = place.keyring().lake().get(&path).unwrap_err();
    assert!(matches!(error, store::Error::Sealed { .. }), "a forged word was taken: {error}");
    place.store().put(record, living.clone()).unwrap();
    place.keyring().destroy_version("d", 1).unwrap();
    place.store().put(record, living).unwrap();
    let error = place.keyring().lake().get(&path).unwrap_err();
    assert!(matches!(error, store::Error::Sealed { .. }), "an older record came back: {error}");
    place.keyring().rotate_vault(&|_, _| {}).unwrap_err();
    let error = place.keyring().vault().get("a").map(drop);
    assert!(error.is_ok(), "a rotation that cannot be finished lost an object: {error:?}");
    place.store().put(object, older).unwrap();
    assert!(place.keyring().vault().get("a").is_ok(), "no rotation was finished");
}

#[test]
fn after_a_rotation_no_key_opens_an_older_copy() {
    let place = Place::sealed();
    let keyring = place.keyring();
    keyring.vault().put("a", Bytes::from_static(b"who is who")).unwrap();
    let plain = segment("d", 1, &rows(5), 2);
    keyring.lake().put_content(&path_of("d", &plain), &plain).unwrap();
    let backup = place.backup("backup");
    assert_eq!(backup.vault().get("a").unwrap(), "who is who");
    let renewed = keyring.rotate_vault(&|_, _| {}).unwrap();
    assert_eq!(renewed.made, [KeyName::Vault { epoch: 2 }]);
    assert_eq!(renewed.destroyed, [KeyName::Vault { epoch: 1 }]);
    assert_eq!(place.keyring().vault().get("a").unwrap(), "who is who");
    assert_eq!(place.keyring().lake().get(&path_of("d", &plain)).unwrap(), plain);
    let older = backup.raw_vault().get("a").unwrap();
    place.store().put("vault/a", older).unwrap();
    let error = place.keyring().vault().get("a").unwrap_err();
    assert!(matches!(error, store::Error::Sealed { .. }), "an older object came back: {error}");
    keyring.vault().put("a", Bytes::from_static(b"who is who")).unwrap();
    let late = place.backup("backup-of-now");
    assert_eq!(late.vault().get("a").unwrap(), "who is who", "the new keys open nothing");
    let old = Keyring::new(
        &Store::open(place.folder.path().join("backup").to_str().unwrap()).unwrap(),
        SiteKey::new(&place.keys(), None),
    );
    assert!(old.vault().get("a").is_err(), "the backup opens after its key was destroyed");
    assert!(old.lake().get(&path_of("d", &plain)).is_err(), "and so does its lake");
}

#[test]
fn a_reader_that_was_open_before_a_rotation_reads_on() {
    let place = Place::sealed();
    place.keyring().vault().put("a", Bytes::from_static(b"x")).unwrap();
    let reader = place.keyring();
    assert_eq!(reader.vault().get("a").unwrap(), "x");
    place.keyring().rotate_vault(&|_, _| {}).unwrap();
    assert_eq!(reader.vault().get("a").unwrap(), "x", "it needs to be opened anew");
}

#[test]
fn keys_are_not_changed_while_somebody_else_writes() {
    let place = Place::sealed();
    let writer = place.keyring();
    writer.vault().put("a", Bytes::from_static(b"x")).unwrap();
    assert!(matches!(place.keyring().rotate_vault(&|_, _| {}), Err(Error::Busy)));
    writer.rotate_vault(&|_, _| {}).unwrap();
    place.keyring().rotate_vault(&|_, _| {}).unwrap();
    writer.vault().put("b", Bytes::from_static(b"y")).unwrap();
    assert_eq!(place.keyring().vault().get("b").unwrap(), "y", "it sealed by a destroyed key");
}

#[test]
fn who_opened_the_site_before_the_vaults_key_was_renewed_writes_nothing_afterwards() {
    let place = Place::sealed();
    place.keyring().vault().put("a", Bytes::from_static(b"x")).unwrap();
    let early = place.keyring();
    early.note_epoch().unwrap();
    place.keyring().rotate_vault(&|_, _| {}).unwrap();
    assert!(early.vault().put("b", Bytes::from_static(b"y")).is_err(), "it wrote what it had read");
    assert!(matches!(early.take_part(), Err(Error::Renewed)), "it goes on at a second attempt");
    place.keyring().rotate_vault(&|_, _| {}).expect("who was refused shuts others out");
    let late = place.keyring();
    late.note_epoch().unwrap();
    late.vault().put("b", Bytes::from_static(b"y")).unwrap();
    late.rotate_vault(&|_, _| {}).unwrap();
    late.vault().put("c", Bytes::from_static(b"z")).expect("its own renewal keeps it from writing");
}

#[test]
fn who_shuts_others_out_does_so_through_every_act_on_keys_until_the_end() {
    let place = Place::sealed();
    let plain = segment("d", 1, &rows(5), 2);
    let keyring = place.keyring();
    keyring.lake().put_content(&path_of("d", &plain), &plain).unwrap();
    let alone = keyring.shut_out().unwrap();
    let busy = || matches!(place.keyring().shut_out(), Err(Error::Busy));
    assert!(busy(), "two have the site to themselves");
    keyring.destroy_version("d", 1).unwrap();
    assert!(busy(), "others were let in between two acts on keys");
    keyring.rotate_vault(&|_, _| {}).unwrap();
    assert!(busy(), "others were let in before the end");
    drop(alone);
    assert!(!busy(), "others are shut out for good");
}

#[test]
fn an_open_site_stays_as_it_is_until_a_rotation_seals_it() {
    let place = Place::new();
    let keyring = place.keyring();
    let plain = segment("d", 1, &rows(20), 7);
    let path = path_of("d", &plain);
    keyring.vault().put("a", Bytes::from_static(b"who")).unwrap();
    keyring.lake().put_content(&path, &plain).unwrap();
    assert_eq!(place.store().get("vault/a").unwrap(), "who", "an old site was sealed by chance");
    assert_eq!(place.store().zone("lake").get(&path).unwrap(), plain);
    assert_eq!(keyring.closed().unwrap(), Closed::Open);
    let renewed = keyring.rotate_vault(&|_, _| {}).unwrap();
    assert_eq!(renewed.objects, 2);
    assert_eq!(keyring.closed().unwrap(), Closed::Sealed);
    assert_ne!(place.store().get("vault/a").unwrap(), "who");
    assert!(place.store().zone("lake").get(&path).unwrap().ends_with(b"PARE"));
    for open in [keyring, place.keyring()] {
        assert_eq!(open.vault().get("a").unwrap(), "who");
        assert_eq!(open.lake().get(&path).unwrap(), plain);
    }
}

#[test]
fn a_destroyed_version_is_read_by_nobody_and_others_are() {
    let place = Place::sealed();
    let keyring = place.keyring();
    let plains: Vec<Bytes> = (1..=2).map(|n| segment("d", n, &rows(9), 3)).collect();
    for plain in &plains {
        keyring.lake().put_content(&path_of("d", plain), plain).unwrap();
    }
    let backup = place.backup("backup");
    let gone = keyring.destroy_version("d", 1).unwrap();
    assert_eq!(gone.iter().map(ToString::to_string).collect::<Vec<_>>(), ["lake/d@1/1"]);
    assert!(keyring.destroy_version("d", 1).unwrap().is_empty(), "done twice it did something");
    assert!(keyring.is_destroyed("d", 1).unwrap() && !keyring.is_destroyed("d", 2).unwrap());
    for open in [&keyring, &place.keyring()] {
        let error = open.lake().get(&path_of("d", &plains[0])).unwrap_err();
        assert!(matches!(error, store::Error::Destroyed { .. }), "{error}");
        assert_eq!(open.lake().get(&path_of("d", &plains[1])).unwrap(), plains[1]);
    }
    assert!(matches!(keyring.export("d", 1), Err(Error::Destroyed { .. })));
    backup.forget();
    assert!(backup.lake().get(&path_of("d", &plains[0])).is_err(), "a backup opens it");
    let again = keyring.lake().put_content(&path_of("d", &plains[0]), &plains[0]);
    assert!(again.is_err(), "the key came back");
    assert!(matches!(keyring.destroy_version("d", 3), Err(Error::Unknown { .. })));
}

#[test]
fn a_dataset_is_encrypted_anew_under_other_keys() {
    let place = Place::sealed();
    let keyring = place.keyring();
    let plains: Vec<Bytes> = (1..=3).map(|n| segment("d", n, &rows(9), 3)).collect();
    for plain in &plains {
        keyring.lake().put_content(&path_of("d", plain), plain).unwrap();
    }
    keyring.destroy_version("d", 2).unwrap();
    let (_, before) = keyring.export("d", 1).unwrap();
    let renewed = keyring.rotate_dataset("d", &|_, _| {}).unwrap();
    let names = |keys: &[KeyName]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&renewed.made), ["lake/d@1/2", "lake/d@3/2"]);
    assert_eq!(names(&renewed.destroyed), ["lake/d@1/1", "lake/d@3/1"]);
    assert_eq!(renewed.objects, 2);
    let (name, after) = keyring.export("d", 1).unwrap();
    assert_eq!(name.to_string(), "lake/d@1/2");
    assert_ne!(before, after);
    assert_eq!(place.keyring().lake().get(&path_of("d", &plains[0])).unwrap(), plains[0]);
    let error = keyring.lake().get(&path_of("d", &plains[1])).unwrap_err();
    assert!(matches!(error, store::Error::Destroyed { .. }), "a destroyed version came back");
}

#[test]
fn a_command_keeps_the_wrapping_key_instead_of_a_file() {
    let place = Place::new();
    let script = "/bin/sh\n-c\nif [ $0 = wrap ]; then base64 -w0; else base64 -d; fi\n";
    let key = || SiteKey::new(&place.keys(), Some(script));
    key().create().unwrap();
    let keyring = || Keyring::new(&place.store(), key());
    keyring().vault().put("a", Bytes::from_static(b"x")).unwrap();
    let record = place.store().get("vault/keyring/vault/1.json").unwrap();
    assert!(String::from_utf8_lossy(&record).contains("\"command\""));
    assert_eq!(place.keyring().vault().get("a").unwrap(), "x", "the folder names the command");
    // A rotation without it takes the wrapping back into a file.
    place.keyring().rotate_vault(&|_, _| {}).unwrap();
    let record = place.store().get("vault/keyring/vault/2.json").unwrap();
    assert!(String::from_utf8_lossy(&record).contains("\"file:"));
    assert_eq!(place.keyring().vault().get("a").unwrap(), "x");
}

/// Runs `act` stopped after each number of writes, and after each stop asks `whole`, then runs it again.
fn stopped(act: impl Fn(&Keyring) + Send + Sync, prepare: impl Fn(&Place), whole: impl Fn(&Place)) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    let mut stops = 0;
    for writes in 0.. {
        let place = Place::sealed();
        prepare(&place);
        let keyring = place.keyring();
        stop::after(writes);
        pool.install(|| act(&keyring));
        drop(keyring);
        if !stop::never() {
            break;
        }
        stops += 1;
        whole(&place);
        pool.install(|| act(&place.keyring()));
        whole(&place);
        let left: Vec<_> = place.keyring().list().unwrap();
        let alive = left
            .iter()
            .filter(|(name, under)| matches!(name, KeyName::Vault { .. }) && under.is_some());
        assert_eq!(alive.count(), 1, "an older key outlived the rotation that was run again");
    }
    assert!(stops > 3, "only {stops} stops were tried");
}

#[test]
fn a_rotation_stopped_at_any_write_loses_nothing_and_is_finished_by_the_next() {
    let plain = segment("d", 1, &rows(9), 3);
    stopped(
        |keyring| drop(keyring.rotate_vault(&|_, _| {})),
        |place| {
            let keyring = place.keyring();
            for n in 0..3 {
                keyring.vault().put(&format!("o/{n}"), Bytes::from(format!("object {n}"))).unwrap();
            }
            keyring.lake().put_content(&path_of("d", &plain), &plain).unwrap();
        },
        |place| {
            let keyring = place.keyring();
            for n in 0..3 {
                let read = keyring.vault().get(&format!("o/{n}")).unwrap();
                assert_eq!(read, format!("object {n}"), "an object was lost on the way");
            }
            assert_eq!(keyring.lake().get(&path_of("d", &plain)).unwrap(), plain);
        },
    );
}

#[test]
fn a_dataset_s_rotation_stopped_at_any_write_loses_nothing() {
    let plains: Vec<Bytes> = (1..=2).map(|n| segment("d", n, &rows(9), 3)).collect();
    stopped(
        |keyring| drop(keyring.rotate_dataset("d", &|_, _| {})),
        |place| {
            let keyring = place.keyring();
            keyring.vault().put("a", Bytes::from_static(b"x")).unwrap();
            for plain in &plains {
                keyring.lake().put_content(&path_of("d", plain), plain).unwrap();
            }
        },
        |place| {
            for plain in &plains {
                let read = place.keyring().lake().get(&path_of("d", plain)).unwrap();
                assert_eq!(read, plain, "a segment was lost on the way");
            }
        },
    );
}

#[test]
fn a_column_of_a_row_group_is_one_page_so_that_every_reader_opens_it() {
    let plain = segment("d", 1, &rows(50_000), 16_667);
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
        .with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Required)
        .parse_and_finish(&plain)
        .unwrap();
    assert_eq!(metadata.num_row_groups(), 3, "50,000 rows are three groups of 20,000 or fewer");
    let pages = metadata.offset_index().unwrap().iter().flatten();
    assert!(pages.clone().all(|column| column.page_locations().len() == 1));
    assert_eq!(pages.count(), 12);
}

#[test]
fn a_sealed_segment_tells_nothing_in_the_open_but_its_key_s_name() {
    let key = cipher::random_key().unwrap();
    let name = KeyName::parse("lake/d@1/1").unwrap();
    let plain = segment("d", 1, &rows(5_000), 1_667);
    let sealed = segments::encrypt(&plain, &name, &key).unwrap();
    assert_eq!(segments::key_of(&sealed), Some(name));
    for needle in ["person", "almoner.dataset", "0000000000000000000000000000"] {
        let found = sealed.windows(needle.len()).any(|w| w == needle.as_bytes());
        assert!(!found, "`{needle}` stands in the open");
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(sealed.clone());
    assert!(reader.is_err(), "it is read without a key");
    assert_eq!(segments::decrypt(&sealed, &key), Some(plain));
    assert_eq!(segments::decrypt(&sealed, &cipher::random_key().unwrap()), None);
    for at in (0..sealed.len()).step_by(sealed.len() / 300 + 1) {
        let mut bent = sealed.to_vec();
        bent[at] ^= 4;
        let opened = segments::decrypt(&bent, &key);
        // What stands before a page and what an index says is not needed to open: no harm, no change.
        assert!(
            opened.is_none() || opened == segments::decrypt(&sealed, &key),
            "byte {at} changed"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encrypted_comes_back_to_the_byte(
        drawn in proptest::collection::vec(
            (0_usize..40, any::<Option<i64>>(), any::<Option<f64>>(), any::<Option<i32>>()),
            0..400,
        ),
        times in 1_usize..200,
    ) {
        let count = drawn.len() * times;
        let rows = table(drawn.iter().cycle().take(count).copied());
        let key = cipher::random_key().unwrap();
        let plain = segment("d", 1, &rows, 40);
        let name = KeyName::parse("lake/d@1/1").unwrap();
        let sealed = segments::encrypt(&plain, &name, &key).unwrap();
        prop_assert_eq!(segments::decrypt(&sealed, &key), Some(plain));
    }
}
