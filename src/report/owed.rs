//! Pages of a settlement, from the settlement itself and the inputs that it was reckoned from.
//!
//! Comes in: what the reward room worked out. Goes out: the facts of pages, as text.
//! Never: a contributor on a sponsor's page.

use std::collections::BTreeMap;

use super::{
    Named, PublicCount, SettlementInstitutions, SettlementLayer, SettlementPage, SettlementUse,
    StatementConsent, StatementLayer, StatementPage, StatementProof, StatementQuery,
    StatementRelease, number::sum,
};
use crate::{
    consent::Event,
    reward::{
        Dated, Inputs, Settled, Settlement,
        statement::{Layer, Statement},
    },
};

impl StatementPage {
    /// Makes the page of a statement; `releases` and `decisions` are the person's, the newest last.
    pub fn of(statement: &Statement, releases: Vec<StatementRelease>, decisions: &[Event]) -> Self {
        let proof = &statement.proof;
        Self {
            contributor: statement.contributor.as_str().to_owned(),
            pool: statement.pool.to_string(),
            period: statement.period.to_string(),
            currency: statement.paid.currency().code().to_owned(),
            time: statement.settled,
            paid: statement.paid.decimal(),
            accrued: statement.accrued.decimal(),
            opening: statement.opening.decimal(),
            closing: statement.carried.decimal(),
            minimum: statement.minimum.decimal(),
            layers: statement
                .layers
                .iter()
                .map(|line| StatementLayer {
                    layer: layer_name(line.layer).to_owned(),
                    weight: line.weight.clone(),
                    total_weight: line.total_weight.clone(),
                    accrued: line.accrued.decimal(),
                })
                .collect(),
            queries: statement
                .uses
                .iter()
                .map(|line| StatementQuery {
                    date: line.date,
                    purpose: line.purpose.clone(),
                    rows: line.my_rows,
                    // `<11 people` is no number, and so stays hidden.
                    rows_all: line.all_rows.parse().ok(),
                    accrued: None,
                    entry: line.entry.to_string(),
                })
                .collect(),
            releases,
            consents: decisions.iter().map(decision).collect(),
            proof: Some(StatementProof {
                entry: statement.entry.to_string(),
                line: proof.line.clone(),
                token: proof.token.clone(),
                salt: proof.salt.clone(),
                leaf_index: proof.leaf_index,
                leaf_count: proof.leaf_count,
                leaf: proof.leaf.clone(),
                path: proof.path.iter().map(ToString::to_string).collect(),
                root: proof.root.to_string(),
            }),
            inputs: vec![
                named("Inputs", &statement.inputs),
                named("Rules", &statement.rules),
                named("All lines", &statement.lines),
            ],
            checks: vec![statement.recompute.clone()],
        }
    }
}

impl SettlementPage {
    /// Makes the public page of a settlement.
    pub fn of(settled: &Dated<Settled>, inputs: &Inputs, settlement: &Settlement) -> Self {
        let totals = &settled.act.totals;
        let people = |earned: fn(&crate::reward::Line) -> bool| {
            PublicCount::new(settlement.lines.iter().filter(|line| earned(line)).count() as u64)
        };
        let shared = totals.institutions.as_ref();
        let mut earlier = sum(&totals.returned.decimal(), &totals.opening.decimal());
        if let Some(shared) = shared {
            earlier = sum(&earlier, &shared.opening.decimal());
        }
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
            carried: totals.carried.decimal(),
            institutions: shared.map(|shared| SettlementInstitutions {
                part: shared.part.decimal(),
                paid: shared.paid.decimal(),
                carried: shared.carried.decimal(),
            }),
            unallocated: totals.unallocated.decimal(),
            contributors_paid: people(|line| line.paid_minor > 0),
            contributors: people(|line| line.base_micro > 0 || line.usage_micro > 0),
            layers: vec![
                SettlementLayer {
                    layer: layer_name(Layer::Base).to_owned(),
                    amount: totals.base.decimal(),
                    contributors: people(|line| line.base_micro > 0),
                },
                SettlementLayer {
                    layer: layer_name(Layer::Usage).to_owned(),
                    amount: totals.usage.decimal(),
                    contributors: people(|line| line.usage_micro > 0),
                },
            ],
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

fn decision(event: &Event) -> StatementConsent {
    let list = |text: String| -> Vec<String> {
        if text == "*" { Vec::new() } else { text.split('|').map(str::to_owned).collect() }
    };
    StatementConsent {
        action: event.action().as_str().to_owned(),
        purposes: event.terms().purposes().to_vec(),
        institutions: list(event.terms().institutions_text()),
        categories: list(event.terms().categories_text()),
        from: event.valid_from(),
        until: event.valid_until(),
    }
}

fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Base => "base",
        Layer::Usage => "usage",
    }
}

fn named(name: &str, value: &impl ToString) -> Named {
    Named { name: name.to_owned(), value: value.to_string() }
}
