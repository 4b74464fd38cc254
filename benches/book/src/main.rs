//! How fast the book is, in one run: entries appended durably to a folder and verified, an entry proved
//! from a cold folder, a record tree beside the bare compressions of SHA-256 that it needs.
//!
//! `book FOLDER [ENTRIES] [ROUNDS]` prints one table: medians, and what each is beside the other.
//! The folder keeps a log a round until the end: a file system may be slow where many files were just
//! removed (ext4 looks for inodes that were not freed in the last seconds).

#![allow(dead_code, unreachable_pub, reason = "the rooms are checked in their own crate")]

use std::{
    env,
    error::Error,
    fs,
    hint::black_box,
    path::PathBuf,
    slice,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ledger::{
    Entry, Kind, Reader, Schema,
    log::Log,
    tree::{root, verify_inclusion},
    verify_all,
};
use rayon::prelude::*;
use sha2::block_api::compress256;
use signed_note::Signer;
use store::Store;

/// The rooms, where the rest of the engine looks for them.
#[path = "../../../src"]
pub mod rooms {
    pub mod digest;
    pub mod fault;
    pub mod instant;
    pub mod ledger;
    pub mod party;
    pub mod schema;
    pub mod signed_note;
    pub mod source;
    pub mod store;
}

pub use rooms::*;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ORIGIN: &str = "bench.example/ledger";

/// Leaves of the record tree, each of 32 bytes: with the byte before it, one block of SHA-256.
const LEAVES: u64 = 10_000_000;

/// CPU seconds of this process.
fn cpu() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit_once(')').ok_or("no such process")?.1;
    let ticks = after.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

/// What it took: seconds by the clock, and of the CPU.
struct Took {
    wall: f64,
    cpu: f64,
}

fn timed<T>(run: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Took)> {
    let (began, before) = (Instant::now(), cpu()?);
    let done = run()?;
    Ok((done, Took { wall: began.elapsed().as_secs_f64(), cpu: cpu()? - before }))
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = of.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn row(name: &str, took: &[Took], count: u64) {
    let (wall, cpu) = (median(took.iter().map(|t| t.wall)), median(took.iter().map(|t| t.cpu)));
    let rate = count as f64 / wall;
    println!("| {name} | {wall:.3} s | {cpu:.2} s | {rate:.0} /s |");
}

fn entries(count: u64, signer: &Signer) -> Outcome<Vec<Entry>> {
    let sample = Schema::of(Kind::ConsentBatch).sample();
    let now = instant::Instant::from_unix(1_800_000_000)?;
    let one = |n: u64| {
        let mut body = sample.clone();
        body.insert("count".to_owned(), n.into());
        Entry::sign(Kind::ConsentBatch, ORIGIN, now, &[], &[], &body, signer)
    };
    Ok((0..count).into_par_iter().map(one).collect::<Result<_, _>>()?)
}

/// Appends all in one commit; tells when the commit stood, and when all that follows from it did.
fn append(folder: &PathBuf, signer: &Signer, entries: &[Entry]) -> Outcome<(Took, Took)> {
    let store = Store::open(folder.to_str().ok_or("a path of text")?)?;
    let log = Log::create(store, ORIGIN, signer.clone())?;
    let (commit, done) = (folder.join("commits/000000000001.json"), AtomicBool::new(false));
    let began = Instant::now();
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) && !commit.exists() {
                thread::sleep(Duration::from_millis(1));
            }
            began.elapsed().as_secs_f64()
        });
        let appended = timed(|| Ok(log.append(entries)?));
        done.store(true, Ordering::Relaxed);
        let committed = watch.join().map_err(|_| "the watch died")?;
        let whole = appended?.1;
        Ok((Took { wall: committed, cpu: whole.cpu }, whole))
    })
}

fn book(place: &PathBuf, count: u64, rounds: usize) -> Outcome<()> {
    let signer = Signer::from_seed(ORIGIN, &[7; 32])?;
    let entries = entries(count, &signer)?;
    let bytes: usize = entries.iter().map(|entry| entry.bytes().len()).sum();
    println!("{count} entries of {} bytes, signed, in one commit:\n", bytes as u64 / count);
    println!("| | wall | CPU | |\n|---|---:|---:|---:|");
    let (mut committed, mut whole, mut seen, mut cold) = (vec![], vec![], vec![], vec![]);
    for round in 0..rounds {
        let folder = place.join(round.to_string());
        let took = append(&folder, &signer, &entries)?;
        committed.push(took.0);
        whole.push(took.1);
        let store = || Store::open(folder.to_str().unwrap_or_default());
        let known = slice::from_ref(signer.verifier());
        let (verified, took) = timed(|| Ok(verify_all(&store()?, ORIGIN, known)?))?;
        if !verified.is_whole() {
            return Err("the log is not whole".into());
        }
        seen.push(took);
        let index = count / 3;
        let (proved, took) = timed(|| {
            let reader = Reader::open(&store()?, ORIGIN, known)?;
            Ok((reader.prove_leaf(index)?, reader.root()))
        })?;
        let ((leaf, proof), root) = proved;
        if !verify_inclusion(index, count, &ledger::tree::leaf_hash(&leaf), &proof.hashes, &root) {
            return Err("the proof does not hold".into());
        }
        cold.push(took);
    }
    row("durable at the commit point", &committed, count);
    row("and all tiles, bundles and the checkpoint", &whole, count);
    row("verified", &seen, count);
    row("one entry and its proof, from a folder", &cold, 1);
    Ok(())
}

fn tree(rounds: usize) -> Outcome<()> {
    println!("\nA record tree of {LEAVES} leaves:\n\n| | wall | CPU | |\n|---|---:|---:|---:|");
    let leaf = |n: u64| {
        let mut leaf = [0_u8; 32];
        leaf[..8].copy_from_slice(&n.to_le_bytes());
        leaf
    };
    let leaves: Vec<[u8; 32]> = (0..LEAVES).map(leaf).collect();
    let (mut made, mut bare) = (vec![], vec![]);
    for _ in 0..rounds {
        made.push(timed(|| Ok(black_box(root(black_box(&leaves)))))?.1);
        let blocks = vec![[7_u8; 64]; 3_000];
        let compressions = || {
            (0..LEAVES / 1_000).into_par_iter().for_each(|_| {
                let mut state = [7; 8];
                compress256(&mut state, black_box(&blocks));
                black_box(state);
            });
            Ok(())
        };
        bare.push(timed(compressions)?.1);
    }
    row("the root", &made, LEAVES);
    row("30000000 compressions of SHA-256, chained", &bare, LEAVES);
    let ratio = median(made.iter().map(|t| t.wall)) / median(bare.iter().map(|t| t.wall));
    println!("\nThe tree takes {ratio:.2} times as long as the bare compressions.");
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let place = arguments.first().ok_or("usage: book FOLDER [ENTRIES] [ROUNDS]")?;
    let number = |at: usize, or: u64| arguments.get(at).map_or(Ok(or), |text| text.parse::<u64>());
    let (count, rounds) = (number(1, 1_000_000)?, usize::try_from(number(2, 5)?)?);
    let place = PathBuf::from(place).join("book-bench");
    fs::create_dir(&place)?;
    let done = book(&place, count, rounds);
    fs::remove_dir_all(&place)?;
    done.and_then(|()| tree(rounds))
}
