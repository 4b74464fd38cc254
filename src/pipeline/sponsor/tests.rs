//! A sponsor's audit of a small pool, from its acts to its files.

use super::*;
use crate::{
    instant::Instant,
    pipeline::{
        fund::{
            open, pools,
            tests::{gift, site, terms},
        },
        settle::{
            settle,
            tests::{ask, commons, counted::opened, quarter},
        },
    },
    report::{Disbursed, SettlementAccount, SettlementPage},
    reward::{
        Period,
        rules::{SplitRule, TaxRule},
    },
};

fn unaudited() -> AuditPage {
    AuditPage {
        unreadable: 0,
        time: Instant::parse("2027-01-02").unwrap(),
        scope: "p".into(),
        checks: Vec::new(),
        findings: Vec::new(),
        checkpoint: None,
        commands: Vec::new(),
    }
}

fn settled(folder: &tempfile::TempDir) -> Site {
    let site = commons(folder, 10_000_000);
    drop(settle(&site, &terms().pool, &quarter(), false).unwrap());
    site
}

fn told(site: &Site, ask: &Ask) -> SponsorAudit {
    audit(site, &terms().pool, ask, &unaudited()).unwrap()
}

fn sampled(count: usize, seed: &str) -> Ask {
    Ask { sample: Some((count, seed.into())), ..Ask::default() }
}

#[test]
fn what_the_acts_recorded_adds_up_with_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let audit = told(&settled(&folder), &Ask::default());
    assert_eq!(audit.exceptions, [], "a settled pool would be called wrong");
    let until: Vec<String> = audit.federal.lines.iter().map(|l| l.until.decimal()).collect();
    assert_eq!(
        until,
        ["100000.00", "95000.00", "5000.00", "100000.00", "100000.00", "0.00", "100000.00", "0.00"]
    );
    assert_eq!(audit.federal.disbursed, Disbursed::PaidLines, "no bank has answered");
    assert_eq!(audit.federal.indirect.amount.decimal(), "5000.00");
    let [purpose] = audit.by_purpose.as_slice() else { panic!("all questions had one purpose") };
    assert_eq!((purpose.questions, purpose.amount.decimal().as_str()), (2, "66500.00"));
    assert_eq!(audit.excluded.repeats, 1, "a question asked again on one day counts once");
    assert!(audit.reconciliation.len() >= 5, "the journal is not laid beside");
    let kinds: Vec<&str> = audit.entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["pool-opened", "pool-funded", "payout-computed"]);
}

#[test]
fn three_people_are_neither_counted_nor_measured_nor_named() {
    let folder = tempfile::tempdir().unwrap();
    let site = settled(&folder);
    let audit = told(&site, &sampled(3, "a seed"));
    let people = audit.people.as_ref().unwrap();
    assert_eq!((people.top, people.index), (None, None), "what three people got would show");
    assert_eq!(people.payees.to_string(), "<11");
    let forms = [Form::Html, Form::Json, Form::Csv];
    for (name, bytes) in files(&audit, &forms).unwrap() {
        let text = String::from_utf8(bytes).unwrap();
        let mut words = text.split(|letter: char| !letter.is_alphanumeric());
        let named = words.any(|word| ["anna", "bert", "cleo"].contains(&word));
        assert!(!named, "{name} names somebody");
    }
}

#[test]
fn lines_are_drawn_by_the_seed_and_stand_below_the_root_in_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let site = settled(&folder);
    let first = told(&site, &sampled(2, "a seed")).sample.unwrap();
    assert_eq!(first, told(&site, &sampled(2, "a seed")).sample.unwrap(), "not to be drawn again");
    let seeds = ["b", "c", "d", "e"];
    let others = seeds.map(|seed| told(&site, &sampled(2, seed)).sample.unwrap().drawn);
    assert!(others.iter().any(|drawn| *drawn != first.drawn), "the seed does not matter");
    assert_eq!((first.lines, first.drawn.len()), (3, 2));
    let pools = pools(&site).unwrap();
    let act = &pools[&terms().pool].settled[0].act;
    let leaves = crate::digest::hex(&object(&site, &act.leaves).unwrap());
    for line in &first.drawn {
        assert_eq!(line.root, act.root.to_string());
        assert!(leaves.contains(line.leaf.as_ref().unwrap()), "the leaf is not in the tree");
    }
}

#[test]
fn a_pool_without_money_or_settlement_has_an_audit_too() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(&folder, "2026-10-01");
    let _opened = open(&site, terms()).unwrap();
    let audit = told(&site, &sampled(5, "s"));
    assert!(audit.federal.lines.iter().all(|line| line.until.is_zero()));
    assert_eq!(audit.sample.as_ref().unwrap().drawn, []);
    let _funded = fund::fund(&site, gift(700, "r")).unwrap();
    let audit = told(&site, &Ask::default());
    assert_eq!(audit.line("10h").unwrap().until.decimal(), "7.00", "not settled yet");
    assert_eq!(audit.exceptions, []);
    let unknown = PoolId::parse("q").unwrap();
    assert!(matches!(
        super::audit(&site, &unknown, &Ask::default(), &unaudited()),
        Err(Error::Settle(settle::Error::Fund(fund::Error::Unknown(_)))),
    ));
}

