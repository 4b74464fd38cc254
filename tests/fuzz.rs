//! The targets of cargo-fuzz on the corpus that is kept, and on seeded changes of it: what the
//! fuzzers found stays found, on every machine and without a nightly compiler.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop where it fails")]
#![expect(clippy::disallowed_methods, reason = "a longer run is asked for by the environment")]

use std::{fs, path::Path};

#[path = "fuzz/src/targets.rs"]
#[expect(unreachable_pub, reason = "the fuzzers' own crate hands it on")]
mod targets;

#[path = "fuzz/src/engine.rs"]
#[expect(unreachable_pub, reason = "the fuzzers' own crate hands it on")]
mod engine;

/// Changes of each file of the corpus; `ALMONER_FUZZ` gives another number.
const CHANGES: u64 = 2_000;

/// A stream of numbers from a seed (splitmix64).
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// Changes bytes as a fuzzer does: flips, inserts, deletes, repeats, or joins with another file.
fn changed(bytes: &[u8], other: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=stream.below(3) {
        let at = stream.below(bytes.len());
        match stream.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << stream.below(8),
            1 => bytes.insert(at, u8::try_from(stream.below(256)).unwrap()),
            2 if !bytes.is_empty() => {
                drop(bytes.drain(at..(at + 1 + stream.below(16)).min(bytes.len())));
            }
            3 => {
                let end = (at + stream.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            4 => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[stream.below(other.len())..]);
            }
            _ => {
                let word = [b"\n".as_slice(), b"\n\n", b"9", b"=", b"\"", b"\xff"][stream.below(6)];
                drop(bytes.splice(at..at, word.iter().copied()));
            }
        }
    }
    bytes
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn no_target_fails_on_its_corpus_or_on_seeded_changes_of_it() {
    let changes =
        std::env::var("ALMONER_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(CHANGES);
    for (target, run) in targets::ALL.iter().chain(engine::ALL) {
        let files = corpus(target);
        assert!(!files.is_empty(), "`{target}` has no corpus, so nothing is tried");
        for (name, bytes) in &files {
            run(bytes);
            let mut stream = Stream(u64::try_from(name.len()).unwrap());
            for _ in 0..changes {
                let other = &files[stream.below(files.len())].1;
                run(&changed(bytes, other, &mut stream));
            }
        }
    }
}

/// Without it the targets could pass by refusing everything.
#[test]
fn the_corpus_holds_what_each_reader_accepts() {
    use almoner::ledger::{Checkpoint, Entry, LogProof};
    let text = |target: &str, name: &str| {
        let files = corpus(target);
        let found = files.into_iter().find(|(file, _)| file == name).unwrap();
        String::from_utf8(found.1).unwrap()
    };
    let known = [targets::signer().verifier().clone()];
    let opened = Checkpoint::open(&text("checkpoint", "cosigned"), "ledger.example/rdm", &known);
    assert_eq!(opened.unwrap().checkpoint.text(), targets::SIGNED);
    assert_eq!(LogProof::parse(&text("proof", "entry-4")).unwrap().index, 4);
    assert!(Entry::parse(text("entry", "pool-funded").as_bytes()).unwrap().kind().is_some());
}
