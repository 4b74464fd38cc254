//! Kernels that make values untrue or coarse by other values: what they need, and where they may stand.
//!
//! Comes in: a column and its kernel. Goes out: a [`Kernel`], or the rules it breaks. Never: such a
//! kernel in the place of a pseudonym, for it hides a quantity and no identifier.
//!
//! Under safe harbour (45 CFR 164.514(b)(2)) noise, PRAM, microaggregation, rank swapping and
//! `top-bottom` may be used on columns that might stay bare: they lessen what a measure tells and take
//! no paragraph's place. `top-bottom` is no top code of ages, for a percentile may lie over 89. A
//! surrogate may not be used: it is derived from the id, (b)(2)(i)(R) and (c)(1).
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule names the kernels it speaks of; others have rules of their own"
)]

use super::rules::{Words, words};
use crate::{
    deid::{
        Fraction, Settings,
        kernel::{Kernel, noise::Noise, pram::Pram, round::Multiple},
        late::Late,
        mask::{Mask, Tails},
    },
    schema::{Column, ColumnType, KernelSpec, Role, TableSchema},
};

/// Whether a kernel leaves values that are not hidden, only less true or less exact.
pub(super) fn is_perturbed(spec: &KernelSpec) -> bool {
    matches!(
        spec,
        KernelSpec::Microaggregate { .. }
            | KernelSpec::Noise { .. }
            | KernelSpec::Pram { .. }
            | KernelSpec::RankSwap { .. }
            | KernelSpec::TopBottom { .. }
    )
}

/// Makes such a kernel ready; `None` for all others.
pub(super) fn compile(
    table: &str,
    column: &Column,
    spec: &KernelSpec,
    settings: &Settings,
) -> Option<Result<Kernel, Words>> {
    let stream = || format!("{table}.{}", column.name);
    let k = settings.k;
    let kernel = match spec {
        KernelSpec::Microaggregate { k, group } => {
            Ok(Kernel::Late(Late::Mask(Mask::Microaggregate { group: group.clone(), k: *k })))
        }
        KernelSpec::Noise { scale, distribution } => Multiple::parse(scale)
            .ok_or_else(|| {
                words(
                    "has noise of a scale that is no positive decimal",
                    "write it as text of up to nine digits, six after the point: \"10\", \"0.5\"",
                )
            })
            .map(|scale| {
                let bound =
                    |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
                let range = (bound(&column.min), bound(&column.max));
                let distribution = *distribution;
                Kernel::Noise(Noise { stream: stream(), scale, distribution, range })
            }),
        KernelSpec::Pram { keep } => share("keep", keep)
            .map(|keep| Kernel::Pram(Pram { stream: stream(), keep, codes: column.codes.clone() })),
        KernelSpec::RankSwap { window, top, bottom } => {
            let tails = (top.is_some() || bottom.is_some())
                .then(|| tails(top.as_ref(), bottom.as_ref()))
                .transpose();
            share("window", window).and_then(|window| {
                let mask = Mask::RankSwap { window, tails: tails?, k, stream: stream() };
                Ok(Kernel::Late(Late::Mask(mask)))
            })
        }
        KernelSpec::Surrogate { domain } => Ok(Kernel::Surrogate { domain: domain.clone() }),
        KernelSpec::TopBottom { top, bottom } => tails(top.as_ref(), bottom.as_ref())
            .map(|tails| Kernel::Late(Late::Mask(Mask::TopBottom { tails, k }))),
        _ => return None,
    };
    Some(kernel)
}

fn share(key: &str, text: &str) -> Result<Fraction, Words> {
    Fraction::parse(text)
        .map_err(|error| words(&format!("has a `{key}` that is {error}"), "mend it"))
}

fn tails(top: Option<&String>, bottom: Option<&String>) -> Result<Tails, Words> {
    let ppm = |key, text: Option<&String>| {
        text.map(|text| share(key, text).map(Fraction::ppm)).transpose()
    };
    let tails = Tails { bottom_ppm: ppm("bottom", bottom)?, top_ppm: ppm("top", top)? };
    let hint = "give the percentiles at which the ends begin: bottom = 0.01, top = 0.99";
    match (tails.bottom_ppm, tails.top_ppm) {
        (None, None) => Err(words("has no end to code", hint)),
        (Some(bottom), Some(top)) if bottom >= top => {
            Err(words("has a bottom that is not below its top", hint))
        }
        (Some(_) | None, _) => Ok(tails),
    }
}

/// The rules that such a kernel breaks on a column of a table.
pub(super) fn broken(
    schema: &TableSchema,
    column: &Column,
    spec: &KernelSpec,
    settings: &Settings,
) -> Vec<Words> {
    let mut broken = Vec::new();
    let untrue = matches!(
        spec,
        KernelSpec::Noise { .. } | KernelSpec::Pram { .. } | KernelSpec::RankSwap { .. }
    );
    if untrue && column.role == Role::Quasi {
        broken.push(words(
            "is a quasi-identifier whose values would be untrue: classes of them say nothing of how \
             many people are alike",
            "make it coarser instead: band, round, hierarchy, top-bottom or microaggregate",
        ));
    }
    match spec {
        KernelSpec::Microaggregate { k, group } => {
            let least = if column.role == Role::Quasi { settings.k } else { 2 };
            if *k < least {
                broken.push(words(
                    &format!("is aggregated over {k} people, where at least {least} are asked"),
                    "raise its `k`; a quasi-identifier needs that of [deid]",
                ));
            }
            let other = schema.columns.iter().find_map(|other| match &other.deid {
                Some(KernelSpec::Microaggregate { k: others, group: same })
                    if same == group && others != k =>
                {
                    Some((&other.name, others))
                }
                _ => None,
            });
            if let Some((name, others)) = other {
                broken.push(words(
                    &format!("is of group `{group}` with k = {k}, and `{name}` with k = {others}"),
                    "give the columns of a group one `k`",
                ));
            }
        }
        KernelSpec::Noise { scale, .. } => {
            let is_whole = Multiple::parse(scale).is_some_and(Multiple::is_at_least_one);
            if column.kind == ColumnType::Int && !is_whole {
                broken.push(words(
                    &format!(
                        "is an integer, which noise of scale {scale} would mostly leave as it is"
                    ),
                    "give noise on integers a scale of at least 1",
                ));
            }
        }
        KernelSpec::Pram { keep } => {
            let codes = column.codes.len() as u128;
            let keeps = Fraction::parse(keep).map_or(0, |keep| u128::from(keep.ppm()));
            if codes < 2 {
                broken.push(words(
                    "has no list of codes to change to",
                    "declare its `codes`: PRAM draws from them and needs at least two",
                ));
            } else if keeps * codes <= 1_000_000 || keeps == 1_000_000 {
                broken.push(words(
                    &format!(
                        "keeps a code with probability {keep}, which tells nothing or changes none"
                    ),
                    "`keep` lies above one in the number of codes and below 1; 0.8 is common",
                ));
            }
        }
        KernelSpec::RankSwap { window, .. }
            if Fraction::parse(window).is_ok_and(|w| w.ppm() == 0) =>
        {
            broken.push(words("has a window of no ranks", "0.05 is a twentieth of all ranks"));
        }
        _ => {}
    }
    broken
}

#[cfg(test)]
mod tests;
