//! What a settlement had to rest on, gathered anew from the commits: the money that came in before
//! its end, the questions of its days, the versions asked and the newest ones.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Months, NaiveDate};
use serde_json::{Map, Value, json};

use super::{
    commits::{Commits, Numbered},
    matched::{Matched, Payments},
    shape::{Funded, Opened, Overridden, Override, Relation, Settled},
    table::leaf_hash,
};
use crate::{
    instant::{Date, Instant},
    lake,
    money::Accrual,
    party::InstitutionId,
    purpose::covers,
};

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

/// The last day of a period.
pub(super) fn last_day(text: &str) -> Option<Date> {
    let (_, until) = interval(text)?;
    Some(Instant::from_unix(until.unix().checked_sub(1)?).ok()?.date())
}

/// A pool as it stood before a settlement.
#[derive(Debug)]
pub(super) struct Before<'a> {
    pub(super) opened: &'a Opened,
    /// Commit, time, entry and payment.
    pub(super) funded: Vec<(u64, Instant, &'a str, &'a Funded)>,
    /// Commit, entry and decision.
    pub(super) overridden: Vec<(u64, &'a str, &'a Overridden)>,
    /// What left it for other pools.
    pub(super) matched: Vec<&'a Matched>,
    /// The commits of what came into it from funds.
    pub(super) payments: Payments,
    /// Commit and settlement.
    pub(super) settled: Vec<(u64, &'a Settled)>,
}

impl<'a> Before<'a> {
    /// A pool that was just opened.
    pub(super) fn new(opened: &'a Opened) -> Self {
        Self {
            opened,
            funded: Vec::new(),
            overridden: Vec::new(),
            matched: Vec::new(),
            payments: Payments::new(),
            settled: Vec::new(),
        }
    }

    /// Returns what was decided since the settlement before.
    fn decided(&self) -> impl Iterator<Item = &(u64, &'a str, &'a Overridden)> {
        let since = self.settled.last().map_or(0, |(commit, _)| *commit);
        self.overridden.iter().filter(move |(commit, ..)| *commit > since)
    }
}

/// Returns what the inputs must be, but for the seed and the two tables that are compared row by row;
/// `None` where the period is none. `known` says whether a commit came before the settlement.
pub(super) fn gather(
    before: &Before<'_>,
    act: &Settled,
    commits: &Commits,
    known: &dyn Fn(Instant, &str) -> bool,
) -> Option<Value> {
    let (from, until) = interval(&act.period)?;
    let Opened { pool, currency, datasets, purposes, rules } = before.opened;
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
    let asked = questions(before, commits, from, until);
    let versions = versions(datasets, commits, &asked, until)?;
    let overrides: Vec<Value> = before
        .decided()
        .map(|(commit, entry, decision)| {
            json!({"commit": commit, "entry": id(entry), "act": decision.change})
        })
        .collect();
    let last = before.settled.last();
    let opening = last.map(|(commit, s)| opening(*commit, s));
    Some(json!({
        "format": 2,
        "pool": pool,
        "period": act.period,
        "datasets": datasets,
        "purposes": purposes,
        "rules": {
            "method": METHOD,
            "currency": currency,
            "set": rules,
            "units_per_query": UNITS,
            "rounding": ROUNDING,
        },
        "funded": funded,
        "returned": last.map_or(Accrual::new(0, *currency), |(_, s)| s.totals.unallocated),
        "versions": versions,
        "queries": asked.queries,
        "repeats": asked.repeats,
        "other_purpose": asked.other_purpose,
        "related": related(commits, &asked.askers, known),
        "overrides": overrides,
        "value": if rules.pays_by_value() { value(commits, pool, until, known) } else { None },
        "opening": opening,
    }))
}

/// What was asked in the days of a period.
#[derive(Debug, Default)]
struct Asked<'a> {
    queries: Vec<Value>,
    repeats: Vec<u64>,
    other_purpose: Vec<u64>,
    versions: BTreeSet<(&'a str, u64)>,
    /// The institutions that asked.
    askers: BTreeSet<&'a str>,
}

