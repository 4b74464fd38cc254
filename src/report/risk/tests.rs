//! The page of risk: what it must say, and what it must not.

use super::*;
use crate::report::{Lang, json};

fn time() -> Instant {
    Instant::parse("2026-11-26T10:00:00Z").unwrap()
}

fn figures(smallest: u64, unique: f64) -> RiskFigures {
    let attack = RiskAttack { highest: 0.2, at_risk: unique, threshold: 0.2, success: 0.013_777_1 };
    RiskFigures {
        records: 30_162,
        classes: 397,
        smallest_class: smallest,
        average_class: 72.584,
        prosecutor: attack,
        journalist: attack,
        marketer: RiskMarketer { success: 0.013_777_1 },
        sample_unique: unique,
        population_unique: Some(RiskUnique {
            dankar: 0.038_896_2,
            dankar_model: "pitman".to_owned(),
            zayatz: 0.264_565,
            snb: 0.0,
            snb_shlosser: 0.214,
            pitman: 0.038_896_2,
            unsolved: vec!["snb".to_owned()],
        }),
    }
}

/// A report with `odd` in as many texts as take one.
pub(in crate::report) fn sample(odd: &str) -> RiskReport {
    let cells = |labels: [&str; 2]| {
        let cell = |label: &str| Cell { label: format!("{label}{odd}"), rows: Some(812) };
        let few = Cell { label: "others".to_owned(), rows: None };
        Some(labels.into_iter().map(cell).chain([few]).collect())
    };
    RiskReport {
        subject: RiskSubject::Version {
            dataset: format!("diabetes{odd}"),
            version: 2,
            entry: Sha256::of(b"e"),
        },
        k: 11,
        population: RiskPopulation { name: format!("us{odd}"), people: 317_238_626 },
        tables: vec![RiskTable {
            table: format!("patients{odd}"),
            rows: 28_816,
            suppressed_rows: 7,
            quasi: vec![format!("sex{odd}")],
            before: Some(figures(1, 0.514_290)),
            figures: Some(figures(11, 0.0)),
            minimal_uniques: RiskMinimal {
                columns_max: 3,
                records: 4,
                by_columns: vec![0, 1, 3],
                columns: vec![(format!("zip{odd}"), 0.75)],
            },
            sensitive: vec![RiskSensitive {
                column: format!("code{odd}"),
                l: 3,
                entropy_l: 2.5,
                recursive_c: None,
                t: 0.189_85,
                certain: 0.0,
            }],
            columns: vec![RiskColumn {
                name: format!("zip{odd}"),
                role: Role::Quasi,
                done: format!("first three digits{odd}"),
                before: cells(["02155", "94110"]),
                after: cells(["021", "941"]),
                distance: None,
            }],
        }],
        tests: [
            (RiskQuestion::SinglingOut, RiskOutcome::Holds),
            (RiskQuestion::Linkability, RiskOutcome::Judge),
            (RiskQuestion::Inference, RiskOutcome::Fails),
        ]
        .map(|(test, outcome)| RiskTest { test, outcome, tables: vec![format!("patients{odd}")] })
        .into(),
        configuration: RiskConfiguration {
            pipeline: Some((format!("demo{odd}"), Sha3Digest::of(b"p"))),
            run_key: Some(Sha3Digest::of(b"r")),
            schemas: vec![(format!("patients{odd}"), Sha3Digest::of(b"s"))],
            deid: Some(serde_json::json!({ "levels": [1, odd] })),
            program: format!("almoner 0{odd}"),
            code: None,
        },
    }
}

pub(in crate::report) fn signed(odd: &str) -> [RiskSigned; 1] {
    [RiskSigned {
        by: format!("Dr. Ada Example{odd}"),
        key: format!("expert-00+{odd}"),
        time: time(),
        entry: Sha256::of(b"d"),
    }]
}

#[test]
fn every_figure_stands_beside_what_it_means_in_both_languages() {
    for (lang, said) in [
        (
            Lang::En,
            ["1 in 11", "Highest risk (prosecutor)", "no solution", "Dr. Ada Example determined"],
        ),
        (
            Lang::De,
            ["1 zu 11", "Höchstes Risiko (Ankläger)", "keine Lösung", "Dr. Ada Example hat am"],
        ),
    ] {
        let page = risk_page(&sample(""), &signed(""), time(), lang, "risk.json");
        for said in said {
            assert!(page.contains(said), "{lang} does not say: {said}");
        }
        assert!(page.contains(&format!("<html lang=\"{lang}\">")));
        assert!(!page.contains("risk-"), "{lang}: a message has no words");
    }
    let page = risk_page(&sample(""), &[], time(), Lang::En, "risk.json");
    assert!(page.contains("Nobody has determined this yet"));
    assert!(page.contains("51.429\u{a0}%") && page.contains("3.8896\u{a0}%"), "{page}");
}

#[test]
fn no_count_of_fewer_than_k_people_stands_on_the_page() {
    let mut report = sample("");
    let page = risk_page(&report, &[], time(), Lang::En, "risk.json");
    assert!(page.contains("under 11 people are singled out"), "a count of four is told");
    assert!(page.contains("under 11 were left out"), "a count of seven rows is told");
    // Three of 30,162 people: a share so small is a count of three.
    if let Some(figures) = &mut report.tables[0].figures {
        figures.sample_unique = 3.0 / 30_162.0;
    }
    let page = risk_page(&report, &[], time(), Lang::En, "risk.json");
    assert!(!page.contains("0.0099"), "a share tells of three people: {page}");
    assert!(page.contains("under 0.0364\u{a0}%"), "{page}");
}

#[test]
fn a_report_reads_back_from_its_json_to_the_last_digit() {
    let report = sample("");
    let text = json(&report).unwrap();
    assert_eq!(serde_json::from_str::<RiskReport>(&text).unwrap(), report);
}
