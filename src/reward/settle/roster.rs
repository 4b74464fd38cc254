//! Who is in the versions that a settlement reads, and everybody whom it could concern.
//!
//! Comes in: rosters, and the other tables of a settlement. Goes out: [`Payees`], each with a place and
//! the rank of its tie key; records by payee and institution. Never: a payee with two places.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::{Error, Tables};
use crate::{
    digest::Sha3Digest,
    party::{ContributorId, InstitutionId},
    reward::{
        Inputs, Override,
        line::{self, Ints, Texts},
    },
};

/// One line of a roster.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) contributor: ContributorId,
    pub(super) institution: InstitutionId,
    pub(super) pseudonym: String,
    /// Records, of which duplicates are one.
    pub(super) records: u64,
    pub(super) quality_ppm: u64,
}

impl Entry {
    /// Returns what it weighs in the base layer: records times quality.
    pub(super) fn weight(&self) -> Result<u128, Error> {
        u128::from(self.records)
            .checked_mul(u128::from(self.quality_ppm))
            .ok_or(Error::Overflow("base weight"))
    }
}

/// Reads a roster; one of before duplicates were found counts rows as records.
pub(super) fn read(batch: &RecordBatch) -> Result<Vec<Entry>, Error> {
    let (contributor, pseudonym) =
        (Texts::of(batch, "contributor")?, Texts::of(batch, "pseudonym")?);
    let institution = Texts::of(batch, "institution")?;
    let counted = if batch.column_by_name("records").is_some() { "records" } else { "rows" };
    let (records, quality) = (Ints::of(batch, counted)?, Ints::of(batch, "quality_ppm")?);
    (0..batch.num_rows())
        .map(|row| {
            Ok(Entry {
                contributor: contributor.person(row)?,
                institution: institution.institution(row)?,
                pseudonym: pseudonym.get(row)?.to_owned(),
                records: records.natural(row)?,
                quality_ppm: quality.natural(row)?,
            })
        })
        .collect()
}

/// Returns who is in a roster.
pub fn contributors(roster: &Bytes) -> Result<BTreeSet<ContributorId>, line::Error> {
    let batch = line::read_table(roster)?;
    let contributor = Texts::of(&batch, "contributor")?;
    (0..batch.num_rows()).map(|row| contributor.person(row)).collect()
}

/// Everybody whom a settlement could concern, sorted.
#[derive(Debug)]
pub(super) struct Payees {
    pub(super) ids: Vec<ContributorId>,
    /// The rank of each tie key.
    pub(super) ranks: Vec<u32>,
    /// Whether the steward decided that they weigh nothing.
    pub(super) excluded: Vec<bool>,
}

