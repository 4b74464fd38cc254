//! A site with one dataset version and two questions, settled in every way that can go wrong.

pub(in crate::pipeline) mod counted;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::{
    lake::{Counts, PrivateObject, RecordTree, Version},
    ledger::{Kind, Schema},
    party::{InstitutionId, ResearcherId},
    pipeline::{
        fund::{
            pools, subject,
            tests::{gift, site, terms},
        },
        statement::{Error as StatementError, Selection, statements},
    },
    purpose::Purpose,
    reward::{journal::Journal, proof::included, rules::SplitRule, statement::Statement},
    store::Sequence,
    usage::UsageRecord,
};

const PEOPLE: [(&str, i64); 3] = [("anna", 30), ("bert", 20), ("cleo", 10)];

fn parquet(columns: [(&str, ArrayRef); 5], skip: usize) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns.into_iter().skip(skip)).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    drop(writer.close().unwrap());
    bytes.into()
}

fn table(people: &[(&str, i64)], skip: usize) -> Bytes {
    let text = |cells: Vec<String>| Arc::new(StringArray::from(cells)) as ArrayRef;
    let int = |cells: Vec<i64>| Arc::new(Int64Array::from(cells)) as ArrayRef;
    let columns = [
        ("contributor", text(people.iter().map(|p| p.0.to_owned()).collect())),
        ("institution", text(people.iter().map(|_| "clinic".to_owned()).collect())),
        ("pseudonym", text(people.iter().map(|p| format!("~{}", p.0)).collect())),
        ("rows", int(people.iter().map(|p| p.1).collect())),
        ("quality_ppm", int(people.iter().map(|_| 1_000_000).collect())),
    ];
    parquet(columns, skip)
}

fn store(site: &Site, path: &str, bytes: &Bytes) -> (String, Sha3Digest) {
    site.vault().put_content(path, bytes).unwrap();
    (path.to_owned(), Sha3Digest::of(bytes))
}

fn book(site: &Site, kind: Kind, name: String) -> String {
    let digest = Sha3Digest::of(name.as_bytes());
    let schema = Schema::of(kind);
    let subjects = vec![subject(name, digest); *schema.subjects.end().min(&1)];
    let entry = site.entry(kind, &subjects, &[], &schema.sample()).unwrap();
    site.record(&entry).unwrap();
    entry.text().to_owned()
}

fn release(site: &Site) {
    let (path, digest) = store(site, "rosters/r.parquet", &table(&PEOPLE, 0));
    let digest_of = Sha3Digest::of(b"x");
    let version = Version {
        txn: "t".into(),
        dataset: "d".into(),
        version: 1,
        run: "r".into(),
        run_key: digest_of,
        time: Instant::parse("2026-10-03").unwrap(),
        purposes: vec![],
        pool: None,
        institutions: 1,
        pipeline: ("p".into(), digest_of),
        k: 11,
        tables: vec![],
        inputs: vec![],
        counts: Counts::default(),
        record: RecordTree { root: Sha256::of(b""), count: 3, path: "records/1".into() },
        consent_commit: 1,
        linkage_commit: None,
        roster: PrivateObject { path, digest },
        report: PrivateObject { path: "reports/1".into(), digest },
        quality: None,
        papers: vec![],
        duo: None,
        entry: book(site, Kind::DatasetVersion, "d@1".into()),
    };
    let body = Bytes::from(serde_json::to_vec(&version).unwrap());
    let _ = Sequence::new(&site.lake(), "commits").commit(1, &body).unwrap();
}

pub(crate) fn ask(site: &Site, number: u64, day: &str, text: &str, people: &[(&str, i64)]) {
    ask_from(site, number, day, text, None, people);
}

