//! What ARX (commit aacd487) finds, and what must hold of any table.
//!
//! The rows of `adult` were measured with ARX itself; they are skipped where its data is not at hand.

use std::{collections::BTreeMap, path::Path};

use proptest::prelude::*;

use super::{model::Distance, reference::exhaust, *};

/// sensitive · suppress · metric · models · levels · score · suppressed · classes · smallest, and
/// `third` where every third record alone is released.
const ADULT: &str = "\
- 0.0 loss k:5 0,4,1,1,3,2,2,1,0 0.5731509655590044 0 24 69
- 0.02 loss k:5 0,3,0,2,2,1,1,2,0 0.3137130352819242 506 222 5
- 0.05 loss k:5 0,3,0,0,2,1,1,2,0 0.2419323650662908 1346 397 5
- 0.1 loss k:5 0,3,0,0,2,1,1,1,0 0.22041192847984292 2553 602 5
- 1.0 loss k:5 0,3,0,0,2,1,1,1,0 0.22041192847984292 2553 602 5
- 0.0 nmentropy k:5 1,2,1,1,3,2,2,1,1 407289.5388925293 0 48 5
- 0.05 nmentropy k:5 0,0,1,1,2,2,2,1,1 264341.93830412335 1285 998 5
- 0.0 disc k:5 1,1,1,2,3,2,2,1,1 3.3627534E7 0 45 6
- 0.05 disc k:5 0,0,1,2,3,2,2,1,1 7220555.0 105 356 5
- 0.0 aecs k:5 1,2,1,1,3,2,2,1,1 628.375 0 48 5
- 0.05 aecs k:5 1,0,1,1,3,2,2,0,1 28.808022922636102 906 1046 5
- 0.0 precision k:5 0,4,1,2,3,2,0,2,0 0.6666666666666667 0 26 5
- 0.05 precision k:5 0,4,0,0,3,1,0,1,0 0.36562562164312706 1461 391 5
occupation 0.0 loss k:5,dl:3 0,4,1,2,3,2,0,0 0.542210825407941 0 26 5
occupation 0.02 loss k:5,dl:3 0,3,0,2,2,1,1,0 0.24691173978907632 522 219 5
occupation 0.05 loss k:5,dl:3 0,3,0,0,2,1,1,0 0.17170218121750636 1400 387 5
occupation 0.0 loss k:5,el:3 0,4,1,1,3,2,2,0 0.613171784711847 0 8 406
occupation 0.02 loss k:5,el:3 0,4,0,1,2,1,1,0 0.2751571132290258 518 152 5
occupation 0.05 loss k:5,el:3 0,3,0,1,2,1,1,0 0.2154493355572571 1180 261 5
occupation 0.0 loss k:5,rl:4:3 0,4,1,2,3,2,0,0 0.542210825407941 0 26 5
occupation 0.02 loss k:5,rl:4:3 0,3,0,1,3,1,1,0 0.2554529143876869 573 193 5
occupation 0.05 loss k:5,rl:4:3 0,2,0,1,2,1,1,0 0.2093614512822275 1408 378 5
occupation 0.0 loss k:5,t:0.2 1,4,1,1,3,2,2,1 0.9183953641009659 0 2 14086
occupation 0.02 loss k:5,t:0.2 1,4,1,1,3,1,2,1 0.8150031862123897 235 6 233
occupation 0.05 loss k:5,t:0.2 1,4,1,1,3,1,2,1 0.8150031862123897 235 6 233
occupation 0.0 loss k:5,ht:0.2 0,4,1,1,3,2,2,1 0.7591763053456835 0 4 1492
occupation 0.02 loss k:5,ht:0.2 1,4,0,2,3,1,2,1 0.7351403745214613 151 9 78
occupation 0.05 loss k:5,ht:0.2 1,4,0,0,3,1,2,1 0.6128064960163953 1384 24 7
- 0.05 loss k:2 0,3,0,0,1,1,1,1,0 0.16900586270227813 1350 1468 2
- 0.05 loss k:10 0,3,0,1,2,1,1,2,0 0.2912700156059571 1437 196 10
- 0.05 loss k:100 0,4,0,2,3,1,1,2,0 0.4665431510174982 1339 20 104
age 0.05 loss k:5,ot:0.2 0,0,1,2,1,0,1,0 0.19742477117031987 1400 400 5
age 0.0 granularity k:5,ot:0.1 0,1,2,3,2,2,1,0 0.6608417111625 0 12 280
- 0.05 granularity k:5 0,3,0,0,2,1,1,2,0 0.26963466275555553 1346 397 5
- 0.04 entropy k:5 1,0,1,1,3,2,2,0,1 255559.85455731067 906 1046 5
- 0.04 loss avg:0.01 0,3,0,1,2,1,1,2,0 0.27429652997088416 787 293 5
- 0.04 nmentropy avg:0.01 1,0,1,1,3,2,2,1,1 314637.8461904862 608 295 14
- 0.04 disc avg:0.01,k:3 1,0,1,2,3,2,2,1,1 7284881.0 13 202 3
- 0.05 loss kmap:7 0,3,0,1,3,1,1,1,0 0.2818416809424784 462 277 1 third
- 0.05 nmentropy kmap:7 1,0,1,1,3,2,2,0,1 90099.69057212511 475 948 1 third
- 0.05 aecs dp:0.1:0.6 0,4,1,1,0,2,2,2,1 157.09375 2 63 2 third
- 0.05 loss dp:0.1:0.6,k:3 0,3,0,1,2,1,1,2,0 0.28848981446932065 442 215 3 third
- 0.05 loss dp:0.0:0.6,k:3 0,3,0,1,2,1,1,2,0 0.28848981446932065 442 215 3 third
occupation 0.05 precision k:5,dl:3,t:0.3 1,4,0,2,3,1,2,0 0.6911469730123997 352 14 47
occupation 0.05 loss k:3,t:0.3,dp:0.0:0.8 1,4,0,2,3,1,2,0 0.600968026895897 223 10 33 third
- 0.05 precision k:20 0,4,0,1,3,1,0,2,0 0.4639870624553338 1061 85 20
- 0.02 disc k:20 1,0,1,2,3,2,2,1,1 1.6993455E7 335 164 20
- 0.02 aecs k:20 0,0,1,2,3,2,1,2,1 156.279792746114 603 192 20
- 0.02 nmentropy k:20 0,0,1,1,3,2,2,2,1 334489.797167658 556 188 20
- 0.04 entropy k:100 1,1,1,1,3,2,2,1,1 379417.3460570988 - - -
- 0.0 entropy k:5 1,2,1,1,3,2,2,1,1 407289.5388925293 0 48 5
- 0.0 entropy k:100 0,4,1,1,3,2,2,1,1 453196.8932458743 0 - -";

