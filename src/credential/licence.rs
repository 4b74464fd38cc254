//! What an issuer decides on a licence, and what a licence is worth at an instant.
//!
//! Comes in: decisions as issuers' credentials and status lists tell them. Goes out: a [`LicenceEvent`],
//! a [`Standing`]. Never: a term that ends before it begins, a restriction without words, or a
//! suspension that reaches back before it was decided.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    instant::Instant,
    party::{ID_BYTES_MAX, InstitutionId},
    signed_note::Verifier,
};

/// The longest text of a restriction, in bytes.
const RESTRICTION_BYTES_MAX: usize = 1024;

/// What is decided on a licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenceAction {
    /// It begins.
    Issue,
    /// It has a new term.
    Renew,
    /// It stands under one condition more.
    Restrict,
    /// It rests.
    Suspend,
    /// It ends for ever.
    Revoke,
    /// A suspension ends; where there is none, the restrictions do.
    Reinstate,
}

impl LicenceAction {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Issue, Self::Renew, Self::Restrict, Self::Suspend, Self::Revoke, Self::Reinstate];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Renew => "renew",
            Self::Restrict => "restrict",
            Self::Suspend => "suspend",
            Self::Revoke => "revoke",
            Self::Reinstate => "reinstate",
        }
    }

    /// Returns the action of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    /// Says whether it gives or gives back. What takes away never reaches back.
    pub fn gives(self) -> bool {
        match self {
            Self::Issue | Self::Renew | Self::Reinstate => true,
            Self::Restrict | Self::Suspend | Self::Revoke => false,
        }
    }

    /// Of decisions of one instant the one that takes more comes last, and so has the last word.
    fn rank(self) -> u8 {
        match self {
            Self::Issue => 0,
            Self::Renew => 1,
            Self::Reinstate => 2,
            Self::Restrict => 3,
            Self::Suspend => 4,
            Self::Revoke => 5,
        }
    }
}

impl fmt::Display for LicenceAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who holds a licence. Its `Debug` shows no practitioner.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Holder {
    /// An institution.
    Institution(InstitutionId),
    /// A practitioner, by national provider identifier. A bad one is reported and kept:
    /// [`is_npi`](crate::party::is_npi).
    Practitioner {
        /// The identifier as the issuer wrote it.
        npi: String,
    },
}

impl Holder {
    /// Parses the identifier of a practitioner: any id, whether its check digit is right or not.
    pub fn practitioner(npi: &str) -> Result<Self, ShapeError> {
        text(npi, "npi")?;
        Ok(Self::Practitioner { npi: npi.to_owned() })
    }

    /// Says whether it is an institution.
    pub fn is_institution(&self) -> bool {
        match self {
            Self::Institution(_) => true,
            Self::Practitioner { .. } => false,
        }
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Institution(id) => f.debug_tuple("Institution").field(id).finish(),
            Self::Practitioner { .. } => f.write_str("Practitioner(…)"),
        }
    }
}

/// One decision of an issuer on one licence. Its `Debug` shows no practitioner and no licence of one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceEvent {
    /// The licence's id, given by its issuer.
    pub licence: String,
    /// Who holds it.
    pub holder: Holder,
    /// The name of the issuer's key.
    pub issuer: String,
    /// What is decided.
    pub action: LicenceAction,
    /// What it permits to be: `hospital`, `physician` …
    pub class: String,
    /// From when on.
    pub from: Instant,
    /// The end of the term, exclusive, where one is issued or renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// A condition under which it stands, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<String>,
    /// When it was decided.
    pub decided_at: Instant,
    /// The vkey with which the holder signs deliveries and transfers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl fmt::Debug for LicenceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("LicenceEvent");
        if self.holder.is_institution() {
            told.field("licence", &self.licence).field("restriction", &self.restriction);
        }
        told.field("holder", &self.holder)
            .field("issuer", &self.issuer)
            .field("action", &self.action)
            .field("class", &self.class)
            .field("from", &self.from)
            .field("until", &self.until)
            .field("decided_at", &self.decided_at)
            .finish_non_exhaustive()
    }
}

/// Why a decision has no meaning by itself, whatever came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// An id or class is empty, too long, or holds a control character.
    #[error("`{0}` holds no name of 1 to {ID_BYTES_MAX} bytes without control characters")]
    Text(&'static str),
    /// The term ends before it begins.
    #[error("the term ends before it begins")]
    Term,
    /// An end of a term where none is given.
    #[error("only what is issued or renewed has an end of its term")]
    Until,
    /// A restriction without words, or with too many.
    #[error("a restriction has 1 to {RESTRICTION_BYTES_MAX} bytes of words")]
    Restriction,
    /// Words of a restriction where none is imposed.
    #[error("only `issue` and `restrict` have a restriction")]
    NoRestriction,
    /// The holder's key is no vkey.
    #[error("the holder's key is no vkey that signs")]
    Key,
    /// A holder's key where none is given.
    #[error("only what is issued or renewed names the holder's key")]
    NoKey,
}

