//! The researcher's pass: a C2SP signed note whose text is a list of `name value` lines.
//!
//! Comes in: a note, the steward's key, an instant. Goes out: what its bearer may ask.
//! Never: an unknown line, a line said twice, or a second spelling of the same pass.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    instant::{Date, Instant},
    party::{IdError, InstitutionId, ResearcherId},
    purpose::{ClaimError, Claims, Purpose, Study, covers, permits},
    signed_note::{self, Signer, Verifier, open_note},
};

/// The first line of a pass.
const HEADER: &str = "almoner/pass/v1";
/// The longest pass that is read, in bytes.
const BYTES_MAX: usize = 64 * 1024;

/// What is wrong with a pass, or with what it is used for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The note is not signed by the steward, or not a note.
    #[error("the pass is not signed by this site's steward")]
    Signature(#[source] signed_note::Error),
    /// More bytes than a pass may have.
    #[error("a pass of {0} bytes is longer than {BYTES_MAX}")]
    TooLong(usize),
    /// Lines that do not fit; all of them.
    #[error("{}", lines(.0))]
    Lines(Vec<Fault>),
    /// What the pass would say is incomplete or contradicts itself.
    #[error("a pass needs {0}")]
    Incomplete(&'static str),
    /// It is used before it was issued.
    #[error("the pass is valid from {issued} on; now is {now}")]
    NotYetIssued {
        /// When it was issued.
        issued: Instant,
        /// The run's instant.
        now: Instant,
    },
    /// It is used after it ended.
    #[error("the pass expired at {expires}; now is {now}")]
    Expired {
        /// When it ended.
        expires: Instant,
        /// The run's instant.
        now: Instant,
    },
    /// It does not grant the dataset.
    #[error("the pass does not grant dataset `{dataset}`; it grants {granted}")]
    Dataset {
        /// The dataset asked.
        dataset: String,
        /// What it grants.
        granted: String,
    },
    /// It grants several datasets, and none was named.
    #[error("the pass grants {0}; say which one is asked")]
    DatasetUnsaid(String),
    /// It does not cover the purpose.
    #[error("the pass does not cover purpose {purpose}; it covers {granted}")]
    Purpose {
        /// The purpose asked.
        purpose: Purpose,
        /// What it covers.
        granted: String,
    },
    /// It covers several purposes, and none was named.
    #[error("the pass covers {0}; say for which one is asked")]
    PurposeUnsaid(String),
}

fn lines(faults: &[Fault]) -> String {
    let list: Vec<String> = faults.iter().map(ToString::to_string).collect();
    format!("the pass cannot be read: {}", list.join("; "))
}

/// A line of a pass that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {kind}")]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What is wrong with a line of a pass. It never holds the line's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// The first line is another.
    #[error("is not `{HEADER}`")]
    Header,
    /// No name, one space, value.
    #[error("is not a name, one space and a value")]
    Form,
    /// A name that this version does not know.
    #[error("has a name that no pass has")]
    Unknown,
    /// A name that stands once, said again; or a dataset or purpose said twice.
    #[error("says again what an earlier line says")]
    Again,
    /// No id.
    #[error("holds no id: {0}")]
    Id(IdError),
    /// No dataset name.
    #[error("holds no dataset name (lower-case letters, digits, `-` and `_`)")]
    Dataset,
    /// No purpose.
    #[error("holds no DUO code like DUO:0000006")]
    Purpose,
    /// No instant.
    #[error("holds no instant like 2026-11-22T09:30:00Z")]
    Instant,
    /// A claim of the study does not fit.
    #[error("{0}")]
    Claim(ClaimError),
    /// A line feed is missing at the end, or there is a carriage return.
    #[error("does not end in one line feed")]
    LineEnd,
}

/// What a new pass shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassRequest {
    /// Who may ask.
    pub researcher: ResearcherId,
    /// Where the researcher works.
    pub institution: Option<InstitutionId>,
    /// Which datasets.
    pub datasets: BTreeSet<String>,
    /// What for.
    pub purposes: BTreeSet<Purpose>,
    /// What the steward was shown of the study.
    pub claims: Claims,
    /// Until when, exclusive.
    pub expires: Instant,
}

/// A pass as its bearer holds it: who may ask which datasets, what for, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    request: PassRequest,
    issued: Instant,
    id: String,
}

