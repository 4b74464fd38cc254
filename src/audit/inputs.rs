//! What a settlement had to rest on, gathered anew from the commits: the money that came in before
//! its end, the questions of its days, the versions asked and the newest ones.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Months, NaiveDate};
use serde_json::{Value, json};

use super::{
    commits::{Commits, Numbered},
    shape::{Funded, Opened, Settled},
    table::leaf_hash,
};
use crate::instant::Instant;

/// The days of a period, from the first instant to the first after it.
pub(super) fn interval(text: &str) -> Option<(Instant, Instant)> {
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let (from, until) = if let Some((from, to)) = text.split_once("..") {
        (day(from)?, day(to)?.succ_opt()?)
    } else if let Some((year, quarter)) = text.split_once("-Q") {
        let quarter: u32 = quarter.parse().ok().filter(|q| (1..=4).contains(q))?;
        let first = quarter.checked_mul(3)?.checked_sub(2)?;
        let from = NaiveDate::from_ymd_opt(year.parse().ok()?, first, 1)?;
        (from, from.checked_add_months(Months::new(3))?)
    } else if let Some((year, month)) = text.split_once('-') {
        let from = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?;
        (from, from.checked_add_months(Months::new(1))?)
    } else {
        let from = NaiveDate::from_ymd_opt(text.parse().ok()?, 1, 1)?;
        (from, from.checked_add_months(Months::new(12))?)
    };
    (from < until).then(|| (Instant::midnight(from), Instant::midnight(until)))
}

/// A pool as it stood before a settlement.
#[derive(Debug)]
pub(super) struct Before<'a> {
    pub(super) opened: &'a Opened,
    /// Commit, time, entry and payment.
    pub(super) funded: Vec<(u64, Instant, &'a str, &'a Funded)>,
    /// Commit and settlement.
    pub(super) settled: Vec<(u64, &'a Settled)>,
}

/// Returns what the inputs must be, but for the seed; `None` where the period is none.
pub(super) fn gather(before: &Before<'_>, act: &Settled, commits: &Commits) -> Option<Value> {
    let (from, until) = interval(&act.period)?;
    let Opened { pool, currency, datasets, terms } = before.opened;
    let used: BTreeSet<u64> =
        before.settled.iter().flat_map(|(_, s)| s.funded.iter().copied()).collect();
    let funded: Vec<Value> = before
        .funded
        .iter()
        .filter(|(commit, time, _, _)| *time < until && !used.contains(commit))
        .map(|(commit, _, entry, funded)| {
            json!({"commit": commit, "entry": id(entry), "amount": funded.amount})
        })
        .collect();
    let (mut queries, mut repeats) = (Vec::new(), Vec::new());
    let mut counted = BTreeSet::new();
    let mut asked: BTreeSet<(&str, u64)> = BTreeSet::new();
    for Numbered { number, body, .. } in &commits.usage {
        if !datasets.contains(&body.dataset) || body.time < from || body.time >= until {
            continue;
        }
        let key = (&body.dataset, body.query, &body.researcher, body.time.date());
        if !counted.insert(key) {
            repeats.push(*number);
            continue;
        }
        asked.insert((&body.dataset, body.version));
        queries.push(json!({
            "commit": number,
            "entry": id(&body.entry),
            "time": body.time,
            "dataset": body.dataset,
            "version": body.version,
            "purpose": body.purpose,
            "researcher": body.researcher,
            "institution": body.institution,
            "query": body.query,
            "price": 1,
            "people": body.people,
            "rows": body.rows,
            "lines": {"path": body.lines_path, "digest": body.lines},
        }));
    }
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for commit in commits.lake.iter().filter(|c| c.body.time < until) {
        if datasets.contains(&commit.body.dataset) {
            let number = newest.entry(&commit.body.dataset).or_default();
            *number = commit.body.version.max(*number);
        }
    }
    asked.extend(newest.iter().map(|(dataset, version)| (*dataset, *version)));
    let mut versions = Vec::new();
    for (dataset, version) in asked {
        let of = |c: &&Numbered<_>| {
            let c: &Numbered<crate::lake::Version> = c;
            c.body.dataset == dataset && c.body.version == version
        };
        let commit = commits.lake.iter().find(of)?;
        versions.push(json!({
            "commit": commit.number,
            "entry": id(&commit.body.entry),
            "dataset": dataset,
            "version": version,
            "roster": commit.body.roster,
            "base": newest.get(dataset) == Some(&version),
        }));
    }
    let nothing = crate::money::Amount::zero(*currency);
    let last = before.settled.last();
    let mut rules = json!({
        "method": "almoner-reward/v1",
        "currency": currency,
        "fee_bps": terms.fee_bps,
        "base_ppm": terms.base_ppm,
        "usage_ppm": terms.usage_ppm,
        "minimum": terms.minimum,
        "accrual_per_minor": 1_000_000,
        "units_per_query": UNITS,
        "rounding": ROUNDING,
    });
    if terms.institution_ppm != 0 {
        let members = rules.as_object_mut()?;
        members.insert("institution_ppm".to_owned(), terms.institution_ppm.into());
        members.insert("rounding".to_owned(), format!("{ROUNDING}{INSTITUTIONS}").into());
    }
    let opening = last.map(|(commit, s)| {
        let mut opening = json!({"commit": commit, "lines": s.lines});
        if let (Some(lines), Some(members)) = (&s.institution_lines, opening.as_object_mut()) {
            members.insert("institution_lines".to_owned(), json!(lines));
        }
        opening
    });
    Some(json!({
        "format": 1,
        "pool": pool,
        "period": act.period,
        "datasets": datasets,
        "rules": rules,
        "funded": funded,
        "returned": last.map_or(nothing, |(_, s)| s.totals.unallocated),
        "versions": versions,
        "queries": queries,
        "repeats": repeats,
        "opening": opening,
    }))
}

const ROUNDING: &str = "largest remainders; ties by SHA3-256(seed || contributor) ascending; layers \
                        tie in the order base, usage";

/// What the rounding of a pool that gives institutions a part says besides.
const INSTITUTIONS: &str = "; the institutions' part comes first, rounded down; theirs tie by \
                            SHA3-256(seed || institution)";

/// Share units of one question.
pub(super) const UNITS: u64 = 1_000_000_000_000;

fn id(entry: &str) -> String {
    leaf_hash(entry.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_readings_of_a_period_agree() {
        for text in ["2026", "2026-02", "2026-Q1", "2026-Q4", "2026-10-01..2026-11-21"] {
            let (from, until) = interval(text).unwrap();
            assert!(from < until, "{text}");
        }
        let (from, until) = interval("2026-Q4").unwrap();
        assert_eq!(from.to_string(), "2026-10-01T00:00:00Z");
        assert_eq!(until.to_string(), "2027-01-01T00:00:00Z");
        for text in ["", "2026-Q5", "2026-13", "x", "2026-02-02..2026-02-01"] {
            assert!(interval(text).is_none(), "{text}");
        }
    }
}
