//! What data may be used for: the terms of the GA4GH Data Use Ontology, and which covers which; and
//! the purposes of HL7 that are no research, such as payment, each of which is covered by itself alone.
//!
//! Comes in: `DUO:0000006`, `HL7:HPAYMT` and the like. Goes out: [`Purpose`], whether a grant
//! [`permits`] a use, and how a study is judged by a dataset's terms ([`judge`]).
//! Never: an unknown code, a modifier alone or a condition nobody promised to keep that permits; or
//! research that permits anything else, or is permitted by it.

mod claims;
mod data_use;
mod matching;
mod ontology;
mod verdict;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    claims::{ClaimError, Claims, Organisation, Promise},
    data_use::{DataTerm, DataUse, DataUseError, Limits},
    matching::{Study, covers_kind, judge},
    ontology::{Diseases, OntologyError},
    verdict::{Effect, Reason, Verdict},
};

/// A DUO term, such as `DUO:0000006` (health, medical or biomedical research); disease specific
/// research may name its disease: `DUO:0000007=MONDO:0005148`. Or a purpose of [`ACTS`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Purpose(String);

/// A text is no purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a DUO code like DUO:0000006, nor HL7:HPAYMT")]
pub struct PurposeError;

/// What a DUO term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TermKind {
    /// It says what data may be used for.
    Permission,
    /// It adds a condition to a permission.
    Modifier,
    /// It only groups other terms.
    Heading,
}

/// A term of the ontology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Term {
    /// The code, such as `DUO:0000006`.
    pub id: &'static str,
    /// The shorthand, such as `HMB`; headings have none.
    pub shorthand: &'static str,
    /// The label, as the ontology spells it.
    pub label: &'static str,
    /// What it is.
    pub kind: TermKind,
}

const fn term(
    id: &'static str,
    shorthand: &'static str,
    label: &'static str,
    kind: TermKind,
) -> Term {
    Term { id, shorthand, label, kind }
}

use TermKind::{Heading, Modifier, Permission as Permits};

/// The 25 terms of DUO (EBISPOT/DUO 2021-02-23, CC BY 4.0), by code.
/// <https://github.com/EBISPOT/DUO>
pub const TERMS: [Term; 25] = [
    term("DUO:0000001", "", "data use permission", Heading),
    term("DUO:0000004", "NRES", "no restriction", Permits),
    term("DUO:0000006", "HMB", "health or medical or biomedical research", Permits),
    term("DUO:0000007", "DS", "disease specific research", Permits),
    term("DUO:0000011", "POA", "population origins or ancestry research only", Permits),
    term("DUO:0000012", "RS", "research specific restrictions", Modifier),
    term("DUO:0000015", "NMDS", "no general methods research", Modifier),
    term("DUO:0000016", "GSO", "genetic studies only", Modifier),
    term("DUO:0000017", "", "data use modifier", Heading),
    term("DUO:0000018", "NPUNCU", "not for profit, non commercial use only", Modifier),
    term("DUO:0000019", "PUB", "publication required", Modifier),
    term("DUO:0000020", "COL", "collaboration required", Modifier),
    term("DUO:0000021", "IRB", "ethics approval required", Modifier),
    term("DUO:0000022", "GS", "geographical restriction", Modifier),
    term("DUO:0000024", "MOR", "publication moratorium", Modifier),
    term("DUO:0000025", "TS", "time limit on use", Modifier),
    term("DUO:0000026", "US", "user specific restriction", Modifier),
    term("DUO:0000027", "PS", "project specific restriction", Modifier),
    term("DUO:0000028", "IS", "institution specific restriction", Modifier),
    term("DUO:0000029", "RTN", "return to database or resource", Modifier),
    term("DUO:0000042", "GRU", "general research use", Permits),
    term("DUO:0000043", "CC", "clinical care use", Modifier),
    term("DUO:0000044", "NPOA", "population origins or ancestry research prohibited", Modifier),
    term("DUO:0000045", "NPU", "not for profit organisation use only", Modifier),
    term("DUO:0000046", "NCU", "non-commercial use only", Modifier),
];

