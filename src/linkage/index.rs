//! The person index: which person an institution's own id stands for.
//!
//! Comes in: the commits in the vault. Goes out: a person for (institution, local id), a person's
//! records, the ids that stand for one person. Never: a guess; what is not in it is nobody.

use std::{collections::BTreeMap, collections::BTreeSet, fmt};

use arrow::array::{Array as _, AsArray as _, RecordBatch, StringArray};

use super::{
    Error,
    batch::{self, Act, Assignment, Commit},
};
use crate::{
    instant::Instant,
    party::{ContributorId, InstitutionId, Lookup},
    redaction,
    store::Store,
};

/// Which person an institution's own id stands for. Private: lives in the vault.
pub struct PersonIndex {
    commit: u64,
    seq_max: u64,
    recorded_until: Option<Instant>,
    // Everyone with records, sorted.
    people: Vec<ContributorId>,
    // When each first came: the number of their first assignment.
    since: BTreeMap<ContributorId, u64>,
    institutions: BTreeMap<InstitutionId, Members>,
    // (person, place of the institution, row), sorted.
    records: Vec<(u32, u32, u32)>,
    // Whom a record was of before it was given to another.
    before: BTreeMap<(InstitutionId, Box<str>), ContributorId>,
    // Ids without records of their own that stand for another.
    aliases: BTreeMap<ContributorId, ContributorId>,
    // Pairs of people of whom the steward said that they are two, each sorted.
    apart: BTreeSet<(ContributorId, ContributorId)>,
}

/// One institution's ids, and whom each stands for.
pub struct Members {
    locals: Vec<Box<str>>,
    people: Vec<u32>,
    lookup: Lookup,
}

impl fmt::Debug for PersonIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonIndex")
            .field("commit", &self.commit)
            .field("people", &self.people.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("count", &self.locals.len()).finish_non_exhaustive()
    }
}

impl Members {
    /// Returns the institution's ids, sorted.
    pub fn locals(&self) -> &[Box<str>] {
        &self.locals
    }

    /// Returns, for each of them, the index of its person in [`PersonIndex::people`].
    pub fn people(&self) -> &[u32] {
        &self.people
    }

    /// Returns what finds an id's place in [`Members::locals`].
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    fn find(&self, local: &str) -> Option<u32> {
        let row = self.lookup.find(local, |at| self.locals.get(at).map(AsRef::as_ref))?;
        self.people.get(usize::try_from(row).ok()?).copied()
    }
}

impl PersonIndex {
    /// Reads the whole index; it is empty where nothing was ever linked.
    pub fn load(vault: &Store) -> Result<Self, Error> {
        Self::load_at(vault, u64::MAX)
    }

    /// Reads the index as it was after commit `number`.
    pub fn load_at(vault: &Store, number: u64) -> Result<Self, Error> {
        let commits = batch::commits(vault, number)?;
        let mut history = History::default();
        for commit in &commits {
            let mut rows = Vec::new();
            if let Some(object) = &commit.members {
                rows = batch::read(vault, object)?;
            }
            history.take(commit, &rows)?;
        }
        history.index(&commits)
    }

    /// Returns the number of the newest commit read; 0 where there is none.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Returns the number of the newest assignment; 0 where there is none.
    pub fn seq_max(&self) -> u64 {
        self.seq_max
    }

    /// Returns when its newest commit was recorded; what comes next may not claim to be older.
    pub fn recorded_until(&self) -> Option<Instant> {
        self.recorded_until
    }

    /// Returns everyone who has records, sorted.
    pub fn people(&self) -> &[ContributorId] {
        &self.people
    }

    /// Returns how many records there are.
    pub fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Returns how many people have records of two or more institutions.
    pub fn people_several(&self) -> usize {
        let mut places: Vec<(u32, u32)> = self.records.iter().map(|(p, i, _)| (*p, *i)).collect();
        places.dedup();
        places.chunk_by(|(a, _), (b, _)| a == b).filter(|own| own.len() > 1).count()
    }