fn models(text: &str) -> Vec<Model> {
    text.split(',')
        .map(|model| {
            let parts: Vec<&str> = model.split(':').collect();
            let real = |at: usize| parts[at].parse::<f64>().unwrap();
            let whole = |at: usize| parts[at].parse::<u64>().unwrap();
            let close = |distance| Model::TCloseness { sensitive: 0, t: real(1), distance };
            match parts[0] {
                "k" => Model::KAnonymity { k: whole(1) },
                "dl" => Model::DistinctL { sensitive: 0, l: whole(1) },
                "el" => Model::EntropyL { sensitive: 0, l: real(1) },
                "rl" => Model::RecursiveL { sensitive: 0, c: real(1), l: whole(2) },
                "t" => close(Distance::Equal),
                "ot" => close(Distance::Ordered),
                "ht" => close(Distance::Hierarchical),
                "avg" => Model::AverageRisk { most: real(1) },
                "kmap" => Model::KMap { k: whole(1) },
                "dp" => Model::Presence { least: real(1), most: real(2) },
                other => panic!("no model `{other}`"),
            }
        })
        .collect()
}

fn metric(text: &str) -> Metric {
    match text {
        "loss" => Metric::Loss,
        "granularity" => Metric::Granularity,
        "nmentropy" => Metric::Entropy,
        "entropy" => Metric::MonotonicEntropy,
        "disc" => Metric::Discernibility,
        "aecs" => Metric::AverageClass,
        "precision" => Metric::Precision,
        other => panic!("no metric `{other}`"),
    }
}

