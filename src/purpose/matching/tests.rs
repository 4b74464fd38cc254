//! The whole truth table, every term of the ontology, and the laws of the matcher.

use proptest::prelude::*;

use super::*;
use crate::purpose::{Limits, TERMS};

const CANCER: &str = "MONDO:0004992";
const LUNG: &str = "MONDO:0008903";
const DIABETES: &str = "MONDO:0005015";

fn diseases() -> Diseases {
    let text = include_str!("../../../schemas/ontology/diseases.tsv");
    Diseases::parse(text).unwrap()
}

fn duo(name: &str) -> Purpose {
    Purpose::named(name).unwrap()
}

fn day() -> Date {
    "2026-06-01".parse().unwrap()
}

fn terms(names: &[&str]) -> DataUse {
    DataUse::unchecked(names.iter().map(|name| DataTerm::bare(duo(name))).collect())
}

fn limited(name: &str, limits: Limits) -> DataUse {
    let all = vec![DataTerm::bare(duo("HMB")), DataTerm { term: duo(name), limits }];
    DataUse::new(all).unwrap()
}

fn ask(data: &DataUse, purpose: Option<&str>, claims: &Claims) -> Verdict {
    let purpose = purpose.map(duo);
    let (user, place) = (ResearcherId::parse("ada").unwrap(), InstitutionId::parse("uni").unwrap());
    let study = Study {
        purpose: purpose.as_ref(),
        day: day(),
        researcher: Some(&user),
        institution: Some(&place),
        claims,
    };
    judge(data, &study, &diseases())
}

fn effect(data: &DataUse, purpose: Option<&str>, claims: &Claims) -> Effect {
    ask(data, purpose, claims).effect()
}

fn set(items: &[&str]) -> std::collections::BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn the_whole_table_of_permissions_fails_closed() {
    let cancer = format!("DS={CANCER}");
    let datasets: [&[&str]; 6] = [&["NRES"], &["GRU"], &["HMB"], &[&cancer], &["POA"], &[]];
    let (lung, own, diabetes) =
        (format!("DS={LUNG}"), format!("DS={CANCER}"), format!("DS={DIABETES}"));
    // One column a dataset: NRES, GRU, HMB, DS(cancer), POA, none.
    let table: [(&str, Option<&str>, bool, &str); 14] = [
        ("any use", Some("NRES"), false, "yn____"),
        ("any research", Some("GRU"), false, "yy____"),
        ("health", Some("HMB"), false, "yyy___"),
        ("lung cancer", Some(&lung), false, "yyyy__"),
        ("cancer", Some(&own), false, "yyyy__"),
        ("diabetes", Some(&diabetes), false, "yyy___"),
        ("a disease not named", Some("DS"), false, "yyy___"),
        ("ancestry", Some("POA"), false, "yy__y_"),
        ("methods", None, true, "yyy___"),
        ("methods, lung cancer", Some(&lung), true, "yyyy__"),
        ("methods, diabetes", Some(&diabetes), true, "yyy___"),
        ("methods, ancestry", Some("POA"), true, "yy__y_"),
        ("methods, any research", Some("GRU"), true, "yy____"),
        ("nothing", None, false, "______"),
    ];
    for (asked, purpose, methods, row) in table {
        let claims = Claims { methods: Some(methods), ..Claims::default() };
        for (dataset, wanted) in datasets.iter().zip(row.chars()) {
            let wanted = if wanted == 'y' { Effect::Permit } else { Effect::Deny };
            let found = effect(&terms(dataset), purpose, &claims);
            assert_eq!(found, wanted, "{asked} asked of {dataset:?}");
        }
    }
}

#[test]
fn a_parent_disease_is_not_opened_by_its_kind() {
    let lung = terms(&[&format!("DS={LUNG}")]);
    let cancer = format!("DS={CANCER}");
    assert_eq!(effect(&lung, Some(&cancer), &Claims::default()), Effect::Deny);
    let both = terms(&[&format!("DS={LUNG}"), &format!("DS={DIABETES}")]);
    let diabetes = format!("DS={DIABETES}");
    assert_eq!(effect(&both, Some(&diabetes), &Claims::default()), Effect::Permit);
}

