//! What the demo tells at its end.

use serde::{Deserialize, Serialize};

use crate::cli::{Context, Failure, Format};

/// What happened in the quarter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) institutions: Vec<Institution>,
    pub(super) linkage: Linkage,
    pub(super) consents: Consents,
    pub(super) people: u64,
    pub(super) people_several: u64,
    pub(super) releases: Vec<Release>,
    pub(super) answered: u64,
    pub(super) refused: Vec<String>,
    pub(super) determination: String,
    pub(super) withdrawal: String,
    pub(super) licences: String,
    pub(super) transfer: String,
    pub(super) cover: String,
    pub(super) settlement: Vec<String>,
    pub(super) goods: String,
    pub(super) bank: String,
    pub(super) sponsor_audit: String,
    pub(super) statements: u64,
    pub(super) proofs_checked: u64,
    pub(super) ledger_entries: u64,
    pub(super) checkpoint: String,
    pub(super) audit_checks: u64,
    pub(super) audit_findings: u64,
    pub(super) pages: String,
    pub(super) site: String,
}

/// One institution's first quarter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Institution {
    pub(super) name: String,
    pub(super) people: u64,
    pub(super) read: u64,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    pub(super) rejected: u64,
}

/// Who was found to be one person, beside who is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Linkage {
    pub(super) records: u64,
    pub(super) people: u64,
    pub(super) people_several: u64,
    /// Pairs of records that wait for the steward.
    pub(super) pairs_review: u64,
    /// Of the pairs that were linked, those that are one person's, in millionths.
    pub(super) precision_ppm: u64,
    /// Of the pairs that are one person's, those that were linked, in millionths.
    pub(super) recall_ppm: u64,
}

/// What people decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Consents {
    pub(super) csv: u64,
    pub(super) fhir: u64,
    pub(super) grants: u64,
    pub(super) withdrawals: u64,
    /// Decisions left out: the person's own record was faulty, so nobody knows whose they are.
    pub(super) not_linked: u64,
}

/// One version made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Release {
    pub(super) version: String,
    pub(super) people: u64,
    pub(super) rows: u64,
    pub(super) k: u64,
    pub(super) suppressed_ppm: u64,
    pub(super) risk_max_ppm: u64,
}

impl Account {
    pub(super) fn write(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        match context.global.format {
            Format::Json | Format::Parquet | Format::Csv => {
                serde_json::to_writer_pretty(&mut *context.out, self)
                    .map_err(|e| Failure::new(crate::cli::Kind::Failed, e))?;
                Ok(writeln!(context.out)?)
            }
            Format::Table => self.tell(context),
        }
    }

    fn tell(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let out = &mut context.out;
        for line in &self.institutions {
            writeln!(
                out,
                "{:<13}{:>6} people {:>8} rows   admitted {:>7}   refused {:>6}   rejected {:>5}",
                line.name,
                grouped(line.people),
                grouped(line.read),
                grouped(line.admitted),
                grouped(line.refused),
                grouped(line.rejected),
            )?;
        }
        let Linkage { records, people, people_several, pairs_review, .. } = self.linkage;
        writeln!(
            out,
            "linkage      {} people, {} seen at 2 or more institutions, of {} records; {} pairs to \
             review",
            grouped(people),
            grouped(people_several),
            grouped(records),
            grouped(pairs_review)
        )?;
        writeln!(
            out,
            "             precision {}, recall {} against who they are",
            share(self.linkage.precision_ppm),
            share(self.linkage.recall_ppm)
        )?;
        writeln!(
            out,
            "consents     {} decisions in CSV, {} FHIR Consents: {} grants, {} withdrawals, \
             {} left out: not linked",
            grouped(self.consents.csv),
            grouped(self.consents.fhir),
            grouped(self.consents.grants),
            grouped(self.consents.withdrawals),
            grouped(self.consents.not_linked)
        )?;
        writeln!(
            out,
            "people       {} released, {} of them seen at 2 or more institutions",
            grouped(self.people),
            grouped(self.people_several)
        )?;
        for release in &self.releases {
            writeln!(
                out,
                "release      {}  {} people, {} rows, k = {}, {} % suppressed, risk at most {} %",
                release.version,
                grouped(release.people),
                grouped(release.rows),
                release.k,
                percent(release.suppressed_ppm),
                percent(release.risk_max_ppm.next_multiple_of(1_000)),
            )?;
        }
        writeln!(
            out,
            "queries      {} answered, {} refused ({})",
            self.answered,
            self.refused.len(),
            self.refused.join("; ")
        )?;
        writeln!(out, "risk         {}", self.determination)?;
        writeln!(out, "withdrawal   {}", self.withdrawal)?;
        writeln!(out, "licences     {}", self.licences)?;
        writeln!(out, "transfer     {}", self.transfer)?;
        writeln!(out, "cover        {}", self.cover)?;
        for (at, line) in self.settlement.iter().enumerate() {
            writeln!(out, "{:<12} {line}", if at == 0 { "settlement" } else { "" })?;
        }
        writeln!(out, "goods        {}", self.goods)?;
        writeln!(out, "bank         {}", self.bank)?;
        writeln!(
            out,
            "statements   {}, one a contributor, each with its proof; {} proofs checked",
            grouped(self.statements),
            grouped(self.proofs_checked)
        )?;
        writeln!(out, "ledger       {} entries, checkpoint signed", self.ledger_entries)?;
        writeln!(
            out,
            "audit        {} checks, {} findings",
            grouped(self.audit_checks),
            self.audit_findings
        )?;
        writeln!(out, "sponsor      {}", self.sponsor_audit)?;
        writeln!(out, "pages        {}", self.pages)?;
        writeln!(out, "the site     almoner --site {} ledger show", self.site)?;
        Ok(())
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Writes a share of 1, rounded down: what is nearly all must not look like all.
fn share(ppm: u64) -> String {
    format!("{}.{:04}", ppm / 1_000_000, ppm % 1_000_000 / 100)
}

fn percent(ppm: u64) -> String {
    format!("{}.{}", ppm / 10_000, ppm % 10_000 / 1_000)
}
