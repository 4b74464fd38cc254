//! Records valued, once, by whom a pool pays for it.

use super::*;
use crate::{
    consent::{Action, Event, Terms},
    pipeline::{
        consent::decide,
        fund::tests::{gift, site, terms},
        settle::recorded,
    },
    reward::{Inputs, Period, rules::LayerRule},
};

/// Two test records over three training records of two people.
const TABLE: &str = "test,record,contributor,distance,match\n\
    t1,r1,ann,1,1\nt1,r2,ben,2,0\nt1,r3,ann,3,1\n\
    t2,r2,ben,1,0\nt2,r1,ann,2,1\nt2,r3,ann,3,1\n";

struct Commons {
    folder: tempfile::TempDir,
    table: std::path::PathBuf,
    site: Site,
}

fn commons() -> Commons {
    let folder = tempfile::tempdir().unwrap();
    let site = site(&folder, "2026-10-01");
    let _ = fund::open(&site, terms()).unwrap();
    let table = folder.path().join("table.csv");
    std::fs::write(&table, TABLE).unwrap();
    let grant = |who: &str| {
        let terms = Terms::parse("DUO:0000006", "", "").unwrap().into();
        let who = ContributorId::parse(who).unwrap();
        Event::new(who, Action::Grant, terms, None, None, site.now()).unwrap()
    };
    drop(decide(&site, vec![grant("ann"), grant("ben")]).unwrap());
    Commons { folder, table, site }
}

fn k(k: u32) -> NonZeroU32 {
    NonZeroU32::new(k).unwrap()
}

#[test]
fn a_valuation_is_made_once_and_again_for_another_number_of_neighbours() {
    let Commons { table, site, .. } = &commons();
    let pool = terms().pool;
    let first = run(site, &pool, table, k(1)).unwrap();
    assert!(first.done.new);
    let again = run(site, &pool, table, k(1)).unwrap();
    assert!(!again.done.new, "the same valuation stands twice");
    assert_eq!((again.commit, again.values), (first.commit.clone(), first.values.clone()));
    let other = run(site, &pool, table, k(2)).unwrap();
    assert!(other.done.new && other.done.commit == 2);
    assert_eq!(show(site, &pool).unwrap().commit, other.commit, "the newest one counts");
    let before = newest(site, &pool, Some(first.commit.time)).unwrap();
    assert_eq!(before, None, "a period is paid by what was valued after its end");
}

#[test]
fn a_wrong_label_is_put_to_the_steward_and_costs_nobody_money() {
    let Commons { table, site, .. } = &commons();
    let outcome = run(site, &terms().pool, table, k(1)).unwrap();
    let third = SCALE / 3;
    let ben = outcome.values.iter().find(|(id, _)| id.as_str() == "ben").unwrap();
    assert_eq!(ben.1, 0, "a value below nothing would be a clawback");
    let review: Vec<_> = outcome.review.iter().map(|d| (d.record.as_str(), d.value)).collect();
    // r2 makes nearest and second nearest wrong: 1/3 - 1/2 and 1/3 - 1.
    let worth = third - SCALE / 2 + third - SCALE;
    assert_eq!(review, [("r2", i128::from(worth))]);
}

#[test]
fn a_table_of_strangers_and_a_pool_that_is_not_are_refused_and_nothing_is_written() {
    let Commons { table, site, .. } = &commons();
    let pool = PoolId::parse("q").unwrap();
    let result = run(site, &pool, table, k(1));
    assert!(matches!(result, Err(Error::Fund(fund::Error::Unknown(_)))));
    std::fs::write(table, TABLE.replace("ben", "stranger")).unwrap();
    let result = run(site, &terms().pool, table, k(1));
    assert!(matches!(result, Err(Error::Table(TableError::Row { line: 3, .. }))), "{result:?}");
    assert!(matches!(show(site, &terms().pool), Err(Error::None(_))));
}

#[test]
fn a_settlement_pays_by_the_newest_valuation_before_the_periods_end() {
    let Commons { folder, table, site: early } = commons();
    let mut opened = terms();
    opened.pool = PoolId::parse("model").unwrap();
    opened.rules.fee_bps = 0;
    opened.rules.layers = vec![LayerRule::Value { ppm: 1_000_000 }];
    let mut payment = gift(1_000, "wire");
    payment.pool = opened.pool.clone();
    let pool = opened.pool.clone();
    let _ = fund::open(&early, opened).unwrap();
    let _ = fund::fund(&early, payment).unwrap();
    let counted = run(&early, &pool, &table, k(1)).unwrap();
    drop(early);
    let late = site(&folder, "2027-01-02");
    assert!(run(&late, &pool, &table, k(2)).unwrap().done.new);
    let quarter = Period::parse("2026-Q4").unwrap();
    let settled = settle::settle(&late, &pool, &quarter, false).unwrap().settled;
    let inputs: Inputs = serde_json::from_slice(&object(&late, &settled.inputs).unwrap()).unwrap();
    let value = inputs.value.unwrap();
    assert_eq!(value.commit, counted.done.commit, "a valuation of after the period pays for it");
    assert_eq!(value.object, counted.commit.values);
    let lines = recorded(&late, &settled).unwrap().people;
    let gross: Vec<_> = lines.iter().map(|l| (l.contributor.as_str(), l.value_micro)).collect();
    assert_eq!(gross, [("ann", 1_000_000_000), ("ben", 0)], "who made it worse is paid for that");
}
