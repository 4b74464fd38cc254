//! A store that fails as real ones do: requests refused, answered twice, answered with an error though
//! they were done, done long after they were given up; listings of a while ago; a process that dies
//! before, after or amid a request.
//!
//! Comes in: an `InMemory` store, which is what would survive, and a seed. Goes out: an `ObjectStore`.
//! Never: a fault that a store which keeps its promises could not show: what was written whole stays
//! whole, and of many that create one object one wins.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use bytes::Bytes;
use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream::BoxStream,
};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart, memory::InMemory, path::Path,
};

use super::{dice::Dice, gate::Gate};

/// How many requests later a request that was given up is done after all, at the most.
const LATE_MAX: usize = 40;

/// How many of the newest objects are missing from a listing that is told to be behind.
const BEHIND: usize = 30;

/// What all processes share: what is stored, and what is still on its way there.
#[derive(Debug)]
pub(crate) struct Disk {
    /// What is stored.
    pub(crate) stored: Arc<InMemory>,
    late: Mutex<Vec<Late>>,
    /// The paths that came to be, oldest first.
    made: Mutex<Vec<Path>>,
    /// How often each fault struck.
    struck: Mutex<BTreeMap<&'static str, u64>>,
}

/// A write that its process gave up, on its way.
#[derive(Debug)]
struct Late {
    requests_left: usize,
    path: Path,
    payload: PutPayload,
    options: PutOptions,
}

impl Disk {
    /// Takes what is stored, each object as old as the store says.
    pub(crate) fn new(stored: InMemory) -> Arc<Self> {
        let listed = stored.list(None).try_collect::<Vec<_>>().now_or_never();
        let mut listed = listed.unwrap().unwrap();
        listed.sort_by_key(|meta| meta.last_modified);
        Arc::new(Self {
            stored: Arc::new(stored),
            late: Mutex::default(),
            made: Mutex::new(listed.into_iter().map(|meta| meta.location).collect()),
            struck: Mutex::default(),
        })
    }

    /// Returns how often each fault struck.
    pub(crate) fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.struck.lock().unwrap().clone()
    }

    fn strike(&self, fault: &'static str) {
        *self.struck.lock().unwrap().entry(fault).or_default() += 1;
    }

    async fn put(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let done = self.stored.put_opts(path, payload, options).await?;
        self.made.lock().unwrap().push(path.clone());
        Ok(done)
    }

    /// Does what is due of the late writes, or all of them.
    pub(crate) async fn arrive(&self, all: bool) {
        let mut due = Vec::new();
        {
            let mut late = self.late.lock().unwrap();
            for mut write in std::mem::take(&mut *late) {
                if all || write.requests_left == 0 {
                    due.push(write);
                } else {
                    write.requests_left -= 1;
                    late.push(write);
                }
            }
        }
        for write in due {
            // An object that is there by now keeps the late creation out.
            let _done = self.put(&write.path, write.payload, write.options).await;
        }
    }
}

/// How one process is disturbed.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// The seed of its faults.
    pub(crate) seed: u64,
    /// What tells it from the other processes of the seed.
    pub(crate) name: String,
    /// One request in so many meets a fault; none if zero.
    pub(crate) one_in: usize,
    /// It dies at this write, counted from zero, before or after it is done.
    pub(crate) dies_at: Option<(usize, When)>,
    /// This listing, counted from zero, is behind by the newest objects of the store.
    pub(crate) behind_at: Option<usize>,
}

impl Trouble {
    /// No trouble at all.
    pub(crate) fn none() -> Self {
        Self { seed: 0, name: String::new(), one_in: 0, dies_at: None, behind_at: None }
    }
}

/// On which side of a write a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing was done.
    Before,
    /// It was done, and nobody was told.
    After,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is refused.
    Refused,
    /// It is done, and its answer is lost.
    AnswerLost,
    /// It reaches the store twice, and the second answer is the one that comes back.
    Twice,
    /// It is given up, and done later.
    Late,
    /// A listing of a while ago.
    Stale,
    /// A body that ends too early.
    Torn,
}

