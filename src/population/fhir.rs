//! Records as FHIR R4 resources, one JSON object a line, as a bulk export has them.
//!
//! Comes in: a record, whose it is, and what is wrong with it. Goes out: a line.
//! Never: an empty member; what an institution does not know is left out.
//! <https://hl7.org/fhir/R4/>

use std::fmt::{self, Display, Formatter, Write as _};

use super::{
    faults::Fault,
    records::{Diagnosis, Measurement, Patient, Record, Visit},
};

/// The extension of an encounter that says who paid.
pub(super) const PAYER: &str = "https://commons.example/fhir/StructureDefinition/encounter-payer";

/// The extension of an encounter that says what it cost, in dollars.
pub(super) const CHARGE: &str = "https://commons.example/fhir/StructureDefinition/encounter-charge";

/// Appends a record of institution `at` as a line.
pub(super) fn put(out: &mut Vec<u8>, at: &str, record: &Record, fault: Option<Fault>) {
    let mut line = match record {
        Record::Patient(patient) => patient_resource(at, patient, fault),
        Record::Visit(visit) => encounter(at, visit, fault),
        Record::Diagnosis(found) => condition(found, fault),
        Record::Measurement(taken) => observation(taken, fault),
    };
    if fault == Some(Fault::Short) {
        let end = (line.len() * 3 / 5..line.len()).find(|end| line.is_char_boundary(*end));
        line.truncate(end.unwrap_or(0));
    }
    out.extend(line.bytes());
    out.push(b'\n');
}

/// Returns the institution itself.
pub(super) fn organization(at: &str) -> String {
    format!(
        r#"{{"resourceType":"Organization","id":{id},"active":true,"name":{id}}}"#,
        id = Text(at)
    )
}

