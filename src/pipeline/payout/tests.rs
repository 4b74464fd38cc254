//! A settled pool, its bank, and everything that a bank may say.

use std::fmt::Write as _;

use super::*;
use crate::{
    bank::Fault,
    pipeline::{
        fund::{pools, tests::site},
        payee,
        settle::tests::{commons, quarter},
    },
};

const IBAN: &str = "DE89370400440532013000";

fn terms() -> Terms {
    let debtor = Debtor::read(&format!("name = 'Commons'\niban = '{IBAN}'\n")).unwrap();
    Terms { debtor, version: Version::V09, date: None, exchange: None }
}

/// Settles the pool of three people, of whom those named have an account.
fn paying(folder: &tempfile::TempDir, accounts: &[&str]) -> (Site, PoolId) {
    let commons = commons(folder, 10_000_000);
    let pool = fund::tests::terms().pool;
    drop(settle::settle(&commons, &pool, &quarter(), false).unwrap());
    drop(commons);
    register(folder, "2027-01-03", accounts);
    (site(folder, "2027-01-04"), pool)
}

fn register(folder: &tempfile::TempDir, day: &str, accounts: &[&str]) {
    let mut text = "contributor,person,verified,country,name,iban,bic\n".to_owned();
    for who in accounts {
        writeln!(text, "{who},,,DE,Holder of {who},{IBAN},").unwrap();
    }
    let file = folder.path().join("payees.csv");
    std::fs::write(&file, text).unwrap();
    drop(payee::import(&site(folder, day), &file, 0).unwrap());
}

/// Writes the bank's answer to each payment of an order, as CSV.
fn said(site: &Site, order: &Ordered, outcome: impl Fn(&ExportLine) -> &'static str) -> String {
    let lines: Vec<ExportLine> = order.order.lines.read(&site.vault()).unwrap();
    let currency = order.order.control.currency();
    let mut text = "end_to_end,outcome,amount,currency,date,reason\n".to_owned();
    for line in lines {
        let outcome = outcome(&line);
        if outcome.is_empty() {
            continue;
        }
        let amount = Amount::new(i128::from(line.sent_minor), currency).decimal();
        let (id, reason) = (&line.end_to_end, if outcome == "returned" { "AC04" } else { "" });
        writeln!(text, "{id},{outcome},{amount},{currency},2027-01-05,{reason}").unwrap();
    }
    text
}

fn is(line: &ExportLine, who: &str) -> bool {
    matches!(&line.payee, PayeeId::Contributor(id) if id.as_str() == who)
}

fn heard(site: &Site, pool: &PoolId, text: &str) -> Heard {
    answer(site, pool, None, AnswerForm::Csv, text.as_bytes()).unwrap()
}

#[test]
fn an_order_told_twice_is_one_order_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (early, pool) = paying(&folder, &["anna", "bert", "cleo"]);
    let first = export(&early, &pool, &quarter(), &terms()).unwrap();
    assert!(first.new);
    assert_eq!(first.order.total, pools(&early).unwrap()[&pool].paid().unwrap());
    assert_eq!((first.order.control, first.order.waiting), (first.order.total, 0));
    drop(early);
    let late = site(&folder, "2027-01-09");
    let again = export(&late, &pool, &quarter(), &terms()).unwrap();
    assert!(!again.new, "everybody would be paid twice");
    assert_eq!((again.file, again.commit), (first.file.clone(), first.commit));
    let text = String::from_utf8(first.file).unwrap();
    for secret in ["anna", "bert", "cleo"] {
        let name = format!("Holder of {secret}");
        assert!(!text.replace(&name, "").contains(secret), "the bank is told an id: {secret}");
    }
    for object in late.ledger().list("").unwrap() {
        let bytes = late.ledger().get(&object.path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(IBAN) && !text.contains("Holder"), "the book names a payee");
    }
}

#[test]
fn whoever_has_no_account_waits_for_the_next_order_and_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (early, pool) = paying(&folder, &["anna"]);
    let first = export(&early, &pool, &quarter(), &terms()).unwrap();
    assert_eq!((first.order.lines.count, first.order.waiting), (1, 2));
    drop(early);
    register(&folder, "2027-01-05", &["bert"]);
    let late = site(&folder, "2027-01-06");
    let second = export(&late, &pool, &quarter(), &terms()).unwrap();
    assert_eq!((second.new, second.order.lines.count, second.order.waiting), (true, 1, 1));
    assert_ne!(first.order.message, second.order.message);
    let standing = standing(&late, &pool).unwrap();
    let ordered = first.order.total.plus(second.order.total).unwrap();
    assert_eq!(standing.in_transit, ordered);
    assert_eq!(standing.owed, ordered.plus(standing.open).unwrap());
    assert!(standing.open.minor() > 0, "whom nobody can pay yet is owed nothing any more");
}

