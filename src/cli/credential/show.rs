//! `almoner credential history`, `status`, `show` and `verify`: what licences are worth, and why.

use serde_json::json;

use crate::{
    cli::{Context, Failure, Kind, Table},
    credential::{Credential, Holder, LicenceCredential, Standing, StatusList},
    instant::Instant,
    party::InstitutionId,
    pipeline::licence as act,
};

/// Reads a holder as the command line names it.
pub(super) fn holder(text: &str) -> Result<Holder, Failure> {
    let usage = |reason: String| {
        Failure::new(Kind::Usage, format!("HOLDER: {reason}"))
            .hint("an institution's id, or npi:NUMBER for a practitioner")
    };
    if let Some(npi) = text.strip_prefix("npi:") {
        return Holder::practitioner(npi).map_err(|e| usage(e.to_string()));
    }
    InstitutionId::parse(text).map(Holder::Institution).map_err(|e| usage(e.to_string()))
}

fn when(when: Option<Instant>) -> String {
    when.map(|when| when.to_string()).unwrap_or_default()
}

/// Shows all that was decided on a holder's licences.
pub(super) fn history(text: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    let history = act::history(&context.site()?, &holder(text)?)?;
    let mut table = Table::new([
        "from",
        "decision",
        "licence",
        "class",
        "until",
        "condition",
        "issuer",
        "decided",
        "learnt",
        "commit",
        "changes nothing, since",
    ]);
    let mut lines = Vec::new();
    for held in &history {
        let event = &held.line.event;
        let refused = held.refused.map(|why| why.to_string());
        table.row([
            event.effective().to_string(),
            event.action.to_string(),
            event.licence.clone(),
            event.class.clone(),
            when(event.until),
            event.restriction.clone().unwrap_or_default(),
            event.issuer.clone(),
            event.decided_at.to_string(),
            held.recorded_at.to_string(),
            held.commit.to_string(),
            refused.clone().unwrap_or_default(),
        ]);
        lines.push(json!({
            "decision": event,
            "effective": event.effective(),
            "by": held.line.by,
            "credential": held.line.credential,
            "list": held.line.list,
            "recorded_at": held.recorded_at,
            "commit": held.commit,
            "refused": refused,
        }));
    }
    table.write(context.global.format, &lines, context.out)?;
    if history.is_empty() {
        writeln!(context.err, "nothing is known of licences of this holder")?;
    }
    Ok(())
}

/// Says what a holder's licences are worth.
pub(super) fn status(
    text: &str,
    at: Option<Instant>,
    known: Option<u64>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let site = context.site()?;
    let at = at.unwrap_or(site.now());
    let standing = act::status(&site, &holder(text)?, at, known)?;
    let mut table = Table::new(["at", "state", "conditions"]);
    table.row([at.to_string(), standing.to_string(), conditions(&standing)]);
    let json = json!({"at": at, "standing": standing});
    Ok(table.write(context.global.format, &json, context.out)?)
}

fn conditions(standing: &Standing) -> String {
    match standing {
        Standing::Stands { restrictions, .. } => restrictions.join("; "),
        Standing::NotYet
        | Standing::Expired { .. }
        | Standing::Suspended { .. }
        | Standing::Revoked { .. }
        | Standing::Unknown => String::new(),
    }
}

/// Shows the states of all licences.
pub(super) fn all(context: &mut Context<'_>) -> Result<(), Failure> {
    let facts = act::facts(&context.site()?, None)?;
    let mut table = Table::new(["who", "class", "state", "conditions"]);
    for one in facts.iter().flat_map(|facts| &facts.institutions) {
        let classes: std::collections::BTreeSet<&str> =
            one.history.iter().map(|line| line.event.class.as_str()).collect();
        let classes: Vec<&str> = classes.into_iter().collect();
        let (state, conditions) = (one.standing.to_string(), conditions(&one.standing));
        table.row([one.institution.clone(), classes.join(" "), state, conditions]);
    }
    for line in facts.iter().flat_map(|facts| &facts.practitioners) {
        let who = format!("{} practitioners", line.count);
        table.row([who, line.class.clone(), line.state.to_owned(), String::new()]);
    }
    table.write(context.global.format, &facts, context.out)?;
    if facts.is_none() {
        writeln!(
            context.err,
            "this site trusts no issuer: the rules on licences are not in force"
        )?;
    }
    Ok(())
}

/// Opens a token, and says what it tells and what that is worth now.
pub(super) fn verify(text: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let verified = act::verify(&site, text)?;
    match &verified.credential {
        Credential::Licence(told) => licence(told, verified.standing.as_ref(), context),
        Credential::List(list) => status_list(list, context),
    }
}

fn licence(
    told: &LicenceCredential,
    standing: Option<&Standing>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let event = &told.event;
    let who = match &event.holder {
        Holder::Institution(id) => id.to_string(),
        Holder::Practitioner { npi } => format!("npi:{npi}"),
    };
    let worth = standing.map(ToString::to_string).unwrap_or_default();
    let mut table = Table::new(["licence", "what it says"]);
    for (name, value) in [
        ("licence", event.licence.clone()),
        ("holder", who),
        ("class", event.class.clone()),
        ("action", event.action.to_string()),
        ("from", event.from.to_string()),
        ("until", when(event.until)),
        ("condition", event.restriction.clone().unwrap_or_default()),
        ("decided", event.decided_at.to_string()),
        ("issuer", event.issuer.clone()),
        ("signed by", told.by.clone()),
        ("worth now", worth),
    ] {
        table.row([name.to_owned(), value]);
    }
    let json = json!({"decision": event, "by": told.by, "standing": standing});
    table.write(context.global.format, &json, context.out)?;
    writeln!(context.err, "signed by an issuer whom this site trusts")?;
    Ok(())
}

fn status_list(list: &StatusList, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut table = Table::new(["status list", "what it says"]);
    for (name, value) in [
        ("id", list.id.clone()),
        ("kept for", list.purpose.as_str().to_owned()),
        ("from", list.from.to_string()),
        ("until", when(list.until)),
        ("bits", list.bits.count().to_string()),
        ("set", list.bits.set().to_string()),
        ("signed by", list.by.clone()),
    ] {
        table.row([name.to_owned(), value]);
    }
    let json = json!({
        "id": list.id,
        "purpose": list.purpose,
        "from": list.from,
        "until": list.until,
        "bits": list.bits.count(),
        "set": list.bits.set(),
        "by": list.by,
    });
    table.write(context.global.format, &json, context.out)?;
    writeln!(context.err, "signed by an issuer whom this site trusts")?;
    Ok(())
}
