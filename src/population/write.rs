//! Writes a population's files: `DIR/<institution>/<table>.csv`, `DIR/consents.csv` and the parties.
//!
//! Comes in: a population and a folder. Goes out: files and a count of what is in them.
//! Never: more in memory than two rounds of people, however many there are.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
};

use rayon::prelude::*;
use serde::Serialize;

use super::{
    Error, Population, consents, parties,
    person::{institution, person},
    records::{Lines, Table, append, put},
};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Written {
    /// People.
    pub people: u64,
    /// People seen at more than one institution.
    pub several: u64,
    /// For each institution: its id, people, rows, and rows with a fault.
    pub institutions: Vec<(String, u64, u64, u64)>,
    /// Consent decisions.
    pub consents: u64,
}

/// Writes the files of a population below `dir`; what was there under the same names is replaced.
pub fn write_people(population: &Population, dir: &Path) -> Result<Written, Error> {
    let mut files = Vec::new();
    for at in 0..population.institutions() {
        let folder = dir.join(institution(at).as_ref());
        fs::create_dir_all(&folder).map_err(|source| file("make", &folder, source))?;
        files.push(Files::create(at, &folder)?);
    }
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
            for (files, (people, lines)) in files.iter_mut().zip(piece.lines) {
                files.append(people, &lines)?;
            }
        }
        from = to;
    }
    let institutions = files.into_iter().map(Files::close).collect::<Result<Vec<_>, _>>()?;

    let consents =
        to_file(&dir.join("consents.csv"), |out| consents::write_consents(population, out))?;
    let _sponsors = to_file(&dir.join("sponsors.csv"), |out| {
        parties::write_sponsors(population.seed(), 3, out)
    })?;
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

struct Piece {
    /// For each institution, people and lines.
    lines: Vec<(u64, Lines)>,
    several: u64,
}

impl Piece {
    fn make(population: &Population, start: u64, end: u64) -> Self {
        let mut lines: Vec<(u64, Lines)> =
            (0..population.institutions()).map(|_| Default::default()).collect();
        let mut several = 0;
        for index in start..end {
            let person = person(population, index);
            several += u64::from(person.institutions.len() > 1);
            for at in &person.institutions {
                let slot = usize::try_from(*at).ok().and_then(|at| lines.get_mut(at));
                if let Some((people, lines)) = slot {
                    *people += 1;
                    append(population.seed(), &person, *at, lines);
                }
            }
        }
        Self { lines, several }
    }
}

struct Files {
    name: String,
    tables: Vec<(Table, BufWriter<File>, std::path::PathBuf)>,
    people: u64,
    rows: u64,
    faulty: u64,
}

impl Files {
    fn create(at: u32, folder: &Path) -> Result<Self, Error> {
        let mut tables = Vec::new();
        for table in Table::ALL {
            let path = folder.join(table.file());
            let created = File::create(&path).map_err(|source| file("make", &path, source))?;
            let mut out = BufWriter::with_capacity(1 << 18, created);
            out.write_all(&header(table)).map_err(|source| file("write", &path, source))?;
            tables.push((table, out, path));
        }
        Ok(Self { name: institution(at).into_owned(), tables, people: 0, rows: 0, faulty: 0 })
    }

    fn append(&mut self, people: u64, lines: &Lines) -> Result<(), Error> {
        for (table, out, path) in &mut self.tables {
            out.write_all(lines.table(*table)).map_err(|source| file("write", path, source))?;
        }
        self.people += people;
        self.rows += lines.rows;
        self.faulty += lines.faulty;
        Ok(())
    }

    fn close(mut self) -> Result<(String, u64, u64, u64), Error> {
        for (_, out, path) in &mut self.tables {
            out.flush().map_err(|source| file("write", path, source))?;
        }
        Ok((self.name, self.people, self.rows, self.faulty))
    }
}

fn header(table: Table) -> Vec<u8> {
    let mut line = Vec::new();
    put(&mut line, &table.columns().iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    line
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
        assert_eq!(first.len(), 3 * 4 + 3);
        assert_eq!(first, files(&population), "a demo could not be repeated");
        assert_ne!(first, files(&Population::new(12, 1_100, 3).unwrap()));
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
