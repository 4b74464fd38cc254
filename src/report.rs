//! Pages people read: what a run did, what a person is owed and why, what a sponsor's money became.
//!
//! Comes in: plain facts. Goes out: HTML, the same facts as JSON, statements as CSV too.
//! Never: a script but the one that checks a page's own proofs, a resource from elsewhere, a text that is
//! not escaped, or on a public page a number of people between 1 and 10.

mod audit;
mod audit_pool;
mod bars;
mod charts;
mod check;
mod cover;
mod csv;
mod dataset;
mod document;
mod explain;
mod giving;
mod index;
mod licences;
mod messages;
mod number;
mod owed;
mod page;
mod pdf;
mod quality;
mod risk;
mod run;
mod settlement;
mod statement;
mod words;

#[cfg(test)]
mod laws;

pub use self::{
    audit::{AuditCheck, AuditFinding, AuditPage, audit_page},
    audit_pool::{
        AccountFacts, BankFacts, Concentration, Days, Disbursed, Drawn, EntryFacts, Exception,
        Excluded, Federal, FederalLine, Indirect, InstitutionFacts, InstitutionsShare, LayerFacts,
        Money, OfPeople, OverrideFacts, OwedLine, Part, PoolFacts, PurposeShare, QuestionFacts,
        Receipt, Reconciled, RelatedFacts, Restricted, RollLine, RulesFacts, Sample, SampleLine,
        SelfDealing, SettlementFacts, SponsorAudit, SponsorReader, TooLarge, Waterfall, draw,
        sponsor_csv, sponsor_document, sponsor_page,
    },
    check::PageProofs,
    cover::{CoverPage, CoverPageLine, PaymentState, cover_csv, cover_page},
    csv::safe_cell,
    dataset::{DatasetPage, DatasetTable, DatasetVersion, dataset_page},
    document::{Block, Document, Head, Pair, Row},
    explain::{Explanation, Step, explain},
    giving::{DigitsError, Funder, Grant, Recipient, giving},
    index::{IndexAudit, IndexDataset, IndexPage, IndexPool, Link, index_page},
    licences::{
        HistoryLine, IssuerLine, LicenceRecord, LicencesPage, LicensedInstitution,
        PractitionersLine, licences_page,
    },
    messages::{Lang, LangError, Messages},
    number::PublicCount,
    page::{Checkpoint, Named, json},
    pdf::{Error as PdfError, Template, pdf},
    quality::{FilledLine, QualityReport, RuleFile, quality_page},
    risk::{
        RiskAttack, RiskColumn, RiskConfiguration, RiskFigures, RiskMarketer, RiskMinimal,
        RiskOutcome, RiskPopulation, RiskQuestion, RiskReport, RiskSensitive, RiskSigned,
        RiskSubject, RiskTable, RiskTest, RiskUnique, risk_page,
    },
    run::{
        ChoiceLine, ColumnLine, DoubtLine, InstitutionLine, LeftLine, RecordsLine, RiskLine,
        RunReport, ScrubLine, TableLine, run_page,
    },
    settlement::{
        SettlementAccount, SettlementLayer, SettlementPage, SettlementUse, settlement_page,
    },
    statement::{
        StatementConsent, StatementPage, StatementRejected, StatementRelease, statement_csv,
        statement_page,
    },
};