/// What is shown, and what each modifier makes of it.
#[test]
fn every_modifier_permits_refers_and_denies_by_the_evidence_shown() {
    use Effect::{Deny, Permit, Refer};
    let claims = Claims::default;
    let date = |text: &str| Some(text.parse::<Date>().unwrap());
    let none = Limits::default;
    let accepts = |promise| Claims { accepts: [promise].into(), ..claims() };
    let table: Vec<(&str, Limits, Claims, Effect)> = vec![
        ("NPU", none(), claims(), Refer),
        ("NPU", none(), Claims { organisation: Some(Organisation::ForProfit), ..claims() }, Deny),
        ("NPU", none(), Claims { organisation: Some(Organisation::NonProfit), ..claims() }, Permit),
        ("NCU", none(), claims(), Refer),
        ("NCU", none(), Claims { commercial: Some(true), ..claims() }, Deny),
        ("NCU", none(), Claims { commercial: Some(false), ..claims() }, Permit),
        ("NPUNCU", none(), Claims { commercial: Some(false), ..claims() }, Refer),
        (
            "NPUNCU",
            none(),
            Claims {
                commercial: Some(true),
                organisation: Some(Organisation::NonProfit),
                ..claims()
            },
            Deny,
        ),
        (
            "NPUNCU",
            none(),
            Claims {
                commercial: Some(false),
                organisation: Some(Organisation::NonProfit),
                ..claims()
            },
            Permit,
        ),
        ("IRB", none(), claims(), Refer),
        ("IRB", none(), Claims { ethics: Some("IRB-7".into()), ..claims() }, Permit),
        ("PUB", none(), claims(), Refer),
        ("PUB", none(), accepts(Promise::Publication), Permit),
        ("COL", none(), claims(), Refer),
        ("COL", none(), accepts(Promise::Collaboration), Permit),
        ("RTN", none(), accepts(Promise::Publication), Refer),
        ("RTN", none(), accepts(Promise::Return), Permit),
        ("MOR", Limits { until: date("2027-01-01"), ..none() }, claims(), Refer),
        (
            "MOR",
            Limits { until: date("2027-01-01"), ..none() },
            accepts(Promise::Moratorium),
            Permit,
        ),
        ("MOR", Limits { until: date("2026-06-01"), ..none() }, claims(), Permit),
        ("GS", Limits { countries: set(&["DE", "FR"]), ..none() }, claims(), Refer),
        (
            "GS",
            Limits { countries: set(&["DE", "FR"]), ..none() },
            Claims { country: Some("FR".into()), ..claims() },
            Permit,
        ),
        (
            "GS",
            Limits { countries: set(&["DE", "FR"]), ..none() },
            Claims { country: Some("US".into()), ..claims() },
            Deny,
        ),
        ("US", Limits { users: set(&["ada"]), ..none() }, claims(), Permit),
        ("US", Limits { users: set(&["bob"]), ..none() }, claims(), Deny),
        ("IS", Limits { institutions: set(&["uni"]), ..none() }, claims(), Permit),
        ("IS", Limits { institutions: set(&["lab"]), ..none() }, claims(), Deny),
        ("PS", Limits { projects: set(&["P1"]), ..none() }, claims(), Refer),
        (
            "PS",
            Limits { projects: set(&["P1"]), ..none() },
            Claims { project: Some("P1".into()), ..claims() },
            Permit,
        ),
        (
            "PS",
            Limits { projects: set(&["P1"]), ..none() },
            Claims { project: Some("P2".into()), ..claims() },
            Deny,
        ),
        ("RS", Limits { research: set(&["cohort"]), ..none() }, claims(), Refer),
        (
            "RS",
            Limits { research: set(&["cohort"]), ..none() },
            Claims { research: set(&["cohort"]), ..claims() },
            Permit,
        ),
        (
            "RS",
            Limits { research: set(&["cohort"]), ..none() },
            Claims { research: set(&["cohort", "trial"]), ..claims() },
            Deny,
        ),
        ("TS", Limits { from: date("2025-06-02"), months: Some(12), ..none() }, claims(), Permit),
        ("TS", Limits { from: date("2025-06-01"), months: Some(12), ..none() }, claims(), Deny),
        ("GSO", none(), claims(), Refer),
        ("GSO", none(), Claims { genetic: Some(true), ..claims() }, Permit),
        ("GSO", none(), Claims { genetic: Some(false), ..claims() }, Deny),
        ("CC", none(), claims(), Refer),
        ("CC", none(), Claims { clinical: Some(true), ..claims() }, Permit),
        ("CC", none(), Claims { clinical: Some(false), ..claims() }, Deny),
        ("NMDS", none(), claims(), Refer),
        ("NMDS", none(), Claims { methods: Some(false), ..claims() }, Permit),
        ("NMDS", none(), Claims { methods: Some(true), ..claims() }, Deny),
        ("NPOA", none(), claims(), Permit),
    ];
    for (name, limits, claims, wanted) in table {
        let data = limited(name, limits);
        let verdict = ask(&data, Some("HMB"), &claims);
        assert_eq!(verdict.effect(), wanted, "{name} with {claims:?}: {verdict:?}");
        let said = verdict.deciding().any(|reason| reason.clause.contains(name));
        assert!(said, "{name} decided and is not named");
    }
}

