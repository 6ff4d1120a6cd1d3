//! TCP without TLS as a `Wire`: for who stands behind a proxy that has taken the TLS off.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::socket::drop_rest;
use super::tcp::READ_AHEAD;
use super::wire::{Received, Wire};

/// A TCP stream.
pub struct PlainWire {
    stream: TcpStream,
    /// Given and not yet sent.
    out: Vec<u8>,
    sent: usize,
    /// Nothing more can be read.
    ended: bool,
}

impl PlainWire {
    /// Above a connection.
    pub const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            out: Vec::new(),
            sent: 0,
            ended: false,
        }
    }
}

impl Wire for PlainWire {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Received>> {
        loop {
            if self.ended {
                return Poll::Ready(Ok(Received::Cut));
            }
            into.reserve(READ_AHEAD);
            match self.stream.try_read_buf(into) {
                Ok(0) => self.ended = true,
                Ok(_) => return Poll::Ready(Ok(Received::Bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_read_ready(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match self.stream.try_write(&self.out[self.sent..]) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        // A link at rest keeps no buffer.
        self.out = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn give(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        self.out.write_vectored(pieces).map(|_| ())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        drop_rest(&self.stream, &mut self.ended, &mut [0; 4_096], cx)
    }
}
