//! A fund and two pools: nine who give a little, one who gives much, and one who gives nine times.

use super::*;
use crate::{
    ledger::Schema,
    money::{Amount, Currency},
    pipeline::{
        audit::audit,
        fund::{
            fund, open, pools,
            tests::{site, terms},
        },
        settle::settle,
    },
    reward::{Funded, journal::Journal},
};

fn name(text: &str) -> PoolId {
    PoolId::parse(text).unwrap()
}

fn pay(site: &Site, pool: &str, minor: i128, sponsor: &str, reference: &str) {
    let amount = Amount::new(minor, Currency::parse("EUR").unwrap());
    let sponsor = SponsorId::parse(sponsor).unwrap();
    let reference = reference.to_owned();
    let _done = fund(site, Funded { pool: name(pool), amount, sponsor, reference }).unwrap();
}

fn quarter() -> Period {
    Period::parse("2026-Q4").unwrap()
}

/// Nine sponsors who are nine persons give 100 each to `many`, one of them gives 900 to `one`, and a
/// tenth person under nine names gives 100 nine times to `sybil`.
fn given(folder: &tempfile::TempDir) -> Site {
    let mut early = site(folder, "2026-10-01");
    for pool in ["fund", "many", "one", "sybil"] {
        let _done = open(&early, crate::reward::Opened { pool: name(pool), ..terms() }).unwrap();
    }
    pay(&early, "fund", 20_000, "big-sponsor", "wire-1");
    for n in 0..9 {
        pay(&early, "many", 100, &format!("donor-{n}"), &format!("m-{n}"));
        pay(&early, "sybil", 100, &format!("alias-{n}"), &format!("s-{n}"));
    }
    pay(&early, "one", 900, "donor-0", "o-1");
    pay(&early, "one", 5_000, "a-company", "o-2");
    early.set_now(Instant::parse("2027-01-02").unwrap());
    pay(&early, "many", 100, "donor-0", "late");
    early
}

fn request() -> Request {
    let donors = (0..9).map(|n| (format!("donor-{n}"), format!("person-{n}")));
    let aliases = (0..9).map(|n| (format!("alias-{n}"), "person-x".to_owned()));
    let verified = donors.chain(aliases).map(|(s, p)| (SponsorId::parse(&s).unwrap(), p));
    Request {
        fund: name("fund"),
        pools: ["many", "one", "sybil"].map(name).into(),
        period: quarter(),
        cap_ppm: None,
        verified: verified.collect(),
        dry_run: false,
    }
}

fn amounts(outcome: &Outcome) -> Vec<i128> {
    outcome.matched.shares.iter().map(|share| share.amount.minor()).collect()
}

#[test]
fn money_moves_from_the_fund_to_the_pools_once_and_the_audit_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let site = given(&folder);
    let glance = match_gifts(&site, &Request { dry_run: true, ..request() }).unwrap();
    assert!(glance.done.is_none());
    let first = match_gifts(&site, &request()).unwrap();
    assert_eq!(amounts(&first), [7_200, 0, 0], "nine of 100; one of 900; one person nine times");
    assert_eq!(glance.matched, first.matched, "a dry run shows what will be");
    let again = match_gifts(&site, &request()).unwrap();
    assert!(!again.done.unwrap().new, "the fund would pay twice");
    assert_eq!(again.matched, first.matched);
    let all = pools(&site).unwrap();
    let open = |pool: &str| fund::Standing::of(&all[&name(pool)]).unwrap().open.whole().minor();
    assert_eq!((open("fund"), open("many")), (12_800, 1_000 + 7_200), "lost or counted twice");
    let matched = all[&name("many")].funded.last().unwrap();
    assert_eq!(matched.act.reference, "match:fund@2026-Q4");
    let booked = |pool: &str| {
        let journal = Journal::public(&all[&name(pool)]).unwrap();
        journal.balances().unwrap()["Assets:Bank"].minor()
    };
    assert_eq!((booked("fund"), booked("many")), (12_800, 8_200), "the books say otherwise");
    let audited = audit(&site, None, &crate::pipeline::Silent).unwrap();
    assert_eq!(audited.findings(), [], "the audit does not follow the match");
}

