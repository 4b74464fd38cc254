//! Settlements under the auditor's eye: each kind of input and each column of lines tampered with, by
//! a byte and with care, with every digest, and where that is possible the entry in the book, made anew.
//!
//! Comes in: the command alone. Goes out: exit codes and findings. Never: a look into the library.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::{ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray, UInt32Array};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{
    commons::{Commons, Said, files},
    hex_digest, people, plain,
};

/// Rules with all that a settlement can do: reserve, three layers, caps, split, tax, tranches.
const RULES: &str = "\
name = 'whole'
version = 1
fee_bps = 500
reserve_bps = 100
minimum_minor = 25
tranches = [60, 40]

[[layer]]
kind = 'base'
ppm = 300_000

[[layer]]
kind = 'usage'
ppm = 500_000

[[layer]]
kind = 'new-data'
ppm = 200_000
half = 50
cap_ppm = 100_000

[cap]
person_ppm = 30_000

[split]
person_bps = 7_000
institution_bps = 2_500
platform_bps = 500

[[tax]]
country = 'DE'
from = '2026-01-01'
bps = 1_500

[[tax]]
country = '*'
from = '2026-01-01'
until = '2026-12-31'
bps = 900
";

/// The columns of a contributor's line that are money.
const MONEY: [&str; 17] = [
    "base_micro",
    "usage_micro",
    "new_micro",
    "value_micro",
    "gross_micro",
    "institution_micro",
    "platform_micro",
    "person_micro",
    "adjust_micro",
    "debt_micro",
    "held_micro",
    "vested_micro",
    "opening_micro",
    "closing_micro",
    "payable_minor",
    "tax_minor",
    "paid_minor",
];

const WEIGHTS: [&str; 4] = ["base_weight", "usage_weight", "new_weight", "value_weight"];

/// Makes a site with a pool under [`RULES`] that is funded, asked and decided on, not settled yet.
fn asked(name: &str) -> Commons {
    let commons = Commons::new(name);
    people::prepare(&commons, 200);
    let pipeline = plain::read_to_string(commons.path("pipeline.toml")).unwrap();
    if !pipeline.contains("[records]") {
        let records = "\n[records]\nsimilar = 0.9\nstratum = [\"conditions code\"]\n";
        plain::write(commons.path("pipeline.toml"), pipeline + records).unwrap();
    }
    let ingest = people::ingest(&commons);
    commons.ok(&ingest.each_ref().map(String::as_str));
    plain::write(commons.path("rules.toml"), RULES).unwrap();
    let rules = commons.path("rules.toml");
    let rules = rules.to_str().unwrap();
    let open = ["pool", "open", "whole", "--currency", "EUR", "--dataset", "diabetes"];
    commons.ok(&[&open[..], &["--rules", rules]].concat());
    fund(&commons, "7777.77", "wire-1", "2026-11-22T12:00:00Z");
    payees(&commons);
    people::ask(&commons);
    own_question(&commons);
    let words = ["--reason", "both belong to one house", "--approver", "the board"];
    commons.ok(&[&["party", "relate", "north-shore", "riverside"][..], &words].concat());
    let decide = |change: &[&str]| {
        let words = ["--reason", "by the rules of the house", "--approver", "the board"];
        commons.ok(&[&["settle", "override", "whole"][..], change, &words].concat());
    };
    decide(&["--price", "2=3"]);
    decide(&["--correct", &format!("{}=1.23", contributors(&commons)[0])]);
    commons
}

fn fund(commons: &Commons, amount: &str, reference: &str, now: &str) {
    let whom = ["--sponsor", "acme", "--reference", reference, "--now", now];
    commons.ok(&[&["pool", "fund", "whole", "--amount", amount][..], &whom].concat());
}

fn settle(commons: &Commons, period: &str, now: &str) -> Said {
    commons.ok(&["settle", "whole", "--period", period, "--now", now])
}

/// Asks one question more, for an institution that has sent records itself.
fn own_question(commons: &Commons) {
    let pass = commons.path("own-pass");
    let pass = pass.to_str().unwrap();
    let whose = ["--researcher", "r-2", "--institution", "north-shore", "--dataset", "diabetes"];
    let what = ["--purpose", "DUO:0000006", "--expires", "2027-11-22", "--out", pass];
    commons.ok(&[&["credential", "issue"][..], &whose, &what].concat());
    commons.ok(&["query", "--pass", pass, "SELECT count(*) AS patients FROM patients"]);
}

