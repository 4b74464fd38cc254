//! The bank's answer: ISO 20022 camt.054, bank to customer debit credit notification.
//!
//! Comes in: a file of version .02 or .08. Goes out: the answers in it. Never: an entry that is not
//! booked yet taken for money that moved, or a file of which part is missing.

use super::{
    answer::{Answer, AnswerError, Fate, Fault, Finding, Reply, code},
    xml::Element,
};
use crate::{
    instant::Date,
    money::{Amount, Currency},
};

const NAMESPACES: [&str; 2] = [
    "urn:iso:std:iso:20022:tech:xsd:camt.054.001.02",
    "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08",
];

/// Reads a notification. A debit with an end-to-end id is a booking, a credit with return information or
/// marked as a reversal is a return.
pub fn read_camt054(bytes: &[u8]) -> Result<Reply, AnswerError> {
    let root = Element::read(bytes)?;
    let known = root.namespace.as_deref().is_some_and(|space| NAMESPACES.contains(&space));
    let message = root.at("BkToCstmrDbtCdtNtfctn").filter(|_| known);
    let message = message.ok_or(AnswerError::Version)?;
    let mut reply = Reply::default();
    let mut place = 0_u64;
    for notification in message.all("Ntfctn") {
        let entries: Vec<&Element> = notification.all("Ntry").collect();
        sums(notification, &entries)?;
        for entry in entries {
            place = place.saturating_add(1);
            if let Err(fault) = read_entry(place, entry, &mut reply) {
                reply.findings.push(Finding { place, fault });
            }
        }
    }
    Ok(reply)
}

/// Holds the sums that a notification may bring against its entries.
fn sums(notification: &Element, entries: &[&Element]) -> Result<(), AnswerError> {
    let Some(total) = notification.at("TxsSummry/TtlNtries") else { return Ok(()) };
    if let Some(count) = total.text_at("NbOfNtries")
        && count.parse() != Ok(entries.len())
    {
        return Err(AnswerError::Sum("NbOfNtries"));
    }
    let Some(sum) = total.text_at("Sum") else { return Ok(()) };
    let amounts = entries.iter().map(|entry| entry.at("Amt").and_then(amount));
    let Some(amounts) = amounts.collect::<Option<Vec<Amount>>>() else {
        return Err(AnswerError::Sum("Sum"));
    };
    let Some(first) = amounts.first() else { return Ok(()) };
    let zero = Amount::zero(first.currency());
    let all = amounts.iter().try_fold(zero, |sum, amount| sum.plus(*amount))?;
    let own = Amount::parse(&padded(sum, first.currency()), first.currency());
    if own == Ok(all) { Ok(()) } else { Err(AnswerError::Sum("Sum")) }
}

fn read_entry(place: u64, entry: &Element, reply: &mut Reply) -> Result<(), Fault> {
    let details: Vec<&Element> =
        entry.all("NtryDtls").flat_map(|details| details.all("TxDtls")).collect();
    let status = entry.text_at("Sts/Cd").or_else(|| entry.text_at("Sts"));
    if status != Some("BOOK") {
        reply.pending = reply.pending.saturating_add(1);
        return Ok(());
    }
    let whole = entry.at("Amt").and_then(amount).ok_or(Fault::Part("Amt"))?;
    let parts: Option<Vec<Amount>> = details.iter().map(|details| moved(details)).collect();
    let parts = parts.filter(|parts| parts.len() > 1);
    let sum = parts.and_then(|parts| {
        let zero = Amount::zero(whole.currency());
        parts.into_iter().try_fold(zero, |sum, part| sum.plus(part).ok())
    });
    if sum.is_some_and(|sum| sum != whole) {
        return Err(Fault::Total);
    }
    let date = date(entry).ok_or(Fault::Part("BookgDt"))?;
    let reversal = entry.text_at("RvslInd") == Some("true");
    let mut named = false;
    for details in &details {
        let id = details.text_at("Refs/EndToEndId").filter(|id| *id != "NOTPROVIDED");
        let Some(id) = id else { continue };
        named = true;
        let indicator = details.text_at("CdtDbtInd").or_else(|| entry.text_at("CdtDbtInd"));
        let back = details.at("RtrInf");
        let fate = match indicator {
            Some("DBIT") if !reversal && back.is_none() => Fate::Booked,
            Some("CRDT") if reversal || back.is_some() => Fate::Returned(reason(back)),
            Some("CRDT") => Fate::Credited,
            Some(_) | None => return Err(Fault::Part("CdtDbtInd")),
        };
        let ordered = details.at("AmtDtls/InstdAmt/Amt").and_then(amount);
        let alone = Some(whole).filter(|_| details_alone(entry));
        let amount = ordered.or_else(|| moved(details)).or(alone).ok_or(Fault::Part("Amt"))?;
        let end_to_end = id.to_owned();
        reply.answers.push(Answer { place, end_to_end, amount, date, fate });
    }
    if !named {
        reply.other = reply.other.saturating_add(1);
    }
    Ok(())
}

fn details_alone(entry: &Element) -> bool {
    entry.all("NtryDtls").flat_map(|details| details.all("TxDtls")).count() == 1
}

/// Returns what a transaction moved on the account.
fn moved(details: &Element) -> Option<Amount> {
    details.at("AmtDtls/TxAmt/Amt").or_else(|| details.at("Amt")).and_then(amount)
}

fn amount(element: &Element) -> Option<Amount> {
    let currency = Currency::parse(element.attribute("Ccy")?).ok()?;
    let amount = Amount::parse(&padded(element.text(), currency), currency).ok()?;
    Some(amount).filter(|amount| amount.minor() > 0)
}

