//! Decisions as institutions send them: a CSV table, or FHIR R4 Consents, one a line.
//!
//! Comes in: decisions and the institution's own id of whose they are. Goes out: lines.
//! Never: a Consent whose root rule and policy rule contradict each other.
//! <https://hl7.org/fhir/R4/consent.html>

use super::{
    consents::{Act, Decision, Grant, VALID_FROM, scope},
    dice::stir,
    fhir::Text,
    records::{Format, Table, put},
};

/// The columns of a consent file.
pub const CONSENT_HEADER: [&str; 8] = [
    "contributor",
    "action",
    "purposes",
    "institutions",
    "categories",
    "valid_from",
    "valid_until",
    "decided_at",
];

/// Where GA4GH's Data Use Ontology is published.
const DUO: &str = "http://purl.obolibrary.org/obo/duo.owl";

/// Returns the name of an institution's file of consents.
pub(super) fn file(format: Format) -> &'static str {
    match format {
        Format::Csv => "consents.csv",
        Format::Fhir => "Consent.ndjson",
    }
}

/// Appends the decisions of one person at one institution; returns how many lines.
pub(super) fn append(
    out: &mut Vec<u8>,
    format: Format,
    at: &str,
    id: &str,
    decisions: &[&Decision],
) -> u64 {
    let mut lines = 0;
    for (nth, decision) in (1_u32..).zip(decisions) {
        lines += match format {
            Format::Csv => row(out, at, id, decision),
            Format::Fhir => {
                let is_past = decisions.iter().skip(1).any(|d| d.act == Act::Withdraw);
                resource(out, at, id, nth, decision, is_past && nth == 1)
            }
        };
    }
    lines
}

fn row(out: &mut Vec<u8>, at: &str, id: &str, decision: &Decision) -> u64 {
    let no = ("withdraw", "*", "*".to_owned(), "*".to_owned(), "", String::new());
    let (action, purposes, institutions, categories, from, until) = match &decision.act {
        Act::Grant(grant) => (
            "grant",
            grant.purposes,
            scope(grant, at),
            categories(grant),
            VALID_FROM,
            grant.until.map(|day| day.to_string()).unwrap_or_default(),
        ),
        Act::Withdraw | Act::Refuse => no,
    };
    let cells = [
        id.to_owned(),
        action.to_owned(),
        purposes.to_owned(),
        institutions,
        categories,
        from.to_owned(),
        until,
        decision.decided_at(),
    ];
    put(out, &cells);
    1
}

/// Everything, or everything but what is spared.
fn categories(grant: &Grant) -> String {
    let Some(spared) = grant.spared else { return "*".to_owned() };
    let kept: Vec<&str> =
        Table::ALL.iter().filter(|table| **table != spared).map(|table| table.name()).collect();
    kept.join("|")
}