/// The purposes that are no research, of HL7's v3-ActReason, with their labels there.
/// <https://terminology.hl7.org/CodeSystem-v3-ActReason.html>
pub const ACTS: [(&str, &str); 1] = [("HL7:HPAYMT", "healthcare payment")];

/// The permissions of research, which alone can permit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission<'a> {
    NoRestriction,
    GeneralResearch,
    Health,
    Disease(Option<&'a str>),
    Ancestry,
}

impl Purpose {
    /// Parses `DUO:` and seven digits, or a code of [`ACTS`]; `DUO:0000007` takes a disease as
    /// `=PREFIX:LOCAL` after it.
    pub fn parse(text: &str) -> Result<Self, PurposeError> {
        if ACTS.iter().any(|(code, _)| *code == text) {
            return Ok(Self(text.to_owned()));
        }
        let (code, disease) = match text.split_once('=') {
            Some((code, disease)) => (code, Some(disease)),
            None => (text, None),
        };
        let digits = code.strip_prefix("DUO:").ok_or(PurposeError)?;
        if digits.len() != 7 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PurposeError);
        }
        match disease {
            None => Ok(Self(text.to_owned())),
            Some(disease) if code == "DUO:0000007" && is_curie(disease) => {
                Ok(Self(text.to_owned()))
            }
            Some(_) => Err(PurposeError),
        }
    }

    /// Reads what people type: a code, or a shorthand of the ontology such as `HMB`.
    pub fn named(text: &str) -> Result<Self, PurposeError> {
        let shorthand = text.split('=').next().unwrap_or_default();
        match TERMS.iter().find(|term| !shorthand.is_empty() && term.shorthand == shorthand) {
            Some(term) => Self::parse(&text.replacen(shorthand, term.id, 1)),
            None => Self::parse(text),
        }
    }

    /// Returns the code, with its disease where it names one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns its term of the Data Use Ontology, if the code is one.
    pub fn term(&self) -> Option<&'static Term> {
        let code = self.0.split('=').next()?;
        TERMS.iter().find(|term| term.id == code)
    }

    /// Says whether its meaning is known here: a term of the ontology, or a purpose of [`ACTS`].
    pub fn is_known(&self) -> bool {
        self.act().is_some() || self.term().is_some()
    }

    /// Says whether it says what data may be used for.
    pub fn is_permission(&self) -> bool {
        self.act().is_some() || self.is_research()
    }

    /// Says whether it is a term that says for what research data may be used.
    pub fn is_research(&self) -> bool {
        self.permission().is_some()
    }

    fn act(&self) -> Option<&'static (&'static str, &'static str)> {
        ACTS.iter().find(|(code, _)| *code == self.0)
    }

    /// Says whether it is a term that adds a condition.
    pub fn is_modifier(&self) -> bool {
        self.term().is_some_and(|term| term.kind == TermKind::Modifier)
    }

    /// Returns the label with the shorthand, for people; the code where the ontology has none.
    pub fn label(&self) -> String {
        if let Some((_, label)) = self.act() {
            return (*label).to_owned();
        }
        match self.term() {
            Some(term) if term.shorthand.is_empty() => term.label.to_owned(),
            Some(term) => format!("{} ({})", term.label, term.shorthand),
            None => self.0.clone(),
        }
    }

    /// Returns the disease that a disease specific purpose names.
    pub fn disease(&self) -> Option<&str> {
        match self.permission() {
            Some(Permission::Disease(disease)) => disease,
            Some(
                Permission::NoRestriction
                | Permission::GeneralResearch
                | Permission::Health
                | Permission::Ancestry,
            )
            | None => None,
        }
    }

    fn permission(&self) -> Option<Permission<'_>> {
        match self.0.as_str() {
            "DUO:0000004" => Some(Permission::NoRestriction),
            "DUO:0000042" => Some(Permission::GeneralResearch),
            "DUO:0000006" => Some(Permission::Health),
            "DUO:0000011" => Some(Permission::Ancestry),
            "DUO:0000007" => Some(Permission::Disease(None)),
            other => other.strip_prefix("DUO:0000007=").map(|d| Permission::Disease(Some(d))),
        }
    }
}

fn is_curie(text: &str) -> bool {
    text.len() <= 64
        && text.split_once(':').is_some_and(|(prefix, local)| {
            [prefix, local].iter().all(|part| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
            })
        })
}

