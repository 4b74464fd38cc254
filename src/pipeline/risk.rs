//! Risk: what could still be learnt from a version or a file, what it is still good for, and an
//! expert's signed word on it.
//!
//! Comes in: a version's rows and papers, or a file and what others know of it. Goes out: a
//! [`RiskReport`](crate::report::RiskReport), and on request a determination with its entry in the book. Never: a determination
//! of another version than the one that was measured.

mod determination;
mod file;
mod population;
mod version;

use std::{io, path::PathBuf};

pub use self::{
    determination::{Determination, Determined, Verified, new_key, sign, signed, verify},
    file::{Ask, of_file},
    population::{Population, PopulationError},
    version::of_version,
};
use crate::{
    deid::risk::{Estimates, Measured, Sizes},
    digest::Sha256,
    lake,
    ledger::entry,
    report::{
        RiskAttack, RiskFigures, RiskMarketer, RiskMinimal, RiskOutcome, RiskQuestion,
        RiskSensitive, RiskTable, RiskTest, RiskUnique,
    },
    signed_note::{self, seed::SeedError},
    site, source, store,
};

/// Why risk cannot be told, or a determination not signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// The file could not be read as a table.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The file or folder of hierarchies could not be read as a table.
    #[error(transparent)]
    Table(#[from] super::deid::Error),
    /// Values could not be told apart.
    #[error("rows of table `{table}` could not be compared")]
    Rows {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// A file could not be read.
    #[error("`{}` cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No column is named that others may know.
    #[error("no quasi-identifier was named")]
    NoQuasi,
    /// A column is taken to be known and sensitive.
    #[error("column `{0}` is named twice")]
    Twice(String),
    /// There is no row.
    #[error("`{}` has no row", .0.display())]
    Empty(PathBuf),
    /// A paper of the version is not what was kept.
    #[error("`{path}` is not what was kept: {reason}")]
    Paper {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Only what a site's book holds can be determined.
    #[error("only a version of this site can be determined, as it was measured")]
    NotOfASite,
    /// The expert's key.
    #[error("the expert's key cannot be used")]
    Seed(#[from] SeedError),
    /// The expert's key.
    #[error("the expert's key cannot be used")]
    Key(#[from] signed_note::Error),
    /// There is a key already where one should be made.
    #[error("there is a key already in `{}`; it is not written over", .0.display())]
    KeyExists(PathBuf),
    /// A name of nobody.
    #[error("an expert signs under a name of 1 to 200 characters in one line")]
    Name,
    /// The report could not be written.
    #[error("the report could not be written")]
    Write(#[source] serde_json::Error),
    /// A version's entry is malformed.
    #[error("the entry of the version is malformed")]
    Entry(#[from] entry::Error),
    /// A determination's file is none, or was changed.
    #[error("`{}` is no signed determination: {reason}", file.display())]
    Unsigned {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

/// What every report is told by whoever asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The population that the data are taken to be drawn from.
    pub population: Population,
    /// The digest of the program's bytes, where they can be read.
    pub code: Option<Sha256>,
}

/// The program, as a report names it.
const PROGRAM: &str = concat!("almoner ", env!("CARGO_PKG_VERSION"));

/// The risk above which a person counts as at risk.
const THRESHOLD: f64 = 0.2;

/// Figures are told to so many decimals: beyond them a processor's rounding would show.
const DECIMALS: f64 = 1e9;

fn told(figure: f64) -> f64 {
    (figure * DECIMALS).round() / DECIMALS
}

/// The figures of classes of these sizes.
fn figures(sizes: &Sizes, population: &Population) -> Option<RiskFigures> {
    if sizes.classes() == 0 {
        return None;
    }
    // INVARIANT: there is a class, so its size is at least 1.
    let smallest = u32::try_from(sizes.smallest()).unwrap_or(u32::MAX);
    let highest = told(1.0 / f64::from(smallest.max(1)));
    let success = told(sizes.success());
    let attack =
        RiskAttack { highest, at_risk: told(sizes.below(5)), threshold: THRESHOLD, success };
    Some(RiskFigures {
        records: sizes.records(),
        classes: sizes.classes(),
        smallest_class: sizes.smallest(),
        average_class: told(1.0 / sizes.success()),
        prosecutor: attack,
        // Without a register of the population the journalist is taken to be as strong.
        journalist: attack,
        marketer: RiskMarketer { success },
        sample_unique: told(sizes.below(2)),
        population_unique: sizes.estimate(population.people).as_ref().map(unique),
    })
}

fn unique(found: &Estimates) -> RiskUnique {
    use crate::deid::risk::Chosen;
    let models = [
        ("dankar", found.dankar),
        ("zayatz", found.zayatz),
        ("snb", found.snb),
        ("snb_shlosser", found.snb_shlosser),
        ("pitman", found.pitman),
    ];
    let model = match found.chosen {
        Chosen::None => "none",
        Chosen::Pitman => "pitman",
        Chosen::Snb => "snb",
        Chosen::Zayatz => "zayatz",
    };
    RiskUnique {
        dankar: told(found.dankar.share),
        dankar_model: model.to_owned(),
        zayatz: told(found.zayatz.share),
        snb: told(found.snb.share),
        snb_shlosser: told(found.snb_shlosser.share),
        pitman: told(found.pitman.share),
        unsolved: models
            .into_iter()
            .filter(|(_, estimate)| !estimate.solved)
            .map(|(name, _)| name.to_owned())
            .collect(),
    }
}

fn minimal(measured: &Measured) -> RiskMinimal {
    let found = &measured.minimal;
    RiskMinimal {
        columns_max: found.columns_max as u64,
        records: found.records,
        by_columns: found.by_columns.clone(),
        columns: found.columns.iter().map(|c| (c.column.clone(), told(c.share))).collect(),
    }
}

fn sensitive(measured: &Measured) -> Vec<RiskSensitive> {
    let lines = measured.attained.iter().map(|(column, attained)| RiskSensitive {
        column: column.clone(),
        l: attained.l,
        entropy_l: told(attained.entropy_l),
        recursive_c: attained.recursive_c.map(told),
        t: told(attained.t),
        certain: told(attained.certain),
    });
    lines.collect()
}

/// What the figures say of the three tests, and the tables that decide it.
fn tests(tables: &[RiskTable], k: u64) -> Vec<RiskTest> {
    let known = || tables.iter().filter_map(|table| Some((table, table.figures.as_ref()?)));
    let names = |fits: &dyn Fn(u64) -> bool| -> Vec<String> {
        known().filter(|(_, f)| fits(f.smallest_class)).map(|(t, _)| t.table.clone()).collect()
    };
    let singled = names(&|smallest| smallest < k.max(2));
    let alone = names(&|smallest| smallest < 2);
    let given_away: Vec<String> = known()
        .filter(|(table, _)| table.sensitive.iter().any(|line| line.l < 2))
        .map(|(table, _)| table.table.clone())
        .collect();
    let mut lines = known().flat_map(|(table, _)| &table.sensitive).peekable();
    let varied = lines.peek().is_some() && lines.all(|line| line.l >= 3 && line.t <= THRESHOLD);
    let outcome = |bad: &[String], else_: RiskOutcome| {
        if bad.is_empty() { else_ } else { RiskOutcome::Fails }
    };
    let inference = if varied { RiskOutcome::Holds } else { RiskOutcome::Judge };
    [
        (RiskQuestion::SinglingOut, outcome(&singled, RiskOutcome::Holds), singled),
        (RiskQuestion::Linkability, outcome(&alone, RiskOutcome::Judge), alone),
        (RiskQuestion::Inference, outcome(&given_away, inference), given_away),
    ]
    .map(|(test, outcome, tables)| RiskTest { test, outcome, tables })
    .into()
}

#[cfg(test)]
mod laws {
    use super::*;

    fn table(smallest: &[u64], attained: &[(u64, f64)]) -> RiskTable {
        let us: Population = "us".parse().unwrap();
        let line = |(l, t): &(u64, f64)| RiskSensitive {
            column: "code".to_owned(),
            l: *l,
            entropy_l: 1.0,
            recursive_c: None,
            t: *t,
            certain: 0.0,
        };
        RiskTable {
            table: "patients".to_owned(),
            rows: 0,
            suppressed_rows: 0,
            quasi: Vec::new(),
            before: None,
            figures: figures(&Sizes::of(smallest.iter().copied()), &us),
            minimal_uniques: RiskMinimal::default(),
            sensitive: attained.iter().map(line).collect(),
            columns: Vec::new(),
        }
    }

    /// Class sizes, l and t attained, and k.
    type Case<'c> = (&'c [u64], &'c [(u64, f64)], u64);

    fn outcomes(table: RiskTable, k: u64) -> [RiskOutcome; 3] {
        let found = tests(&[table], k);
        [found[0].outcome, found[1].outcome, found[2].outcome]
    }

    #[test]
    fn the_three_tests_say_only_what_the_figures_show() {
        use RiskOutcome::{Fails, Holds, Judge};
        let rows: [(Case<'_>, [RiskOutcome; 3]); 6] = [
            ((&[11, 40], &[], 11), [Holds, Judge, Judge]),
            ((&[10, 40], &[], 11), [Fails, Judge, Judge]),
            ((&[1, 40], &[], 0), [Fails, Fails, Judge]),
            ((&[11, 40], &[(3, 0.2)], 11), [Holds, Judge, Holds]),
            ((&[11, 40], &[(3, 0.2), (2, 0.1)], 11), [Holds, Judge, Judge]),
            ((&[11, 40], &[(3, 0.2), (1, 0.1)], 11), [Holds, Judge, Fails]),
        ];
        for ((sizes, attained, k), expected) in rows {
            assert_eq!(outcomes(table(sizes, attained), k), expected, "{sizes:?} {attained:?}");
        }
    }

    #[test]
    fn a_table_of_nobody_has_no_figures_and_fails_nothing() {
        assert_eq!(table(&[], &[]).figures, None);
        assert_eq!(outcomes(table(&[], &[]), 11)[0], RiskOutcome::Holds);
    }
}
