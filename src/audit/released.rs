//! Versions of datasets: segments hashed and counted, classes of quasi-identifiers, who is in them,
//! each person's record, and whether everyone had consented.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch},
    compute::is_not_null,
    row::{RowConverter, SortField},
};

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    counted::counted,
    erased::Erased,
    generalised::Generalised,
    linked::{History, People},
    person::{Own, Part, Records, leaf},
    stood::{Register, Use},
    table::{
        self, ascends, count, ints, is_pseudonym, leaf_hash, object, odd, parquet, root, texts,
    },
};
use crate::{
    digest::Sha256,
    lake::{Segment, TableVersion, Version},
    schema::Role,
    store,
};

/// One person at one institution.
#[derive(Debug, Clone)]
pub(super) struct RosterLine {
    pub(super) contributor: String,
    pub(super) institution: String,
    pub(super) pseudonym: String,
    pub(super) rows: u64,
    /// Rows that are no copies and no repetitions.
    pub(super) records: u64,
}

/// A version whose roster could be read.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) roster: Vec<RosterLine>,
}

/// What versions are judged by.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) register: &'a Register,
    pub(super) people: &'a History,
}

/// Versions whose rosters could be read, by dataset and number.
pub(super) type Versions = BTreeMap<(String, u64), Seen>;

pub(super) fn versions(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    facts: &Known<'_>,
) -> Result<Versions, store::Error> {
    let mut seen = Versions::new();
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for commit in &commits.lake {
        let version = &commit.body;
        let number = newest.entry(&version.dataset).or_default();
        let follows = version.version == number.saturating_add(1) || !commits.complete;
        audit.check(
            Check::Commit,
            &commit.path,
            follows,
            "its version does not follow the one before",
        );
        *number = version.version;
        sums(audit, commit);
        let erased = &commits.erased;
        let (records, tables) = if erased.is_destroyed(&version.dataset, version.version) {
            // Its rows are gone, and with them what could be held against them.
            audit.passed(Check::Erasures, 1);
            (None, Members::new())
        } else {
            tables(evidence, audit, version)?
        };
        for paper in std::iter::once(&version.report).chain(&version.quality) {
            object(audit, &evidence.vault, "vault", &paper.path, &paper.digest)?;
        }
        let own = version.record.path == format!("records/{}.leaves", version.record.root);
        audit.check(Check::Commit, &commit.path, own, "its record tree bears another name");
        let roster = roster(evidence, audit, commit, records.as_ref())?;
        known(audit, commit, commits);
        counted(evidence, audit, commit)?;
        if let (Some(roster), Some(records)) = (&roster, &records) {
            leaves(evidence, audit, version, (facts.register, erased), roster, records)?;
        }
        if let Some(roster) = roster {
            let people = version.linkage_commit.map(|commit| facts.people.at(commit));
            if let Some(people) = &people {
                seen_there(audit, version, (people, erased), &roster);
            }
            standing(audit, version, (facts.register, erased), people.as_ref(), &roster, &tables);
            let key = (version.dataset.clone(), version.version);
            seen.insert(key, Seen { roster });
        }
    }
    Ok(seen)
}

fn sums(audit: &mut Audit, commit: &Numbered<Version>) {
    let version = &commit.body;
    let counts = &version.counts;
    let add = |a: u64, b: u64| a.checked_add(b);
    let mut good = |good: bool, fault: &str| {
        audit.check(Check::Rows, &commit.path, good, fault);
    };
    let admitted = add(counts.suppressed, counts.released);
    good(admitted == Some(counts.admitted), "its admitted rows are not suppressed or released");
    let read = add(counts.rejected, counts.refused).and_then(|n| add(n, counts.admitted));
    good(read == Some(counts.read), "its rows read are not rejected, refused or admitted");
    let released: u64 = version.tables.iter().map(|t| t.rows).sum();
    good(released == counts.released, "its released rows are not those of its tables");
    let suppressed: u64 = version.tables.iter().map(|t| t.suppressed).sum();
    good(suppressed == counts.suppressed, "its suppressed rows are not those of its tables");
    for table in &version.tables {
        let rows: u64 = table.segments.iter().map(|s| s.rows).sum();
        good(rows == table.rows, "the rows of a table are not those of its segments");
    }
    good(version.record.count == counts.people, "its record tree counts other people");
}

