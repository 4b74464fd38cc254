//! Writes a population's files: for each institution a folder of CSV or FHIR with its consents, and
//! beside them who is who (`truth.csv`) and the parties.
//!
//! Comes in: a population and a folder. Goes out: files and a count of what is in them.
//! Never: more in memory than two rounds of people, however many there are; a file from before in
//! another format.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde::Serialize;

use super::{
    Error, Population, accounts, canary,
    chart::chart,
    consent_files::{self, CONSENT_HEADER},
    consents::{self, Decision},
    dice::Dice,
    faults::{self, Fault},
    fhir, parties,
    person::{institution, mrn, person},
    records::{Format, Record, Table, put, put_header},
};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Written {
    /// People.
    pub people: u64,
    /// People seen at more than one institution.
    pub several: u64,
    /// For each institution: its id, people, records, and records with a fault.
    pub institutions: Vec<(String, u64, u64, u64)>,
    /// Consent decisions.
    pub consents: u64,
}

/// The columns of the table that says who is who.
const TRUTH_HEADER: [&str; 3] = ["institution", "local_id", "person"];

/// Writes the files of a population below `dir`; what was there under the same names is replaced.
pub fn write_people(population: &Population, dir: &Path) -> Result<Written, Error> {
    let mut folders = Vec::new();
    for at in 0..population.institutions() {
        folders.push(Folder::create(population, at, dir)?);
    }
    let mut truth = Out::create(dir.join("truth.csv"))?;
    let mut line = Vec::new();
    put_header(&mut line, &TRUTH_HEADER);
    truth.write(&line)?;
    let mut several = 0;
    let mut from = 0;
    while from < population.people() {
        let to = (from + ROUND).min(population.people());
        let pieces: Vec<Piece> = (from..to)
            .step_by(PIECE)
            .collect::<Vec<u64>>()
            .into_par_iter()
            .map(|start| Piece::make(population, start, (start + PIECE as u64).min(to)))
            .collect();
        for piece in pieces {
            several += piece.several;
            truth.write(&piece.truth)?;
            for (folder, lines) in folders.iter_mut().zip(piece.lines) {
                folder.append(&lines)?;
            }
        }
        from = to;
    }
    truth.close()?;
    let mut consents = 0;
    let mut institutions = Vec::new();
    for folder in folders {
        let (name, lines) = folder.close()?;
        consents += lines.decisions;
        institutions.push((name, lines.people, lines.rows, lines.faulty));
    }
    let _sponsors = to_file(&dir.join("sponsors.csv"), |out| {
        parties::write_sponsors(population.seed(), 3, out)
    })?;
    let _payees = to_file(&dir.join("payees.csv"), |out| accounts::write_payees(population, out))?;
    let _researchers = to_file(&dir.join("researchers.csv"), |out| {
        parties::write_researchers(population.seed(), 4, out)
    })?;
    Ok(Written { people: population.people(), several, institutions, consents })
}

/// Makes a file, lets `write` fill it, and sees that all of it reached the file.
pub fn to_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<u64, Error>,
) -> Result<u64, Error> {
    let created = File::create(path).map_err(|source| file("make", path, source))?;
    let mut out = BufWriter::with_capacity(1 << 20, created);
    let count = write(&mut out)?;
    out.flush().map_err(|source| file("write", path, source))?;
    Ok(count)
}

pub(super) fn file(act: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { act, path: path.to_owned(), source }
}

/// People made at once, and by one task: the files are the same for any number of either.
const ROUND: u64 = 8_192;
const PIECE: usize = 512;

/// What some people add to every file.
struct Piece {
    lines: Vec<Lines>,
    truth: Vec<u8>,
    several: u64,
}

impl Piece {
    fn make(population: &Population, start: u64, end: u64) -> Self {
        let count = population.institutions();
        let mut lines: Vec<Lines> =
            (0..count).map(|at| Lines::new(population.format(at))).collect();
        let (mut truth, mut several) = (Vec::new(), 0);
        for index in start..end {
            let person = person(population, index);
            several += u64::from(person.institutions.len() > 1);
            let decisions = consents::decisions(population, &person);
            for at in &person.institutions {
                let slot = usize::try_from(*at).ok().and_then(|at| lines.get_mut(at));
                let Some(lines) = slot else { continue };
                let number = mrn(population.seed(), *at, index);
                let name = institution(*at);
                lines.people += 1;
                let mut dice = Dice::new(population.seed(), "faults", index * 64 + u64::from(*at));
                for record in chart(population.seed(), &person, *at) {
                    let is_canary = index < canary::CANARY_PEOPLE;
                    lines.push(population.seed(), &mut dice, &name, record, is_canary);
                }
                let here: Vec<&Decision> = decisions.iter().filter(|d| d.at == *at).collect();
                let out = &mut lines.consents;
                lines.decisions += consent_files::append(out, lines.format, &name, &number, &here);
                put(&mut truth, &[name.into_owned(), number, person.member_no.clone()]);
            }
        }
        Self { lines, truth, several }
    }
}

