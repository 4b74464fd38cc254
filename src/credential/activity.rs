//! What an institution does with its licence, and why it may not.
//!
//! Comes in: how a licence stands at an instant. Goes out: leave to act, or [`Unlicensed`].
//! Never: a restriction's text judged, save the three that name an activity.

use std::fmt;

use super::Standing;
use crate::instant::Instant;

/// What an institution does under its licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    /// It delivers records.
    Contribution,
    /// Its researchers ask questions.
    Research,
    /// It hands a patient's record over, or takes one.
    Transfer,
}

impl Activity {
    /// Returns the restriction that forbids it; any other text of a restriction is for people.
    pub fn forbidden_by(self) -> &'static str {
        match self {
            Self::Contribution => "no-data-contribution",
            Self::Research => "no-research",
            Self::Transfer => "no-transfer",
        }
    }

    /// Says whether a licence that stands so allows it.
    pub fn check(self, standing: &Standing) -> Result<(), Unlicensed> {
        match standing {
            Standing::Stands { restrictions, .. } => {
                if restrictions.iter().any(|text| text == self.forbidden_by()) {
                    return Err(Unlicensed::Restricted(self));
                }
                Ok(())
            }
            Standing::NotYet => Err(Unlicensed::NotYet),
            Standing::Expired { since } => Err(Unlicensed::Expired { since: *since }),
            Standing::Suspended { since } => Err(Unlicensed::Suspended { since: *since }),
            Standing::Revoked { since } => Err(Unlicensed::Revoked { since: *since }),
            Standing::Unknown => Err(Unlicensed::Unknown),
        }
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contribution => "the contribution of data",
            Self::Research => "research",
            Self::Transfer => "transfers",
        })
    }
}

/// Why an institution's licence does not allow what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unlicensed {
    /// No trusted issuer ever gave it one.
    #[error("no licence of it is known")]
    Unknown,
    /// Its licence begins later.
    #[error("its licence had not begun")]
    NotYet,
    /// Its term is over.
    #[error("its licence expired at {since}")]
    Expired {
        /// When.
        since: Instant,
    },
    /// It is suspended.
    #[error("its licence was suspended at {since}")]
    Suspended {
        /// From when on.
        since: Instant,
    },
    /// It is revoked.
    #[error("its licence was revoked at {since}")]
    Revoked {
        /// From when on.
        since: Instant,
    },
    /// It stands, but not for this.
    #[error("its licence excludes {0} (`{limit}`)", limit = .0.forbidden_by())]
    Restricted(Activity),
}

impl Unlicensed {
    /// Returns the short name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "no-licence",
            Self::NotYet => "licence-not-begun",
            Self::Expired { .. } => "licence-expired",
            Self::Suspended { .. } => "licence-suspended",
            Self::Revoked { .. } => "licence-revoked",
            Self::Restricted(_) => "licence-restricted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_restriction_that_names_an_activity_forbids_it() {
        let all = [Activity::Contribution, Activity::Research, Activity::Transfer];
        for restricted in all {
            let restrictions =
                vec!["no new wards".to_owned(), restricted.forbidden_by().to_owned()];
            let standing = Standing::Stands { until: None, restrictions };
            for asked in all {
                let forbidden = asked.check(&standing).is_err();
                assert_eq!(forbidden, asked == restricted, "{restricted:?} and {asked:?}");
            }
        }
    }

    #[test]
    fn a_licence_that_does_not_stand_allows_nothing() {
        let since = Instant::parse("2026-10-01T00:00:00Z").unwrap();
        let states = [
            (Standing::NotYet, "licence-not-begun"),
            (Standing::Expired { since }, "licence-expired"),
            (Standing::Suspended { since }, "licence-suspended"),
            (Standing::Revoked { since }, "licence-revoked"),
            (Standing::Unknown, "no-licence"),
        ];
        for (standing, name) in states {
            let refused = Activity::Research.check(&standing).unwrap_err();
            assert_eq!(refused.as_str(), name, "{standing:?}");
        }
    }
}
