//! The books of a small cover, with a payment that was taken back and kept from a later one.

use super::*;
use crate::{
    cover::{Evaluated, Policy},
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    party::SponsorId,
    payee::Object,
    reward::{
        Dated, Funded, ObjectRef,
        journal::{Dialect, Step},
    },
};

fn dated<T>(commit: u64, day: &str, act: T) -> Dated<T> {
    Dated { commit, time: Instant::parse(day).unwrap(), entry: format!("e{commit}"), act }
}

fn policy() -> Policy {
    serde_json::from_value(serde_json::json!({
        "policy": "care-2026",
        "cover": "insurance",
        "insurer": "vitana",
        "currency": "EUR",
        "term": {"from": "2026-01-01", "until": "2027-01-01"},
        "sum": Amount::new(50_000, Currency::parse("EUR").unwrap()),
        "partly": false,
        "purpose": "HL7:HPAYMT",
        "triggers": [],
    }))
    .unwrap()
}

fn evaluated(owed_minor: i64, recovered_minor: i64, paid_minor: i64) -> Evaluated {
    let digest = Sha3Digest::of(b"");
    let lines = CoverTotals::default().lines;
    Evaluated {
        policy: policy().policy,
        run: "run".into(),
        lines: Object { path: "o".into(), digest, count: 1 },
        leaves: ObjectRef { path: "o".into(), digest },
        root: Sha256::of(b""),
        count: 1,
        totals: CoverTotals { lines, owed_minor, recovered_minor, paid_minor },
        considered: 1,
        refused: BTreeMap::new(),
        commitment: digest,
    }
}

/// Two people are paid; one payment turns out not to have been due; the same person is due another and
/// gets what is left of it.
fn cover() -> (Cover, Paid) {
    let amount = Amount::new(500_000, Currency::parse("EUR").unwrap());
    let sponsor = SponsorId::parse("vitana").unwrap();
    let funded = Funded { pool: policy().policy, amount, sponsor, reference: "secret-ref".into() };
    let cover = Cover {
        opened: dated(1, "2026-01-01", policy()),
        funded: vec![dated(2, "2026-01-02", funded)],
        enrolled: vec![],
        evaluated: vec![
            dated(3, "2026-02-01", evaluated(100_000, 0, 100_000)),
            dated(4, "2026-03-01", evaluated(-50_000, 0, 0)),
            dated(5, "2026-04-01", evaluated(60_000, 50_000, 10_000)),
        ],
    };
    let of = |name: &str| ContributorId::parse(name).unwrap();
    let paid = Paid::from([
        (3, vec![(of("anna"), 50_000), (of("bert"), 50_000)]),
        (4, vec![]),
        (5, vec![(of("anna"), 10_000)]),
    ]);
    (cover, paid)
}

fn moved(step: Step, day: &str) -> Movement {
    let anna = PayeeId::Contributor(ContributorId::parse("anna").unwrap());
    let payments = vec![(3, anna, 50_000)];
    let (time, entry) = (Instant::parse(day).unwrap(), Sha256::of(b"p"));
    Movement { time, commit: 1, entry, step, payments }
}

#[test]
fn what_is_to_be_recovered_is_no_money_of_the_pool() {
    let (cover, _) = cover();
    let paid = [moved(Step::Ordered, "2026-02-02"), moved(Step::Booked, "2026-02-03")];
    let journal = journal(&cover, None, &paid).unwrap();
    let early = journal.between(None, Some("2026-03-02".parse().unwrap())).unwrap();
    assert_eq!(early.balances().unwrap()["Assets:Recoverable:Care-2026"].minor(), 50_000);
    assert_eq!(early.balances().unwrap()["Liabilities:Cover:Care-2026"].minor(), -400_000);
    let balances = journal.balances().unwrap();
    let of = |account: &str| balances[account].minor();
    assert_eq!(of("Assets:Bank"), 450_000, "the bank took 500 euros of the account");
    assert_eq!(of("Liabilities:Cover:Care-2026"), -390_000, "the pool is not what it was funded");
    assert_eq!(of("Liabilities:Payable:Care-2026"), -60_000);
    assert_eq!(of("Assets:Recoverable:Care-2026"), 0, "what was kept is still claimed");
    assert_eq!(of("Liabilities:PayoutsInTransit:Care-2026"), 0);
    assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
}

#[test]
fn the_private_books_have_an_account_a_payment_and_name_nobody() {
    let (cover, paid) = cover();
    let moves = [moved(Step::Ordered, "2026-02-02")];
    let private = journal(&cover, Some(&paid), &moves).unwrap();
    let balances = private.balances().unwrap();
    assert_eq!(balances["Liabilities:Payable:Care-2026:C3-0000001"].minor(), 0);
    assert_eq!(balances["Liabilities:Payable:Care-2026:C3-0000002"].minor(), -50_000);
    assert_eq!(balances["Liabilities:Payable:Care-2026:C5-0000001"].minor(), -10_000);
    for dialect in [Dialect::Hledger, Dialect::Ledger, Dialect::Beancount, Dialect::Csv] {
        let text = private.write(dialect).unwrap();
        assert!(!text.contains("anna") && !text.contains("secret-ref"), "the books tell a person");
    }
    let mut stranger = paid;
    stranger.insert(3, vec![]);
    let refused = journal(&cover, Some(&stranger), &moves);
    assert!(matches!(refused, Err(Error::Stranger(1))), "a payment of nothing that is owed");
}
