//! What a person reads of a cover: plain words, exact sums, no demand.

use super::*;
use crate::{money::Currency, report::json};

fn amount(minor: i128) -> Amount {
    Amount::new(minor, Currency::parse("EUR").unwrap())
}

fn line(
    day: &str,
    outcome: Outcome,
    sums: [i128; 3],
    payment: Option<PaymentState>,
) -> CoverPageLine {
    CoverPageLine {
        day: day.parse().unwrap(),
        event: "gestational-diabetes".into(),
        institution: "=north".into(),
        outcome,
        owed: amount(sums[0]),
        kept: amount(sums[1]),
        paid: amount(sums[2]),
        payment,
        evaluated: Instant::parse("2026-06-01").unwrap(),
        evidence: Sha3Digest::of(b"row"),
        root: Sha256::of(b"root"),
        entry: Sha256::of(b"entry"),
    }
}

fn sample() -> CoverPage {
    CoverPage {
        format: "almoner-cover-statement/v1".into(),
        policy: PoolId::parse("mothers-2026").unwrap(),
        kind: CoverKind::Insurance,
        insurer: "vitana <b>".into(),
        term: Term { from: "2026-01-01".parse().unwrap(), until: "2027-01-01".parse().unwrap() },
        sum: amount(50_000),
        purpose: Purpose::parse("DUO:0000006").unwrap(),
        contributor: ContributorId::parse("M0000000420").unwrap(),
        token: "0123456789abcdef".into(),
        time: Instant::parse("2026-06-01").unwrap(),
        paid: amount(60_000),
        to_recover: amount(20_000),
        lines: vec![
            line("2026-03-01", Outcome::Paid, [50_000, 0, 50_000], Some(PaymentState::Booked)),
            line("2026-03-02", Outcome::Known, [0, 0, 0], None),
            line("2026-03-01", Outcome::Flagged, [-50_000, 0, 0], None),
            line(
                "2026-05-01",
                Outcome::Recovered,
                [40_000, 30_000, 10_000],
                Some(PaymentState::Open),
            ),
        ],
        prove: "almoner cover prove mothers-2026 M0000000420".into(),
        withdraw: "almoner consent withdraw M0000000420".into(),
        proofs: None,
    }
}

#[test]
fn a_person_reads_what_was_paid_and_that_nothing_is_asked_back() {
    let html = cover_page(&sample(), Lang::En, "mothers-2026-x", true);
    for words in [
        "EUR\u{a0}600.00",
        "paid to you for 2 events",
        "You need not claim anything",
        "Each event is paid once",
        "not due after all",
        "Still to be kept from later payments: EUR\u{a0}200.00",
        "nobody asks the money back",
        "almoner cover prove mothers-2026 M0000000420",
        "31\u{a0}December 2026",
    ] {
        assert!(html.contains(words), "the page does not say: {words}");
    }
    assert!(!html.contains("vitana <b>"), "a name was read as markup");
    let german = cover_page(&sample(), Lang::De, "mothers-2026-x", true);
    assert!(
        german.contains("600,00\u{a0}EUR") && german.contains("niemand fordert das Geld zurück")
    );
    assert!(!german.contains("cover-"), "a message is missing in German");
    assert!(
        !html.contains("cover-") || html.matches("cover-").count() == 0,
        "a message is missing"
    );
}

#[test]
fn who_was_paid_nothing_back_is_told_nothing_of_recovery() {
    let mut page = sample();
    page.lines.truncate(2);
    page.to_recover = amount(0);
    let html = cover_page(&page, Lang::En, "x", false);
    assert!(!html.contains("If something was paid that was not due"), "a page that frightens");
    assert!(!html.contains("x.pdf"), "a form that was not written is offered");
}

#[test]
fn the_same_facts_read_back_from_json_and_open_safely_in_a_spreadsheet() {
    let text = json(&sample()).unwrap();
    assert!(serde_json::from_str::<CoverPage>(&text).unwrap() == sample());
    assert!(text.starts_with("{\n  \"format\": \"almoner-cover-statement/v1\""));
    let csv = cover_csv(&sample());
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.contains(",'=north,") && csv.contains(",-50000,0,0,EUR,"));
    assert!(!format!("{:?}", sample()).contains("M0000000420"), "a log names a person");
    assert!(sample().document(Lang::De).pdf(sample().time).is_ok(), "no PDF for them");
}