/// What a checked pass allows now: one dataset, one purpose. Only [`Pass::grant`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    researcher: ResearcherId,
    institution: Option<InstitutionId>,
    dataset: String,
    purpose: Purpose,
    conditions: Vec<Purpose>,
    claims: Claims,
}

impl Grant {
    /// Returns who asks.
    pub fn researcher(&self) -> &ResearcherId {
        &self.researcher
    }

    /// Returns where the researcher works.
    pub fn institution(&self) -> Option<&InstitutionId> {
        self.institution.as_ref()
    }

    /// Returns the dataset that may be asked.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// Returns what for.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Says whether data that people gave for `granted` may be used so: the purpose is covered,
    /// and the pass promises every condition of the grant.
    pub fn is_permitted_by(&self, granted: &[Purpose]) -> bool {
        let mut asked = self.conditions.clone();
        asked.push(self.purpose.clone());
        permits(granted, &asked)
    }

    /// Returns the study as a dataset's terms judge it on a day.
    pub fn study(&self, day: Date) -> Study<'_> {
        Study {
            purpose: Some(&self.purpose),
            day,
            researcher: Some(&self.researcher),
            institution: self.institution.as_ref(),
            claims: &self.claims,
        }
    }
}

impl Pass {
    /// Makes a pass that begins at `issued` and bears `id`.
    pub fn new(request: PassRequest, issued: Instant, id: &str) -> Result<Self, Error> {
        if request.datasets.is_empty() {
            return Err(Error::Incomplete("at least one dataset"));
        }
        if !request.datasets.iter().all(|name| is_dataset(name)) {
            return Err(Error::Incomplete(
                "dataset names of lower-case letters, digits, `-` and `_`",
            ));
        }
        if !request.purposes.iter().any(Purpose::is_research) {
            return Err(Error::Incomplete("at least one purpose that is no mere condition"));
        }
        if request.purposes.iter().any(|p| p.is_permission() && !p.is_research()) {
            return Err(Error::Incomplete("purposes of research alone"));
        }
        if request.expires <= issued {
            return Err(Error::Incomplete("an end after its beginning"));
        }
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::Incomplete("an id of hex digits"));
        }
        Ok(Self { request, issued, id: id.to_owned() })
    }

    /// Signs it.
    pub fn sign(&self, steward: &Signer) -> Result<String, Error> {
        steward.sign_note(&self.text()).map_err(Error::Signature)
    }

    /// Opens a signed pass: the signature of one of the steward's keys first, then every line.
    pub fn open(note: &str, stewards: &[Verifier]) -> Result<Self, Error> {
        if note.len() > BYTES_MAX {
            return Err(Error::TooLong(note.len()));
        }
        let text = open_note(note, stewards).map_err(Error::Signature)?;
        Self::parse(&text)
    }

    /// Returns the text that is signed. A pass has one text: [`Pass::parse`] takes no other.
    pub fn text(&self) -> String {
        let mut text = format!("{HEADER}\nresearcher {}\n", self.request.researcher);
        if let Some(institution) = &self.request.institution {
            let _ = writeln!(text, "institution {institution}");
        }
        for dataset in &self.request.datasets {
            let _ = writeln!(text, "dataset {dataset}");
        }
        for purpose in &self.request.purposes {
            let _ = writeln!(text, "purpose {purpose}");
        }
        for (name, value) in self.request.claims.lines() {
            let _ = writeln!(text, "{name} {value}");
        }
        let _ = writeln!(text, "issued {}", self.issued);
        let _ = writeln!(text, "expires {}", self.request.expires);
        let _ = writeln!(text, "id {}", self.id);
        text
    }

    /// Parses the text of a pass; every line that does not fit is reported.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = Lines::default();
        let body = text.strip_suffix('\n').unwrap_or_else(|| {
            lines.fault(text.lines().count(), FaultKind::LineEnd);
            text
        });
        for (at, line) in body.split('\n').enumerate() {
            lines.take(at + 1, line);
        }
        lines.finish()
    }

    /// Checks that the pass stands at `now` and grants one dataset for one purpose. What is not
    /// said is what the pass grants, if it grants exactly one.
    pub fn grant(
        &self,
        dataset: Option<&str>,
        purpose: Option<&Purpose>,
        now: Instant,
    ) -> Result<Grant, Error> {
        self.stands(now)?;
        let datasets = &self.request.datasets;
        let dataset = match dataset {
            Some(name) if datasets.contains(name) => name.to_owned(),
            Some(name) => {
                return Err(Error::Dataset { dataset: name.to_owned(), granted: list(datasets) });
            }
            None => single(datasets).ok_or_else(|| Error::DatasetUnsaid(list(datasets)))?,
        };
        let (purposes, conditions): (BTreeSet<Purpose>, BTreeSet<Purpose>) =
            self.request.purposes.iter().cloned().partition(|purpose| !purpose.is_modifier());
        let purpose = match purpose {
            Some(asked) if purposes.iter().any(|granted| covers(granted, asked)) => asked.clone(),
            Some(asked) => {
                return Err(Error::Purpose { purpose: asked.clone(), granted: list(&purposes) });
            }
            None => single(&purposes).ok_or_else(|| Error::PurposeUnsaid(list(&purposes)))?,
        };
        Ok(Grant {
            researcher: self.request.researcher.clone(),
            institution: self.request.institution.clone(),
            dataset,
            purpose,
            conditions: conditions.into_iter().collect(),
            claims: self.request.claims.clone(),
        })
    }

    /// Says whether the pass stands at an instant; its end is exclusive.
    pub fn stands(&self, now: Instant) -> Result<(), Error> {
        if now < self.issued {
            return Err(Error::NotYetIssued { issued: self.issued, now });
        }
        if now >= self.request.expires {
            return Err(Error::Expired { expires: self.request.expires, now });
        }
        Ok(())
    }

    /// Returns what it says.
    pub fn request(&self) -> &PassRequest {
        &self.request
    }

    /// Returns when it begins.
    pub fn issued(&self) -> Instant {
        self.issued
    }

    /// Returns its id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn is_dataset(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= crate::party::ID_BYTES_MAX
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn single<T: Clone + Ord>(set: &BTreeSet<T>) -> Option<T> {
    (set.len() == 1).then(|| set.first().cloned()).flatten()
}

