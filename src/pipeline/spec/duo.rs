//! The `[duo]` table of a pipeline: the terms that bind every use of its dataset, and the ontology
//! by which diseases are judged.
//!
//! Comes in: `terms` and `ontology`. Goes out: a [`DuoSpec`], or each fault at its place.
//! Never: a term that could not be judged when somebody asks.

use std::{collections::BTreeSet, fs, ops::Range, path::Path};

use bytes::Bytes;

use super::sources::found;
use crate::{
    digest::Sha3Digest,
    fault::{Members, Sheet, Text, TextOrTable},
    instant::Date,
    purpose::{DataTerm, DataUse, Diseases, Limits, Purpose},
};

/// What a pipeline says of its dataset in DUO.
#[derive(Debug, Clone)]
pub struct DuoSpec {
    /// The terms.
    pub terms: DataUse,
    /// The ontology's file, as it was read.
    pub ontology: Option<Bytes>,
}

impl DuoSpec {
    /// Returns the digest of the ontology's file.
    pub fn ontology_digest(&self) -> Option<Sha3Digest> {
        self.ontology.as_ref().map(|bytes| Sha3Digest::of(bytes))
    }
}

/// Reads `[duo]`; `None` where it is absent or at fault.
pub(super) fn read(file: &Path, sheet: &Sheet<'_>, top: &Members<'_, '_>) -> Option<DuoSpec> {
    let members = top.table("duo")?;
    let mut terms = Vec::new();
    let mut spans = Vec::new();
    let given = members.texts_or_tables("terms");
    if given.is_none() && !members.has("terms") {
        let hint = "terms = [\"DUO:0000006\", { term = \"DUO:0000022\", countries = [\"DE\"] }]";
        sheet.fault_hint(members.span(), "this `[duo]` lacks `terms`", hint);
    }
    for item in given.into_iter().flatten() {
        let (term, span) = match item {
            TextOrTable::Text(text) => (code(sheet, &text).map(DataTerm::bare), text.span),
            TextOrTable::Table(table) => {
                let span = table.span();
                (limited(sheet, table), span)
            }
        };
        terms.push(term);
        spans.push(span);
    }
    let ontology = members.text("ontology").and_then(|named| ontology(file, sheet, &named));
    let place = members.value_span("terms");
    members.finish();
    let terms: Vec<DataTerm> = terms.into_iter().collect::<Option<_>>()?;
    match DataUse::new(terms) {
        Ok(terms) => Some(DuoSpec { terms, ontology }),
        Err(error) => {
            let span: Option<Range<usize>> = error.at.and_then(|at| spans.get(at)).cloned();
            sheet.fault(span.unwrap_or(place), error.reason);
            None
        }
    }
}

fn code(sheet: &Sheet<'_>, text: &Text) -> Option<Purpose> {
    match Purpose::parse(&text.value) {
        Ok(term) => Some(term),
        Err(error) => {
            let hint = "DUO:0000006 is biomedical research, DUO:0000021 an ethics approval";
            sheet.fault_hint(text.span.clone(), error.to_string(), hint);
            None
        }
    }
}

fn limited(sheet: &Sheet<'_>, table: Members<'_, '_>) -> Option<DataTerm> {
    let term = table.text_needed("term").and_then(|text| code(sheet, &text));
    let words = |name: &'static str| -> BTreeSet<String> {
        table.texts(name).into_iter().flatten().map(|text| text.value).collect()
    };
    let date = |name: &'static str| {
        let text = table.scalar(name)?;
        let date = Date::parse_from_str(&text.value, "%Y-%m-%d").ok();
        if date.is_none() {
            sheet.fault(text.span, "not a date of the form YYYY-MM-DD");
        }
        date
    };
    let months = table.integer("months", 1);
    let limits = Limits {
        countries: words("countries"),
        users: words("users"),
        institutions: words("institutions"),
        projects: words("projects"),
        research: words("research"),
        months: months.map(|months| u32::try_from(months).unwrap_or(u32::MAX)),
        from: date("from"),
        until: date("until"),
    };
    table.finish();
    Some(DataTerm { term: term?, limits })
}

fn ontology(file: &Path, sheet: &Sheet<'_>, named: &Text) -> Option<Bytes> {
    let text = match fs::read_to_string(found(file, sheet, named)?) {
        Ok(text) => text,
        Err(error) => {
            sheet.fault(named.span.clone(), format!("it cannot be read: {error}"));
            return None;
        }
    };
    match Diseases::parse(&text) {
        Ok(_) => Some(Bytes::from(text)),
        Err(error) => {
            sheet.fault(named.span.clone(), format!("it is no ontology: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<DuoSpec, Vec<String>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/x.toml");
        let sheet = Sheet::new(&root, text);
        let own = sheet.text();
        let table = sheet.parse(&own);
        let top = Members::new(&sheet, "pipeline", &table);
        let found = read(&root, &sheet, &top);
        top.finish();
        let faults = sheet.into_faults();
        let told = faults.iter().map(|f| format!("{:?} {f}", f.place())).collect();
        found.filter(|_| faults.is_empty()).ok_or(told)
    }

    #[test]
    fn terms_are_read_with_what_they_speak_of() {
        let text = "[duo]\nontology = \"schemas/ontology/diseases.tsv\"\nterms = [\"DUO:0000007=MONDO:0004992\",\n\
            { term = \"DUO:0000022\", countries = [\"DE\", \"FR\"] },\n\
            { term = \"DUO:0000025\", months = 12, from = \"2026-01-01\" }]\n";
        let duo = spec(text).unwrap();
        assert_eq!(duo.terms.terms().len(), 3);
        assert!(duo.ontology.is_some() && duo.ontology_digest().is_some());
        let json = serde_json::to_string(&duo.terms).unwrap();
        assert_eq!(serde_json::from_str::<DataUse>(&json).unwrap(), duo.terms);
    }

    #[test]
    fn a_term_that_could_not_be_judged_is_a_fault_at_its_place() {
        let faults = |terms: &str| spec(&format!("[duo]\nterms = [{terms}]\n")).unwrap_err();
        assert!(faults("\"DUO:0000006\", \"DUO:0000022\"")[0].contains("needs `countries`"));
        assert!(faults("\"DUO:0000006\", \"DUO:0000022\"")[0].contains("(2, 25)"));
        assert!(faults("\"DUO:0000021\"")[0].contains("no permission"));
        assert!(faults("\"DUO:0000006\", \"HMB\"")[0].contains("DUO code"));
        assert!(faults("{ term = \"DUO:0000006\", colour = \"red\" }")[0].contains("colour"));
        assert!(spec("[duo]\n").unwrap_err()[0].contains("lacks `terms`"));
        let lost = "[duo]\nterms = [\"DUO:0000006\"]\nontology = \"nowhere.tsv\"\n";
        assert!(spec(lost).unwrap_err()[0].contains("there is no file"));
    }
}
