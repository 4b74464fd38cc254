//! Covers from outside: FHIR files of two institutions, a register, a book.

use std::{fmt::Write as _, path::PathBuf};

use serde_json::json;

use super::*;
use crate::{
    consent::{Action, Event, Terms},
    cover::{Outcome, enrolments},
    instant::{Date, Instant},
    ledger::policy::Believed,
    money::Amount,
    party::{ContributorId, SponsorId},
    pipeline::{Silent, book, consent, fund::tests as pools, ingest, proof},
};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// A site, a pipeline over two institutions, and the policy of the repository's example.
struct Clinic {
    folder: tempfile::TempDir,
    site: Site,
}

fn policy_file() -> PathBuf {
    PathBuf::from(REPOSITORY).join("pipelines/cover-gestational-diabetes.toml")
}

fn gd() -> PoolId {
    PoolId::parse("gestational-diabetes-2026").unwrap()
}

fn person(id: &str) -> ContributorId {
    ContributorId::parse(id).unwrap()
}

impl Clinic {
    /// Four people at two institutions, who consented to research and to payment, enrolled in a policy
    /// that is open and holds `funds`.
    fn new(funds: &str) -> Self {
        let clinic = Self::bare();
        for id in ["ann", "bea", "cleo", "dora"] {
            clinic.consent(id, "DUO:0000006|HL7:HPAYMT", "2026-01-05");
        }
        open(&clinic.site, read(&policy_file()).unwrap()).unwrap();
        clinic.fund(funds, "wire-1");
        let rows =
            "ann,2026-02-01,2026-09-01\nbea,2026-02-01,2026-09-01\ncleo,2026-02-01,2026-09-01\n";
        let done = enrol(&clinic.site, &gd(), &clinic.file("people.csv", rows), 0).unwrap();
        assert_eq!(done.enrolled, 3);
        clinic
    }

    fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = pools::site(&folder, "2026-07-01");
        let clinic = Self { folder, site };
        let mut text =
            "name = \"clinic\"\ndataset = \"clinic\"\npurpose = [\"DUO:0000006\"]\n".to_owned();
        writeln!(text, "cover = [{:?}]", policy_file()).unwrap();
        for institution in ["north", "south"] {
            for (table, view, file) in [
                ("observations", "observation", "Observation"),
                ("conditions", "condition", "Condition"),
            ] {
                write!(
                    text,
                    "[[source]]\ninstitution = \"{institution}\"\ntable = \"{table}\"\n\
                     schema = \"{REPOSITORY}/schemas/fhir/{table}.toml\"\n\
                     view = \"{REPOSITORY}/schemas/fhir/{view}.json\"\n\
                     format = \"fhir-ndjson\"\npath = \"{institution}/{file}.ndjson\"\n"
                )
                .unwrap();
                clinic.write(&format!("in/{institution}/{file}.ndjson"), &others(file));
            }
        }
        text.push_str("[deid]\nprofile = \"expert\"\nk = 2\nsuppress_limit = 1.0\n");
        clinic.write("clinic.toml", &text);
        clinic
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a file of people.
    fn file(&self, name: &str, rows: &str) -> PathBuf {
        self.write(name, &format!("contributor,enrolled,due\n{rows}"))
    }

    /// Lets an institution send observations: id, person, day, LOINC code, value, unit, status.
    fn send(&self, institution: &str, rows: &[[&str; 7]]) {
        let mut text = others("Observation");
        for [id, who, day, code, value, unit, status] in rows {
            let resource = json!({
                "resourceType": "Observation",
                "id": id,
                "status": status,
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "subject": {"reference": format!("Patient/{who}")},
                "effectiveDateTime": format!("{day}T08:30:00Z"),
                "valueQuantity": {"value": value.parse::<f64>().unwrap(), "unit": unit},
            });
            writeln!(text, "{resource}").unwrap();
        }
        self.write(&format!("in/{institution}/Observation.ndjson"), &text);
    }

    fn consent(&self, id: &str, purposes: &str, from: &str) {
        let terms = std::sync::Arc::new(Terms::parse(purposes, "*", "*").unwrap());
        let decided = Instant::parse(from).unwrap();
        let event = Event::new(person(id), Action::Grant, terms, None, None, decided).unwrap();
        consent::decide(&self.site, vec![event]).unwrap();
    }

    fn fund(&self, amount: &str, reference: &str) {
        let currency = read(&policy_file()).unwrap().currency;
        let funded = Funded {
            pool: gd(),
            amount: Amount::parse(amount, currency).unwrap(),
            sponsor: SponsorId::parse("vitana").unwrap(),
            reference: reference.to_owned(),
        };
        fund(&self.site, funded).unwrap();
    }

