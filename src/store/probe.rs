//! Whether a store keeps what a site rests on: what was written is read and listed at once, a name is
//! made once whoever races for it, a condition is not ignored.
//!
//! Comes in: a store and how many races. Goes out: nothing, or what is wrong. Never: a doubt decided
//! in the store's favour, or an object left behind.

use std::sync::Barrier;

use bytes::Bytes;

use super::{Created, Error, Listed, Result, Store};
use crate::digest::hex;

/// How hard a store is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Races {
    /// How many names are raced for.
    pub rounds: u32,
    /// How many writers race for each.
    pub writers: u32,
}

/// Why no site may be kept in a store.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It failed, or a write of the probe did.
    #[error("it failed")]
    Failed(#[from] Error),
    /// It gives back something else than was written.
    #[error("it does not give back {0}")]
    Forgets(&'static str),
    /// It ignores the condition of a write.
    #[error("it overwrites: an object that was there was made again")]
    Overwrites,
    /// Several writers were told that they had made one object.
    #[error("it overwrites: {wrong} of {rounds} races had no single winner")]
    ManyWinners {
        /// How many races.
        wrong: u32,
        /// Of how many.
        rounds: u32,
    },
}

/// The zone that a probe writes in.
const ZONE: &str = "doctor";

impl Store {
    /// Probes the store; `step` is called after each race.
    pub fn probe(&self, races: Races, step: &dyn Fn()) -> std::result::Result<(), Unfit> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|source| Error::Unavailable {
            act: "draw a name for a probe of",
            path: ZONE.to_owned(),
            source: source.to_string().into(),
        })?;
        // Names of its own: two doctors at one store do not meet.
        let mine = Mine { place: self.zone(ZONE), id: hex(&random) };
        let found = mine.one_writer().and_then(|()| mine.many_writers(races, step));
        let cleared = mine
            .listed()
            .and_then(|left| left.iter().try_for_each(|object| mine.place.delete(&object.path)));
        found?;
        Ok(cleared?)
    }
}

/// The objects of one probe.
struct Mine {
    place: Store,
    id: String,
}

impl Mine {
    fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.id)
    }

    fn listed(&self) -> Result<Vec<Listed>> {
        let mut listed = self.place.list("")?;
        listed.retain(|object| object.path.starts_with(&self.id));
        Ok(listed)
    }

    /// What one writer alone can find out.
    fn one_writer(&self) -> std::result::Result<(), Unfit> {
        let place = &self.place;
        let (old, new) = (Bytes::from_static(b"old"), Bytes::from_static(b"new bytes"));
        let (put, empty) = (self.name("put"), self.name("empty"));
        let reads = |path: &str, wanted: Option<&Bytes>, what: &'static str| {
            let is_kept = place.find(path)?.as_ref() == wanted;
            if is_kept { Ok(()) } else { Err(Unfit::Forgets(what)) }
        };
        place.put(&put, old.clone())?;
        reads(&put, Some(&old), "an object that was put")?;
        place.put(&put, new.clone())?;
        reads(&put, Some(&new), "the newest bytes of an object")?;
        place.put(&empty, Bytes::new())?;
        reads(&empty, Some(&Bytes::new()), "an empty object")?;
        let listed: Vec<_> = self.listed()?.into_iter().map(|o| (o.path, o.bytes)).collect();
        if listed != [(empty, 0), (put.clone(), 9)] {
            return Err(Unfit::Forgets("in a listing what was written before it"));
        }
        let created = place.create(&put, old)?;
        if created == Created::New || place.find(&put)?.as_ref() != Some(&new) {
            return Err(Unfit::Overwrites);
        }
        place.delete(&put)?;
        reads(&put, None, "that an object was deleted")
    }

    /// Lets many writers race for one name, many times. Each writes bytes of its own: who was told
    /// that it made the object, and whose bytes are there, must be the same. A writer whose answer
    /// was lost on the way may hear that the object exists, but no other may hear that it made it.
    fn many_writers(&self, races: Races, step: &dyn Fn()) -> std::result::Result<(), Unfit> {
        let mut wrong = 0_u32;
        for round in 0..races.rounds {
            let name = self.name(&format!("race-{round}"));
            let answers = self.race(&name, races.writers)?;
            let kept = self.place.find(&name)?;
            let is_one = kept.as_ref().is_some_and(|kept| {
                answers.iter().any(|(_, body)| body == kept)
                    && answers.iter().all(|(told, body)| *told == Created::Exists || body == kept)
            });
            wrong += u32::from(!is_one);
            step();
        }
        if wrong == 0 { Ok(()) } else { Err(Unfit::ManyWinners { wrong, rounds: races.rounds }) }
    }

    /// Lets so many writers race for a name; returns what each was told, and its bytes.
    fn race(&self, name: &str, writers: u32) -> Result<Vec<(Created, Bytes)>> {
        let start = Barrier::new(usize::try_from(writers).unwrap_or(1));
        let answers: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..writers)
                .map(|writer| {
                    let start = &start;
                    scope.spawn(move || {
                        let body = Bytes::from(format!("writer {writer}"));
                        start.wait();
                        Ok((self.place.create(name, body.clone())?, body))
                    })
                })
                .collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        answers.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RACES: Races = Races { rounds: 5, writers: 8 };

    #[test]
    fn a_folder_and_a_memory_store_are_fit_and_nothing_of_the_probe_stays() {
        let dir = tempfile::tempdir().unwrap();
        for place in [dir.path().to_str().unwrap(), "memory://probe"] {
            let store = Store::open(place).unwrap();
            store.probe(RACES, &|| ()).unwrap();
            assert_eq!(store.list("").unwrap(), [], "a probe left its objects");
        }
    }
}
