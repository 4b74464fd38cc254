//! A settled site that is given meters, in every way that can go wrong.

use super::*;
use crate::{
    instant::Instant,
    ledger::Schema,
    money::Currency,
    party::SponsorId,
    pipeline::{
        fund::tests::{gift, terms},
        settle::{
            settle,
            tests::{commons, quarter},
        },
    },
    reward::goods::{VoucherCode, VoucherState},
};

fn meters(units: u64, reference: &str) -> Received {
    Received {
        pool: terms().pool,
        item: ItemId::parse("glucose-meter").unwrap(),
        units,
        unit_price: Amount::new(2_990, Currency::parse("EUR").unwrap()),
        sponsor: SponsorId::parse("meter-maker").unwrap(),
        reference: reference.into(),
    }
}

fn giving() -> Giving {
    let expires = Some(Date::from_ymd_opt(2027, 3, 31).unwrap());
    Giving { pool: terms().pool, period: quarter(), only: None, expires, dry_run: false }
}

/// A site whose quarter is settled, with seven meters in store.
fn stocked(folder: &tempfile::TempDir) -> Site {
    let site = commons(folder, 10_000_000);
    let _done = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let _done = receive(&site, meters(7, "delivery-1")).unwrap();
    site
}

fn codes(site: &Site) -> Vec<(String, VoucherCode)> {
    let listed = listed(site, &terms().pool).unwrap();
    listed.into_iter().map(|(v, code)| (v.contributor.as_str().to_owned(), code)).collect()
}

#[test]
fn a_gift_told_twice_is_one_gift() {
    let folder = tempfile::tempdir().unwrap();
    let site = stocked(&folder);
    let again = receive(&site, meters(7, "delivery-1")).unwrap();
    assert!(!again.new, "the sponsor would be credited twice");
    let other = receive(&site, meters(8, "delivery-1"));
    assert!(
        matches!(other, Err(Error::OtherGift { commit: 1, .. })),
        "another gift, one reference"
    );
    let mut dear = meters(1, "delivery-2");
    dear.unit_price = Amount::new(3_150, dear.unit_price.currency());
    assert!(matches!(receive(&site, dear), Err(Error::OtherPrice { .. })), "two prices, one item");
    let mut dollars = meters(1, "delivery-3");
    dollars.unit_price = Amount::new(2_990, Currency::parse("USD").unwrap());
    assert!(matches!(receive(&site, dollars), Err(Error::Gift(_))), "a price in another currency");
    assert!(matches!(receive(&site, meters(0, "delivery-4")), Err(Error::Gift(_))), "no units");
    let stock = stocks(&site, None).unwrap();
    assert_eq!((stock.len(), stock[0].counts.on_hand), (1, 7));
    assert_eq!(stock[0].value.minor(), 20_930, "seven at 29.90");
}

#[test]
fn meters_go_by_what_was_earned_once_a_period() {
    let folder = tempfile::tempdir().unwrap();
    let site = stocked(&folder);
    let glance = give(&site, &Giving { dry_run: true, ..giving() }).unwrap();
    assert!(
        glance[0].done.is_none()
            && goods(&site).unwrap()[&terms().pool].values().all(|i| i.given.is_empty())
    );
    let first = give(&site, &giving()).unwrap();
    assert_eq!(glance[0].given, first[0].given, "a dry run shows what will be");
    // Earned 39,187.50, 17,812.50 and 38,000.00.
    let mut per: BTreeMap<String, usize> = BTreeMap::new();
    for (who, _) in codes(&site) {
        *per.entry(who).or_default() += 1;
    }
    let per: Vec<(&str, usize)> = per.iter().map(|(who, n)| (who.as_str(), *n)).collect();
    assert_eq!(per, [("anna", 3), ("bert", 1), ("cleo", 3)]);
    let again = give(&site, &giving()).unwrap();
    assert!(!again[0].done.as_ref().unwrap().new, "the same goods would be given twice");
    assert_eq!(again[0].given, first[0].given);
    let _done = receive(&site, meters(5, "delivery-2")).unwrap();
    let again = give(&site, &giving()).unwrap();
    assert!(!again[0].done.as_ref().unwrap().new, "a period is given for once");
    assert_eq!(stocks(&site, None).unwrap()[0].counts.on_hand, 5, "later goods wait");
}

