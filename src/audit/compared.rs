//! A recorded settlement beside the one reckoned anew: sums, and each cell of each table.
//!
//! Comes in: a commit's act, [`Reckoned`]. Goes out: findings that name object and column.
//! Never: a value, or whose it is.

use super::{
    Audit, Check,
    inputs::UNITS,
    lines::{self, Held, Line, Share, by_contributor},
    reckon::Reckoned,
    shape::{Account, Named, Settled, Totals},
    table::{ascends, count, object},
};
use crate::{
    money::{Accrual, Amount},
    store::{self, Store},
};

/// How many grains a line may be off for each erased person of its settlement. Whose tie came first was made
/// of their id: it falls otherwise now, once in each of at most four layers, two caps and their parts.
const TIES: i128 = 16;

/// By how much of its smallest unit a cell may be off; nothing where nobody was erased. A question may have
/// fallen to a tie as well: then a share unit of it went to another, and what the unit was worth with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slack {
    millionths: i128,
    units: i128,
}

impl Slack {
    const NONE: Self = Self { millionths: 0, units: 0 };

    fn of(lines: &[Line], totals: &Totals, grain: u128, nobody: &dyn Fn(&str) -> bool) -> Self {
        let gone = count(&lines.iter().filter(|l| nobody(&l.contributor)).collect::<Vec<_>>());
        let usage = totals.layers.iter().find(|layer| layer.layer == "usage");
        let weight = usage.and_then(|layer| layer.weight.parse::<i128>().ok()).unwrap_or(0).max(0);
        let pot = usage.map_or(0, |layer| layer.pot.micro()).max(0);
        let up = |a: i128, b: i128| a.checked_div(b).unwrap_or(0).saturating_add(1);
        let (gone, units) = (i128::from(gone), up(weight, UNITS.into()));
        let grain = i128::try_from(grain).unwrap_or(i128::MAX);
        let worth = up(pot, weight.saturating_mul(grain)).saturating_mul(units);
        Self {
            millionths: worth.saturating_add(TIES).saturating_mul(grain).saturating_mul(gone),
            units: units.saturating_mul(gone),
        }
    }

    /// The same, of share units.
    pub(super) fn is_weight_near(self, one: u128, other: u128) -> bool {
        one.abs_diff(other) <= self.units.unsigned_abs()
    }

    /// Says whether two numbers of small units are the same, or as near as ties can move them.
    pub(super) fn is_near(self, one: i128, other: i128) -> bool {
        one.abs_diff(other) <= self.millionths.unsigned_abs()
    }

    /// The same of whole minor units: a millionth can tip one.
    pub(super) fn is_whole_near(self, one: i128, other: i128) -> bool {
        one.abs_diff(other) <= self.tipped()
    }

    /// The same of what is left of whole units: where some tipped, whole ones are added or taken.
    pub(super) fn is_rest_near(self, one: i128, other: i128) -> bool {
        let (off, slack) = (one.abs_diff(other), self.millionths.unsigned_abs());
        let rest = off.checked_rem(MINOR).unwrap_or(0);
        rest.min(MINOR.saturating_sub(rest)) <= slack
            && off <= self.tipped().saturating_mul(MINOR).saturating_add(slack)
    }

    /// How many whole units may have tipped.
    fn tipped(self) -> u128 {
        match self.millionths.unsigned_abs() {
            0 => 0,
            slack => slack.checked_div(MINOR).unwrap_or(0).saturating_add(1),
        }
    }
}

/// A whole minor unit in millionths.
const MINOR: u128 = 1_000_000;

/// Compares everything that a settlement left but its leaves; returns the recorded lines, where they
/// can be read. `nobody` tells ids that stand in erased people's place.
pub(super) fn compare(
    audit: &mut Audit,
    vault: &Store,
    path: &str,
    act: &Settled,
    own: Option<&Reckoned>,
    nobody: &dyn Fn(&str) -> bool,
) -> Result<Option<Vec<Line>>, store::Error> {
    let mut recorded = None;
    let mut slack = Slack::NONE;
    if let Some(bytes) = object(audit, vault, "vault", &act.lines.path, &act.lines.digest)? {
        let name = format!("vault/{}", act.lines.path);
        recorded = lines::lines(bytes);
        audit.check(Check::Lines, &name, recorded.is_some(), "it holds what are no lines");
        if let Some(recorded) = &recorded {
            let grain = own.map_or(1, |own| own.grain);
            slack = Slack::of(recorded, &act.totals, grain, nobody);
            let names: Vec<&String> = recorded.iter().map(|l| &l.contributor).collect();
            let fault = "it is out of order, or pays one twice";
            audit.check(Check::Once, &name, ascends(&names), fault);
            let told = count(recorded) == act.count;
            audit.check(Check::Lines, path, told, "its lines are counted otherwise");
            if let Some(own) = own {
                people(audit, &name, &own.lines, recorded, slack);
            }
        }
    }
    let Some(own) = own else { return Ok(recorded) };
    let odd = odd_totals(&own.totals, &act.totals, slack);
    let fault = format!("its totals are others in `{}`", odd.join("`, `"));
    audit.check(Check::Sums, path, odd.is_empty(), &fault);

    let some = own.totals.institutions.is_some();
    let fault = "its institutions' lines are there without a part, or a part without lines";
    audit.check(Check::Lines, path, act.institution_lines.is_some() == some, fault);
    if let Some(at) = &act.institution_lines
        && let Some(bytes) = object(audit, vault, "vault", &at.path, &at.digest)?
    {
        institutions(audit, at, &own.institutions, lines::institutions(bytes).as_deref(), slack);
    }
    let some = !own.held.is_empty();
    let fault = "what it holds back is there without being due, or due without being there";
    audit.check(Check::Lines, path, act.held.is_some() == some, fault);
    if let Some(at) = &act.held
        && let Some(bytes) = object(audit, vault, "vault", &at.path, &at.digest)?
    {
        held(audit, at, &own.held, lines::held(bytes).as_deref(), slack);
    }
    Ok(recorded)
}

