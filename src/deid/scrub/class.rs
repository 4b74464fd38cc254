//! What a span is taken for. Comes in: nothing. Goes out: the word in brackets.
//! Never: a class that says more than the kind of what stood there.

use serde::{Deserialize, Serialize};

/// What a span is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A name of a person.
    Name,
    /// A date, a part of one, a day of the week, or a time of day.
    Date,
    /// An age.
    Age,
    /// A telephone or fax number.
    Phone,
    /// An e-mail address.
    Email,
    /// A web address.
    Url,
    /// An address of a machine on a network.
    Ip,
    /// A social security number.
    Ssn,
    /// An IBAN.
    Iban,
    /// Another number or code that was given to somebody.
    Id,
    /// A ZIP or postal code.
    Zip,
    /// A street, a town, an organisation.
    Place,
    /// A number of no clinical shape.
    Number,
    /// A word that is on no list.
    Word,
}

impl Class {
    /// Every class, in order.
    pub const ALL: [Self; 14] = [
        Self::Name,
        Self::Date,
        Self::Age,
        Self::Phone,
        Self::Email,
        Self::Url,
        Self::Ip,
        Self::Ssn,
        Self::Iban,
        Self::Id,
        Self::Zip,
        Self::Place,
        Self::Number,
        Self::Word,
    ];

    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Date => "date",
            Self::Age => "age",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Url => "url",
            Self::Ip => "ip",
            Self::Ssn => "ssn",
            Self::Iban => "iban",
            Self::Id => "id",
            Self::Zip => "zip",
            Self::Place => "place",
            Self::Number => "number",
            Self::Word => "word",
        }
    }

    /// Whether its form alone gives it away, so that none may be missed.
    pub fn is_pattern(self) -> bool {
        match self {
            Self::Date
            | Self::Phone
            | Self::Email
            | Self::Url
            | Self::Ip
            | Self::Ssn
            | Self::Iban
            | Self::Zip => true,
            Self::Name | Self::Age | Self::Id | Self::Place | Self::Number | Self::Word => false,
        }
    }
}
