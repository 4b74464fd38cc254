//! The acts of consent: import files, record a person's own decision, show, explain.
//!
//! Comes in: files and decisions. Goes out: commits of the register, one entry in the book each.
//! Never: grants of a file before its withdrawals, or a name, a day or a small number in the book.

mod explain;
mod fhir;
mod files;
mod releases;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::{
    explain::{Asked, Cell, Layer, Told, explain},
    fhir::{Place, PutAside, Report, import_fhir},
    files::{Source, sources},
    releases::{Release, releases},
};
use crate::{
    consent::{self, Batch, Event, Fault, Held, InputFormat, Register, prepare},
    digest::Sha3Digest,
    instant::{Date, Instant},
    lake,
    ledger::entry::{EntryId, Kind},
    linkage::{self, PersonIndex},
    party::{ContributorId, InstitutionId},
    site::{self, Site},
    store::{self, Sequence},
};

/// Counts of people below this stand in the book as `<10`.
const PEOPLE_SHOWN_MIN: u64 = 10;

/// Why an act of consent did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The register failed.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The person index failed.
    #[error(transparent)]
    Linkage(#[from] linkage::Error),
    /// The file cannot be read.
    #[error("`{}` cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file's name does not say how it is written.
    #[error("`{}` is neither .csv nor .ndjson", .0.display())]
    Format(PathBuf),
    /// A path names no file.
    #[error("`{}` names no file, or a folder that is no institution", pattern.display())]
    NothingFound {
        /// The path.
        pattern: PathBuf,
    },
    /// What was read makes no decision: a promise of the reader was broken.
    #[error("what was read makes no decision")]
    Event,
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// Lines of the file are no decisions; nothing was imported.
    #[error("`{}` has {} faults; nothing was imported", file.display(), faults.len())]
    Faults {
        /// The file.
        file: PathBuf,
        /// All of them, in order.
        faults: Vec<Fault>,
    },
    /// The run's instant lies before the newest commit.
    #[error("the run's instant {now} lies before the newest commit of consents, {newest}")]
    Clock {
        /// The run's instant.
        now: Instant,
        /// When the newest commit was recorded.
        newest: Instant,
    },
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

/// What an act added to the register.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Grants and opt-ins recorded.
    pub grants: u64,
    /// Withdrawals and opt-outs recorded.
    pub withdrawals: u64,
    /// Decisions given that the register held already.
    pub known: u64,
    /// Decisions left out, because the person index does not know whose they are.
    pub not_linked: u64,
    /// People recorded for the first time.
    pub people_new: u64,
    /// The numbers of the commits made.
    pub commits: Vec<u64>,
    /// The ids of their entries.
    pub entries: Vec<EntryId>,
}

impl Outcome {
    /// Adds what another act added.
    pub fn add(&mut self, other: Self) {
        self.grants += other.grants;
        self.withdrawals += other.withdrawals;
        self.known += other.known;
        self.not_linked += other.not_linked;
        self.people_new += other.people_new;
        self.commits.extend(other.commits);
        self.entries.extend(other.entries);
    }
}

