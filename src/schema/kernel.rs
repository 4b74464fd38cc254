//! What a schema says about de-identification: one kernel a column, checked against its type.
//!
//! Comes in: the members of `deid = { … }`. Goes out: a [`KernelSpec`]. Never: a kernel on a column
//! of a type it does not take.

use super::{ColumnType, KernelSpec, top_age};
use crate::fault::Members;

const KERNELS: [&str; 10] =
    ["keep", "drop", "pseudonym", "shift-date", "year", "age", "zip3", "band", "prefix", "round"];

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
    Some(match name {
        "keep" => KernelSpec::Keep { allow: members.text("allow").map(|text| text.value) },
        "drop" => KernelSpec::Drop {},
        "pseudonym" => {
            needed("domain");
            let domain = members.text("domain")?;
            if !super::read::is_name(&domain.value) {
                members
                    .sheet()
                    .fault(domain.span, "a domain is lower-case letters, digits and `_`");
            }
            KernelSpec::Pseudonym { domain: domain.value }
        }
        "shift-date" => KernelSpec::ShiftDate {},
        "year" => KernelSpec::Year { top_age: age(), band: width("band") },
        "age" => KernelSpec::Age { top_age: age() },
        "zip3" => KernelSpec::Zip3 {},
        "band" => {
            needed("width");
            let top = members.integer("top", i64::MIN);
            KernelSpec::Band { width: width("width")?, top }
        }
        "prefix" => {
            needed("length");
            let length = members.integer("length", 1).and_then(|n| usize::try_from(n).ok())?;
            KernelSpec::Prefix { length }
        }
        "round" => {
            needed("to");
            let to = members.scalar("to")?;
            if !to.value.parse::<f64>().is_ok_and(|to| to.is_finite() && to > 0.0) {
                members.sheet().fault(to.span, "`to` must be a number above 0");
            }
            KernelSpec::Round { to: to.value }
        }
        _ => return None,
    })
}

fn takes(spec: &KernelSpec) -> &'static [ColumnType] {
    use ColumnType::{Bool, Date, Float, Int, String, Timestamp};
    match spec {
        KernelSpec::Keep { .. } | KernelSpec::Drop {} => {
            &[String, Int, Float, Bool, Date, Timestamp]
        }
        KernelSpec::Pseudonym { .. } => &[String, Int],
        KernelSpec::ShiftDate {} => &[Date, Timestamp],
        KernelSpec::Year { .. } => &[Date, Timestamp, Int],
        KernelSpec::Age { .. } => &[Int],
        KernelSpec::Zip3 {} | KernelSpec::Prefix { .. } => &[String],
        KernelSpec::Band { .. } | KernelSpec::Round { .. } => &[Int, Float],
    }
}
