//! The books of a small pool, public and private, with what its payouts moved.

use super::*;
use crate::{
    digest::Sha3Digest,
    party::SponsorId,
    reward::{
        Dated, Funded, ObjectRef, Opened, Period, settle,
        settle::tests::{inputs, roster, tables},
    },
};

fn dated<T>(commit: u64, day: &str, act: T) -> Dated<T> {
    Dated { commit, time: Instant::parse(day).unwrap(), entry: format!("e{commit}"), act }
}

fn pool() -> (Pool, Lines) {
    shared_pool(0)
}

fn shared_pool(institution_bps: u32) -> (Pool, Lines) {
    let currency = Currency::parse("EUR").unwrap();
    let mut inputs = inputs(1_000_100, 300_000, 500, 0);
    let split = &mut inputs.rules.set.split;
    (split.person_bps, split.institution_bps) =
        (10_000_u32.saturating_sub(institution_bps), institution_bps);
    let people = roster(&[("jane-doe", 2, 1), ("john-roe", 1, 1)]);
    let run = settle(&inputs, &tables([people], [])).unwrap();
    let id = inputs.pool.clone();
    let object = ObjectRef { path: "o".into(), digest: Sha3Digest::of(b"") };
    let pool = Pool {
        opened: dated(
            1,
            "2026-10-01",
            Opened {
                pool: id.clone(),
                currency,
                datasets: vec!["d".into()],
                purposes: vec![],
                rules: inputs.rules.set,
            },
        ),
        funded: vec![dated(
            2,
            "2026-10-02",
            Funded {
                pool: id.clone(),
                amount: Amount::new(1_000_100, currency),
                sponsor: SponsorId::parse("big-sponsor").unwrap(),
                reference: "secret-reference".into(),
            },
        )],
        overridden: vec![],
        matched: vec![],
        settled: vec![dated(
            3,
            "2027-01-01",
            Settled {
                pool: id,
                period: Period::parse("2026-Q4").unwrap(),
                funded: vec![2],
                inputs: object.clone(),
                lines: object.clone(),
                leaves: object,
                root: Sha256::of(b""),
                count: 2,
                totals: run.totals,
                institution_lines: None,
                held: None,
            },
        )],
    };
    (pool, Lines { people: run.lines, institutions: run.institutions, held: run.held })
}

#[test]
fn the_books_balance_and_the_pool_keeps_what_had_no_one_to_go_to() {
    let (pool, _) = pool();
    let journal = Journal::public(&pool).unwrap();
    let balances = journal.balances().unwrap();
    let of = |account: &str| balances[account].minor();
    assert_eq!(of("Assets:Bank"), 1_000_100);
    assert_eq!(of("Income:Fees:P"), -50_005);
    let fractions = -of("Liabilities:Pool:P") - pool.returned().whole().minor();
    assert!((0..4).contains(&fractions), "whole cents were left in the pool");
    assert_eq!(of("Liabilities:Payable:P"), -pool.paid().unwrap().minor());
    assert_eq!(of("Liabilities:Accrued:P"), 0, "half a cent stays in the pool until it is whole");
    assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
}

#[test]
fn the_private_journal_has_an_account_a_payment_and_the_same_sums() {
    let (pool, lines) = pool();
    let journal = Journal::private(&pool, &BTreeMap::from([(3, lines.clone())])).unwrap();
    let balances = journal.balances().unwrap();
    assert_eq!(
        balances["Liabilities:Payable:P:C3-0000001"].minor(),
        -i128::from(lines.people[0].paid_minor)
    );
    let text = journal.write(Dialect::Csv).unwrap();
    assert!(text.starts_with("date,time,commit,entry,"));
}

#[test]
fn institutions_have_accounts_of_their_own_and_the_books_still_balance() {
    let (pool, lines) = shared_pool(1_500);
    let public = Journal::public(&pool).unwrap();
    let balances = public.balances().unwrap();
    let sums = pool.settled[0].act.totals.institutions.as_ref().unwrap();
    assert_eq!(sums.paid.minor(), 42_754, "15 % of the base layer's 2,850.28");
    assert_eq!(balances["Liabilities:PayableInstitutions:P"].minor(), -42_754);
    assert_eq!(balances["Liabilities:AccruedInstitutions:P"].minor(), 0, "all of it is paid");
    let kept = -balances["Liabilities:Pool:P"].minor();
    assert!((0..4).contains(&(kept - pool.returned().whole().minor())));
    assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
    let private = Journal::private(&pool, &BTreeMap::from([(3, lines)])).unwrap();
    let balances = private.balances().unwrap();
    assert_eq!(balances["Liabilities:PayableInstitutions:P:I"].minor(), -42_754);
    assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
}