/// What a version holds of each person, by pseudonym.
type Told = BTreeMap<String, Own>;
/// By table: the pseudonyms with rows in it.
type Members = BTreeMap<String, BTreeSet<String>>;

/// Reads every segment. The people are none where any segment is not as recorded.
fn tables(
    evidence: &Evidence,
    audit: &mut Audit,
    version: &Version,
) -> Result<(Option<Told>, Members), store::Error> {
    let mut records = Records::default();
    let mut members = Members::new();
    let mut whole = true;
    for table in &version.tables {
        let mut classes = Classes::of(table);
        let mut generalised = Generalised::of(table);
        let mut complete = true;
        for (at, segment) in (0_u64..).zip(&table.segments) {
            let name = format!("lake/{}", segment.path);
            let Some(batches) = segment_rows(evidence, audit, &version.dataset, segment)? else {
                (whole, complete) = (false, false);
                continue;
            };
            let mut part = Part::default();
            let mut rows = 0_u64;
            let mut good = true;
            for batch in &batches {
                rows = rows.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
                columns(audit, &name, table, batch);
                good &= part.add(batch).is_some() && classes.add(batch).is_some();
                good &= generalised.add(batch).is_some();
            }
            audit.check(Check::Rows, &name, rows == segment.rows, "its rows are counted otherwise");
            audit.check(
                Check::Rows,
                &name,
                good,
                "it has no column `person`, or one of an odd type",
            );
            let named = part.people().all(is_pseudonym);
            audit.check(Check::Rows, &name, named, "a row's person is no pseudonym");
            whole &= good;
            complete &= good;
            let own = members.entry(table.table.clone()).or_default();
            own.extend(part.people().map(str::to_owned));
            records.add(&table.table, at, part, segment.duplicates);
        }
        if complete {
            classes.judge(audit, version, table);
            generalised.judge(audit, version, table);
        }
    }
    Ok((whole.then(|| records.finish()), members))
}

fn segment_rows(
    evidence: &Evidence,
    audit: &mut Audit,
    dataset: &str,
    segment: &Segment,
) -> Result<Option<Vec<RecordBatch>>, store::Error> {
    let Segment { path, sha3, sha256, bytes: size, .. } = segment;
    let name = format!("lake/{path}");
    let Some(bytes) = object(audit, &evidence.lake, "lake", path, sha3)? else { return Ok(None) };
    let own = format!("{dataset}/segments/{sha3}.parquet");
    audit.check(Check::Object, &name, *path == own, "its name is not its dataset's and digest's");
    audit.check(Check::Object, &name, Sha256::of(&bytes) == *sha256, "its SHA-256 is another");
    let length = u64::try_from(bytes.len()).ok();
    audit.check(Check::Object, &name, length == Some(*size), "its size is another");
    let batches = table::batches(bytes);
    audit.check(Check::Object, &name, batches.is_some(), "it is no Parquet that can be read");
    Ok(batches)
}

/// The columns of a segment are those of its table, `person` first.
fn columns(audit: &mut Audit, name: &str, table: &TableVersion, batch: &RecordBatch) {
    let schema = batch.schema();
    let own: Vec<(&str, String)> =
        schema.fields().iter().map(|f| (f.name().as_str(), f.data_type().to_string())).collect();
    let told: Vec<(&str, String)> =
        table.columns.iter().map(|c| (c.name.as_str(), c.kind.clone())).collect();
    let own_names: BTreeSet<&str> = own.iter().map(|(name, _)| *name).collect();
    let told_names: BTreeSet<&str> = told.iter().map(|(name, _)| *name).collect();
    let fault = format!("its columns are not those recorded: `{}`", odd(&own_names, &told_names));
    audit.check(Check::Rows, name, own == told, &fault);
    let first = own.first().is_some_and(|(name, _)| *name == "person");
    audit.check(Check::Rows, name, first, "its first column is not `person`");
}

/// The distinct people of each tuple of quasi-identifiers of one table.
struct Classes {
    /// Name, and whether only its being there can be known to others.
    quasi: Vec<(String, bool)>,
    people: BTreeMap<Vec<u8>, BTreeSet<String>>,
}

