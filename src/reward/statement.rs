//! What one contributor is told of one settlement: every number, where it comes from, and its proof.
//!
//! Comes in: a settlement, its inputs, its line tree. Goes out: a [`Statement`], as JSON or CSV rows.
//! Never: another contributor's numbers, or the size of a small crowd.

use serde::{Deserialize, Serialize};

use super::{
    Inputs, Period, PoolId, Settled, Settlement, line::Line, pool::Dated, proof::LineProof,
};
use crate::{
    digest::{CanonicalError, Sha3Digest, Sha256},
    instant::{Date, Instant},
    money::{Accrual, Amount},
    party::{ContributorId, InstitutionId},
    purpose::Purpose,
};

/// The fewest people of a question whose total rows are told.
pub const PEOPLE_MIN: u64 = 11;

/// One contributor's account of one settled period of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Whose it is.
    pub contributor: ContributorId,
    /// The pool.
    pub pool: PoolId,
    /// The period.
    pub period: Period,
    /// When it was settled.
    pub settled: Instant,
    /// Brought along from before.
    pub opening: Accrual,
    /// What each layer gave.
    pub layers: Vec<LayerLine>,
    /// Each use of this contributor's rows.
    pub uses: Vec<UseLine>,
    /// The sum of the layers.
    pub accrued: Accrual,
    /// What is paid: whole minor units, once they reach the minimum.
    pub paid: Amount,
    /// What is carried to the next settlement.
    pub carried: Accrual,
    /// The least that is paid out.
    pub minimum: Amount,
    /// The digest of the rules.
    pub rules: Sha3Digest,
    /// The digest of the inputs: the ledger entry has the same.
    pub inputs: Sha3Digest,
    /// The digest of all lines.
    pub lines: Sha3Digest,
    /// The ledger entry of the settlement.
    pub entry: Sha256,
    /// The proof that this line is under the entry's root.
    pub proof: LineProof,
    /// How to recompute it.
    pub recompute: String,
}

/// What one layer gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerLine {
    /// Which.
    pub layer: Layer,
    /// What the layer gave out in all.
    pub pot: Amount,
    /// This contributor's weight.
    pub weight: String,
    /// The sum of all weights.
    pub total_weight: String,
    /// `pot * weight / total_weight`, to the millionth of a minor unit.
    pub accrued: Accrual,
}

/// A layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// For having contributed: rows times quality.
    Base,
    /// For having been used: a share of each question.
    Usage,
}

/// One use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseLine {
    /// On which day.
    pub date: Date,
    /// What for.
    pub purpose: Purpose,
    /// Where the researcher works.
    pub institution: Option<InstitutionId>,
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// How many of this contributor's rows.
    pub my_rows: u64,
    /// How many rows in all; `<11 people` where fewer than eleven people were in the question.
    pub all_rows: String,
    /// The share units that this was worth, of 10^12 a question.
    pub units: String,
    /// The ledger entry of the answer.
    pub entry: Sha256,
}

impl Statement {
    /// Makes the statement of one line of a settlement.
    pub fn new(
        inputs: &Inputs,
        settled: &Dated<Settled>,
        settlement: &Settlement,
        place: usize,
        line: &Line,
        proof: LineProof,
    ) -> Result<Self, CanonicalError> {
        let currency = inputs.rules.currency;
        let accrual = |micro: i64| Accrual::new(i128::from(micro), currency);
        let totals = &settlement.totals;
        let layer = |layer, pot, weight: u128, total: u128, micro| LayerLine {
            layer,
            pot,
            weight: weight.to_string(),
            total_weight: total.to_string(),
            accrued: accrual(micro),
        };
        let uses = settlement
            .uses_of(place)
            .iter()
            .filter_map(|used| {
                let query = inputs.queries.get(used.query)?;
                let all_rows = if query.people < PEOPLE_MIN {
                    format!("<{PEOPLE_MIN} people")
                } else {
                    query.rows.to_string()
                };
                Some(UseLine {
                    date: query.day(),
                    purpose: query.purpose.clone(),
                    institution: query.institution.clone(),
                    dataset: query.dataset.clone(),
                    version: query.version,
                    my_rows: used.rows,
                    all_rows,
                    units: used.units.to_string(),
                    entry: query.entry,
                })
            })
            .collect();
        let accrued = i128::from(line.base_micro).saturating_add(i128::from(line.usage_micro));
        Ok(Self {
            contributor: line.contributor.clone(),
            pool: inputs.pool.clone(),
            period: inputs.period.clone(),
            settled: settled.time,
            opening: accrual(line.opening_micro),
            layers: vec![
                layer(
                    Layer::Base,
                    totals.base,
                    line.base_weight,
                    settlement.base_weight,
                    line.base_micro,
                ),
                layer(
                    Layer::Usage,
                    totals.usage,
                    line.usage_weight,
                    settlement.usage_weight,
                    line.usage_micro,
                ),
            ],
            uses,
            accrued: Accrual::new(accrued, currency),
            paid: Amount::new(i128::from(line.paid_minor), currency),
            carried: accrual(line.closing_micro),
            minimum: inputs.rules.terms.minimum,
            rules: inputs.rules.digest()?,
            inputs: settled.act.inputs.digest,
            lines: settled.act.lines.digest,
            entry: super::proof::leaf_hash(settled.entry.as_bytes()),
            proof,
            recompute: format!("almoner audit {}", inputs.pool),
        })
    }

