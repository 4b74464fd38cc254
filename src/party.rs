//! Who: contributors, institutions, researchers, sponsors, and the pseudonyms that stand for people.
//!
//! Comes in: text. Goes out: ids that cannot be mixed up, because no two share a type.
//! Never: an id in an error message; an error says what is wrong with it, not what it was.

mod lookup;
mod npi;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::{
    lookup::Lookup,
    npi::{is_npi, luhn},
};

/// The longest id that is taken, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// Why a text is not an id. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("an id may not be empty")]
    Empty,
    /// More bytes than [`ID_BYTES_MAX`].
    #[error("an id of {0} bytes is longer than {ID_BYTES_MAX}")]
    TooLong(usize),
    /// A character that an id may not hold.
    #[error("an id holds a control character, or a space at an end, at byte {0}")]
    Character(usize),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong(text.len()));
    }
    if let Some((at, _)) = text.char_indices().find(|(_, c)| c.is_control()) {
        return Err(IdError::Character(at));
    }
    if text.starts_with(' ') {
        return Err(IdError::Character(0));
    }
    if text.ends_with(' ') {
        return Err(IdError::Character(text.len() - 1));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an id: 1 to [`ID_BYTES_MAX`] bytes of UTF-8 without control characters.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// Says whether a text is an id, without making one.
            pub fn check(text: &str) -> Result<(), IdError> {
                check(text)
            }

            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

id! {
    /// A person whose records they are. Private: lives in the vault alone.
    ///
    /// Its `Debug` hides the value, and it has no `Display`, so that it reaches no log by accident.
    ContributorId
}
id! {
    /// An institution that contributes records and holds a licence.
    InstitutionId
}
id! {
    /// A person who asks questions of the lake.
    ResearcherId
}
id! {
    /// A person or body that funds a pool.
    SponsorId
}

impl fmt::Debug for ContributorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContributorId(…)")
    }
}

macro_rules! public_id {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

public_id!(InstitutionId);
public_id!(ResearcherId);
public_id!(SponsorId);

/// A token that stands for one person in one dataset version: 128 bits, 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym([u8; 16]);

impl Pseudonym {
    /// Takes the first 16 bytes of a keyed hash.
    pub fn from_mac(mac: &[u8; 32]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(mac.split_at(16).0);
        Self(bytes)
    }

    /// Returns the 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contributor_never_shows_in_debug_output() {
        let id = ContributorId::parse("999-17-5017").unwrap();
        assert!(!format!("{id:?}").contains("999"), "a log line would name the person");
    }

    #[test]
    fn an_id_with_a_line_break_is_refused_without_repeating_it() {
        let error = ContributorId::parse("jane\ndoe").unwrap_err();
        assert_eq!(error, IdError::Character(4));
        assert!(!error.to_string().contains("jane"));
    }
}
