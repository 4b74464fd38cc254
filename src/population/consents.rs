//! What people decided: each at the institution they usually go to, some again at another one.
//!
//! Comes in: a population and a person, or anybody's id. Goes out: decisions, oldest first.
//! Never: a decision that depends on the order or the number of the others.

use super::{
    Population,
    canary::CANARY_PEOPLE,
    dice::Dice,
    person::{Person, date, day_of},
    records::Table,
};
use crate::instant::Date;

/// One decision of one person, as an institution keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// The institution, by its index; 0 for people who come of a file.
    pub(super) at: u32,
    /// What was decided.
    pub(super) act: Act,
    /// The day and the full hour, in UTC.
    pub(super) decided: (Date, u8),
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Yes.
    Grant(Grant),
    /// No more, after a yes.
    Withdraw,
    /// No, when first asked.
    Refuse,
}

/// A yes, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// DUO codes between `|`.
    pub(super) purposes: &'static str,
    /// Whether it is for the records of the institution alone at which it was given.
    pub(super) here_alone: bool,
    /// A category that feels too private.
    pub(super) spared: Option<Table>,
    /// The first day on which it no longer holds.
    pub(super) until: Option<Date>,
}

impl Decision {
    /// Says when it was decided.
    pub(super) fn decided_at(&self) -> String {
        let (day, hour) = self.decided;
        format!("{day}T{hour:02}:00:00Z")
    }
}

/// The first day on which grants hold.
pub(super) const VALID_FROM: &str = "2020-01-01";

/// How many people in a million who answered are asked again at another institution.
const ASKED_AGAIN_PPM: u64 = 120_000;

/// How many in a million of those say no.
const THEN_NO_PPM: u64 = 250_000;

/// Returns the decisions of a person.
///
/// The first people, who carry canaries, each show one case: 0 to 3 permit everything, 4 never
/// answered, 5 withdrew, 6 let it expire, 7 permits ancestry research alone.
pub(super) fn decisions(population: &Population, person: &Person) -> Vec<Decision> {
    let mut dice = Dice::new(population.seed(), "consents", person.index);
    let drawn = Answer::draw(&mut dice);
    let answer = match person.index {
        0..=3 => Answer::Permits,
        4 => Answer::Silent,
        5 => Answer::Withdrew,
        6 => Answer::Expired,
        7 => Answer::Elsewhere,
        _ => drawn,
    };
    let usual = person.institutions.first().copied().unwrap_or(0);
    let mut found = decide(&mut dice, answer, usual);
    let other = person.institutions.get(1).filter(|_| person.index >= CANARY_PEOPLE);
    if let Some(other) = other
        && !found.is_empty()
        && dice.chance(ASKED_AGAIN_PPM)
    {
        found.push(again(&mut dice, *other, &found));
    }
    found
}

/// Says whether a person permits health research everywhere today, by the generator's own account.
#[cfg(test)]
pub(super) fn standing_hmb(population: &Population, index: u64) -> bool {
    let person = super::person(population, index);
    matches!(
        decisions(population, &person).last(),
        Some(Decision { act: Act::Grant(grant), .. })
            if grant.until.is_none() && is_for_health(grant.purposes)
    )
}

#[cfg(test)]
fn is_for_health(purposes: &str) -> bool {
    purposes.contains("DUO:0000006") || purposes.contains("DUO:0000042")
}

/// How a person answered when asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Answer {
    /// Never: there is no decision.
    #[default]
    Silent,
    /// No.
    Refused,
    /// Yes, to everything asked.
    Permits,
    /// Yes, for the usual institution alone.
    OneInstitution,
    /// Yes, for some categories of data.
    SomeCategories,
    /// Yes, for a time that is over.
    Expired,
    /// Yes, and later no.
    Withdrew,
    /// Yes, for another kind of research.
    Elsewhere,
}

impl Answer {
    fn draw(dice: &mut Dice) -> Self {
        dice.weighted(&[
            (200, Self::Silent),
            (100, Self::Refused),
            (8_000, Self::Permits),
            (350, Self::OneInstitution),
            (350, Self::SomeCategories),
            (250, Self::Expired),
            (250, Self::Withdrew),
            (500, Self::Elsewhere),
        ])
    }

    /// Draws an answer of somebody of whom `grant_ppm` in a million permit health research.
    pub(super) fn draw_of(dice: &mut Dice, grant_ppm: u64) -> Self {
        if dice.chance(grant_ppm) {
            return Self::Permits;
        }
        dice.weighted(&[
            (2, Self::Silent),
            (1, Self::Refused),
            (3, Self::Withdrew),
            (2, Self::Expired),
            (2, Self::Elsewhere),
        ])
    }
}