    fn spec(&self) -> Spec {
        Spec::read(&self.folder.path().join("clinic.toml")).unwrap()
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    fn run(&self) -> Paid {
        run(&self.site, &self.spec(), &self.input(), &[], &Silent).unwrap().remove(0)
    }

    fn ingest(&self) -> Paid {
        let done = ingest::ingest(&self.site, &self.spec(), &self.input(), false, &Silent);
        done.unwrap().covers.remove(0)
    }

    fn outcomes(&self, id: &str) -> Vec<Outcome> {
        let told = explain(&self.site, &gd(), id).unwrap();
        told.lines.into_iter().map(|line| line.outcome).collect()
    }
}

/// What every file holds beside: a height or a fracture of everybody.
fn others(resource: &str) -> String {
    let mut text = String::new();
    for who in ["ann", "bea", "cleo", "dora"] {
        let (system, code) = match resource {
            "Observation" => ("http://loinc.org", "8302-2"),
            _ => ("http://snomed.info/sct", "65966004"),
        };
        let value = json!({
            "resourceType": resource,
            "id": format!("other-{who}"),
            "status": "final",
            "code": {"coding": [{"system": system, "code": code}]},
            "subject": {"reference": format!("Patient/{who}")},
            "effectiveDateTime": "2026-05-20T08:30:00Z",
            "onsetDateTime": "2026-05-20T08:30:00Z",
        });
        writeln!(text, "{value}").unwrap();
    }
    text
}

const HIGH: [&str; 7] = ["o1", "ann", "2026-05-20", "1518-0", "153", "mg/dL", "final"];

fn row(change: &[(usize, &'static str)]) -> [&'static str; 7] {
    let mut row = HIGH;
    for (at, value) in change {
        row[*at] = value;
    }
    row
}

#[test]
fn an_event_is_paid_once_and_proved_and_the_book_names_nobody() {
    let clinic = Clinic::new("5000.00");
    let amount = row(&[(0, "o2"), (3, "14771-0"), (4, "5.1"), (5, "mmol/L")]);
    clinic.send("north", &[HIGH, row(&[(0, "o3"), (1, "bea"), (4, "152.9")]), amount]);
    clinic.send("south", &[row(&[(0, "s1"), (2, "2026-05-21")])]);
    let paid = clinic.run();
    assert_eq!((paid.events, paid.amount.decimal().as_str()), (1, "500.00"));
    assert_eq!((paid.refused["known"], paid.refused["threshold"]), (2, 1));
    assert_eq!(paid.considered, 4);
    let size = clinic.site.book_size().unwrap();
    let again = clinic.run();
    assert_eq!((again.commit, again.events), (None, 0), "one event was paid twice");
    assert_eq!(clinic.site.book_size().unwrap(), size, "nothing new stands in the book");
    let proofs = prove(&clinic.site, &gd(), &[person("ann")]).unwrap();
    assert_eq!(proofs.len(), 3, "a line each for the payment and for the rows that are known");
    let body = proofs[0].entry.body();
    assert_eq!(body.get("count"), Some(&json!("<10")), "few people are counted in the open");
    assert_eq!(body.get("total"), None, "a total of one is one person's money");
    let text: String = proofs.iter().map(|proof| proof.text().unwrap()).collect();
    let keys = vec![clinic.site.log_verifier().clone()];
    let shown = proof::verify(&text, &Believed::new(keys, None)).unwrap();
    let paid = |shown: &proof::Shown| shown.line.as_ref().unwrap()["outcome"] == "paid";
    assert_eq!(shown.iter().filter(|shown| paid(shown)).count(), 1);
    assert!(prove(&clinic.site, &gd(), &[person("bea")]).unwrap().is_empty());
    let standing = standings(&clinic.site, None).unwrap().remove(0);
    assert_eq!((standing.events, standing.enrolled), (json!("<10"), json!("<10")));
    assert_eq!(standing.paid.decimal(), "500.00");
    let book = serde_json::to_string(&book::show(&clinic.site, 0).unwrap()).unwrap();
    for secret in ["\"ann\"", "\"o1\"", "north", "1518-0", "50000"] {
        let told = book.matches(secret).count();
        let open = if secret == "50000" { 2 } else { 0 };
        assert_eq!(told, open, "{secret}: the sum and the funds alone are of the public");
    }
}

#[test]
fn consent_to_research_is_none_to_payment_and_it_must_stand_on_the_day_of_the_event() {
    let clinic = Clinic::new("5000.00");
    clinic.send("north", &[row(&[(1, "eve")]), row(&[(0, "o2"), (1, "fay")])]);
    clinic.consent("eve", "DUO:0000004", "2026-01-05");
    clinic.consent("fay", "HL7:HPAYMT", "2026-06-20");
    let rows = "eve,2026-02-01,2026-09-01\nfay,2026-02-01,2026-09-01\n";
    enrol(&clinic.site, &gd(), &clinic.file("more.csv", rows), 0).unwrap();
    let paid = clinic.run();
    let reasons = [("purpose-not-consented", 1), ("not-yet-valid", 1)];
    let expected = reasons.map(|(reason, count)| (reason.to_owned(), count));
    assert_eq!(paid.refused, std::collections::BTreeMap::from(expected));
    assert_eq!(paid.events, 0);
}

#[test]
fn ingest_pays_in_the_same_run_and_the_same_ingest_again_changes_nothing() {
    let clinic = Clinic::new("5000.00");
    let all = ["ann", "bea", "cleo", "dora"];
    let rows: Vec<_> =
        all.iter().zip(["1", "2", "3", "4"]).map(|(who, id)| row(&[(0, id), (1, who)])).collect();
    clinic.send("north", &rows);
    let paid = clinic.ingest();
    assert_eq!((paid.events, paid.amount.decimal().as_str()), (3, "1500.00"));
    assert_eq!(paid.refused["not-enrolled"], 1, "dora is not enrolled");
    let commit = paid.commit.unwrap();
    let again = clinic.ingest();
    assert_eq!((again.events, again.commit), (0, None), "the same ingest paid again");
    // Killed between the version's commit and the evaluation: the next ingest makes it good.
    let path = format!("{COMMITS}/{commit:012}.json");
    clinic.site.vault().delete(&path).unwrap();
    let mended = clinic.ingest();
    assert_eq!((mended.events, mended.commit), (3, Some(commit)), "a payment was lost");
    // A corrected file: what was wrong is flagged, and nobody is asked for money.
    let mut rows = rows;
    rows[0][6] = "entered-in-error";
    clinic.send("north", &rows);
    let flagged = clinic.ingest();
    assert_eq!((flagged.flagged, flagged.amount.minor()), (1, 0));
    assert_eq!(clinic.outcomes("ann"), [Outcome::Paid, Outcome::Flagged]);
    let told = explain(&clinic.site, &gd(), "ann").unwrap();
    assert_eq!(
        (told.paid.decimal(), told.to_recover.decimal()),
        ("500.00".into(), "500.00".into())
    );
}

#[test]
fn an_empty_pool_lets_events_wait_and_money_pays_them_without_a_new_file() {
    let clinic = Clinic::new("400.00");
    clinic.send("north", &[HIGH]);
    let waiting = clinic.run();
    assert_eq!((waiting.events, waiting.waiting), (0, 1));
    clinic.fund("100.00", "wire-2");
    clinic.send("north", &[]);
    let paid = clinic.run();
    assert_eq!((paid.events, paid.considered), (1, 0), "what waits needs no row to be paid");
    assert_eq!(clinic.outcomes("ann"), [Outcome::Waiting, Outcome::Paid]);
}

#[test]
fn a_diagnosis_shows_the_event_too() {
    let clinic = Clinic::new("5000.00");
    let condition = json!({
        "resourceType": "Condition",
        "id": "c1",
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "O24.4"}]},
        "subject": {"reference": "Patient/ann"},
        "onsetDateTime": "2026-06-01",
    });
    clinic.write("in/south/Condition.ndjson", &format!("{}{condition}\n", others("Condition")));
    assert_eq!(clinic.run().events, 1);
    clinic.send("north", &[HIGH]);
    assert_eq!(clinic.run().events, 0, "the test and the diagnosis are one event");
}