/// The columns of `adult` with their hierarchies.
struct Adult(BTreeMap<usize, (String, Quasi)>);

impl Adult {
    fn read() -> Option<Self> {
        let folder = Path::new("../shared/data/adult");
        let Ok(text) = std::fs::read_to_string(folder.join("adult.csv")) else {
            eprintln!("skipped: {} is not at hand", folder.display());
            return None;
        };
        let mut lines = text.lines().map(|line| line.split(';'));
        let mut columns: Vec<(String, QuasiColumn)> = lines
            .next()
            .unwrap()
            .map(|name| {
                let file = folder.join(format!("adult_hierarchy_{name}.csv"));
                let text = std::fs::read_to_string(&file).unwrap();
                let leaves: Vec<Vec<&str>> =
                    text.lines().map(|line| line.split(';').collect()).collect();
                let hierarchy = Arc::new(Hierarchy::of_leaves(name, leaves).unwrap());
                (name.to_owned(), QuasiColumn::new(hierarchy))
            })
            .collect();
        for line in lines {
            columns.iter_mut().zip(line).for_each(|((_, column), cell)| column.push(cell));
        }
        let columns = columns.into_iter().map(|(name, column)| (name, column.finish().unwrap()));
        Some(Self(columns.enumerate().collect()))
    }

    fn table(&self, sensitive: &str, third: bool) -> Table {
        let of = |is: bool| {
            let columns = self.0.values().filter(move |(name, _)| (name == sensitive) == is);
            columns.map(|(_, quasi)| quasi.clone())
        };
        let rows = self.0[&0].1.codes.len();
        let released = third.then(|| (0..rows).map(|row| row % 3 == 1).collect());
        Table::new(of(false).collect(), of(true).map(Sensitive::from).collect(), released).unwrap()
    }
}

fn request(models: Vec<Model>, suppress: &str, metric: Metric) -> Request {
    let suppress = Fraction::parse(suppress.strip_suffix(".0").unwrap_or(suppress)).unwrap();
    Request { models, suppress, metric, exact_nodes: 1 << 40 }
}

#[test]
fn adult_is_told_as_arx_tells_it() {
    let Some(adult) = Adult::read() else { return };
    for row in ADULT.lines() {
        let cells: Vec<&str> = row.split(' ').collect();
        let table = adult.table(cells[0], cells.get(9) == Some(&"third"));
        let request = request(models(cells[3]), cells[1], metric(cells[2]));
        let levels: Vec<usize> = cells[4].split(',').map(|level| level.parse().unwrap()).collect();
        let score: f64 = cells[5].parse().unwrap();
        let found = search(&table, &request, &|| true).unwrap();
        assert_eq!(found.levels, levels, "another node than ARX's: {row}");
        assert!((found.score - score).abs() < 1e-9, "another score, {}: {row}", found.score);
        let counted = [found.suppressed, found.classes, found.smallest];
        for (counted, arx) in counted.iter().zip(&cells[6..9]).filter(|(_, arx)| **arx != "-") {
            assert_eq!(counted.to_string(), **arx, "other classes than ARX's: {row}");
        }
        // The plain count of the node that ARX found, which shares nothing with the search.
        let measure = Measure::new(&table, request.metric);
        let judged = Node::count(&table, &levels).judge(
            &Conditions::new(&table, &request.models),
            &measure,
            &levels,
        );
        assert!((judged.score - score).abs() < 1e-9, "counted plainly {}: {row}", judged.score);
        assert_eq!(judged.suppressed, found.suppressed, "counted plainly: {row}");
        assert!(measure.bound(&levels) <= judged.score, "a bound above the score: {row}");
    }
}

