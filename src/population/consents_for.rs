//! Consents for people of any files: a CSV column, FHIR Patients, or an export split by institution.
//!
//! Comes in: files, plain, gzip or zstd. Goes out: CSV or FHIR Consents for `consent import`.
//! Never: a decision that depends on the order or the number of the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Error,
    consent_files::{CONSENT_HEADER, append, file as consents_file},
    consents::{Answer, Decision, decide},
    dice::{Dice, PPM},
    records::{Format, put_header},
    write::to_file,
};
use crate::digest::Sha3Digest;

/// How decisions are drawn for people of files.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The seed.
    pub seed: u64,
    /// How many people in a million permit health research.
    pub grant_ppm: u64,
    /// What a pipeline puts before the ids, as `NAMESPACE:id`.
    pub namespace: Option<&'a str>,
}

impl Asking<'_> {
    fn decide(&self, person: &str) -> Vec<Decision> {
        let mut dice = Dice::new(self.seed, "consents-for", fingerprint(person));
        let answer = Answer::draw_of(&mut dice, self.grant_ppm);
        decide(&mut dice, answer, 0)
    }

    fn named(&self, id: &str) -> String {
        self.namespace.map_or_else(|| id.to_owned(), |name| format!("{name}:{id}"))
    }
}

/// How consents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentFormat {
    /// As CSV.
    Csv,
    /// As FHIR R4 Consents, one a line.
    Fhir,
}

/// Writes decisions for the distinct ids of a column of a CSV file; returns how many.
///
/// The file may be plain, gzip or zstd.
pub fn consents_for(
    path: &Path,
    column: &str,
    asking: &Asking<'_>,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let ids = distinct(path, column)?;
    write(out, Format::Csv, "", ids.iter().map(|id| asking.named(id)), asking)
}

/// Writes decisions for the patients of FHIR files, as their institution would send them; returns
/// how many.
pub fn consents_for_patients(
    paths: &[PathBuf],
    institution: &str,
    format: ConsentFormat,
    asking: &Asking<'_>,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let mut ids = BTreeSet::new();
    for path in paths {
        patients(path, &mut ids)?;
    }
    let format = match format {
        ConsentFormat::Csv => Format::Csv,
        ConsentFormat::Fhir => Format::Fhir,
    };
    write(out, format, institution, ids.iter().map(|id| asking.named(id)), asking)
}

/// What [`consents_for_folders`] wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FolderConsents {
    /// People of the truth table.
    pub people: u64,
    /// For each institution: its name, and how many Consents were written for it.
    pub institutions: Vec<(String, u64)>,
}

/// Writes `DIR/<institution>/Consent.ndjson` for an export that was split by institution: each
/// person of `DIR/truth.csv` decides once, at one of the institutions that know them.
pub fn consents_for_folders(dir: &Path, asking: &Asking<'_>) -> Result<FolderConsents, Error> {
    let truth = dir.join("truth.csv");
    let mut places: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut folders: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    each_row(&truth, ["institution", "local_id", "person"], |[institution, id, person]| {
        folders.entry(institution.to_owned()).or_default();
        let known = places.entry(person.to_owned()).or_default();
        known.push((institution.to_owned(), id.to_owned()));
    })?;
    let people = places.len() as u64;
    for (person, mut known) in places {
        known.sort_unstable();
        let mut dice = Dice::new(asking.seed, "consents-at", fingerprint(&person));
        let at = usize::try_from(dice.below(known.len() as u64)).unwrap_or(0);
        if let Some((institution, id)) = known.get(at).cloned()
            && let Some(folder) = folders.get_mut(&institution)
        {
            folder.insert(id, person);
        }
    }
    let mut institutions = Vec::new();
    for (institution, ids) in folders {
        let path = dir.join(&institution).join(consents_file(Format::Fhir));
        let count = to_file(&path, |out| {
            let mut lines = Vec::new();
            let mut count = 0;
            for (id, person) in &ids {
                let decisions = asking.decide(person);
                let all: Vec<&Decision> = decisions.iter().collect();
                count += append(&mut lines, Format::Fhir, &institution, id, &all);
            }
            out.write_all(&lines)?;
            Ok(count)
        })?;
        institutions.push((institution, count));
    }
    Ok(FolderConsents { people, institutions })
}