fn list<T: ToString>(set: &BTreeSet<T>) -> String {
    set.iter().map(|item| format!("`{}`", item.to_string())).collect::<Vec<_>>().join(", ")
}

/// The lines read so far.
#[derive(Debug, Default)]
struct Lines {
    faults: Vec<Fault>,
    researcher: Option<ResearcherId>,
    institution: Option<InstitutionId>,
    datasets: BTreeSet<String>,
    purposes: BTreeSet<Purpose>,
    claims: Claims,
    issued: Option<Instant>,
    expires: Option<Instant>,
    id: Option<String>,
}

impl Lines {
    fn fault(&mut self, line: usize, kind: FaultKind) {
        self.faults.push(Fault { line, kind });
    }

    fn take(&mut self, line: usize, text: &str) {
        if let Err(kind) = self.read(line, text) {
            self.fault(line, kind);
        }
    }

    fn read(&mut self, line: usize, text: &str) -> Result<(), FaultKind> {
        if line == 1 {
            return if text == HEADER { Ok(()) } else { Err(FaultKind::Header) };
        }
        if text.contains('\r') {
            return Err(FaultKind::LineEnd);
        }
        let (name, value) = text.split_once(' ').ok_or(FaultKind::Form)?;
        if value.is_empty() || value.starts_with(' ') || value.ends_with(' ') {
            return Err(FaultKind::Form);
        }
        let instant = || Instant::parse(value).map_err(|_| FaultKind::Instant);
        match name {
            "researcher" => {
                once(&mut self.researcher, ResearcherId::parse(value).map_err(FaultKind::Id)?)
            }
            "institution" => {
                once(&mut self.institution, InstitutionId::parse(value).map_err(FaultKind::Id)?)
            }
            "dataset" if !is_dataset(value) => Err(FaultKind::Dataset),
            "dataset" if self.datasets.insert(value.to_owned()) => Ok(()),
            "purpose" => {
                let purpose = Purpose::parse(value).map_err(|_| FaultKind::Purpose)?;
                if self.purposes.insert(purpose) { Ok(()) } else { Err(FaultKind::Again) }
            }
            "dataset" => Err(FaultKind::Again),
            "issued" => once(&mut self.issued, instant()?),
            "expires" => once(&mut self.expires, instant()?),
            "id" => once(&mut self.id, value.to_owned()),
            _ => match self.claims.take(name, value) {
                Some(taken) => taken.map_err(FaultKind::Claim),
                None => Err(FaultKind::Unknown),
            },
        }
    }

