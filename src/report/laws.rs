//! What must hold for every page, whatever stands in it.

use super::{
    AuditCheck, AuditFinding, AuditPage, Checkpoint, ColumnLine, DatasetPage, DatasetTable,
    DatasetVersion, DoubtLine, FilledLine, HistoryLine, IndexAudit, IndexDataset, IndexPage,
    IndexPool, InstitutionLine, IssuerLine, Lang, LeftLine, LicenceRecord, LicencesPage,
    LicensedInstitution, Link, Named, PractitionersLine, PublicCount, QualityReport, RiskLine,
    RuleFile, RunReport, ScrubLine, SettlementAccount, SettlementLayer, SettlementPage,
    SettlementUse, StatementPage, TableLine, audit_page, dataset_page, index_page, json,
    licences_page, quality_page, risk_page, run_page, settlement_page, sponsor_page,
    statement_page,
};
use crate::{
    credential::{Holder, LicenceAction, LicenceEvent, Standing},
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    party::InstitutionId,
    purpose::Purpose,
    quality::{
        Category, Cell, Distribution, Finding, Measure, Outcome, Place, Severity, Threshold,
        Validity,
    },
    schema::Role,
};

fn time() -> Instant {
    Instant::parse("2026-11-22T15:00:00Z").unwrap()
}

fn purpose() -> Purpose {
    Purpose::parse("DUO:0000006").unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { size: 61, root: "5e".repeat(32) }
}

fn column(name: &str, role: Role, done: &str) -> ColumnLine {
    ColumnLine { name: name.to_owned(), role, done: done.to_owned() }
}

fn run(odd: &str) -> RunReport {
    let line = |institution: &str, read| InstitutionLine {
        institution: institution.to_owned(),
        people: read / 39,
        read,
        rejected: read / 96,
        refused: read / 16,
        admitted: read - read / 96 - read / 16,
        released: read - read / 96 - read / 16 - read / 120,
    };
    RunReport {
        run: format!("run-2026-11-22-01{odd}"),
        pipeline: format!("demo{odd}"),
        dataset: format!("diabetes{odd}"),
        version: 1,
        time: time(),
        purposes: vec![purpose()],
        k: 11,
        people: 1_842,
        people_several: 866,
        institutions: vec![
            line(&format!("north-shore{odd}"), 31_617),
            line("lake-county", 27_322),
            line("riverside", 21_634),
            line("st-anselm", 18_873),
        ],
        doubts: vec![DoubtLine {
            table: odd.to_owned(),
            column: odd.to_owned(),
            said: odd.to_owned(),
        }],
        files_left: vec![LeftLine {
            institution: odd.to_owned(),
            file: odd.to_owned(),
            reason: "licence-suspended".to_owned(),
        }],
        refusals: [
            ("no-consent", 2_204),
            ("withdrawn", 1_907),
            ("expired", 1_411),
            ("purpose-not-consented", 580),
            (odd, 3),
        ]
        .map(|(reason, rows)| (reason.to_owned(), rows))
        .into(),
        rejects: [("type", 402), ("columns", 255), ("required", 198), ("range", 120), (odd, 1)]
            .map(|(rule, rows)| (rule.to_owned(), rows))
            .into(),
        tables: vec![TableLine {
            table: format!("patients{odd}"),
            rows: 2_822,
            suppressed: 61,
            class_min: 11,
            columns: vec![
                column("member_no", Role::Person, "keyed pseudonym, new in each version"),
                column("ssn", Role::Direct, "taken out"),
                column(
                    "birth_date",
                    Role::Quasi,
                    "year of birth in bands of 25, ages over 89 together",
                ),
                column("zip", Role::Quasi, "first three digits where over 20,000 people live"),
                column(&format!("x{odd}"), Role::Measure, odd),
            ],
            risk: Some(RiskLine {
                classes: 31,
                prosecutor_max_ppm: 90_909,
                prosecutor_avg_ppm: 16_830,
                at_risk_ppm: 0,
                unique_before_ppm: 2_170,
                suppressed_ppm: 21_159,
            }),
            choice: None,
        }],
        records: Vec::new(),
        scrubs: vec![ScrubLine {
            table: "notes".to_owned(),
            column: odd.to_owned(),
            people_known: 1_842,
            gold: Some("0f".repeat(32)),
            notes: 2_000,
            characters: 101_300,
            recall_ppm: Some(999_812),
            recall_bound_ppm: Some(999_720),
            patterns_ppm: Some(1_000_000),
            precision_ppm: None,
        }],
        segments: 4,
        bytes: 1_402_331,
        entry: Some(format!("{}{odd}", "0f".repeat(32))),
        checkpoint: Some(checkpoint()),
    }
}