fn resource(
    out: &mut Vec<u8>,
    at: &str,
    id: &str,
    nth: u32,
    decision: &Decision,
    is_past: bool,
) -> u64 {
    // Whether somebody who said no is written down as a refusal or as an opt-out, and whether a
    // grant that was taken back is kept as inactive, differs from clerk to clerk.
    let clerk = id.bytes().fold(0, |sum, byte| stir(sum ^ u64::from(byte))).is_multiple_of(2);
    let status = match decision.act {
        Act::Grant(_) if is_past && clerk => "inactive",
        Act::Refuse if clerk => "rejected",
        Act::Grant(_) | Act::Refuse | Act::Withdraw => "active",
    };
    let (rule, provision) = match &decision.act {
        Act::Grant(grant) => ("OPTIN", permit(at, grant)),
        // What was asked for was refused; what was taken back is all of it.
        Act::Refuse if clerk => ("OPTIN", permit(at, &ASKED)),
        Act::Refuse | Act::Withdraw => ("OPTOUT", r#"{"type":"deny"}"#.to_owned()),
    };
    let line = format!(
        r#"{{"resourceType":"Consent","id":{consent},"status":"{status}","scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"research"}}]}},"category":[{{"coding":[{{"system":"http://loinc.org","code":"59284-0","display":"Consent Document"}}]}}],"patient":{{"reference":{patient}}},"dateTime":"{decided}","performer":[{{"reference":{patient}}}],"organization":[{{"reference":{organization}}}],"policyRule":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"{rule}"}}]}},"provision":{provision}}}"#,
        consent = Text(&format!("{id}-C{nth}")),
        patient = Text(&format!("Patient/{id}")),
        decided = decision.decided_at(),
        organization = Text(&format!("Organization/{at}")),
    );
    out.extend(line.bytes());
    out.push(b'\n');
    1
}

/// What everybody is asked for.
const ASKED: Grant =
    Grant { purposes: "DUO:0000006", here_alone: false, spared: None, until: None };

/// The root provision of a grant, with what it leaves out nested in it.
fn permit(at: &str, grant: &Grant) -> String {
    let until = grant.until.map(|day| format!(r#","end":"{day}""#)).unwrap_or_default();
    let actor = if grant.here_alone {
        let role = r#"{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-RoleClass","code":"CST"}]}"#;
        let organization = Text(&format!("Organization/{at}")).to_string();
        format!(r#","actor":[{{"role":{role},"reference":{{"reference":{organization}}}}}]"#)
    } else {
        String::new()
    };
    // One disease cannot be said by a DUO code alone, and whoever named one named more besides.
    let mut purposes: Vec<String> = grant
        .purposes
        .split('|')
        .filter_map(|term| term.split('=').next())
        .filter(|code| *code != "DUO:0000007")
        .map(|code| format!(r#"{{"system":"{DUO}","code":"{code}"}}"#))
        .collect();
    let is_for_health = grant.purposes.contains("DUO:0000006");
    if is_for_health || grant.purposes.contains("DUO:0000042") {
        let research =
            r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"HRESCH"}"#;
        purposes.insert(0, research.to_owned());
    }
    if purposes.is_empty() {
        purposes.push(format!(r#"{{"system":"{DUO}","code":"DUO:0000011"}}"#));
    }
    let spared = grant.spared.map_or_else(String::new, |table| {
        let class = table.resource();
        format!(
            r#","provision":[{{"type":"deny","class":[{{"system":"http://hl7.org/fhir/resource-types","code":"{class}"}}]}}]"#
        )
    });
    format!(
        r#"{{"type":"permit","period":{{"start":"{VALID_FROM}"{until}}}{actor},"purpose":[{}]{spared}}}"#,
        purposes.join(",")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{
        super::{Population, consents, people},
        *,
    };

    /// All Consents of a population at institution 1.
    fn all(people_count: u64) -> Vec<Value> {
        let population = Population::new(3, people_count, 4).unwrap();
        let mut out = Vec::new();
        for person in people(&population) {
            let decisions = consents::decisions(&population, &person);
            let here: Vec<&Decision> = decisions.iter().filter(|d| d.at == 1).collect();
            append(&mut out, Format::Fhir, "lake-county", &person.member_no, &here);
        }
        let text = String::from_utf8(out).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_consent_has_a_root_rule_that_agrees_with_its_policy() {
        let consents = all(4_000);
        for consent in &consents {
            let policy = consent["policyRule"]["coding"][0]["code"].as_str().unwrap();
            let root = consent["provision"]["type"].as_str().unwrap();
            assert_eq!(policy == "OPTIN", root == "permit", "a contradiction would be set aside");
            assert!(consent["patient"]["reference"].as_str().unwrap().starts_with("Patient/"));
        }
    }

    #[test]
    fn consents_show_opt_outs_exceptions_limits_and_each_status() {
        let consents = all(4_000);
        let some = |what: &str, is: &dyn Fn(&Value) -> bool| {
            let count = consents.iter().filter(|consent| is(consent)).count();
            assert!(count > 0, "no consent {what}: an import would not be tried on it");
        };
        for status in ["active", "inactive", "rejected"] {
            some(status, &|c| c["status"] == status);
        }
        some("denies", &|c| c["provision"]["type"] == "deny");
        some("has an exception", &|c| c["provision"]["provision"][0]["type"] == "deny");
        some("ends", &|c| c["provision"]["period"]["end"].is_string());
        some("is for one institution", &|c| c["provision"]["actor"].is_array());
        some("is for research", &|c| c["provision"]["purpose"][0]["code"] == "HRESCH");
    }

    #[test]
    fn a_grant_for_ancestry_alone_does_not_permit_health_research() {
        for consent in all(4_000) {
            let codes = consent["provision"]["purpose"].to_string();
            assert!(
                !(codes.contains("DUO:0000011") && codes.contains("HRESCH")),
                "health research was never asked for"
            );
        }
    }
}
