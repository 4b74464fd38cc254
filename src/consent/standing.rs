//! What stands: from one person's known events, one use and one day to permit or a reason why not.
//!
//! The rule. A grant permits a use on a day when it covers purpose, institution and category, the
//! day lies in `[valid_from, valid_until)`, and no withdrawal that touches the use was decided at or
//! after the grant with effect on or before that day; and the person has not opted out, or opted in
//! again after that. So a withdrawal or opt-out never permits more, a grant
//! never permits less, and the order in which events were recorded does not matter.

use std::fmt;

use serde::Serialize;

use super::{
    event::{Action, Terms},
    register::{Held, Row},
};
use crate::{
    instant::{Date, Instant},
    party::InstitutionId,
    purpose::{Purpose, covers, keeps_conditions},
};

/// Why a row may not go on, from the farthest from a permit to the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Refusal {
    /// Nothing is known of the person, or no grant.
    NoConsent,
    /// No grant covers the purpose, or the use does not keep a grant's conditions.
    PurposeNotConsented,
    /// The grants for the purpose name other institutions.
    InstitutionNotConsented,
    /// They name other categories of data.
    CategoryNotConsented,
    /// They begin on a later day.
    NotYetValid,
    /// They ended.
    Expired,
    /// The person took them back.
    Withdrawn,
    /// The person keeps out of every secondary use.
    OptedOut,
    /// The person index does not know whose record it is. It stands last because the places of the
    /// others stand in digests; no judgement of consents makes it.
    NotLinked,
}

impl Refusal {
    /// All reasons, in order.
    pub const ALL: [Self; 9] = [
        Self::NoConsent,
        Self::PurposeNotConsented,
        Self::InstitutionNotConsented,
        Self::CategoryNotConsented,
        Self::NotYetValid,
        Self::Expired,
        Self::Withdrawn,
        Self::OptedOut,
        Self::NotLinked,
    ];

    /// Returns the reason as it stands in reports, such as `not-yet-valid`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "no-consent",
            Self::PurposeNotConsented => "purpose-not-consented",
            Self::InstitutionNotConsented => "institution-not-consented",
            Self::CategoryNotConsented => "category-not-consented",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::OptedOut => "opted-out",
            Self::NotLinked => "not-linked",
        }
    }

    /// Returns the reason as a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoConsent => "there is no consent of this person",
            Self::PurposeNotConsented => "no consent covers this purpose with its conditions",
            Self::InstitutionNotConsented => "consent was given for other institutions",
            Self::CategoryNotConsented => "consent was given for other categories of data",
            Self::NotYetValid => "the consent begins on a later day",
            Self::Expired => "the consent has ended",
            Self::Withdrawn => "the person has withdrawn",
            Self::OptedOut => "the person opted out of every secondary use",
            Self::NotLinked => "the person index does not know whose record it is",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a row may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// It may.
    Permit,
    /// It may not.
    Refuse(Refusal),
}

impl Decision {
    /// Returns one byte that stands for the decision in a digest.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Permit => 0,
            Self::Refuse(refusal) => refusal as u8 + 1,
        }
    }
}

/// Why a decision is what it is, in plain words, event by event.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// The number of the event that decided; none where there was nothing to decide by.
    pub deciding: Option<u64>,
    /// Each event of the person, and what it did to this use.
    pub events: Vec<(Held, String)>,
}

/// One use of one category of one institution's records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use<'a> {
    /// All purposes and conditions of the use.
    pub(super) purposes: &'a [Purpose],
    /// The one permission that is judged.
    pub(super) permission: &'a Purpose,
    pub(super) institution: &'a InstitutionId,
    pub(super) category: &'a str,
}

/// What terms mean for a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    /// Whether a grant of these terms would cover the use.
    pub(super) grant: Decision,
    /// Whether a withdrawal of these terms would touch it.
    pub(super) withdrawal: bool,
}

impl Fit {
    pub(super) fn of(terms: &Terms, wanted: &Use<'_>) -> Self {
        let here = terms.reach_institution(wanted.institution);
        let kind = terms.reach_category(wanted.category);
        let purpose = terms.purposes().iter().any(|granted| covers(granted, wanted.permission))
            && keeps_conditions(terms.purposes(), wanted.purposes);
        let grant = if !purpose {
            Decision::Refuse(Refusal::PurposeNotConsented)
        } else if !here {
            Decision::Refuse(Refusal::InstitutionNotConsented)
        } else if !kind {
            Decision::Refuse(Refusal::CategoryNotConsented)
        } else {
            Decision::Permit
        };
        // Taking back one purpose takes back every use that includes it: "any research" holds
        // health research. What is no permission touches everything.
        let touched = |taken: &Purpose| {
            !taken.is_permission()
                || taken == wanted.permission
                || covers(taken, wanted.permission)
                || covers(wanted.permission, taken)
        };
        let all = terms.purposes().is_empty();
        Self { grant, withdrawal: here && kind && (all || terms.purposes().iter().any(touched)) }
    }
}