fn index(odd: &str) -> IndexPage {
    IndexPage {
        name: format!("Bay Health Commons{odd}"),
        time: time(),
        people: PublicCount::new(1_842),
        institutions: 4,
        answers: 14,
        withdrawn: PublicCount::new(1),
        datasets: vec![IndexDataset {
            dataset: format!("diabetes{odd}"),
            version: 2,
            purposes: vec![purpose()],
            people: PublicCount::new(1_841),
            rows: PublicCount::new(91_204),
            href: Some("datasets/diabetes.html".to_owned()),
        }],
        pools: vec![IndexPool {
            pool: format!("diabetes-2026{odd}"),
            currency: "EUR".to_owned(),
            received: "100000.00".to_owned(),
            paid: "94871.16".to_owned(),
            contributors: PublicCount::new(1_790),
            href: Some(format!("pools/diabetes-2026.html{odd}")),
        }],
        checkpoint: Some(checkpoint()),
        audit: Some(IndexAudit { checks: 1_204, findings: 0, href: Some("audit.html".to_owned()) }),
        links: vec![
            Link {
                href: "audit.html".to_owned(),
                title: format!("The audit{odd}"),
                what: "What was reckoned anew, and what came out".to_owned(),
            },
            Link {
                href: format!("https://example.org/{odd}"),
                title: "Elsewhere".to_owned(),
                what: odd.to_owned(),
            },
        ],
    }
}

fn settlement(odd: &str) -> SettlementPage {
    SettlementPage {
        pool: format!("diabetes-2026{odd}"),
        period: "2026-Q4".to_owned(),
        currency: "EUR".to_owned(),
        time: time(),
        received: "100000.00".to_owned(),
        earlier: "0.00".to_owned(),
        fee: "5000.00".to_owned(),
        paid: "94871.16".to_owned(),
        reserve: "0.00".to_owned(),
        kept: "0.00".to_owned(),
        carried: "128.84".to_owned(),
        institutions: Some(SettlementAccount {
            part: "15000.00".to_owned(),
            paid: "14999.17".to_owned(),
            carried: "0.83".to_owned(),
        }),
        platform: None,
        unallocated: "0.00".to_owned(),
        contributors_paid: PublicCount::new(1_790),
        contributors: PublicCount::new(1_842),
        layers: vec![SettlementLayer {
            layer: format!("base{odd}"),
            amount: "28500.00".to_owned(),
            contributors: PublicCount::new(7),
        }],
        uses: vec![SettlementUse { purpose: purpose(), answers: 14 }],
        root: "7c".repeat(32),
        inputs: vec![Named { name: odd.to_owned(), value: "aa".repeat(32) }],
        entry: Some("0f".repeat(32)),
        checkpoint: Some(checkpoint()),
        checks: vec![format!("almoner audit diabetes-2026 {odd}")],
    }
}

fn audit(odd: &str) -> AuditPage {
    AuditPage {
        unreadable: 0,
        time: time(),
        scope: format!("Bay Health Commons{odd}"),
        checks: vec![AuditCheck {
            name: "tree".to_owned(),
            asks: "Does the book's root follow from its entries?".to_owned(),
            count: 1_204,
            findings: 1,
        }],
        findings: vec![AuditFinding {
            check: "digest".to_owned(),
            object: format!("lake/diabetes/segments/5e5e.parquet{odd}"),
            fault: "its bytes have another digest".to_owned(),
        }],
        checkpoint: Some(checkpoint()),
        commands: vec!["almoner audit".to_owned()],
    }
}

fn dataset(odd: &str) -> DatasetPage {
    DatasetPage {
        dataset: format!("diabetes{odd}"),
        version: 2,
        time: time(),
        purposes: vec![purpose()],
        pool: Some(format!("diabetes-2026{odd}")),
        k: 11,
        people: PublicCount::new(1_841),
        institutions: 4,
        tables: vec![DatasetTable {
            table: "patients".to_owned(),
            description: Some(format!("One row a person and institution{odd}")),
            rows: PublicCount::new(4),
            columns: run(odd).tables.remove(0).columns,
        }],
        versions: vec![DatasetVersion {
            version: 1,
            time: time(),
            people: PublicCount::new(1_842),
            rows: PublicCount::new(91_240),
        }],
        pipeline: "demo".to_owned(),
        pipeline_digest: "ab".repeat(32),
        record_root: "cd".repeat(32),
        entry: Some("0f".repeat(32)),
        checkpoint: Some(checkpoint()),
    }
}

