//! Who a patient is, as far as two institutions can compare it: the normal forms of a FHIR Patient.
//!
//! Comes in: a Patient resource of R4. Goes out: [`Demographics`]: forms by what they tell.
//! Never: an institution's own record number, or a name or number in debug output.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value;

use crate::linkage::Form;

/// What a form tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    Given,
    GivenRoot,
    GivenSound,
    GivenInitial,
    Family,
    FamilySound,
    Birth,
    Sex,
    /// A house in a town or under a postal code.
    Address,
    Postal,
    Phone,
    Email,
    /// A number that many institutions know, such as a social security number: its kind.
    Identifier(String),
    /// A passport, driver's licence or state id: its kind.
    Document(String),
}

impl Detail {
    /// Returns the name under which evidence of it travels.
    pub(super) fn name(&self) -> String {
        let plain = match self {
            Self::Given => "given",
            Self::GivenRoot => "given-root",
            Self::GivenSound => "given-sound",
            Self::GivenInitial => "given-initial",
            Self::Family => "family",
            Self::FamilySound => "family-sound",
            Self::Birth => "birth",
            Self::Sex => "sex",
            Self::Address => "address",
            Self::Postal => "postal",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Identifier(kind) => return format!("identifier/{kind}"),
            Self::Document(kind) => return format!("document/{kind}"),
        };
        plain.to_owned()
    }
}

/// Codes of HL7 table 0203 for numbers that more than one institution knows a person by.
const IDENTIFIERS: [&str; 8] = ["SS", "SB", "NI", "NIIP", "MC", "MA", "JHN", "HC"];
/// Those of identity documents.
const DOCUMENTS: [&str; 3] = ["DL", "PPN", "STID"];
/// Systems that say which number it is where its type is not given.
const SYSTEMS: [(&str, &str); 4] = [
    ("http://hl7.org/fhir/sid/us-ssn", "SS"),
    ("urn:oid:2.16.840.1.113883.4.1", "SS"),
    ("http://hl7.org/fhir/sid/us-mbi", "MC"),
    ("urn:oid:2.16.840.1.113883.4.927", "MC"),
];

/// The normal forms of one patient.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Demographics(BTreeMap<Detail, BTreeSet<String>>);

impl fmt::Debug for Demographics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demographics").field("details", &self.0.len()).finish_non_exhaustive()
    }
}

impl Demographics {
    /// Reads a Patient. What it does not say is not known.
    pub fn of(patient: &Value) -> Self {
        let mut own = Self::default();
        for name in items(patient, "name") {
            own.name(name);
        }
        own.add(Detail::Birth, Form::Birth, text(patient, "birthDate"));
        own.add(Detail::Sex, Form::Sex, text(patient, "gender"));
        for address in items(patient, "address") {
            own.address(address);
        }
        for telecom in items(patient, "telecom") {
            let value = text(telecom, "value");
            match text(telecom, "system") {
                Some("phone" | "sms") => own.add(Detail::Phone, Form::Phone, value),
                Some("email") => own.add(Detail::Email, Form::Email, value),
                Some(_) | None => {}
            }
        }
        for identifier in items(patient, "identifier") {
            own.identifier(identifier);
        }
        own
    }

    /// Returns the forms of a detail.
    pub(super) fn get(&self, detail: &Detail) -> impl Iterator<Item = &str> + Clone {
        self.0.get(detail).into_iter().flatten().map(String::as_str)
    }

