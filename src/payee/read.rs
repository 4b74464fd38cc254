//! Files of payees: CSV, one payee a row, all of it as the register shall hold it.
//!
//! Comes in: CSV. Goes out: payees, and each bad row by its line and reason. Never: a cell's value in
//! a reason, or an account that is silently taken away because a column was forgotten.

use std::{
    collections::BTreeMap,
    io::{self, Read as Input},
};

use super::{Account, AccountError, Country, Payee, PayeeId};
use crate::party::{ContributorId, InstitutionId};

/// The columns that every file has, beside `contributor` or `institution` or both.
pub const COLUMNS: [&str; 6] = ["person", "verified", "country", "name", "iban", "bic"];

/// What a file held.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// The payees.
    pub payees: Vec<Payee>,
    /// The rows that make none.
    pub rejects: Vec<Reject>,
}

/// A row that makes no payee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Why.
    pub reason: Reason,
}

/// Why a row makes no payee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It has another number of cells than the header.
    #[error("the row has another number of cells than the header")]
    Cells,
    /// It is not UTF-8.
    #[error("the row is not UTF-8")]
    Utf8,
    /// It names nobody, or two.
    #[error("a row names a `contributor` or an `institution`, one of them")]
    Whose,
    /// A cell holds no id.
    #[error("column `{0}` holds no id")]
    Id(&'static str),
    /// `verified` is no yes or no.
    #[error("column `verified` holds neither `true` nor `false`")]
    Verified,
    /// Verified, but as whom?
    #[error("a verified contributor needs the key of the person in column `person`")]
    Person,
    /// An institution is no person.
    #[error("an institution has no `person` and is not `verified`")]
    Institution,
    /// An account lacks a part.
    #[error("`name` and `iban` stand together, and `bic` with them alone")]
    Parts,
    /// A country or an account is wrong.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The record is nobody's whom the person index knows.
    #[error("the person index knows nobody of this record: link it first")]
    NotLinked,
    /// The payee stands in an earlier row.
    #[error("the payee stands in line {0} already")]
    Twice(u64),
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system failed.
    #[error(transparent)]
    Input(#[from] io::Error),
    /// The header lacks a column: what it does not say would be taken away.
    #[error("line 1: the header has no column `{0}`")]
    Missing(&'static str),
    /// The header names a column twice or one that nobody knows. Its name stays unsaid: a file without
    /// a header has values here.
    #[error("line 1: column {0} of the header is unknown or stands twice")]
    Unknown(usize),
}

/// Reads a file of payees. `whose` says who is meant by a contributor's id, where anybody is.
pub fn read(
    input: impl Input,
    whose: impl Fn(&ContributorId) -> Option<ContributorId>,
) -> Result<Read, ReadError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let columns = Columns::of(reader.byte_headers().map_err(csv_io)?)?;
    let (mut found, mut lines) = (Read::default(), BTreeMap::new());
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(csv_io)? {
        let line = record.position().map_or(0, csv::Position::line);
        let meant = columns.payee(&record).and_then(|payee| match &payee.id {
            PayeeId::Institution(_) => Ok(payee),
            PayeeId::Contributor(id) => {
                let id = PayeeId::Contributor(whose(id).ok_or(Reason::NotLinked)?);
                Ok(Payee { id, ..payee })
            }
        });
        let payee = meant.and_then(|payee| match lines.get(&payee.id) {
            Some(earlier) => Err(Reason::Twice(*earlier)),
            None => Ok(payee),
        });
        match payee {
            Ok(payee) => {
                lines.insert(payee.id.clone(), line);
                found.payees.push(payee);
            }
            Err(reason) => found.rejects.push(Reject { line, reason }),
        }
    }
    Ok(found)
}

fn csv_io(error: csv::Error) -> ReadError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ReadError::Input(error),
        // A reader of bytes with flexible rows meets no other.
        csv::ErrorKind::Utf8 { .. }
        | csv::ErrorKind::UnequalLengths { .. }
        | csv::ErrorKind::Seek
        | csv::ErrorKind::Serialize(_)
        | csv::ErrorKind::Deserialize { .. }
        | _ => ReadError::Input(io::ErrorKind::InvalidData.into()),
    }
}

/// Where each column stands.
struct Columns {
    count: usize,
    places: BTreeMap<&'static str, usize>,
}

