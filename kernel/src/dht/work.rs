//! One look-up, one write.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_core::Stream;
use mainline::async_dht::{AsyncDht, GetMutableDetailed};
use mainline::errors::{ConcurrencyError, PutMutableError, PutQueryError};
use mainline::{GetMutableOutcome, MutableItem};

use super::best::Best;
use super::inbox::{Event, What};
use super::node::{Run, Shared};

/// How a write ended, as a number and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Some nodes keep it.
    Stored = 0,
    /// Another item stands there than the one named.
    CasFailed = 1,
    /// An item with a greater number stands there.
    NotMostRecent = 2,
    /// Nobody answered.
    Unreachable = 3,
    /// Those who answered refused.
    Refused = 4,
}

/// Looks up an item and tells of its answers; the end is told by the caller.
pub async fn look_up(
    run: &Run,
    shared: &Arc<Shared>,
    job: u64,
    key: &[u8; 32],
    salt: &[u8],
) -> GetMutableOutcome {
    let GetMutableDetailed { mut items, outcome } =
        run.dht.get_mutable_detailed(key, Some(salt), None);
    run.wake();
    let mut best = Best::default();
    while let Some(item) = poll_fn(|context| Pin::new(&mut items).poll_next(context)).await {
        if !best.takes(item.seq(), item.value()) {
            continue;
        }
        let mut data = Vec::with_capacity(72 + item.value().len());
        data.extend(item.seq().to_le_bytes());
        data.extend(item.signature());
        data.extend(item.value());
        shared.inbox.push(Event {
            job,
            what: What::Item,
            data,
            seq: item.seq(),
        });
    }
    outcome.recv().await
}

/// Writes an item.
pub async fn write(run: &Run, item: MutableItem, cas: Option<i64>) -> (Outcome, String) {
    let mut writing = pin!(run.dht.put_mutable(item, cas));
    let mut begun = false;
    let ended = poll_fn(|context| {
        let ended = writing.as_mut().poll(context);
        if !begun {
            // The first poll is what hands it over.
            begun = true;
            run.wake();
        }
        ended
    });
    match ended.await {
        Ok(outcome) => (Outcome::Stored, outcome.stored_at.to_string()),
        Err(error) => (outcome_of(&error), error.to_string()),
    }
}

const fn outcome_of(error: &PutMutableError) -> Outcome {
    match error {
        PutMutableError::Concurrency(ConcurrencyError::NotMostRecent) => Outcome::NotMostRecent,
        PutMutableError::Concurrency(_) => Outcome::CasFailed,
        PutMutableError::Query(PutQueryError::ErrorResponse(_)) => Outcome::Refused,
        PutMutableError::Query(_) => Outcome::Unreachable,
    }
}

/// Counts the nodes that we know, and tells when there are some for the first time or none any more.
pub async fn count_nodes(dht: &AsyncDht, shared: &Shared) -> usize {
    let count = dht.to_bootstrap().await.len();
    let before = shared.nodes.swap(count, Ordering::SeqCst);
    if (before == 0) != (count == 0) {
        let told = u32::try_from(count).unwrap_or(u32::MAX);
        shared
            .inbox
            .push(Event::new(0, What::Nodes, told.to_le_bytes().to_vec()));
    }
    count
}
