//! Taking records in: which are new, which replace others, which are not wanted.

use std::collections::HashSet;

use crate::store::apply::{Change, ID};
use crate::store::batch::Batch;
use crate::store::entry::What;
use crate::store::error::{Error, Result};
use crate::store::keys::{self, MIN_RECORD, Table};
use crate::store::log::Segments;
use crate::store::rows::Rows;
use crate::store::store::Stop;
use crate::store::view::find_id;

/// The longest record there is.
const MAX_RECORD: usize = 1 << 20;

/// How a record stands to others at its address.
pub mod mode {
    /// Unique and versioned kinds.
    pub const KEEP_ALL: u8 = 0;
    /// The greatest (timestamp, id) of each signer at this address is served.
    pub const REPLACE_SIGNER: u8 = 1;
    /// The greatest (timestamp, id) of this address is served.
    pub const REPLACE_ADDRESS: u8 = 2;
}

/// What became of a record.
pub mod outcome {
    /// It is on disk.
    pub const STORED: u8 = 0;
    /// The same id is there.
    pub const DUPLICATE: u8 = 1;
    /// A greater (timestamp, id) is there; nothing was written.
    pub const SUPERSEDED: u8 = 2;
    /// Its id was refused for good.
    pub const REFUSED: u8 = 3;
}

/// What became of the records of an `append`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// One of `outcome` for each.
    pub outcomes: Vec<u8>,
    /// The position of each that is there (0 for those superseded or refused).
    pub positions: Vec<u64>,
}

/// A record to append.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// Its bytes, checked before.
    pub record: &'a [u8],
    /// When it was received (ns).
    pub received: u64,
    /// One of `mode`.
    pub mode: u8,
}

/// Refuses what can't be a record.
pub fn check(incoming: &Incoming<'_>) -> Result<()> {
    let length = incoming.record.len();
    if !(MIN_RECORD..=MAX_RECORD).contains(&length) || !length.is_multiple_of(8) {
        return Err(Error::Usage(format!("{length} bytes are no record")));
    }
    if incoming.record[0] & 0x80 != 0 {
        return Err(Error::Usage("a record's first bit is 0".into()));
    }
    if incoming.mode > mode::REPLACE_ADDRESS {
        return Err(Error::Usage(format!("there is no mode {}", incoming.mode)));
    }
    Ok(())
}

/// Takes records into a batch and the tables.
pub(super) struct Intake<'i, 't, 'e> {
    change: &'i mut Change<'t, 'e>,
    batch: &'i mut Batch,
    segments: &'i Segments,
    /// The first position of the segment that the batch will stand in.
    base: u64,
    removed: HashSet<u64>,
    /// What nothing in this batch needs to find is put into the tables at its end, in order.
    later: Rows,
}

/// The tables in which records of one batch look for each other.
fn at_once(table: Table) -> bool {
    matches!(table, Table::Time | Table::Address)
}

impl<'i, 't, 'e> Intake<'i, 't, 'e> {
    /// For a batch that will stand in the segment that begins at `base`.
    pub(super) fn new(
        change: &'i mut Change<'t, 'e>,
        batch: &'i mut Batch,
        segments: &'i Segments,
        base: u64,
    ) -> Self {
        Self {
            change,
            batch,
            segments,
            base,
            removed: HashSet::new(),
            later: Rows::default(),
        }
    }

    /// Takes all of them; what became of each.
    pub(super) fn take(mut self, records: &[Incoming<'_>]) -> std::result::Result<Appended, Stop> {
        let mut appended = Appended::default();
        let refuses = !self.change.tables.refused.is_empty(self.change.txn)?;
        for incoming in records {
            let (outcome, position) = self.take_one(incoming, refuses)?;
            appended.outcomes.push(outcome);
            appended.positions.push(position);
        }
        if !self.removed.is_empty() {
            let removed: Vec<u8> = self.removed.iter().flat_map(|p| p.to_le_bytes()).collect();
            self.batch.push(What::Removal, 0, 0, &removed)?;
        }
        self.later.sort();
        let (txn, tables) = (&mut *self.change.txn, self.change.tables);
        self.later.put(txn, tables, &self.removed)?;
        Ok(appended)
    }

    fn take_one(
        &mut self,
        incoming: &Incoming<'_>,
        refuses: bool,
    ) -> std::result::Result<(u8, u64), Stop> {
        let id = &incoming.record[..ID];
        let refused = self.change.tables.refused;
        if refuses && refused.get(self.change.txn, id)?.is_some() {
            return Ok((outcome::REFUSED, 0));
        }
        let is_it = |position| self.record(position).is_some_and(|r| r.starts_with(id));
        if let Some(position) = find_id(self.change.txn, self.change.tables, id, is_it)? {
            return Ok((outcome::DUPLICATE, position));
        }
        let mut lesser = Vec::new();
        if incoming.mode != mode::KEEP_ALL {
            for position in self.rivals(incoming)? {
                match self.record(position) {
                    Some(rival) if rival[..ID] > *id => return Ok((outcome::SUPERSEDED, 0)),
                    _ => lesser.push(position),
                }
            }
        }
        let position = self.batch.push(
            What::Record,
            incoming.mode,
            incoming.received,
            incoming.record,
        )?;
        self.change.insert(incoming.record, position, at_once)?;
        let (hashes, later) = (self.change.hashes, |table| !at_once(table));
        self.later.gather(hashes, incoming.record, position, later);
        for position in lesser {
            self.supersede(position)?;
        }
        Ok((outcome::STORED, position))
    }

    /// The record at a position of the log or of this batch.
    fn record(&self, position: u64) -> Option<&[u8]> {
        self.batch
            .record(position)
            .or_else(|| self.segments.entry(position).map(|(_, body)| body))
    }

    /// What is served at the record's address and would not be beside it.
    fn rivals(&self, incoming: &Incoming<'_>) -> std::result::Result<Vec<u64>, Stop> {
        let address = &incoming.record[48..96];
        // The signing key follows the address.
        let same = match incoming.mode {
            mode::REPLACE_SIGNER => &incoming.record[48..128],
            _ => address,
        };
        let prefix = self.change.hashes.address(address);
        let table = self.change.tables.of(Table::Address);
        let mut rivals = Vec::new();
        for row in table.prefix_iter(self.change.txn, &prefix)? {
            if let Some((_, position)) = keys::split(Table::Address, row?.0)
                && self
                    .record(position)
                    .is_some_and(|r| r[48..].starts_with(same))
            {
                rivals.push(position);
            }
        }
        Ok(rivals)
    }

    fn supersede(&mut self, position: u64) -> std::result::Result<(), Stop> {
        if let Some(record) = self.batch.record(position) {
            self.change.delete(record, position, self.base)?;
        } else if let Some(segment) = self.segments.of(position)
            && let Some((_, record)) = segment.entry(position)
        {
            self.change.delete(record, position, segment.base())?;
        }
        self.removed.insert(position);
        Ok(())
    }
}
