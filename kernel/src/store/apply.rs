//! Changes of the index: what an entry of the log means for the tables.

use heed::{Result as HeedResult, RwTxn};

use crate::store::deletion;
use crate::store::entry::Head;
use crate::store::index::{Dead, Tables};
use crate::store::keys::{Hashes, Table};
use crate::store::labels;

/// Bytes of an id.
pub const ID: usize = 48;

/// Changes the tables within one transaction.
pub struct Change<'t, 'e> {
    /// The transaction.
    pub txn: &'t mut RwTxn<'e>,
    /// The tables' handles.
    pub tables: &'t Tables,
    /// The index's hashes.
    pub hashes: &'t Hashes,
}

impl Change<'_, '_> {
    /// Puts the keys of a record into the tables that `wanted` names.
    pub fn insert(
        &mut self,
        record: &[u8],
        position: u64,
        wanted: impl Fn(Table) -> bool,
    ) -> HeedResult<()> {
        let mut done = Ok(());
        self.hashes.keys_of(record, position, |table, key, value| {
            if done.is_ok() && wanted(table) {
                let database = self.tables.of(table);
                done = database.put(self.txn, key.as_slice(), value);
            }
        });
        done
    }

    /// Puts what a record's marks mean into the tables `deleted` and `labelled`.
    pub fn mark(&mut self, head: &Head, record: &[u8]) -> HeedResult<()> {
        if head.marks.deletes {
            for (key, until) in deletion::tombstones(self.hashes, record, head.position) {
                self.tables.deleted.put(self.txn, &key, &until)?;
            }
        }
        for key in labels::keys(head.marks.label, head.position) {
            self.tables.labelled.put(self.txn, &key, &[])?;
        }
        Ok(())
    }

    fn unmark(&mut self, head: &Head, record: &[u8]) -> HeedResult<()> {
        if head.marks.deletes {
            for (key, _) in deletion::tombstones(self.hashes, record, head.position) {
                self.tables.deleted.delete(self.txn, &key)?;
            }
        }
        for key in labels::keys(head.marks.label, head.position) {
            self.tables.labelled.delete(self.txn, &key)?;
        }
        Ok(())
    }

    /// Stops serving a record, and counts its bytes as dead in the segment that begins at `base`. What a
    /// Deletion refused may come again. Returns whether it was served.
    pub fn delete(&mut self, head: &Head, record: &[u8], base: u64) -> HeedResult<bool> {
        let (mut done, position) = (Ok(true), head.position);
        self.hashes.keys_of(record, position, |table, key, _| {
            if !matches!(done, Ok(true)) {
                return;
            }
            let deleted = self.tables.of(table).delete(self.txn, key.as_slice());
            // `Time` comes first; the other tables follow it, and a tag may come twice.
            done = deleted.map(|was_there| was_there || table != Table::Time);
        });
        let served = done?;
        if served {
            self.unmark(head, record)?;
            let mut dead = self.dead(base)?;
            dead.bytes += (crate::store::entry::HEAD + record.len()) as u64;
            dead.records += 1;
            self.set_dead(base, dead)?;
        }
        Ok(served)
    }

    /// Refuses an id for good.
    pub fn refuse(&mut self, id: &[u8]) -> HeedResult<()> {
        self.tables.refused.put(self.txn, id, &[])
    }

    /// What is dead in the segment that begins at `base`.
    pub fn dead(&self, base: u64) -> HeedResult<Dead> {
        let value = self.tables.dead.get(self.txn, &base.to_be_bytes())?;
        Ok(value.map_or_else(Dead::default, Dead::decode))
    }

    /// Notes what is dead in the segment that begins at `base`.
    pub fn set_dead(&mut self, base: u64, dead: Dead) -> HeedResult<()> {
        let key = base.to_be_bytes();
        if dead == Dead::default() {
            return self.tables.dead.delete(self.txn, &key).map(drop);
        }
        self.tables.dead.put(self.txn, &key, &dead.encode())
    }
}
