//! Who may ask: researcher passes, signed by the steward, checked at the run's instant.
//!
//! Comes in: a signed note. Goes out: a [`Pass`], and a [`Grant`] for one dataset and purpose.
//! Never: a pass of a foreign signer, an expired one, or a line that nobody understood.

mod pass;

pub use self::pass::{Error, Fault, FaultKind, Grant, Pass, PassRequest};
