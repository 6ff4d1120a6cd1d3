//! The store: the log and its index, how they are opened, read and closed.

use std::collections::HashSet;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::apply::ID;
use crate::store::error::{Error, Result};
use crate::store::files::Files;
use crate::store::index::{Dead, Entered, Index};
use crate::store::keys::{self, Table};
use crate::store::labels;
use crate::store::lock::lock_folder;
use crate::store::log::{Log, Tail};
use crate::store::recovery::{self, Progress};
use crate::store::rewriting::Rewriting;
use crate::store::state::State;
use crate::store::view::View;

/// Figures about a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records that are served.
    pub records: u64,
    /// Records that are no longer served and still in the log.
    pub removed: u64,
    /// Bytes of the log's files.
    pub log_bytes: u64,
    /// Bytes of the index's file that are in use.
    pub index_bytes: u64,
    /// Bytes of the log that are not dead.
    pub live_bytes: u64,
    /// How many files the log has.
    pub segments: u64,
    /// The position that the next record gets.
    pub end: u64,
    /// What Deletions that count name.
    pub tombstones: u64,
    /// Records that are withheld or hidden.
    pub labelled: u64,
}

/// An open store.
pub struct Store {
    folder: PathBuf,
    pub(super) log: Log,
    pub(super) index: Index,
    pub(super) writer: Mutex<Option<Tail>>,
    pub(super) rewriting: Rewriting,
    pub(super) last_received: AtomicU64,
    state: State,
    lock: Mutex<Option<fs::File>>,
}

impl Store {
    /// Opens or makes the store in `folder`; see the Python face for what happens then.
    pub fn open(
        files: Arc<dyn Files>,
        folder: &Path,
        boot_id: &[u8],
        segment_bytes: u64,
        progress: Progress<'_>,
    ) -> Result<Self> {
        let (log_folder, index_folder) = (folder.join("log"), folder.join("index"));
        for one in [folder, &log_folder, &index_folder] {
            let made = files.create_dir(one);
            made.map_err(|error| Error::at(&error, "make the folder", one))?;
        }
        let synced = files.sync_dir(folder);
        synced.map_err(|error| Error::at(&error, "sync the folder", folder))?;
        let lock = lock_folder(folder)?;

        let state = State::open_on(boot_id);
        let vouched = State::read(files.as_ref(), &index_folder)?
            .is_some_and(|left| left.vouches_on(&state))
            && index_folder.join("data.mdb").exists();
        if !vouched {
            // Before the state says that it is of this boot.
            Index::erase(&index_folder)?;
        }
        // From here on the index may change at any time without a sync.
        state.write(files.as_ref(), &index_folder)?;
        let (index, known_end) = open_index(&index_folder, vouched)?;
        let (log, tail) = Log::open(files, &log_folder, segment_bytes, known_end)?;
        recovery::catch_up(&index, &log, progress)?;
        let last_received = {
            let entered = index.enter();
            index.tables().last_received(&entered.read()?)?
        };
        Ok(Self {
            folder: folder.to_owned(),
            log,
            index,
            writer: Mutex::new(Some(tail)),
            rewriting: Rewriting::default(),
            last_received: AtomicU64::new(last_received),
            state,
            lock: Mutex::new(Some(lock)),
        })
    }

    /// The folder of the store.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The position that the next record gets.
    pub fn end(&self) -> u64 {
        self.log.end()
    }

    /// The greatest received time ever appended (ns).
    pub fn last_received(&self) -> u64 {
        self.last_received.load(Ordering::Acquire)
    }

    /// The position behind the last record, and the greatest received time up to it.
    pub(super) fn ends(&self) -> (u64, u64) {
        let _writer = self.writer();
        (self.end(), self.last_received())
    }

