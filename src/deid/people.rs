//! What stands for each person of a roster in one release: a pseudonym and a number of days.
//!
//! Comes in: the roster's contributors in order, the release's keys. Goes out: [`People`], indexed
//! as the roster. Never: work per row for what belongs to a person; a key in debug output.

use std::{fmt, sync::Arc};

use rayon::prelude::*;
use zeroize::Zeroize as _;

use super::{
    Profile, Settings,
    kernel::{
        pseudonym::{Digits, Pseudonyms},
        shift_date,
    },
};
use crate::party::{ContributorId, InstitutionId};

/// The domain of the pseudonyms of people; no column may take it.
pub(super) const PERSON_DOMAIN: &str = "person";

/// The keys of one release; the next release has others, so that no two can be linked.
#[derive(Clone)]
pub struct ReleaseKeys {
    /// The key of pseudonyms.
    pub pseudonym: [u8; 32],
    /// The key of date shifts.
    pub shift: [u8; 32],
}

impl fmt::Debug for ReleaseKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReleaseKeys(…)")
    }
}

impl Drop for ReleaseKeys {
    fn drop(&mut self) {
        self.pseudonym.zeroize();
        self.shift.zeroize();
    }
}

/// What stands for each person of a roster in one release.
#[derive(Clone)]
pub struct People {
    pseudonyms: Arc<[Digits]>,
    shifts: Arc<[i32]>,
    keyed: Pseudonyms,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("count", &self.len()).finish_non_exhaustive()
    }
}

impl People {
    /// Reckons pseudonyms and shifts of a roster, on every core.
    ///
    /// Under `safe-harbor` a person's code may not be derived from the person (45 CFR 164.514(c)(1)):
    /// there it is drawn for the person's place in the roster, and the roster, which stays in the
    /// vault, is the code table.
    pub fn new(roster: &[ContributorId], keys: &ReleaseKeys, settings: &Settings) -> Self {
        let keyed = Pseudonyms::new(&keys.pseudonym);
        let person = keyed.domain(PERSON_DOMAIN);
        let place = keyed.domain("place in the roster");
        let pseudonyms = roster
            .par_iter()
            .enumerate()
            .map(|(at, id)| match settings.profile {
                Profile::Expert => person.of_id(id.as_str().as_bytes()),
                Profile::SafeHarbor => place.of_id(at.to_string().as_bytes()),
            })
            .collect();
        let shifts = roster
            .par_iter()
            .map(|id| shift_date::shift_days(&keys.shift, id, settings.shift_days_max))
            .collect();
        Self { pseudonyms, shifts, keyed }
    }

    /// Returns the same people for the rows of one institution, whose own ids (visits, records) are
    /// its own: two institutions may number their visits alike, and their pseudonyms must differ.
    #[must_use]
    pub fn of_institution(&self, institution: &InstitutionId) -> Self {
        Self { keyed: self.keyed.domain(institution.as_str()), ..self.clone() }
    }

    /// Returns how many people the roster has.
    pub fn len(&self) -> usize {
        self.pseudonyms.len()
    }

    /// Whether the roster is empty.
    pub fn is_empty(&self) -> bool {
        self.pseudonyms.is_empty()
    }

    /// Returns the pseudonym of the person at a place of the roster, as 32 hex digits.
    pub fn pseudonym(&self, person: u32) -> Option<&str> {
        self.digits(person).map(Digits::as_str)
    }

    pub(super) fn digits(&self, person: u32) -> Option<&Digits> {
        usize::try_from(person).ok().and_then(|at| self.pseudonyms.get(at))
    }

    /// The person's days; rows were checked against the roster before.
    pub(super) fn shift(&self, person: u32) -> i32 {
        usize::try_from(person).ok().and_then(|at| self.shifts.get(at)).copied().unwrap_or(1)
    }

    pub(super) fn pseudonyms(&self) -> &Pseudonyms {
        &self.keyed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::hmac_sha256, party::Pseudonym};

    fn expert_pseudonym(keys: &ReleaseKeys, id: &ContributorId) -> Pseudonym {
        Pseudonym::from_mac(&hmac_sha256(&keys.pseudonym, &[b"person", id.as_str().as_bytes()]))
    }

    fn roster(count: u32) -> Vec<ContributorId> {
        (0..count).map(|n| ContributorId::parse(&format!("p{n:05}")).unwrap()).collect()
    }

    #[test]
    fn a_person_has_the_pseudonym_of_the_documented_function() {
        let keys = ReleaseKeys { pseudonym: [1; 32], shift: [2; 32] };
        let roster = roster(3);
        let people = People::new(&roster, &keys, &Settings::default());
        for (at, id) in (0..).zip(&roster) {
            assert_eq!(people.pseudonym(at).unwrap(), expert_pseudonym(&keys, id).to_string());
        }
        assert_eq!(people.pseudonym(3), None);
    }

    #[test]
    fn under_safe_harbor_a_code_says_nothing_of_the_id() {
        let keys = ReleaseKeys { pseudonym: [1; 32], shift: [2; 32] };
        let settings = Settings { profile: Profile::SafeHarbor, ..Settings::default() };
        let one = People::new(&roster(2), &keys, &settings);
        let others = [ContributorId::parse("x").unwrap(), ContributorId::parse("y").unwrap()];
        let two = People::new(&others, &keys, &settings);
        assert_eq!(one.pseudonym(0), two.pseudonym(0), "the code depends on the person's id");
        assert_ne!(one.pseudonym(0), one.pseudonym(1));
    }

    #[test]
    fn debug_output_shows_no_key_and_no_person() {
        let keys = ReleaseKeys { pseudonym: [0xab; 32], shift: [0xcd; 32] };
        let people = People::new(&roster(1), &keys, &Settings::default());
        let shown = format!("{keys:?} {people:?}");
        assert!(!shown.contains("171") && !shown.contains("p00000") && !shown.contains("ab"));
    }
}
