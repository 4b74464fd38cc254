//! A person is erased while somebody else writes about that very person: before each request of that other
//! writer, one life a request. Whoever comes first, nothing of the person is left.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use almoner::{instant::Instant, store::Store};

use super::{
    commons,
    fault_store::Disk,
    life::{Act, Life, Run},
};

fn erasure(now: &str) -> Act {
    let now = Instant::parse(now).unwrap();
    Act { name: "erasure", now, books: true, run: commons::forgotten() }
}

/// Erases before the `nth` request of an act; returns whether the act had one.
fn erase_before(life: &Life, act: &Act, nth: usize) -> Result<bool, String> {
    let (start, files, _) = life.before("erasure")?;
    let (disk, keys) = (Disk::new(start), files.put_down());
    let over = |disk: &Arc<Disk>| Store::over(Arc::clone(&disk.stored) as Arc<_>);
    let was = Arc::new(AtomicBool::new(false));
    let meanwhile = {
        let (was, disk) = (Arc::clone(&was), Arc::clone(&disk));
        let (keys, erasure) = (keys.path().to_owned(), erasure("2026-11-02T12:00:01Z"));
        Box::new(move || {
            was.store(true, Ordering::SeqCst);
            // It may be shut out by the other writer; then it is begun again afterwards.
            let _done = Life::attempt_alone(&erasure, over(&disk), &keys);
        })
    };
    // What the other writer is told is one thing: done, or a conflict. It does not begin again.
    let _told = Life::attempt_beside(act, &disk, keys.path(), (nth, meanwhile));
    let erasure = erasure("2026-11-02T12:00:09Z");
    let mut last = Ok(());
    for _ in 0..3 {
        last = Life::attempt_alone(&erasure, over(&disk), keys.path());
        if last.is_ok() {
            break;
        }
    }
    last.map_err(|error| format!("before request {nth}: it is never erased: {error}"))?;
    let finished = life.finished(over(&disk), keys.path());
    finished.map_err(|error| format!("before request {nth}: {error}"))?;
    Ok(was.load(Ordering::SeqCst))
}

fn races(folder: &Path, name: &'static str, run: Run, step: usize) {
    let life = commons::life(folder);
    let now = Instant::parse("2026-11-02T12:00:05Z").unwrap();
    let act = Act { name, now, books: true, run };
    let mut nth = 0;
    let is_beside =
        |nth| erase_before(&life, &act, nth).map_err(|error| format!("`{name}`: {error}")).unwrap();
    while is_beside(nth) {
        nth += step;
    }
    assert!(nth > 20, "`{name}` made {nth} requests: it was not disturbed amid its work");
    println!("{name}: erased before each of {nth} requests");
}

#[test]
fn a_person_who_decides_while_they_are_erased_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let run = commons::imported(folder.path().join("own.csv"));
    races(folder.path(), "own decision", run, 2);
}

#[test]
fn a_person_whose_records_are_read_while_they_are_erased_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let run = commons::ingested(folder.path().join("p.toml"), folder.path().join("in"));
    races(folder.path(), "a version", run, 8);
}
