//! What is done to each column of each table: read once, before any row.
//!
//! Comes in: schemas and `[deid]` settings. Goes out: [`Plan`], or every fault at once.
//! Never: a plan that leaves an identifying column bare, or that has no decision for a column.

mod climb;
mod doubts;
mod perturb;
mod rules;
mod safe_harbor;

use std::{collections::BTreeSet, fmt, sync::Arc};

use arrow::{
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};

use super::{
    Asked, Error, Profile, Settings,
    kernel::{Kernel, done, shift_date::DAYS_MAX, zip3},
    people::PERSON_DOMAIN,
    scrub::Scrubber,
};
use crate::{
    digest::{Sha3Digest, canonical_digest},
    schema::{ColumnType, First, HierarchySpec, KernelSpec, Role, TableSchema},
};

/// What is done to each table of a pipeline.
#[derive(Debug, Clone)]
pub struct Plan {
    tables: Vec<TablePlan>,
    settings: Settings,
}

/// What is done to one table.
#[derive(Debug, Clone)]
pub struct TablePlan {
    schema: Arc<TableSchema>,
    output: SchemaRef,
    columns: Vec<PlannedColumn>,
    steps: Vec<Step>,
    /// The models that its classes must satisfy beyond k.
    asked: Vec<Asked>,
    digest: Sha3Digest,
}

/// A column of a released table.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedColumn {
    /// Its name in the released table.
    pub name: String,
    /// Its name in the source.
    pub source_name: String,
    /// Its Arrow type after the kernel.
    pub kind: DataType,
    /// Its type before the kernel.
    pub source: ColumnType,
    /// Its role.
    pub role: Role,
    /// What was done to it, in words.
    pub done: String,
    /// Its unit.
    pub unit: Option<String>,
}

/// A kernel on a column of the input; steps stand in the order of the output, after `person`.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) source: String,
    pub(super) input: usize,
    pub(super) kernel: Kernel,
    pub(super) role: Role,
    pub(super) is_quasi: bool,
    /// How its values are looked at for identifiers.
    pub(super) look: Look,
    /// Whether its values are of a closed or coded vocabulary.
    pub(super) is_coded: bool,
}

/// How closely the values of a released column are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// They leave bare and nobody answered for them: an identifier among them stops the run.
    Bare,
    /// Somebody allowed them in writing, or a kernel makes them coarser: an identifier is a doubt.
    Allowed,
    /// A kernel hides them.
    Hidden,
}

/// Why a plan is refused. The pipeline shows it at the column's place in the schema's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFault {
    /// The table; `None` where the settings are at fault.
    pub table: Option<String>,
    /// The column; `None` where the table as a whole is at fault, or the settings.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.table, &self.column) {
            (Some(table), Some(column)) => write!(f, "table `{table}`, column `{column}`: ")?,
            (Some(table), None) => write!(f, "table `{table}`: ")?,
            (None, _) => f.write_str("[deid]: ")?,
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for PlanFault {}

impl Plan {
    /// Reads the plan of a pipeline's tables, or returns every fault.
    pub fn read(schemas: &[Arc<TableSchema>], settings: &Settings) -> Result<Self, Vec<PlanFault>> {
        let mut faults = settings_faults(schemas, settings);
        let mut tables = Vec::new();
        for schema in schemas.iter().filter(|schema| !schema.reference) {
            match TablePlan::read(schema, schemas, settings) {
                Ok(table) => tables.push(table),
                Err(found) => faults.extend(found),
            }
        }
        if settings.profile == Profile::SafeHarbor {
            faults.extend(safe_harbor::ages_beside_years(&tables));
        }
        if faults.is_empty() {
            Ok(Self { tables, settings: settings.clone() })
        } else {
            Err(faults)
        }
    }

    /// Returns the plans of the tables, in the order of the schemas.
    pub fn tables(&self) -> &[TablePlan] {
        &self.tables
    }

    /// Returns the plan of a table.
    pub fn table(&self, table: &str) -> Option<&TablePlan> {
        self.tables.iter().find(|plan| plan.table() == table)
    }

    /// Returns what looks wrong and is let through: roles that do not suit the names of their columns.
    pub fn doubts(&self) -> Vec<PlanFault> {
        self.tables.iter().flat_map(doubts::of).collect()
    }

    /// Returns the settings it was read with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl TablePlan {
    /// Returns the table's name.
    pub fn table(&self) -> &str {
        &self.schema.table
    }

