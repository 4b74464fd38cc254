//! What counts for a settlement, gathered from the commits alone.
//!
//! Comes in: a pool, a period. Goes out: [`Inputs`], written down before anything is computed.
//! Never: a question that counts twice, or one that the pool's money may not pay for.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    Error, found_in, id, new_data, object,
    questions::{Question, QuestionState, overrides, sorted},
    record::{FOLDER, Objects, named},
};
use crate::{
    digest::Sha3Digest,
    lake::Version,
    party::{ContributorId, InstitutionId},
    payee::{Payee, Register},
    pipeline::{related, value::newest as newest_value},
    reward::{
        FundedInput, Inputs, Layer, LineError, NewDataLine, ObjectRef, Opened, OpeningInput,
        PayeeLine, Period, Pool, QueryInput, RelatedInput, Rules, ValueInput, VersionInput,
        read_new_data, rules::LayerRule, write_new_data, write_payee_lines,
    },
    site::Site,
    store::Sequence,
};

/// Everything that counts for a period.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) inputs: Inputs,
    /// The tables that were made for this settlement, which the vault does not have yet.
    pub(super) objects: Objects,
    /// Questions before the period that no settled period holds.
    pub(super) unpaid_before: u64,
}

/// Writes down everything that counts for a period, from the commits alone.
pub(super) fn gather(site: &Site, pool: &Pool, period: &Period) -> Result<Gathered, Error> {
    let opened = &pool.opened.act;
    let funded = pool
        .unsettled(period.until())
        .into_iter()
        .map(|f| FundedInput { commit: f.commit, entry: id(&f.entry), amount: f.act.amount })
        .collect();

    let (questions, unpaid_before) = sorted(site, pool, period)?;
    let (mut queries, mut repeats, mut other_purpose) = (Vec::new(), Vec::new(), Vec::new());
    for Question { query, state } in questions {
        match state {
            QuestionState::Counts => queries.push(query),
            QuestionState::Repeats => repeats.push(query.commit),
            QuestionState::OtherPurpose => other_purpose.push(query.commit),
            QuestionState::Excluded => {}
        }
    }
    let askers: BTreeSet<&InstitutionId> =
        queries.iter().filter_map(|query| query.institution.as_ref()).collect();
    let related = related(site, &askers)?;
    let mut objects = Vec::new();
    let payees = payees(site)?;
    let new_data = new_data(site, pool, period, &payees)?;
    let inputs = Inputs {
        payees: match payees.as_slice() {
            [] => None,
            payees => Some(put(&mut objects, write_payee_lines(payees), "payees.parquet")?),
        },
        new_data: match new_data {
            None => None,
            Some(lines) => Some(put(&mut objects, write_new_data(&lines), "new-data.parquet")?),
        },
        related,
        format: 2,
        pool: opened.pool.clone(),
        period: period.clone(),
        datasets: opened.datasets.clone(),
        purposes: opened.purposes.clone(),
        rules: Rules::new(opened.currency, opened.rules.clone()),
        funded,
        returned: pool.returned(),
        versions: versions(site, &opened.datasets, period, &queries)?,
        queries,
        repeats,
        other_purpose,
        overrides: overrides(pool),
        value: value(site, opened, period)?,
        opening: pool.settled.last().map(|s| OpeningInput {
            commit: s.commit,
            lines: s.act.lines.clone(),
            institution_lines: s.act.institution_lines.clone(),
            held: s.act.held.clone(),
            platform: s.act.totals.platform_account.as_ref().map(|sums| sums.carried),
        }),
        seed: Sha3Digest([0; 32]),
    };
    Ok(Gathered { inputs: inputs.seeded()?, objects, unpaid_before })
}

/// Returns the newest valuation before the period's end, where the rules pay by it.
fn value(site: &Site, opened: &Opened, period: &Period) -> Result<Option<ValueInput>, Error> {
    if opened.rules.layer(Layer::Value).is_none() {
        return Ok(None);
    }
    let newest = newest_value(site, &opened.pool, Some(period.until()))?;
    Ok(newest.map(|(commit, value)| ValueInput {
        commit,
        entry: id(&value.entry),
        object: value.values,
    }))
}

