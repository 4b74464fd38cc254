//! Pages as PDF/UA-1, by typst: tagged, titled, with fonts of our own and no clock but the caller's.
//!
//! Comes in: a template of this folder, facts as JSON, the instant. Goes out: bytes, the same for the
//! same facts. Never: a fact read as markup, a file of the machine, or a fact in an error.

use std::sync::LazyLock;

use serde_json::Value;
use typst::{
    Feature, Library, LibraryExt as _, World, WorldExt as _, comemo,
    diag::{FileError, FileResult, SourceDiagnostic},
    ecow::EcoVec,
    foundations::{Bytes, Datetime, Duration, Smart},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook},
    utils::LazyHash,
};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use crate::instant::Instant;

/// A template. It reads its facts from `/facts.json` and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// Headings, paragraphs, tables, pictures: what [`Document`](super::Document) holds.
    Document,
}

impl Template {
    fn source(self) -> Option<&'static Source> {
        static DOCUMENT: LazyLock<Option<Source>> = LazyLock::new(|| {
            let text = include_str!("document.typ").to_owned();
            Some(Source::new(place("/document.typ")?, text))
        });
        match self {
            Self::Document => DOCUMENT.as_ref(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Document => "document.typ",
        }
    }
}

/// Why there is no PDF. Typst's own words are left out: they may quote a fact.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The facts are no JSON.
    #[error("the facts of a page could not be written as JSON")]
    Facts(#[from] serde_json::Error),
    /// The template does not fit the facts.
    #[error("template `{template}` does not fit its facts{}", at(*line))]
    Template {
        /// Which.
        template: &'static str,
        /// The line, from 1, where typst names one.
        line: Option<usize>,
    },
    /// The pages do not fit PDF/UA-1.
    #[error("what template `{template}` lays out is no PDF/UA-1{}", at(*line))]
    Export {
        /// Which.
        template: &'static str,
        /// The line, from 1, where typst names one.
        line: Option<usize>,
    },
    /// The instant has no civil date, or typst lacks a font or a standard: a bug.
    #[error("the {0} for a PDF is not there")]
    Missing(&'static str),
    /// The thread that lays pages out could not be started, or died.
    #[error("the thread that lays pages out could not be started, or died")]
    Thread,
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

/// Lays a template out over its facts and writes PDF/UA-1. The facts hold a `title` and a `lang`.
/// A character that no embedded font draws is written as its code point, `<U+4E2D>`.
pub fn pdf(template: Template, facts: &Value, at: Instant) -> Result<Vec<u8>, Error> {
    // typst splits its work by rayon. On a thread that waits for its parts by taking up the next statement
    // pages would nest in pages, until the stack is gone: each document has a thread of its own.
    let lay_out = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let _own = pool.map_err(|_| Error::Thread)?;
        laid_out(template, facts, at)
    };
    std::thread::scope(|scope| {
        let own = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, lay_out);
        own.map_err(|_| Error::Thread)?.join().map_err(|_| Error::Thread)?
    })
}

/// The stack of a thread that lays pages out.
const STACK_BYTES: usize = 32 << 20;

fn laid_out(template: Template, facts: &Value, at: Instant) -> Result<Vec<u8>, Error> {
    let source = template.source().ok_or(Error::Missing("template"))?;
    let machine = MACHINE.as_ref().ok_or(Error::Missing("font"))?;
    let facts = Bytes::new(serde_json::to_vec(&machine.drawable(facts))?);
    let options = PdfOptions {
        ident: Smart::Custom(ident(&facts)),
        creator: Smart::Custom(Some("Almoner".to_owned())),
        timestamp: Some(timestamp(at).ok_or(Error::Missing("date"))?),
        page_ranges: None,
        standards: PdfStandards::new(&[PdfStandard::Ua_1])
            .map_err(|_| Error::Missing("standard"))?,
        tagged: true,
        pretty: false,
    };
    let world = Sheet { machine, source, facts };
    let line = |faults: &EcoVec<SourceDiagnostic>| {
        let range = faults.iter().find_map(|fault| world.range(fault.span))?;
        Some(source.lines().byte_to_line(range.start)?.saturating_add(1))
    };
    let name = template.name();
    let pages = typst::compile::<PagedDocument>(&world)
        .output
        .map_err(|faults| Error::Template { template: name, line: line(&faults) })?;
    let bytes = typst_pdf::pdf(&pages, &options)
        .map_err(|faults| Error::Export { template: name, line: line(&faults) });
    // What the last pages have in common stays at hand; what is theirs alone does not pile up.
    comemo::evict(PAGES_KEPT);
    bytes
}