impl Payees {
    pub(super) fn find(inputs: &Inputs, rosters: &[Vec<Entry>], tables: &Tables) -> Self {
        let opening = &tables.opening;
        let brings = |line: &&crate::reward::Line| line.closing_micro != 0 || line.debt_micro != 0;
        let decided = inputs.overrides.iter().filter_map(|decided| match &decided.act {
            Override::ExcludeContributor { contributor }
            | Override::Correct { contributor, .. } => Some(contributor),
            Override::ExcludeQuery { .. } | Override::Price { .. } => None,
        });
        let mut ids: Vec<ContributorId> = rosters
            .iter()
            .flat_map(|roster| roster.iter().map(|entry| &entry.contributor))
            .chain(opening.people.iter().filter(brings).map(|line| &line.contributor))
            .chain(opening.held.iter().map(|part| &part.contributor))
            .chain(tables.new_data.iter().map(|line| &line.contributor))
            .chain(tables.values.iter().map(|(contributor, _)| contributor))
            .chain(decided)
            .cloned()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let ranks = ranks(inputs, ids.iter().map(ContributorId::as_str));
        let mut payees = Self { excluded: vec![false; ids.len()], ids, ranks };
        for decided in &inputs.overrides {
            if let Override::ExcludeContributor { contributor } = &decided.act
                && let Some(at) = payees.place(contributor)
                && let Some(excluded) = payees.excluded.get_mut(at)
            {
                *excluded = true;
            }
        }
        payees
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn place(&self, id: &ContributorId) -> Option<usize> {
        self.ids.binary_search(id).ok()
    }

    /// Returns the place of somebody who must have one.
    pub(super) fn known(&self, id: &ContributorId) -> Result<usize, Error> {
        self.place(id).ok_or(Error::Balance("a payee was not found among all payees"))
    }

    /// Returns the place of somebody who weighs something; `None` where the steward decided otherwise.
    pub(super) fn weighing(&self, id: &ContributorId) -> Result<Option<usize>, Error> {
        let at = self.known(id)?;
        Ok((self.excluded.get(at) == Some(&false)).then_some(at))
    }

    pub(super) fn rank(&self, at: usize) -> u32 {
        self.ranks.get(at).copied().unwrap_or(u32::MAX)
    }
}

/// Returns the rank of each payee's tie key.
pub(super) fn ranks<'a>(inputs: &Inputs, payees: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut order: Vec<(Sha3Digest, usize)> =
        payees.enumerate().map(|(at, id)| (inputs.tie_key(id), at)).collect();
    order.sort_unstable();
    let mut ranks = vec![0; order.len()];
    for (rank, (_, at)) in (0_u32..).zip(order) {
        if let Some(place) = ranks.get_mut(at) {
            *place = rank;
        }
    }
    ranks
}

/// What one contributor has at each institution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Base weight in the versions that the base layer pays for.
    pub(super) weight: u128,
    /// Records in all versions read.
    pub(super) records: u128,
}

/// What each contributor has at each institution.
#[derive(Debug, Default)]
pub(in crate::reward) struct Holdings {
    /// The institutions, sorted.
    pub(in crate::reward) institutions: Vec<InstitutionId>,
    /// By place of the contributor and place of the institution.
    by_payee: BTreeMap<(usize, usize), Holding>,
}

impl Holdings {
    pub(super) fn find(
        inputs: &Inputs,
        rosters: &[Vec<Entry>],
        payees: &Payees,
    ) -> Result<Self, Error> {
        let mut institutions: Vec<InstitutionId> =
            rosters.iter().flatten().map(|entry| entry.institution.clone()).collect();
        institutions.sort_unstable();
        institutions.dedup();
        let mut by_payee: BTreeMap<(usize, usize), Holding> = BTreeMap::new();
        for (version, roster) in inputs.versions.iter().zip(rosters) {
            for entry in roster {
                let house = institutions.binary_search(&entry.institution).unwrap_or(usize::MAX);
                let holding =
                    by_payee.entry((payees.known(&entry.contributor)?, house)).or_default();
                let records = holding.records.checked_add(u128::from(entry.records));
                holding.records = records.ok_or(Error::Overflow("number of records"))?;
                if version.base {
                    let weight = holding.weight.checked_add(entry.weight()?);
                    holding.weight = weight.ok_or(Error::Overflow("base weight"))?;
                }
            }
        }
        Ok(Self { institutions, by_payee })
    }

    /// Returns what all contributors weigh at each institution.
    pub(in crate::reward) fn weights(&self) -> Result<Vec<u128>, Error> {
        let mut weights = vec![0_u128; self.institutions.len()];
        for ((_, house), holding) in &self.by_payee {
            if let Some(sum) = weights.get_mut(*house) {
                let more = sum.checked_add(holding.weight);
                *sum = more.ok_or(Error::Overflow("institution's weight"))?;
            }
        }
        Ok(weights)
    }

    /// Returns the institutions where a contributor has records, by place.
    pub(super) fn of(&self, payee: usize) -> impl Iterator<Item = (usize, Holding)> {
        self.by_payee
            .range((payee, 0)..=(payee, usize::MAX))
            .map(|((_, institution), holding)| (*institution, *holding))
    }
}