    /// Returns the schema it was read from.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Returns the Arrow schema of released rows.
    pub fn output(&self) -> &SchemaRef {
        &self.output
    }

    /// Returns the released columns, `person` first.
    pub fn columns(&self) -> &[PlannedColumn] {
        &self.columns
    }

    /// Returns the source columns that are taken out.
    pub fn dropped(&self) -> impl Iterator<Item = &str> {
        let columns = self.schema.columns.iter().map(|column| column.name.as_str());
        columns.filter(|name| self.columns.iter().all(|kept| kept.source_name != *name))
    }

    /// Whether rows are put into classes and small classes suppressed.
    pub fn has_quasi_identifiers(&self) -> bool {
        self.steps.iter().any(|step| step.is_quasi)
    }

    /// Returns the digest of schema, settings and this plan's form; classes and staged rows of
    /// another plan do not fit.
    pub fn digest(&self) -> &Sha3Digest {
        &self.digest
    }

    /// Returns the columns of free text that are scrubbed, by their released names.
    pub fn scrubbers(&self) -> impl Iterator<Item = (&str, &Scrubber)> {
        let columns = self.columns.iter().skip(1).zip(&self.steps);
        columns.filter_map(|(column, step)| Some((column.name.as_str(), step.kernel.scrubber()?)))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether a row tells of a person as a whole, and not of an event: its key is the person.
    pub(super) fn is_of_people(&self) -> bool {
        let person = self.schema.person().and_then(|at| self.schema.columns.get(at));
        person.is_some_and(|column| self.schema.key == [column.name.as_str()])
    }

    pub(super) fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Makes an error of what Arrow could not do with rows of this table.
    pub(super) fn arrow(&self, doing: &'static str, source: ArrowError) -> Error {
        Error::Arrow { table: self.table().to_owned(), doing, source }
    }

    fn read(
        schema: &Arc<TableSchema>,
        schemas: &[Arc<TableSchema>],
        settings: &Settings,
    ) -> Result<Self, Vec<PlanFault>> {
        let mut faults = Vec::new();
        let mut person = None;
        let mut kept = Vec::new();
        let mut steps = Vec::new();
        for (input, column) in schema.columns.iter().enumerate() {
            let fault = |(message, hint): rules::Words| PlanFault {
                table: Some(schema.table.clone()),
                column: Some(column.name.clone()),
                message,
                hint,
            };
            match rules::decide(schema, column, schemas, settings) {
                Err(found) => faults.extend(found.into_iter().map(fault)),
                Ok(rules::Decision::Person) if person.is_some() => {
                    let words = ("is a second person column", "a table has exactly one");
                    faults.push(fault((words.0.to_owned(), words.1.to_owned())));
                }
                Ok(rules::Decision::Person) => {
                    person = Some(PlannedColumn {
                        name: "person".to_owned(),
                        source_name: column.name.clone(),
                        kind: DataType::Utf8,
                        source: column.kind,
                        role: Role::Person,
                        done: match settings.profile {
                            Profile::Expert => {
                                done(&KernelSpec::Pseudonym { domain: PERSON_DOMAIN.to_owned() })
                            }
                            Profile::SafeHarbor => "random code of this release".to_owned(),
                        },
                        unit: None,
                    });
                }
                Ok(rules::Decision::Drop) => {}
                Ok(rules::Decision::Keep { spec, kernel, kind }) => {
                    steps.push(Step {
                        source: column.name.clone(),
                        input,
                        role: column.role,
                        is_quasi: column.role == Role::Quasi,
                        look: rules::look(&climb::shown_at_least(&spec), settings.profile),
                        is_coded: rules::is_coded(column),
                        kernel,
                    });
                    kept.push(PlannedColumn {
                        name: column.released.clone(),
                        source_name: column.name.clone(),
                        kind,
                        source: column.kind,
                        role: column.role,
                        done: rules::said(&spec, settings),
                        unit: column.unit.clone(),
                    });
                }
            }
        }
        let of_table = |message: String, hint: &str| PlanFault {
            table: Some(schema.table.clone()),
            column: None,
            message,
            hint: hint.to_owned(),
        };
        let Some(person) = person else {
            faults.push(of_table(
                "has no person column".to_owned(),
                "give the column that says whose row it is role = \"person\"",
            ));
            return Err(faults);
        };
        let mut columns = vec![person];
        columns.extend(kept);
        let mut names = BTreeSet::new();
        for column in &columns {
            if !names.insert(column.name.as_str()) {
                faults.push(of_table(
                    format!("would release two columns under the name `{}`", column.name),
                    "give one of them another name with `as`",
                ));
            }
        }
        let digest = canonical_digest(&(schema.as_ref(), settings, "almoner/deid/v1"));
        let digest = digest.map_err(|_| {
            faults.push(of_table("has no canonical form".to_owned(), "use integers within 2^53"));
        });
        match digest {
            Ok(digest) if faults.is_empty() => {
                let field = |(at, column): (usize, &PlannedColumn)| {
                    Field::new(&column.name, column.kind.clone(), at > 0)
                };
                let fields: Vec<Field> = columns.iter().enumerate().map(field).collect();
                let output = Arc::new(Schema::new(fields));
                let asked = climb::asked(&columns, settings);
                Ok(Self { schema: Arc::clone(schema), output, columns, steps, asked, digest })
            }
            Ok(_) | Err(()) => Err(faults),
        }
    }
}

fn settings_faults(schemas: &[Arc<TableSchema>], settings: &Settings) -> Vec<PlanFault> {
    let mut faults = Vec::new();
    let mut fault = |message: String, hint: &str| {
        faults.push(PlanFault { table: None, column: None, message, hint: hint.to_owned() });
    };
    if settings.k < 2 {
        fault(
            format!("k = {} lets one person stand alone", settings.k),
            "k is at least 2; 11 is what US health agencies ask of published cells",
        );
    }
    if settings.shift_days_max == 0 || settings.shift_days_max > DAYS_MAX {
        fault(
            format!("shift_days_max = {} is out of range", settings.shift_days_max),
            "dates move by at least one day and by ten years at most; 182 is common",
        );
    }
    let has = |wanted: fn(&KernelSpec) -> bool| {
        let mut columns = schemas.iter().flat_map(|schema| &schema.columns);
        columns.any(|column| column.deid.as_ref().is_some_and(wanted))
    };
    let shows_year = |spec: &KernelSpec| {
        let after = |hierarchy: &HierarchySpec| hierarchy.after == Some(First::Year);
        matches!(spec, KernelSpec::Year { .. })
            || matches!(spec, KernelSpec::Hierarchy(hierarchy) if after(hierarchy))
    };
    if settings.as_of.is_none() && has(shows_year) {
        fault(
            "a year is kept, and no day is given on which ages are reckoned".to_owned(),
            "set as_of to the day of the release, such as 2026-11-22",
        );
    }
    if settings.known_events.is_some() && !settings.models.is_empty() {
        fault(
            "`models` and `known_events` are asked for together".to_owned(),
            "known events take rows out of classes that the models have let pass: ask for one",
        );
    }
    for name in settings.models.iter().filter_map(Asked::sensitive) {
        let mut columns = schemas.iter().flat_map(|schema| &schema.columns);
        let found = columns.find(|column| column.released == name);
        if found.is_none_or(|column| matches!(column.role, Role::Drop | Role::Person)) {
            fault(
                format!("a model of privacy speaks of `{name}`, which no table releases"),
                "`sensitive` is a column's name in the released table",
            );
        } else if found.is_some_and(|column| column.role == Role::Quasi) {
            fault(
                format!("a model of privacy calls `{name}` sensitive, which is a quasi-identifier"),
                "give the column the role \"sensitive\", or take the model out",
            );
        }
    }
    if settings.shift_weekdays && settings.shift_days_max < 7 {
        fault(
            format!("shift_days_max = {} is less than a week", settings.shift_days_max),
            "with shift_weekdays dates move by whole weeks: 182 is common",
        );
    }
    let year = settings.as_of.map(|day| chrono::Datelike::year(&day));
    let shows_zip = |spec: &KernelSpec| {
        let after = |hierarchy: &HierarchySpec| hierarchy.after == Some(First::Zip3);
        matches!(spec, KernelSpec::Zip3 {})
            || matches!(spec, KernelSpec::Hierarchy(hierarchy) if after(hierarchy))
    };
    if has(shows_zip) && year.is_some_and(zip3::is_stale) {
        fault(
            format!("the list of ZIP prefixes is of the {} census", zip3::CENSUS_YEAR),
            "45 CFR 164.514(b)(2)(i)(B) asks for current figures: update almoner",
        );
    }
    faults
}

#[cfg(test)]
pub(super) mod tests;