fn ask_from(
    site: &Site,
    number: u64,
    day: &str,
    text: &str,
    institution: Option<&str>,
    people: &[(&str, i64)],
) {
    // Usage lines: the roster's columns from the third on, which the reader looks up by name.
    let (lines_path, lines) = store(site, &format!("usage/lines/{number}"), &table(people, 2));
    let record = UsageRecord {
        txn: "t".into(),
        time: Instant::parse(day).unwrap(),
        researcher: ResearcherId::parse("researcher").unwrap(),
        institution: institution.map(|name| InstitutionId::parse(name).unwrap()),
        purpose: Purpose::parse("DUO:0000006").unwrap(),
        dataset: "d".into(),
        version: 1,
        query: Sha3Digest::of(text.as_bytes()),
        answer: Sha3Digest::of(b"a"),
        people: 12,
        rows: people.iter().map(|p| p.1.unsigned_abs()).sum(),
        lines_path,
        lines,
        entry: book(site, Kind::QueryExecuted, format!("query {number}")),
    };
    let body = Bytes::from(serde_json::to_vec(&record).unwrap());
    let _ = Sequence::new(&site.vault(), "usage/commits").commit(number, &body).unwrap();
}

pub(crate) fn quarter() -> Period {
    Period::parse("2026-Q4").unwrap()
}

pub(crate) fn commons(folder: &tempfile::TempDir, minor: i128) -> Site {
    let early = site(folder, "2026-10-01");
    let _ = fund::open(&early, terms()).unwrap();
    if minor > 0 {
        let _ = fund::fund(&early, gift(minor, "wire-1")).unwrap();
    }
    release(&early);
    ask(&early, 1, "2026-10-05", "one", &[("anna", 3), ("bert", 1)]);
    ask(&early, 2, "2026-10-05", "one", &[("anna", 3), ("bert", 1)]);
    ask(&early, 3, "2026-11-05", "two", &[("cleo", 5)]);
    ask(&early, 4, "2027-01-01", "next quarter", &[("bert", 5)]);
    drop(early);
    site(folder, "2027-01-02")
}

#[test]
fn settling_twice_pays_once() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000_000);
    let pool = terms().pool;
    let first = settle(&site, &pool, &quarter(), false).unwrap();
    let again = settle(&site, &pool, &quarter(), false).unwrap();
    assert!(first.done.as_ref().unwrap().new && !again.done.as_ref().unwrap().new);
    assert_eq!(first.settled, again.settled);
    assert_eq!(first.done.unwrap().entry, again.done.unwrap().entry);
    let named_by_days = Period::parse("2026-10-01..2026-12-31").unwrap();
    let same = settle(&site, &pool, &named_by_days, false).unwrap();
    assert!(!same.done.unwrap().new, "the same days under another name would be paid again");
    assert_eq!(pools(&site).unwrap()[&pool].settled.len(), 1);

    let totals = &first.settled.totals;
    assert_eq!(totals.fee.minor(), 500_000);
    let pots: Vec<i128> = totals.layers.iter().map(|sums| sums.pot.whole().minor()).collect();
    assert_eq!(pots, [2_850_000, 6_650_000]);
    assert_eq!(totals.unallocated.micro(), 0);
    let lines = recorded(&site, &first.settled).unwrap().people;
    let paid: Vec<i64> = lines.iter().map(|l| l.paid_minor).collect();
    // Base 30:20:10; usage 3/4, 1/4 of one question and all of the other; the repeat counts nothing.
    assert_eq!(paid, [1_425_000 + 2_493_750, 950_000 + 831_250, 475_000 + 3_325_000]);
    assert_eq!(first.repeats, 1);
}

