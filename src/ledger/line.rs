//! Lines under a root of the book: of money paid, of goods given, of a cover. Each leaf is a keyed
//! token and a commitment; here is what each commitment is over, and how it is checked.
//!
//! Comes in: an entry's body, a line's text, the salt that its owner has. Goes out: the commitment.
//! Never: a line of one place that holds in another.

use serde_json::{Map, Value};

use super::Kind;
use crate::digest::{Sha3Digest, hmac_sha3_parts};

/// The label of commitments to lines of money.
pub const PAYOUT: &str = "rdm/payout/v1";

/// The label of commitments to lines of goods.
pub const GIVING: &str = "rdm/giving/v1";

/// The label of commitments to lines of a cover.
pub const COVER: &str = "rdm/cover/v1";

/// What kind of lines stand under the root that an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Money of a settled period.
    Payout,
    /// Goods given.
    Giving,
    /// Events of a cover.
    Cover,
}

impl Lines {
    /// Returns the lines under the root of an entry of this kind.
    pub fn of(kind: Kind) -> Option<Self> {
        let lines = [
            (Kind::PayoutComputed, Self::Payout),
            (Kind::GoodsGiven, Self::Giving),
            (Kind::CoverEvaluated, Self::Cover),
        ];
        lines.into_iter().find(|(of, _)| *of == kind).map(|(_, lines)| lines)
    }

    /// Returns the commitment to a line: `HMAC-SHA3-256(salt, lp(label) lp(place)… lp(d))`, where `d`
    /// is the SHA3-256 digest of the line's text and the places are members of the entry's body, for
    /// a cover its policy and `d` once more. `None` where the body does not name the place.
    pub fn commitment(
        self,
        body: &Map<String, Value>,
        line: &str,
        salt: &[u8; 32],
    ) -> Option<[u8; 32]> {
        let digest = Sha3Digest::of(line.as_bytes());
        let digest = digest.as_bytes().as_slice();
        let (label, members, again): (_, &[&str], &[&[u8]]) = match self {
            Self::Payout => (PAYOUT, &["pool", "period"], &[]),
            Self::Giving => (GIVING, &["pool", "item", "period"], &[]),
            Self::Cover => (COVER, &["policy"], &[digest]),
        };
        let mut parts = vec![label.as_bytes()];
        for member in members {
            parts.push(body.get(*member)?.as_str()?.as_bytes());
        }
        parts.extend(again);
        parts.push(digest);
        Some(hmac_sha3_parts(salt, &parts))
    }
}
