//! A commons of sixty people in which everything that holds a person holds one of them: records of four
//! institutions, two of their people merged into one by the steward, accounts, a cover that paid, a
//! question, a settlement, vouchers, payments, a correction.
//!
//! Comes in: nothing. Goes out: the site, lived once and copied for each test, and all that is the person's.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, sync::OnceLock};

use almoner::digest::hex;
use arrow::array::{Array as _, AsArray as _, RecordBatch};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::{
    commons::{Commons, files},
    kill::copy,
    people, plain,
};

/// When the quarter is settled, and after.
pub(super) const LATER: &str = "2027-01-02T00:00:00Z";

/// Why people are erased.
pub(super) const REASON: &str = "request under Art. 17 GDPR";

/// Why the steward merged two people: it tells who they are.
const MERGED: &str = "Jane Roe of Elm Street told us";

const COVER: &str = r#"policy = "infections-2026"
kind = "insurance"
insurer = "vitana"
currency = "EUR"
term = { from = "2020-01-01", until = "2027-01-01" }
purpose = "HL7:HPAYMT"
sum = "25.00"
cap_person = "50.00"
event_days = 30

[[trigger]]
name = "infection"
table = "conditions"
id = "condition_id"
day = "onset"
code = { column = "code", system = "code_system", any = [
    "http://hl7.org/fhir/sid/icd-10-cm|R51.9",
    "http://hl7.org/fhir/sid/icd-10-cm|J06.9",
    "http://hl7.org/fhir/sid/icd-10-cm|N39.0",
] }
"#;

/// The site as it stands before anybody is erased.
#[derive(Debug)]
pub(super) struct Lived {
    commons: Commons,
    /// Who is erased: the id that is kept.
    pub(super) person: String,
    /// All that tells who they are: ids, records, pseudonyms, accounts, vouchers, payments, hashes.
    pub(super) own: BTreeSet<String>,
    /// Somebody else of whom there is as much.
    pub(super) other: String,
    /// Somebody's record who took their consent back, as `institution/id`.
    pub(super) withdrawn: String,
}

impl Lived {
    /// Copies the site, and its keys.
    pub(super) fn copied(&self, name: &str) -> Commons {
        let copied = Commons::new(&format!("erase/{name}"));
        for part in ["site", "site.keys", "pipeline.toml", "input"] {
            if self.commons.path(part).is_dir() {
                copy(&self.commons.path(part), &copied.path(part));
            } else {
                fs::copy(self.commons.path(part), copied.path(part)).unwrap();
            }
        }
        copied
    }

    /// Copies the site as one that was never sealed.
    pub(super) fn copied_in_the_open(&self, name: &str) -> Commons {
        let copied = self.copied(name);
        let open = copied.path("open");
        copied.ok(&["keys", "copy", open.to_str().unwrap()]);
        fs::remove_dir_all(copied.path("site")).unwrap();
        fs::rename(open, copied.path("site")).unwrap();
        fs::remove_file(copied.path("site.keys/site.wrap")).unwrap();
        copied
    }

    /// The arguments that erase the person.
    pub(super) fn erase(&self) -> [&str; 6] {
        ["--now", LATER, "erase", &self.person, "--reason", REASON]
    }
}

/// Returns the site; the first who asks for it lives it.
pub(super) fn lived() -> &'static Lived {
    static LIVED: OnceLock<Lived> = OnceLock::new();
    LIVED.get_or_init(|| {
        let commons = Commons::new("erase/lived");
        live(&commons);
        told(commons)
    })
}

