//! What happened on a network since it began: numbers that only grow.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers.
#[derive(Default)]
pub struct Counts {
    accepted: AtomicU64,
    blocked: AtomicU64,
    paced: AtomicU64,
    handshakes_failed: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

impl Counts {
    /// A connection was let in.
    pub fn accepted(&self) {
        add(&self.accepted, 1);
    }

    /// One was dropped that came from a blocked network.
    pub fn blocked(&self) {
        add(&self.blocked, 1);
    }

    /// One was dropped because too many come from its network.
    pub fn paced(&self) {
        add(&self.paced, 1);
    }

    /// One was let in and did not get to a link.
    pub fn handshake_failed(&self) {
        add(&self.handshakes_failed, 1);
    }

    /// Bytes of frames came.
    pub fn came(&self, bytes: usize) {
        add(&self.bytes_in, bytes as u64);
    }

    /// Bytes of frames went.
    pub fn went(&self, bytes: usize) {
        add(&self.bytes_out, bytes as u64);
    }

    /// All of them by name.
    pub fn all(&self) -> [(&'static str, u64); 6] {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        [
            ("accepted", of(&self.accepted)),
            ("blocked", of(&self.blocked)),
            ("paced", of(&self.paced)),
            ("handshakes_failed", of(&self.handshakes_failed)),
            ("bytes_in", of(&self.bytes_in)),
            ("bytes_out", of(&self.bytes_out)),
        ]
    }
}
