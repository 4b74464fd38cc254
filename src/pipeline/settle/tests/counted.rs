//! What counts for a settlement: repeats, purposes, payees, relations; and who comes first when two settle.

use super::*;
use crate::{
    payee::{self, Country, Payee, PayeeId, write_payees},
    pipeline::related::relate,
    reward::{
        Layer, LayerTotals, Relation, RuleSet,
        rules::{LayerRule, TaxRule},
    },
};

pub(in crate::pipeline) fn opened(
    folder: &tempfile::TempDir,
    change: impl FnOnce(&mut crate::reward::Opened),
) -> Site {
    let site = site(folder, "2026-10-01");
    let mut opened = terms();
    change(&mut opened);
    let _ = fund::open(&site, opened).unwrap();
    let _ = fund::fund(&site, gift(10_000_000, "wire-1")).unwrap();
    release(&site);
    site
}

fn later(folder: &tempfile::TempDir) -> Site {
    site(folder, "2027-01-02")
}

fn register(site: &Site, people: &[(&str, &str)]) {
    let payees: Vec<Payee> = people
        .iter()
        .map(|(who, country)| Payee {
            id: PayeeId::Contributor(ContributorId::parse(who).unwrap()),
            person: Some(format!("person {who}")),
            verified: true,
            country: Some(Country::parse(country).unwrap()),
            account: None,
        })
        .collect();
    let (object, bytes) = write_payees(&payees).unwrap();
    site.vault().put_content(&object.path, &bytes).unwrap();
    let entry = book(site, Kind::PayeesRegistered, "payees".into());
    let commit = payee::Commit {
        txn: "t".into(),
        time: site.now(),
        payees: object,
        contributors: payees.len() as u64,
        institutions: 0,
        rejected: 0,
        commitment: Sha3Digest::of(b""),
        entry,
    };
    let body = Bytes::from(serde_json::to_vec_pretty(&commit).unwrap());
    let _ = Sequence::new(&site.vault(), payee::COMMITS).commit(1, &body).unwrap();
}

fn usage_layer(outcome: &Outcome) -> &LayerTotals {
    outcome.settled.totals.layer(Layer::Usage).unwrap()
}

#[test]
fn a_question_repeated_a_thousand_times_weighs_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let site = opened(&folder, |_| ());
    ask(&site, 1, "2026-10-05", "honest", &[("anna", 1)]);
    ask(&site, 2, "2026-10-06", "wash", &[("bert", 1)]);
    let usage = Sequence::new(&site.vault(), "usage/commits");
    let wash = usage.read(2).unwrap();
    for number in 3..1_002 {
        let _ = usage.commit(number, &wash).unwrap();
    }
    drop(site);
    let outcome = settle(&later(&folder), &terms().pool, &quarter(), false).unwrap();
    assert_eq!(outcome.repeats, 999);
    assert_eq!(usage_layer(&outcome).weight, "2000000000000", "a wash trade would pay itself");
}

#[test]
fn restricted_money_does_not_pay_for_another_purpose_and_the_questions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let ancestry = Purpose::parse("DUO:0000011").unwrap();
    let site = opened(&folder, |opened| opened.purposes = vec![ancestry]);
    ask(&site, 1, "2026-10-05", "for health", &[("anna", 1)]);
    drop(site);
    let site = later(&folder);
    let listed = questions(&site, &terms().pool, &quarter()).unwrap();
    assert_eq!(listed[0].state, QuestionState::OtherPurpose);
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    assert_eq!(usage_layer(&outcome).weight, "0");
    assert_eq!(outcome.settled.totals.unallocated.whole().minor(), 6_650_000);
    let bytes = object(&site, &outcome.settled.inputs).unwrap();
    let inputs: Inputs = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((inputs.queries.len(), inputs.other_purpose), (0, vec![1]));
}

