//! The log's files as they were at one moment, for a copy while the store is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::store::Store;

/// Files of the log, none of which is rewritten or removed until it is released or dropped.
pub struct Snapshot {
    store: Arc<Store>,
    /// Names in the log's folder, and how many bytes of each count, oldest first.
    pub files: Vec<(String, u64)>,
    /// The position behind the last entry.
    pub end: u64,
    /// The greatest received time up to then (ns).
    pub last_received: u64,
    released: AtomicBool,
}

impl Snapshot {
    /// Takes one; waits for a compaction that is under way.
    pub fn take(store: Arc<Store>) -> Self {
        store.rewriting.hold();
        // The end first: the segments then have all that stands before it.
        let (end, last_received) = store.ends();
        let segments = store.log.segments();
        let name = |path: &std::path::Path| path.file_name().map(|n| n.to_string_lossy().into());
        let until_end = segments.all().iter().filter(|s| s.base() <= end);
        let files = until_end
            .filter_map(|s| Some((name(s.path())?, s.size_until(end))))
            .collect();
        Self {
            store,
            files,
            end,
            last_received,
            released: AtomicBool::new(false),
        }
    }

    /// Lets the files be rewritten again.
    pub fn release(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            self.store.rewriting.release();
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.release();
    }
}