    fn finish(self) -> Result<Pass, Error> {
        if !self.faults.is_empty() {
            return Err(Error::Lines(self.faults));
        }
        let request = PassRequest {
            researcher: self.researcher.ok_or(Error::Incomplete("a researcher"))?,
            institution: self.institution,
            datasets: self.datasets,
            purposes: self.purposes,
            claims: self.claims,
            expires: self.expires.ok_or(Error::Incomplete("an end"))?,
        };
        let issued = self.issued.ok_or(Error::Incomplete("a beginning"))?;
        Pass::new(request, issued, &self.id.ok_or(Error::Incomplete("an id"))?)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), FaultKind> {
    if slot.is_some() {
        return Err(FaultKind::Again);
    }
    *slot = Some(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "almoner/pass/v1\n\
        researcher ada@uni.example\n\
        institution uni\n\
        dataset diabetes\n\
        dataset heart\n\
        purpose DUO:0000006\n\
        issued 2026-01-01T00:00:00Z\n\
        expires 2027-01-01T00:00:00Z\n\
        id 00ff\n";

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn a_pass_reads_back_as_it_was_written() {
        assert_eq!(Pass::parse(TEXT).unwrap().text(), TEXT);
    }

    #[test]
    fn claims_are_signed_lines_and_a_pass_without_any_stays_as_it_was() {
        let claims = "organisation non-profit\ncountry DE\nethics IRB-7\naccepts publication\n";
        let text = TEXT.replace("issued", &format!("{claims}issued"));
        let pass = Pass::parse(&text).unwrap();
        assert_eq!(pass.text(), text);
        assert_eq!(pass.request().claims.ethics.as_deref(), Some("IRB-7"));
        assert_eq!(Pass::parse(TEXT).unwrap().request().claims, Claims::default());
        let twice = TEXT.replace("issued", "country DE\ncountry FR\nmethods maybe\nissued");
        let Error::Lines(faults) = Pass::parse(&twice).unwrap_err() else { panic!("not lines") };
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [8, 9]);
    }

    #[test]
    fn every_bad_line_is_named_by_its_number_and_none_is_repeated() {
        let text = "almoner/pass/v2\nresearcher  ada\ndataset Diabetes\npurpose HMB\n\
            issued soon\ncolour CANARY\nid 1\nid 2\n";
        let Error::Lines(faults) = Pass::parse(text).unwrap_err() else { panic!("not lines") };
        let places: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(places, [1, 2, 3, 4, 5, 6, 8], "a fault would be met one at a time");
        assert!(!Error::Lines(faults).to_string().contains("CANARY"));
    }

    #[test]
    fn a_pass_without_an_end_is_no_pass() {
        let text = TEXT.replace("expires 2027-01-01T00:00:00Z\n", "");
        assert_eq!(Pass::parse(&text), Err(Error::Incomplete("an end")));
        assert!(Pass::parse(TEXT.trim_end()).is_err(), "a cut text would be taken");
    }

    #[test]
    fn a_pass_stands_from_its_issue_until_just_before_its_end() {
        let pass = Pass::parse(TEXT).unwrap();
        assert!(matches!(pass.stands(at("2025-12-31T23:59:59Z")), Err(Error::NotYetIssued { .. })));
        assert!(pass.stands(at("2026-01-01")).is_ok());
        assert!(pass.stands(at("2026-12-31T23:59:59Z")).is_ok());
        assert!(matches!(pass.stands(at("2027-01-01")), Err(Error::Expired { .. })));
    }

    #[test]
    fn a_pass_grants_only_its_datasets_and_purposes() {
        let pass = Pass::parse(TEXT).unwrap();
        let now = at("2026-06-01");
        let health = Purpose::parse("DUO:0000006").unwrap();
        let ancestry = Purpose::parse("DUO:0000011").unwrap();
        assert!(matches!(pass.grant(None, None, now), Err(Error::DatasetUnsaid(_))));
        assert!(matches!(pass.grant(Some("lungs"), None, now), Err(Error::Dataset { .. })));
        let grant = pass.grant(Some("heart"), None, now).unwrap();
        assert_eq!((grant.dataset(), grant.purpose()), ("heart", &health));
        assert!(matches!(
            pass.grant(Some("heart"), Some(&ancestry), now),
            Err(Error::Purpose { .. })
        ));
    }
}
