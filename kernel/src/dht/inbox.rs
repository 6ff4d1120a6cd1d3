//! What waits for Python: answers and outcomes of all look-ups and writes, in one queue.
//!
//! It is bounded by the number of open jobs: of each job only so many answers wait,
//! those with the greatest sequence numbers, and a job counts as open until its end
//! was taken.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::best::MOST_TOLD;
use super::lock;
use crate::net::wake::WakeFd;

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum What {
    /// An answer: sequence number i64 LE, signature (64 bytes), value.
    Item = 1,
    /// The job has ended. A look-up: how many nodes answered and were asked (u32 LE each). A write: outcome u8, words.
    Done = 2,
    /// The number of nodes known (u32 LE) became zero or no longer is. The job's number is 0.
    Nodes = 3,
}

/// One thing that happened.
#[derive(Debug)]
pub struct Event {
    /// The job.
    pub job: u64,
    /// What `data` is.
    pub what: What,
    /// See `What`.
    pub data: Vec<u8>,
    /// The sequence number of an item.
    pub seq: i64,
}

impl Event {
    /// An event that is no item.
    pub const fn new(job: u64, what: What, data: Vec<u8>) -> Self {
        Self {
            job,
            what,
            data,
            seq: 0,
        }
    }
}

/// The queue towards Python.
pub struct Inbox {
    queue: Mutex<VecDeque<Event>>,
    raised: AtomicBool,
    open: AtomicUsize,
    most_open: usize,
    wake: WakeFd,
}

impl Inbox {
    /// An empty queue for at most `most_open` jobs at a time.
    pub fn new(most_open: usize) -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::default(),
            raised: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            most_open,
            wake: WakeFd::new()?,
        })
    }

    /// Readable while events wait.
    pub fn fileno(&self) -> RawFd {
        self.wake.fileno()
    }

    /// Counts one more job in, unless too many are open.
    pub fn begin(&self) -> bool {
        self.open
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| {
                (open < self.most_open).then_some(open + 1)
            })
            .is_ok()
    }

    /// Queues an event. When too many items of a job wait, the oldest number among them is dropped.
    pub fn push(&self, event: Event) {
        let mut queue = lock(&self.queue);
        let of_job = (event.what == What::Item).then_some(event.job);
        queue.push_back(event);
        if let Some(job) = of_job {
            let waiting = queue.iter().enumerate();
            let items: Vec<(usize, i64)> = waiting
                .filter(|(_, waiting)| waiting.job == job && waiting.what == What::Item)
                .map(|(place, waiting)| (place, waiting.seq))
                .collect();
            if items.len() > MOST_TOLD
                && let Some(&(place, _)) = items.iter().min_by_key(|(_, seq)| *seq)
            {
                queue.remove(place);
            }
        }
        drop(queue);
        if !self.raised.swap(true, Ordering::SeqCst) {
            self.wake.raise();
        }
    }

    /// Takes all that waits, in order.
    ///
    /// The descriptor is read before the flag is cleared, and the queue taken
    /// after both: what is pushed in between raises it again.
    pub fn take(&self) -> VecDeque<Event> {
        self.wake.lower();
        self.raised.store(false, Ordering::SeqCst);
        let events = std::mem::take(&mut *lock(&self.queue));
        let ended = events.iter().filter(|event| event.what == What::Done);
        self.open.fetch_sub(ended.count(), Ordering::SeqCst);
        events
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn item(job: u64, seq: i64, data: &[u8]) -> Event {
        Event {
            job,
            what: What::Item,
            data: data.to_vec(),
            seq,
        }
    }

    fn is_readable(inbox: &Inbox) -> bool {
        let mut poll = libc::pollfd {
            fd: inbox.fileno(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one entry, which lives through the call.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    }

    #[test]
    fn the_descriptor_is_readable_exactly_while_events_wait() {
        let inbox = Inbox::new(2).unwrap();
        assert!(!is_readable(&inbox));
        inbox.push(Event::new(0, What::Nodes, vec![]));
        inbox.push(Event::new(0, What::Nodes, vec![]));
        assert!(is_readable(&inbox));
        assert_eq!(inbox.take().len(), 2);
        assert!(!is_readable(&inbox));
    }

    #[test]
    fn only_the_newest_answers_of_a_job_wait() {
        let inbox = Inbox::new(2).unwrap();
        inbox.push(item(2, 0, b"other"));
        for seq in (0..100).rev().chain(0..100) {
            inbox.push(item(1, seq, b"item"));
        }
        let waiting = inbox.take();
        assert_eq!(waiting.len(), 1 + MOST_TOLD);
        assert_eq!(waiting[0].job, 2);
        assert!(waiting.iter().skip(1).all(|event| event.seq >= 92));
    }

    #[test]
    fn a_job_is_open_until_its_end_was_taken() {
        let inbox = Inbox::new(1).unwrap();
        assert!(inbox.begin());
        assert!(!inbox.begin());
        inbox.push(Event::new(1, What::Done, vec![]));
        assert!(!inbox.begin());
        inbox.take();
        assert!(inbox.begin());
    }
}
