//! Families: people of one household or one name, whom a careless linkage would take for one.
//!
//! Comes in: a seed and an index. Goes out: who the person is. Never: a chain of relatives: people
//! 2j and 2j+1 may be of one family, so person `i` is made of `i` and its one neighbour alone.

use super::{
    canary,
    dice::Dice,
    person::{Identity, first_name, last_day},
};

/// What two neighbours are to each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tie {
    /// Nothing.
    #[default]
    None,
    /// Born on one day of one mother.
    Twins,
    /// Born of the same parents, years apart.
    Siblings,
    /// Living together.
    Couple,
    /// Parent and child of one name.
    Namesakes,
}

/// Ties by weight, a thousand pairs in all. About three in a hundred people are twins; that both are
/// seen in one commons is taken to be the case for one of three. The others are judged, not measured.
const TIES: &[(u64, Tie)] = &[
    (890, Tie::None),
    (10, Tie::Twins),
    (36, Tie::Siblings),
    (60, Tie::Couple),
    (4, Tie::Namesakes),
];

/// How often what a tie suggests is so, in parts per million.
const TWINS_OF_ONE_SEX: u64 = 650_000;
const TWINS_AT_ONE_ADDRESS: u64 = 600_000;
const SIBLINGS_OF_ONE_NAME: u64 = 780_000;
const SIBLINGS_AT_ONE_ADDRESS: u64 = 250_000;
const COUPLE_OF_ONE_NAME: u64 = 650_000;
const NAMESAKES_AT_ONE_ADDRESS: u64 = 450_000;
const HOUSEHOLD_OF_ONE_PHONE: u64 = 500_000;

/// Says who person `index` is.
pub(super) fn identity(seed: u64, index: u64) -> Identity {
    let own = Identity::alone(&mut Dice::new(seed, "person", index));
    if index.is_multiple_of(2) || index < canary::CANARY_PEOPLE {
        return own;
    }
    let mut dice = Dice::new(seed, "family", index / 2);
    let tie = dice.weighted(TIES);
    if tie == Tie::None {
        return own;
    }
    let elder = Identity::alone(&mut Dice::new(seed, "person", index - 1));
    related(&mut dice, tie, own, elder)
}

/// Changes a person into a relative of the elder neighbour.
fn related(dice: &mut Dice, tie: Tie, mut own: Identity, elder: Identity) -> Identity {
    let shares_home = match tie {
        Tie::None => return own,
        Tie::Twins => {
            own.last.clone_from(&elder.last);
            own.birth = elder.birth;
            own.race = elder.race;
            if dice.chance(TWINS_OF_ONE_SEX) {
                own.sex = elder.sex;
            }
            while own.first == elder.first {
                own.first = first_name(dice, own.sex);
            }
            TWINS_AT_ONE_ADDRESS
        }
        Tie::Siblings => {
            if dice.chance(SIBLINGS_OF_ONE_NAME) {
                own.last.clone_from(&elder.last);
            }
            let youngest = last_day() - 18 * 366;
            own.birth = (elder.birth + dice.day(330, 3_000)).min(youngest);
            own.race = elder.race;
            while own.first == elder.first {
                own.first = first_name(dice, own.sex);
            }
            SIBLINGS_AT_ONE_ADDRESS
        }
        Tie::Couple => {
            if dice.chance(COUPLE_OF_ONE_NAME) {
                own.last.clone_from(&elder.last);
            }
            1_000_000
        }
        Tie::Namesakes => {
            let years = dice.day(20 * 365, 34 * 365);
            let is_elder_old = last_day() - elder.birth > 55 * 365;
            own.birth = if is_elder_old { elder.birth + years } else { elder.birth - years };
            (own.first, own.last) = (elder.first, elder.last);
            (own.sex, own.race) = (elder.sex, elder.race);
            NAMESAKES_AT_ONE_ADDRESS
        }
    };
    if dice.chance(shares_home) {
        (own.place, own.address) = (elder.place, elder.address);
        if dice.chance(HOUSEHOLD_OF_ONE_PHONE) {
            own.phone = elder.phone;
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_shares_name_and_birthday_but_neither_first_name_nor_number() {
        let mut twins = 0;
        for index in (9..20_000).step_by(2) {
            let (own, elder) = (identity(3, index), identity(3, index - 1));
            if own.last == elder.last && own.birth == elder.birth {
                twins += 1;
                assert_ne!(own.first, elder.first, "nobody could tell these two apart");
            }
        }
        assert!((60..=150).contains(&twins), "{twins} pairs of twins among 20,000 people");
    }

    #[test]
    fn a_parent_and_a_child_of_one_name_are_born_a_generation_apart() {
        let mut namesakes = 0;
        for index in (9..20_000).step_by(2) {
            let (own, elder) = (identity(3, index), identity(3, index - 1));
            if own.first == elder.first && own.last == elder.last && own.sex == elder.sex {
                let years = (own.birth - elder.birth).abs() / 365;
                namesakes += u32::from((19..=35).contains(&years));
            }
        }
        assert!((20..=70).contains(&namesakes), "{namesakes} pairs of namesakes in 20,000 people");
    }

    #[test]
    fn everybody_of_a_family_is_of_age() {
        for index in 0..20_000 {
            let years = (last_day() - identity(4, index).birth) / 365;
            assert!((18..=110).contains(&years), "person {index} is {years} years old");
        }
    }
}
