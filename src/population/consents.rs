//! Consent decisions: of a population's people, or of whoever stands in a column of a file.
//!
//! Comes in: (seed, index) or a CSV column, plain, gzip or zstd. Goes out: CSV for `consent import`.
//! Never: a decision that depends on the order or the number of the others.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufReader, Read, Seek as _, SeekFrom, Write},
    path::Path,
};

use chrono::Datelike as _;
use serde::Serialize;

use super::{
    Error, Population,
    dice::{Dice, PPM},
    person::{date, day_of, institution, make},
    records::{Table, put},
};
use crate::digest::Sha3Digest;

/// The columns of a consent file.
pub const CONSENT_HEADER: [&str; 8] = [
    "contributor",
    "action",
    "purposes",
    "institutions",
    "categories",
    "valid_from",
    "valid_until",
    "decided_at",
];

/// One decision of one person, as a consent file writes it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Consent {
    /// Whose it is.
    pub contributor: String,
    /// `grant` or `withdraw`.
    pub action: &'static str,
    /// DUO codes between `|`; `*` all (withdrawals).
    pub purposes: String,
    /// Institutions between `|`; `*` all.
    pub institutions: String,
    /// Categories of data between `|`; `*` all.
    pub categories: String,
    /// The first day on which it holds.
    pub valid_from: String,
    /// The first day on which it no longer holds; may be empty.
    pub valid_until: String,
    /// When it was decided.
    pub decided_at: String,
}

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consent")
            .field("action", &self.action)
            .field("purposes", &self.purposes)
            .finish_non_exhaustive()
    }
}

/// Returns the decisions of person `index`: none, one, or a grant and its withdrawal.
///
/// The first people, who carry canaries, each show one case: 0 to 3 permit everything, 4 never
/// answered, 5 withdrew, 6 let it expire, 7 permits ancestry research alone.
pub fn consents(population: &Population, index: u64) -> Vec<Consent> {
    let person = make(population.seed(), population.institutions(), index);
    let mut dice = Dice::new(population.seed(), "consents", index);
    let drawn = Answer::draw(&mut dice);
    let answer = match index {
        0..=3 => Answer::Permits,
        4 => Answer::Silent,
        5 => Answer::Withdrew,
        6 => Answer::Expired,
        7 => Answer::Elsewhere,
        _ => drawn,
    };
    let usual = person.institutions.first().copied().unwrap_or(0);
    decide(&mut dice, &person.member_no, answer, &institution(usual))
}

/// Writes the decisions of a whole population as CSV; returns how many.
pub fn write_consents(population: &Population, out: &mut dyn Write) -> Result<u64, Error> {
    write(out, (0..population.people()).flat_map(|index| consents(population, index)))
}

/// Writes decisions for the distinct ids of a column of a CSV file, `grant_ppm` in a million of
/// which permit health research; returns how many decisions.
///
/// The file may be plain, gzip or zstd. With a namespace, ids are `NAMESPACE:id`.
pub fn consents_for(
    path: &Path,
    column: &str,
    seed: u64,
    namespace: Option<&str>,
    grant_ppm: u64,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let ids = distinct(path, column)?;
    let decisions = ids.iter().flat_map(|id| {
        let id = namespace.map_or_else(|| id.clone(), |name| format!("{name}:{id}"));
        let mut dice = Dice::new(seed, "consents-for", fingerprint(&id));
        let answer = if dice.chance(grant_ppm) {
            Answer::Permits
        } else {
            dice.weighted(&[
                (3, Answer::Silent),
                (3, Answer::Withdrew),
                (2, Answer::Expired),
                (2, Answer::Elsewhere),
            ])
        };
        decide(&mut dice, &id, answer, "")
    });
    write(out, decisions)
}

/// Says whether a person permits health research everywhere today, by the generator's own account.
#[cfg(test)]
pub(super) fn standing_hmb(population: &Population, index: u64) -> bool {
    matches!(
        &*consents(population, index),
        [only] if only.action == "grant"
            && only.valid_until.is_empty()
            && (only.purposes.contains("DUO:0000006") || only.purposes.contains("DUO:0000042"))
    )
}

