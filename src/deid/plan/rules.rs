//! The rules by which a column is let through, one fault a broken rule.
//!
//! Comes in: a column of a schema. Goes out: a [`Decision`]. Never: a column let through because
//! nobody thought of it; what is not understood to be safe needs a written `allow`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule names the kernels it lets through; a new kernel is refused until a rule knows it"
)]

use std::{collections::BTreeSet, sync::Arc};

use arrow::datatypes::DataType;
use chrono::Datelike as _;

use super::{
    Look,
    climb::{by_hierarchy, ladder, shown_at_least},
    perturb::{self, is_perturbed},
    safe_harbor,
};
use crate::{
    deid::{
        Profile, Settings,
        kernel::{Kernel, done, round::Multiple, year},
        late::Late,
        names::{Likeness, is_of_others, likeness},
        people::PERSON_DOMAIN,
        scrub::Scrubber,
    },
    schema::{Column, ColumnType, KernelSpec, Role, TableSchema},
};

/// What becomes of a column.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once a column and taken apart at once")]
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

/// A rule that a column breaks.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) message: String,
    pub(super) hint: String,
    /// The paragraph of 45 CFR 164.514(b)(2)(i) that is broken under safe harbour; none where the
    /// schema contradicts itself and no rule of law is touched.
    pub(super) letter: Option<char>,
}

impl Broken {
    pub(super) fn new(letter: char, message: &str, hint: &str) -> Self {
        Self { message: message.to_owned(), hint: hint.to_owned(), letter: Some(letter) }
    }

    pub(super) fn slip((message, hint): Words) -> Self {
        Self { message, hint, letter: None }
    }

    /// Puts it into words; under safe harbour with the paragraph.
    fn said(self, profile: Profile) -> Words {
        match (profile, self.letter) {
            (Profile::SafeHarbor, Some(letter)) => {
                (format!("{}, 45 CFR 164.514(b)(2)(i)({letter})", self.message), self.hint)
            }
            (Profile::SafeHarbor, None) | (Profile::Expert, _) => (self.message, self.hint),
        }
    }
}

/// The highest age that may be told from the next, 45 CFR 164.514(b)(2)(i)(C).
pub(super) const TOP_AGE: u32 = 89;

/// Decides on a column, or returns every rule it breaks.
pub(super) fn decide(
    schema: &TableSchema,
    column: &Column,
    schemas: &[Arc<TableSchema>],
    settings: &Settings,
) -> Result<Decision, Vec<Words>> {
    let profile = settings.profile;
    let alone = |broken: Broken| Err(vec![broken.said(profile)]);
    match (column.role, &column.deid) {
        (Role::Person, None) => return Ok(Decision::Person),
        (Role::Person, Some(KernelSpec::Pseudonym { domain })) if domain == PERSON_DOMAIN => {
            return Ok(Decision::Person);
        }
        (Role::Person, Some(_)) => {
            return alone(Broken::new(
                'R',
                "is the person column and has a kernel of its own",
                "leave `deid` out: the person's id always becomes the pseudonym",
            ));
        }
        (Role::Drop | Role::Direct, None | Some(KernelSpec::Drop {})) => return Ok(Decision::Drop),
        (Role::Drop, Some(_)) => {
            return alone(Broken::slip(words(
                "has role `drop` and a kernel that would release it",
                "leave `deid` out, or give the column another role",
            )));
        }
        (Role::Direct, Some(KernelSpec::Pseudonym { .. } | KernelSpec::Surrogate { .. })) => {}
        (Role::Direct, Some(_)) => {
            return alone(Broken::new(
                likenesses(column).next().map_or('R', Likeness::letter),
                "is a direct identifier; only a keyed pseudonym may stand in its place",
                match profile {
                    Profile::Expert => {
                        "leave `deid` out to drop it, or use { kernel = \"pseudonym\", domain = \"…\" }"
                    }
                    Profile::SafeHarbor => "leave `deid` out to drop it",
                },
            ));
        }
        (Role::Quasi | Role::Sensitive | Role::Measure, Some(KernelSpec::Drop {})) => {
            return Ok(Decision::Drop);
        }
        (Role::Quasi | Role::Sensitive | Role::Measure, _) => {}
    }
    let spec = column.deid.clone().unwrap_or(KernelSpec::Keep { allow: None });
    let kernel = match perturb::compile(&schema.table, column, &spec, settings) {
        Some(kernel) => kernel,
        None => compile(&column.released, &spec, settings),
    };
    let kernel = kernel.map_err(|fault| vec![fault])?;
    let Some(kind) = kernel.output(column.kind) else {
        return Err(vec![words(
            &format!("is of a type that the kernel does not take: {:?}", column.kind),
            "dates take shift-date or year, text zip3, prefix or pseudonym, numbers band or round",
        )]);
    };
    let shown = shown_at_least(&spec);
    let mut broken = match profile {
        Profile::Expert => Vec::new(),
        Profile::SafeHarbor => safe_harbor::broken(column, &spec, &shown),
    };
    broken.extend(by_kernel(&spec));
    broken.extend(perturb::broken(schema, column, &spec, settings).into_iter().map(Broken::slip));
    broken.extend(by_hierarchy(column, &spec, settings));
    broken.extend(perturb::broken(schema, column, &spec, settings).into_iter().map(Broken::slip));
    broken.extend(by_type(column, &shown));
    broken.extend(by_scrub(column, &shown).map(Broken::slip));
    broken.extend(likenesses(column).filter_map(|found| by_name(column, found, &shown)));
    broken.extend(by_key(schema, column, &shown));
    broken.extend(by_reference(column, &shown, schemas));
    // What safe harbour says of a paragraph is enough; the same in other words is no more.
    let mut told = BTreeSet::new();
    if profile == Profile::SafeHarbor {
        broken.retain(|broken| broken.letter.is_none_or(|letter| told.insert(letter)));
    }
    let faults: Vec<Words> = broken.into_iter().map(|broken| broken.said(profile)).collect();
    if faults.is_empty() { Ok(Decision::Keep { spec, kernel, kind }) } else { Err(faults) }
}

