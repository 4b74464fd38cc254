//! Keys and references: a row whose key an earlier row has, or which refers to a row that is not
//! there, is known only when all parts were seen. Tables with neither are not read twice.
//! Keys are an institution's own: two institutions may number their visits alike.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use rayon::prelude::*;

use super::{
    Error,
    plan::{Plan, Task},
};
use crate::{
    party::InstitutionId,
    pipeline::{
        Progress,
        spec::{SourceSpec, Spec},
    },
    schema::{self, ConformedBatch, KeySet, ReferenceSet, Reject, Screen, TableSchema},
    source,
};

/// The rows of each table that must be taken out.
#[derive(Debug, Default)]
pub(super) struct BadLines {
    screens: BTreeMap<Group, Screen>,
}

/// One institution's rows of one table.
type Group = (InstitutionId, usize);

/// The keys and references of one part.
struct Seen {
    group: Group,
    keys: KeySet,
    references: Vec<(usize, ReferenceSet)>,
}

impl BadLines {
    /// Takes the bad rows out of a batch of an input.
    pub(super) fn take_out(
        &self,
        input: usize,
        source: &SourceSpec,
        batch: ConformedBatch,
    ) -> Result<(ConformedBatch, Vec<Reject>), Error> {
        match self.screens.get(&(source.institution.clone(), source.schema)) {
            Some(screen) => Ok(screen.apply(input as u64, batch)?),
            None => Ok((batch, Vec::new())),
        }
    }
}

/// Looks through all parts of the tables whose rows have keys or references.
pub(super) fn check(plan: &Plan, spec: &Spec, progress: &dyn Progress) -> Result<BadLines, Error> {
    let needed = needed(spec);
    let tasks: Vec<&Task> = plan
        .tasks
        .iter()
        .filter(|task| {
            of(plan, spec, task).is_some_and(|(source, _)| needed.contains(&source.schema))
        })
        .collect();
    if tasks.is_empty() {
        return Ok(BadLines::default());
    }
    progress.stage("keys and references", tasks.len() as u64);
    let seen = tasks
        .par_iter()
        .map(|task| {
            let seen = look(plan, spec, task)?;
            progress.step();
            Ok(seen)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(BadLines { screens: screens(spec, seen) })
}

/// The tables that have a key, refer to another, or are referred to.
fn needed(spec: &Spec) -> Vec<usize> {
    let referred = |table: &str| {
        spec.schemas.iter().flat_map(|schema| &schema.columns).any(|column| {
            let target = column.references.as_deref().and_then(|r| r.split_once('.'));
            target.is_some_and(|(other, _)| other == table)
        })
    };
    spec.schemas
        .iter()
        .enumerate()
        .filter(|(_, schema)| {
            let refers = schema.columns.iter().any(|column| column.references.is_some());
            !schema.key.is_empty() || refers || referred(&schema.table)
        })
        .map(|(at, _)| at)
        .collect()
}

fn of<'a>(
    plan: &'a Plan,
    spec: &'a Spec,
    task: &Task,
) -> Option<(&'a SourceSpec, &'a Arc<TableSchema>)> {
    let source = spec.sources.get(plan.inputs.get(task.input)?.source)?;
    Some((source, spec.schemas.get(source.schema)?))
}

fn look(plan: &Plan, spec: &Spec, task: &Task) -> Result<Seen, Error> {
    let lost = || Error::Counts { part: task.input };
    let (source, schema) = of(plan, spec, task).ok_or_else(lost)?;
    let input = plan.inputs.get(task.input).ok_or_else(lost)?;
    let columns = schema.columns.iter().enumerate();
    let mut seen = Seen {
        group: (source.institution.clone(), source.schema),
        keys: KeySet::default(),
        references: columns
            .filter(|(_, column)| column.references.is_some())
            .map(|(column, _)| (column, ReferenceSet::default()))
            .collect(),
    };
    let name: Arc<str> = Arc::from(input.name.as_str());
    let options = source::Options::default();
    let mut failure = None;
    source::read(&input.file, &name, source.format, &task.part, &options, &mut |raw| {
        match schema::conform(schema, &raw) {
            Ok((batch, _)) => {
                seen.keys.gather(task.input as u64, &batch);
                for (column, references) in &mut seen.references {
                    references.gather(*column, &batch);
                }
                ControlFlow::Continue(())
            }
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(seen),
    }
}

#[derive(Default)]
struct Gathered {
    keys: KeySet,
    references: BTreeMap<usize, ReferenceSet>,
}

fn screens(spec: &Spec, seen: Vec<Seen>) -> BTreeMap<Group, Screen> {
    let mut groups: BTreeMap<Group, Gathered> = BTreeMap::new();
    for part in seen {
        let group = groups.entry(part.group).or_default();
        group.keys.merge(part.keys);
        for (column, set) in part.references {
            group.references.entry(column).or_default().merge(set);
        }
    }
    let mut screens: BTreeMap<Group, Screen> = groups
        .iter_mut()
        .map(|(group, gathered)| (group.clone(), Screen::new(gathered.keys.duplicates())))
        .collect();
    for (group, screen) in &mut screens {
        let (institution, schema) = group;
        let Some(schema) = spec.schemas.get(*schema) else { continue };
        let references = groups.get_mut(group).map(|g| std::mem::take(&mut g.references));
        for (column, set) in references.unwrap_or_default() {
            let target = schema.columns.get(column).and_then(|c| c.references.as_deref());
            let table = target.and_then(|t| t.split_once('.')).map(|(table, _)| table);
            let at = spec.schemas.iter().position(|other| Some(other.table.as_str()) == table);
            let keys = at.and_then(|at| groups.get_mut(&(institution.clone(), at)));
            if let Some(Gathered { keys, .. }) = keys {
                let missing = set.missing(keys);
                *screen = std::mem::take(screen).references(column, missing);
            }
        }
    }
    screens
}
