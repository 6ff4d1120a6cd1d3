//! Our node in the DHT: a thread that carries look-ups and writes, some at a time.
//!
//! The crate's own thread may end by a panic; then a new node is made after a pause.
//! Making one asks the system's resolver, so it happens beside everything else.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mainline::async_dht::AsyncDht;
use mainline::{DEFAULT_BOOTSTRAP_NODES, Dht, MutableItem};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout};

use super::inbox::{Event, Inbox, What};
use super::meter::{self, Passed};
use super::waker::Waker;
use super::{entry, lock, work};

/// Jobs that may be open at a time, those that wait included.
pub const MOST_OPEN: usize = 1_024;
/// Look-ups and writes under way at a time.
const AT_A_TIME: usize = 24;
/// The time between the beginnings of two jobs: each sends some forty packets at once, and where their answers come
/// at once as well, more of them than the socket's buffer holds would be lost.
const SPACING: Duration = Duration::from_millis(10);
/// A job ends after so many request timeouts and some patience, whatever the network says.
const DEADLINE_TIMEOUTS: u32 = 6;
const DEADLINE_PATIENCE: Duration = Duration::from_secs(8);
/// A node that can't be made, or has ended, is made anew after a pause; the pauses double.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// Who knows nobody for so long enters again: names may mean other addresses by now.
const LONGEST_ALONE: Duration = Duration::from_secs(120);
/// Nodes are counted often while there are none, ever more rarely later.
const COUNT_FIRST: Duration = Duration::from_millis(250);
const COUNT_LAST: Duration = Duration::from_secs(16);

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HOST:PORT` of nodes to enter by; those of the public DHT if there are none.
    pub entry_nodes: Vec<String>,
    /// The address to bind.
    pub host: Ipv4Addr,
    /// The port to bind, 0 for any.
    pub port: u16,
    /// How long an asked node may take to answer.
    pub request_timeout: Duration,
    /// Whether to answer others from the beginning; else only once we are seen to be reachable.
    pub serving: bool,
}

/// What the thread and its owner share.
pub struct Shared {
    /// What waits for Python.
    pub inbox: Inbox,
    /// How many nodes we know.
    pub nodes: AtomicUsize,
    /// Where the node that runs is bound, and what passed before it ran.
    bound: Mutex<(Option<SocketAddrV4>, Passed)>,
}

impl Shared {
    /// Another node runs, or none: what passed through the former one's socket is kept.
    fn runs(&self, bound: Option<SocketAddrV4>) {
        let mut now = lock(&self.bound);
        if let Some(former) = now.0.take() {
            now.1.add(meter::end(former));
        }
        now.0 = bound;
    }
}

enum Job {
    LookUp {
        key: [u8; 32],
        salt: Vec<u8>,
    },
    Write {
        item: Box<MutableItem>,
        cas: Option<i64>,
    },
}

/// A node of the DHT. Ends when dropped.
pub struct Node {
    shared: Arc<Shared>,
    jobs: Mutex<Option<mpsc::UnboundedSender<(u64, Job)>>>,
    next: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    /// Begins to enter the DHT; whether that succeeds is told later.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            inbox: Inbox::new(MOST_OPEN)?,
            nodes: AtomicUsize::new(0),
            bound: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(1)
            .build()?;
        // Bounded by the inbox, which counts every job from its begin to its end.
        let (jobs, queue) = mpsc::unbounded_channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("mosaic-dht".into())
            .spawn(move || {
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, drive(settings, theirs, queue));
                drop(local);
                runtime.shutdown_background();
            })?;
        Ok(Self {
            shared,
            jobs: Mutex::new(Some(jobs)),
            next: AtomicU64::new(1),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What waits for Python.
    pub fn inbox(&self) -> &Inbox {
        &self.shared.inbox
    }

    /// How many nodes we know.
    pub fn nodes(&self) -> usize {
        self.shared.nodes.load(Ordering::SeqCst)
    }

    /// What has passed between us and the DHT.
    pub fn passed(&self) -> Passed {
        let now = lock(&self.shared.bound);
        let mut passed = now.1;
        passed.add(now.0.map(meter::of).unwrap_or_default());
        passed
    }

    /// Looks up an item; the job's number, or nothing if too many are open or the node has ended.
    pub fn look_up(&self, key: [u8; 32], salt: &[u8]) -> Option<u64> {
        self.begin(Job::LookUp {
            key,
            salt: salt.to_vec(),
        })
    }

    /// Writes a signed item; see `look_up`.
    pub fn write(&self, item: MutableItem, cas: Option<i64>) -> Option<u64> {
        self.begin(Job::Write {
            item: Box::new(item),
            cas,
        })
    }

    fn begin(&self, job: Job) -> Option<u64> {
        let jobs = lock(&self.jobs);
        let sender = jobs.as_ref()?;
        if !self.shared.inbox.begin() {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        sender.send((number, job)).ok()?;
        Some(number)
    }

    /// Leaves the DHT and ends the thread; open jobs are not answered any more.
    pub fn close(&self) {
        drop(lock(&self.jobs).take());
        if let Some(thread) = lock(&self.thread).take() {
            // A thread that panicked has ended too.
            let _ = thread.join();
            self.shared.runs(None);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

fn build(settings: &Settings) -> io::Result<AsyncDht> {
    let entry_nodes = if settings.entry_nodes.is_empty() {
        DEFAULT_BOOTSTRAP_NODES.map(String::from).to_vec()
    } else {
        settings.entry_nodes.clone()
    };
    let addresses = entry::resolve(&entry_nodes)?;
    let mut builder = Dht::builder();
    builder
        .bootstrap(&addresses)
        .bind_address(settings.host)
        .port(settings.port)
        .request_timeout(settings.request_timeout);
    if settings.serving {
        builder.server_mode();
    }
    builder.build().map(Dht::as_async)
}

/// A node that runs, and what wakes its thread.
#[derive(Clone)]
pub struct Run {
    /// The node.
    pub dht: AsyncDht,
    waker: Arc<Option<Waker>>,
}

impl Run {
    async fn new(dht: AsyncDht, shared: &Shared) -> Self {
        let bound = dht.info().await.local_addr();
        shared.runs(Some(bound));
        Self {
            dht,
            waker: Arc::new(Waker::new(bound).ok()),
        }
    }

    /// Sees that what was just handed over is taken up at once.
    pub fn wake(&self) {
        if let Some(waker) = self.waker.as_ref() {
            waker.wake();
        }
    }
}

/// The node that runs, or none while one is being made.
type Running = watch::Receiver<Option<Run>>;

async fn drive(
    settings: Settings,
    shared: Arc<Shared>,
    mut queue: mpsc::UnboundedReceiver<(u64, Job)>,
) {
    let deadline = settings.request_timeout * DEADLINE_TIMEOUTS + DEADLINE_PATIENCE;
    let (making, running) = watch::channel(None);
    tokio::task::spawn_local(keep_a_node(settings, Arc::clone(&shared), making));
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    let next_begin = Arc::new(tokio::sync::Mutex::new(tokio::time::Instant::now()));
    while let Some((number, job)) = queue.recv().await {
        let (shared, running, room) = (Arc::clone(&shared), running.clone(), Arc::clone(&room));
        let next_begin = Arc::clone(&next_begin);
        tokio::task::spawn_local(async move {
            // Closed never: the semaphore lives as long as its users.
            let _permit = room.acquire().await;
            {
                let mut next = next_begin.lock().await;
                sleep_until(*next).await;
                *next = tokio::time::Instant::now() + SPACING;
            }
            let ended = timeout(deadline, carry(running, Arc::clone(&shared), number, job)).await;
            shared
                .inbox
                .push(Event::new(number, What::Done, ended.unwrap_or_default()));
        });
    }
}

/// Carries one job in a task of its own, whose panic (the crate's thread has ended) ends nothing else.
async fn carry(mut running: Running, shared: Arc<Shared>, number: u64, job: Job) -> Vec<u8> {
    let found = running.wait_for(Option::is_some).await;
    let Some(run) = found.ok().and_then(|run| run.clone()) else {
        return Vec::new();
    };
    let work = tokio::task::spawn_local(async move {
        match job {
            Job::LookUp { key, salt } => {
                let outcome = work::look_up(&run, &shared, number, &key, &salt).await;
                let mut told = outcome.responded().to_le_bytes().to_vec();
                told.extend(outcome.queried.to_le_bytes());
                told
            }
            Job::Write { item, cas } => {
                let (outcome, words) = work::write(&run, *item, cas).await;
                let mut told = vec![outcome as u8];
                told.extend(words.into_bytes());
                told
            }
        }
    });
    let abort = AbortOnDrop(work.abort_handle());
    let told = work.await.unwrap_or_default();
    drop(abort);
    told
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Makes a node, and another one when it has ended by itself or found nobody for long.
async fn keep_a_node(settings: Settings, shared: Arc<Shared>, making: watch::Sender<Option<Run>>) {
    let making = Arc::new(making);
    let mut pause = FIRST_PAUSE;
    loop {
        let wanted = settings.clone();
        let built = tokio::task::spawn_blocking(move || build(&wanted)).await;
        if let Ok(Ok(dht)) = built {
            let (told, theirs) = (Arc::clone(&making), Arc::clone(&shared));
            // Ends by itself, or by the panic of a call to a thread that has ended.
            let watching = tokio::task::spawn_local(async move {
                told.send_replace(Some(Run::new(dht.clone(), &theirs).await));
                watch_over(dht, theirs).await;
            });
            pause = watching.await.map_or(pause, |()| FIRST_PAUSE);
            making.send_replace(None);
            shared.nodes.store(0, Ordering::SeqCst);
            shared.runs(None);
        }
        sleep(pause).await;
        pause = LAST_PAUSE.min(pause * 2);
    }
}

/// Counts the nodes that a node knows, ever more rarely, until it has known none for long.
async fn watch_over(dht: AsyncDht, shared: Arc<Shared>) {
    let mut pause = COUNT_FIRST;
    let mut known = Instant::now();
    while known.elapsed() < LONGEST_ALONE {
        if work::count_nodes(&dht, &shared).await > 0 {
            known = Instant::now();
            pause = COUNT_LAST.min(pause * 2);
        } else {
            pause = COUNT_FIRST;
        }
        sleep(pause).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
