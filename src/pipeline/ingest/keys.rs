//! Keys and references: a row whose key an earlier row has, or which refers to a row that is not
//! there, is known only when all parts were seen. Tables with neither are not read twice.
//! Keys are an institution's own: two institutions may number their visits alike.
//! Tables that tell of no person are read here and nowhere else.

use std::{collections::BTreeMap, sync::Arc};

use rayon::prelude::*;

use super::{Error, plan::Task, reading::Reading};
use crate::{
    party::InstitutionId,
    pipeline::{
        Progress,
        spec::{SourceSpec, Spec},
    },
    schema::{self, Broken, ConformedBatch, KeySet, ReferenceSet, Reject, Rule, Screen},
};

/// The rows of each table that must be taken out.
#[derive(Debug, Default)]
pub(super) struct BadLines {
    screens: BTreeMap<Group, Screen>,
    /// What is wrong with the tables that tell of no person.
    rejects: BTreeMap<InstitutionId, Vec<Reject>>,
}

/// One institution's rows of one table.
type Group = (InstitutionId, usize);

/// The keys and references of one part.
struct Seen {
    group: Group,
    keys: KeySet,
    references: Vec<(usize, ReferenceSet)>,
    /// The rows that do not fit, of a table that no later pass reads.
    rejects: Vec<Reject>,
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

    /// Returns what is wrong with the tables that tell of no person, by institution.
    pub(super) fn rejects(&self) -> &BTreeMap<InstitutionId, Vec<Reject>> {
        &self.rejects
    }

    /// Adds an institution's rows that broke rules of quality.
    pub(super) fn add(
        &mut self,
        institution: &InstitutionId,
        schema: usize,
        broken: BTreeMap<(u64, u64), Broken>,
    ) {
        let screen = self.screens.entry((institution.clone(), schema)).or_default();
        *screen = std::mem::take(screen).broken(broken);
    }
}

/// Looks through all parts of the tables whose rows have keys or references.
pub(super) fn check(
    reading: Reading<'_>,
    spec: &Spec,
    progress: &dyn Progress,
) -> Result<BadLines, Error> {
    let needed = needed(spec);
    let tasks: Vec<&Task> = reading
        .tasks
        .iter()
        .filter(|task| {
            reading.of(spec, task).is_some_and(|(source, _)| needed.contains(&source.schema))
        })
        .chain(reading.references)
        .collect();
    if tasks.is_empty() {
        return Ok(BadLines::default());
    }
    progress.stage("keys and references", tasks.len() as u64);
    let seen = tasks
        .par_iter()
        .map(|task| {
            let seen = look(reading, spec, task)?;
            progress.step();
            Ok(seen)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let (screens, rejects) = screens(reading, spec, seen);
    Ok(BadLines { screens, rejects })
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

fn look(reading: Reading<'_>, spec: &Spec, task: &Task) -> Result<Seen, Error> {
    let lost = || Error::Counts { part: task.input };
    let (source, schema) = reading.of(spec, task).ok_or_else(lost)?;
    let columns = schema.columns.iter().enumerate();
    let mut seen = Seen {
        group: (source.institution.clone(), source.schema),
        keys: KeySet::default(),
        references: columns
            .filter(|(_, column)| column.references.is_some())
            .map(|(column, _)| (column, ReferenceSet::default()))
            .collect(),
        rejects: Vec::new(),
    };
    reading.raw(spec, task, |raw| {
        let (batch, rejects) = schema::conform(schema, &raw)?;
        if schema.reference {
            seen.rejects.extend(rejects);
        }
        seen.keys.gather(task.input as u64, &batch);
        for (column, references) in &mut seen.references {
            references.gather(*column, &batch);
        }
        Ok(())
    })?;
    Ok(seen)
}

#[derive(Default)]
struct Gathered {
    keys: KeySet,
    references: BTreeMap<usize, ReferenceSet>,
}

type Screened = (BTreeMap<Group, Screen>, BTreeMap<InstitutionId, Vec<Reject>>);

fn screens(reading: Reading<'_>, spec: &Spec, seen: Vec<Seen>) -> Screened {
    let mut groups: BTreeMap<Group, Gathered> = BTreeMap::new();
    let mut rejects: BTreeMap<InstitutionId, Vec<Reject>> = BTreeMap::new();
    for part in seen {
        if !part.rejects.is_empty() {
            rejects.entry(part.group.0.clone()).or_default().extend(part.rejects);
        }
        let group = groups.entry(part.group).or_default();
        group.keys.merge(part.keys);
        for (column, set) in part.references {
            group.references.entry(column).or_default().merge(set);
        }
    }
    let mut screens: BTreeMap<Group, Screen> = BTreeMap::new();
    for (group, gathered) in &mut groups {
        let duplicates = gathered.keys.duplicates();
        if spec.schemas.get(group.1).is_some_and(|schema| schema.reference) {
            let found = duplicates.keys().filter_map(|place| repeated(reading, *place));
            rejects.entry(group.0.clone()).or_default().extend(found);
        }
        screens.insert(group.clone(), Screen::new(duplicates));
    }
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
    rejects.retain(|_, found| !found.is_empty());
    (screens, rejects)
}

/// Says of a row of a table that tells of no person that an earlier one has its key.
fn repeated(reading: Reading<'_>, (input, line): (u64, u64)) -> Option<Reject> {
    let input = reading.inputs.get(usize::try_from(input).ok()?)?;
    let reason = "the key of an earlier row".to_owned();
    let file = Arc::from(input.name.as_str());
    Some(Reject { file, line, column: None, rule: Rule::KeyDuplicate, reason })
}
