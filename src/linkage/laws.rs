//! What must hold of every linkage: symmetry, monotony, independence of order, the guards, the same
//! bytes again.

use proptest::prelude::*;

use super::{
    Clusters, Comparison, Field, Floor, Level, PersonIndex, Rules, Table, Weights, Within,
    candidates, compared, link, prepare, sample,
};
use crate::{digest::Sha3Digest, store::Store};

const SECRET: [u8; 32] = [7; 32];
const RULES: Rules =
    Rules { match_centibits: 2_400, review_centibits: 1_700, within: Within::Identifier };

// given, family, birth, sex, address, zip, phone, email, ssn
type Cells = [&'static str; 9];

const ANN: Cells = [
    "Ann",
    "Lee",
    "1970-03-04",
    "F",
    "1 Elm St",
    "02139",
    "617-555-0101",
    "ann@example.org",
    "123-45-6789",
];

fn row<'a>(id: &'a str, cells: &Cells) -> [&'a str; 10] {
    let [given, family, birth, sex, address, zip, phone, email, ssn] = *cells;
    [id, given, family, birth, sex, address, zip, phone, email, ssn]
}

fn two(a: &Cells, b: &Cells) -> Table {
    let one = sample::table("north", &[row("1", a)], &SECRET);
    let other = sample::table("south", &[row("1", b)], &SECRET);
    Table::join([one, other])
}

fn comparison(a: &Cells, b: &Cells) -> Comparison {
    let table = two(a, b);
    compared(&table, &Weights::of(&table), 0, 1).unwrap()
}

fn is_one(a: &Cells, b: &Cells) -> bool {
    let table = two(a, b);
    let weights = Weights::of(&table);
    let pairs = candidates(&table, &weights, &RULES, &|| ()).unwrap().pairs;
    let clusters = Clusters::of(&table, &weights, &RULES, &pairs, Vec::new());
    clusters.root(0) == clusters.root(1)
}