impl LicenceEvent {
    /// Checks all that can be known without the licence's history.
    pub fn check(&self) -> Result<(), ShapeError> {
        text(&self.licence, "licence")?;
        text(&self.class, "class")?;
        text(&self.issuer, "issuer")?;
        if let Holder::Practitioner { npi } = &self.holder {
            text(npi, "npi")?;
        }
        let (term, conditions) = match self.action {
            LicenceAction::Issue => (true, true),
            LicenceAction::Renew => (true, false),
            LicenceAction::Restrict => (false, true),
            LicenceAction::Suspend | LicenceAction::Revoke | LicenceAction::Reinstate => {
                (false, false)
            }
        };
        match self.until {
            Some(_) if !term => return Err(ShapeError::Until),
            Some(until) if until <= self.from => return Err(ShapeError::Term),
            Some(_) | None => {}
        }
        match &self.restriction {
            Some(_) if !conditions => return Err(ShapeError::NoRestriction),
            Some(words) if words.trim().is_empty() || words.len() > RESTRICTION_BYTES_MAX => {
                return Err(ShapeError::Restriction);
            }
            None if self.action == LicenceAction::Restrict => return Err(ShapeError::Restriction),
            Some(_) | None => {}
        }
        match &self.key {
            Some(_) if !term => Err(ShapeError::NoKey),
            Some(vkey) if !signs(vkey) => Err(ShapeError::Key),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns from when on it has effect. What gives may look back; what takes away does not: a
    /// suspension today does not undo yesterday.
    pub fn effective(&self) -> Instant {
        if self.action.gives() { self.from } else { self.from.max(self.decided_at) }
    }

    /// Returns where it stands among the decisions on one licence; the same order however they came.
    pub(super) fn place(&self) -> (Instant, Instant, u8, &Self) {
        (self.effective(), self.decided_at, self.action.rank(), self)
    }
}

/// Checks a short name.
fn text(text: &str, column: &'static str) -> Result<(), ShapeError> {
    InstitutionId::check(text).map_err(|_| ShapeError::Text(column))
}

fn signs(vkey: &str) -> bool {
    let is_plain = |key: Verifier| key.key_use() == crate::signed_note::KeyUse::Sign;
    Verifier::parse(vkey).is_ok_and(is_plain)
}

/// What a holder's licences are worth at an instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Standing {
    /// At least one stands.
    Stands {
        /// When the last of them ends, if it does.
        until: Option<Instant>,
        /// Under which conditions, sorted.
        restrictions: Vec<String>,
    },
    /// It begins later.
    NotYet,
    /// Its term is over.
    Expired {
        /// Since when.
        since: Instant,
    },
    /// It rests.
    Suspended {
        /// Since when.
        since: Instant,
    },
    /// It was ended for ever.
    Revoked {
        /// Since when.
        since: Instant,
    },
    /// No licence is known.
    Unknown,
}

impl Standing {
    /// Says whether it stands.
    pub fn stands(&self) -> bool {
        match self {
            Self::Stands { .. } => true,
            Self::NotYet
            | Self::Expired { .. }
            | Self::Suspended { .. }
            | Self::Revoked { .. }
            | Self::Unknown => false,
        }
    }

    /// Returns the state's name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stands { .. } => "stands",
            Self::NotYet => "not-yet",
            Self::Expired { .. } => "expired",
            Self::Suspended { .. } => "suspended",
            Self::Revoked { .. } => "revoked",
            Self::Unknown => "unknown",
        }
    }

    /// Of several licences the one that is worth most counts; of those that do not stand, the one that
    /// is nearest to standing. One that is yet to come says least: it may not change what was.
    fn worth(&self) -> u8 {
        match self {
            Self::Stands { .. } => 0,
            Self::Suspended { .. } => 1,
            Self::Expired { .. } => 2,
            Self::Revoked { .. } => 3,
            Self::NotYet => 4,
            Self::Unknown => 5,
        }
    }

    /// Joins what two licences of one holder are worth. Where both stand, the later end counts, and the
    /// conditions of both.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Stands { until: one, restrictions: mut all },
                Self::Stands { until: two, restrictions: more },
            ) => {
                all.extend(more);
                all.sort();
                all.dedup();
                Self::Stands { until: one.and_then(|one| Some(one.max(two?))), restrictions: all }
            }
            (one, two) => {
                // Of two of one state, the newer.
                if (one.worth(), std::cmp::Reverse(one.since()))
                    <= (two.worth(), std::cmp::Reverse(two.since()))
                {
                    one
                } else {
                    two
                }
            }
        }
    }

    /// Returns since when it does not stand any more.
    fn since(&self) -> Option<Instant> {
        match self {
            Self::Expired { since } | Self::Suspended { since } | Self::Revoked { since } => {
                Some(*since)
            }
            Self::Stands { .. } | Self::NotYet | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stands { until: None, .. } => f.write_str("stands"),
            Self::Stands { until: Some(until), .. } => write!(f, "stands until {until}"),
            Self::NotYet => f.write_str("has not begun"),
            Self::Expired { since } => write!(f, "expired at {since}"),
            Self::Suspended { since } => write!(f, "has been suspended since {since}"),
            Self::Revoked { since } => write!(f, "was revoked at {since}"),
            Self::Unknown => f.write_str("is not known"),
        }
    }
}

/// Why a decision does not follow from the licence's history, so that it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The issuer was not trusted when it decided, or the site learnt of it after trust had ended.
    #[error("its issuer was not trusted then")]
    Untrusted,
    /// It speaks of a licence that was not issued, or not yet.
    #[error("the licence was not issued by then")]
    NotIssued,
    /// Another issuer issued the licence.
    #[error("another issuer issued the licence")]
    NotTheIssuer,
    /// The licence was issued before.
    #[error("the licence was issued before")]
    Issued,
    /// The licence belongs to another holder.
    #[error("the licence belongs to another holder")]
    OtherHolder,
    /// The licence is of another class.
    #[error("the licence is of another class")]
    OtherClass,
    /// The licence was revoked before.
    #[error("the licence was revoked before")]
    Revoked,
    /// There is nothing to reinstate.
    #[error("the licence is neither suspended nor restricted then")]
    NothingToReinstate,
}
