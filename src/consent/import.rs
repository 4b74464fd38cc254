//! Consents as institutions send them: CSV or NDJSON, one decision a line.
//!
//! Comes in: a file's bytes. Goes out: all its events, or every fault with its line and column.
//! Never: a cell's value in a fault, or a file taken in part.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufRead, Read},
    sync::Arc,
};

use csv::ByteRecord;
use serde::Deserialize;

use super::event::{Action, Event, EventError, Terms};
use crate::{
    instant::{Date, Instant},
    party::ContributorId,
};

/// The columns of a CSV file and the members of an NDJSON line.
const COLUMNS: [&str; 8] = [
    "contributor",
    "action",
    "purposes",
    "institutions",
    "categories",
    "valid_from",
    "valid_until",
    "decided_at",
];

/// The longest line of NDJSON that is read, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// How a file of consents is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputFormat {
    /// CSV (RFC 4180) with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// What is wrong with a line. It never holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// The column, where one is at fault.
    pub column: Option<&'static str>,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    fn new(line: u64, column: Option<&'static str>, reason: impl Into<String>) -> Self {
        Self { line, column, reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}: column `{column}` {}", self.line, self.reason),
            None => write!(f, "line {}: {}", self.line, self.reason),
        }
    }
}

/// Says whom an institution's own id stands for; none where it is not linked.
pub type Linked<'a> = dyn Fn(&str) -> Option<ContributorId> + 'a;

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions {
    /// Its events, in order.
    pub events: Vec<Event>,
    /// Decisions left out, because nobody knows whose they are.
    pub not_linked: u64,
}

/// Reads all decisions of a file, or all its faults. An error is one of reading, not of content. Where
/// the file names people by an institution's own ids, `linked` says who that is. A decision of whom it
/// does not know is left out and counted: the id might be somebody else's elsewhere.
pub fn read(
    input: impl Read,
    format: InputFormat,
    linked: Option<&Linked<'_>>,
) -> io::Result<Result<Decisions, Vec<Fault>>> {
    let mut lines = Lines {
        linked,
        not_linked: 0,
        events: Vec::new(),
        faults: Vec::new(),
        terms: BTreeMap::new(),
        key: String::new(),
    };
    match format {
        InputFormat::Csv => lines.csv(input)?,
        InputFormat::Ndjson => lines.ndjson(io::BufReader::with_capacity(1 << 18, input))?,
    }
    let Lines { events, not_linked, faults, .. } = lines;
    Ok(if faults.is_empty() { Ok(Decisions { events, not_linked }) } else { Err(faults) })
}

struct Lines<'a> {
    linked: Option<&'a Linked<'a>>,
    not_linked: u64,
    events: Vec<Event>,
    faults: Vec<Fault>,
    terms: BTreeMap<String, Arc<Terms>>,
    key: String,
}

