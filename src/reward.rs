//! Pools, rules, exact apportionment, settlement, double-entry journal and statements.
//!
//! Comes in: funds, rosters of dataset versions, usage records. Goes out: lines that say what each
//! contributor accrued and is paid, and why. Never: a unit of money lost, made or paid twice.

mod apportion;
pub mod draw;
mod inputs;
mod institution;
pub mod journal;
mod line;
mod period;
mod pool;
pub mod proof;
mod settle;
pub mod statement;

pub use self::{
    apportion::{Error as ApportionError, Shares, apportion},
    inputs::{FundedInput, Inputs, OpeningInput, QueryInput, Rules, VersionInput},
    institution::{InstitutionLine, Lines, read_institutions, write_institutions},
    line::{Error as LineError, Line, read_lines, read_table, write_lines},
    period::{Period, PeriodError},
    pool::{
        Act, Commit, Dated, Funded, InstitutionTotals, ObjectRef, Opened, Pool, PoolError, PoolId,
        PoolIdError, Settled, Terms, TermsError, Totals, read_pools,
    },
    settle::{Error as SettleError, Settlement, Use, settle},
};
