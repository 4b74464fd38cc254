//! What a schema says about de-identification: one kernel a column, checked against its type.
//!
//! Comes in: the members of `deid = { … }`. Goes out: a [`KernelSpec`]. Never: a kernel on a column
//! of a type it does not take.

use super::{ColumnType, Distribution, KernelSpec, hierarchy, scrub, top_age};
use crate::fault::{Choice, Members};

const KERNELS: [&str; 18] = [
    "keep",
    "drop",
    "pseudonym",
    "shift-date",
    "year",
    "age",
    "zip3",
    "band",
    "hierarchy",
    "microaggregate",
    "noise",
    "pram",
    "prefix",
    "rank-swap",
    "round",
    "scrub",
    "surrogate",
    "top-bottom",
];

const DISTRIBUTIONS: &Choice<Distribution> =
    &[("laplace", Distribution::Laplace), ("normal", Distribution::Normal)];

/// Reads a kernel for a column of this type (`None` when the type itself is at fault).
pub(super) fn read(members: Members<'_, '_>, kind: Option<ColumnType>) -> Option<KernelSpec> {
    let name = members.text_needed("kernel")?;
    let spec = spec(&members, &name.value);
    if !KERNELS.contains(&name.value.as_str()) {
        members.sheet().unknown(name.span, "kernel", &name.value, KERNELS);
        return None;
    }
    if let (Some(kind), Some(spec)) = (kind, &spec) {
        let takes = takes(spec);
        if !takes.contains(&kind) {
            let words: Vec<String> =
                takes.iter().map(|kind| format!("`{}`", kind.word())).collect();
            members.sheet().fault_hint(
                name.span,
                format!("kernel `{}` does not fit a column of type `{}`", name.value, kind.word()),
                format!("it takes {}", words.join(", ")),
            );
        }
    }
    members.finish();
    spec
}

fn spec(members: &Members<'_, '_>, name: &str) -> Option<KernelSpec> {
    let width = |key| members.integer(key, 1).and_then(|n| u32::try_from(n).ok());
    let needed = |key: &'static str| {
        if !members.has(key) {
            let message = format!("kernel `{name}` lacks `{key}`");
            members.sheet().fault(members.span(), message);
        }
    };
    let age = || width("top_age").unwrap_or_else(top_age);
    let named = |key: &'static str| {
        needed(key);
        let name = members.text(key)?;
        if !super::read::is_name(&name.value) {
            let message = format!("a {key} is lower-case letters, digits and `_`");
            members.sheet().fault(name.span, message);
        }
        Some(name.value)
    };
    let positive = |key: &'static str| {
        needed(key);
        let number = members.scalar(key)?;
        if !number.value.parse::<f64>().is_ok_and(|number| number.is_finite() && number > 0.0) {
            members.sheet().fault(number.span, format!("`{key}` must be a number above 0"));
        }
        Some(number.value)
    };
    let share = |key| {
        let share = members.scalar(key)?;
        if !share.value.parse::<f64>().is_ok_and(|share| (0.0..=1.0).contains(&share)) {
            members.sheet().fault(share.span, format!("`{key}` must be a share between 0 and 1"));
        }
        Some(share.value)
    };
    Some(match name {
        "keep" => KernelSpec::Keep { allow: members.text("allow").map(|text| text.value) },
        "drop" => KernelSpec::Drop {},
        "pseudonym" => KernelSpec::Pseudonym { domain: named("domain")? },
        "surrogate" => KernelSpec::Surrogate { domain: named("domain")? },
        "shift-date" => KernelSpec::ShiftDate {},
        "year" => KernelSpec::Year { top_age: age(), band: width("band") },
        "age" => KernelSpec::Age { top_age: age() },
        "zip3" => KernelSpec::Zip3 {},
        "band" => {
            needed("width");
            let top = members.integer("top", i64::MIN);
            KernelSpec::Band { width: width("width")?, top }
        }
        "hierarchy" => KernelSpec::Hierarchy(hierarchy::read(members)?),
        "prefix" => {
            needed("length");
            let length = members.integer("length", 1).and_then(|n| usize::try_from(n).ok())?;
            KernelSpec::Prefix { length }
        }
        "microaggregate" => {
            needed("k");
            let group = named("group");
            KernelSpec::Microaggregate { k: width("k")?, group: group? }
        }
        "noise" => {
            let distribution = members.choice("distribution", DISTRIBUTIONS).unwrap_or_default();
            KernelSpec::Noise { scale: positive("scale")?, distribution }
        }
        "pram" => {
            needed("keep");
            KernelSpec::Pram { keep: share("keep")? }
        }
        "rank-swap" => {
            needed("window");
            let (top, bottom) = (share("top"), share("bottom"));
            KernelSpec::RankSwap { window: share("window")?, top, bottom }
        }
        "scrub" => KernelSpec::Scrub(scrub::read(members)?),
        "round" => KernelSpec::Round { to: positive("to")? },
        "top-bottom" => KernelSpec::TopBottom { top: share("top"), bottom: share("bottom") },
        _ => return None,
    })
}

fn takes(spec: &KernelSpec) -> &'static [ColumnType] {
    use ColumnType::{Bool, Date, Float, Int, String, Timestamp};
    match spec {
        KernelSpec::Keep { .. } | KernelSpec::Drop {} => {
            &[String, Int, Float, Bool, Date, Timestamp]
        }
        KernelSpec::Pseudonym { .. } | KernelSpec::Pram { .. } | KernelSpec::Surrogate { .. } => {
            &[String, Int]
        }
        KernelSpec::ShiftDate {} => &[Date, Timestamp],
        KernelSpec::Year { .. } => &[Date, Timestamp, Int],
        KernelSpec::Age { .. } => &[Int],
        KernelSpec::Zip3 {} | KernelSpec::Prefix { .. } | KernelSpec::Scrub(_) => &[String],
        KernelSpec::Band { .. }
        | KernelSpec::Microaggregate { .. }
        | KernelSpec::Noise { .. }
        | KernelSpec::RankSwap { .. }
        | KernelSpec::Round { .. }
        | KernelSpec::TopBottom { .. } => &[Int, Float],
        KernelSpec::Hierarchy(spec) => hierarchy::takes(spec),
    }
}
