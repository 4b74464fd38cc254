//! Where a kernel that makes values untrue or coarse is let through, and where it is refused.

use std::sync::Arc;

use crate::{
    deid::{
        Plan, Profile, Settings,
        plan::tests::{column, settings, table, with},
    },
    schema::{Column, ColumnType, Role},
};

use ColumnType::{Float, Int, String as Text};

fn refused_under(columns: Vec<Column>, settings: &Settings) -> String {
    match Plan::read(&[table("t", columns)], settings) {
        Ok(_) => String::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn refused(column: Column) -> String {
    refused_under(vec![column], &settings())
}

fn coded(role: Role, deid: &str) -> Column {
    let mut coded = with(column("stage", Text, role), deid);
    coded.codes = ["I", "II", "III", "IV"].map(str::to_owned).to_vec();
    coded
}

const NOISE: &str = "kernel = 'noise'\nscale = '2.5'";
const SWAP: &str = "kernel = 'rank-swap'\nwindow = '0.05'";
const ENDS: &str = "kernel = 'top-bottom'\ntop = '0.99'\nbottom = '0.01'";
const MEAN: &str = "kernel = 'microaggregate'\nk = 5\ngroup = 'vitals'";
const PRAM: &str = "kernel = 'pram'\nkeep = '0.8'";
const SHAPE: &str = "kernel = 'surrogate'\ndomain = 'visit'";

#[test]
fn measures_may_be_made_untrue_and_quasi_identifiers_only_coarse() {
    for deid in [NOISE, SWAP, ENDS, MEAN] {
        for kind in [Int, Float] {
            assert_eq!(refused(with(column("weight", kind, Role::Measure), deid)), "");
        }
    }
    assert_eq!(refused(coded(Role::Sensitive, PRAM)), "");
    for deid in [NOISE, SWAP] {
        let said = refused(with(column("weight", Float, Role::Quasi), deid));
        assert!(said.contains("would be untrue"), "{deid}: {said}");
    }
    assert!(refused(coded(Role::Quasi, PRAM)).contains("would be untrue"));
    assert_eq!(refused(with(column("weight", Float, Role::Quasi), ENDS)), "");
    let said = refused(with(column("weight", Float, Role::Quasi), MEAN));
    assert!(said.contains("over 5 people, where at least 11"), "{said}");
}

#[test]
fn no_identifier_hides_behind_an_untrue_value() {
    for deid in [NOISE, SWAP, ENDS, MEAN] {
        for (name, kind) in [("ssn", Int), ("age", Int), ("lat", Float), ("visit_id", Int)] {
            let said = refused(with(column(name, kind, Role::Measure), deid));
            assert!(said.contains("looks by its name like"), "{name} under {deid}: {said}");
        }
        assert!(refused(with(column("note", Text, Role::Measure), deid)).contains("does not take"));
    }
    let mut key = table("t", vec![with(column("number", Int, Role::Measure), NOISE)]);
    Arc::get_mut(&mut key).unwrap().key = vec!["number".to_owned()];
    assert!(Plan::read(&[key], &settings()).is_err(), "the table's key leaves with noise");
}

#[test]
fn a_surrogate_stands_where_a_pseudonym_may_and_not_in_the_place_of_a_name() {
    assert_eq!(refused(with(column("visit_id", Text, Role::Direct), SHAPE)), "");
    assert_eq!(refused(with(column("account_number", Int, Role::Measure), SHAPE)), "");
    for name in ["first_name", "address"] {
        let said = refused(with(column(name, Text, Role::Measure), SHAPE));
        assert!(said.contains("looks by its name like"), "{name}: {said}");
    }
    let person = "kernel = 'surrogate'\ndomain = 'person'";
    assert!(refused(with(column("visit_id", Text, Role::Direct), person)).contains("`person`"));
    let harbour = Settings { profile: Profile::SafeHarbor, ..settings() };
    let said = refused_under(vec![with(column("visit_id", Text, Role::Direct), SHAPE)], &harbour);
    assert!(said.contains("164.514(b)(2)(i)(R)"), "{said}");
}

#[test]
fn references_meet_by_surrogates_of_one_domain() {
    let visits = table("visits", vec![with(column("visit_id", Text, Role::Direct), SHAPE)]);
    let refers = |deid: &str| {
        let mut own = with(column("visit", Text, Role::Measure), deid);
        own.references = Some("visits.visit_id".to_owned());
        Plan::read(&[Arc::clone(&visits), table("t", vec![own])], &settings())
    };
    assert!(refers(SHAPE).is_ok());
    let faults = refers("kernel = 'pseudonym'\ndomain = 'visit'").unwrap_err();
    assert!(faults[0].message.contains("surrogate of `visit`"), "{}", faults[0]);
}

#[test]
fn what_a_kernel_needs_is_asked_for() {
    let weight = |deid: &str| refused(with(column("weight", Int, Role::Measure), deid));
    assert!(weight("kernel = 'noise'\nscale = '0.5'").contains("mostly leave as it is"));
    assert!(weight("kernel = 'noise'\nscale = 'x'").contains("no positive decimal"));
    assert!(weight("kernel = 'top-bottom'").contains("no end"));
    assert!(weight("kernel = 'top-bottom'\ntop = '0.1'\nbottom = '0.9'").contains("not below"));
    assert!(weight("kernel = 'rank-swap'\nwindow = '0'").contains("no ranks"));
    assert!(weight("kernel = 'microaggregate'\nk = 1\ngroup = 'g'").contains("at least 2"));
    let two = vec![
        with(column("weight", Int, Role::Measure), MEAN),
        with(
            column("height", Int, Role::Measure),
            "kernel = 'microaggregate'\nk = 7\ngroup = 'vitals'",
        ),
    ];
    assert!(refused_under(two, &settings()).contains("with k = 7"));
    assert!(refused(with(column("stage", Int, Role::Measure), PRAM)).contains("no list of codes"));
    for keep in ["0.25", "1", "0"] {
        let said = refused(coded(Role::Measure, &format!("kernel = 'pram'\nkeep = '{keep}'")));
        assert!(said.contains("tells nothing or changes none"), "keep = {keep}: {said}");
    }
}
