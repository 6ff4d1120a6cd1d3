//! What all tasks of a network share: its links, its bounds, and the queue towards Python.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use super::certificate::Key;
use super::counts::Counts;
use super::frame::Limits;
use super::gate::{Gate, Pass, Turned};
use super::half_frames::HalfFrames;
use super::half_open::HalfOpen;
use super::inbox::{Event, Inbox, what};
use super::link::Link;
use super::listen::Arrival;
use super::quic;
use super::task::LinkTask;
use super::wire::Wire;

/// Frames that have begun may hold so many times what may wait for Python.
const HALF_FRAMES: usize = 4;

/// What Python settles once.
pub struct Settings {
    /// The greatest length for each type, and what goes to files.
    pub limits: Limits,
    /// Where those files go.
    pub spool_folder: PathBuf,
    /// Bytes that may wait for Python, in all and of one link.
    pub inbox_bytes: usize,
    /// See `inbox_bytes`.
    pub link_inbox_bytes: usize,
    /// Bytes that should wait towards a peer at most.
    pub link_outbox_bytes: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// About so many may be under way.
    pub most_half_open: usize,
    /// Threads that move bytes.
    pub workers: usize,
    /// What only QUIC knows.
    pub quic: quic::Settings,
}

/// What all tasks share.
pub struct Shared {
    /// Events on their way to Python.
    pub inbox: Inbox,
    /// The frame limits.
    pub limits: Limits,
    /// Where long bodies go.
    pub spool_folder: PathBuf,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// Handshakes under way.
    pub half_open: Arc<HalfOpen>,
    /// Who may connect.
    pub gate: Arc<Gate>,
    /// What happened.
    pub counts: Counts,
    /// Frames that have begun.
    pub half_frames: HalfFrames,
    /// How QUIC connections behave.
    pub quic: quic::Settings,
    /// Those of its handshakes that are under way.
    pub quic_under_way: AtomicUsize,
    /// UDP sockets that are still in use.
    pub endpoints: quic::Endpoints,
    link_inbox_bytes: usize,
    link_outbox_bytes: usize,
    links: RwLock<HashMap<u64, Arc<Link>>>,
    next: AtomicU64,
    live: AtomicUsize,
    quiet: Notify,
    stopping: AtomicBool,
}

impl Shared {
    /// Nothing is open yet.
    pub fn new(settings: Settings) -> io::Result<Self> {
        Ok(Self {
            inbox: Inbox::new(settings.inbox_bytes)?,
            limits: settings.limits,
            spool_folder: settings.spool_folder,
            handshake: settings.handshake,
            half_open: Arc::new(HalfOpen::new(settings.most_half_open)),
            gate: Arc::default(),
            counts: Counts::default(),
            half_frames: HalfFrames::new(settings.inbox_bytes.saturating_mul(HALF_FRAMES)),
            quic: settings.quic,
            quic_under_way: AtomicUsize::new(0),
            endpoints: quic::Endpoints::default(),
            link_inbox_bytes: settings.link_inbox_bytes,
            link_outbox_bytes: settings.link_outbox_bytes,
            links: RwLock::default(),
            next: AtomicU64::new(1),
            live: AtomicUsize::new(0),
            quiet: Notify::new(),
            stopping: AtomicBool::new(false),
        })
    }

    /// A number that no link has or will have.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A new link in the table.
    pub fn add_link(&self, accepted: bool, peer: Option<SocketAddr>) -> Arc<Link> {
        let link = Arc::new(Link::new(
            self.number(),
            accepted,
            self.link_inbox_bytes,
            self.link_outbox_bytes,
        ));
        if let Some(peer) = peer {
            // The link is new: nobody has set it.
            let _ = link.peer.set(peer);
        }
        let mut links = self
            .links
            .write()
            .unwrap_or_else(|broken| broken.into_inner());
        links.insert(link.number, Arc::clone(&link));
        link
    }

    /// The link of somebody who was let in; it counts until the link is forgotten.
    pub fn add_link_of(&self, arrival: Arrival) -> Arc<Link> {
        let link = self.add_link(true, Some(arrival.peer));
        // It is new: nobody has set it.
        let _ = link.pass.set(arrival.pass);
        link
    }

    /// What counts somebody who may connect; nothing if he may not.
    pub fn let_in(&self, peer: SocketAddr) -> Option<Pass> {
        let entered = self.gate.enter(peer);
        match &entered {
            Ok(_) => self.counts.accepted(),
            Err(Turned::Blocked) => self.counts.blocked(),
            Err(Turned::Paced) => self.counts.paced(),
        }
        entered.ok()
    }