    /// Returns the statement as CSV rows under [`CSV_HEADER`]: one row a number.
    pub fn csv_rows(&self) -> Vec<[String; 10]> {
        let row = |item: &str, date: String, note: String, rows: [String; 2], sum: [String; 2]| {
            let [mine, all] = rows;
            let [units, amount] = sum;
            [
                self.pool.to_string(),
                self.period.to_string(),
                item.to_owned(),
                date,
                note,
                mine,
                all,
                units,
                amount,
                self.paid.currency().code().to_owned(),
            ]
        };
        let none = || [String::new(), String::new()];
        let accrual = |a: Accrual| [a.micro().to_string(), a.decimal()];
        let settled = self.settled.date().to_string();
        let opening = accrual(self.opening);
        let mut rows = vec![row("opening", settled.clone(), String::new(), none(), opening)];
        for layer in &self.layers {
            let name = match layer.layer {
                Layer::Base => "base",
                Layer::Usage => "usage",
            };
            let weights = [layer.weight.clone(), layer.total_weight.clone()];
            let note = format!("of {}", layer.pot);
            rows.push(row(name, settled.clone(), note, weights, accrual(layer.accrued)));
        }
        for used in &self.uses {
            let note = format!("{} {}@{}", used.purpose, used.dataset, used.version);
            let counts = [used.my_rows.to_string(), used.all_rows.clone()];
            let units = [used.units.clone(), String::new()];
            rows.push(row("use", used.date.to_string(), note, counts, units));
        }
        let paid = [self.paid.minor().to_string(), self.paid.decimal()];
        rows.push(row("paid", settled.clone(), String::new(), none(), paid));
        rows.push(row("carried", settled, String::new(), none(), accrual(self.carried)));
        rows
    }
}

/// The columns of [`Statement::csv_rows`]. `units` are millionths of a minor unit for balances and
/// layers, minor units for what is paid, and share units for a use.
pub const CSV_HEADER: [&str; 10] =
    ["pool", "period", "item", "date", "note", "mine", "all", "units", "amount", "currency"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::{
        ObjectRef,
        proof::LineTree,
        settle,
        settle::tests::{drawn, inputs, roster},
    };

    fn statement(people: u64) -> Statement {
        let mut inputs = inputs(100_000, 300_000, 500, 1);
        inputs.queries[0].people = people;
        let run = settle(
            &inputs,
            &[roster(&[("a", 3, 1_000_000), ("b", 5, 500_000)])],
            &[drawn(&[("a", 3), ("b", 1)])],
            &[],
            &[],
        )
        .unwrap();
        let key = |_: &ContributorId| [7; 32];
        let tree = LineTree::new(&inputs.pool, &inputs.period, &run.lines, key).unwrap();
        let line = &run.lines[0];
        let proof = tree.prove(&inputs.pool, &inputs.period, line, &[7; 32]).unwrap().unwrap();
        let object = ObjectRef { path: "o".into(), digest: Sha3Digest::of(b"") };
        let settled = Dated {
            commit: 2,
            time: Instant::parse("2027-01-02").unwrap(),
            entry: "e".into(),
            act: Settled {
                pool: inputs.pool.clone(),
                period: inputs.period.clone(),
                funded: vec![1],
                inputs: object.clone(),
                lines: object.clone(),
                leaves: object,
                root: tree.root(),
                count: 2,
                totals: run.totals.clone(),
                institution_lines: None,
            },
        };
        Statement::new(&inputs, &settled, &run, 0, line, proof).unwrap()
    }

    #[test]
    fn a_statement_adds_up_and_reads_back_from_json() {
        let statement = statement(20);
        let layers: i128 = statement.layers.iter().map(|l| l.accrued.micro()).sum();
        assert_eq!(layers, statement.accrued.micro());
        assert_eq!(
            statement.opening.micro() + layers,
            statement.paid.minor() * 1_000_000 + statement.carried.micro()
        );
        assert_eq!(statement.uses[0].my_rows, 3);
        let json = serde_json::to_string(&statement).unwrap();
        assert_eq!(serde_json::from_str::<Statement>(&json).unwrap(), statement);
    }

    #[test]
    fn the_rows_of_a_small_crowd_are_not_told() {
        assert_eq!(statement(11).uses[0].all_rows, "100");
        assert_eq!(statement(10).uses[0].all_rows, "<11 people");
    }

    #[test]
    fn every_number_of_a_statement_has_its_csv_row() {
        let items: Vec<String> =
            statement(20).csv_rows().into_iter().map(|[_, _, item, ..]| item).collect();
        assert_eq!(items, ["opening", "base", "usage", "use", "paid", "carried"]);
    }
}
