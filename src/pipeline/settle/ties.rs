//! A settlement as it was recorded, where somebody of it was erased since.
//!
//! Comes in: what the inputs come to now, the recorded lines and sums. Goes out: the recorded settlement.
//! Never: lines that the inputs do not explain. Whose tie came first was made of the erased person's id; it
//! falls otherwise now, and moves millionths between people. What was recorded was paid, and stands.

use std::iter;

use crate::{
    money::{Accrual, Amount},
    redaction,
    reward::{Grain, Layer, Line, Lines, Settlement, Totals, UNITS_PER_QUERY, Use},
};

/// How many grains a line may be off for each erased person: once in each of at most four layers, two
/// caps and their parts; and what the share units of questions were worth that fell to a tie.
const TIES: u128 = 16;

/// A whole minor unit in millionths.
const MINOR: u64 = 1_000_000;

/// By how much a cell may be off.
#[derive(Clone, Copy)]
struct Slack {
    /// Of amounts, in millionths of a minor unit.
    micro: u64,
    /// Of weights of usage, in share units: one a question.
    units: u128,
}

impl Slack {
    fn of(grain: Grain, lines: &[Line], totals: &Totals) -> Option<Self> {
        let gone = lines.iter().filter(|line| redaction::is_nobody(line.contributor.as_str()));
        let gone = u128::try_from(gone.count()).ok()?;
        let usage = totals.layer(Layer::Usage);
        let weight = usage.and_then(|layer| layer.weight.parse::<u128>().ok()).unwrap_or(0);
        let pot = usage.map_or(0, |layer| layer.pot.micro().max(0).unsigned_abs());
        let up = |a: u128, b: u128| a.checked_div(b).unwrap_or(0).saturating_add(1);
        let units = up(weight, UNITS_PER_QUERY.into());
        let grain = u128::from(grain.micro());
        let worth = up(pot, weight.saturating_mul(grain)).saturating_mul(units);
        let micro = worth.saturating_add(TIES).saturating_mul(grain).saturating_mul(gone);
        Some(Self { micro: u64::try_from(micro).ok()?, units: units.saturating_mul(gone) })
    }

    /// How many whole minor units may have tipped.
    fn tipped(self) -> u64 {
        match self.micro {
            0 => 0,
            slack => slack.checked_div(MINOR).unwrap_or(0).saturating_add(1),
        }
    }
}

/// Returns the recorded settlement if the inputs explain it but for ties of erased people.
pub(in crate::pipeline) fn as_recorded(
    grain: Grain,
    own: &Settlement,
    told: Lines,
    totals: &Totals,
) -> Option<Settlement> {
    let slack = Slack::of(grain, &told.people, totals)?;
    let near = own.lines.len() == told.people.len()
        && iter::zip(&own.lines, &told.people).all(|(own, told)| is_near(own, told, slack))
        && own.institutions.len() == told.institutions.len()
        && iter::zip(&own.institutions, &told.institutions).all(|(own, told)| {
            own.institution == told.institution
                && own.weight == told.weight
                && own.opening_micro == told.opening_micro
                && own.accrued_micro.abs_diff(told.accrued_micro) <= slack.micro
                && own.paid_minor.abs_diff(told.paid_minor) <= slack.tipped()
                && is_rest_near(own.closing_micro, told.closing_micro, slack)
        })
        && own.held.len() == told.held.len()
        && iter::zip(&own.held, &told.held).all(|(own, told)| {
            (&own.contributor, own.due) == (&told.contributor, told.due)
                && own.micro.abs_diff(told.micro) <= slack.micro
        })
        && (slack.micro > 0 || own.totals == *totals)
        && are_sums(totals, &told.people)
        && own.totals.received == totals.received
        && own.totals.fee == totals.fee
        && own.totals.reserve == totals.reserve;
    near.then(|| Settlement {
        uses: fitted(own, &told.people),
        lines: told.people,
        institutions: told.institutions,
        held: told.held,
        totals: totals.clone(),
    })
}