/// How a person answered when asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Answer {
    /// Never: there is no decision.
    #[default]
    Silent,
    /// Yes, to everything asked.
    Permits,
    /// Yes, for the usual institution alone.
    OneInstitution,
    /// Yes, for some categories of data.
    SomeCategories,
    /// Yes, for a time that is over.
    Expired,
    /// Yes, and later no.
    Withdrew,
    /// Yes, for another kind of research.
    Elsewhere,
}

impl Answer {
    fn draw(dice: &mut Dice) -> Self {
        dice.weighted(&[
            (300, Self::Silent),
            (8_000, Self::Permits),
            (350, Self::OneInstitution),
            (350, Self::SomeCategories),
            (250, Self::Expired),
            (250, Self::Withdrew),
            (500, Self::Elsewhere),
        ])
    }
}

fn decide(dice: &mut Dice, contributor: &str, answer: Answer, usual: &str) -> Vec<Consent> {
    // Every grant is old enough to cover whatever a test brings; only its hour differs.
    let decided = day_of(2020, 1, 1) - dice.day(1, 300);
    let hour = dice.between(8, 17);
    let purposes = match answer {
        Answer::Elsewhere => dice.weighted(&[(4, "DUO:0000011"), (1, "DUO:0000007=MONDO:0004992")]),
        Answer::Silent
        | Answer::Permits
        | Answer::OneInstitution
        | Answer::SomeCategories
        | Answer::Expired
        | Answer::Withdrew => dice.weighted(&[
            (60, "DUO:0000006"),
            (32, "DUO:0000042"),
            (8, "DUO:0000006|DUO:0000007=MONDO:0005148"),
        ]),
    };
    let mut grant = Consent {
        contributor: contributor.to_owned(),
        action: "grant",
        purposes: purposes.to_owned(),
        institutions: "*".to_owned(),
        categories: "*".to_owned(),
        valid_from: "2020-01-01".to_owned(),
        valid_until: String::new(),
        decided_at: format!("{}T{hour:02}:00:00Z", date(decided)),
    };
    match answer {
        Answer::Silent => Vec::new(),
        Answer::Permits | Answer::Elsewhere => vec![grant],
        Answer::OneInstitution => {
            usual.clone_into(&mut grant.institutions);
            vec![grant]
        }
        Answer::SomeCategories => {
            grant.categories = category_list(dice);
            vec![grant]
        }
        Answer::Expired => {
            grant.valid_until = date(dice.day(day_of(2024, 1, 1), day_of(2026, 6, 30))).to_string();
            vec![grant]
        }
        Answer::Withdrew => {
            let day = date(dice.day(day_of(2021, 1, 1), day_of(2026, 9, 30)));
            let withdrawal = Consent {
                action: "withdraw",
                purposes: "*".to_owned(),
                valid_from: String::new(),
                decided_at: format!(
                    "{:04}-{:02}-{:02}T12:00:00Z",
                    day.year(),
                    day.month(),
                    day.day()
                ),
                ..grant.clone()
            };
            vec![grant, withdrawal]
        }
    }
}

/// Everything but one category that feels private.
fn category_list(dice: &mut Dice) -> String {
    let spared = dice.pick(&["conditions.csv", "measurements.csv"]);
    let kept: Vec<&str> = Table::ALL
        .iter()
        .map(|table| table.file())
        .filter(|file| *file != spared)
        .filter_map(|file| file.strip_suffix(".csv"))
        .collect();
    kept.join("|")
}

