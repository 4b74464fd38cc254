//! What is new in a period: records that no version before it held, by contributor and stratum.
//!
//! Comes in: the versions' records objects, whose person each verified contributor is, and the
//! new-data tables of the pool's earlier settlements. Goes out: one line a contributor and stratum.
//! Never: a record that vests twice, or a stratum that one verified person vests alone.
//!
//! A record is new if its hash is in no version of any dataset made before the period began. What
//! never vested stays a candidate for as long as the contributor's newest version still holds it.
//! Copies and repetitions count nowhere: neither as new, nor as prior, nor for who is in a stratum.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, object};
use crate::{
    lake::{Lake, Version},
    party::ContributorId,
    records::{self, RecordLine},
    reward::{NewDataLine, ObjectRef, Period},
    site::Site,
};

/// What asks for the new data of a period.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The datasets that the pool pays for.
    pub(super) datasets: &'a [String],
    /// The period.
    pub(super) period: &'a Period,
    /// How many verified persons a stratum needs.
    pub(super) contributors_min: u32,
}

/// Gathers the new-data table of a period, sorted by contributor and stratum. `person` tells a
/// contributor's verified person at the period's end; `earlier` are the new-data tables of the
/// pool's settlements before, in order.
pub(super) fn gather(
    site: &Site,
    asked: &Asked<'_>,
    person: &dyn Fn(&ContributorId) -> Option<String>,
    earlier: &[Vec<NewDataLine>],
) -> Result<Vec<NewDataLine>, Error> {
    let mut strata = Strata::default();
    let versions = Lake::new(site.lake()).all()?;
    let mut newest: BTreeMap<&str, &Version> = BTreeMap::new();
    for version in versions.iter().map(|located| &located.version) {
        if version.time >= asked.period.until() {
            continue;
        }
        if asked.datasets.contains(&version.dataset) {
            newest.insert(&version.dataset, version);
        }
        let before = version.time < asked.period.from();
        for line in lines(site, version)? {
            strata.take(line, before, person);
        }
    }
    let mut held = BTreeMap::new();
    for version in newest.into_values() {
        for line in lines(site, version)?.into_iter().filter(|line| line.first) {
            held.insert((line.contributor, line.hash), (line.stratum, line.quality_ppm));
        }
    }
    Ok(strata.table(held, asked.contributors_min, earlier))
}

/// Reads a version's records; one made without them has none.
fn lines(site: &Site, version: &Version) -> Result<Vec<RecordLine>, Error> {
    let Some(at) = version.records() else { return Ok(Vec::new()) };
    let at = ObjectRef { path: at.path.clone(), digest: at.digest };
    let path = at.path.clone();
    records::read(object(site, &at)?).map_err(|source| Error::Records { path, source })
}

/// Counting records by contributor and hash: the stratum and the quality of each.
type Held = BTreeMap<(ContributorId, u128), (String, u64)>;

/// What the versions up to a period's end tell of each stratum.
#[derive(Debug, Default)]
struct Strata {
    /// The hashes of all versions before the period.
    before: BTreeSet<u128>,
    /// The hashes that counted before the period, by stratum.
    prior: BTreeMap<String, BTreeSet<u128>>,
    /// The verified persons with counting records, by stratum.
    verified: BTreeMap<String, BTreeSet<String>>,
    /// Each contributor's verified person, asked for once.
    people: BTreeMap<ContributorId, Option<String>>,
}

impl Strata {
    fn take(
        &mut self,
        line: RecordLine,
        before: bool,
        person: &dyn Fn(&ContributorId) -> Option<String>,
    ) {
        if before {
            self.before.insert(line.hash);
        }
        if !line.first {
            return;
        }
        let asked = self.people.entry(line.contributor);
        let known = asked.or_insert_with_key(|contributor| person(contributor));
        if let Some(person) = known {
            let of_stratum = self.verified.entry(line.stratum.clone()).or_default();
            of_stratum.insert(person.clone());
        }
        if before {
            self.prior.entry(line.stratum).or_default().insert(line.hash);
        }
    }

    fn table(
        &self,
        held: Held,
        contributors_min: u32,
        earlier: &[Vec<NewDataLine>],
    ) -> Vec<NewDataLine> {
        let mut waiting: BTreeMap<(&ContributorId, &str), u64> = BTreeMap::new();
        for line in earlier.iter().flatten() {
            let left = if line.vested { 0 } else { line.new };
            waiting.insert((&line.contributor, &line.stratum), left);
        }
        let mut found: BTreeMap<(ContributorId, String), Count> = BTreeMap::new();
        for ((contributor, hash), (stratum, quality_ppm)) in held {
            let count = found.entry((contributor, stratum)).or_default();
            count.held = count.held.saturating_add(1);
            count.quality_ppm = count.quality_ppm.saturating_add(u128::from(quality_ppm));
            if !self.before.contains(&hash) {
                count.fresh = count.fresh.saturating_add(1);
            }
        }
        let line = |((contributor, stratum), count): ((ContributorId, String), Count)| {
            let waiting = waiting.get(&(&contributor, stratum.as_str())).copied().unwrap_or(0);
            let new = count.fresh.saturating_add(waiting).min(count.held);
            let verified = self.verified.get(&stratum).map_or(0, BTreeSet::len);
            let verified = u32::try_from(verified).unwrap_or(u32::MAX);
            let prior = self.prior.get(&stratum).map_or(0, |hashes| hashes.len() as u64);
            let quality = count.quality_ppm.checked_div(u128::from(count.held)).unwrap_or(0);
            (new > 0).then(|| NewDataLine {
                contributor,
                stratum,
                new,
                prior,
                quality_ppm: u64::try_from(quality).unwrap_or(0),
                verified,
                vested: verified >= contributors_min,
            })
        };
        found.into_iter().filter_map(line).collect()
    }
}

