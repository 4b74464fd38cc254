//! What an evaluation pays, keeps, flags and refuses, each by its own case.

use super::*;
use crate::{cover::read, digest::canonical_digest, party::InstitutionId};

const POLICY: &str = r#"
policy   = "gd"
kind     = "insurance"
insurer  = "vitana"
currency = "EUR"
term     = { from = "2026-01-01", until = "2027-01-01" }
sum      = "500.00"
purpose  = "HL7:HPAYMT"
event_days = 30
[[trigger]]
table  = "observations"
id     = "id"
day    = "day"
code   = { column = "code", any = ["http://loinc.org|1518-0"] }
value  = { column = "value", at_least = "153", unit = { column = "unit", is = "mg/dL", of = "glucose" } }
status = { column = "status", refuse = ["entered-in-error", "cancelled"] }
weeks  = { min = 24, max = 28 }
[[trigger]]
table  = "conditions"
id     = "id"
day    = "day"
code   = { column = "code", any = ["http://snomed.info/sct|11687002"] }
weeks  = { min = 24, max = 40 }
"#;

/// A policy, what was recorded of it, and who consented.
pub(super) struct World {
    policy: Policy,
    past: Vec<CoverLine>,
    enrolled: BTreeMap<ContributorId, Vec<Enrolment>>,
    funds: i64,
    withdrawn: Vec<&'static str>,
}

pub(super) fn day(text: &str) -> Date {
    text.parse().unwrap()
}

pub(super) fn person(id: &str) -> ContributorId {
    ContributorId::parse(id).unwrap()
}

impl World {
    /// A world in which `a`, `b` and `c` are enrolled, due on 2026-09-01: week 24 begins 2026-05-12.
    pub(super) fn new(change: &[(&str, &str)]) -> Self {
        let text = change.iter().fold(POLICY.to_owned(), |text, (from, to)| text.replace(from, to));
        let policy = read(std::path::Path::new("gd.toml"), &text);
        let policy = policy.unwrap_or_else(|faults| panic!("{faults:#?}"));
        let enrolment = |id: &&str| {
            let (contributor, enrolled) = (person(id), day("2026-02-01"));
            let own = Enrolment {
                contributor: contributor.clone(),
                enrolled,
                due: Some(day("2026-09-01")),
            };
            (contributor, vec![own])
        };
        let enrolled = ["a", "b", "c"].iter().map(enrolment).collect();
        Self { policy, past: Vec::new(), enrolled, funds: 1_000_000, withdrawn: Vec::new() }
    }

    /// Evaluates rows, and keeps the lines.
    pub(super) fn run(&mut self, rows: &[Sighting]) -> Evaluation {
        let withdrawn = self.withdrawn.clone();
        let consent = move |id: &ContributorId, _: &RowId, _: &str, _: Date| {
            if withdrawn.contains(&id.as_str()) { Err("withdrawn") } else { Ok(()) }
        };
        let keyed = |key: &EventKey| {
            let parts = (key.contributor.as_str(), &key.trigger, key.window);
            canonical_digest(&parts).unwrap()
        };
        let basis = Basis {
            policy: &self.policy,
            past: &self.past,
            enrolled: &self.enrolled,
            funds: Amount::new(self.funds.into(), self.policy.currency),
            today: day("2026-12-01"),
            consent: &consent,
            keyed: &keyed,
        };
        let done = evaluate(&basis, rows.to_vec()).unwrap();
        self.past.extend(done.lines.clone());
        done
    }

    /// Returns what each person was paid so far.
    pub(super) fn paid(&self) -> BTreeMap<String, i64> {
        self.sums(|line| line.paid_minor)
    }

    /// Returns what each person's events are worth.
    pub(super) fn owed(&self) -> BTreeMap<String, i64> {
        self.sums(|line| line.owed_minor)
    }