fn quality(odd: &str) -> QualityReport {
    let finding = |rule: &str, outcome, category, measure| Finding {
        rule: format!("{rule}{odd}"),
        description: Some(format!("a visit ends after it began{odd}")),
        table: format!("visits{odd}"),
        columns: vec![format!("start{odd}"), "end".to_owned()],
        kind: "temporal-order".to_owned(),
        category,
        severity: Severity::Error,
        institution: format!("north-shore{odd}"),
        rows: 31_204,
        failing: 12,
        share_ppm: 384,
        measure,
        warn_if: Threshold::ANY,
        error_if: Some(Threshold::SharePpm(10_000)),
        rejects: true,
        outcome,
        first: vec![Place { file: format!("visits.csv{odd}"), line: 17 }],
    };
    let drift = Measure { off_ppm: 312_000, now_ppm: None, before_ppm: None };
    let filled = |institution: &str| FilledLine {
        institution: institution.to_owned(),
        table: format!("visits{odd}"),
        rows: 31_204,
        columns: vec![(format!("start{odd}"), 31_204), ("end".to_owned(), 29_001)],
    };
    let cells = |labels: [&str; 2]| {
        let mut cells: Vec<Cell> = labels
            .iter()
            .map(|label| Cell { label: format!("{label}{odd}"), rows: Some(812) })
            .collect();
        cells.push(Cell { label: "others".to_owned(), rows: None });
        cells
    };
    QualityReport {
        run: format!("demo-0a1b2c3d4e5f6071{odd}"),
        pipeline: format!("demo{odd}"),
        dataset: format!("diabetes{odd}"),
        version: 2,
        time: time(),
        rules: vec![RuleFile { file: format!("demo.toml{odd}"), digest: Sha3Digest::of(b"r") }],
        previous: Some(1),
        findings: vec![
            finding("visit-ends", Outcome::Warned, Category::Plausibility, None),
            finding("payer-drift", Outcome::Stopped, Category::Plausibility, Some(drift)),
            finding("visit-key", Outcome::Passed, Category::Conformance, None),
        ],
        filled: vec![filled(&format!("north-shore{odd}")), filled("lake-county")],
        validity: [("north-shore".to_owned(), Validity { checked: 400, held: 397 })].into(),
        distributions: vec![Distribution {
            table: format!("patients{odd}"),
            column: "birth_date".to_owned(),
            before: Some(cells(["1950", "1951"])),
            after: Some(cells(["1950-1974", "1975-1999"])),
        }],
        idle: vec![format!("death-once{odd}")],
    }
}

fn statement(odd: &str) -> StatementPage {
    let mut page = super::statement::tests::sample();
    page.statement.rules.name.push_str(odd);
    page.statement.records.iter_mut().for_each(|line| line.dataset.push_str(odd));
    page.statement.layers.iter_mut().for_each(|layer| layer.weight.push_str(odd));
    page.consents.iter_mut().for_each(|consent| consent.institutions.push(odd.to_owned()));
    page
}

fn licences(odd: &str) -> LicencesPage {
    let event = LicenceEvent {
        licence: format!("H-1{odd}"),
        holder: Holder::Institution(InstitutionId::parse("north-shore").unwrap()),
        issuer: format!("board.example/licences{odd}"),
        action: LicenceAction::Issue,
        class: format!("hospital{odd}"),
        from: time(),
        until: None,
        restriction: Some(format!("no surgery{odd}")),
        decided_at: time(),
        key: None,
    };
    LicencesPage {
        time: time(),
        issuers: vec![IssuerLine {
            issuer: event.issuer.clone(),
            vkey: format!("board.example/licences+00+{odd}"),
            from: None,
            until: Some(time()),
        }],
        institutions: vec![LicensedInstitution {
            institution: format!("north-shore{odd}"),
            standing: Standing::Stands { until: None, restrictions: vec![odd.to_owned()] },
            history: vec![HistoryLine {
                event: event.clone(),
                effective: time(),
                recorded_at: time(),
                refused: Some(odd.to_owned()),
            }],
        }],
        practitioners: vec![PractitionersLine {
            class: format!("physician{odd}"),
            state: "stands",
            count: PublicCount::new(7),
        }],
        records: vec![LicenceRecord {
            entry: format!("{}{odd}", "0f".repeat(32)),
            root: Sha256::of(b"r"),
            decisions: vec![event],
        }],
        checkpoint: Some(checkpoint()),
    }
}