fn patient_resource(at: &str, patient: &Patient, fault: Option<Fault>) -> String {
    let system = format!("https://{at}.example/mrn");
    let mut identifiers = identifier("MR", &system, &patient.mrn);
    if !patient.ssn.is_empty() {
        identifiers.push(',');
        identifiers.push_str(&identifier("SS", "http://hl7.org/fhir/sid/us-ssn", &patient.ssn));
    }
    let contact = |system: &str, value: &str| {
        (!value.is_empty()).then(|| format!(r#"{{"system":"{system}","value":{}}}"#, Text(value)))
    };
    let contacts: Vec<String> =
        [contact("phone", &patient.phone), contact("email", &patient.email)]
            .into_iter()
            .flatten()
            .collect();
    let telecom = List("telecom", &contacts);
    let race = race(patient.race);
    let state = match patient.zip.get(..3) {
        Some("036") => "NH",
        Some("059") => "VT",
        Some(_) | None => "MA",
    };
    let birth = if fault == Some(Fault::Type) {
        r#","birthDate":19700231"#.to_owned()
    } else {
        Member("birthDate", &patient.birth_date).to_string()
    };
    format!(
        r#"{{"resourceType":"Patient"{id}{race},"identifier":[{identifiers}],"name":[{{"use":"official","family":{last},"given":[{first}]}}]{telecom}{gender}{birth}{death},"address":[{{"use":"home","line":[{line}],"city":{city},"state":"{state}","postalCode":{zip},"country":"US"}}],"managingOrganization":{{"reference":"Organization/{at}"}}}}"#,
        id = Id(&patient.mrn, fault),
        last = Text(&patient.last),
        first = Text(&patient.first),
        gender = Member("gender", &patient.sex),
        death = Member("deceasedDateTime", &patient.death_date),
        line = Text(&patient.address),
        city = Text(patient.city),
        zip = Text(patient.zip),
    )
}

fn identifier(kind: &str, system: &str, value: &str) -> String {
    format!(
        r#"{{"type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"{kind}"}}]}},"system":"{system}","value":{}}}"#,
        Text(value)
    )
}

/// Race as US Core writes it.
fn race(race: &str) -> String {
    let (code, display) = match race {
        "white" => ("2106-3", "White"),
        "black" => ("2054-5", "Black or African American"),
        "asian" => ("2028-9", "Asian"),
        "native" => ("1002-5", "American Indian or Alaska Native"),
        "pacific" => ("2076-8", "Native Hawaiian or Other Pacific Islander"),
        "other" => ("2131-1", "Other Race"),
        _ => return String::new(),
    };
    format!(
        r#","extension":[{{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{{"url":"ombCategory","valueCoding":{{"system":"urn:oid:2.16.840.1.113883.6.238","code":"{code}","display":"{display}"}}}},{{"url":"text","valueString":"{race}"}}]}}]"#
    )
}

fn encounter(at: &str, visit: &Visit, fault: Option<Fault>) -> String {
    // What kind of visit it was, in SNOMED CT.
    let (code, display) = match visit.kind.as_str() {
        "EMER" => ("50849002", "Emergency room admission"),
        "IMP" => ("32485007", "Hospital admission"),
        "VR" => ("448337001", "Telemedicine consultation with patient"),
        _ => ("185349003", "Encounter for check up"),
    };
    let period = if fault == Some(Fault::Type) {
        Text(&visit.start).to_string()
    } else {
        format!(r#"{{"start":{},"end":{}}}"#, Utc(&visit.start), Utc(&visit.end))
    };
    format!(
        r#"{{"resourceType":"Encounter"{id},"extension":[{{"url":"{PAYER}","valueString":{payer}}},{{"url":"{CHARGE}","valueDecimal":{cost}}}],"status":"finished","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode"{kind}}},"type":[{{"coding":[{{"system":"http://snomed.info/sct","code":"{code}","display":"{display}"}}]}}],"subject":{{"reference":"Patient/{mrn}"}},"period":{period},"serviceProvider":{{"reference":"Organization/{at}"}}}}"#,
        id = Id(&visit.id, fault),
        payer = Text(visit.payer),
        cost = visit.cost,
        kind = Member("code", &visit.kind),
        mrn = visit.mrn,
    )
}

fn condition(found: &Diagnosis, fault: Option<Fault>) -> String {
    let onset = if fault == Some(Fault::Type) {
        r#","onsetDateTime":19700231"#.to_owned()
    } else {
        Member("onsetDateTime", &found.onset).to_string()
    };
    let (also_system, also_code) = found.also;
    let note = if found.note.is_empty() {
        String::new()
    } else {
        format!(r#","note":[{{"text":{}}}]"#, Text(&found.note))
    };
    format!(
        r#"{{"resourceType":"Condition"{id},"clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}}]}},"verificationStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"confirmed"}}]}},"category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/condition-category","code":"encounter-diagnosis"}}]}}],"code":{{"coding":[{{"system":{system}{code}}},{{"system":"{also_system}","code":"{also_code}"}}]}},"subject":{{"reference":"Patient/{mrn}"}},"encounter":{{"reference":"Encounter/{visit}"}}{onset}{note}}}"#,
        id = Id(&found.id, fault),
        system = Text(&found.system),
        code = Member("code", &found.code),
        mrn = found.mrn,
        visit = found.visit,
    )
}

fn observation(taken: &Measurement, fault: Option<Fault>) -> String {
    let (category, display) = match taken.loinc.as_str() {
        "8480-6" => ("vital-signs", "Systolic blood pressure"),
        "8462-4" => ("vital-signs", "Diastolic blood pressure"),
        "39156-5" => ("vital-signs", "Body mass index (BMI) [Ratio]"),
        "4548-4" => ("laboratory", "Hemoglobin A1c/Hemoglobin.total in Blood"),
        "2339-0" => ("laboratory", "Glucose [Mass/volume] in Blood"),
        "2160-0" => ("laboratory", "Creatinine [Mass/volume] in Serum or Plasma"),
        "18262-6" => ("laboratory", "Cholesterol in LDL [Mass/volume] in Serum or Plasma"),
        _ => ("laboratory", "Measurement"),
    };
    let is_number = taken.value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value = if is_number && fault != Some(Fault::Type) {
        taken.value.clone()
    } else {
        Text(&format!("about {}", taken.value)).to_string()
    };
    format!(
        r#"{{"resourceType":"Observation"{id},"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"{category}"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org"{loinc},"display":"{display}"}}]}},"subject":{{"reference":"Patient/{mrn}"}},"encounter":{{"reference":"Encounter/{visit}"}},"effectiveDateTime":{at},"valueQuantity":{{"value":{value},"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}}}"#,
        id = Id(&taken.id, fault),
        loinc = Member("code", &taken.loinc),
        mrn = taken.mrn,
        visit = taken.visit,
        at = Utc(&taken.taken_at),
        unit = taken.unit,
    )
}

/// A text as JSON.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                control if u32::from(control) < 0x20 => {
                    write!(f, "\\u{:04x}", u32::from(control))?;
                }
                plain => f.write_char(plain)?,
            }
        }
        f.write_char('"')
    }
}

