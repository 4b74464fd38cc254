//! FHIR Consent, R4 and R5: what a person signed, as a document that can be judged.
//!
//! Comes in: JSON of Consent resources. Goes out: [`Document`]s, an [`Outcome`] for a [`Request`],
//! and what a register can hold of a document ([`take_in`]).
//! Never: a permit by a document that is not in force, that contradicts itself, or that holds what
//! this engine does not read.

mod code;
mod decide;
mod document;
mod parse;
mod period;
mod read;
mod replace;
mod residual;
mod take_in;

pub use self::{
    code::{Coding, research_purpose},
    decide::{Outcome, Request, decide, standing},
    document::{Actor, Criteria, DataReference, Document, Meaning, Role, Rule, RuleType, Status},
    period::Period,
    read::{Found, each_consent, read_documents},
    replace::{SOURCE, events},
    residual::{Data, Residual, leaves},
    take_in::{Granted, Intake, Note, Reach, take_in},
};