#[test]
fn quality_is_what_arx_prints() {
    let Some(adult) = Adult::read() else { return };
    let table = adult.table("-", false);
    let request = request(models("k:5"), "0.05", Metric::Loss);
    let optimum = search(&table, &request, &|| true).unwrap();
    let figures = |recoding: &Recoding| {
        let of = Quality::of(&table, recoding);
        [of.granularity, of.intensity, of.entropy, of.discernibility, of.average_class]
    };
    let close = |told: [f64; 5], arx: [f64; 5]| {
        told.iter().zip(arx).all(|(told, arx)| (told - arx).abs() < 5e-7)
    };
    assert!(close(figures(&Recoding::of_input(&table)), [1.0; 5]), "the input loses something");
    let told = figures(&Recoding::of_optimum(&table, &request, &optimum));
    assert!(close(told, [0.698_371, 0.592_686, 0.395_555, 0.935_046, 0.997_645]), "{told:?}");
}

#[test]
fn adult_recoded_locally_beats_arx_and_suppresses_nobody() {
    let Some(adult) = Adult::read() else { return };
    for (sensitive, models_text, granularity, classes) in
        [("-", "k:5", 0.9411, 4770), ("occupation", "k:5,dl:3", 0.9637, 3350)]
    {
        let table = adult.table(sensitive, false);
        let request = request(models(models_text), "0.05", Metric::Loss);
        let optimum = search(&table, &request, &|| true).unwrap();
        let recoding = recode(&table, &request, &optimum);
        let of = Quality::of(&table, &recoding);
        assert_eq!(of.suppressed, 0, "records were suppressed under {models_text}");
        assert!(of.granularity >= granularity && of.classes >= classes, "{models_text}: {of:?}");
        assert_eq!(broken(&table, &request.models, &recoding), 0, "{models_text} is broken");
    }
}

/// Counts the classes of a recoding, told by labels, that break a model.
fn broken(table: &Table, models: &[Model], recoding: &Recoding) -> usize {
    let conditions = Conditions::new(table, models);
    let mut classes: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
    for row in 0..table.rows {
        let Some(levels) = recoding.levels(row) else { continue };
        let columns = table.quasi.iter().zip(levels);
        let labels =
            columns.map(|(quasi, level)| quasi.hierarchy.label(*level, quasi.codes[row]).unwrap());
        classes.entry(labels.collect()).or_default().push(row);
    }
    let holds = |rows: &Vec<usize>| {
        let values: Vec<Vec<(u32, u32)>> = table
            .sensitive
            .iter()
            .map(|sensitive| {
                let mut counts = BTreeMap::<u32, u32>::new();
                for row in rows {
                    *counts.entry(sensitive.codes[*row]).or_default() += 1;
                }
                counts.into_iter().collect()
            })
            .collect();
        let values: Vec<&[(u32, u32)]> = values.iter().map(Vec::as_slice).collect();
        let rows = rows.len() as u64;
        let class = ClassCounts { rows, population: rows, sensitive: &values };
        conditions.verdict(&class) == Verdict::Stays
    };
    classes.values().filter(|rows| !holds(rows)).count()
}

fn class_holds(model: Model, values: &[(u32, u32)], table: &Table) -> bool {
    let rows = values.iter().map(|(_, count)| u64::from(*count)).sum();
    let class = ClassCounts { rows, population: rows, sensitive: &[values] };
    model.holds(&class, &Whole::new(table))
}

/// Nine salaries, as in Li et al. 2007, example 4: each once, in order.
fn salaries() -> Table {
    let age = Hierarchy::of_leaves("age", [["a", "*"]]).unwrap();
    let quasi = Quasi { hierarchy: Arc::new(age), codes: vec![0; 9] };
    let labels = (3..12).map(|k| format!("{k}k")).collect();
    let codes = (0..9).collect();
    let salary = Sensitive { name: "salary".to_owned(), labels, codes, hierarchy: None };
    Table::new(vec![quasi], vec![salary], None).unwrap()
}

