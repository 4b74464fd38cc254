//! A life of a site as a plan: phases of acts, each act by a writer of its own, all writers of a phase
//! at once. Told once with every fault that a seed draws, and once undisturbed, one act after another in
//! the order in which the book has them; the two must end in the same root.
//!
//! An act is told from another by its instant, which its entry bears. What was committed before a change of
//! the steward's key and came into the book after it stands before it in the undisturbed life: there the two
//! books hold the same entries to the byte, and only their places differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use almoner::{
    instant::Instant,
    ledger::{Entry, Kind, Reader, trust::Role, verify_all},
    signed_note::Verifier,
    site::{Keys, Site},
    store::Store,
};
use futures::FutureExt as _;
use object_store::memory::InMemory;
use tempfile::TempDir;

use super::{
    dice::Dice,
    fault_store::{Disk, FaultStore, Meanwhile, Trouble, When},
    gate::Gate,
    key_files::KeyFiles,
};

/// After so many attempts at an act no fault strikes it any more.
const TROUBLED: usize = 6;

/// After so many attempts an act that does not end is a finding of its own.
const ATTEMPTS: usize = 60;

/// What an act does to an open site; an error is told as text.
pub(crate) type Run = Box<dyn Fn(&mut Site) -> Result<(), String> + Send + Sync>;

/// One act of one writer.
pub(crate) struct Act {
    /// What it is called.
    pub(crate) name: &'static str,
    /// When it happens by the clock of its writer; no two acts of a life have the same.
    pub(crate) now: Instant,
    /// Whether the book tells of it.
    pub(crate) books: bool,
    /// What it does.
    pub(crate) run: Run,
}

/// What must hold of a site that was opened and finished.
pub(crate) type Sound = Box<dyn Fn(&Site) -> Result<(), String> + Send + Sync>;

/// How often each fault struck.
pub(crate) type Struck = BTreeMap<&'static str, u64>;

/// A whole life.
pub(crate) struct Life {
    origin: String,
    /// The keys that every life begins with, for the root must be the same; each has a folder of its own.
    keys: KeyFiles,
    phases: Vec<Vec<Act>>,
    made: Instant,
    sound: Sound,
    /// Undisturbed ends, by the order of their acts.
    known: Mutex<BTreeMap<Vec<usize>, (InMemory, KeyFiles)>>,
}

/// Where one life is lived.
struct Place {
    disk: Arc<Disk>,
    keys: TempDir,
}

/// A clock that is wrong by up to ten years, for opening a site.
fn lying(now: Instant, dice: &mut Dice) -> Instant {
    const TEN_YEARS: i64 = 315_576_000;
    let by = [-TEN_YEARS, 0, 0, TEN_YEARS][dice.below(4)];
    Instant::from_unix(now.unix() + by).unwrap()
}

impl Life {
    /// Makes the keys of a life in a folder.
    pub(crate) fn new(folder: &Path, made: Instant, phases: Vec<Vec<Act>>, sound: Sound) -> Self {
        let (origin, keys) = ("simulation.example/ledger".to_owned(), folder.join("keys"));
        Keys::create(&keys, &origin).unwrap();
        let keys = KeyFiles::read(&keys);
        Self { origin, keys, phases, made, sound, known: Mutex::default() }
    }

    /// Returns when the site of this life is made.
    pub(crate) fn made(&self) -> Instant {
        self.made
    }

    /// Does all acts, one after another, in an open site.
    pub(crate) fn act_all(&self, site: &mut Site) -> Result<(), String> {
        for act in self.phases.iter().flatten() {
            site.set_now(act.now);
            (act.run)(site).map_err(|e| format!("`{}`: {e}", act.name))?;
        }
        Ok(())
    }

    fn entropy(act: &Act) -> [u8; 32] {
        let mut seed = [0; 32];
        let unix = act.now.unix().to_be_bytes();
        seed[..8].copy_from_slice(&unix);
        seed
    }

