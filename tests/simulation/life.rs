//! A life of a site as a plan: phases of acts, each act by a writer of its own, all writers of a phase
//! at once. Told once with every fault that a seed draws, and once undisturbed, one act after another in
//! the order in which the book has them; the two must end in the same root.
//!
//! An act is told from another by its instant, which its entry bears.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use almoner::{
    instant::Instant,
    ledger::{Reader, verify_all},
    signed_note::Verifier,
    site::{Keys, Site},
    store::Store,
};
use futures::FutureExt as _;
use object_store::memory::InMemory;

use super::{
    dice::Dice,
    fault_store::{Disk, FaultStore, Trouble, When},
    gate::Gate,
};

/// After so many attempts at an act no fault strikes it any more.
const TROUBLED: usize = 6;

/// After so many attempts an act that does not end is a finding of its own.
const ATTEMPTS: usize = 60;

/// What an act does to an open site; an error is told as text.
pub(crate) type Run = Box<dyn Fn(&Site) -> Result<(), String> + Send + Sync>;

/// One act of one writer.
pub(crate) struct Act {
    /// What it is called.
    pub(crate) name: &'static str,
    /// When it happens by the clock of its writer; no two acts of a life have the same.
    pub(crate) now: Instant,
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
    /// The folder of keys: one for all lives, for the root must be the same.
    keys: PathBuf,
    phases: Vec<Vec<Act>>,
    made: Instant,
    sound: Sound,
    /// Undisturbed ends, by the order of their acts.
    known: Mutex<BTreeMap<Vec<usize>, InMemory>>,
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

    fn open(&self, store: Store, now: Instant) -> Result<Site, String> {
        Site::open_in(store, "the site", &self.keys, now).map_err(told)
    }

    fn entropy(act: &Act) -> [u8; 32] {
        let mut seed = [0; 32];
        let unix = act.now.unix().to_be_bytes();
        seed[..8].copy_from_slice(&unix);
        seed
    }

    /// Makes one attempt at an act, as one process.
    fn attempt(&self, act: &Act, store: Store, opened: Instant) -> Result<(), String> {
        let mut site = self.open(store, opened)?;
        site.set_now(act.now);
        site.set_seed(Self::entropy(act));
        (act.run)(&site)
    }

    /// Tells the life with the faults of a seed, and compares it with the undisturbed one.
    pub(crate) fn tell(&self, seed: u64) -> Result<Struck, String> {
        let disk = Disk::new(InMemory::new());
        self.make(&disk, seed)?;
        let mut order = Vec::new();
        let mut first = 0;
        for (nth, phase) in self.phases.iter().enumerate() {
            let before = self.size(&disk)?;
            self.phase(&disk, seed, nth, phase)?;
            let site = self.finish(&disk)?;
            (self.sound)(&site).map_err(|e| format!("after phase {nth}: {e}"))?;
            order.extend(Self::order(&site, before, first, phase)?);
            first += phase.len();
        }
        disk.arrive(true).now_or_never().ok_or("the memory store waited")?;
        let site = self.finish(&disk)?;
        (self.sound)(&site).map_err(|e| format!("at the end: {e}"))?;
        let (size, root) = head(&site)?;
        let undisturbed = self.undisturbed(&order)?;
        let expected = head(&undisturbed)?;
        if (size, root.as_str()) != (expected.0, expected.1.as_str()) {
            let told = format!("{}\n{}", lines(&site)?, lines(&undisturbed)?);
            return Err(format!("root {root} of {size}, undisturbed {expected:?}\n{told}"));
        }
        Ok(disk.struck())
    }

    fn trouble(seed: u64, name: &str, attempt: usize) -> Trouble {
        if attempt >= TROUBLED {
            return Trouble::none();
        }
        let name = format!("{name} {attempt}");
        let mut dice = Dice::new(seed, &["trouble", &name]);
        let when = if dice.once_in(2) { When::Before } else { When::After };
        let dies_at = (!dice.once_in(3)).then(|| (dice.below(16), when));
        let one_in = [0, 9, 25, 60][dice.below(4)];
        Trouble { seed, name, one_in, dies_at }
    }