/// Says what is done to a column, with what the settings add to it.
pub(super) fn said(spec: &KernelSpec, settings: &Settings) -> String {
    let mut said = done(spec);
    if matches!(spec, KernelSpec::ShiftDate {}) {
        if settings.shift_offsets.is_some() {
            said.push_str(" of a table from outside");
        }
        if settings.shift_weekdays {
            said.push_str(", in whole weeks");
        }
        if let Some(horizon) = settings.horizon {
            said = format!("{said}, none after {horizon}");
        }
    }
    said
}

/// Returns what the names of a column, in the source and in the release, look like.
pub(super) fn likenesses(column: &Column) -> impl Iterator<Item = Likeness> {
    let own = likeness(&column.name);
    let released = likeness(&column.released).filter(|found| Some(*found) != own);
    own.into_iter().chain(released)
}

/// Tells how closely a column's values are looked at.
pub(super) fn look(spec: &KernelSpec, profile: Profile) -> Look {
    match (spec, profile) {
        (KernelSpec::Keep { allow: None } | KernelSpec::Prefix { .. }, _)
        | (KernelSpec::Keep { allow: Some(_) }, Profile::SafeHarbor) => Look::Bare,
        (KernelSpec::Keep { allow: Some(_) }, Profile::Expert)
        | (KernelSpec::Band { .. } | KernelSpec::Round { .. }, _) => Look::Allowed,
        (perturbed, _) if is_perturbed(perturbed) => Look::Allowed,
        _ => Look::Hidden,
    }
}

/// Whether a column's values are of a closed list or a vocabulary.
pub(super) fn is_coded(column: &Column) -> bool {
    !column.codes.is_empty() || column.code_system.is_some()
}

pub(super) fn words(message: &str, hint: &str) -> Words {
    (message.to_owned(), hint.to_owned())
}

