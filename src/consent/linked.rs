//! Where a run is linked: whose records an institution's own ids name, for the register's people.
//!
//! Comes in: the person index and everyone the register knows. Goes out: the index of a person for
//! an institution's own id. Never: a permit where one of a person's ids was refused.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    people::People,
    standing::{Decision, Refusal},
};
use crate::{
    linkage::{Members, PersonIndex},
    party::{ContributorId, InstitutionId, Lookup},
};

/// Stands for a person whom the register does not know.
const STRANGER: u32 = u32::MAX;

/// The person index as an admission uses it.
#[derive(Debug)]
pub(super) struct Linked {
    index: Arc<PersonIndex>,
    // For each person of the index, their index in the register.
    people: Vec<u32>,
}

/// One institution's own ids.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'a> {
    members: &'a Members,
    people: &'a [u32],
}

impl Linked {
    pub(super) fn new(register: &People, index: Arc<PersonIndex>) -> Self {
        let known = |person: &ContributorId| register.index(person.as_str()).unwrap_or(STRANGER);
        let people = index.people().iter().map(known).collect();
        Self { index, people }
    }

    pub(super) fn index(&self) -> &PersonIndex {
        &self.index
    }

    pub(super) fn of(&self, institution: &InstitutionId) -> Option<Own<'_>> {
        let members = self.index.institution(institution)?;
        Some(Own { members, people: &self.people })
    }

    /// Tells every id of some institutions and whose it is: what a run's key depends on.
    pub(super) fn each(&self, institutions: &[&InstitutionId], tell: &mut dyn FnMut(&[u8])) {
        for institution in institutions {
            let Some(members) = self.index.institution(institution) else { continue };
            tell(institution.as_str().as_bytes());
            for (local, person) in members.locals().iter().zip(members.people()) {
                let person = usize::try_from(*person).ok().and_then(|p| self.index.people().get(p));
                tell(local.as_bytes());
                tell(person.map_or("", ContributorId::as_str).as_bytes());
            }
        }
    }
}

impl Own<'_> {
    pub(super) fn lookup(&self) -> &Lookup {
        self.members.lookup()
    }

    /// Finishes a look-up: the person's index in the register, or why there is none.
    #[inline]
    pub(super) fn search(&self, hash: u64, candidate: u64, local: &str) -> Result<u32, Refusal> {
        let own = |at: usize| self.members.locals().get(at).map(AsRef::as_ref);
        let row = self.lookup().search(hash, candidate, local, own);
        let person = row.and_then(|row| self.members.people().get(usize::try_from(row).ok()?));
        let person = person.ok_or(Refusal::NotLinked)?;
        let index = usize::try_from(*person).ok().and_then(|at| self.people.get(at));
        index.copied().filter(|index| *index != STRANGER).ok_or(Refusal::NoConsent)
    }
}

/// Lets, of the several ids of one person that the register knows, the strictest decision stand.
pub(super) fn strictest(people: &People, index: &PersonIndex, decisions: &mut [Decision]) {
    let mut joined: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (alias, kept) in index.all_aliases() {
        let known = |id: &ContributorId| people.index(id.as_str());
        if let (Some(kept), Some(alias)) = (known(kept), known(alias)) {
            joined.entry(kept).or_default().push(alias);
        }
    }
    let at = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
    for (kept, aliases) in joined {
        let theirs = aliases.into_iter().filter_map(|alias| decisions.get(at(alias)).copied());
        let Some(strictest) = theirs.max() else { continue };
        if let Some(own) = decisions.get_mut(at(kept)) {
            // A refusal is greater than a permit, and a withdrawal than any other refusal.
            *own = strictest.max(*own);
        }
    }
}