#[test]
fn a_period_counts_its_own_questions_and_money_alone() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 1_000);
    let pool = terms().pool;
    let november = Period::parse("2026-11").unwrap();
    let outcome = settle(&site, &pool, &november, false).unwrap();
    assert_eq!(outcome.unpaid_before, 2, "the steward is told what no period holds");
    assert!(matches!(settle(&site, &pool, &quarter(), false), Err(Error::Overlap { .. }),));
    assert!(matches!(
        settle(&site, &pool, &Period::parse("2026-12").unwrap(), false),
        Err(Error::Empty { .. }),
    ));
    let next = Period::parse("2027-Q1").unwrap();
    assert!(matches!(settle(&site, &pool, &next, false), Err(Error::NotOver { .. })));
    let again = fund::fund(&site, gift(2_000, "wire-2")).unwrap();
    let glance = settle(&site, &pool, &next, true).unwrap();
    assert_eq!(glance.settled.funded, [again.commit]);
    assert!(glance.done.is_none());
    assert_eq!(pools(&site).unwrap()[&pool].settled.len(), 1, "a dry run commits nothing");
}

#[test]
fn an_empty_pool_pays_nobody_and_commits_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 0);
    let result = settle(&site, &terms().pool, &quarter(), false);
    assert!(matches!(result, Err(Error::Empty { .. })));
    assert!(pools(&site).unwrap()[&terms().pool].settled.is_empty());
}

#[test]
fn everyone_gets_a_statement_that_proves_itself() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000_000);
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let mut all: Vec<Statement> = Vec::new();
    let count = statements(&site, &Selection::default(), |statement| {
        all.push(statement);
        Ok::<(), StatementError>(())
    });
    assert_eq!(count.unwrap(), 3);
    let paid: i128 = all.iter().map(|s| s.paid.minor()).sum();
    assert_eq!(paid, outcome.settled.totals.paid.minor());
    for statement in &all {
        let proof = &statement.proof;
        let leaf: Vec<u8> = (0..64)
            .map(|at| u8::from_str_radix(&proof.leaf[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let (index, count) = (proof.leaf_index, proof.leaf_count);
        assert!(included(&leaf, index, count, &proof.path, &outcome.settled.root));
    }
    assert_eq!(all[0].uses.len(), 1, "a repeated question is one use");
    let selection = Selection {
        contributors: vec![ContributorId::parse("cleo").unwrap()],
        ..Selection::default()
    };
    let mut one = Vec::new();
    let count = statements(&site, &selection, |statement| {
        one.push(statement);
        Ok::<(), StatementError>(())
    });
    assert_eq!((count.unwrap(), &one[0]), (1, &all[2]));
    let journal = Journal::public(&pools(&site).unwrap()[&terms().pool]).unwrap();
    assert_eq!(journal.balances().unwrap()["Assets:Bank"].minor(), 10_000_000);
}

#[test]
fn a_flipped_byte_in_anything_that_is_read_stops_the_settlement() {
    for path in ["rosters/r.parquet", "usage/lines/3"] {
        let folder = tempfile::tempdir().unwrap();
        let site = commons(&folder, 10_000);
        let mut bytes = site.vault().get(path).unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        site.vault().put(path, bytes.into()).unwrap();
        let result = settle(&site, &terms().pool, &quarter(), false);
        assert!(matches!(result, Err(Error::Integrity { .. })), "{path}");
        assert!(pools(&site).unwrap()[&terms().pool].settled.is_empty());
    }
}

#[test]
fn a_crash_before_the_commit_leaves_nothing_that_the_next_run_does_not_finish() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000);
    let glance = settle(&site, &terms().pool, &quarter(), true).unwrap();
    // As if a run had died after its first object.
    let all = pools(&site).unwrap();
    let Gathered { inputs, .. } = gather(&site, &all[&terms().pool], &quarter()).unwrap();
    let bytes = Bytes::from(inputs.bytes().unwrap());
    site.vault().put_content(&glance.settled.inputs.path, &bytes).unwrap();
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    assert_eq!(outcome.settled, glance.settled, "the same inputs give the same bytes");
    assert!(site.vault().get(&outcome.settled.lines.path).is_ok());
}