fn people(audit: &mut Audit, name: &str, own: &[Line], recorded: &[Line], slack: Slack) {
    let told = by_contributor(recorded);
    let mut good = 0_u64;
    for line in own {
        let Some(told) = told.get(line.contributor.as_str()) else {
            audit.check(Check::Lines, name, false, "somebody's line is missing");
            continue;
        };
        let odd = line.differing(told, slack);
        if odd.is_empty() {
            good = good.saturating_add(1);
        }
        for column in odd {
            let fault = format!("`{column}` of somebody's line is not what it should be");
            audit.check(Check::Lines, name, false, &fault);
        }
    }
    audit.passed(Check::Lines, good);
    let due = by_contributor(own);
    let all = recorded.iter().all(|line| due.contains_key(line.contributor.as_str()));
    audit.check(Check::Lines, name, all, "it has lines that are nobody's");
}

fn institutions(
    audit: &mut Audit,
    at: &Named,
    own: &[Share],
    recorded: Option<&[Share]>,
    slack: Slack,
) {
    let name = format!("vault/{}", at.path);
    audit.check(Check::Lines, &name, recorded.is_some(), "it holds what are no lines");
    let Some(recorded) = recorded else { return };
    let names: Vec<&String> = recorded.iter().map(|l| &l.institution).collect();
    audit.check(Check::Once, &name, ascends(&names), "it is out of order, or pays one twice");
    for line in own {
        let good = recorded.iter().any(|told| line.is_near(told, slack));
        audit.check(Check::Lines, &name, good, "an institution's line is not what it should be");
    }
    let all = recorded.len() == own.len();
    audit.check(Check::Lines, &name, all, "it has lines that are nobody's");
}

fn held(audit: &mut Audit, at: &Named, own: &[Held], recorded: Option<&[Held]>, slack: Slack) {
    let name = format!("vault/{}", at.path);
    audit.check(Check::Lines, &name, recorded.is_some(), "it holds what is not held back");
    let Some(recorded) = recorded else { return };
    let keys: Vec<_> = recorded.iter().map(|part| (&part.contributor, part.due)).collect();
    audit.check(Check::Once, &name, ascends(&keys), "it is out of order, or names one twice");
    let near = |(one, other): (&Held, &Held)| {
        (&one.contributor, one.due) == (&other.contributor, other.due)
            && slack.is_near(one.micro.into(), other.micro.into())
    };
    let same = recorded.len() == own.len() && recorded.iter().zip(own).all(near);
    audit.check(Check::Lines, &name, same, "what it holds back is not what it should be");
}

/// Names the sums in which two settlements differ.
fn odd_totals(own: &Totals, told: &Totals, slack: Slack) -> Vec<&'static str> {
    let near = |one: &Accrual, other: &Accrual| {
        one.currency() == other.currency() && slack.is_near(one.micro(), other.micro())
    };
    let whole = |one: &Amount, other: &Amount| {
        one.currency() == other.currency() && slack.is_near(one.minor(), other.minor())
    };
    // Each line may have tipped a whole unit.
    let rest = |one: &Accrual, other: &Accrual| {
        let off = one.micro().abs_diff(other.micro());
        let most = slack.millionths.unsigned_abs().saturating_mul(1_000_001);
        one.currency() == other.currency() && off <= most
    };
    let account = |one: &Option<Account>, other: &Option<Account>| match (one, other) {
        (Some(one), Some(other)) => {
            one.opening == other.opening
                && near(&one.part, &other.part)
                && near(&one.accrued, &other.accrued)
                && whole(&one.paid, &other.paid)
                && rest(&one.carried, &other.carried)
        }
        (one, other) => one == other,
    };
    [
        ("received", own.received == told.received),
        ("returned", own.returned == told.returned),
        ("fee", own.fee == told.fee),
        ("reserve", own.reserve == told.reserve),
        ("layers", own.layers == told.layers),
        ("unallocated", own.unallocated == told.unallocated),
        ("opening", own.opening == told.opening),
        ("gross", near(&own.gross, &told.gross)),
        ("person", near(&own.person, &told.person)),
        ("institution", near(&own.institution, &told.institution)),
        ("platform", near(&own.platform, &told.platform)),
        ("adjusted", near(&own.adjusted, &told.adjusted)),
        ("held", near(&own.held, &told.held)),
        ("vested", near(&own.vested, &told.vested)),
        ("payable", whole(&own.payable, &told.payable)),
        ("tax", whole(&own.tax, &told.tax)),
        ("paid", whole(&own.paid, &told.paid)),
        ("carried", rest(&own.carried, &told.carried)),
        ("institutions", account(&own.institutions, &told.institutions)),
        ("platform_account", account(&own.platform_account, &told.platform_account)),
    ]
    .into_iter()
    .filter_map(|(name, same)| (!same).then_some(name))
    .collect()
}