/// What happens beside a process.
pub(crate) type Meanwhile = Box<dyn Fn() + Send + Sync>;

/// The store as one process sees it.
pub(crate) struct FaultStore {
    disk: Arc<Disk>,
    trouble: Trouble,
    gate: Option<(Arc<Gate>, usize)>,
    writes: Arc<AtomicUsize>,
    listings: AtomicUsize,
    dead: Arc<AtomicBool>,
    /// What happens while it waits for the answer to a request, counted from zero.
    meanwhile: Option<(usize, Meanwhile)>,
    requests: AtomicUsize,
    /// How often each object was asked for, so that a fault does not depend on what others do.
    asked: Mutex<BTreeMap<String, usize>>,
}

impl FaultStore {
    /// Opens the disk for one process.
    pub(crate) fn new(
        disk: &Arc<Disk>,
        trouble: Trouble,
        gate: Option<(Arc<Gate>, usize)>,
    ) -> Self {
        Self {
            disk: Arc::clone(disk),
            trouble,
            gate,
            writes: Arc::default(),
            listings: AtomicUsize::new(0),
            dead: Arc::default(),
            meanwhile: None,
            requests: AtomicUsize::new(0),
            asked: Mutex::default(),
        }
    }

    /// Opens the disk for a process beside which something else happens: before its `nth` request is done.
    pub(crate) fn beside(disk: &Arc<Disk>, nth: usize, meanwhile: Meanwhile) -> Self {
        Self { meanwhile: Some((nth, meanwhile)), ..Self::new(disk, Trouble::none(), None) }
    }

    /// Begins a request: waits for its turn, and draws what happens to it.
    async fn begin(&self, act: &str, path: &str, faults: &[Fault]) -> Result<Option<Fault>> {
        if let Some((gate, writer)) = &self.gate {
            gate.enter(*writer);
        }
        if self.dead.load(Ordering::SeqCst) {
            return Err(failed("the process is dead"));
        }
        let nth = self.requests.fetch_add(1, Ordering::SeqCst);
        if let Some((_, meanwhile)) = self.meanwhile.as_ref().filter(|(at, _)| *at == nth) {
            // On a thread of its own: this one belongs to the request.
            thread::scope(|scope| scope.spawn(meanwhile).join()).unwrap();
        }
        self.disk.arrive(false).await;
        if self.trouble.one_in == 0 {
            return Ok(None);
        }
        let key = format!("{act} {path}");
        let nth = {
            let mut asked = self.asked.lock().unwrap();
            let count = asked.entry(key.clone()).or_default();
            *count += 1;
            *count
        };
        let mut dice = Dice::new(self.trouble.seed, &[&self.trouble.name, &key, &nth.to_string()]);
        Ok(dice.once_in(self.trouble.one_in).then(|| faults[dice.below(faults.len())]))
    }

    /// Counts a write; says on which side of it the process dies.
    fn count(&self) -> Option<When> {
        let nth = self.writes.fetch_add(1, Ordering::SeqCst);
        let when = self.trouble.dies_at.filter(|(at, _)| *at == nth).map(|(_, when)| when);
        if when.is_some() {
            self.dead.store(true, Ordering::SeqCst);
            self.disk.strike(match when {
                Some(When::After) => "died after a write",
                Some(When::Before) | None => "died before a write",
            });
        }
        when
    }

    async fn write(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        const FAULTS: [Fault; 4] = [Fault::Refused, Fault::AnswerLost, Fault::Twice, Fault::Late];
        let fault = self.begin("put", path.as_ref(), &FAULTS).await?;
        if let Some(when) = self.count() {
            if when == When::After {
                let _done = self.disk.put(path, payload, options).await;
            }
            return Err(failed("the process is dead"));
        }
        match fault {
            None | Some(Fault::Stale | Fault::Torn) => self.disk.put(path, payload, options).await,
            Some(Fault::Refused) => {
                self.disk.strike("refused");
                Err(failed("503 before the write"))
            }
            Some(Fault::AnswerLost) => {
                self.disk.strike("answer lost");
                let _done = self.disk.put(path, payload, options).await;
                Err(failed("503 after the write"))
            }
            Some(Fault::Twice) => {
                self.disk.strike("done twice");
                let _first = self.disk.put(path, payload.clone(), options.clone()).await;
                self.disk.put(path, payload, options).await
            }
            Some(Fault::Late) => {
                self.disk.strike("done late");
                let mut dice = Dice::new(self.trouble.seed, &["late", path.as_ref()]);
                let requests_left = dice.below(LATE_MAX);
                let late = Late { requests_left, path: path.clone(), payload, options };
                self.disk.late.lock().unwrap().push(late);
                Err(failed("timeout"))
            }
        }
    }

