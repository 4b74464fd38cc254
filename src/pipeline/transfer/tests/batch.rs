//! Many transfers in one batch, one in twenty attacked in one of ten ways: all good ones are received,
//! all attacked ones refused and named.

use std::{collections::BTreeMap, fs, time::Instant as Clock};

use super::{
    super::{Answer, Step},
    DAYS, LAKE, NORTH, World, files, lake_id, letters, north_id,
};
use crate::transfer::TransferId;

/// How many transfers, unless `ALMONER_TRANSFERS` says another number.
const TRANSFERS: usize = 1_000;

/// The ways of attack, and the name under which each is refused.
const ATTACKS: [(&str, &[&str]); 10] = [
    ("wrong patient", &["wrong-patient"]),
    ("replayed challenge", &["other-transfer"]),
    ("flipped offer", &["form", "signature", "unknown-key", "booked"]),
    ("replayed accept", &["other-transfer"]),
    ("consent withdrawn", &["consent-withdrawn"]),
    ("swapped parcel", &["other-transfer"]),
    ("cut part", &["part", "chunk"]),
    ("repeated part", &["part", "chunk"]),
    ("flipped part", &["part", "chunk"]),
    ("flipped accept", &["form", "signature", "unknown-key", "booked"]),
];

fn flip(file: &std::path::Path) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn of_many_transfers_the_good_ones_are_received_and_the_attacked_ones_refused_by_name() {
    let chosen = std::env::var_os("ALMONER_TRANSFERS");
    let count = chosen.and_then(|n| n.to_str()?.parse().ok()).unwrap_or(TRANSFERS);
    let began = Clock::now();
    let world = World::new(count);
    // Every twentieth is attacked, the ways in turn.
    let attack = |who: usize| (who % 20 == 7).then_some(who / 20 % 10);
    let attacked = |way: usize| (0..count).filter(move |who| attack(*who) == Some(way));

    // Before the receiver looks for its patients: one of them is another person.
    let file = world.path(LAKE).join("in/Patient.ndjson");
    let mut lines: Vec<String> =
        fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    for who in attacked(0) {
        let day = lines[who].find("birthDate\":\"").unwrap() + 12;
        lines[who].replace_range(day..day + 10, "2001-12-31");
        assert!(lines[who].contains(&lake_id(who)) && lines[who].contains(&letters(who)));
    }
    fs::write(&file, lines.join("\n") + "\n").unwrap();
    println!("{count} transfers: the two sites were made in {:?}", began.elapsed());

    let who: Vec<String> = (0..count).map(north_id).collect();
    let acted = Clock::now();
    let offered = world.offer(&who, DAYS[1]);
    let mut names: BTreeMap<TransferId, usize> = BTreeMap::new();
    world
        .at(NORTH, DAYS[1], |clerk| {
            for row in clerk.status(true)?.transfers {
                let patient = row.patient.unwrap();
                names.insert(row.transfer, patient.trim_start_matches('n').parse().unwrap());
            }
            Ok(())
        })
        .unwrap();
    let ids: BTreeMap<usize, TransferId> = names.iter().map(|(id, who)| (*who, *id)).collect();
    assert_eq!((offered.steps.len(), ids.len()), (count, count));
    let mut found: BTreeMap<usize, &'static str> = BTreeMap::new();
    let mut note = |outcome: &super::Outcome| {
        for refused in &outcome.refused {
            let who = names[&refused.transfer.unwrap()];
            assert!(found.insert(who, refused.why.code()).is_none(), "refused twice: {refused:?}");
        }
    };

    attacked(2).for_each(|who| flip(&world.inbox(LAKE, &ids[&who]).join("offer.json")));
    note(&world.run(LAKE, DAYS[1]));
    let other = |who: usize| ids[&(who + 1)];
    let replay = |folder: &dyn Fn(&TransferId) -> std::path::PathBuf, who: usize, name: &str| {
        fs::copy(folder(&other(who)).join(name), folder(&ids[&who]).join(name)).unwrap();
    };
    let north = |id: &TransferId| world.inbox(NORTH, id);
    let lake = |id: &TransferId| world.inbox(LAKE, id);
    let desk = |id: &TransferId| world.path(NORTH).join("exchange/desk").join(id.to_string());
    attacked(1).for_each(|who| replay(&north, who, "challenge.json"));
    note(&world.run(NORTH, DAYS[1]));

    for (who, id) in &ids {
        if desk(id).join("challenge.json").exists() && attack(*who) != Some(3) {
            world.answer(id, Answer::Accept, DAYS[1]);
        }
    }
    attacked(3).for_each(|who| replay(&desk, who, "accept.json"));
    note(&world.at(NORTH, DAYS[1], |clerk| clerk.accept(None)).unwrap());
    attacked(3).for_each(|who| fs::remove_file(desk(&ids[&who]).join("accept.json")).unwrap());
    let withdrawn: Vec<String> = attacked(4).map(north_id).collect();
    world.consent(&withdrawn, "deny", "2026-11-21");
    note(&world.run(NORTH, DAYS[2]));

    attacked(5).for_each(|who| replay(&lake, who, "parcel.json"));
    for way in [6, 7, 8] {
        for who in attacked(way) {
            let part = lake(&ids[&who]).join("parts/000000");
            let good = fs::read(&part).unwrap();
            match way {
                6 => fs::write(&part, &good[..good.len() / 2]).unwrap(),
                7 => fs::write(&part, [good.clone(), good].concat()).unwrap(),
                _ => flip(&part),
            }
        }
    }
    attacked(9).for_each(|who| flip(&lake(&ids[&who]).join("accept.json")));
    note(&world.run(LAKE, DAYS[2]));
    let done = world.run(NORTH, DAYS[3]);
    let elapsed = acted.elapsed();

    for who in 0..count {
        let came = world.received(&ids[&who]).exists();
        match attack(who) {
            None => {
                assert!(came && !found.contains_key(&who), "good transfer {who} was not received");
            }
            Some(way) => {
                let (name, codes) = ATTACKS[way];
                let code = found.get(&who).unwrap_or_else(|| panic!("{name} {who} was not named"));
                assert!(codes.contains(code), "{name} {who} was refused as {code}");
                assert!(!came, "{name} {who} was received");
            }
        }
    }
    let good = (0..count).filter(|who| attack(*who).is_none()).count();
    let receipts = done.steps.iter().filter(|done| done.step == Step::Received).count();
    assert_eq!(receipts, good, "a good transfer has no receipt");
    for place in [NORTH, LAKE] {
        let entries = world.site(place, DAYS[4]).book_size().unwrap();
        println!("{place}: {entries} entries, {} files", files(&world.path(place)).len());
    }
    println!("{count} transfers, {} attacked: {elapsed:?}", count - good);
}
