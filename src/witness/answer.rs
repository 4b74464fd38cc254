//! What a witness answers: a cosignature, or one of the protocol's refusals.
//!
//! Comes in: nothing. Goes out: a status, a body, and that body's type. Never: two answers alike.

use std::fmt;

use crate::signed_note::Signature;

/// An answer to `add-checkpoint`: <https://c2sp.org/tlog-witness>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200: the witness's line under the checkpoint.
    Cosigned(Signature),
    /// 400: the request cannot be read, or its old size is larger than its checkpoint.
    Malformed(String),
    /// 403: no key that the witness trusts for this log signed the checkpoint.
    Unsigned,
    /// 404: the witness knows no log of this origin.
    Unknown,
    /// 409: the witness last cosigned another size than the request says: this one.
    Stale(u64),
    /// 409: the witness cosigned another tree of the same size. The log has forked.
    Forked,
    /// 422: the proof does not show that the checkpoint continues what the witness last cosigned.
    Inconsistent,
}

/// The type of a body that is a size.
pub(super) const SIZE_TYPE: &str = "text/x.tlog.size";

impl Answer {
    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::Malformed(_) => 400,
            Self::Unsigned => 403,
            Self::Unknown => 404,
            Self::Stale(_) | Self::Forked => 409,
            Self::Inconsistent => 422,
        }
    }

    /// Returns the type of the body. By it a log tells a size it may try again with from a fork.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Stale(_) => SIZE_TYPE,
            Self::Cosigned(_)
            | Self::Malformed(_)
            | Self::Unsigned
            | Self::Unknown
            | Self::Forked
            | Self::Inconsistent => "text/plain; charset=utf-8",
        }
    }

    /// Returns the body.
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(line) => line.line(),
            Self::Stale(size) => format!("{size}\n"),
            Self::Malformed(_)
            | Self::Unsigned
            | Self::Unknown
            | Self::Forked
            | Self::Inconsistent => format!("{self}\n"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cosigned(line) => write!(f, "cosigned by `{}`", line.name),
            Self::Malformed(reason) => write!(f, "the request cannot be read: {reason}"),
            Self::Unsigned => f.write_str("no key trusted for this log signed the checkpoint"),
            Self::Unknown => f.write_str("this witness knows no log of that origin"),
            Self::Stale(size) => {
                write!(f, "this witness last cosigned a checkpoint of size {size}")
            }
            Self::Forked => f.write_str("this witness cosigned another tree of the same size"),
            Self::Inconsistent => f.write_str(
                "the proof does not show that the checkpoint continues what this witness cosigned",
            ),
        }
    }
}