    /// What a listing shows: of a stale one the newest objects are missing.
    async fn listed(&self, prefix: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        const FAULTS: [Fault; 3] = [Fault::Refused, Fault::Stale, Fault::Stale];
        let name = prefix.map(ToString::to_string).unwrap_or_default();
        let fault = self.begin("list", &name, &FAULTS).await?;
        let mut all: Vec<ObjectMeta> = self.disk.stored.list(prefix).try_collect().await?;
        let nth = self.listings.fetch_add(1, Ordering::SeqCst);
        if self.trouble.behind_at == Some(nth) {
            self.disk.strike("stale list");
            let made = self.disk.made.lock().unwrap();
            let unseen = &made[made.len().saturating_sub(BEHIND)..];
            all.retain(|meta| !unseen.contains(&meta.location));
        }
        match fault {
            Some(Fault::Refused) => {
                self.disk.strike("refused");
                return Err(failed("503"));
            }
            Some(Fault::Stale) => {
                self.disk.strike("stale list");
                let mut dice = Dice::new(self.trouble.seed, &["stale", &name]);
                let made = self.disk.made.lock().unwrap();
                let unseen = dice.below(made.len().min(30) + 1);
                let unseen = &made[made.len() - unseen..];
                all.retain(|meta| !unseen.contains(&meta.location));
            }
            None | Some(Fault::AnswerLost | Fault::Twice | Fault::Late | Fault::Torn) => {}
        }
        Ok(all)
    }
}

fn failed(why: &'static str) -> Error {
    Error::Generic { store: "fault", source: why.into() }
}

impl fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultStore").field("trouble", &self.trouble).finish_non_exhaustive()
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultStore")
    }
}