pub(super) fn compile(
    column: &str,
    spec: &KernelSpec,
    settings: &Settings,
) -> Result<Kernel, Words> {
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
        KernelSpec::ShiftDate {} => Kernel::ShiftDate { horizon: settings.horizon },
        KernelSpec::Year { top_age, band } => {
            // Without a day the settings are at fault, and the plan is refused for that.
            let as_of = settings.as_of.map_or(0, |day| day.year());
            let floor = year::floor(as_of, age(*top_age)?);
            let shown = match settings.profile {
                Profile::Expert => year::Shown::from(floor),
                // A later year beside a year of birth that just passed would tell an age over 89.
                Profile::SafeHarbor => year::Shown { floor, ceiling: i64::from(as_of) },
            };
            Kernel::Year { shown, band: band.map(width).transpose()? }
        }
        KernelSpec::Age { top_age } => Kernel::Age { top_age: age(*top_age)? },
        KernelSpec::Zip3 {} => Kernel::Zip3,
        KernelSpec::Band { width: given, top } => Kernel::Band { width: width(*given)?, top: *top },
        KernelSpec::Hierarchy(spec) => {
            Kernel::Late(Late::Hierarchy(ladder(column, spec, settings)?))
        }
        // Made ready with their column.
        KernelSpec::Microaggregate { .. }
        | KernelSpec::Noise { .. }
        | KernelSpec::Pram { .. }
        | KernelSpec::RankSwap { .. }
        | KernelSpec::Surrogate { .. }
        | KernelSpec::TopBottom { .. } => {
            return Err(words("has a kernel that needs its column", "use it on a column alone"));
        }
        KernelSpec::Scrub(spec) => {
            let words = spec.words.as_ref().map_or(&[] as &[_], |list| list.words.as_slice());
            Kernel::Scrub(std::sync::Arc::new(Scrubber::new(words, spec.dates)))
        }
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

fn by_kernel(spec: &KernelSpec) -> Option<Broken> {
    let slip = match spec {
        KernelSpec::Keep { allow: Some(reason) } if reason.trim().is_empty() => Some(words(
            "is allowed without a reason",
            "say in `allow` why it may stay; the reason is recorded in the ledger",
        )),
        KernelSpec::Pseudonym { domain } | KernelSpec::Surrogate { domain }
            if domain.trim().is_empty() =>
        {
            Some(words(
                "has a pseudonym without a domain",
                "name what the id is of, such as domain = \"encounter\"",
            ))
        }
        KernelSpec::Pseudonym { domain } | KernelSpec::Surrogate { domain }
            if domain == PERSON_DOMAIN =>
        {
            Some(words(
                "takes the domain `person`, which is the contributor's own",
                "name what the id is of, such as domain = \"provider\"",
            ))
        }
        _ => None,
    };
    slip.map(Broken::slip)
}

/// Dates and free text.
fn by_type(column: &Column, spec: &KernelSpec) -> Option<Broken> {
    let is_kept = matches!(spec, KernelSpec::Keep { .. });
    match column.kind {
        ColumnType::Date | ColumnType::Timestamp if is_kept => Some(Broken::new(
            'C',
            "is a date and would leave as it came",
            "use { kernel = \"shift-date\" } or { kernel = \"year\" }",
        )),
        ColumnType::String
            if column.role != Role::Quasi
                && !is_coded(column)
                && column.references.is_none()
                && matches!(spec, KernelSpec::Keep { allow: None } | KernelSpec::Prefix { .. }) =>
        {
            Some(Broken::new(
                'R',
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

/// A scrubbed note is a measure: what is left of it is no value that others know.
fn by_scrub(column: &Column, spec: &KernelSpec) -> Option<Words> {
    let is_fit = matches!(column.role, Role::Measure | Role::Sensitive);
    (matches!(spec, KernelSpec::Scrub(_)) && !is_fit).then(|| {
        words(
            "is scrubbed as free text and counted as a quasi-identifier",
            "give it role \"measure\"; a quasi-identifier takes a kernel that makes classes",
        )
    })
}

/// What the column's name looks like.
fn by_name(column: &Column, likeness: Likeness, spec: &KernelSpec) -> Option<Broken> {
    let is_text = column.kind == ColumnType::String;
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
        Likeness::Name | Likeness::Relative | Likeness::Biometric | Likeness::Picture => {
            is_hidden(spec) || is_coded(column) || !is_text
        }
        Likeness::SocialSecurity
        | Likeness::MedicalRecord
        | Likeness::HealthPlan
        | Likeness::Account
        | Likeness::Licence
        | Likeness::Vehicle
        | Likeness::Device
        | Likeness::Number
        | Likeness::Phone
        | Likeness::Fax
        | Likeness::Email
        | Likeness::Web
        | Likeness::Network
        | Likeness::Address => {
            is_hidden(spec)
                || (likeness != Likeness::Address && matches!(spec, KernelSpec::Surrogate { .. }))
                || !column.codes.is_empty()
                || !(is_text || column.kind == ColumnType::Int)
        }
        // A date that is declared as one has a kernel for it.
        Likeness::Date => is_hidden(spec) || is_coded(column) || !is_text,
        Likeness::DatePart | Likeness::Year => true,
        // Text is covered as free text.
        Likeness::Id => {
            column.kind != ColumnType::Int
                || is_coded(column)
                || column.references.is_some()
                || !(matches!(spec, KernelSpec::Keep { allow: None }) || is_perturbed(spec))
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
        Likeness::Date | Likeness::DatePart | Likeness::Year => {
            "give it the type \"date\" or \"timestamp\", whose kernels move it or keep its year"
        }
        Likeness::SocialSecurity
        | Likeness::MedicalRecord
        | Likeness::HealthPlan
        | Likeness::Account
        | Likeness::Licence
        | Likeness::Vehicle
        | Likeness::Device
        | Likeness::Number
        | Likeness::Phone
        | Likeness::Fax
        | Likeness::Email
        | Likeness::Web
        | Likeness::Network
        | Likeness::Biometric
        | Likeness::Picture
        | Likeness::Name
        | Likeness::Relative
        | Likeness::Address
        | Likeness::Area => {
            "give it role \"direct\", or say { kernel = \"keep\", allow = \"reason\" } to take \
             responsibility for it in the ledger"
        }
    };
    Some(looks(column, likeness, hint))
}

/// Says what a column looks like by its name.
pub(super) fn looks(column: &Column, likeness: Likeness, hint: &str) -> Broken {
    let of_others = is_of_others(&column.name) || is_of_others(&column.released);
    let whose = if of_others && likeness != Likeness::Relative {
        " of a relative, an employer or a member of the household"
    } else {
        ""
    };
    let message = format!("looks by its name like {}{whose} and would leave", likeness.words());
    Broken::new(likeness.letter(), &message, hint)
}

fn is_allowed(spec: &KernelSpec) -> bool {
    matches!(spec, KernelSpec::Keep { allow: Some(_) })
}

fn is_hidden(spec: &KernelSpec) -> bool {
    is_allowed(spec) || matches!(spec, KernelSpec::Pseudonym { .. } | KernelSpec::Zip3 {})
}

pub(super) fn is_number(kind: ColumnType) -> bool {
    matches!(kind, ColumnType::Int | ColumnType::Float)
}

/// A key of the source's table that stays bare leads back to the source's row.
fn by_key(schema: &TableSchema, column: &Column, spec: &KernelSpec) -> Option<Broken> {
    let is_key = schema.key.contains(&column.name);
    // In a key of several columns a code is one of the parts, not the row's name.
    let names_the_row = is_key && !is_coded(column) && column.references.is_none();
    let is_bare = matches!(spec, KernelSpec::Keep { allow: None }) || is_perturbed(spec);
    (names_the_row && is_bare && column.kind == ColumnType::Int && schema.key.len() == 1).then(
        || {
            Broken::new(
                'R',
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
    schemas: &[Arc<TableSchema>],
) -> Option<Broken> {
    let reference = column.references.as_deref()?;
    let target = reference.split_once('.').and_then(|(table, name)| {
        let schema = schemas.iter().find(|schema| schema.table == table)?;
        schema.columns.iter().find(|column| column.name == name)
    });
    let is_bare = matches!(spec, KernelSpec::Keep { allow: None } | KernelSpec::Prefix { .. })
        || is_perturbed(spec);
    let Some(target) = target else {
        return is_bare.then(|| {
            Broken::new(
                'R',
                &format!("refers to `{reference}`, which no table of this pipeline has"),
                "use { kernel = \"pseudonym\", domain = \"…\" }, or say in `allow` why it may stay",
            )
        });
    };
    match (&target.deid, target.role) {
        (Some(KernelSpec::Pseudonym { domain }), _) => match spec {
            KernelSpec::Pseudonym { domain: own } if own == domain => None,
            _ => Some(Broken::new(
                'R',
                &format!("refers to `{reference}`, which becomes a pseudonym of `{domain}`"),
                &format!("use {{ kernel = \"pseudonym\", domain = \"{domain}\" }} here as well"),
            )),
        },
        (Some(KernelSpec::Surrogate { domain }), _) => match spec {
            KernelSpec::Surrogate { domain: own } if own == domain => None,
            _ => Some(Broken::new(
                'R',
                &format!("refers to `{reference}`, which becomes a surrogate of `{domain}`"),
                &format!("use {{ kernel = \"surrogate\", domain = \"{domain}\" }} here as well"),
            )),
        },
        (_, Role::Person | Role::Direct | Role::Drop) | (Some(KernelSpec::Drop {}), _) => is_bare
            .then(|| {
                Broken::new(
                    'R',
                    &format!("holds what `{reference}` holds, which is not released"),
                    "use { kernel = \"drop\" } here as well",
                )
            }),
        (_, Role::Quasi | Role::Sensitive | Role::Measure) => None,
    }
}
