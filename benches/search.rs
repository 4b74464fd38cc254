//! The lattice search on the adult census, and on a seeded table of 1.2 million rows, nine
//! quasi-identifiers and 25,920 nodes that looks like a survey: common values are common.
//!
//! `cargo bench --bench search`. Law: adult at 5 % in 200 ms, the large table in 11 s without
//! suppression and in 36 s with 2 %, two threads 1.6 times one. `-- --write DIR` writes the large
//! table and its hierarchies as CSV instead, for `search.py`.
#![expect(clippy::unwrap_used, reason = "a bench stops where something does not hold")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::as_conversions,
    reason = "a random number becomes a value"
)]

use std::{collections::BTreeMap, fmt::Write as _, fs, hint::black_box, path::Path, sync::Arc};

use almoner::deid::{
    Fraction,
    hierarchy::Hierarchy,
    search::{Metric, Model, Quasi, Request, Table, search},
};
use criterion::Criterion;

const ROWS: usize = 1_200_000;

/// How much more common the common values are: a value is the n-th power of a uniform number.
const SKEW: i32 = 2;

/// Each column with the number of labels at each level.
const COLUMNS: [(&str, &[usize]); 9] = [
    ("place", &[400, 100, 25, 5, 2, 1]),
    ("age", &[100, 20, 10, 5, 1]),
    ("occupation", &[60, 15, 5, 1]),
    ("education", &[24, 6, 1]),
    ("origin", &[40, 6, 1]),
    ("household", &[12, 4, 1]),
    ("marital", &[8, 1]),
    ("sex", &[2, 1]),
    ("cover", &[5, 1]),
];

fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--write");
    if let (Some(_), Some(folder)) = (args.next(), args.next()) {
        return write(Path::new(&folder));
    }
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        if let Some(adult) = adult() {
            let name = format!("adult, 5 %, {threads} threads");
            criterion.bench_function(&name, |bench| {
                bench.iter(|| pool.install(|| black_box(solve(&adult, "0.05"))));
            });
        }
        let large = large();
        for suppress in ["0", "0.02"] {
            let name = format!("1.2 million rows, {suppress} suppressed, {threads} threads");
            criterion.bench_function(&name, |bench| {
                bench.iter(|| pool.install(|| black_box(solve(&large, suppress))));
            });
        }
    }
    criterion.final_summary();
}

fn solve(table: &Table, suppress: &str) -> Vec<usize> {
    let request = Request {
        models: vec![Model::KAnonymity { k: 5 }],
        suppress: Fraction::parse(suppress).unwrap(),
        metric: Metric::Loss,
        exact_nodes: u64::MAX,
    };
    search(table, &request, &|| true).unwrap().levels
}

fn large() -> Table {
    let quasi = COLUMNS.iter().enumerate().map(|(column, (name, sizes))| {
        let leaves = (0..sizes[0]).map(|leaf| labels(leaf, sizes));
        let hierarchy = Arc::new(Hierarchy::of_leaves(name, leaves).unwrap());
        let codes = (0..ROWS).map(|row| value(row, column, sizes[0])).collect();
        Quasi { hierarchy, codes }
    });
    Table::new(quasi.collect(), Vec::new(), None).unwrap()
}

fn labels(leaf: usize, sizes: &[usize]) -> Vec<String> {
    let label = |(level, size): (usize, &usize)| format!("{level}-{}", leaf * size / sizes[0]);
    sizes.iter().enumerate().map(label).collect()
}

/// Returns a row's value: `SplitMix64` of the cell, skewed, common values spread over the hierarchy.
fn value(row: usize, column: usize, leaves: usize) -> u32 {
    let mut mixed = ((row * COLUMNS.len() + column) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let uniform = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    let skewed = (leaves as f64 * uniform.powi(SKEW)) as usize;
    (skewed * 7919 % leaves) as u32
}

fn write(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (name, sizes) in COLUMNS {
        let lines = (0..sizes[0]).map(|leaf| labels(leaf, sizes).join(";") + "\n");
        let file = folder.join(format!("large_hierarchy_{name}.csv"));
        fs::write(file, lines.collect::<String>()).unwrap();
    }
    let mut text = COLUMNS.map(|(name, _)| name).join(";") + "\n";
    for row in 0..ROWS {
        for (column, (_, sizes)) in COLUMNS.iter().enumerate() {
            let end = if column + 1 == COLUMNS.len() { '\n' } else { ';' };
            write!(text, "0-{}{end}", value(row, column, sizes[0])).unwrap();
        }
    }
    fs::write(folder.join("large.csv"), text).unwrap();
}

fn adult() -> Option<Table> {
    let folder = Path::new("../shared/data/adult");
    let text = fs::read_to_string(folder.join("adult.csv")).ok()?;
    let mut lines = text.lines().map(|line| line.split(';').collect::<Vec<_>>());
    let head = lines.next()?;
    let rows: Vec<Vec<&str>> = lines.collect();
    let quasi = head.iter().enumerate().map(|(column, name)| {
        let file = folder.join(format!("adult_hierarchy_{name}.csv"));
        let text = fs::read_to_string(file).unwrap();
        let leaves: Vec<Vec<&str>> = text.lines().map(|line| line.split(';').collect()).collect();
        let codes: BTreeMap<&str, u32> = leaves.iter().map(|leaf| leaf[0]).zip(0..).collect();
        let hierarchy = Arc::new(Hierarchy::of_leaves(name, &leaves).unwrap());
        Quasi { hierarchy, codes: rows.iter().map(|row| codes[row[column]]).collect() }
    });
    Table::new(quasi.collect(), Vec::new(), None).ok()
}
