//! What all dials share: whom to reach, how long to try, and what became of it.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use rustls::AlertDescription;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use super::certificate::Key;
use super::inbox::what;
use super::link::Link;
use super::outbox::Standing;
use super::shared::Shared;
use super::socks::Proxy;
use super::tls::{Expected, Form, Refusal, Witness};
use super::wire::Wire;

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
    /// What connects for us. TCP only.
    pub proxy: Option<Proxy>,
}

impl Dial {
    /// The server as the handshake is to judge it.
    pub fn expected(&self, witness: &Witness) -> Expected {
        Expected {
            key: self.server_key,
            form: self.server_form,
            witness: witness.clone(),
        }
    }
}

/// Why a dial failed.
#[derive(Debug)]
pub enum Failure {
    /// Not reached, too late, or another protocol.
    Failed(String),
    /// Another key answered.
    WrongKey(Key),
    /// The handshake was broken off: another certificate form may do.
    RefusedForm(String),
    /// The server shows another kind of certificate.
    ForeignCertificate(String),
}

impl Failure {
    /// What a TLS handshake died of.
    pub fn of_tls(error: &rustls::Error, witness: &Witness) -> Self {
        match (witness.refusal(), error) {
            (Some(refusal), _) => refusal.into(),
            (None, rustls::Error::AlertReceived(alert)) => Self::of_alert(*alert),
            (None, rustls::Error::PeerIncompatible(_)) => Self::RefusedForm(error.to_string()),
            (None, _) => Self::Failed(error.to_string()),
        }
    }

    /// What an alert of the server means.
    pub fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::NoApplicationProtocol => {
                Self::Failed("the server speaks another protocol than mosaic".into())
            }
            AlertDescription::ProtocolVersion => {
                Self::Failed("the server does not speak TLS 1.3".into())
            }
            alert => Self::RefusedForm(format!("the server broke off the handshake: {alert:?}")),
        }
    }

    /// What an I/O operation died of that may have been a TLS handshake.
    pub fn of_io(error: &io::Error, witness: &Witness) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(tls) => Self::of_tls(tls, witness),
            None => Self::Failed(error.to_string()),
        }
    }

    fn tell(self, shared: &Shared, link: Arc<Link>) {
        let (what, data) = match self {
            Self::Failed(words) => (what::DIAL_FAILED, Bytes::from(words)),
            Self::WrongKey(key) => (what::DIAL_WRONG_KEY, Bytes::copy_from_slice(&key)),
            Self::RefusedForm(words) => (what::DIAL_REFUSED_FORM, Bytes::from(words)),
            Self::ForeignCertificate(words) => (what::DIAL_FOREIGN_CERTIFICATE, Bytes::from(words)),
        };
        shared.tell(link, what, data);
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::WrongKey(key) => Self::WrongKey(key),
            Refusal::Foreign(reason) => Self::ForeignCertificate(reason.into()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<rustls::Error> for Failure {
    fn from(error: rustls::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a dial has reached.
pub trait Reached {
    /// Opens the link over it.
    fn open(self, shared: &Arc<Shared>, link: Arc<Link>);
}

/// A wire and the key of who is at its other end.
impl<W: Wire> Reached for (W, Option<Key>) {
    fn open(self, shared: &Arc<Shared>, link: Arc<Link>) {
        shared.open(link, self.0, self.1);
    }
}

/// Opens `link` with what `connect` makes, or says why there is nothing.
pub async fn dial<R: Reached>(
    shared: Arc<Shared>,
    link: Arc<Link>,
    patience: Duration,
    connect: impl Future<Output = Result<R, Failure>>,
) {
    let outcome = unless_dropped(&link, timeout(patience, connect)).await;
    let failure = match outcome {
        None => Failure::Failed("given up here".into()),
        Some(Err(_)) => Failure::Failed(format!("no answer within {} ms", patience.as_millis())),
        Some(Ok(Err(failure))) => failure,
        Some(Ok(Ok(reached))) => return reached.open(&shared, link),
    };
    link.set_gone();
    failure.tell(&shared, link);
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

/// Tries the host's addresses one after the other, each for its share of the time.
///
/// What is not a matter of the address (a key, a certificate) is not tried again.
pub async fn reach<R, F: Future<Output = Result<R, Failure>>>(
    host: &str,
    port: u16,
    patience: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(R, SocketAddr), Failure> {
    let end = Instant::now() + patience;
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    let mut last = "the host has no address".into();
    for (index, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = now + end.saturating_duration_since(now) / left;
        match timeout_at(share, connect(*address)).await {
            Ok(Ok(reached)) => return Ok((reached, *address)),
            Ok(Err(Failure::Failed(words))) => last = format!("{address}: {words}"),
            Ok(Err(other)) => return Err(other),
            Err(_) => last = format!("{address}: no answer"),
        }
    }
    Err(Failure::Failed(last))
}