#[test]
fn a_policy_and_a_pool_never_share_a_name_and_neither_changes_its_terms() {
    let clinic = Clinic::bare();
    let policy = read(&policy_file()).unwrap();
    let spec = clinic.spec();
    let input = clinic.input();
    let closed = run(&clinic.site, &spec, &input, &[], &Silent);
    assert!(matches!(closed, Err(Error::Unknown(_))), "a policy that nobody opened was evaluated");
    let first = open(&clinic.site, policy.clone()).unwrap();
    let again = open(&clinic.site, policy.clone()).unwrap();
    assert!(first.new && !again.new, "one policy stands in the book twice");
    let mut other = policy.clone();
    other.event_days = Some(10);
    assert!(matches!(open(&clinic.site, other), Err(Error::OtherTerms(_))));
    let mut pool = pools::terms();
    pool.pool = gd();
    assert!(matches!(fund::open(&clinic.site, pool), Err(fund::Error::IsPolicy(_))));
    let pool = pools::terms();
    let name = pool.pool.clone();
    fund::open(&clinic.site, pool).unwrap();
    let twin = Policy { policy: name, ..policy };
    assert!(matches!(open(&clinic.site, twin), Err(Error::IsPool(_))));
}

#[test]
fn money_comes_in_once_for_each_reference_and_above_zero() {
    let clinic = Clinic::new("5000.00");
    clinic.fund("5000.00", "wire-1");
    let standing = standings(&clinic.site, Some(&gd())).unwrap().remove(0);
    assert_eq!(standing.funded.decimal(), "5000.00", "one payment was counted twice");
    let currency = read(&policy_file()).unwrap().currency;
    let funded = |amount: i128, reference: &str| Funded {
        pool: gd(),
        amount: Amount::new(amount, currency),
        sponsor: SponsorId::parse("vitana").unwrap(),
        reference: reference.to_owned(),
    };
    assert!(matches!(fund(&clinic.site, funded(0, "wire-2")), Err(Error::Amount(_))));
    let other = fund(&clinic.site, funded(1, "wire-1"));
    assert!(matches!(other, Err(Error::OtherPayment { commit: 2, .. })));
}

