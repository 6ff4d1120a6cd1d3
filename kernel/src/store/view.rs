//! A moment of the store, as readers see it: a snapshot of the index and the segments beside it.

use std::sync::Arc;

use heed::{RoTxn, WithoutTls};

use crate::store::deletion;
use crate::store::entry::Head;
use crate::store::error::Result;
use crate::store::index::Tables;
use crate::store::keys::{self, Hashes, Table};
use crate::store::labels::READMITTED;
use crate::store::log::Segments;

/// A record where it stands.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// Its position.
    pub position: u64,
    /// When it was received (ns).
    pub received: u64,
    /// Its label, without the mark of a readmission (see `labels`).
    pub label: u8,
    /// Its bytes.
    pub record: &'a [u8],
}

impl<'a> Found<'a> {
    /// From an entry of the log.
    pub fn of((head, record): (Head, &'a [u8])) -> Self {
        Self {
            position: head.position,
            received: head.received,
            label: head.marks.label & !READMITTED,
            record,
        }
    }
}

/// A snapshot. Drop it soon: the index can't grow meanwhile.
pub struct View<'a> {
    /// The index's snapshot.
    pub txn: RoTxn<'a, WithoutTls>,
    /// The segments, as new as the snapshot at least.
    pub segments: Arc<Segments>,
    /// The tables' handles.
    pub tables: &'a Tables,
    /// The index's hashes.
    pub hashes: &'a Hashes,
}

impl View<'_> {
    /// The record at a position, served or not, as far as it is still there.
    pub fn record(&self, position: u64) -> Option<Found<'_>> {
        self.segments.entry(position).map(Found::of)
    }

    /// The record at a position, if it is served.
    pub fn served(&self, position: u64) -> Result<Option<Found<'_>>> {
        let Some(found) = self.record(position) else {
            return Ok(None);
        };
        let served = self.is_served(found.record, position)?;
        Ok(served.then_some(found))
    }

    /// Whether the record that stands at a position is served.
    pub fn is_served(&self, record: &[u8], position: u64) -> Result<bool> {
        let Some(key) = keys::time_key(record, position) else {
            return Ok(false);
        };
        let time = self.tables.of(Table::Time);
        Ok(time.get(&self.txn, key.as_slice())?.is_some())
    }

    /// The positions of the Deletions that cover a record, `most` at most.
    pub fn deletions(&self, record: &[u8], most: usize) -> Result<Vec<u64>> {
        let stands = |position| self.record(position).map(|found| found.record);
        deletion::covering(&self.txn, self.tables, self.hashes, record, most, stands)
    }

    /// The position of the served record whose id begins with `id` (16 bytes at least).
    pub fn find(&self, id: &[u8]) -> Result<Option<u64>> {
        find_id(&self.txn, self.tables, id, |position| {
            self.record(position)
                .is_some_and(|found| found.record.starts_with(id))
        })
    }
}

/// The position of the served record whose id begins with `id` and for which `is_it` says so.
pub fn find_id(
    txn: &RoTxn<'_, WithoutTls>,
    tables: &Tables,
    id: &[u8],
    is_it: impl Fn(u64) -> bool,
) -> Result<Option<u64>> {
    let Some(prefix) = keys::id_prefix(id) else {
        return Ok(None);
    };
    for item in tables.of(Table::Time).prefix_iter(txn, prefix)? {
        let (key, _) = item?;
        if let Some((_, position)) = keys::split(Table::Time, key)
            && is_it(position)
        {
            return Ok(Some(position));
        }
    }
    Ok(None)
}
