//! The order to the bank: ISO 20022 pain.001, customer credit transfer initiation.
//!
//! Comes in: a debtor and payments of one currency. Goes out: XML, the same bytes for the same order;
//! and a file's own sums held against its payments, which no schema does. Never: a character that SEPA
//! does not carry, or an amount whose decimals are not the currency's.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};
use serde::{Deserialize, Serialize};

use super::{
    characters::carried,
    xml::{Element, XmlError},
};
use crate::{
    instant::{Date, Instant},
    money::{self, Amount, Currency},
    payee::{Account, AccountError, Bic, Iban},
};

/// A version of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Version {
    /// The version of 2009 that many banks still take
    #[value(name = "pain.001.001.03")]
    #[serde(rename = "pain.001.001.03")]
    V03,
    /// The version of 2019, the one of SEPA today
    #[value(name = "pain.001.001.09")]
    #[serde(rename = "pain.001.001.09")]
    V09,
}

impl Version {
    /// Returns the message's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V03 => "pain.001.001.03",
            Self::V09 => "pain.001.001.09",
        }
    }

    fn namespace(self) -> String {
        format!("{NAMESPACE}{}", self.as_str())
    }

    /// Returns what the version calls a bank's code.
    fn bic(self) -> &'static str {
        match self {
            Self::V03 => "BIC",
            Self::V09 => "BICFI",
        }
    }
}

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:";

/// Whose account pays: a file of its own, so that it never stands in a pipeline.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Debtor {
    /// The holder's name.
    pub name: String,
    /// The account.
    pub iban: Iban,
    /// The bank.
    #[serde(default)]
    pub bic: Option<Bic>,
}

impl Debtor {
    /// Reads a debtor from TOML. The error says where, and quotes nothing.
    pub fn read(text: &str) -> Result<Self, usize> {
        let line =
            |at: usize| text.bytes().take(at).filter(|b| *b == b'\n').count().saturating_add(1);
        let read: Self =
            toml::from_str(text).map_err(|e| line(e.span().map_or(0, |span| span.start)))?;
        // The name is held to what an account's name is held to.
        let bic = read.bic.as_ref().map(Bic::as_str);
        let named: Result<Account, AccountError> =
            Account::parse(&read.name, read.iban.as_str(), bic);
        if named.is_ok() { Ok(read) } else { Err(1) }
    }
}

impl std::fmt::Debug for Debtor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Debtor(…)")
    }
}

/// One payment.
#[derive(Debug, Clone)]
pub struct Payment<'a> {
    /// The id that comes back with the bank's answer: 1 to 35 characters, telling nobody's name.
    pub end_to_end: &'a str,
    /// How much.
    pub amount: Amount,
    /// Where to.
    pub account: &'a Account,
}

/// An order: everything that a file says.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The message's id: the same for the same order, so that a resubmission is recognised.
    pub message: &'a str,
    /// When it was made.
    pub created: Instant,
    /// When the bank shall pay.
    pub date: Date,
    /// What the payee reads on the statement of account.
    pub remittance: &'a str,
    /// Who pays.
    pub debtor: &'a Debtor,
    /// The payments, of one currency.
    pub payments: &'a [Payment<'a>],
}

