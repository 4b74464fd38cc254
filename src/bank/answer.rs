//! What the bank answers, in a form of its own; and the plain form of it, CSV.
//!
//! Comes in: CSV. Goes out: answers, each to one payment by its end-to-end id, and each row that is
//! none, by line and reason. Never: a cell's value in a reason.

use std::{collections::BTreeMap, io};

use serde::Serialize;

use super::xml::XmlError;
use crate::{
    instant::Date,
    money::{self, Amount, Currency},
};

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The bank took it from our account.
    Booked,
    /// It came back, with the reason's code.
    Returned(String),
    /// Money came in under its id, and nothing says that it is a return.
    Credited,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Where it stands: the line of a CSV, the number of an entry in XML.
    pub place: u64,
    /// The payment's id.
    pub end_to_end: String,
    /// How much.
    pub amount: Amount,
    /// When the bank booked it.
    pub date: Date,
    /// What became of it.
    pub fate: Fate,
}

/// All that a file answers.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The answers, in the file's order.
    pub answers: Vec<Answer>,
    /// What could not be read as an answer.
    pub findings: Vec<Finding>,
    /// Entries that the bank has not booked yet.
    pub pending: u64,
    /// Entries that name no payment: other money of the account.
    pub other: u64,
}

/// Something in a bank's file that is not applied, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it stands: the line of a CSV, the number of an entry in XML.
    pub place: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A row of another length than its header.
    #[error("the row has another number of cells than the header")]
    Cells,
    /// A part is missing or is something else.
    #[error("`{0}` is missing or holds something else than it should")]
    Part(&'static str),
    /// An entry and its payments do not fit.
    #[error("the entry's amount is not the sum of its payments")]
    Total,
    /// Money came in that is not called a return.
    #[error("it credits a payment without calling it a return")]
    Credit,
    /// Nobody ordered it here.
    #[error("no order of this pool holds the payment")]
    Unknown,
    /// It belongs to another period than was asked for.
    #[error("the payment is of another period")]
    Period,
    /// The amount is another.
    #[error("the amount is not that of the payment")]
    Amount,
    /// The currency is another.
    #[error("the currency is not that of the payment")]
    Currency,
    /// The file says it twice.
    #[error("the file answers the payment twice in the same way")]
    Twice,
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The system failed.
    #[error(transparent)]
    Input(#[from] io::Error),
    /// It is no XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// It is no message that this version reads.
    #[error("it is no camt.054.001.02 or .08")]
    Version,
    /// The header lacks a column.
    #[error("line 1: the header has no column `{0}`")]
    Missing(&'static str),
    /// The header names a column twice or one that nobody knows.
    #[error("line 1: column {0} of the header is unknown or stands twice")]
    Unknown(usize),
    /// The file's own sums do not fit its entries: part of it may be missing.
    #[error("`{0}` is not what the entries come to: the file may be cut or changed")]
    Sum(&'static str),
    /// Amounts beyond bounds.
    #[error(transparent)]
    Money(#[from] money::Error),
}

/// The columns of the plain form.
const COLUMNS: [&str; 6] = ["end_to_end", "outcome", "amount", "currency", "date", "reason"];

/// Reads the plain form: `end_to_end,outcome,amount,currency,date,reason`, where the outcome is `booked`
/// or `returned`, the amount has all decimals of its currency, and the reason is ISO 20022's code.
pub fn read_csv(input: impl io::Read) -> Result<Reply, AnswerError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let mut places = BTreeMap::new();
    let header = reader.byte_headers().map_err(input_error)?;
    let cells = header.len();
    for (at, name) in header.iter().enumerate() {
        let known = COLUMNS.into_iter().find(|known| known.as_bytes() == name.trim_ascii());
        if known.is_none_or(|known| places.insert(known, at).is_some()) {
            return Err(AnswerError::Unknown(at.saturating_add(1)));
        }
    }
    if let Some(name) = COLUMNS.into_iter().find(|name| !places.contains_key(name)) {
        return Err(AnswerError::Missing(name));
    }
    let mut reply = Reply::default();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(input_error)? {
        let place = record.position().map_or(0, csv::Position::line);
        let cell = |name: &str| {
            let cell = places.get(name).and_then(|at| record.get(*at)).unwrap_or_default();
            std::str::from_utf8(cell).ok().map(str::trim).unwrap_or_default()
        };
        let row = if record.len() == cells { row(place, cell) } else { Err(Fault::Cells) };
        match row {
            Ok(answer) => reply.answers.push(answer),
            Err(fault) => reply.findings.push(Finding { place, fault }),
        }
    }
    Ok(reply)
}

fn row<'a>(place: u64, cell: impl Fn(&str) -> &'a str) -> Result<Answer, Fault> {
    let end_to_end = Some(cell("end_to_end")).filter(|id| !id.is_empty());
    let end_to_end = end_to_end.ok_or(Fault::Part("end_to_end"))?.to_owned();
    let fate = match (cell("outcome"), cell("reason")) {
        ("booked", "") => Fate::Booked,
        ("booked", _) => return Err(Fault::Part("reason")),
        ("returned", reason) => Fate::Returned(code(reason).ok_or(Fault::Part("reason"))?),
        (_, _) => return Err(Fault::Part("outcome")),
    };
    let currency = Currency::parse(cell("currency")).map_err(|_| Fault::Part("currency"))?;
    let amount = Amount::parse(cell("amount"), currency).map_err(|_| Fault::Part("amount"))?;
    let date = cell("date").parse().map_err(|_| Fault::Part("date"))?;
    Ok(Answer { place, end_to_end, amount, date, fate })
}

/// Returns a reason's code where it is one: 1 to 35 capitals and digits, such as AC04.
pub(super) fn code(text: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let good = (1..=35).contains(&text.len()) && text.bytes().all(fits);
    good.then(|| text.to_owned())
}

fn input_error(error: csv::Error) -> AnswerError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => AnswerError::Input(error),
        // A reader of bytes with flexible rows meets no other.
        csv::ErrorKind::Utf8 { .. }
        | csv::ErrorKind::UnequalLengths { .. }
        | csv::ErrorKind::Seek
        | csv::ErrorKind::Serialize(_)
        | csv::ErrorKind::Deserialize { .. }
        | _ => AnswerError::Input(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_answers_or_findings_by_line() {
        let text = "end_to_end,outcome,amount,currency,date,reason\n\
                    A1,booked,1.00,EUR,2027-01-04,\n\
                    A2,returned,2.00,EUR,2027-01-05,AC04\n\
                    A3,returned,2.00,EUR,2027-01-05,\n\
                    A4,lost,2.00,EUR,2027-01-05,\n\
                    A5,booked,2.0,EUR,2027-01-05,\n\
                    ,booked,2.00,EUR,2027-01-05,\n\
                    A6,booked,2.00,EUR,yesterday,\n\
                    A7,booked\n";
        let reply = read_csv(text.as_bytes()).unwrap();
        let fates: Vec<_> = reply.answers.iter().map(|a| (a.place, &a.fate)).collect();
        assert_eq!(fates, [(2, &Fate::Booked), (3, &Fate::Returned("AC04".into()))]);
        let found: Vec<_> = reply.findings.iter().map(|f| (f.place, f.fault)).collect();
        assert_eq!(
            found,
            [
                (4, Fault::Part("reason")),
                (5, Fault::Part("outcome")),
                (6, Fault::Part("amount")),
                (7, Fault::Part("end_to_end")),
                (8, Fault::Part("date")),
                (9, Fault::Cells),
            ]
        );
        assert!(matches!(
            read_csv("end_to_end,outcome,amount,currency,date\n".as_bytes()),
            Err(AnswerError::Missing("reason"))
        ));
        assert!(matches!(read_csv("iban\n".as_bytes()), Err(AnswerError::Unknown(1))));
    }
}
