//! A stream as a `Wire`.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, StoppedError, VarInt};
use tokio::io::ReadBuf;

use super::peer::{CUT, Peer, is_goodbye};
use crate::net::tcp::READ_AHEAD;
use crate::net::wire::{Received, Wire};

type Confirmed = dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send + Sync;

/// A bidirectional stream of a connection.
pub struct QuicWire {
    send: SendStream,
    receive: RecvStream,
    peer: Arc<Peer>,
    /// What was given and is not yet quinn's.
    given: Bytes,
    /// After we said that nothing follows: ready when the peer has all.
    confirmed: Option<Pin<Box<Confirmed>>>,
    finished: bool,
}

impl QuicWire {
    /// A stream that was just opened.
    pub fn new(peer: Arc<Peer>, (send, receive): (SendStream, RecvStream)) -> Self {
        peer.stream_began();
        Self {
            send,
            receive,
            peer,
            given: Bytes::new(),
            confirmed: None,
            finished: false,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.given.is_empty() {
            let mut chunks = [std::mem::take(&mut self.given)];
            let written = pin!(self.send.write_chunks(&mut chunks)).poll(cx);
            let [rest] = chunks;
            self.given = rest;
            ready!(written)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Wire for QuicWire {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Received>> {
        into.reserve(READ_AHEAD);
        let mut buffer = ReadBuf::uninit(into.spare_capacity_mut());
        let read = ready!(self.receive.poll_read_buf(cx, &mut buffer));
        let count = buffer.filled().len();
        // SAFETY: the buffer is `into`'s spare room, of which so many bytes were written.
        unsafe { into.set_len(into.len() + count) };
        Poll::Ready(match read {
            Ok(()) if count > 0 => Ok(Received::Bytes),
            Ok(()) => Ok(Received::Goodbye),
            Err(ReadError::Reset(_)) => Ok(Received::Cut),
            Err(ReadError::ConnectionLost(error)) if is_goodbye(&error) => Ok(Received::Goodbye),
            Err(ReadError::ConnectionLost(
                ConnectionError::ApplicationClosed(_) | ConnectionError::Reset,
            )) => Ok(Received::Cut),
            Err(ReadError::ConnectionLost(error)) => Err(io::Error::other(error)),
            Err(error) => Err(error.into()),
        })
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_write(cx);
            if sent.is_ready() || !self.peer.widen() {
                return sent;
            }
        }
    }

    fn give(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        let total = pieces.iter().map(|piece| piece.len()).sum();
        let mut all = Vec::with_capacity(total);
        for piece in pieces {
            all.extend_from_slice(piece);
        }
        self.given = Bytes::from(all);
        Ok(())
    }

    /// Ready when the peer has confirmed all: what ends a connection would else overtake the last bytes.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            ready!(self.poll_sent(cx))?;
            // It fails only for a stream that the peer no longer wants.
            let _ = self.send.finish();
            self.finished = true;
            self.confirmed = Some(Box::pin(self.send.stopped()));
        }
        if let Some(confirmed) = &mut self.confirmed {
            let outcome = ready!(confirmed.as_mut().poll(cx));
            self.confirmed = None;
            outcome?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = [0; 4_096];
        while let Ok(1..) = ready!(self.receive.poll_read(cx, &mut buffer)) {}
        Poll::Ready(())
    }
}

impl Drop for QuicWire {
    fn drop(&mut self) {
        if !self.finished {
            // Either fails when that direction has ended already.
            let _ = self.send.reset(CUT);
            let _ = self.receive.stop(CUT);
        }
        self.peer.stream_ended(self.finished);
    }
}
