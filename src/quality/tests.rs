//! Each kind passes what it should, fails what it should, and has nothing to say of no rows; laws
//! of rejecting, of order and of parts; no value in a word.

mod kinds;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use proptest::prelude::*;

use self::kinds::KINDS;
use super::{Assessment, Baseline, Error, Need, Outcome, Portion, RuleSet, Rules, Tables, assess};
use crate::{
    instant::Date,
    schema::{ConformedBatch, TableSchema, conform},
    source::{Format, Options, read_all},
};

const PATIENTS: &str = r#"
table = "patients"
[[column]]
name = "id"
type = "string"
role = "person"
[[column]]
name = "born"
type = "date"
role = "quasi"
[[column]]
name = "year"
type = "int"
role = "quasi"
[[column]]
name = "died"
type = "date"
role = "sensitive"
[[column]]
name = "sex"
type = "string"
role = "quasi"
"#;

const VISITS: &str = r#"
table = "visits"
[[column]]
name = "visit"
type = "string"
role = "direct"
[[column]]
name = "who"
type = "string"
role = "person"
[[column]]
name = "from"
type = "timestamp"
role = "measure"
[[column]]
name = "until"
type = "timestamp"
role = "measure"
[[column]]
name = "day"
type = "date"
role = "measure"
[[column]]
name = "code"
type = "string"
role = "measure"
[[column]]
name = "value"
type = "float"
role = "measure"
[[column]]
name = "unit"
type = "string"
role = "measure"
[[column]]
name = "count"
type = "int"
role = "measure"
[[column]]
name = "after"
type = "string"
role = "direct"
"#;

const PATIENT: &str = "id,born,year,died,sex";
const VISIT: &str = "visit,who,from,until,day,code,value,unit,count,after";

fn schemas() -> Vec<Arc<TableSchema>> {
    [PATIENTS, VISITS]
        .map(|text| Arc::new(TableSchema::read(Path::new("s.toml"), text).unwrap()))
        .into()
}

