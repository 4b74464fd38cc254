//! The rules by which a column is let through, one fault a broken rule.
//!
//! Comes in: a column of a schema. Goes out: a [`Decision`]. Never: a column let through because
//! nobody thought of it; what is not understood to be safe needs a written `allow`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule names the kernels it lets through; a new kernel is refused until a rule knows it"
)]

use arrow::datatypes::DataType;
use chrono::Datelike as _;

use crate::{
    deid::{
        Profile, Settings,
        kernel::{Kernel, round::Multiple, year},
        names::{Likeness, likeness},
        people::PERSON_DOMAIN,
    },
    schema::{Column, ColumnType, KernelSpec, Role, TableSchema},
};

/// What becomes of a column.
#[derive(Debug)]
pub(super) enum Decision {
    /// It says whose row it is.
    Person,
    /// It is taken out.
    Drop,
    /// It is released as the kernel makes it.
    Keep { spec: KernelSpec, kernel: Kernel, kind: DataType },
}

/// A message and a hint.
pub(super) type Words = (String, String);

/// The highest age that may be told from the next, 45 CFR 164.514(b)(2)(i)(C).
const TOP_AGE: u32 = 89;

/// Decides on a column, or returns every rule it breaks.
pub(super) fn decide(
    schema: &TableSchema,
    column: &Column,
    schemas: &[std::sync::Arc<TableSchema>],
    settings: &Settings,
) -> Result<Decision, Vec<Words>> {
    let drop_or = |wanted: &str| {
        words(
            &format!("has role `{wanted}` and a kernel that would release it"),
            "leave `deid` out, or give the column another role",
        )
    };
    match (column.role, &column.deid) {
        (Role::Person, None) => return Ok(Decision::Person),
        (Role::Person, Some(KernelSpec::Pseudonym { domain })) if domain == PERSON_DOMAIN => {
            return Ok(Decision::Person);
        }
        (Role::Person, Some(_)) => {
            return Err(vec![words(
                "is the person column and has a kernel of its own",
                "leave `deid` out: the person's id always becomes the pseudonym",
            )]);
        }
        (Role::Drop | Role::Direct, None | Some(KernelSpec::Drop {})) => return Ok(Decision::Drop),
        (Role::Drop, Some(_)) => return Err(vec![drop_or("drop")]),
        (Role::Direct, Some(KernelSpec::Pseudonym { .. })) => {}
        (Role::Direct, Some(_)) => {
            return Err(vec![words(
                "is a direct identifier; only a keyed pseudonym may stand in its place",
                "leave `deid` out to drop it, or use { kernel = \"pseudonym\", domain = \"…\" }",
            )]);
        }
        (Role::Quasi | Role::Sensitive | Role::Measure, Some(KernelSpec::Drop {})) => {
            return Ok(Decision::Drop);
        }
        (Role::Quasi | Role::Sensitive | Role::Measure, _) => {}
    }
    let spec = column.deid.clone().unwrap_or(KernelSpec::Keep { allow: None });
    let mut faults = Vec::new();
    let kernel = compile(&spec, settings).map_err(|fault| vec![fault])?;
    let Some(kind) = kernel.output(column.kind) else {
        return Err(vec![words(
            &format!("is of a type that the kernel does not take: {:?}", column.kind),
            "dates take shift-date or year, text zip3, prefix or pseudonym, numbers band or round",
        )]);
    };
    faults.extend(by_kernel(&spec));
    faults.extend(by_type(column, &spec));
    faults.extend(by_name(column, &spec));
    faults.extend(by_key(schema, column, &spec));
    faults.extend(by_reference(column, &spec, schemas));
    match settings.profile {
        Profile::Expert => {}
        Profile::SafeHarbor => faults.extend(by_safe_harbor(column, &spec)),
    }
    if faults.is_empty() { Ok(Decision::Keep { spec, kernel, kind }) } else { Err(faults) }
}