/// A contributor's counting records in a stratum.
#[derive(Debug, Default)]
struct Count {
    held: u64,
    fresh: u64,
    /// The sum of their quality.
    quality_ppm: u128,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RARE: &str = "conditions/code=E75.2";

    fn record(who: &str, hash: u128, first: bool) -> RecordLine {
        RecordLine {
            contributor: ContributorId::parse(who).unwrap(),
            hash,
            table: "conditions".to_owned(),
            stratum: RARE.to_owned(),
            first,
            quality_ppm: 610_000,
            tokens: None,
        }
    }

    /// The table of a period: what was there before it, what the newest version holds.
    fn period(
        before: &[RecordLine],
        held: &[RecordLine],
        earlier: &[Vec<NewDataLine>],
    ) -> Vec<NewDataLine> {
        // Everybody but `nobody` is verified; `dora2` is another id of `dora`.
        let person = |id: &ContributorId| match id.as_str() {
            "nobody" => None,
            known => Some(known.trim_end_matches('2').to_owned()),
        };
        let mut strata = Strata::default();
        for line in before {
            strata.take(line.clone(), true, &person);
        }
        for line in held {
            strata.take(line.clone(), false, &person);
        }
        let held = held.iter().filter(|line| line.first).cloned();
        let held = held.map(|l| ((l.contributor, l.hash), (l.stratum, l.quality_ppm))).collect();
        strata.table(held, 2, earlier)
    }

    fn told<'l>(lines: &'l [NewDataLine]) -> Vec<(&'l str, u64, u64, u32, bool)> {
        let line =
            |l: &'l NewDataLine| (l.contributor.as_str(), l.new, l.prior, l.verified, l.vested);
        lines.iter().map(line).collect()
    }

    #[test]
    fn seven_fabricated_rare_records_wait_until_a_second_verified_person_brings_some_and_vest_once()
    {
        let fakes: Vec<RecordLine> = (0..7).map(|n| record("dora", n, true)).collect();
        let q1 = period(&[], &fakes, &[]);
        assert_eq!(told(&q1), [("dora", 7, 0, 1, false)], "one person vests a stratum alone");

        let others = [record("dora2", 50, true), record("nobody", 51, true)];
        let held = [fakes.clone(), others.to_vec()].concat();
        let q2 = period(&fakes, &held, std::slice::from_ref(&q1));
        assert!(q2.iter().all(|l| !l.vested && l.verified == 1), "a second id is a second person");
        assert_eq!(q2.iter().map(|l| l.new).sum::<u64>(), 9, "what waits was lost");

        let before = held.clone();
        let held = [held, vec![record("emil", 60, true)]].concat();
        let q3 = period(&before, &held, &[q1.clone(), q2.clone()]);
        assert_eq!(
            told(&q3),
            [
                ("dora", 7, 9, 2, true),
                ("dora2", 1, 9, 2, true),
                ("emil", 1, 9, 2, true),
                ("nobody", 1, 9, 2, true)
            ],
            "what waited does not vest with the second verified person"
        );
        assert!(period(&held, &held, &[q1, q2, q3]).is_empty(), "a record vests twice");
    }

    #[test]
    fn copies_are_neither_new_nor_prior_and_vest_nothing() {
        let fakes: Vec<RecordLine> = (0..7).map(|n| record("dora", n, true)).collect();
        let copies: Vec<RecordLine> = (0..7).map(|n| record("emil", n, false)).collect();
        let held = [fakes.clone(), copies].concat();
        let lines = period(&[], &held, &[]);
        assert_eq!(told(&lines), [("dora", 7, 0, 1, false)], "a copier vests what they copied");
    }

    #[test]
    fn what_waits_and_is_gone_from_the_newest_version_waits_no_more() {
        let fakes: Vec<RecordLine> = (0..7).map(|n| record("dora", n, true)).collect();
        let q1 = period(&[], &fakes, &[]);
        let held = [fakes[..3].to_vec(), vec![record("emil", 60, true)]].concat();
        let q2 = period(&fakes, &held, &[q1]);
        assert_eq!(told(&q2), [("dora", 3, 7, 2, true), ("emil", 1, 7, 2, true)]);
    }
}