/// A future as the trait's asynchronous methods return it.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl ObjectStore for FaultStore {
    fn put_opts<'s, 'l, 'a>(
        &'s self,
        location: &'l Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Answer<'a, PutResult>
    where
        's: 'a,
        'l: 'a,
        Self: 'a,
    {
        self.write(location, payload, options).boxed()
    }

    fn put_multipart_opts<'s, 'l, 'a>(
        &'s self,
        location: &'l Path,
        _options: PutMultipartOptions,
    ) -> Answer<'a, Box<dyn MultipartUpload>>
    where
        's: 'a,
        'l: 'a,
        Self: 'a,
    {
        let upload = Upload {
            disk: Arc::clone(&self.disk),
            path: location.clone(),
            parts: Vec::new(),
            dies_at: self.trouble.dies_at,
            writes: Arc::clone(&self.writes),
            dead: Arc::clone(&self.dead),
        };
        async move { Ok(Box::new(upload) as Box<dyn MultipartUpload>) }.boxed()
    }

    fn get_opts<'s, 'l, 'a>(
        &'s self,
        location: &'l Path,
        options: GetOptions,
    ) -> Answer<'a, GetResult>
    where
        's: 'a,
        'l: 'a,
        Self: 'a,
    {
        const FAULTS: [Fault; 2] = [Fault::Refused, Fault::Torn];
        async move {
            match self.begin("get", location.as_ref(), &FAULTS).await? {
                Some(Fault::Refused) => {
                    self.disk.strike("refused");
                    Err(failed("503"))
                }
                Some(Fault::Torn) => {
                    self.disk.strike("torn read");
                    let mut got = self.disk.stored.get_opts(location, options).await?;
                    let half = got.range.start + (got.range.end - got.range.start) / 2;
                    let first = self.disk.stored.get_range(location, got.range.start..half).await;
                    let broken = [first, Err(failed("the connection was closed"))];
                    got.payload = object_store::GetResultPayload::Stream(
                        futures::stream::iter(broken).boxed(),
                    );
                    Ok(got)
                }
                None | Some(Fault::AnswerLost | Fault::Twice | Fault::Late | Fault::Stale) => {
                    self.disk.stored.get_opts(location, options).await
                }
            }
        }
        .boxed()
    }

    fn get_ranges<'s, 'l, 'r, 'a>(
        &'s self,
        location: &'l Path,
        ranges: &'r [Range<u64>],
    ) -> Answer<'a, Vec<Bytes>>
    where
        's: 'a,
        'l: 'a,
        'r: 'a,
        Self: 'a,
    {
        async move {
            match self.begin("ranges", location.as_ref(), &[Fault::Refused]).await? {
                Some(_) => {
                    self.disk.strike("refused");
                    Err(failed("503"))
                }
                None => self.disk.stored.get_ranges(location, ranges).await,
            }
        }
        .boxed()
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let when = self.count();
        if self.dead.load(Ordering::SeqCst) && when != Some(When::After) {
            return futures::stream::iter([Err(failed("the process is dead"))]).boxed();
        }
        let deleted = self.disk.stored.delete_stream(locations);
        if when == Some(When::After) {
            return deleted.map(|_| Err(failed("the process is dead"))).boxed();
        }
        deleted
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        // The listing is taken at once: a stream would have to outlive the borrow.
        match self.listed(prefix).now_or_never() {
            Some(Ok(all)) => futures::stream::iter(all.into_iter().map(Ok)).boxed(),
            Some(Err(error)) => futures::stream::iter([Err(error)]).boxed(),
            None => futures::stream::iter([Err(failed("the memory store waited"))]).boxed(),
        }
    }

    fn list_with_delimiter<'s, 'p, 'a>(&'s self, prefix: Option<&'p Path>) -> Answer<'a, ListResult>
    where
        's: 'a,
        'p: 'a,
        Self: 'a,
    {
        self.disk.stored.list_with_delimiter(prefix)
    }

    fn copy_opts<'s, 'f, 't, 'a>(
        &'s self,
        from: &'f Path,
        to: &'t Path,
        options: CopyOptions,
    ) -> Answer<'a, ()>
    where
        's: 'a,
        'f: 'a,
        't: 'a,
        Self: 'a,
    {
        self.disk.stored.copy_opts(from, to, options)
    }
}

/// A write in parts: nothing is there before the last.
#[derive(Debug)]
struct Upload {
    disk: Arc<Disk>,
    path: Path,
    parts: Vec<PutPayload>,
    dies_at: Option<(usize, When)>,
    writes: Arc<AtomicUsize>,
    dead: Arc<AtomicBool>,
}

impl Upload {
    fn dies(&self) -> Result<()> {
        let nth = self.writes.fetch_add(1, Ordering::SeqCst);
        if self.dies_at.is_some_and(|(at, _)| at == nth) {
            self.dead.store(true, Ordering::SeqCst);
            self.disk.strike("died amid a write in parts");
        }
        if self.dead.load(Ordering::SeqCst) { Err(failed("the process is dead")) } else { Ok(()) }
    }
}

impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let done = self.dies();
        self.parts.push(data);
        async move { done }.boxed()
    }

    fn complete<'s, 'a>(&'s mut self) -> BoxFuture<'a, Result<PutResult>>
    where
        's: 'a,
        Self: 'a,
    {
        async move {
            self.dies()?;
            let all: PutPayload = self.parts.iter().flat_map(|part| part.iter().cloned()).collect();
            self.disk.put(&self.path, all, PutOptions::from(PutMode::Overwrite)).await
        }
        .boxed()
    }

    fn abort<'s, 'a>(&'s mut self) -> BoxFuture<'a, Result<()>>
    where
        's: 'a,
        Self: 'a,
    {
        self.parts.clear();
        async { Ok(()) }.boxed()
    }
}