    /// Returns all details with their forms.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Detail, &BTreeSet<String>)> {
        self.0.iter()
    }

    fn add(&mut self, detail: Detail, form: Form, text: Option<&str>) {
        if let Some(form) = text.and_then(|text| form.of(text)) {
            self.0.entry(detail).or_default().insert(form);
        }
    }

    fn name(&mut self, name: &Value) {
        let is_called = match text(name, "use") {
            // Not names of the person's own.
            Some("anonymous" | "temp") => return,
            Some("nickname") => false,
            Some(_) | None => true,
        };
        let words: Vec<&str> = items(name, "given").filter_map(Value::as_str).collect();
        let given = words.join(" ");
        let is_initial = Form::Given.of(&given).is_some_and(|whole| whole.chars().count() == 1);
        if is_called && !is_initial {
            self.add(Detail::Given, Form::Given, Some(&given));
        }
        if !is_initial {
            self.add(Detail::GivenRoot, Form::GivenRoot, Some(&given));
            self.add(Detail::GivenSound, Form::GivenSound, Some(&given));
        }
        self.add(Detail::GivenInitial, Form::GivenInitial, Some(&given));
        self.add(Detail::Family, Form::Family, text(name, "family"));
        self.add(Detail::FamilySound, Form::FamilySound, text(name, "family"));
    }

    fn address(&mut self, address: &Value) {
        let postal = text(address, "postalCode").and_then(|text| Form::Postal.of(text));
        let city = text(address, "city").and_then(|text| Form::City.of(text));
        let line = items(address, "line").filter_map(Value::as_str).find_map(|l| Form::House.of(l));
        let places = [postal.as_ref(), city.as_ref()];
        for place in places.into_iter().flatten() {
            if let Some(house) = &line {
                let own = self.0.entry(Detail::Address).or_default();
                own.insert(format!("{house}|{place}"));
            }
        }
        if let Some(postal) = postal {
            self.0.entry(Detail::Postal).or_default().insert(postal);
        }
    }

    fn identifier(&mut self, identifier: &Value) {
        let system = text(identifier, "system").unwrap_or_default();
        let codings = identifier.get("type").into_iter().flat_map(|kind| items(kind, "coding"));
        let typed = codings
            .filter_map(|coding| text(coding, "code"))
            .find(|code| IDENTIFIERS.contains(code) || DOCUMENTS.contains(code));
        let known = SYSTEMS.iter().find(|(own, _)| *own == system).map(|(_, code)| *code);
        let value = text(identifier, "value");
        match typed.or(known) {
            // There is one such number a person, however its system is written.
            Some("SS" | "SB") => {
                self.add(Detail::Identifier("SS".to_owned()), Form::Identifier, value);
            }
            Some(code) if DOCUMENTS.contains(&code) => {
                let kind = format!("{code}|{system}");
                self.add(Detail::Document(kind), Form::Identifier, value);
            }
            Some(code) => {
                let kind = format!("{code}|{system}");
                self.add(Detail::Identifier(kind), Form::Identifier, value);
            }
            // A record number and what nobody else knows.
            None => {}
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_number_is_nobody_elses_and_an_initial_is_no_name() {
        let own = Demographics::of(&json!({"resourceType": "Patient", "id": "7",
            "identifier": [
                {"type": {"coding": [{"code": "MR"}]}, "system": "urn:a", "value": "12345"},
                {"system": "urn:b", "value": "67890"},
                {"type": {"coding": [{"code": "SS"}]}, "value": "123-45-6789"},
                {"type": {"coding": [{"code": "DL"}]}, "system": "urn:oid:4.3.25", "value": "S999"},
                {"type": {"coding": [{"code": "SS"}]}, "value": "999-99-9999"}],
            "name": [{"given": ["J."], "family": "Lee"},
                {"use": "nickname", "given": ["Jackie"]}]}));
        let names: Vec<String> = own.all().map(|(detail, _)| detail.name()).collect();
        let wanted = [
            "given-root",
            "given-sound",
            "given-initial",
            "family",
            "family-sound",
            "identifier/SS",
            "document/DL|urn:oid:4.3.25",
        ];
        assert_eq!(names, wanted, "two institutions would compare what only one of them knows");
        let kind = Detail::Identifier("SS".to_owned());
        assert_eq!(own.get(&kind).collect::<Vec<_>>(), ["123456789"], "a filler joins strangers");
        assert!(!format!("{own:?}").contains("lee"), "a log line would name the person");
    }
}