/// The contributors of the version, sorted.
fn contributors(commons: &Commons) -> Vec<String> {
    let batch = read(&one(commons, "vault/rosters/", ".parquet"));
    let names = batch.column_by_name("contributor").unwrap().as_string::<i32>();
    let mut names: Vec<String> = names.iter().map(|name| name.unwrap().to_owned()).collect();
    names.dedup();
    names
}

/// Returns the people whom the register came to know by a withdrawal. Files are named by their content, so
/// that the commits alone tell which of them those are.
fn withdrawn(commons: &Commons) -> Vec<String> {
    let vault = commons.path("site/vault");
    let mut people = Vec::new();
    for file in files(&vault.join("consent/commits")) {
        let commit: serde_json::Value =
            serde_json::from_slice(&plain::read(&file).unwrap()).unwrap();
        let path = commit["contributors"]["path"].as_str();
        if let Some(path) = path.filter(|_| commit["withdrawals"] != 0) {
            let keys = read(&vault.join(path));
            let ids = keys.column_by_name("contributor").unwrap().as_string::<i32>();
            people.extend(ids.iter().flatten().map(str::to_owned));
        }
    }
    people
}

/// Registers payees: pairs of ids are one person, every fifth is verified by nobody.
fn payees(commons: &Commons) {
    let mut text = "contributor,person,verified,country,name,iban,bic\n".to_owned();
    for (at, id) in contributors(commons).iter().enumerate() {
        let verified = at % 5 != 0;
        let country = ["DE", "FR", ""][at % 3];
        writeln!(text, "{id},person-{},{verified},{country},,,", at / 2).unwrap();
    }
    let file = commons.path("payees.csv");
    plain::write(&file, text).unwrap();
    commons.ok(&["payee", "import", file.to_str().unwrap()]);
}

/// Makes a site with two settlements, the second of which opens with what the first left.
fn lived(name: &str) -> Commons {
    let commons = asked(name);
    settle(&commons, "2026-Q4", "2027-01-02T00:00:00Z");
    fund(&commons, "1234.56", "wire-2", "2027-02-01T00:00:00Z");
    let id = &contributors(&commons)[1];
    let words = ["--reason", "not theirs", "--approver", "the board"];
    let change = ["--exclude-contributor", id.as_str()];
    let decide = [&["settle", "override", "whole"][..], &change, &words].concat();
    commons.ok(&[&decide[..], &["--now", "2027-02-02T00:00:00Z"]].concat());
    settle(&commons, "2027-Q1", "2027-04-02T00:00:00Z");
    commons
}

fn audit(commons: &Commons) -> Said {
    commons.run(&["audit", "--no-publish", "--format", "csv", "--now", "2027-04-03T00:00:00Z"])
}

fn recompute(commons: &Commons) -> Said {
    commons.run(&["audit", "recompute", "whole", "--format", "json"])
}

/// The only file, or the first, below a part of the site.
fn one(commons: &Commons, part: &str, end: &str) -> PathBuf {
    let site = commons.path("site");
    let name = |file: &PathBuf| file.strip_prefix(&site).unwrap().to_str().unwrap().to_owned();
    let found = files(&site)
        .into_iter()
        .find(|file| name(file).starts_with(part) && name(file).ends_with(end));
    found.unwrap_or_else(|| panic!("the site has no {part}*{end}"))
}

/// Copies a commons, so that what is done to the copy need not be undone.
fn copy(commons: &Commons, name: &str) -> Commons {
    let other = Commons::new(name);
    for file in files(&commons.folder) {
        let to = other.folder.join(file.strip_prefix(&commons.folder).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&file, &to).unwrap();
    }
    let keys = "site.keys";
    let mode = fs::metadata(commons.path(keys)).unwrap().permissions();
    fs::set_permissions(other.path(keys), mode).unwrap();
    other
}

