//! Several ranges of one table as one stream, newest first by (timestamp, id).
//!
//! Between slices only the place that was reached is kept, no cursor and no snapshot.

use std::collections::{BinaryHeap, VecDeque};

use heed::RoRevRange;
use heed::types::Bytes;
use std::ops::Bound;

use crate::store::error::Result;
use crate::store::keys::{self, Place, Prefix, Table};
use crate::store::plan::Hints;
use crate::store::view::View;

/// The keys under a prefix with timestamps from `low` to `high`, both included.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// What is indexed (its table says how much of it counts).
    pub prefix: Prefix,
    /// The smallest timestamp.
    pub low: u64,
    /// The greatest timestamp.
    pub high: u64,
}

/// Where a merge stands.
pub struct Merge {
    table: Table,
    ranges: Vec<Range>,
    hints: Hints,
    /// What is not before this place has been given out.
    reached: Place,
    /// Positions of the group at `reached` that were not given out yet.
    pending: VecDeque<u64>,
}

/// One key, as a cursor found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Where it stands in the order.
    pub place: Place,
    /// The record's position.
    pub position: u64,
    allowed: bool,
    cursor: usize,
}

impl Merge {
    /// A merge that has given out nothing.
    pub fn new(table: Table, ranges: Vec<Range>, hints: Hints) -> Self {
        Self {
            table,
            ranges,
            hints,
            reached: (u64::MAX, u32::MAX),
            pending: VecDeque::new(),
        }
    }

    /// Cursors that go on from where the merge stands.
    pub fn cursors<'v>(&self, view: &'v View<'_>) -> Result<Cursors<'v>> {
        let mut cursors = Cursors {
            table: self.table,
            hints: self.hints.clone(),
            ranges: Vec::with_capacity(self.ranges.len()),
            heap: BinaryHeap::with_capacity(self.ranges.len()),
        };
        for range in &self.ranges {
            let behind = self.reached.min((range.high.saturating_add(1), 0));
            let low = keys::bound(self.table, range.prefix, (range.low, 0));
            let high = keys::bound(self.table, range.prefix, behind);
            if low.as_slice() >= high.as_slice() {
                continue;
            }
            let bounds = (
                Bound::Included(low.as_slice()),
                Bound::Excluded(high.as_slice()),
            );
            let rows = view.tables.of(self.table).rev_range(&view.txn, &bounds)?;
            cursors.ranges.push(rows);
            cursors.advance(cursors.ranges.len() - 1)?;
        }
        Ok(cursors)
    }

    /// The next position, or nothing at the end; `cursors` are this merge's own.
    ///
    /// A position that can't match by its hints comes as `Some(None)`.
    #[allow(clippy::option_option)]
    pub fn next(
        &mut self,
        view: &View<'_>,
        cursors: &mut Cursors<'_>,
    ) -> Result<Option<Option<u64>>> {
        if let Some(position) = self.pending.pop_front() {
            return Ok(Some(Some(position)));
        }
        let Some(first) = cursors.take()? else {
            return Ok(None);
        };
        self.reached = first.place;
        if cursors.peek_place() != Some(first.place) {
            return Ok(Some(first.allowed.then_some(first.position)));
        }
        self.gather(first, view, cursors)?;
        Ok(Some(self.pending.pop_front()))
    }

    /// Takes all keys of one place and puts their records in the order of whole ids.
    fn gather(
        &mut self,
        first: Candidate,
        view: &View<'_>,
        cursors: &mut Cursors<'_>,
    ) -> Result<()> {
        let mut positions = vec![first.position];
        while cursors.peek_place() == Some(first.place) {
            if let Some(other) = cursors.take()? {
                positions.push(other.position);
            }
        }
        positions.sort_unstable();
        positions.dedup();
        positions.sort_by_cached_key(|&position| {
            let id = view
                .record(position)
                .and_then(|found| found.record.first_chunk::<48>());
            std::cmp::Reverse(id.copied())
        });
        self.pending = positions.into();
        Ok(())
    }
}

/// The cursors of a merge within one snapshot.
pub struct Cursors<'v> {
    table: Table,
    hints: Hints,
    ranges: Vec<RoRevRange<'v, Bytes, Bytes>>,
    heap: BinaryHeap<Candidate>,
}

impl Cursors<'_> {
    /// The next key of all.
    pub fn take(&mut self) -> Result<Option<Candidate>> {
        let Some(found) = self.heap.pop() else {
            return Ok(None);
        };
        self.advance(found.cursor)?;
        Ok(Some(found))
    }

    fn peek_place(&self) -> Option<Place> {
        self.heap.peek().map(|c| c.place)
    }

    fn advance(&mut self, cursor: usize) -> Result<()> {
        let Some(rows) = self.ranges.get_mut(cursor) else {
            return Ok(());
        };
        let Some(row) = rows.next() else {
            return Ok(());
        };
        let (key, value) = row?;
        if let Some((place, position)) = keys::split(self.table, key) {
            self.heap.push(Candidate {
                place,
                position,
                allowed: self.hints.allow(self.table, value),
                cursor,
            });
        }
        Ok(())
    }
}
