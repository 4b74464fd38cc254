//! Goods over many givings: the worked example, the laws, and commits that do not follow.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    digest::{Sha3Digest, hex},
    money::Currency,
    party::ContributorId,
    reward::proof::{included, leaf_hash},
};

fn object(text: &str) -> ObjectRef {
    ObjectRef { path: text.to_owned(), digest: Sha3Digest::of(text.as_bytes()) }
}

fn meter() -> ItemId {
    ItemId::parse("glucose-meter").unwrap()
}

fn pool() -> PoolId {
    PoolId::parse("p").unwrap()
}

fn period(text: &str) -> Period {
    Period::parse(text).unwrap()
}

fn basis(units: u64) -> Basis {
    let (pool, item, period) = (pool(), meter(), period("2026-Q4"));
    Basis { pool, item, period, units, settlements: Vec::new(), before: None }
}

fn earned(micro: &[u128]) -> BTreeMap<ContributorId, u128> {
    let who = |at: usize| ContributorId::parse(&format!("c-{at:03}")).unwrap();
    micro.iter().enumerate().map(|(at, micro)| (who(at), *micro)).collect()
}

fn totals(lines: &[GivenLine]) -> Vec<u64> {
    lines.iter().map(|line| line.held + line.units).collect()
}

/// The gross of the worked example: A, B, C, D.
const GROSS: [u128; 4] = [3_175_179, 2_771_861, 3_304_197, 248_763];

#[test]
fn seven_meters_over_the_worked_example_and_then_up_to_forty_two() {
    let earned = earned(&GROSS.map(|minor| minor * 1_000_000));
    let first = allot(&basis(7), &earned, &[]).unwrap().lines;
    assert_eq!(totals(&first), [2, 2, 3, 0], "seven meters went elsewhere");
    let more = allot(&basis(35), &earned, &first).unwrap().lines;
    assert_eq!(totals(&more), [14, 12, 15, 1], "forty-two meters went elsewhere");
    let at_once = allot(&basis(42), &earned, &[]).unwrap().lines;
    assert_eq!(totals(&at_once), totals(&more), "two deliveries would not come to one");
}

#[test]
fn who_earned_nothing_gets_nothing_and_keeps_what_was_given() {
    let nobody = allot(&basis(3), &earned(&[0, 0]), &[]);
    assert!(matches!(nobody, Err(AllotError::Nobody)), "goods went to those who earned nothing");
    let first = allot(&basis(3), &earned(&[5, 0]), &[]).unwrap().lines;
    assert_eq!((first.len(), totals(&first)), (1, vec![3]), "a line without earnings or units");
    let next = allot(&basis(2), &earned(&[0, 9]), &first);
    assert_eq!(totals(&next.unwrap().lines), [3, 2], "a unit was taken back, or not given out");
}

#[test]
fn ties_go_by_the_basis_and_not_by_the_order_of_names() {
    let winners: BTreeSet<Vec<u64>> = (1..40)
        .map(|commit| {
            let settlements =
                vec![SettlementRef { commit, entry: Sha256::of(b"e"), lines: object("l") }];
            let basis = Basis { settlements, ..basis(1) };
            totals(&allot(&basis, &earned(&[7, 7]), &[]).unwrap().lines)
        })
        .collect();
    assert_eq!(winners.len(), 2, "the first name would always win");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn over_any_givings_with_growing_or_shrinking_weights_nobody_gives_a_unit_back(
        givings in proptest::collection::vec(
            (0_u64..60, proptest::collection::vec(0_u128..10_000_000_000, 1..9)),
            1..8,
        ),
    ) {
        let mut lines: Vec<GivenLine> = Vec::new();
        let mut out = 0_u64;
        for (units, weights) in givings {
            let Ok(next) = allot(&basis(units), &earned(&weights), &lines) else {
                prop_assert!(weights.iter().all(|w| *w == 0), "some earned, and nothing was given");
                continue;
            };
            let next = next.lines;
            out += units;
            prop_assert_eq!(totals(&next).iter().sum::<u64>(), out, "units were lost or made");
            for before in &lines {
                let own = next.iter().find(|line| line.contributor == before.contributor);
                let held = own.map_or(0, |line| line.held);
                prop_assert_eq!(held, before.held + before.units, "a unit was taken back");
            }
            for line in &next {
                prop_assert!(line.units == 0 || line.weight > 0, "a unit for nothing earned");
            }
            lines = next;
        }
    }

    #[test]
    fn over_any_deliveries_no_smaller_average_ever_wins_a_unit(
        deliveries in proptest::collection::vec(0_u64..40, 1..6),
        weights in proptest::collection::vec(1_u128..1_000_000_000_000, 1..12),
    ) {
        let mut lines: Vec<GivenLine> = Vec::new();
        for units in &deliveries {
            lines = allot(&basis(*units), &earned(&weights), &lines).unwrap().lines;
        }
        // Weights that stay the same: nobody who has a unit would have been outbid for it.
        for (a, b) in lines.iter().flat_map(|a| lines.iter().map(move |b| (a, b))) {
            let (has, other) = (a.held + a.units, b.held + b.units);
            if has > 0 {
                let last = a.weight * u128::from(2 * other + 1);
                let next = b.weight * u128::from(2 * has - 1);
                prop_assert!(last >= next, "a smaller average won a unit");
            }
        }
    }
}

