//! The search from a table and a request to the optimum.
//!
//! Comes in: [`Table`], [`Request`], and whether to go on. Goes out: [`Optimum`] or why there is none.
//! Never: a guess.

use super::{
    Model, Optimum, Proof, Request, Table,
    case::Case,
    groups::Groups,
    keys::{Key, Wide},
    regions,
};

/// Why a search has no answer. None holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no record to release.
    #[error("the table has no rows to make anonymous")]
    NoRows,
    /// There is no column to generalise.
    #[error("the table has no quasi-identifier")]
    NoColumns,
    /// There are more records than the search numbers.
    #[error("the table has {rows} rows, {most} are the most")]
    Rows {
        /// How many there are.
        rows: usize,
        /// How many there may be.
        most: u32,
    },
    /// A class can never be so large.
    #[error("classes of {k} records are asked for, and the table has {rows} rows")]
    K {
        /// The least number of records.
        k: u64,
        /// The table's.
        rows: u64,
    },
    /// A model names a sensitive attribute that there is not.
    #[error("model {model} asks for a sensitive attribute that the table does not have")]
    Sensitive {
        /// Which of the request's models, from 1.
        model: usize,
    },
    /// A column's codes are not those of its hierarchy, or are fewer than the rows.
    #[error("a quasi-identifier has other codes than its hierarchy, or too few")]
    Codes,
    /// The lattice has more nodes than can be numbered.
    #[error("the hierarchies make a lattice of more than {} nodes", u64::MAX)]
    Lattice,
    /// The columns have too many values to be told apart in a key.
    #[error(
        "the quasi-identifiers need more than {most} bits together: too many columns or values"
    )]
    Wide {
        /// The most.
        most: u32,
    },
    /// No node satisfies the models, not even the highest.
    #[error("no generalisation satisfies the models, not even that of all columns to their tops")]
    Unsatisfiable,
    /// The search was stopped before it found any node.
    #[error("the search was stopped before it found any generalisation that satisfies the models")]
    Stopped,
}

/// How many words the widest keys have.
pub(super) const WORDS: usize = 8;