/// Imports a file of consents (plain, gzip or zstd), all of it or nothing. What the register holds
/// already is counted and not recorded again.
///
/// With `institution` the file names people by that institution's own ids, and the person index says
/// who that is; where nothing is linked, the id itself.
pub fn import(
    site: &Site,
    file: &Path,
    format: Option<InputFormat>,
    institution: Option<&InstitutionId>,
) -> Result<Outcome, Error> {
    let fault = |source| Error::Read { file: file.to_owned(), source };
    let Some(format) = format.or_else(|| format_of(file)) else {
        return Err(Error::Format(file.to_owned()));
    };
    let mut opened = File::open(file).map_err(fault)?;
    let (digest, _) = Sha3Digest::of_reader(&mut opened).map_err(fault)?;
    opened.rewind().map_err(fault)?;
    let index = PersonIndex::load(&site.vault())?;
    let own = institution.filter(|_| index.commit() > 0);
    let linked = own.map(|own| |local: &str| index.person(own, local).cloned());
    let linked = linked.as_ref().map(|linked| linked as &consent::Linked<'_>);
    let read = consent::read(unpacked(opened).map_err(fault)?, format, linked);
    let read = read.map_err(fault)?;
    let read = read.map_err(|faults| Error::Faults { file: file.to_owned(), faults })?;
    let outcome = record(site, read.events, &format!("sha3:{digest}"))?;
    Ok(Outcome { not_linked: read.not_linked, ..outcome })
}

/// Records decisions: grants and withdrawals made at a desk or a portal.
pub fn decide(site: &Site, events: Vec<Event>) -> Result<Outcome, Error> {
    record(site, events, "command")
}

/// Returns the events of one person; `None` where the register does not know them.
pub fn show(site: &Site, contributor: &ContributorId) -> Result<Option<Vec<Held>>, Error> {
    Ok(Register::load(&site.vault())?.events(contributor))
}

/// Records what is news: withdrawals in a commit of their own before grants, so that a crash
/// between the two leaves nobody permitted whom the file withdraws.
fn record(site: &Site, events: Vec<Event>, source: &str) -> Result<Outcome, Error> {
    let vault = site.vault();
    let mut register = Register::load(&vault)?;
    let events = for_every_id(&register, &PersonIndex::load(&vault)?, events);
    if let Some(newest) = register.recorded_until()
        && newest > site.now()
    {
        return Err(Error::Clock { now: site.now(), newest });
    }
    let given = events.len();
    let news = register.news(events);
    let mut outcome = Outcome { known: (given - news.len()) as u64, ..Outcome::default() };
    let (withdrawals, grants): (Vec<_>, Vec<_>) =
        news.into_iter().partition(|event| !event.action().gives());
    for (kind, events) in [(Kind::WithdrawalBatch, withdrawals), (Kind::ConsentBatch, grants)] {
        if events.is_empty() {
            continue;
        }
        if !outcome.commits.is_empty() {
            register = Register::load(&vault)?;
        }
        let mut fresh =
            || site.random().map_err(|error| consent::Error::Randomness(Box::new(error)));
        let batch = prepare(&register, &events, site.now(), source, &mut fresh)?;
        batch.write(&vault)?;
        let entry = site.entry(kind, &[], &[], &body(kind, &batch, site.now().date()))?;
        let commit = batch.commit(site.txn()?, site.now(), entry.text());
        let sequence = Sequence::new(&vault, "consent/commits");
        site.commit(&sequence, batch.number, &commit, &entry)?;
        outcome.grants += batch.grants;
        outcome.withdrawals += batch.withdrawals;
        outcome.people_new += batch.people_new;
        outcome.commits.push(batch.number);
        outcome.entries.push(entry.id());
    }
    Ok(outcome)
}

/// A person of several ids decides under each of them that is known, so that no merge or split
/// brings back what they took back.
fn for_every_id(register: &Register, index: &PersonIndex, events: Vec<Event>) -> Vec<Event> {
    let mut ids: BTreeMap<&ContributorId, Vec<&ContributorId>> = BTreeMap::new();
    for (alias, kept) in index.all_aliases() {
        ids.entry(kept).or_default().push(alias);
    }
    if ids.is_empty() {
        return events;
    }
    let known = |id: &&ContributorId| register.people().index(id.as_str()).is_some();
    let mut all = Vec::with_capacity(events.len());
    for event in events {
        let person = index.canonical(event.contributor()).clone();
        let aliases = ids.get(&person).into_iter().flatten().copied().filter(known);
        all.extend(aliases.map(|alias| event.clone().of(alias.clone())));
        all.push(event.of(person));
    }
    all
}

/// What the book tells of a commit.
fn body(kind: Kind, batch: &Batch, day: Date) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("count".to_owned(), shown(batch.events.0.count));
    body.insert("root".to_owned(), batch.root.to_string().into());
    body.insert("commit".to_owned(), batch.number.into());
    if kind == Kind::WithdrawalBatch {
        // The day from which the site heeds them, the same for all of the batch.
        body.insert("effective".to_owned(), day.to_string().into());
    } else {
        let purposes = batch.purposes.iter().map(|purpose| purpose.as_str().into());
        body.insert("purposes".to_owned(), Value::Array(purposes.collect()));
    }
    body
}

/// Says how many people or decisions, as the book may say it.
pub(super) fn shown(count: u64) -> Value {
    if count < PEOPLE_SHOWN_MIN { format!("<{PEOPLE_SHOWN_MIN}").into() } else { count.into() }
}

fn format_of(file: &Path) -> Option<InputFormat> {
    let name = file.file_name()?.to_str()?.to_ascii_lowercase();
    let plain = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match plain.rsplit_once('.')?.1 {
        "csv" => Some(InputFormat::Csv),
        "ndjson" | "jsonl" => Some(InputFormat::Ndjson),
        _ => None,
    }
}

