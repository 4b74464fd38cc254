//! Acts on people and keys that die at each of their writes to the store, one life a write, and are begun
//! again: all that is stored in the end is what the undisturbed act leaves.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use almoner::store::{Error, Store};
use object_store::memory::InMemory;

use super::{
    commons,
    fault_store::{Disk, FaultStore, Trouble, When},
    life::{Life, told},
};

/// Every object by its path, as it is once it is opened; of the keys of data how many there are that live:
/// a rotation that is begun again makes one more, and destroys the one before.
fn stored(life: &Life, store: &Store, keys: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let site = life.finished(store.clone(), keys)?;
    let listed = site.keyring().list().map_err(told)?;
    let living = listed.iter().filter(|(_, wrapped)| wrapped.is_some()).count();
    let mut all = BTreeMap::from([("living keys".to_owned(), living.to_string().into_bytes())]);
    for (name, zone) in [
        ("vault", site.vault()),
        ("lake", site.lake()),
        ("ledger", site.ledger()),
        ("", site.public()),
    ] {
        for object in zone.list("").map_err(told)? {
            if name == "vault" && object.path.starts_with("keyring/") {
                continue;
            }
            let bytes = match zone.get(&object.path) {
                Ok(bytes) => bytes.to_vec(),
                Err(Error::Destroyed { .. }) => b"destroyed".to_vec(),
                Err(error) => return Err(told(error)),
            };
            all.insert(format!("{name}/{}", object.path), bytes);
        }
    }
    Ok(all)
}

/// Stops an act before each of its writes; returns how many there are.
fn stop(life: &Life, name: &str) -> Result<usize, String> {
    let (start, files, act) = life.before(name)?;
    let over = |stored: &Arc<InMemory>| Store::over(Arc::clone(stored) as Arc<_>);
    let (undisturbed, keys) = (Arc::new(start.fork()), files.put_down());
    Life::attempt_alone(act, over(&undisturbed), keys.path())?;
    let expected = stored(life, &over(&undisturbed), keys.path())?;
    for write in 0.. {
        let (disk, keys) = (Disk::new(start.fork()), files.put_down());
        let dies_at = Some((write, When::Before));
        let trouble = Trouble { dies_at, ..Trouble::none() };
        let dying = Store::over(Arc::new(FaultStore::new(&disk, trouble, None)));
        let done = Life::attempt_alone(act, dying, keys.path());
        let again = over(&disk.stored);
        if done.is_err() {
            let at = |error| format!("begun again after it died at write {write}: {error}");
            Life::attempt_alone(act, again.clone(), keys.path()).map_err(at)?;
        }
        let found = stored(life, &again, keys.path());
        let found = found.map_err(|error| format!("died at write {write}: {error}"))?;
        let differs = |path: &&String| found.get(*path) != expected.get(*path);
        if let Some(path) = found.keys().chain(expected.keys()).find(differs) {
            return Err(format!("died at write {write}: `{path}` is not what it is undisturbed"));
        }
        if done.is_ok() {
            return Ok(write);
        }
    }
    Ok(0)
}

fn stops(name: &str, writes_min: usize) {
    let folder = tempfile::tempdir().unwrap();
    let life = commons::life(folder.path());
    let writes = stop(&life, name).map_err(|error| format!("`{name}`: {error}")).unwrap();
    assert!(
        writes >= writes_min,
        "`{name}` made {writes} writes: it was not stopped amid its work"
    );
    println!("{name}: stopped at each of {writes} writes");
}

#[test]
fn an_erasure_that_dies_at_any_write_and_is_begun_again_leaves_what_an_undisturbed_one_does() {
    stops("erasure", 40);
}

#[test]
fn a_change_of_keys_that_dies_at_any_write_and_is_begun_again_leaves_what_an_undisturbed_one_does()
{
    stops("rotation", 4);
    stops("rotation of the log", 4);
    stops("a new key for the vault", 30);
}
