//! Every answer of the protocol, forks and roll-backs, and a crash between the disk and the answer.

use super::*;
use crate::{
    ledger::tree::{Tree, leaf_hash},
    store::stop,
};

const ORIGIN: &str = "commons.example/ledger";

fn log() -> Signer {
    Signer::from_seed(ORIGIN, &[1; 32]).unwrap()
}

/// A log's tree of `size` entries; another history has other entries from `fork` on.
fn tree(size: u64, fork: u64) -> Tree {
    let leaf = |at: u64| leaf_hash(format!("{at}{}", if at >= fork { "!" } else { "" }).as_bytes());
    Tree::new((0..size).map(leaf).collect())
}

fn checkpoint(tree: &Tree) -> Checkpoint {
    Checkpoint { origin: ORIGIN.to_owned(), size: tree.size(), root: tree.root() }
}

fn body(old: u64, tree: &Tree, signer: &Signer) -> String {
    let proof = if old == 0 { Vec::new() } else { tree.consistency(old).unwrap_or_default() };
    let checkpoint = checkpoint(tree).sign(signer).unwrap();
    Request { old, proof, checkpoint }.to_string()
}

fn honest(old: u64, size: u64) -> String {
    body(old, &tree(size, u64::MAX), &log())
}

fn made(folder: &Path) -> State {
    State::init(folder, None, "witness.example/w1", &[log().verifier().clone()]).unwrap()
}

#[test]
fn a_log_that_grows_is_cosigned_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let witness = made(folder.path());
    let mut old = 0;
    for size in [0, 1, 2, 5, 256, 257, 700] {
        let body = honest(old, size);
        let Answer::Cosigned(line) = witness.answer(body.as_bytes(), 1_800_000_000).unwrap() else {
            panic!("{old} to {size} was not cosigned");
        };
        let note = Request::parse(body.as_bytes()).unwrap().checkpoint;
        let note = signed_note::add_signature(&note, &line).unwrap();
        let known = [log().verifier().clone(), witness.verifier().clone()];
        let opened = Checkpoint::open(&note, ORIGIN, &known).unwrap();
        assert_eq!(opened.vouched[1].unix, Some(1_800_000_000), "the time is not the one given");
        assert_eq!(opened.checkpoint.size, size);
        let seen = State::open(folder.path(), None).unwrap().seen().unwrap();
        assert_eq!(seen[0].size, Some(size), "another process would not know what was cosigned");
        old = size;
    }
}

#[test]
fn every_refusal_is_the_protocols_and_leaves_the_state_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let witness = made(folder.path());
    assert_eq!(witness.answer(honest(0, 5).as_bytes(), 1).unwrap().status(), 200);
    let before = std::fs::read(folder.path().join(FILE)).unwrap();
    let stranger = Signer::from_seed("stranger.example/log", &[1; 32]).unwrap();
    let forger = Signer::from_seed(ORIGIN, &[2; 32]).unwrap();
    let fork = tree(9, 3);
    let foreign = Checkpoint { origin: stranger.verifier().name().into(), ..checkpoint(&fork) };
    let foreign = Request { old: 0, proof: vec![], checkpoint: foreign.sign(&stranger).unwrap() };
    let garbled = log().sign_note(&format!("{ORIGIN}\nnine\nAAAA\n")).unwrap();
    let bad_line = honest(5, 9)
        .replace("\u{2014} commons.example/ledger ", "\u{2014} commons.example/ledger A");
    let empty = format!("{ORIGIN}\n0\n{}\n", checkpoint(&fork).text().lines().nth(2).unwrap());
    let empty = log().sign_note(&empty).unwrap();
    let mut short = Request::parse(honest(5, 9).as_bytes()).unwrap();
    short.proof.pop();
    let mut long = Request::parse(honest(5, 9).as_bytes()).unwrap();
    long.proof.push(Hash::of(b""));
    let mut padded = Request::parse(honest(5, 5).as_bytes()).unwrap();
    padded.proof.push(Hash::of(b""));
    let cases: Vec<(&str, String, u16)> = vec![
        ("no body", String::new(), 400),
        ("no checkpoint", "old 5\n\n".into(), 400),
        ("no signature", "old 5\n\na\n1\nAAAA\n".into(), 400),
        ("a note that is no checkpoint", format!("old 5\n\n{garbled}"), 400),
        ("an empty tree that has a root", format!("old 0\n\n{empty}"), 400),
        ("an old size beyond the checkpoint", honest(9, 7), 400),
        ("a signature that is no base64", bad_line, 400),
        ("a log that is not watched", foreign.to_string(), 404),
        ("another key under the log's name", body(5, &tree(9, u64::MAX), &forger), 403),
        ("a size it never cosigned", honest(4, 9), 409),
        ("from nothing, as if it had forgotten", honest(0, 9), 409),
        ("a roll-back", honest(0, 3), 409),
        ("a roll-back that says so", honest(3, 3), 409),
        ("another tree of the same size", body(5, &tree(5, 3), &log()), 409),
        ("another history, with its own proof", body(5, &fork, &log()), 422),
        ("a proof that is too short", short.to_string(), 422),
        ("a proof that is too long", long.to_string(), 422),
        ("a proof where none is needed", padded.to_string(), 422),
    ];
    for (what, body, status) in cases {
        let answer = witness.answer(body.as_bytes(), 2).unwrap();
        assert_eq!(answer.status(), status, "{what}: {answer}");
        let is_size = answer.content_type() == "text/x.tlog.size";
        assert_eq!(is_size, matches!(answer, Answer::Stale(5)), "{what}: a log could not go on");
        assert!(!is_size || answer.body() == "5\n", "{what}");
        let after = std::fs::read(folder.path().join(FILE)).unwrap();
        assert_eq!(after, before, "{what} changed what the witness knows");
    }
    let kept = std::fs::read_dir(folder.path()).unwrap();
    let forks =
        kept.filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().starts_with("fork-5-"));
    assert_eq!(forks.count(), 1, "the proof of a fork was thrown away");
    assert_eq!(witness.answer(honest(5, 9).as_bytes(), 3).unwrap().status(), 200);
}

