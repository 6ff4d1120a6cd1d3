//! Connects to a server and compares its key.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use rustls::Connection;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::certificate::Key;
use super::engine::Shared;
use super::inbox::what;
use super::link::Link;
use super::outbox::Standing;
use super::socket;
use super::tcp::TlsWire;
use super::tls::{Expected, Form, Witness, client_config, proven_key, server_name};

/// Whom to dial, and how.
pub struct Dial {
    /// A name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The key that must answer, if one is expected.
    pub server_key: Option<Key>,
    /// Our own secret, if we show a key.
    pub seed: Option<Zeroizing<[u8; 32]>>,
    /// How the server is to show its key.
    pub server_form: Form,
    /// How we show ours.
    pub own_form: Form,
    /// For all of it: name, connection and handshake.
    pub patience: Duration,
}

/// Connects `link`, or says why not.
pub async fn dial(shared: Arc<Shared>, link: Arc<Link>, plan: Dial) {
    let witness = Witness::default();
    let attempt = timeout(plan.patience, connect(&link, &plan, witness.clone()));
    let outcome = unless_dropped(&link, attempt).await;
    let failure = match outcome {
        None => "given up here".into(),
        Some(Err(_)) => format!("no answer within {} ms", plan.patience.as_millis()),
        Some(Ok(Err(error))) => error.to_string(),
        Some(Ok(Ok((wire, key)))) => return shared.open(link, wire, key),
    };
    link.set_gone();
    match witness.wrong_key() {
        Some(key) => shared.tell(link, what::DIAL_WRONG_KEY, Bytes::copy_from_slice(&key)),
        None => shared.tell(link, what::DIAL_FAILED, Bytes::from(failure)),
    }
}

/// What `work` gives, or nothing as soon as the link is closed or dropped.
async fn unless_dropped<R>(link: &Link, work: impl Future<Output = R>) -> Option<R> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if link.with_outbox(cx.waker(), |out| out.standing) != Standing::Open {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

async fn connect(link: &Link, plan: &Dial, witness: Witness) -> io::Result<(TlsWire, Option<Key>)> {
    let seed = plan.seed.as_deref();
    let server = Expected {
        key: plan.server_key,
        form: plan.server_form,
        witness,
    };
    let config = client_config(server, seed, plan.own_form).map_err(io::Error::other)?;
    let name = server_name().map_err(io::Error::other)?;
    let (stream, address) = reach(plan).await?;
    socket::prepare(&stream)?;
    // Set once: only this task does.
    let _ = link.peer.set(address);
    let (stream, tls) = TlsConnector::from(config)
        .connect(name, stream)
        .await?
        .into_inner();
    let key = proven_key(&tls, plan.server_form);
    Ok((TlsWire::new(stream, Connection::Client(tls)), key))
}

/// Tries the host's addresses one after the other, each for its share of the time.
async fn reach(plan: &Dial) -> io::Result<(TcpStream, SocketAddr)> {
    let end = Instant::now() + plan.patience;
    let addresses: Vec<SocketAddr> = lookup_host((plan.host.as_str(), plan.port))
        .await?
        .collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for (index, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = now + end.saturating_duration_since(now) / left;
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => {
                last = io::Error::new(error.kind(), format!("{address}: {error}"));
            }
            Err(_) => {
                last = io::Error::new(io::ErrorKind::TimedOut, format!("{address}: no answer"));
            }
        }
    }
    Err(last)
}