    fn sums(&self, of: impl Fn(&CoverLine) -> i64) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for line in &self.past {
            *sums.entry(line.contributor.as_str().to_owned()).or_default() += of(line);
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    pub(super) fn fund(&mut self, funds: i64) {
        self.funds = funds;
    }
}

/// A test of `who` at `place` on a day, well above the threshold.
pub(super) fn test(who: &str, place: &str, id: &str, on: &str) -> Sighting {
    Sighting {
        row: RowId {
            institution: InstitutionId::parse(place).unwrap(),
            table: "observations".to_owned(),
            id: id.to_owned(),
        },
        trigger: 0,
        contributor: person(who),
        category: "observations".to_owned(),
        day: Some(day(on)),
        status: Some("final".to_owned()),
        value: Some("160".to_owned()),
        unit: Some("mg/dL".to_owned()),
        evidence: Sha3Digest::of(id.as_bytes()),
    }
}

pub(super) fn with(mut row: Sighting, change: impl FnOnce(&mut Sighting)) -> Sighting {
    change(&mut row);
    row
}

fn wrong(row: Sighting) -> Sighting {
    with(row, |row| row.status = Some("entered-in-error".to_owned()))
}

fn outcomes(done: &Evaluation) -> Vec<Outcome> {
    done.lines.iter().map(|line| line.outcome).collect()
}

/// Runs one row in a world of its own, and returns why it was refused.
fn refused(row: Sighting) -> String {
    let mut world = World::new(&[]);
    let done = world.run(&[row]);
    assert!(done.lines.is_empty(), "it was paid: {:?}", done.lines);
    assert_eq!((done.considered, done.refused.len()), (1, 1));
    done.refused.into_keys().next().unwrap()
}

#[test]
fn an_event_is_paid_once_whichever_institution_sends_it_and_in_whichever_run() {
    let mut world = World::new(&[]);
    let rows = [test("a", "north", "1", "2026-05-20"), test("a", "south", "x", "2026-05-22")];
    let both = world.run(&rows);
    assert_eq!(outcomes(&both), [Outcome::Paid, Outcome::Known]);
    assert_eq!(both.refused, BTreeMap::from([("known".to_owned(), 1)]));
    assert_eq!(both.lines[0].event, both.lines[1].event, "one event stands under two keys");
    let third = world.run(&[test("a", "west", "9", "2026-05-21")]);
    assert_eq!(outcomes(&third), [Outcome::Known], "another run paid it again");
    let again = world.run(&rows);
    assert!(again.lines.is_empty(), "the same rows again say something new: {:?}", again.lines);
    assert_eq!(again.refused, BTreeMap::from([("known".to_owned(), 2)]));
    let diagnosis = with(test("a", "north", "d", "2026-05-25"), |row| row.trigger = 1);
    assert_eq!(outcomes(&world.run(&[diagnosis])), [Outcome::Known], "a test and its diagnosis");
    assert_eq!(world.paid(), BTreeMap::from([("a".to_owned(), 50_000)]));
}

#[test]
fn each_reason_for_which_a_row_does_not_count_is_its_own() {
    let row = || test("a", "north", "1", "2026-05-20");
    let at = |on: &str| test("a", "north", "1", on);
    assert_eq!(refused(test("stranger", "north", "1", "2026-05-20")), "not-enrolled");
    assert_eq!(refused(at("2026-01-31")), "before-enrolment");
    assert_eq!(refused(at("2025-12-31")), "before-term");
    assert_eq!(refused(at("2027-01-01")), "after-term");
    assert_eq!(refused(at("2026-05-11")), "weeks", "week 24 begins on the next day");
    assert_eq!(refused(at("2026-06-16")), "weeks", "week 28 ended the day before");
    assert_eq!(refused(at("2026-09-02")), "after-birth");
    assert_eq!(refused(with(row(), |row| row.day = None)), "no-day");
    assert_eq!(refused(with(row(), |row| row.value = Some("152.9".into()))), "threshold");
    assert_eq!(refused(with(row(), |row| row.value = None)), "number");
    assert_eq!(refused(with(row(), |row| row.unit = Some("%".into()))), "unit");
    assert_eq!(refused(with(row(), |row| row.status = None)), "status");
    let mut world = World::new(&[]);
    world.withdrawn = vec!["a"];
    let done = world.run(&[row()]);
    assert_eq!(done.refused, BTreeMap::from([("withdrawn".to_owned(), 1)]));
    assert!(world.paid().is_empty(), "somebody was judged without consent");
}

#[test]
fn the_edges_of_the_weeks_count() {
    for on in ["2026-05-12", "2026-06-15"] {
        let mut world = World::new(&[]);
        let done = world.run(&[test("a", "north", "1", on)]);
        assert_eq!(outcomes(&done), [Outcome::Paid], "{on} lies in the window");
    }
}

#[test]
fn an_enrolment_without_a_due_date_is_no_reason_to_guess() {
    let mut world = World::new(&[]);
    world.enrolled.get_mut(&person("a")).unwrap()[0].due = None;
    let done = world.run(&[test("a", "north", "1", "2026-05-20")]);
    assert_eq!(done.refused, BTreeMap::from([("no-due-date".to_owned(), 1)]));
}

#[test]
fn a_person_may_be_enrolled_twice_and_either_enrolment_will_do() {
    let mut world = World::new(&[]);
    let own = world.enrolled.get_mut(&person("a")).unwrap();
    own[0].due = Some(day("2026-03-01"));
    own.push(Enrolment {
        contributor: person("a"),
        enrolled: day("2026-04-01"),
        due: Some(day("2026-09-01")),
    });
    let done = world.run(&[test("a", "north", "1", "2026-05-20")]);
    assert_eq!(outcomes(&done), [Outcome::Paid]);
}

#[test]
fn a_record_entered_in_error_is_flagged_and_kept_from_later_payments_alone() {
    let mut world = World::new(&[("500.00", "400.00")]);
    world.run(&[test("a", "north", "1", "2026-05-20")]);
    let flagged = world.run(&[wrong(test("a", "north", "1", "2026-05-20"))]);
    assert_eq!(outcomes(&flagged), [Outcome::Flagged]);
    assert_eq!(flagged.lines[0].owed_minor, -40_000, "what is to be kept stands in the line");
    assert_eq!(flagged.totals.paid_minor, 0, "nobody is asked for money");
    assert!(world.run(&[wrong(test("a", "north", "1", "2026-05-20"))]).lines.is_empty());
    let back = world.run(&[test("a", "north", "1", "2026-05-20")]);
    assert!(back.lines.is_empty(), "a record that was taken back counts again");
    assert_eq!(back.refused, BTreeMap::from([("taken-back".to_owned(), 1)]));
    // The next event of the same person is due, and kept; another person's is paid.
    let next =
        world.run(&[test("a", "north", "2", "2026-06-10"), test("b", "north", "3", "2026-06-10")]);
    assert_eq!(outcomes(&next), [Outcome::Recovered, Outcome::Paid]);
    let kept = &next.lines[0];
    assert_eq!([kept.owed_minor, kept.recovered_minor, kept.paid_minor], [40_000, 40_000, 0]);
    let expected = BTreeMap::from([("a".to_owned(), 40_000), ("b".to_owned(), 40_000)]);
    assert_eq!((world.paid(), world.owed()), (expected.clone(), expected), "the debt is settled");
}

#[test]
fn an_event_stands_as_long_as_one_record_shows_it() {
    let mut world = World::new(&[]);
    world.run(&[test("a", "north", "1", "2026-05-20"), test("a", "south", "2", "2026-05-21")]);
    let one = world.run(&[wrong(test("a", "north", "1", "2026-05-20"))]);
    assert_eq!(outcomes(&one), [Outcome::TakenBack], "the other institution still shows it");
    let both = world.run(&[wrong(test("a", "south", "2", "2026-05-21"))]);
    assert_eq!(outcomes(&both), [Outcome::Flagged]);
    let third = world.run(&[test("a", "west", "3", "2026-05-22")]);
    assert_eq!(outcomes(&third), [Outcome::Recovered], "it is due again, and paid already");
    assert_eq!(world.paid(), BTreeMap::from([("a".to_owned(), 50_000)]));
}

#[test]
fn a_record_that_was_wrong_before_it_was_ever_right_never_pays() {
    let mut world = World::new(&[]);
    let first = world.run(&[wrong(test("a", "north", "1", "2026-05-20"))]);
    assert_eq!(outcomes(&first), [Outcome::TakenBack]);
    assert!(world.run(&[test("a", "north", "1", "2026-05-20")]).lines.is_empty());
    let mut world = World::new(&[]);
    let rows =
        [test("a", "north", "1", "2026-05-20"), wrong(test("a", "north", "1", "2026-05-20"))];
    world.run(&rows);
    assert!(world.paid().is_empty(), "both versions in one file, and the wrong one won");
}

#[test]
fn a_person_gets_no_more_than_the_cap() {
    let mut world =
        World::new(&[("sum      = \"500.00\"", "sum = \"500.00\"\ncap_person = \"700.00\"")]);
    let rows = [test("a", "north", "1", "2026-05-20"), test("a", "north", "2", "2026-06-10")];
    let done = world.run(&rows);
    let mut found = outcomes(&done);
    found.sort_unstable();
    assert_eq!(found, [Outcome::Paid, Outcome::CapPerson]);
    assert!(world.run(&rows).lines.is_empty(), "the same cap is told again and again");
    // What is due no more makes room, and what fills it is kept for what was paid.
    let freed = world.run(&[wrong(test("a", "north", "1", "2026-05-20"))]);
    let mut found = outcomes(&freed);
    found.sort_unstable();
    assert_eq!(found, [Outcome::Recovered, Outcome::Flagged]);
    assert_eq!(world.paid(), BTreeMap::from([("a".to_owned(), 50_000)]));
}

#[test]
fn a_cap_is_filled_where_the_policy_pays_in_part() {
    let change =
        ("sum      = \"500.00\"", "sum = \"500.00\"\ncap_person = \"700.00\"\npartly = true");
    let mut world = World::new(&[change]);
    world.run(&[test("a", "north", "1", "2026-05-20"), test("a", "north", "2", "2026-06-10")]);
    assert_eq!(world.paid(), BTreeMap::from([("a".to_owned(), 70_000)]));
}

#[test]
fn the_policy_pays_no_more_than_its_own_cap() {
    let mut world =
        World::new(&[("sum      = \"500.00\"", "sum = \"500.00\"\ncap_policy = \"900.00\"")]);
    let rows = [test("a", "north", "1", "2026-05-20"), test("b", "north", "2", "2026-05-21")];
    assert_eq!(outcomes(&world.run(&rows)), [Outcome::Paid, Outcome::CapPolicy]);
    assert_eq!(world.paid(), BTreeMap::from([("a".to_owned(), 50_000)]), "the older one is paid");
}

#[test]
fn what_the_pool_cannot_pay_waits_and_is_paid_once_there_is_money_the_oldest_first() {
    let mut world = World::new(&[]);
    world.fund(0);
    let rows = [test("b", "north", "2", "2026-05-25"), test("a", "north", "1", "2026-05-20")];
    assert_eq!(outcomes(&world.run(&rows)), [Outcome::Waiting, Outcome::Waiting]);
    assert!(world.run(&rows).lines.is_empty(), "waiting is told once");
    world.fund(60_000);
    let paid = world.run(&[]);
    assert_eq!(outcomes(&paid), [Outcome::Paid], "no row is needed to pay what waits");
    assert_eq!(paid.lines[0].contributor, person("a"), "the older event goes first");
    world.fund(99_999);
    assert!(world.run(&[]).lines.is_empty(), "never partly unless the policy says so");
    // A younger event does not jump the queue.
    let young = world.run(&[test("c", "north", "3", "2026-06-01")]);
    assert_eq!(outcomes(&young), [Outcome::Waiting]);
    world.fund(150_000);
    assert_eq!(outcomes(&world.run(&[])), [Outcome::Paid, Outcome::Paid]);
}

#[test]
fn what_waits_is_not_paid_once_consent_is_withdrawn_or_the_record_taken_back() {
    let mut world = World::new(&[]);
    world.fund(0);
    world.run(&[test("a", "north", "1", "2026-05-20"), test("b", "north", "2", "2026-05-21")]);
    world.fund(100_000);
    world.withdrawn = vec!["a"];
    let done = world.run(&[wrong(test("b", "north", "2", "2026-05-21"))]);
    assert_eq!(outcomes(&done), [Outcome::TakenBack], "nothing was paid: nothing is flagged");
    assert!(world.paid().is_empty());
}

#[test]
fn a_part_is_paid_where_the_policy_says_so_and_the_rest_waits() {
    let mut world = World::new(&[("sum      = \"500.00\"", "sum = \"500.00\"\npartly = true")]);
    world.fund(20_000);
    let row = test("a", "north", "1", "2026-05-20");
    assert_eq!(world.run(std::slice::from_ref(&row)).totals.paid_minor, 20_000);
    world.run(&[]);
    assert!(world.run(&[]).lines.is_empty());
    world.fund(1_000_000);
    assert_eq!(world.run(&[row]).totals.paid_minor, 30_000, "an event is worth its sum, once");
}

#[test]
fn one_event_paid_under_two_ids_is_flagged_when_they_turn_out_to_be_one_person() {
    let mut world = World::new(&[]);
    world.run(&[test("a", "north", "1", "2026-05-20"), test("b", "south", "2", "2026-05-21")]);
    for line in &mut world.past {
        line.contributor = person("a");
    }
    let done = world.run(&[]);
    assert_eq!(outcomes(&done), [Outcome::Twice]);
    assert_eq!(done.lines[0].owed_minor, -50_000);
    assert!(world.run(&[]).lines.is_empty());
    let next = world.run(&[test("a", "north", "3", "2026-06-10")]);
    assert_eq!(outcomes(&next), [Outcome::Recovered]);
}

#[test]
fn an_appointment_that_was_planned_pays_once_it_is_kept() {
    let mut world = World::new(&[
        (
            "refuse = [\"entered-in-error\", \"cancelled\"]",
            "is = [\"final\"], refuse = [\"entered-in-error\"]",
        ),
        ("event_days = 30", "event_days = 1"),
    ]);
    let planned =
        with(test("a", "north", "1", "2026-05-20"), |row| row.status = Some("planned".into()));
    let done = world.run(std::slice::from_ref(&planned));
    assert_eq!(done.refused, BTreeMap::from([("status".to_owned(), 1)]));
    assert!(done.lines.is_empty(), "a plan takes nothing back");
    let rows =
        [test("a", "north", "1", "2026-05-20"), test("a", "north", "2", "2026-05-21"), planned];
    assert_eq!(
        outcomes(&world.run(&rows)),
        [Outcome::Paid, Outcome::Paid],
        "each day is one event"
    );
}
