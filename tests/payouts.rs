//! Payouts from outside: people and institutions of a settled pool are paid by a bank that books, returns
//! and errs, and nobody is paid twice or forgotten.
//!
//! Comes in: the command alone. Goes out: orders, answers, books. Never: a look into the library.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use arrow::array::AsArray as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

#[path = "whole/commons.rs"]
mod commons;
#[path = "whole/people.rs"]
mod people;
#[path = "whole/plain.rs"]
mod plain;

use commons::{Commons, Said};

const POOL: &str = "diabetes-2026";
const NOW: &str = "2027-01-05T09:00:00Z";

/// Makes a site that has lived, to the day after its quarter was settled.
fn settled(name: &str) -> Commons {
    let commons = Commons::new(name);
    people::prepare(&commons, 200);
    let ingest = people::ingest(&commons);
    commons.ok(&ingest.each_ref().map(String::as_str));
    people::ask(&commons);
    commons.ok(&["settle", POOL, "--period", "2026-Q4", "--now", "2027-01-02T00:00:00Z"]);
    commons
}

fn run(commons: &Commons, arguments: &[&str]) -> Said {
    commons.run(&[arguments, &["--now", NOW]].concat())
}

#[track_caller]
fn ok(commons: &Commons, arguments: &[&str]) -> Said {
    commons.ok(&[arguments, &["--now", NOW]].concat())
}

/// Returns the settlement that was recorded: the newest pool commit's act.
fn settlement(commons: &Commons) -> Value {
    let folder = commons.path("site/vault/pools/commits");
    let newest = commons::files(&folder).pop().unwrap();
    let commit: Value = serde_json::from_str(&plain::read_to_string(newest).unwrap()).unwrap();
    commit["act"].clone()
}

/// Returns who is paid by the settlement: (name, minor units), of people or of institutions.
fn paid(commons: &Commons, lines: &Value, column: &str) -> Vec<(String, i64)> {
    let path = commons.path("site/vault").join(lines["path"].as_str().unwrap());
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(plain::read(path).unwrap()))
            .unwrap();
    let mut paid = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let names = batch.column_by_name(column).unwrap().as_string::<i32>().clone();
        let minors = batch.column_by_name("paid_minor").unwrap();
        let minors = minors.as_primitive::<arrow::datatypes::Int64Type>();
        let all = names.iter().zip(minors.values());
        paid.extend(all.map(|(name, minor)| (name.unwrap().to_owned(), *minor)));
    }
    paid.retain(|(_, minor)| *minor > 0);
    paid
}

/// Makes the German IBAN of an account number, its check digits as ISO 13616 says.
fn iban(account: u64) -> String {
    let body = format!("37040044{account:010}");
    // `DE00` moved to the end, D as 13 and E as 14.
    let digits = format!("{body}131400");
    let rest = digits.bytes().fold(0, |sum, b| (sum * 10 + u64::from(b - b'0')) % 97);
    format!("DE{:02}{body}", 98 - rest)
}

/// Writes a register of payees: everybody but those of `without` with an account of their own.
fn payees(commons: &Commons, everybody: &[(String, bool)], without: &[&str]) -> PathBuf {
    let mut text = "contributor,institution,person,verified,country,name,iban,bic\n".to_owned();
    for (at, (name, is_person)) in (1..).zip(everybody) {
        let (contributor, institution) =
            if *is_person { (name.as_str(), "") } else { ("", name.as_str()) };
        let account = if without.contains(&name.as_str()) {
            ",,".to_owned()
        } else {
            format!("Holder {at},{},COBADEFFXXX", iban(at))
        };
        writeln!(text, "{contributor},{institution},,,DE,{account}").unwrap();
    }
    let file = commons.path("payees.csv");
    plain::write(&file, text).unwrap();
    file
}

fn order(commons: &Commons, out: &Path) -> (Said, Value) {
    let debtor = commons.path("debtor.toml");
    let text = format!("name = 'Care Commons'\niban = '{}'\nbic = 'COBADEFFXXX'\n", iban(999));
    plain::write(&debtor, text).unwrap();
    let (debtor, out) = (debtor.to_str().unwrap(), out.to_str().unwrap());
    let export = ["payout", "export", POOL, "2026-Q4", "--debtor", debtor, "--out", out];
    let said = ok(commons, &[&export[..], &["--format", "json"]].concat());
    let value = serde_json::from_str(&said.out).unwrap();
    (said, value)
}

/// Returns the payments of an order: (end-to-end id, amount as written).
fn payments(file: &Path) -> Vec<(String, String)> {
    let text = plain::read_to_string(file).unwrap();
    let inner = |block: &str, from: &str, to: &str| {
        block.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned()
    };
    let blocks = text.split("<CdtTrfTxInf>").skip(1);
    let payment = |block: &str| {
        let amount = inner(block, "<InstdAmt Ccy=\"EUR\">", "</InstdAmt>");
        (inner(block, "<EndToEndId>", "</EndToEndId>"), amount)
    };
    blocks.map(payment).collect()
}

