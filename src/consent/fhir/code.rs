//! Codes, and what the purposes of use among them mean for research.
//!
//! Comes in: codings of a Consent. Goes out: which purpose holds which, and their DUO terms.
//! Never: an unknown code that is taken for a known one.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::purpose::Purpose;

/// The code system of HL7's purposes of use.
pub(super) const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";

/// The ways in which the Data Use Ontology is named as a code system.
const DUO: [&str; 4] = [
    "http://purl.obolibrary.org/obo/duo.owl",
    "http://purl.obolibrary.org/obo/",
    "http://purl.obolibrary.org/obo",
    "https://github.com/EBISPOT/DUO",
];

/// A code of a system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coding {
    /// The system; empty where it is not said.
    pub system: String,
    /// The code.
    pub code: String,
}

impl Serialize for Coding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Coding", 2)?;
        object.serialize_field("system", &self.system)?;
        object.serialize_field("code", &self.code)?;
        object.end()
    }
}

impl Coding {
    /// Makes a coding.
    pub fn new(system: &str, code: &str) -> Self {
        Self { system: system.to_owned(), code: code.to_owned() }
    }

    /// Makes a purpose of use of HL7's own list.
    pub fn purpose(code: &str) -> Self {
        Self::new(ACT_REASON, code)
    }

    /// Says whether it is of the Data Use Ontology.
    pub(super) fn is_duo(&self) -> bool {
        DUO.contains(&self.system.as_str())
            || (self.system.is_empty() && self.code.starts_with("DUO:"))
    }
}

/// Purposes of use with the one that each is a kind of; the empty text is the top.
/// <http://terminology.hl7.org/ValueSet/v3-PurposeOfUse>
const PURPOSES: [(&str, &str); 53] = [
    ("HMARKT", ""),
    ("HOPERAT", ""),
    ("CAREMGT", "HOPERAT"),
    ("DONAT", "HOPERAT"),
    ("FRAUD", "HOPERAT"),
    ("GOV", "HOPERAT"),
    ("HACCRED", "HOPERAT"),
    ("HCOMPL", "HOPERAT"),
    ("HDECD", "HOPERAT"),
    ("HDIRECT", "HOPERAT"),
    ("HDM", "HOPERAT"),
    ("HLEGAL", "HOPERAT"),
    ("HOUTCOMS", "HOPERAT"),
    ("HPRGRP", "HOPERAT"),
    ("HQUALIMP", "HOPERAT"),
    ("HSYSADMIN", "HOPERAT"),
    ("LABELING", "HOPERAT"),
    ("METAMGT", "HOPERAT"),
    ("MEMADMIN", "HOPERAT"),
    ("MILCDM", "HOPERAT"),
    ("PATADMIN", "HOPERAT"),
    ("PATSFTY", "HOPERAT"),
    ("PERFMSR", "HOPERAT"),
    ("RECORDMGT", "HOPERAT"),
    ("SYSDEV", "HOPERAT"),
    ("HTEST", "SYSDEV"),
    ("TRAIN", "HOPERAT"),
    ("HPAYMT", ""),
    ("CLMATTCH", "HPAYMT"),
    ("COVAUTH", "HPAYMT"),
    ("COVERAGE", "HPAYMT"),
    ("REMITADV", "HPAYMT"),
    ("HRESCH", ""),
    ("BIORCH", "HRESCH"),
    ("CLINTRCH", "HRESCH"),
    ("CLINTRCHNPC", "CLINTRCH"),
    ("CLINTRCHPC", "CLINTRCH"),
    ("PRECLINTRCH", "HRESCH"),
    ("DSRCH", "HRESCH"),
    ("POARCH", "HRESCH"),
    ("TRANSRCH", "HRESCH"),
    ("PATRQT", ""),
    ("FAMRQT", "PATRQT"),
    ("PWATRNY", "PATRQT"),
    ("SUPNWK", "PATRQT"),
    ("PUBHLTH", ""),
    ("DISASTER", "PUBHLTH"),
    ("THREAT", "PUBHLTH"),
    ("TREAT", ""),
    ("COC", "TREAT"),
    ("ETREAT", "TREAT"),
    ("BTG", "ETREAT"),
    ("ERTREAT", "ETREAT"),
];

fn parent(coding: &Coding) -> Option<&'static str> {
    let known = |(code, _): &&(&str, &str)| coding.system == ACT_REASON && *code == coding.code;
    PURPOSES.iter().find(known).map(|(_, parent)| *parent)
}

/// Says whether one purpose is another or holds it. Ancestry research is held by nothing but
/// itself, as health research in DUO leaves it out.
pub(super) fn holds(wide: &Coding, narrow: &Coding) -> bool {
    let mut at = narrow.clone();
    loop {
        if at == *wide {
            return true;
        }
        match parent(&at) {
            Some(up) if !up.is_empty() && at.code != "POARCH" => up.clone_into(&mut at.code),
            Some(_) | None => return false,
        }
    }
}

/// Says whether two purposes may have a use in common: `None` where a code is unknown.
pub(super) fn touch(one: &Coding, other: &Coding) -> Option<bool> {
    if holds(one, other) || holds(other, one) {
        return Some(true);
    }
    match (parent(one), parent(other)) {
        (Some(_), Some(_)) => {
            // What a denial of research may touch is wider than what a consent to it gives.
            let all = Coding::purpose("HRESCH");
            let ancestry = Coding::purpose("POARCH");
            Some([one, other].contains(&&all) && [one, other].contains(&&ancestry))
        }
        (_, _) => None,
    }
}

