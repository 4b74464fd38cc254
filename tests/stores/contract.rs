//! The contract, one promise a test.

use std::{collections::BTreeSet, sync::Barrier, thread};

use almoner::store::{Committed, Created, Error, Sequence, Store};
use bytes::Bytes;
use object_store::{ObjectStoreExt as _, path::Path};

use super::each;

fn bytes(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

fn paths(store: &Store, prefix: &str) -> Vec<String> {
    store.list(prefix).unwrap().into_iter().map(|object| object.path).collect()
}

/// Races cost seconds where a store waits for a lock of the name.
fn rounds(store: &Store) -> u32 {
    if store.is_foreign() { 4 } else { 40 }
}

#[test]
fn what_is_put_is_read_over_what_was_there_until_it_is_deleted() {
    each("put", |store| {
        store.put("a/b", bytes("one")).unwrap();
        assert_eq!(store.get("a/b").unwrap(), "one", "a put is not read back");
        store.put("a/b", bytes("three")).unwrap();
        assert_eq!(store.get("a/b").unwrap(), "three", "the older bytes are read");
        store.put_scratch("a/b", bytes("4")).unwrap();
        assert_eq!(store.zone("a").get("b").unwrap(), "4", "a zone is another place");
        store.delete("a/b").unwrap();
        assert_eq!(store.find("a/b").unwrap(), None, "what was deleted is read");
        store.delete("a/b").unwrap();
        store.put("a/b", bytes("five")).unwrap();
        assert_eq!(store.get("a/b").unwrap(), "five", "a name cannot be used again");
    });
}

#[test]
fn what_is_missing_is_said_to_be_missing() {
    each("missing", |store| {
        assert_eq!(store.find("no/such").unwrap(), None);
        assert!(matches!(store.get("no/such"), Err(Error::NotFound { .. })));
        assert_eq!(paths(store, ""), [""; 0]);
        assert_eq!(paths(store, "no"), [""; 0]);
        store.delete("no/such").unwrap();
        store.put("an/object", bytes("x")).unwrap();
        assert_eq!(store.find("an").unwrap(), None, "a folder is read as an object");
        assert_eq!(store.find("an/object/below").unwrap(), None, "an object has objects below it");
        assert_eq!(paths(store, "an/object"), [""; 0], "an object is listed as a folder");
    });
}

#[test]
fn an_object_is_made_once() {
    each("create", |store| {
        assert_eq!(store.create("n/1", bytes("one")).unwrap(), Created::New);
        assert_eq!(store.create("n/1", bytes("two")).unwrap(), Created::Exists);
        assert_eq!(store.create("n/1", bytes("one")).unwrap(), Created::Exists);
        assert_eq!(store.get("n/1").unwrap(), "one", "a refused create overwrote");
        store.put("n/2", bytes("put")).unwrap();
        assert_eq!(store.create("n/2", bytes("made")).unwrap(), Created::Exists);
        assert_eq!(store.get("n/2").unwrap(), "put", "a put object was made again");
        store.delete("n/1").unwrap();
        assert_eq!(store.create("n/1", bytes("again")).unwrap(), Created::New);
        store.put_content("n/c", &bytes("c")).unwrap();
        store.put_content("n/c", &bytes("c")).unwrap();
        assert!(matches!(store.put_content("n/c", &bytes("d")), Err(Error::Differs { .. })));
    });
}

#[test]
fn of_many_writers_of_one_name_exactly_one_makes_it() {
    each("race", |store| {
        for round in 0..rounds(store) {
            let name = format!("round/{round}");
            let start = Barrier::new(16);
            let winners: Vec<usize> = thread::scope(|scope| {
                let race = |writer: usize| {
                    let (name, start) = (&name, &start);
                    move || {
                        start.wait();
                        let made = store.create(name, bytes(&format!("writer {writer}"))).unwrap();
                        (made == Created::New).then_some(writer)
                    }
                };
                let running: Vec<_> = (0..16).map(|writer| scope.spawn(race(writer))).collect();
                running.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(winners.len(), 1, "{} writers believe that they made one", winners.len());
            let kept = store.get(&name).unwrap();
            assert_eq!(kept, format!("writer {}", winners[0]), "a loser's bytes are kept");
        }
    });
}

#[test]
fn numbered_commits_of_many_writers_leave_no_gap_and_none_is_lost() {
    each("sequence", |store| {
        let sequence = Sequence::new(store, "commits");
        let each_commits = if store.is_foreign() { 4 } else { 12 };
        let mut made: Vec<(u64, String)> = thread::scope(|scope| {
            let writer = |writer: u32| {
                let sequence = sequence.clone();
                move || {
                    let mut made = Vec::new();
                    while made.len() < each_commits {
                        let body = format!("{{\"txn\":\"{writer}-{}\"}}", made.len());
                        let next = sequence.latest().unwrap().map_or(1, |(number, _)| number + 1);
                        match sequence.commit(next, &bytes(&body)).unwrap() {
                            Committed::Done => made.push((next, body)),
                            Committed::Conflict => {}
                        }
                    }
                    made
                }
            };
            let running: Vec<_> = (0..4).map(|n| scope.spawn(writer(n))).collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        made.sort();
        let numbers: Vec<u64> = made.iter().map(|(number, _)| *number).collect();
        let wanted: Vec<u64> = (1..).take(4 * each_commits).collect();
        assert_eq!(numbers, wanted, "a number was given twice, or left out");
        let kept: Vec<(u64, String)> = sequence
            .all()
            .unwrap()
            .into_iter()
            .map(|(number, body)| (number, String::from_utf8(body.to_vec()).unwrap()))
            .collect();
        assert_eq!(kept, made, "a commit that was acknowledged is not what is kept");
        let again = sequence.commit(1, &bytes(&made[0].1)).unwrap();
        assert_eq!(again, Committed::Done, "a writer is told that its own commit is another's");
        assert_eq!(sequence.commit(1, &bytes("{}")).unwrap(), Committed::Conflict);
    });
}

#[test]
fn an_empty_object_is_an_object() {
    each("empty", |store| {
        assert_eq!(store.create("e/made", Bytes::new()).unwrap(), Created::New);
        assert_eq!(store.create("e/made", bytes("x")).unwrap(), Created::Exists);
        store.put("e/put", Bytes::new()).unwrap();
        assert_eq!(store.find("e/put").unwrap(), Some(Bytes::new()));
        let sizes: Vec<u64> = store.list("e").unwrap().iter().map(|object| object.bytes).collect();
        assert_eq!(sizes, [0, 0], "an empty object is not listed");
    });
}

#[test]
fn an_object_of_40_megabytes_comes_back_whole_and_in_parts() {
    each("large", |store| {
        let size = 40_000_001_usize;
        let large: Vec<u8> =
            (0..size).map(|at| u8::try_from((at * 31 + at / 977) % 251).unwrap()).collect();
        let large = Bytes::from(large);
        store.put("l/object.parquet", large.clone()).unwrap();
        assert!(store.get("l/object.parquet").unwrap() == large, "it came back otherwise");
        assert_eq!(store.list("l").unwrap()[0].bytes, 40_000_001);
        assert_eq!(store.create("l/made", large.clone()).unwrap(), Created::New);
        assert!(store.get("l/made").unwrap() == large, "a made one came back otherwise");

        // As the query engine reads it: the end first, then parts from here and there.
        let (objects, prefix) = store.zone("l").object_store().unwrap();
        let path = Path::parse(format!("{prefix}/object.parquet")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for range in [0..1, 8_388_607..8_388_609, 39_999_993..40_000_001, 17..40_000_000] {
            let part = runtime.block_on(objects.get_range(&path, range.clone())).unwrap();
            let [from, to] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
            assert!(part == large.slice(from..to), "the part {range:?} is another");
        }
        let parts = [3..9, 30_000_000..30_000_500];
        let read = runtime.block_on(async { objects.get_ranges(&path, &parts).await }).unwrap();
        assert_eq!(read[0], large.slice(3..9));
        assert_eq!(read[1], large.slice(30_000_000..30_000_500));
    });
}

#[test]
fn odd_names_stay_what_they_are() {
    let long = "n".repeat(200);
    let names = [
        "a b",
        "a%20b",
        "a+b",
        "100%",
        "~tilde",
        "[x]{y}",
        "a&b=c",
        "q?r#s",
        "it's",
        "semi;colon",
        "comma,at@",
        "Ünïcödé",
        "名前",
        "A",
        "a",
        "..dots",
        ".hidden",
        "*star",
        "<less>",
        &long,
    ];
    each("names", |store| {
        for name in names {
            store.put(&format!("odd/{name}"), bytes(name)).unwrap();
        }
        for name in names {
            let path = format!("odd/{name}");
            assert_eq!(store.get(&path).unwrap(), name, "`{name}` is another object");
            assert_eq!(store.create(&path, Bytes::new()).unwrap(), Created::Exists, "`{name}`");
        }
        let mut wanted: Vec<String> = names.iter().map(|name| format!("odd/{name}")).collect();
        wanted.sort();
        assert_eq!(paths(store, "odd"), wanted, "a listing calls them otherwise");
        for name in names {
            store.delete(&format!("odd/{name}")).unwrap();
        }
        assert_eq!(paths(store, ""), [""; 0], "something else was deleted");
    });
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    each("elsewhere", |store| {
        for path in ["..", "../x", "a/../../x", "/etc/x", "a//b", "a/", "./a"] {
            let refused = |result: Result<(), Error>| matches!(result, Err(Error::Name { .. }));
            let zone = store.zone("z");
            assert!(refused(zone.find(path).map(drop)), "`{path:?}` is read");
            assert!(refused(zone.put(path, Bytes::new())), "`{path:?}` is put");
            assert!(refused(zone.create(path, Bytes::new()).map(|_| ())), "`{path:?}` is made");
            assert!(refused(zone.delete(path)), "`{path:?}` is deleted");
            // A folder may be named with the `/` at its end.
            let is_folder = path == "a/";
            assert!(is_folder || refused(zone.list(path).map(drop)), "`{path:?}` is listed");
        }
        assert_eq!(paths(store, ""), [""; 0]);
    });
}

#[test]
fn a_listing_holds_every_object_below_a_folder_and_no_other() {
    each("list", |store| {
        let many = 1_005;
        thread::scope(|scope| {
            for part in 0..8 {
                scope.spawn(move || {
                    for number in (part..many).step_by(8) {
                        store.put_scratch(&format!("l/{number:04}/x"), bytes("12")).unwrap();
                    }
                });
            }
        });
        store.put("lake", bytes("beside")).unwrap();
        store.put("l.txt", bytes("beside")).unwrap();
        let listed = store.list("l").unwrap();
        let names: BTreeSet<&str> = listed.iter().map(|object| object.path.as_str()).collect();
        assert_eq!((listed.len(), names.len()), (many, many), "a page is left out, or twice there");
        assert!(listed.is_sorted(), "the order is the store's");
        assert!(listed.iter().all(|object| object.path.starts_with("l/") && object.bytes == 2));
        assert_eq!(paths(store, "l/0007"), ["l/0007/x"]);
        assert_eq!(paths(store, "l/0007/"), ["l/0007/x"]);
        assert_eq!(paths(&store.zone("l"), "0007"), ["0007/x"], "a zone lists its store's paths");
        assert_eq!(store.list("").unwrap().len(), many + 2);
    });
}

/// If it failed, whoever destroys a key after listing what it sealed would lose what the listing hid, or
/// would leave an object of its own behind at each site.
#[test]
fn a_listing_of_now_holds_what_was_just_written_and_leaves_nothing() {
    each("now", |store| {
        if store.kind() != "folder" {
            store.put("keys/listing/1", bytes("left by one that died")).unwrap();
        }
        for number in 0..rounds(store) {
            store.put(&format!("keys/{number:03}"), bytes("x")).unwrap();
            let listed = store.list_now("keys").unwrap();
            assert_eq!(
                listed.len(),
                number as usize + 1,
                "an object is missing, or a mark is shown"
            );
            assert_eq!(paths(store, "keys").len(), listed.len(), "a mark stayed");
        }
        let below: Vec<_> = store.list_now("").unwrap().into_iter().map(|o| o.path).collect();
        assert_eq!(below, paths(store, ""), "the whole store is another than its listing");
    });
}
