//! How a transfer stands, as the protocol's own states: built again from the files that were kept, each
//! checked anew.
//!
//! Comes in: the held files, the desk's partners. Goes out: `Offered`, `Challenged`, `Accepted`, `Sent`.
//! Never: a state of a file whose signature no longer verifies.

use std::sync::Arc;

use super::{
    Clerk, Error, Partner, Why,
    book::{End, Held, Step},
};
use crate::{
    instant::Instant,
    transfer::{Accepted, Challenged, Clock, Ends, LicenceFault, Licences, Offered, Party, Sent},
};

impl Clerk<'_> {
    /// Returns the run's instant, and how far a partner's clock may be ahead.
    pub(super) fn clock(&self) -> Clock {
        self.clock_at(self.now())
    }

    fn clock_at(&self, now: Instant) -> Clock {
        Clock { now, skew_seconds: self.desk.clock_skew_seconds }
    }

    /// Returns a partner as the protocol knows it.
    pub(super) fn party(partner: &Partner) -> Party {
        Party { side: partner.side(), steward: partner.vkey.clone(), hpke: partner.hpke }
    }

    /// Returns both ends of a transfer in which this side is `end`.
    pub(super) fn ends(&self, end: End, partner: &Partner) -> Arc<Ends> {
        let steward = self.site.steward_verifier().clone();
        let own = Party { side: self.own(), steward, hpke: self.key.public() };
        let other = Self::party(partner);
        Arc::new(match end {
            End::Sender => Ends { from: own, to: other },
            End::Receiver => Ends { from: other, to: own },
        })
    }

    /// Says how both licences stand now; `shown` is what the other side showed of its own.
    pub(super) fn licences(&self, end: End, partner: &Partner, shown: Option<&str>) -> Licences {
        let of = |id, shown| (self.licence)(id, shown, self.now());
        match end {
            End::Sender => Licences {
                from: of(&self.desk.institution, None),
                to: of(&partner.institution, shown),
            },
            // The sender shows nothing: what counts is what this site knows of it.
            End::Receiver => Licences {
                from: match of(&partner.institution, None) {
                    Err(LicenceFault::Unknown) => Ok(()),
                    known => known,
                },
                to: Ok(()),
            },
        }
    }

    pub(super) fn offered(&self, held: &Held) -> Result<Result<Offered, Why>, Error> {
        let partner = self.desk.partner(&held.partner)?;
        let (ends, clock) = (self.ends(held.end, partner), self.clock_of(held, Step::Offered));
        let offer = held.offer()?.clone().kept(&ends.from.steward);
        Ok(offer.and_then(|offer| Offered::open(offer, ends, clock)).map_err(Why::from))
    }

    pub(super) fn challenged(&self, held: &Held) -> Result<Result<Challenged, Why>, Error> {
        let challenge = held.challenge()?.clone();
        let clock = self.clock_of(held, Step::Challenged);
        Ok(self.offered(held)?.and_then(|offered| {
            let challenge = challenge.kept(&offered.ends().to.steward)?;
            Ok(offered.challenge(challenge, Ok(()), Licences::STAND, clock)?)
        }))
    }

    pub(super) fn accepted(&self, held: &Held) -> Result<Result<Accepted, Why>, Error> {
        let accept = held.accept()?.clone();
        let approvers = &held.offer()?.payload.approvers;
        let clock = self.clock_of(held, Step::Approved);
        Ok(self.challenged(held)?.and_then(|challenged| {
            Ok(challenged.accept(accept.approved(approvers)?, approvers, clock)?)
        }))
    }

    pub(super) fn sent(&self, held: &Held) -> Result<Result<Sent, Why>, Error> {
        let parcel = held.parcel()?.clone();
        let clock = self.clock_of(held, Step::Sent);
        Ok(self.accepted(held)?.and_then(|accepted| {
            let parcel = parcel.kept(&accepted.offered().ends().from.steward)?;
            Ok(accepted.send(parcel, clock)?)
        }))
    }

    /// Returns when a step's files were taken: they were timely then.
    fn clock_of(&self, held: &Held, step: Step) -> Clock {
        let later = held.steps.range(step..).next();
        let taken = later.or(held.steps.last_key_value());
        self.clock_at(taken.map_or(self.now(), |(_, taken)| taken.batch.time))
    }
}
