//! Which record of those that are the same counts.
//!
//! Comes in: the sketches of a table's released rows with their persons, and what earlier versions
//! held. Goes out: a [`Fate`] for each row. Never: an outcome that depends on the rows' order, but
//! for which of two rows of one person, institution and hash is called the first.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{
    RecordLine,
    chance::Chance,
    minhash::{band, overlap},
    sketch::Sketches,
};

/// How records are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// From which share of tokens on two people's records are the same, in millionths.
    pub similar_ppm: u32,
    /// Bands of `MinHash` in which alike records meet.
    pub bands: usize,
    /// Least values of a band.
    pub rows: usize,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It counts.
    Counts,
    /// Its person has the same record already.
    Repeated,
    /// Another person had an equal record first.
    Copied,
    /// Another person had nearly the same record first.
    Similar,
}

/// Released rows of one table.
#[derive(Debug, Clone, Default)]
pub struct Pile {
    /// Their sketches.
    pub sketches: Sketches,
    /// Which institution's each is; institutions are numbered in their order.
    institutions: Vec<u32>,
    names: BTreeMap<String, u32>,
}

impl Pile {
    /// Adds those rows of an institution's sketches that are kept; all of them if none is named.
    pub fn add(&mut self, sketches: &Sketches, kept: Option<&[bool]>, institution: u32) {
        self.sketches.width = sketches.width;
        let names: Vec<u32> = sketches.names.iter().map(|name| self.named(name)).collect();
        for (at, (hash, person)) in sketches.hashes.iter().zip(&sketches.people).enumerate() {
            if kept.is_some_and(|kept| kept.get(at) != Some(&true)) {
                continue;
            }
            let stratum =
                sketches.strata.get(at).and_then(|s| names.get(usize::try_from(*s).ok()?));
            self.sketches.hashes.push(*hash);
            self.sketches.people.push(*person);
            self.sketches.tokens.extend_from_slice(sketches.tokens(at));
            self.sketches.strata.push(stratum.copied().unwrap_or_default());
            self.institutions.push(institution);
        }
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.sketches.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sketches.is_empty()
    }

    /// Returns a row's hash, person and institution.
    pub fn row(&self, at: usize) -> Option<(u128, u32, u32)> {
        let Sketches { hashes, people, .. } = &self.sketches;
        Some((*hashes.get(at)?, *people.get(at)?, *self.institutions.get(at)?))
    }

    /// Returns the place of a stratum's name; a new one gets the next.
    fn named(&mut self, name: &str) -> u32 {
        if let Some(at) = self.names.get(name) {
            return *at;
        }
        let at = u32::try_from(self.sketches.names.len()).unwrap_or(u32::MAX);
        self.sketches.names.push(name.to_owned());
        self.names.insert(name.to_owned(), at);
        at
    }
}

/// What versions before this one held.
#[derive(Debug, Default)]
pub struct Earlier {
    /// By hash: whose, and the first version (by commit) in which it counted.
    held: BTreeMap<u128, Vec<(u32, u64)>>,
    /// By table: what records that counted are compared by.
    known: BTreeMap<String, Known>,
}

/// By hash and person: the first version in which it counted, and its tokens.
type Known = BTreeMap<(u128, u32), (u64, Vec<u32>)>;

/// A person of an earlier version whom this one does not know: nobody's records are theirs.
pub const STRANGER: u32 = u32::MAX;

impl Earlier {
    /// Adds a version's records; versions come in the order of their commits. `whose` tells whom
    /// this run takes a contributor for.
    pub fn add(
        &mut self,
        commit: u64,
        lines: Vec<RecordLine>,
        whose: &dyn Fn(&crate::party::ContributorId) -> u32,
    ) {
        for line in lines.into_iter().filter(|line| line.first) {
            let person = whose(&line.contributor);
            let holders = self.held.entry(line.hash).or_default();
            if !holders.iter().any(|(holder, _)| *holder == person) {
                holders.push((person, commit));
            }
            if let Some(tokens) = line.tokens {
                let table = self.known.entry(line.table).or_default();
                table.entry((line.hash, person)).or_insert((commit, tokens));
            }
        }
    }

    fn since(&self, hash: u128, person: u32) -> u64 {
        let holders = self.held.get(&hash).map_or(&[] as &[_], Vec::as_slice);
        holders.iter().find(|(own, _)| *own == person).map_or(u64::MAX, |(_, commit)| *commit)
    }
}