#[test]
fn ordered_distance_is_that_of_the_paper() {
    let whole = Whole::new(&salaries());
    let low = whole.distance(0, &[(0, 1), (1, 1), (2, 1)], Distance::Ordered);
    let wide = whole.distance(0, &[(3, 1), (5, 1), (8, 1)], Distance::Ordered);
    assert!((low - 0.375).abs() < 1e-12, "3k, 4k, 5k are {low} away, not 0.375");
    assert!((wide - 0.167).abs() < 1e-3, "6k, 8k, 11k are {wide} away, not 0.167");
}

#[test]
fn distances_of_the_whole_from_itself_are_nothing() {
    let whole = Whole::new(&salaries());
    let all: Vec<(u32, u32)> = (0..9).map(|value| (value, 1)).collect();
    for distance in [Distance::Equal, Distance::Ordered] {
        assert!(whole.distance(0, &all, distance) < 1e-12, "{distance:?}");
    }
    let one = whole.distance(0, &[(4, 1)], Distance::Equal);
    assert!((one - 8.0 / 9.0).abs() < 1e-12, "one of nine values is {one} away");
}

#[test]
fn diversity_counts_what_it_says() {
    let table = salaries();
    let distinct = |l| Model::DistinctL { sensitive: 0, l };
    assert!(class_holds(distinct(3), &[(0, 9), (1, 1), (2, 1)], &table));
    assert!(!class_holds(distinct(4), &[(0, 9), (1, 1), (2, 1)], &table), "three are not four");
    let entropy = |l| Model::EntropyL { sensitive: 0, l };
    assert!(class_holds(entropy(2.9), &[(0, 4), (1, 4), (2, 4)], &table));
    assert!(!class_holds(entropy(2.9), &[(0, 10), (1, 1), (2, 1)], &table), "skew was not seen");
    let recursive = |c, l| Model::RecursiveL { sensitive: 0, c, l };
    assert!(class_holds(recursive(4.0, 3), &[(0, 7), (1, 5), (2, 2)], &table), "7 < 4 × 2");
    assert!(!class_holds(recursive(4.0, 3), &[(0, 8), (1, 5), (2, 2)], &table), "8 = 4 × 2");
}

#[test]
fn a_highest_risk_is_a_least_size() {
    for (most, least) in [(0.2, 5), (0.3, 4), (1.0, 1), (0.1, 10), (0.0909, 12)] {
        assert_eq!(Model::MaximumRisk { most }.least_rows(), least, "1 / size <= {most}");
    }
}

#[test]
fn a_class_outside_of_the_release_forbids_a_node_that_says_who_is_not_in_it() {
    let table = salaries();
    let empty = ClassCounts { rows: 0, population: 4, sensitive: &[&[]] };
    let verdict = |models: &str| Conditions::new(&table, &self::models(models)).verdict(&empty);
    assert_eq!(verdict("dp:0.1:0.9"), Verdict::Forbids);
    assert_eq!(verdict("dp:0:0.9"), Verdict::Stays, "nothing says that anybody must be in it");
    assert_eq!(verdict("k:3,dp:0.1:0.9"), Verdict::Stays, "ARX lets k decide first");
}