    /// Returns one institution's records.
    pub fn institution(&self, institution: &InstitutionId) -> Option<&Members> {
        self.institutions.get(institution)
    }

    /// Returns the person whom an institution's own id stands for.
    pub fn person(&self, institution: &InstitutionId, local: &str) -> Option<&ContributorId> {
        let person = self.institutions.get(institution)?.find(local)?;
        self.people.get(usize::try_from(person).ok()?)
    }

    /// Returns a person's records, as (institution, local id), sorted; none for a stranger. An id
    /// that stands for another has the other's.
    pub fn members(&self, person: &ContributorId) -> Vec<(&InstitutionId, &str)> {
        let person = self.canonical(person);
        let Ok(at) = self.people.binary_search(person) else { return Vec::new() };
        let Ok(at) = u32::try_from(at) else { return Vec::new() };
        let from = self.records.partition_point(|(p, _, _)| *p < at);
        let own = self.records.iter().skip(from).take_while(|(p, _, _)| *p == at);
        own.filter_map(|(_, institution, row)| {
            let (id, members) =
                self.institutions.iter().nth(usize::try_from(*institution).ok()?)?;
            Some((id, members.locals.get(usize::try_from(*row).ok()?)?.as_ref()))
        })
        .collect()
    }

    /// Returns whom an id stands for: itself, or the person that it was merged into.
    pub fn canonical<'a>(&'a self, person: &'a ContributorId) -> &'a ContributorId {
        self.aliases.get(person).unwrap_or(person)
    }

    /// Returns the other ids that stand for a person, sorted.
    pub fn aliases(&self, person: &ContributorId) -> Vec<&ContributorId> {
        let own = self.aliases.iter().filter(|(_, kept)| *kept == person);
        own.map(|(alias, _)| alias).collect()
    }

    /// Returns every id that stands for another, with the other.
    pub fn all_aliases(&self) -> impl Iterator<Item = (&ContributorId, &ContributorId)> {
        self.aliases.iter()
    }

    /// Says whether an id has or ever had records.
    pub fn knows(&self, person: &ContributorId) -> bool {
        self.since.contains_key(person)
    }

    /// Returns the number of a person's first assignment: who came first has the lower one.
    pub fn since(&self, person: &ContributorId) -> Option<u64> {
        self.since.get(person).copied()
    }

    /// Returns whom a record was of before it was given to the person it is of now.
    pub fn before(&self, institution: &InstitutionId, local: &str) -> Option<&ContributorId> {
        self.before.get(&(institution.clone(), local.into()))
    }

    /// Returns the institutions that have records, sorted.
    pub fn institutions(&self) -> impl Iterator<Item = &InstitutionId> {
        self.institutions.keys()
    }

    /// Says whether the steward keeps two people apart.
    pub fn is_apart(&self, a: &ContributorId, b: &ContributorId) -> bool {
        self.apart.contains(&sorted(self.canonical(a), self.canonical(b)))
    }
}

fn sorted(a: &ContributorId, b: &ContributorId) -> (ContributorId, ContributorId) {
    if a <= b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
}

/// The index under construction, commit by commit.
#[derive(Default)]
struct History {
    seq_max: u64,
    current: BTreeMap<InstitutionId, BTreeMap<Box<str>, ContributorId>>,
    since: BTreeMap<ContributorId, u64>,
    before: BTreeMap<(InstitutionId, Box<str>), ContributorId>,
    aliases: BTreeMap<ContributorId, ContributorId>,
    apart: BTreeSet<(ContributorId, ContributorId)>,
}

