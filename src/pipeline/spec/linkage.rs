//! `[linkage]` of a pipeline: which table tells who people are, in which columns, and how sure
//! linkage must be.

use std::sync::Arc;

use crate::{
    fault::{Members, Sheet, Text},
    linkage::{Fields, Floor, MATCH_DEFAULT, REVIEW_DEFAULT, Rules, Within},
    schema::TableSchema,
};

/// How a pipeline's people are linked.
#[derive(Debug, Clone)]
pub struct LinkageSpec {
    /// The position of the table of demographics in the pipeline's schemas.
    pub schema: usize,
    /// Its columns.
    pub fields: Fields,
    /// From which weights on records are one person, or in doubt.
    pub rules: Rules,
}

/// The most that a weight may be asked to be, in bits: no pair reaches it.
const BITS_MAX: f64 = 1_000.0;

pub(super) fn read(
    sheet: &Sheet<'_>,
    top: &Members<'_, '_>,
    schemas: &[Arc<TableSchema>],
) -> Option<LinkageSpec> {
    let members = top.table("linkage")?;
    let table = members.text_needed("table");
    let one = |key: &'static str| members.text(key);
    let names = [
        one("given"),
        one("family"),
        one("birth_date"),
        one("sex"),
        one("address"),
        one("city"),
        one("postal_code"),
        one("phone"),
        one("email"),
    ];
    let identifiers = members.texts("identifiers").unwrap_or_default();
    let documents = members.texts("documents").unwrap_or_default();
    let match_centibits = weight(sheet, &members, "match").unwrap_or(MATCH_DEFAULT);
    let review_centibits =
        weight(sheet, &members, "review").unwrap_or(REVIEW_DEFAULT.min(match_centibits));
    let within = [("identifier", Within::Identifier), ("never", Within::Never)];
    let within = members.choice("same_institution", &within).unwrap_or_default();
    if review_centibits > match_centibits {
        sheet.fault(members.value_span("review"), "`review` is above `match`");
    }
    let table = table?;
    let Some(schema) = schemas.iter().position(|schema| schema.table == table.value) else {
        let known = schemas.iter().map(|schema| schema.table.as_str());
        sheet.unknown(table.span, "table", &table.value, known);
        members.finish();
        return None;
    };
    let columns = schemas.get(schema).map(|s| s.columns.as_slice()).unwrap_or_default();
    let check = |text: &Text| {
        if !columns.iter().any(|column| column.name == text.value) {
            let known = columns.iter().map(|column| column.name.as_str());
            sheet.unknown(text.span.clone(), "column", &text.value, known);
        }
    };
    names.iter().flatten().chain(&identifiers).chain(&documents).for_each(check);
    let [given, family, birth_date, sex, address, city, postal_code, phone, email] =
        names.map(|name| name.map(|text| text.value));
    let values = |texts: Vec<Text>| texts.into_iter().map(|text| text.value).collect::<Vec<_>>();
    let fields = Fields {
        given,
        family,
        birth_date,
        sex,
        address,
        city,
        postal_code,
        phone,
        email,
        identifiers: values(identifiers),
        documents: values(documents),
    };
    let floor = most(&fields);
    if !floor.is_reached() {
        sheet.fault_hint(
            members.span(),
            format!(
                "these columns weigh {} at most, and no two records are matched below {}",
                floor.weight(),
                Floor::LEAST
            ),
            "a document weighs 10, a name 3, a birth date 2; address, phone, email, identifier 4, two of them 5",
        );
    }
    members.finish();
    Some(LinkageSpec { schema, fields, rules: Rules { match_centibits, review_centibits, within } })
}

/// What two records with every cell filled tell of.
fn most(fields: &Fields) -> Floor {
    Floor {
        document: !fields.documents.is_empty(),
        identifier: !fields.identifiers.is_empty(),
        address: fields.address.is_some()
            && (fields.postal_code.is_some() || fields.city.is_some()),
        email: fields.email.is_some(),
        phone: fields.phone.is_some(),
        name: fields.given.is_some() && fields.family.is_some(),
        birth_date: fields.birth_date.is_some(),
    }
}

/// Reads a weight in bits, to the hundredth.
#[expect(clippy::cast_possible_truncation, reason = "its range was checked")]
fn weight(sheet: &Sheet<'_>, members: &Members<'_, '_>, key: &'static str) -> Option<i32> {
    let bits = members.number(key)?;
    if !(0.0..=BITS_MAX).contains(&bits) {
        sheet.fault(members.value_span(key), format!("a weight lies between 0 and {BITS_MAX}"));
        return None;
    }
    Some((bits * 100.0).round() as i32)
}