/// The quasi-identifiers of a table, and whether only their being there can be known to others.
pub(super) fn quasi(table: &TableVersion) -> Vec<(String, bool)> {
    // What a key moved or hid matches nothing that anybody knows, but that it is there does.
    let keyed = |done: &str| {
        done.starts_with("moved by the person's own") || done.starts_with("keyed pseudonym")
    };
    let quasi = table.columns.iter().filter(|c| c.role == Role::Quasi);
    quasi.map(|c| (c.name.clone(), keyed(&c.done))).collect()
}

/// The columns by which others may know a row.
pub(super) fn known_columns(
    quasi: &[(String, bool)],
    batch: &RecordBatch,
) -> Option<Vec<ArrayRef>> {
    let column = |(name, keyed): &(String, bool)| -> Option<ArrayRef> {
        let column = batch.column_by_name(name)?;
        if !keyed {
            return Some(std::sync::Arc::clone(column));
        }
        let there: BooleanArray = is_not_null(column).ok()?;
        Some(std::sync::Arc::new(there))
    };
    quasi.iter().map(column).collect()
}

impl Classes {
    fn of(table: &TableVersion) -> Self {
        Self { quasi: quasi(table), people: BTreeMap::new() }
    }

    fn add(&mut self, batch: &RecordBatch) -> Option<()> {
        if self.quasi.is_empty() {
            return Some(());
        }
        let person = texts(batch, "person")?;
        let columns = known_columns(&self.quasi, batch)?;
        let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
        let rows = RowConverter::new(fields).ok()?.convert_columns(&columns).ok()?;
        for (row, person) in rows.iter().zip(person.iter()) {
            let class = self.people.entry(row.as_ref().to_vec()).or_default();
            let person = person?;
            if !class.contains(person) {
                class.insert(person.to_owned());
            }
        }
        Some(())
    }

    fn judge(&self, audit: &mut Audit, version: &Version, table: &TableVersion) {
        let name = format!("lake/{}@{}/{}", version.dataset, version.version, table.table);
        for people in self.people.values() {
            let size = u64::try_from(people.len()).unwrap_or(u64::MAX);
            audit.check(
                Check::Classes,
                &name,
                size >= version.k,
                "a class holds fewer than k people",
            );
        }
        let least = self.people.values().map(BTreeSet::len).min().unwrap_or(0);
        let told = u64::try_from(least).ok() == Some(table.class_min);
        audit.check(Check::Classes, &name, told, "its smallest class is recorded otherwise");
    }
}

/// Reads who is in a version, and compares it with the rows.
fn roster(
    evidence: &Evidence,
    audit: &mut Audit,
    commit: &Numbered<Version>,
    records: Option<&Told>,
) -> Result<Option<Vec<RosterLine>>, store::Error> {
    let version = &commit.body;
    let object = &version.roster;
    let batches = parquet(audit, &evidence.vault, "vault", &object.path, &object.digest)?;
    let Some(batches) = batches else { return Ok(None) };
    let name = format!("vault/{}", object.path);
    let lines = batches.iter().map(roster_lines).collect::<Option<Vec<_>>>();
    let Some(lines) = lines.map(|lines| lines.concat()) else {
        audit.check(Check::Roster, &name, false, "it holds what is no list of people");
        return Ok(None);
    };
    let keys: Vec<_> = lines.iter().map(|l| (&l.contributor, &l.institution)).collect();
    audit.check(Check::Roster, &name, ascends(&keys), "it is out of order, or names one twice");
    let institutions: BTreeSet<&str> = lines.iter().map(|l| l.institution.as_str()).collect();
    let told = u64::try_from(institutions.len()).ok() == Some(version.institutions);
    audit.check(Check::Roster, &name, told, "its institutions are counted otherwise");
    let mut behind: BTreeMap<&str, (&str, u64, u64)> = BTreeMap::new();
    let mut of: BTreeMap<&str, &str> = BTreeMap::new();
    let mut one = true;
    for line in &lines {
        let (person, rows, counted) =
            behind.entry(&line.pseudonym).or_insert((&line.contributor, 0, 0));
        one &= *person == line.contributor.as_str();
        one &= *of.entry(&line.contributor).or_insert(&line.pseudonym) == line.pseudonym.as_str();
        *rows = rows.saturating_add(line.rows);
        *counted = counted.saturating_add(line.records);
    }
    audit.check(
        Check::Roster,
        &name,
        one,
        "a pseudonym stands for two people, or a person has two",
    );
    let people = u64::try_from(behind.len()).ok() == Some(version.counts.people);
    audit.check(Check::Roster, &name, people, "its people are counted otherwise");
    if let Some(records) = records {
        let strangers = records.keys().filter(|name| !behind.contains_key(name.as_str())).count();
        let fault = format!("{strangers} people of the released rows are not in it");
        audit.check(Check::Roster, &name, strangers == 0, &fault);
        for (pseudonym, (_, rows, counted)) in &behind {
            let own = records.get(*pseudonym).map_or((0, 0), |own| (own.rows, own.counted));
            let fault = "a person's rows are counted otherwise";
            audit.check(Check::Roster, &name, own.0 == *rows, fault);
            let fault = "copies and repetitions among a person's rows are counted otherwise";
            audit.check(Check::Roster, &name, own.1 == *counted, fault);
        }
    }
    Ok(Some(lines))
}

