//! Normal forms for whoever compares people elsewhere than in a table: two institutions, each with
//! one record.
//!
//! Comes in: a part of somebody's demographics as it was written. Goes out: the form in which it is
//! compared. Never: a form that linkage itself would not compare.

use super::normalise;

/// What of a person is brought to a normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Given names, all of them.
    Given,
    /// The name that the first given name is short for, or that name.
    GivenRoot,
    /// How that sounds.
    GivenSound,
    /// The letter that it begins with.
    GivenInitial,
    /// A family name.
    Family,
    /// How it sounds.
    FamilySound,
    /// A whole day of birth, `1970-1-2`.
    Birth,
    /// Sex.
    Sex,
    /// A line of an address: the house, without its door.
    House,
    /// A town.
    City,
    /// A postal code.
    Postal,
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// An identifier.
    Identifier,
}

impl Form {
    /// Returns the normal form of a text; none where it says nothing.
    pub fn of(self, text: &str) -> Option<String> {
        match self {
            Self::Given => normalise::given(text).map(|name| name.whole),
            Self::GivenRoot => normalise::given(text).map(|name| name.root),
            Self::GivenSound => normalise::given(text).map(|name| normalise::sound(&name.root)),
            Self::GivenInitial => normalise::given(text).map(|name| name.initial),
            Self::Family => normalise::family(text).map(|(whole, _)| whole),
            Self::FamilySound => normalise::family(text).map(|(whole, _)| normalise::sound(&whole)),
            Self::Birth => normalise::date(text).map(|(y, m, d)| format!("{y}-{m}-{d}")),
            Self::Sex => normalise::sex(text).map(str::to_owned),
            Self::House => normalise::street(text).map(|(house, _)| house),
            Self::City => normalise::city(text),
            Self::Postal => normalise::postal(text),
            Self::Phone => normalise::phone(text),
            Self::Email => normalise::email(text),
            Self::Identifier => normalise::identifier(text),
        }
        .filter(|form| !form.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_the_one_that_linkage_compares_and_an_empty_one_is_none() {
        assert_eq!(Form::GivenRoot.of("Bob"), Form::GivenRoot.of("Robert"));
        assert_eq!(Form::Given.of("Zoë").as_deref(), Some("zoe"));
        assert_eq!(Form::House.of("12 Elm Street, Apt 4"), Form::House.of("12 elm st #5"));
        assert_eq!(Form::Birth.of("1970-01-02").as_deref(), Some("1970-1-2"));
        assert_eq!(Form::Birth.of("1970-01"), None, "a month would pass for a day");
        for form in [Form::Given, Form::FamilySound, Form::House, Form::City, Form::Postal] {
            assert_eq!(form.of(" - "), None, "{form:?} of nothing would agree with nothing");
        }
    }
}