impl Columns {
    fn of(header: &csv::ByteRecord) -> Result<Self, ReadError> {
        let mut places = BTreeMap::new();
        for (at, name) in header.iter().enumerate() {
            let name =
                if at == 0 { name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name) } else { name };
            let known = ["contributor", "institution"].into_iter().chain(COLUMNS);
            let known = known.into_iter().find(|known| known.as_bytes() == name.trim_ascii());
            if known.is_none_or(|known| places.insert(known, at).is_some()) {
                return Err(ReadError::Unknown(at.saturating_add(1)));
            }
        }
        let missing = COLUMNS.into_iter().find(|name| !places.contains_key(name));
        if let Some(name) = missing {
            return Err(ReadError::Missing(name));
        }
        if !places.contains_key("contributor") && !places.contains_key("institution") {
            return Err(ReadError::Missing("contributor"));
        }
        Ok(Self { count: header.len(), places })
    }

    fn payee(&self, record: &csv::ByteRecord) -> Result<Payee, Reason> {
        if record.len() != self.count {
            return Err(Reason::Cells);
        }
        let cell = |name: &str| -> Result<Option<&str>, Reason> {
            let cell = self.places.get(name).and_then(|at| record.get(*at)).unwrap_or_default();
            let text = std::str::from_utf8(cell).map_err(|_| Reason::Utf8)?.trim();
            Ok(Some(text).filter(|text| !text.is_empty()))
        };
        let (person, verified) = (cell("person")?, cell("verified")?);
        let verified = match verified {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Reason::Verified),
        };
        let id = match (cell("contributor")?, cell("institution")?) {
            (Some(id), None) => {
                let id = ContributorId::parse(id).map_err(|_| Reason::Id("contributor"))?;
                PayeeId::Contributor(id)
            }
            (None, Some(id)) if person.is_none() && !verified => {
                let id = InstitutionId::parse(id).map_err(|_| Reason::Id("institution"))?;
                PayeeId::Institution(id)
            }
            (None, Some(_)) => return Err(Reason::Institution),
            (None, None) | (Some(_), Some(_)) => return Err(Reason::Whose),
        };
        if verified && person.is_none() {
            return Err(Reason::Person);
        }
        if person.is_some_and(|person| ContributorId::check(person).is_err()) {
            return Err(Reason::Id("person"));
        }
        let account = match (cell("name")?, cell("iban")?, cell("bic")?) {
            (None, None, None) => None,
            (Some(name), Some(iban), bic) => Some(Account::parse(name, iban, bic)?),
            (None, None, Some(_)) | (Some(_), None, _) | (None, Some(_), _) => {
                return Err(Reason::Parts);
            }
        };
        let country = cell("country")?.map(Country::parse).transpose()?;
        Ok(Payee { id, person: person.map(str::to_owned), verified, country, account })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "contributor,institution,person,verified,country,name,iban,bic\n";
    const IBAN: &str = "DE89370400440532013000";

    fn known(id: &ContributorId) -> Option<ContributorId> {
        (id.as_str() != "nobody").then(|| id.clone())
    }

    fn rows(rows: &str) -> Read {
        read(format!("{HEADER}{rows}").as_bytes(), known).unwrap()
    }

    #[test]
    fn people_and_institutions_are_read_with_their_accounts() {
        let found = rows(&format!(
            "p1,,jane,true,DE,Jane Roe,{IBAN},COBADEFF\np2,,,,,,,\n,north,,,DE,North Clinic,{IBAN},\n"
        ));
        assert!(found.rejects.is_empty());
        let [jane, nobody, north] = found.payees.as_slice() else { panic!("another number") };
        assert!(jane.verified && jane.person.as_deref() == Some("jane"));
        assert_eq!(jane.account.as_ref().unwrap().bic.as_ref().unwrap().as_str(), "COBADEFF");
        assert!(!nobody.verified && nobody.account.is_none() && nobody.country.is_none());
        assert!(matches!(&north.id, PayeeId::Institution(id) if id.as_str() == "north"));
    }

    #[test]
    fn a_bad_row_is_refused_by_line_and_reason_and_the_good_ones_are_taken() {
        let found = rows(&format!(
            "p1,,jane,true,DE,Jane Roe,{IBAN},\n\
             p2,,jane,yes,DE,,,\n\
             p3,,,true,DE,,,\n\
             p4,north,,,,,,\n\
             ,,,,,,,\n\
             ,north,jane,,,,,\n\
             p5,,,,XX,,,\n\
             p6,,,,,Jane Roe,,\n\
             p7,,,,,Jane Roe,DE88370400440532013000,\n\
             p8,,,,,Jane Roe,{IBAN},BANK\n\
             p1,,,,,,,\n\
             p9,,,\n"
        ));
        assert_eq!(found.payees.len(), 1);
        let reasons: Vec<_> = found.rejects.iter().map(|r| (r.line, r.reason)).collect();
        assert_eq!(
            reasons,
            [
                (3, Reason::Verified),
                (4, Reason::Person),
                (5, Reason::Whose),
                (6, Reason::Whose),
                (7, Reason::Institution),
                (8, Reason::Account(AccountError::Country)),
                (9, Reason::Parts),
                (10, Reason::Account(AccountError::IbanCheck)),
                (11, Reason::Account(AccountError::Bic)),
                (12, Reason::Twice(2)),
                (13, Reason::Cells),
            ]
        );
        for (_, reason) in reasons {
            let text = reason.to_string();
            assert!(
                !text.contains("Jane") && !text.contains("88"),
                "a reason tells a cell: {text}"
            );
        }
    }

    #[test]
    fn a_header_that_lacks_a_column_or_knows_another_is_refused_without_its_words() {
        let missing = read("contributor,person,verified,country,name,bic\n".as_bytes(), known);
        assert!(matches!(missing, Err(ReadError::Missing("iban"))), "accounts would be taken away");
        let whose = read("person,verified,country,name,iban,bic\n".as_bytes(), known);
        assert!(matches!(whose, Err(ReadError::Missing("contributor"))));
        let typo = read("contributor,person,verifeid,country,name,iban,bic\n".as_bytes(), known);
        assert!(matches!(typo, Err(ReadError::Unknown(3))));
        let values = read("jane-doe,,,,,,\n".as_bytes(), known).unwrap_err();
        assert!(!values.to_string().contains("jane"));
        assert!(matches!(read("".as_bytes(), known), Err(ReadError::Missing("person"))));
    }

    #[test]
    fn a_record_of_nobody_is_refused_and_two_records_of_one_person_are_one_payee() {
        let rows = "ward/1,,p,true,DE,,,\nnobody,,q,true,DE,,,\nward/2,,p,true,DE,,,\n";
        let one = |id: &ContributorId| {
            id.as_str().starts_with("ward/").then(|| ContributorId::parse("p-1").unwrap())
        };
        let found = read(format!("{HEADER}{rows}").as_bytes(), one).unwrap();
        assert_eq!(found.payees.len(), 1, "one person would be paid as two");
        let reasons: Vec<Reason> = found.rejects.iter().map(|reject| reject.reason).collect();
        assert_eq!(reasons, [Reason::NotLinked, Reason::Twice(2)]);
    }
}
