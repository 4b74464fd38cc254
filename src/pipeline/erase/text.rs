//! Everything of the vault that is no table, rewritten: JSON, lists of JSON lines, tables of codes, files
//! for the bank.
//!
//! Comes in: an object's path and text. Goes out: its new text, where it held the person, or names an
//! object that did. Never: a word changed that is not the whole of a value.

use std::collections::BTreeMap;

use super::{Error, covers, plan::Plan};

/// What an erased holder of an account is called.
const HOLDER: &str = "Erased";

/// Rewrites a text; `None` where nothing changes. `renames` are digests of objects, before and after.
pub(super) fn redact(
    plan: &Plan,
    renames: &BTreeMap<String, String>,
    path: &str,
    text: &str,
) -> Result<Option<String>, Error> {
    if covers::is_lines(path) {
        return covers::redact(plan, path, text);
    }
    let kind = path.rsplit_once('.').map(|(_, kind)| kind);
    let mut new = match kind {
        Some("xml") => order(plan, text),
        Some("tsv") => codes(plan, text),
        Some("ndjson") => {
            let lines: Vec<&str> = text.lines().collect();
            let mut own = lines.iter().map(|l| values(plan, l)).collect::<Result<Vec<_>, _>>()?;
            if own != lines && lines.is_sorted() {
                own.sort_unstable();
            }
            own.iter().flat_map(|line| [line.as_ref(), "\n"]).collect()
        }
        Some(_) | None => values(plan, text)?,
    };
    for (was, now) in renames {
        if new.contains(was) {
            new = new.replace(was, now);
        }
    }
    Ok((new != text).then_some(new))
}

/// Puts other values in the place of a person's in JSON.
pub(super) fn values(plan: &Plan, text: &str) -> Result<String, Error> {
    let mut new = text.to_owned();
    let quoted = |text: &str| serde_json::to_string(text);
    let mut is_own = false;
    for (from, to) in &plan.names {
        let from_quoted = quoted(from)?;
        if new.contains(&from_quoted) {
            is_own |= plan.ids.contains(from);
            new = new.replace(&from_quoted, &quoted(to)?);
        }
    }
    if is_own {
        for (from, to) in &plan.accounts {
            new = new.replace(&quoted(from)?, &quoted(to)?);
        }
        for holder in &plan.holders {
            new = new.replace(
                &format!("\"name\":{}", quoted(holder)?),
                &format!("\"name\":\"{HOLDER}\""),
            );
        }
    }
    Ok(new)
}

/// Puts other cells in the place of a person's.
fn codes(plan: &Plan, text: &str) -> String {
    let cell = |cell: &str| plan.names.get(cell).map_or(cell, String::as_str).to_owned();
    let mut new = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
        new.push_str(&body.split('\t').map(cell).collect::<Vec<_>>().join("\t"));
        new.push_str(end);
    }
    new
}

/// Puts other ids, holders and accounts into the payments of an order that are theirs, and the payments
/// into the order of its lines.
fn order(plan: &Plan, text: &str) -> String {
    const BEGIN: &str = "<CdtTrfTxInf>";
    const END: &str = "</CdtTrfTxInf>";
    let whole = text.find(BEGIN).zip(text.rfind(END).map(|at| at + END.len()));
    let Some((begin, end)) = whole else { return text.to_owned() };
    let (head, rest) = text.split_at(begin);
    let Some((payments, tail)) = rest.split_at_checked(end.saturating_sub(begin)) else {
        return text.to_owned();
    };
    let (mut placed, mut is_own) = (Vec::new(), false);
    for payment in payments.split_inclusive(END) {
        let id = payment.split_once("<EndToEndId>").and_then(|(_, rest)| rest.split_once('<'));
        let id = id.map_or("", |(id, _)| id);
        let place = plan.orders.get(id).copied();
        let payment = match plan.names.get(id) {
            Some(to) => {
                is_own = true;
                let own = element(payment, "EndToEndId", |_| Some(to));
                let own = element(&own, "Nm", |_| Some(HOLDER));
                element(&own, "IBAN", |iban| plan.accounts.get(iban).map(String::as_str))
            }
            None => payment.to_owned(),
        };
        placed.push((place, payment));
    }
    if !is_own {
        return text.to_owned();
    }
    placed.sort_by_key(|(place, _)| *place);
    let payments: String = placed.into_iter().map(|(_, payment)| payment).collect();
    format!("{head}{payments}{tail}")
}

/// Puts other text into each element of a name.
fn element<'a>(xml: &str, name: &str, new: impl Fn(&str) -> Option<&'a str>) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut out = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some((before, after)) = rest.split_once(&open) {
        let Some((inner, tail)) = after.split_once(&close) else { break };
        out.push_str(before);
        out.push_str(&open);
        out.push_str(new(inner).unwrap_or(inner));
        out.push_str(&close);
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_that_somebody_else_has_too_stays_theirs() {
        let plan: Plan = serde_json::from_value(json!({
            "txn": "t", "time": "2027-01-01T00:00:00Z", "clause": "c", "destroy": true, "people": 1,
            "payments": 0, "ids": ["p-1"], "records": [], "holders": ["Jane Roe"], "orders": {},
            "names": { "p-1": "erased-1" }, "accounts": { "DE1": "XX1" }, "versions": [], "moves": null,
        }))
        .unwrap();
        let line = |id: &str, name: &str, iban: &str| {
            format!(
                r#"{{"id":{{"contributor":"{id}"}},"account":{{"name":"{name}","iban":"{iban}"}}}}"#
            ) + "\n"
        };
        let [own, other] = [line("p-1", "Jane Roe", "DE1"), line("p-2", "Jane Roe", "DE1")];
        let text = own + &other;
        let new = redact(&plan, &BTreeMap::new(), "payees/objects/1.ndjson", &text).unwrap();
        let own = line("erased-1", "Erased", "XX1");
        assert_eq!(new, Some(own + &other), "another's account is gone, or the own one stays");
    }
}
