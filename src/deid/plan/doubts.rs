//! Roles that do not suit the names of their columns, where no rule forbids them.
//!
//! Comes in: a table's plan. Goes out: doubts, for somebody to look at. Never: a refusal.

use super::{
    PlanFault, TablePlan,
    rules::{is_number, likenesses},
};
use crate::{
    deid::names::{Likeness, is_known_to_others},
    schema::{Column, Role},
};

/// Returns the doubts about a table.
pub(super) fn of(table: &TablePlan) -> Vec<PlanFault> {
    let released = table.columns().iter().filter_map(|column| {
        let mut all = table.schema().columns.iter();
        all.find(|declared| declared.name == column.source_name)
    });
    let uncounted = released.filter(|column| {
        matches!(column.role, Role::Measure | Role::Sensitive) && is_known(column)
    });
    let doubts = uncounted.map(|column| PlanFault {
        table: Some(table.table().to_owned()),
        column: Some(column.name.clone()),
        message: "is by its name what others know of a person, and its role leaves it out of the \
                  classes that k counts"
            .to_owned(),
        hint: "give it role \"quasi\" if a neighbour could know it".to_owned(),
    });
    doubts.collect()
}

fn is_known(column: &Column) -> bool {
    is_known_to_others(&column.name)
        || is_known_to_others(&column.released)
        || likenesses(column).any(|found| match found {
            Likeness::Zip | Likeness::BirthYear | Likeness::Birth | Likeness::Area => true,
            Likeness::Age => is_number(column.kind),
            Likeness::SocialSecurity
            | Likeness::MedicalRecord
            | Likeness::HealthPlan
            | Likeness::Account
            | Likeness::Licence
            | Likeness::Vehicle
            | Likeness::Device
            | Likeness::Number
            | Likeness::Phone
            | Likeness::Fax
            | Likeness::Email
            | Likeness::Web
            | Likeness::Network
            | Likeness::Biometric
            | Likeness::Picture
            | Likeness::Address
            | Likeness::Point
            | Likeness::Name
            | Likeness::Relative
            | Likeness::Date
            | Likeness::DatePart
            | Likeness::Year
            | Likeness::Id => false,
        })
}