#[test]
fn lines_read_back_as_written_and_every_one_is_proved() {
    let lines = allot(&basis(7), &earned(&GROSS), &[]).unwrap().lines;
    let bytes = write_given(&lines).unwrap();
    assert_eq!(read_given(&bytes).unwrap(), lines, "lines changed on the way to the vault");
    let key = |whose: &ContributorId| Sha3Digest::of(whose.as_str().as_bytes()).0;
    let tree = GivingTree::new(&pool(), &meter(), &period("2026-Q4"), &lines, key).unwrap();
    let given = given(7, "2026-Q4", tree.root());
    let again = GivingTree::read(&given, &tree.bytes()).unwrap();
    assert!(
        GivingTree::read(&super::Given { root: Sha256::of(b"x"), ..given }, &tree.bytes())
            .is_none()
    );
    for line in &lines {
        let key = key(&line.contributor);
        let proof = again.prove(line, &key, Sha256::of(b"entry")).unwrap().unwrap();
        let leaf =
            tree.bytes().chunks(64).find(|leaf| hex(leaf) == proof.line.leaf).unwrap().to_vec();
        let (index, count) = (proof.line.leaf_index, proof.line.leaf_count);
        assert!(included(&leaf, index, count, &proof.line.path, &tree.root()), "a true line fails");
        let more = GivenLine { units: line.units + 1, ..line.clone() };
        let none = again.prove(&more, &key, Sha256::of(b"entry")).unwrap();
        assert!(none.is_none(), "a unit more would be provable");
    }
}

fn eur(minor: i128) -> Amount {
    Amount::new(minor, Currency::parse("EUR").unwrap())
}

fn received(units: u64, minor: i128) -> GoodsAct {
    let sponsor = SponsorId::parse("big-sponsor").unwrap();
    GoodsAct::Received(Received {
        pool: pool(),
        item: meter(),
        units,
        unit_price: eur(minor),
        sponsor,
        reference: "secret-reference".into(),
    })
}

fn given(units: u64, text: &str, root: Sha256) -> Given {
    Given {
        pool: pool(),
        period: period(text),
        item: meter(),
        units,
        expires: None,
        basis: object("b"),
        lines: object("l"),
        leaves: object("t"),
        root,
        count: 1,
    }
}

fn give(units: u64, text: &str) -> GoodsAct {
    GoodsAct::Given(Box::new(given(units, text, Sha256::of(b""))))
}

fn voucher(n: u8) -> VoucherId {
    VoucherId::try_from(format!("{n:024x}")).unwrap()
}

fn redeem(n: u8) -> GoodsAct {
    GoodsAct::Redeemed(Redeemed { pool: pool(), item: meter(), giving: 2, voucher: voucher(n) })
}

fn lapse(how: Lapse, vouchers: &[u8]) -> GoodsAct {
    let vouchers = vouchers.iter().copied().map(voucher).collect();
    GoodsAct::Lapsed(Lapsed { pool: pool(), item: meter(), how, vouchers })
}

fn read(acts: Vec<GoodsAct>) -> Result<Goods, GoodsError> {
    let body = |(act, day): (GoodsAct, i64)| {
        let time = Instant::from_unix(1_800_000_000 + day * 86_400).unwrap();
        let commit = GoodsCommit { txn: "t".into(), time, act, entry: format!("entry {day}") };
        Bytes::from(serde_json::to_vec(&commit).unwrap())
    };
    let commits: Vec<(u64, Bytes)> = (1..).zip(acts.into_iter().zip(0..).map(body)).collect();
    Ok(read_goods(&commits)?.remove(&pool()).unwrap_or_default())
}

fn story() -> Vec<GoodsAct> {
    vec![
        received(10, 2_990),
        give(7, "2026-Q4"),
        redeem(1),
        redeem(2),
        lapse(Lapse::Expired, &[3, 4]),
        lapse(Lapse::Returned, &[5]),
        give(6, "2027-Q1"),
    ]
}

