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
    /// How the peer came (a byte), and the head of its HTTP request or response.
    pub const UPGRADE: u16 = 263;
    /// The reason in words: the server broke off the handshake.
    pub const DIAL_REFUSED_FORM: u16 = 264;
    /// The reason in words: what the server shows is not an Ed25519 certificate.
    pub const DIAL_FOREIGN_CERTIFICATE: u16 = 265;
}

/// What an event counts for beside its bytes, so that empty ones are bounded too.
const EVENT_WEIGHT: usize = 64;
/// So many events of links that are not preferred are taken at once where there are preferred ones.
const OTHERS_AT_ONCE: usize = 256;

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
        self.what < 256
            || matches!(
                self.what,
                what::SPOOLED | what::REFUSED_LENGTH | what::UPGRADE
            )
    }

    const fn ends_link(&self) -> bool {
        matches!(
            self.what,
            what::CLOSED
                | what::DIAL_FAILED
                | what::DIAL_WRONG_KEY
                | what::DIAL_REFUSED_FORM
                | what::DIAL_FOREIGN_CERTIFICATE
        )
    }
}

/// Events that wait, and readers that wait for room.
#[derive(Default)]
struct Lane {
    events: VecDeque<Event>,
    bytes: usize,
    waiting: HashMap<u64, Waker>,
}

impl Lane {
    fn push(&mut self, event: Event) {
        self.bytes += event.weight();
        self.events.push_back(event);
    }

    fn take(&mut self, most: usize, taken: &mut Vec<Event>) {
        let count = self.events.len().min(most);
        for event in self.events.drain(..count) {
            self.bytes -= event.weight();
            taken.push(event);
        }
        if self.events.is_empty() && self.events.capacity() > 8_192 {
            self.events = VecDeque::new();
        }
    }

    /// Who may read on.
    fn awake(&mut self, limit: usize) -> HashMap<u64, Waker> {
        if self.bytes <= limit / 2 {
            std::mem::take(&mut self.waiting)
        } else {
            HashMap::new()
        }
    }
}

#[derive(Default)]
struct Queue {
    /// Of links that are preferred.
    first: Lane,
    others: Lane,
    /// Whether any link was ever preferred.
    preferring: bool,
    /// Links whose end was handed out; Python may still ask for their files until it polls again.
    ended: Vec<Arc<Link>>,
}

impl Queue {
    fn add(&mut self, event: Event) {
        // Behind what already stands among others': each link's events stay in their order.
        if event.link.is_preferred() && event.link.among_others.load(Ordering::Relaxed) == 0 {
            self.first.push(event);
            return;
        }
        event.link.among_others.fetch_add(1, Ordering::Relaxed);
        self.others.push(event);
    }

    fn take(&mut self, most: usize) -> Vec<Event> {
        let mut taken = Vec::new();
        self.first.take(most, &mut taken);
        // While somebody is preferred, few of the others are taken at a time, so that he is asked again soon.
        let others = if self.preferring {
            OTHERS_AT_ONCE
        } else {
            most
        };
        let before = taken.len();
        self.others.take(others.min(most - before), &mut taken);
        for event in &taken[before..] {
            event.link.among_others.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }
}

/// The queue between the links and Python.
pub struct Inbox {
    queue: Mutex<Queue>,
    limit: usize,
    /// Whether the first lane is, and that of the others.
    full: [AtomicBool; 2],
    raised: AtomicBool,
    wake: WakeFd,
}

impl Inbox {
    /// An empty queue that should not pass `limit` bytes, and as much again of preferred links.
    pub fn new(limit: usize) -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::default(),
            limit,
            full: Default::default(),
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
            queue.add(event);
        }
        self.note(&queue);
        drop(queue);
        self.raise();
    }

    /// Queues one event.
    pub fn push_one(&self, event: Event) {
        self.push(&mut vec![event]);
    }

    fn note(&self, queue: &Queue) {
        for (full, lane) in self.full.iter().zip([&queue.first, &queue.others]) {
            full.store(lane.bytes >= self.limit, Ordering::SeqCst);
        }
    }

    fn raise(&self) {
        if !self.raised.swap(true, Ordering::SeqCst) {
            self.wake.raise();
        }
    }

    /// From now on a link's events go before those of others, or no longer do.
    pub fn prefer(&self, link: &Link, preferred: bool) {
        let mut queue = lock(&self.queue);
        link.prefer(preferred);
        queue.preferring |= preferred;
        let waker = queue.others.waiting.remove(&link.number);
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes up to `most` events, those of each link in order, and the links that are to be forgotten.
    ///
    /// The descriptor is read before the flag is cleared, and the queue taken
    /// after both: what is pushed in between raises it again.
    pub fn take(&self, most: usize) -> (Vec<Event>, Vec<Arc<Link>>) {
        self.wake.lower();
        self.raised.store(false, Ordering::SeqCst);
        let mut queue = lock(&self.queue);
        let forgotten = std::mem::take(&mut queue.ended);
        let events = queue.take(most);
        for event in &events {
            if event.ends_link() {
                queue.ended.push(Arc::clone(&event.link));
            }
        }
        self.note(&queue);
        let mut waiting = queue.first.awake(self.limit);
        waiting.extend(queue.others.awake(self.limit));
        let more = !queue.first.events.is_empty() || !queue.others.events.is_empty();
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
        self.poll_lane(who, false, cx)
    }

    /// The same for a link that may be preferred.
    pub fn poll_room_of(&self, link: &Link, cx: &Context<'_>) -> Poll<()> {
        self.poll_lane(link.number, link.is_preferred(), cx)
    }

    fn poll_lane(&self, who: u64, first: bool, cx: &Context<'_>) -> Poll<()> {
        if !self.full[usize::from(!first)].load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let mut queue = lock(&self.queue);
        let lane = if first {
            &mut queue.first
        } else {
            &mut queue.others
        };
        if lane.bytes < self.limit {
            return Poll::Ready(());
        }
        lane.waiting.insert(who, cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
