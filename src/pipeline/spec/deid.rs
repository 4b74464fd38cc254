//! How a pipeline's rows are made safe: the members of `[deid]`.
//!
//! Comes in: the pipeline's file. Goes out: [`Settings`]. Never: a share read as a float.

use std::path::Path;

use super::{Error, share, sources};
use crate::{
    deid::{Apart, Asked, Metric, Offsets, Profile, Settings},
    fault::{Choice, Members, Sheet, Text},
    instant::Date,
};

const PROFILES: &Choice<Profile> =
    &[("expert", Profile::Expert), ("safe-harbor", Profile::SafeHarbor)];

const METRICS: &Choice<Metric> = &[
    ("loss", Metric::Loss),
    ("entropy", Metric::Entropy),
    ("discernibility", Metric::Discernibility),
    ("aecs", Metric::AverageClass),
    ("precision", Metric::Precision),
    ("granularity", Metric::Granularity),
];

/// How the values of a sensitive column are told apart: by their number alone, or by more.
#[derive(Debug, Clone, Copy)]
enum By {
    Entropy,
    Ordered,
}

const BYS: &Choice<By> = &[("entropy", By::Entropy), ("ordered", By::Ordered)];

/// Reads the settings; a table of offsets that they name must be there.
pub(super) fn read(
    file: &Path,
    sheet: &Sheet<'_>,
    top: &Members<'_, '_>,
) -> Result<Option<Settings>, Error> {
    let mut settings = Settings::default();
    let Some(members) = top.table("deid") else {
        if !top.has("deid") {
            sheet.fault_hint(
                top.span(),
                "this pipeline lacks `[deid]`",
                "say how rows are made safe: [deid] with profile = \"expert\" and k = 11",
            );
        }
        return Ok(None);
    };
    let profile = members.choice_needed("profile", PROFILES);
    if let Some(k) = count(sheet, &members, "k", 2) {
        settings.k = k;
    }
    if let Some(share) = share(sheet, &members, "suppress_limit") {
        settings.suppress_limit = share;
    }
    if let Some(days) = members.integer("shift_days_max", 1) {
        match u32::try_from(days).ok().filter(|&days| days <= 3_650) {
            Some(days) => settings.shift_days_max = days,
            None => sheet.fault(members.value_span("shift_days_max"), "at most 3650 days"),
        }
    }
    settings.as_of = day(sheet, &members, "as_of");
    settings.horizon = day(sheet, &members, "horizon");
    settings.shift_weekdays = members.flag("shift_weekdays").unwrap_or_default();
    if let Some(named) = members.text("shift_offsets") {
        settings.shift_offsets = offsets(file, sheet, &named, &settings)?;
    }
    if let Some(named) = members.text("scrub_gold") {
        settings.scrub_gold = sources::found(file, sheet, &named);
    }
    settings.metric = members.choice("metric", METRICS).unwrap_or_default();
    settings.recode = members.flag("recode").unwrap_or_default();
    settings.known_events = count(sheet, &members, "known_events", 1);
    settings.search_seconds = count(sheet, &members, "search_seconds", 1);
    let models = members.tables("models");
    settings.models = models.into_iter().filter_map(|one| model(sheet, one)).collect();
    members.finish();
    Ok(profile.map(|profile| Settings { profile, ..settings }))
}

fn day(sheet: &Sheet<'_>, members: &Members<'_, '_>, key: &'static str) -> Option<Date> {
    let text = members.scalar(key)?;
    let day = Date::parse_from_str(&text.value, "%Y-%m-%d").ok();
    if day.is_none() {
        sheet.fault(text.span, "not a date of the form YYYY-MM-DD");
    }
    day
}

/// Reads a table of offsets. Its faults stand at its name: a line of it names a person, and is shown
/// nowhere.
fn offsets(
    file: &Path,
    sheet: &Sheet<'_>,
    named: &Text,
    settings: &Settings,
) -> Result<Option<Offsets>, Error> {
    let Some(found) = sources::found(file, sheet, named) else { return Ok(None) };
    match Offsets::parse(&super::read(&found)?, settings.weekdays()) {
        Ok(offsets) => Ok(Some(offsets)),
        Err(error) => {
            let hint = "the first line is `person;days`, each other one a contributor's id as consents \
                        name it and the days its dates move by";
            sheet.fault_hint(named.span.clone(), format!("`{}`: {error}", named.value), hint);
            Ok(None)
        }
    }
}

fn count(
    sheet: &Sheet<'_>,
    members: &Members<'_, '_>,
    key: &'static str,
    least: i64,
) -> Option<u32> {
    let count = u32::try_from(members.integer(key, least)?).ok();
    if count.is_none() {
        sheet.fault(members.value_span(key), "larger than any table");
    }
    count
}

/// Reads one model: of a sensitive column or of all records, and exactly one.
fn model(sheet: &Sheet<'_>, members: Members<'_, '_>) -> Option<Asked> {
    let sensitive = members.text("sensitive").map(|text| text.value);
    let l = count(sheet, &members, "l", 1);
    let c_ppm = members.scalar("c").and_then(|text| {
        let parsed = millionths(&text.value);
        if parsed.is_none() {
            sheet.fault(text.span, "`c` is a decimal above 0 of at most six places");
        }
        parsed
    });
    let t = share(sheet, &members, "t");
    let by = members.choice("by", BYS);
    let average = share(sheet, &members, "average_risk");
    let highest = share(sheet, &members, "maximum_risk");
    let asked = match (sensitive, l, c_ppm, t, by, average, highest) {
        (Some(sensitive), Some(l), None, None, None, None, None) => {
            Some(Asked::DistinctL { sensitive, l })
        }
        (Some(sensitive), Some(l), None, None, Some(By::Entropy), None, None) => {
            Some(Asked::EntropyL { sensitive, l })
        }
        (Some(sensitive), Some(l), Some(c_ppm), None, None, None, None) => {
            Some(Asked::RecursiveL { sensitive, c_ppm, l })
        }
        (Some(sensitive), None, None, Some(t), None, None, None) => {
            Some(Asked::TCloseness { sensitive, t, by: Apart::Equal })
        }
        (Some(sensitive), None, None, Some(t), Some(By::Ordered), None, None) => {
            Some(Asked::TCloseness { sensitive, t, by: Apart::Ordered })
        }
        (None, None, None, None, None, Some(most), None) => Some(Asked::AverageRisk { most }),
        (None, None, None, None, None, None, Some(most)) => Some(Asked::MaximumRisk { most }),
        _ => None,
    };
    if asked.is_none() && sheet.is_clean() {
        sheet.fault_hint(
            members.span(),
            "this is no model of privacy",
            "one of { sensitive = \"…\", l = 3 }, with by = \"entropy\" or c = 4 besides, \
             { sensitive = \"…\", t = 0.2 }, with by = \"ordered\" besides, { average_risk = 0.05 } \
             and { maximum_risk = 0.1 }",
        );
    }
    members.finish();
    asked
}

fn millionths(text: &str) -> Option<u32> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || places.len() > 6 || !digits(whole) || !digits(places) {
        return None;
    }
    let places: u32 = format!("{places:0<6}").parse().ok()?;
    let ppm = whole.parse::<u32>().ok()?.checked_mul(1_000_000)?.checked_add(places)?;
    Some(ppm).filter(|ppm| *ppm > 0)
}