/// Finds the node that loses least.
///
/// Up to `exact_nodes` nodes it runs to the end; above, `go_on` is asked between counts, and where it
/// says no the best node so far is returned with a bound on what any other loses.
pub fn search(
    table: &Table,
    request: &Request,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<Optimum, Error> {
    check(table, request)?;
    let lattice = lattice(table)?;
    let case = Case::new(table, request)?;
    let small = lattice <= request.exact_nodes;
    let go_on: &(dyn Fn() -> bool + Sync) = if small { &|| true } else { go_on };
    let bits = case.layout.bits();
    let found = if bits < u64::BITS {
        solve::<u64>(&case, request, go_on)
    } else if bits < u128::BITS {
        solve::<u128>(&case, request, go_on)
    } else if bits < Wide::<WORDS>::BITS {
        solve::<Wide<WORDS>>(&case, request, go_on)
    } else {
        return Err(Error::Wide { most: Wide::<WORDS>::BITS - 1 });
    };
    let Some((levels, kept)) = found.best else {
        let stopped = found.open.is_some();
        return Err(if stopped { Error::Stopped } else { Error::Unsatisfiable });
    };
    Ok(Optimum {
        levels,
        score: kept.score,
        suppressed: kept.suppressed,
        classes: kept.classes,
        smallest: kept.smallest,
        lattice,
        checked: found.checked,
        proof: found.open.map_or(Proof::Exact, |bound| Proof::Gap { bound }),
    })
}

fn solve<K: Key>(
    case: &Case<'_>,
    request: &Request,
    go_on: &(dyn Fn() -> bool + Sync),
) -> regions::Found {
    let groups: Groups<K> = Groups::of(case.table, &case.layout, &case.carried(&request.models));
    regions::best(case, groups, go_on)
}

fn check(table: &Table, request: &Request) -> Result<(), Error> {
    let rows = table.released_rows();
    if rows == 0 {
        return Err(Error::NoRows);
    }
    if table.quasi.is_empty() {
        return Err(Error::NoColumns);
    }
    // The last number is left for `none`, and twice as many slots are numbered.
    let most = u32::MAX / 2;
    if u32::try_from(table.rows).map_or(true, |rows| rows > most) {
        return Err(Error::Rows { rows: table.rows, most });
    }
    if table.quasi.iter().any(|quasi| quasi.codes.len() != table.rows) {
        return Err(Error::Codes);
    }
    let k = request.models.iter().map(Model::least_rows).max().unwrap_or(0);
    if k > rows {
        return Err(Error::K { k, rows });
    }
    for (place, model) in request.models.iter().enumerate() {
        let sensitive = model.sensitive();
        if sensitive.is_some_and(|place| table.sensitive.get(place).is_none()) {
            return Err(Error::Sensitive { model: place + 1 });
        }
    }
    Ok(())
}

fn lattice(table: &Table) -> Result<u64, Error> {
    let heights = table.quasi.iter().map(|quasi| quasi.hierarchy.height() as u64);
    let mut nodes: u64 = 1;
    for height in heights {
        nodes = nodes.checked_mul(height).ok_or(Error::Lattice)?;
    }
    if nodes == 0 { Err(Error::Codes) } else { Ok(nodes) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        super::{Metric, Quasi},
        *,
    };
    use crate::deid::{Fraction, hierarchy::Hierarchy};

    /// A table of columns of 12 values each, told in steps of 3, of 6 and not at all.
    fn table(rows: u64, columns: u64) -> Table {
        let leaves: Vec<[String; 4]> = (0..12)
            .map(|leaf| {
                [format!("{leaf}"), format!("{}+", leaf / 3), format!("{}++", leaf / 6), "*".into()]
            })
            .collect();
        let quasi = (0..columns).map(|column| {
            let hierarchy = Arc::new(Hierarchy::of_leaves(&format!("c{column}"), &leaves).unwrap());
            let codes = (0..rows).map(|row| {
                let mixed = (row * columns + column + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
                u32::try_from((mixed % 12) * (mixed / 12 % 12) / 12).unwrap()
            });
            Quasi { hierarchy, codes: codes.collect() }
        });
        Table::new(quasi.collect(), Vec::new(), None).unwrap()
    }

    fn request(k: u64, suppress: &str) -> Request {
        Request {
            models: vec![Model::KAnonymity { k }],
            suppress: Fraction::parse(suppress).unwrap(),
            metric: Metric::Loss,
            exact_nodes: u64::MAX,
        }
    }

    #[test]
    fn keys_of_any_width_lead_to_the_same_node() {
        let (table, request) = (table(600, 5), request(4, "0.1"));
        let case = Case::new(&table, &request).unwrap();
        let narrow = solve::<u64>(&case, &request, &|| true);
        let middle = solve::<u128>(&case, &request, &|| true);
        let wide = solve::<Wide<WORDS>>(&case, &request, &|| true);
        let best = |found: regions::Found| {
            let (levels, kept) = found.best.unwrap();
            (levels, kept.score, kept.suppressed, kept.classes, kept.smallest, found.checked)
        };
        let narrow = best(narrow);
        assert_eq!(narrow, best(middle), "a key's width changes what is found");
        assert_eq!(narrow, best(wide), "a key's width changes what is found");
    }

    #[test]
    fn a_table_of_more_bits_than_two_words_is_searched() {
        let table = table(60, 40);
        let mut request = request(2, "0");
        request.exact_nodes = 0;
        let mut lattices = table.clone();
        lattices.quasi.truncate(30);
        let stops = std::sync::atomic::AtomicU32::new(3);
        let go_on = || stops.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) > 0;
        let found = search(&lattices, &request, &go_on).unwrap();
        assert!(found.smallest >= 2, "a class is smaller than k");
        assert_eq!(
            search(&table, &request, &|| true),
            Err(Error::Lattice),
            "4^40 nodes are numbered"
        );
    }

    #[test]
    fn threads_change_nothing() {
        let (table, request) = (table(3000, 6), request(7, "0.05"));
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| search(&table, &request, &|| true).unwrap())
        };
        assert_eq!(with(1), with(2), "two threads find or count otherwise than one");
    }

    #[test]
    fn a_search_that_is_stopped_says_how_far_it_may_be_off() {
        let (table, mut request) = (table(3000, 6), request(7, "0.05"));
        let exact = search(&table, &request, &|| false).unwrap();
        assert_eq!(exact.proof, Proof::Exact, "a small lattice was not searched to its end");
        request.exact_nodes = 10;
        for waves in 0..6 {
            let left = std::sync::atomic::AtomicU32::new(waves);
            let go_on = || {
                left.fetch_update(
                    std::sync::atomic::Ordering::Relaxed,
                    std::sync::atomic::Ordering::Relaxed,
                    |left| left.checked_sub(1),
                )
                .is_ok()
            };
            let found = search(&table, &request, &go_on).unwrap();
            assert!(found.score >= exact.score, "a stopped search beats the optimum");
            if let Proof::Gap { bound } = found.proof {
                assert!(bound <= exact.score, "the optimum loses less than no node was said to");
            } else {
                assert_eq!(found.levels, exact.levels, "another node is called exact");
            }
        }
        let end = search(&table, &request, &|| true).unwrap();
        assert_eq!(end, exact, "best first to the end is not the optimum");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let small = table(6, 2);
        let refused =
            |table: &Table, request: &Request| search(table, request, &|| true).unwrap_err();
        assert_eq!(
            refused(&small, &request(7, "0")),
            Error::K { k: 7, rows: 6 },
            "k is over the rows"
        );
        let mut none = small.clone();
        none.released = Some(vec![false; 6]);
        assert_eq!(refused(&none, &request(2, "0")), Error::NoRows, "nobody is released");
        let mut bare = small.clone();
        bare.quasi.clear();
        assert_eq!(refused(&bare, &request(2, "0")), Error::NoColumns, "there is no column");
        let mut other = request(2, "0");
        other.models.push(Model::DistinctL { sensitive: 0, l: 2 });
        assert_eq!(refused(&small, &other), Error::Sensitive { model: 2 }, "there is no attribute");
        let mut short = small;
        short.quasi[0].codes.pop();
        assert_eq!(refused(&short, &request(2, "0")), Error::Codes, "a column is too short");
    }
}
