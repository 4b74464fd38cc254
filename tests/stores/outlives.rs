//! What a store has acknowledged is there after it was killed and started again.
//!
//! `ALMONER_TEST_RESTART` is a command that kills the store with signal 9 and starts it again.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use almoner::store::{Created, Error, Store};
use bytes::Bytes;

use super::{elsewhere, place, setting};

/// Writes until a write fails; returns what was acknowledged.
fn write(store: &Store, writer: usize, acknowledged: &AtomicUsize) -> Vec<(String, Bytes)> {
    let mut kept = Vec::new();
    for number in 0..4_000 {
        let name = format!("w{writer}/{number:05}");
        let body = Bytes::from(format!("{writer}:{number}:").repeat(40));
        let answer = if number % 2 == 0 {
            store.create(&name, body.clone()).map(|created| created == Created::New)
        } else {
            store.put(&name, body.clone()).map(|()| true)
        };
        match answer {
            Ok(true) => kept.push((name, body)),
            Ok(false) => {}
            Err(_) => break,
        }
        if acknowledged.fetch_add(1, Ordering::Relaxed) > 1_000 {
            break;
        }
    }
    kept
}

/// How long a store that was started again may say that it cannot read yet.
const WAKING: Duration = Duration::from_mins(1);

/// Reads until the store answers: it takes requests before all its volumes are registered. That there is
/// no such object is an answer.
fn read(store: &Store, name: &str, started: Instant) -> Option<Bytes> {
    loop {
        match store.find(name) {
            Err(Error::Unavailable { .. }) if started.elapsed() < WAKING => {
                thread::sleep(Duration::from_millis(200));
            }
            answer => return answer.unwrap(),
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_the_store_was_killed() {
    let restart = setting("ALMONER_TEST_RESTART");
    let Some((address, restart)) = elsewhere().into_iter().next().zip(restart) else {
        println!("skipped: no store may be killed; tests/stores/run.sh starts one");
        return;
    };
    let store = place(&address, "outlives");
    let acknowledged = AtomicUsize::new(0);
    let kept: Vec<(String, Bytes)> = thread::scope(|scope| {
        let running: Vec<_> = (0..4)
            .map(|writer| {
                let (store, acknowledged) = (&store, &acknowledged);
                scope.spawn(move || write(store, writer, acknowledged))
            })
            .collect();
        while acknowledged.load(Ordering::Relaxed) < 200
            && running.iter().any(|thread| !thread.is_finished())
        {
            thread::sleep(Duration::from_millis(2));
        }
        // In the middle of their writes.
        assert!(
            Command::new("sh").args(["-c", &restart]).status().unwrap().success(),
            "no restart"
        );
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let started = Instant::now();
    assert!(kept.len() >= 200, "the store fell before it had acknowledged 200 writes");
    for (name, body) in &kept {
        assert_eq!(read(&store, name, started).as_ref(), Some(body), "`{name}` was acknowledged");
    }
    println!("{} acknowledged writes are all there", kept.len());
}
