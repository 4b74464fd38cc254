//! Flipped bits in the Parquet objects of a whole site: `verify --deep` finds each and names the object.

use almoner::{
    pipeline::audit::Files,
    site::Site,
    store::{Error, Store},
};
use bytes::Bytes;

use super::{commons, dice::Dice, number};

/// How many bits are flipped, unless `ALMONER_FLIPS` says otherwise.
const FLIPS: u64 = 1_000;

const ADDRESS: &str = "memory://deep-flips/site";

#[test]
fn a_flipped_bit_in_any_parquet_object_is_found_and_the_object_named() {
    let folder = tempfile::tempdir().unwrap();
    let life = commons::life(folder.path());
    let keys = folder.path().join("deep-keys");
    let mut site = Site::init(ADDRESS, &keys, "deep.example/ledger", life.made()).unwrap();
    life.act_all(&mut site).unwrap();
    let store = Store::open(ADDRESS).unwrap();
    let listed = store.list("").unwrap();
    // What an erasure destroyed opens with no key: nobody can say what it was.
    let lake = site.lake();
    let is_destroyed = |path: &String| {
        let within = path.strip_prefix("lake/").map(|path| lake.find(path));
        matches!(within, Some(Err(Error::Destroyed { .. })))
    };
    let tables = listed.into_iter().map(|o| o.path).filter(|path| path.ends_with(".parquet"));
    let objects: Vec<String> = tables.filter(|path| !is_destroyed(path)).collect();
    assert!(objects.iter().any(|path| path.starts_with("lake/")), "no segment: {objects:?}");
    let found = || -> Vec<String> {
        let seen = Files::open(ADDRESS, &keys).unwrap().rehash().unwrap();
        seen.findings.into_iter().map(|finding| finding.object).collect()
    };
    assert_eq!(found(), Vec::<String>::new(), "a good site has findings");
    let mut dice = Dice::new(20_261_126, &["deep"]);
    let flips = number("ALMONER_FLIPS").unwrap_or(FLIPS);
    for nth in 0..flips {
        let object = &objects[dice.below(objects.len())];
        let good = store.get(object).unwrap();
        let bit = dice.below(good.len() * 8);
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        store.put(object, Bytes::from(bad)).unwrap();
        let named = found();
        assert!(named.contains(object), "flip {nth}: bit {bit} of `{object}`: {named:?}");
        store.put(object, good).unwrap();
    }
    println!("deep: {flips} flips in {} Parquet objects found", objects.len());
}
