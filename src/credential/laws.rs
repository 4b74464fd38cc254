//! What holds of every history of licences, whatever was decided and in whatever order it came.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    licence::{Holder, LicenceAction, LicenceEvent, Standing},
    register::{Licences, Line, TrustChange, Trusted, key_id},
};
use crate::{instant::Instant, party::InstitutionId, signed_note::Signer};

/// One second a day keeps the cases readable.
fn at(day: i64) -> Instant {
    Instant::from_unix(day).unwrap()
}

fn signer(issuer: &str) -> Signer {
    let seed = [issuer.bytes().last().unwrap_or(0); 32];
    Signer::from_seed(issuer, &seed).unwrap()
}

fn holder(number: u8) -> Holder {
    Holder::Institution(InstitutionId::parse(&format!("h{number}")).unwrap())
}

fn line(event: LicenceEvent) -> Line {
    let by = key_id(signer(&event.issuer).verifier());
    Line { event, by, credential: None, list: None, salt: None }
}

/// A register that trusts issuers `a` from ever, and `b` for decisions of days 5 to 15.
fn register(lines: &[Line]) -> Licences {
    let mut register = Licences::default();
    let mut trust = |issuer: &str, change, from| {
        let vkey = signer(issuer).verifier().vkey();
        register.trust(&Trusted { vkey, change, from }, at(0), 1).unwrap();
    };
    trust("a", TrustChange::Added, None);
    trust("b", TrustChange::Added, Some(at(5)));
    trust("b", TrustChange::Ended, Some(at(15)));
    // Learnt before the trust's end was: only the day of decision counts.
    register.with_at(1, at(0), lines.to_vec())
}

fn event() -> impl Strategy<Value = LicenceEvent> {
    let action = prop::sample::select(LicenceAction::ALL.to_vec());
    // Issues twice as often, or little would follow from them.
    let action = prop_oneof![1 => Just(LicenceAction::Issue), 2 => action];
    let issuer = prop::sample::select(vec!["a", "a", "a", "b", "c"]);
    let days = (0..20_i64, prop::option::of(1..12_i64), 0..20_i64);
    (action, issuer, 1..3_u8, 1..3_u8, days, 0..3_u8).prop_map(
        |(action, issuer, licence, who, (from, term, decided), words)| {
            let gives = matches!(action, LicenceAction::Issue | LicenceAction::Renew);
            let restricts =
                action == LicenceAction::Restrict || (action == LicenceAction::Issue && words == 0);
            LicenceEvent {
                licence: format!("L{licence}"),
                // Nearly always the same holder; now and then two claim one licence.
                holder: holder(if who == licence { 1 } else { licence }),
                issuer: issuer.to_owned(),
                action,
                class: "clinic".to_owned(),
                from: at(from),
                until: term.filter(|_| gives).map(|days| at(from + days)),
                restriction: restricts.then(|| format!("words {words}")),
                decided_at: at(decided),
                key: None,
            }
        },
    )
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec(event().prop_map(line), 0..14)
}

/// `NotYet` tells that something is to come; a past instant knows nothing of it.
fn then(standing: Standing) -> Standing {
    if standing == Standing::NotYet { Standing::Unknown } else { standing }
}

// ---- a slow model, which shares nothing with the register ----------------------------------------