/// Says whether data granted for one purpose may be used for another. It fails closed:
///
/// | granted \ asked | NRES | GRU | HMB | DS | POA |
/// |---|---|---|---|---|---|
/// | NRES | yes | yes | yes | yes | yes |
/// | GRU  | no  | yes | yes | yes | yes |
/// | HMB  | no  | no  | yes | yes | no  |
/// | DS(d) | no | no  | no  | the same d | no |
/// | POA  | no  | no  | no  | no  | yes |
///
/// A DS that names no disease covers nothing: two of them could mean two diseases. Modifiers,
/// headings and unknown codes cover nothing and are covered by nothing. A purpose of [`ACTS`] covers
/// itself and is covered by itself alone: `no restriction` is of research too.
pub fn covers(granted: &Purpose, asked: &Purpose) -> bool {
    use Permission as P;
    if granted.act().is_some() || asked.act().is_some() {
        return granted == asked;
    }
    let (Some(granted), Some(asked)) = (granted.permission(), asked.permission()) else {
        return false;
    };
    match granted {
        P::NoRestriction => true,
        P::GeneralResearch => asked != P::NoRestriction,
        P::Health => matches!(asked, P::Health | P::Disease(_)),
        P::Disease(None) => false,
        P::Disease(Some(_)) | P::Ancestry => granted == asked,
    }
}

/// Says whether a use that promises `asked` keeps every condition (modifier) of a grant.
///
/// A condition is kept when the use names the same modifier, or a stricter one (NPUNCU for NPU and
/// NCU). One that needs a list or a date to be checked (RS, GS, TS, US, PS, IS) is never kept by a
/// bare code; an unknown code is a condition nobody can keep.
pub fn keeps_conditions(granted: &[Purpose], asked: &[Purpose]) -> bool {
    let promised = |code: &str| asked.iter().any(|purpose| purpose.as_str() == code);
    let (npu, ncu, both) = ("DUO:0000045", "DUO:0000046", "DUO:0000018");
    granted.iter().filter(|purpose| !purpose.is_permission()).all(|condition| {
        match condition.as_str() {
            "DUO:0000018" => promised(both) || (promised(npu) && promised(ncu)),
            "DUO:0000045" => promised(npu) || promised(both),
            "DUO:0000046" => promised(ncu) || promised(both),
            "DUO:0000044" => promised("DUO:0000044") && !promised("DUO:0000011"),
            code @ ("DUO:0000015" | "DUO:0000016" | "DUO:0000019" | "DUO:0000020"
            | "DUO:0000021" | "DUO:0000024" | "DUO:0000029" | "DUO:0000043") => promised(code),
            _ => false,
        }
    })
}

