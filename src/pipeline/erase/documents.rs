//! Consent documents as they were imported, without those of the person.
//!
//! Comes in: a file of FHIR Consents (lines, a Bundle or one resource, packed or not). Goes out: the same
//! without the person's: what is of them by its patient or subject, the Patient itself, and a broken line
//! that names them, which no import could read. Never: another's document left out, or a line of another's
//! changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Cursor, Read as _},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::{Error, plan::Plan};
use crate::{pipeline::consent::unpacked, store::Store};

/// Where documents lie, in the vault: `<digest>`, and lists of them, `<digest>.json`.
const DOCUMENTS: &str = "consent/documents/";

/// One file of a list, and whose patients its ids are; an institution's, or anybody's.
#[derive(Deserialize)]
struct Listed {
    sha3: String,
    institution: Option<String>,
}

/// Says whether an object is a file of documents, and no list of them.
pub(super) fn is_file(path: &str) -> bool {
    path.strip_prefix(DOCUMENTS).is_some_and(|name| !name.contains('.'))
}

/// Says of each file of documents which of the person's ids it may hold.
pub(super) fn ids(vault: &Store, plan: &Plan) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in vault.list_now("")? {
        let name = object.path.strip_prefix(DOCUMENTS);
        if name.and_then(|name| name.strip_suffix(".json")).is_none() {
            continue;
        }
        for listed in serde_json::from_slice::<Vec<Listed>>(&vault.get(&object.path)?)? {
            let own = plan.records.iter().filter(|(institution, _)| {
                listed.institution.as_ref().is_none_or(|of| of == institution)
            });
            let of_file = ids.entry(format!("{DOCUMENTS}{}", listed.sha3)).or_default();
            of_file.extend(own.map(|(_, local)| local.clone()).chain(plan.ids.iter().cloned()));
        }
    }
    Ok(ids)
}

/// Leaves out the documents of these ids; `None` where there are none.
pub(super) fn redact(
    path: &str,
    bytes: &Bytes,
    ids: &BTreeSet<String>,
) -> Result<Option<Bytes>, Error> {
    let mut text = String::new();
    unpacked(Cursor::new(bytes.clone()))
        .and_then(|mut unpacked| unpacked.read_to_string(&mut text))
        .map_err(|_| Error::Format(path.to_owned()))?;
    if !ids.iter().any(|id| text.contains(id)) {
        return Ok(None);
    }
    // A Bundle, or one resource, over many lines.
    if let Ok(mut whole) = serde_json::from_str::<Value>(&text) {
        return Ok(match left(&mut whole, ids) {
            Left::Same => None,
            Left::Less => Some(serde_json::to_vec(&whole)?.into()),
            Left::Nothing => Some(Bytes::new()),
        });
    }
    let mut new = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let Ok(mut value) = serde_json::from_str::<Value>(line) else {
            if !ids.iter().any(|id| names(line, id)) {
                new.push_str(line);
            }
            continue;
        };
        match left(&mut value, ids) {
            Left::Same => new.push_str(line),
            Left::Less => new.extend([serde_json::to_string(&value)?.as_str(), "\n"]),
            Left::Nothing => {}
        }
    }
    Ok((new != text).then(|| new.into()))
}

/// What is left of a resource.
enum Left {
    Same,
    Less,
    Nothing,
}

fn left(resource: &mut Value, ids: &BTreeSet<String>) -> Left {
    if let Some(entries) = resource.get_mut("entry").and_then(Value::as_array_mut) {
        let before = entries.len();
        entries.retain(|entry| !entry.get("resource").is_some_and(|of| is_own(of, ids)));
        return if entries.len() == before { Left::Same } else { Left::Less };
    }
    if is_own(resource, ids) { Left::Nothing } else { Left::Same }
}