impl Lines<'_> {
    fn fault(&mut self, line: u64, column: Option<&'static str>, reason: impl Into<String>) {
        self.faults.push(Fault::new(line, column, reason));
    }

    fn csv(&mut self, input: impl Read) -> io::Result<()> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .buffer_capacity(1 << 18)
            .from_reader(input);
        let mut record = ByteRecord::new();
        let mut next = |record: &mut ByteRecord| match reader.read_byte_record(record) {
            Ok(more) => Ok(more),
            // Bytes and any number of cells are taken, so what is left is reading itself.
            Err(error) => Err(match error.into_kind() {
                csv::ErrorKind::Io(error) => error,
                csv::ErrorKind::Utf8 { .. }
                | csv::ErrorKind::UnequalLengths { .. }
                | csv::ErrorKind::Seek
                | csv::ErrorKind::Serialize(_)
                | csv::ErrorKind::Deserialize { .. }
                | _ => io::Error::other("the file is no CSV"),
            }),
        };
        if !next(&mut record)? {
            self.fault(1, None, "the file is empty; a header is needed");
            return Ok(());
        }
        let Some(places) = self.header(&record) else { return Ok(()) };
        let cells = record.len();
        while next(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != cells {
                let found = record.len();
                self.fault(line, None, format!("{found} cells where the header has {cells}"));
                continue;
            }
            let mut texts = [""; COLUMNS.len()];
            let mut whole = true;
            for ((text, place), column) in texts.iter_mut().zip(places).zip(COLUMNS) {
                let cell = place.and_then(|at| record.get(at)).unwrap_or_default();
                if let Ok(cell) = std::str::from_utf8(cell) {
                    *text = cell.trim();
                } else {
                    whole = false;
                    self.faults.push(Fault::new(line, Some(column), "holds invalid UTF-8"));
                }
            }
            if whole {
                self.line(line, texts);
            }
        }
        Ok(())
    }

    /// Finds each column's place in the header. A header's text is not repeated: a file without
    /// one would show its first person.
    fn header(&mut self, record: &ByteRecord) -> Option<[Option<usize>; COLUMNS.len()]> {
        let mut places = [None; COLUMNS.len()];
        let before = self.faults.len();
        for (at, cell) in record.iter().enumerate() {
            let cell = cell.strip_prefix(b"\xef\xbb\xbf").filter(|_| at == 0).unwrap_or(cell);
            let found = COLUMNS.iter().position(|name| name.as_bytes() == cell.trim_ascii());
            match found.and_then(|column| places.get_mut(column)) {
                Some(place @ None) => *place = Some(at),
                Some(Some(_)) => {
                    self.fault(1, None, format!("cell {} is a second column of its name", at + 1));
                }
                None => {
                    let known = COLUMNS.join(", ");
                    self.fault(
                        1,
                        None,
                        format!("cell {} of the header is none of {known}", at + 1),
                    );
                }
            }
        }
        for (place, name) in places.iter().zip(COLUMNS) {
            let needed = matches!(name, "contributor" | "action" | "purposes" | "decided_at");
            if place.is_none() && needed {
                self.fault(1, Some(name), "is missing");
            }
        }
        (self.faults.len() == before).then_some(places)
    }

    fn ndjson(&mut self, mut input: impl BufRead) -> io::Result<()> {
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let read = (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                break;
            }
            if read as u64 == LINE_BYTES_MAX && !bytes.ends_with(b"\n") {
                self.fault(line, None, format!("the line is longer than {LINE_BYTES_MAX} bytes"));
                // The rest of the line is skipped without being kept.
                while !bytes.ends_with(b"\n") {
                    bytes.clear();
                    if (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? == 0 {
                        break;
                    }
                }
                continue;
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Object>(&bytes) {
                Ok(object) => {
                    let lists = [object.purposes, object.institutions, object.categories];
                    let [purposes, institutions, categories] = lists.map(Items::text);
                    let texts = [
                        object.contributor.trim(),
                        object.action.trim(),
                        &purposes,
                        &institutions,
                        &categories,
                        object.valid_from.as_deref().unwrap_or_default().trim(),
                        object.valid_until.as_deref().unwrap_or_default().trim(),
                        object.decided_at.trim(),
                    ];
                    self.line(line, texts);
                }
                Err(error) => {
                    // serde's own text may repeat a value; only its kind and place are told.
                    let at = error.column();
                    let reason = match error.classify() {
                        serde_json::error::Category::Data => {
                            "a member is missing, unknown or of another type".to_owned()
                        }
                        serde_json::error::Category::Io
                        | serde_json::error::Category::Syntax
                        | serde_json::error::Category::Eof => {
                            format!("no JSON object, at byte {at}")
                        }
                    };
                    self.fault(line, None, reason);
                }
            }
        }
        Ok(())
    }

    /// Reads one line's cells; each column at fault is told.
    fn line(&mut self, line: u64, texts: [&str; COLUMNS.len()]) {
        let before = self.faults.len();
        let [contributor, action, purposes, institutions, categories, from, until, decided] = texts;
        let person = self.linked.map(|linked| linked(contributor));
        let is_stranger = matches!(person, Some(None));
        let contributor = match person.flatten() {
            Some(person) => Ok(person),
            None => ContributorId::parse(contributor),
        };
        let contributor = contributor.map_err(|error| format!("holds no id: {error}"));
        if let Err(reason) = &contributor {
            self.fault(line, Some("contributor"), reason);
        }
        let action = Action::parse(action);
        if action.is_none() {
            self.fault(
                line,
                Some("action"),
                "is none of `grant`, `withdraw`, `opt-out` and `opt-in`",
            );
        }
        let terms = self.terms([purposes, institutions, categories]);
        if let Err(error) = &terms {
            self.fault(line, Some(error.column), error.reason);
        }
        let from = self.date(line, "valid_from", from);
        let until = self.date(line, "valid_until", until);
        // A bare date would be a midnight nobody meant: an instant is asked for.
        let decided = Instant::parse(decided).ok().filter(|_| decided.len() > 10);
        if decided.is_none() {
            let reason = "holds no RFC 3339 instant like 2026-11-22T09:30:00Z";
            self.fault(line, Some("decided_at"), reason);
        }
        if self.faults.len() > before {
            return;
        }
        if let (Ok(contributor), Some(action), Ok(terms), Some(decided)) =
            (contributor, action, terms, decided)
        {
            match Event::new(contributor, action, terms, from, until, decided) {
                Ok(_) if is_stranger => self.not_linked += 1,
                Ok(event) => self.events.push(event),
                Err(error) => self.fault(line, Some(error.column), error.reason),
            }
        }
    }

    fn date(&mut self, line: u64, column: &'static str, text: &str) -> Option<Date> {
        if text.is_empty() {
            return None;
        }
        let date = Date::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
        if date.is_none() {
            self.fault(line, Some(column), "holds no date like 2026-11-22");
        }
        date
    }

    fn terms(&mut self, texts: [&str; 3]) -> Result<Arc<Terms>, EventError> {
        self.key.clear();
        for text in texts {
            self.key.push_str(text);
            self.key.push('\u{1f}');
        }
        if let Some(terms) = self.terms.get(&self.key) {
            return Ok(Arc::clone(terms));
        }
        let [purposes, institutions, categories] = texts;
        let terms = Arc::new(Terms::parse(purposes, institutions, categories)?);
        self.terms.insert(self.key.clone(), Arc::clone(&terms));
        Ok(terms)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    contributor: String,
    action: String,
    #[serde(default)]
    purposes: Items,
    #[serde(default)]
    institutions: Items,
    #[serde(default)]
    categories: Items,
    #[serde(default)]
    valid_from: Option<String>,
    #[serde(default)]
    valid_until: Option<String>,
    decided_at: String,
}

/// A list, or its items between `|`.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Items {
    List(Vec<String>),
    Text(String),
    #[default]
    Nothing,
}