/// What a day and an instant let be seen: valid time and knowledge time.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) on: i32,
    pub(super) known: i64,
}

impl View {
    pub(super) fn new(on: Date, known_at: Instant) -> Self {
        Self { on: super::register::days(on), known: known_at.unix() }
    }

    pub(super) fn knows(&self, row: &Row) -> bool {
        row.decided <= self.known && row.recorded <= self.known
    }
}

/// Judges one person's rows for one use.
pub(super) fn judge(rows: &[Row], view: View, fit: impl Fn(u32) -> Fit) -> Decision {
    if is_opted_out(rows, view) {
        return Decision::Refuse(Refusal::OptedOut);
    }
    let taken_back = last_withdrawal(rows, view, &fit);
    let mut nearest = None;
    for grant in rows.iter().filter(|row| row.action == Action::Grant && view.knows(row)) {
        match verdict(grant, view, fit(grant.terms), taken_back) {
            Decision::Permit => return Decision::Permit,
            Decision::Refuse(refusal) => nearest = nearest.max(Some(refusal)),
        }
    }
    Decision::Refuse(match (nearest, taken_back) {
        (Some(refusal), _) => refusal,
        (None, Some(_)) => Refusal::Withdrawn,
        (None, None) => Refusal::NoConsent,
    })
}

/// Finds the event by which [`judge`] came to its decision.
pub(super) fn deciding(rows: &[Row], view: View, fit: impl Fn(u32) -> Fit) -> Option<u64> {
    let known = || rows.iter().filter(|row| view.knows(row));
    let decision = judge(rows, view, &fit);
    let taken_back = last_withdrawal(rows, view, &fit);
    let found = match decision {
        Decision::Refuse(Refusal::OptedOut) => {
            known().rfind(|row| row.action == Action::OptOut && row.from <= view.on)
        }
        Decision::Refuse(Refusal::Withdrawn) => known().find(|row| {
            row.action == Action::Withdraw
                && Some(row.decided) == taken_back
                && row.from <= view.on
                && fit(row.terms).withdrawal
        }),
        Decision::Permit | Decision::Refuse(_) => known().find(|row| {
            row.action == Action::Grant
                && verdict(row, view, fit(row.terms), taken_back) == decision
        }),
    };
    found.map(|row| row.seq)
}

/// Says whether the last opt-out or opt-in in force is an opt-out; of two at one instant it is.
fn is_opted_out(rows: &[Row], view: View) -> bool {
    let last = |action: Action| {
        let own = rows.iter().filter(|row| row.action == action);
        own.filter(|row| view.knows(row) && row.from <= view.on).map(|row| row.decided).max()
    };
    last(Action::OptOut).is_some_and(|out| last(Action::OptIn).is_none_or(|back| back <= out))
}

/// Returns when the last withdrawal in force was decided that touches the use.
fn last_withdrawal(rows: &[Row], view: View, fit: impl Fn(u32) -> Fit) -> Option<i64> {
    rows.iter()
        .filter(|row| row.action == Action::Withdraw && view.knows(row) && row.from <= view.on)
        .filter(|row| fit(row.terms).withdrawal)
        .map(|row| row.decided)
        .max()
}

fn verdict(grant: &Row, view: View, fit: Fit, taken_back: Option<i64>) -> Decision {
    if let Decision::Refuse(refusal) = fit.grant {
        return Decision::Refuse(refusal);
    }
    if taken_back.is_some_and(|decided| grant.decided <= decided) {
        Decision::Refuse(Refusal::Withdrawn)
    } else if view.on < grant.from {
        Decision::Refuse(Refusal::NotYetValid)
    } else if grant.until.is_some_and(|until| view.on >= until) {
        Decision::Refuse(Refusal::Expired)
    } else {
        Decision::Permit
    }
}