/// Lines of one institution's files, and how many there are.
#[derive(Debug, Clone)]
struct Lines {
    format: Format,
    tables: [Vec<u8>; 4],
    consents: Vec<u8>,
    people: u64,
    rows: u64,
    faulty: u64,
    decisions: u64,
}

impl Lines {
    fn new(format: Format) -> Self {
        let (tables, consents) = Default::default();
        Self { format, tables, consents, people: 0, rows: 0, faulty: 0, decisions: 0 }
    }

    /// Adds a record, faulty or not. A canary's patient has no fault, for that would take it out of
    /// the run that it is there to watch.
    fn push(&mut self, seed: u64, dice: &mut Dice, at: &str, mut record: Record, is_canary: bool) {
        let table = record.table();
        let fault = Fault::draw(dice).filter(|_| !(is_canary && table == Table::Patients));
        let is_value = match fault {
            Some(Fault::Value) => true,
            Some(Fault::Type) => self.format == Format::Csv,
            Some(Fault::Short | Fault::Shape) | None => false,
        };
        if is_value {
            faults::spoil(seed, dice, &mut record);
        }
        self.rows += 1;
        self.faulty += u64::from(fault.is_some());
        let [patients, visits, conditions, measurements] = &mut self.tables;
        let out = match table {
            Table::Patients => patients,
            Table::Visits => visits,
            Table::Conditions => conditions,
            Table::Measurements => measurements,
        };
        match self.format {
            Format::Fhir => fhir::put(out, at, &record, fault),
            Format::Csv => {
                let mut cells = record.into_cells();
                match fault {
                    Some(Fault::Short) => cells.truncate(cells.len().saturating_sub(1)),
                    Some(Fault::Shape) => cells.push(canary::cell(seed)),
                    Some(Fault::Value | Fault::Type) | None => {}
                }
                put(out, &cells);
            }
        }
    }

    fn count(&mut self, more: &Self) {
        self.people += more.people;
        self.rows += more.rows;
        self.faulty += more.faulty;
        self.decisions += more.decisions;
    }
}

/// One institution's files.
struct Folder {
    name: String,
    tables: [Out; 4],
    consents: Out,
    counts: Lines,
}

impl Folder {
    fn create(population: &Population, at: u32, dir: &Path) -> Result<Self, Error> {
        let name = institution(at).into_owned();
        let folder = dir.join(&name);
        fs::create_dir_all(&folder).map_err(|source| file("make", &folder, source))?;
        let format = population.format(at);
        let other = if format == Format::Csv { Format::Fhir } else { Format::Csv };
        let stale = Table::ALL.iter().map(|table| table.file(other));
        for old in stale.chain([consent_files::file(other).to_owned()]) {
            let old = folder.join(old);
            if old.exists() {
                fs::remove_file(&old).map_err(|source| file("remove", &old, source))?;
            }
        }
        let open = |table: Table| {
            let mut out = Out::create(folder.join(table.file(format)))?;
            if format == Format::Csv {
                let mut line = Vec::new();
                put_header(&mut line, table.columns());
                out.write(&line)?;
            }
            Ok::<_, Error>(out)
        };
        let [patients, visits, conditions, measurements] = Table::ALL.map(open);
        let mut consents = Out::create(folder.join(consent_files::file(format)))?;
        match format {
            Format::Csv => {
                let mut line = Vec::new();
                put_header(&mut line, &CONSENT_HEADER);
                consents.write(&line)?;
            }
            Format::Fhir => {
                let mut itself = Out::create(folder.join("Organization.ndjson"))?;
                itself.write(format!("{}\n", fhir::organization(&name)).as_bytes())?;
                itself.close()?;
            }
        }
        let tables = [patients?, visits?, conditions?, measurements?];
        Ok(Self { name, tables, consents, counts: Lines::new(format) })
    }

    fn append(&mut self, lines: &Lines) -> Result<(), Error> {
        for (out, bytes) in self.tables.iter_mut().zip(&lines.tables) {
            out.write(bytes)?;
        }
        self.consents.write(&lines.consents)?;
        self.counts.count(lines);
        Ok(())
    }

    fn close(self) -> Result<(String, Lines), Error> {
        for out in self.tables {
            out.close()?;
        }
        self.consents.close()?;
        Ok((self.name, self.counts))
    }
}