#[test]
fn institutions_get_their_part_once_and_the_next_period_begins_with_what_they_carry() {
    let folder = tempfile::tempdir().unwrap();
    let early = site(&folder, "2026-10-01");
    let mut opened = terms();
    opened.rules.split = SplitRule { person_bps: 8_500, institution_bps: 1_500, platform_bps: 0 };
    opened.rules.minimum_minor = 2_000;
    let _ = fund::open(&early, opened).unwrap();
    let _ = fund::fund(&early, gift(10_003, "wire-1")).unwrap();
    release(&early);
    ask(&early, 1, "2026-10-05", "one", &[("anna", 3), ("bert", 1)]);
    drop(early);
    let late = site(&folder, "2027-01-02");
    let pool = terms().pool;
    let glance = settle(&late, &pool, &quarter(), true).unwrap();
    let first = settle(&late, &pool, &quarter(), false).unwrap();
    assert_eq!(glance.settled, first.settled, "a dry run shows what will be");
    let again = settle(&late, &pool, &quarter(), false).unwrap();
    assert_eq!(again.institutions, first.institutions);
    assert!(!again.done.unwrap().new, "the institutions would be paid twice");
    // 100.03: fee 5.00, institutions 15 % of 95.03 = 14.2545, below the minimum of 20.00.
    let sums = first.settled.totals.institutions.as_ref().unwrap();
    assert_eq!((sums.part.micro(), sums.paid.minor()), (1_425_450_000, 0));
    assert_eq!(sums.carried.micro(), 1_425_450_000);
    let lines = recorded(&late, &first.settled).unwrap();
    assert_eq!(lines.institutions, first.institutions, "the next period would begin elsewhere");

    let _ = fund::fund(&late, gift(20_000, "wire-2")).unwrap();
    drop(late);
    let later = site(&folder, "2027-04-02");
    let next = Period::parse("2027-Q1").unwrap();
    let second = settle(&later, &pool, &next, false).unwrap();
    // Of the second 190.00 only the base layer has somebody to go to: 57.00, of which 15 % are 8.55.
    let sums = second.settled.totals.institutions.as_ref().unwrap();
    assert_eq!(sums.part.micro(), 855_000_000);
    assert_eq!(sums.opening.micro(), 1_425_450_000, "what was earned before would be lost");
    assert_eq!(sums.paid.minor(), 2_280);
    let all = pools(&later).unwrap();
    let standing = fund::Standing::of(&all[&pool]).unwrap().institutions.unwrap();
    assert_eq!((standing.paid, standing.carried.micro()), (sums.paid, 450_000));
    let lines = super::super::statement::lines(&later, &all[&pool]).unwrap();
    let journal = Journal::private(&all[&pool], &lines).unwrap();
    let balances = journal.balances().unwrap();
    assert_eq!(balances["Liabilities:PayableInstitutions:P:Clinic"].minor(), -sums.paid.minor());
    assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
    let count = statements(&later, &Selection::default(), |_| Ok::<(), StatementError>(()));
    assert_eq!(count.unwrap(), 6, "the second settlement could not be recomputed");
}

#[test]
fn a_flipped_byte_in_institutions_lines_stops_the_next_settlement() {
    let folder = tempfile::tempdir().unwrap();
    let early = site(&folder, "2026-10-01");
    let mut opened = terms();
    opened.rules.split = SplitRule { person_bps: 8_500, institution_bps: 1_500, platform_bps: 0 };
    let _ = fund::open(&early, opened).unwrap();
    let _ = fund::fund(&early, gift(10_000, "wire-1")).unwrap();
    release(&early);
    drop(early);
    let late = site(&folder, "2027-01-02");
    let first = settle(&late, &terms().pool, &quarter(), false).unwrap();
    let path = first.settled.institution_lines.unwrap().path;
    let mut bytes = late.vault().get(&path).unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    late.vault().put(&path, bytes.into()).unwrap();
    let _ = fund::fund(&late, gift(10_000, "wire-2")).unwrap();
    let next = Period::parse("2027-Q1").unwrap();
    let result = settle(&late, &terms().pool, &next, true);
    assert!(matches!(result, Err(Error::Integrity { .. })));
}
