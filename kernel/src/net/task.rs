//! The task that moves the bytes of one link, whatever its transport.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Sleep, sleep};

use super::frame::{Cut, Cutter};
use super::half_frames::Share;
use super::inbox::{Event, what};
use super::link::Link;
use super::outbox::{FILE_CHUNK, FilePart, Piece, Standing};
use super::shared::Shared;
use super::spool::Spool;
use super::tcp::READ_AHEAD;
use super::wire::{Received, Wire};

/// So many bytes are handed to the wire at once: two full TLS records.
const SEND_BUDGET: usize = 32_768;
/// So many times a task sends and receives before it lets others go first.
const ROUNDS: usize = 4;
/// How long a link that closes may take to send what is queued.
const CLOSE_TIME: Duration = Duration::from_secs(10);
/// How long it then waits for the peer to close as well.
const LINGER_TIME: Duration = Duration::from_secs(1);

thread_local! {
    /// Where the links of this thread put what they receive: frames are slices of it.
    static PLAINTEXT: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

type Reason = Cow<'static, str>;
/// Reads the next chunk of a file beside the network threads.
type FileJob = JoinHandle<io::Result<(Vec<u8>, FilePart)>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Finishing,
    Lingering,
}

/// Moves the bytes of one link until it ends; then says so, also when it is dropped.
pub struct LinkTask<W> {
    wire: W,
    link: Arc<Link>,
    shared: Arc<Shared>,
    cutter: Cutter,
    /// Received and not yet cut: only while a body is being written to its file.
    unread: Bytes,
    share: Share,
    spool: Option<Box<Spool>>,
    spool_whole: bool,
    file: Option<FileJob>,
    /// Whether nothing more is read: after a refused length, or because the link closes.
    deaf: bool,
    stage: Stage,
    reason: Reason,
    deadline: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl<W: Wire> LinkTask<W> {
    /// A task for a link that was just opened.
    pub fn new(wire: W, link: Arc<Link>, shared: Arc<Shared>) -> Self {
        shared.link_began();
        Self {
            wire,
            link,
            shared,
            cutter: Cutter::new(),
            unread: Bytes::new(),
            share: Share::default(),
            spool: None,
            spool_whole: false,
            file: None,
            deaf: false,
            stage: Stage::Open,
            reason: Cow::Borrowed("closed here"),
            deadline: None,
            ended: false,
        }
    }

    /// Goes on until there is nothing to do; ready with the reason when the link has ended.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        for _ in 0..ROUNDS {
            if let Some(reason) = self.look_up(cx) {
                return Poll::Ready(reason);
            }
            let moved = match self.stage {
                Stage::Open => self.exchange(cx),
                Stage::Finishing => {
                    if ready!(self.wire.poll_finish(cx)).is_err() {
                        return Poll::Ready(self.reason.clone());
                    }
                    self.stage = Stage::Lingering;
                    self.deadline = Some(Box::pin(sleep(LINGER_TIME)));
                    Ok(true)
                }
                Stage::Lingering => {
                    ready!(self.wire.poll_linger(cx));
                    return Poll::Ready(self.reason.clone());
                }
            };
            match moved {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(reason) => return Poll::Ready(reason),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sees what Python wants and whether time is up; some reason if the link is to be dropped.
    fn look_up(&mut self, cx: &mut Context<'_>) -> Option<Reason> {
        let standing = self.link.with_outbox(cx.waker(), |out| out.standing);
        if standing == Standing::Gone {
            return Some(Cow::Borrowed(self.link.why_gone()));
        }
        if standing == Standing::Closing && self.deadline.is_none() {
            self.deaf = true;
            self.deadline = Some(Box::pin(sleep(CLOSE_TIME)));
        }
        let late = self.deadline.as_mut()?.as_mut().poll(cx).is_ready();
        late.then(|| self.reason.clone())
    }

    fn exchange(&mut self, cx: &mut Context<'_>) -> Result<bool, Reason> {
        let sent = self.send(cx).map_err(|error| broken(&error))?;
        if self.stage != Stage::Open {
            return Ok(true);
        }
        let received = self.receive(cx)?;
        Ok(sent || received)
    }

    // --- sending --------------------------------------------------------------------------------

    /// Hands queued bytes to the wire until it is full or nothing waits; whether any were.
    fn send(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        let mut batch = Vec::new();
        for _ in 0..ROUNDS {
            if self.wire.poll_sent(cx)?.is_pending() || self.poll_file(cx)?.is_pending() {
                return Ok(moved);
            }
            let (standing, drained) = self.link.with_outbox(cx.waker(), |out| {
                out.take(SEND_BUDGET, &mut batch);
                (out.standing, out.drained())
            });
            if drained {
                self.tell(what::DRAINED, Bytes::new());
            }
            if batch.is_empty() {
                if standing == Standing::Closing {
                    self.stage = Stage::Finishing;
                }
                return Ok(moved);
            }
            moved = true;
            if let Some(Piece::File(_)) = batch.first() {
                self.read_file(&mut batch);
            } else {
                self.give(&batch)?;
                batch.clear();
            }
        }
        Ok(moved)
    }

    fn give(&mut self, batch: &[Piece]) -> io::Result<()> {
        let mut slices = Vec::with_capacity(batch.len() * 2);
        for piece in batch {
            match piece {
                Piece::Own(bytes) => slices.push(IoSlice::new(bytes)),
                Piece::Shared(bytes) => slices.push(IoSlice::new(bytes)),
                Piece::Delivery(head, body) => {
                    slices.extend([IoSlice::new(head), IoSlice::new(body)]);
                }
                Piece::File(_) => {}
            }
        }
        self.shared
            .counts
            .went(slices.iter().map(|slice| slice.len()).sum());
        self.wire.give(&slices)
    }

    fn read_file(&mut self, batch: &mut Vec<Piece>) {
        if let Some(Piece::File(mut part)) = batch.pop() {
            self.file = Some(spawn_blocking(move || {
                let here = usize::try_from(part.left).map_or(FILE_CHUNK, |n| n.min(FILE_CHUNK));
                let mut chunk = vec![0; here];
                part.file.read_exact_at(&mut chunk, part.offset)?;
                part.offset += here as u64;
                part.left -= here as u64;
                Ok((chunk, part))
            }));
        }
    }

    /// Ready when no part of a file is being read; what was read is next in the queue.
    fn poll_file(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let Some(job) = &mut self.file else {
            return Ok(Poll::Ready(()));
        };
        let Poll::Ready(read) = Pin::new(job).poll(cx) else {
            return Ok(Poll::Pending);
        };
        self.file = None;
        let (chunk, part) = read.map_err(io::Error::other)??;
        self.link.with_outbox(cx.waker(), |out| {
            if out.standing != Standing::Gone {
                if part.left > 0 {
                    out.push_front(Piece::File(part));
                }
                out.push_front(Piece::Shared(Bytes::from(chunk)));
            }
        });
        Ok(Poll::Ready(()))
    }

    // --- receiving ------------------------------------------------------------------------------

    /// Reads and cuts until nothing comes or a queue is full; whether anything came.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<bool, Reason> {
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

    fn hold(&mut self, bytes: usize) {
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

    // --- events ---------------------------------------------------------------------------------

    fn event(&self, what: u16, data: Bytes) -> Event {
        Event {
            link: Arc::clone(&self.link),
            what,
            data,
        }
    }

    fn tell(&self, what: u16, data: Bytes) {
        self.shared.inbox.push_one(self.event(what, data));
    }

    fn end(&mut self, reason: Reason) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.spool = None;
        self.hold(0);
        self.link.set_gone();
        self.tell(what::CLOSED, Bytes::from(reason.into_owned()));
        self.shared.link_ended();
    }
}

fn broken(error: &io::Error) -> Reason {
    format!("the connection broke: {error}").into()
}

fn unwritten(error: &io::Error) -> Reason {
    format!("a long message could not be kept: {error}").into()
}

impl<W: Wire> Future for LinkTask<W> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let reason = ready!(this.advance(cx));
        this.end(reason);
        Poll::Ready(())
    }
}

impl<W> Drop for LinkTask<W> {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.half_frames.hold(&self.link, &mut self.share, 0);
            self.link.set_gone();
            self.shared.inbox.push_one(Event {
                link: Arc::clone(&self.link),
                what: what::CLOSED,
                data: Bytes::from_static(b"the network was shut down"),
            });
            self.shared.link_ended();
        }
    }
}
