//! What stands for each person of a roster in one release: a pseudonym and a number of days.
//!
//! Comes in: the roster's contributors in order, the release's keys. Goes out: [`People`], indexed
//! as the roster. Never: work per row for what belongs to a person; a key in debug output.

use std::{fmt, sync::Arc};

use rayon::prelude::*;
use zeroize::Zeroize as _;

use super::{
    Codes, Profile, Settings,
    kernel::{
        pseudonym::{Digits, Pseudonyms},
        shift_date,
        sticky::Sticky,
    },
    scrub::Known,
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
    /// The key of noise and other perturbation; like that of shifts the dataset's, so that no two
    /// releases can be averaged.
    pub noise: [u8; 32],
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
        self.noise.zeroize();
    }
}

/// What stands for each person of a roster in one release.
#[derive(Clone)]
pub struct People {
    pseudonyms: Arc<[Digits]>,
    shifts: Arc<[i32]>,
    keyed: Pseudonyms,
    sticky: Sticky,
    known: Arc<Known>,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("count", &self.len()).finish_non_exhaustive()
    }
}

impl People {
    /// Reckons pseudonyms and shifts of a roster, on every core. Whom a table of offsets misses has a
    /// drawn shift; whoever asks [`super::Offsets::missing`] first can refuse them.
    ///
    /// Under `safe-harbor` a person's code may not be derived from the person (45 CFR 164.514(c)(1)):
    /// nobody has a pseudonym until [`People::coded`] gives out those that were drawn.
    pub fn new(roster: &[ContributorId], keys: &ReleaseKeys, settings: &Settings) -> Self {
        let keyed = Pseudonyms::new(&keys.pseudonym);
        let pseudonyms = match settings.profile {
            Profile::Expert => {
                let person = keyed.domain(PERSON_DOMAIN);
                roster.par_iter().map(|id| person.of_id(id.as_str().as_bytes())).collect()
            }
            Profile::SafeHarbor => Arc::from([]),
        };
        let shifts = roster
            .par_iter()
            .map(|id| {
                let given = settings.shift_offsets.as_ref().and_then(|offsets| offsets.days(id));
                given.unwrap_or_else(|| {
                    let (days_max, weekdays) = (settings.shift_days_max, settings.weekdays());
                    shift_date::shift_days(&keys.shift, id, days_max, weekdays)
                })
            })
            .collect();
        let sticky = Sticky::new(&keys.noise, roster);
        Self { pseudonyms, shifts, keyed, sticky, known: Arc::default() }
    }

    /// Returns the same people with what tables say of them, for their notes to be searched for.
    #[must_use]
    pub fn with_known(self, known: Known) -> Self {
        Self { known: Arc::new(known), ..self }
    }

    pub(super) fn known(&self) -> &Known {
        &self.known
    }

    /// Returns the same people with the codes that were drawn for them as their pseudonyms.
    #[must_use]
    pub fn coded(self, codes: &Codes) -> Self {
        Self { pseudonyms: Arc::from(codes.digits()), ..self }
    }

    /// Returns the same people for the rows of one institution, whose own ids (visits, records) are
    /// its own: two institutions may number their visits alike, and their pseudonyms must differ.
    #[must_use]
    pub fn of_institution(&self, institution: &InstitutionId) -> Self {
        Self { keyed: self.keyed.domain(institution.as_str()), ..self.clone() }
    }

    /// Returns how many people the roster has.
    pub fn len(&self) -> usize {
        self.shifts.len()
    }

    /// Whether the roster is empty.
    pub fn is_empty(&self) -> bool {
        self.shifts.is_empty()
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

    pub(super) fn sticky(&self) -> &Sticky {
        &self.sticky
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
        let keys = ReleaseKeys { pseudonym: [1; 32], shift: [2; 32], noise: [3; 32] };
        let roster = roster(3);
        let people = People::new(&roster, &keys, &Settings::default());
        for (at, id) in (0..).zip(&roster) {
            assert_eq!(people.pseudonym(at).unwrap(), expert_pseudonym(&keys, id).to_string());
        }
        assert_eq!(people.pseudonym(3), None);
    }

    #[test]
    fn under_safe_harbor_nobody_has_a_pseudonym_but_the_code_that_was_drawn() {
        let keys = ReleaseKeys { pseudonym: [1; 32], shift: [2; 32], noise: [3; 32] };
        let settings = Settings { profile: Profile::SafeHarbor, ..Settings::default() };
        let roster = roster(2);
        let people = People::new(&roster, &keys, &settings);
        assert_eq!(people.pseudonym(0), None, "a code is made before one was drawn");
        let random: Vec<u8> = (0..32).collect();
        let coded = people.coded(&Codes::draw(&roster, &random).unwrap());
        assert_eq!(coded.pseudonym(1), Some("101112131415161718191a1b1c1d1e1f"));
        assert_eq!((coded.len(), coded.pseudonym(2)), (2, None));
    }

    #[test]
    fn a_table_of_offsets_says_the_days_of_those_it_has() {
        let keys = ReleaseKeys { pseudonym: [1; 32], shift: [2; 32], noise: [3; 32] };
        let drawn = People::new(&roster(2), &keys, &Settings::default());
        let days = if drawn.shift(0) == 30 { 31 } else { 30 };
        let table = format!("person;days\np00000;{days}");
        let offsets = super::super::Offsets::parse(&table, shift_date::Weekdays::Move).unwrap();
        let settings = Settings { shift_offsets: Some(offsets), ..Settings::default() };
        let given = People::new(&roster(2), &keys, &settings);
        assert_eq!((given.shift(0), given.shift(1)), (days, drawn.shift(1)));
    }

    #[test]
    fn debug_output_shows_no_key_and_no_person() {
        let keys = ReleaseKeys { pseudonym: [0xab; 32], shift: [0xcd; 32], noise: [0xef; 32] };
        let people = People::new(&roster(1), &keys, &Settings::default());
        let shown = format!("{keys:?} {people:?}");
        assert!(!shown.contains("171") && !shown.contains("p00000") && !shown.contains("ab"));
        assert!(!format!("{people:#?}").contains("239"), "the key of noise shows");
    }
}
