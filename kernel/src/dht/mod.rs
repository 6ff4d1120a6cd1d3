//! The Mainline DHT: answers of look-ups and outcomes of writes come in batches behind one descriptor.
//!
//! A node of our own (`node`) looks up and writes items that others have signed; what
//! it hears waits in a bounded queue (`inbox`), what passes is counted (`meter`). `testnet` is a whole DHT on this
//! machine. Only IPv4: the crate that speaks with the DHT knows nothing else.

pub mod best;
pub mod entry;
pub mod inbox;
pub mod meter;
pub mod node;
pub mod testnet;
mod waker;
pub mod work;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: what is behind these locks is whole between two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
