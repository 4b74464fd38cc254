//! Which institutions are related, so that none is paid for its own questions.
//!
//! Comes in: two institutions, a reason, an approver. Goes out: a commit of `vault/parties` and its entry
//! in the book. Never: the same relation twice.

use serde_json::Map;

use super::fund::{Done, json};
use crate::{
    digest::CanonicalError,
    instant::Instant,
    ledger::Kind,
    reward::{Relation, RelationCommit, RelationError, proof::leaf_hash, read_relations},
    site::{self, Site},
    store::{self, Sequence},
};

/// Why a relation was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// A commit is broken.
    #[error(transparent)]
    Commit(#[from] RelationError),
    /// The relation could not be written down.
    #[error("the relation has no canonical form")]
    Canonical(#[from] CanonicalError),
    /// An institution is always related to itself.
    #[error("an institution's own records never count for its own questions")]
    Same,
    /// Nobody could say later why or by whose word.
    #[error("a relation needs a reason and an approver")]
    Silent,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

/// Records a relation. The same two again change nothing.
pub fn relate(site: &Site, relation: Relation) -> Result<Done, Error> {
    if relation.payer == relation.institution {
        return Err(Error::Same);
    }
    if relation.reason.trim().is_empty() || relation.approver.trim().is_empty() {
        return Err(Error::Silent);
    }
    let relations = relations(site)?;
    let same = |known: &Relation| {
        known.payer == relation.payer && known.institution == relation.institution
    };
    if let Some((commit, known)) = relations.iter().find(|(_, known)| same(&known.act)) {
        let entry = leaf_hash(known.entry.as_bytes());
        return Ok(Done { commit: *commit, entry, new: false });
    }
    let mut body = Map::new();
    body.insert("payer".to_owned(), json(&relation.payer)?);
    body.insert("institution".to_owned(), json(&relation.institution)?);
    body.insert("reason".to_owned(), relation.reason.as_str().into());
    body.insert("approver".to_owned(), relation.approver.as_str().into());
    let entry = site.entry(Kind::PartyRelated, &[], &[], &body)?;
    let number = relations.last().map_or(0, |(number, _)| *number).saturating_add(1);
    let commit = RelationCommit {
        txn: site.txn()?,
        time: site.now(),
        act: relation,
        entry: entry.text().to_owned(),
    };
    site.commit(&sequence(site), number, &commit, &entry)?;
    Ok(Done { commit: number, entry: entry.id(), new: true })
}

/// Returns all relations, by commit.
pub fn relations(site: &Site) -> Result<Vec<(u64, RelationCommit)>, Error> {
    Ok(read_relations(&sequence(site).all()?)?)
}

/// Returns the relations that were recorded at `time` or before.
pub(super) fn known(site: &Site, time: Instant) -> Result<Vec<RelationCommit>, Error> {
    let relations = relations(site)?.into_iter().map(|(_, commit)| commit);
    Ok(relations.filter(|commit| commit.time <= time).collect())
}

fn sequence(site: &Site) -> Sequence {
    Sequence::new(&site.vault(), "parties/commits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{party::InstitutionId, pipeline::fund::tests::site as open};

    fn relation(payer: &str, institution: &str) -> Relation {
        Relation {
            payer: InstitutionId::parse(payer).unwrap(),
            institution: InstitutionId::parse(institution).unwrap(),
            reason: "one owner".into(),
            approver: "board".into(),
        }
    }

    #[test]
    fn a_relation_is_recorded_once_and_known_from_its_day_on() {
        let folder = tempfile::tempdir().unwrap();
        let site = open(&folder, "2026-10-01");
        let first = relate(&site, relation("north", "south")).unwrap();
        let again = relate(&site, relation("north", "south")).unwrap();
        assert!(first.new && !again.new, "one relation would be told twice");
        assert_eq!(first.entry, again.entry);
        let back = relate(&site, relation("south", "north")).unwrap();
        assert_eq!((back.commit, back.new), (2, true), "a relation has a direction");
        assert!(known(&site, Instant::parse("2026-09-30").unwrap()).unwrap().is_empty());
        assert_eq!(known(&site, site.now()).unwrap().len(), 2);
        assert!(matches!(relate(&site, relation("north", "north")), Err(Error::Same)));
        let mut silent = relation("north", "west");
        silent.approver = " ".into();
        assert!(matches!(relate(&site, silent), Err(Error::Silent)));
    }
}