/// What has effect on one licence by an instant, in order, worked out from the start for each question.
fn model(lines: &[Line], who: &Holder, now: i64) -> Standing {
    let mut best: Option<Standing> = None;
    let ids: BTreeSet<(String, String)> =
        lines.iter().map(|line| (line.event.issuer.clone(), line.event.licence.clone())).collect();
    for (issuer, licence) in ids {
        let effect = |event: &LicenceEvent| match event.action {
            LicenceAction::Restrict | LicenceAction::Suspend | LicenceAction::Revoke => {
                event.from.unix().max(event.decided_at.unix())
            }
            LicenceAction::Issue | LicenceAction::Renew | LicenceAction::Reinstate => {
                event.from.unix()
            }
        };
        let trusted = |event: &LicenceEvent| match event.issuer.as_str() {
            "a" => true,
            "b" => (5..15).contains(&event.decided_at.unix()),
            _ => false,
        };
        let order = ["issue", "renew", "reinstate", "restrict", "suspend", "revoke"];
        let rank = |event: &LicenceEvent| {
            order.iter().position(|name| *name == event.action.as_str()).unwrap()
        };
        let mut own: Vec<&LicenceEvent> = lines
            .iter()
            .map(|line| &line.event)
            .filter(|event| event.issuer == issuer && event.licence == licence && trusted(event))
            .collect();
        own.sort_by_key(|event| (effect(event), event.decided_at, rank(event), (*event).clone()));
        let Some(begin) = own.iter().position(|event| event.action == LicenceAction::Issue) else {
            continue;
        };
        let issue = own[begin];
        if issue.holder != *who {
            continue;
        }
        let mut words: Vec<String> = issue.restriction.clone().into_iter().collect();
        let (mut until, mut rests, mut ended) = (issue.until, None, None);
        if effect(issue) > now {
            best = Some(best.map_or(Standing::NotYet, |b| b.or(Standing::NotYet)));
            continue;
        }
        for event in &own[begin + 1..] {
            if effect(event) > now || ended.is_some() || event.holder != *who {
                continue;
            }
            match event.action.as_str() {
                "renew" => until = event.until,
                "restrict" => words.push(event.restriction.clone().unwrap()),
                "suspend" if rests.is_none() => rests = Some(at(effect(event))),
                "revoke" => ended = Some(at(effect(event))),
                "reinstate" if rests.is_some() => rests = None,
                "reinstate" => words.clear(),
                _ => {}
            }
        }
        words.sort();
        words.dedup();
        let standing = match (ended, rests, until) {
            (Some(since), _, _) => Standing::Revoked { since },
            (None, Some(since), _) => Standing::Suspended { since },
            (None, None, Some(since)) if since.unix() <= now => Standing::Expired { since },
            (None, None, until) => Standing::Stands { until, restrictions: words },
        };
        best = Some(best.map_or(standing.clone(), |b| b.or(standing)));
    }
    best.unwrap_or(Standing::Unknown)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_slow_model_says_the_same_of_every_day(lines in lines()) {
        let register = register(&lines);
        for day in -1..35 {
            for who in [holder(1), holder(2)] {
                prop_assert_eq!(register.standing(&who, at(day)), model(&lines, &who, day));
            }
        }
    }

    #[test]
    fn what_is_decided_for_tomorrow_never_changes_yesterday(lines in lines(), next in event()) {
        let before = register(&lines);
        let mut more = lines;
        let next = line(next);
        let effective = next.event.effective().unix();
        more.push(next);
        let after = register(&more);
        for day in -1..effective {
            for who in [holder(1), holder(2)] {
                prop_assert_eq!(
                    then(before.standing(&who, at(day))), then(after.standing(&who, at(day)))
                );
            }
        }
    }

    #[test]
    fn a_suspension_decided_today_never_undoes_yesterday(lines in lines(), from in 0..20_i64) {
        let (before, mut more) = (register(&lines), lines);
        for action in [LicenceAction::Suspend, LicenceAction::Revoke] {
            let event = LicenceEvent {
                licence: "L1".to_owned(), holder: holder(1), issuer: "a".to_owned(), action,
                class: "clinic".to_owned(), from: at(from), until: None, restriction: None,
                decided_at: at(18), key: None,
            };
            more.push(line(event));
        }
        let after = register(&more);
        for day in -1..18 {
            prop_assert_eq!(
                before.standing(&holder(1), at(day)), after.standing(&holder(1), at(day))
            );
        }
    }

    #[test]
    fn the_order_in_which_decisions_come_makes_no_difference(
        (lines, shuffled) in lines().prop_flat_map(|l| (Just(l.clone()), Just(l).prop_shuffle()))
    ) {
        let (one, two) = (register(&lines), register(&shuffled));
        for day in -1..35 {
            for who in [holder(1), holder(2)] {
                prop_assert_eq!(one.standing(&who, at(day)), two.standing(&who, at(day)));
            }
        }
    }

    #[test]
    fn to_suspend_and_reinstate_restores_what_was(lines in lines()) {
        let before = register(&lines);
        if !before.licence("a", "L1", at(21)).stands() {
            return Ok(());
        }
        let issued = before.held().iter().find(|held| {
            held.refused.is_none() && held.line.event.issuer == "a"
                && held.line.event.licence == "L1"
        });
        let holder = issued.unwrap().line.event.holder.clone();
        let mut more = lines;
        for (day, action) in [(21, LicenceAction::Suspend), (24, LicenceAction::Reinstate)] {
            more.push(line(LicenceEvent {
                licence: "L1".to_owned(), holder: holder.clone(), issuer: "a".to_owned(), action,
                class: "clinic".to_owned(), from: at(day), until: None, restriction: None,
                decided_at: at(day), key: None,
            }));
        }
        let after = register(&more);
        for day in -1..40 {
            let licence = after.licence("a", "L1", at(day));
            if (21..24).contains(&day) {
                prop_assert_eq!(licence, Standing::Suspended { since: at(21) });
            } else {
                prop_assert_eq!(licence, before.licence("a", "L1", at(day)));
            }
        }
    }

    #[test]
    fn what_is_refused_changes_nothing(lines in lines()) {
        let all = register(&lines);
        let kept: Vec<Line> = all.held().iter().filter(|held| held.refused.is_none())
            .map(|held| held.line.clone()).collect();
        let some = register(&kept);
        prop_assert!(some.held().iter().all(|held| held.refused.is_none()));
        for day in -1..35 {
            for who in [holder(1), holder(2)] {
                prop_assert_eq!(all.standing(&who, at(day)), some.standing(&who, at(day)));
            }
        }
    }
}