/// A file that is being written.
struct Out {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Out {
    fn create(path: PathBuf) -> Result<Self, Error> {
        let created = File::create(&path).map_err(|source| file("make", &path, source))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 18, created), path })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| file("write", &self.path, source))
    }

    fn close(mut self) -> Result<(), Error> {
        self.file.flush().map_err(|source| file("write", &self.path, source))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// All files of a population as one text.
    pub(crate) fn text(population: &Population) -> String {
        files(population).into_values().collect()
    }

    fn files(population: &Population) -> BTreeMap<String, String> {
        let dir = tempfile::tempdir().unwrap();
        write_people(population, dir.path()).unwrap();
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let inside = if path.is_dir() {
                fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect()
            } else {
                vec![path]
            };
            for path in inside {
                let name = path.strip_prefix(dir.path()).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
        found
    }

    #[test]
    fn the_same_seed_writes_the_same_bytes_and_another_seed_others() {
        let population = Population::new(11, 1_100, 3).unwrap();
        let first = files(&population);
        assert_eq!(first.len(), 3 * 5 + 4, "{:?}", first.keys());
        assert_eq!(first, files(&population), "a demo could not be repeated");
        assert_ne!(first, files(&Population::new(12, 1_100, 3).unwrap()));
    }

    #[test]
    fn half_of_the_institutions_send_fhir_and_nothing_of_the_other_format_stays() {
        let dir = tempfile::tempdir().unwrap();
        let population = Population::new(11, 300, 4).unwrap();
        write_people(&population, dir.path()).unwrap();
        write_people(&population.with_fhir(2), dir.path()).unwrap();
        for (name, is_fhir) in [
            ("north-shore", false),
            ("lake-county", true),
            ("riverside", true),
            ("st-anselm", false),
        ] {
            let has = |file: &str| dir.path().join(name).join(file).exists();
            let fhir = ["Patient", "Encounter", "Condition", "Observation", "Consent"];
            assert!(
                fhir.iter().all(|kind| has(&format!("{kind}.ndjson")) == is_fhir),
                "{name} sends FHIR: {is_fhir}"
            );
            for table in ["patients", "visits", "conditions", "measurements", "consents"] {
                assert_ne!(has(&format!("{table}.csv")), is_fhir, "{name} has {table}.csv");
            }
        }
    }

    #[test]
    fn the_truth_names_everybody_once_at_each_of_their_institutions_and_no_file_names_them() {
        let population = Population::new(11, 900, 4).unwrap().with_fhir(2);
        let files = files(&population);
        let mut known: Vec<String> =
            files["truth.csv"].lines().skip(1).map(str::to_owned).collect();
        let expected: Vec<String> = super::super::people(&population)
            .flat_map(|person| {
                let seed = population.seed();
                let line = move |at: &u32| {
                    let number = mrn(seed, *at, person.index);
                    format!("{},{number},{}", institution(*at), person.member_no)
                };
                person.institutions.clone().iter().map(line).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(known, expected);
        known.sort_unstable_by_key(|line| line.split(',').nth(1).map(str::to_owned));
        known.dedup_by_key(|line| line.split(',').nth(1).map(str::to_owned));
        assert_eq!(known.len(), expected.len(), "two people share a record number");
        for (name, text) in files.iter().filter(|(name, _)| name.contains('/')) {
            for person in super::super::people(&population).step_by(90) {
                assert!(!text.contains(&person.member_no), "{name} tells linkage the answer");
            }
        }
    }

    #[test]
    fn a_larger_population_begins_with_the_smaller_one() {
        let small = files(&Population::new(4, 600, 2).unwrap());
        let large = files(&Population::new(4, 1_300, 2).unwrap());
        for (name, text) in small.iter().filter(|(name, _)| name.contains('/')) {
            assert!(large[name].starts_with(text.as_str()), "{name} rests on the size");
        }
    }

    #[test]
    fn about_one_row_in_a_hundred_is_faulty() {
        let dir = tempfile::tempdir().unwrap();
        let population = Population::new(2, 2_000, 4).unwrap();
        let written = write_people(&population, dir.path()).unwrap();
        let rows: u64 = written.institutions.iter().map(|i| i.2).sum();
        let faulty: u64 = written.institutions.iter().map(|i| i.3).sum();
        assert!((rows * 7 / 1_000..rows * 13 / 1_000).contains(&faulty), "{faulty} of {rows}");
        assert!((60_000..200_000).contains(&rows), "{rows} rows are no demo");
    }

    #[test]
    fn few_people_are_alone_in_their_class_so_the_demo_keeps_its_limit() {
        let population = Population::new(1, 2_000, 4).unwrap();
        let restricted = ["036", "059"];
        let mut classes: BTreeMap<(i32, &str, &str), u64> = BTreeMap::new();
        for person in super::super::people(&population) {
            if consents::standing_hmb(&population, person.index) {
                let year = chrono::Datelike::year(&person.birth_date).max(1937);
                let zip3 = &person.zip[..3];
                let zip3 = if restricted.contains(&zip3) { "000" } else { zip3 };
                *classes.entry((year / 25, person.sex, zip3)).or_default() += 1;
            }
        }
        let all: u64 = classes.values().sum();
        let small: u64 = classes.values().filter(|people| **people < 11).sum();
        assert!(small * 1_000 < all * 40, "{small} of {all} people would be suppressed");
        assert!(all > 1_600, "only {all} of 2,000 people consent");
    }
}
