//! Several writers on one store, one request at a time: who goes next is drawn from the seed, so that a
//! race is run again exactly as it was. Who has locked the key folder to change the keys of data goes on
//! alone: the others wait for that lock.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex},
};

use super::dice::Dice;

/// The gate before a store.
#[derive(Debug)]
pub(crate) struct Gate {
    keys: PathBuf,
    turns: Mutex<Turns>,
    changed: Condvar,
}

#[derive(Debug)]
struct Turns {
    /// The writers that are at work.
    live: BTreeSet<usize>,
    /// Those of them that wait to make a request.
    waiting: BTreeSet<usize>,
    /// The one that goes on; all others stand still.
    turn: Option<usize>,
    /// The one that went on last.
    last: Option<usize>,
    dice: Dice,
}

impl Gate {
    /// Makes the gate for writers `0..writers` who share a key folder.
    pub(crate) fn new(writers: usize, keys: &Path, dice: Dice) -> Self {
        let (live, waiting) = ((0..writers).collect(), BTreeSet::new());
        let turns = Mutex::new(Turns { live, waiting, turn: None, last: None, dice });
        Self { keys: keys.to_owned(), turns, changed: Condvar::new() }
    }

    /// Waits until it is this writer's turn; it keeps it until its next request.
    pub(crate) fn enter(&self, writer: usize) {
        let mut turns = self.turns.lock().unwrap();
        if turns.turn == Some(writer) {
            turns.turn = None;
        }
        turns.waiting.insert(writer);
        self.choose(&mut turns);
        while turns.turn != Some(writer) {
            turns = self.changed.wait(turns).unwrap();
        }
    }

    /// Lets the others go on without this writer.
    pub(crate) fn leave(&self, writer: usize) {
        let mut turns = self.turns.lock().unwrap();
        turns.live.remove(&writer);
        turns.waiting.remove(&writer);
        if turns.turn == Some(writer) {
            turns.turn = None;
        }
        self.choose(&mut turns);
    }

    /// Draws who goes next, once all that are at work wait.
    fn choose(&self, turns: &mut Turns) {
        if turns.turn.is_none() && !turns.live.is_empty() && turns.waiting == turns.live {
            let alone = turns.last.filter(|last| turns.live.contains(last) && self.is_locked());
            turns.turn = alone.or_else(|| {
                let nth = turns.dice.below(turns.waiting.len());
                turns.waiting.iter().nth(nth).copied()
            });
            turns.last = turns.turn;
            if let Some(chosen) = turns.turn {
                turns.waiting.remove(&chosen);
            }
            self.changed.notify_all();
        }
    }

    /// Says whether somebody has the key folder to themselves.
    fn is_locked(&self) -> bool {
        File::open(&self.keys).unwrap().try_lock_shared().is_err()
    }
}