impl Items {
    fn text(self) -> String {
        match self {
            // An empty list is no way to say "all": the lone `|` is refused as an empty item.
            Self::List(items) if items.is_empty() => "|".to_owned(),
            Self::List(items) => items.join("|"),
            Self::Text(text) => text,
            Self::Nothing => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "contributor,action,purposes,institutions,categories,valid_from,valid_until,decided_at\n";

    fn csv(text: &[u8]) -> Result<Vec<Event>, Vec<Fault>> {
        read(text, InputFormat::Csv, None).unwrap().map(|read| read.events)
    }

    #[test]
    fn csv_and_ndjson_of_the_same_decisions_are_the_same_events() {
        let text = format!(
            "{HEADER}p1,grant,DUO:0000006|DUO:0000042,*,,2026-01-01,2027-01-01,2026-01-01T09:00:00Z\n\
             p1,withdraw,,north,visits|labs,,,2026-03-01T09:00:00+01:00\n"
        );
        let lines = concat!(
            r#"{"contributor":"p1","action":"grant","purposes":["DUO:0000042","DUO:0000006"],"valid_from":"2026-01-01","valid_until":"2027-01-01","decided_at":"2026-01-01T09:00:00Z"}"#,
            "\n\n",
            r#"{"contributor":"p1","action":"withdraw","purposes":"*","institutions":["north"],"categories":"labs|visits","decided_at":"2026-03-01T08:00:00Z"}"#,
        );
        let events = csv(text.as_bytes()).unwrap();
        assert_eq!(events.len(), 2);
        let read = read(lines.as_bytes(), InputFormat::Ndjson, None).unwrap().unwrap();
        assert_eq!((events, 0), (read.events, read.not_linked));
    }

    #[test]
    fn every_bad_line_is_told_with_its_line_and_without_its_value() {
        let mut text = format!(
            "{HEADER}canary-1,allow,DUO:0000006,,,,,2026-01-01T09:00:00Z\n\
             canary-2,grant,HMB-canary,,,canary,,2026-01-01\n\
             canary-3,grant\n\
             canary-4,grant,DUO:0000006,,,2026-02-01,2026-01-01,2026-01-01T09:00:00Z\n"
        )
        .into_bytes();
        text.extend_from_slice(b"can\xffary,grant,DUO:0000006,,,,,2026-01-01T09:00:00Z\n");
        let faults = csv(&text).unwrap_err();
        let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
        assert_eq!(
            places,
            [
                (2, Some("action")),
                (3, Some("purposes")),
                (3, Some("valid_from")),
                (3, Some("decided_at")),
                (4, None),
                (5, Some("valid_until")),
                (6, Some("contributor")),
            ]
        );
        assert!(faults.iter().all(|fault| !fault.to_string().contains("canary")));
    }

    #[test]
    fn a_bad_header_is_told_without_its_text() {
        assert!(csv(b"").is_err());
        let faults = csv(b"canary,grant,DUO:0000006,,,,,2026-01-01T09:00:00Z\n").unwrap_err();
        assert!(faults.iter().all(|f| f.line == 1 && !f.to_string().contains("canary")));
        let twice = csv(b"contributor,contributor,action,purposes,decided_at\n").unwrap_err();
        assert_eq!(twice.len(), 1, "one of two columns of a name would be read by chance");
        assert!(csv(b"decided_at,purposes,action,contributor\n").unwrap().is_empty());
    }

    #[test]
    fn bad_json_is_told_without_its_value() {
        let lines = concat!(
            r#"{"contributor":"canary","action":3,"decided_at":"2026-01-01T09:00:00Z"}"#,
            "\n{canary\n",
            r#"{"contributor":"p","action":"withdraw","institutions":[],"decided_at":"2026-01-01T09:00:00Z"}"#,
            "\n",
            r#"{"contributor":"p","action":"withdraw","canary":1,"decided_at":"2026-01-01T09:00:00Z"}"#,
        );
        let faults = read(lines.as_bytes(), InputFormat::Ndjson, None).unwrap().unwrap_err();
        assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(faults.iter().all(|f| !f.to_string().contains("canary")), "{faults:?}");
        let long = format!("{{\"x\":\"{}\"}}\n{{}}\n", "a".repeat(3 << 20));
        let faults = read(long.as_bytes(), InputFormat::Ndjson, None).unwrap().unwrap_err();
        assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [1, 2]);
    }
}