#[test]
fn the_first_sight_needs_no_proof_and_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let witness = made(folder.path());
    let mut request = Request::parse(honest(0, 9).as_bytes()).unwrap();
    request.proof.push(Hash::of(b""));
    assert_eq!(witness.answer(request.to_string().as_bytes(), 1).unwrap(), Answer::Inconsistent);
    assert_eq!(witness.answer(honest(4, 9).as_bytes(), 1).unwrap(), Answer::Stale(0));
    assert_eq!(witness.answer(honest(0, 9).as_bytes(), 1).unwrap().status(), 200);
}

#[test]
fn what_cannot_be_written_is_not_cosigned() {
    let folder = tempfile::tempdir().unwrap();
    let witness = made(folder.path());
    assert_eq!(witness.answer(honest(0, 5).as_bytes(), 1).unwrap().status(), 200);
    stop::after(0);
    let answered = witness.answer(honest(5, 9).as_bytes(), 2);
    assert!(stop::never(), "it answered without writing");
    assert!(answered.is_err(), "a cosignature left that a crash would have made forgotten");
    // The state is that of before, so another history of nine entries is still only refused by it.
    assert_eq!(witness.answer(body(5, &tree(9, 3), &log()).as_bytes(), 3).unwrap().status(), 422);
    assert_eq!(witness.answer(honest(5, 9).as_bytes(), 4).unwrap().status(), 200);
}

#[test]
fn an_answer_that_was_lost_can_be_had_again_and_only_for_the_same_tree() {
    let folder = tempfile::tempdir().unwrap();
    let witness = made(folder.path());
    drop(witness.answer(honest(0, 5).as_bytes(), 1).unwrap());
    let witness = State::open(folder.path(), None).unwrap();
    let again = witness.answer(honest(0, 5).as_bytes(), 2).unwrap();
    assert_eq!(again, Answer::Stale(5), "the log is not told where to go on from");
    assert_eq!(witness.answer(honest(5, 5).as_bytes(), 3).unwrap().status(), 200);
    assert_eq!(witness.answer(body(5, &tree(5, 2), &log()).as_bytes(), 4).unwrap(), Answer::Forked);
}

#[test]
fn of_two_histories_offered_at_once_one_is_cosigned() {
    for round in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        drop(made(folder.path()));
        let cosigned: usize = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..4_u64)
                .map(|n| {
                    let folder = folder.path();
                    scope.spawn(move || {
                        let witness = State::open(folder, None).unwrap();
                        let other = body(0, &tree(5 + n, n), &log());
                        witness.answer(other.as_bytes(), 1).unwrap().status()
                    })
                })
                .collect();
            asked.into_iter().map(|a| a.join().unwrap()).filter(|s| *s == 200).count()
        });
        assert_eq!(cosigned, 1, "round {round}: two histories were cosigned");
    }
}

#[test]
fn a_second_key_of_a_log_is_added_and_another_witness_in_its_place_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let witness = made(folder.path());
    assert_eq!(witness.answer(honest(0, 5).as_bytes(), 1).unwrap().status(), 200);
    let rotated = Signer::from_seed(ORIGIN, &[7; 32]).unwrap();
    let next = body(5, &tree(9, u64::MAX), &rotated);
    assert_eq!(witness.answer(next.as_bytes(), 2).unwrap(), Answer::Unsigned);
    let logs = [rotated.verifier().clone()];
    drop(State::init(folder.path(), None, "witness.example/w1", &logs).unwrap());
    assert_eq!(witness.answer(next.as_bytes(), 3).unwrap().status(), 200);
    let renamed = State::init(folder.path(), None, "witness.example/w2", &[]);
    assert!(matches!(renamed, Err(Error::Other { .. })), "a witness was written over");
    let missing = State::open(&folder.path().join("none"), None);
    assert!(matches!(missing, Err(Error::Missing(_))), "a witness that forgot all could be had");
}

#[test]
fn a_state_that_cannot_be_read_is_no_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let witness = made(folder.path());
    std::fs::write(folder.path().join(FILE), "{").unwrap();
    let answered = witness.answer(honest(0, 5).as_bytes(), 1);
    assert!(matches!(answered, Err(Error::Format { .. })), "it began anew, and forgot");
}
