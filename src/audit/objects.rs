//! Every object that any commit names, hashed again, and each commit held against its entry in the
//! book: `verify --deep`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Audit, Check, Evidence, Finding, booked,
    commits::{self, Commits},
    expected,
    given::Inputs,
    goods::GoodsAct,
    licences::LicenceAct,
    shape::{Act, LinkageCommit},
    table::{if_opens, object},
};
use crate::{
    digest::{Sha3Digest, Sha256},
    ledger::RecordTree,
    store,
};

/// What a re-hashing saw.
#[derive(Debug, Clone)]
pub struct Rehashed {
    /// How many objects were hashed.
    pub objects: u64,
    /// How many of them nobody can read any more, because their keys were destroyed.
    pub unreadable: u64,
    /// Which of them are missing or differ, and which commits cannot be read.
    pub findings: Vec<Finding>,
}

/// Hashes every object that a commit of the site names. Fails only where a store does.
pub fn rehash(evidence: &Evidence) -> Result<Rehashed, store::Error> {
    let mut audit = Audit::default();
    // What is wrong with the book itself is told by its own check; here it is the measure by which
    // commits, which nothing names by digest, are judged.
    let book = booked::book(evidence, &mut Audit::default())?;
    let commits = commits::read(evidence, &mut audit)?;
    expected::compare(evidence, &mut audit, &commits, book.as_ref());
    let mut named = named(&commits);
    for (path, digest) in of_inputs(evidence, &commits)? {
        named.insert(("vault", path), digest);
    }
    let destroyed = |version: &crate::lake::Version| {
        commits.erased.is_destroyed(&version.dataset, version.version)
    };
    let (gone, left): (Vec<_>, Vec<_>) =
        commits.lake.iter().map(|commit| &commit.body).partition(|version| destroyed(version));
    let segments = |version: &crate::lake::Version| {
        let all = version.tables.iter().flat_map(|table| &table.segments);
        all.map(|segment| segment.path.clone()).collect::<Vec<_>>()
    };
    let needed: BTreeSet<String> = left.into_iter().flat_map(segments).collect();
    for path in gone.into_iter().flat_map(segments).filter(|path| !needed.contains(path)) {
        named.remove(&("lake", path));
    }
    for ((zone, path), digest) in &named {
        let store = if *zone == "lake" { &evidence.lake } else { &evidence.vault };
        object(&mut audit, store, zone, path, digest)?;
    }
    let mut objects = u64::try_from(named.len()).unwrap_or(u64::MAX);
    for commit in &commits.lake {
        let version = &commit.body;
        for segment in version.tables.iter().flat_map(|t| &t.segments) {
            if let Some(bytes) = if_opens(evidence.lake.find(&segment.path))? {
                let name = format!("lake/{}", segment.path);
                let good = Sha256::of(&bytes) == segment.sha256;
                audit.check(Check::Object, &name, good, "its SHA-256 is another");
                let size = u64::try_from(bytes.len()).ok() == Some(segment.bytes);
                audit.check(Check::Object, &name, size, "its size is another");
            }
        }
        objects = objects.saturating_add(1);
        let name = format!("ledger/{}", version.record.path);
        let tree = evidence.ledger.find(&version.record.path)?;
        if !audit.check(Check::Object, &name, tree.is_some(), "it is missing") {
            continue;
        }
        let tree = tree.and_then(|bytes| RecordTree::read(&bytes).ok());
        let good = tree.is_some_and(|tree| {
            tree.root() == version.record.root && tree.count() == version.record.count
        });
        audit.check(Check::Object, &name, good, "its leaves are not those of the version");
    }
    audit.findings.sort();
    let unreadable = u64::try_from(audit.unreadable.len()).unwrap_or(u64::MAX);
    Ok(Rehashed { objects, unreadable, findings: audit.findings })
}

