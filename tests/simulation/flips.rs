//! Every bit of a small book: a flipped one is found and its object named; `repair` brings the bytes back,
//! and so it does for each object that is lost and for many at once.

use std::{collections::BTreeMap, sync::Arc};

use almoner::{
    instant::Instant,
    ledger::{Kind, repair::repair, verify_all},
    signed_note::{Signer, Verifier},
    site::Site,
    store::{Sequence, Store},
};
use bytes::Bytes;
use object_store::memory::InMemory;
use serde_json::json;

use super::dice::Dice;

const ORIGIN: &str = "flips.example/ledger";

/// A book with its keys: genesis and one commit more.
struct Book {
    zone: Store,
    known: [Verifier; 1],
    seeds: Vec<Signer>,
    good: BTreeMap<String, Bytes>,
}

impl Book {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Instant::parse("2026-11-26").unwrap();
        let store = Store::over(Arc::new(InMemory::new()));
        let site = Site::init_in(store, &folder.path().join("keys"), ORIGIN, now).unwrap();
        let mut body = serde_json::Map::new();
        body.insert("count".to_owned(), "<10".into());
        body.insert("root".to_owned(), "00".repeat(32).into());
        body.insert("commit".to_owned(), 1.into());
        body.insert("purposes".to_owned(), json!(["DUO:0000006"]));
        let entry = site.entry(Kind::ConsentBatch, &[], &[], &body).unwrap();
        site.record(&entry).unwrap();
        let zone = site.ledger();
        let known = [site.log_verifier().clone()];
        let mut book = Self { zone, known, seeds: site.keys().logs(), good: BTreeMap::new() };
        book.good = book.all();
        book
    }

    fn all(&self) -> BTreeMap<String, Bytes> {
        let listed = self.zone.list("").unwrap();
        listed.into_iter().map(|o| (o.path.clone(), self.zone.get(&o.path).unwrap())).collect()
    }

    fn findings(&self) -> Vec<String> {
        let seen = verify_all(&self.zone, ORIGIN, &self.known).unwrap();
        seen.findings.into_iter().map(|finding| finding.object).collect()
    }

    /// Repairs, and says what is left; what is there then must be what was there before.
    #[track_caller]
    fn repaired(&self, story: &str) {
        let before = self.all();
        let dry = repair(&self.zone, ORIGIN, &self.known, &self.seeds, true).unwrap();
        assert_eq!(self.all(), before, "{story}: a dry run wrote");
        assert!(!dry.mended.is_empty(), "{story}: a dry run sees nothing to mend: {dry:?}");
        let done = repair(&self.zone, ORIGIN, &self.known, &self.seeds, false).unwrap();
        assert_eq!(done.left, [], "{story}: it is not mended");
        assert_eq!(self.all(), self.good, "{story}: it is mended into something else");
    }
}

#[test]
fn every_flipped_bit_of_a_book_is_found_and_its_object_named_and_repaired() {
    let book = Book::new();
    assert_eq!(book.findings(), Vec::<String>::new(), "a good book has findings");
    let counts: Vec<[u64; 2]> = std::thread::scope(|scope| {
        let halves: Vec<_> =
            (0..2).map(|half| scope.spawn(move || flipped(&Book::new(), half))).collect();
        halves.into_iter().map(|half| half.join().unwrap()).collect()
    });
    let [flips, repairs] = [0, 1].map(|nth| counts.iter().map(|count| count[nth]).sum::<u64>());
    println!("flips: {flips} bits of {} objects found, {repairs} repaired", book.good.len());
}

/// Flips every second bit, the even or the odd ones, and puts it back; returns how many were flipped and
/// how many of those were repaired.
fn flipped(book: &Book, half: usize) -> [u64; 2] {
    let mut dice = Dice::new(20_261_126, &["flips"]);
    let mut counts = [0, 0];
    for (object, good) in &book.good {
        for bit in (half..good.len() * 8).step_by(2) {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            book.zone.put(object, bad.into()).unwrap();
            let found = book.findings();
            assert!(found.contains(object), "bit {bit} of `{object}` is not named: {found:?}");
            counts[0] += 1;
            if dice.once_in(50) {
                book.repaired(&format!("bit {bit} of `{object}`"));
                counts[1] += 1;
            }
            book.zone.put(object, good.clone()).unwrap();
        }
    }
    counts
}

#[test]
fn lost_objects_are_made_again_one_by_one_and_together() {
    let book = Book::new();
    // The newest checkpoint vouches for all before it, and the tiles of size two hold those of one:
    // that these are gone is no fault of the book.
    let older = ["checkpoints/1", "tile/0/000.p/1", "tile/entries/000.p/1"];
    for object in book.good.keys().filter(|object| !older.contains(&object.as_str())) {
        book.zone.delete(object).unwrap();
        assert!(!book.findings().is_empty(), "the loss of `{object}` is not seen");
        book.repaired(&format!("`{object}` lost"));
    }
    for (kept, lost) in [("commits/", "tile/"), ("tile/entries", "commits/")] {
        for object in book.good.keys().filter(|object| object.starts_with(lost)) {
            if !object.starts_with(kept) {
                book.zone.delete(object).unwrap();
            }
        }
        book.repaired(&format!("all of {lost} lost but {kept}"));
    }
    // Without entries there is nothing to make it from, and nothing is made up.
    for object in book.good.keys().filter(|o| o.starts_with("commits/") || o.starts_with("tile/e"))
    {
        book.zone.delete(object).unwrap();
    }
    let before = book.all();
    let done = repair(&book.zone, ORIGIN, &book.known, &book.seeds, false).unwrap();
    assert!(!done.left.is_empty() && done.mended.is_empty(), "entries were made up: {done:?}");
    assert_eq!(book.all(), before, "something was written over a book without entries");
}

#[test]
fn a_signed_checkpoint_of_another_root_is_evidence_and_stays() {
    let book = Book::new();
    let forked = almoner::ledger::Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 1,
        root: almoner::digest::Sha256([7; 32]),
    };
    let note = Bytes::from(forked.sign(&book.seeds[0]).unwrap());
    book.zone.put("checkpoints/1", note.clone()).unwrap();
    let done = repair(&book.zone, ORIGIN, &book.known, &book.seeds, false).unwrap();
    assert_eq!(book.zone.get("checkpoints/1").unwrap(), note, "evidence of a fork was destroyed");
    assert!(done.left.iter().any(|l| l.object == "checkpoints/1"), "it is not named: {done:?}");
    let numbers = Sequence::new(&book.zone, "commits").numbers().unwrap();
    assert_eq!(numbers, [1, 2], "the commits changed");
}
