//! A recorded settlement beside the one reckoned anew: sums, and each cell of each table.
//!
//! Comes in: a commit's act, [`Reckoned`]. Goes out: findings that name object and column.
//! Never: a value, or whose it is.

use super::{
    Audit, Check,
    lines::{self, Held, Line, Share, by_contributor},
    reckon::Reckoned,
    shape::{Named, Settled, Totals},
    table::{ascends, count, object},
};
use crate::store::{self, Store};

/// Compares everything that a settlement left but its leaves; returns the recorded lines, where they
/// can be read.
pub(super) fn compare(
    audit: &mut Audit,
    vault: &Store,
    path: &str,
    act: &Settled,
    own: Option<&Reckoned>,
) -> Result<Option<Vec<Line>>, store::Error> {
    let mut recorded = None;
    if let Some(bytes) = object(audit, vault, "vault", &act.lines.path, &act.lines.digest)? {
        let name = format!("vault/{}", act.lines.path);
        recorded = lines::lines(bytes);
        audit.check(Check::Lines, &name, recorded.is_some(), "it holds what are no lines");
        if let Some(recorded) = &recorded {
            let names: Vec<&String> = recorded.iter().map(|l| &l.contributor).collect();
            let fault = "it is out of order, or pays one twice";
            audit.check(Check::Once, &name, ascends(&names), fault);
            let told = count(recorded) == act.count;
            audit.check(Check::Lines, path, told, "its lines are counted otherwise");
            if let Some(own) = own {
                people(audit, &name, &own.lines, recorded);
            }
        }
    }
    let Some(own) = own else { return Ok(recorded) };
    let odd = odd_totals(&own.totals, &act.totals);
    let fault = format!("its totals are others in `{}`", odd.join("`, `"));
    audit.check(Check::Sums, path, odd.is_empty(), &fault);

    let some = own.totals.institutions.is_some();
    let fault = "its institutions' lines are there without a part, or a part without lines";
    audit.check(Check::Lines, path, act.institution_lines.is_some() == some, fault);
    if let Some(at) = &act.institution_lines
        && let Some(bytes) = object(audit, vault, "vault", &at.path, &at.digest)?
    {
        institutions(audit, at, &own.institutions, lines::institutions(bytes).as_deref());
    }
    let some = !own.held.is_empty();
    let fault = "what it holds back is there without being due, or due without being there";
    audit.check(Check::Lines, path, act.held.is_some() == some, fault);
    if let Some(at) = &act.held
        && let Some(bytes) = object(audit, vault, "vault", &at.path, &at.digest)?
    {
        held(audit, at, &own.held, lines::held(bytes).as_deref());
    }
    Ok(recorded)
}

fn people(audit: &mut Audit, name: &str, own: &[Line], recorded: &[Line]) {
    let told = by_contributor(recorded);
    let mut good = 0_u64;
    for line in own {
        let Some(told) = told.get(line.contributor.as_str()) else {
            audit.check(Check::Lines, name, false, "somebody's line is missing");
            continue;
        };
        let odd = line.differing(told);
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

fn institutions(audit: &mut Audit, at: &Named, own: &[Share], recorded: Option<&[Share]>) {
    let name = format!("vault/{}", at.path);
    audit.check(Check::Lines, &name, recorded.is_some(), "it holds what are no lines");
    let Some(recorded) = recorded else { return };
    let names: Vec<&String> = recorded.iter().map(|l| &l.institution).collect();
    audit.check(Check::Once, &name, ascends(&names), "it is out of order, or pays one twice");
    for line in own {
        let good = recorded.contains(line);
        audit.check(Check::Lines, &name, good, "an institution's line is not what it should be");
    }
    let all = recorded.len() == own.len();
    audit.check(Check::Lines, &name, all, "it has lines that are nobody's");
}

fn held(audit: &mut Audit, at: &Named, own: &[Held], recorded: Option<&[Held]>) {
    let name = format!("vault/{}", at.path);
    audit.check(Check::Lines, &name, recorded.is_some(), "it holds what is not held back");
    let Some(recorded) = recorded else { return };
    let keys: Vec<_> = recorded.iter().map(|part| (&part.contributor, part.due)).collect();
    audit.check(Check::Once, &name, ascends(&keys), "it is out of order, or names one twice");
    let same = recorded == own;
    audit.check(Check::Lines, &name, same, "what it holds back is not what it should be");
}

/// Names the sums in which two settlements differ.
fn odd_totals(own: &Totals, told: &Totals) -> Vec<&'static str> {
    [
        ("received", own.received == told.received),
        ("returned", own.returned == told.returned),
        ("fee", own.fee == told.fee),
        ("reserve", own.reserve == told.reserve),
        ("layers", own.layers == told.layers),
        ("unallocated", own.unallocated == told.unallocated),
        ("opening", own.opening == told.opening),
        ("gross", own.gross == told.gross),
        ("person", own.person == told.person),
        ("institution", own.institution == told.institution),
        ("platform", own.platform == told.platform),
        ("adjusted", own.adjusted == told.adjusted),
        ("held", own.held == told.held),
        ("vested", own.vested == told.vested),
        ("payable", own.payable == told.payable),
        ("tax", own.tax == told.tax),
        ("paid", own.paid == told.paid),
        ("carried", own.carried == told.carried),
        ("institutions", own.institutions == told.institutions),
        ("platform_account", own.platform_account == told.platform_account),
    ]
    .into_iter()
    .filter_map(|(name, same)| (!same).then_some(name))
    .collect()
}