    /// Makes one attempt at an act, as one process.
    fn attempt(act: &Act, store: Store, keys: &Path, opened: Instant) -> Result<(), String> {
        let mut site = open(store, keys, opened)?;
        site.set_now(act.now);
        site.set_seed(Self::entropy(act));
        (act.run)(&mut site)
    }

    /// Makes an attempt at an act that nobody disturbs.
    pub(crate) fn attempt_alone(act: &Act, store: Store, keys: &Path) -> Result<(), String> {
        one_thread(|| Self::attempt(act, store, keys, act.now))
    }

    /// Makes an attempt at an act as a process beside which something else happens.
    pub(crate) fn attempt_beside(
        act: &Act,
        disk: &Arc<Disk>,
        keys: &Path,
        (nth, meanwhile): (usize, Meanwhile),
    ) -> Result<(), String> {
        let store = Arc::new(FaultStore::beside(disk, nth, meanwhile));
        Self::attempt_alone(act, Store::over(store), keys)
    }

    /// Tells the life with the faults of a seed, and compares it with the undisturbed one.
    pub(crate) fn tell(&self, seed: u64) -> Result<Struck, String> {
        let place = Place { disk: Disk::new(InMemory::new()), keys: self.keys.put_down() };
        self.make(&place, seed)?;
        let mut order = Vec::new();
        let mut first = 0;
        for (nth, phase) in self.phases.iter().enumerate() {
            let before = self.finish(&place)?.book_size().map_err(told)?;
            Self::phase(&place, seed, nth, phase)?;
            let site = self.finish(&place)?;
            (self.sound)(&site).map_err(|e| format!("after phase {nth}: {e}"))?;
            order.extend(Self::order(&site, before, first, phase)?);
            first += phase.len();
        }
        place.disk.arrive(true).now_or_never().ok_or("the memory store waited")?;
        let site = self.finish(&place)?;
        (self.sound)(&site).map_err(|e| format!("at the end: {e}"))?;
        let (entries, moved) = signed(&site)?;
        let (undisturbed, _keys) = self.undisturbed(&order)?;
        let (expected, _) = signed(&undisturbed)?;
        let same = entries.iter().map(Entry::text).eq(expected.iter().map(Entry::text));
        if !same || (moved == 0 && head(&site)? != head(&undisturbed)?) {
            let told = format!("{}\n{}", lines(&site)?, lines(&undisturbed)?);
            return Err(format!("another root than the undisturbed life's\n{told}"));
        }
        let mut struck = place.disk.struck();
        if moved > 0 {
            struck.insert("booked after a change of keys", moved);
        }
        Ok(struck)
    }

    fn trouble(seed: u64, name: &str, attempt: usize) -> Trouble {
        if attempt >= TROUBLED {
            return Trouble::none();
        }
        let name = format!("{name} {attempt}");
        let mut dice = Dice::new(seed, &["trouble", &name]);
        let when = if dice.once_in(2) { When::Before } else { When::After };
        // Most acts write a few objects; an erasure and a new key for the vault write all of them.
        let writes = [16, 16, 160][dice.below(3)];
        let dies_at = (!dice.once_in(3)).then(|| (dice.below(writes), when));
        let one_in = [0, 9, 25, 60][dice.below(4)];
        Trouble { seed, name, one_in, dies_at, behind_at: None }
    }

