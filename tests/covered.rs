//! A cover from outside: events of enrolled people are paid once, ordered from the bank, told on paper,
//! booked and audited; and whoever changes what was recorded is found.
//!
//! Comes in: the command alone. Goes out: payments, pages, books, findings. Never: a look into the library.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha3::Digest as _;

#[path = "whole/commons.rs"]
mod commons;
#[path = "whole/plain.rs"]
mod plain;

use commons::{Commons, Said, files};

const POLICY: &str = "checkups-2026";

/// A policy of many events a person, so that what was paid without being due can be kept from later ones.
const TERMS: &str = "\
policy   = 'checkups-2026'
kind     = 'insurance'
insurer  = 'vitana'
currency = 'EUR'
term     = { from = '2026-01-01', until = '2027-01-01' }
purpose  = 'HL7:HPAYMT'
sum        = '100.00'
cap_person = '250.00'
event_days = 30
partly     = true

[[trigger]]
name   = 'high-glucose'
table  = 'labs'
id     = 'id'
day    = 'day'
code   = { column = 'code', any = ['http://loinc.org|1504-0'] }
value  = { column = 'value', at_least = '180', unit = { column = 'unit', is = 'mg/dL', of = 'glucose' } }
status = { column = 'status', is = ['final'], refuse = ['entered-in-error'] }
";

const SCHEMA: &str = "\
table       = 'labs'
description = 'laboratory values'
category    = 'labs'

[[column]]
name = 'id'
type = 'string'
role = 'direct'

[[column]]
name     = 'person'
type     = 'string'
role     = 'person'
required = true

[[column]]
name        = 'code'
type        = 'string'
role        = 'measure'
code_system = 'http://loinc.org'
deid        = { kernel = 'keep', allow = 'a code' }

[[column]]
name = 'day'
type = 'date'
role = 'quasi'
deid = { kernel = 'shift-date' }

[[column]]
name = 'value'
type = 'float'
role = 'sensitive'
deid = { kernel = 'keep' }

[[column]]
name = 'unit'
type = 'string'
role = 'measure'
deid = { kernel = 'keep', allow = 'a unit' }

[[column]]
name = 'status'
type = 'string'
role = 'measure'
deid = { kernel = 'keep', allow = 'a status' }
";

const PIPELINE: &str = "\
name    = 'labs'
dataset = 'labs'
purpose = ['DUO:0000006']

[[source]]
institution = 'north'
table       = 'labs'
schema      = 'labs.toml'
format      = 'csv'
path        = 'north.csv'

[[source]]
institution = 'south'
table       = 'labs'
schema      = 'labs.toml'
format      = 'csv'
path        = 'south.csv'

[deid]
profile        = 'expert'
k              = 2
suppress_limit = 1.0
shift_days_max = 100

[quality]
rejects_max = 0.0

[lake]
rows_per_segment = 1000
";

fn at(commons: &Commons, now: &str, arguments: &[&str]) -> Said {
    commons.run(&[arguments, &["--now", now]].concat())
}

#[track_caller]
fn ok(commons: &Commons, now: &str, arguments: &[&str]) -> Said {
    commons.ok(&[arguments, &["--now", now]].concat())
}