/// Every page with `odd` in as many texts as take one.
fn pages(odd: &str) -> [(&'static str, String); 10] {
    [
        ("index", index_page(&index(odd))),
        ("licences", licences_page(&licences(odd))),
        ("run", run_page(&run(odd))),
        ("statement", statement_page(&statement(odd), Lang::En, "statement", true)),
        ("settlement", settlement_page(&settlement(odd), "settlement")),
        ("audit", audit_page(&audit(odd))),
        ("dataset", dataset_page(&dataset(odd), "dataset")),
        ("quality", quality_page(&quality(odd))),
        (
            "risk",
            risk_page(
                &super::risk::tests::sample(odd),
                &super::risk::tests::signed(odd),
                time(),
                Lang::En,
                "risk.json",
            ),
        ),
        ("sponsor", sponsor_page(&super::audit_pool::tests::sample(odd), &[])),
    ]
}

#[test]
fn no_text_becomes_markup_on_any_page() {
    let odd = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>'&";
    for (name, html) in pages(odd) {
        assert!(!html.contains("<script") && !html.contains("<img"), "{name} lets markup in");
        assert!(html.contains("&lt;script&gt;"), "{name} was not tried");
        let inside = html.split("</style>").nth(1).unwrap();
        assert!(!inside.contains("\"><img"), "{name} lets a text end an attribute");
    }
}

#[test]
fn no_page_loads_or_links_anything_from_elsewhere() {
    for (name, html) in pages("") {
        for banned in ["<link", "<script", "<iframe", "<form", "@import", "url(", " src=", "style="]
        {
            assert!(!html.contains(banned), "{name} holds {banned}");
        }
        for href in html.split("href=\"").skip(1) {
            let href = href.split('"').next().unwrap();
            assert!(!href.contains(':') && !href.starts_with('/'), "{name} leads to {href}");
        }
        assert!(html.contains("default-src 'none'"), "{name} has no policy");
    }
}

#[test]
fn every_table_has_a_caption_and_every_page_a_language_and_one_headline() {
    for (name, html) in pages("") {
        let count = |what: &str| html.matches(what).count();
        assert_eq!(count("<table>"), count("<caption>"), "{name}");
        assert_eq!(count("<h1>"), 1, "{name}");
        assert!(html.contains("<html lang=\"en\">"), "{name}");
    }
}

#[test]
fn a_public_page_and_its_json_hide_small_groups() {
    let mut page = index("");
    page.people = PublicCount::new(7);
    assert!(index_page(&page).contains("&lt;11 people"));
    let text = json(&page).unwrap();
    assert!(text.contains("\"people\": \"<11\"") && text.contains("\"withdrawn\": \"<11\""));
    let text = json(&settlement("")).unwrap();
    assert!(text.contains("\"contributors\": \"<11\"") && !text.contains(": 7"), "{text}");
    assert!(json(&dataset("")).unwrap().contains("\"rows\": \"<11\""));
    assert!(json(&licences("")).unwrap().contains("\"count\": \"<11\""));
}

#[test]
fn the_same_facts_make_the_same_page() {
    for (first, second) in pages("x").into_iter().zip(pages("x")) {
        assert_eq!(first, second, "a page would change without cause");
    }
}

#[test]
fn findings_of_quality_read_back_from_their_json() {
    let report = quality("");
    let text = json(&report).unwrap();
    assert_eq!(serde_json::from_str::<QualityReport>(&text).unwrap(), report);
}

#[test]
fn a_run_report_reads_back_from_its_json() {
    let report = run("");
    let text = json(&report).unwrap();
    assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report);
    let early = RunReport { entry: None, checkpoint: None, ..report };
    assert!(!json(&early).unwrap().contains("checkpoint"), "it is written before its entry is");
}

/// Writes the pages to `target/pages` so that somebody can look at them.
#[test]
fn pages_can_be_looked_at() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, html) in pages("") {
        std::fs::write(dir.join(format!("{name}.html")), html).unwrap();
    }
}
