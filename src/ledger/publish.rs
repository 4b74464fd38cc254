//! What the world sees of a log: every checkpoint it signs, and which of them is the current one.
//!
//! A log whose policy asks for witnesses signs at once and shows when enough of them have cosigned.
//! Comes in: a tree's head, witnesses' lines. Goes out: `checkpoints/<size>`, `checkpoint`.
//! Never: a `checkpoint` that does not meet the policy, or one set back to a smaller tree.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use bytes::Bytes;

use super::{
    checkpoint::{Checkpoint, Opened},
    log,
    policy::Policy,
    reader::{self, read_checkpoint},
    witnessed,
};
use crate::{
    signed_note::{Note, Signature, Signer, Verifier},
    store::Store,
};

/// Signs a checkpoint whose tiles are durable, and shows it if no witness need be asked.
pub(super) fn sign(
    zone: &Store,
    checkpoint: &Checkpoint,
    signers: &[&Signer],
) -> Result<(), log::Error> {
    let note = checkpoint.sign_all(signers).map_err(|e| log::Error::Broken(e.to_string()))?;
    zone.put_content(&format!("checkpoints/{}", checkpoint.size), &Bytes::from(note.clone()))?;
    let asks = witnessed::policy(zone)?.is_some_and(|(_, _, policy)| policy.asks());
    if !asks {
        let known: Vec<Verifier> = signers.iter().map(|signer| signer.verifier().clone()).collect();
        show(zone, &checkpoint.origin, &known, &note)?;
    }
    Ok(())
}

/// What came of a witness's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// It is kept now.
    New,
    /// That witness's line under that checkpoint was kept before.
    Known,
    /// It is of no witness of the policy, so it is ignored.
    Unknown,
    /// It claims to be of a witness of the policy and holds under none of the checkpoints.
    Bad,
}

/// Takes a witness's line under the checkpoint of one of `sizes`; does not yet show anything.
/// Returns the size it holds under.
pub fn take(
    zone: &Store,
    origin: &str,
    logs: &[Verifier],
    policy: &Policy,
    sizes: &[u64],
    line: &Signature,
) -> Result<(Taken, Option<u64>), reader::Error> {
    let witness = policy.witnesses().iter().find(|witness| line.is_of(&witness.key));
    let Some(witness) = witness else { return Ok((Taken::Unknown, None)) };
    let known = with(logs, policy);
    for size in sizes {
        let (note, opened) = read_checkpoint(zone, origin, &known, &format!("checkpoints/{size}"))?;
        let bytes = line.line().into_bytes();
        if witnessed::joined(&note, &opened, origin, &known, &bytes).is_some() {
            let new = witnessed::keep(zone, *size, &witness.key, line)?;
            return Ok((if new { Taken::New } else { Taken::Known }, Some(*size)));
        }
    }
    Ok((Taken::Bad, None))
}

/// Shows the newest checkpoint that may be shown: the newest signed where no witness need be asked,
/// else the newest that enough of them have cosigned. Returns the size that is shown then.
pub fn raise(zone: &Store, origin: &str, logs: &[Verifier]) -> Result<Option<u64>, reader::Error> {
    let policy = copied(zone)?;
    let known = policy.as_ref().map_or_else(|| logs.to_vec(), |policy| with(logs, policy));
    loop {
        let best = match &policy {
            Some(policy) if policy.asks() => {
                let floor = current(zone, origin, &known)?.map_or(0, |(_, o)| o.checkpoint.size);
                best(zone, origin, logs, policy, floor)?.map(|(note, _)| note)
            }
            Some(_) | None => newest(zone, origin, &known)?,
        };
        let shown = match best {
            Some(note) => show(zone, origin, &known, &note)?,
            None => false,
        };
        // Another writer may have shown a newer one that this one has just written over: look again.
        if !shown {
            let current = current(zone, origin, &known)?;
            return Ok(current.map(|(_, opened)| opened.checkpoint.size));
        }
    }
}

/// Does what a crash kept from being done: the policy's copy, and what witnesses have let be shown.
pub(super) fn mend(zone: &Store, origin: &str, logs: &[Verifier]) -> Result<(), reader::Error> {
    if copied(zone)?.is_some_and(|policy| policy.asks()) {
        raise(zone, origin, logs)?;
    }
    Ok(())
}