/// Says whether a resource is one of these ids', or is that Patient.
fn is_own(resource: &Value, ids: &BTreeSet<String>) -> bool {
    let is_id = |of: Option<&Value>| of.and_then(Value::as_str).is_some_and(|id| ids.contains(id));
    if resource.get("resourceType").and_then(Value::as_str) == Some("Patient") {
        let mut identifiers = resource.get("identifier").and_then(Value::as_array).into_iter();
        return is_id(resource.get("id"))
            || identifiers.any(|all| all.iter().any(|of| is_id(of.get("value"))));
    }
    let reference =
        resource.pointer("/patient/reference").or_else(|| resource.pointer("/subject/reference"));
    let reference = reference.and_then(Value::as_str).unwrap_or_default();
    reference.rsplit(['/', ':']).next().is_some_and(|local| ids.contains(local))
}

/// Says whether a text has this id in it, and not as a part of a longer one (FHIR R4 §2.24.0.1, `id`).
fn names(text: &str, id: &str) -> bool {
    let is_of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_alone = |(at, _): (usize, &str)| {
        let (before, after) = (text.get(..at), text.get(at + id.len()..));
        !before.is_some_and(|before| before.ends_with(is_of_id))
            && !after.is_some_and(|after| after.starts_with(is_of_id))
    };
    text.match_indices(id).any(is_alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consent(local: &str) -> String {
        format!(
            r#"{{"resourceType":"Consent","id":"{local}-c1","patient":{{"reference":"Patient/{local}"}}}}"#
        )
    }

    fn without(text: &str) -> Option<String> {
        let ids = BTreeSet::from(["NS-11".to_owned()]);
        let new = redact("f", &Bytes::from(text.to_owned()), &ids).unwrap();
        new.map(|new| String::from_utf8(new.to_vec()).unwrap())
    }

    #[test]
    fn a_persons_documents_go_and_those_of_a_longer_id_stay_to_the_byte() {
        let (own, other) = (consent("NS-11"), consent("NS-118"));
        let torn = &other[..other.len() - 1];
        let lines = format!("{other}\n{own}\nno JSON at all\n{torn}\n{other}\n");
        let left = format!("{other}\nno JSON at all\n{torn}\n{other}\n");
        assert_eq!(without(&lines), Some(left), "another's document was lost, or the own stays");
        assert_eq!(without(&format!("{other}\n{other}\n")), None, "a file of others was changed");
        assert_eq!(without(&own), Some(String::new()));
        let bundle = |entries: &[&str]| {
            let entries: Vec<_> =
                entries.iter().map(|e| format!(r#"{{"resource":{e}}}"#)).collect();
            format!(r#"{{"entry":[{}],"resourceType":"Bundle"}}"#, entries.join(","))
        };
        let pretty: Value = serde_json::from_str(&bundle(&[&own, &other])).unwrap();
        let pretty = serde_json::to_string_pretty(&pretty).unwrap();
        let left: Value = serde_json::from_str(&without(&pretty).unwrap()).unwrap();
        assert_eq!(left, serde_json::from_str::<Value>(&bundle(&[&other])).unwrap());
    }

    #[test]
    fn the_patient_and_a_torn_line_that_names_them_go_too() {
        let (own, other) = (consent("NS-11"), consent("NS-118"));
        let torn = &own[..own.len() - 2];
        assert_eq!(
            without(&format!("{other}\n{torn}\n{other}")),
            Some(format!("{other}\n{other}")),
            "a line that no import could read still names the person"
        );
        let patient = |id: &str, identifier: &str| {
            format!(
                r#"{{"id":"{id}","identifier":[{{"value":"{identifier}"}}],"resourceType":"Patient"}}"#
            )
        };
        let (by_id, by_identifier) = (patient("NS-11", "x"), patient("p7", "NS-11"));
        let others = patient("NS-118", "NS-1");
        assert_eq!(
            without(&format!("{by_id}\n{others}\n{by_identifier}\n")),
            Some(format!("{others}\n")),
            "the Patient that was sent beside the consents stays, with name and address"
        );
    }
}