/// Says whether one grant permits a use: each permission asked for is covered by one granted, and
/// the use keeps every condition of the grant. A use that asks for no permission is never permitted.
pub fn permits(granted: &[Purpose], asked: &[Purpose]) -> bool {
    let wanted: Vec<&Purpose> = asked.iter().filter(|purpose| !purpose.is_modifier()).collect();
    !wanted.is_empty()
        && wanted.iter().all(|asked| granted.iter().any(|granted| covers(granted, asked)))
        && keeps_conditions(granted, asked)
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Purpose {
    type Error = PurposeError;

    fn try_from(text: String) -> Result<Self, PurposeError> {
        Self::parse(&text)
    }
}

impl From<Purpose> for String {
    fn from(purpose: Purpose) -> Self {
        purpose.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duo(shorthand: &str) -> Purpose {
        let term = TERMS.iter().find(|term| term.shorthand == shorthand).unwrap();
        Purpose::parse(term.id).unwrap()
    }

    #[test]
    fn the_table_of_permissions_fails_closed() {
        // Rows and columns of the doc's table; DS here names a disease.
        let names = ["NRES", "GRU", "HMB", "DS", "POA"];
        let purpose = |name: &str| match name {
            "DS" => Purpose::parse("DUO:0000007=MONDO:0005148").unwrap(),
            other => duo(other),
        };
        let table = ["yyyyy", "nyyyy", "nnyyn", "nnnyn", "nnnny"];
        for (granted, row) in names.iter().zip(table) {
            for (asked, expected) in names.iter().zip(row.chars()) {
                let found = covers(&purpose(granted), &purpose(asked));
                assert_eq!(found, expected == 'y', "{granted} granted, {asked} asked");
            }
        }
    }

    #[test]
    fn a_disease_is_covered_by_the_same_disease_alone() {
        let diabetes = Purpose::parse("DUO:0000007=MONDO:0005148").unwrap();
        let cancer = Purpose::parse("DUO:0000007=MONDO:0004992").unwrap();
        assert!(!covers(&diabetes, &cancer), "consent for one disease would open another");
        assert!(!covers(&duo("DS"), &duo("DS")), "two unnamed diseases need not be the same");
        assert!(covers(&duo("HMB"), &cancer));
        assert_eq!(Purpose::parse("DUO:0000006=MONDO:0005148"), Err(PurposeError));
    }

    #[test]
    fn what_is_no_research_is_permitted_by_itself_alone() {
        let payment = Purpose::parse("HL7:HPAYMT").unwrap();
        for term in &TERMS {
            let research = Purpose::parse(term.id).unwrap();
            assert!(!covers(&research, &payment), "{} would open records to an insurer", term.id);
            assert!(!covers(&payment, &research), "an insured would have agreed to {}", term.id);
        }
        assert!(covers(&payment, &payment) && payment.is_permission() && !payment.is_research());
        assert!(permits(&[duo("HMB"), payment.clone()], &[duo("HMB")]), "it is no condition");
        assert!(!permits(&[duo("NRES")], std::slice::from_ref(&payment)));
        assert!(!permits(std::slice::from_ref(&payment), &[payment.clone(), duo("HMB")]));
        assert!(payment.term().is_none(), "a pipeline or a pass could name it as research");
        for text in ["HL7:TREAT", "HL7:hpaymt", "HL7:", "HPAYMT", "HL7:HPAYMT=MONDO:1"] {
            assert_eq!(Purpose::parse(text), Err(PurposeError), "{text}");
        }
    }

    #[test]
    fn a_shorthand_reads_as_its_code() {
        let named = |text: &str| Purpose::named(text).map(|p| p.as_str().to_owned());
        assert_eq!(named("HMB").unwrap(), "DUO:0000006");
        assert_eq!(named("DS=MONDO:0005148").unwrap(), "DUO:0000007=MONDO:0005148");
        assert_eq!(named("DUO:0000042").unwrap(), "DUO:0000042");
        assert!(named("").is_err() && named("hmb").is_err() && named("HMB=MONDO:1").is_err());
    }

    #[test]
    fn modifiers_headings_and_unknown_codes_never_permit() {
        for term in TERMS.iter().filter(|term| term.kind != TermKind::Permission) {
            let code = Purpose::parse(term.id).unwrap();
            assert!(!covers(&code, &duo("HMB")) && !covers(&duo("NRES"), &code), "{}", term.id);
        }
        let unknown = Purpose::parse("DUO:9999999").unwrap();
        assert!(unknown.term().is_none() && !covers(&unknown, &unknown));
        assert!(!permits(&[duo("GRU"), unknown.clone()], &[duo("HMB")]), "an unread condition");
        assert!(!permits(&[duo("GRU")], &[duo("HMB"), unknown]));
        assert!(!permits(&[duo("GRU")], &[]) && !permits(&[duo("GRU")], &[duo("NPU")]));
    }

    #[test]
    fn a_condition_of_a_grant_must_be_promised_by_the_use() {
        let granted = [duo("HMB"), duo("NPU")];
        assert!(!permits(&granted, &[duo("HMB")]), "the person's condition would be forgotten");
        assert!(permits(&granted, &[duo("HMB"), duo("NPU")]));
        assert!(permits(&granted, &[duo("HMB"), duo("NPUNCU")]));
        assert!(permits(&[duo("HMB")], &[duo("HMB"), duo("NPU")]), "more promised than asked for");
        assert!(!permits(&[duo("HMB"), duo("GS")], &[duo("HMB"), duo("GS")]), "which countries?");
        assert!(!permits(&[duo("GRU"), duo("NPOA")], &[duo("POA"), duo("NPOA")]));
    }
}