/// Writes the bank's notification: each payment booked, then those of `returned` returned.
fn notify(file: &Path, booked: &[(String, String)], returned: &[(String, String)]) {
    let entry = |(id, amount): &(String, String), side: &str, rest: &str| {
        format!(
            "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>\
             <Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2027-01-05</Dt></BookgDt><NtryDtls><TxDtls>\
             <Refs><EndToEndId>{id}</EndToEndId></Refs>{rest}</TxDtls></NtryDtls></Ntry>\n"
        )
    };
    let back = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>";
    let entries: String = booked
        .iter()
        .map(|payment| entry(payment, "DBIT", ""))
        .chain(returned.iter().map(|payment| entry(payment, "CRDT", back)))
        .collect();
    let count = booked.len() + returned.len();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\">\
         <BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>B1</MsgId></GrpHdr><Ntfctn><Id>N1</Id>\
         <TxsSummry><TtlNtries><NbOfNtries>{count}</NbOfNtries></TtlNtries></TxsSummry>\n\
         {entries}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>\n"
    );
    plain::write(file, text).unwrap();
}

fn answered(commons: &Commons, file: &Path) -> Value {
    let file = file.to_str().unwrap();
    let said = ok(commons, &["payout", "settle", POOL, "--file", file, "--format", "json"]);
    serde_json::from_str(&said.out).unwrap()
}

/// Returns the balance of an account by a pool's journal, in minor units.
fn balance(commons: &Commons, account: &str, options: &[&str]) -> i64 {
    let journal = ["pool", "journal", POOL, "--as", "csv"];
    let said = ok(commons, &[&journal[..], options].concat());
    let mut reader = csv::Reader::from_reader(said.out.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    let own = rows.filter(|row| row[5] == *account || row[5].starts_with(&format!("{account}:")));
    own.map(|row| row[7].parse::<i64>().unwrap()).sum()
}

#[test]
fn everybody_is_paid_once_whatever_the_bank_says_and_however_often() {
    let commons = settled("payouts");
    let act = settlement(&commons);
    let people = paid(&commons, &act["lines"], "contributor");
    let institutions = paid(&commons, &act["institution_lines"], "institution");
    assert!(people.len() > 20 && !institutions.is_empty(), "the settlement pays too few");
    let owed: i64 = people.iter().chain(&institutions).map(|(_, minor)| minor).sum();
    let everybody: Vec<(String, bool)> = people
        .iter()
        .map(|(name, _)| (name.clone(), true))
        .chain(institutions.iter().map(|(name, _)| (name.clone(), false)))
        .collect();

    // All but one have an account; the register takes the file once.
    let (late, bank, order_xml) =
        (everybody[0].0.clone(), commons.path("bank.xml"), commons.path("order.xml"));
    let file = payees(&commons, &everybody, &[&late]);
    let file = file.to_str().unwrap();
    let taken = ok(&commons, &["payee", "import", file, "--format", "json"]);
    let taken: Value = serde_json::from_str(&taken.out).unwrap();
    assert_eq!(taken["contributors"], people.len());
    let again = ok(&commons, &["payee", "import", file]);
    assert!(again.err.contains("nothing new"), "{}", again.err);

    // One order pays all who have an account, and is the same order when it is asked for again.
    let (_, first) = order(&commons, &order_xml);
    assert_eq!(first["waiting"], 1);
    let count = everybody.len() - 1;
    assert_eq!(first["lines"]["count"], count);
    let mode = fs::metadata(&order_xml).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "others could read where people bank");
    let bytes = plain::read(&order_xml).unwrap();
    let (said, second) = order(&commons, &order_xml);
    assert!(said.err.contains("the same file again"), "{}", said.err);
    assert_eq!((plain::read(&order_xml).unwrap(), &second["message"]), (bytes, &first["message"]));
    let payments_of_first = payments(&order_xml);
    assert_eq!(payments_of_first.len(), count);
    checked(&commons, &order_xml, count);

    // The bank books all and returns two; the same answer again changes nothing.
    notify(&bank, &payments_of_first, &payments_of_first[3..5]);
    let heard = answered(&commons, &bank);
    assert_eq!(
        (heard["booked"].as_u64(), heard["returned"].as_u64()),
        (Some(count as u64), Some(2))
    );
    let again = answered(&commons, &bank);
    assert_eq!((&again["commit"], again["known"].as_u64()), (&Value::Null, Some(count as u64 + 2)));
    erring(&commons, &payments_of_first);

    // The next order holds the two under other ids, and whoever has an account by now.
    payees(&commons, &everybody, &[]);
    ok(&commons, &["payee", "import", file]);
    let (_, third) = order(&commons, &order_xml);
    assert_eq!((third["lines"]["count"].as_u64(), &third["waiting"]), (Some(3), &0.into()));
    let payments_of_third = payments(&order_xml);
    for (id, _) in &payments_of_third {
        assert!(payments_of_first.iter().all(|(old, _)| old != id), "an old id pays again");
    }
    notify(&bank, &payments_of_third, &[]);
    assert_eq!(answered(&commons, &bank)["booked"], 3);

    // The books, the bank and the settlement agree to the cent, and so does the audit.
    let funded = balance(&commons, "Assets:Bank", &["--until", "2027-01-04"]);
    assert_eq!(balance(&commons, "Assets:Bank", &[]), funded - owed, "bank and settlement differ");
    for account in ["Liabilities:Payable", "Liabilities:PayableInstitutions"] {
        let account = format!("{account}:Diabetes-2026");
        assert_eq!(balance(&commons, &account, &["--private"]), 0, "{account} is not empty");
    }
    let part = balance(&commons, "Assets:Bank", &["--from", "2027-01-05"]);
    assert_eq!(part, funded - owed, "a part of the days does not open with what was before");
    let audit = run(&commons, &["audit", "--no-publish", "--format", "csv"]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.out, audit.err);
    shown(&commons, owed);
    tampered(&commons);
}