    /// Waits while Python has more to do than fits the queue.
    pub async fn until_room(&self) {
        let number = self.number();
        poll_fn(|cx| self.inbox.poll_room(number, cx)).await;
    }

    /// Bytes queued towards all peers.
    pub fn pending(&self) -> usize {
        self.with_links(|links| links.filter_map(|link| link.pending()).sum())
    }

    /// The links with most bytes queued towards their peers, and how many.
    pub fn heaviest(&self, most: usize) -> Vec<(u64, usize)> {
        let mut all: Vec<(u64, usize)> = self.with_links(|links| {
            links
                .filter_map(|link| Some((link.number, link.pending()?)))
                .filter(|(_, bytes)| *bytes > 0)
                .collect()
        });
        all.sort_unstable_by_key(|(number, bytes)| (usize::MAX - *bytes, *number));
        all.truncate(most);
        all
    }

    fn with_links<R>(&self, work: impl FnOnce(&mut dyn Iterator<Item = &Link>) -> R) -> R {
        let links = self
            .links
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        work(&mut links.values().map(AsRef::as_ref))
    }

    /// The link of that number, until its end was handed out.
    pub fn link(&self, number: u64) -> Option<Arc<Link>> {
        let links = self
            .links
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        links.get(&number).cloned()
    }

    /// Queues a frame of `total` bytes (its header, and `body`) for each (link, query id); the indexes of those for
    /// whom nothing was.
    pub fn deliver(
        &self,
        kind: u8,
        total: u32,
        body: &Bytes,
        targets: &[(u64, u16)],
    ) -> Vec<usize> {
        let [a, b, c, d] = total.to_le_bytes();
        let links = self
            .links
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        let mut refused = Vec::new();
        for (index, (number, query)) in targets.iter().enumerate() {
            let [low, high] = query.to_le_bytes();
            let head = [kind, 0, low, high, a, b, c, d];
            if !links
                .get(number)
                .is_some_and(|link| link.deliver(head, body))
            {
                refused.push(index);
            }
        }
        refused
    }

    /// Tells Python that the link is open, and lets it run.
    pub fn open(self: &Arc<Self>, link: Arc<Link>, wire: impl Wire, key: Option<Key>) {
        self.begin(link, wire, key, None);
    }

    /// The same for a link whose HTTP head (with the byte of its mode) is to be answered first.
    pub fn open_upgrade(
        self: &Arc<Self>,
        link: Arc<Link>,
        wire: impl Wire,
        key: Option<Key>,
        head: Bytes,
    ) {
        link.ask_upgrade();
        self.begin(link, wire, key, Some(head));
    }

    fn begin(
        self: &Arc<Self>,
        link: Arc<Link>,
        wire: impl Wire,
        key: Option<Key>,
        head: Option<Bytes>,
    ) {
        let task = LinkTask::new(wire, Arc::clone(&link), Arc::clone(self));
        let key = key.map_or_else(Bytes::new, |key| Bytes::copy_from_slice(&key));
        let opened = (what::OPENED, key);
        let told = std::iter::once(opened).chain(head.map(|head| (what::UPGRADE, head)));
        let mut events = told
            .map(|(what, data)| Event {
                link: Arc::clone(&link),
                what,
                data,
            })
            .collect();
        self.inbox.push(&mut events);
        // A task of its own: that of the handshake would keep its much larger state for ever.
        tokio::spawn(task);
    }

    /// Queues one event.
    pub fn tell(&self, link: Arc<Link>, what: u16, data: Bytes) {
        self.inbox.push_one(Event { link, what, data });
    }

    /// Whether `stop` was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// A link's task begins.
    pub fn link_began(&self) {
        self.live.fetch_add(1, Ordering::SeqCst);
    }

    /// A link's task has ended.
    pub fn link_ended(&self) {
        if self.live.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.quiet.notify_one();
        }
    }

    /// From now on no link begins.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Lets all links send what is queued and close.
    pub fn close_all(&self) {
        self.for_all(Link::close);
    }

    /// Waits until no link's task runs.
    pub async fn until_quiet(&self) {
        while self.live.load(Ordering::SeqCst) > 0 {
            self.quiet.notified().await;
        }
    }

    fn for_all(&self, work: impl Fn(&Link)) {
        let links = self
            .links
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        for link in links.values() {
            work(link);
        }
    }

    /// Takes links out of the table whose end was handed out a poll ago, and drops their files.
    pub fn forget(&self, ended: &[Arc<Link>]) {
        if ended.is_empty() {
            return;
        }
        let mut links = self
            .links
            .write()
            .unwrap_or_else(|broken| broken.into_inner());
        for link in ended {
            links.remove(&link.number);
            link.forget_spooled();
        }
    }
}
