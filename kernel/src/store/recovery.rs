//! Bringing the index to where the log is: after a crash by the log's tail, or all of it from nothing.

use std::collections::{HashMap, HashSet};

use crate::store::apply::{Change, ID};
use crate::store::entry::{Head, What, number};
use crate::store::error::{Error, Result};
use crate::store::index::{Dead, Index};
use crate::store::log::{Log, Segments};
use crate::store::rows::Rows;
use crate::store::segment::damaged;
use crate::store::writer::Stop;

/// Records for one transaction of the index.
const STEP: usize = 1 << 20;
/// Bytes of keys from which on room is made for all of them at once.
const LARGE: u64 = 1 << 20;
/// How many entries are read between two reports.
const REPORT_EVERY: usize = 1 << 14;

/// Told how far a rebuild is: (bytes done, bytes in all).
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Replays what the index has not seen of the log. Every entry's checksum is looked at.
pub fn catch_up(index: &Index, log: &Log, progress: Progress<'_>) -> Result<()> {
    let segments = log.segments();
    let end = log.end();
    let (mut from, mut received) = {
        let entered = index.enter();
        let txn = entered.read()?;
        let tables = index.tables();
        (tables.covered(&txn)?, tables.last_received(&txn)?)
    };
    let started = from;
    while from < end {
        let mut tell = |at: u64| progress(at - started, end - started);
        let part = Part::read(index, &segments, from..end, &mut tell)?;
        received = received.max(part.received);
        if part.rows.size() > LARGE {
            index.grow(part.rows.size() / 16 * 17)?;
        }
        loop {
            match part.write(index, &segments, received) {
                Ok(()) => break,
                Err(Stop::NoRoom | Stop::NoFit(_)) => index.grow(0)?,
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        from = part.end;
        progress(from - started, end - started);
    }
    Ok(())
}

/// What a part of the log means for the index.
struct Part {
    start: u64,
    end: u64,
    rows: Rows,
    removed: HashSet<u64>,
    refused: Vec<[u8; ID]>,
    /// Records with marks that mean something for the tables.
    marked: Vec<u64>,
    dead: HashMap<u64, Dead>,
    received: u64,
}

impl Part {
    fn read(
        index: &Index,
        segments: &Segments,
        range: std::ops::Range<u64>,
        tell: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let mut part = Self {
            start: range.start,
            end: range.end,
            rows: Rows::default(),
            removed: HashSet::new(),
            refused: Vec::new(),
            marked: Vec::new(),
            dead: HashMap::new(),
            received: 0,
        };
        let mut records = Vec::new();
        let mut at = range.start;
        while let Some(position) = segments.first_from(at, range.end) {
            if records.len() == STEP {
                part.end = position;
                break;
            }
            let (head, body) = part.check(segments, position)?;
            at = position + head.size();
            match head.what {
                What::Record => records.push(position),
                What::Removal => part.removed.extend(body.chunks_exact(8).map(number)),
                What::Refusal => {
                    let ids = body.chunks_exact(ID).filter_map(|id| id.first_chunk());
                    part.refused.extend(ids);
                }
            }
            if records.len().is_multiple_of(REPORT_EVERY) {
                tell(at);
            }
        }
        for position in records {
            part.gather(index, segments, position);
        }
        part.rows.sort();
        Ok(part)
    }

    fn check<'s>(&mut self, segments: &'s Segments, position: u64) -> Result<(Head, &'s [u8])> {
        let segment = segments.of(position);
        let entry = segment.and_then(|s| s.checked_entry(position));
        let (Some(segment), Some((head, body))) = (segment, entry) else {
            return Err(not_whole(segments, position));
        };
        let greatest = segment
            .header()
            .compacted
            .map_or(0, |(_, _, received)| received);
        self.received = self.received.max(head.received).max(greatest);
        Ok((head, body))
    }

    fn gather(&mut self, index: &Index, segments: &Segments, position: u64) {
        let Some(segment) = segments.of(position) else {
            return;
        };
        let Some((head, record)) = segment.entry(position) else {
            return;
        };
        if self.removed.contains(&position) {
            let dead = self.dead.entry(segment.base()).or_default();
            dead.bytes += head.size();
            dead.records += 1;
        } else {
            self.rows.gather(index.hashes(), record, position, |_| true);
            if head.marks.deletes || head.marks.label != 0 {
                self.marked.push(position);
            }
        }
    }

    fn write(
        &self,
        index: &Index,
        segments: &Segments,
        received: u64,
    ) -> std::result::Result<(), Stop> {
        let entered = index.enter();
        let mut txn = entered.write()?;
        self.rows.put(&mut txn, index.tables(), &HashSet::new())?;
        let mut change = Change {
            txn: &mut txn,
            tables: index.tables(),
            hashes: index.hashes(),
        };
        for &position in self.removed.iter().filter(|&&p| p < self.start) {
            let Some(segment) = segments.of(position) else {
                continue;
            };
            if let Some((head, record)) = segment.entry(position) {
                change.delete(&head, record, segment.base())?;
            }
        }
        for &position in &self.marked {
            if let Some((head, record)) = segments.entry(position) {
                change.mark(&head, record)?;
            }
        }
        for id in &self.refused {
            change.refuse(id)?;
        }
        for (&base, &more) in &self.dead {
            let before = change.dead(base)?;
            let dead = Dead {
                bytes: before.bytes + more.bytes,
                records: before.records + more.records,
            };
            change.set_dead(base, dead)?;
        }
        index.tables().set_covered(&mut txn, self.end, received)?;
        txn.commit()?;
        Ok(())
    }
}

fn not_whole(segments: &Segments, position: u64) -> Error {
    let what = format!("the entry at position {position} is not whole");
    match segments.of(position) {
        Some(segment) => damaged(segment.path(), position - segment.base(), &what),
        None => Error::Damaged(what),
    }
}