/// A file whose own sums are wrong is refused, although a schema would take it.
fn checked(commons: &Commons, order: &Path, count: usize) {
    let said = ok(commons, &["payout", "check", order.to_str().unwrap(), "--format", "json"]);
    let sums: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(sums["count"], count);
    let text = plain::read_to_string(order).unwrap();
    let wrong = commons.path("wrong.xml");
    plain::write(&wrong, text.replacen("<CtrlSum>", "<CtrlSum>9", 1)).unwrap();
    let refused = run(commons, &["payout", "check", wrong.to_str().unwrap()]);
    assert_eq!(refused.code, Some(3), "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("CtrlSum"), "{}", refused.err);
}

/// What does not fit an order is told by its line and changes nothing.
fn erring(commons: &Commons, payments: &[(String, String)]) {
    let before = ok(commons, &["payout", "show", "--format", "json"]).out;
    let (id, amount) = &payments[0];
    let file = commons.path("bank.csv");
    let text = format!(
        "end_to_end,outcome,amount,currency,date,reason\n\
         AL00000000000000000000000000000000,booked,1.00,EUR,2027-01-05,\n\
         {id},returned,{amount}1,EUR,2027-01-05,AC04\n\
         {id},returned,{amount},USD,2027-01-05,AC04\n"
    );
    plain::write(&file, text).unwrap();
    let said = run(commons, &["payout", "settle", POOL, "--file", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(4), "{}{}", said.out, said.err);
    for line in ["line 2", "line 3", "line 4"] {
        assert!(said.err.contains(line), "{}", said.err);
    }
    assert!(!said.err.contains(amount.as_str()), "an amount is told: {}", said.err);
    assert_eq!(ok(commons, &["payout", "show", "--format", "json"]).out, before);
}

/// Grants are sums of a period, not people.
fn shown(commons: &Commons, owed: i64) {
    let giving = ["pool", "giving", POOL, "--prefix", "360G-test", "--funder-id", "XX-1"];
    let said = ok(commons, &[&giving[..], &["--funder-name", "Test Commons"]].concat());
    let package: Value = serde_json::from_str(&said.out).unwrap();
    let grants = package["grants"].as_array().unwrap();
    let sum: i64 = grants.iter().map(|grant| cents(&grant["amountDisbursed"])).sum();
    assert_eq!(sum, owed, "grants and payments differ");
    let people = grants.iter().filter(|grant| grant.get("recipientIndividual").is_some());
    assert_eq!(people.count(), 1, "people are told one by one");
}

fn cents(number: &Value) -> i64 {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<2}").parse().unwrap()
}

/// A changed account in the file for the bank, or a changed commit, is found and named.
fn tampered(commons: &Commons) {
    for folder in
        ["payouts/files", "payouts/lines", "payouts/answers", "payees/objects", "payouts/commits"]
    {
        let file = commons::files(&commons.path("site/vault").join(folder)).pop().unwrap();
        let good = plain::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        plain::write(&file, &bad).unwrap();
        let audit = run(commons, &["audit", "--no-publish", "--format", "csv"]);
        let deep = run(commons, &["verify", "--deep"]);
        plain::write(&file, &good).unwrap();
        assert_eq!(audit.code, Some(7), "{folder}: {}{}", audit.out, audit.err);
        assert!(audit.out.contains(folder), "{folder} is not named: {}", audit.out);
        assert_eq!(deep.code, Some(7), "{folder}: {}{}", deep.out, deep.err);
    }
}
