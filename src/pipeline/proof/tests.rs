//! Proofs of a settled site that gave goods: each is checked by who has nothing but the log's key.

use super::*;
use crate::{
    ledger::Policy,
    pipeline::{
        fund::tests::terms,
        settle::{
            settle,
            tests::{commons, quarter},
        },
    },
    reward::goods::{ItemId, Received},
    signed_note::Signer,
};

/// A site whose quarter is settled and whose seven meters are given.
fn settled(folder: &tempfile::TempDir) -> Site {
    let site = commons(folder, 10_000_000);
    let _done = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let gift = Received {
        pool: terms().pool,
        item: ItemId::parse("glucose-meter").unwrap(),
        units: 7,
        unit_price: crate::money::Amount::new(2_990, terms().currency),
        sponsor: crate::party::SponsorId::parse("meter-maker").unwrap(),
        reference: "delivery-1".into(),
    };
    let _done = goods::receive(&site, gift).unwrap();
    let giving = goods::Giving {
        pool: terms().pool,
        period: quarter(),
        only: None,
        expires: None,
        dry_run: false,
    };
    let _given = goods::give(&site, &giving).unwrap();
    site
}

fn bert() -> [ContributorId; 1] {
    [ContributorId::parse("bert").unwrap()]
}

fn text(proofs: &[ProofFile]) -> String {
    proofs.iter().map(|proof| proof.text().unwrap()).collect()
}

fn believed(site: &Site) -> Believed {
    Believed::new(vec![site.log_verifier().clone()], None)
}

#[test]
fn what_a_person_was_paid_and_given_is_proved_to_who_has_the_logs_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let site = settled(&folder);
    let proofs = lines(&site, &bert(), None).unwrap();
    let shown = verify(&text(&proofs), &believed(&site)).unwrap();
    let kinds: Vec<&str> = shown.iter().map(|shown| shown.kind.as_str()).collect();
    assert_eq!(kinds, ["payout-computed", "goods-given"], "a line of each");
    for one in &shown {
        assert_eq!(one.line.as_ref().unwrap()["contributor"], "bert");
        assert!(!one.entry_signed, "nobody said who signs entries");
    }
    let keys = vec![site.log_verifier().clone(), site.steward_verifier().clone()];
    let signed = verify(&text(&proofs), &Believed::new(keys, None)).unwrap();
    assert!(signed.iter().all(|one| one.entry_signed), "the steward signed both entries");
}

#[test]
fn a_person_without_a_line_and_a_pool_that_is_not_there_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let site = settled(&folder);
    let nobody = [ContributorId::parse("nobody").unwrap()];
    assert!(matches!(lines(&site, &nobody, None), Err(Error::NoLine)));
    let other = PoolId::parse("other").unwrap();
    let unknown = lines(&site, &bert(), Some(&other));
    assert!(matches!(unknown, Err(Error::Fund(fund::Error::Unknown(_)))));
}

#[test]
fn an_entry_is_proved_by_index_and_by_id_and_one_that_is_not_there_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let site = settled(&folder);
    let first = book::prove_entry(&site, "0").unwrap();
    let by_id = book::prove_entry(&site, &first.entry.id().to_string()).unwrap();
    assert_eq!(first, by_id);
    let shown = verify(&text(&[first]), &believed(&site)).unwrap();
    assert_eq!((shown[0].shows, shown[0].kind.as_str()), ("entry", "log-genesis"));
    for name in ["9999", "nothing", &"0".repeat(64)] {
        assert!(matches!(book::prove_entry(&site, name), Err(book::Error::NoEntry)), "{name}");
    }
}

#[test]
fn a_policy_that_its_witnesses_have_not_met_refuses_a_proof_that_holds() {
    let folder = tempfile::tempdir().unwrap();
    let site = settled(&folder);
    let proofs = text(&lines(&site, &bert(), None).unwrap());
    let witness = Signer::witness("witness.example/w1", &[3; 32]).unwrap();
    let log = site.log_verifier().vkey();
    let policy = |lines: &str| {
        let text = format!("log {log}\nwitness w1 {}\n{lines}\n", witness.verifier().vkey());
        Believed::new(Vec::new(), Some(Policy::parse(text.as_bytes()).unwrap()))
    };
    assert!(verify(&proofs, &policy("quorum none")).is_ok(), "no witness need be asked");
    let refused = verify(&proofs, &policy("quorum w1"));
    assert!(matches!(refused, Err(Refused::Unwitnessed { at: 1, of: 2 })), "nobody cosigned");
}
