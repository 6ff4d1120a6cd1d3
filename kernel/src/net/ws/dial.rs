//! Dials, asks for a WebSocket and reads what the server answers.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, Connection, Error};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

use super::{Mode, Side, WsWire, head};
use crate::net::certificate::Key;
use crate::net::dial::{Dial, Failure, Reached};
use crate::net::dial_tcp::connect_plain;
use crate::net::link::Link;
use crate::net::shared::Shared;
use crate::net::tcp::TlsWire;
use crate::net::tls::{HTTP, Witness, client_config, proven_key, server_name};

/// How to ask for a WebSocket.
pub struct Upgrade {
    /// The whole HTTP request.
    pub request: Vec<u8>,
    /// For browser mode: checks the host's certificate. Else the server's key is compared as over TCP.
    pub authorities: Option<Arc<ClientConfig>>,
    /// The host's name for browser mode, where the dial has its address.
    pub name: Option<String>,
}

impl Upgrade {
    const fn mode(&self) -> Mode {
        match self.authorities {
            None => Mode::Native,
            Some(_) => Mode::Browser,
        }
    }

    /// What to speak, and for whom to ask.
    fn config(
        &self,
        plan: &Dial,
        witness: &Witness,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>), Error> {
        if let Some(config) = &self.authorities {
            let host = self.name.as_ref().unwrap_or(&plan.host);
            let name = ServerName::try_from(host.clone())
                .map_err(|_| Error::General(format!("{host} is not the name of a host")))?;
            return Ok((Arc::clone(config), name));
        }
        let mut config =
            client_config(plan.expected(witness), plan.seed.as_deref(), plan.own_form)?;
        Arc::make_mut(&mut config).alpn_protocols.push(HTTP.into());
        Ok((config, server_name()?))
    }

    /// What a try died of.
    fn failure(&self, error: &io::Error, witness: &Witness) -> Failure {
        if self.mode() == Mode::Native {
            return Failure::of_io(error, witness);
        }
        // No other form of certificate would do where an authority vouches.
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        Failure::Failed(match inner {
            Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                "no authority that is trusted here has issued the host's certificate".into()
            }
            _ => error.to_string(),
        })
    }

    /// A web server that knows nothing of native mode may break it off in any way.
    fn broken_off(&self, error: &io::Error, witness: &Witness) -> Failure {
        match self.failure(error, witness) {
            Failure::Failed(words) if self.mode() == Mode::Native => Failure::RefusedForm(words),
            failure => failure,
        }
    }
}

/// A server that has answered the request.
pub struct Answered {
    wire: TlsWire,
    key: Option<Key>,
    head: Bytes,
    early: Bytes,
}

impl Reached for Answered {
    fn open(self, shared: &Arc<Shared>, link: Arc<Link>) {
        let wire = WsWire::new(self.wire, Arc::clone(&link), Side::Client, self.early);
        shared.open_upgrade(link, wire, self.key, self.head);
    }
}

/// Connects, shakes hands, sends the request and reads the head of the response.
pub async fn connect(link: &Link, plan: &Dial, asked: &Upgrade) -> Result<Answered, Failure> {
    let witness = Witness::default();
    let judged = |error: io::Error| asked.failure(&error, &witness);
    let (config, name) = asked.config(plan, &witness)?;
    let stream = connect_plain(link, plan).await?;
    let connector = TlsConnector::from(config);
    let mut stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| asked.broken_off(&error, &witness))?;
    stream.write_all(&asked.request).await.map_err(judged)?;
    stream.flush().await.map_err(judged)?;
    let (head, early) = head::read(&mut stream, asked.mode())
        .await
        .map_err(judged)?;
    let (stream, tls) = stream.into_inner();
    let key = match asked.mode() {
        Mode::Browser => None,
        _ => proven_key(&tls, plan.server_form),
    };
    Ok(Answered {
        wire: TlsWire::new(stream, Connection::Client(tls)),
        key,
        head,
        early,
    })
}