#[test]
fn what_cannot_be_given_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000_000);
    assert!(matches!(give(&site, &giving()), Err(Error::Unsettled { .. })), "before a settlement");
    let _done = settle(&site, &terms().pool, &quarter(), false).unwrap();
    assert!(matches!(give(&site, &giving()), Err(Error::Nothing { .. })), "nothing in store");
    let item = ItemId::parse("test-strip").unwrap();
    let only = |units| Some((item.clone(), units));
    let unknown = give(&site, &Giving { only: only(None), ..giving() });
    assert!(matches!(unknown, Err(Error::UnknownItem { .. })), "an item that never came");
    let _done = receive(&site, Received { item: item.clone(), ..meters(3, "r") }).unwrap();
    let many = give(&site, &Giving { only: only(Some(4)), ..giving() });
    assert!(matches!(many, Err(Error::Short { on_hand: 3, asked: 4, .. })), "more than there is");
    let expires = Some(Date::from_ymd_opt(2026, 12, 31).unwrap());
    assert!(matches!(give(&site, &Giving { expires, ..giving() }), Err(Error::Expiry(_))));
    let nowhere = Giving { pool: PoolId::parse("q").unwrap(), ..giving() };
    let unknown = give(&site, &nowhere);
    assert!(matches!(unknown, Err(Error::Fund(fund::Error::Unknown(_)))), "an unknown pool");
    assert_eq!(stocks(&site, None).unwrap()[0].counts.given, 0, "a refusal gave something");
}

#[test]
fn a_voucher_is_redeemed_once_and_the_second_time_names_the_day() {
    let folder = tempfile::tempdir().unwrap();
    let site = stocked(&folder);
    let _done = give(&site, &giving()).unwrap();
    let (_, code) = codes(&site).remove(0);
    let ended = redeem(&site, &code).unwrap();
    assert_eq!((ended.units, ended.value.minor()), (1, 2_990));
    let twice = redeem(&site, &code).unwrap_err();
    let Error::Over { how: "redeemed", on } = twice else { panic!("{twice}") };
    assert_eq!(on.to_string(), "2027-01-02", "the day of the first time");
    assert!(matches!(give_back(&site, &code), Err(Error::Over { .. })), "redeemed and returned");
    assert!(matches!(find(&site, &code).unwrap().voucher.state, VoucherState::Redeemed(_)));
    assert_eq!(codes(&site).len(), 6, "a redeemed voucher is handed out again");
    let strange = VoucherCode::parse("0000-0000-0000-0000").unwrap();
    assert!(matches!(redeem(&site, &strange), Err(Error::NoVoucher)), "a guess was taken");
    let counts = stocks(&site, None).unwrap()[0].counts;
    assert_eq!((counts.redeemed, counts.outstanding, counts.on_hand), (1, 6, 0));
}

#[test]
fn units_of_expired_and_returned_vouchers_go_to_the_next_giving_and_nobody_loses_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = stocked(&folder);
    let _done = give(&site, &giving()).unwrap();
    let all = codes(&site);
    let _done = redeem(&site, &all[0].1).unwrap();
    let _done = give_back(&site, &all[1].1).unwrap();
    let _done = fund::fund(&site, gift(50_000, "wire-2")).unwrap();
    assert!(end_expired(&site, &terms().pool).unwrap().is_empty(), "before their last day");
    site.set_now(Instant::parse("2027-04-02").unwrap());
    assert!(matches!(redeem(&site, &all[2].1), Err(Error::Late(_))), "a late voucher was taken");
    let ended = end_expired(&site, &terms().pool).unwrap();
    assert_eq!((ended.len(), ended[0].units), (1, 5));
    assert!(end_expired(&site, &terms().pool).unwrap().is_empty(), "expired twice");
    assert!(matches!(redeem(&site, &all[2].1), Err(Error::Over { how: "expired", .. })));
    let counts = stocks(&site, None).unwrap()[0].counts;
    assert_eq!((counts.on_hand, counts.outstanding, counts.redeemed), (6, 0, 1));

    let next = Period::parse("2027-Q1").unwrap();
    let _done = settle(&site, &terms().pool, &next, false).unwrap();
    let next = Giving { period: next, expires: None, ..giving() };
    let given = give(&site, &next).unwrap();
    assert_eq!(given[0].given.units, 6);
    assert_eq!(codes(&site).len(), 6, "all units that came back are out again");
    assert!(codes(&site).iter().all(|(_, code)| all.iter().all(|(_, old)| old != code)), "reused");
    let bert = ContributorId::parse("bert").unwrap();
    let proven = prove(&site, &terms().pool, &[bert]).unwrap();
    assert_eq!(proven.len(), 2, "a line a giving");
    let november = Period::parse("2026-11").unwrap();
    let earlier = Giving { period: november, expires: None, ..giving() };
    assert!(matches!(give(&site, &earlier), Err(Error::Unsettled { .. })));
}