#[test]
fn methods_within_the_disease_are_permitted_where_methods_are_not() {
    let data = terms(&[&format!("DS={CANCER}"), "NMDS"]);
    let claims = Claims { methods: Some(true), ..Claims::default() };
    assert_eq!(effect(&data, Some(&format!("DS={LUNG}")), &claims), Effect::Permit);
    assert_eq!(effect(&data, Some(&format!("DS={DIABETES}")), &claims), Effect::Deny);
}

#[test]
fn ancestry_is_kept_out_by_its_modifier_and_any_research_must_promise_so() {
    let data = terms(&["GRU", "NPOA"]);
    let promise = Claims { accepts: [Promise::NoAncestry].into(), ..Claims::default() };
    assert_eq!(effect(&data, Some("POA"), &promise), Effect::Deny);
    assert_eq!(effect(&data, Some("GRU"), &Claims::default()), Effect::Refer);
    let verdict = ask(&data, Some("GRU"), &promise);
    assert_eq!(verdict.effect(), Effect::Permit);
    assert_eq!(verdict.obligations().len(), 1, "a promise would be forgotten");
}

#[test]
fn all_25_terms_are_handled_or_refused_by_name() {
    for term in TERMS {
        let own = Purpose::parse(term.id).unwrap();
        let data = DataUse::unchecked(vec![DataTerm::bare(duo("GRU")), DataTerm::bare(own)]);
        let verdict = ask(&data, Some("HMB"), &Claims::default());
        let label = Purpose::parse(term.id).unwrap().label();
        let read = verdict.reasons().iter().any(|reason| reason.clause.contains(&label));
        let permission = term.kind == super::super::TermKind::Permission;
        assert!(read || permission, "{} was passed over", term.id);
        let unread = verdict.reasons().iter().any(|reason| reason.words.contains("nobody here"));
        let heading = term.kind == super::super::TermKind::Heading;
        assert_eq!(unread, heading, "{}: only headings are terms that nobody can keep", term.id);
        // A modifier that needs a list or a day and has none may not pass.
        let bare = ["RS", "GS", "MOR", "TS", "US", "PS", "IS"];
        if bare.contains(&term.shorthand) || heading {
            assert_eq!(verdict.effect(), Effect::Refer, "{}", term.id);
            assert!(DataUse::new(data.terms().to_vec()).is_err(), "{} was taken", term.id);
        }
    }
}