/// What a purpose of use means for the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// It gives this permission.
    Permission(Purpose),
    /// It is a condition on what is given beside it.
    Condition(Purpose),
    /// It is a kind of this permission, narrower than any here can say.
    Narrower(Purpose),
    /// It is nothing that a register permits: care, operations and the like.
    NotResearch,
    /// It is unknown.
    Unknown,
}

/// Translates a purpose of use.
///
/// | code | permission |
/// |---|---|
/// | HRESCH, BIORCH | DUO:0000006, health, medical or biomedical research |
/// | POARCH | DUO:0000011, population origins or ancestry |
/// | DSRCH, CLINTRCH, CLINTRCHNPC, CLINTRCHPC, PRECLINTRCH, TRANSRCH | none: narrower than any |
/// | HPAYMT | HL7:HPAYMT, payment |
/// | CLMATTCH, COVAUTH, COVERAGE, REMITADV | none: narrower than payment |
/// | any other of HL7's purposes of use | none: not research, nor payment |
/// | a permission of DUO, `DUO:0000006` or `DUO_0000006` | itself; DS only with its disease |
/// | a modifier of DUO | a condition on the permissions beside it |
/// | any other code | none: unknown |
pub(super) fn meant(coding: &Coding) -> Meant {
    if coding.is_duo() {
        let code = coding.code.replacen("DUO_", "DUO:", 1);
        return match Purpose::parse(&code) {
            Ok(purpose) if purpose.as_str() == "DUO:0000007" => narrower("DUO:0000006"),
            Ok(purpose) if purpose.is_research() => Meant::Permission(purpose),
            Ok(purpose) if purpose.is_modifier() => Meant::Condition(purpose),
            Ok(_) | Err(_) => Meant::Unknown,
        };
    }
    if parent(coding).is_none() {
        return Meant::Unknown;
    }
    let permission = |code| Purpose::parse(code).map_or(Meant::Unknown, Meant::Permission);
    match coding.code.as_str() {
        "HRESCH" | "BIORCH" => permission("DUO:0000006"),
        "POARCH" => permission("DUO:0000011"),
        "DSRCH" | "CLINTRCH" | "CLINTRCHNPC" | "CLINTRCHPC" | "PRECLINTRCH" | "TRANSRCH" => {
            narrower("DUO:0000006")
        }
        "HPAYMT" => permission("HL7:HPAYMT"),
        _ if holds(&Coding::purpose("HPAYMT"), coding) => narrower("HL7:HPAYMT"),
        _ => Meant::NotResearch,
    }
}

fn narrower(than: &str) -> Meant {
    Purpose::parse(than).map_or(Meant::Unknown, Meant::Narrower)
}

/// Returns the permission, of research or of payment, that a purpose of use gives, if it gives one.
pub fn research_purpose(coding: &Coding) -> Option<Purpose> {
    match meant(coding) {
        Meant::Permission(purpose) => Some(purpose),
        Meant::Condition(_) | Meant::Narrower(_) | Meant::NotResearch | Meant::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_holds_its_kinds_and_an_unknown_one_only_itself() {
        let own = Coding::purpose;
        assert!(holds(&own("TREAT"), &own("BTG")) && !holds(&own("BTG"), &own("TREAT")));
        assert!(holds(&own("HRESCH"), &own("CLINTRCHPC")));
        assert!(!holds(&own("HRESCH"), &own("POARCH")), "health research is not of ancestry");
        assert_eq!(touch(&own("HRESCH"), &own("POARCH")), Some(true), "a denial reads widely");
        assert_eq!(touch(&own("HRESCH"), &own("TREAT")), Some(false));
        assert_eq!(touch(&own("HRESCH"), &Coding::new("x", "FooBar")), None);
        assert!(holds(&Coding::new("x", "FooBar"), &Coding::new("x", "FooBar")));
        for (_, up) in PURPOSES {
            assert!(up.is_empty() || parent(&own(up)).is_some(), "{up} is a kind of nothing");
        }
    }

    #[test]
    fn only_what_is_no_wider_than_the_words_becomes_a_permission() {
        let code = |coding| research_purpose(&coding).map(|p| p.as_str().to_owned());
        assert_eq!(code(Coding::purpose("HRESCH")).as_deref(), Some("DUO:0000006"));
        assert_eq!(code(Coding::purpose("CLINTRCH")), None, "a trial is not all of research");
        assert_eq!(code(Coding::purpose("TREAT")), None);
        assert_eq!(code(Coding::purpose("HPAYMT")).as_deref(), Some("HL7:HPAYMT"));
        assert_eq!(code(Coding::purpose("COVAUTH")), None, "one claim is not every payment");
        assert_eq!(code(Coding::new("http://example.org", "HRESCH")), None);
        let duo = |text| Coding::new("http://purl.obolibrary.org/obo/duo.owl", text);
        assert_eq!(code(duo("DUO_0000042")).as_deref(), Some("DUO:0000042"));
        assert_eq!(code(duo("DUO:0000007")), None, "which disease?");
        assert_eq!(
            code(duo("DUO:0000007=MONDO:0005148")).as_deref(),
            Some("DUO:0000007=MONDO:0005148")
        );
        assert_eq!(meant(&duo("DUO:9999999")), Meant::Unknown);
    }
}
