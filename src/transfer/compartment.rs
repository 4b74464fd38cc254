//! Whom a resource is about: FHIR R4's patient compartment, less what is about somebody else.
//!
//! Comes in: a resource. Goes out: the patients it is about, and the resources that it leans on.
//! Never: a child's observation in its mother's record because she made it.
//!
//! R4's compartment (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>) also holds what a
//! patient only wrote, performed or paid for. Who consents to the transfer of their own record does
//! not consent for those whom such resources are about, so only what says whom it is about counts.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Types that a record leans on and that are about no patient, in the order in which one may refer
/// to the next.
pub(super) const SUPPORTING: [&str; 5] =
    ["Medication", "PractitionerRole", "Practitioner", "Location", "Organization"];

/// Where the types say whom they are about that do not say it in one of [`USUAL`].
const ELEMENTS: [(&str, &[&str]); 9] = [
    ("Appointment", &["participant", "actor"]),
    ("AppointmentResponse", &["actor"]),
    ("AuditEvent", &["entity", "what"]),
    ("EnrollmentRequest", &["candidate"]),
    ("Group", &["member", "entity"]),
    ("Person", &["link", "target"]),
    ("Provenance", &["target"]),
    ("Schedule", &["actor"]),
    ("SupplyRequest", &["deliverTo"]),
];
/// Where all others do.
const USUAL: [&str; 4] = ["subject", "patient", "beneficiary", "individual"];

/// Returns the local ids of the patients that a resource is about.
pub(super) fn patients<'v>(kind: &str, resource: &'v Map<String, Value>) -> BTreeSet<&'v str> {
    if kind == "Patient" {
        return resource.get("id").and_then(Value::as_str).into_iter().collect();
    }
    let mut found = Vec::new();
    match ELEMENTS.iter().find(|(own, _)| *own == kind) {
        Some((_, path)) => follow(resource, path, &mut found),
        None => USUAL.iter().for_each(|name| follow(resource, &[name], &mut found)),
    }
    found.into_iter().filter_map(|reference| local("Patient", reference)).collect()
}

/// Collects the references at the end of a path, through lists.
fn follow<'v>(object: &'v Map<String, Value>, path: &[&str], found: &mut Vec<&'v str>) {
    let Some((name, rest)) = path.split_first() else {
        found.extend(object.get("reference").and_then(Value::as_str));
        return;
    };
    match object.get(*name) {
        Some(Value::Object(inner)) => follow(inner, rest, found),
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_object).for_each(|item| follow(item, rest, found));
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
    }
}

/// Returns the id in a relative reference to a resource of a type. An absolute one is another
/// server's, as far as can be known here.
pub(super) fn local<'r>(kind: &str, reference: &'r str) -> Option<&'r str> {
    let id = reference.strip_prefix(kind)?.strip_prefix('/')?;
    let id = id.split_once("/_history/").map_or(id, |(id, _)| id);
    (!id.is_empty() && id.bytes().all(is_id)).then_some(id)
}

/// Says whether a byte may stand in an id; some servers write an underscore.
pub(super) fn is_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// Says whether a relative reference is to a type that a record leans on.
pub(super) fn is_supporting(reference: &str) -> bool {
    SUPPORTING.iter().any(|kind| local(kind, reference).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn about(resource: &Value) -> Vec<&str> {
        let kind = resource["resourceType"].as_str().unwrap();
        patients(kind, resource.as_object().unwrap()).into_iter().collect()
    }

    #[test]
    fn a_resource_is_about_whom_it_says_and_not_about_who_made_it() {
        let made = json!({"resourceType": "Observation", "subject": {"reference": "Patient/child"},
            "performer": [{"reference": "Patient/mother"}]});
        assert_eq!(about(&made), ["child"], "a child's record would go with its mother's");
        let cover = json!({"resourceType": "Coverage", "beneficiary": {"reference": "Patient/a"},
            "subscriber": {"reference": "Patient/b"}});
        assert_eq!(about(&cover), ["a"]);
        let met = json!({"resourceType": "Appointment", "participant": [
            {"actor": {"reference": "Practitioner/x"}}, {"actor": {"reference": "Patient/a"}}]});
        assert_eq!(about(&met), ["a"]);
        let group = json!({"resourceType": "Group", "member": [
            {"entity": {"reference": "Patient/a"}}, {"entity": {"reference": "Patient/b"}}]});
        assert_eq!(about(&group), ["a", "b"], "others of the group would not be seen");
    }

    #[test]
    fn a_reference_to_another_server_or_a_part_of_an_id_is_nobody_here() {
        assert_eq!(local("Patient", "Patient/a/_history/2"), Some("a"));
        for other in ["https://x.example/Patient/a", "Patient/", "Patients/a", "Patient/a/b", "a"] {
            assert_eq!(local("Patient", other), None, "{other}");
        }
        assert!(is_supporting("Practitioner/x") && !is_supporting("Encounter/x"));
    }
}
