//! Which released rows count as records: the sketches of all parts, held against each other and
//! against what earlier versions held.
//!
//! Comes in: what the parts put aside. Goes out: the [`Fate`] of every released row, the version's
//! records for the vault, and counts for the report. Never: a row that another's copy makes vanish;
//! copies stay in the release, and weigh nothing.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use rayon::prelude::*;

use super::{
    Error,
    part::{Receipt, Waiting, Work},
};
use crate::{
    deid::{self, SmallClasses},
    digest::{Sha3Digest, Sha256, hmac_sha256},
    lake::{Lake, RECORDS},
    party::{ContributorId, InstitutionId},
    pipeline::spec::RecordsSpec,
    records::{self, Earlier, Fate, Pile, RecordLine, STRANGER, Sketcher, Sketches},
    report::RecordsLine,
};

/// The secret of the site by which records are known again.
const SECRET: &str = "records";

/// Prepares to sketch the rows of a part, where the pipeline asks for it.
pub(super) fn sketcher(work: &Work<'_>, task: usize) -> Option<Sketcher> {
    let spec = work.spec.records.as_ref()?;
    let (_, schema) = work.of(task)?;
    let stratum = spec.strata.get(&schema.table).map_or(&[] as &[_], Vec::as_slice);
    Some(Sketcher::new(&work.site.secret(SECRET), schema, stratum))
}

/// What was found of the records of a version.
#[derive(Debug)]
pub(super) struct Found {
    /// For each object that waits for the commit, the fates of its released rows.
    fates: Vec<Vec<Fate>>,
    lines: Vec<RecordLine>,
    /// Counts, by table.
    pub(super) counts: Vec<RecordsLine>,
}

impl Found {
    /// Tells which released rows of a waiting object count.
    pub(super) fn counting(&self, at: usize) -> Vec<bool> {
        let fates = self.fates.get(at).map_or(&[] as &[_], Vec::as_slice);
        fates.iter().map(|fate| *fate == Fate::Counts).collect()
    }

    /// Takes the records as the vault keeps them: their path and bytes.
    pub(super) fn object(&mut self) -> Result<(String, Bytes), Error> {
        let bytes = records::write(std::mem::take(&mut self.lines))?;
        Ok((format!("{RECORDS}{}.parquet", Sha3Digest::of(&bytes)), bytes))
    }
}

/// Finds which records count; `small` tells which classes of a table are not released.
pub(super) fn find<'s>(
    work: &Work<'_>,
    receipts: &[Receipt],
    small: &(dyn Fn(usize) -> Option<&'s SmallClasses> + Sync),
    quality: &BTreeMap<InstitutionId, u64>,
) -> Result<Option<Found>, Error> {
    let Some(spec) = &work.spec.records else { return Ok(None) };
    let waiting: Vec<(&Receipt, &Waiting, &Waiting)> = receipts
        .iter()
        .flat_map(|r| r.staged.iter().zip(&r.sketches).map(move |(rows, own)| (r, rows, own)))
        .collect();
    let released = waiting
        .par_iter()
        .map(|(receipt, rows, own)| Released::read(work, receipt.task, (rows, own), small))
        .collect::<Result<Vec<_>, Error>>()?;
    let mut institutions: Vec<&InstitutionId> =
        work.spec.sources.iter().map(|source| &source.institution).collect();
    institutions.sort_unstable();
    institutions.dedup();
    let mut piles: BTreeMap<&str, (Pile, Places)> = BTreeMap::new();
    for (at, ((receipt, ..), released)) in waiting.iter().zip(released).enumerate() {
        let lost = || Error::Counts { part: receipt.task };
        let (source, schema) = work.of(receipt.task).ok_or_else(lost)?;
        let institution = institutions.binary_search(&&source.institution).map_err(|_| lost())?;
        let (pile, parts) = piles.entry(&schema.table).or_default();
        let first = pile.len();
        let institution = u32::try_from(institution).unwrap_or(u32::MAX);
        pile.add(&released.sketches, released.kept.as_deref(), institution);
        parts.push((at, first..pile.len()));
    }
    let earlier = earlier(work)?;
    let order = order(work);
    let judged: Vec<(&str, Pile, Places, Vec<Fate>)> = piles
        .into_par_iter()
        .map(|(table, (pile, parts))| {
            let fates = records::judge(table, &pile, &earlier, &order, &spec.settings);
            (table, pile, parts, fates)
        })
        .collect();
    let quality: Vec<u64> =
        institutions.iter().map(|id| quality.get(*id).copied().unwrap_or(0)).collect();
    let mut found =
        Found { fates: vec![Vec::new(); waiting.len()], lines: Vec::new(), counts: Vec::new() };
    for (table, pile, parts, fates) in judged {
        found.counts.push(counted(table, &fates));
        found.lines.extend(lines(work, spec, (table, &pile), &fates, &quality));
        for (at, rows) in parts {
            let own = fates.get(rows).unwrap_or_default();
            if let Some(slot) = found.fates.get_mut(at) {
                own.clone_into(slot);
            }
        }
    }
    Ok(Some(found))
}

