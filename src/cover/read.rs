//! Reads a policy file: TOML, every fault at once, each with its line and column.
//!
//! Comes in: a policy's text. Goes out: a checked [`Policy`], or the faults.
//! Never: a policy that no event could meet, a sum above its cap, or a code without its system.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::path::Path;

use super::{
    Code, CodeTest, CoverKind, Decimal, Policy, StatusTest, Substance, Term, Trigger, Unit,
    ValueTest, Weeks,
};
use crate::{
    fault::{Fault, Members, Sheet, Text},
    instant::Date,
    money::{Amount, Currency},
    party::SponsorId,
    purpose::Purpose,
    reward::PoolId,
};

/// A pregnancy has no more weeks than these.
const WEEKS_MAX: i64 = 45;

const KINDS: [(&str, CoverKind); 2] =
    [("insurance", CoverKind::Insurance), ("incentive", CoverKind::Incentive)];

/// Reads a policy; `file` names it in faults.
pub fn read(file: &Path, text: &str) -> Result<Policy, Vec<Fault>> {
    let sheet = Sheet::new(file, text);
    let policy = policy(&sheet);
    let faults = sheet.into_faults();
    match policy {
        Some(policy) if faults.is_empty() => Ok(policy),
        Some(_) | None => Err(faults),
    }
}

fn policy(sheet: &Sheet<'_>) -> Option<Policy> {
    let text = sheet.text();
    let table = sheet.parse(&text);
    let top = Members::new(sheet, "policy", &table);
    let name = parsed(sheet, top.text_needed("policy"), PoolId::parse);
    let kind = top.choice_needed("kind", &KINDS);
    let insurer = parsed(sheet, top.text_needed("insurer"), SponsorId::parse);
    let currency = parsed(sheet, top.text_needed("currency"), Currency::parse);
    let purpose = purpose(sheet, &top);
    let term = term(sheet, &top);
    let enrolment_days = number(sheet, &top, "enrolment_days", 1, i64::from(u32::MAX));
    let enrolment_weeks_max = number(sheet, &top, "enrolment_weeks_max", 0, WEEKS_MAX);
    let event_days = number(sheet, &top, "event_days", 1, i64::from(u32::MAX));
    let partly = top.flag("partly").unwrap_or(false);
    let amount = |key: &'static str| {
        let text = top.scalar(key)?;
        let currency = currency?;
        parsed(sheet, Some(text), |text| Amount::parse(text, currency))
    };
    let sum = amount("sum");
    if !top.has("sum") {
        sheet.fault_hint(
            top.span(),
            "this policy lacks `sum`",
            "say what an event pays: \"500.00\"",
        );
    }
    let (cap_person, cap_policy) = (amount("cap_person"), amount("cap_policy"));
    if let Some(sum) = sum {
        if sum.minor() <= 0 || i64::try_from(sum.minor()).is_err() {
            sheet.fault(top.value_span("sum"), "`sum` is what an event pays: more than nothing");
        }
        for (key, cap) in [("cap_person", cap_person), ("cap_policy", cap_policy)] {
            if cap.is_some_and(|cap| cap.minor() < sum.minor()) {
                let message = format!("`{key}` is less than `sum`: no event could be paid");
                sheet.fault_hint(top.value_span(key), message, "raise the cap, or lower the sum");
            }
        }
    }
    if let (Some(term), Some(days)) = (term, event_days)
        && i64::from(days) > days_of(term)
    {
        let hint = "leave it out where one event pays in the whole term";
        sheet.fault_hint(top.value_span("event_days"), "longer than the term", hint);
    }
    if let (Some(term), Some(days)) = (term, enrolment_days)
        && i64::from(days) > days_of(term)
    {
        let hint = "leave it out where people may enrol in all of the term";
        sheet.fault_hint(top.value_span("enrolment_days"), "longer than the term", hint);
    }
    let members = top.tables("trigger");
    if members.is_empty() {
        let hint = "say what sets a payment off: [[trigger]]";
        sheet.fault_hint(top.span(), "this policy pays for nothing", hint);
    }
    let default = name.as_ref().map_or_else(String::new, PoolId::to_string);
    let triggers =
        members.into_iter().filter_map(|members| trigger(sheet, members, &default)).collect();
    top.finish();
    Some(Policy {
        policy: name?,
        kind: kind?,
        insurer: insurer?,
        currency: currency?,
        term: term?,
        enrolment_days,
        enrolment_weeks_max,
        sum: sum?,
        cap_person,
        cap_policy,
        partly,
        event_days,
        purpose: purpose?,
        triggers,
    })
}

fn days_of(term: Term) -> i64 {
    term.until.signed_duration_since(term.from).num_days()
}

fn purpose(sheet: &Sheet<'_>, top: &Members<'_, '_>) -> Option<Purpose> {
    let text = top.text_needed("purpose")?;
    let span = text.span.clone();
    let purpose = parsed(sheet, Some(text), Purpose::parse)?;
    if purpose.is_permission() && !purpose.is_research() {
        return Some(purpose);
    }
    let hint = "HL7:HPAYMT is payment; a consent to research says nothing of an insurer";
    sheet.fault_hint(span, "a policy needs a purpose that is no research", hint);
    None
}