fn write(
    out: &mut dyn Write,
    format: Format,
    institution: &str,
    ids: impl Iterator<Item = String>,
    asking: &Asking<'_>,
) -> Result<u64, Error> {
    let mut lines = Vec::new();
    if format == Format::Csv {
        put_header(&mut lines, &CONSENT_HEADER);
    }
    let mut count = 0;
    for id in ids {
        let decisions = asking.decide(&id);
        let all: Vec<&Decision> = decisions.iter().collect();
        count += append(&mut lines, format, institution, &id, &all);
        if lines.len() > 1 << 16 {
            out.write_all(&lines)?;
            lines.clear();
        }
    }
    out.write_all(&lines)?;
    Ok(count)
}

fn fingerprint(id: &str) -> u64 {
    let digest = Sha3Digest::of(id.as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// The distinct ids of a column, sorted.
fn distinct(path: &Path, column: &str) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    let mut last = String::new();
    each_row(path, [column], |[cell]| {
        if !cell.is_empty() && cell != last {
            cell.clone_into(&mut last);
            if !found.contains(cell) {
                found.insert(cell.to_owned());
            }
        }
    })?;
    Ok(found)
}

/// Hands on the cells of some columns of each row of a CSV file.
fn each_row<const N: usize>(
    path: &Path,
    columns: [&str; N],
    mut tell: impl FnMut([&str; N]),
) -> Result<(), Error> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(open(path)?);
    let fault = |error: &csv::Error| Error::Csv {
        path: path.to_owned(),
        line: error.position().map_or(0, csv::Position::line),
    };
    let header = reader.byte_headers().map_err(|error| fault(&error))?;
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        let bare =
            |name: &[u8]| name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name) == column.as_bytes();
        let at = header.iter().position(bare);
        *place =
            at.ok_or_else(|| Error::Column { path: path.to_owned(), column: column.to_owned() })?;
    }
    let mut row = csv::ByteRecord::new();
    while reader.read_byte_record(&mut row).map_err(|error| fault(&error))? {
        let cells = places.map(|at| row.get(at).map_or(Ok(""), std::str::from_utf8));
        // An id that is no UTF-8 stands in a row that conforms to nothing, so it needs no consent.
        if cells.iter().all(Result::is_ok) {
            tell(cells.map(Result::unwrap_or_default));
        }
    }
    Ok(())
}

/// What is read of a resource.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "resourceType")]
    kind: String,
    id: String,
}

/// Adds the ids of the patients of a file. A line that is none, or has no id, is passed over: its
/// row comes to nothing either.
fn patients(path: &Path, ids: &mut BTreeSet<String>) -> Result<(), Error> {
    let mut reader = BufReader::with_capacity(1 << 18, open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        let read = read.map_err(|source| super::write::file("read", path, source))?;
        if read == 0 {
            return Ok(());
        }
        if let Ok(head) = serde_json::from_slice::<Head>(&line)
            && head.kind == "Patient"
        {
            ids.insert(head.id);
        }
    }
}

/// Opens a file, plain or compressed as its first bytes say.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    let fault = |source| Error::File { act: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fault)?;
    let mut magic = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut magic).map_err(fault)?;
    file.seek(SeekFrom::Start(0)).map_err(fault)?;
    Ok(if magic.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(file)))
    } else if magic == [0x28, 0xb5, 0x2f, 0xfd] {
        Box::new(zstd::Decoder::new(file).map_err(fault)?)
    } else {
        Box::new(BufReader::with_capacity(1 << 18, file))
    })
}