/// Which waiting objects the rows of a pile are of, and which rows are whose.
type Places = Vec<(usize, Range<usize>)>;

/// The sketches of a waiting object, and which of its rows are released, where not all are.
struct Released {
    sketches: Sketches,
    kept: Option<Vec<bool>>,
}

impl Released {
    fn read<'s>(
        work: &Work<'_>,
        task: usize,
        (rows, own): (&Waiting, &Waiting),
        small: &dyn Fn(usize) -> Option<&'s SmallClasses>,
    ) -> Result<Self, Error> {
        let lost = || Error::Counts { part: task };
        let (source, schema) = work.of(task).ok_or_else(lost)?;
        let bytes = work.get(own)?.ok_or_else(lost)?;
        if Sha256::of(&bytes) != own.digest {
            return Err(lost());
        }
        let sketches = Sketches::read(&bytes).ok_or_else(lost)?;
        let mut kept = None;
        if let Some(small) = small(source.schema).filter(|small| !small.is_empty()) {
            let table = work.deid.table(&schema.table).ok_or_else(lost)?;
            let bytes = work.get(rows)?.ok_or_else(lost)?;
            let mut all = Vec::with_capacity(sketches.len());
            for batch in deid::stage::read(table, bytes, &rows.digest)? {
                let stays = deid::stays(&batch, small);
                all.extend(stays.unwrap_or_else(|| vec![true; batch.row_count()]));
            }
            if all.len() != sketches.len() {
                return Err(lost());
            }
            kept = Some(all);
        }
        Ok(Self { sketches, kept })
    }
}

/// What the versions before this one held, of whatever dataset.
fn earlier(work: &Work<'_>) -> Result<Earlier, Error> {
    let mut earlier = Earlier::default();
    let admission = &work.plan.admission;
    let whose = |contributor: &ContributorId| admission.holder(contributor).unwrap_or(STRANGER);
    for located in Lake::new(work.site.lake()).all()? {
        let Some(at) = located.version.records().filter(|_| located.commit < work.plan.commit)
        else {
            continue;
        };
        let bytes = work.site.vault().get(&at.path)?;
        if Sha3Digest::of(&bytes) != at.digest {
            let path = format!("vault/{}", at.path);
            return Err(Error::Lake(crate::lake::Error::Changed { path }));
        }
        earlier.add(located.commit, records::read(bytes)?, &whose);
    }
    Ok(earlier)
}

/// A keyed number for each person: of equal records that came at once, the least is the first.
fn order(work: &Work<'_>) -> Vec<[u8; 16]> {
    let secret = work.site.secret(SECRET);
    let people = work.plan.admission.people().par_iter();
    let number = |id: &ContributorId| {
        let digest = hmac_sha256(&secret, &[b"order", id.as_str().as_bytes()]);
        let mut half = [0; 16];
        half.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        half
    };
    people.map(number).collect()
}

fn counted(table: &str, fates: &[Fate]) -> RecordsLine {
    let of = |wanted: Fate| fates.iter().filter(|fate| **fate == wanted).count() as u64;
    RecordsLine {
        table: table.to_owned(),
        rows: fates.len() as u64,
        counting: of(Fate::Counts),
        repeated: of(Fate::Repeated),
        copied: of(Fate::Copied),
        similar: of(Fate::Similar),
    }
}

/// One line for each person's record; what a person repeats is the same record.
fn lines(
    work: &Work<'_>,
    spec: &RecordsSpec,
    (table, pile): (&str, &Pile),
    fates: &[Fate],
    quality: &[u64],
) -> Vec<RecordLine> {
    let ids = work.plan.admission.people();
    let line = |(row, fate): (usize, &Fate)| {
        if *fate == Fate::Repeated {
            return None;
        }
        let (hash, person, institution) = pile.row(row)?;
        let first = *fate == Fate::Counts;
        let tokens = pile.sketches.tokens(row);
        let quality_ppm = quality.get(usize::try_from(institution).ok()?).copied().unwrap_or(0);
        Some(RecordLine {
            contributor: ids.get(usize::try_from(person).ok()?)?.clone(),
            hash,
            table: table.to_owned(),
            stratum: pile.sketches.stratum(row).to_owned(),
            first,
            quality_ppm,
            tokens: (first && spec.settings.can_resemble(tokens)).then(|| tokens.to_vec()),
        })
    };
    fates.par_iter().enumerate().filter_map(line).collect()
}

/// Writes the sketches of a part's rows.
pub(super) fn bytes(sketches: &mut Sketches) -> (Vec<u8>, Sha256) {
    let bytes = std::mem::take(sketches).bytes();
    let digest = Sha256::of(&bytes);
    (bytes, digest)
}