/// The uses with as many share units as were recorded: which question a tie was of is not known any more, so
/// the one that was worth most to a line takes what it is off.
fn fitted(own: &Settlement, told: &[Line]) -> Vec<Use> {
    let mut uses = own.uses.clone();
    let both = iter::zip(&own.lines, told).enumerate();
    for (at, (own, told)) in both.filter(|(_, (own, told))| own.usage_weight != told.usage_weight) {
        if let Some(most) = uses.iter_mut().filter(|of| of.line == at).max_by_key(|of| of.units) {
            let (more, less) = (told.usage_weight, own.usage_weight);
            most.units = most.units.saturating_add(more).saturating_sub(less);
        }
    }
    uses
}

fn is_near(own: &Line, told: &Line, slack: Slack) -> bool {
    let amounts = iter::zip(own.amounts(), told.amounts()).zip(Line::AMOUNTS);
    own.contributor == told.contributor
        && own.usage_weight.abs_diff(told.usage_weight) <= slack.units
        && Line { usage_weight: 0, ..own.clone() }.weights()
            == Line { usage_weight: 0, ..told.clone() }.weights()
        && amounts.into_iter().all(|((own, told), name)| match name {
            "closing_micro" => is_rest_near(own, told, slack),
            name if name.ends_with("_minor") => own.abs_diff(told) <= slack.tipped(),
            _ => own.abs_diff(told) <= slack.micro,
        })
}

/// Where whole units tipped, they are added or taken.
fn is_rest_near(own: i64, told: i64, slack: Slack) -> bool {
    let off = own.abs_diff(told);
    let rest = off.checked_rem(MINOR).unwrap_or(0);
    rest.min(MINOR.saturating_sub(rest)) <= slack.micro
        && off <= slack.tipped().saturating_mul(MINOR).saturating_add(slack.micro)
}

/// A cell of a line.
type Cell = fn(&Line) -> i64;