impl History {
    fn take(&mut self, commit: &Commit, rows: &[RecordBatch]) -> Result<(), Error> {
        for batch in rows {
            for assignment in assignments(batch)? {
                self.seq_max += 1;
                let Some(Assignment { institution, local, person }) = assignment else { continue };
                self.since.entry(person.clone()).or_insert(self.seq_max);
                self.aliases.remove(&person);
                let local: Box<str> = local.into();
                let own = self.current.entry(institution.clone()).or_default();
                if let Some(before) = own.insert(local.clone(), person) {
                    self.before.insert((institution, local), before);
                }
            }
        }
        match &commit.act {
            Act::Run { .. } => {}
            Act::Merge { kept, alias, .. } => {
                self.apart.remove(&sorted(kept, alias));
                // What stood for the alias stands for the person now, and is kept apart as they were.
                for known in self.aliases.values_mut().filter(|known| *known == alias) {
                    known.clone_from(kept);
                }
                self.aliases.insert(alias.clone(), kept.clone());
                let moved = std::mem::take(&mut self.apart).into_iter().map(|(a, b)| {
                    let new = |id: ContributorId| if id == *alias { kept.clone() } else { id };
                    sorted(&new(a), &new(b))
                });
                self.apart = moved.collect();
            }
            Act::Split { from, to, .. } => {
                self.apart.insert(sorted(from, to));
            }
        }
        Ok(())
    }

    fn index(self, commits: &[Commit]) -> Result<PersonIndex, Error> {
        let mut people: Vec<ContributorId> =
            self.current.values().flat_map(BTreeMap::values).cloned().collect();
        people.sort_unstable();
        people.dedup();
        let position = |person: &ContributorId| {
            let at = people.binary_search(person).ok();
            at.and_then(|at| u32::try_from(at).ok()).ok_or(Error::TooMany)
        };
        let mut institutions = BTreeMap::new();
        let mut records = Vec::new();
        for (place, (institution, own)) in (0_u32..).zip(self.current) {
            let mut locals = Vec::with_capacity(own.len());
            let mut of = Vec::with_capacity(own.len());
            for (row, (local, person)) in (0_u32..).zip(own) {
                let person = position(&person)?;
                locals.push(local);
                of.push(person);
                records.push((person, place, row));
            }
            let lookup = Lookup::new(locals.iter().map(AsRef::as_ref));
            institutions.insert(institution, Members { locals, people: of, lookup });
        }
        records.sort_unstable();
        if u32::try_from(records.len()).is_err() {
            return Err(Error::TooMany);
        }
        Ok(PersonIndex {
            commit: commits.last().map_or(0, |commit| commit.number),
            seq_max: self.seq_max,
            recorded_until: commits.iter().map(|commit| commit.time).max(),
            people,
            since: self.since,
            institutions,
            records,
            before: self.before,
            aliases: self.aliases,
            apart: self.apart,
        })
    }
}

/// Reads assignments, in order; `None` stands where a person was erased.
fn assignments(batch: &RecordBatch) -> Result<Vec<Option<Assignment>>, Error> {
    let gone = redaction::erased(batch);
    let standing = redaction::standing(batch).map_err(Error::read)?;
    let [institutions, locals, people] = [
        strings(&standing, "institution")?,
        strings(&standing, "local")?,
        strings(&standing, "person")?,
    ];
    let mut found = Vec::with_capacity(batch.num_rows());
    let mut last: Option<InstitutionId> = None;
    let mut row = 0;
    for gone in gone {
        if gone {
            found.push(None);
            continue;
        }
        let name = institutions.value(row);
        // Records of one institution stand together: its name is made once.
        let institution = match &last {
            Some(last) if last.as_str() == name => last.clone(),
            Some(_) | None => InstitutionId::parse(name).map_err(|_| wrong("institution"))?,
        };
        last = Some(institution.clone());
        let person = ContributorId::parse(people.value(row)).map_err(|_| wrong("person"))?;
        let local = locals.value(row).to_owned();
        found.push(Some(Assignment { institution, local, person }));
        row += 1;
    }
    Ok(found)
}

pub(super) fn strings<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, Error> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.filter(|column| column.null_count() == 0).ok_or_else(|| wrong(name))
}

