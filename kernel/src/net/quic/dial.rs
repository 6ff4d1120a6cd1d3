//! Dials over QUIC, and opens further streams.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{ClientConfig, ConnectionError, Endpoint, TokioRuntime};
use quinn_proto::NoneTokenStore;
use quinn_proto::crypto::rustls::QuicClientConfig;
use rustls::AlertDescription;

use super::choose::proven_key;
use super::endpoints::keep;
use super::peer::Peer;
use super::settings::endpoint_config;
use super::wire::QuicWire;
use crate::net::certificate::{Key, NAME};
use crate::net::dial::{Dial, Failure, reach};
use crate::net::link::Link;
use crate::net::shared::Shared;
use crate::net::socket;
use crate::net::tls::{Witness, client_config};

/// TLS alerts are errors of QUIC from here on (RFC 9001, 4.8).
const ALERTS: u64 = 0x100;

/// Connects, shakes hands and opens a stream: the wire and the server's key.
pub async fn connect(
    shared: &Arc<Shared>,
    link: &Link,
    plan: &Dial,
) -> Result<(QuicWire, Option<Key>), Failure> {
    let witness = Witness::default();
    let tls = client_config(plan.expected(&witness), plan.seed.as_deref(), plan.own_form)?;
    let tls = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config
        .transport_config(shared.quic.dialled()?)
        .token_store(Arc::new(NoneTokenStore));
    let (config, seen) = (&config, &witness);
    let shake = |address| async move {
        let (endpoint, connecting) = start(config.clone(), address)?;
        match connecting.await {
            Ok(connection) => Ok((endpoint, connection)),
            Err(error) => Err(failure(&error, seen)),
        }
    };
    let ((endpoint, connection), address) =
        reach(&plan.host, plan.port, plan.patience, shake).await?;
    keep(shared, endpoint);
    let key = connection
        .peer_identity()
        .and_then(|identity| proven_key(identity, plan.server_form));
    // Both are set once: only this task does.
    let _ = link.peer.set(address);
    let peer = Peer::new(connection, key);
    let _ = link.quic.set(Arc::downgrade(&peer));
    open_stream(peer).await
}

/// A socket of its own for each connection: connections that show no key must not be told by their port to
/// belong to one that does.
fn start(
    config: ClientConfig,
    address: SocketAddr,
) -> Result<(Endpoint, quinn::Connecting), Failure> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let udp = UdpSocket::bind(any)?;
    socket::enlarge(&udp, socket::SINGLE);
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(endpoint_config(), None, udp, runtime)?;
    let connecting = endpoint
        .connect_with(config, address, NAME)
        .map_err(io::Error::other)?;
    Ok((endpoint, connecting))
}

/// Opens one more stream, as soon as the server allows another.
pub async fn open_stream(peer: Arc<Peer>) -> Result<(QuicWire, Option<Key>), Failure> {
    let stream = peer
        .connection
        .open_bi()
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    let key = peer.key;
    Ok((QuicWire::new(peer, stream), key))
}

/// What a handshake died of.
fn failure(error: &ConnectionError, witness: &Witness) -> Failure {
    if let Some(refusal) = witness.refusal() {
        return refusal.into();
    }
    let words = error.to_string();
    match error {
        ConnectionError::ConnectionClosed(close) => match alert(close.error_code.into()) {
            Some(alert) => Failure::of_alert(alert),
            None => Failure::Failed(words),
        },
        // We break off so when the server does not know the form of certificates that we want.
        ConnectionError::TransportError(error)
            if alert(error.code.into()) == Some(AlertDescription::HandshakeFailure) =>
        {
            Failure::RefusedForm(words)
        }
        _ => Failure::Failed(words),
    }
}

fn alert(code: u64) -> Option<AlertDescription> {
    let number = u8::try_from(code.checked_sub(ALERTS)?).ok()?;
    Some(AlertDescription::from(number))
}
