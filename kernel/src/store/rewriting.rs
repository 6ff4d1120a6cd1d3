//! Who may rewrite the log's files: one compaction, and only while nobody holds them as they are.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct State {
    held: usize,
    under_way: bool,
}

/// The right to rewrite, and the right that nobody does.
#[derive(Default)]
pub struct Rewriting {
    state: Mutex<State>,
    changed: Condvar,
}

/// A compaction under way.
pub struct Permit<'a>(&'a Rewriting);

impl Rewriting {
    /// Waits until nobody holds the files and no other compaction is under way.
    pub fn begin(&self) -> Permit<'_> {
        let free = |state: &mut State| state.under_way || state.held > 0;
        let waited = self.changed.wait_while(self.lock(), free);
        waited.unwrap_or_else(PoisonError::into_inner).under_way = true;
        Permit(self)
    }

    /// Waits for a compaction that is under way; until `release` there is none.
    pub fn hold(&self) {
        let busy = |state: &mut State| state.under_way;
        let waited = self.changed.wait_while(self.lock(), busy);
        waited.unwrap_or_else(PoisonError::into_inner).held += 1;
    }

    /// Gives back what one `hold` has taken.
    pub fn release(&self) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(1);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way = false;
        self.0.changed.notify_all();
    }
}
