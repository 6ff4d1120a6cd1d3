//! Sockets, TLS and framing. Frames of all links come in batches behind one descriptor.
//!
//! A listener or a dial makes a `Wire` (a secured stream: `tcp`); a task for each
//! link (`task`) cuts what it receives into frames (`frame`), puts them into the
//! one queue towards Python (`inbox`), and sends what Python has queued (`outbox`).
//! All but `tcp`, `plain`, `ws`, `quic`, `listen`, `dial_tcp`, `socks` and `socket` is the same for every
//! transport.

pub mod certificate;
mod counts;
pub mod dial;
mod dial_tcp;
pub mod engine;
pub mod frame;
pub mod gate;
mod half_frames;
pub mod half_open;
pub mod inbox;
pub mod link;
mod listen;
pub mod listeners;
pub mod outbox;
mod plain;
pub mod quic;
pub mod shared;
mod socket;
pub mod socks;
pub mod spool;
mod task;
mod tcp;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod wake;
pub mod wire;
pub mod ws;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: what is behind these locks is whole between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
