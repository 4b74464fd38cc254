//! Makes rows safe to share: plan, kernels, classes of quasi-identifiers, suppression, risk.
//!
//! Comes in: `consent::AdmittedBatch`. Goes out: [`ReleasableBatch`], the only thing the lake takes,
//! and the [`Risk`] of what is released. Never: a column without a decision, a class of fewer than
//! k people, or a cell's value in an error.
//!
//! Two phases, since nobody knows a class's size before all parts are counted:
//!
//! ```text
//! part:   AdmittedBatch -apply-> DeidentifiedBatch -stage::Writer-> vault
//!                                       | ClassCounter -> Classes (in the part's receipt)
//! commit: Classes::merge -> Classes -small-> SmallClasses, Risk (checked against the limit)
//!         vault -stage::read-> DeidentifiedBatch -release(&SmallClasses)-> ReleasableBatch
//! ```

mod apply;
mod classes;
mod codes;
pub mod detect;
mod error;
pub mod events;
pub mod hierarchy;
pub mod kernel;
pub mod late;
mod mask;
mod names;
mod people;
mod plan;
mod release;
pub mod risk;
pub mod scrub;
pub mod search;
mod settings;
pub mod stage;
mod telling;

pub use apply::{DeidentifiedBatch, apply};
pub use classes::{ClassCounter, Classes, ClassesError, SmallClasses};
pub use codes::{CODE_BYTES, Codes, CodesError};
pub use error::Error;
pub use kernel::{done, is_done_with_a_key};
pub use mask::Masked;
pub use people::{People, ReleaseKeys};
pub use plan::{Plan, PlanFault, PlannedColumn, TablePlan};
pub use release::{ReleasableBatch, release, stays};
pub use risk::{Attack, Figures, Risk};
pub use search::Metric;
pub use settings::{
    Apart, Asked, Fraction, FractionError, Offsets, OffsetsError, Profile, Settings,
};
pub use telling::telling;

#[cfg(test)]
mod tests;