fn write(out: &mut dyn Write, decisions: impl Iterator<Item = Consent>) -> Result<u64, Error> {
    let mut count = 0;
    let mut line = Vec::new();
    put(&mut line, &CONSENT_HEADER.map(str::to_owned));
    for consent in decisions {
        count += 1;
        let cells = [
            consent.contributor,
            consent.action.to_owned(),
            consent.purposes,
            consent.institutions,
            consent.categories,
            consent.valid_from,
            consent.valid_until,
            consent.decided_at,
        ];
        put(&mut line, &cells);
        if line.len() > 1 << 16 {
            out.write_all(&line)?;
            line.clear();
        }
    }
    out.write_all(&line)?;
    Ok(count)
}

fn fingerprint(id: &str) -> u64 {
    let digest = Sha3Digest::of(id.as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// The distinct ids of a column, sorted.
fn distinct(path: &Path, column: &str) -> Result<BTreeSet<String>, Error> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(open(path)?);
    let fault = |error: &csv::Error| Error::Csv {
        path: path.to_owned(),
        line: error.position().map_or(0, csv::Position::line),
    };
    let header = reader.byte_headers().map_err(|error| fault(&error))?;
    let bare =
        |name: &[u8]| name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name) == column.as_bytes();
    let at = header
        .iter()
        .position(bare)
        .ok_or_else(|| Error::Column { path: path.to_owned(), column: column.to_owned() })?;
    let mut found: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut last: Vec<u8> = Vec::new();
    let mut row = csv::ByteRecord::new();
    while reader.read_byte_record(&mut row).map_err(|error| fault(&error))? {
        let Some(cell) = row.get(at).filter(|cell| !cell.is_empty() && *cell != last.as_slice())
        else {
            continue;
        };
        cell.clone_into(&mut last);
        if !found.contains(cell) {
            found.insert(cell.to_owned());
        }
    }
    // An id that is no UTF-8 stands in a row that conforms to nothing, so it needs no consent.
    Ok(found.into_iter().filter_map(|id| String::from_utf8(id).ok()).collect())
}

/// Opens a file, plain or compressed as its first bytes say.
fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
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
    use super::*;

    #[test]
    fn about_92_in_100_people_grant_and_3_never_answered() {
        let population = Population::new(6, 10_000, 4).unwrap();
        let mut health = 0;
        let mut silent = 0;
        for index in 8..10_000 {
            let decisions = consents(&population, index);
            silent += u32::from(decisions.is_empty());
            health +=
                u32::from(decisions.iter().any(|c| {
                    c.purposes.contains("DUO:0000006") || c.purposes.contains("DUO:0000042")
                }));
        }
        assert!((9_050..=9_350).contains(&health), "{health} of 10,000 grant");
        assert!((240..=360).contains(&silent), "{silent} of 10,000 never answered");
    }

    #[test]
    fn a_withdrawal_comes_after_its_grant() {
        let population = Population::new(6, 3_000, 4).unwrap();
        let withdrawn: Vec<_> = (0..3_000)
            .map(|index| consents(&population, index))
            .filter(|decisions| decisions.len() == 2)
            .collect();
        assert!(withdrawn.len() > 30);
        for pair in withdrawn {
            assert_eq!((pair[0].action, pair[1].action), ("grant", "withdraw"));
            assert!(pair[0].decided_at < pair[1].decided_at);
        }
    }

    #[test]
    fn consents_for_a_column_are_one_set_of_ids_however_the_file_is_packed() {
        let dir = tempfile::tempdir().unwrap();
        let text = "\u{feff}who,what\nb,1\na,2\nb,3\n,4\nc,5,6\n";
        let plain = dir.path().join("plain.csv");
        std::fs::write(&plain, text).unwrap();
        let packed = dir.path().join("packed.csv.zst");
        std::fs::write(&packed, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let gzipped = dir.path().join("x.csv.gz");
        std::fs::write(&gzipped, gzip.finish().unwrap()).unwrap();
        let read = |path: &Path| {
            let mut out = Vec::new();
            let count = consents_for(path, "who", 3, Some("s"), PPM, &mut out).unwrap();
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
        std::fs::write(&path, "who\nx\n").unwrap();
        let error = consents_for(&path, "whom", 3, None, 1, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("`whom`") && error.to_string().contains("a.csv"));
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