    fn make(&self, place: &Place, seed: u64) -> Result<(), String> {
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            let store = FaultStore::new(&place.disk, Self::trouble(seed, "init", attempt), None);
            let store = Store::over(Arc::new(store));
            match Site::init_in(store, place.keys.path(), &self.origin, self.made) {
                Ok(_) => return Ok(()),
                Err(error) => last = told(error),
            }
        }
        Err(format!("the site is never made: {last}"))
    }

    /// All acts of a phase at once, each by a writer who begins again until it is done.
    fn phase(place: &Place, seed: u64, nth: usize, acts: &[Act]) -> Result<(), String> {
        let dice = Dice::new(seed, &["gate", &nth.to_string()]);
        let gate = Arc::new(Gate::new(acts.len(), place.keys.path(), dice));
        thread::scope(|scope| {
            let writers: Vec<_> = acts
                .iter()
                .enumerate()
                .map(|(writer, act)| {
                    let gate = Arc::clone(&gate);
                    scope.spawn(move || {
                        let done = one_thread(|| Self::persist(place, seed, act, &gate, writer));
                        gate.leave(writer);
                        done
                    })
                })
                .collect();
            writers.into_iter().try_for_each(|writer| writer.join().unwrap())
        })
    }

    fn persist(
        place: &Place,
        seed: u64,
        act: &Act,
        gate: &Arc<Gate>,
        writer: usize,
    ) -> Result<(), String> {
        let mut dice = Dice::new(seed, &["clock", act.name]);
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            let trouble = Self::trouble(seed, act.name, attempt);
            let store = FaultStore::new(&place.disk, trouble, Some((Arc::clone(gate), writer)));
            let (store, opened) = (Store::over(Arc::new(store)), lying(act.now, &mut dice));
            match Self::attempt(act, store, place.keys.path(), opened) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(format!("`{}` is never done: {last}", act.name))
    }

    /// Opens the site without faults, which finishes what was begun.
    fn finish(&self, place: &Place) -> Result<Site, String> {
        let store = Store::over(Arc::clone(&place.disk.stored) as Arc<_>);
        let site = open(store, place.keys.path(), self.made);
        let site = site.map_err(|e| format!("it cannot be opened: {e}"))?;
        whole(&site)?;
        Ok(site)
    }

    /// The order in which the acts of a phase signed what the book tells of them, and then those that it
    /// does not tell of; each of the others must be there.
    fn order(site: &Site, before: u64, first: usize, phase: &[Act]) -> Result<Vec<usize>, String> {
        let booked = signed(site)?.0.split_off(usize::try_from(before).unwrap());
        let times =
            booked.iter().map(|entry| entry.time().ok_or("an entry has no time".to_owned()));
        let times: Vec<Instant> = times.collect::<Result<_, _>>()?;
        let mut order = Vec::new();
        for time in &times {
            let act = phase.iter().position(|act| act.now == *time);
            let strange = || {
                let book = lines(site).unwrap_or_default();
                format!("an entry of {time} is of no act of the phase:\n{book}")
            };
            let act = first + act.ok_or_else(strange)?;
            if order.last() != Some(&act) {
                order.push(act);
            }
        }
        order.extend((first..).zip(phase).filter(|(_, act)| !act.books).map(|(at, _)| at));
        let once: BTreeSet<usize> = order.iter().copied().collect();
        if once.len() != order.len() || once.len() != phase.len() {
            let names: Vec<_> = phase.iter().map(|act| (act.name, act.now.to_string())).collect();
            return Err(format!("not each act once and whole: {times:?} of {names:?}"));
        }
        Ok(order)
    }

    /// What is stored after all acts before one of a name, undisturbed; the keys then, and that act.
    pub(crate) fn before(&self, name: &str) -> Result<(InMemory, KeyFiles, &Act), String> {
        let acts: Vec<&Act> = self.phases.iter().flatten().collect();
        let at = acts.iter().position(|act| act.name == name).ok_or("there is no such act")?;
        let order: Vec<usize> = (0..at).collect();
        let (_, keys) = self.undisturbed(&order)?;
        let known = self.known.lock().unwrap();
        Ok((known[&order].0.fork(), KeyFiles::read(keys.path()), acts[at]))
    }

    /// Opens a site that this life made and finishes what was begun; it must be sound.
    pub(crate) fn finished(&self, store: Store, keys: &Path) -> Result<Site, String> {
        let site = open(store, keys, self.made);
        let site = site.map_err(|e| format!("it cannot be opened: {e}"))?;
        whole(&site)?;
        (self.sound)(&site)?;
        Ok(site)
    }

    /// The site after the acts of an order, one after another and undisturbed.
    fn undisturbed(&self, order: &[usize]) -> Result<(Site, TempDir), String> {
        let acts: Vec<&Act> = self.phases.iter().flatten().collect();
        let mut done = order.len();
        let (stored, keys) = loop {
            let known = self.known.lock().unwrap();
            let known = known.get(&order[..done]).map(|(all, keys)| (all.fork(), keys.put_down()));
            match (known, done.checked_sub(1)) {
                (Some(known), _) => break known,
                (None, Some(less)) => done = less,
                (None, None) => break (InMemory::new(), self.keys.put_down()),
            }
        };
        let shared = Arc::new(stored);
        let store = Store::over(Arc::clone(&shared) as Arc<_>);
        if done == 0 {
            let made = Site::init_in(store.clone(), keys.path(), &self.origin, self.made);
            made.map_err(told)?;
        }
        for (nth, act) in order.iter().enumerate().skip(done) {
            let act = acts[*act];
            Self::attempt_alone(act, store.clone(), keys.path())
                .map_err(|e| format!("`{}` fails undisturbed: {e}", act.name))?;
            let state = (shared.fork(), KeyFiles::read(keys.path()));
            self.known.lock().unwrap().insert(order[..=nth].to_vec(), state);
        }
        Ok((open(store, keys.path(), self.made)?, keys))
    }
}

