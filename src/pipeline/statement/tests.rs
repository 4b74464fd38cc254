//! What contributors are told, from a site of two institutions whose pool was settled.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    lake::{Counts, PrivateObject, RecordTree, Version},
    ledger::{Kind, Schema, policy::Believed},
    party::{InstitutionId, ResearcherId},
    pipeline::{
        Silent,
        fund::{
            subject,
            tests::{gift, site, terms},
        },
        proof,
        settle::settle,
    },
    purpose::Purpose,
    report::{Lang, RunReport, explain},
    reward::rules::{SplitRule, TaxRule},
    store::Sequence,
    usage::UsageRecord,
};

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    drop(writer.close().unwrap());
    bytes.into()
}

fn text(cells: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(cells))
}

fn int(cells: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(cells))
}

fn name(person: usize) -> String {
    format!("p{person:06}")
}

fn put(site: &Site, path: &str, bytes: &Bytes) -> (String, Sha3Digest) {
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

fn release(site: &Site, people: usize) {
    let all = 0..people;
    let roster = parquet(vec![
        ("contributor", text(all.clone().map(name))),
        ("institution", text(all.clone().map(|_| "clinic".to_owned()))),
        ("pseudonym", text(all.clone().map(|person| format!("~{}", name(person))))),
        ("rows", int(all.clone().map(|person| 3 + i64::try_from(person).unwrap() % 7))),
        ("records", int(all.clone().map(|person| 2 + i64::try_from(person).unwrap() % 7))),
        ("quality_ppm", int(all.map(|_| 920_000))),
    ]);
    let (path, digest) = put(site, "rosters/r.parquet", &roster);
    let report = RunReport {
        run: "r".into(),
        pipeline: "p".into(),
        dataset: "d".into(),
        version: 1,
        time: Instant::parse("2026-10-03").unwrap(),
        purposes: vec![],
        k: 11,
        people: people as u64,
        people_several: 0,
        institutions: vec![],
        files_left: vec![],
        doubts: vec![],
        refusals: [].into(),
        rejects: [("type".to_owned(), 402), ("columns".to_owned(), 3)].into(),
        tables: vec![],
        records: vec![],
        scrubs: vec![],
        segments: 1,
        bytes: 1,
        entry: None,
        checkpoint: None,
    };
    let (report, report_digest) =
        put(site, "runs/r.json", &Bytes::from(serde_json::to_vec(&report).unwrap()));
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
        record: RecordTree { root: Sha256::of(b""), count: 3, path: String::new() },
        consent_commit: 1,
        linkage_commit: None,
        roster: PrivateObject { path, digest },
        report: PrivateObject { path: report, digest: report_digest },
        quality: None,
        papers: vec![],
        duo: None,
        entry: book(site, Kind::DatasetVersion, "d@1".into()),
    };
    let body = Bytes::from(serde_json::to_vec(&version).unwrap());
    let _ = Sequence::new(&site.lake(), "commits").commit(1, &body).unwrap();
}

fn ask(site: &Site, number: u64, people: &[usize]) {
    let lines = parquet(vec![
        ("pseudonym", text(people.iter().map(|person| format!("~{}", name(*person))))),
        ("rows", int(people.iter().map(|person| 1 + i64::try_from(*person).unwrap() % 3))),
    ]);
    let (lines_path, lines) = put(site, &format!("usage/lines/{number}"), &lines);
    let record = UsageRecord {
        txn: "t".into(),
        time: Instant::parse("2026-10-05").unwrap(),
        researcher: ResearcherId::parse("researcher").unwrap(),
        institution: Some(InstitutionId::parse("uni-x").unwrap()),
        purpose: Purpose::parse("DUO:0000006").unwrap(),
        dataset: "d".into(),
        version: 1,
        query: Sha3Digest::of(&number.to_be_bytes()),
        answer: Sha3Digest::of(b"a"),
        people: people.len() as u64,
        rows: people.iter().map(|person| 1 + *person as u64 % 3).sum(),
        lines_path,
        lines,
        entry: book(site, Kind::QueryExecuted, format!("query {number}")),
    };
    let body = Bytes::from(serde_json::to_vec(&record).unwrap());
    let _ = Sequence::new(&site.vault(), "usage/commits").commit(number, &body).unwrap();
}