/// Unpacks gzip and zstd by their first bytes.
pub(super) fn unpacked<'r>(mut file: impl Read + io::Seek + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(file),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::{
        consent::{Decision, Refusal, Scope},
        purpose::Purpose,
    };

    const HEADER: &str =
        "contributor,action,purposes,institutions,categories,valid_from,valid_until,decided_at\n";

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let place = Self { dir: tempfile::tempdir().unwrap() };
            let (address, keys) = place.addresses();
            Site::init(&address, &keys, "test.example/ledger", instant("2026-01-01")).unwrap();
            place
        }

        fn addresses(&self) -> (String, PathBuf) {
            let site = self.dir.path().join("site");
            (site.to_str().unwrap().to_owned(), self.dir.path().join("keys"))
        }

        fn at(&self, now: &str) -> Site {
            let (address, keys) = self.addresses();
            Site::open(&address, &keys, instant(now)).unwrap()
        }

        fn file(&self, name: &str, lines: &str) -> PathBuf {
            let path = self.dir.path().join(name);
            let text = format!("{HEADER}{lines}");
            if path.extension().is_some_and(|ending| ending == "gz") {
                let file = File::create(&path).unwrap();
                let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                packed.write_all(text.as_bytes()).unwrap();
                packed.finish().unwrap();
            } else {
                std::fs::write(&path, text).unwrap();
            }
            path
        }
    }

    fn instant(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn decision(site: &Site, person: &str, on: &str) -> Decision {
        let north = InstitutionId::parse("north").unwrap();
        let scope = Scope {
            purposes: vec![Purpose::parse("DUO:0000006").unwrap()],
            cells: vec![(north.clone(), "visits".to_owned())],
            on: on.parse().unwrap(),
            known_at: site.now(),
        };
        let register = Register::load(&site.vault()).unwrap();
        register.admission(&scope).decision(person, &north, "visits")
    }

    fn lines() -> String {
        let grants = (0..12)
            .map(|n| format!("canary-{n},grant,DUO:0000006,,,,,2026-01-05T09:00:00Z\n"))
            .collect::<Vec<_>>()
            .concat();
        format!("{grants}canary-3,withdraw,,,,,,2026-02-05T09:00:00Z\n")
    }

    #[test]
    fn a_file_is_recorded_once_and_its_withdrawals_first() {
        let place = Place::new();
        let file = place.file("consents.csv.gz", &lines());
        let site = place.at("2026-03-01");
        let first = import(&site, &file, None, None).unwrap();
        assert_eq!((first.grants, first.withdrawals, first.known), (12, 1, 0));
        assert_eq!((first.people_new, first.commits.as_slice()), (12, [1, 2].as_slice()));
        assert_eq!(decision(&site, "canary-3", "2026-03-01"), Decision::Refuse(Refusal::Withdrawn));
        assert_eq!(decision(&site, "canary-4", "2026-03-01"), Decision::Permit);
        let again = import(&place.at("2026-03-02"), &file, None, None).unwrap();
        assert_eq!(again, Outcome { known: 13, ..Outcome::default() }, "a decision was doubled");
    }

    #[test]
    fn the_book_tells_roots_and_large_counts_alone() {
        let place = Place::new();
        import(&place.at("2026-03-01"), &place.file("c.csv", &lines()), None, None).unwrap();
        let vault = place.at("2026-03-01").vault();
        let commits = Sequence::new(&vault, "consent/commits").all().unwrap();
        let commits: Vec<consent::Commit> =
            commits.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
        let body = |commit: &consent::Commit| {
            crate::ledger::Entry::parse(commit.entry.as_bytes()).unwrap().body().clone()
        };
        let (withdrawals, grants) = (body(&commits[0]), body(&commits[1]));
        assert_eq!(withdrawals["count"], "<10", "one person's withdrawal could be told");
        assert_eq!(withdrawals["effective"], "2026-03-01");
        assert_eq!(grants["count"], 12);
        assert_eq!(grants["purposes"], serde_json::json!(["DUO:0000006"]));
        assert_eq!(grants["root"], commits[1].root.to_string());
        for object in place.at("2026-03-01").ledger().list("").unwrap() {
            let bytes = place.at("2026-03-01").ledger().get(&object.path).unwrap();
            assert!(!bytes.windows(6).any(|w| w == b"canary"), "the book names a person");
        }
    }

    #[test]
    fn a_file_with_a_bad_line_is_not_imported_at_all() {
        let place = Place::new();
        let text = format!("{}canary-x,grant,,,,,,2026-01-05T09:00:00Z\n", lines());
        let site = place.at("2026-03-01");
        let error = import(&site, &place.file("c.csv", &text), None, None).unwrap_err();
        assert!(!error.to_string().contains("canary"));
        let Error::Faults { faults, .. } = error else { panic!("another error") };
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [15]);
        assert_eq!(Register::load(&site.vault()).unwrap().commit(), 0);
    }

    #[test]
    fn a_clock_set_back_may_not_rewrite_history() {
        let place = Place::new();
        import(&place.at("2026-03-01"), &place.file("a.csv", &lines()), None, None).unwrap();
        let more = place.file("b.csv", "q,grant,DUO:0000006,,,,,2026-01-05T09:00:00Z\n");
        let error = import(&place.at("2026-02-28"), &more, None, None).unwrap_err();
        assert!(matches!(error, Error::Clock { .. }));
    }
}