/// A person's record: the first of their equal rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Unit {
    /// The first version in which it counted; the greatest number where none did.
    since: u64,
    hash: u128,
    /// The keyed order of persons.
    order: [u8; 16],
    person: u32,
    /// Its row; none where only an earlier version has it.
    row: Option<u32>,
}

/// Judges the released rows of a table. `order` is a keyed number for each person, by which ties of
/// equal records are broken.
pub fn judge(
    table: &str,
    pile: &Pile,
    earlier: &Earlier,
    order: &[[u8; 16]],
    settings: &Settings,
) -> Vec<Fate> {
    let mut fates = vec![Fate::Counts; pile.len()];
    let units = units(pile, earlier, order, &mut fates);
    let mut judging = Judging { table, pile, earlier, settings, chance: None, fates };
    judging.copies(&units);
    judging.likenesses(&units);
    judging.fates
}

/// Sorts rows into persons' records, by hash; a person's second equal row is a repetition.
fn units(pile: &Pile, earlier: &Earlier, order: &[[u8; 16]], fates: &mut [Fate]) -> Vec<Unit> {
    let mut rows: Vec<(u128, u32, u32, u32)> = (0..)
        .zip(pile.sketches.hashes.iter().zip(&pile.sketches.people).zip(&pile.institutions))
        .map(|(row, ((hash, person), institution))| (*hash, *person, *institution, row))
        .collect();
    rows.par_sort_unstable();
    let mut units = Vec::with_capacity(rows.len());
    for run in rows.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let Some(((hash, person, _, row), others)) = run.split_first() else { continue };
        let place = |id: u32| usize::try_from(id).unwrap_or(usize::MAX);
        for (_, _, _, other) in others {
            if let Some(fate) = fates.get_mut(place(*other)) {
                *fate = Fate::Repeated;
            }
        }
        units.push(Unit {
            since: earlier.since(*hash, *person),
            hash: *hash,
            order: order.get(place(*person)).copied().unwrap_or_default(),
            person: *person,
            row: Some(*row),
        });
    }
    units
}

struct Judging<'a> {
    table: &'a str,
    pile: &'a Pile,
    earlier: &'a Earlier,
    settings: &'a Settings,
    chance: Option<Chance>,
    fates: Vec<Fate>,
}

