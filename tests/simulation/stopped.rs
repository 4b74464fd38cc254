//! Acts on people and keys that die at each of their writes to the store, or to whom each of their listings
//! hides the newest objects, one life a fault, and that are begun again: all that is stored in the end is what
//! the undisturbed act leaves.

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

/// Lets an act meet the first fault of a kind, then the second, until there is none; returns how many there
/// are.
fn disturb(life: &Life, name: &str, fault: impl Fn(usize) -> Trouble) -> Result<usize, String> {
    let (start, files, act) = life.before(name)?;
    let over = |stored: &Arc<InMemory>| Store::over(Arc::clone(stored) as Arc<_>);
    let (undisturbed, keys) = (Arc::new(start.fork()), files.put_down());
    Life::attempt_alone(act, over(&undisturbed), keys.path())?;
    let expected = stored(life, &over(&undisturbed), keys.path())?;
    for nth in 0.. {
        let (disk, keys) = (Disk::new(start.fork()), files.put_down());
        let disturbed = Store::over(Arc::new(FaultStore::new(&disk, fault(nth), None)));
        let done = Life::attempt_alone(act, disturbed, keys.path());
        let again = over(&disk.stored);
        if done.is_err() {
            let at = |error| format!("begun again after fault {nth}: {error}");
            Life::attempt_alone(act, again.clone(), keys.path()).map_err(at)?;
        }
        let found = stored(life, &again, keys.path());
        let found = found.map_err(|error| format!("after fault {nth}: {error}"))?;
        let differs = |path: &&String| found.get(*path) != expected.get(*path);
        if let Some(path) = found.keys().chain(expected.keys()).find(differs) {
            return Err(format!("after fault {nth}: `{path}` is not what it is undisturbed"));
        }
        if disk.struck().is_empty() {
            done.map_err(|error| format!("it fails undisturbed: {error}"))?;
            return Ok(nth);
        }
    }
    Ok(0)
}

fn stops(name: &str, writes_min: usize) {
    let folder = tempfile::tempdir().unwrap();
    let life = commons::life(folder.path());
    let dies = |write| Trouble { dies_at: Some((write, When::Before)), ..Trouble::none() };
    let writes = disturb(&life, name, dies);
    let writes = writes.map_err(|error| format!("`{name}`: {error}")).unwrap();
    assert!(
        writes >= writes_min,
        "`{name}` made {writes} writes: it was not stopped amid its work"
    );
    println!("{name}: stopped at each of {writes} writes");
}

fn is_shown_old_listings(name: &str, listings_min: usize) {
    let folder = tempfile::tempdir().unwrap();
    let life = commons::life(folder.path());
    let behind = |listing| Trouble { behind_at: Some(listing), ..Trouble::none() };
    let listings = disturb(&life, name, behind);
    let listings = listings.map_err(|error| format!("`{name}`: {error}")).unwrap();
    assert!(listings >= listings_min, "`{name}` asked for {listings} listings");
    println!("{name}: each of {listings} listings was behind");
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

/// If it failed, a listing that is behind would cost the site objects whose key is destroyed, or leave some
/// of an erased person's.
#[test]
fn an_erasure_or_a_new_key_to_which_any_listing_is_old_misses_no_object() {
    is_shown_old_listings("erasure", 10);
    is_shown_old_listings("a new key for the vault", 5);
}
