//! What an institution writes down: one record a patient, visit, diagnosis or measurement.
//!
//! Comes in: facts as text, for a fault may make a cell what no type would hold. Goes out: the cells
//! of a CSV line; `fhir` writes the same record as a resource.
//! Never: a column that names the person beyond the institution's own number.

use super::person::Person;

/// How an institution sends its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Fhir,
}

/// The tables of an institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Patients,
    Visits,
    Conditions,
    Measurements,
}

impl Table {
    pub(super) const ALL: [Self; 4] =
        [Self::Patients, Self::Visits, Self::Conditions, Self::Measurements];

    /// Returns its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Patients => "patients",
            Self::Visits => "visits",
            Self::Conditions => "conditions",
            Self::Measurements => "measurements",
        }
    }

    /// Returns the FHIR type of its records.
    pub(super) fn resource(self) -> &'static str {
        match self {
            Self::Patients => "Patient",
            Self::Visits => "Encounter",
            Self::Conditions => "Condition",
            Self::Measurements => "Observation",
        }
    }

    /// Returns the name of its file.
    pub(super) fn file(self, format: Format) -> String {
        match format {
            Format::Csv => format!("{}.csv", self.name()),
            Format::Fhir => format!("{}.ndjson", self.resource()),
        }
    }

    /// Returns the names of its columns.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Patients => &[
                "mrn",
                "ssn",
                "first",
                "last",
                "birth_date",
                "sex",
                "race",
                "address",
                "city",
                "zip",
                "phone",
                "email",
                "death_date",
            ],
            Self::Visits => &["visit_id", "mrn", "start", "end", "kind", "payer", "cost"],
            Self::Conditions => {
                &["condition_id", "visit_id", "mrn", "code", "code_system", "onset", "note"]
            }
            Self::Measurements => &["visit_id", "mrn", "loinc", "taken_at", "value", "unit"],
        }
    }
}

/// One record.
#[derive(Debug, Clone)]
pub(super) enum Record {
    Patient(Patient),
    Visit(Visit),
    Diagnosis(Diagnosis),
    Measurement(Measurement),
}

/// A person as an institution wrote them down.
#[derive(Debug, Clone)]
pub(super) struct Patient {
    pub(super) mrn: String,
    pub(super) ssn: String,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) birth_date: String,
    pub(super) sex: String,
    pub(super) race: &'static str,
    pub(super) address: String,
    pub(super) city: &'static str,
    pub(super) zip: &'static str,
    pub(super) phone: String,
    pub(super) email: String,
    pub(super) death_date: String,
}

impl Patient {
    pub(super) fn new(mrn: String, seen: Person) -> Self {
        Self {
            mrn,
            ssn: seen.ssn,
            first: seen.first,
            last: seen.last,
            birth_date: seen.birth_date.to_string(),
            sex: seen.sex.to_owned(),
            race: seen.race,
            address: seen.address,
            city: seen.city,
            zip: seen.zip,
            phone: seen.phone,
            email: seen.email,
            death_date: seen.death_date.map(|day| day.to_string()).unwrap_or_default(),
        }
    }
}

/// A visit.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) id: String,
    pub(super) mrn: String,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) kind: String,
    pub(super) payer: &'static str,
    pub(super) cost: String,
}

/// A diagnosis made or confirmed at a visit.
#[derive(Debug, Clone)]
pub(super) struct Diagnosis {
    pub(super) id: String,
    pub(super) visit: String,
    pub(super) mrn: String,
    pub(super) code: String,
    pub(super) system: String,
    /// The same in the other code system, which FHIR has room for.
    pub(super) also: (&'static str, &'static str),
    pub(super) onset: String,
    pub(super) note: String,
}

/// A laboratory value or vital sign.
#[derive(Debug, Clone)]
pub(super) struct Measurement {
    pub(super) id: String,
    pub(super) visit: String,
    pub(super) mrn: String,
    pub(super) loinc: String,
    pub(super) taken_at: String,
    pub(super) value: String,
    pub(super) unit: &'static str,
}

impl Record {
    /// Returns the table that it belongs to.
    pub(super) fn table(&self) -> Table {
        match self {
            Self::Patient(_) => Table::Patients,
            Self::Visit(_) => Table::Visits,
            Self::Diagnosis(_) => Table::Conditions,
            Self::Measurement(_) => Table::Measurements,
        }
    }

    /// Returns its cells, in the order of its table's columns.
    pub(super) fn into_cells(self) -> Vec<String> {
        match self {
            Self::Patient(patient) => vec![
                patient.mrn,
                patient.ssn,
                patient.first,
                patient.last,
                patient.birth_date,
                patient.sex,
                patient.race.to_owned(),
                patient.address,
                patient.city.to_owned(),
                patient.zip.to_owned(),
                patient.phone,
                patient.email,
                patient.death_date,
            ],
            Self::Visit(visit) => vec![
                visit.id,
                visit.mrn,
                visit.start,
                visit.end,
                visit.kind,
                visit.payer.to_owned(),
                visit.cost,
            ],
            Self::Diagnosis(found) => vec![
                found.id,
                found.visit,
                found.mrn,
                found.code,
                found.system,
                found.onset,
                found.note,
            ],
            Self::Measurement(taken) => vec![
                taken.visit,
                taken.mrn,
                taken.loinc,
                taken.taken_at,
                taken.value,
                taken.unit.to_owned(),
            ],
        }
    }
}

/// Appends one CSV line, quoted where it must be.
pub(super) fn put(out: &mut Vec<u8>, cells: &[String]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if cell.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
            out.push(b'"');
            out.extend(cell.replace('"', "\"\"").bytes());
            out.push(b'"');
        } else {
            out.extend(cell.bytes());
        }
    }
    out.push(b'\n');
}

/// Appends the line that names columns.
pub(super) fn put_header(out: &mut Vec<u8>, columns: &[&str]) {
    put(out, &columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_with_commas_and_quotes_reads_back() {
        let mut out = Vec::new();
        let cells = ["a,b".to_owned(), "say \"x\"".to_owned(), String::new()];
        put(&mut out, &cells);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*out);
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(row.iter().collect::<Vec<_>>(), ["a,b", "say \"x\"", ""]);
    }

    #[test]
    fn a_record_has_a_cell_for_every_column_of_its_table() {
        let person = super::super::person::make(8, 4, 21);
        for record in super::super::chart::chart(8, &person, 1) {
            let table = record.table();
            assert_eq!(record.into_cells().len(), table.columns().len(), "{table:?}");
        }
    }
}
