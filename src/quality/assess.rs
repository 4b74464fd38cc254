//! All rules on all tables of one institution: findings, and the rows that must not go on.
//!
//! INVARIANT: a rule that rejects fails no row of what is left: it is asked again until nothing
//! more is taken out, for a visit may lead nowhere only once its patient is gone.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Error, aggregate,
    baseline::TableBase,
    finding::{Finding, Outcome, PLACES, Place, Validity},
    frames::{Table, Tables},
    row::{self, Frames, Gone},
    rule::{Rule, Rules},
};
use crate::{
    instant::Date,
    schema::{Broken as BrokenRow, TableSchema},
};

/// Rows that broke a rule: of each table, by the place of the file in the run and the line.
pub type Broken = BTreeMap<String, BTreeMap<(u64, u64), BrokenRow>>;

/// What came of an institution's tables.
#[derive(Debug, Clone, Default)]
pub struct Assessment {
    /// What came of each rule that applies, in the order of the rules.
    pub findings: Vec<Finding>,
    /// Of each table, its rows and how many cells of each column are filled.
    pub filled: BTreeMap<String, (u64, Vec<(String, u64)>)>,
    /// How many checks held.
    pub validity: Validity,
    /// What the next version is held against, by rule.
    pub base: BTreeMap<String, TableBase>,
    /// The rows that must not go on.
    pub broken: Broken,
    /// Failing rows of the rules that stop the run, those of `broken` excepted.
    pub stopping: Broken,
}

/// Runs the rules over the tables of one institution. `today` is the day of the run; `before` is
/// what the previous version was like there.
pub fn assess(
    rules: &Rules,
    schemas: &[Arc<TableSchema>],
    institution: &str,
    tables: &Tables,
    before: Option<&BTreeMap<String, TableBase>>,
    today: Date,
) -> Result<Assessment, Error> {
    let applying: Vec<&Rule> = rules.iter().filter(|rule| rule.applies(schemas)).collect();
    let mut out = Assessment { filled: filled(tables), ..Assessment::default() };
    let mut gone = Gone::new();
    let frames = frames(tables, &gone, today)?;
    for rule in &applying {
        let fault = |source| Error::Run { what: rule.name.to_string(), source };
        let past = before.and_then(|before| before.get(rule.name.as_ref()));
        if let Some(seen) = aggregate::run(rule, &frames, past).map_err(fault)? {
            let (rows, measure) = (seen.base.rows, seen.measure);
            out.findings.push(Finding::of_table(rule, institution, rows, seen.failing, measure));
            out.base.insert(rule.name.to_string(), seen.base);
            continue;
        }
        let (rows, failing) = row::run(rule, &frames).map_err(fault)?;
        let Some(table) = tables.tables.get(&rule.table) else { continue };
        let first = failing.iter().take(PLACES).filter_map(|row| place(table, *row));
        let first = first.filter_map(|(file, line)| {
            Some(Place { file: table.files.get(&file)?.to_string(), line })
        });
        let count = failing.len() as u64;
        let finding = Finding::of_rows(rule, institution, rows, count, first.collect());
        out.validity.add(rule, rows, count);
        if rule.reject {
            take_out(rule, table, &failing, &mut gone, &mut out.broken);
        } else if finding.outcome == Outcome::Stopped {
            note(rule, table, &failing, &mut out.stopping);
        }
        out.findings.push(finding);
    }
    cascade(&applying, tables, &mut gone, &mut out.broken, today)?;
    Ok(out)
}

/// Asks the rules that reject again of what is left, until nothing more is taken out.
fn cascade(
    rules: &[&Rule],
    tables: &Tables,
    gone: &mut Gone,
    broken: &mut Broken,
    today: Date,
) -> Result<(), Error> {
    let mut again = gone.values().any(|rows| !rows.is_empty());
    while again {
        again = false;
        let frames = frames(tables, gone, today)?;
        for rule in rules.iter().filter(|rule| rule.reject) {
            let fault = |source| Error::Run { what: rule.name.to_string(), source };
            let (_, failing) = row::run(rule, &frames).map_err(fault)?;
            let Some(table) = tables.tables.get(&rule.table) else { continue };
            again |= take_out(rule, table, &failing, gone, broken);
        }
    }
    Ok(())
}

fn frames<'t>(tables: &'t Tables, gone: &Gone, today: Date) -> Result<Frames<'t>, Error> {
    let fault = |source| Error::Run { what: "rows that are left".to_owned(), source };
    Frames::new(tables, gone, today).map_err(fault)
}

fn place(table: &Table, row: u64) -> Option<(u64, u64)> {
    table.places.get(usize::try_from(row).ok()?).copied()
}

/// Takes rows out under the rule's name; says whether any of them was still there.
fn take_out(
    rule: &Rule,
    table: &Table,
    failing: &[u64],
    gone: &mut Gone,
    broken: &mut Broken,
) -> bool {
    let own = gone.entry(rule.table.clone()).or_default();
    let new: Vec<u64> = failing.iter().copied().filter(|row| own.insert(*row)).collect();
    note(rule, table, &new, broken);
    !new.is_empty()
}

fn note(rule: &Rule, table: &Table, rows: &[u64], broken: &mut Broken) {
    let own = broken.entry(rule.table.clone()).or_default();
    let column = match rule.columns().as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    };
    for place in rows.iter().filter_map(|row| place(table, *row)) {
        own.entry(place).or_insert_with(|| BrokenRow {
            rule: Arc::clone(&rule.name),
            column: column.clone(),
            reason: rule.kind.reason(),
        });
    }
}

fn filled(tables: &Tables) -> BTreeMap<String, (u64, Vec<(String, u64)>)> {
    let of = |table: &Table| {
        let columns = table.schema.columns.iter().zip(&table.filled);
        (table.rows, columns.map(|(column, filled)| (column.name.clone(), *filled)).collect())
    };
    tables.tables.iter().map(|(name, table)| (name.clone(), of(table))).collect()
}
