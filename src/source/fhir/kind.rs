//! What a column holds, and which FHIR type says so.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text: strings, codes, ids, URIs, dates and times as they stand.
    Text,
    /// Whole numbers of 64 bits.
    Integer,
    /// Decimal numbers.
    Decimal,
    /// True or false.
    Boolean,
}

impl Kind {
    /// Returns its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
        }
    }
}

/// The type of a value as far as it matters to comparisons and boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// No path said so.
    Unknown,
    Text,
    Integer,
    Decimal,
    Boolean,
    Date,
    DateTime,
    Time,
    /// An object.
    Complex,
}

impl Type {
    /// Returns the type that FHIR, or FHIRPath's `System`, calls so; a name in upper case that is
    /// no primitive is an object's.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.strip_prefix("http://hl7.org/fhirpath/").unwrap_or(name);
        let name = name.strip_prefix("http://hl7.org/fhir/StructureDefinition/").unwrap_or(name);
        let name = name.strip_prefix("FHIR.").unwrap_or(name);
        Some(match name {
            "boolean" | "System.Boolean" => Self::Boolean,
            "integer" | "positiveInt" | "unsignedInt" | "System.Integer" => Self::Integer,
            "decimal" | "System.Decimal" => Self::Decimal,
            "date" | "System.Date" => Self::Date,
            "dateTime" | "instant" | "System.DateTime" => Self::DateTime,
            "time" | "System.Time" => Self::Time,
            "string" | "System.String" | "code" | "id" | "uri" | "url" | "canonical" | "oid"
            | "uuid" | "markdown" | "base64Binary" | "xhtml" | "integer64" => Self::Text,
            _ if name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                Self::Complex
            }
            _ => return None,
        })
    }

    /// Returns what a column of this type holds.
    pub(super) fn kind(self) -> Option<Kind> {
        match self {
            Self::Text | Self::Date | Self::DateTime | Self::Time => Some(Kind::Text),
            Self::Integer => Some(Kind::Integer),
            Self::Decimal => Some(Kind::Decimal),
            Self::Boolean => Some(Kind::Boolean),
            Self::Unknown | Self::Complex => None,
        }
    }

    pub(super) fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::DateTime | Self::Time)
    }
}

/// The data types that a `value[x]` may end in, other than primitives in upper case.
const CHOICES: &[&str] = &[
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "CodeableConcept",
    "CodeableReference",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Distance",
    "Dosage",
    "Duration",
    "Expression",
    "HumanName",
    "Identifier",
    "Meta",
    "Money",
    "ParameterDefinition",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "RatioRange",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "SimpleQuantity",
    "Timing",
    "TriggerDefinition",
    "UsageContext",
];

/// Returns the type that the end of a choice member's name says: `DateTime` of `valueDateTime`.
pub(super) fn choice(suffix: &str) -> Option<Type> {
    if CHOICES.contains(&suffix) {
        return Some(Type::Complex);
    }
    let mut chars = suffix.chars();
    let first = chars.next().filter(char::is_ascii_uppercase)?;
    let mut name = String::with_capacity(suffix.len());
    name.push(first.to_ascii_lowercase());
    name.push_str(chars.as_str());
    Type::named(&name).filter(|found| *found != Type::Complex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_choice_says_its_type() {
        assert_eq!(choice("DateTime"), Some(Type::DateTime));
        assert_eq!(choice("Quantity"), Some(Type::Complex));
        assert_eq!(choice("PositiveInt"), Some(Type::Integer));
        assert_eq!(choice("Set"), None, "`valueSet` is no choice of `value`");
        assert_eq!(choice("set"), None);
    }
}