fn conformed(schema: &Arc<TableSchema>, csv: &str, rows: usize) -> Vec<ConformedBatch> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(format!("{}.csv", schema.table));
    std::fs::write(&file, csv).unwrap();
    let mut batches = Vec::new();
    let options = Options { batch_rows: rows, ..Options::default() };
    read_all(&file, Format::Csv, &options, &mut |raw| {
        let (batch, rejects) = conform(schema, &raw).unwrap();
        assert!(rejects.is_empty(), "the test's own rows must conform: {rejects:?}");
        batches.push(batch);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    batches
}

fn rules(text: &str) -> Rules {
    let mut rules = Rules::default();
    rules.add(Path::new("q.toml"), text).unwrap_or_else(|faults| panic!("{faults:?}"));
    let faults = rules.check(&schemas());
    assert!(faults.is_empty(), "{faults:?}");
    rules
}

fn today() -> Date {
    Date::from_ymd_opt(2026, 11, 22).unwrap()
}

/// How rows are cut and in which order their parts are handed over.
#[derive(Clone, Copy)]
struct Cut {
    batch_rows: usize,
    parts: usize,
    backwards: bool,
}

const WHOLE: Cut = Cut { batch_rows: 1_000, parts: 1, backwards: false };

fn run(
    rules: &Rules,
    patients: &[&str],
    visits: &[&str],
    before: Option<&Baseline>,
    cut: Cut,
) -> Result<Assessment, Error> {
    let schemas = schemas();
    let needs = Need::of(rules, &schemas);
    let mut portions = Vec::new();
    for (at, (head, lines)) in [(PATIENT, patients), (VISIT, visits)].into_iter().enumerate() {
        let mut text = head.to_owned();
        for line in lines {
            text.push('\n');
            text.push_str(line);
        }
        text.push('\n');
        let batches = conformed(&schemas[at], &text, cut.batch_rows);
        let each = batches.len().div_ceil(cut.parts).max(1);
        for batches in batches.chunks(each) {
            let mut portion = Portion::new(&needs[at]);
            for batch in batches {
                portion.add(at as u64, batch).unwrap();
            }
            portions.push(portion);
        }
    }
    if cut.backwards {
        portions.reverse();
    }
    let tables = Tables::new(&needs, portions).unwrap();
    let before = before.and_then(|before| before.institutions.get("north"));
    assess(rules, &schemas, "north", &tables, before, today())
}

/// Runs one rule; returns the lines that fail (the first row stands on line 2) and the outcome.
fn lines(rule: &str, patients: &[&str], visits: &[&str]) -> (u64, Vec<u64>, Outcome) {
    let text = format!("[[rule]]\nname = \"r\"\nreject = true\n{rule}");
    let out = run(&rules(&text), patients, visits, None, WHOLE).unwrap();
    let found = &out.findings[0];
    let broken: Vec<u64> =
        out.broken.values().flat_map(|rows| rows.keys().map(|(_, line)| *line)).collect();
    assert_eq!(found.failing, broken.len() as u64, "rejected rows are those that fail: {found:?}");
    let first = found.first.iter().map(|place| place.line);
    assert!(first.eq(broken.iter().copied().take(5)), "a finding points elsewhere: {found:?}");
    (found.rows, broken, found.outcome)
}

const PEOPLE: [&str; 3] = ["ann,1950-03-01,1950,,F", "bob,1960-07-07,1960,2020-05-05,M", "cay,,,,"];

#[test]
fn each_kind_fails_what_it_should_and_passes_the_rest() {
    for (rule, visits, wanted) in KINDS {
        let (_, failing, outcome) = lines(rule, &PEOPLE, visits);
        assert_eq!(failing, *wanted, "{rule}");
        assert_eq!(outcome, Outcome::Warned, "{rule}");
        let good: Vec<&str> = visits
            .iter()
            .enumerate()
            .filter(|(at, _)| !wanted.contains(&(*at as u64 + 2)))
            .map(|(_, line)| *line)
            .collect();
        let (_, failing, outcome) = lines(rule, &PEOPLE, &good);
        assert!(failing.is_empty(), "what is left fails still: {rule}");
        assert_eq!(outcome, Outcome::Passed, "{rule}");
    }
}

#[test]
fn each_kind_has_nothing_to_say_of_no_rows() {
    for (rule, _, _) in KINDS {
        assert_eq!(lines(rule, &[], &[]), (0, vec![], Outcome::Passed), "{rule}");
    }
}

const AGGREGATES: &str = r#"
[[rule]]
name = "missing"
table = "visits"
kind = "missing-share"
column = "code"
warn_if = 0.2
[[rule]]
name = "codes"
table = "visits"
kind = "drift"
column = "code"
rows_min = 10
warn_if = 0.25
[[rule]]
name = "values"
table = "visits"
kind = "drift"
column = "value"
rows_min = 10
warn_if = 0.25
[[rule]]
name = "mean"
table = "visits"
kind = "mean-shift"
column = "value"
rows_min = 10
warn_if = 1
[[rule]]
name = "rows"
table = "visits"
kind = "row-count"
rows_min = 10
warn_if = 0.5
error_if = 0.9
"#;

fn visits(count: usize, code: impl Fn(usize) -> &'static str, shift: usize) -> Vec<String> {
    (0..count).map(|n| format!("v{n},ann,,,,{},{},,,", code(n), n % 10 + shift)).collect()
}

fn outcomes(before: Option<&Baseline>, now: &[String]) -> (Vec<Outcome>, Assessment) {
    let now: Vec<&str> = now.iter().map(String::as_str).collect();
    let out = run(&rules(AGGREGATES), &PEOPLE, &now, before, WHOLE).unwrap();
    (out.findings.iter().map(|finding| finding.outcome).collect(), out)
}

#[test]
fn tables_as_a_whole_are_held_against_the_version_before() {
    let (first, out) = outcomes(None, &visits(100, |n| if n % 2 == 0 { "A" } else { "B" }, 0));
    assert_eq!(first, [Outcome::Unjudged; 5], "there was nothing to hold them against");
    assert_eq!(out.validity.checked, 0, "an unjudged rule would weigh");
    let base = Baseline { institutions: [("north".to_owned(), out.base)].into() };

    // Kept as JSON, as the vault does.
    let base: Baseline = serde_json::from_slice(&serde_json::to_vec(&base).unwrap()).unwrap();
    let same = outcomes(Some(&base), &visits(110, |n| if n % 2 == 0 { "A" } else { "B" }, 0)).0;
    assert_eq!(same, [Outcome::Passed; 5], "a tenth more of the same is no drift");
    let other = outcomes(Some(&base), &visits(100, |n| if n % 2 == 0 { "" } else { "C" }, 60)).0;
    let wanted =
        [Outcome::Warned, Outcome::Warned, Outcome::Warned, Outcome::Warned, Outcome::Passed];
    assert_eq!(other, wanted);
    let gone = outcomes(Some(&base), &[]).0;
    assert_eq!(gone[4], Outcome::Stopped, "an institution that sent nothing would go unseen");
    let few = outcomes(Some(&base), &visits(9, |_| "C", 60)).0;
    assert_eq!(few[1..4], [Outcome::Unjudged; 3], "nine rows say nothing of a spread");
}

#[test]
fn a_stated_baseline_needs_no_version_before() {
    let text = "[[rule]]\nname = \"m\"\ntable = \"visits\"\nkind = \"missing-share\"\n\
                column = \"code\"\nbaseline = 0.1\nwarn_if = 0.2\n";
    let out =
        run(&rules(text), &PEOPLE, &["v1,ann,,,,,,,,", "v2,ann,,,,A,,,,"], None, WHOLE).unwrap();
    let measure = out.findings[0].measure.unwrap();
    assert_eq!((measure.now_ppm, measure.off_ppm), (Some(500_000), 400_000));
    assert_eq!(out.findings[0].outcome, Outcome::Warned);
}

#[test]
fn thresholds_decide_whether_a_finding_is_told_or_stops_the_run() {
    let rule = |more: &str| {
        rules(&format!(
            "[[rule]]\nname = \"r\"\ntable = \"visits\"\nkind = \"required\"\ncolumns = [\"code\"]\n{more}"
        ))
    };
    let visits = ["v1,ann,,,,,,,,", "v2,ann,,,,A,,,,", "v3,ann,,,,A,,,,", "v4,ann,,,,A,,,,"];
    for (more, wanted) in [
        ("", Outcome::Warned),
        ("warn_if = 0.26", Outcome::Passed),
        ("error_if = 0.25", Outcome::Stopped),
        ("error_if = \"1 rows\"", Outcome::Stopped),
        ("error_if = \"2 rows\"", Outcome::Warned),
        ("severity = \"fatal\"", Outcome::Stopped),
        ("severity = \"fatal\"\nerror_if = 0.5", Outcome::Warned),
    ] {
        let out = run(&rule(more), &PEOPLE, &visits, None, WHOLE).unwrap();
        assert_eq!(out.findings[0].outcome, wanted, "{more}");
        assert_eq!(out.stopping.is_empty(), wanted != Outcome::Stopped, "{more}");
    }
}

#[test]
fn a_row_that_leads_nowhere_once_others_are_gone_goes_with_them() {
    let text = "[[rule]]\nname = \"late\"\ntable = \"visits\"\nkind = \"not-future\"\n\
                column = \"from\"\nreject = true\n\
                [[rule]]\nname = \"chain\"\ntable = \"visits\"\nkind = \"foreign-key\"\n\
                column = \"after\"\nto = \"visits.visit\"\nreject = true\n";
    let visits = [
        "v1,ann,2030-01-01T00:00:00Z,,,,,,,",
        "v2,ann,,,,,,,,v1",
        "v3,ann,,,,,,,,v2",
        "v4,ann,,,,,,,,",
    ];
    let out = run(&rules(text), &PEOPLE, &visits, None, WHOLE).unwrap();
    let broken: Vec<(u64, &str)> =
        out.broken["visits"].iter().map(|((_, line), row)| (*line, &*row.rule)).collect();
    assert_eq!(broken, [(2, "late"), (3, "chain"), (4, "chain")]);
    assert_eq!(out.findings[1].failing, 0, "a finding tells of the rows as they came");
}

#[test]
fn rules_that_reject_and_information_do_not_weigh() {
    let text = "[[rule]]\nname = \"a\"\ntable = \"visits\"\nkind = \"required\"\ncolumns = [\"code\"]\n\
                [[rule]]\nname = \"b\"\ntable = \"visits\"\nkind = \"required\"\ncolumns = [\"unit\"]\n\
                severity = \"info\"\n\
                [[rule]]\nname = \"c\"\ntable = \"visits\"\nkind = \"required\"\ncolumns = [\"visit\"]\n\
                reject = true\n";
    let out =
        run(&rules(text), &PEOPLE, &["v1,ann,,,,,,,,", ",ann,,,,A,,,,"], None, WHOLE).unwrap();
    assert_eq!((out.validity.checked, out.validity.held), (2, 1));
}

#[test]
fn no_word_of_a_finding_holds_a_value() {
    for (rule, visits, _) in KINDS {
        let text = format!("[[rule]]\nname = \"r\"\nreject = true\nerror_if = 0\n{rule}");
        let marked: Vec<String> = visits
            .iter()
            .map(|line| line.replace("ann", "CANARY").replace(",A,", ",CANARY,"))
            .collect();
        let marked: Vec<&str> = marked.iter().map(String::as_str).collect();
        let out = run(&rules(&text), &PEOPLE, &marked, None, WHOLE).unwrap();
        let mut told = serde_json::to_string(&out.findings).unwrap();
        for row in out.broken.values().chain(out.stopping.values()).flat_map(|rows| rows.values()) {
            told.push_str(&row.reason);
        }
        assert!(!told.contains("CANARY"), "{told}");
    }
}

#[test]
fn a_rule_of_a_table_that_is_not_read_is_left_alone() {
    let text = "[[rule]]\nname = \"r\"\ntable = \"labs\"\nkind = \"required\"\ncolumns = [\"x\"]\n\
                [[rule]]\nname = \"s\"\ntable = \"visits\"\nkind = \"foreign-key\"\ncolumn = \"after\"\n\
                to = \"labs.id\"\n";
    let out = run(&rules(text), &PEOPLE, &["v1,ann,,,,,,,,"], None, WHOLE).unwrap();
    assert!(out.findings.is_empty());
}

#[test]
fn a_rule_that_does_not_fit_its_table_is_a_fault_at_its_place() {
    let check = |rule: &str| {
        let mut rules = Rules::default();
        let text = format!("[[rule]]\nname = \"r\"\ntable = \"visits\"\n{rule}");
        rules.add(Path::new("q.toml"), &text).unwrap();
        let faults = rules.check(&schemas());
        faults.iter().map(|f| (f.to_string(), f.hint_text().map(str::to_owned))).collect::<Vec<_>>()
    };
    let faults = check("kind = \"required\"\ncolumns = [\"cod\"]\n");
    assert_eq!(faults[0].0, "q.toml:5:12: `visits` declares no column `cod`");
    assert_eq!(faults[0].1.as_deref(), Some("did you mean `code`?"));
    let faults = check("kind = \"not-future\"\ncolumn = \"code\"\n");
    assert_eq!(faults[0].0, "q.toml:5:10: `code` is of type `string`");
    assert_eq!(faults[0].1.as_deref(), Some("the rule takes `date`, `timestamp`"));
    let faults = check("kind = \"foreign-key\"\ncolumn = \"count\"\nto = \"patients.id\"\n");
    assert_eq!(faults.len(), 1, "a number was held against a text: {faults:?}");
}

/// Rows of visits drawn from few values, so that rules fail often.
fn any_visits() -> impl Strategy<Value = Vec<String>> {
    let cell = |values: &'static [&'static str]| prop::sample::select(values);
    let visit = (
        cell(&["", "v1", "v2", "v3", "v4"]),
        cell(&["ann", "bob", "cay", "dan"]),
        cell(&["", "1959-01-01T10:00:00Z", "2020-05-06T10:00:00Z", "2027-01-01T00:00:00Z"]),
        cell(&["", "1959-01-01T09:00:00Z", "2020-05-08T10:00:00Z"]),
        cell(&["", "A", "A1", "O80", "W"]),
        cell(&["", "1", "301"]),
        cell(&["", "kg", "lb"]),
        cell(&["", "v1", "v2", "v3"]),
    );
    let line = visit.prop_map(|(visit, who, from, until, code, value, unit, after)| {
        format!("{visit},{who},{from},{until},,{code},{value},{unit},,{after}")
    });
    prop::collection::vec(line, 0..24)
}