fn read(file: &Path) -> RecordBatch {
    let bytes = bytes::Bytes::from(plain::read(file).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn written(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    drop(writer.close().unwrap());
    bytes
}

/// Changes one cell of the first row by one.
fn more(batch: &RecordBatch, column: &str) -> RecordBatch {
    let at = batch.schema().index_of(column).unwrap();
    let old = batch.column(at);
    let whole = old.as_primitive_opt::<arrow::datatypes::Int64Type>();
    let new: ArrayRef = if let Some(cells) = whole {
        let cells = cells.iter().enumerate();
        Arc::new(cells.map(|(row, c)| c.map(|c| c + i64::from(row == 0))).collect::<Int64Array>())
    } else {
        let cells = old.as_string::<i32>().iter().enumerate().map(|(row, cell)| {
            let cell: u128 = cell.unwrap().parse().unwrap();
            Some((cell + u128::from(row == 0)).to_string())
        });
        Arc::new(cells.collect::<StringArray>())
    };
    let mut columns = batch.columns().to_vec();
    columns[at] = new;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// Leaves the first row out.
fn fewer(batch: &RecordBatch) -> RecordBatch {
    batch.slice(1, batch.num_rows() - 1)
}

/// Puts other bytes in the place of an object, under their own digest, and makes every file that
/// names it name the new one: a commit, or inputs, which get a new seed and a new name in turn.
fn replaced(commons: &Commons, file: &Path, bytes: &[u8]) -> PathBuf {
    let (old, new) = (hex_digest(&plain::read(file).unwrap()), hex_digest(bytes));
    let name = file.file_name().unwrap().to_str().unwrap().replace(&old, &new);
    let to = file.with_file_name(name);
    plain::write(&to, bytes).unwrap();
    for other in files(&commons.path("site/vault/pools")) {
        let Ok(text) = plain::read_to_string(&other) else { continue };
        if !text.contains(&old) || other == to {
            continue;
        }
        let changed = text.replace(&old, &new);
        if other.parent().unwrap().ends_with("commits") {
            plain::write(&other, changed).unwrap();
        } else {
            replaced(commons, &other, &seeded(&changed));
        }
    }
    to
}

/// Gives inputs the seed of their other members, and canonical bytes.
fn seeded(text: &str) -> Vec<u8> {
    let mut inputs: serde_json::Value = serde_json::from_str(text).unwrap();
    let members = inputs.as_object_mut().unwrap();
    drop(members.remove("seed"));
    let seed = hex_digest(serde_json::to_string(&sorted(&inputs)).unwrap().as_bytes());
    inputs.as_object_mut().unwrap().insert("seed".into(), seed.into());
    serde_json::to_string(&sorted(&inputs)).unwrap().into_bytes()
}

/// The same value with its members in order.
fn sorted(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(members) => {
            let members: std::collections::BTreeMap<&String, serde_json::Value> =
                members.iter().map(|(name, value)| (name, sorted(value))).collect();
            members.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        serde_json::Value::Array(items) => items.iter().map(sorted).collect(),
        other @ (serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)) => other.clone(),
    }
}

/// The paths, in the site, of what the newest settlement names.
fn settled(commons: &Commons) -> serde_json::Value {
    let commits = files(&commons.path("site/vault/pools/commits"));
    let text = plain::read_to_string(commits.last().unwrap()).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["act"].clone()
}

fn vault(commons: &Commons, at: &serde_json::Value) -> PathBuf {
    commons.path("site/vault").join(at["path"].as_str().unwrap())
}

/// Asserts that an audit finds what was done, and says where and what.
#[track_caller]
fn found(commons: &Commons, object: &str, fault: &str) {
    let said = audit(commons);
    assert_eq!(said.code, Some(7), "tampering went unseen: {fault}\n{}{}", said.out, said.err);
    let named = said.out.lines().any(|line| line.contains(object) && line.contains(fault));
    assert!(named, "no finding names {object}: {fault}\n{}", said.out);
}

#[test]
fn a_settlement_with_every_rule_is_reproduced_and_a_flipped_byte_of_any_input_is_named() {
    let commons = lived("audit-settlement");
    let clean = audit(&commons);
    assert_eq!(clean.code, Some(0), "an honest commons has findings:\n{}{}", clean.out, clean.err);
    let said = recompute(&commons);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let page: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(page["settlements"].as_array().unwrap().len(), 2);
    let last = &page["settlements"][1];
    assert!(last["lines_compared"].as_u64().unwrap() > 10, "nothing was compared: {last}");
    let act = settled(&commons);
    assert_eq!(last["lines_digest"], act["lines"]["digest"]);
    let sum = |name: &str| {
        let sums = last["sums"].as_array().unwrap();
        sums.iter().find(|sum| sum["column"] == name).unwrap()["amount"].clone()
    };
    assert_eq!(sum("paid_minor"), act["totals"]["paid"]["amount"]);
    for column in ["vested_micro", "opening_micro", "tax_minor", "base_micro", "held_micro"] {
        assert_ne!(sum(column), "0", "the site has no {column} to be audited");
    }

    let inputs = vault(&commons, &act["inputs"]);
    let given: serde_json::Value =
        serde_json::from_str(&plain::read_to_string(&inputs).unwrap()).unwrap();
    let mut objects = vec![inputs];
    for at in [&act["lines"], &act["leaves"], &act["institution_lines"], &act["held"]] {
        objects.push(vault(&commons, at));
    }
    let opening = &given["opening"];
    for at in [
        &given["versions"][0]["roster"],
        &given["payees"],
        &given["new_data"],
        &opening["lines"],
        &opening["institution_lines"],
        &opening["held"],
    ] {
        objects.push(vault(&commons, at));
    }
    objects.push(one(&commons, "vault/usage/lines/", ".parquet"));
    for file in objects {
        let good = plain::read(&file).unwrap();
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            plain::write(&file, bad).unwrap();
            let said = recompute(&commons);
            let name = file.strip_prefix(commons.path("site")).unwrap().to_str().unwrap();
            assert_eq!(said.code, Some(7), "{name}, byte {at}: a changed byte went unseen");
            let told = said.out.contains(name) && said.err.contains("cannot be reproduced");
            assert!(told, "{name}, byte {at}, is not named:\n{}{}", said.out, said.err);
        }
        plain::write(&file, good).unwrap();
    }
    assert_eq!(recompute(&commons).code, Some(0), "the site was not put back");
    let period = ["audit", "recompute", "whole", "--period"];
    assert_eq!(commons.run(&[&period[..], &["2026-Q4"]].concat()).code, Some(0));
    assert_eq!(commons.run(&[&period[..], &["2031"]].concat()).code, Some(2), "no such period");
    assert_eq!(commons.run(&["audit", "recompute", "no-such-pool"]).code, Some(2));
    columns(&commons);
    tables(&commons);
}

/// Each column of each table of lines, raised by one in the first row with all digests made anew.
fn columns(commons: &Commons) {
    let pools = commons.path("site/vault/pools");
    for (table, columns) in [
        ("lines", [&WEIGHTS[..], &MONEY].concat()),
        ("institution_lines", ["accrued_micro", "closing_micro", "paid_minor", "weight"].to_vec()),
        ("held", ["micro", "due"].to_vec()),
    ] {
        for column in columns {
            let good: Vec<_> =
                files(&pools).into_iter().map(|f| (f.clone(), plain::read(&f).unwrap())).collect();
            let file = vault(commons, &settled(commons)[table]);
            let new = replaced(commons, &file, &written(&more(&read(&file), column)));
            let said = recompute(commons);
            assert_eq!(said.code, Some(7), "one more in {table}.{column} went unseen");
            let name = new.file_name().unwrap().to_str().unwrap();
            let fault =
                if table == "lines" { format!("`{column}` of somebody") } else { String::new() };
            assert!(said.out.contains(name) && said.out.contains(&fault), "{column}: {}", said.out);
            put_back(&pools, &good);
        }
    }
    assert_eq!(recompute(commons).code, Some(0), "the site was not put back");
}

fn put_back(folder: &Path, good: &[(PathBuf, Vec<u8>)]) {
    for file in files(folder) {
        if !good.iter().any(|(known, _)| *known == file) {
            fs::remove_file(file).unwrap();
        }
    }
    for (file, bytes) in good {
        plain::write(file, bytes).unwrap();
    }
}

/// Tables and members of inputs changed with care: every digest, the seed and the commit follow.
fn tables(commons: &Commons) {
    let copied = |name: &str| {
        let commons = copy(commons, name);
        let act = settled(&commons);
        (commons, act)
    };
    let (held, act) = copied("audit-held");
    let file = vault(&held, &act["held"]);
    let new = replaced(&held, &file, &written(&fewer(&read(&file))));
    let name = new.file_name().unwrap().to_str().unwrap();
    found(&held, name, "what it holds back is not what it should be");

    let inputs = |commons: &Commons, act: &serde_json::Value| {
        let file = vault(commons, &act["inputs"]);
        let text = plain::read_to_string(&file).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        (file, value)
    };
    let (payees, act) = copied("audit-payees");
    let (_, value) = inputs(&payees, &act);
    let file = vault(&payees, &value["payees"]);
    let batch = read(&file);
    let order: UInt32Array = (0..u32::try_from(batch.num_rows()).unwrap()).rev().collect();
    let mut columns = batch.columns().to_vec();
    let at = batch.schema().index_of("country").unwrap();
    columns[at] = arrow::compute::take(&columns[at], &order, None).unwrap();
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let new = replaced(&payees, &file, &written(&batch));
    let name = new.file_name().unwrap().to_str().unwrap();
    found(&payees, name, "a payee is not as the register had it");

    for (member, change) in [
        ("overrides", serde_json::json!([])),
        ("returned", serde_json::json!({"amount": "1000000", "currency": "EUR", "scale": 8})),
        ("funded", serde_json::json!([])),
        ("repeats", serde_json::json!([1])),
    ] {
        let (other, act) = copied("audit-member");
        let (file, mut value) = inputs(&other, &act);
        value[member] = change;
        let new = replaced(&other, &file, &seeded(&value.to_string()));
        let name = new.file_name().unwrap().to_str().unwrap();
        found(&other, name, &format!("`{member}` is not what counted"));
        assert_eq!(recompute(&other).code, Some(7), "{member}: the entry agrees with other inputs");
    }

    let (raised, act) = copied("audit-raised");
    let file = vault(&raised, &act["lines"]);
    let batch = more(&more(&more(&read(&file), "payable_minor"), "paid_minor"), "vested_micro");
    let new = replaced(&raised, &file, &written(&batch));
    let commit = files(&raised.path("site/vault/pools/commits")).pop().unwrap();
    let text = plain::read_to_string(&commit).unwrap();
    let paid = act["totals"]["paid"]["amount"].as_str().unwrap();
    let dearer = (paid.parse::<u64>().unwrap() + 1).to_string();
    plain::write(&commit, text.replace(&format!("\"{paid}\""), &format!("\"{dearer}\""))).unwrap();
    let name = new.file_name().unwrap().to_str().unwrap();
    found(&raised, name, "`paid_minor` of somebody's line is not what it should be");
    found(&raised, "vault/pools/commits/", "its totals are others in");
}

/// Settlements that the engine itself made under a commit that was changed for its sake and put back
/// after: lines, totals, leaves, root and the signed entry all fit one another, and are wrong.
#[test]
fn a_settlement_made_under_false_rules_is_found_though_all_of_it_fits() {
    let honest = asked("audit-asked");
    let settled = |commons: &Commons| settle(commons, "2026-Q4", "2027-01-02T00:00:00Z");
    let commits = |commons: &Commons| files(&commons.path("site/vault/pools/commits"));
    let falsified = |name: &str, from: &str, to: &str| {
        let commons = copy(&honest, name);
        let file = commits(&commons).into_iter().find(|file| {
            let text = plain::read_to_string(file).unwrap();
            text.contains("\"pool\": \"whole\"") && text.contains(from)
        });
        let file = file.unwrap_or_else(|| panic!("no commit says {from}"));
        let good = plain::read_to_string(&file).unwrap();
        plain::write(&file, good.replacen(from, to, 1)).unwrap();
        settled(&commons);
        plain::write(&file, good).unwrap();
        commons
    };
    let settlements = "vault/pools/settlements/";
    let taxed = falsified("audit-tax", "\"bps\": 1500", "\"bps\": 1400");
    found(&taxed, settlements, "`rules` is not what counted");
    let payer = falsified("audit-payer", "\"exclude_payer\": true", "\"exclude_payer\": false");
    found(&payer, settlements, "`rules` is not what counted");
    let decided = falsified("audit-decided", "\"price\": 3", "\"price\": 1");
    found(&decided, settlements, "`overrides` is not what counted");
    found(&decided, settlements, "`queries` is not what counted");

    // Somebody who did not consent is put back into the version, and paid.
    let back = copy(&honest, "audit-back");
    let file = one(&back, "vault/rosters/", ".parquet");
    let batch = read(&file);
    let known = contributors(&back);
    let gone = withdrawn(&back).into_iter().find(|id| !known.contains(id));
    let gone = gone.unwrap_or_else(|| panic!("everybody stands: nobody could be put back"));
    let pseudonyms = batch.column_by_name("pseudonym").unwrap().as_string::<i32>();
    let names = batch.column_by_name("contributor").unwrap().as_string::<i32>();
    let put = pseudonyms.iter().zip(names).map(|(pseudonym, name)| {
        if pseudonym == Some(pseudonyms.value(0)) { Some(gone.as_str()) } else { name }
    });
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of("contributor").unwrap()] =
        Arc::new(put.collect::<StringArray>());
    let roster = written(&RecordBatch::try_new(batch.schema(), columns).unwrap());
    let (old, new) = (hex_digest(&plain::read(&file).unwrap()), hex_digest(&roster));
    plain::write(file.with_file_name(format!("{new}.parquet")), roster).unwrap();
    let version = one(&back, "lake/commits/", ".json");
    let good = plain::read_to_string(&version).unwrap();
    plain::write(&version, good.replace(&old, &new)).unwrap();
    settled(&back);
    found(&back, "vault/rosters/", "somebody in it had not consented to this use");
    plain::write(&version, good).unwrap();
    found(&back, settlements, "`versions` is not what counted");
}