fn roster_lines(batch: &RecordBatch) -> Option<Vec<RosterLine>> {
    let (contributor, institution) = (texts(batch, "contributor")?, texts(batch, "institution")?);
    let pseudonym = texts(batch, "pseudonym")?;
    let (rows, quality) = (ints(batch, "rows")?, ints(batch, "quality_ppm")?);
    // A version whose pipeline looks for no duplicates has as many records as rows.
    let records = match batch.column_by_name("records") {
        Some(_) => ints(batch, "records")?,
        None => rows,
    };
    (0..batch.num_rows())
        .map(|row| {
            let quality = u64::try_from(quality.value(row)).ok();
            quality.filter(|quality| *quality <= 1_000_000)?;
            Some(RosterLine {
                contributor: contributor.value(row).to_owned(),
                institution: institution.value(row).to_owned(),
                pseudonym: pseudonym.value(row).to_owned(),
                rows: u64::try_from(rows.value(row)).ok().filter(|rows| *rows > 0)?,
                records: u64::try_from(records.value(row)).ok()?,
            })
        })
        .collect()
}

/// Works out everyone's leaf again, and compares all of them with the stored tree.
fn leaves(
    evidence: &Evidence,
    audit: &mut Audit,
    version: &Version,
    (register, erased): (&Register, &Erased),
    roster: &[RosterLine],
    records: &Told,
) -> Result<(), store::Error> {
    let name = format!("ledger/{}", version.record.path);
    let Some(bytes) = evidence.ledger.find(&version.record.path)? else {
        audit.check(Check::Records, &name, false, "it is missing");
        return Ok(());
    };
    let (stored, rest) = bytes.as_chunks::<64>();
    audit.check(Check::Records, &name, rest.is_empty(), "it is no whole number of leaves");
    let tokens: Vec<&[u8]> = stored.iter().map(|leaf| leaf.split_at(32).0).collect();
    audit.check(Check::Records, &name, ascends(&tokens), "its leaves are out of order");
    let hashes: Vec<Sha256> = stored.iter().map(|leaf| leaf_hash(leaf)).collect();
    let good = root(&hashes) == version.record.root && count(stored) == version.record.count;
    audit.check(Check::Records, &name, good, "its root or count is not that of the version");
    let stored: BTreeSet<&[u8; 64]> = stored.iter().collect();
    let people: BTreeMap<&str, &str> =
        roster.iter().map(|l| (l.pseudonym.as_str(), l.contributor.as_str())).collect();
    let mut own = 0_u64;
    for (pseudonym, own_rows) in records {
        let person = people.get(pseudonym.as_str());
        if person.is_some_and(|person| erased.is_nobody(person)) {
            own = own.saturating_add(1);
            continue;
        }
        let key = person.and_then(|person| register.key(person));
        let Some(key) = key else {
            audit.check(Check::Records, &name, false, "a person with rows has no key");
            continue;
        };
        let leaf = leaf(key, &version.dataset, version.version, &own_rows.digest);
        let there = stored.contains(&leaf);
        audit.check(Check::Records, &name, there, "the leaf of a person's record is not in it");
        own = own.saturating_add(1);
    }
    let all = u64::try_from(stored.len()).ok() == Some(own);
    audit.check(Check::Records, &name, all, "it has leaves that are nobody's");
    Ok(())
}

/// A linked version holds nobody at an institution where the person index knew no record of theirs.
fn seen_there(
    audit: &mut Audit,
    version: &Version,
    (people, erased): (&People, &Erased),
    roster: &[RosterLine],
) {
    let name = format!("vault/{}", version.roster.path);
    for line in roster {
        let good = erased.is_nobody(&line.contributor)
            || people.is_seen(&line.contributor, &line.institution);
        let fault = "somebody in it had no record at an institution by the person index";
        audit.check(Check::Linkage, &name, good, fault);
    }
}

