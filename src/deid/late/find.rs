//! The search over a table's rows: its node, and for each row the levels it is told by.
//!
//! Comes in: a table's whole columns and the settings. Goes out: [`Found`]. Never: a row in a class
//! that breaks a model left unmarked.
//!
//! A record is a person with a tuple of values: rows that say the same of the same person are one.
//! Records of one person in one class are still counted apart; so where a person has several, the
//! node is looked at again in people, and searched for anew with a larger k where too few are left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray as _, StringArray, StringBuilder},
    compute::{cast, is_not_null},
    datatypes::DataType,
};

use super::{
    super::{
        Error, Settings, TablePlan,
        hierarchy::{Hierarchy, RuleError},
        search::{
            self, Model, Quasi, QuasiColumn, Recoding, Request, Sensitive, SensitiveColumn, Table,
        },
    },
    Choice, Late, LateError, Whole,
    choice::{Chosen, Outcome},
    ladder::{Climbed, Ladder},
    records::Records,
};

/// Up to this many nodes a search looks at all that matter; beyond, at the best until time is up.
const EXACT_NODES: u64 = 10_000_000;

/// What a search found.
#[derive(Debug)]
pub(super) struct Found {
    /// By the place of the step: the generalised column.
    pub(super) columns: Vec<(usize, ArrayRef)>,
    /// Rows that break a model; `None` where none does.
    pub(super) held: Option<Vec<bool>>,
    /// What was chosen.
    pub(super) choice: Choice,
}

/// A quasi-identifier as the search sees it, row by row.
struct Column<'p> {
    at: usize,
    name: &'p str,
    /// What it climbs, where it has a hierarchy.
    ladder: Option<&'p Ladder>,
    climbed: Climbed,
}

/// Searches, and generalises.
pub(super) fn find(
    plan: &TablePlan,
    settings: &Settings,
    whole: &Whole,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<Found, Error> {
    let (table, count) = (plan.table(), whole.persons.len());
    let late = |source: LateError| Error::Late { table: table.to_owned(), source };
    let columns = columns(plan, whole).map_err(late)?;
    let (models, sensitive) = models(plan, whole).map_err(late)?;
    let records = Records::of(
        &whole.persons,
        columns.iter().map(|column| &column.climbed.quasi.codes),
        sensitive.iter().map(|column| &column.codes),
    );
    let quasi = columns.iter().map(|column| Quasi {
        hierarchy: Arc::clone(&column.climbed.quasi.hierarchy),
        codes: records.codes(&column.climbed.quasi.codes),
    });
    let sensitive = sensitive.into_iter().map(|column| {
        let codes = records.codes(&column.codes);
        Sensitive { codes, ..column }
    });
    let searched = Table::new(quasi.collect(), sensitive.collect(), None);
    let searched = searched.map_err(|source| late(source.into()))?;
    let mut request = Request {
        models: std::iter::once(Model::KAnonymity { k: u64::from(settings.k) })
            .chain(models)
            .collect(),
        suppress: settings.suppress_limit,
        metric: settings.metric,
        exact_nodes: EXACT_NODES,
    };
    let mut k = u64::from(settings.k);
    let (optimum, told) = loop {
        let optimum = search::search(&searched, &request, go_on);
        let optimum = optimum.map_err(|source| late(source.into()))?;
        let told = if settings.recode {
            search::recode(&searched, &request, &optimum)
        } else {
            Recoding::of_optimum(&searched, &request, &optimum)
        };
        let next = k.saturating_mul(2);
        if records.is_plain() || next > searched.rows() as u64 {
            break (optimum, told);
        }
        let lost = u128::from(records.lost(&classes(&searched, &told), settings.k)) * 1_000_000;
        if lost <= count as u128 * u128::from(settings.suppress_limit.ppm()) {
            break (optimum, told);
        }
        k = next;
        if let Some(model) = request.models.first_mut() {
            *model = Model::KAnonymity { k };
        }
    };
    let is_recoded = |record: &usize| {
        told.levels(*record).is_some_and(|levels| *levels != *optimum.levels.as_slice())
    };
    let outcome = Outcome {
        request: &request,
        optimum: &optimum,
        asked: plan.asked(),
        k,
        records: searched.rows() as u64,
        recoded: (0..searched.rows()).filter(is_recoded).count() as u64,
    };
    let chosen = columns.iter().zip(&optimum.levels).filter_map(|(column, level)| {
        let Climbed { least, height, .. } = column.climbed;
        let hierarchy = column.ladder?.digest;
        let level = (level + least) as u64;
        Some(Chosen { column: column.name.to_owned(), hierarchy, level, height: height as u64 })
    });
    let choice = outcome.choice(chosen.collect());
    let generalised = columns.iter().enumerate().filter(|(_, column)| column.ladder.is_some());
    let generalised = generalised.map(|(place, column)| {
        // What is held is told as little as can be, though nobody is to see it.
        let top = column.climbed.quasi.hierarchy.height() - 1;
        let level = |row: usize| {
            let levels = told.levels(records.of_row(row));
            levels.and_then(|levels| levels.get(place)).copied().unwrap_or(top)
        };
        (column.at, labels(&column.climbed.quasi, level))
    });
    let held: Vec<bool> =
        (0..count).map(|row| told.levels(records.of_row(row)).is_none()).collect();
    let held = held.contains(&true).then_some(held);
    Ok(Found { columns: generalised.collect(), held, choice })
}

/// The quasi-identifiers of a table; those without a hierarchy have one level.
fn columns<'p>(plan: &'p TablePlan, whole: &Whole) -> Result<Vec<Column<'p>>, LateError> {
    let released = plan.columns().iter().skip(1);
    let steps =
        plan.steps().iter().zip(released).enumerate().filter(|(_, (step, _))| step.is_quasi);
    let column = |(at, (step, released)): (usize, (&'p super::super::plan::Step, &'p _))| {
        let released: &'p super::super::PlannedColumn = released;
        let name = released.name.as_str();
        let values = whole.columns.get(&at).ok_or(LateError::Column { column: name.to_owned() })?;
        let ladder = step.late().and_then(Late::ladder);
        let climbed = match ladder {
            Some(ladder) => ladder.climb(name, &texts(name, values)?)?,
            None if step.kernel.is_keyed() => flat(name, &there(name, values)?)?,
            None => flat(name, &texts(name, values)?)?,
        };
        Ok(Column { at, name, ladder, climbed })
    };
    steps.map(column).collect()
}

