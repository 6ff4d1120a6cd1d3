//! The task that moves the bytes of one link, whatever its transport.

mod receiving;
mod sending;

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep};

use super::frame::Cutter;
use super::half_frames::Share;
use super::inbox::{Event, what};
use super::link::Link;
use super::outbox::{FilePart, Standing};
use super::shared::Shared;
use super::spool::Spool;
use super::wire::Wire;

/// So many times a task sends and receives before it lets others go first.
const ROUNDS: usize = 4;
/// How long a link that closes may take to send what is queued.
const CLOSE_TIME: Duration = Duration::from_secs(10);
/// How long it then waits for the peer to close as well.
const LINGER_TIME: Duration = Duration::from_secs(1);

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