/// Says what one event did to a use.
pub(super) fn words(row: &Row, rows: &[Row], view: View, fit: impl Fn(u32) -> Fit) -> String {
    if !view.knows(row) {
        return "not known at that instant".to_owned();
    }
    match row.action {
        Action::Withdraw if !fit(row.terms).withdrawal => "does not touch this use".to_owned(),
        Action::Withdraw if row.from > view.on => "takes effect on a later day".to_owned(),
        Action::Withdraw => "takes back every grant decided until then".to_owned(),
        Action::OptOut | Action::OptIn if row.from > view.on => {
            "takes effect on a later day".to_owned()
        }
        Action::OptOut if is_opted_out(rows, view) => "denies every secondary use".to_owned(),
        Action::OptOut => "was ended by an opt-in".to_owned(),
        Action::OptIn if is_opted_out(rows, view) => "is older than an opt-out".to_owned(),
        Action::OptIn => "ends every opt-out decided before".to_owned(),
        Action::Grant => {
            let taken_back = last_withdrawal(rows, view, &fit);
            match verdict(row, view, fit(row.terms), taken_back) {
                Decision::Permit if is_opted_out(rows, view) => {
                    "would permit this use, but for an opt-out".to_owned()
                }
                Decision::Permit => "permits this use".to_owned(),
                Decision::Refuse(Refusal::PurposeNotConsented) => {
                    "does not cover this purpose with its conditions".to_owned()
                }
                Decision::Refuse(refusal) => refusal.words().to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::consent::{
        Event, Register, Scope,
        sample::{date, event, instant, institution, register},
    };

    const HMB: &str = "DUO:0000006";
    const LATE: &str = "2030-01-01";

    fn asked(register: &Register, purposes: &[&str], cell: (&str, &str), on: &str) -> Decision {
        at(register, purposes, cell, on, LATE)
    }

    fn at(
        register: &Register,
        purposes: &[&str],
        cell: (&str, &str),
        on: &str,
        known_at: &str,
    ) -> Decision {
        let scope = Scope {
            purposes: purposes.iter().map(|code| Purpose::parse(code).unwrap()).collect(),
            cells: vec![(institution(cell.0), cell.1.to_owned())],
            on: date(on),
            known_at: instant(known_at),
        };
        let decided = register.admission(&scope).decision("p", &institution(cell.0), cell.1);
        let person = crate::party::ContributorId::parse("p").unwrap();
        let explained = register.explain(
            &person,
            &scope.purposes,
            &institution(cell.0),
            cell.1,
            scope.on,
            scope.known_at,
        );
        assert_eq!(explained.decision, decided, "an explanation told of another decision");
        decided
    }

    fn refused(refusal: Refusal) -> Decision {
        Decision::Refuse(refusal)
    }

    fn of(lines: &[&str]) -> Register {
        register(&[("2026-01-01", lines.iter().map(|line| event(line)).collect())])
    }

    const NORTH: (&str, &str) = ("north", "visits");

    #[test]
    fn an_empty_register_refuses_everyone() {
        let empty = register(&[]);
        assert_eq!(asked(&empty, &[HMB], NORTH, "2026-06-01"), refused(Refusal::NoConsent));
    }

    #[test]
    fn a_stranger_is_refused() {
        let other = of(&["q grant DUO:0000042 * * - - 2025-01-01"]);
        assert_eq!(asked(&other, &[HMB], NORTH, "2026-06-01"), refused(Refusal::NoConsent));
    }

    #[test]
    fn a_withdrawn_contributor_is_refused_from_the_day_of_withdrawal() {
        let register = of(&[
            "p grant DUO:0000042 * * - - 2025-01-01",
            "p withdraw * * * - - 2025-05-10T15:00:00Z",
        ]);
        assert_eq!(asked(&register, &[HMB], NORTH, "2025-05-09"), Decision::Permit);
        for day in ["2025-05-10", "2025-05-11", "2029-01-01"] {
            assert_eq!(asked(&register, &[HMB], NORTH, day), refused(Refusal::Withdrawn), "{day}");
        }
        let before = at(&register, &[HMB], NORTH, "2027-01-01", "2025-05-10T14:59:59Z");
        assert_eq!(before, refused(Refusal::NoConsent), "it was not recorded yet");
    }

    #[test]
    fn a_grant_after_a_withdrawal_counts_and_one_at_the_same_instant_does_not() {
        let mut lines = vec![
            "p grant DUO:0000006 * * - - 2025-01-01",
            "p withdraw * * * - - 2025-05-10",
            "p grant DUO:0000006 * * - - 2025-05-10",
        ];
        assert_eq!(asked(&of(&lines), &[HMB], NORTH, "2025-06-01"), refused(Refusal::Withdrawn));
        lines.push("p grant DUO:0000006 north * - - 2025-05-11");
        assert_eq!(asked(&of(&lines), &[HMB], NORTH, "2025-06-01"), Decision::Permit);
        let lake = asked(&of(&lines), &[HMB], ("lake", "visits"), "2025-06-01");
        assert_eq!(lake, refused(Refusal::Withdrawn), "a narrow grant opened more than it names");
    }

    #[test]
    fn a_limited_withdrawal_touches_what_it_names_alone() {
        let register = of(&[
            "p grant DUO:0000042 * * - - 2025-01-01",
            "p withdraw DUO:0000006 north visits - - 2025-05-10",
        ]);
        let day = "2025-06-01";
        assert_eq!(asked(&register, &[HMB], NORTH, day), refused(Refusal::Withdrawn));
        assert_eq!(asked(&register, &[HMB], ("lake", "visits"), day), Decision::Permit);
        assert_eq!(asked(&register, &[HMB], ("north", "labs"), day), Decision::Permit);
        assert_eq!(asked(&register, &["DUO:0000011"], NORTH, day), Decision::Permit);
        let disease = ["DUO:0000007=MONDO:0005148"];
        assert_eq!(asked(&register, &disease, NORTH, day), refused(Refusal::Withdrawn));
        let any = asked(&register, &["DUO:0000042"], NORTH, day);
        assert_eq!(any, refused(Refusal::Withdrawn), "any research would include health research");
    }

    #[test]
    fn a_grant_holds_from_its_first_day_until_the_day_before_its_end() {
        let register = of(&["p grant DUO:0000006 * * 2025-03-01 2025-09-01 2025-01-01"]);
        let on = |day| asked(&register, &[HMB], NORTH, day);
        assert_eq!(on("2025-02-28"), refused(Refusal::NotYetValid));
        assert_eq!(on("2025-03-01"), Decision::Permit);
        assert_eq!(on("2025-08-31"), Decision::Permit);
        assert_eq!(on("2025-09-01"), refused(Refusal::Expired));
    }

    #[test]
    fn purpose_institution_and_category_must_all_be_consented_to() {
        let register = of(&["p grant DUO:0000006 north|south visits|labs - - 2025-01-01"]);
        let on = "2025-06-01";
        assert_eq!(asked(&register, &[HMB], ("south", "labs"), on), Decision::Permit);
        assert_eq!(
            asked(&register, &["DUO:0000042"], NORTH, on),
            refused(Refusal::PurposeNotConsented)
        );
        assert_eq!(
            asked(&register, &[HMB], ("lake", "labs"), on),
            refused(Refusal::InstitutionNotConsented)
        );
        assert_eq!(
            asked(&register, &[HMB], ("north", "genomes"), on),
            refused(Refusal::CategoryNotConsented)
        );
        let both = [HMB, "DUO:0000011"];
        assert_eq!(asked(&register, &both, NORTH, on), refused(Refusal::PurposeNotConsented));
        assert_eq!(asked(&register, &[], NORTH, on), refused(Refusal::PurposeNotConsented));
    }

    #[test]
    fn two_grants_for_two_purposes_permit_a_use_of_both() {
        let register = of(&[
            "p grant DUO:0000006 * * - - 2025-01-01",
            "p grant DUO:0000011 * * - - 2025-01-02",
        ]);
        let both = [HMB, "DUO:0000011"];
        assert_eq!(asked(&register, &both, NORTH, "2025-06-01"), Decision::Permit);
    }

    #[test]
    fn a_condition_of_the_person_binds_the_use() {
        let register = of(&["p grant DUO:0000006|DUO:0000045 * * - - 2025-01-01"]);
        let bare = asked(&register, &[HMB], NORTH, "2025-06-01");
        assert_eq!(bare, refused(Refusal::PurposeNotConsented));
        let kept = asked(&register, &[HMB, "DUO:0000045"], NORTH, "2025-06-01");
        assert_eq!(kept, Decision::Permit);
    }

    #[test]
    fn what_stood_at_a_past_instant_is_not_changed_by_what_is_recorded_later() {
        let grant = event("p grant DUO:0000006 * * - - 2025-01-01");
        let late = event("p withdraw * * * - - 2025-02-01");
        let one = register(&[("2025-01-02", vec![grant.clone()])]);
        let two = register(&[("2025-01-02", vec![grant]), ("2025-06-01", vec![late])]);
        let then = |register| at(register, &[HMB], NORTH, "2025-03-01", "2025-05-31");
        assert_eq!(then(&one), Decision::Permit);
        assert_eq!(then(&two), Decision::Permit, "history was rewritten");
        let now = at(&two, &[HMB], NORTH, "2025-03-01", "2025-06-01");
        assert_eq!(now, refused(Refusal::Withdrawn));
    }

    #[test]
    fn an_opt_out_denies_what_was_and_will_be_granted_until_an_opt_in() {
        let mut lines = vec![
            "p grant DUO:0000042 * * - - 2025-01-01",
            "p opt-out * * * - - 2025-02-01T12:00:00Z",
            "p grant DUO:0000006 * * - - 2025-03-01",
        ];
        let on = |lines: &[&str], day| asked(&of(lines), &[HMB], NORTH, day);
        assert_eq!(on(&lines, "2025-01-31"), Decision::Permit);
        let out = refused(Refusal::OptedOut);
        assert_eq!(on(&lines, "2025-02-01"), out);
        assert_eq!(on(&lines, "2025-06-01"), out, "a later grant overruled an opt-out");
        lines.push("p opt-in * * * - - 2025-07-01");
        assert_eq!(on(&lines, "2025-06-30"), out);
        assert_eq!(on(&lines, "2025-07-01"), Decision::Permit, "an opt-out could not be undone");
        let before = at(&of(&lines), &[HMB], NORTH, "2026-01-01", "2026-01-01");
        assert_eq!(before, Decision::Permit);
        lines.push("p opt-out * * * - - 2025-07-01");
        assert_eq!(on(&lines, "2025-07-02"), out, "of two at one instant the milder decided");
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let purposes = ["DUO:0000042", "DUO:0000006", "DUO:0000011", "DUO:0000006|DUO:0000045"];
        let places = ["*", "north", "south", "north|south"];
        let kinds = ["*", "visits", "labs"];
        let action = prop_oneof![5 => Just(0), 5 => Just(1), 1 => Just(2), 1 => Just(3)];
        (action, 0..4_usize, 0..4_usize, 0..3_usize, 1..20_u32, 0..30_u32, 1..28_u32).prop_map(
            move |(action, purpose, place, kind, from, length, decided)| {
                let (place, kind) = (places[place], kinds[kind]);
                if action > 1 {
                    let action = ["opt-out", "opt-in"][action - 2];
                    event(&format!("p {action} * * * - - 2025-01-{decided:02}"))
                } else if action == 0 {
                    let until = match length {
                        0..10 => "-".to_owned(),
                        days => (date("2025-01-01") + chrono::Days::new((from + days).into()))
                            .to_string(),
                    };
                    let purpose = purposes[purpose];
                    event(&format!(
                        "p grant {purpose} {place} {kind} 2025-01-{from:02} {until} 2025-01-{decided:02}"
                    ))
                } else {
                    let purpose = ["*", "DUO:0000042", "DUO:0000006", "DUO:0000011"][purpose];
                    event(&format!(
                        "p withdraw {purpose} {place} {kind} - - 2025-01-{decided:02}"
                    ))
                }
            },
        )
    }

    fn every_use(register: &Register, known_at: &str) -> Vec<Decision> {
        let mut found = Vec::new();
        for purpose in [HMB, "DUO:0000042", "DUO:0000011"] {
            for place in ["north", "south", "lake"] {
                for day in ["2025-01-05", "2025-01-15", "2025-02-10"] {
                    found.push(at(register, &[purpose], (place, "visits"), day, known_at));
                }
            }
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn one_more_withdrawal_or_opt_out_never_permits_more(
            events in prop::collection::vec(any_event(), 0..8),
            more in any_event().prop_filter("what takes", |event| !event.action().gives()),
        ) {
            let before = every_use(&register(&[("2025-03-01", events.clone())]), LATE);
            let mut all = events;
            all.push(more);
            let after = every_use(&register(&[("2025-03-01", all)]), LATE);
            for (before, after) in before.iter().zip(after) {
                prop_assert!(after != Decision::Permit || *before == Decision::Permit);
            }
        }

        #[test]
        fn the_order_of_recording_does_not_matter(
            events in prop::collection::vec(any_event(), 0..8),
            cut in 0..8_usize,
        ) {
            let whole = register(&[("2025-03-01", events.clone())]);
            let mut turned = events;
            turned.reverse();
            let second = turned.split_off(cut.min(turned.len()));
            let parts = register(&[("2025-03-01", turned), ("2025-03-02", second)]);
            prop_assert_eq!(every_use(&whole, LATE), every_use(&parts, LATE));
        }

        #[test]
        fn later_records_leave_every_past_instant_as_it_was(
            first in prop::collection::vec(any_event(), 0..6),
            later in prop::collection::vec(any_event(), 0..6),
        ) {
            let before = register(&[("2025-01-10", first.clone())]);
            let after = register(&[("2025-01-10", first), ("2025-03-01", later)]);
            for known_at in ["2025-01-09", "2025-01-10", "2025-02-28"] {
                prop_assert_eq!(every_use(&before, known_at), every_use(&after, known_at));
            }
        }
    }
}