pub(super) fn wrong(name: &str) -> Error {
    Error::format("linkage", format!("column `{name}` holds what no index holds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::Sha3Digest, linkage::batch::prepare, store::Sequence};

    fn id(text: &str) -> ContributorId {
        ContributorId::parse(text).unwrap()
    }

    fn north() -> InstitutionId {
        InstitutionId::parse("north").unwrap()
    }

    fn row(institution: &str, local: &str, person: &str) -> Assignment {
        let institution = InstitutionId::parse(institution).unwrap();
        Assignment { institution, local: local.to_owned(), person: id(person) }
    }

    fn run() -> Act {
        Act::Run {
            pipeline: ("p".to_owned(), Sha3Digest::of(b"p")),
            match_centibits: 2400,
            review_centibits: 1400,
            people_new: 0,
            pairs_review: 0,
        }
    }

    fn record(store: &Store, act: Act, rows: &[Assignment]) -> PersonIndex {
        let index = PersonIndex::load(store).unwrap();
        let place = (index.commit() + 1, index.seq_max() + 1);
        let batch = prepare(place, act, rows, None, None, ("t", &[7; 32])).unwrap();
        batch.write(store).unwrap();
        let now = Instant::parse("2026-06-01T00:00:00Z").unwrap();
        let body = serde_json::to_vec(&batch.commit(now, "{}")).unwrap();
        let done = Sequence::new(store, batch::COMMITS).commit(place.0, &body.into()).unwrap();
        assert_eq!(done, crate::store::Committed::Done);
        PersonIndex::load(store).unwrap()
    }

    #[test]
    fn an_index_tells_who_is_who_and_an_earlier_one_stays_readable() {
        let store = Store::open("memory://linkage-index").unwrap();
        let empty = PersonIndex::load(&store).unwrap();
        assert_eq!((empty.commit(), empty.person(&north(), "1")), (0, None));
        let rows = [row("north", "1", "p"), row("north", "2", "q"), row("south", "1", "p")];
        let index = record(&store, run(), &rows);
        assert_eq!(index.person(&north(), "1"), Some(&id("p")));
        assert_eq!(index.person(&north(), "3"), None, "a stranger would pass as somebody");
        assert_eq!(index.members(&id("p")).len(), 2);
        assert_eq!(index.people_several(), 1);
        let merge =
            Act::Merge { kept: id("p"), alias: id("q"), reason: "same passport".to_owned() };
        let merged = record(&store, merge, &[row("north", "2", "p")]);
        assert_eq!(merged.person(&north(), "2"), Some(&id("p")));
        assert_eq!(merged.canonical(&id("q")), &id("p"), "the other id would be forgotten");
        assert_eq!(merged.members(&id("q")).len(), 3);
        let split = Act::Split { from: id("p"), to: id("q"), reason: "twins".to_owned() };
        let split = record(&store, split, &[row("north", "2", "q")]);
        assert_eq!(split.person(&north(), "2"), Some(&id("q")), "a split did not undo the merge");
        assert_eq!(split.canonical(&id("q")), &id("q"));
        assert!(split.is_apart(&id("q"), &id("p")), "the next run would propose them again");
        let before = PersonIndex::load_at(&store, 2).unwrap();
        assert_eq!(before.person(&north(), "2"), Some(&id("p")), "history was rewritten");
        assert!(!before.is_apart(&id("q"), &id("p")));
    }

    #[test]
    fn a_changed_object_is_noticed_and_debug_output_names_nobody() {
        let store = Store::open("memory://linkage-changed").unwrap();
        let index = record(&store, run(), &[row("north", "1", "jane")]);
        assert_eq!(format!("{index:?}"), "PersonIndex { commit: 1, people: 1, .. }");
        let object = batch::commits(&store, 1).unwrap().remove(0).members.unwrap();
        let mut bytes = store.get(&object.path).unwrap().to_vec();
        bytes[20] ^= 1;
        store.put(&object.path, bytes.into()).unwrap();
        assert!(matches!(PersonIndex::load(&store), Err(Error::Changed { .. })));
    }
}
