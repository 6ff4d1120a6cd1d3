//! A link as both sides see it: Python's calls on one, the task that moves its bytes on the other.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::Waker;

use bytes::Bytes;

use super::gate::Pass;
use super::lock;
use super::outbox::{FilePart, Outbox, Pushed, Standing};
use super::quic;
use super::spool::Spooled;

/// So many whole bodies may wait to be taken before reading pauses.
const SPOOLED_MOST: usize = 4;

/// What both sides of a link share.
pub struct Link {
    /// Its number, never used again.
    pub number: u64,
    /// Whether the peer has dialled us. Only such a peer is not read from while it does not read:
    /// if both ends did that, two full queues would wait for each other for ever.
    pub accepted: bool,
    /// Where the peer is, once that is known.
    pub peer: OnceLock<SocketAddr>,
    /// The QUIC connection of which it is a stream, if it is one.
    pub quic: OnceLock<Weak<quic::Peer>>,
    /// What counts it at the gate, if it is a connection that was let in.
    pub pass: OnceLock<Pass>,
    /// The greatest lengths of types that were set for it alone, until the task has taken them.
    own_limits: Mutex<Vec<(u8, u32)>>,
    limited: AtomicBool,
    /// Whether its events go before others'.
    preferred: AtomicBool,
    /// Events of it that stand among those of others in the queue; only for who has locked that.
    pub among_others: AtomicUsize,
    out: Mutex<Outbox>,
    inbox_bytes: AtomicUsize,
    inbox_limit: usize,
    paused: AtomicBool,
    muted: AtomicBool,
    gave_way: AtomicBool,
    spooled: Mutex<VecDeque<Spooled>>,
    upgrade: Mutex<Upgrade>,
}

/// How far Python's answer to an HTTP head is.
enum Upgrade {
    /// None is wanted.
    No,
    /// It was asked.
    Asked,
    /// What goes out, and whether frames follow.
    Answered(Vec<u8>, bool),
}

impl Link {
    /// A link whose queues should not pass these limits, in bytes.
    pub fn new(number: u64, accepted: bool, inbox_limit: usize, outbox_limit: usize) -> Self {
        Self {
            number,
            accepted,
            peer: OnceLock::new(),
            quic: OnceLock::new(),
            pass: OnceLock::new(),
            own_limits: Mutex::default(),
            limited: AtomicBool::new(false),
            preferred: AtomicBool::new(false),
            among_others: AtomicUsize::new(0),
            out: Mutex::new(Outbox::new(outbox_limit)),
            inbox_bytes: AtomicUsize::new(0),
            inbox_limit,
            paused: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            gave_way: AtomicBool::new(false),
            spooled: Mutex::default(),
            upgrade: Mutex::new(Upgrade::No),
        }
    }

    /// The QUIC connection of which it is a stream, while that is open.
    pub fn quic(&self) -> Option<Arc<quic::Peer>> {
        self.quic.get()?.upgrade()
    }

    /// Where the peer is now: over QUIC it may move.
    pub fn address(&self) -> Option<SocketAddr> {
        let quic = self.quic().map(|peer| peer.connection.remote_address());
        quic.or_else(|| self.peer.get().copied())
    }

    /// What one type's greatest length is for frames that begin from now on.
    pub fn limit_frames(&self, kind: u8, most: u32) {
        lock(&self.own_limits).push((kind, most));
        self.limited.store(true, Ordering::SeqCst);
    }

    /// The lengths that were set and not yet taken.
    pub fn take_limits(&self) -> Vec<(u8, u32)> {
        if self.limited.swap(false, Ordering::SeqCst) {
            return std::mem::take(&mut lock(&self.own_limits));
        }
        Vec::new()
    }

    /// Whether its events go before others' from now on.
    pub fn prefer(&self, preferred: bool) {
        self.preferred.store(preferred, Ordering::SeqCst);
    }

    /// See `prefer`.
    pub fn is_preferred(&self) -> bool {
        self.preferred.load(Ordering::SeqCst)
    }

    // --- Python's side ------------------------------------------------------------------------

    /// Queues whole frames; the bytes now waiting, or nothing if the link is gone.
    pub fn send(&self, data: &[u8]) -> Option<usize> {
        self.queue(|out| out.push(data))
    }