/// For how many documents a laid-out part is kept that none of them used.
const PAGES_KEPT: usize = 16;

fn ident(facts: &Bytes) -> String {
    crate::digest::Sha3Digest::of(facts).to_string()
}

fn timestamp(at: Instant) -> Option<Timestamp> {
    use chrono::Datelike as _;
    let (date, second) = (at.date(), at.unix().rem_euclid(86_400));
    let part = |number: i64| u8::try_from(number).ok();
    let datetime = Datetime::from_ymd_hms(
        date.year(),
        part(date.month().into())?,
        part(date.day().into())?,
        part(second / 3_600)?,
        part(second / 60 % 60)?,
        part(second % 60)?,
    )?;
    Some(Timestamp::new_utc(datetime))
}

/// What every page is made with.
struct Machine {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
}

static MACHINE: LazyLock<Option<Machine>> = LazyLock::new(|| {
    let named = |face: &str| {
        let data = typst_assets::fonts().find(|data| {
            let font = Font::new(Bytes::new(*data), 0);
            font.and_then(|font| font.post_script_name()).is_some_and(|name| name == face)
        })?;
        Font::new(Bytes::new(data), 0)
    };
    let fonts = FACES.iter().map(|face| named(face)).collect::<Option<Vec<Font>>>()?;
    // Typst marks the heads of rows as such only with this feature; its form may change with typst.
    let features = [Feature::A11yExtras].into_iter().collect();
    Some(Machine {
        library: LazyHash::new(Library::builder().with_features(features).build()),
        book: LazyHash::new(FontBook::from_fonts(&fonts)),
        fonts,
    })
});

/// The faces that the templates ask for.
const FACES: [&str; 3] = ["LibertinusSerif-Regular", "LibertinusSerif-Bold", "DejaVuSansMono"];

impl Machine {
    /// Returns the facts with every character written as its code point that some face does not draw,
    /// or that would change how the others are read.
    fn drawable(&self, facts: &Value) -> Value {
        match facts {
            Value::String(text) => Value::String(self.drawn(text)),
            Value::Array(items) => Value::Array(items.iter().map(|i| self.drawable(i)).collect()),
            Value::Object(members) => Value::Object(
                members.iter().map(|(name, value)| (name.clone(), self.drawable(value))).collect(),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => facts.clone(),
        }
    }

    fn drawn(&self, text: &str) -> String {
        if text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)) {
            return text.to_owned();
        }
        let mut drawn = String::with_capacity(text.len());
        for letter in text.chars() {
            if letter == '\n' || self.draws(letter) {
                drawn.push(letter);
            } else {
                drawn.extend(format!("<U+{:04X}>", u32::from(letter)).chars());
            }
        }
        drawn
    }

    fn draws(&self, letter: char) -> bool {
        let turns = matches!(letter, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
        let code = u32::from(letter);
        !letter.is_control()
            && !turns
            && self.fonts.iter().all(|font| font.info().coverage.contains(code))
    }
}

/// One page in the making: its template, its facts, and nothing of the machine it is made on.
struct Sheet<'a> {
    machine: &'static Machine,
    source: &'a Source,
    facts: Bytes,
}

fn place(path: &str) -> Option<FileId> {
    Some(RootedPath::new(VirtualRoot::Project, VirtualPath::new(path).ok()?).intern())
}

static FACTS: LazyLock<Option<FileId>> = LazyLock::new(|| place("/facts.json"));

