//! A million payees, one pot: exact largest remainders, with and without ties, and with products
//! beyond 128 bits.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use almoner::reward::apportion;

const PAYEES: u32 = 1_000_000;

fn weights(bits: u32) -> Vec<u128> {
    // xorshift64: the same weights on every machine.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..PAYEES)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            u128::from(state >> (64 - bits))
        })
        .collect()
}

fn bench(criterion: &mut Criterion) {
    let keys: Vec<u32> = (0..PAYEES).rev().collect();
    let mut group = criterion.benchmark_group("apportion a million payees");
    group.throughput(Throughput::Elements(u64::from(PAYEES))).sample_size(10);
    // 1,000,000.00 in millionths of a cent.
    let pot = 100_000_000_000_000_u128;
    for (name, amount, weights) in [
        ("weights of 40 bits", pot, weights(40)),
        ("equal weights, all tied", pot + 7, vec![3; PAYEES as usize]),
        ("products beyond 128 bits", pot << 40, weights(63)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_with_large_drop(|| apportion(amount, &weights, &keys));
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
