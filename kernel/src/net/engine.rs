//! The network as a whole: one runtime, its listeners and dials.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::dial::{Dial, dial};
use super::dial_tcp;
use super::listen::{Greets, accept, bind};
use super::listeners::{Listeners, Transport};
use super::lock;
use super::quic;
use super::shared::{Settings, Shared};
use super::tls::ServerConfigs;
use super::ws;

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
        let shared = Arc::new(Shared::new(settings)?);
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
            // Nothing is left to keep when the network is shut down.
            let _ = self.with_runtime(|runtime| {
                let _inside = runtime.enter();
                quic::keep(&self.shared, endpoint);
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
        self.shared.stop();
        self.stop_listening();
        let Some(runtime) = lock(&self.runtime).take() else {
            return;
        };
        self.shared.close_all();
        runtime.block_on(async {
            // Whoever is not done by then is dropped with the runtime.
            let quiet = timeout(patience, self.shared.until_quiet()).await;
            self.shared.endpoints.goodbye(quiet.is_ok()).await;
        });
        runtime.shutdown_timeout(Duration::from_millis(500));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}
