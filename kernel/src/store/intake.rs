//! Taking records in: which are new, which replace others, which are not wanted.

use std::collections::HashSet;

use crate::store::apply::{Change, ID};
use crate::store::batch::Batch;
use crate::store::deletion::{self, Target};
use crate::store::entry::{Marks, What};
use crate::store::error::{Error, Result};
use crate::store::keys::{self, MIN_RECORD, Table};
use crate::store::labels::READMITTED;
use crate::store::log::Segments;
use crate::store::rows::Rows;
use crate::store::view::find_id;
use crate::store::writer::Stop;

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
    /// A bit beside these: a Deletion that counts, it removes what it names and refuses it from now on.
    pub const DELETES: u8 = 4;
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
    /// A Deletion that is there covers it; nothing was written.
    pub const DELETED: u8 = 4;
}

/// What became of the records of an `append`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// One of `outcome` for each.
    pub outcomes: Vec<u8>,
    /// The position of each that is there (0 for those superseded, refused or deleted).
    pub positions: Vec<u64>,
}

/// A record to append.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// Its bytes, checked before.
    pub record: &'a [u8],
    /// When it was received (ns).
    pub received: u64,
    /// One of `mode`, and for a Deletion that counts `DELETES`.
    pub mode: u8,
    /// Who may read it beside what its kind says (see `labels`).
    pub label: u8,
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
    let deletes = incoming.mode & mode::DELETES != 0;
    if incoming.mode & !mode::DELETES > mode::REPLACE_ADDRESS {
        return Err(Error::Usage(format!("there is no mode {}", incoming.mode)));
    }
    if deletes && !deletion::is_deletion(incoming.record) {
        return Err(Error::Usage("only a Deletion deletes".into()));
    }
    if incoming.label & READMITTED != 0 {
        return Err(Error::Usage(format!(
            "there is no label {}",
            incoming.label
        )));
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
    /// Whether any id is refused, and whether any Deletion counts.
    refuses: bool,
    deletes: bool,
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
            refuses: false,
            deletes: false,
            later: Rows::default(),
        }
    }

    /// Takes all of them; what became of each.
    pub(super) fn take(mut self, records: &[Incoming<'_>]) -> std::result::Result<Appended, Stop> {
        let mut appended = Appended::default();
        let tables = self.change.tables;
        self.refuses = !tables.refused.is_empty(self.change.txn)?;
        self.deletes = !tables.deleted.is_empty(self.change.txn)?;
        for incoming in records {
            let (outcome, position) = self.take_one(incoming)?;
            appended.outcomes.push(outcome);
            appended.positions.push(position);
        }
        self.finish()?;
        Ok(appended)
    }

    /// Puts served records at new positions under another label, and lets Deletions among them count if
    /// `deletes`; the new positions (0 for what is not served).
    pub(super) fn readmit(
        mut self,
        positions: &[u64],
        label: u8,
        deletes: bool,
    ) -> std::result::Result<Vec<u64>, Stop> {
        let mut readmitted = Vec::with_capacity(positions.len());
        for &position in positions {
            readmitted.push(self.readmit_one(position, label, deletes)?);
        }
        self.finish()?;
        // A Deletion among them may have taken away another one.
        let there = |position: u64| {
            if self.removed.contains(&position) {
                0
            } else {
                position
            }
        };
        Ok(readmitted.into_iter().map(there).collect())
    }

    fn readmit_one(
        &mut self,
        position: u64,
        label: u8,
        deletes: bool,
    ) -> std::result::Result<u64, Stop> {
        let Some((segment, (head, record))) = self
            .segments
            .of(position)
            .and_then(|segment| Some((segment, segment.entry(position)?)))
        else {
            return Ok(0);
        };
        // What this batch has put in its place has another position.
        if head.what != What::Record || !self.change.delete(&head, record, segment.base())? {
            return Ok(0);
        }
        self.removed.insert(position);
        let marks = Marks {
            deletes: head.marks.deletes || deletes && deletion::is_deletion(record),
            label: label | READMITTED,
            former: head.marks.label & !READMITTED,
            ..head.marks
        };
        self.place(marks, head.received, record)
    }

    /// Writes what the batch removed, and the rows that could wait.
    fn finish(&mut self) -> std::result::Result<(), Stop> {
        if !self.removed.is_empty() {
            let removed: Vec<u8> = self.removed.iter().flat_map(|p| p.to_le_bytes()).collect();
            self.batch.push(What::Removal, &removed)?;
        }
        self.later.sort();
        let (txn, tables) = (&mut *self.change.txn, self.change.tables);
        self.later.put(txn, tables, &self.removed)?;
        Ok(())
    }

    fn take_one(&mut self, incoming: &Incoming<'_>) -> std::result::Result<(u8, u64), Stop> {
        let id = &incoming.record[..ID];
        let refused = self.change.tables.refused;
        if self.refuses && refused.get(self.change.txn, id)?.is_some() {
            return Ok((outcome::REFUSED, 0));
        }
        let is_it = |position| self.record(position).is_some_and(|r| r.starts_with(id));
        if let Some(position) = find_id(self.change.txn, self.change.tables, id, is_it)? {
            return Ok((outcome::DUPLICATE, position));
        }
        if self.deletes && self.is_deleted(incoming.record)? {
            return Ok((outcome::DELETED, 0));
        }
        let mut lesser = Vec::new();
        if incoming.mode & !mode::DELETES != mode::KEEP_ALL {
            for position in self.rivals(incoming)? {
                match self.record(position) {
                    Some(rival) if rival[..ID] > *id => return Ok((outcome::SUPERSEDED, 0)),
                    _ => lesser.push(position),
                }
            }
        }
        let marks = Marks {
            mode: incoming.mode & !mode::DELETES,
            deletes: incoming.mode & mode::DELETES != 0,
            label: incoming.label,
            former: 0,
        };
        for position in lesser {
            self.take_away(position)?;
        }
        let position = self.place(marks, incoming.received, incoming.record)?;
        Ok((outcome::STORED, position))
    }

    /// Puts a record into the batch and the tables, and takes away what it deletes; its position.
    fn place(
        &mut self,
        marks: Marks,
        received: u64,
        record: &[u8],
    ) -> std::result::Result<u64, Stop> {
        let position = self.batch.push_record(marks, received, record)?;
        self.change.insert(record, position, at_once)?;
        let (hashes, later) = (self.change.hashes, |table| !at_once(table));
        self.later.gather(hashes, record, position, later);
        if let Some((head, record)) = self.batch.entry(position) {
            self.change.mark(&head, record)?;
        }
        if marks.deletes {
            self.deletes = true;
            self.apply(record)?;
        }
        Ok(position)
    }

    /// Whether a Deletion covers the record.
    fn is_deleted(&self, record: &[u8]) -> Result<bool> {
        let (txn, tables, hashes) = (&*self.change.txn, self.change.tables, self.change.hashes);
        let by = deletion::covering(txn, tables, hashes, record, 1, |at| self.record(at))?;
        Ok(!by.is_empty())
    }

    /// Takes away what a Deletion covers.
    fn apply(&mut self, deletion: &[u8]) -> std::result::Result<(), Stop> {
        for target in deletion::targets(deletion) {
            let named = match target {
                Target::Id(id) => {
                    let is_it = |at| self.record(at).is_some_and(|r| r.starts_with(id));
                    let found = find_id(self.change.txn, self.change.tables, id, is_it)?;
                    found.into_iter().collect()
                }
                Target::Address(address) => self.at_address(address, address)?,
            };
            for position in named {
                let covered = self.record(position);
                if covered.is_some_and(|record| deletion::covers(deletion, record)) {
                    self.take_away(position)?;
                }
            }
        }
        Ok(())
    }

    /// The record at a position of the log or of this batch.
    fn record(&self, position: u64) -> Option<&[u8]> {
        self.batch
            .entry(position)
            .or_else(|| self.segments.entry(position))
            .map(|(_, record)| record)
    }

    /// What is served at the record's address and would not be beside it.
    fn rivals(&self, incoming: &Incoming<'_>) -> std::result::Result<Vec<u64>, Stop> {
        let address = &incoming.record[48..96];
        // The signing key follows the address.
        let same = match incoming.mode & !mode::DELETES {
            mode::REPLACE_SIGNER => &incoming.record[48..128],
            _ => address,
        };
        self.at_address(address, same)
    }

    /// The positions of what is served at an address and whose bytes from it on begin with `same`.
    fn at_address(&self, address: &[u8], same: &[u8]) -> std::result::Result<Vec<u64>, Stop> {
        let prefix = self.change.hashes.address(address);
        let table = self.change.tables.of(Table::Address);
        let mut found = Vec::new();
        for row in table.prefix_iter(self.change.txn, &prefix)? {
            if let Some((_, position)) = keys::split(Table::Address, row?.0)
                && self
                    .record(position)
                    .is_some_and(|r| r[48..].starts_with(same))
            {
                found.push(position);
            }
        }
        Ok(found)
    }

    /// Stops serving what stands at a position of the log or of this batch.
    fn take_away(&mut self, position: u64) -> std::result::Result<(), Stop> {
        if let Some((head, record)) = self.batch.entry(position) {
            self.change.delete(&head, record, self.base)?;
        } else if let Some(segment) = self.segments.of(position)
            && let Some((head, record)) = segment.entry(position)
        {
            self.change.delete(&head, record, segment.base())?;
        }
        self.removed.insert(position);
        Ok(())
    }
}
