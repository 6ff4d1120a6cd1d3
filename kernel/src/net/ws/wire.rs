//! A WebSocket as a `Wire`, above one that carries its bytes.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use super::incoming::{End, Incoming};
use super::outgoing::Outgoing;
use super::{NORMAL, Side};
use crate::net::link::Link;
use crate::net::wire::{Received, Wire};

/// So often it is read on at once where nothing but control frames and empty fragments come.
const ROUNDS: usize = 4;
/// What the buffer for outgoing bytes may keep between two uses.
const KEPT: usize = 131_072;

thread_local! {
    /// Where the links of this thread wrap what they send.
    static WRAPPED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Python has not yet answered the HTTP head.
    Asked,
    /// Messages go both ways.
    Open,
    /// Python refused: this is no WebSocket.
    Refused,
}

/// A WebSocket whose HTTP head was read.
pub struct WsWire<W> {
    wire: W,
    link: Arc<Link>,
    stage: Stage,
    /// What came behind the head.
    early: Bytes,
    incoming: Incoming,
    outgoing: Outgoing,
    /// The payload of a ping that is still to be answered; of several the last.
    ping: Option<Vec<u8>>,
    /// Why nothing more is read.
    end: Option<End>,
    /// Our Close has gone out.
    said_close: bool,
}

impl<W: Wire> WsWire<W> {
    /// Goes on where the head ended, once the link's upgrade is answered.
    pub const fn new(wire: W, link: Arc<Link>, side: Side, early: Bytes) -> Self {
        Self {
            wire,
            link,
            stage: Stage::Asked,
            early,
            incoming: Incoming::new(side),
            outgoing: Outgoing::new(side),
            ping: None,
            end: None,
            said_close: false,
        }
    }

    /// Sends what `fill` makes of the stream of frames.
    fn write(
        &mut self,
        fill: impl FnOnce(&mut Outgoing, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        WRAPPED.with_borrow_mut(|buffer| {
            buffer.clear();
            fill(&mut self.outgoing, buffer)?;
            let given = if buffer.is_empty() {
                Ok(())
            } else {
                self.wire.give(&[IoSlice::new(buffer)])
            };
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
            given
        })
    }

    /// Looks for Python's answer; false while there is none.
    fn is_answered(&mut self) -> io::Result<bool> {
        if self.stage != Stage::Asked {
            return Ok(true);
        }
        match self.link.take_upgrade() {
            Some((head, accepted)) => {
                self.stage = if accepted {
                    Stage::Open
                } else {
                    Stage::Refused
                };
                if !head.is_empty() {
                    self.wire.give(&[IoSlice::new(&head)])?;
                }
            }
            None if self.link.is_muted() => self.stage = Stage::Refused,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// The next bytes, still wrapped.
    fn poll_wrapped(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Received>> {
        if self.early.is_empty() {
            return self.wire.poll_receive(cx, into);
        }
        into.extend_from_slice(&std::mem::take(&mut self.early));
        Poll::Ready(Ok(Received::Bytes))
    }

    /// Sends the answer to a ping as far as the peer takes it now.
    fn answer(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.poll_sent(cx) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(()),
        }
    }

    const fn received_end(end: End) -> Received {
        match end {
            End::Closed(_) => Received::Goodbye,
            End::Broken(violation) => Received::Broken(violation.words),
        }
    }
}

impl<W: Wire> Wire for WsWire<W> {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Received>> {
        if self.stage != Stage::Open {
            return Poll::Pending;
        }
        for _ in 0..ROUNDS {
            if let Some(end) = self.end {
                return Poll::Ready(Ok(Self::received_end(end)));
            }
            let start = into.len();
            match ready!(self.poll_wrapped(cx, into))? {
                Received::Bytes => {}
                end => return Poll::Ready(Ok(end)),
            }
            let heard = self.incoming.unwrap(into, start);
            self.end = heard.end;
            if heard.ping.is_some() {
                self.ping = heard.ping;
                self.answer(cx)?;
            }
            if into.len() > start {
                return Poll::Ready(Ok(Received::Bytes));
            }
        }
        // Others first: who sends nothing but control frames could go on for ever.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.wire.poll_sent(cx))?;
            if self.stage == Stage::Asked {
                if !self.is_answered()? {
                    return Poll::Pending;
                }
            } else if let Some(payload) = self.ping.take() {
                self.write(|outgoing, buffer| outgoing.pong(&payload, buffer))?;
            } else {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn give(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        if self.stage != Stage::Open {
            // Queued before Python refused.
            return Ok(());
        }
        self.write(|outgoing, buffer| outgoing.wrap(pieces, buffer))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        if self.stage == Stage::Open && !self.said_close {
            self.said_close = true;
            let (code, reason) = match self.end {
                None => (NORMAL, ""),
                Some(End::Closed(code)) => (code, ""),
                Some(End::Broken(violation)) => (violation.code, violation.words),
            };
            self.write(|outgoing, buffer| outgoing.close(code, reason, buffer))?;
        }
        self.wire.poll_finish(cx)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wire.poll_linger(cx)
    }
}