    /// The right to make snapshots; see `view`.
    pub fn enter(&self) -> Entered<'_> {
        self.index.enter()
    }

    /// A snapshot.
    pub fn view<'a>(&'a self, entered: &'a Entered<'a>) -> Result<View<'a>> {
        // The snapshot first: all that it knows is then in the segments, too.
        let txn = entered.read()?;
        Ok(View {
            txn,
            segments: self.log.segments(),
            tables: self.index.tables(),
            hashes: self.index.hashes(),
        })
    }

    /// The label of the record at each position; all bits where none is served.
    pub fn labels(&self, positions: &[u64]) -> Result<Vec<u8>> {
        let entered = self.enter();
        let view = self.view(&entered)?;
        let label = |&position: &u64| Ok(view.served(position)?.map_or(u8::MAX, |f| f.label));
        positions.iter().map(label).collect()
    }

    /// The positions of served records with one bit of a label, ascending, behind `after`.
    pub fn labelled(&self, bit: u8, after: u64, limit: usize) -> Result<Vec<u64>> {
        if bit != labels::WITHHELD && bit != labels::HIDDEN {
            return Err(Error::Usage(format!("nobody keeps a list of label {bit}")));
        }
        let entered = self.enter();
        let view = self.view(&entered)?;
        let (from, to) = (labels::key(bit, after), labels::key(bit, u64::MAX));
        let range = (Bound::Excluded(&from[..]), Bound::Included(&to[..]));
        let rows = view.tables.labelled.range(&view.txn, &range)?.take(limit);
        let mut found = Vec::new();
        for row in rows {
            found.extend(labels::position(row?.0));
        }
        Ok(found)
    }

    /// The positions of the Deletions that cover a record.
    pub fn deletions(&self, record: &[u8]) -> Result<Vec<u64>> {
        let entered = self.enter();
        self.view(&entered)?.deletions(record, usize::MAX)
    }

    /// The position for each id (48 bytes, or 32 at least of them), if it is served.
    pub fn contains(&self, ids: &[&[u8]]) -> Result<Vec<Option<u64>>> {
        if ids.iter().any(|id| id.len() != ID && id.len() != 32) {
            return Err(Error::Usage("an id has 48 bytes, or its first 32".into()));
        }
        let entered = self.enter();
        let view = self.view(&entered)?;
        ids.iter().map(|id| view.find(id)).collect()
    }

    /// The record at each position, if it is served.
    pub fn read(&self, positions: &[u64]) -> Result<Vec<Option<Vec<u8>>>> {
        let entered = self.enter();
        let view = self.view(&entered)?;
        let read = |&position: &u64| {
            let Some(found) = view.served(position)? else {
                return Ok(None);
            };
            Ok(Some(found.record.to_vec()))
        };
        positions.iter().map(read).collect()
    }

    /// Figures about the store.
    pub fn stats(&self) -> Result<Stats> {
        let entered = self.enter();
        let view = self.view(&entered)?;
        let mut dead = Dead::default();
        for row in view.tables.dead.iter(&view.txn)? {
            let one = Dead::decode(row?.1);
            dead.bytes += one.bytes;
            dead.records += one.records;
        }
        let log_bytes = view.segments.size();
        Ok(Stats {
            records: view.tables.of(Table::Time).len(&view.txn)?,
            removed: dead.records,
            log_bytes,
            index_bytes: entered.used(),
            live_bytes: log_bytes.saturating_sub(dead.bytes),
            segments: view.segments.all().len() as u64,
            end: self.log.end(),
            tombstones: view.tables.deleted.len(&view.txn)?,
            labelled: view.tables.labelled.len(&view.txn)?,
        })
    }

    /// The distinct signing keys of what is served at an address, ascending.
    pub fn signers(&self, address: &[u8]) -> Result<Vec<[u8; 32]>> {
        if address.len() != ID {
            return Err(Error::Usage("an address has 48 bytes".into()));
        }
        let entered = self.enter();
        let view = self.view(&entered)?;
        let prefix = view.hashes.address(address);
        let mut signers = HashSet::new();
        let rows = view
            .tables
            .of(Table::Address)
            .prefix_iter(&view.txn, &prefix)?;
        for row in rows {
            let Some((_, position)) = keys::split(Table::Address, row?.0) else {
                continue;
            };
            if let Some(found) = view.record(position)
                && found.record.get(48..96) == Some(address)
                && let Some(signer) = found.record[96..].first_chunk::<32>()
            {
                signers.insert(*signer);
            }
        }
        let mut signers: Vec<_> = signers.into_iter().collect();
        signers.sort_unstable();
        Ok(signers)
    }

    /// Syncs the index, sets the clean mark and lets go of the folder.
    pub fn close(&self) -> Result<()> {
        // Those who hold the files may go on reading them.
        self.rewriting.hold();
        self.rewriting.release();
        let mut writer = self.writer();
        if writer.take().is_none() {
            return Ok(());
        }
        let index_folder = self.folder.join("index");
        let closed = self
            .index
            .close()
            .and_then(|()| self.state.closed().write(self.log.files(), &index_folder));
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        closed
    }
}

fn open_index(folder: &Path, vouched: bool) -> Result<(Index, Option<u64>)> {
    if vouched
        && let Ok(index) = Index::open(folder)
        && let Ok(covered) = (|| {
            let entered = index.enter();
            index.tables().covered(&entered.read()?)
        })()
    {
        return Ok((index, Some(covered)));
    }
    Index::erase(folder)?;
    Ok((Index::open(folder)?, None))
}
