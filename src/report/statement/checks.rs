//! What a statement says of the person's rights: consent, withdrawal, dispute, and how to check it all.
//!
//! Comes in: a statement. Goes out: parts of its page. Never: a proof that is not the line's own.

use super::{StatementConsent, StatementPage, StatementRelease, pairs, uses::version};
use crate::{
    report::{Block, Document, Messages, Row, messages::Say::Text},
    reward::statement::{DISPUTE_DAYS, Statement},
};

/// What the person has decided, and how to withdraw.
pub(super) fn consents(page: &mut Document, facts: &StatementPage, messages: &Messages) {
    page.heading(messages.say("consents-heading"));
    if facts.consents.is_empty() {
        page.text(messages.say("consents-none"));
    } else {
        let rows = facts.consents.iter().map(|consent| decision(consent, messages)).collect();
        let heads = [
            "consents-decision",
            "consents-purpose",
            "consents-where",
            "consents-data",
            "consents-from",
            "consents-until",
        ];
        let heads = heads.map(|head| messages.say(head));
        page.table(messages.say("consents-caption"), heads, rows);
        if let Some(state) = state(&facts.consents) {
            page.text(messages.say(state));
        }
    }
    page.text(messages.say("consents-withdraw"));
    page.blocks.push(Block::Code { lines: vec![facts.withdraw.clone()] });
}

/// Says what stands, where one decision alone settles it.
fn state(consents: &[StatementConsent]) -> Option<&'static str> {
    let opted = consents.iter().rev().find(|c| matches!(c.action.as_str(), "opt-out" | "opt-in"));
    if opted.is_some_and(|consent| consent.action == "opt-out") {
        return Some("consents-now-withdrawn");
    }
    let last = consents.last()?;
    let whole =
        last.purposes.is_empty() && last.institutions.is_empty() && last.categories.is_empty();
    match last.action.as_str() {
        "withdraw" if whole => Some("consents-now-withdrawn"),
        "grant" if last.until.is_none() => Some("consents-now-stands"),
        _ => None,
    }
}

fn decision(consent: &StatementConsent, messages: &Messages) -> Row {
    let all = |list: &[String], name: &str| {
        if list.is_empty() { messages.say(name) } else { list.join(", ") }
    };
    let purposes: Vec<String> =
        consent.purposes.iter().map(|purpose| messages.purpose(purpose)).collect();
    let purposes = if purposes.is_empty() {
        messages.say("consents-every-purpose")
    } else {
        purposes.join("; ")
    };
    Row::of([
        messages.one_of("consent", &consent.action),
        purposes,
        all(&consent.institutions, "consents-all-institutions"),
        all(&consent.categories, "consents-all-data"),
        messages.date(consent.from),
        consent.until.map_or_else(|| messages.say("consents-open"), |until| messages.date(until)),
    ])
}

/// The versions that hold the person's records.
pub(super) fn releases(page: &mut Document, releases: &[StatementRelease], messages: &Messages) {
    // Where nobody said where the records are, the page claims nothing.
    if releases.is_empty() {
        return;
    }
    let rows = releases.iter().map(|release| {
        let state = if release.rows > 0 { "releases-in" } else { "releases-out" };
        Row::of([
            version(messages, &release.dataset, release.version),
            messages.say(state),
            messages.count(release.rows),
        ])
    });
    let rows = rows.collect();
    page.heading(messages.say("releases-heading"));
    let heads = [
        messages.say("releases-version"),
        messages.say("releases-state"),
        format!("#{}", messages.say("releases-rows")),
    ];
    page.table(messages.say("releases-caption"), heads, rows);
    page.text(messages.say("releases-note"));
}

/// Until when and how to dispute it.
pub(super) fn dispute(page: &mut Document, statement: &Statement, messages: &Messages) {
    let (date, days) = (messages.date(statement.dispute_until), DISPUTE_DAYS.to_string());
    page.heading(messages.say("dispute-heading"));
    page.text(messages.tell("dispute-text", &[("date", Text(&date)), ("days", Text(&days))]));
}

/// How to recompute it, and the proof of the line.
pub(super) fn check(page: &mut Document, statement: &Statement, messages: &Messages) {
    page.heading(messages.say("check-heading"));
    page.text(messages.say("check-text"));
    page.blocks.push(Block::Code { lines: vec![statement.recompute.clone()] });
    let rules = &statement.rules;
    let number = rules.version.to_string();
    let named = messages
        .tell("check-rules-value", &[("name", Text(&rules.name)), ("version", Text(&number))]);
    let basis = [
        ("check-rules", named),
        ("check-method", rules.method.clone()),
        ("check-rules-digest", rules.digest.to_string()),
        ("check-inputs", statement.inputs.to_string()),
        ("check-lines", statement.lines.to_string()),
        ("check-entry", statement.entry.to_string()),
    ];
    let basis = basis.map(|(name, value)| (messages.say(name), value));
    page.blocks.push(pairs(Some(messages.say("check-title")), basis));
    let proof = &statement.proof;
    let (line, lines) = (proof.leaf_index.saturating_add(1), proof.leaf_count);
    page.text(messages.tell(
        "proof-text",
        &[("line", Text(&messages.count(line))), ("lines", Text(&messages.count(lines)))],
    ));
    let path: Vec<String> = proof.path.iter().map(ToString::to_string).collect();
    let parts = [
        ("proof-line", proof.line.clone()),
        ("proof-token", proof.token.clone()),
        ("proof-salt", proof.salt.clone()),
        ("proof-leaf", proof.leaf.clone()),
        ("proof-path", path.join(" ")),
        ("proof-root", proof.root.to_string()),
    ];
    let parts = parts.map(|(name, value)| (messages.say(name), value));
    page.blocks.push(pairs(Some(messages.say("proof-title")), parts));
}