#[test]
fn people_are_enrolled_once_and_each_bad_row_is_told_by_line_and_reason() {
    let clinic = Clinic::new("5000.00");
    let same = "ann,2026-02-01,2026-09-01\n";
    let again = enrol(&clinic.site, &gd(), &clinic.file("same.csv", same), 0).unwrap();
    assert_eq!((again.known, again.commit), (1, None), "an enrolment told twice stands twice");
    let bad = "x,2026-02-01,\ny,2025-12-31,2026-08-01\nz,2026-07-02,2027-03-01\n\
               u,2026-02-01,2026-02-30\nv,2026-06-01,2026-09-01\nw,2026-02-01,2028-01-01\n\
               t,2026-02-01\ns,2026-02-01,2026-09-01\ns,2026-02-01,2026-09-01\n";
    let path = clinic.file("bad.csv", bad);
    let refused = enrol(&clinic.site, &gd(), &path, 800_000);
    let Err(Error::Rejects { rejects, rows: 9, .. }) = refused else { panic!("{refused:?}") };
    let lines: Vec<(u64, String)> =
        rejects.into_iter().map(|(line, fault)| (line, fault.to_string())).collect();
    let words = [
        "`due` is empty",
        "outside",
        "after the run's day",
        "no day",
        "last week",
        "fits no",
        "cells",
        "line 9",
    ];
    assert_eq!(lines.len(), words.len(), "{lines:?}");
    for ((line, text), (at, word)) in lines.iter().zip((2..).zip(words)) {
        let line_of = if word == "line 9" { 10 } else { at };
        assert!(*line == line_of && text.contains(word), "line {line}: {text}");
    }
    let policy = read(&policy_file()).unwrap();
    let today: Date = "2026-07-01".parse().unwrap();
    let header = enrolments(&policy, "who,enrolled\n".as_bytes(), today, |id| Some(id.clone()));
    assert!(header.is_err(), "a file without the columns was read");
}

#[test]
fn an_act_on_a_day_before_the_newest_is_refused() {
    let clinic = Clinic::new("5000.00");
    let mut early = clinic;
    early.site.set_now(Instant::parse("2026-06-01").unwrap());
    let late = run(&early.site, &early.spec(), &early.input(), &[], &Silent);
    assert!(matches!(late, Err(Error::Clock { .. })), "the past was evaluated anew");
}

#[test]
fn two_runs_at_once_are_one_conflict_and_one_payment() {
    let clinic = Clinic::new("5000.00");
    clinic.send("north", &[HIGH]);
    let covers = Covers::load(&clinic.site.vault()).unwrap();
    assert_eq!(clinic.run().events, 1);
    let vault = clinic.site.vault();
    let taken = Sequence::new(&vault, COMMITS).commit(covers.commit() + 1, &bytes::Bytes::new());
    assert_eq!(taken.unwrap(), crate::store::Committed::Conflict, "the second would pay again");
}

#[test]
fn the_example_policies_fit_the_fhir_pipeline_and_others_are_told_what_is_missing() {
    let root = PathBuf::from(REPOSITORY).join("pipelines");
    let fhir = Spec::read(&root.join("synthea-fhir.toml")).unwrap();
    let demo = Spec::read(&root.join("demo.toml")).unwrap();
    let accident = read(&root.join("cover-accident.toml")).unwrap();
    assert!(misfits(&accident, &demo.schemas).is_empty(), "the demo could not show a payment");
    for name in ["cover-gestational-diabetes.toml", "cover-appointment.toml"] {
        let policy = read(&root.join(name)).unwrap();
        assert!(
            misfits(&policy, &fhir.schemas).is_empty(),
            "{:?}",
            misfits(&policy, &fhir.schemas)
        );
        assert!(!misfits(&policy, &demo.schemas).is_empty(), "{name} cannot be read from the demo");
    }
}