/// Whether a column's values are of a closed list or a vocabulary.
pub(super) fn is_coded(column: &Column) -> bool {
    !column.codes.is_empty() || column.code_system.is_some()
}

fn words(message: &str, hint: &str) -> Words {
    (message.to_owned(), hint.to_owned())
}

fn compile(spec: &KernelSpec, settings: &Settings) -> Result<Kernel, Words> {
    let age = |top_age: u32| {
        if top_age <= TOP_AGE {
            Ok(top_age)
        } else {
            Err(words(
                &format!("would show ages up to {top_age}"),
                "ages over 89 are one class, 45 CFR 164.514(b)(2)(i)(C): top_age is at most 89",
            ))
        }
    };
    let width = |width: u32| {
        if width > 0 {
            Ok(width)
        } else {
            Err(words("has bands of no width", "give a width of at least 1"))
        }
    };
    Ok(match spec {
        KernelSpec::Keep { .. } => Kernel::Keep,
        // A dropped column was decided before.
        KernelSpec::Drop {} => return Err(words("is dropped", "leave `deid` out")),
        KernelSpec::Pseudonym { domain } => Kernel::Pseudonym { domain: domain.clone() },
        KernelSpec::ShiftDate {} => Kernel::ShiftDate,
        KernelSpec::Year { top_age, band } => Kernel::Year {
            // Without a day the settings are at fault, and the plan is refused for that.
            floor: year::floor(settings.as_of.map_or(0, |day| day.year()), age(*top_age)?),
            band: band.map(width).transpose()?,
        },
        KernelSpec::Age { top_age } => Kernel::Age { top_age: age(*top_age)? },
        KernelSpec::Zip3 {} => Kernel::Zip3,
        KernelSpec::Band { width: given, top } => Kernel::Band { width: width(*given)?, top: *top },
        KernelSpec::Prefix { length: 0 } => {
            return Err(words("keeps no character", "use { kernel = \"drop\" }"));
        }
        KernelSpec::Prefix { length } => Kernel::Prefix { length: *length },
        KernelSpec::Round { to } => Kernel::Round {
            multiple: Multiple::parse(to).ok_or_else(|| {
                words(
                    "rounds to what is no positive decimal",
                    "write it as text of up to nine digits, six after the point: \"10\", \"0.5\"",
                )
            })?,
        },
    })
}

fn by_kernel(spec: &KernelSpec) -> Option<Words> {
    match spec {
        KernelSpec::Keep { allow: Some(reason) } if reason.trim().is_empty() => Some(words(
            "is allowed without a reason",
            "say in `allow` why it may stay; the reason is recorded in the ledger",
        )),
        KernelSpec::Pseudonym { domain } if domain.trim().is_empty() => Some(words(
            "has a pseudonym without a domain",
            "name what the id is of, such as domain = \"encounter\"",
        )),
        KernelSpec::Pseudonym { domain } if domain == PERSON_DOMAIN => Some(words(
            "takes the domain `person`, which is the contributor's own",
            "name what the id is of, such as domain = \"provider\"",
        )),
        _ => None,
    }
}

/// Dates and free text.
fn by_type(column: &Column, spec: &KernelSpec) -> Option<Words> {
    let is_kept = matches!(spec, KernelSpec::Keep { .. });
    match column.kind {
        ColumnType::Date | ColumnType::Timestamp if is_kept => Some(words(
            "is a date and would leave as it came",
            "use { kernel = \"shift-date\" } or { kernel = \"year\" }",
        )),
        ColumnType::String
            if column.role != Role::Quasi
                && !is_coded(column)
                && column.references.is_none()
                && matches!(spec, KernelSpec::Keep { allow: None } | KernelSpec::Prefix { .. }) =>
        {
            Some(words(
                "is free text: neither `codes`, `code_system` nor `references` says what it holds",
                "use { kernel = \"drop\" }, declare its codes, or say { kernel = \"keep\", allow = \
                 \"reason\" } to take responsibility for it in the ledger",
            ))
        }
        ColumnType::Date
        | ColumnType::Timestamp
        | ColumnType::String
        | ColumnType::Int
        | ColumnType::Float
        | ColumnType::Bool => None,
    }
}

