//! Accepts TCP connections and leads them through the handshake.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::Connection;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;

use super::gate::Pass;
use super::half_open::Place;
use super::shared::Shared;
use super::socket;
use super::tcp::TlsWire;
use super::tls::{ServerConfigs, proven_key};

/// Connections that the system keeps until they are accepted.
const BACKLOG: u32 = 1_024;
/// How long to wait when the system has no more descriptors or memory.
const BREATH: Duration = Duration::from_millis(100);

/// Listens on the first address of `host` that works.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((host, port)).await? {
        match bind_one(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Who was let in, and what counts him.
pub struct Arrival {
    /// Where he comes from.
    pub peer: SocketAddr,
    /// Kept as long as the connection.
    pub pass: Pass,
    /// Kept as long as the handshake.
    pub place: Place,
}

/// Leads connections of one listener through their handshake.
pub trait Greets: Send + Sync + 'static {
    /// Opens a link for a connection, or lets it go.
    fn greet(
        self: Arc<Self>,
        shared: Arc<Shared>,
        stream: TcpStream,
        arrival: Arrival,
    ) -> impl Future<Output = ()> + Send;
}

/// Accepts for ever and lets in whom the gate does. Whoever has been led to a link waits there while
/// Python has more to do than fits the queue: nobody waits behind those who say nothing.
pub async fn accept(shared: Arc<Shared>, listener: TcpListener, door: Arc<impl Greets>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                sleep(BREATH).await;
                continue;
            }
        };
        let Some(pass) = shared.let_in(peer) else {
            continue;
        };
        let place = shared.half_open.place(peer).await;
        let number = place.number();
        let arrival = Arrival { peer, pass, place };
        let handshake = Arc::clone(&door).greet(Arc::clone(&shared), stream, arrival);
        let task = tokio::spawn(handshake).abort_handle();
        shared.half_open.begun(number, task);
    }
}

impl Greets for ServerConfigs {
    async fn greet(self: Arc<Self>, shared: Arc<Shared>, stream: TcpStream, arrival: Arrival) {
        // A handshake that fails is nobody's business here: the peer got its alert.
        match timeout(shared.handshake, handshake(stream, &self)).await {
            Ok(Ok((stream, tls, key))) => {
                shared.until_room().await;
                if !shared.is_stopping() {
                    let link = shared.add_link_of(arrival);
                    shared.open(link, TlsWire::new(stream, tls), key);
                }
            }
            _ => shared.counts.handshake_failed(),
        }
    }
}

type Greeted = (TcpStream, Connection, Option<super::certificate::Key>);

async fn handshake(stream: TcpStream, configs: &ServerConfigs) -> io::Result<Greeted> {
    socket::prepare(&stream)?;
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let (config, form) = configs.choose(&start.client_hello());
    let (stream, tls) = start.into_stream(config).await?.into_inner();
    let key = proven_key(&tls, form);
    Ok((stream, Connection::Server(tls), key))
}