#[test]
fn what_came_back_is_paid_again_and_an_answer_told_twice_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (site, pool) = paying(&folder, &["anna", "bert", "cleo"]);
    let first = export(&site, &pool, &quarter(), &terms()).unwrap();
    let booked = said(&site, &first, |_| "booked");
    let told = heard(&site, &pool, &booked);
    assert_eq!((told.booked, told.booked_sum), (3, first.order.total));
    let again = heard(&site, &pool, &booked);
    assert_eq!((again.booked, again.known, again.commit), (0, 3, None));
    let back = said(&site, &first, |line| if is(line, "bert") { "returned" } else { "" });
    assert_eq!(heard(&site, &pool, &back).returned, 1);
    let second = export(&site, &pool, &quarter(), &terms()).unwrap();
    assert_eq!((second.new, second.order.lines.count), (true, 1));
    let lines: Vec<ExportLine> = second.order.lines.read(&site.vault()).unwrap();
    assert!(is(&lines[0], "bert") && lines[0].attempt == 2);
    assert!(!String::from_utf8(first.file).unwrap().contains(&lines[0].end_to_end));
    assert_eq!(heard(&site, &pool, &booked).commit, None, "an old file undid a return");
    assert_eq!(heard(&site, &pool, &back).commit, None);
    let told = heard(&site, &pool, &said(&site, &second, |_| "booked"));
    assert_eq!(told.booked, 1);
    let all = pools(&site).unwrap();
    let standing = standing(&site, &pool).unwrap();
    assert_eq!(standing.booked, first.order.total, "more or less arrived than was owed");
    assert_eq!(standing.open.minor(), 0);
    let movements = movements(&site, &pool).unwrap();
    let journal = crate::reward::journal::Journal::of(&all[&pool], None, &movements).unwrap();
    let balances = journal.balances().unwrap();
    let left = 10_000_000 - first.order.total.minor();
    assert_eq!(balances["Assets:Bank"].minor(), left, "the books and the bank differ");
    assert_eq!(balances["Liabilities:PayoutsInTransit:P"].minor(), 0);
}

#[test]
fn an_answer_that_fits_no_order_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (site, pool) = paying(&folder, &["anna", "bert", "cleo"]);
    let order = export(&site, &pool, &quarter(), &terms()).unwrap();
    let good = said(&site, &order, |line| if is(line, "anna") { "booked" } else { "" });
    for (from, to, fault) in [
        ("AL", "XX", Fault::Unknown),
        (",EUR,", ",USD,", Fault::Currency),
        (".", "1.", Fault::Amount),
    ] {
        assert!(good.contains(from));
        let told = heard(&site, &pool, &good.replacen(from, to, 1));
        let faults: Vec<Fault> = told.findings.iter().map(|f| f.fault).collect();
        assert_eq!((faults, told.commit), (vec![fault], None));
    }
    let other = Period::parse("2026-Q3").unwrap();
    let none = answer(&site, &pool, Some(&other), AnswerForm::Csv, good.as_bytes());
    assert!(matches!(none, Err(Error::NotSettled { .. })));
}

#[test]
fn a_sum_in_another_currency_is_converted_once_and_its_parts_sum_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let (site, pool) = paying(&folder, &["anna", "bert", "cleo"]);
    let date = "2027-01-04".parse().unwrap();
    let rate = |num, den| Rate { num, den, source: "ECB".to_owned(), date };
    let with = |code: &str, rate| {
        let currency = Currency::parse(code).unwrap();
        export(&site, &pool, &quarter(), &Terms { exchange: Some((currency, rate)), ..terms() })
    };
    assert!(matches!(with("EUR", rate(1, 1)), Err(Error::Rate)));
    assert!(matches!(with("USD", rate(0, 1)), Err(Error::Rate)));
    let nothing = with("JPY", rate(1, 1_000_000_000));
    assert!(matches!(nothing, Err(Error::NothingDue { waiting: 3, .. })), "a payment of nothing");
    let yen = with("JPY", rate(16_015, 100)).unwrap();
    let euros = yen.order.total.minor();
    let exact = euros * 16_015;
    let sent = yen.order.control.minor();
    assert!((sent * 10_000 - exact).abs() <= 5_000, "the sum is not the nearest yen");
    assert_eq!(bank::check(&yen.file).unwrap().sum, yen.order.control);
    let told = heard(&site, &pool, &said(&site, &yen, |_| "booked"));
    assert_eq!(told.booked_sum, yen.order.total, "the books are in the pool's currency");
}
