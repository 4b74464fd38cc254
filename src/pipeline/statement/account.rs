//! One settlement as its statements need it: computed again, compared with what was recorded, and the
//! tree that proves its lines.

use std::{collections::BTreeMap, sync::Arc};

use chrono::Datelike as _;

use super::{Error, Selection};
use crate::{
    pipeline::settle::{self, LineKeys, as_recorded, from_tables, object, recorded, tables},
    reward::{
        Dated, Inputs, Line, Lines, Pool, Settled, Settlement, Tables,
        proof::{LineProof, LineTree},
        statement::Basis,
    },
    site::Site,
};

/// One settlement.
pub(super) struct Account {
    pool: Arc<Pool>,
    settled: Dated<Settled>,
    inputs: Inputs,
    tables: Tables,
    settlement: Settlement,
    tree: LineTree,
    keys: LineKeys,
    year: Vec<Vec<Line>>,
}

impl Account {
    /// Reads settlement `at` of a pool.
    pub(super) fn read(site: &Site, pool: &Arc<Pool>, at: usize) -> Result<Self, Error> {
        let settled = pool.settled.get(at).cloned();
        let settled = settled.ok_or(crate::reward::statement::Error::Line(at))?;
        let act = &settled.act;
        let inputs = inputs(site, &settled)?;
        let tables = tables(site, &inputs)?;
        let own = from_tables(&inputs, &tables)?;
        let changed = |path: &str| settle::Error::Integrity { path: path.to_owned() };
        let settlement =
            as_recorded(inputs.rules.set.grain, &own, recorded(site, act)?, &act.totals)
                .ok_or_else(|| changed(&act.lines.path))?;
        let tree = LineTree::read(&object(site, &act.leaves)?).filter(|t| t.root() == act.root);
        let tree = tree.ok_or_else(|| changed(&act.leaves.path))?;
        let keys = LineKeys::load(site)?;
        let of_year =
            |earlier: &&Dated<Settled>| earlier.time.date().year() == settled.time.date().year();
        let year = pool.settled.iter().take(at).filter(of_year);
        let year = year.map(|earlier| Ok(recorded(site, &earlier.act)?.people));
        let year = year.collect::<Result<Vec<_>, Error>>()?;
        let pool = Arc::clone(pool);
        Ok(Self { pool, settled, inputs, tables, settlement, tree, keys, year })
    }

    /// Returns what its statements rest on.
    pub(super) fn basis(&self) -> Result<Basis<'_>, Error> {
        let reasons = self.pool.overridden.iter().map(|o| (o.commit, o.act.reason.clone()));
        let (inputs, settled) = (&self.inputs, &self.settled);
        Ok(Basis::new(inputs, settled, &self.settlement, &self.tables, reasons, &self.year)?)
    }

    /// Returns the places of the selected lines.
    pub(super) fn places(&self, selection: &Selection) -> Vec<usize> {
        let whose = |line: &Line| {
            selection.contributors.is_empty() || selection.contributors.contains(&line.contributor)
        };
        let lines = self.settlement.lines.iter().enumerate();
        lines.filter(|(_, line)| whose(line)).map(|(place, _)| place).collect()
    }

    /// Proves a line.
    pub(super) fn proof(&self, place: usize) -> Result<LineProof, Error> {
        let line = self.settlement.lines.get(place);
        let line = line.ok_or(crate::reward::statement::Error::Line(place))?;
        let act = &self.settled.act;
        let key = self.keys.of(&line.contributor);
        let proof = self.tree.prove(&act.pool, &act.period, line, &key)?;
        let changed = || settle::Error::Integrity { path: act.leaves.path.clone() };
        Ok(proof.ok_or_else(changed)?)
    }
}

/// Reads the inputs of a settlement, and computes it again; where a tie of somebody erased falls otherwise
/// now, it is the one that was recorded.
pub(in crate::pipeline) fn settlement(
    site: &Site,
    settled: &Dated<Settled>,
) -> Result<(Inputs, Settlement), settle::Error> {
    let inputs = inputs(site, settled)?;
    let own = settle::recompute(site, &inputs)?;
    // What is changed or gone is the audit's to find; here it is told what the inputs come to.
    let told = match recorded(site, &settled.act) {
        Ok(told) => as_recorded(inputs.rules.set.grain, &own, told, &settled.act.totals),
        Err(error) if error.is_unavailable() => return Err(error),
        Err(_) => None,
    };
    Ok((inputs, told.unwrap_or(own)))
}

fn inputs(site: &Site, settled: &Dated<Settled>) -> Result<Inputs, settle::Error> {
    let at = &settled.act.inputs;
    serde_json::from_slice(&object(site, at)?)
        .map_err(|source| settle::Error::Format { path: at.path.clone(), source })
}

/// Returns the recorded lines of each settlement of a pool, by commit, for the private journal.
pub fn lines(site: &Site, pool: &Pool) -> Result<BTreeMap<u64, Lines>, settle::Error> {
    pool.settled.iter().map(|s| Ok((s.commit, recorded(site, &s.act)?))).collect()
}