#[test]
fn payees_are_taxed_by_what_was_known_of_them_and_the_settlement_keeps_what_it_knew() {
    let folder = tempfile::tempdir().unwrap();
    let site = opened(&folder, |opened| {
        let from = crate::instant::Date::from_ymd_opt(2026, 1, 1).unwrap();
        let row = TaxRule { country: "DE".into(), from, until: None, bps: 1_000 };
        opened.rules.tax = vec![row];
    });
    register(&site, &[("anna", "DE"), ("bert", "FR")]);
    drop(site);
    let site = later(&folder);
    let glance = settle(&site, &terms().pool, &quarter(), true).unwrap();
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    assert_eq!(glance.settled, outcome.settled, "a dry run shows what will be");
    let lines = recorded(&site, &outcome.settled).unwrap().people;
    let taxes: Vec<i64> = lines.iter().map(|line| line.tax_minor).collect();
    assert_eq!(taxes, [142_500, 0, 0]);
    let bytes = object(&site, &outcome.settled.inputs).unwrap();
    let inputs: Inputs = serde_json::from_slice(&bytes).unwrap();
    let at = inputs.payees.clone().unwrap();
    let known = read_payee_lines(&object(&site, &at).unwrap()).unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(recompute(&site, &inputs).unwrap().lines, lines, "it could not be told again");
    site.vault().put(&at.path, Bytes::from_static(b"other")).unwrap();
    assert!(matches!(recompute(&site, &inputs), Err(Error::Integrity { .. })));
}

#[test]
fn a_related_institution_is_not_paid_for_the_questions_of_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let site = opened(&folder, |_| ());
    let relation = Relation {
        payer: InstitutionId::parse("owner").unwrap(),
        institution: InstitutionId::parse("clinic").unwrap(),
        reason: "one owner".into(),
        approver: "board".into(),
    };
    let _ = relate(&site, relation).unwrap();
    ask_from(&site, 1, "2026-10-05", "own", Some("owner"), &[("anna", 1)]);
    ask_from(&site, 2, "2026-10-06", "other", Some("stranger"), &[("bert", 1)]);
    drop(site);
    let site = later(&folder);
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    assert_eq!(
        usage_layer(&outcome).weight,
        "1000000000000",
        "a sponsor would buy its own clinic's"
    );
    let bytes = object(&site, &outcome.settled.inputs).unwrap();
    let inputs: Inputs = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(inputs.related.len(), 1, "only relations of those who asked are told");
}

#[test]
fn rules_that_pay_for_new_data_write_down_what_was_new() {
    let folder = tempfile::tempdir().unwrap();
    let site = opened(&folder, |opened| {
        opened.rules = RuleSet::plain(300_000, 500_000);
        opened.rules.layers.push(LayerRule::NewData {
            ppm: 200_000,
            half: 50,
            quality: true,
            contributors_min: 2,
            cap_ppm: None,
        });
    });
    drop(site);
    let site = later(&folder);
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let bytes = object(&site, &outcome.settled.inputs).unwrap();
    let inputs: Inputs = serde_json::from_slice(&bytes).unwrap();
    let at = inputs.new_data.unwrap();
    // The version of this test has no records, and so nothing is new.
    assert_eq!(read_new_data(&object(&site, &at).unwrap()).unwrap(), []);
    let layer = outcome.settled.totals.layer(Layer::NewData).unwrap();
    assert_eq!(layer.unallocated, layer.pot);
}

#[test]
fn a_settlement_raced_by_another_act_is_a_conflict_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000);
    let (all, newest) = load(&site).unwrap();
    let Gathered { inputs, objects, .. } = gather(&site, &all[&terms().pool], &quarter()).unwrap();
    let run = computed(&site, &inputs, &objects).unwrap();
    let (settled, _) = record(&site, &all[&terms().pool], &inputs, &run).unwrap();
    let text = entry(&site, &all[&terms().pool], &inputs, &settled).unwrap();
    // Another steward settles first.
    let first = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let late = commit(&site, newest, Act::Settled(Box::new(settled)), &text);
    assert!(matches!(late, Err(fund::Error::Site(crate::site::Error::Conflict(_)))));
    let pool = &pools(&site).unwrap()[&terms().pool];
    assert_eq!(pool.settled.len(), 1, "one period would be paid twice");
    assert_eq!(pool.settled[0].act, first.settled);
    assert_eq!(pool.paid().unwrap().minor(), first.settled.totals.paid.minor());
}

#[test]
fn the_book_names_the_rules_by_name_version_and_digest_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000);
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let pool = &pools(&site).unwrap()[&terms().pool];
    let digest = terms().rules.digest().unwrap().to_string();
    for entry in [&pool.opened.entry, &pool.settled[0].entry] {
        let entry = crate::ledger::Entry::parse(entry.as_bytes()).unwrap();
        let rules = &entry.body()["rules"];
        assert_eq!(rules["digest"].as_str(), Some(digest.as_str()), "the rules could be changed");
        assert_eq!((rules["name"].as_str(), rules["version"].as_u64()), (Some("plain"), Some(1)));
    }
    assert_eq!(pool.returned(), outcome.settled.totals.unallocated);
}