fn live(commons: &Commons) {
    people::prepare(commons, 60);
    let path = |name: &str| commons.path(name).display().to_string();
    commons.ok(&["payee", "import", &path("input/payees.csv")]);
    fs::write(commons.path("cover.toml"), COVER).unwrap();
    commons.ok(&["cover", "open", &path("cover.toml")]);
    let premium = ["--sponsor", "vitana", "--reference", "premium-1"];
    commons.ok(&[&["cover", "fund", "infections-2026", "5000.00"][..], &premium].concat());
    let mut insured = "contributor,enrolled\n".to_owned();
    for record in payees(commons) {
        writeln!(insured, "{record},2020-01-01").unwrap();
    }
    fs::write(commons.path("insured.csv"), insured).unwrap();
    let truth = fs::read_to_string(commons.path("input/truth.csv")).unwrap();
    for place in ["north-shore", "lake-county", "riverside", "st-anselm"] {
        let mut grants = "contributor,action,purposes,institutions,categories,valid_from,\
                          valid_until,decided_at\n"
            .to_owned();
        for line in truth.lines().filter_map(|line| line.strip_prefix(place)?.strip_prefix(',')) {
            let local = line.split(',').next().unwrap();
            writeln!(grants, "{local},grant,HL7:HPAYMT,*,*,2020-01-01,,2020-01-01T00:00:00Z")
                .unwrap();
        }
        let file = commons.path("payment-grants.csv");
        fs::write(&file, grants).unwrap();
        commons.ok(&["consent", "import", file.to_str().unwrap(), "--institution", place]);
    }
    let enrol = ["--rejects-max-ppm", "500000"];
    let insured = path("insured.csv");
    commons.ok(&[&["cover", "enrol", "infections-2026", &insured][..], &enrol].concat());
    let both: Vec<String> = payees(commons).into_iter().take(2).collect();
    commons.ok(&["linkage", "merge", &both[0], &both[1], "--reason", MERGED]);
    commons.ok(&people::ingest(commons).each_ref().map(String::as_str));
    let (pipeline, input) = (path("pipeline.toml"), path("input"));
    let run = ["cover", "run", &pipeline, "--input", &input, "--policy", "infections-2026"];
    commons.ok(&run);
    people::ask(commons);
    let gift = ["--unit-price", "29.90", "--sponsor", "acme", "--reference", "meters-1"];
    let receive = ["goods", "receive", "diabetes-2026", "--item", "meter", "--units", "30"];
    commons.ok(&[&receive[..], &gift].concat());
    let later = |arguments: &[&str]| commons.ok(&[&["--now", LATER][..], arguments].concat());
    later(&["settle", "diabetes-2026", "--period", "2026-Q4"]);
    later(&["goods", "give", "diabetes-2026", "2026-Q4"]);
    let debtor = commons.path("debtor.toml");
    fs::write(&debtor, "name = \"Commons\"\niban = \"DE09000000000000000001\"\n").unwrap();
    for pool in ["diabetes-2026", "infections-2026"] {
        let (debtor, out) = (debtor.to_str().unwrap(), path(pool));
        later(&["payout", "export", pool, "2026-Q4", "--debtor", debtor, "--out", &out]);
    }
    let person = shown(commons, &both[0])["person"].as_str().unwrap().to_owned();
    let (correction, by) =
        (format!("{person}=1.00"), ["--reason", "a test", "--approver", "board"]);
    later(&[&["settle", "override", "diabetes-2026", "--correct", &correction][..], &by].concat());
    let vouchers = vouchers(commons);
    // One of the person's is redeemed and one given back, and one of somebody else's with it.
    let own: Vec<&Vec<String>> = vouchers.iter().filter(|line| line[0] == person).collect();
    assert!(own.len() >= 2, "the person was given nothing to end");
    later(&["voucher", "redeem", &own[0][6]]);
    later(&["voucher", "return", &own[1][6]]);
    let stranger = vouchers.iter().find(|line| line[0] != person).unwrap();
    later(&["voucher", "redeem", &stranger[6]]);
}

/// The open vouchers of the pool: whose, of what, which, until, id, code.
fn vouchers(commons: &Commons) -> Vec<Vec<String>> {
    let list = commons.path("vouchers.csv");
    if !list.exists() {
        let out = list.to_str().unwrap();
        commons.ok(&["--now", LATER, "voucher", "list", "diabetes-2026", "--out", out]);
    }
    let text = fs::read_to_string(list).unwrap();
    text.lines().skip(1).map(|l| l.split(',').map(str::to_owned).collect()).collect()
}

/// The people of the file of payees, as `institution/id`.
fn payees(commons: &Commons) -> Vec<String> {
    let text = fs::read_to_string(commons.path("input/payees.csv")).unwrap();
    let first = text.lines().filter_map(|line| line.split(',').next());
    first.filter(|cell| cell.contains('/')).map(str::to_owned).collect()
}

fn shown(commons: &Commons, record: &str) -> Value {
    let said = commons.ok(&["linkage", "show", record, "--format", "json"]);
    serde_json::from_str(&said.out).unwrap()
}