#[test]
fn a_fund_pays_nobody_but_pools() {
    let folder = tempfile::tempdir().unwrap();
    let site = given(&folder);
    let _done = match_gifts(&site, &request()).unwrap();
    let settled = settle(&site, &name("fund"), &quarter(), false);
    let refused =
        |error| matches!(error, crate::pipeline::settle::Error::Fund(fund::Error::Matches(_)));
    assert!(settled.is_err_and(refused), "the fund's money would be given out twice");
}

#[test]
fn what_cannot_be_matched_is_refused_and_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = given(&folder);
    let asked = |site: &Site, change: &dyn Fn(&mut Request)| {
        let mut request = request();
        change(&mut request);
        match_gifts(site, &request)
    };
    let itself = asked(&site, &|r| r.pools.extend([name("fund")]));
    assert!(matches!(itself, Err(Error::Itself(_))));
    let unknown = asked(&site, &|r| r.pools.extend([name("nowhere")]));
    assert!(matches!(unknown, Err(Error::Fund(fund::Error::Unknown(_)))));
    let nobody = asked(&site, &|r| r.verified.clear());
    assert!(matches!(nobody, Err(Error::Nothing { .. })), "nobody is verified");
    let later = asked(&site, &|r| r.period = Period::parse("2027-Q1").unwrap());
    assert!(matches!(later, Err(Error::NotOver { .. })), "gifts could still come");
    assert!(pools(&site).unwrap()[&name("fund")].matched.is_empty(), "a refusal moved money");
    let _done = match_gifts(&site, &request()).unwrap();
    let inside = asked(&site, &|r| r.period = Period::parse("2026-11").unwrap());
    assert!(matches!(inside, Err(Error::Overlap { .. })), "a gift would be matched twice");
    let others = asked(&site, &|r| r.pools.retain(|pool| *pool != name("one")));
    assert!(matches!(others, Err(Error::OtherPools { .. })));
    site.set_now(Instant::parse("2027-04-02").unwrap());
    let next = asked(&site, &|r| r.period = Period::parse("2027-Q1").unwrap());
    assert!(matches!(next, Err(Error::Nothing { .. })), "money of a match is nobody's gift");
}

#[test]
fn a_match_raced_by_another_act_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let site = given(&folder);
    let outcome = match_gifts(&site, &Request { dry_run: true, ..request() }).unwrap();
    let schema = Schema::of(Kind::FundsMatched);
    let subjects = schema.sample_subjects();
    let entry = site.entry(Kind::FundsMatched, &subjects, &[], &schema.sample()).unwrap();
    let late = commit(&site, 3, Act::Matched(outcome.matched), &entry);
    assert!(matches!(late, Err(fund::Error::Site(site::Error::Conflict(_)))), "matched twice");
}

#[test]
fn a_list_of_sponsors_that_is_none_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sponsors.csv");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        read_verified(&file)
    };
    let good = read("sponsor,person\ns-1,p-1\ns-2,p-1\n").unwrap();
    assert_eq!(good.len(), 2);
    for wrong in ["sponsor,person\ns-1,\n", "sponsor,person\n,p-1\n", "sponsor,person\ns,p\ns,q\n"]
    {
        let error = read(wrong).unwrap_err();
        assert!(matches!(error, Error::Row { line: 2 | 3, .. }), "{wrong:?}");
        assert!(!error.to_string().contains("p-1"), "an error names a person");
    }
    assert!(matches!(read("sponsor,who\ns,p\n"), Err(Error::List { .. })), "another header");
    assert!(read_verified(&folder.path().join("none.csv")).is_err());
}