impl<'a> Judging<'a> {
    fn tokens(&self, row: u32) -> &'a [u32] {
        self.pile.sketches.tokens(usize::try_from(row).unwrap_or(usize::MAX))
    }

    fn set(&mut self, unit: &Unit, fate: Fate) {
        let row = unit.row.and_then(|row| usize::try_from(row).ok());
        if let Some(slot) = row.and_then(|row| self.fates.get_mut(row)) {
            *slot = fate;
        }
    }

    fn counts(&self, unit: &Unit) -> bool {
        let row = unit.row.and_then(|row| usize::try_from(row).ok());
        row.and_then(|row| self.fates.get(row)).is_none_or(|fate| *fate == Fate::Counts)
    }

    /// Whether chance is ruled out for two people's records; what the table tells of chance is
    /// worked out when it is first asked for, over the different records.
    fn no_chance(&mut self, units: &[Unit], one: (u32, &[u32]), other: (u32, &[u32])) -> bool {
        if self.chance.is_none() {
            let mut different: Vec<&Unit> = Vec::with_capacity(units.len());
            for run in units.chunk_by(|a, b| a.hash == b.hash) {
                different.extend(run.iter().min());
            }
            let people: Vec<u32> = different.iter().map(|unit| unit.person).collect();
            let rows = different.iter().filter_map(|unit| unit.row);
            let tokens: Vec<u32> = rows.flat_map(|row| self.tokens(row)).copied().collect();
            self.chance = Some(Chance::of(&people, &tokens, self.pile.sketches.width));
        }
        self.chance.as_ref().is_some_and(|chance| chance.rules_out(one, other))
    }

    /// Equal records of several people, in this version or before it.
    fn copies(&mut self, units: &[Unit]) {
        for run in units.chunk_by(|a, b| a.hash == b.hash) {
            let Some(first) = run.iter().min() else { continue };
            let holders = self.earlier.held.get(&first.hash).map_or(&[] as &[_], Vec::as_slice);
            let before = holders.iter().min_by_key(|(person, commit)| (*commit, *person));
            // Somebody who is no longer there had it first.
            let gone = before
                .filter(|(person, commit)| {
                    *commit < first.since && run.iter().all(|unit| unit.person != *person)
                })
                .map(|(person, _)| *person);
            if run.len() < 2 && gone.is_none() {
                continue;
            }
            let Some(row) = first.row else { continue };
            let tokens = self.tokens(row);
            let owner = gone.unwrap_or(first.person);
            for unit in run.iter().filter(|unit| gone.is_some() || *unit != first) {
                if self.no_chance(units, (owner, tokens), (unit.person, tokens)) {
                    self.set(unit, Fate::Copied);
                }
            }
        }
    }

    /// Nearly the same records of several people: each is held against those that count before it.
    fn likenesses(&mut self, units: &[Unit]) {
        let mut all: Vec<(Unit, &[u32])> = units
            .iter()
            .filter(|unit| self.counts(unit))
            .filter_map(|unit| Some((*unit, self.tokens(unit.row?))))
            .filter(|(_, tokens)| self.settings.can_resemble(tokens))
            .collect();
        if all.is_empty() {
            return;
        }
        let here: BTreeSet<(u128, u32)> = all.iter().map(|(u, _)| (u.hash, u.person)).collect();
        let gone = self.earlier.known.get(self.table).into_iter().flatten();
        for ((hash, person), (since, tokens)) in gone {
            let same_width = tokens.len() == self.pile.sketches.width;
            if same_width && !here.contains(&(*hash, *person)) {
                let (order, row) = ([0; 16], None);
                all.push((
                    Unit { since: *since, hash: *hash, order, person: *person, row },
                    tokens,
                ));
            }
        }
        all.par_sort_unstable();
        let mut dead = vec![false; all.len()];
        for (later, first) in self.settings.pairs(&all) {
            if dead.get(later) != Some(&false) || dead.get(first) != Some(&false) {
                continue;
            }
            let (Some((unit, tokens)), Some((owner, own))) = (all.get(later), all.get(first))
            else {
                continue;
            };
            if unit.row.is_some()
                && self.no_chance(units, (owner.person, own), (unit.person, tokens))
            {
                self.set(unit, Fate::Similar);
                if let Some(slot) = dead.get_mut(later) {
                    *slot = true;
                }
            }
        }
    }
}

/// Each record of a band is compared with so many of those that come before it.
const HEADS_MAX: usize = 64;

impl Settings {
    /// Whether another record can reach the asked likeness to this one without being equal.
    pub fn can_resemble(&self, tokens: &[u32]) -> bool {
        let filled = tokens.iter().filter(|token| **token != 0).count() as u64;
        filled > 0 && (filled - 1) * 1_000_000 >= filled * u64::from(self.similar_ppm)
    }

    fn alike(&self, one: &[u32], other: &[u32]) -> bool {
        let (shared, either) = overlap(one, other);
        u64::from(shared) * 1_000_000 >= u64::from(either) * u64::from(self.similar_ppm)
    }

    /// Finds pairs of alike records of different people: (later, earlier) places, sorted.
    fn pairs(&self, all: &[(Unit, &[u32])]) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for at in 0..self.bands {
            let mut keys: Vec<(u64, usize)> = all
                .par_iter()
                .enumerate()
                .map(|(place, (_, tokens))| (band(tokens, at, self.rows), place))
                .collect();
            keys.par_sort_unstable();
            let runs: Vec<&[(u64, usize)]> =
                keys.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1).collect();
            let found = runs.par_iter().flat_map_iter(|run| self.meet(all, run));
            pairs.par_extend(found);
        }
        pairs.par_sort_unstable();
        pairs.dedup();
        pairs
    }

    fn meet<'r>(
        &'r self,
        all: &'r [(Unit, &[u32])],
        run: &'r [(u64, usize)],
    ) -> impl Iterator<Item = (usize, usize)> + 'r {
        run.iter().enumerate().skip(1).flat_map(move |(place, (_, later))| {
            let heads = run.iter().take(place.min(HEADS_MAX));
            heads.filter_map(move |(_, first)| {
                let ((one, own), (other, theirs)) = (all.get(*first)?, all.get(*later)?);
                let alike = one.person != other.person && self.alike(own, theirs);
                alike.then_some((*later, *first))
            })
        })
    }
}
