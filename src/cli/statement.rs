//! `almoner statement`: what a contributor earned, what covers paid them, why, and how to check it.
//!
//! Comes in: a person, or all. Goes out: statements on stdout, or files in a folder.
//! Never: two people's statements in one file, or a person's id in a file's name.

use std::{io::Write, path::PathBuf};

use serde::Serialize;

use super::{
    Context, Failure, Format, Kind, Table,
    pool::{pool_id, usage},
};
use crate::{
    bank::PayoutsError,
    cover::CoverError,
    payee,
    pipeline::{
        linkage,
        statement::{self, Files, Form, Selection, Written},
    },
    report::{Block, CoverPage, Document, Lang, StatementPage, cover_csv, statement_csv},
    reward::Period,
    site::Site,
};

/// State what a contributor earned, what covers paid them, why, and how to check it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  almoner statement p-117
  almoner statement p-117 --pool diabetes-2026 --period 2026-Q4 --lang de
  almoner statement p-117 --pool gestational-diabetes-2026
  almoner statement p-117 --as pdf --out statements/
  almoner statement --all --as html,csv,json --out statements/

Files are named by the line's token in the public book, which tells nobody's name. A run that was cut
short goes on where it stopped. PDF takes much longer than the other forms.")]
pub struct Args {
    /// The person
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    person: Option<String>,
    /// Everybody's statements
    #[arg(long, requires = "out")]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// What files are written as; several, with commas between [default: html,csv,json]
    #[arg(long = "as", value_enum, value_name = "FORM", value_delimiter = ',', requires = "out")]
    forms: Vec<AsForm>,
    /// Write files into this folder, readable by you alone
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Which settlements, and in which language.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Of one pool, or one policy of a cover
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// For one period
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// The language: en or de
    #[arg(long, value_name = "LANG", default_value_t = Lang::En)]
    pub(super) lang: Lang,
}

/// What a file is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum AsForm {
    /// A page for a screen
    Html,
    /// A page for paper and screen readers, PDF/UA-1
    Pdf,
    /// For a spreadsheet
    Csv,
    /// For programs
    Json,
    /// All of them
    All,
}

impl AsForm {
    /// Returns the forms that it stands for.
    pub(super) fn forms(self) -> &'static [Form] {
        match self {
            Self::Html => &[Form::Html],
            Self::Pdf => &[Form::Pdf],
            Self::Csv => &[Form::Csv],
            Self::Json => &[Form::Json],
            Self::All => &Form::ALL,
        }
    }
}

impl Which {
    /// Returns the selection of these settlements for a person, or for all.
    pub(super) fn of(&self, site: &Site, person: Option<&str>) -> Result<Selection, Failure> {
        Ok(Selection {
            contributors: match person {
                Some(text) => linkage::ids(site, text)?,
                None => Vec::new(),
            },
            pool: self.pool.as_deref().map(pool_id).transpose()?,
            period: match &self.period {
                Some(text) => Some(Period::parse(text).map_err(|e| usage("--period", &e))?),
                None => None,
            },
        })
    }
}

/// Runs `almoner statement`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let lang = args.which.lang;
    let selection = args.which.of(&site, args.person.as_deref())?;
    if let Some(folder) = &args.out {
        let mut forms: Vec<Form> =
            args.forms.iter().flat_map(|form| form.forms()).copied().collect();
        if forms.is_empty() {
            forms = vec![Form::Html, Form::Csv, Form::Json];
        }
        forms.sort_unstable();
        forms.dedup();
        let bar = context.bar("statements");
        let files = Files { folder, forms: &forms, lang };
        let Written { statements, files, unchanged } =
            statement::write(&site, &selection, &files, &bar)?;
        drop(bar);
        some(statements)?;
        return Ok(writeln!(
            context.out,
            "{statements} statements in {}: {files} files written, {unchanged} unchanged",
            folder.display()
        )?);
    }
    let (found, covers) =
        (statement::find(&site, &selection)?, statement::covers(&site, &selection)?);
    some(found.len().saturating_add(covers.len()) as u64)?;
    match context.global.format {
        Format::Table => {
            let statements = found.iter().map(|page| page.document(lang));
            let mut all = statements.chain(covers.iter().map(|page| page.document(lang)));
            all.try_for_each(|page| show(&page, context.out))
        }
        Format::Csv => {
            let statements = found.iter().map(statement_csv);
            let mut all = statements.chain(covers.iter().map(cover_csv));
            all.try_for_each(|csv| Ok(context.out.write_all(csv.as_bytes())?))
        }
        Format::Json | Format::Parquet => {
            let statements = found.iter().map(Told::Statement);
            let all: Vec<Told<'_>> = statements.chain(covers.iter().map(Told::Cover)).collect();
            Ok(Table::default().write(Format::Json, &all, context.out)?)
        }
    }
}

/// What programs are told; each says its format.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Statement(&'a StatementPage),
    Cover(&'a CoverPage),
}

/// Returns the selected statements; there must be one.
pub(super) fn found(site: &Site, selection: &Selection) -> Result<Vec<StatementPage>, Failure> {
    let found = statement::find(site, selection)?;
    some(found.len() as u64)?;
    Ok(found)
}

fn some(count: u64) -> Result<(), Failure> {
    if count > 0 {
        return Ok(());
    }
    Err(Failure::new(Kind::Failed, "no settlement and no cover has a line for that").hint(
        "`almoner pool show` lists the settled periods; a person has a line once released or paid",
    ))
}

/// Shows a page on a terminal: the same parts as on paper.
fn show(page: &Document, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}\n{}\n", page.title, page.lead)?;
    for block in &page.blocks {
        match block {
            Block::Heading { text, .. } => writeln!(out, "\n{text}\n")?,
            Block::Hero { figure, text } => writeln!(out, "{figure}: {text}")?,
            Block::Text { text } => writeln!(out, "{text}")?,
            Block::Table { caption, heads, rows } => {
                writeln!(out, "{caption}")?;
                let mut table = Table::new(heads.iter().map(|head| head.text.as_str()));
                for row in rows {
                    table.row(row.cells.iter().map(String::as_str));
                }
                table.write(Format::Table, &(), out)?;
            }
            Block::Code { lines } => lines.iter().try_for_each(|line| writeln!(out, "  {line}"))?,
            Block::Pairs { title, pairs } => {
                writeln!(out, "{}", title.as_deref().unwrap_or_default())?;
                pairs
                    .iter()
                    .try_for_each(|pair| writeln!(out, "  {}: {}", pair.name, pair.value))?;
            }
            Block::Picture { alt, .. } => writeln!(out, "{alt}")?,
        }
    }
    Ok(writeln!(out)?)
}

impl From<statement::Error> for Failure {
    fn from(error: statement::Error) -> Self {
        use statement::Error as E;
        match error {
            E::Fund(error) => error.into(),
            E::Settle(error) => error.into(),
            E::Book(error) => error.into(),
            E::Lake(error) => error.into(),
            E::Store(error)
            | E::Cover(CoverError::Store(error))
            | E::Payouts(PayoutsError::Store(error))
            | E::Object(payee::Error::Store(error)) => error.into(),
            E::Consent(_) | E::File { .. } | E::Json(_) | E::Pdf(_) | E::Money(_) => {
                Self::new(Kind::Failed, error)
            }
            E::Cover(_)
            | E::Object(_)
            | E::Payouts(_)
            | E::Unbooked { .. }
            | E::Statement(_)
            | E::Canonical(_)
            | E::Format { .. }
            | E::Proof { .. } => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
        }
    }
}