#[test]
fn no_two_institutions_share_an_account_whatever_their_names_hold() {
    let names = ["st-anne", "St-anne", "hexa", "HEXA", "-a", "a", "A", "é b", "HEX41", "hex41"];
    let accounts: std::collections::BTreeSet<String> =
        names.iter().map(|n| component(&InstitutionId::parse(n).unwrap())).collect();
    assert_eq!(accounts.len(), names.len(), "one would be booked what is another's");
    for account in accounts {
        assert!(account.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{account}");
        let first = account.as_bytes()[0];
        assert!(first.is_ascii_uppercase() || first.is_ascii_digit(), "{account}");
    }
}

#[test]
fn no_dialect_names_a_person_a_sponsor_or_a_payment_reference() {
    let (pool, lines) = pool();
    let private = Journal::private(&pool, &BTreeMap::from([(3, lines)])).unwrap();
    for journal in [Journal::public(&pool).unwrap(), private] {
        for dialect in [Dialect::Hledger, Dialect::Ledger, Dialect::Beancount, Dialect::Csv] {
            let text = journal.write(dialect).unwrap();
            for secret in ["jane", "john", "big-sponsor", "secret-reference"] {
                assert!(!text.contains(secret));
            }
        }
    }
}

#[test]
fn hledger_states_each_balance_and_beancount_the_last() {
    let (pool, _) = pool();
    let journal = Journal::public(&pool).unwrap();
    let text = journal.write(Dialect::Hledger).unwrap();
    assert!(text.contains("commodity 0.00 EUR\n"), "{text}");
    assert!(text.contains("    Assets:Bank  10001.00 EUR = 10001.00 EUR\n"), "{text}");
    let text = journal.write(Dialect::Beancount).unwrap();
    assert!(text.contains("option \"inferred_tolerance_default\" \"EUR:0\"\n"), "{text}");
    assert!(text.contains("2026-10-02 open Assets:Bank EUR\n"), "{text}");
    assert!(text.contains("2027-01-02 balance Assets:Bank  10001.00 ~ 0 EUR\n"), "{text}");
}

fn movement(commit: u64, day: &str, step: Step, payments: &[(&str, i64)]) -> Movement {
    let payments = payments.iter().map(|(who, minor)| {
        let id = crate::party::ContributorId::parse(who).unwrap();
        (3, PayeeId::Contributor(id), *minor)
    });
    Movement {
        time: Instant::parse(day).unwrap(),
        commit,
        entry: Sha256::of(b"e"),
        step,
        payments: payments.collect(),
    }
}

#[test]
fn money_on_its_way_is_owed_until_the_bank_has_booked_it_and_again_when_it_comes_back() {
    let (pool, lines) = pool();
    let (jane, john) = (lines.people[0].paid_minor, lines.people[1].paid_minor);
    let movements = [
        movement(1, "2027-01-02", Step::Ordered, &[("jane-doe", jane), ("john-roe", john)]),
        movement(2, "2027-01-04", Step::Booked, &[("jane-doe", jane)]),
        movement(2, "2027-01-04", Step::Recalled, &[("john-roe", john)]),
        movement(3, "2027-01-06", Step::Returned, &[("jane-doe", jane)]),
    ];
    let lines = BTreeMap::from([(3, lines)]);
    let after = |count: usize, lines: Option<&BTreeMap<u64, Lines>>, account: &str| {
        let journal = Journal::of(&pool, lines, &movements[..count]).unwrap();
        let balances = journal.balances().unwrap();
        assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
        balances.get(account).map_or(0, |balance| balance.minor())
    };
    let (jane, john) = (i128::from(jane), i128::from(john));
    let transit = "Liabilities:PayoutsInTransit:P";
    assert_eq!(after(1, None, transit), -(jane + john));
    assert_eq!(after(1, None, "Liabilities:Payable:P"), 0);
    assert_eq!(after(1, None, "Assets:Bank"), 1_000_100, "nothing has left the bank yet");
    assert_eq!(after(3, None, transit), 0);
    assert_eq!(after(3, None, "Assets:Bank"), 1_000_100 - jane);
    assert_eq!(after(3, None, "Liabilities:Payable:P"), -john);
    assert_eq!(after(4, None, "Assets:Bank"), 1_000_100);
    let own = |line: &str| format!("Liabilities:Payable:P:C3-000000{line}");
    assert_eq!(after(3, Some(&lines), &own("1")), 0);
    assert_eq!(after(3, Some(&lines), &own("2")), -john);
    assert_eq!(after(4, Some(&lines), &own("1")), -jane);
    let stranger = [movement(1, "2027-01-02", Step::Ordered, &[("nobody", 1)])];
    let refused = Journal::of(&pool, Some(&lines), &stranger);
    assert!(matches!(refused, Err(Error::Stranger(1))));
}

#[test]
fn any_days_open_with_what_was_before_and_close_with_what_is_after() {
    let (pool, lines) = shared_pool(1_500);
    let jane = lines.people[0].paid_minor;
    let movements = [movement(1, "2027-01-02", Step::Ordered, &[("jane-doe", jane)])];
    let whole = Journal::of(&pool, None, &movements).unwrap();
    let day = |text: &str| Some(text.parse::<Date>().unwrap());
    let part = whole.between(day("2026-12-01"), day("2027-01-01")).unwrap();
    let opening = &part.transactions()[0];
    assert_eq!(opening.narration, "opening balances of p");
    assert_eq!(opening.time.date().to_string(), "2026-12-01");
    assert_eq!(part.transactions().len(), 3, "one that opens, two of the settlement");
    let rest = whole.between(day("2027-01-02"), None).unwrap();
    let nonzero = |journal: &Journal| -> BTreeMap<String, i128> {
        let balances = journal.balances().unwrap();
        let held = balances.into_iter().filter(|(_, amount)| amount.minor() != 0);
        held.map(|(account, amount)| (account.to_owned(), amount.minor())).collect()
    };
    assert_eq!(nonzero(&rest), nonzero(&whole), "a part of the days would not reconcile");
    for journal in [&part, &rest] {
        assert_eq!(nonzero(journal).values().sum::<i128>(), 0);
    }
    let before = whole.between(None, day("2026-09-30")).unwrap();
    assert!(before.transactions().is_empty());
    for dialect in [Dialect::Hledger, Dialect::Ledger, Dialect::Beancount, Dialect::Csv] {
        before.write(dialect).unwrap();
    }
    assert_eq!(whole.between(None, None).unwrap(), whole);
}