fn term(sheet: &Sheet<'_>, top: &Members<'_, '_>) -> Option<Term> {
    if !top.has("term") {
        let hint = "term = { from = \"2026-01-01\", until = \"2027-01-01\" }";
        sheet.fault_hint(top.span(), "this policy lacks `term`", hint);
    }
    let members = top.table("term")?;
    let day = |key: &'static str| {
        let text = members.scalar(key);
        if text.is_none() && !members.has(key) {
            sheet.fault(members.span(), format!("this term lacks `{key}`"));
        }
        parsed(sheet, text, |text| text.parse::<Date>().map_err(|_| "not a day like 2026-12-31"))
    };
    let (from, until) = (day("from"), day("until"));
    let span = members.value_span("until");
    members.finish();
    let term = Term { from: from?, until: until? };
    if term.until <= term.from {
        sheet.fault_hint(
            span,
            "the term ends before it begins",
            "`until` is the day after its last",
        );
        return None;
    }
    Some(term)
}

fn trigger(sheet: &Sheet<'_>, members: Members<'_, '_>, default: &str) -> Option<Trigger> {
    let name = members.text("name").map_or_else(|| default.to_owned(), |text| text.value);
    let table = members.text_needed("table");
    let id = members.text_needed("id");
    let day = members.text_needed("day");
    let code = code_test(sheet, &members);
    // What is there and cannot be read is a fault, and then nothing of the file is taken.
    let value = members.table("value").and_then(|within| value_test(sheet, within));
    let status = members.table("status").and_then(|within| status_test(sheet, within));
    let weeks = members.table("weeks").and_then(|within| weeks_test(sheet, within));
    members.finish();
    let (table, id, day) = (table?.value, id?.value, day?.value);
    Some(Trigger { name, table, id, day, code: code?, value, status, weeks })
}

fn code_test(sheet: &Sheet<'_>, members: &Members<'_, '_>) -> Option<CodeTest> {
    if !members.has("code") {
        let hint = "code = { column = \"code\", any = [\"http://loinc.org|20436-2\"] }";
        sheet.fault_hint(members.span(), "this trigger lacks `code`", hint);
    }
    let within = members.table("code")?;
    let column = within.text_needed("column").map(|text| text.value);
    let system = within.text("system").map(|text| text.value);
    let texts = within.texts("any").unwrap_or_default();
    if texts.is_empty() {
        sheet.fault(within.value_span("any"), "`any` names no code");
    }
    let mut any: Vec<Code> = Vec::new();
    for text in texts {
        any.extend(parsed(sheet, Some(text), Code::parse));
    }
    any.sort();
    any.dedup();
    within.finish();
    Some(CodeTest { column: column?, system, any })
}

fn value_test(sheet: &Sheet<'_>, within: Members<'_, '_>) -> Option<ValueTest> {
    let column = within.text_needed("column").map(|text| text.value);
    let least = within.scalar("at_least");
    if least.is_none() && !within.has("at_least") {
        sheet.fault(within.span(), "this value lacks `at_least`");
    }
    let at_least = parsed(sheet, least, Decimal::parse);
    if !within.has("unit") {
        let hint = "unit = { column = \"unit\", is = \"mg/dL\" }";
        sheet.fault_hint(within.span(), "this value lacks `unit`", hint);
    }
    let unit = within.table("unit");
    within.finish();
    let unit = unit?;
    let unit_column = unit.text_needed("column").map(|text| text.value);
    let code = unit.text_needed("is").and_then(|text| {
        let code = Unit::parse(&text.value).ok();
        if code.is_none() {
            sheet.unknown(text.span, "unit", &text.value, Unit::all());
        }
        code
    });
    let substance = unit.choice("of", &Substance::WORDS);
    unit.finish();
    let (column, at_least) = (column?, at_least?);
    Some(ValueTest { column, at_least, unit_column: unit_column?, unit: code?, substance })
}

fn status_test(sheet: &Sheet<'_>, within: Members<'_, '_>) -> Option<StatusTest> {
    let column = within.text_needed("column").map(|text| text.value);
    let list = |key: &'static str| {
        let mut words: Vec<String> =
            within.texts(key).unwrap_or_default().into_iter().map(|text| text.value).collect();
        words.sort();
        words.dedup();
        words
    };
    let (is, refuse) = (list("is"), list("refuse"));
    if is.is_empty() && refuse.is_empty() {
        let hint = "status = { column = \"status\", refuse = [\"entered-in-error\"] }";
        sheet.fault_hint(within.span(), "this status neither takes nor refuses any", hint);
    }
    if is.iter().any(|word| refuse.contains(word)) {
        sheet.fault(within.value_span("is"), "a status is both taken and refused");
    }
    within.finish();
    Some(StatusTest { column: column?, is, refuse })
}

