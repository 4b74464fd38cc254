//! A truth, as CSV with the columns `institution`, `local_id` and `person`, in any order. What stands
//! in it is never told in an error.

use std::path::Path;

use super::Error;
use crate::{linkage::Truth, party::InstitutionId};

const COLUMNS: [&str; 3] = ["institution", "local_id", "person"];

pub(super) fn read(file: &Path) -> Result<Truth, Error> {
    let fault = |line: u64, reason: String| Error::Truth { line, reason };
    let opened = std::fs::File::open(file).map_err(|e| fault(0, e.to_string()))?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(opened);
    let wrong = |_| fault(1, "it is no CSV".to_owned());
    let header = reader.headers().map_err(wrong)?.clone();
    let mut places = [0; 3];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|cell| cell.trim() == name);
        *place = found.ok_or_else(|| fault(1, format!("column `{name}` is missing")))?;
    }
    let mut truth = Truth::new();
    for record in reader.records() {
        let record = record.map_err(|_| fault(0, "it is no CSV".to_owned()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let [institution, local, person] = places.map(|at| record.get(at));
        let (Some(institution), Some(local), Some(person)) = (institution, local, person) else {
            return Err(fault(line, "a cell is missing".to_owned()));
        };
        let institution = InstitutionId::parse(institution)
            .map_err(|e| fault(line, format!("`institution` holds no id: {e}")))?;
        truth.insert((institution, local.to_owned()), person.to_owned());
    }
    Ok(truth)
}
