//! What a researcher shows of a study: claims that the steward checked and signed into the pass.
//!
//! Comes in: `name value` lines of a pass. Goes out: [`Claims`], and the same lines again.
//! Never: a claim that was not made; what is not said is neither yes nor no.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::party::ID_BYTES_MAX;

/// What kind of organisation a researcher works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Organisation {
    /// It works for no profit.
    NonProfit,
    /// It works for profit.
    ForProfit,
}

impl Organisation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::NonProfit, Self::ForProfit];

    /// Returns the word in a pass.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NonProfit => "non-profit",
            Self::ForProfit => "for-profit",
        }
    }

    /// Parses the word in a pass.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.as_str() == text)
    }
}

/// What a researcher takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// To make results known to others (PUB).
    Publication,
    /// To work with those who made the data (COL).
    Collaboration,
    /// To give back what was derived (RTN).
    Return,
    /// To publish nothing until the day that the data's terms name (MOR).
    Moratorium,
    /// To leave origins and ancestry of populations alone (NPOA).
    NoAncestry,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Publication, Self::Collaboration, Self::Return, Self::Moratorium, Self::NoAncestry];

    /// Returns the word in a pass.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publication => "publication",
            Self::Collaboration => "collaboration",
            Self::Return => "return",
            Self::Moratorium => "moratorium",
            Self::NoAncestry => "no-ancestry",
        }
    }

    /// Parses the word in a pass.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.as_str() == text)
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was shown of a study.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// What kind of organisation it is for.
    pub organisation: Option<Organisation>,
    /// Whether the use is commercial.
    pub commercial: Option<bool>,
    /// The country, ISO 3166-1 alpha-2, in which the data is used.
    pub country: Option<String>,
    /// The number of an ethics committee's approval.
    pub ethics: Option<String>,
    /// The approved project.
    pub project: Option<String>,
    /// The types of research.
    pub research: BTreeSet<String>,
    /// Whether methods, such as software or algorithms, are developed.
    pub methods: Option<bool>,
    /// Whether genotypes are studied.
    pub genetic: Option<bool>,
    /// Whether the use is clinical care.
    pub clinical: Option<bool>,
    /// What the researcher takes on.
    pub accepts: BTreeSet<Promise>,
}

/// What is wrong with a claim. It never holds the claim's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// It was made before.
    #[error("says again what an earlier line says")]
    Again,
    /// The value is none that this claim takes.
    #[error("holds no {0}")]
    Value(&'static str),
}

impl Claims {
    /// Takes one claim by its name in a pass; `None` where no claim has that name.
    pub fn take(&mut self, name: &str, value: &str) -> Option<Result<(), ClaimError>> {
        let wrong = ClaimError::Value;
        let flag = match value {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let flag = flag.ok_or(wrong("yes or no"));
        let word = || plain(value).then(|| value.to_owned()).ok_or(wrong("id without spaces"));
        let kinds = wrong("non-profit or for-profit");
        let promises =
            wrong("promise: publication, collaboration, return, moratorium, no-ancestry");
        Some(match name {
            "organisation" => Organisation::parse(value)
                .ok_or(kinds)
                .and_then(|own| once(&mut self.organisation, own)),
            "commercial" => flag.and_then(|flag| once(&mut self.commercial, flag)),
            "country" if !is_country(value) => Err(wrong("country of two capital letters")),
            "country" => once(&mut self.country, value.to_owned()),
            "ethics" => word().and_then(|word| once(&mut self.ethics, word)),
            "project" => word().and_then(|word| once(&mut self.project, word)),
            "research" => word().and_then(|word| more(&mut self.research, word)),
            "methods" => flag.and_then(|flag| once(&mut self.methods, flag)),
            "genetic" => flag.and_then(|flag| once(&mut self.genetic, flag)),
            "clinical" => flag.and_then(|flag| once(&mut self.clinical, flag)),
            "accepts" => {
                Promise::parse(value).ok_or(promises).and_then(|own| more(&mut self.accepts, own))
            }
            _ => return None,
        })
    }

    /// Returns the claims as lines of a pass, in their one order.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let flag = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        let mut lines = Vec::new();
        let mut put = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
        put("organisation", self.organisation.map(|own| own.as_str().to_owned()));
        put("commercial", self.commercial.map(flag));
        put("country", self.country.clone());
        put("ethics", self.ethics.clone());
        put("project", self.project.clone());
        self.research.iter().for_each(|word| put("research", Some(word.clone())));
        put("methods", self.methods.map(flag));
        put("genetic", self.genetic.map(flag));
        put("clinical", self.clinical.map(flag));
        self.accepts.iter().for_each(|own| put("accepts", Some(own.to_string())));
        lines
    }
}

/// Says whether a text may be the code of a country.
pub(super) fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

/// Says whether a text may stand for a project, an approval or a type of research.
pub(super) fn plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= ID_BYTES_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), ClaimError> {
    if slot.is_some() {
        return Err(ClaimError::Again);
    }
    *slot = Some(value);
    Ok(())
}

fn more<T: Ord>(set: &mut BTreeSet<T>, value: T) -> Result<(), ClaimError> {
    if set.insert(value) { Ok(()) } else { Err(ClaimError::Again) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_read_back_as_they_were_written_and_none_is_made_twice() {
        let lines = [
            ("organisation", "non-profit"),
            ("commercial", "no"),
            ("country", "DE"),
            ("ethics", "IRB-7"),
            ("project", "P1"),
            ("research", "cohort"),
            ("methods", "no"),
            ("genetic", "yes"),
            ("clinical", "no"),
            ("accepts", "publication"),
            ("accepts", "no-ancestry"),
        ];
        let mut claims = Claims::default();
        for (name, value) in lines {
            assert_eq!(claims.take(name, value), Some(Ok(())), "{name}");
            assert_eq!(claims.take(name, value), Some(Err(ClaimError::Again)), "{name}");
        }
        let told: Vec<_> = claims.lines();
        assert!(told.iter().map(|(n, v)| (*n, v.as_str())).eq(lines));
        assert_eq!(claims.take("colour", "red"), None);
        for (name, value) in [("commercial", "maybe"), ("country", "de"), ("ethics", "a b")] {
            let taken = Claims::default().take(name, value);
            assert!(matches!(taken, Some(Err(ClaimError::Value(_)))), "{name} {value}");
        }
    }
}