#[test]
fn every_unit_is_in_one_place() {
    let goods = read(story()).unwrap();
    let item = &goods[&meter()];
    let counts = item.counts().unwrap();
    let expected = Counts {
        received: 10,
        given: 13,
        redeemed: 2,
        expired: 2,
        returned: 1,
        outstanding: 8,
        on_hand: 0,
    };
    assert_eq!(counts, expected, "ten came in: two are out, eight are promised");
    assert!(matches!(item.state(&voucher(1)), VoucherState::Redeemed(_)));
    assert!(matches!(item.state(&voucher(3)), VoucherState::Lapsed(Lapse::Expired, _)));
    assert_eq!(item.state(&voucher(9)), VoucherState::Issued);
    assert_eq!(item.value(8).unwrap(), eur(23_920));
}

#[test]
fn acts_that_do_not_follow_are_named_by_their_commit() {
    for (wrong, why) in [
        (received(1, 2_991), "another price would change what is in store"),
        (received(0, 2_990), "nothing came in"),
        (give(1, "2027-Q2"), "nothing is on hand"),
        (give(0, "2027-Q2"), "nothing is given"),
        (redeem(1), "a voucher would be redeemed twice"),
        (redeem(3), "an expired voucher would be redeemed"),
        (lapse(Lapse::Returned, &[2]), "a redeemed voucher's unit would be given again"),
        (lapse(Lapse::Expired, &[6, 6]), "one unit would come back twice"),
    ] {
        let acts = story().into_iter().chain([wrong]).collect();
        assert!(matches!(read(acts), Err(GoodsError::Order { commit: 8, .. })), "{why}");
    }
    let early = vec![received(10, 2_990), give(1, "2026-Q4"), give(1, "2026-11")];
    assert!(matches!(read(early), Err(GoodsError::Order { commit: 3, .. })), "an earlier period");
    assert!(matches!(read(vec![redeem(1)]), Err(GoodsError::Order { commit: 1, .. })));
    let mut huge = vec![received(u64::MAX, 1), received(1, 1)];
    assert!(matches!(read(huge.clone()), Err(GoodsError::Money(_))), "the units wrapped");
    huge.truncate(1);
    assert!(read(huge).is_ok());
}

#[test]
fn the_books_balance_in_every_dialect_and_name_nobody() {
    let goods = read(story()).unwrap();
    for dialect in
        [crate::reward::journal::Dialect::Hledger, crate::reward::journal::Dialect::Beancount]
    {
        let text = write_journal(&pool(), &goods, dialect).unwrap();
        for secret in ["big-sponsor", "secret-reference", "c-00"] {
            assert!(!text.contains(secret), "the books name {secret}");
        }
        let sum: i64 = text
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .filter_map(|line| {
                line.trim().split("  ").nth(1)?.split(' ').next()?.parse::<i64>().ok()
            })
            .sum();
        assert_eq!(sum, 0, "units were made or lost:\n{text}");
        assert!(text.contains("GLUCOSE-METER"), "{text}");
        assert!(text.contains(&leaf_hash(b"entry 0").to_string()), "a move without its entry");
    }
    let ledger = write_journal(&pool(), &goods, crate::reward::journal::Dialect::Ledger).unwrap();
    assert!(ledger.contains("commodity \"GLUCOSE-METER\"\n"), "{ledger}");
    let text = write_journal(&pool(), &goods, crate::reward::journal::Dialect::Csv).unwrap();
    assert_eq!(text.lines().count(), 1 + 2 * 7, "two postings an act");
    assert!(text.lines().all(|line| line.split(',').count() == 10), "{text}");
    let hledger = write_journal(&pool(), &goods, crate::reward::journal::Dialect::Hledger).unwrap();
    assert!(
        hledger.contains(
            "    Assets:Goods:P  10 \"GLUCOSE-METER\" @ 29.90 EUR = 10 \"GLUCOSE-METER\"\n"
        ),
        "{hledger}"
    );
}

#[test]
fn an_item_is_named_as_a_commodity_can_be() {
    for good in ["ab", "glucose-meter", "hba1c-test", "a23456789012345678901234"] {
        assert!(ItemId::parse(good).is_ok(), "{good}");
    }
    for wrong in ["", "a", "1a", "-a", "a-", "Glucose", "a b", "a_b", "a234567890123456789012345"] {
        assert_eq!(ItemId::parse(wrong), Err(ItemIdError), "{wrong}");
    }
}
