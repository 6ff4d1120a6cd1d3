//! TLS over TCP as a `Wire`.

use std::cell::RefCell;
use std::io::{self, BufRead, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::Connection;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::socket::drop_rest;
use super::wire::{Received, Wire};

/// What one read takes from the socket at most. The buffer belongs to the thread, not to the link.
pub const READ_AHEAD: usize = 65_536;

thread_local! {
    static CIPHERTEXT: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_AHEAD]);
}

/// A TCP stream whose handshake is done.
pub struct TlsWire {
    stream: TcpStream,
    tls: Connection,
    /// The peer has said that nothing follows.
    closed: bool,
    /// Nothing more can be read.
    ended: bool,
    /// We have said that nothing follows.
    goodbye: bool,
}

impl TlsWire {
    /// Goes on where the handshake ended.
    pub fn new(stream: TcpStream, mut tls: Connection) -> Self {
        // The link gives the next bytes only when the last have left.
        tls.set_buffer_limit(None);
        // What came with the last bytes of the handshake. An error stays and is found when reading.
        let closed = tls
            .process_new_packets()
            .is_ok_and(|state| state.peer_has_closed());
        Self {
            stream,
            tls,
            closed,
            ended: false,
            goodbye: false,
        }
    }

    /// Moves decrypted bytes into `into`; whether there were any.
    fn unload(&mut self, into: &mut BytesMut) -> io::Result<bool> {
        let mut found = false;
        let mut reader = self.tls.reader();
        loop {
            let count = match reader.fill_buf() {
                Ok(chunk) => {
                    into.extend_from_slice(chunk);
                    chunk.len()
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(error),
            };
            if count == 0 {
                return Ok(found);
            }
            reader.consume(count);
            found = true;
        }
    }

    fn decrypt(&mut self, mut bytes: &[u8], into: &mut BytesMut) -> io::Result<bool> {
        let mut found = false;
        while !bytes.is_empty() && !self.closed {
            self.tls.read_tls(&mut bytes)?;
            match self.tls.process_new_packets() {
                Ok(state) => self.closed = state.peer_has_closed(),
                Err(error) => {
                    self.tell_alert();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
            found |= self.unload(into)?;
        }
        Ok(found)
    }

    /// Sends the alert of a broken session as far as the socket takes it now.
    fn tell_alert(&mut self) {
        let stream = &self.stream;
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut Socket(stream)).is_err() {
                return;
            }
        }
    }

    fn end(&self) -> Received {
        if self.closed {
            Received::Goodbye
        } else {
            Received::Cut
        }
    }
}

/// Non-blocking writes to a socket.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for TlsWire {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Received>> {
        if self.unload(into)? {
            return Poll::Ready(Ok(Received::Bytes));
        }
        CIPHERTEXT.with_borrow_mut(|buffer| {
            loop {
                if self.ended || self.closed {
                    return Poll::Ready(Ok(self.end()));
                }
                match self.stream.try_read(buffer) {
                    Ok(0) => self.ended = true,
                    Ok(count) => {
                        if self.decrypt(&buffer[..count], into)? {
                            return Poll::Ready(Ok(Received::Bytes));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready!(self.stream.poll_read_ready(cx))?;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        })
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let stream = &self.stream;
            match self.tls.write_tls(&mut Socket(stream)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn give(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        let taken = self.tls.writer().write_vectored(pieces)?;
        if taken == total {
            return Ok(());
        }
        Err(io::Error::other(
            "the TLS session took part of the bytes only",
        ))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.goodbye {
            self.goodbye = true;
            self.tls.send_close_notify();
        }
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        CIPHERTEXT.with_borrow_mut(|buffer| drop_rest(&self.stream, &mut self.ended, buffer, cx))
    }
}