/// A time as FHIR wants it, with its offset.
struct Utc<'a>(&'a str);

impl Display for Utc<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // What a fault put in its place stays as it is.
        let is_time = self.0.as_bytes().get(10) == Some(&b'T');
        let zone = if is_time { "Z" } else { "" };
        write!(f, "\"{}{zone}\"", self.0)
    }
}

/// A further member of an object; nothing where there is no value.
struct Member<'a>(&'static str, &'a str);

impl Display for Member<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.1.is_empty() {
            return Ok(());
        }
        write!(f, r#","{}":{}"#, self.0, Text(self.1))
    }
}

/// A further member that is a list; nothing where it is empty.
struct List<'a>(&'static str, &'a [String]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.1.is_empty() {
            return Ok(());
        }
        write!(f, r#","{}":[{}]"#, self.0, self.1.join(","))
    }
}

/// The resource's id, unless that is its fault.
struct Id<'a>(&'a str, Option<Fault>);

impl Display for Id<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.1 == Some(Fault::Shape) {
            return Ok(());
        }
        Member("id", self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::chart::chart, *};

    fn lines(fault: Option<Fault>) -> Vec<(Record, String)> {
        let person = super::super::person::make(8, 4, 21);
        chart(8, &person, 1)
            .into_iter()
            .map(|record| {
                let mut out = Vec::new();
                put(&mut out, "lake-county", &record, fault);
                (record, String::from_utf8(out).unwrap())
            })
            .collect()
    }

    /// Says where a JSON value holds what FHIR forbids: an empty text, list or object.
    fn empty(value: &Value) -> bool {
        match value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty() || items.iter().any(empty),
            Value::Object(members) => members.is_empty() || members.values().any(empty),
            Value::Null => true,
            Value::Bool(_) | Value::Number(_) => false,
        }
    }

    #[test]
    fn every_record_is_a_resource_of_its_type_that_points_at_its_patient() {
        for (record, line) in lines(None) {
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value["resourceType"], record.table().resource());
            assert!(!empty(&value), "FHIR has no empty members: {}", value["resourceType"]);
            let id = value["id"].as_str().unwrap();
            assert!(id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
            match record {
                Record::Patient(patient) => {
                    assert_eq!(id, patient.mrn, "the subject of no resource would be found");
                }
                Record::Visit(Visit { mrn, .. })
                | Record::Diagnosis(Diagnosis { mrn, .. })
                | Record::Measurement(Measurement { mrn, .. }) => {
                    assert_eq!(value["subject"]["reference"], format!("Patient/{mrn}"));
                }
            }
        }
    }

    #[test]
    fn each_fault_is_one_that_a_reader_can_find() {
        for (_, line) in lines(Some(Fault::Short)) {
            assert!(serde_json::from_str::<Value>(&line).is_err(), "a cut line still parses");
            assert_eq!(line.matches('\n').count(), 1, "a cut line would eat the next one");
        }
        for (_, line) in lines(Some(Fault::Shape)) {
            let value: Value = serde_json::from_str(&line).unwrap();
            assert!(value.get("id").is_none(), "the id is still there");
        }
        for ((_, bad), (_, good)) in lines(Some(Fault::Type)).iter().zip(&lines(None)) {
            assert!(serde_json::from_str::<Value>(bad).is_ok(), "a wrong type is no broken line");
            assert_ne!(bad, good, "nothing is wrong with it");
        }
    }

    #[test]
    fn a_text_with_quotes_backslashes_and_line_ends_reads_back() {
        let odd = "a \"b\" \\ c\nd\u{1}é";
        let read: String = serde_json::from_str(&Text(odd).to_string()).unwrap();
        assert_eq!(read, odd, "a note could break out of its line");
    }
}
