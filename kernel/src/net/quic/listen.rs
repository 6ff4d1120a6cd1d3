//! Accepts connections and their streams.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quinn::{Endpoint, Incoming, RecvStream, SendStream, ServerConfig, TokioRuntime};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

use super::choose::Chooser;
use super::peer::{DONE, Peer};
use super::reset::recognise;
use super::settings::{Settings, endpoint_config};
use super::wire::QuicWire;
use crate::net::certificate::Key;
use crate::net::gate::Pass;
use crate::net::listen::Arrival;
use crate::net::shared::Shared;
use crate::net::socket;

/// Peers that may wait to be accepted; what comes beyond is ignored and tries again.
const WAITING: usize = 256;
/// Bytes that one of them may send meanwhile, and all of them.
const WAITING_BYTES: u64 = 16_384;
const ALL_WAITING_BYTES: u64 = 1_048_576;

/// Listens on the first address of `host` that works.
pub async fn bind(
    host: &str,
    port: u16,
    seed: &[u8; 32],
    settings: &Settings,
) -> io::Result<(Endpoint, SocketAddr)> {
    let chooser = Chooser::new(seed).map_err(io::Error::other)?;
    let mut config = ServerConfig::with_crypto(Arc::new(chooser));
    config
        .transport_config(settings.accepted()?)
        .migration(true)
        .max_incoming(WAITING)
        .incoming_buffer_size(WAITING_BYTES)
        .incoming_buffer_size_total(ALL_WAITING_BYTES);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((host, port)).await? {
        match bind_one(address, seed, config.clone()) {
            Ok(bound) => return Ok(bound),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(
    address: SocketAddr,
    seed: &[u8; 32],
    config: ServerConfig,
) -> io::Result<(Endpoint, SocketAddr)> {
    let udp = UdpSocket::bind(address)?;
    socket::enlarge(&udp, socket::SHARED);
    let address = udp.local_addr()?;
    let runtime = Arc::new(TokioRuntime);
    let mut endpoint = endpoint_config();
    recognise(&mut endpoint, seed, address);
    let endpoint = Endpoint::new(endpoint, Some(config), udp, runtime)?;
    Ok((endpoint, address))
}

/// Counts one handshake under way.
struct UnderWay(Arc<Shared>);

impl UnderWay {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.quic_under_way.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }

    fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.quic_under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Accepts until the endpoint is closed, and lets in whom the gate does.
pub async fn accept(shared: Arc<Shared>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let from = incoming.remote_address();
        if shared.gate.blocks(from) {
            shared.counts.blocked();
            incoming.ignore();
            continue;
        }
        let crowded = UnderWay::count(&shared.quic_under_way) >= shared.quic.retry_over;
        if crowded && incoming.may_retry() {
            // Costs us nothing but one packet, and is answered only by who gets it. It can't fail: we asked.
            let _ = incoming.retry();
            continue;
        }
        let Some(pass) = shared.let_in(from) else {
            incoming.ignore();
            continue;
        };
        let place = shared.half_open.place(from).await;
        let number = place.number();
        let under_way = UnderWay::new(&shared);
        let arrival = Arrival {
            peer: from,
            pass,
            place,
        };
        let greeting = greet(Arc::clone(&shared), incoming, under_way, arrival);
        let task = tokio::spawn(greeting).abort_handle();
        shared.half_open.begun(number, task);
    }
}

/// Leads a peer through the handshake and to its first stream.
async fn greet(shared: Arc<Shared>, incoming: Incoming, under_way: UnderWay, arrival: Arrival) {
    let end = Instant::now() + shared.handshake;
    // A handshake that fails is nobody's business here: the peer was told.
    match timeout_at(end, handshake(&shared, incoming)).await {
        Ok(Some((peer, first))) if !shared.is_stopping() => {
            // A task of its own: that of the handshake would keep its much larger state for ever.
            tokio::spawn(serve(Arc::clone(&shared), peer, first, arrival.pass));
        }
        _ => shared.counts.handshake_failed(),
    }
    drop(under_way);
}

type Stream = (SendStream, RecvStream);

async fn handshake(shared: &Shared, incoming: Incoming) -> Option<(Arc<Peer>, Stream)> {
    let connection = incoming.accept().ok()?.await.ok()?;
    let key = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Key>().ok())
        .map(|key| *key);
    let peer = Peer::new(connection, key);
    let first = peer.next_stream(shared.handshake).await?;
    Some((peer, first))
}

/// Makes a link of each stream, until the peer has none any more.
async fn serve(shared: Arc<Shared>, peer: Arc<Peer>, first: Stream, pass: Pass) {
    let mut next = Some(first);
    while let Some(stream) = next.filter(|_| !shared.is_stopping()) {
        shared.until_room().await;
        let link = shared.add_link(true, Some(peer.connection.remote_address()));
        // It is new: nobody has set it.
        let _ = link.quic.set(Arc::downgrade(&peer));
        let wire = QuicWire::new(Arc::clone(&peer), stream);
        shared.open(link, wire, peer.key);
        next = peer.next_stream(shared.handshake).await;
    }
    peer.close(DONE);
    drop(pass);
}
