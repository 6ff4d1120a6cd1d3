//! Bringing the index to where the log is.

use crate::store::apply::Change;
use crate::store::error::{Error, Result};
use crate::store::index::Index;
use crate::store::log::{Log, Segments};
use crate::store::segment::damaged;

/// Entries for one transaction of the index.
const STEP: usize = 1 << 16;

/// Told how far a rebuild is: (bytes done, bytes in all).
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Replays what the index has not seen of the log. Every entry's checksum is looked at.
pub fn catch_up(index: &Index, log: &Log, progress: Progress<'_>) -> Result<()> {
    let segments = log.segments();
    let (end, tables) = (log.end(), *index.tables());
    let (mut from, mut received) = {
        let entered = index.enter();
        let txn = entered.read()?;
        (tables.covered(&txn)?, tables.last_received(&txn)?)
    };
    let started = from;
    while from < end {
        match step(index, &segments, from, end, received) {
            Ok(done) => (from, received) = done,
            Err(Step::NoRoom) => index.grow()?,
            Err(Step::Failed(error)) => return Err(error),
        }
        progress(from - started, end - started);
    }
    Ok(())
}

enum Step {
    NoRoom,
    Failed(Error),
}

impl From<Error> for Step {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<heed::Error> for Step {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Mdb(heed::MdbError::MapFull) => Self::NoRoom,
            other => Self::Failed(other.into()),
        }
    }
}

fn step(
    index: &Index,
    segments: &Segments,
    from: u64,
    end: u64,
    mut received: u64,
) -> std::result::Result<(u64, u64), Step> {
    let entered = index.enter();
    let mut txn = entered.write()?;
    let mut change = Change {
        txn: &mut txn,
        tables: index.tables(),
        hashes: index.hashes(),
    };
    let mut at = from;
    for _ in 0..STEP {
        let Some(position) = segments.first_from(at, end) else {
            at = end;
            break;
        };
        let (segment, (head, body)) = segments
            .of(position)
            .and_then(|s| Some((s, s.checked_entry(position)?)))
            .ok_or_else(|| not_whole(segments, position))?;
        if let Some((_, _, greatest)) = segment.header().compacted {
            received = received.max(greatest);
        }
        received = received.max(head.received);
        change.replay(segments, &head, body)?;
        at = position + head.size();
    }
    index.tables().set_covered(&mut txn, at, received)?;
    txn.commit()?;
    Ok((at, received))
}

fn not_whole(segments: &Segments, position: u64) -> Error {
    let what = format!("the entry at position {position} is not whole");
    match segments.of(position) {
        Some(segment) => damaged(segment.path(), position - segment.base(), &what),
        None => Error::Damaged(what),
    }
}
