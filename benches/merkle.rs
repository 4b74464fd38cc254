//! The ledger's laws of speed: a record tree of a million leaves well under a second, ten thousand
//! entries appended in one commit, an inclusion proof checked in microseconds.

#![expect(clippy::expect_used, reason = "a bench may stop")]

use std::{hint::black_box, time::Duration};

use almoner::{
    instant::Instant,
    ledger::{
        Entry, Kind,
        log::Log,
        tree::{Tree, leaf_hashes, root, verify_inclusion},
    },
    signed_note::Signer,
    store::Store,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Map;

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

fn append(c: &mut Criterion) {
    let signer = Signer::from_seed(ORIGIN, &[7; 32]).expect("a good name");
    let entries: Vec<Entry> = (0..10_000_u64)
        .map(|n| {
            let mut body = Map::new();
            body.insert("count".to_owned(), n.into());
            let now = Instant::from_unix(1_800_000_000).expect("an instant");
            Entry::sign(Kind::ConsentBatch, ORIGIN, now, &[], &[], &body, &signer).expect("small")
        })
        .collect();
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

criterion_group!(benches, record_tree, append, inclusion);
criterion_main!(benches);
