//! Pages of a settlement, from the settlement itself and the inputs that it was reckoned from.
//!
//! Comes in: what the reward room worked out. Goes out: the facts of pages, as text.
//! Never: a contributor on a sponsor's page.

use std::collections::BTreeMap;

use super::{
    Named, PublicCount, SettlementAccount, SettlementLayer, SettlementPage, SettlementUse,
    number::sum,
};
use crate::{
    money::Accrual,
    reward::{Dated, Inputs, InstitutionTotals, Layer, Line, Settled, Settlement},
};

impl SettlementPage {
    /// Makes the public page of a settlement.
    pub fn of(settled: &Dated<Settled>, inputs: &Inputs, settlement: &Settlement) -> Self {
        let totals = &settled.act.totals;
        let people = |earned: &dyn Fn(&Line) -> bool| {
            PublicCount::new(settlement.lines.iter().filter(|line| earned(line)).count() as u64)
        };
        let layer = |layer: Layer, amount: String| SettlementLayer {
            layer: layer.name().to_owned(),
            amount,
            contributors: people(&|line| line.micro(layer) > 0),
        };
        // What is held back changes hands inside of people's own account.
        let currency = totals.paid.currency();
        let micro = |micro: i128| Accrual::new(micro, currency).decimal();
        let held: i128 = settlement.held.iter().map(|part| i128::from(part.micro)).sum();
        let held_before = held.saturating_sub(totals.held.micro());
        let held_before = held_before.saturating_add(totals.vested.micro());
        let accounts = [&totals.institutions, &totals.platform_account];
        let openings = accounts.into_iter().flatten().map(|sums| sums.opening.decimal());
        let earlier = [totals.opening.decimal(), micro(held_before)]
            .into_iter()
            .chain(openings)
            .fold(totals.returned.decimal(), |all, more| sum(&all, &more));
        let account = |sums: &InstitutionTotals| SettlementAccount {
            part: sums.part.decimal(),
            paid: sums.paid.decimal(),
            carried: sums.carried.decimal(),
        };
        let mut uses = BTreeMap::new();
        for query in &inputs.queries {
            *uses.entry(query.purpose.clone()).or_insert(0_u64) += 1;
        }
        Self {
            pool: settled.act.pool.to_string(),
            period: settled.act.period.to_string(),
            currency: totals.paid.currency().code().to_owned(),
            time: settled.time,
            received: totals.received.decimal(),
            earlier,
            fee: totals.fee.decimal(),
            paid: totals.paid.decimal(),
            reserve: totals.reserve.decimal(),
            kept: sum(&totals.tax.decimal(), &micro(held)),
            carried: totals.carried.decimal(),
            institutions: totals.institutions.as_ref().map(account),
            platform: totals.platform_account.as_ref().map(account),
            unallocated: totals.unallocated.decimal(),
            contributors_paid: people(&|line| line.paid_minor > 0),
            contributors: people(&|line| line.gross_micro > 0),
            layers: totals
                .layers
                .iter()
                .map(|sums| layer(sums.layer, sums.pot.decimal()))
                .collect(),
            uses: uses
                .into_iter()
                .map(|(purpose, answers)| SettlementUse { purpose, answers })
                .collect(),
            root: settled.act.root.to_string(),
            inputs: vec![
                named("Inputs", &settled.act.inputs.digest),
                named("Lines", &settled.act.lines.digest),
            ],
            entry: Some(crate::reward::proof::leaf_hash(settled.entry.as_bytes()).to_string()),
            checkpoint: None,
            checks: vec![format!("almoner audit {}", settled.act.pool)],
        }
    }
}

fn named(name: &str, value: &impl ToString) -> Named {
    Named { name: name.to_owned(), value: value.to_string() }
}