/// A column that is told as it is.
fn flat(column: &str, texts: &StringArray) -> Result<Climbed, LateError> {
    let values: BTreeSet<&str> = texts.iter().map(Option::unwrap_or_default).collect();
    let hierarchy = Hierarchy::of_leaves(column, values.into_iter().map(|value| [value]));
    let defect = |(_, source)| RuleError::Defect { column: column.to_owned(), source };
    let mut quasi = QuasiColumn::new(Arc::new(hierarchy.map_err(defect)?));
    texts.iter().for_each(|text| quasi.push(text.unwrap_or_default()));
    Ok(Climbed { quasi: quasi.finish()?, least: 0, height: 1 })
}

fn texts(column: &str, values: &ArrayRef) -> Result<StringArray, LateError> {
    let unfit = || LateError::Column { column: column.to_owned() };
    let texts = cast(values, &DataType::Utf8).map_err(|_| unfit())?;
    texts.as_string_opt::<i32>().cloned().ok_or_else(unfit)
}

/// Whether there is a value: all that can be known of what a key made.
fn there(column: &str, values: &ArrayRef) -> Result<StringArray, LateError> {
    let unfit = |_| LateError::Column { column: column.to_owned() };
    let there: ArrayRef = Arc::new(is_not_null(values).map_err(unfit)?);
    texts(column, &there)
}

/// The models beyond k, with the sensitive columns that they speak of.
fn models(plan: &TablePlan, whole: &Whole) -> Result<(Vec<Model>, Vec<Sensitive>), LateError> {
    let mut names: Vec<&str> = Vec::new();
    let mut sensitive = Vec::new();
    let mut models = Vec::new();
    for asked in plan.asked() {
        let place = match asked.sensitive() {
            None => 0,
            Some(name) => {
                if let Some(place) = names.iter().position(|known| *known == name) {
                    place
                } else {
                    sensitive.push(protected(plan, whole, name)?);
                    names.push(name);
                    names.len() - 1
                }
            }
        };
        models.push(asked.model(place));
    }
    Ok((models, sensitive))
}

/// Reads a sensitive column by its released name.
fn protected(plan: &TablePlan, whole: &Whole, name: &str) -> Result<Sensitive, LateError> {
    let missing = || LateError::Column { column: name.to_owned() };
    let at = plan.columns().iter().skip(1).position(|column| column.name == name);
    let values = at.and_then(|at| whole.columns.get(&at)).ok_or_else(missing)?;
    let mut column = SensitiveColumn::new(name);
    for text in &texts(name, values)? {
        column.push(text.unwrap_or_default());
    }
    Ok(column.finish())
}

/// The class of each record: its codes at its own levels; none where it is held.
fn classes(table: &Table, told: &Recoding) -> Vec<Option<u32>> {
    let mut places: BTreeMap<Vec<(usize, u32)>, u32> = BTreeMap::new();
    let class = |record: usize| {
        let levels = told.levels(record)?;
        let code = |(quasi, level): (&Quasi, &usize)| {
            let leaf = usize::try_from(*quasi.codes.get(record)?).ok()?;
            Some((*level, *quasi.hierarchy.level(*level)?.of_leaf.get(leaf)?))
        };
        let codes: Option<Vec<(usize, u32)>> = table.quasi().iter().zip(levels).map(code).collect();
        let next = u32::try_from(places.len()).unwrap_or(u32::MAX);
        Some(*places.entry(codes?).or_insert(next))
    };
    (0..table.rows()).map(class).collect()
}

/// The labels of a column's rows at the level of each; nothing stays nothing.
fn labels(quasi: &Quasi, level: impl Fn(usize) -> usize) -> ArrayRef {
    let mut out = StringBuilder::with_capacity(quasi.codes.len(), quasi.codes.len() * 8);
    for (row, leaf) in quasi.codes.iter().enumerate() {
        match quasi.hierarchy.label(level(row), *leaf) {
            Some("") | None => out.append_null(),
            Some(label) => out.append_value(label),
        }
    }
    Arc::new(out.finish())
}
