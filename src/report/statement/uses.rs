//! The records of a statement: what they were used for, which of them count, which do not and why.
//!
//! Comes in: a statement. Goes out: parts of its page. Never: the size of a small crowd.

use super::{StatementPage, money::short};
use crate::{
    report::{
        Document, Messages, Row,
        messages::Say::{Count, Text},
    },
    reward::statement::Statement,
};

/// Each use of the person's records.
pub(super) fn uses(page: &mut Document, statement: &Statement, messages: &Messages) {
    page.heading(messages.say("uses-heading"));
    if statement.uses.is_empty() {
        page.text(messages.say("answers-none"));
        return;
    }
    let count = u64::try_from(statement.uses.len()).unwrap_or(u64::MAX);
    page.text(messages.tell("answers-some", &[("count", Count(count))]));
    let rows = statement.uses.iter().map(|used| {
        let asker = used.institution.as_ref().map(|institution| institution.as_str().to_owned());
        Row::of([
            messages.date(used.date),
            messages.purpose(&used.purpose),
            asker.unwrap_or_else(|| messages.say("uses-nobody")),
            version(messages, &used.dataset, used.version),
            messages.count(used.my_records),
            messages.count(used.counted),
            used.all_records.map_or_else(|| messages.say("uses-hidden"), |all| messages.count(all)),
            messages.decimal(&used.units),
            short(&used.entry.to_string()),
        ])
    });
    let rows = rows.collect();
    let heads = [
        messages.say("uses-date"),
        messages.say("uses-purpose"),
        messages.say("uses-asker"),
        messages.say("uses-dataset"),
        format!("#{}", messages.say("uses-mine")),
        format!("#{}", messages.say("uses-counted")),
        format!("#{}", messages.say("uses-all")),
        format!("#{}", messages.say("uses-units")),
        messages.say("decisions-entry"),
    ];
    page.table(messages.say("uses-caption"), heads, rows);
    if statement.uses.iter().any(|used| used.all_records.is_none()) {
        page.text(messages.say("uses-hidden-note"));
    }
    if statement.uses.iter().any(|used| used.counted < used.my_records) {
        page.text(messages.say("uses-payer-note"));
    }
}

/// The person's records: duplicates, new ones, and what was rejected.
pub(super) fn records(page: &mut Document, facts: &StatementPage, messages: &Messages) {
    let statement = &facts.statement;
    page.heading(messages.say("records-heading"));
    if statement.records.is_empty() {
        page.text(messages.say("records-none"));
    } else {
        held(page, statement, messages);
    }
    if !statement.new_data.is_empty() {
        new(page, statement, messages);
    }
    if !facts.rejected.is_empty() {
        rejected(page, facts, messages);
    }
}

fn held(page: &mut Document, statement: &Statement, messages: &Messages) {
    let rows = statement.records.iter().map(|line| {
        Row::of([
            version(messages, &line.dataset, line.version),
            line.institution.as_str().to_owned(),
            messages.count(line.rows),
            messages.count(line.duplicates),
            messages.count(line.rows.saturating_sub(line.duplicates)),
            messages.percent(u128::from(line.quality_ppm)),
            messages.say(if line.base { "records-yes" } else { "records-no" }),
        ])
    });
    let rows = rows.collect();
    let heads = [
        messages.say("records-dataset"),
        messages.say("records-institution"),
        format!("#{}", messages.say("records-rows")),
        format!("#{}", messages.say("records-duplicates")),
        format!("#{}", messages.say("records-counted")),
        format!("#{}", messages.say("records-quality")),
        messages.say("records-base"),
    ];
    page.table(messages.say("records-caption"), heads, rows);
    if statement.records.iter().any(|line| line.duplicates > 0) {
        page.text(messages.say("records-duplicates-note"));
    }
}

fn new(page: &mut Document, statement: &Statement, messages: &Messages) {
    let rows = statement.new_data.iter().map(|line| {
        Row::of([
            messages.count(line.new),
            line.prior
                .map_or_else(|| messages.say("new-prior-hidden"), |prior| messages.count(prior)),
            messages.percent(u128::from(line.quality_ppm)),
            messages.say(if line.counts { "new-yes" } else { "new-no" }),
        ])
    });
    let rows = rows.collect();
    let heads = [
        format!("#{}", messages.say("new-new")),
        format!("#{}", messages.say("new-prior")),
        format!("#{}", messages.say("new-quality")),
        messages.say("new-counts"),
    ];
    page.table(messages.say("new-caption"), heads, rows);
}

fn rejected(page: &mut Document, facts: &StatementPage, messages: &Messages) {
    let rows = facts.rejected.iter().map(|line| {
        Row::of([
            version(messages, &line.dataset, line.version),
            messages.one_of("reject", &line.reason),
            line.rows.map_or_else(|| messages.say("rejected-hidden"), |rows| messages.count(rows)),
        ])
    });
    let rows = rows.collect();
    let heads = [
        messages.say("rejected-dataset"),
        messages.say("rejected-reason"),
        format!("#{}", messages.say("rejected-rows")),
    ];
    page.table(messages.say("rejected-caption"), heads, rows);
    page.text(messages.say("rejected-note"));
}

/// Names a version of a dataset.
pub(super) fn version(messages: &Messages, dataset: &str, version: u64) -> String {
    let version = version.to_string();
    let named = [("dataset", Text(dataset)), ("version", Text(&version))];
    messages.tell("dataset-version", &named)
}