/// What the column's name looks like.
fn by_name(column: &Column, spec: &KernelSpec) -> Option<Words> {
    let likeness = likeness(&column.name).or_else(|| likeness(&column.released))?;
    let fits = match likeness {
        Likeness::Zip => matches!(spec, KernelSpec::Zip3 {}),
        Likeness::BirthYear => matches!(spec, KernelSpec::Year { .. }),
        Likeness::Birth => match column.kind {
            // A shifted date of birth still shows an age over 89.
            ColumnType::Date | ColumnType::Timestamp => matches!(spec, KernelSpec::Year { .. }),
            ColumnType::String | ColumnType::Int | ColumnType::Float => is_allowed(spec),
            ColumnType::Bool => true,
        },
        Likeness::Age => match spec {
            KernelSpec::Age { .. } => true,
            KernelSpec::Band { top: Some(top), .. } => *top <= i64::from(TOP_AGE) + 1,
            _ => is_allowed(spec) || !is_number(column.kind),
        },
        Likeness::Point => match spec {
            KernelSpec::Pseudonym { .. } | KernelSpec::Round { .. } | KernelSpec::Band { .. } => {
                true
            }
            _ => is_allowed(spec) || is_coded(column),
        },
        // An area counts as known to others: as a quasi-identifier it is part of the class.
        Likeness::Area => is_hidden(spec) || column.role == Role::Quasi || is_coded(column),
        Likeness::Name => is_hidden(spec) || is_coded(column) || column.kind != ColumnType::String,
        Likeness::Number | Likeness::Contact | Likeness::Address => {
            is_hidden(spec)
                || !column.codes.is_empty()
                || !matches!(column.kind, ColumnType::String | ColumnType::Int)
        }
        // Text is covered as free text.
        Likeness::Id => {
            column.kind != ColumnType::Int
                || is_coded(column)
                || column.references.is_some()
                || !matches!(spec, KernelSpec::Keep { allow: None })
        }
    };
    if fits {
        return None;
    }
    let hint = match likeness {
        Likeness::Zip => "use { kernel = \"zip3\" } on text, or { kernel = \"drop\" }",
        Likeness::BirthYear | Likeness::Birth => {
            "use { kernel = \"year\" }, which puts birth years of people over 89 into one class, or \
             drop it"
        }
        Likeness::Age => "use { kernel = \"age\" }, or a band whose `top` is at most 90",
        Likeness::Point => "give it role \"direct\", or round it widely and count it as \"quasi\"",
        Likeness::Id => {
            "use { kernel = \"pseudonym\", domain = \"…\" }; a key of the source leads back to it"
        }
        Likeness::Number
        | Likeness::Contact
        | Likeness::Name
        | Likeness::Address
        | Likeness::Area => {
            "give it role \"direct\", or say { kernel = \"keep\", allow = \"reason\" } to take \
             responsibility for it in the ledger"
        }
    };
    Some(words(&format!("looks by its name like {} and would leave", likeness.words()), hint))
}

fn is_allowed(spec: &KernelSpec) -> bool {
    matches!(spec, KernelSpec::Keep { allow: Some(_) })
}

fn is_hidden(spec: &KernelSpec) -> bool {
    is_allowed(spec) || matches!(spec, KernelSpec::Pseudonym { .. } | KernelSpec::Zip3 {})
}

fn is_number(kind: ColumnType) -> bool {
    matches!(kind, ColumnType::Int | ColumnType::Float)
}

