//! The auditor and the register agree on every licence at every instant, whatever was decided.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::{
    audit::licensed::worth,
    credential::{
        self, Activity, LICENCE_COMMITS, LicenceAction, LicenceEvent, LicenceLine, Licences,
        TrustChange,
    },
    party::InstitutionId,
    payee::Object,
    signed_note::Signer,
    store::{Sequence, Store},
};

const HOLDERS: [&str; 2] = ["north", "south"];

fn day(day: i64) -> Instant {
    Instant::from_unix(1_790_000_000 + day * 86_400).unwrap()
}

fn key(name: &str, seed: u8) -> Verifier {
    Signer::from_seed(name, &[seed; 32]).unwrap().verifier().clone()
}

/// Two issuers, one of them with two keys.
fn issuer(at: usize) -> Verifier {
    [key("board", 1), key("board", 2), key("other", 3)][at].clone()
}

#[derive(Debug, Clone)]
enum Told {
    Trust { issuer: usize, ended: bool, from: Option<i64> },
    Lines(Vec<(LicenceEvent, usize)>),
}

fn event() -> impl Strategy<Value = (LicenceEvent, usize)> {
    let days = || 0..12_i64;
    let action = prop::sample::select(LicenceAction::ALL.to_vec());
    // Most licences are issued early: a history of refusals alone would tell nothing.
    let action = prop_oneof![2 => Just(LicenceAction::Issue), 5 => action];
    let words = prop::option::weighted(0.4, prop::sample::select(vec!["no-transfer", "no nights"]));
    let shape = (0..2_usize, 0..2_usize, 0..3_usize, action, prop::bool::weighted(0.1));
    let rest = (days(), prop::option::of(days()), words, days(), prop::option::of(4..7_u8));
    (shape, rest).prop_map(|((licence, holder, by, action, odd), (from, until, words, at, own))| {
        let event = LicenceEvent {
            licence: format!("l{licence}"),
            holder: credential::Holder::Institution(InstitutionId::parse(HOLDERS[holder]).unwrap()),
            issuer: issuer(by).name().to_owned(),
            action,
            class: if odd { "clinic" } else { "hospital" }.to_owned(),
            from: day(from),
            until: until.map(|until| day(from + 1 + until)),
            restriction: words.map(str::to_owned),
            decided_at: day(at),
            key: own.map(|seed| key("holder", seed).vkey()),
        };
        (event, by)
    })
}

fn told() -> impl Strategy<Value = Told> {
    let trust = (0..3_usize, prop::bool::weighted(0.3), prop::option::of(0..8_i64));
    let trust = trust.prop_map(|(issuer, ended, from)| Told::Trust { issuer, ended, from });
    let lines = prop::collection::vec(event(), 1..4).prop_map(Told::Lines);
    prop_oneof![1 => trust, 3 => lines]
}

/// Writes what was told as the register keeps it, and reads it as an auditor does.
fn both(told: &[Told]) -> (Store, Register) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let vault = Store::open("memory://licences").unwrap();
    let vault = vault.zone(&NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    let mut register = Register::default();
    for (number, told) in (1_u64..).zip(told) {
        let time = day(i64::try_from(number).unwrap());
        register.commits.push((number, time));
        let act = match told {
            Told::Trust { issuer: at, ended, from } => {
                let act = credential::Trusted {
                    vkey: issuer(*at).vkey(),
                    change: if *ended { TrustChange::Ended } else { TrustChange::Added },
                    from: from.map(day),
                };
                let own = serde_json::to_value(&act).unwrap();
                let _ = trust(&mut register, number, time, &serde_json::from_value(own).unwrap());
                credential::LicenceAct::Trusted(act)
            }
            Told::Lines(lines) => {
                let line = |(event, by): &(LicenceEvent, usize)| LicenceLine {
                    event: event.clone(),
                    by: issuer(*by).key_id(),
                    credential: None,
                    list: None,
                    salt: None,
                };
                let lines: Vec<LicenceLine> = lines.iter().map(line).collect();
                for line in &lines {
                    let own = serde_json::to_value(line).unwrap();
                    let Line { event: decision, by, .. } = serde_json::from_value(own).unwrap();
                    register.known.push(Known { commit: number, recorded: time, by, decision });
                }
                let (events, bytes) = Object::write("licences", &lines).unwrap();
                vault.put_content(&events.path, &bytes).unwrap();
                let (holders, commitment) = (credential::Holders::Institutions, events.digest);
                let (root, count) = (Sha256::of(&bytes), events.count);
                let act = credential::Recorded { holders, events, root, count, commitment };
                credential::LicenceAct::Recorded(act)
            }
        };
        let commit =
            credential::LicenceCommit { txn: String::new(), time, act, entry: String::new() };
        let text = serde_json::to_vec(&commit).unwrap();
        let sequence = Sequence::new(&vault, LICENCE_COMMITS);
        let _: crate::store::Committed = sequence.commit(number, &text.into()).unwrap();
    }
    (vault, register)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_auditor_finds_every_licence_worth_what_the_register_says(
        told in prop::collection::vec(told(), 1..12)
    ) {
        // An issuer who is never trusted decides nothing: the first is, most of the time.
        let (vault, register) = both(&told);
        for commit in [told.len() / 2, told.len()] {
            let commit = u64::try_from(commit).unwrap();
            let known = Licences::load_at(&vault, commit).unwrap();
            prop_assert_eq!(known.is_kept(), register.is_kept(commit));
            for holder in HOLDERS {
                let id = InstitutionId::parse(holder).unwrap();
                for at in (-1..26).map(day) {
                    let told = known.standing(&credential::Holder::Institution(id.clone()), at);
                    let own = worth(&register, holder, at, commit);
                    let allowed = Activity::Transfer.check(&told).is_ok();
                    prop_assert_eq!(allowed, own.allows("no-transfer"), "{} at {}", holder, at);
                    let ids = |keys: &[Verifier]| -> std::collections::BTreeSet<String> {
                        keys.iter().map(Verifier::vkey).collect()
                    };
                    prop_assert_eq!(ids(&known.keys(&id, at)), ids(own.keys()), "keys at {}", at);
                }
            }
        }
    }
}

#[test]
fn some_histories_stand() {
    // The law above would hold for a register in which nothing ever stands.
    let issue = LicenceEvent {
        licence: "l".to_owned(),
        holder: credential::Holder::Institution(InstitutionId::parse("north").unwrap()),
        issuer: "board".to_owned(),
        action: LicenceAction::Issue,
        class: "hospital".to_owned(),
        from: day(3),
        until: Some(day(9)),
        restriction: Some("no-research".to_owned()),
        decided_at: day(2),
        key: Some(key("holder", 5).vkey()),
    };
    let trust = Told::Trust { issuer: 0, ended: false, from: None };
    let (_, register) = both(&[trust, Told::Lines(vec![(issue, 0)])]);
    let at = |at: i64, commit: u64| worth(&register, "north", day(at), commit);
    assert!(at(3, 2).allows("no-transfer") && !at(3, 2).allows("no-research"));
    assert_eq!(at(8, 2).keys(), [key("holder", 5)]);
    assert!(!at(2, 2).allows("no-transfer"), "it stood before it began");
    assert!(!at(9, 2).allows("no-transfer"), "it stood after its end");
    assert!(!at(3, 1).allows("no-transfer"), "a later commit was known");
}