/// Returns the newest version of each dataset when the period ended, and every version asked.
fn versions(
    site: &Site,
    datasets: &[String],
    period: &Period,
    queries: &[QueryInput],
) -> Result<Vec<VersionInput>, Error> {
    let mut known = BTreeMap::new();
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for (commit, body) in Sequence::new(&site.lake(), "commits").all()? {
        let path = format!("lake/commits/{commit}");
        let version: Version =
            serde_json::from_slice(&body).map_err(|source| Error::Format { path, source })?;
        let Some(dataset) = datasets.iter().find(|d| **d == version.dataset) else { continue };
        if version.time < period.until() {
            let number = newest.entry(dataset).or_default();
            *number = version.version.max(*number);
        }
        known.insert((version.dataset.clone(), version.version), (commit, version));
    }
    let mut wanted: BTreeSet<(&str, u64)> = newest.iter().map(|(d, v)| (*d, *v)).collect();
    for query in queries {
        if !known.contains_key(&(query.dataset.clone(), query.version)) {
            let (commit, dataset) = (query.commit, query.dataset.clone());
            return Err(Error::Version { commit, dataset, version: query.version });
        }
        wanted.insert((&query.dataset, query.version));
    }
    Ok(known
        .into_iter()
        .filter(|((dataset, version), _)| wanted.contains(&(dataset.as_str(), *version)))
        .map(|((dataset, number), (commit, version))| VersionInput {
            commit,
            entry: id(&version.entry),
            base: newest.get(dataset.as_str()) == Some(&number),
            dataset,
            version: number,
            roster: ObjectRef { path: version.roster.path, digest: version.roster.digest },
        })
        .collect())
}

fn related(site: &Site, askers: &BTreeSet<&InstitutionId>) -> Result<Vec<RelatedInput>, Error> {
    let known = related::known(site, site.now()).map_err(|e| Error::Related(Box::new(e)))?;
    let of_those = known.into_iter().filter(|relation| askers.contains(&relation.act.payer));
    Ok(of_those
        .map(|relation| RelatedInput {
            payer: relation.act.payer,
            institution: relation.act.institution,
            entry: id(&relation.entry),
        })
        .collect())
}

/// Returns what is known of the people who are paid, without names and accounts.
fn payees(site: &Site) -> Result<Vec<PayeeLine>, Error> {
    let register = Register::load(&site.vault()).map_err(|e| Error::Payees(Box::new(e)))?;
    let line = |(contributor, payee): (&ContributorId, &Payee)| PayeeLine {
        contributor: contributor.clone(),
        person: payee.person.clone(),
        verified: payee.verified,
        country: payee.country.map(|country| country.to_string()),
    };
    Ok(register.at(site.now()).contributors().map(line).collect())
}

/// Returns the new records of the period, where the rules pay for them.
fn new_data(
    site: &Site,
    pool: &Pool,
    period: &Period,
    payees: &[PayeeLine],
) -> Result<Option<Vec<NewDataLine>>, Error> {
    let opened = &pool.opened.act;
    let contributors_min = match opened.rules.layer(Layer::NewData) {
        Some(LayerRule::NewData { contributors_min, .. }) => *contributors_min,
        Some(LayerRule::Base { .. } | LayerRule::Usage { .. } | LayerRule::Value { .. }) | None => {
            return Ok(None);
        }
    };
    let earlier = pool
        .settled
        .iter()
        .map(|settled| {
            let at = &settled.act.inputs;
            let inputs: Inputs = serde_json::from_slice(&object(site, at)?)
                .map_err(|source| Error::Format { path: at.path.clone(), source })?;
            found_in(site, &Vec::new(), inputs.new_data.as_ref(), read_new_data)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let persons: BTreeMap<&ContributorId, &str> = payees
        .iter()
        .filter_map(|line| Some((&line.contributor, line.verified_person()?)))
        .collect();
    let person = |id: &ContributorId| persons.get(id).copied().map(str::to_owned);
    let asked = new_data::Asked { datasets: &opened.datasets, period, contributors_min };
    Ok(Some(new_data::gather(site, &asked, &person, &earlier)?))
}

/// Names a table by its digest, to be put into the vault with the settlement.
fn put(
    objects: &mut Objects,
    table: Result<Bytes, LineError>,
    kind: &str,
) -> Result<ObjectRef, Error> {
    let broken = |source| Error::Table { path: FOLDER.to_owned(), source };
    let (at, bytes) = named(table.map_err(broken)?, kind);
    objects.push((at.clone(), bytes));
    Ok(at)
}