/// A key of the source's table that stays bare leads back to the source's row.
fn by_key(schema: &TableSchema, column: &Column, spec: &KernelSpec) -> Option<Words> {
    let is_key = schema.key.contains(&column.name);
    // In a key of several columns a code is one of the parts, not the row's name.
    let names_the_row = is_key && !is_coded(column) && column.references.is_none();
    let is_bare = matches!(spec, KernelSpec::Keep { allow: None });
    (names_the_row && is_bare && column.kind == ColumnType::Int && schema.key.len() == 1).then(
        || {
            words(
                "is the table's key and would leave as it came",
                "use { kernel = \"pseudonym\", domain = \"…\" } with the domain of what it counts",
            )
        },
    )
}

/// A reference must meet what it refers to, in the form in which that is released.
fn by_reference(
    column: &Column,
    spec: &KernelSpec,
    schemas: &[std::sync::Arc<TableSchema>],
) -> Option<Words> {
    let reference = column.references.as_deref()?;
    let target = reference.split_once('.').and_then(|(table, name)| {
        let schema = schemas.iter().find(|schema| schema.table == table)?;
        schema.columns.iter().find(|column| column.name == name)
    });
    let is_bare = matches!(spec, KernelSpec::Keep { allow: None } | KernelSpec::Prefix { .. });
    let Some(target) = target else {
        return is_bare.then(|| {
            words(
                &format!("refers to `{reference}`, which no table of this pipeline has"),
                "use { kernel = \"pseudonym\", domain = \"…\" }, or say in `allow` why it may stay",
            )
        });
    };
    match (&target.deid, target.role) {
        (Some(KernelSpec::Pseudonym { domain }), _) => match spec {
            KernelSpec::Pseudonym { domain: own } if own == domain => None,
            _ => Some(words(
                &format!("refers to `{reference}`, which becomes a pseudonym of `{domain}`"),
                &format!("use {{ kernel = \"pseudonym\", domain = \"{domain}\" }} here as well"),
            )),
        },
        (_, Role::Person | Role::Direct | Role::Drop) | (Some(KernelSpec::Drop {}), _) => is_bare
            .then(|| {
                words(
                    &format!("holds what `{reference}` holds, which is not released"),
                    "use { kernel = \"drop\" } here as well",
                )
            }),
        (_, Role::Quasi | Role::Sensitive | Role::Measure) => None,
    }
}

/// What safe harbour asks beyond; the letters are those of 45 CFR 164.514(b)(2)(i).
fn by_safe_harbor(column: &Column, spec: &KernelSpec) -> Vec<Words> {
    let mut faults = Vec::new();
    let instead = "use profile = \"expert\", or take the column out";
    match spec {
        KernelSpec::ShiftDate {} => faults.push(words(
            "would keep a shifted date: safe harbour keeps no element of a date but its year, \
             45 CFR 164.514(b)(2)(i)(C)",
            "use { kernel = \"year\" } or profile = \"expert\"",
        )),
        KernelSpec::Pseudonym { .. } => faults.push(words(
            "would keep a keyed hash of an id: safe harbour takes no code that is derived from \
             the person's own, 45 CFR 164.514(b)(2)(i)(R) and (c)(1)",
            instead,
        )),
        KernelSpec::Keep { allow: Some(_) }
            if column.kind == ColumnType::String && !is_coded(column) =>
        {
            faults.push(words(
                "is free text or an identifier that was allowed: safe harbour knows no such \
                 permission, 45 CFR 164.514(b)(2)(i)(R)",
                instead,
            ));
        }
        _ => {}
    }
    let is_small_place = matches!(
        likeness(&column.name).or_else(|| likeness(&column.released)),
        Some(Likeness::Area | Likeness::Point | Likeness::Address)
    );
    if is_small_place {
        faults.push(words(
            "is a place smaller than a state, 45 CFR 164.514(b)(2)(i)(B)",
            "take it out; a ZIP code may stay by { kernel = \"zip3\" }",
        ));
    }
    faults
}
