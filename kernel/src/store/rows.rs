//! Keys gathered first and put into the tables in their order: neighbours share pages, and pages fill up.

use std::collections::HashSet;

use heed::{Result as HeedResult, RwTxn};

use crate::store::index::Tables;
use crate::store::keys::{Hashes, Key, TABLES, Table};

/// What a node of the index takes up beside key and value.
const NODE: usize = 10;

/// A key with the value that belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    key: Key,
    position: u64,
    value: [u8; 2],
    length: u8,
}

/// The rows of many records.
#[derive(Default)]
pub struct Rows {
    tables: [Vec<Row>; TABLES.len()],
}

impl Rows {
    /// Gathers the keys of a record, as far as `wanted` says so of their table.
    pub fn gather(
        &mut self,
        hashes: &Hashes,
        record: &[u8],
        position: u64,
        wanted: impl Fn(Table) -> bool,
    ) {
        hashes.keys_of(record, position, |table, key, value| {
            if !wanted(table) {
                return;
            }
            let mut row = Row {
                key,
                position,
                value: [0; 2],
                length: value.len() as u8,
            };
            row.value[..value.len()].copy_from_slice(value);
            self.tables[table as usize].push(row);
        });
    }

    /// Puts all of them in order, for the puts that follow.
    pub fn sort(&mut self) {
        for rows in &mut self.tables {
            rows.sort_unstable();
        }
    }

    /// Puts them into the tables, but not those of the positions in `without`.
    pub fn put(
        &self,
        txn: &mut RwTxn<'_>,
        tables: &Tables,
        without: &HashSet<u64>,
    ) -> HeedResult<()> {
        for table in TABLES {
            let database = tables.of(table);
            for row in &self.tables[table as usize] {
                if !without.contains(&row.position) {
                    let value = &row.value[..usize::from(row.length)];
                    database.put(txn, row.key.as_slice(), value)?;
                }
            }
        }
        Ok(())
    }

    /// Bytes that they take up in full pages.
    pub fn size(&self) -> u64 {
        let rows = self.tables.iter().flatten();
        rows.map(|row| (row.key.as_slice().len() + usize::from(row.length) + NODE) as u64)
            .sum()
    }
}
