//! The ledger's laws of speed: a record tree of ten million leaves beside as many bare compressions
//! of SHA-256 as it needs, entries appended durably in one commit and then verified, an inclusion
//! proof checked in microseconds.

#![expect(clippy::expect_used, reason = "a bench may stop")]

use std::{hint::black_box, slice, time::Duration};

use almoner::{
    instant::Instant,
    ledger::{
        Entry, Kind, Reader, Schema,
        log::Log,
        tree::{Tree, leaf_hashes, root, verify_inclusion},
        verify_all,
    },
    signed_note::Signer,
    store::Store,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use sha2::block_api::compress256;

const ORIGIN: &str = "bench.example/ledger";

fn leaves(count: u64) -> Vec<[u8; 64]> {
    (0..count)
        .map(|n| std::array::from_fn(|at| n.to_le_bytes().get(at % 8).copied().unwrap_or_default()))
        .collect()
}

fn record_tree(c: &mut Criterion) {
    let mut group = c.benchmark_group("record tree");
    for count in [10_000, 1_000_000] {
        let leaves = leaves(count);
        group.throughput(Throughput::Elements(count)).sample_size(10);
        group.bench_function(format!("{count} leaves"), |b| b.iter(|| root(black_box(&leaves))));
    }
    group.finish();
}

/// 10 million leaves of 32 bytes are 10 million blocks, and as many nodes are 20 million.
fn hash_limit(c: &mut Criterion) {
    let mut group = c.benchmark_group("SHA-256 limit");
    group.sample_size(10).throughput(Throughput::Elements(10_000_000));
    let leaves: Vec<[u8; 32]> = (0..10_000_000_u64)
        .map(|n| std::array::from_fn(|at| n.to_le_bytes().get(at % 8).copied().unwrap_or_default()))
        .collect();
    group.bench_function("10000000 leaves of 32 bytes", |b| b.iter(|| root(black_box(&leaves))));
    let blocks = vec![[7_u8; 64]; 3_000];
    group.bench_function("30000000 compressions, chained", |b| {
        b.iter(|| {
            (0..10_000).into_par_iter().for_each(|_| {
                let mut state = [7; 8];
                compress256(&mut state, black_box(&blocks));
                black_box(state);
            });
        });
    });
    group.bench_function("30000000 compressions, independent", |b| {
        b.iter(|| {
            (0..10_000).into_par_iter().for_each(|_| {
                for block in black_box(&blocks) {
                    let mut state = [7; 8];
                    compress256(&mut state, slice::from_ref(block));
                    black_box(state);
                }
            });
        });
    });
    group.finish();
}

fn entries(count: u64, signer: &Signer) -> Vec<Entry> {
    let sample = Schema::of(Kind::ConsentBatch).sample();
    let now = Instant::from_unix(1_800_000_000).expect("an instant");
    let one = |n: u64| {
        let mut body = sample.clone();
        body.insert("count".to_owned(), n.into());
        Entry::sign(Kind::ConsentBatch, ORIGIN, now, &[], &[], &body, signer).expect("small")
    };
    (0..count).into_par_iter().map(one).collect()
}

/// A folder, with every byte durable; then the whole log is verified, and one entry proved cold.
fn durable(c: &mut Criterion) {
    let signer = Signer::from_seed(ORIGIN, &[7; 32]).expect("a good name");
    let entries = entries(300_000, &signer);
    let bytes: usize = entries.iter().map(|entry| entry.bytes().len()).sum();
    let mut group = c.benchmark_group(format!("300000 entries, {} MB, folder", bytes / 1_000_000));
    group.sample_size(10).throughput(Throughput::Elements(300_000));
    let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-ledger");
    let open = |run: u32| {
        let folder = place.join(run.to_string());
        Store::open(folder.to_str().expect("a path of text")).expect("a folder")
    };
    drop(std::fs::remove_dir_all(&place));
    let mut run = 0;
    // Each run has a folder of its own: ext4 is slow to make files where many have just been removed.
    group.bench_function("append, durable", |b| {
        b.iter_batched(
            || {
                run += 1;
                Log::create(open(run), ORIGIN, signer.clone()).expect("an empty zone")
            },
            |log| log.append(&entries).expect("one writer"),
            BatchSize::PerIteration,
        );
    });
    let known = slice::from_ref(signer.verifier());
    group.bench_function("verify", |b| {
        b.iter(|| {
            let seen = verify_all(&open(run), ORIGIN, known).expect("a store");
            assert!(seen.is_whole());
        });
    });
    group.bench_function("one entry and its proof, cold", |b| {
        b.iter(|| {
            let reader = Reader::open(&open(run), ORIGIN, known).expect("a log");
            black_box((reader.leaf(77_777), reader.inclusion(77_777)))
        });
    });
    group.finish();
    drop(std::fs::remove_dir_all(&place));
}

fn append(c: &mut Criterion) {
    let signer = Signer::from_seed(ORIGIN, &[7; 32]).expect("a good name");
    let entries = entries(10_000, &signer);
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(10_000)).sample_size(10);
    group.measurement_time(Duration::from_secs(10));
    let mut run = 0;
    group.bench_function("10000 entries, memory store", |b| {
        b.iter_batched(
            || {
                run += 1;
                let zone = Store::open(&format!("memory://bench-{run}")).expect("memory");
                Log::create(zone, ORIGIN, signer.clone()).expect("an empty zone")
            },
            |log| log.append(&entries).expect("one writer"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn inclusion(c: &mut Criterion) {
    let tree = Tree::new(leaf_hashes(&leaves(1_000_000)));
    let (size, root) = (tree.size(), tree.root());
    let proof = tree.inclusion(777_777).expect("a leaf of the tree");
    let leaf = leaf_hashes(&leaves(777_778)).pop().expect("a leaf");
    c.bench_function("verify inclusion in 1000000", |b| {
        b.iter(|| assert!(verify_inclusion(777_777, size, black_box(&leaf), &proof, &root)));
    });
}

criterion_group!(benches, record_tree, hash_limit, append, durable, inclusion);
criterion_main!(benches);
