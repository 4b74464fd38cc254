//! Which columns say who somebody is, so that their values are looked for in the person's notes.
//!
//! Comes in: a schema, released or not. Goes out: columns and what they hold. Never: a direct
//! identifier left out because its name says nothing.

use super::{
    names::{Likeness, likeness},
    scrub::Kind,
};
use crate::schema::{ColumnType, Role, TableSchema};

/// Returns the columns of text or integers that say who a person is, each with what it holds; one of
/// which nothing is known but its role is taken for a name and for a number.
pub fn telling(schema: &TableSchema) -> Vec<(usize, Kind)> {
    let mut found = Vec::new();
    for (at, column) in schema.columns.iter().enumerate() {
        if !matches!(column.kind, ColumnType::String | ColumnType::Int) {
            continue;
        }
        let likeness = likeness(&column.name).or_else(|| likeness(&column.released));
        let kinds: &[Kind] = match (likeness, column.role) {
            (_, Role::Person)
            | (
                Some(
                    Likeness::SocialSecurity
                    | Likeness::MedicalRecord
                    | Likeness::HealthPlan
                    | Likeness::Account
                    | Likeness::Licence
                    | Likeness::Vehicle
                    | Likeness::Device
                    | Likeness::Number,
                ),
                _,
            ) => &[Kind::Id],
            (Some(Likeness::Name | Likeness::Relative), _) => &[Kind::Name],
            (
                Some(
                    Likeness::Phone
                    | Likeness::Fax
                    | Likeness::Email
                    | Likeness::Web
                    | Likeness::Network,
                ),
                _,
            ) => &[Kind::Contact],
            (Some(Likeness::Address | Likeness::Area | Likeness::Zip), _) => &[Kind::Place],
            (
                Some(
                    Likeness::BirthYear
                    | Likeness::Birth
                    | Likeness::Age
                    | Likeness::Point
                    | Likeness::Biometric
                    | Likeness::Picture
                    | Likeness::Date
                    | Likeness::DatePart
                    | Likeness::Year
                    | Likeness::Id,
                )
                | None,
                Role::Direct,
            ) => &[Kind::Name, Kind::Id],
            (
                Some(
                    Likeness::BirthYear
                    | Likeness::Birth
                    | Likeness::Age
                    | Likeness::Point
                    | Likeness::Biometric
                    | Likeness::Picture
                    | Likeness::Date
                    | Likeness::DatePart
                    | Likeness::Year
                    | Likeness::Id,
                )
                | None,
                Role::Quasi | Role::Sensitive | Role::Measure | Role::Drop,
            ) => &[],
        };
        found.extend(kinds.iter().map(|kind| (at, *kind)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_say_who_somebody_is_are_found_by_role_and_by_name() {
        let column = |name: &str, role: &str| {
            format!("[[column]]\nname = \"{name}\"\ntype = \"string\"\nrole = \"{role}\"\n")
        };
        let text = [
            "table = \"people\"\n".to_owned(),
            column("id", "person"),
            column("last_name", "drop"),
            column("ssn", "direct"),
            column("phone", "drop"),
            column("city", "quasi"),
            column("whatever", "direct"),
            column("note", "drop"),
        ]
        .concat();
        let schema = TableSchema::read(std::path::Path::new("people.toml"), &text).unwrap();
        let found: Vec<(&str, Kind)> = telling(&schema)
            .into_iter()
            .map(|(at, kind)| (schema.columns[at].name.as_str(), kind))
            .collect();
        assert_eq!(
            found,
            [
                ("id", Kind::Id),
                ("last_name", Kind::Name),
                ("ssn", Kind::Id),
                ("phone", Kind::Contact),
                ("city", Kind::Place),
                ("whatever", Kind::Name),
                ("whatever", Kind::Id),
            ]
        );
    }
}
