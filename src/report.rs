//! Pages people read: what a run did, what a person is owed and why, what a sponsor's money became.
//!
//! Comes in: plain facts. Goes out: HTML, the same facts as JSON, statements as CSV too.
//! Never: a script, a resource from elsewhere, a text that is not escaped, or on a public page a
//! number of people between 1 and 10.

mod audit;
mod bars;
mod csv;
mod dataset;
mod index;
mod number;
mod owed;
mod page;
mod quality;
mod run;
mod settlement;
mod statement;
mod words;

#[cfg(test)]
mod laws;

pub use self::{
    audit::{AuditCheck, AuditFinding, AuditPage, audit_page},
    csv::safe_cell,
    dataset::{DatasetPage, DatasetTable, DatasetVersion, dataset_page},
    index::{IndexAudit, IndexDataset, IndexPage, IndexPool, Link, index_page},
    number::PublicCount,
    page::{Checkpoint, Named, json},
    quality::{FilledLine, QualityReport, RuleFile, quality_page},
    run::{ColumnLine, InstitutionLine, RiskLine, RunReport, TableLine, run_page},
    settlement::{
        SettlementInstitutions, SettlementLayer, SettlementPage, SettlementUse, settlement_page,
    },
    statement::{
        StatementConsent, StatementLayer, StatementPage, StatementProof, StatementQuery,
        StatementRelease, statement_csv, statement_page,
    },
};