fn questions<'a>(
    before: &Before<'_>,
    commits: &'a Commits,
    from: Instant,
    until: Instant,
) -> Asked<'a> {
    let Opened { datasets, purposes, .. } = before.opened;
    let (mut excluded, mut prices) = (BTreeSet::new(), BTreeMap::new());
    for (_, _, decision) in before.decided() {
        match &decision.change {
            Override::ExcludeQuery { query } => {
                excluded.insert(*query);
            }
            Override::Price { query, price } => {
                prices.insert(*query, *price);
            }
            Override::ExcludeContributor { .. } | Override::Correct { .. } => {}
        }
    }
    let mut asked = Asked::default();
    // By question: the first time that it was asked on a day.
    let mut counted = BTreeMap::new();
    for Numbered { number, body, .. } in &commits.usage {
        if !datasets.contains(&body.dataset) || body.time < from || body.time >= until {
            continue;
        }
        let key = (&body.dataset, body.query, &body.researcher, body.time.date());
        let first = *counted.entry(key).or_insert(*number);
        if excluded.contains(&first) || excluded.contains(number) {
            continue;
        }
        if !purposes.is_empty() && !purposes.iter().any(|p| covers(p, &body.purpose)) {
            asked.other_purpose.push(*number);
            continue;
        }
        if first != *number {
            asked.repeats.push(*number);
            continue;
        }
        asked.versions.insert((&body.dataset, body.version));
        asked.askers.extend(body.institution.as_ref().map(InstitutionId::as_str));
        asked.queries.push(json!({
            "commit": number,
            "entry": id(&body.entry),
            "time": body.time,
            "dataset": body.dataset,
            "version": body.version,
            "purpose": body.purpose,
            "researcher": body.researcher,
            "institution": body.institution,
            "query": body.query,
            "price": prices.get(number).copied().unwrap_or(1),
            "people": body.people,
            "rows": body.rows,
            "lines": {"path": body.lines_path, "digest": body.lines},
        }));
    }
    asked
}

/// The versions asked and the newest ones.
fn versions(
    datasets: &[String],
    commits: &Commits,
    asked: &Asked<'_>,
    until: Instant,
) -> Option<Vec<Value>> {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for commit in commits.lake.iter().filter(|c| c.body.time < until) {
        if datasets.contains(&commit.body.dataset) {
            let number = newest.entry(&commit.body.dataset).or_default();
            *number = commit.body.version.max(*number);
        }
    }
    let mut wanted = asked.versions.clone();
    wanted.extend(newest.iter().map(|(dataset, version)| (*dataset, *version)));
    let version = |(dataset, version): (&str, u64)| {
        let of =
            |c: &&Numbered<lake::Version>| c.body.dataset == dataset && c.body.version == version;
        let commit = commits.lake.iter().find(of)?;
        Some(json!({
            "commit": commit.number,
            "entry": id(&commit.body.entry),
            "dataset": dataset,
            "version": version,
            "roster": commit.body.roster,
            "base": newest.get(dataset) == Some(&version),
        }))
    };
    wanted.into_iter().map(version).collect()
}

/// What was known of relations to those that asked when the settlement was made.
fn related(
    commits: &Commits,
    askers: &BTreeSet<&str>,
    known: &dyn Fn(Instant, &str) -> bool,
) -> Vec<Value> {
    commits
        .parties
        .iter()
        .filter(|c| askers.contains(c.body.act.payer.as_str()))
        .filter(|c| known(c.body.time, &c.body.entry))
        .map(|c| {
            let Relation { payer, institution, .. } = &c.body.act;
            json!({"payer": payer, "institution": institution, "entry": id(&c.body.entry)})
        })
        .collect()
}

/// The newest valuation for a pool before a period's end.
fn value(
    commits: &Commits,
    pool: &str,
    until: Instant,
    known: &dyn Fn(Instant, &str) -> bool,
) -> Option<Value> {
    let mut own = commits.values.iter().filter(|c| c.body.pool == pool && c.body.time < until);
    let newest = own.rfind(|c| known(c.body.time, &c.body.entry))?;
    Some(json!({
        "commit": newest.number,
        "entry": id(&newest.body.entry),
        "object": newest.body.values,
    }))
}

/// Where the settlement before left everyone.
fn opening(commit: u64, act: &Settled) -> Value {
    let mut opening = Map::new();
    opening.insert("commit".to_owned(), commit.into());
    opening.insert("lines".to_owned(), json!(act.lines));
    let platform = act.totals.platform_account.as_ref().map(|sums| sums.carried);
    for (name, value) in [
        ("institution_lines", act.institution_lines.as_ref().map(|at| json!(at))),
        ("held", act.held.as_ref().map(|at| json!(at))),
        ("platform", platform.map(|sum| json!(sum))),
    ] {
        if let Some(value) = value {
            opening.insert(name.to_owned(), value);
        }
    }
    Value::Object(opening)
}

/// The method that this version of the auditor reckons by.
pub(super) const METHOD: &str = "almoner-reward/v2";

const ROUNDING: &str = "largest remainders in grains; ties by SHA3-256(seed || payee) ascending; \
                        layers, parts and tranches tie in their order; fee, reserve, tax and caps \
                        round down";

/// Share units of one question of price 1.
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
        assert_eq!(last_day("2026-Q4").unwrap().to_string(), "2026-12-31");
        for text in ["", "2026-Q5", "2026-13", "x", "2026-02-02..2026-02-01"] {
            assert!(interval(text).is_none(), "{text}");
        }
    }
}
