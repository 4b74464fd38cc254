//! Covers: policies that pay by rule when records show an event, exactly once.
//!
//! Comes in: a policy, who is enrolled, and rows with the decision on each person's consent. Goes out:
//! lines that say what each event is worth, and why a row is worth nothing. Never: an event paid
//! twice, more than the caps or the pool hold, or a demand for what was paid before.
//!
//! An event is one person's, of one trigger's name, in one window of days, whichever institution sent
//! it and in whichever run: windows are counted from the term's first day, so that no order of arrival
//! changes which rows are one event. A row that is taken back (`entered-in-error`) never counts again.

mod act;
mod enrol;
mod evaluate;
pub mod journal;
mod judge;
mod line;
mod payable;
mod policy;
pub mod proof;
mod quantity;
mod read;
mod state;

pub use self::{
    act::{Act, COMMITS, Commit, Cover, CoverError, Covers, Enrolled, Evaluated},
    enrol::{ENROLMENT_COLUMNS, Enrolment, EnrolmentError, EnrolmentFault, Enrolments, enrolments},
    evaluate::{Basis, Consent, Evaluation, Keyed, evaluate},
    judge::{Reason, Sighting},
    line::{CoverLine, CoverTotals, LINES, Outcome, RowId, lines},
    payable::payable,
    policy::{
        Code, CodeError, CodeTest, CoverKind, Policy, StatusTest, Term, Trigger, ValueTest, Weeks,
    },
    quantity::{Decimal, DecimalError, Reached, Substance, Unit, UnitError, reaches},
    read::read,
    state::{EventKey, Overflow},
};
