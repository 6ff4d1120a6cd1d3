//! The network as a whole: one runtime, its links, listeners and dials.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::certificate::Key;
use super::dial::{Dial, dial};
use super::dial_tcp;
use super::frame::Limits;
use super::half_frames::HalfFrames;
use super::half_open::HalfOpen;
use super::inbox::{Event, Inbox, what};
use super::link::Link;
use super::listen::{Greets, accept, bind};
use super::listeners::{Listeners, Transport};
use super::lock;
use super::quic;
use super::task::LinkTask;
use super::tls::ServerConfigs;
use super::wire::Wire;
use super::ws;

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
    pub half_open: HalfOpen,
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

    /// The link of that number, until its end was handed out.
    pub fn link(&self, number: u64) -> Option<Arc<Link>> {
        let links = self
            .links
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        links.get(&number).cloned()
    }

    /// Runs the links of `targets` with their places; those not in the table are told as none.
    pub fn for_links<'a, T>(
        &self,
        targets: impl Iterator<Item = (u64, T)> + 'a,
        mut work: impl FnMut(usize, Option<&Link>, T),
    ) {
        let links = self
            .links
            .read()
            .unwrap_or_else(|broken| broken.into_inner());
        for (index, (number, target)) in targets.enumerate() {
            work(index, links.get(&number).map(AsRef::as_ref), target);
        }
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

    /// Whether `shutdown` has begun.
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

    async fn until_quiet(&self) {
        while self.live.load(Ordering::SeqCst) > 0 {
            self.quiet.notified().await;
        }
    }
}

/// Sockets, TLS and framing behind one queue of events.
pub struct Engine {
    shared: Arc<Shared>,
    runtime: Mutex<Option<Runtime>>,
    listeners: Listeners,
}

impl Engine {
    /// Starts the threads.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(settings.workers)
            .max_blocking_threads(32)
            .thread_name("mosaic-net")
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            inbox: Inbox::new(settings.inbox_bytes)?,
            limits: settings.limits,
            spool_folder: settings.spool_folder,
            handshake: settings.handshake,
            half_open: HalfOpen::default(),
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
        });
        Ok(Self {
            shared,
            runtime: Mutex::new(Some(runtime)),
            listeners: Listeners::default(),
        })
    }

    /// The links and their events.
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn with_runtime<R>(&self, work: impl FnOnce(&Runtime) -> R) -> io::Result<R> {
        match &*lock(&self.runtime) {
            Some(runtime) => Ok(work(runtime)),
            None => Err(io::Error::other(
                "the network was shut down; make a new one",
            )),
        }
    }

    /// Listens on a host and port (0 picks one) with the key of `seed`; the port.
    pub fn listen_tcp(&self, host: &str, port: u16, seed: &[u8; 32]) -> io::Result<u16> {
        let configs = ServerConfigs::new(seed).map_err(io::Error::other)?;
        self.listen_stream(Transport::Tcp, host, port, configs)
    }

    /// Listens for WebSockets on a host and port (0 picks one); the port.
    pub fn listen_ws(&self, host: &str, port: u16, door: ws::Door) -> io::Result<u16> {
        self.listen_stream(Transport::Ws, host, port, door)
    }

    fn listen_stream(
        &self,
        transport: Transport,
        host: &str,
        port: u16,
        door: impl Greets,
    ) -> io::Result<u16> {
        let (listener, address) = self.with_runtime(|runtime| {
            runtime.block_on(async {
                let listener = bind(host, port).await?;
                let address = listener.local_addr()?;
                io::Result::Ok((listener, address))
            })
        })??;
        let accepting = accept(Arc::clone(&self.shared), listener, Arc::new(door));
        let task = self.with_runtime(|runtime| runtime.spawn(accepting).abort_handle())?;
        self.listeners.add(transport, address, task);
        Ok(address.port())
    }

    /// The address of the listener on that port.
    pub fn listen_address(&self, transport: Transport, port: u16) -> Option<SocketAddr> {
        self.listeners.address(transport, port)
    }

    /// Listens with QUIC, like `listen_tcp`.
    pub fn listen_quic(&self, host: &str, port: u16, seed: &[u8; 32]) -> io::Result<u16> {
        let shared = Arc::clone(&self.shared);
        let (endpoint, address, task) = self.with_runtime(|runtime| {
            let bound = quic::bind(host, port, seed, &shared.quic);
            let (endpoint, address) = runtime.block_on(bound)?;
            let task = runtime.spawn(quic::accept(shared, endpoint.clone()));
            io::Result::Ok((endpoint, address, task.abort_handle()))
        })??;
        self.listeners.add_quic(endpoint, address, task);
        Ok(address.port())
    }

    /// Ends all listeners; links stay.
    pub fn stop_listening(&self) {
        for endpoint in self.listeners.stop() {
            let shared = Arc::clone(&self.shared);
            // Nothing is left to keep when the network is shut down.
            let _ = self.with_runtime(|runtime| {
                runtime.spawn(async move { shared.endpoints.keep(shared.number(), endpoint).await })
            });
        }
    }

    /// Begins to connect; the link's number.
    pub fn dial_tcp(&self, plan: Dial) -> io::Result<u64> {
        self.with_runtime(|runtime| {
            let link = self.shared.add_link(false, None);
            let number = link.number;
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move {
                let connect = dial_tcp::connect(&link, &plan);
                dial(shared, Arc::clone(&link), plan.patience, connect).await;
            });
            number
        })
    }

    /// Begins to connect and to ask for a WebSocket; the link's number.
    pub fn dial_ws(&self, plan: Dial, asked: ws::Upgrade) -> io::Result<u64> {
        self.with_runtime(|runtime| {
            let link = self.shared.add_link(false, None);
            let number = link.number;
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move {
                let connect = ws::connect(&link, &plan, &asked);
                dial(shared, Arc::clone(&link), plan.patience, connect).await;
            });
            number
        })
    }

    /// Like `dial_tcp`, with QUIC: a connection and its first stream.
    pub fn dial_quic(&self, plan: Dial) -> io::Result<u64> {
        self.with_runtime(|runtime| {
            let link = self.shared.add_link(false, None);
            let number = link.number;
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move {
                let connect = quic::connect(&shared, &link, &plan);
                dial(
                    Arc::clone(&shared),
                    Arc::clone(&link),
                    plan.patience,
                    connect,
                )
                .await;
            });
            number
        })
    }

    /// Begins to open another stream of the connection to a server; the link's number.
    pub fn open_stream(&self, peer: Arc<quic::Peer>, patience: Duration) -> io::Result<u64> {
        self.with_runtime(|runtime| {
            let address = peer.connection.remote_address();
            let link = self.shared.add_link(false, Some(address));
            // It is new: nobody has set it.
            let _ = link.quic.set(Arc::downgrade(&peer));
            let number = link.number;
            let shared = Arc::clone(&self.shared);
            let open = quic::open_stream(peer);
            runtime.spawn(dial(shared, link, patience, open));
            number
        })
    }

    /// Stops listening, lets queues drain for at most that long, ends all threads.
    pub fn shutdown(&self, patience: Duration) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.stop_listening();
        let Some(runtime) = lock(&self.runtime).take() else {
            return;
        };
        self.shared.for_all(Link::close);
        runtime.block_on(async {
            // Whoever is not done by then is dropped with the runtime.
            let _ = timeout(patience, self.shared.until_quiet()).await;
            self.shared.endpoints.goodbye().await;
        });
        runtime.shutdown_timeout(Duration::from_millis(500));
    }
}

impl Shared {
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

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}