#[test]
fn a_pipeline_may_not_name_terms_that_cannot_be_judged() {
    let fault = |names: &[&str]| {
        let all = names.iter().map(|name| DataTerm::bare(duo(name))).collect();
        DataUse::new(all).unwrap_err().reason
    };
    assert!(fault(&["NPU"]).contains("no permission"));
    assert!(fault(&["GRU", "HMB"]).contains("two permissions"));
    assert!(fault(&["DS"]).contains("name the disease"));
    assert!(fault(&["HMB", "DUO:9999999"]).contains("no such term"));
    let odd = Limits { months: Some(3), ..Limits::default() };
    let odd = vec![DataTerm { term: duo("HMB"), limits: odd }];
    assert!(DataUse::new(odd).unwrap_err().reason.contains("takes no `months`"));
}

fn any_term() -> impl Strategy<Value = DataTerm> {
    let days = (0..3_u32).prop_map(|n| format!("202{}-01-01", n + 5).parse::<Date>().unwrap());
    (0..TERMS.len() + 1, any::<bool>(), 1..30_u32, days).prop_map(|(at, listed, months, date)| {
        let code = TERMS.get(at).map_or("DUO:7777777", |term| term.id);
        let mut limits = Limits::default();
        if listed {
            limits = Limits {
                countries: set(&["DE"]),
                users: set(&["ada"]),
                institutions: set(&["uni"]),
                projects: set(&["P1"]),
                research: set(&["cohort"]),
                months: Some(months),
                from: Some(date),
                until: Some(date),
            };
        }
        DataTerm { term: Purpose::parse(code).unwrap(), limits }
    })
}

fn any_claims() -> impl Strategy<Value = Claims> {
    let flag = || prop::option::of(any::<bool>());
    let word = |words: &'static [&'static str]| {
        prop::option::of(prop::sample::select(words).prop_map(str::to_owned))
    };
    let promises = prop::collection::btree_set(prop::sample::select(&Promise::ALL[..]), 0..5);
    let organisation = prop::option::of(prop::sample::select(&Organisation::ALL[..]));
    (organisation, flag(), flag(), flag(), flag(), promises, word(&["DE", "US"]), word(&["P1"]))
        .prop_map(|(organisation, commercial, methods, genetic, clinical, accepts, country, id)| {
            Claims {
                organisation,
                commercial,
                country,
                ethics: id.clone(),
                project: id.clone(),
                research: id.into_iter().map(|_| "cohort".to_owned()).collect(),
                methods,
                genetic,
                clinical,
                accepts,
            }
        })
}

proptest! {
    #[test]
    fn one_more_modifier_never_permits_more(
        given in prop::collection::vec(any_term(), 0..4),
        more in any_term().prop_filter("no permission", |term| !term.term.is_permission()),
        asked in prop::sample::select(&["NRES", "GRU", "HMB", "POA", "DS=MONDO:0008903"][..]),
        claims in any_claims(),
    ) {
        let before = effect(&DataUse::unchecked(given.clone()), Some(asked), &claims);
        let mut all = given;
        all.push(more);
        let after = effect(&DataUse::unchecked(all), Some(asked), &claims);
        prop_assert!(after >= before, "{before} became {after}");
    }

    #[test]
    fn an_unknown_term_never_permits(
        given in prop::collection::vec(any_term(), 0..4),
        asked in prop::sample::select(&["NRES", "GRU", "HMB", "POA"][..]),
        claims in any_claims(),
    ) {
        let mut all = given;
        all.push(DataTerm::bare(Purpose::parse("DUO:7777777").unwrap()));
        let found = effect(&DataUse::unchecked(all), Some(asked), &claims);
        prop_assert!(found > Effect::Permit);
        let unknown = effect(&terms(&["NRES"]), Some("DUO:7777777"), &claims);
        prop_assert_eq!(unknown, Effect::Deny);
    }

    #[test]
    fn what_is_permitted_stays_so_when_more_is_promised(
        given in prop::collection::vec(any_term(), 0..4),
        claims in any_claims(),
    ) {
        let data = DataUse::unchecked(given);
        let mut more = claims.clone();
        more.accepts.extend(Promise::ALL);
        prop_assert!(effect(&data, Some("HMB"), &more) <= effect(&data, Some("HMB"), &claims));
    }
}
