//! What was new in a period, counted once more from the records of the versions.
//!
//! Comes in: versions, who is verified, what waited in the settlements before. Goes out: one row a
//! contributor and stratum. Never: a record that counts twice, or a copy that counts at all.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray as _;
use bytes::Bytes;

use super::{
    Audit, Evidence,
    commits::Commits,
    given::NewData,
    inputs::interval,
    lines::rows,
    shape::Opened,
    table::{flags, ints, object, texts},
};
use crate::store;

/// One record of one contributor in a version.
struct Record {
    contributor: String,
    hash: [u8; 16],
    stratum: String,
    /// Whether it counts, being the first of those that are the same.
    first: bool,
    quality: u64,
}

/// Where the records of versions are, in the vault.
const RECORDS: &str = "records/";

/// Counts what was new in a period of a pool. `person` tells the verified person of a contributor,
/// `earlier` are the tables of the settlements before, in order. `None` where records cannot be read,
/// which is a finding of its own.
pub(super) fn count(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    opened: &Opened,
    period: &str,
    person: &dyn Fn(&str) -> Option<String>,
    earlier: &[Vec<NewData>],
) -> Result<Option<Vec<NewData>>, store::Error> {
    let Some((from, until)) = interval(period) else { return Ok(None) };
    let mut before: BTreeSet<[u8; 16]> = BTreeSet::new();
    let mut prior: BTreeMap<String, BTreeSet<[u8; 16]>> = BTreeMap::new();
    let mut verified: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut newest: BTreeMap<&str, Vec<Record>> = BTreeMap::new();
    for commit in commits.lake.iter().filter(|c| c.body.time < until) {
        let version = &commit.body;
        let paper = version.papers.iter().find(|paper| paper.path.starts_with(RECORDS));
        let mut own = Vec::new();
        if let Some(at) = paper {
            let bytes = object(audit, &evidence.vault, "vault", &at.path, &at.digest)?;
            let Some(read) = bytes.and_then(records) else { return Ok(None) };
            own = read;
        }
        for record in &own {
            let old = version.time < from;
            if old {
                before.insert(record.hash);
            }
            if record.first {
                let of = record.stratum.clone();
                if let Some(person) = person(&record.contributor) {
                    verified.entry(of.clone()).or_default().insert(person);
                }
                if old {
                    prior.entry(of).or_default().insert(record.hash);
                }
            }
        }
        if opened.datasets.contains(&version.dataset) {
            newest.insert(&version.dataset, own);
        }
    }
    // By contributor and hash: a record that stands in two datasets is one.
    let mut held: BTreeMap<(String, [u8; 16]), (String, u64)> = BTreeMap::new();
    for record in newest.into_values().flatten().filter(|record| record.first) {
        let Record { contributor, hash, stratum, quality, .. } = record;
        held.insert((contributor, hash), (stratum, quality));
    }
    let mut waiting: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in earlier.iter().flatten() {
        let left = if row.vested { 0 } else { row.new };
        waiting.insert((&row.contributor, &row.stratum), left);
    }
    // By contributor and stratum: records, new ones among them, the sum of their quality.
    let mut counts: BTreeMap<(String, String), (u64, u64, u128)> = BTreeMap::new();
    for ((contributor, hash), (stratum, quality)) in held {
        let (all, new, sum) = counts.entry((contributor, stratum)).or_default();
        *all = all.saturating_add(1);
        *new = new.saturating_add(u64::from(!before.contains(&hash)));
        *sum = sum.saturating_add(u128::from(quality));
    }
    let size = |set: Option<usize>| u64::try_from(set.unwrap_or(0)).unwrap_or(u64::MAX);
    let row = |((contributor, stratum), (all, new, sum)): ((String, String), (u64, u64, u128))| {
        let waits = waiting.get(&(contributor.as_str(), stratum.as_str())).copied().unwrap_or(0);
        let quality = sum.checked_div(u128::from(all)).and_then(|q| u64::try_from(q).ok());
        let verified = size(verified.get(&stratum).map(BTreeSet::len));
        NewData {
            new: new.saturating_add(waits).min(all),
            prior: size(prior.get(&stratum).map(BTreeSet::len)),
            quality: quality.unwrap_or(0),
            verified,
            vested: opened.rules.contributors_min().is_some_and(|least| verified >= least),
            contributor,
            stratum,
        }
    };
    Ok(Some(counts.into_iter().map(row).filter(|row| row.new > 0).collect()))
}

fn records(bytes: Bytes) -> Option<Vec<Record>> {
    rows(bytes, |batch, all| {
        let (contributor, stratum) = (texts(batch, "contributor")?, texts(batch, "stratum")?);
        let (first, quality) = (flags(batch, "first")?, ints(batch, "quality_ppm")?);
        let hash = batch.column_by_name("hash")?.as_fixed_size_binary_opt()?;
        for row in 0..batch.num_rows() {
            all.push(Record {
                contributor: contributor.value(row).to_owned(),
                hash: hash.value(row).try_into().ok()?,
                stratum: stratum.value(row).to_owned(),
                first: first.value(row),
                quality: u64::try_from(quality.value(row)).ok()?,
            });
        }
        Some(())
    })
}