fn write(commons: &Commons, name: &str, text: &str) -> String {
    let file = commons.path(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    plain::write(&file, text).unwrap();
    file.display().to_string()
}

/// Evaluates a quarter's rows of two hospitals: `(id, person, day, value, status)`.
fn run(commons: &Commons, now: &str, north: &[[&str; 5]], south: &[[&str; 5]]) -> Value {
    for (name, rows) in [("north", north), ("south", south)] {
        let mut text = "id,person,code,day,value,unit,status\n".to_owned();
        for [id, person, day, value, status] in rows {
            writeln!(text, "{id},{person},1504-0,{day},{value},mg/dL,{status}").unwrap();
        }
        drop(write(commons, &format!("input/{name}.csv"), &text));
    }
    let (pipeline, input) = (commons.path("labs-run.toml"), commons.path("input"));
    let (pipeline, input) = (pipeline.to_str().unwrap(), input.to_str().unwrap());
    let run = ["cover", "run", pipeline, "--input", input, "--policy", POLICY, "--format", "json"];
    let said = ok(commons, now, &run);
    serde_json::from_str::<Value>(&said.out).unwrap()[0].clone()
}

/// Makes a site with an open policy in which twelve people are enrolled and consented.
fn enrolled(name: &str) -> Commons {
    let commons = Commons::new(name);
    commons.ok(&["init", commons.path("site").to_str().unwrap(), "--now", "2026-01-01T00:00:00Z"]);
    let terms = write(&commons, "policy.toml", TERMS);
    drop(write(&commons, "labs.toml", SCHEMA));
    drop(write(&commons, "labs-run.toml", PIPELINE));
    let (mut consents, mut people) = (
        "contributor,action,purposes,institutions,categories,valid_from,valid_until,decided_at\n"
            .to_owned(),
        "contributor,enrolled\n".to_owned(),
    );
    for number in 1..=12 {
        let day = "2026-01-02T00:00:00Z";
        writeln!(consents, "p{number:02},grant,HL7:HPAYMT,*,*,2026-01-02,,{day}").unwrap();
        writeln!(people, "p{number:02},2026-01-05").unwrap();
    }
    let (consents, people) =
        (write(&commons, "consents.csv", &consents), write(&commons, "people.csv", &people));
    ok(&commons, "2026-01-03T00:00:00Z", &["consent", "import", &consents]);
    ok(&commons, "2026-01-03T00:00:00Z", &["cover", "open", &terms]);
    fund(&commons, "2026-01-04T00:00:00Z", "1400.00", "wire-1");
    ok(&commons, "2026-01-05T00:00:00Z", &["cover", "enrol", POLICY, &people]);
    commons
}

fn fund(commons: &Commons, now: &str, amount: &str, reference: &str) {
    let whom = ["--sponsor", "vitana", "--reference", reference];
    ok(commons, now, &[&["cover", "fund", POLICY, amount][..], &whom].concat());
}

/// Everybody's event in February, two of them seen at both hospitals; then one row is taken back, and
/// there are more events than money.
fn lived(name: &str) -> Commons {
    let commons = enrolled(name);
    let ids: Vec<(String, String)> =
        (1..=12).map(|n| (format!("n{n}"), format!("p{n:02}"))).collect();
    let february: Vec<[&str; 5]> =
        ids.iter().map(|(id, who)| [id, who, "2026-02-02", "190", "final"]).collect();
    let south = [
        ["s1", "p01", "2026-02-03", "200", "final"],
        ["s2", "p02", "2026-02-04", "179.9", "final"],
        ["s3", "p99", "2026-02-04", "200", "final"],
    ];
    let first = run(&commons, "2026-02-10T00:00:00Z", &february, &south);
    assert_eq!(first["events"], 12, "{first}");
    let again = run(&commons, "2026-02-11T00:00:00Z", &february, &south);
    assert_eq!(again["commit"], Value::Null, "the same rows paid twice");
    // p02's only row, and one of p01's two, are taken back.
    let back = [
        ["n1", "p01", "2026-02-02", "190", "entered-in-error"],
        ["n2", "p02", "2026-02-02", "190", "entered-in-error"],
    ];
    let second = run(&commons, "2026-03-10T00:00:00Z", &back, &[]);
    assert_eq!((&second["events"], &second["flagged"]), (&0.into(), &1.into()), "{second}");
    // 200 euros are left: p02's next is kept, p01 and p03 are paid, p04 waits.
    let april = [
        ["n20", "p02", "2026-04-10", "190", "final"],
        ["n21", "p01", "2026-04-11", "190", "final"],
        ["n22", "p03", "2026-04-12", "190", "final"],
        ["n23", "p04", "2026-04-13", "190", "final"],
    ];
    let third = run(&commons, "2026-04-20T00:00:00Z", &april, &[]);
    assert_eq!((&third["events"], &third["waiting"]), (&3.into(), &1.into()), "{third}");
    fund(&commons, "2026-04-21T00:00:00Z", "50.00", "wire-2");
    // A part of it is paid of the new money, as the policy allows.
    let fourth = run(&commons, "2026-04-22T00:00:00Z", &[], &[]);
    assert_eq!(fourth["events"], 1, "{fourth}");
    commons
}

/// Makes the German IBAN of an account number, its check digits as ISO 13616 says.
fn iban(account: u64) -> String {
    let body = format!("37040044{account:010}");
    let digits = format!("{body}131400");
    let rest = digits.bytes().fold(0, |sum, b| (sum * 10 + u64::from(b - b'0')) % 97);
    format!("DE{:02}{body}", 98 - rest)
}

fn order(commons: &Commons, now: &str, period: &str) -> (Value, String) {
    let debtor = write(commons, "debtor.toml", &format!("name = 'Vitana'\niban = '{}'\n", iban(9)));
    let out = commons.path("order.xml");
    let export = ["payout", "export", POLICY, period, "--debtor", &debtor, "--format", "json"];
    let said = ok(commons, now, &[&export[..], &["--out", out.to_str().unwrap()]].concat());
    (serde_json::from_str(&said.out).unwrap(), plain::read_to_string(out).unwrap())
}

/// The bank's answer to every payment of an order: the outcome by its place.
fn answer(
    commons: &Commons,
    now: &str,
    xml: &str,
    outcome: impl Fn(usize) -> &'static str,
) -> Value {
    let mut text = "end_to_end,outcome,amount,currency,date,reason\n".to_owned();
    let inner = |block: &str, from: &str, to: &str| {
        block.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned()
    };
    for (place, block) in xml.split("<CdtTrfTxInf>").skip(1).enumerate() {
        let id = inner(block, "<EndToEndId>", "</EndToEndId>");
        let amount = inner(block, "<InstdAmt Ccy=\"EUR\">", "</InstdAmt>");
        let reason = if outcome(place) == "returned" { "AC04" } else { "" };
        writeln!(text, "{id},{},{amount},EUR,2026-05-04,{reason}", outcome(place)).unwrap();
    }
    let file = write(commons, "bank.csv", &text);
    let settle = ["payout", "settle", POLICY, "--file", &file, "--format", "json"];
    serde_json::from_str(&ok(commons, now, &settle).out).unwrap()
}

fn payees(commons: &Commons, now: &str, numbers: std::ops::RangeInclusive<u64>) {
    let mut text = "contributor,person,verified,country,name,iban,bic\n".to_owned();
    for number in numbers {
        writeln!(text, "p{number:02},,,DE,Holder {number},{},", iban(number)).unwrap();
    }
    let file = write(commons, "payees.csv", &text);
    ok(commons, now, &["payee", "import", &file]);
}

fn balance(commons: &Commons, account: &str) -> i64 {
    let said = ok(commons, "2026-06-01T00:00:00Z", &["cover", "journal", POLICY, "--as", "csv"]);
    let mut reader = csv::Reader::from_reader(said.out.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    rows.filter(|row| row[5] == *account).map(|row| row[7].parse::<i64>().unwrap()).sum()
}

fn audit(commons: &Commons) -> Said {
    at(commons, "2026-06-02T00:00:00Z", &["audit", "--no-publish", "--format", "csv"])
}

#[test]
fn an_event_is_paid_once_kept_books_and_told_in_plain_words() {
    let commons = lived("covered");
    let now = "2026-05-02T00:00:00Z";
    payees(&commons, now, 1..=11);
    // Nothing of May is owed; what April and February owe is: p12 has no account.
    let (first, xml) = order(&commons, now, "2026-Q1");
    assert_eq!((&first["lines"]["count"], &first["waiting"]), (&11.into(), &1.into()), "{first}");
    assert!(xml.contains("Benefit 2026-Q1"));
    for word in ["glucose", "checkup", "diabetes", "vitana-", "p01"] {
        assert!(!xml.to_lowercase().contains(word), "the bank reads `{word}`");
    }
    let (again, same) = order(&commons, now, "2026-Q1");
    assert_eq!((&again["message"], &same), (&first["message"], &xml), "they are paid twice");
    let heard = answer(&commons, now, &xml, |place| if place == 0 { "returned" } else { "booked" });
    assert_eq!((&heard["booked"], &heard["returned"]), (&10.into(), &1.into()));
    // The next order has April's, what came back and, with an account by now, p12.
    payees(&commons, now, 12..=12);
    let (second, xml) = order(&commons, now, "2026-Q2");
    assert_eq!(second["waiting"], 0);
    assert_eq!(second["lines"]["count"], 5, "{second}");
    assert_eq!(answer(&commons, now, &xml, |_| "booked")["booked"], 5);
    let shown = ok(&commons, now, &["payout", "show", POLICY, "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap().as_array().unwrap().len(), 2);

    // 1,450 euros came in and 1,450 were paid: 12 of February, two and a half of April.
    assert_eq!(balance(&commons, "Assets:Bank"), 0);
    assert_eq!(balance(&commons, "Liabilities:Cover:Checkups-2026"), 0);
    assert_eq!(balance(&commons, "Liabilities:Payable:Checkups-2026"), 0);
    assert_eq!(balance(&commons, "Assets:Recoverable:Checkups-2026"), 0, "p02's was kept");

    let statement = |who: &str, options: &[&str]| {
        ok(&commons, now, &[&["statement", who][..], options].concat()).out
    };
    let told = statement("p02", &[]);
    for words in
        ["What your cover paid", "due to you, paid once", "not due after all", "nobody asks"]
    {
        assert!(told.contains(words), "not told: {words}\n{told}");
    }
    assert!(told.contains("sent to your account"), "{told}");
    assert!(statement("p02", &["--lang", "de"]).contains("niemand fordert das Geld zurück"));
    let json: Value = serde_json::from_str(&statement("p04", &["--format", "json"])).unwrap();
    assert_eq!(json[0]["format"], "almoner-cover-statement/v1");
    let outcomes: Vec<&str> = json[0]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["paid", "waiting", "paid"]);
    let out = commons.path("papers");
    let files_of = ["--all", "--as", "html,csv,json", "--out", out.to_str().unwrap()];
    ok(&commons, now, &[&["statement"][..], &files_of].concat());
    let papers = files(&out);
    assert_eq!(papers.len(), 36);
    assert!(papers.iter().all(|file| !file.to_str().unwrap().contains("p0")), "a name in a name");
    let nobody = at(&commons, now, &["statement", "p77"]);
    assert_ne!(nobody.code, Some(0));

    let clean = audit(&commons);
    assert_eq!(clean.code, Some(0), "{}{}", clean.out, clean.err);
    let deep = commons.run(&["verify", "--deep"]);
    assert_eq!(deep.code, Some(0), "{}{}", deep.out, deep.err);
    flipped(&commons);
    dressed_up(&commons);
    assert_eq!(audit(&commons).code, Some(0), "the site was not put back");
}

/// A byte changed in each object of a cover is named.
fn flipped(commons: &Commons) {
    let site = commons.path("site");
    for file in files(&site.join("vault/covers")) {
        let good = plain::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        plain::write(&file, &bad).unwrap();
        let said = audit(commons);
        plain::write(&file, &good).unwrap();
        let name = file.strip_prefix(&site).unwrap().to_str().unwrap();
        assert_eq!(said.code, Some(7), "{name}: {}{}", said.out, said.err);
        assert!(said.out.contains(name), "{name} is not named:\n{}", said.out);
    }
}

/// What is done to the lines of an evaluation.
type Change<'a> = &'a dyn Fn(&mut Vec<Value>);

/// Lines that are changed with care: the object's name, its digest and count in the commit made anew.
fn dressed_up(commons: &Commons) {
    let commits = files(&commons.path("site/vault/covers/commits"));
    let evaluations: Vec<PathBuf> = commits
        .into_iter()
        .filter(|file| plain::read_to_string(file).unwrap().contains("\"kind\": \"evaluated\""))
        .collect();
    let first = &evaluations[0];
    let changes: [(&str, Change<'_>, &str); 3] = [
        ("an amount", &|lines| lines[0]["paid_minor"] = 10_001.into(), "its policy says"),
        ("a line left out", &|lines| drop(lines.remove(0)), "root is not that of its lines"),
        (
            "an event paid twice",
            &|lines| {
                let paid = lines.iter().find(|line| line["outcome"] == "paid").unwrap().clone();
                let known = lines.iter_mut().find(|line| line["outcome"] == "known").unwrap();
                for member in ["outcome", "owed_minor", "paid_minor"] {
                    known[member] = paid[member].clone();
                }
            },
            "it pays an event twice",
        ),
    ];
    for (what, change, fault) in changes {
        let text = changed(commons, first, change);
        let good = plain::read_to_string(first).unwrap();
        plain::write(first, text).unwrap();
        let said = audit(commons);
        plain::write(first, good).unwrap();
        assert_eq!(said.code, Some(7), "{what} went unseen");
        assert!(said.out.contains(fault), "{what}: not found: {fault}\n{}", said.out);
    }
    // An evaluation that is moved before the money came in: the two commits change places.
    let funded = commons.path("site/vault/covers/commits/000000000002.json");
    let (money, events) = (plain::read(&funded).unwrap(), plain::read(first).unwrap());
    plain::write(&funded, &events).unwrap();
    plain::write(first, &money).unwrap();
    let said = audit(commons);
    plain::write(&funded, &money).unwrap();
    plain::write(first, &events).unwrap();
    assert_eq!(said.code, Some(7));
    for fault in ["the policy paid more than had come in", "it is older than the one before it"] {
        assert!(said.out.contains(fault), "not found: {fault}\n{}", said.out);
    }
    // A payment to the bank that no evaluation owes.
    let order = files(&commons.path("site/vault/payouts/commits")).remove(0);
    let good = plain::read_to_string(&order).unwrap();
    let list = good.find("\"settlements\"").unwrap();
    let at = list + good[list..].find(|c: char| c.is_ascii_digit()).unwrap();
    let mut bad = good.clone();
    bad.replace_range(at..=at, "2");
    plain::write(&order, bad).unwrap();
    let said = audit(commons);
    plain::write(&order, good).unwrap();
    assert_eq!(said.code, Some(7), "an order that pays of a payment went unseen");
    assert!(said.out.contains("it pays what is not owed"), "{}", said.out);
}

/// Changes the lines of an evaluation, writes them as an object of their own, and returns the commit that
/// names it; its sums are those of the changed lines.
fn changed(commons: &Commons, commit: &Path, change: Change<'_>) -> String {
    let text = plain::read_to_string(commit).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let old = &value["act"]["lines"];
    let (path, digest) = (old["path"].as_str().unwrap(), old["digest"].as_str().unwrap());
    let lines = plain::read_to_string(commons.path("site/vault").join(path)).unwrap();
    let mut lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    change(&mut lines);
    let mut bytes = String::new();
    for line in &lines {
        writeln!(bytes, "{}", ordered(line)).unwrap();
    }
    let fresh =
        sha3::Sha3_256::digest(bytes.as_bytes()).iter().fold(String::new(), |mut all, b| {
            write!(all, "{b:02x}").unwrap();
            all
        });
    plain::write(commons.path(&format!("site/vault/covers/lines/{fresh}.ndjson")), bytes).unwrap();
    text.replace(digest, &fresh)
}

/// Writes a line's members in the order in which they were recorded.
fn ordered(line: &Value) -> String {
    let members = [
        "contributor",
        "event",
        "outcome",
        "day",
        "trigger",
        "row",
        "category",
        "evidence",
        "owed_minor",
        "recovered_minor",
        "paid_minor",
    ];
    let one = |name: &str| format!("\"{name}\":{}", line[name]);
    format!("{{{}}}", members.map(one).join(","))
}
