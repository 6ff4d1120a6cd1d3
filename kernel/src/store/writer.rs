//! The one writer: whatever changes the log or its index goes through here, one after the other.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use heed::RwTxn;

use crate::store::apply::{Change, ID};
use crate::store::batch::Batch;
use crate::store::entry::{HEAD, What};
use crate::store::error::{Error, Result};
use crate::store::intake::{Appended, Incoming, Intake, check};
use crate::store::labels::READMITTED;
use crate::store::log::{Segments, Tail};
use crate::store::store::Store;

/// Why a change was not made.
pub(super) enum Stop {
    /// The index needs to grow; then again.
    NoRoom,
    /// The batch needs a segment with this much room; then again.
    NoFit(u64),
    /// For good.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<heed::Error> for Stop {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Mdb(heed::MdbError::MapFull) => Self::NoRoom,
            other => Self::Failed(other.into()),
        }
    }
}

type Make<'m, T> = &'m mut dyn FnMut(
    &mut Change<'_, '_>,
    &mut Batch,
    &Segments,
    u64,
) -> std::result::Result<T, Stop>;

impl Store {
    /// Writes records: one write and one sync for all of them.
    pub fn append(&self, records: &[Incoming<'_>]) -> Result<Appended> {
        for one in records {
            check(one)?;
        }
        let worst: usize = records.iter().map(|one| HEAD * 2 + one.record.len()).sum();
        self.change(worst as u64, &mut |change, batch, segments, base| {
            Intake::new(change, batch, segments, base).take(records)
        })
    }

    /// Puts served records at new positions under another label, in one batch, received times as they were;
    /// the new positions, 0 for what is not served. With `deletes` Deletions among them count from now on.
    pub fn readmit(&self, positions: &[u64], label: u8, deletes: bool) -> Result<Vec<u64>> {
        if label & READMITTED != 0 {
            return Err(Error::Usage(format!("there is no label {label}")));
        }
        let worst: u64 = {
            let segments = self.log.segments();
            let entries = positions.iter().filter_map(|&at| segments.entry(at));
            entries.map(|(head, _)| head.size() + HEAD as u64).sum()
        };
        self.change(worst, &mut |change, batch, segments, base| {
            Intake::new(change, batch, segments, base).readmit(positions, label, deletes)
        })
    }

    /// Stops serving records, durably; how many were there.
    pub fn remove(&self, positions: &[u64], refuse: bool) -> Result<usize> {
        let positions: HashSet<u64> = positions.iter().copied().collect();
        let worst = (HEAD * 2 + positions.len() * (ID + 8)) as u64;
        self.change(worst, &mut |change, batch, segments, _| {
            let (mut removed, mut refused) = (Vec::new(), Vec::new());
            for &position in &positions {
                let Some(segment) = segments.of(position) else {
                    continue;
                };
                let Some((head, record)) = segment.entry(position) else {
                    continue;
                };
                if change.delete(&head, record, segment.base())? {
                    removed.extend_from_slice(&position.to_le_bytes());
                    let id = record.get(..ID).unwrap_or_default();
                    if refuse {
                        refused.extend_from_slice(id);
                        change.refuse(id)?;
                    }
                }
            }
            if !removed.is_empty() {
                batch.push(What::Removal, &removed)?;
            }
            if !refused.is_empty() {
                batch.push(What::Refusal, &refused)?;
            }
            Ok(removed.len() / 8)
        })
    }

    /// Begins a new segment, so that the one at the end is closed.
    pub(super) fn roll(&self) -> Result<()> {
        let mut writer = self.writer();
        let tail = writer.as_mut().ok_or(Error::Closed)?;
        self.log.close_segment(tail)
    }

    /// Makes a change: the tables in a transaction, the log by one write and one sync, then both visible.
    fn change<T>(&self, worst: u64, make: Make<'_, T>) -> Result<T> {
        let mut writer = self.writer();
        let tail = writer.as_mut().ok_or(Error::Closed)?;
        let mut room = worst;
        loop {
            match self.try_change(tail, room, make) {
                Ok(done) => return Ok(done),
                Err(Stop::NoRoom) => self.index.grow(0)?,
                Err(Stop::NoFit(needed)) => room = needed,
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    /// Makes changes of the index alone, while nobody writes.
    pub(super) fn change_index(
        &self,
        make: &mut dyn FnMut(&mut Change<'_, '_>) -> std::result::Result<(), Stop>,
    ) -> Result<()> {
        let writer = self.writer();
        if writer.is_none() {
            return Err(Error::Closed);
        }
        loop {
            let tried = (|| {
                let entered = self.index.enter();
                let mut txn = entered.write()?;
                make(&mut Change {
                    txn: &mut txn,
                    tables: self.index.tables(),
                    hashes: self.index.hashes(),
                })?;
                txn.commit()?;
                Ok(())
            })();
            match tried {
                Ok(()) => return Ok(()),
                Err(Stop::NoRoom | Stop::NoFit(_)) => self.index.grow(0)?,
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    fn try_change<T>(
        &self,
        tail: &mut Tail,
        room: u64,
        make: Make<'_, T>,
    ) -> std::result::Result<T, Stop> {
        self.log.prepare(tail, room)?;
        let segments = self.log.segments();
        let entered = self.index.enter();
        let mut txn = entered.write()?;
        let mut batch = Batch::new(self.log.end(), self.log.salt(), room as usize);
        let mut change = Change {
            txn: &mut txn,
            tables: self.index.tables(),
            hashes: self.index.hashes(),
        };
        let done = make(&mut change, &mut batch, &segments, tail.base())?;
        if batch.is_empty() {
            txn.abort();
            return Ok(done);
        }
        let received = batch.received().max(self.last_received());
        let end = batch.end();
        self.index.tables().set_covered(&mut txn, end, received)?;
        self.write(tail, txn, batch.finish())?;
        self.last_received.store(received, Ordering::Release);
        Ok(done)
    }

    fn write(
        &self,
        tail: &mut Tail,
        txn: RwTxn<'_>,
        bytes: &[u8],
    ) -> std::result::Result<(), Stop> {
        let length = bytes.len() as u64;
        if !tail.fits(length) {
            return Err(Stop::NoFit(length));
        }
        self.log.write(tail, bytes)?;
        // Segments show the batch before the index names it; `end` moves when both are there.
        tail.show(length);
        if let Err(error) = txn.commit() {
            tail.hide(length);
            self.log.take_back(tail);
            return Err(error.into());
        }
        self.log.publish(tail);
        Ok(())
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Option<Tail>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
