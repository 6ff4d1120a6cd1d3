//! One link: frames out and in.

use quinn::{RecvStream, SendStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::Result;
use crate::websocket::Unwrapped;

const READ: usize = 65_536;

/// What carries a link.
pub enum Stream {
    /// TLS over TCP.
    Tls(TlsStream<TcpStream>),
    /// A stream of QUIC. Its connection ends with it.
    Quic(SendStream, RecvStream),
    /// A WebSocket over TLS.
    Ws(TlsStream<TcpStream>, Unwrapped),
}

/// An open link.
pub struct Session {
    stream: Stream,
    received: Vec<u8>,
    taken: usize,
}

impl Session {
    /// Over a stream that was just opened.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            received: Vec::with_capacity(READ),
            taken: 0,
        }
    }

    /// Sends frames as `Transport::packed` made them and waits until the system or quinn has them.
    pub async fn send(&mut self, packed: &[u8]) -> Result<()> {
        match &mut self.stream {
            Stream::Tls(stream) | Stream::Ws(stream, _) => {
                stream.write_all(packed).await.map_err(lost)?;
                stream.flush().await.map_err(lost)
            }
            Stream::Quic(send, _) => send.write_all(packed).await.map_err(lost),
        }
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
        let count = match &mut self.stream {
            Stream::Tls(stream) => stream.read_buf(&mut self.received).await,
            Stream::Quic(_, receive) => receive.read_buf(&mut self.received).await,
            Stream::Ws(stream, unwrapped) => {
                unwrapped.raw().reserve(READ);
                let count = stream.read_buf(unwrapped.raw()).await;
                unwrapped.take(&mut self.received)?;
                count
            }
        };
        match count {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(lost(error)),
        }
    }
}

fn lost(error: impl std::fmt::Display) -> String {
    format!("the connection broke: {error}")
}
