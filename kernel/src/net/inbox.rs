//! What waits for Python: events of all links in one queue, bounded in bytes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::link::Link;
use super::lock;
use super::wake::WakeFd;

/// What `poll` reports beside frames, whose number is their type byte.
pub mod what {
    /// The peer's key, or nothing if it is anonymous.
    pub const OPENED: u16 = 256;
    /// The reason in words; nothing follows.
    pub const CLOSED: u16 = 257;
    /// The 8 header bytes; reading has stopped.
    pub const REFUSED_LENGTH: u16 = 258;
    /// The out queue sank under half its limit after having passed it.
    pub const DRAINED: u16 = 259;
    /// The frame's prefix; its body is a file.
    pub const SPOOLED: u16 = 260;
    /// The reason in words.
    pub const DIAL_FAILED: u16 = 261;
    /// The key that answered.
    pub const DIAL_WRONG_KEY: u16 = 262;
}

/// What an event counts for beside its bytes, so that empty ones are bounded too.
const EVENT_WEIGHT: usize = 64;

/// One thing that happened on a link.
pub struct Event {
    /// The link.
    pub link: Arc<Link>,
    /// A frame's type, or a number of `what`.
    pub what: u16,
    /// The frame, or what the number says.
    pub data: Bytes,
}

impl Event {
    /// What it counts for in the queues, in bytes.
    pub fn weight(&self) -> usize {
        self.data.len() + EVENT_WEIGHT
    }

    /// Whether it comes from the peer and so waits when the queues are full.
    pub const fn is_from_peer(&self) -> bool {
        self.what < 256 || self.what == what::SPOOLED || self.what == what::REFUSED_LENGTH
    }

    const fn ends_link(&self) -> bool {
        matches!(
            self.what,
            what::CLOSED | what::DIAL_FAILED | what::DIAL_WRONG_KEY
        )
    }
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    waiting: HashMap<u64, Waker>,
    /// Links whose end was handed out; Python may still ask for their files until it polls again.
    ended: Vec<Arc<Link>>,
}

/// The queue between the links and Python.
pub struct Inbox {
    queue: Mutex<Queue>,
    limit: usize,
    full: AtomicBool,
    raised: AtomicBool,
    wake: WakeFd,
}

impl Inbox {
    /// An empty queue that should not pass `limit` bytes.
    pub fn new(limit: usize) -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::default(),
            limit,
            full: AtomicBool::new(false),
            raised: AtomicBool::new(false),
            wake: WakeFd::new()?,
        })
    }

    /// Readable while events wait.
    pub fn fileno(&self) -> RawFd {
        self.wake.fileno()
    }

    /// Queues events (and leaves the list empty): one wake-up for all that come before the next `take`.
    pub fn push(&self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut queue = lock(&self.queue);
        for event in events.drain(..) {
            if event.is_from_peer() {
                event.link.count_in(event.weight());
            }
            queue.bytes += event.weight();
            queue.events.push_back(event);
        }
        self.full.store(queue.bytes >= self.limit, Ordering::SeqCst);
        drop(queue);
        self.raise();
    }

    /// Queues one event.
    pub fn push_one(&self, event: Event) {
        self.push(&mut vec![event]);
    }

    fn raise(&self) {
        if !self.raised.swap(true, Ordering::SeqCst) {
            self.wake.raise();
        }
    }

    /// Takes up to `most` events, in order, and the links that are to be forgotten.
    ///
    /// The descriptor is read before the flag is cleared, and the queue taken
    /// after both: what is pushed in between raises it again.
    pub fn take(&self, most: usize) -> (Vec<Event>, Vec<Arc<Link>>) {
        self.wake.lower();
        self.raised.store(false, Ordering::SeqCst);
        let mut queue = lock(&self.queue);
        let forgotten = std::mem::take(&mut queue.ended);
        let count = queue.events.len().min(most);
        let events: Vec<Event> = queue.events.drain(..count).collect();
        for event in &events {
            queue.bytes -= event.weight();
            if event.ends_link() {
                queue.ended.push(Arc::clone(&event.link));
            }
        }
        self.full.store(queue.bytes >= self.limit, Ordering::SeqCst);
        let waiting = if queue.bytes <= self.limit / 2 {
            std::mem::take(&mut queue.waiting)
        } else {
            HashMap::new()
        };
        if queue.events.is_empty() && queue.events.capacity() > 8_192 {
            queue.events = VecDeque::new();
        }
        let more = !queue.events.is_empty();
        drop(queue);
        if more {
            self.raise();
        }
        for event in &events {
            if event.is_from_peer() {
                event.link.count_out(event.weight());
            }
        }
        for waker in waiting.into_values() {
            waker.wake();
        }
        (events, forgotten)
    }

    /// Ready while the queue has room; else wakes `who` (a number of its own) when it has again.
    pub fn poll_room(&self, who: u64, cx: &Context<'_>) -> Poll<()> {
        if !self.full.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let mut queue = lock(&self.queue);
        if queue.bytes < self.limit {
            return Poll::Ready(());
        }
        queue.waiting.insert(who, cx.waker().clone());
        Poll::Pending
    }
}
