//! Pools, rules, exact apportionment, settlement, double-entry journal and statements.
//!
//! Comes in: funds, rosters of dataset versions, usage records. Goes out: lines that say what each
//! contributor accrued and is paid, and why. Never: a unit of money lost, made or paid twice.

mod apportion;
mod capped;
pub mod draw;
mod exchange;
pub mod goods;
mod held;
mod highest;
mod inputs;
mod institution;
pub mod journal;
mod line;
mod matched;
mod matching;
mod new_data;
mod over;
mod payee_table;
mod period;
mod pool;
pub mod proof;
mod related;
pub mod rules;
mod settle;
mod shapley;
pub mod statement;
pub mod tally;
mod totals;
mod value;

pub(crate) use self::inputs::UNITS_PER_QUERY;
pub use self::{
    apportion::{Error as ApportionError, Shares, apportion},
    capped::apportion_capped,
    exchange::{convert, convert_all},
    held::{Held, read_held, write_held},
    highest::{units, units_more},
    inputs::{
        FundedInput, Inputs, OpeningInput, OverrideInput, QueryInput, RelatedInput, Rules,
        ValueInput, VersionInput,
    },
    institution::{InstitutionLine, Lines, read_institutions, write_institutions},
    line::{Error as LineError, Line, read_lines, read_table, write_lines},
    matched::{
        GiftInput, MatchError, MatchInputs, MatchShare, Matched, VerifiedSponsor,
        reckon as reckon_match,
    },
    matching::{match_pool, match_weight},
    new_data::{NewDataLine, read_new_data, write_new_data},
    over::{Overridden, Override},
    payee_table::{PayeeLine, read_payee_lines, write_payee_lines},
    period::{Period, PeriodError},
    pool::{
        Act, Commit, Dated, Funded, ObjectRef, Opened, OpenedError, Pool, PoolError, PoolId,
        PoolIdError, Settled, read_pools,
    },
    related::{Relation, RelationCommit, RelationError, read_relations},
    rules::{Grain, Layer, RuleError, RuleSet},
    settle::{Error as SettleError, Settlement, Tables, Use, contributors, settle},
    shapley::{Neighbour, SCALE, knn_shapley},
    totals::{InstitutionTotals, LayerTotals, Totals},
    value::{
        Doubtful, Training, VALUE_METHOD, ValueCommit, Valued, read_review, read_values,
        write_review, write_values,
    },
};