/// The objects that the inputs of settlements alone name: the payees, and what was new.
fn of_inputs(
    evidence: &Evidence,
    commits: &Commits,
) -> Result<Vec<(String, Sha3Digest)>, store::Error> {
    let mut named = Vec::new();
    for commit in &commits.pools {
        let Act::Settled(act) = &commit.body.act else { continue };
        // Inputs that are missing or cannot be read are told as objects of their own.
        let bytes = if_opens(evidence.vault.find(&act.inputs.path))?.unwrap_or_default();
        let Ok(inputs) = serde_json::from_slice::<Inputs>(&bytes) else { continue };
        let objects = [inputs.payees, inputs.new_data].into_iter().flatten();
        named.extend(objects.map(|object| (object.path, object.digest)));
    }
    Ok(named)
}

/// All objects with a digest, by zone and path.
fn named(commits: &Commits) -> BTreeMap<(&'static str, String), Sha3Digest> {
    let mut named = BTreeMap::new();
    for commit in &commits.consents {
        let contributors = commit.body.contributors.as_ref();
        for object in std::iter::once(&commit.body.events).chain(contributors) {
            named.insert(("vault", object.path.clone()), object.digest);
        }
    }
    for commit in &commits.linkage {
        let LinkageCommit { members, tokens, review, .. } = &commit.body;
        for object in [members, tokens, review].into_iter().flatten() {
            named.insert(("vault", object.path.clone()), object.digest);
        }
    }
    for commit in &commits.licences {
        if let LicenceAct::Recorded(act) = &commit.body.act {
            named.insert(("vault", act.events.path.clone()), act.events.digest);
        }
    }
    for commit in &commits.payees {
        named.insert(("vault", commit.body.payees.path.clone()), commit.body.payees.digest);
    }
    for commit in &commits.payouts {
        for object in commit.body.objects() {
            named.insert(("vault", object.path.clone()), object.digest);
        }
    }
    for commit in &commits.pools {
        if let Act::Settled(act) = &commit.body.act {
            let lines = [&act.inputs, &act.lines, &act.leaves].into_iter();
            for object in lines.chain(&act.institution_lines).chain(&act.held) {
                named.insert(("vault", object.path.clone()), object.digest);
            }
        }
    }
    for commit in &commits.pools {
        if let Act::Matched(act) = &commit.body.act {
            named.insert(("vault", act.inputs.path.clone()), act.inputs.digest);
        }
    }
    for commit in &commits.covers {
        for (path, digest) in commit.body.objects() {
            named.insert(("vault", path.to_owned()), digest);
        }
    }
    for commit in &commits.determinations {
        let envelope = &commit.body.envelope;
        named.insert(("vault", envelope.path.clone()), envelope.digest);
    }
    for commit in &commits.erasures {
        let list = &commit.body.redactions;
        named.insert(("vault", list.path.clone()), list.digest);
    }
    for commit in &commits.goods {
        if let GoodsAct::Given(act) = &commit.body.act {
            for object in [&act.basis, &act.lines, &act.leaves] {
                named.insert(("vault", object.path.clone()), object.digest);
            }
        }
    }
    for commit in &commits.transfers {
        let lines = commit.body.act.lines();
        named.insert(("vault", lines.path.clone()), lines.digest);
    }
    for commit in &commits.usage {
        named.insert(("vault", commit.body.lines_path.clone()), commit.body.lines);
    }
    for commit in &commits.values {
        for object in commit.body.objects() {
            named.insert(("vault", object.path.clone()), object.digest);
        }
    }
    for commit in &commits.lake {
        let version = &commit.body;
        for segment in version.tables.iter().flat_map(|t| &t.segments) {
            named.insert(("lake", segment.path.clone()), segment.sha3);
        }
        let papers = [&version.roster, &version.report].into_iter();
        for object in papers.chain(&version.quality).chain(&version.papers) {
            named.insert(("vault", object.path.clone()), object.digest);
        }
    }
    named
}
