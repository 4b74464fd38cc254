//! Pages from what is recorded: the public ones for everyone, statements for each contributor, run
//! reports for the steward. The same record gives the same pages.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Progress, book, fund, licence, query, settle, sponsor,
    sponsor::{Ask, Gathered},
    statement::{self, Files, Form, Selection},
};
use crate::{
    consent::{self, Action, Register},
    lake::{self, Lake, Version},
    ledger::{self, Entry},
    money::Amount,
    report::{
        self, Checkpoint, ColumnLine, DatasetPage, DatasetTable, DatasetVersion, IndexAudit,
        IndexDataset, IndexPage, IndexPool, Lang, Link, PublicCount, QualityReport, RunReport,
        SettlementPage, SponsorAudit, SponsorReader,
    },
    reward::Pool,
    site::Site,
    store,
};

/// Why pages could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// The book cannot be read.
    #[error(transparent)]
    Book(#[from] book::Error),
    /// The pools cannot be read.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// A settlement cannot be read.
    #[error(transparent)]
    Settle(#[from] settle::Error),
    /// What became of a pool's money cannot be told.
    #[error(transparent)]
    Sponsor(#[from] Box<sponsor::Error>),
    /// The answers cannot be read.
    #[error(transparent)]
    Query(#[from] query::Error),
    /// The consent register cannot be read.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// An entry cannot be read.
    #[error("an entry cannot be read")]
    Entry(#[from] ledger::entry::Error),
    /// A record is not what this version wrote.
    #[error("`{path}` cannot be read: {reason}")]
    Format {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The licences cannot be read.
    #[error(transparent)]
    Licence(#[from] licence::Error),
    /// Statements could not be written.
    #[error(transparent)]
    Statement(#[from] statement::Error),
}

impl From<sponsor::Error> for Error {
    fn from(error: sponsor::Error) -> Self {
        Self::Sponsor(Box::new(error))
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The front page, below the public zone.
    pub index: String,
    /// All pages.
    pub pages: Vec<String>,
}

/// Writes the public pages, and the run reports into the vault.
pub fn publish(site: &Site) -> Result<Published, Error> {
    let facts = Facts::read(site)?;
    let mut pages = Pages { site, written: Vec::new() };
    let mut datasets = Vec::new();
    for version in facts.newest() {
        let stem = format!("datasets/{}", version.dataset);
        let page = facts.dataset(version);
        pages.put(&stem, &report::dataset_page(&page, &version.dataset), &page)?;
        datasets.push(IndexDataset {
            dataset: version.dataset.clone(),
            version: version.version,
            purposes: version.purposes.clone(),
            people: PublicCount::new(version.counts.people),
            rows: PublicCount::new(version.counts.released),
            href: Some(format!("{stem}.html")),
        });
    }
    let mut pools = Vec::new();
    let mut links = Vec::new();
    for pool in facts.pools.values() {
        let mut newest = None;
        let mut gathered = Gathered::new(site, pool);
        for settled in &pool.settled {
            let name = format!("{}-{}", settled.act.pool, settled.act.period);
            let stem = format!("settlements/{name}");
            let (inputs, settlement) = super::statement::settlement(site, settled)?;
            let mut page = SettlementPage::of(settled, &inputs, &settlement);
            page.checkpoint = Some(facts.checkpoint.clone());
            pages.put(&stem, &report::settlement_page(&page, &name), &page)?;
            newest = Some((format!("{stem}.html"), page.contributors_paid));
            gathered.add(settled, &inputs, &settlement)?;
        }
        let told = gathered.facts(&Ask::default(), SponsorReader::Public)?;
        let audit = SponsorAudit::of(told, SponsorReader::Public).map_err(sponsor::Error::from)?;
        let name = format!("{}.json", pool.id());
        let html = report::sponsor_page(&audit, &[("The same for programs", &name)]);
        pages.put(&format!("pools/{}", pool.id()), &html, &audit)?;
        links.push(Link {
            href: format!("pools/{}.html", pool.id()),
            title: format!("The money of {}", pool.id()),
            what: "where it is, line by line, and how to check it".to_owned(),
        });
        pools.push(index_pool(pool, newest)?);
    }
    for version in &facts.versions {
        run_report(site, version, &facts.checkpoint)?;
    }
    let audit = audit(site)?;
    let mut index = facts.index(site, datasets, pools, audit);
    index.links.extend(links);
    if let Some(href) = licence::publish(site, Some(facts.checkpoint.clone()))? {
        index.links.push(Link {
            href: href.clone(),
            title: "Licences".to_owned(),
            what: "which institutions may take part, and who decided it".to_owned(),
        });
        pages.written.push(href);
    }
    pages.put("index", &report::index_page(&index), &index)?;
    pages.written.sort();
    Ok(Published { index: "index.html".to_owned(), pages: pages.written })
}

/// Everything that the pages tell.
struct Facts {
    versions: Vec<Version>,
    pools: BTreeMap<crate::reward::PoolId, Pool>,
    answers: u64,
    people: u64,
    withdrawn: u64,
    checkpoint: Checkpoint,
}

impl Facts {
    fn read(site: &Site) -> Result<Self, Error> {
        let versions = Lake::new(site.lake()).all()?.into_iter().map(|v| v.version).collect();
        let register = Register::load(&site.vault())?;
        let ids = register.people().ids();
        let mut withdrawn = 0;
        for id in ids {
            let last = register.events(id).and_then(|events| {
                events.into_iter().max_by_key(|held| (held.event.decided_at(), held.seq))
            });
            let left = last.is_some_and(|held| {
                held.event.action() == Action::Withdraw && held.event.terms().purposes().is_empty()
            });
            withdrawn += u64::from(left);
        }
        let (size, root) = book::head(site)?;
        Ok(Self {
            versions,
            pools: fund::pools(site)?,
            answers: query::history(site)?.len() as u64,
            people: ids.len() as u64 - withdrawn,
            withdrawn,
            checkpoint: Checkpoint { size, root: root.to_string() },
        })
    }

    /// The newest version of each dataset.
    fn newest(&self) -> impl Iterator<Item = &Version> {
        let last = |version: &&Version| {
            let same = self.versions.iter().filter(|v| v.dataset == version.dataset);
            same.map(|v| v.version).max() == Some(version.version)
        };
        self.versions.iter().filter(last)
    }

    fn dataset(&self, version: &Version) -> DatasetPage {
        let tables = version.tables.iter().map(|table| DatasetTable {
            table: table.table.clone(),
            description: None,
            rows: PublicCount::new(table.rows),
            columns: table
                .columns
                .iter()
                .map(|column| ColumnLine {
                    name: column.name.clone(),
                    role: column.role,
                    done: column.done.clone(),
                })
                .collect(),
        });
        let versions = self.versions.iter().filter(|v| v.dataset == version.dataset);
        DatasetPage {
            dataset: version.dataset.clone(),
            version: version.version,
            time: version.time,
            purposes: version.purposes.clone(),
            pool: version.pool.clone(),
            k: version.k,
            people: PublicCount::new(version.counts.people),
            institutions: version.institutions,
            tables: tables.collect(),
            versions: versions
                .map(|v| DatasetVersion {
                    version: v.version,
                    time: v.time,
                    people: PublicCount::new(v.counts.people),
                    rows: PublicCount::new(v.counts.released),
                })
                .collect(),
            pipeline: version.pipeline.0.clone(),
            pipeline_digest: version.pipeline.1.to_string(),
            record_root: version.record.root.to_string(),
            entry: entry_id(&version.entry).ok(),
            checkpoint: Some(self.checkpoint.clone()),
        }
    }

    fn index(
        &self,
        site: &Site,
        datasets: Vec<IndexDataset>,
        pools: Vec<IndexPool>,
        audit: Option<IndexAudit>,
    ) -> IndexPage {
        let institutions = self.newest().map(|version| version.institutions).max().unwrap_or(0);
        IndexPage {
            name: site.about().origin.clone(),
            time: site.now(),
            people: PublicCount::new(self.people),
            institutions,
            answers: self.answers,
            withdrawn: PublicCount::new(self.withdrawn),
            datasets,
            pools,
            checkpoint: Some(self.checkpoint.clone()),
            audit,
            links: vec![Link {
                href: "../ledger/checkpoint".to_owned(),
                title: "The signed checkpoint".to_owned(),
                what: "the state of the public book, as anyone can verify it".to_owned(),
            }],
        }
    }
}

fn index_pool(pool: &Pool, newest: Option<(String, PublicCount)>) -> Result<IndexPool, Error> {
    let zero = Amount::new(0, pool.currency());
    let sum = |amounts: Vec<Amount>| {
        let total = amounts.into_iter().try_fold(zero, Amount::plus);
        total.map_err(|e| Error::Format {
            path: format!("vault/pools of {}", pool.id()),
            reason: e.to_string(),
        })
    };
    let received = sum(pool.funded.iter().map(|funded| funded.act.amount).collect())?;
    let paid = sum(pool.settled.iter().map(|s| s.act.totals.paid).collect())?;
    let (href, contributors) = newest.unzip();
    Ok(IndexPool {
        pool: pool.id().to_string(),
        currency: pool.currency().code().to_owned(),
        received: received.decimal(),
        paid: paid.decimal(),
        contributors: contributors.unwrap_or_default(),
        href,
    })
}

struct Pages<'a> {
    site: &'a Site,
    written: Vec<String>,
}

impl Pages<'_> {
    fn put<T: Serialize>(&mut self, stem: &str, html: &str, facts: &T) -> Result<(), Error> {
        let public = self.site.public();
        let page = format!("{stem}.html");
        public.put(&page, Bytes::from(html.to_owned()))?;
        public.put(&format!("{stem}.json"), Bytes::from(json(stem, facts)?))?;
        self.written.push(page);
        Ok(())
    }
}

fn json<T: Serialize>(what: &str, facts: &T) -> Result<String, Error> {
    let fault =
        |e: serde_json::Error| Error::Format { path: what.to_owned(), reason: e.to_string() };
    report::json(facts).map_err(fault)
}

fn entry_id(text: &str) -> Result<String, Error> {
    Ok(Entry::parse(text.as_bytes())?.id().to_string())
}

/// Writes a version's run report as a page beside the run's record, for the steward.
fn run_report(site: &Site, version: &Version, checkpoint: &Checkpoint) -> Result<(), Error> {
    let vault = site.vault();
    let path = &version.report.path;
    let mut report: RunReport = serde_json::from_slice(&vault.get(path)?)
        .map_err(|e| Error::Format { path: path.clone(), reason: e.to_string() })?;
    report.entry = Some(entry_id(&version.entry)?);
    report.checkpoint = Some(checkpoint.clone());
    let html = report::run_page(&report);
    vault.put(&format!("runs/{}/report.html", version.run), Bytes::from(html))?;
    let Some(quality) = &version.quality else { return Ok(()) };
    let bytes = vault.get(&quality.path)?;
    let findings: QualityReport = serde_json::from_slice(&bytes)
        .map_err(|e| Error::Format { path: quality.path.clone(), reason: e.to_string() })?;
    let folder = format!("runs/{}", version.run);
    vault.put(&format!("{folder}/quality.json"), bytes)?;
    let html = report::quality_page(&findings);
    Ok(vault.put(&format!("{folder}/quality.html"), Bytes::from(html))?)
}

/// Reads the last published audit's sums.
fn audit(site: &Site) -> Result<Option<IndexAudit>, Error> {
    let Some(bytes) = site.public().find("audit.json")? else { return Ok(None) };
    let fault = |reason: String| Error::Format { path: "public/audit.json".to_owned(), reason };
    let audit: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|e| fault(e.to_string()))?;
    let list = |name: &str| audit.get(name).and_then(serde_json::Value::as_array);
    let counts = list("checks").into_iter().flatten();
    let checks = counts.filter_map(|check| check.get("count")?.as_u64()).sum();
    Ok(Some(IndexAudit {
        checks,
        findings: list("findings").map_or(0, |findings| findings.len() as u64),
        href: Some("audit.html".to_owned()),
    }))
}

/// Writes each selected statement as HTML, CSV and JSON, in English; returns how many there are.
pub fn statements(
    site: &Site,
    selection: &Selection,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<u64, Error> {
    let files = Files { folder, forms: &[Form::Html, Form::Csv, Form::Json], lang: Lang::En };
    Ok(statement::write(site, selection, &files, progress)?.statements)
}