/// Returns the decisions that make an answer.
pub(super) fn decide(dice: &mut Dice, answer: Answer, at: u32) -> Vec<Decision> {
    // Every grant is old enough to cover whatever a test brings; only its hour differs.
    let day = date(day_of(2020, 1, 1) - dice.day(1, 300));
    let hour = u8::try_from(dice.between(8, 17)).unwrap_or(8);
    let purposes = match answer {
        Answer::Elsewhere => dice.weighted(&[(4, "DUO:0000011"), (1, "DUO:0000007=MONDO:0004992")]),
        Answer::Silent
        | Answer::Refused
        | Answer::Permits
        | Answer::OneInstitution
        | Answer::SomeCategories
        | Answer::Expired
        | Answer::Withdrew => health(dice),
    };
    let made = |act: Act| Decision { at, act, decided: (day, hour) };
    let mut grant = Grant { purposes, here_alone: false, spared: None, until: None };
    match answer {
        Answer::Silent => Vec::new(),
        Answer::Refused => vec![made(Act::Refuse)],
        Answer::Permits | Answer::Elsewhere => vec![made(Act::Grant(grant))],
        Answer::OneInstitution => {
            grant.here_alone = true;
            vec![made(Act::Grant(grant))]
        }
        Answer::SomeCategories => {
            let spares_findings = dice.chance(500_000);
            grant.spared =
                Some(if spares_findings { Table::Conditions } else { Table::Measurements });
            vec![made(Act::Grant(grant))]
        }
        Answer::Expired => {
            grant.until = Some(date(dice.day(day_of(2024, 1, 1), day_of(2026, 6, 30))));
            vec![made(Act::Grant(grant))]
        }
        Answer::Withdrew => {
            let later = date(dice.day(day_of(2021, 1, 1), day_of(2026, 9, 30)));
            let withdrawal = Decision { at, act: Act::Withdraw, decided: (later, 12) };
            vec![made(Act::Grant(grant)), withdrawal]
        }
    }
}

fn health(dice: &mut Dice) -> &'static str {
    dice.weighted(&[
        (60, "DUO:0000006"),
        (32, "DUO:0000042"),
        (8, "DUO:0000006|DUO:0000007=MONDO:0005148"),
    ])
}

/// What somebody decides when a second institution asks: the newest decision of a person stands.
fn again(dice: &mut Dice, at: u32, before: &[Decision]) -> Decision {
    let newest = before.iter().map(|decision| decision.decided.0).max().unwrap_or_default();
    let later = date(chrono::Datelike::num_days_from_ce(&newest) + dice.day(30, 900));
    let act = if dice.chance(THEN_NO_PPM) {
        Act::Withdraw
    } else {
        let purposes = health(dice);
        Act::Grant(Grant { purposes, here_alone: false, spared: None, until: None })
    };
    Decision { at, act, decided: (later.min(date(day_of(2026, 6, 30))), 15) }
}

/// Returns what a decision says of institutions: `*`, or the one it is for.
pub(super) fn scope(grant: &Grant, at: &str) -> String {
    if grant.here_alone { at.to_owned() } else { "*".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{super::people, *};

    #[test]
    fn about_92_in_100_people_grant_and_2_never_answered() {
        let population = Population::new(6, 10_000, 4).unwrap();
        let (mut health, mut silent, mut refused) = (0, 0, 0);
        for person in people(&population).skip(8) {
            let decisions = decisions(&population, &person);
            silent += u32::from(decisions.is_empty());
            refused += u32::from(decisions.iter().any(|d| d.act == Act::Refuse));
            health += u32::from(
                decisions
                    .iter()
                    .any(|d| matches!(&d.act, Act::Grant(grant) if is_for_health(grant.purposes))),
            );
        }
        assert!((9_050..=9_400).contains(&health), "{health} of 10,000 grant");
        assert!((150..=260).contains(&silent), "{silent} of 10,000 never answered");
        assert!((60..=150).contains(&refused), "{refused} of 10,000 refused");
    }

    #[test]
    fn a_withdrawal_comes_after_its_grant() {
        let population = Population::new(6, 3_000, 4).unwrap();
        let mut withdrawn = 0;
        for person in people(&population) {
            let decisions = decisions(&population, &person);
            withdrawn += u32::from(decisions.iter().any(|d| d.act == Act::Withdraw));
            assert!(
                decisions.is_sorted_by(|a, b| a.decided_at() < b.decided_at()),
                "the newest decision is not the last"
            );
        }
        assert!(withdrawn > 60, "only {withdrawn} withdrew");
    }

    #[test]
    fn people_decide_where_they_usually_go_and_few_of_them_elsewhere_too() {
        let population = Population::new(6, 5_000, 4).unwrap();
        let (mut decided, mut twice) = (0, 0);
        for person in people(&population) {
            let decisions = decisions(&population, &person);
            let Some(first) = decisions.first() else { continue };
            assert_eq!(Some(&first.at), person.institutions.first(), "a stranger's consent");
            decided += 1;
            twice += u32::from(decisions.iter().any(|d| d.at != first.at));
            assert!(decisions.iter().all(|d| person.institutions.contains(&d.at)));
        }
        assert!(twice * 100 > decided * 3 && twice * 100 < decided * 9, "{twice} of {decided}");
    }
}
