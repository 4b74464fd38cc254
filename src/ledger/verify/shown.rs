//! The checkpoint that the world sees, held against the policies that the log took on.
//!
//! Comes in: the newest signed tree, what lies of policies and cosignatures. Goes out: findings.
//! Never: a checkpoint passed that was shown before enough witnesses had cosigned it.

use super::{Check, reason};
use crate::{
    ledger::{
        checkpoint::Checkpoint,
        entry::Entry,
        policy::Policy,
        publish,
        reader::{Error, read_checkpoint},
        tree::{Nodes as _, Tree},
        witnessed,
    },
    signed_note::Verifier,
    store,
};

/// A policy, and where its entry stands.
type Stood = (Option<u64>, Policy);

impl Check<'_> {
    /// Checks policies, cosignatures, and that what is shown is what they let be shown.
    pub(super) fn shown(&mut self, newest: &Checkpoint, tree: &Tree) -> Result<(), store::Error> {
        let stood = self.policies(newest, tree)?;
        let mut known: Vec<Verifier> = self.known.to_vec();
        let witnesses = stood.iter().flat_map(|(_, policy)| policy.witnesses());
        known.extend(witnesses.map(|witness| witness.key.clone()));
        known.sort_by_key(Verifier::vkey);
        known.dedup();
        self.cosignatures(&known)?;

        let Some(shown) = self.seen.shown.clone() else { return Ok(()) };
        let allowed = match stood.last() {
            Some((_, policy)) if policy.asks() => {
                let best = publish::best(self.zone, self.origin, self.known, policy, shown.size);
                match best {
                    Ok(best) => best.map(|(_, checkpoint)| checkpoint),
                    Err(Error::Store(error)) => return Err(error),
                    Err(_) => None, // Its object is named by another check.
                }
            }
            Some(_) | None => Some(newest.clone()),
        };
        if let Some(allowed) = allowed.filter(|allowed| allowed.size > shown.size) {
            let newer = format!("checkpoints/{}", allowed.size);
            self.seen.find("checkpoint", format!("it is older than `{newer}`"));
        }
        // The policy that stood when this tree was signed must be met, or one that came after it.
        let first = stood.iter().rposition(|(at, _)| at.is_some_and(|at| at < shown.size));
        let by = match read_checkpoint(self.zone, self.origin, &known, "checkpoint") {
            Ok((_, opened)) => opened.vouched,
            Err(Error::Store(error)) => return Err(error),
            Err(error) => {
                self.seen.find("checkpoint", reason(&error));
                return Ok(());
            }
        };
        if let Some(stood) = first.and_then(|first| stood.get(first..))
            && !stood.iter().any(|(_, policy)| policy.satisfied(&by))
        {
            self.seen.find("checkpoint", "fewer witnesses cosigned it than the policy asks for");
        }
        Ok(())
    }

    /// Reads the policies, each with where its entry stands among the leaves.
    fn policies(&mut self, newest: &Checkpoint, tree: &Tree) -> Result<Vec<Stood>, store::Error> {
        let mut stood = Vec::new();
        let mut text = None;
        for (object, read) in witnessed::policies(self.zone)? {
            self.take(&object)?;
            let (adopted, policy) = match read {
                Ok(read) => read,
                Err(error) => {
                    self.seen.find(object, reason(&error));
                    continue;
                }
            };
            let entry = Entry::parse(adopted.entry.as_bytes()).ok();
            let at = entry.as_ref().and_then(|entry| {
                let id = entry.id();
                (0..newest.size).find(|at| tree.node(0, *at).is_ok_and(|leaf| leaf == id))
            });
            let told = entry.as_ref().is_some_and(|entry| {
                let digest = entry.body().get("policy").and_then(serde_json::Value::as_str);
                digest == Some(adopted.digest.to_string().as_str())
                    && entry.time() == Some(adopted.time)
            });
            if at.is_none() || !told {
                self.seen.find(object, "the book does not tell of it");
            }
            stood.push((at, policy));
            text = Some(adopted.policy);
        }
        let copy = self.take(witnessed::COPY)?;
        if let Some(copy) = copy
            && text.is_none_or(|text| copy != text.as_bytes())
        {
            self.seen.find(witnessed::COPY, "it is not the policy of the newest commit");
        }
        Ok(stood)
    }

    /// Holds each line that is kept against the checkpoint it is under.
    fn cosignatures(&mut self, known: &[Verifier]) -> Result<(), store::Error> {
        let objects: Vec<(u64, String)> = self
            .objects
            .iter()
            .filter_map(|path| Some((witnessed::size_of(path)?, path.clone())))
            .collect();
        for (size, object) in objects {
            self.take(&object)?;
            let lines = std::slice::from_ref(&object);
            match witnessed::cosigned(self.zone, self.origin, known, size, lines) {
                Ok((_, opened)) if opened.vouched.iter().any(|v| v.unix.is_some()) => {}
                Ok(_) => self.seen.find(object, "no known witness signed it under its checkpoint"),
                Err(Error::Store(error)) => return Err(error),
                Err(error) => self.seen.find(object, reason(&error)),
            }
        }
        Ok(())
    }
}
