//! Connections whose handshake is not done: so many, and the oldest gives way.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::lock;

/// So many handshakes may be under way. Each holds some KiB, a hostile one up to 64.
const MOST: usize = 512;
/// When places are short a handshake has this long before it may lose its own.
const GRACE: Duration = Duration::from_secs(1);

/// The handshakes of all listeners.
#[derive(Default)]
pub struct HalfOpen {
    open: Mutex<VecDeque<(Instant, AbortHandle)>>,
    finished: Notify,
}

impl HalfOpen {
    /// Waits until one more may begin; ends the oldest if it has had its time.
    pub async fn room(&self) {
        while let Some(wait) = self.make_room() {
            // Either way the places are counted again.
            let _ = timeout(wait, self.finished.notified()).await;
        }
    }

    fn make_room(&self) -> Option<Duration> {
        let mut open = lock(&self.open);
        while open.front().is_some_and(|(_, task)| task.is_finished()) {
            open.pop_front();
        }
        if open.len() >= MOST {
            open.retain(|(_, task)| !task.is_finished());
        }
        if open.len() < MOST {
            return None;
        }
        let age = open.front()?.0.elapsed();
        if age < GRACE {
            return Some(GRACE - age);
        }
        let (_, oldest) = open.pop_front()?;
        oldest.abort();
        None
    }

    /// One has begun.
    pub fn add(&self, task: AbortHandle) {
        lock(&self.open).push_back((Instant::now(), task));
    }

    /// One is done, well or not.
    pub fn done(&self) {
        self.finished.notify_one();
    }
}