/// Says whether the sums are those of the lines.
fn are_sums(totals: &Totals, lines: &[Line]) -> bool {
    let sum =
        |cell: fn(&Line) -> i64| lines.iter().map(|line| i128::from(cell(line))).sum::<i128>();
    let micro: [(Accrual, Cell); 9] = [
        (totals.opening, |line| line.opening_micro),
        (totals.gross, |line| line.gross_micro),
        (totals.person, |line| line.person_micro),
        (totals.institution, |line| line.institution_micro),
        (totals.platform, |line| line.platform_micro),
        (totals.adjusted, |line| line.adjust_micro),
        (totals.held, |line| line.held_micro),
        (totals.vested, |line| line.vested_micro),
        (totals.carried, |line| line.closing_micro),
    ];
    let minor: [(Amount, Cell); 3] = [
        (totals.payable, |line| line.payable_minor),
        (totals.tax, |line| line.tax_minor),
        (totals.paid, |line| line.paid_minor),
    ];
    micro.iter().all(|(told, cell)| told.micro() == sum(*cell))
        && minor.iter().all(|(told, cell)| told.minor() == sum(*cell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{money::Currency, party::ContributorId, reward::LayerTotals};

    /// Lines of a question that was worth one unit more to one of two than to the other, who were equal.
    fn lines(first: &str, second: &str) -> Vec<Line> {
        let line = |id: &str, more: i64| Line {
            usage_weight: u128::from(UNITS_PER_QUERY) / 2 + u128::from(more.unsigned_abs()),
            usage_micro: 3_000_000 + 6 * more,
            gross_micro: 3_000_000 + 6 * more,
            person_micro: 3_000_000 + 6 * more,
            closing_micro: 6 * more,
            payable_minor: 3,
            paid_minor: 3,
            ..Line::empty(ContributorId::parse(id).unwrap())
        };
        vec![line(first, 1), line(second, 0)]
    }

    fn settlement(lines: Vec<Line>) -> Settlement {
        let euro = Currency::parse("EUR").unwrap();
        let sum = |cell: fn(&Line) -> i64| lines.iter().map(|l| i128::from(cell(l))).sum::<i128>();
        let micro = |cell| Accrual::new(sum(cell), euro);
        let minor = |cell| Amount::new(sum(cell), euro);
        let none = Accrual::new(0, euro);
        let usage = LayerTotals {
            layer: Layer::Usage,
            pot: Accrual::new(6 * i128::from(UNITS_PER_QUERY), euro),
            weight: UNITS_PER_QUERY.to_string(),
            unallocated: none,
        };
        let totals = Totals {
            received: Amount::new(6, euro),
            returned: none,
            fee: Amount::zero(euro),
            reserve: Amount::zero(euro),
            layers: vec![usage],
            unallocated: none,
            opening: none,
            gross: micro(|line| line.gross_micro),
            person: micro(|line| line.person_micro),
            institution: none,
            platform: none,
            adjusted: none,
            held: none,
            vested: none,
            payable: minor(|line| line.payable_minor),
            tax: Amount::zero(euro),
            paid: minor(|line| line.paid_minor),
            carried: micro(|line| line.closing_micro),
            institutions: None,
            platform_account: None,
        };
        let place = |(line, of): (usize, &Line)| Use {
            line,
            query: 0,
            rows: 1,
            counted: 1,
            units: of.usage_weight,
        };
        let uses = lines.iter().enumerate().map(place).collect();
        Settlement { lines, institutions: Vec::new(), held: Vec::new(), totals, uses }
    }

    /// The recorded lines, the other of the two having had the unit.
    fn told(first: &str, second: &str) -> Lines {
        let mut people = lines(second, first);
        people.reverse();
        Lines { people, ..Lines::default() }
    }

    #[test]
    fn a_tie_that_an_erased_id_lets_fall_otherwise_is_told_as_it_was_paid() {
        let own = settlement(lines("erased-1", "person-b"));
        let recorded = told("erased-1", "person-b");
        let found = as_recorded(Grain::Micro, &own, recorded.clone(), &own.totals);
        assert!(found.is_some(), "after an erasure nobody else gets a statement");
        let found = found.unwrap();
        assert_eq!(found.lines, recorded.people, "it tells what was not paid");
        for (at, line) in found.lines.iter().enumerate() {
            let units: u128 = found.uses_of(at).iter().map(|of| of.units).sum();
            assert_eq!(units, line.usage_weight, "the questions do not come to the line");
        }
    }

    #[test]
    fn what_no_tie_explains_is_refused() {
        let own = settlement(lines("person-a", "person-b"));
        let same = Lines { people: own.lines.clone(), ..Lines::default() };
        assert!(as_recorded(Grain::Micro, &own, same, &own.totals).is_some());
        let other = as_recorded(Grain::Micro, &own, told("person-a", "person-b"), &own.totals);
        assert!(other.is_none(), "a line is changed where nobody was erased");

        let own = settlement(lines("erased-1", "person-b"));
        for change in [
            (|line: &mut Line| line.usage_micro += 1_000) as fn(&mut Line),
            |line| line.paid_minor += 2,
            |line| line.usage_weight += 100,
            |line| line.base_weight += 1,
            |line| line.person_micro += 1,
            |line| line.contributor = ContributorId::parse("person-c").unwrap(),
        ] {
            let mut recorded = told("erased-1", "person-b");
            change(&mut recorded.people[1]);
            assert!(
                as_recorded(Grain::Micro, &own, recorded, &own.totals).is_none(),
                "a changed line is believed"
            );
        }
    }

    #[test]
    fn a_tie_of_whole_cents_moves_a_whole_cent() {
        let own = settlement(lines("erased-1", "person-b"));
        let mut recorded = told("erased-1", "person-b");
        for (line, more) in recorded.people.iter_mut().zip([-1, 1]) {
            line.usage_micro += more * 1_000_000;
            line.gross_micro += more * 1_000_000;
            line.person_micro += more * 1_000_000;
            line.payable_minor += more;
            line.paid_minor += more;
        }
        let found = |grain| as_recorded(grain, &own, recorded.clone(), &own.totals);
        assert!(found(Grain::Minor).is_some(), "nobody gets a statement of a pool in whole cents");
        assert!(found(Grain::Micro).is_none(), "a cent is no tie of millionths");
    }
}
