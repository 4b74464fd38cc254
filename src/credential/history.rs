//! One licence through time: its decisions in their order, what they make of it, and which do not follow.
//!
//! Comes in: trusted decisions on one licence of one issuer. Goes out: its [`Phase`]s, and a refusal for
//! each decision that cannot be. Never: a phase that rests on a decision of a later instant.

use std::collections::BTreeSet;

use super::licence::{Holder, LicenceAction, LicenceEvent, Refusal, Standing};
use crate::instant::Instant;

/// A licence from one instant until the next phase begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase {
    /// When it begins.
    pub(super) from: Instant,
    /// When the term then ends, exclusive.
    until: Option<Instant>,
    restrictions: BTreeSet<String>,
    suspended: Option<Instant>,
    revoked: Option<Instant>,
    /// The holder's vkey then.
    pub(super) key: Option<String>,
}

impl Phase {
    fn issued(event: &LicenceEvent) -> Self {
        Self {
            from: event.effective(),
            until: event.until,
            restrictions: event.restriction.iter().cloned().collect(),
            suspended: None,
            revoked: None,
            key: event.key.clone(),
        }
    }

    /// Returns the phase that a decision makes of this one.
    fn after(&self, event: &LicenceEvent) -> Result<Self, Refusal> {
        let mut next = Self { from: event.effective(), ..self.clone() };
        if self.revoked.is_some() && event.action != LicenceAction::Revoke {
            return Err(Refusal::Revoked);
        }
        match event.action {
            LicenceAction::Issue => return Err(Refusal::Issued),
            LicenceAction::Renew => {
                next.until = event.until;
                next.key = event.key.clone().or(next.key);
            }
            LicenceAction::Restrict => next.restrictions.extend(event.restriction.clone()),
            // Told twice, by a credential and by a status list, the first counts.
            LicenceAction::Suspend => next.suspended = self.suspended.or(Some(next.from)),
            LicenceAction::Revoke => next.revoked = self.revoked.or(Some(next.from)),
            LicenceAction::Reinstate if self.suspended.is_some() => next.suspended = None,
            LicenceAction::Reinstate if !self.restrictions.is_empty() => next.restrictions.clear(),
            LicenceAction::Reinstate => return Err(Refusal::NothingToReinstate),
        }
        Ok(next)
    }

    fn standing(&self, at: Instant) -> Standing {
        if let Some(since) = self.revoked {
            return Standing::Revoked { since };
        }
        if let Some(since) = self.suspended {
            return Standing::Suspended { since };
        }
        match self.until {
            Some(since) if since <= at => Standing::Expired { since },
            Some(_) | None => Standing::Stands {
                until: self.until,
                restrictions: self.restrictions.iter().cloned().collect(),
            },
        }
    }
}

/// One licence, with all that was decided on it.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    phases: Vec<Phase>,
}

impl History {
    /// Goes through decisions on one licence. Returns its history, and for each decision, in the order given, why it changes nothing if it does not.
    pub(super) fn of(events: &[&LicenceEvent]) -> (Self, Vec<Option<Refusal>>) {
        let mut order: Vec<(usize, &&LicenceEvent)> = events.iter().enumerate().collect();
        order.sort_by(|(_, a), (_, b)| a.place().cmp(&b.place()));
        let mut refusals = vec![None; events.len()];
        let mut issued: Option<(&Holder, &str)> = None;
        let mut phases: Vec<Phase> = Vec::new();
        for (at, event) in order {
            let next = match (issued, phases.last()) {
                (Some((holder, _)), _) if *holder != event.holder => Err(Refusal::OtherHolder),
                (Some((_, class)), _) if class != event.class => Err(Refusal::OtherClass),
                (_, Some(phase)) => phase.after(event),
                (_, None) if event.action == LicenceAction::Issue => Ok(Phase::issued(event)),
                (_, None) => Err(Refusal::NotIssued),
            };
            match next {
                Ok(phase) => {
                    issued = issued.or(Some((&event.holder, &event.class)));
                    phases.push(phase);
                }
                Err(refusal) => {
                    if let Some(slot) = refusals.get_mut(at) {
                        *slot = Some(refusal);
                    }
                }
            }
        }
        (Self { phases }, refusals)
    }

    /// Returns the phase at an instant, if it has begun.
    pub(super) fn phase(&self, at: Instant) -> Option<&Phase> {
        let begun = self.phases.partition_point(|phase| phase.from <= at);
        self.phases.get(begun.checked_sub(1)?)
    }

    /// Says what the licence is worth at an instant.
    pub(super) fn standing(&self, at: Instant) -> Standing {
        match self.phase(at) {
            Some(phase) => phase.standing(at),
            None if self.phases.is_empty() => Standing::Unknown,
            None => Standing::NotYet,
        }
    }
}
