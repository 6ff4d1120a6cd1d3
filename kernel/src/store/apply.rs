//! Changes of the index: what an entry of the log means for the tables.

use heed::{Result as HeedResult, RwTxn};

use crate::store::entry::{Head, What, number};
use crate::store::index::{Dead, Tables};
use crate::store::keys::{Hashes, Table};
use crate::store::log::Segments;

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
    /// Serves a record that stands at a position.
    pub fn insert(&mut self, record: &[u8], position: u64) -> HeedResult<()> {
        let mut done = Ok(());
        self.hashes.keys_of(record, position, |table, key, value| {
            if done.is_ok() {
                let database = self.tables.of(table);
                done = database.put(self.txn, key.as_slice(), value);
            }
        });
        done
    }

    /// Stops serving a record, and counts its bytes as dead in the segment that begins at `base`.
    /// Returns whether it was served.
    pub fn delete(&mut self, record: &[u8], position: u64, base: u64) -> HeedResult<bool> {
        let mut done = Ok(true);
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

    /// Does what an entry of the log says.
    pub fn replay(&mut self, segments: &Segments, head: &Head, body: &[u8]) -> HeedResult<()> {
        match head.what {
            What::Record => self.insert(body, head.position),
            What::Refusal => body.chunks_exact(ID).try_for_each(|id| self.refuse(id)),
            What::Removal => {
                for position in body.chunks_exact(8).map(number) {
                    let Some(segment) = segments.of(position) else {
                        continue;
                    };
                    if let Some((_, record)) = segment.entry(position) {
                        self.delete(record, position, segment.base())?;
                    }
                }
                Ok(())
            }
        }
    }
}
