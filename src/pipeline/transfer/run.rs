//! All that is due, in the order in which one step may make another due.
//!
//! Comes in: whatever lies in the exchange. Goes out: steps, and files carried to partners.
//! Never: a step that waits for a courier's next round though its file is here.

use super::{Clerk, Error, exchange::deliver};
use crate::store::Store;

impl Clerk<'_> {
    /// Does all that is due, then carries files to the partners whose exchange can be reached.
    pub fn run(&mut self) -> Result<(), Error> {
        for stray in self.inbox()?.strays {
            self.note(stray)?;
        }
        self.take_receipts(None)?;
        self.take_ends(None)?;
        self.challenge(None)?;
        self.accept(None)?;
        self.send(None)?;
        self.receive(None)?;
        self.expire(None)?;
        self.deliver();
        Ok(())
    }

    /// Carries files to partners. One that cannot be reached holds up no other.
    fn deliver(&mut self) {
        for partner in self.desk.partners.values() {
            let Some(address) = &partner.exchange else { continue };
            let carried = Store::open(address).map_err(Error::from).and_then(|there| {
                deliver(&self.desk.institution, &partner.institution, &self.exchange, &there)
            });
            match carried {
                Ok((carried, blocked)) => {
                    self.outcome.carried += carried;
                    self.outcome.blocked.extend(blocked);
                }
                Err(error) => {
                    self.outcome.blocked.push(format!("{}: {error}", partner.institution));
                }
            }
        }
    }
}