fn all_rules(reject: bool) -> Rules {
    let text: Vec<String> = KINDS
        .iter()
        .enumerate()
        .map(|(at, (rule, _, _))| {
            format!("[[rule]]\nname = \"r{at}\"\nreject = {reject}\n{rule}\n")
        })
        .collect();
    rules(&text.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_and_parts_change_nothing(
        visits in any_visits(),
        batch_rows in 1_usize..9,
        parts in 1_usize..5,
        backwards: bool,
    ) {
        let visits: Vec<&str> = visits.iter().map(String::as_str).collect();
        let rules = all_rules(true);
        let whole = run(&rules, &PEOPLE, &visits, None, WHOLE).unwrap();
        let cut = Cut { batch_rows, parts, backwards };
        let other = run(&rules, &PEOPLE, &visits, None, cut).unwrap();
        prop_assert_eq!(&whole.findings, &other.findings);
        prop_assert_eq!(&whole.broken, &other.broken);
        prop_assert_eq!(whole.filled, other.filled);
    }

    #[test]
    fn failing_rows_are_of_the_table_and_none_is_left_after_rejecting(visits in any_visits()) {
        let lines: Vec<&str> = visits.iter().map(String::as_str).collect();
        let rules = all_rules(true);
        let out = run(&rules, &PEOPLE, &lines, None, WHOLE).unwrap();
        let last = lines.len() as u64 + 1;
        for finding in &out.findings {
            prop_assert!(finding.failing <= finding.rows && finding.rows <= lines.len() as u64);
        }
        let gone: BTreeSet<u64> =
            out.broken.values().flat_map(|rows| rows.keys().map(|(_, line)| *line)).collect();
        prop_assert!(gone.iter().all(|line| (2..=last).contains(line)));
        let left: Vec<&str> = lines
            .iter()
            .enumerate()
            .filter(|(at, _)| !gone.contains(&(*at as u64 + 2)))
            .map(|(_, line)| *line)
            .collect();
        let again = run(&rules, &PEOPLE, &left, None, WHOLE).unwrap();
        prop_assert!(again.broken.values().all(std::collections::BTreeMap::is_empty), "a failing row is left");
        for finding in &again.findings {
            prop_assert_eq!(finding.failing, 0, "rule {} fails of what is left", &finding.rule);
        }
    }
}

#[test]
fn rule_files_show_every_kind() {
    let words: BTreeSet<&str> = KINDS
        .iter()
        .filter_map(|(rule, _, _)| rule.split("kind = \"").nth(1)?.split('"').next())
        .collect();
    let set = RuleSet::read(Path::new("q.toml"), AGGREGATES).unwrap();
    let aggregates: BTreeSet<&str> = set.rules.iter().map(super::Rule::kind).collect();
    assert_eq!(words.len() + aggregates.len(), 23, "a kind is without a test: {words:?}");
}
