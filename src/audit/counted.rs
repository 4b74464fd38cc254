//! Which rows of a version count: its records in the vault, held against its roster.
//!
//! Comes in: a version that names records. Goes out: findings. Never: trust in the roster's column
//! `records`, by which people are paid; it must be the sum of what the records say.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _, RecordBatch};

use super::{
    Audit, Check, Evidence,
    commits::Numbered,
    table::{ints, parquet, texts},
};
use crate::{
    lake::{PrivateObject, Version},
    store,
};

pub(super) fn counted(
    evidence: &Evidence,
    audit: &mut Audit,
    commit: &Numbered<Version>,
) -> Result<(), store::Error> {
    let version = &commit.body;
    let Some(named) = version.records() else {
        let plain = version.tables.iter().flat_map(|t| &t.segments).all(|s| !s.duplicates);
        let fault = "it has duplicates, and names no records that say of what";
        audit.check(Check::Commit, &commit.path, plain, fault);
        return Ok(());
    };
    let own = named.path == format!("records/{}.parquet", named.digest);
    audit.check(Check::Commit, &commit.path, own, "its records bear another name");
    let read = |audit: &mut Audit, at: &PrivateObject| {
        parquet(audit, &evidence.vault, "vault", &at.path, &at.digest)
    };
    let Some(records) = read(audit, named)? else { return Ok(()) };
    let Some(roster) = read(audit, &version.roster)? else { return Ok(()) };
    let name = format!("vault/{}", named.path);
    let first = records.iter().map(firsts).collect::<Option<Vec<_>>>();
    let told = roster.iter().map(told).collect::<Option<Vec<_>>>();
    let (Some(first), Some(told)) = (first, told) else {
        audit.check(Check::Roster, &name, false, "it holds no records, or its roster counts none");
        return Ok(());
    };
    let (first, told) = (summed(first.concat()), summed(told.concat()));
    let odd = first.iter().filter(|(who, n)| told.get(*who) != Some(*n)).count();
    let unknown = told.iter().filter(|(who, n)| **n > 0 && !first.contains_key(*who)).count();
    let fault = "the records that count of some people are not those of the roster";
    audit.check(Check::Roster, &name, odd == 0 && unknown == 0, fault);
    Ok(())
}

/// People and numbers.
type Numbers = Vec<(String, u64)>;

fn firsts(batch: &RecordBatch) -> Option<Numbers> {
    let contributor = texts(batch, "contributor")?;
    let first = batch.column_by_name("first")?.as_boolean_opt()?;
    let line = |row: usize| (contributor.value(row).to_owned(), u64::from(first.value(row)));
    (first.null_count() == 0).then(|| (0..batch.num_rows()).map(line).collect())
}

fn told(batch: &RecordBatch) -> Option<Numbers> {
    let (contributor, records) = (texts(batch, "contributor")?, ints(batch, "records")?);
    let rows = ints(batch, "rows")?;
    let line = |row: usize| {
        let count = u64::try_from(records.value(row)).ok()?;
        (records.value(row) <= rows.value(row)).then(|| (contributor.value(row).to_owned(), count))
    };
    (0..batch.num_rows()).map(line).collect()
}

fn summed(numbers: Numbers) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (who, number) in numbers {
        let sum: &mut u64 = sums.entry(who).or_default();
        *sum = sum.saturating_add(number);
    }
    sums
}
