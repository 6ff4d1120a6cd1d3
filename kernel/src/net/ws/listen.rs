//! Leads who connects through TLS, if he begins with it, and reads his HTTP request.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustls::Connection;
use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::{Mode, Side, WsWire, head};
use crate::net::certificate::Key;
use crate::net::listen::{Arrival, Greets};
use crate::net::plain::PlainWire;
use crate::net::shared::Shared;
use crate::net::socket;
use crate::net::tcp::TlsWire;
use crate::net::tls::{Hosts, ServerConfigs, proven_key};

/// The first byte of a TLS handshake.
const TLS: u8 = 0x16;
/// For who speaks HTTP where TLS is wanted.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
    Content-Type: text/plain\r\nContent-Length: 26\r\n\r\nThis port speaks TLS only.";

/// What a WebSocket listener speaks.
pub struct Door {
    /// With certificates and raw keys of ours.
    pub native: ServerConfigs,
    /// With certificates of authorities.
    pub hosts: Hosts,
    /// Whether without TLS as well.
    pub plain: bool,
}

/// Who has come, and what he asked.
struct Visitor {
    stream: TcpStream,
    tls: Option<Connection>,
    key: Option<Key>,
    head: Bytes,
    early: Bytes,
}

impl Greets for Door {
    async fn greet(self: Arc<Self>, shared: Arc<Shared>, stream: TcpStream, arrival: Arrival) {
        // A handshake that fails is nobody's business here: the peer got its alert.
        match timeout(shared.handshake, self.meet(stream)).await {
            Ok(Ok(visitor)) => {
                shared.until_room().await;
                if !shared.is_stopping() {
                    visitor.open(&shared, arrival);
                }
            }
            _ => shared.counts.handshake_failed(),
        }
    }
}

impl Visitor {
    fn open(self, shared: &Arc<Shared>, arrival: Arrival) {
        let link = shared.add_link_of(arrival);
        let own = Arc::clone(&link);
        match self.tls {
            Some(tls) => {
                let wire = TlsWire::new(self.stream, tls);
                let wire = WsWire::new(wire, own, Side::Server, self.early);
                shared.open_upgrade(link, wire, self.key, self.head);
            }
            None => {
                let wire = PlainWire::new(self.stream);
                let wire = WsWire::new(wire, own, Side::Server, self.early);
                shared.open_upgrade(link, wire, self.key, self.head);
            }
        }
    }
}

impl Door {
    async fn meet(&self, mut stream: TcpStream) -> io::Result<Visitor> {
        socket::prepare(&stream)?;
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first == [TLS] {
            return self.meet_with_tls(stream).await;
        }
        if !self.plain {
            // As far as it goes: nobody waits for him to read it.
            let _ = stream.try_write(SPEAK_TLS);
            return Err(io::ErrorKind::InvalidData.into());
        }
        let (head, early) = head::read(&mut stream, Mode::Plain).await?;
        Ok(Visitor {
            stream,
            tls: None,
            key: None,
            head,
            early,
        })
    }

    async fn meet_with_tls(&self, stream: TcpStream) -> io::Result<Visitor> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        let (config, form, mode) = match self.hosts.choose(hello.server_name()) {
            Some(config) => (config, None, Mode::Browser),
            None => {
                let (config, form) = self.native.choose(&hello);
                (config, Some(form), Mode::Native)
            }
        };
        let mut stream = start.into_stream(config).await?;
        let (head, early) = head::read(&mut stream, mode).await?;
        let (stream, tls) = stream.into_inner();
        let key = form.and_then(|form| proven_key(&tls, form));
        Ok(Visitor {
            stream,
            tls: Some(Connection::Server(tls)),
            key,
            head,
            early,
        })
    }
}
