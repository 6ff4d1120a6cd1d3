//! From the wire to events: frames, refused lengths, bodies that go to files.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::{LinkTask, ROUNDS, Reason, broken};
use crate::net::frame::Cut;
use crate::net::inbox::{Event, what};
use crate::net::outbox::Standing;
use crate::net::spool::Spool;
use crate::net::tcp::READ_AHEAD;
use crate::net::wire::{Received, Wire};

thread_local! {
    /// Where the links of this thread put what they receive: frames are slices of it.
    static PLAINTEXT: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

impl<W: Wire> LinkTask<W> {
    /// Reads and cuts until nothing comes or a queue is full; whether anything came.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>) -> Result<bool, Reason> {
        let mut moved = false;
        for _ in 0..ROUNDS {
            if self.cut(cx)?.is_pending() || !self.may_read(cx) {
                return Ok(moved);
            }
            let received = PLAINTEXT.with_borrow_mut(|buffer| {
                buffer.reserve(READ_AHEAD);
                let received = self.wire.poll_receive(cx, buffer);
                self.unread = buffer.split().freeze();
                self.shared.counts.came(self.unread.len());
                received
            });
            match received {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Ok(Received::Bytes)) => moved = true,
                Poll::Ready(Ok(end)) => return self.peer_ended(cx, end),
                Poll::Ready(Err(error)) => return Err(broken(&error)),
            }
        }
        Ok(moved)
    }

    fn may_read(&self, cx: &mut Context<'_>) -> bool {
        if self.deaf || !self.link.has_room() {
            return false;
        }
        if self.link.accepted && self.link.with_outbox(cx.waker(), |out| out.over) {
            return false;
        }
        self.shared.inbox.poll_room_of(&self.link, cx).is_ready()
    }

    /// Turns what was received into events. Pending while a body is being written.
    fn cut(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Reason> {
        if self.unread.is_empty() && !self.spool_whole {
            return Ok(Poll::Ready(()));
        }
        for (kind, most) in self.link.take_limits() {
            self.cutter.limit(kind, most);
        }
        let mut events = Vec::new();
        let result = self.cut_into(cx, &mut events);
        self.shared.inbox.push(&mut events);
        self.hold(self.cutter.held());
        result
    }

    fn cut_into(
        &mut self,
        cx: &mut Context<'_>,
        events: &mut Vec<Event>,
    ) -> Result<Poll<()>, Reason> {
        loop {
            if let Some(spool) = &mut self.spool {
                match spool.poll_idle(cx) {
                    Poll::Pending => return Ok(Poll::Pending),
                    Poll::Ready(Err(error)) => return Err(unwritten(&error)),
                    Poll::Ready(Ok(())) => {}
                }
                if self.spool_whole {
                    events.extend(self.finish_spool());
                }
            }
            match self.cutter.next(&self.shared.limits, &mut self.unread) {
                None => return Ok(Poll::Ready(())),
                Some(Cut::Frame(frame)) => {
                    let kind = frame.first().copied().map_or(0, u16::from);
                    events.push(self.event(kind, frame));
                }
                Some(Cut::SpoolBegins(prefix, _)) => {
                    let spool = Spool::create(&self.shared.spool_folder, prefix)
                        .map_err(|error| unwritten(&error))?;
                    self.spool = Some(Box::new(spool));
                }
                Some(Cut::SpoolBody(bytes, last)) => {
                    if let Some(spool) = &mut self.spool {
                        spool.give(&bytes, last);
                        self.spool_whole = last;
                    }
                }
                Some(Cut::Refused(head)) => {
                    self.deaf = true;
                    events.push(self.event(what::REFUSED_LENGTH, Bytes::copy_from_slice(&head)));
                }
            }
        }
    }

    pub(super) fn hold(&mut self, bytes: usize) {
        self.shared
            .half_frames
            .hold(&self.link, &mut self.share, bytes);
    }

    fn finish_spool(&mut self) -> Option<Event> {
        self.spool_whole = false;
        let (prefix, spooled) = self.spool.take()?.finish()?;
        self.link.add_spooled(spooled);
        Some(self.event(what::SPOOLED, prefix))
    }

    fn peer_ended(&mut self, cx: &mut Context<'_>, end: Received) -> Result<bool, Reason> {
        let middle = if self.cutter.inside() {
            " in the middle of a message"
        } else {
            ""
        };
        if end == Received::Cut {
            return Err(format!("the connection was cut{middle}").into());
        }
        self.reason = match end {
            Received::Broken(words) => format!("the peer broke a rule of the transport: {words}"),
            _ => format!("the peer closed the connection{middle}"),
        }
        .into();
        self.deaf = true;
        self.link.with_outbox(cx.waker(), |out| {
            if matches!(end, Received::Broken(_)) {
                out.clear();
            }
            if out.standing == Standing::Open {
                out.standing = Standing::Closing;
            }
        });
        Ok(true)
    }
}

fn unwritten(error: &io::Error) -> Reason {
    format!("a long message could not be kept: {error}").into()
}