/// A site of so many contributors, with two settled quarters.
fn commons(folder: &tempfile::TempDir, people: usize) -> Site {
    let early = site(folder, "2026-10-01");
    let mut opened = terms();
    opened.rules.split = SplitRule { person_bps: 7_000, institution_bps: 2_500, platform_bps: 500 };
    let from = "2026-01-01".parse().unwrap();
    opened.rules.tax = vec![TaxRule { country: "*".into(), from, until: None, bps: 1_500 }];
    opened.rules.tranches = vec![3, 1];
    let _ = fund::open(&early, opened).unwrap();
    let _ = fund::fund(&early, gift(10_000_003, "wire-1")).unwrap();
    release(&early, people);
    ask(&early, 1, &(0..people.min(40)).collect::<Vec<_>>());
    ask(&early, 2, &[0, 1]);
    drop(early);
    let late = site(folder, "2027-01-02");
    drop(settle(&late, &terms().pool, &Period::parse("2026-Q4").unwrap(), false).unwrap());
    let _ = fund::fund(&late, gift(5_000_001, "wire-2")).unwrap();
    drop(late);
    let later = site(folder, "2027-04-02");
    drop(settle(&later, &terms().pool, &Period::parse("2027-Q1").unwrap(), false).unwrap());
    later
}

fn of(person: usize, period: &str) -> Selection {
    Selection {
        contributors: vec![ContributorId::parse(&name(person)).unwrap()],
        pool: None,
        period: Some(Period::parse(period).unwrap()),
    }
}

#[test]
fn a_page_brings_a_proof_that_holds_and_stays_the_same_while_the_book_grows() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 12);
    let pages = find(&site, &Selection::default()).unwrap();
    assert_eq!(pages.len(), 24, "twelve people in two quarters");
    let believed = Believed::new(vec![site.log_verifier().clone()], None);
    for page in &pages {
        let proofs = page.proofs.as_ref().unwrap();
        assert_eq!(proofs.vkeys, [site.log_verifier().vkey()]);
        let shown = proof::verify(&proofs.files.concat(), &believed).unwrap();
        let paid = shown[0].line.as_ref().unwrap()["paid_minor"].as_str().unwrap().to_owned();
        assert_eq!(paid, page.statement.paid.minor().to_string(), "the page says another amount");
        assert_eq!(shown[0].entry, page.statement.entry);
    }
    let _ = fund::fund(&site, gift(100, "wire-3")).unwrap();
    assert!(find(&site, &Selection::default()).unwrap() == pages, "its bytes have changed");
}

#[test]
fn a_contributor_reads_figures_that_add_up_and_equal_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 30);
    for period in ["2026-Q4", "2027-Q1"] {
        let page = find(&site, &of(0, period)).unwrap().remove(0);
        let statement = &page.statement;
        let micro = |amount: crate::money::Amount| amount.to_accrual().unwrap().micro();
        let layers: i128 = statement.layers.iter().map(|layer| layer.amount.micro()).sum();
        assert_eq!(layers, statement.gross.micro(), "the layers are not what was earned");
        let split = &statement.split;
        let parts = split.person.micro() + split.institution.micro() + split.platform.micro();
        assert_eq!(parts, statement.gross.micro(), "a part is nobody's");
        let balance =
            statement.opening.micro() + split.person.micro() + statement.adjustment.amount.micro()
                - statement.held.micro()
                + statement.vested.micro();
        assert_eq!(balance, micro(statement.payable) + statement.carried.micro());
        assert_eq!(micro(statement.payable), micro(statement.paid) + micro(statement.tax.amount));
        assert!(statement.tax.amount.minor() > 0 && statement.tax.bps == 1_500, "no tax");
        // The line itself is what the proof opens.
        let line: serde_json::Value = serde_json::from_str(&statement.proof.line).unwrap();
        for (name, amount) in [
            ("gross_micro", statement.gross),
            ("person_micro", split.person),
            ("held_micro", statement.held),
            ("vested_micro", statement.vested),
            ("opening_micro", statement.opening),
            ("closing_micro", statement.carried),
        ] {
            assert_eq!(line[name], amount.micro().to_string(), "{name} is told otherwise");
        }
        assert_eq!(line["paid_minor"], statement.paid.minor().to_string());
        let why = explain(statement, Lang::En);
        let result = why.steps.iter().find(|step| step.step == "result").unwrap();
        assert_eq!(result.figures["paid"], statement.paid.decimal(), "explained otherwise");
    }
    let first = find(&site, &of(0, "2026-Q4")).unwrap().remove(0).statement;
    let second = find(&site, &of(0, "2027-Q1")).unwrap().remove(0).statement;
    assert_eq!(second.vested, first.held, "what was put aside never came");
    assert_eq!(second.later.len(), 1, "only the second settlement's part still waits");
    assert_eq!((first.year.settlements, second.year.settlements), (1, 2));
    assert_eq!(
        second.year.paid.minor(),
        first.paid.minor() + second.paid.minor(),
        "both were settled in 2027"
    );
    assert_eq!(first.dispute_until.to_string(), "2027-03-03", "60 days after 2 January");
    assert_eq!(first.recompute, format!("almoner audit recompute {}", terms().pool));
}