#[test]
fn days_take_in_their_own_acts_and_must_be_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let site = settled(&folder);
    let day = |text: &str| Some(text.parse().unwrap());
    let before = Ask { days: Days { from: None, until: day("2026-12-31") }, ..Ask::default() };
    let audit = told(&site, &before);
    assert!(audit.roll.is_empty(), "the settlement was made in January");
    assert_eq!(audit.line("10h").unwrap().until.decimal(), "100000.00");
    assert_eq!(audit.exceptions, [], "the journal must be of the same days");
    let wrong =
        Ask { days: Days { from: day("2027-01-02"), until: day("2027-01-01") }, ..Ask::default() };
    let result = super::audit(&site, &terms().pool, &wrong, &unaudited());
    assert!(matches!(result, Err(Error::Days)));
}

#[test]
fn files_are_the_same_each_time_and_an_object_that_changed_stops_them() {
    let folder = tempfile::tempdir().unwrap();
    let site = settled(&folder);
    let all = [Form::Pdf, Form::Html, Form::Json, Form::Csv, Form::Html];
    let made = || files(&told(&site, &sampled(2, "s")), &all).unwrap();
    let (first, second) = (made(), made());
    assert!(first == second, "an auditor could not compare two copies");
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["p-sponsor.html", "p-sponsor.pdf", "p-sponsor.csv", "p-sponsor.json"]);
    let pools = pools(&site).unwrap();
    let act = &pools[&terms().pool].settled[0].act;
    site.vault().put(&act.leaves.path, vec![0; 192].into()).unwrap();
    let result = super::audit(&site, &terms().pool, &sampled(2, "s"), &unaudited());
    assert!(matches!(result, Err(Error::Settle(settle::Error::Integrity { .. }))));
}

/// Two quarters under rules with everything: reserve, split, tax, tranches, a minimum.
fn two_quarters(folder: &tempfile::TempDir) -> Site {
    let early = opened(folder, |opened| {
        let rules = &mut opened.rules;
        rules.reserve_bps = 700;
        rules.split = SplitRule { person_bps: 7_000, institution_bps: 2_500, platform_bps: 500 };
        rules.tranches = vec![2, 1];
        rules.minimum_minor = 500;
        let from = "2026-01-01".parse().unwrap();
        rules.tax = vec![TaxRule { country: "*".into(), from, until: None, bps: 1_500 }];
    });
    ask(&early, 1, "2026-10-05", "one", &[("anna", 3), ("bert", 1)]);
    ask(&early, 2, "2027-01-05", "two", &[("cleo", 5), ("bert", 1)]);
    drop(early);
    let january = site(folder, "2027-01-02");
    drop(settle(&january, &terms().pool, &quarter(), false).unwrap());
    let _funded = fund::fund(&january, gift(123_457, "wire-2")).unwrap();
    drop(january);
    let april = site(folder, "2027-04-02");
    let period = Period::parse("2027-Q1").unwrap();
    drop(settle(&april, &terms().pool, &period, false).unwrap());
    april
}

#[test]
fn rules_with_everything_add_up_over_two_settlements_and_with_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let site = two_quarters(&folder);
    let audit = told(&site, &Ask::default());
    assert_eq!(audit.exceptions, [], "a pool that adds up would be called wrong");
    assert_eq!(audit.roll.len(), 2);
    assert!(audit.roll.iter().all(|line| line.difference.is_zero() && !line.reserve.is_zero()));
    assert!(!audit.owed[1].opening.is_zero(), "the first tranche was not held back");
    assert_eq!(audit.tax, None, "three people's tax would tell what they are paid");
    let day = |text: &str| Some(text.parse().unwrap());
    let spring =
        Ask { days: Days { from: day("2027-02-01"), until: day("2027-12-31") }, ..Ask::default() };
    let audit = told(&site, &spring);
    assert_eq!((audit.exceptions.as_slice(), audit.roll.len()), ([].as_slice(), 1));
}

#[test]
fn the_public_page_of_a_settlement_tells_where_every_cent_is() {
    let folder = tempfile::tempdir().unwrap();
    let site = two_quarters(&folder);
    let pool = &pools(&site).unwrap()[&terms().pool];
    for settled in &pool.settled {
        let (inputs, settlement) = statement::settlement(&site, settled).unwrap();
        let page = SettlementPage::of(settled, &inputs, &settlement);
        let micro = |text: &String| -> i128 {
            let (whole, fraction) = text.split_once('.').unwrap();
            format!("{whole}{fraction:0<8}").parse().unwrap()
        };
        let account = |account: &SettlementAccount| micro(&account.paid) + micro(&account.carried);
        let (institutions, platform) = (page.institutions.unwrap(), page.platform.unwrap());
        let gone = [&page.fee, &page.reserve, &page.paid, &page.kept, &page.carried];
        let gone: i128 = gone.map(micro).iter().sum();
        assert_eq!(
            micro(&page.received) + micro(&page.earlier),
            gone + account(&institutions) + account(&platform) + micro(&page.unallocated),
            "{} does not add up on its page",
            page.period
        );
    }
}