/// Adds the decimals that a bank may leave out: `12` and `12.5` are amounts to ISO 20022. More decimals
/// than the currency has stay as they are, and are refused.
fn padded(text: &str, currency: Currency) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let decimals = usize::from(currency.exponent());
    if decimals == 0 && fraction.is_empty() {
        return whole.to_owned();
    }
    format!("{whole}.{fraction:0<decimals$}")
}

fn date(entry: &Element) -> Option<Date> {
    let text = entry.text_at("BookgDt/Dt").or_else(|| entry.text_at("BookgDt/DtTm"))?;
    text.get(..10)?.parse().ok()
}

/// The reason of a return; ISO 20022 calls one that is told in words, or not at all, NARR.
fn reason(back: Option<&Element>) -> String {
    let text = |path| back.and_then(|back| back.text_at(path)).and_then(code);
    text("Rsn/Cd").or_else(|| text("Rsn/Prtry")).unwrap_or_else(|| "NARR".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A notification of entries, in the form of a version.
    fn notification(version: &str, entries: &str) -> Result<Reply, AnswerError> {
        let text = format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.{version}\">\
             <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>B1</MsgId></GrpHdr><Ntfctn><Id>1</Id>{entries}\
             </Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
        );
        read_camt054(text.as_bytes())
    }

    fn entry(amount: &str, side: &str, status: &str, details: &str) -> String {
        format!(
            "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>{status}\
             <BookgDt><Dt>2027-01-04</Dt></BookgDt><NtryDtls>{details}</NtryDtls></Ntry>"
        )
    }

    fn details(id: &str, rest: &str) -> String {
        format!("<TxDtls><Refs><EndToEndId>{id}</EndToEndId></Refs>{rest}</TxDtls>")
    }

    const OLD: &str = "<Sts>BOOK</Sts>";
    const NEW: &str = "<Sts><Cd>BOOK</Cd></Sts>";

    #[test]
    fn both_versions_say_what_was_booked_and_what_came_back() {
        let back = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>";
        for (version, status) in [("02", OLD), ("08", NEW)] {
            let entries = [
                entry("18892.32", "DBIT", status, &details("A1", "")),
                entry("1480.14", "CRDT", status, &details("A2", back)),
                entry("5", "CRDT", status, &details("A3", "")),
                entry("7.5", "DBIT", status, &details("NOTPROVIDED", "")),
                entry("1.00", "DBIT", "<Sts>PDNG</Sts>", &details("A4", "")),
            ];
            let reply = notification(version, &entries.concat()).unwrap();
            let told: Vec<_> = reply
                .answers
                .iter()
                .map(|a| (a.place, a.end_to_end.as_str(), a.amount.minor(), a.fate.clone()))
                .collect();
            let expected = [
                (1, "A1", 1_889_232, Fate::Booked),
                (2, "A2", 148_014, Fate::Returned("AC04".into())),
                (3, "A3", 500, Fate::Credited),
            ];
            assert_eq!(told, expected, "version {version}");
            assert_eq!((reply.pending, reply.other), (1, 1));
            assert!(reply.findings.is_empty());
        }
    }

    #[test]
    fn a_batch_is_as_much_as_its_payments_or_none_of_it_counts() {
        let part = |id: &str, amount: &str| {
            details(id, &format!("<Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd>"))
        };
        let batch = [part("A1", "1.00"), part("A2", "2.00")].concat();
        let good = notification("08", &entry("3.00", "DBIT", NEW, &batch)).unwrap();
        assert_eq!(good.answers.len(), 2);
        let wrong = notification("08", &entry("3.01", "DBIT", NEW, &batch)).unwrap();
        assert!(wrong.answers.is_empty(), "a batch that does not add up was taken in part");
        assert_eq!(wrong.findings, [Finding { place: 1, fault: Fault::Total }]);
    }

    #[test]
    fn a_file_whose_sums_do_not_fit_is_refused_whole() {
        let one = entry("3.00", "DBIT", NEW, &details("A1", ""));
        let summary = |count: &str, sum: &str| {
            format!(
                "<TxsSummry><TtlNtries><NbOfNtries>{count}</NbOfNtries><Sum>{sum}</Sum></TtlNtries>\
                 </TxsSummry>{one}"
            )
        };
        assert_eq!(notification("08", &summary("1", "3.00")).unwrap().answers.len(), 1);
        let cut = notification("08", &summary("2", "3.00"));
        assert!(matches!(cut, Err(AnswerError::Sum("NbOfNtries"))), "an entry is missing");
        assert!(matches!(notification("08", &summary("1", "3.01")), Err(AnswerError::Sum("Sum"))));
        assert!(matches!(notification("03", &one), Err(AnswerError::Version)));
    }

    #[test]
    fn an_entry_without_its_parts_is_a_finding() {
        for (entry, fault) in [
            (entry("0", "DBIT", NEW, &details("A1", "")), Fault::Part("Amt")),
            (entry("1.001", "DBIT", NEW, &details("A1", "")), Fault::Part("Amt")),
            (entry("1", "BOTH", NEW, &details("A1", "")), Fault::Part("CdtDbtInd")),
            (
                entry("1", "DBIT", NEW, &details("A1", "")).replace("2027-01-04", "soon"),
                Fault::Part("BookgDt"),
            ),
        ] {
            let reply = notification("08", &entry).unwrap();
            assert_eq!(reply.findings, [Finding { place: 1, fault }]);
            assert!(reply.answers.is_empty());
        }
    }
}