#[test]
fn a_contributor_reads_what_was_used_and_never_a_small_crowd_or_another_person() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 30);
    let page = find(&site, &of(1, "2026-Q4")).unwrap().remove(0);
    let uses = &page.statement.uses;
    assert_eq!(uses.len(), 2);
    assert_eq!(uses[0].all_records, Some(60), "30 people stand behind it");
    assert_eq!(uses[1].all_records, None, "two people stand behind it");
    assert_eq!(uses[0].institution.as_ref().unwrap().as_str(), "uni-x");
    assert_eq!(page.statement.records[0].duplicates, 1, "a repeated row is not told");
    let reasons: Vec<_> = page.rejected.iter().map(|r| (r.reason.as_str(), r.rows)).collect();
    assert_eq!(reasons, [("columns", None), ("type", Some(402))]);
    let all = crate::report::json(&page).unwrap()
        + &crate::report::statement_csv(&page)
        + &crate::report::statement_page(&page, Lang::De, "s", true);
    for other in (0..30).filter(|person| *person != 1) {
        assert!(!all.contains(&name(other)), "another person is named");
    }
    assert!(all.contains(&name(1)));
}

#[test]
fn files_are_whole_written_once_and_tell_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 12);
    let out = folder.path().join("out");
    let files = Files { folder: &out, forms: &Form::ALL, lang: Lang::De };
    let all = Selection { period: Some(Period::parse("2026-Q4").unwrap()), ..Selection::default() };
    let first = write(&site, &all, &files, &Silent).unwrap();
    assert_eq!((first.statements, first.files, first.unchanged), (12, 48, 0));
    let again = write(&site, &all, &files, &Silent).unwrap();
    assert_eq!((again.files, again.unchanged), (0, 48), "the same bytes were written again");
    let names: BTreeSet<String> = fs::read_dir(&out)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 48, "a part was left behind");
    assert!(names.iter().all(|file| !file.contains("p0000")), "a file's name names a person");
    // As if the run had died in the middle, and a disk had cut a file.
    let (gone, cut) = (names.first().unwrap(), names.last().unwrap());
    let before = fs::read(out.join(cut)).unwrap();
    fs::remove_file(out.join(gone)).unwrap();
    fs::write(out.join(cut), &before[..before.len() / 2]).unwrap();
    fs::write(out.join(format!(".{gone}.part")), "half").unwrap();
    let resumed = write(&site, &all, &files, &Silent).unwrap();
    assert_eq!((resumed.files, resumed.unchanged), (2, 46), "it did not go on where it stopped");
    assert_eq!(fs::read(out.join(cut)).unwrap(), before);
    let mode = fs::metadata(out.join(cut)).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others could read it");
}

#[test]
fn a_statement_that_the_book_does_not_bear_out_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 12);
    let known = Known::read(&site).unwrap();
    let mut statement = find(&site, &of(1, "2026-Q4")).unwrap().remove(0).statement;
    assert!(known.page(statement.clone()).is_ok());
    statement.proof.leaf.replace_range(0..1, "x");
    assert!(matches!(known.page(statement), Err(Error::Proof { .. })));
}

#[test]
#[ignore = "a measurement of minutes"]
fn how_long_a_hundred_thousand_statements_take() {
    let memory = || {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        line.to_owned()
    };
    let folder = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    let site = commons(&folder, 100_000);
    println!("settled two quarters in {:?}, {}", start.elapsed(), memory());
    let out = folder.path().join("out");
    let forms = [Form::Html, Form::Csv, Form::Json];
    let all = Selection { period: Some(Period::parse("2026-Q4").unwrap()), ..Selection::default() };
    for round in ["new", "again"] {
        let start = std::time::Instant::now();
        let files = Files { folder: &out, forms: &forms, lang: Lang::En };
        let written = write(&site, &all, &files, &Silent).unwrap();
        println!("{round}: {written:?} in {:?}, {}", start.elapsed(), memory());
    }
    let some = (0..400).map(|person| ContributorId::parse(&name(person)).unwrap()).collect();
    let some = Selection { contributors: some, ..all };
    let start = std::time::Instant::now();
    let files = Files { folder: &out, forms: &[Form::Pdf], lang: Lang::En };
    let written = write(&site, &some, &files, &Silent).unwrap();
    println!("PDF: {written:?} in {:?}, {}", start.elapsed(), memory());
}