    fn make(&self, disk: &Arc<Disk>, seed: u64) -> Result<(), String> {
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            let store = FaultStore::new(disk, Self::trouble(seed, "init", attempt), None);
            let store = Store::over(Arc::new(store));
            match Site::init_in(store, &self.keys, &self.origin, self.made) {
                Ok(_) => return Ok(()),
                Err(error) => last = told(error),
            }
        }
        Err(format!("the site is never made: {last}"))
    }

    /// All acts of a phase at once, each by a writer who begins again until it is done.
    fn phase(&self, disk: &Arc<Disk>, seed: u64, nth: usize, acts: &[Act]) -> Result<(), String> {
        let dice = Dice::new(seed, &["gate", &nth.to_string()]);
        let gate = Arc::new(Gate::new(acts.len(), dice));
        thread::scope(|scope| {
            let writers: Vec<_> = acts
                .iter()
                .enumerate()
                .map(|(writer, act)| {
                    let gate = Arc::clone(&gate);
                    scope.spawn(move || {
                        let done = one_thread(|| self.persist(disk, seed, act, &gate, writer));
                        gate.leave(writer);
                        done
                    })
                })
                .collect();
            writers.into_iter().try_for_each(|writer| writer.join().unwrap())
        })
    }

    fn persist(
        &self,
        disk: &Arc<Disk>,
        seed: u64,
        act: &Act,
        gate: &Arc<Gate>,
        writer: usize,
    ) -> Result<(), String> {
        let mut dice = Dice::new(seed, &["clock", act.name]);
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            let trouble = Self::trouble(seed, act.name, attempt);
            let store = FaultStore::new(disk, trouble, Some((Arc::clone(gate), writer)));
            let opened = lying(act.now, &mut dice);
            match self.attempt(act, Store::over(Arc::new(store)), opened) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(format!("`{}` is never done: {last}", act.name))
    }

    /// Opens the site without faults, which finishes what was begun.
    fn finish(&self, disk: &Arc<Disk>) -> Result<Site, String> {
        let store = Store::over(Arc::clone(&disk.stored) as Arc<_>);
        let site = self.open(store, self.made).map_err(|e| format!("it cannot be opened: {e}"))?;
        whole(&site)?;
        Ok(site)
    }

    fn size(&self, disk: &Arc<Disk>) -> Result<u64, String> {
        self.finish(disk)?.book_size().map_err(told)
    }

    /// The order in which the book has the acts of a phase; each must be there.
    fn order(site: &Site, before: u64, first: usize, phase: &[Act]) -> Result<Vec<usize>, String> {
        let times: Vec<Instant> = times(site)?.split_off(usize::try_from(before).unwrap());
        let mut order = Vec::new();
        for time in &times {
            let act = phase.iter().position(|act| act.now == *time);
            let act = first + act.ok_or(format!("an entry of {time} is of no act"))?;
            if order.last() != Some(&act) {
                order.push(act);
            }
        }
        let once: BTreeSet<usize> = order.iter().copied().collect();
        if once.len() != order.len() || once.len() != phase.len() {
            let names: Vec<_> = phase.iter().map(|act| (act.name, act.now.to_string())).collect();
            return Err(format!("not each act once and whole: {times:?} of {names:?}"));
        }
        Ok(order)
    }

    /// The site after the acts of an order, one after another and undisturbed.
    fn undisturbed(&self, order: &[usize]) -> Result<Site, String> {
        let acts: Vec<&Act> = self.phases.iter().flatten().collect();
        let mut done = order.len();
        let stored = loop {
            let known = self.known.lock().unwrap().get(&order[..done]).map(InMemory::fork);
            match (known, done.checked_sub(1)) {
                (Some(stored), _) => break stored,
                (None, Some(less)) => done = less,
                (None, None) => break InMemory::new(),
            }
        };
        let shared = Arc::new(stored);
        let store = Store::over(Arc::clone(&shared) as Arc<_>);
        if done == 0 {
            Site::init_in(store.clone(), &self.keys, &self.origin, self.made).map_err(told)?;
        }
        for (nth, act) in order.iter().enumerate().skip(done) {
            let act = acts[*act];
            one_thread(|| self.attempt(act, store.clone(), act.now))
                .map_err(|e| format!("`{}` fails undisturbed: {e}", act.name))?;
            self.known.lock().unwrap().insert(order[..=nth].to_vec(), shared.fork());
        }
        self.open(store, self.made)
    }
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

fn times(site: &Site) -> Result<Vec<Instant>, String> {
    let reader = reader(site)?;
    let entry = |index| {
        let time = reader.entry(index).map_err(told)?.time();
        time.ok_or_else(|| format!("entry {index} has no time"))
    };
    (0..reader.checkpoint().size).map(entry).collect()
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
