//! Statements as files: on every core, each whole or not there, and none written twice.
//!
//! Comes in: a folder, the forms, a language. Goes out: files that only their owner reads, named by the
//! line's token, which tells nobody's name. Never: two people's statements in one file.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rayon::prelude::*;

use super::{Error, Known, Selection, accounts, covers};
use crate::{
    instant::Instant,
    pipeline::Progress,
    report::{
        CoverPage, Document, Lang, StatementPage, cover_csv, cover_page, json, statement_csv,
        statement_page,
    },
    site::Site,
};

/// What statements, and audits for sponsors, are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A page for a screen.
    Html,
    /// A page for paper, PDF/UA-1.
    Pdf,
    /// For a spreadsheet.
    Csv,
    /// For programs.
    Json,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Html, Self::Pdf, Self::Csv, Self::Json];
}

/// Where and how statements are written.
#[derive(Debug, Clone)]
pub struct Files<'a> {
    /// The folder; it is made if it is not there, readable by its owner alone.
    pub folder: &'a Path,
    /// The forms.
    pub forms: &'a [Form],
    /// The language of HTML and PDF.
    pub lang: Lang,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Statements.
    pub statements: u64,
    /// Files written.
    pub files: u64,
    /// Files that held the same bytes already.
    pub unchanged: u64,
}

/// Writes each selected statement in each form. A run that was cut short goes on where it stopped: what
/// is there already is made again, compared, and left alone.
pub fn write(
    site: &Site,
    selection: &Selection,
    files: &Files<'_>,
    progress: &dyn Progress,
) -> Result<Written, Error> {
    folder(files.folder)?;
    let known = Known::read(site)?;
    let (written, unchanged) = (AtomicU64::new(0), AtomicU64::new(0));
    let one = |page: &dyn Paper| {
        for form in files.forms {
            let (name, bytes) = files.made(page, *form)?;
            let counter = if put(files.folder, &name, &bytes)? { &written } else { &unchanged };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        progress.step();
        Ok::<(), Error>(())
    };
    let mut statements = 0_u64;
    for account in accounts(site, selection)? {
        let account = account?;
        let basis = account.basis()?;
        let places = account.places(selection);
        let count = u64::try_from(places.len()).unwrap_or(u64::MAX);
        progress.stage("statements", count);
        statements = statements.saturating_add(count);
        places.par_iter().try_for_each(|place| {
            one(&known.page(basis.statement(*place, account.proof(*place)?)?)?)
        })?;
    }
    let pages = covers(site, selection)?;
    if !pages.is_empty() {
        let count = u64::try_from(pages.len()).unwrap_or(u64::MAX);
        progress.stage("covers", count);
        statements = statements.saturating_add(count);
        pages.par_iter().try_for_each(|page| one(page))?;
    }
    let (files, unchanged) = (written.into_inner(), unchanged.into_inner());
    Ok(Written { statements, files, unchanged })
}

/// What is written: a statement, or what a cover paid.
trait Paper {
    /// The name of its files, which tells nobody's.
    fn stem(&self) -> String;
    /// When what it tells was recorded.
    fn time(&self) -> Instant;
    fn document(&self, lang: Lang) -> Document;
    fn html(&self, lang: Lang, stem: &str, printed: bool) -> String;
    fn csv(&self) -> String;
    fn json(&self) -> Result<String, serde_json::Error>;
}

impl Paper for StatementPage {
    fn stem(&self) -> String {
        let statement = &self.statement;
        let token = statement.proof.token.get(..16).unwrap_or(&statement.proof.token);
        format!("{}-{}-{token}", statement.pool, statement.period)
    }

    fn time(&self) -> Instant {
        self.statement.settled
    }

    fn document(&self, lang: Lang) -> Document {
        self.document(lang)
    }

    fn html(&self, lang: Lang, stem: &str, printed: bool) -> String {
        statement_page(self, lang, stem, printed)
    }

    fn csv(&self) -> String {
        statement_csv(self)
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        json(self)
    }
}

impl Paper for CoverPage {
    fn stem(&self) -> String {
        format!("{}-cover-{}", self.policy, self.token)
    }

    fn time(&self) -> Instant {
        self.time
    }

    fn document(&self, lang: Lang) -> Document {
        self.document(lang)
    }

    fn html(&self, lang: Lang, stem: &str, printed: bool) -> String {
        cover_page(self, lang, stem, printed)
    }

    fn csv(&self) -> String {
        cover_csv(self)
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        json(self)
    }
}

impl Files<'_> {
    /// Makes one form of a paper: its file's name and bytes.
    fn made(&self, paper: &dyn Paper, form: Form) -> Result<(String, Vec<u8>), Error> {
        let stem = paper.stem();
        // English keeps the plain name; facts for programs are the same in every language.
        let read = match self.lang {
            Lang::En => stem.clone(),
            Lang::De => format!("{stem}.{}", self.lang),
        };
        Ok(match form {
            Form::Html => {
                let printed = self.forms.contains(&Form::Pdf);
                (format!("{read}.html"), paper.html(self.lang, &stem, printed).into_bytes())
            }
            Form::Pdf => (format!("{read}.pdf"), paper.document(self.lang).pdf(paper.time())?),
            Form::Csv => (format!("{stem}.csv"), paper.csv().into_bytes()),
            Form::Json => (format!("{stem}.json"), paper.json()?.into_bytes()),
        })
    }
}

/// Makes a folder that its owner alone reads, if it is not there.
pub fn folder(folder: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| Error::File { file: folder.to_owned(), source })
}

/// Puts a file in its place, whole or not at all; returns whether it had to be written.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<bool, Error> {
    let file = folder.join(name);
    let fault = |file: &PathBuf| {
        let file = file.clone();
        move |source| Error::File { file, source }
    };
    match fs::read(&file) {
        Ok(there) if there == bytes => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::File { file, source }),
    }
    let part = folder.join(format!(".{name}.part"));
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&part);
    opened.and_then(|mut handle| handle.write_all(bytes)).map_err(fault(&part))?;
    fs::rename(&part, &file).map_err(fault(&file))?;
    Ok(true)
}