/// Gathers all that is the person's.
fn told(commons: Commons) -> Lived {
    let both: Vec<String> = payees(&commons).into_iter().take(2).collect();
    let index = shown(&commons, &both[0]);
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().unwrap().iter();
        all.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let person = index["person"].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> =
        texts(&index["aliases"]).into_iter().chain([person.clone()]).collect();
    let records = texts(&index["records"]);
    assert!(ids.len() == 2 && records.len() > 2, "nobody was merged");
    let mut own = ids.clone();
    own.insert(MERGED.to_owned());
    own.extend(records.iter().map(|record| record.split_once('/').unwrap().1.to_owned()));
    let text = fs::read_to_string(commons.path("input/payees.csv")).unwrap();
    for line in text.lines().filter(|line| both.iter().any(|record| line.starts_with(record))) {
        let cells: Vec<&str> = line.split(',').collect();
        own.extend([cells[2], cells[5], cells[6]].map(str::to_owned));
    }
    let mut hashes = (BTreeSet::new(), BTreeSet::new());
    let site = commons.path("site/vault");
    for batch in tables(&site.join("rosters")) {
        let (whose, names) = (column(&batch, "contributor"), column(&batch, "pseudonym"));
        own.extend(whose.into_iter().zip(names).filter(|(id, _)| ids.contains(id)).map(|(_, n)| n));
    }
    for batch in tables(&site.join("records")) {
        let cells = batch.column_by_name("hash").unwrap().as_fixed_size_binary();
        for (row, whose) in column(&batch, "contributor").iter().enumerate() {
            let side = if ids.contains(whose) { &mut hashes.0 } else { &mut hashes.1 };
            side.insert(hex(cells.value(row)));
        }
    }
    // What somebody else's record is called too tells of nobody.
    let hashes: Vec<String> = hashes.0.difference(&hashes.1).cloned().collect();
    assert!(hashes.len() > 3, "the person brought no records of their own");
    own.extend(hashes);
    let is_own = |value: &Value| value.as_str().is_some_and(|id| ids.contains(id));
    for line in lines(&site.join("covers/lines")).iter().filter(|l| is_own(&l["contributor"])) {
        own.extend([&line["event"], &line["row"]["id"]].map(|v| v.as_str().unwrap().to_owned()));
    }
    for line in lines(&site.join("payouts/lines")) {
        if is_own(&line["payee"]["contributor"]) {
            own.insert(line["end_to_end"].as_str().unwrap().to_owned());
        }
    }
    let all = vouchers(&commons);
    own.extend(all.iter().filter(|line| ids.contains(&line[0])).map(|line| line[5].clone()));
    assert!(own.len() > 25, "of the person there is too little: {}", own.len());
    let covered: Vec<String> = lines(&site.join("covers/lines"))
        .iter()
        .map(|line| line["contributor"].as_str().unwrap().to_owned())
        .collect();
    let other = all.iter().find(|line| !ids.contains(&line[0]) && covered.contains(&line[0]));
    let other = other.unwrap()[0].clone();
    let decided = fs::read_to_string(commons.path("input/north-shore/consents.csv")).unwrap();
    let withdrawn = decided.lines().find(|line| line.contains(",withdraw,")).unwrap();
    let withdrawn = format!("north-shore/{}", withdrawn.split(',').next().unwrap());
    Lived { commons, person, own, other, withdrawn }
}

/// Reads every table below a folder of a site.
pub(super) fn tables(folder: &Path) -> Vec<RecordBatch> {
    let tables =
        files(folder).into_iter().filter(|f| f.extension().is_some_and(|e| e == "parquet"));
    tables.flat_map(|file| rows(plain::read(file).unwrap())).collect()
}

/// Reads a table.
pub(super) fn rows(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    reader.build().unwrap().collect::<Result<_, _>>().unwrap()
}

fn column(batch: &RecordBatch, name: &str) -> Vec<String> {
    let cells = batch.column_by_name(name).unwrap().as_string::<i32>();
    (0..cells.len()).map(|row| cells.value(row).to_owned()).collect()
}

fn lines(folder: &Path) -> Vec<Value> {
    let lists = files(folder).into_iter().filter(|f| f.extension().is_some_and(|e| e == "ndjson"));
    let texts: Vec<String> = lists.map(|file| plain::read_to_string(file).unwrap()).collect();
    texts.iter().flat_map(|t| t.lines()).map(|l| serde_json::from_str(l).unwrap()).collect()
}