fn weeks_test(sheet: &Sheet<'_>, within: Members<'_, '_>) -> Option<Weeks> {
    let (min, max) =
        (number(sheet, &within, "min", 0, WEEKS_MAX), number(sheet, &within, "max", 0, WEEKS_MAX));
    for (key, found) in [("min", min), ("max", max)] {
        if found.is_none() && !within.has(key) {
            sheet.fault(within.span(), format!("these weeks lack `{key}`"));
        }
    }
    let span = within.value_span("max");
    within.finish();
    let weeks = Weeks { min: min?, max: max? };
    if weeks.max < weeks.min {
        sheet.fault(span, "`max` is less than `min`: no week fits");
    }
    Some(weeks)
}

/// Takes an integer within bounds.
fn number(
    sheet: &Sheet<'_>,
    members: &Members<'_, '_>,
    key: &'static str,
    least: i64,
    most: i64,
) -> Option<u32> {
    let found = members.integer(key, least)?;
    if found > most {
        sheet.fault(members.value_span(key), format!("`{key}` is at most {most}"));
    }
    u32::try_from(found).ok()
}

/// Parses a text, or notes why it cannot be parsed.
fn parsed<T, E: ToString>(
    sheet: &Sheet<'_>,
    text: Option<Text>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let Text { value, span } = text?;
    parse(&value).map_err(|error| sheet.fault(span, error.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
policy   = "gd"
kind     = "insurance"
insurer  = "vitana"
currency = "EUR"
term     = { from = "2026-01-01", until = "2027-01-01" }
enrolment_days = 84
sum      = "500.00"
cap_person = "500.00"
purpose  = "HL7:HPAYMT"
[[trigger]]
table  = "observations"
id     = "observation_id"
day    = "effective_at"
code   = { column = "code", system = "code_system", any = ["http://loinc.org|20436-2"] }
value  = { column = "value", at_least = "153", unit = { column = "unit", is = "mg/dL", of = "glucose" } }
status = { column = "status", refuse = ["entered-in-error", "cancelled"] }
weeks  = { min = 24, max = 28 }
"#;

    fn faults(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "the sample has no {from}");
        let found = read(Path::new("gd.toml"), &GOOD.replacen(from, to, 1));
        let faults = found.err().unwrap_or_default();
        let hint = |fault: &Fault| fault.hint_text().unwrap_or_default().to_owned();
        faults.iter().map(|fault| format!("{fault} ({})", hint(fault))).collect()
    }

    #[test]
    fn a_good_file_reads_whole_and_survives_its_own_json() {
        let policy = read(Path::new("gd.toml"), GOOD).unwrap();
        assert_eq!(policy.sum.minor(), 50_000);
        assert_eq!(policy.triggers[0].name, "gd", "triggers of a policy are one event by default");
        assert_eq!(policy.triggers[0].status.as_ref().unwrap().refuse[0], "cancelled");
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy, "a vault would lose it");
    }

    #[test]
    fn each_fault_is_named_by_its_place_and_what_to_write() {
        for (from, to, line, word) in [
            ("sum      = \"500.00\"", "sum      = \"0.00\"", "8", "more than nothing"),
            ("sum      = \"500.00\"", "sum      = \"500\"", "8", "2 decimals"),
            ("cap_person = \"500.00\"", "cap_person = \"499.99\"", "9", "less than `sum`"),
            ("\"HL7:HPAYMT\"", "\"DUO:0000006\"", "10", "no research"),
            ("\"HL7:HPAYMT\"", "\"HL7:TREAT\"", "10", "HPAYMT"),
            ("until = \"2027-01-01\"", "until = \"2026-01-01\"", "6", "before it begins"),
            ("until = \"2027-01-01\"", "until = \"2026-02-01\"", "7", "longer than the term"),
            ("kind     = \"insurance\"", "kind     = \"insurence\"", "3", "insurance"),
            ("http://loinc.org|", "", "15", "system|code"),
            ("\"mg/dL\"", "\"mg/dl\"", "16", "mg/dL"),
            ("\"glucose\"", "\"glucos\"", "16", "glucose"),
            ("at_least = \"153\"", "at_least = \"153,0\"", "16", "a number is like"),
            ("max = 28", "max = 23", "18", "no week fits"),
            ("max = 28", "max = 99", "18", "at most"),
            ("weeks  =", "weaks  =", "18", "weeks"),
            ("id     = \"observation_id\"\n", "", "11", "lacks `id`"),
        ] {
            let found = faults(from, to);
            let said = format!("gd.toml:{line}:");
            let fits = |line: &String| line.starts_with(&said) && line.contains(word);
            assert!(found.iter().any(fits), "{to:?} should say {word} in line {line}: {found:#?}");
        }
    }

    #[test]
    fn every_fault_of_a_file_is_told_at_once() {
        let text =
            GOOD.replace("500.00", "x").replace("mg/dL", "stone").replace("max = 28", "max = 1");
        let faults = read(Path::new("gd.toml"), &text).err().unwrap();
        assert!(faults.len() >= 4, "{faults:#?}");
    }
}