#[test]
fn an_act_decided_on_goods_that_have_changed_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let site = stocked(&folder);
    let schema = Schema::of(Kind::GoodsReceived);
    let subjects = schema.sample_subjects();
    let entry = site.entry(Kind::GoodsReceived, &subjects, &[], &schema.sample()).unwrap();
    let late = commit(&site, "t".to_owned(), 0, GoodsAct::Received(meters(1, "late")), &entry);
    let conflict =
        |result| matches!(result, Err(Error::Fund(fund::Error::Site(site::Error::Conflict(_)))));
    assert!(conflict(late), "two stewards could give the same meters twice");
}

#[test]
fn a_flipped_byte_in_the_lines_of_a_giving_stops_vouchers_and_the_next_giving() {
    let folder = tempfile::tempdir().unwrap();
    let site = stocked(&folder);
    let given = give(&site, &giving()).unwrap().remove(0).given;
    let mut bytes = site.vault().get(&given.lines.path).unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    site.vault().put(&given.lines.path, bytes.into()).unwrap();
    assert!(listed(&site, &terms().pool).is_err(), "a changed line would be handed out");
}

#[test]
fn no_entry_of_the_book_holds_a_person_a_sponsor_or_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let site = stocked(&folder);
    let _done = give(&site, &giving()).unwrap();
    let (_, code) = codes(&site).remove(0);
    let voucher = find(&site, &code).unwrap().voucher;
    let _done = redeem(&site, &code).unwrap();
    for (_, body) in sequence(&site).all().unwrap() {
        let commit: GoodsCommit = serde_json::from_slice(&body).unwrap();
        let entry = Entry::parse(commit.entry.as_bytes()).unwrap();
        let text = serde_json::to_string(entry.body()).unwrap();
        for secret in ["anna", "bert", "cleo", "meter-maker", "delivery-1", voucher.id.as_str()] {
            assert!(!text.contains(secret), "the book tells {secret}");
        }
        assert!(!String::from_utf8_lossy(&body).contains(&code.text()), "a code lies at rest");
    }
}

#[test]
fn the_books_of_goods_pass_hledger() {
    let folder = tempfile::tempdir().unwrap();
    let site = stocked(&folder);
    let _done = give(&site, &giving()).unwrap();
    let _done = redeem(&site, &codes(&site)[0].1).unwrap();
    let text = journal(&site, &terms().pool, Dialect::Hledger).unwrap();
    let file = folder.path().join("goods.journal");
    std::fs::write(&file, &text).unwrap();
    let Ok(out) = std::process::Command::new("hledger").arg("-f").arg(&file).arg("check").output()
    else {
        println!("skipped: hledger is not on the path");
        return;
    };
    assert!(out.status.success(), "{}\n{text}", String::from_utf8_lossy(&out.stderr));
}

/// Flips a byte for the time of an audit, and puts it back; returns what was found.
fn audited(site: &Site, flip: Option<&str>) -> Vec<String> {
    let good = flip.map(|path| (path, site.vault().get(path).unwrap()));
    if let Some((path, good)) = &good {
        let mut bytes = good.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        site.vault().put(path, bytes.into()).unwrap();
    }
    let audited = crate::pipeline::audit::audit(site, None, &crate::pipeline::Silent).unwrap();
    if let Some((path, good)) = good {
        site.vault().put(path, good).unwrap();
    }
    let of_goods = |f: &&crate::pipeline::audit::Finding| f.object.contains("goods");
    audited.findings().iter().filter(of_goods).map(|f| format!("{f:?}")).collect()
}

#[test]
fn the_audit_follows_goods_through_two_givings_and_names_a_changed_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = stocked(&folder);
    let first = give(&site, &giving()).unwrap().remove(0).given;
    let all = codes(&site);
    let _done = redeem(&site, &all[0].1).unwrap();
    let _done = give_back(&site, &all[1].1).unwrap();
    let _done = fund::fund(&site, gift(50_000, "wire-2")).unwrap();
    site.set_now(Instant::parse("2027-04-02").unwrap());
    let _done = end_expired(&site, &terms().pool).unwrap();
    let next = Period::parse("2027-Q1").unwrap();
    let _done = settle(&site, &terms().pool, &next, false).unwrap();
    let _done = give(&site, &Giving { period: next, expires: None, ..giving() }).unwrap();
    assert_eq!(audited(&site, None), [""; 0], "the audit does not follow the goods");
    for path in [&first.basis.path, &first.lines.path, &first.leaves.path] {
        assert!(!audited(&site, Some(path)).is_empty(), "a changed byte in {path} passed");
    }
    for commit in 1..=6 {
        let path = format!("goods/commits/{commit:012}.json");
        assert!(!audited(&site, Some(&path)).is_empty(), "a changed byte in {path} passed");
    }
}