/// Why there is no order.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is nothing to pay.
    #[error("an order needs at least one payment")]
    Empty,
    /// An id is no id of ISO 20022.
    #[error("an id of an order is 1 to 35 of A-Z, a-z, 0-9 and `-`")]
    Id,
    /// Two payments bear the same id.
    #[error("two payments bear the same end-to-end id")]
    Twice,
    /// An amount is not above zero, or has more digits than the message carries.
    #[error("payment {0} is not above zero or has more than 18 digits")]
    Amount(usize),
    /// Amounts of several currencies, or beyond bounds.
    #[error(transparent)]
    Money(#[from] money::Error),
    /// The text could not be written.
    #[error("the order could not be written")]
    Write(#[from] io::Error),
    /// A file is no XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// A file is no pain.001 that this version reads.
    #[error("it is no pain.001.001.03 or .09")]
    Version,
    /// An element is missing or holds something else.
    #[error("`{0}` is missing or holds something else than it should")]
    Element(&'static str),
    /// The sums do not fit the payments.
    #[error("`{0}` is not what the payments come to")]
    Sum(&'static str),
}

/// Returns the sum of payments, each checked.
fn total(payments: &[Payment<'_>]) -> Result<Amount, OrderError> {
    let first = payments.first().ok_or(OrderError::Empty)?;
    let mut ids: Vec<&str> = payments.iter().map(|payment| payment.end_to_end).collect();
    ids.sort_unstable();
    if ids.iter().zip(ids.iter().skip(1)).any(|(a, b)| a == b) {
        return Err(OrderError::Twice);
    }
    let mut sum = Amount::zero(first.amount.currency());
    for (at, payment) in (1..).zip(payments) {
        if payment.amount.minor() <= 0 || payment.amount.minor() >= DIGITS_18 {
            return Err(OrderError::Amount(at));
        }
        checked_id(payment.end_to_end)?;
        sum = sum.plus(payment.amount)?;
    }
    if sum.minor() >= DIGITS_18 { Err(OrderError::Amount(payments.len())) } else { Ok(sum) }
}

/// The least number that the message has no digits for.
const DIGITS_18: i128 = 1_000_000_000_000_000_000;

fn checked_id(id: &str) -> Result<&str, OrderError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let fits = (1..=35).contains(&id.len()) && id.bytes().all(good);
    if fits { Ok(id) } else { Err(OrderError::Id) }
}

/// Writes an order. One block of payments, each booked by itself, so that the bank answers each.
pub fn write(version: Version, order: &Order<'_>) -> Result<Vec<u8>, OrderError> {
    let sum = total(order.payments)?;
    let message = checked_id(order.message)?;
    let (count, control) = (order.payments.len().to_string(), sum.decimal());
    let mut out = Out(Writer::new_with_indent(Vec::new(), b' ', 2));
    out.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let namespace = version.namespace();
    let document = BytesStart::new("Document").with_attributes([("xmlns", namespace.as_str())]);
    out.0.write_event(Event::Start(document))?;
    out.open("CstmrCdtTrfInitn")?;
    out.open("GrpHdr")?;
    out.leaf("MsgId", message)?;
    out.leaf("CreDtTm", &order.created.to_string())?;
    out.leaf("NbOfTxs", &count)?;
    out.leaf("CtrlSum", &control)?;
    out.open("InitgPty")?;
    out.leaf("Nm", &carried(&order.debtor.name, NAME_MAX))?;
    out.close("InitgPty")?;
    out.close("GrpHdr")?;
    out.open("PmtInf")?;
    out.leaf("PmtInfId", message)?;
    out.leaf("PmtMtd", "TRF")?;
    out.leaf("BtchBookg", "false")?;
    out.leaf("NbOfTxs", &count)?;
    out.leaf("CtrlSum", &control)?;
    if sum.currency().code() == "EUR" {
        out.open("PmtTpInf")?;
        out.nested(&["SvcLvl", "Cd"], "SEPA")?;
        out.close("PmtTpInf")?;
    }
    let date = order.date.to_string();
    match version {
        Version::V03 => out.leaf("ReqdExctnDt", &date)?,
        Version::V09 => out.nested(&["ReqdExctnDt", "Dt"], &date)?,
    }
    out.nested(&["Dbtr", "Nm"], &carried(&order.debtor.name, NAME_MAX))?;
    out.nested(&["DbtrAcct", "Id", "IBAN"], order.debtor.iban.as_str())?;
    match &order.debtor.bic {
        Some(bic) => out.nested(&["DbtrAgt", "FinInstnId", version.bic()], bic.as_str())?,
        None => out.nested(&["DbtrAgt", "FinInstnId", "Othr", "Id"], "NOTPROVIDED")?,
    }
    if sum.currency().code() == "EUR" {
        out.leaf("ChrgBr", "SLEV")?;
    }
    for payment in order.payments {
        let Payment { end_to_end, amount, account } = payment;
        out.open("CdtTrfTxInf")?;
        out.nested(&["PmtId", "EndToEndId"], end_to_end)?;
        out.open("Amt")?;
        let currency = BytesStart::new("InstdAmt");
        let currency = currency.with_attributes([("Ccy", amount.currency().code())]);
        out.0.write_event(Event::Start(currency))?;
        out.0.write_event(Event::Text(BytesText::new(&amount.decimal())))?;
        out.close("InstdAmt")?;
        out.close("Amt")?;
        if let Some(bic) = &account.bic {
            out.nested(&["CdtrAgt", "FinInstnId", version.bic()], bic.as_str())?;
        }
        out.nested(&["Cdtr", "Nm"], &carried(&account.name, NAME_MAX))?;
        out.nested(&["CdtrAcct", "Id", "IBAN"], account.iban.as_str())?;
        out.nested(&["RmtInf", "Ustrd"], &carried(order.remittance, REMITTANCE_MAX))?;
        out.close("CdtTrfTxInf")?;
    }
    out.close("PmtInf")?;
    out.close("CstmrCdtTrfInitn")?;
    out.close("Document")?;
    let mut bytes = out.0.into_inner();
    bytes.push(b'\n');
    // INVARIANT: what leaves comes to what it says.
    drop(check(&bytes)?);
    Ok(bytes)
}

/// SEPA carries names of 70 characters and a remittance of 140.
const NAME_MAX: usize = 70;
const REMITTANCE_MAX: usize = 140;

struct Out(Writer<Vec<u8>>);

impl Out {
    fn open(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::Start(BytesStart::new(name)))
    }

    fn close(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    fn leaf(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.nested(&[name], text)
    }

    fn nested(&mut self, names: &[&str], text: &str) -> io::Result<()> {
        names.iter().try_for_each(|name| self.open(name))?;
        self.0.write_event(Event::Text(BytesText::new(text)))?;
        names.iter().rev().try_for_each(|name| self.close(name))
    }
}

/// What a file comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// The version.
    pub version: Version,
    /// The message's id.
    pub message: String,
    /// How many payments.
    pub count: u64,
    /// Their sum.
    pub sum: Amount,
}

/// Holds a file's own sums against its payments, and each amount against its currency's decimals: the
/// schema asks for neither.
pub fn check(bytes: &[u8]) -> Result<Sums, OrderError> {
    use OrderError::Element as Missing;
    let root = Element::read(bytes)?;
    let version = [Version::V03, Version::V09]
        .into_iter()
        .find(|version| root.namespace.as_deref() == Some(version.namespace().as_str()))
        .ok_or(OrderError::Version)?;
    let order = root.at("CstmrCdtTrfInitn").ok_or(Missing("CstmrCdtTrfInitn"))?;
    let header = order.at("GrpHdr").ok_or(Missing("GrpHdr"))?;
    let message = header.text_at("MsgId").ok_or(Missing("MsgId"))?;
    checked_id(message)?;
    let (mut count, mut sum, mut ids) = (0_u64, None::<Amount>, Vec::new());
    for block in order.all("PmtInf") {
        let (mut own_count, mut own) = (0_u64, None::<Amount>);
        for payment in block.all("CdtTrfTxInf") {
            let id = payment.text_at("PmtId/EndToEndId").ok_or(Missing("EndToEndId"))?;
            ids.push(checked_id(id)?);
            let amount = payment.at("Amt/InstdAmt").ok_or(Missing("InstdAmt"))?;
            let currency = Currency::parse(amount.attribute("Ccy").unwrap_or_default())?;
            let amount = Amount::parse(amount.text(), currency)?;
            own_count = own_count.saturating_add(1);
            if amount.minor() <= 0 {
                return Err(Missing("InstdAmt"));
            }
            own = Some(own.map_or(Ok(amount), |own| own.plus(amount))?);
        }
        let own = own.ok_or(OrderError::Empty)?;
        said(block, own_count, own)?;
        count = count.saturating_add(own_count);
        sum = Some(sum.map_or(Ok(own), |sum| sum.plus(own))?);
    }
    let sum = sum.ok_or(OrderError::Empty)?;
    said(header, count, sum)?;
    ids.sort_unstable();
    if ids.iter().zip(ids.iter().skip(1)).any(|(a, b)| a == b) {
        return Err(OrderError::Twice);
    }
    Ok(Sums { version, message: message.to_owned(), count, sum })
}

/// Holds what an element says of its payments against what they come to.
fn said(element: &Element, count: u64, sum: Amount) -> Result<(), OrderError> {
    if element.text_at("NbOfTxs").and_then(|text| text.parse().ok()) != Some(count) {
        return Err(OrderError::Sum("NbOfTxs"));
    }
    let own = element.text_at("CtrlSum").and_then(|t| Amount::parse(t, sum.currency()).ok());
    if own == Some(sum) { Ok(()) } else { Err(OrderError::Sum("CtrlSum")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IBAN: &str = "DE89370400440532013000";

    fn amount(text: &str, currency: &str) -> Amount {
        Amount::parse(text, Currency::parse(currency).unwrap()).unwrap()
    }

    fn ordered(version: Version, amounts: &[&str], currency: &str) -> Result<Vec<u8>, OrderError> {
        let account = Account::parse("Zoë Müller & Söhne", IBAN, Some("COBADEFF")).unwrap();
        let ids: Vec<String> = (0..amounts.len()).map(|at| format!("AL{at}")).collect();
        let payments: Vec<Payment<'_>> = amounts
            .iter()
            .zip(&ids)
            .map(|(text, id)| Payment {
                end_to_end: id,
                amount: amount(text, currency),
                account: &account,
            })
            .collect();
        let debtor =
            Debtor::read(&format!("name = 'Commons'\niban = '{IBAN}'\nbic = 'COBADEFF'\n"))
                .unwrap();
        let order = Order {
            message: "ALM-1",
            created: Instant::parse("2027-01-02T00:00:00Z").unwrap(),
            date: "2027-01-04".parse().unwrap(),
            remittance: "Data reward 2026-Q4",
            debtor: &debtor,
            payments: &payments,
        };
        write(version, &order)
    }

    /// The net payouts of the worked example.
    const NET: [&str; 4] = ["18892.32", "16492.58", "19659.98", "1480.14"];

    #[test]
    fn the_worked_example_is_four_payments_of_56_525_02() {
        for version in [Version::V03, Version::V09] {
            let bytes = ordered(version, &NET, "EUR").unwrap();
            let sums = check(&bytes).unwrap();
            assert_eq!((sums.count, sums.sum), (4, amount("56525.02", "EUR")));
            assert_eq!(sums.version, version);
            assert_eq!(bytes, ordered(version, &NET, "EUR").unwrap(), "a resubmission differs");
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains("<Nm>Zoe Mueller + Soehne</Nm>"), "{text}");
            assert!(text.is_ascii(), "a bank would refuse a character");
        }
    }

    #[test]
    fn a_sum_a_count_or_an_exponent_that_is_wrong_is_refused() {
        let text = String::from_utf8(ordered(Version::V09, &NET, "EUR").unwrap()).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            check(text.replacen(from, to, 1).as_bytes())
        };
        let sum = "<CtrlSum>56525.02</CtrlSum>";
        assert!(matches!(
            changed(sum, "<CtrlSum>56525.03</CtrlSum>"),
            Err(OrderError::Sum("CtrlSum"))
        ));
        assert!(matches!(changed(sum, ""), Err(OrderError::Sum("CtrlSum"))));
        let count = changed("<NbOfTxs>4</NbOfTxs>", "<NbOfTxs>5</NbOfTxs>");
        assert!(matches!(count, Err(OrderError::Sum("NbOfTxs"))));
        assert!(matches!(changed(">1480.14<", ">1480.15<"), Err(OrderError::Sum("CtrlSum"))));
        assert!(
            matches!(changed(">1480.14<", ">1480.140<"), Err(OrderError::Money(_))),
            "the schema lets a third decimal of a euro pass"
        );
        assert!(matches!(changed(">AL1<", ">AL0<"), Err(OrderError::Twice)));
        assert!(matches!(changed("001.09", "001.02"), Err(OrderError::Version)));
    }

    #[test]
    fn every_currency_has_its_own_decimals_and_nothing_is_no_payment() {
        let text = |amounts: &[&str], currency| {
            String::from_utf8(ordered(Version::V09, amounts, currency).unwrap()).unwrap()
        };
        assert!(text(&["7"], "JPY").contains("<InstdAmt Ccy=\"JPY\">7</InstdAmt>"));
        let dinars = text(&["1.001"], "KWD");
        assert!(dinars.contains("<CtrlSum>1.001</CtrlSum>"));
        assert!(!dinars.contains("SEPA") && !dinars.contains("SLEV"), "SEPA carries euros alone");
        assert!(matches!(ordered(Version::V09, &["0"], "JPY"), Err(OrderError::Amount(1))));
        assert!(matches!(ordered(Version::V09, &[], "EUR"), Err(OrderError::Empty)));
        let long = ["9999999999999999.99", "0.01"];
        assert!(matches!(ordered(Version::V09, &long, "EUR"), Err(OrderError::Amount(2))));
    }

    #[test]
    fn a_debtors_file_is_refused_by_line_and_unquoted() {
        assert_eq!(Debtor::read("name = 'x'\niban = 'DE00'\n").unwrap_err(), 2);
        assert!(Debtor::read("name = 'x'\n").is_err());
        assert!(Debtor::read(&format!("name = ''\niban = '{IBAN}'\n")).is_err());
        let debtor = Debtor::read(&format!("name = 'x'\niban = '{IBAN}'\n")).unwrap();
        assert_eq!(format!("{debtor:?}"), "Debtor(…)");
    }
}