    /// Queues `head`, then a part of a file that must be there whole.
    pub fn send_file(
        &self,
        head: &[u8],
        path: &Path,
        offset: u64,
        length: u64,
    ) -> io::Result<Option<usize>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file has {size} bytes, not {length} from {offset} on"),
            ));
        }
        let part = FilePart {
            file,
            offset,
            left: length,
        };
        Ok(self.queue(|out| out.push_file(head, part)))
    }

    fn queue(&self, push: impl FnOnce(&mut Outbox) -> Pushed) -> Option<usize> {
        let mut out = lock(&self.out);
        let pushed = push(&mut out);
        if pushed == Pushed::Overrun {
            out.standing = Standing::Gone;
            out.clear();
        }
        let waker = match pushed {
            Pushed::Gone => None,
            _ => out.waker.take(),
        };
        drop(out);
        wake(waker);
        match pushed {
            Pushed::Waiting(bytes) => Some(bytes),
            Pushed::Gone | Pushed::Overrun => None,
        }
    }

    /// Queues a header and a shared body; false if the queue is full or the link gone.
    pub fn deliver(&self, head: [u8; 8], body: &Bytes) -> bool {
        let mut out = lock(&self.out);
        let taken = out.deliver(head, body);
        let waker = if taken { out.waker.take() } else { None };
        drop(out);
        wake(waker);
        taken
    }

    /// Bytes queued, or nothing if the link is gone.
    pub fn pending(&self) -> Option<usize> {
        let out = lock(&self.out);
        (out.standing != Standing::Gone).then(|| out.bytes())
    }

    /// Sends what is queued, then closes; what it still receives is dropped.
    pub fn close(&self) {
        self.muted.store(true, Ordering::SeqCst);
        self.end(Standing::Closing);
    }

    /// Drops the link at once.
    pub fn abort(&self) {
        self.muted.store(true, Ordering::SeqCst);
        self.end(Standing::Gone);
    }

    fn end(&self, standing: Standing) {
        let mut out = lock(&self.out);
        if out.standing == Standing::Gone || out.standing == standing {
            return;
        }
        out.standing = standing;
        if standing == Standing::Gone {
            out.clear();
        }
        let waker = out.waker.take();
        drop(out);
        wake(waker);
    }

    /// Drops the link at once: others need the memory that it holds.
    pub fn give_way(&self) {
        self.gave_way.store(true, Ordering::SeqCst);
        self.end(Standing::Gone);
    }

    /// Why the link was dropped, in words.
    pub fn why_gone(&self) -> &'static str {
        if self.is_muted() {
            "dropped here"
        } else if self.gave_way.load(Ordering::SeqCst) {
            "cut: too many messages had begun and not ended, and this one first"
        } else {
            "cut: it took too little of what was sent to it"
        }
    }

    /// Whether Python has closed it and wants to hear of no more frames.
    pub fn is_muted(&self) -> bool {
        self.muted.load(Ordering::SeqCst)
    }

    /// Answers the HTTP head; false if none waits for it. A refused link closes behind the answer.
    pub fn answer_upgrade(&self, head: Vec<u8>, accepted: bool) -> bool {
        let mut upgrade = lock(&self.upgrade);
        if !matches!(*upgrade, Upgrade::Asked) {
            return false;
        }
        *upgrade = Upgrade::Answered(head, accepted);
        drop(upgrade);
        if accepted {
            self.wake();
        } else {
            self.close();
        }
        true
    }

    /// The oldest body that waits to be taken.
    pub fn take_spooled(&self) -> Option<Spooled> {
        let oldest = lock(&self.spooled).pop_front();
        self.wake();
        oldest
    }

    /// Removes the files of bodies that nobody took.
    pub fn forget_spooled(&self) {
        lock(&self.spooled).clear();
    }

    // --- the task's side ------------------------------------------------------------------------

    /// Works on the queue, with `waker` in place for whatever is queued or told next.
    pub fn with_outbox<R>(&self, waker: &Waker, work: impl FnOnce(&mut Outbox) -> R) -> R {
        let mut out = lock(&self.out);
        match &out.waker {
            Some(known) if known.will_wake(waker) => {}
            _ => out.waker = Some(waker.clone()),
        }
        work(&mut out)
    }

    /// The link has ended: nothing can be queued any more.
    pub fn set_gone(&self) {
        let mut out = lock(&self.out);
        out.standing = Standing::Gone;
        out.clear();
        out.waker = None;
    }

    /// Python is about to be asked what to answer to an HTTP head.
    pub fn ask_upgrade(&self) {
        *lock(&self.upgrade) = Upgrade::Asked;
    }

    /// The answer, once it is there. The task is woken when it comes.
    pub fn take_upgrade(&self) -> Option<(Vec<u8>, bool)> {
        let mut upgrade = lock(&self.upgrade);
        match std::mem::replace(&mut *upgrade, Upgrade::No) {
            Upgrade::Answered(head, accepted) => Some((head, accepted)),
            before => {
                *upgrade = before;
                None
            }
        }
    }

    /// A body is whole.
    pub fn add_spooled(&self, spooled: Spooled) {
        lock(&self.spooled).push_back(spooled);
    }

    /// Whether what waits for Python leaves room to read on; if not, the task is woken when it does.
    pub fn has_room(&self) -> bool {
        if self.inbox_bytes.load(Ordering::SeqCst) < self.inbox_limit {
            return lock(&self.spooled).len() < SPOOLED_MOST;
        }
        self.paused.store(true, Ordering::SeqCst);
        // Python may have taken events in between, without seeing the mark.
        self.inbox_bytes.load(Ordering::SeqCst) <= self.inbox_limit / 2
    }

    // --- the inbox's side -------------------------------------------------------------------------

    /// An event of so many bytes was queued.
    pub fn count_in(&self, bytes: usize) {
        self.inbox_bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    /// An event of so many bytes was handed out.
    pub fn count_out(&self, bytes: usize) {
        let left = self
            .inbox_bytes
            .fetch_sub(bytes, Ordering::SeqCst)
            .saturating_sub(bytes);
        if left <= self.inbox_limit / 2 && self.paused.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        let waker = lock(&self.out).waker.take();
        wake(waker);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