/// A version knows every decision that was recorded before it was made.
fn known(audit: &mut Audit, commit: &Numbered<Version>, commits: &Commits) {
    let version = &commit.body;
    let before = commits.consents.iter().filter(|c| c.body.time < version.time);
    let newest = before.map(|c| c.number).max().unwrap_or(0);
    let good = newest <= version.consent_commit;
    audit.check(
        Check::Standing,
        &commit.path,
        good,
        "decisions recorded before it were not heeded",
    );
    if let Some(heeded) = version.linkage_commit {
        let before = commits.linkage.iter().filter(|c| c.body.time < version.time);
        let newest = before.map(|c| c.number).max().unwrap_or(0);
        let fault = "linkage recorded before it was not heeded";
        audit.check(Check::Linkage, &commit.path, newest <= heeded, fault);
    }
}

/// Everyone in a version had consented to each of its purposes, at each institution, for each table
/// in which they have rows.
fn standing(
    audit: &mut Audit,
    version: &Version,
    (register, erased): (&Register, &Erased),
    people: Option<&People>,
    roster: &[RosterLine],
    members: &Members,
) {
    let name = format!("vault/{}", version.roster.path);
    let category = |table: &str| {
        let found = version.tables.iter().find(|t| t.table == table);
        found.map(|t| t.category.as_str()).filter(|category| !category.is_empty())
    };
    let stood = |line: &RosterLine, table: &str| {
        let asked = |category: &str| {
            let asked = Use {
                day: version.time.date(),
                purposes: &version.purposes,
                institution: &line.institution,
                category,
                time: version.time,
                commit: version.consent_commit,
            };
            // Of the other ids of a linked person, those that ever decided must agree.
            let others = people.map(|people| people.aliases(&line.contributor)).unwrap_or_default();
            register.stood(&line.contributor, &asked)
                && others.iter().all(|id| register.key(id).is_none() || register.stood(id, &asked))
        };
        if erased.is_nobody(&line.contributor) {
            return true;
        }
        match category(table) {
            Some(category) => asked(category),
            // A version of before its tables told their category: any one will do.
            None => register.categories(&line.contributor).into_iter().any(asked),
        }
    };
    let mut places: BTreeMap<&str, Vec<&RosterLine>> = BTreeMap::new();
    for line in roster {
        let own = places.entry(&line.pseudonym).or_default();
        own.push(line);
        let tables = members.iter().filter(|(_, people)| people.contains(&line.pseudonym));
        let mut tables = tables.map(|(table, _)| table.as_str()).peekable();
        // Where segments cannot be read, any table will do.
        let good = if tables.peek().is_none() {
            version.tables.iter().any(|table| stood(line, &table.table))
        } else {
            tables.any(|table| stood(line, table))
        };
        audit.check(Check::Standing, &name, good, "somebody in it had not consented to this use");
    }
    // A segment does not say which institution a row came from: one of the person's must permit it.
    for (table, people) in members {
        for person in people {
            let own = places.get(person.as_str()).into_iter().flatten();
            let mut own = own.copied();
            let good = own.any(|line| stood(line, table));
            let fault = format!("somebody with rows in `{table}` had not consented to that");
            audit.check(Check::Standing, &name, good, &fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Int64Array, StringArray},
        datatypes::{DataType, Field, Schema},
    };

    use super::*;

    #[test]
    fn a_class_counts_people_and_not_rows() {
        let schema = Schema::new(vec![
            Field::new("person", DataType::Utf8, false),
            Field::new("age", DataType::Int64, true),
        ]);
        let person = StringArray::from(vec!["a", "a", "b", "c"]);
        let age = Int64Array::from(vec![Some(1), Some(1), Some(1), None]);
        let batch =
            RecordBatch::try_new(Arc::new(schema), vec![Arc::new(person), Arc::new(age)]).unwrap();
        let quasi = vec![("age".to_owned(), false)];
        let mut classes = Classes { quasi, people: BTreeMap::new() };
        classes.add(&batch).unwrap();
        let mut sizes: Vec<usize> = classes.people.values().map(BTreeSet::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 2], "one person's rows made a class look large");
    }
}