impl World for Sheet<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.machine.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.machine.book
    }

    fn main(&self) -> FileId {
        self.source.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.source.id() { Ok(self.source.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if Some(id) == *FACTS { Ok(self.facts.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.machine.fonts.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Block, Document, Lang, Pair, Row, messages::Messages};

    pub(crate) fn document(odd: &str) -> Document {
        let mut page = Document {
            lang: Lang::De,
            title: format!("Ihre Abrechnung{odd}"),
            lead: format!("Topf diabetes-2026{odd}"),
            foot: format!("Vertraulich{odd}"),
            blocks: vec![Block::Hero { figure: "1.234,56\u{a0}EUR".into(), text: odd.into() }],
        };
        page.heading(format!("Wie es sich zusammensetzt{odd}"));
        page.text(format!("Jeder Betrag ist nachgerechnet – „genau“.{odd}"));
        page.table(
            format!("Konto{odd}"),
            ["Wofür", "#EUR"],
            vec![Row::of(["Grundanteil", "1.000,00"]), Row::sum([odd, "1.234,56"])],
        );
        page.blocks.push(Block::Code { lines: vec![format!("almoner audit x {odd}"), "b".into()] });
        let pair =
            Pair { name: format!("Eingaben{odd}"), value: format!("{}{odd}", "ab".repeat(32)) };
        page.blocks.push(Block::Pairs { title: Some("Woraus".into()), pairs: vec![pair] });
        let svg = maud::html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 20" {
                rect width="60" height="20" fill="#0f5c4d" {}
                text x="2" y="12" font-size="8" { "60" }
            }
        };
        page.blocks.push(Block::Picture { svg, alt: format!("Anteil 60 von 100{odd}") });
        page
    }

    fn time() -> Instant {
        Instant::parse("2027-01-02T09:30:15Z").unwrap()
    }

    fn has(bytes: &[u8], what: &str) -> bool {
        memchr::memmem::find(bytes, what.as_bytes()).is_some()
    }

    #[test]
    fn a_pdf_claims_to_be_accessible_and_says_its_title_language_and_instant() {
        let bytes = document("").pdf(time()).unwrap();
        assert!(bytes.starts_with(b"%PDF-1.7"), "no PDF");
        for claim in ["pdfuaid:part", "2027-01-02T09:30:15", "Ihre Abrechnung", "/MarkInfo"] {
            assert!(has(&bytes, claim), "{claim} is not claimed");
        }
        assert!(
            has(&bytes, "/Lang(de)") || has(&bytes, "/Lang (de)"),
            "a reader would read aloud in English"
        );
    }

    #[test]
    fn the_same_facts_and_instant_give_the_same_bytes_on_any_thread() {
        let first = document("x").pdf(time()).unwrap();
        let other = std::thread::spawn(|| {
            drop(document("y").pdf(time()).unwrap());
            document("x").pdf(time()).unwrap()
        });
        assert!(first == other.join().unwrap(), "a second run would write other bytes");
        let later = Instant::parse("2027-01-03").unwrap();
        assert!(first != document("x").pdf(later).unwrap(), "the instant is not the caller's");
    }

    #[test]
    fn nothing_in_a_fact_is_markup_or_code_and_nothing_stops_the_page() {
        let hostile = [
            "#panic()",
            "#read(\"/etc/passwd\")",
            "*bold* _it_ = H $x$ @ref <label> `raw` \\ //c /*",
            "]#[",
            "\"); #pagebreak()",
            "https://example.org",
            "a\u{0}b\u{1b}\u{feff}",
            "\u{202e}abc",
            "中文 العربية 👩‍⚕️ e\u{301}\u{327}",
            "\n\n\n= x\n- y\n",
            "",
            "ﬀ\u{fffe}\u{10ffff}\u{e000}",
        ];
        for text in hostile {
            let bytes = document(text).pdf(time());
            assert!(bytes.is_ok(), "{text:?} stops a statement: {:?}", bytes.err());
        }
        assert!(document(&"W".repeat(3_000)).pdf(time()).is_ok(), "a long word stops a statement");
    }

    #[test]
    fn a_letter_that_no_font_draws_is_written_as_its_code_point() {
        let machine = MACHINE.as_ref().unwrap();
        assert_eq!(machine.drawn("Jörg Müßig"), "Jörg Müßig");
        assert_eq!(machine.drawn("中\u{202e}a\n"), "<U+4E2D><U+202E>a\n");
    }

    #[test]
    fn every_letter_of_the_messages_is_drawn() {
        let machine = MACHINE.as_ref().unwrap();
        for text in [include_str!("messages/en.ftl"), include_str!("messages/de.ftl")] {
            assert!(machine.drawn(text) == text, "a message would show code points");
        }
        for lang in Lang::ALL {
            let money = Messages::of(lang).money("-1234.56", "EUR");
            assert_eq!(machine.drawn(&money), money);
        }
    }

    #[test]
    fn a_template_reads_no_file_and_an_error_quotes_no_fact() {
        let facts = serde_json::json!({ "title": "jane-doe", "lang": "en" });
        let error = pdf(Template::Document, &facts, time()).unwrap_err();
        assert!(matches!(error, Error::Template { line: Some(_), .. }), "{error}");
        assert!(!format!("{error:?} {error}").contains("jane"));
    }

    #[test]
    #[ignore = "a measurement"]
    fn how_long_a_page_takes() {
        for round in 0..6 {
            let start = std::time::Instant::now();
            let bytes = document(&round.to_string()).pdf(time()).unwrap();
            println!("{round}: {:?}, {} bytes", start.elapsed(), bytes.len());
        }
    }
}