/// Returns the sizes of the checkpoints that were signed after the one that is shown, newest first,
/// and that one.
pub fn unshown(zone: &Store, origin: &str, logs: &[Verifier]) -> Result<Vec<u64>, reader::Error> {
    let shown = current(zone, origin, logs)?.map_or(0, |(_, opened)| opened.checkpoint.size);
    Ok(sizes(zone)?.into_iter().filter(|size| *size >= shown).collect())
}

/// Puts a note where the world looks, unless what is there says as much or more.
fn show(zone: &Store, origin: &str, known: &[Verifier], note: &str) -> Result<bool, reader::Error> {
    let fault = |source| reader::Error::Checkpoint { object: "checkpoint".to_owned(), source };
    let offered = Checkpoint::open(note, origin, known).map_err(fault)?.checkpoint;
    let lines = |note: &str| Note::parse(note).map_or(0, |note| note.signatures().len());
    let stands = current(zone, origin, known)?.is_some_and(|(text, opened)| {
        opened.checkpoint.size > offered.size
            || (opened.checkpoint == offered && lines(&text) >= lines(note))
    });
    if !stands {
        zone.put("checkpoint", Bytes::from(note.to_owned()))?;
    }
    Ok(!stands)
}

/// Returns what is shown, if it can be believed.
fn current(
    zone: &Store,
    origin: &str,
    known: &[Verifier],
) -> Result<Option<(String, Opened)>, reader::Error> {
    match read_checkpoint(zone, origin, known, "checkpoint") {
        Ok(found) => Ok(Some(found)),
        Err(reader::Error::Store(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// Returns the newest checkpoint that meets the policy, with all lines that are kept for it; one of
/// fewer than `floor` entries is not looked at.
pub(super) fn best(
    zone: &Store,
    origin: &str,
    logs: &[Verifier],
    policy: &Policy,
    floor: u64,
) -> Result<Option<(String, Checkpoint)>, reader::Error> {
    let known = with(logs, policy);
    for (size, lines) in witnessed::gathered(zone)?.range(floor..).rev() {
        match witnessed::cosigned(zone, origin, &known, *size, lines) {
            Ok((note, opened)) if policy.satisfied(&opened.vouched) => {
                return Ok(Some((note, opened.checkpoint)));
            }
            Err(reader::Error::Store(error)) => return Err(error.into()),
            // What cannot be believed is not shown; `verify_all` names it.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

/// Returns the newest checkpoint that the log signed, with all lines that are kept for it.
fn newest(zone: &Store, origin: &str, known: &[Verifier]) -> Result<Option<String>, reader::Error> {
    let Some(size) = sizes(zone)?.first().copied() else { return Ok(None) };
    let lines = witnessed::gathered(zone)?.remove(&size).unwrap_or_default();
    witnessed::cosigned(zone, origin, known, size, &lines).map(|(note, _)| Some(note))
}

/// Returns the sizes of all signed checkpoints, newest first.
fn sizes(zone: &Store) -> Result<Vec<u64>, reader::Error> {
    let listed = zone.list("checkpoints")?;
    let names = listed.iter().filter_map(|object| object.path.strip_prefix("checkpoints/"));
    let mut sizes: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    Ok(sizes)
}

/// Returns the policy that stands, and sees to it that its copy is the same.
fn copied(zone: &Store) -> Result<Option<Policy>, reader::Error> {
    let Some((_, adopted, policy)) = witnessed::policy(zone)? else { return Ok(None) };
    let text = Bytes::from(adopted.policy);
    if zone.find(witnessed::COPY)?.is_none_or(|copy| copy != text) {
        zone.put(witnessed::COPY, text)?;
    }
    Ok(Some(policy))
}

/// The keys of a log and of its policy's witnesses.
pub(super) fn with(logs: &[Verifier], policy: &Policy) -> Vec<Verifier> {
    logs.iter().cloned().chain(policy.witnesses().iter().map(|w| w.key.clone())).collect()
}