/// Reads a share such as `0.95` as parts per million, without a float.
pub fn share_ppm(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 || !fraction.bytes().chain(whole.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(PPM)?.checked_add(fraction).filter(|ppm| *ppm <= PPM)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const EVERYBODY: Asking<'_> = Asking { seed: 3, grant_ppm: PPM, namespace: None };

    #[test]
    fn consents_for_a_column_are_one_set_of_ids_however_the_file_is_packed() {
        let dir = tempfile::tempdir().unwrap();
        let text = "\u{feff}who,what\nb,1\na,2\nb,3\n,4\nc,5,6\n";
        let plain = dir.path().join("plain.csv");
        fs::write(&plain, text).unwrap();
        let packed = dir.path().join("packed.csv.zst");
        fs::write(&packed, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzipped = dir.path().join("x.csv.gz");
        fs::write(&gzipped, gzip.finish().unwrap()).unwrap();
        let read = |path: &Path| {
            let mut out = Vec::new();
            let asking = Asking { namespace: Some("s"), ..EVERYBODY };
            let count = consents_for(path, "who", &asking, &mut out).unwrap();
            (count, String::from_utf8(out).unwrap())
        };
        let (count, csv) = read(&plain);
        assert_eq!(count, 3);
        assert!(csv.contains("\ns:a,grant,") && csv.starts_with("contributor,action,"));
        assert_eq!(read(&packed), (count, csv.clone()), "zstd");
        assert_eq!(read(&gzipped), (count, csv), "gzip");
    }

    #[test]
    fn a_missing_column_is_named_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, "who\nx\n").unwrap();
        let error = consents_for(&path, "whom", &EVERYBODY, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("`whom`") && error.to_string().contains("a.csv"));
    }

    #[test]
    fn consents_for_patients_name_the_patients_that_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Patient.ndjson.zst");
        let text = "{\"resourceType\":\"Patient\",\"id\":\"p1\"}\n{\"resourceType\":\"Pat\n\
                    {\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Group\",\"id\":\"g\"}\n\
                    {\"resourceType\":\"Patient\",\"id\":\"p2\"}";
        fs::write(&path, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
        let paths = [path];
        let mut fhir = Vec::new();
        let count =
            consents_for_patients(&paths, "lake", ConsentFormat::Fhir, &EVERYBODY, &mut fhir);
        assert_eq!(count.unwrap(), 2, "a broken line or another type has no consent");
        for (line, id) in String::from_utf8(fhir).unwrap().lines().zip(["p1", "p2"]) {
            let consent: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(consent["patient"]["reference"], format!("Patient/{id}"));
            assert_eq!(consent["organization"][0]["reference"], "Organization/lake");
        }
        let mut csv = Vec::new();
        consents_for_patients(&paths, "lake", ConsentFormat::Csv, &EVERYBODY, &mut csv).unwrap();
        assert!(String::from_utf8(csv).unwrap().contains("\np2,grant,"));
    }

    #[test]
    fn a_person_of_several_folders_decides_at_one_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut truth = vec!["institution,local_id,person".to_owned()];
        for person in 0..60 {
            for place in ["east", "west"].iter().skip(person % 2) {
                truth.push(format!("{place},{place}-{person},p-{person}"));
            }
        }
        fs::write(dir.path().join("truth.csv"), truth.join("\n")).unwrap();
        for place in ["east", "west"] {
            fs::create_dir(dir.path().join(place)).unwrap();
        }
        let done = consents_for_folders(dir.path(), &EVERYBODY).unwrap();
        assert_eq!(done.people, 60);
        let mut decided = BTreeSet::new();
        let mut lines = 0;
        for (place, count) in &done.institutions {
            let text = fs::read_to_string(dir.path().join(place).join("Consent.ndjson")).unwrap();
            assert_eq!(text.lines().count() as u64, *count);
            assert!(*count > 5, "nobody decides at {place}");
            for line in text.lines() {
                lines += 1;
                let consent: serde_json::Value = serde_json::from_str(line).unwrap();
                let id = consent["patient"]["reference"].as_str().unwrap();
                assert!(id.starts_with(&format!("Patient/{place}-")), "an id of another place");
                decided.insert(id.rsplit('-').next().unwrap().to_owned());
            }
        }
        assert_eq!((decided.len(), lines), (60, 60), "a person decided nowhere, or twice");
    }

    #[test]
    fn a_share_is_read_exactly_or_not_at_all() {
        assert_eq!(share_ppm("0.95"), Some(950_000));
        assert_eq!(share_ppm("1"), Some(PPM));
        for odd in ["1.1", "-0.5", "0.9999999", "", "x", "."] {
            assert_eq!(share_ppm(odd), None, "{odd}");
        }
    }
}
