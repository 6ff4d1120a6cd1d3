//! One connection: TLS, HELLO, frames out and in.

use std::sync::Arc;

use _rust::net::tls::{Expected, Form, Witness, client_config, server_name};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Result;
use crate::args::Args;

/// Message types.
pub mod kind {
    /// Asks for stored records.
    pub const QUERY: u8 = 0x02;
    /// Asks for stored and coming records.
    pub const SUBSCRIBE: u8 = 0x03;
    /// Brings a record.
    pub const SUBMISSION: u8 = 0x05;
    /// Begins the session.
    pub const HELLO: u8 = 0x10;
    /// Answers HELLO.
    pub const HELLO_ACK: u8 = 0x90;
    /// Carries a record.
    pub const RECORD: u8 = 0x80;
    /// All stored records have been sent.
    pub const LOCALLY_COMPLETE: u8 = 0x81;
    /// Ends a query or subscription.
    pub const QUERY_CLOSED: u8 = 0x82;
    /// Answers a submission.
    pub const SUBMISSION_RESULT: u8 = 0x83;
}

/// The results that count as taken: SUCCESS, ACCEPTED and DUPLICATE are below this.
pub const REFUSED: u8 = 0x20;
const READ: usize = 65_536;

/// Where the server is and who we are.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    config: Arc<ClientConfig>,
    receive_buffer: Option<u32>,
}

impl Target {
    /// Of `--host`, `--port`, `--server-key` and `--seed`.
    pub fn of(args: &Args) -> Result<Self> {
        let server = Expected {
            key: args.key("server-key")?,
            form: Form::Certificate,
            witness: Witness::default(),
        };
        let config = client_config(server, args.key("seed")?.as_ref(), Form::Certificate)
            .map_err(|error| error.to_string())?;
        args.needed("port")?;
        Ok(Self {
            host: args.text("host").unwrap_or("127.0.0.1").to_owned(),
            port: args.number("port", 0)?,
            config,
            receive_buffer: None,
        })
    }

    /// With so small a buffer in the system that a reader who pauses is felt at once.
    pub fn with_receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    async fn reach(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let address = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .next()
            .ok_or(std::io::ErrorKind::NotFound)?;
        let socket = if address.is_ipv4() {
            tokio::net::TcpSocket::new_v4()?
        } else {
            tokio::net::TcpSocket::new_v6()?
        };
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let name = server_name().map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config))
            .connect(name, stream)
            .await
    }

    /// Connects, without a word of the protocol.
    pub async fn connect(&self) -> Result<Session> {
        let stream = self
            .reach()
            .await
            .map_err(|error| format!("{}:{}: {error}", self.host, self.port))?;
        Ok(Session {
            stream,
            received: Vec::with_capacity(READ),
            taken: 0,
        })
    }

    /// Connects and says HELLO.
    pub async fn greet(&self) -> Result<Session> {
        let mut session = self.connect().await?;
        session.send(&frame(kind::HELLO, 0, &[&[0; 4]])).await?;
        match session.next().await? {
            [kind::HELLO_ACK, 1, ..] => Ok(session),
            other => Err(format!("the server answered HELLO with {other:02x?}")),
        }
    }
}

/// A frame from its parts.
pub fn frame(kind: u8, query: u16, parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let [low, high] = query.to_le_bytes();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&[kind, 0, low, high]);
    bytes.extend_from_slice(&(length as u32).to_le_bytes());
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A QUERY or SUBSCRIBE.
pub fn ask(kind: u8, query: u16, limit: u16, filter: &[u8]) -> Vec<u8> {
    frame(kind, query, &[&limit.to_le_bytes(), &[0; 6], filter])
}

/// An open connection.
pub struct Session {
    stream: TlsStream<TcpStream>,
    received: Vec<u8>,
    taken: usize,
}

impl Session {
    /// Sends bytes and waits until the system has them.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)
    }

    /// The next frame.
    pub async fn next(&mut self) -> Result<&[u8]> {
        while self.whole().is_none() {
            self.receive().await?;
        }
        let length = self.whole().unwrap_or(0);
        let start = self.taken;
        self.taken += length;
        Ok(&self.received[start..start + length])
    }

    /// Reads once if no frame waits, then hands over all whole frames; how many.
    pub async fn each(&mut self, mut work: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if self.whole().is_none() {
            self.receive().await?;
        }
        while let Some(length) = self.whole() {
            let start = self.taken;
            self.taken += length;
            work(&self.received[start..start + length])?;
        }
        Ok(())
    }

    fn whole(&self) -> Option<usize> {
        let rest = &self.received[self.taken..];
        let head = rest.first_chunk::<8>()?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        (rest.len() >= length.max(8)).then_some(length.max(8))
    }

    async fn receive(&mut self) -> Result<()> {
        self.received.drain(..self.taken);
        self.taken = 0;
        self.received.reserve(READ);
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(lost(error)),
        }
    }
}

fn lost(error: std::io::Error) -> String {
    format!("the connection broke: {error}")
}