/// A table of three columns of two to four levels and a sensitive one.
fn tables() -> impl Strategy<Value = Table> {
    let row = (0_u32..4, 0_u32..6, 0_u32..2, 0_u32..4);
    proptest::collection::vec(row, 1..40).prop_map(|rows| {
        let column = |name: &str, leaves: &[&[&str]], codes: Vec<u32>| Quasi {
            hierarchy: Arc::new(Hierarchy::of_leaves(name, leaves).unwrap()),
            codes,
        };
        let age: &[&[&str]] =
            &[&["1", "low", "*"], &["2", "low", "*"], &["3", "high", "*"], &["4", "high", "*"]];
        let place: &[&[&str]] = &[
            &["a", "x", "n", "*"],
            &["b", "x", "n", "*"],
            &["c", "y", "n", "*"],
            &["d", "z", "s", "*"],
            &["e", "z", "s", "*"],
            &["f", "z", "s", "*"],
        ];
        let quasi = vec![
            column("age", age, rows.iter().map(|row| row.0).collect()),
            column("place", place, rows.iter().map(|row| row.1).collect()),
            column("sex", &[&["f", "*"], &["m", "*"]], rows.iter().map(|row| row.2).collect()),
        ];
        let values = column("code", age, rows.iter().map(|row| row.3).collect());
        Table::new(quasi, vec![Sensitive { name: "code".to_owned(), ..values.into() }], None)
            .unwrap()
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let models_text = prop_oneof![
        Just("k:2"),
        Just("k:4"),
        Just("k:2,dl:2"),
        Just("k:2,el:1.5"),
        Just("k:3,rl:2:2"),
        Just("k:2,t:0.4"),
        Just("ot:0.3"),
        Just("k:2,ht:0.3"),
        Just("avg:0.3"),
        Just("kmap:3"),
    ];
    let metrics = prop_oneof![
        Just("loss"),
        Just("granularity"),
        Just("nmentropy"),
        Just("entropy"),
        Just("disc"),
        Just("aecs"),
        Just("precision"),
    ];
    let suppress = prop_oneof![Just("0"), Just("0.1"), Just("0.4")];
    (models_text, metrics, suppress).prop_map(|(models_text, metric_text, suppress)| {
        request(models(models_text), suppress, metric(metric_text))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_search_finds_what_a_walk_over_all_nodes_finds(
        table in tables(), request in requests(),
    ) {
        let found = search(&table, &request, &|| true).ok();
        let best = exhaust(&table, &request);
        prop_assert_eq!(found.is_some(), best.is_some(), "a node was made up or missed");
        if let (Some(found), Some(best)) = (found, best) {
            prop_assert_eq!(&found.levels, &best.levels, "{} or {}", found.score, best.score);
            prop_assert!((found.score - best.score).abs() < 1e-9);
            prop_assert_eq!(
                (found.suppressed, found.classes, found.smallest),
                (best.suppressed, best.classes, best.smallest),
            );
        }
    }

    #[test]
    fn no_node_above_loses_less_than_a_bound(table in tables(), request in requests()) {
        let measure = Measure::new(&table, request.metric);
        let conditions = Conditions::new(&table, &request.models);
        let top: Vec<usize> = table.quasi.iter().map(|quasi| quasi.hierarchy.height() - 1).collect();
        let mut levels = vec![0; top.len()];
        let mut least = 0.0_f64;
        // One way up: what is lost at the least only grows, and no score is below it.
        for column in (0..top.len()).cycle() {
            let judged = Node::count(&table, &levels).judge(&conditions, &measure, &levels);
            let bound = measure.bound(&levels);
            prop_assert!(bound + 1e-9 >= least, "a bound fell from {} to {}", least, bound);
            prop_assert!(judged.score + 1e-9 >= bound, "{} under its bound", judged.score);
            least = bound;
            if levels == top {
                break;
            }
            levels[column] = top[column].min(levels[column] + 1);
        }
    }

    #[test]
    fn recoding_breaks_no_model_and_loses_nobody_it_could_keep(
        table in tables(), request in requests(),
    ) {
        let Ok(optimum) = search(&table, &request, &|| true) else { return Ok(()) };
        let recoding = recode(&table, &request, &optimum);
        prop_assert_eq!(broken(&table, &request.models, &recoding), 0);
        let quality = Quality::of(&table, &recoding);
        let nothing = Request { suppress: Fraction::parse("0").unwrap(), ..request };
        if exhaust(&table, &nothing).is_some() && nothing.models.iter().all(|model| {
            !matches!(model, Model::AverageRisk { .. })
        }) {
            prop_assert_eq!(quality.suppressed, 0, "some node keeps all of them");
        }
    }
}