/// `ANN` with some cells changed.
fn ann(changes: &[(usize, &'static str)]) -> Cells {
    let mut cells = ANN;
    for (at, cell) in changes {
        cells[*at] = cell;
    }
    cells
}

#[test]
fn one_person_is_found_through_slips_moves_and_a_new_name() {
    let changed: &[(&str, &[(usize, &'static str)])] = &[
        ("a typing error", &[(0, "Anm"), (8, "")]),
        ("a nickname", &[(0, "Annie"), (8, "")]),
        ("an initial", &[(0, "A."), (8, "")]),
        ("day and month swapped", &[(2, "1970-04-03"), (8, "")]),
        ("a wrong year", &[(2, "1971-03-04"), (8, "")]),
        ("moved house", &[(4, "9 Oak Rd"), (5, "94110"), (8, "")]),
        ("married", &[(1, "Okafor"), (8, "")]),
        ("married and moved", &[(1, "Okafor"), (4, "9 Oak Rd"), (5, "94110")]),
        ("two digits swapped", &[(8, "123-45-6798")]),
        ("another case and marks", &[(0, "ÁNN"), (1, "lee"), (4, "1 ELM STREET, Apt 3")]),
    ];
    for (what, changes) in changed {
        assert!(is_one(&ANN, &ann(changes)), "a person would be two: {what}");
    }
}

#[test]
fn people_of_one_house_or_name_stay_apart() {
    let others: &[(&str, &[(usize, &'static str)])] = &[
        ("a twin sister", &[(0, "Beatriz"), (7, "b@example.org"), (8, "123-45-1111")]),
        ("a twin whose number is not known", &[(0, "Beatriz"), (7, ""), (8, "")]),
        ("a twin brother of a similar name", &[(0, "Anno"), (3, "M"), (8, "")]),
        ("a daughter of her name", &[(2, "1998-11-21"), (8, "")]),
        ("a husband who gave her number", &[(0, "Robert"), (2, "1968-07-30"), (3, "M")]),
        (
            "a stranger of her name and birthday",
            &[
                (4, "9 Oak Rd"),
                (5, "94110"),
                (6, "415-555-0199"),
                (7, "x@example.org"),
                (8, "987-65-4321"),
            ],
        ),
    ];
    for (what, changes) in others {
        assert!(!is_one(&ANN, &ann(changes)), "two people would be one: {what}");
    }
}

#[test]
fn the_floor_is_the_guides_table() {
    let none = Floor {
        document: false,
        identifier: false,
        address: false,
        email: false,
        phone: false,
        name: false,
        birth_date: false,
    };
    let named = Floor { name: true, birth_date: true, ..none };
    assert_eq!((none.weight(), named.weight()), (0, 5));
    assert_eq!(Floor { document: true, ..none }.weight(), 10, "a document alone is enough");
    assert_eq!(Floor { phone: true, ..named }.weight(), 9);
    assert_eq!(Floor { phone: true, email: true, identifier: true, ..named }.weight(), 10);
    assert_eq!(Floor { address: true, email: true, name: true, ..none }.weight(), 8);
    assert!(Floor { address: true, ..named }.is_reached());
    assert!(!named.is_reached(), "a name and a birthday would be enough");
}

#[test]
fn below_the_floor_no_weight_is_enough() {
    // A rare name and a birthday weigh 33 bits and more, and are 5 of the 9 that the guide asks.
    let bare = ann(&[(4, ""), (5, ""), (6, ""), (7, ""), (8, "")]);
    let found = comparison(&bare, &bare);
    assert!(found.weight > RULES.match_centibits, "{found:?}");
    assert_eq!(found.floor.weight(), 5);
    assert!(!is_one(&bare, &bare), "two records below the floor were put together");
}

#[test]
fn a_chain_of_good_pairs_does_not_join_twins() {
    // Two twins, and a record that has one's name shortened and no number: it fits both.
    let ann = ann(&[(6, ""), (7, "")]);
    let mut twin = ann;
    (twin[0], twin[8]) = ("Antonia", "123-45-1111");
    let mut between = ann;
    (between[0], between[8]) = ("A.", "");
    let tables = [("east", ann), ("north", between), ("south", twin)]
        .map(|(place, cells)| sample::table(place, &[row("1", &cells)], &SECRET));
    let table = Table::join(tables);
    let weights = Weights::of(&table);
    let pairs = candidates(&table, &weights, &RULES, &|| ()).unwrap().pairs;
    assert!(pairs.len() >= 2, "the middle one fits nobody: {pairs:?}");
    let clusters = Clusters::of(&table, &weights, &RULES, &pairs, Vec::new());
    assert_ne!(clusters.root(0), clusters.root(2), "twins were joined through a third record");
}

#[test]
fn two_records_of_one_institution_are_two_people_unless_a_number_says_otherwise() {
    let of = |second: &Cells, within| {
        let table = sample::table("north", &[row("1", &ANN), row("2", second)], &SECRET);
        let weights = Weights::of(&table);
        let rules = Rules { within, ..RULES };
        let pairs = candidates(&table, &weights, &rules, &|| ()).unwrap().pairs;
        let clusters = Clusters::of(&table, &weights, &rules, &pairs, Vec::new());
        clusters.root(0) == clusters.root(1)
    };
    assert!(of(&ANN, Within::Identifier));
    assert!(!of(&ann(&[(8, "")]), Within::Identifier), "namesakes of one clinic were joined");
    assert!(!of(&ANN, Within::Never));
}

/// A few people with a few slips, as rows of several institutions.
fn any_rows() -> impl Strategy<Value = Vec<(usize, Cells)>> {
    let pick = |list: &'static [&'static str]| prop::sample::select(list);
    let cells = (
        pick(&["Ann", "Anna", "Bob", "Robert", "A.", ""]),
        pick(&["Lee", "Leigh", "Lee-Okafor", "Okafor", ""]),
        pick(&["1970-03-04", "1970-04-03", "1971-03-04", "1985-12-30", ""]),
        pick(&["F", "M", ""]),
        pick(&["1 Elm St", "9 Oak Rd", ""]),
        pick(&["02139", "94110", ""]),
        pick(&["617-555-0101", "415-555-0199", ""]),
        pick(&["ann@example.org", "bob@example.org", ""]),
        pick(&["123-45-6789", "123-45-6798", "987-65-4321", ""]),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i)| [a, b, c, d, e, f, g, h, i]);
    prop::collection::vec((0..4_usize, cells), 1..10)
}

fn tables(rows: &[(usize, Cells)]) -> Vec<Table> {
    let names: Vec<String> = (0..rows.len()).map(|at| at.to_string()).collect();
    let places = ["east", "north", "south", "west"];
    let table = |(at, (place, cells)): (usize, &(usize, Cells))| {
        sample::table(places[*place], &[row(&names[at], cells)], &SECRET)
    };
    rows.iter().enumerate().map(table).collect()
}

fn linked(tables: Vec<Table>) -> Vec<(String, String)> {
    let index = PersonIndex::load(&Store::open("memory://linkage-laws").unwrap()).unwrap();
    let fresh = Table::join(tables);
    let found = link(&index, Table::default(), fresh, &RULES, &SECRET, &|| ()).unwrap();
    let name = |a: super::Assignment| {
        (format!("{}/{}", a.institution, a.local), a.person.as_str().to_owned())
    };
    found.assignments.into_iter().map(name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_comparison_is_the_same_in_either_order(rows in any_rows()) {
        let table = Table::join(tables(&rows));
        let weights = Weights::of(&table);
        let count = u32::try_from(table.len()).unwrap();
        for a in 0..count {
            for b in 0..count {
                let (one, two) = (compared(&table, &weights, a, b), compared(&table, &weights, b, a));
                prop_assert_eq!(one, two);
            }
        }
    }

    #[test]
    fn one_more_field_that_differs_never_raises_the_weight(
        rows in any_rows(),
        field in 0..9_usize,
    ) {
        const OTHER: [(&str, &str); 9] = [
            ("Xenia", "Quentin"), ("Zsolnay", "Petrov"), ("1950-01-01", "1966-08-17"), ("F", "M"),
            ("77 Pine Ave", "5 Birch Ln"), ("10001", "60601"), ("212-555-0100", "312-555-0100"),
            ("q@example.org", "z@example.org"), ("555-11-2222", "444-99-8888"),
        ];
        let (a, b) = (rows[0].1, rows[rows.len() - 1].1);
        let without = |mut cells: Cells| { cells[field] = ""; cells };
        let with = |mut cells: Cells, cell| { cells[field] = cell; cells };
        let (one, two) = OTHER[field];
        let before = comparison(&without(a), &without(b));
        let after = comparison(&with(a, one), &with(b, two));
        prop_assert!(after.weight <= before.weight, "{before:?} {after:?}");
        let level = after.levels[field];
        prop_assert!(level == Level::Differs, "{} is {level:?}", Field::ALL[field].as_str());
    }

    #[test]
    fn who_is_whom_does_not_depend_on_the_order_of_files(rows in any_rows()) {
        let mut turned = tables(&rows);
        turned.reverse();
        prop_assert_eq!(linked(tables(&rows)), linked(turned));
    }

    #[test]
    fn no_person_holds_two_records_in_clear_conflict(rows in any_rows()) {
        let table = Table::join(tables(&rows));
        let weights = Weights::of(&table);
        let pairs = candidates(&table, &weights, &RULES, &|| ()).unwrap().pairs;
        let clusters = Clusters::of(&table, &weights, &RULES, &pairs, Vec::new());
        let count = u32::try_from(table.len()).unwrap();
        for a in 0..count {
            for b in (a + 1)..count {
                let found = compared(&table, &weights, a, b).unwrap();
                let joined = clusters.root(a) == clusters.root(b);
                prop_assert!(!joined || !found.is_conflict(), "{found:?}");
            }
        }
    }
}

#[test]
fn a_run_repeated_gives_the_same_bytes_and_a_known_record_keeps_its_person() {
    let store = Store::open("memory://linkage-repeat").unwrap();
    let rows = |place: &str| sample::table(place, &[row("1", &ANN)], &SECRET);
    let once = || {
        let index = PersonIndex::load(&store).unwrap();
        let fresh = Table::join([rows("north"), rows("south")]);
        link(&index, Table::default(), fresh, &RULES, &SECRET, &|| ()).unwrap()
    };
    let act = super::Act::Run {
        pipeline: ("p".to_owned(), Sha3Digest::of(b"p")),
        match_centibits: 2_400,
        review_centibits: 1_700,
        people_new: 1,
        pairs_review: 0,
    };
    let batch = || {
        let found = once();
        let tokens = found.tokens.as_ref();
        prepare((1, 1), act.clone(), &found.assignments, tokens, None, ("t", &SECRET)).unwrap()
    };
    let (one, two) = (batch(), batch());
    let now = crate::instant::Instant::parse("2026-06-01T00:00:00Z").unwrap();
    assert_eq!(one.commit(now, ""), two.commit(now, ""));
    one.write(&store).unwrap();
    let body = serde_json::to_vec(&one.commit(now, "{}")).unwrap();
    let done = crate::store::Sequence::new(&store, super::COMMITS).commit(1, &body.into()).unwrap();
    assert_eq!(done, crate::store::Committed::Done);

    let commits = super::commits(&store, u64::MAX).unwrap();
    let known = super::tokens(&store, &commits).unwrap();
    assert_eq!(known.len(), 2, "tokens did not come back");
    let index = PersonIndex::load(&store).unwrap();
    let fresh = Table::join([rows("north"), rows("south"), rows("west")]);
    let found = link(&index, known, fresh, &RULES, &SECRET, &|| ()).unwrap();
    assert_eq!(found.counts.records_changed, 0, "a record changed without a cause");
    let [only] = found.assignments.as_slice() else { panic!("a known record was moved") };
    assert_eq!(only.institution.as_str(), "west");
    assert_eq!(index.people(), std::slice::from_ref(&only.person), "a known person got another id");
}