fn open(store: Store, keys: &Path, now: Instant) -> Result<Site, String> {
    Site::open_in(store, "the site", keys, now).map_err(told)
}

/// Runs on one thread, so that what is done in parallel is done in one order.
fn one_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(run)
}

fn known(site: &Site) -> [Verifier; 1] {
    [site.log_verifier().clone()]
}

/// Every object of the book follows from its entries.
fn whole(site: &Site) -> Result<(), String> {
    let seen = verify_all(&site.ledger(), &site.about().origin, &known(site)).map_err(told)?;
    if seen.is_whole() {
        Ok(())
    } else {
        Err(format!("the book is not whole: {:?}", seen.findings))
    }
}

fn reader(site: &Site) -> Result<Reader, String> {
    Reader::open(&site.ledger(), &site.about().origin, &known(site)).map_err(told)
}

/// The size and root that the signed checkpoint tells.
fn head(site: &Site) -> Result<(u64, String), String> {
    let reader = reader(site)?;
    Ok((reader.checkpoint().size, reader.checkpoint().root.to_string()))
}

/// All entries in the order in which the steward's keys stood that signed them, and how many of them have
/// another place in the book: those that were signed before a change of keys and booked after it.
fn signed(site: &Site) -> Result<(Vec<Entry>, u64), String> {
    let reader = reader(site)?;
    let held = site.trust().held().iter().filter(|held| held.role == Role::Steward);
    let stewards: Vec<&Verifier> = held.map(|held| &held.key).collect();
    let (mut ranked, mut last, mut moved) = (Vec::new(), 0, 0);
    for index in 0..reader.checkpoint().size {
        let entry = reader.entry(index).map_err(told)?;
        // A change of the log's key is signed by no steward, and keeps its place.
        let rank = match stewards.iter().position(|key| entry.is_signed_by(key)) {
            Some(at) if entry.kind() == Some(Kind::KeyRotated) => 2 * at + 1,
            Some(at) => 2 * at,
            None => last,
        };
        moved += u64::from(rank < last);
        last = last.max(rank);
        ranked.push((rank, entry));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    Ok((ranked.into_iter().map(|(_, entry)| entry).collect(), moved))
}

fn lines(site: &Site) -> Result<String, String> {
    let reader = reader(site)?;
    let line = |index| {
        let entry = reader.entry(index).map_err(told)?;
        Ok(format!("{index} {:?} {:?} {:?}", entry.time(), entry.kind(), entry.body()))
    };
    let lines: Result<Vec<String>, String> = (0..reader.checkpoint().size).map(line).collect();
    Ok(lines?.join("\n"))
}

/// An error with its causes.
pub(crate) fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
