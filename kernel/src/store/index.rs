//! The index: LMDB tables that say where records stand in the log. All of it can be made again.
//!
//! It is written without syncing (WRITEMAP + NOSYNC): a process that dies loses nothing of it, a
//! machine that dies may leave it torn, which the state file tells (see `state`).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use heed::types::Bytes;
use heed::{CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};

use crate::store::entry::number;
use crate::store::error::{Error, Result};
use crate::store::files::{DiskFiles, Files};
use crate::store::keys::{Hashes, TABLES, Table};
use crate::store::log::START;
use crate::store::room::{ROUND, Room};

const FIRST_SIZE: u64 = 1 << 20;
/// The index is written anew at a clean stop if more than one part in so many is free.
const WASTE: u64 = 16;
const MAX_READERS: u32 = 1022;

const COVERED: &[u8] = b"covered";
const LAST_RECEIVED: &[u8] = b"last received";
const SECRET: &[u8] = b"secret";

type Bytewise = Database<Bytes, Bytes>;

/// The tables' handles.
#[derive(Clone, Copy)]
pub struct Tables {
    records: [Bytewise; TABLES.len()],
    /// id (48 bytes) → nothing: refused for good.
    pub refused: Bytewise,
    /// what a Deletion names ‖ its position → up to which timestamp (see `deletion`).
    pub deleted: Bytewise,
    /// a bit of a label ‖ position → nothing (see `labels`).
    pub labelled: Bytewise,
    /// a segment's first position → what of it is dead.
    pub dead: Bytewise,
    meta: Bytewise,
}

impl Tables {
    /// The handle of a table of records.
    pub fn of(&self, table: Table) -> Bytewise {
        self.records[table as usize]
    }

    /// The position up to which the log is in the index.
    pub fn covered(&self, txn: &RoTxn<'_, WithoutTls>) -> Result<u64> {
        Ok(self.meta.get(txn, COVERED)?.map_or(START, number))
    }

    /// The greatest received time seen (ns).
    pub fn last_received(&self, txn: &RoTxn<'_, WithoutTls>) -> Result<u64> {
        Ok(self.meta.get(txn, LAST_RECEIVED)?.map_or(0, number))
    }

    /// Notes both.
    pub fn set_covered(
        &self,
        txn: &mut RwTxn<'_>,
        covered: u64,
        received: u64,
    ) -> heed::Result<()> {
        self.meta.put(txn, COVERED, &covered.to_le_bytes())?;
        self.meta.put(txn, LAST_RECEIVED, &received.to_le_bytes())
    }
}

/// What of a segment is no longer served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dead {
    /// Bytes of its entries.
    pub bytes: u64,
    /// How many records.
    pub records: u64,
}

impl Dead {
    /// Reads the value of the table `dead`.
    pub fn decode(value: &[u8]) -> Self {
        Self {
            bytes: number(value),
            records: value.get(8..).map_or(0, number),
        }
    }

    /// The value for the table `dead`.
    pub fn encode(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.bytes.to_le_bytes());
        out[8..].copy_from_slice(&self.records.to_le_bytes());
        out
    }
}

/// The open index. Whoever holds a transaction holds the guard of `enter`, too.
pub struct Index {
    env: RwLock<Option<Env<WithoutTls>>>,
    tables: Tables,
    hashes: Hashes,
    file: PathBuf,
    room: Room,
}

/// Keeps the index open and in its place.
pub struct Entered<'a>(RwLockReadGuard<'a, Option<Env<WithoutTls>>>, &'a Room);

impl Entered<'_> {
    /// A snapshot for reading.
    pub fn read(&self) -> Result<RoTxn<'_, WithoutTls>> {
        let env = self.0.as_ref().ok_or(Error::Closed)?;
        Ok(env.read_txn()?)
    }

    /// Bytes of the index's file that are in use (0 when it is closed).
    pub fn used(&self) -> u64 {
        self.0.as_ref().map_or(0, used)
    }

    /// The one transaction that writes. `Full` if the disk may not have room for it.
    pub fn write(&self) -> Result<RwTxn<'_>> {
        let env = self.0.as_ref().ok_or(Error::Closed)?;
        self.1.ensure(used(env))?;
        Ok(env.write_txn()?)
    }
}

impl Index {
    /// Opens the index in `folder`, or makes an empty one.
    pub fn open(folder: &Path) -> Result<Self> {
        let file = folder.join("data.mdb");
        // A clean stop that did not come to its end may have left it.
        let _ = fs::remove_file(file.with_extension("new"));
        let length = fs::metadata(&file).map_or(0, |m| m.len());
        let size = length.max(FIRST_SIZE).next_multiple_of(ROUND);
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options
            .map_size(usize::try_from(size).map_err(|_| Error::Full)?)
            .max_readers(MAX_READERS)
            .max_dbs(TABLES.len() as u32 + 5);
        // SAFETY: the folder is locked for this process by the store's lock file, and nobody else
        // changes the file. The flags cost durability at a power cut, which the state file covers.
        let env = unsafe {
            options.flags(EnvFlags::WRITE_MAP | EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC);
            options.open(folder)?
        };
        let room = Room::new(&file, env.info().map_size as u64)?;
        room.ensure(used(&env))?;
        let mut txn = env.write_txn()?;
        let mut named = |name: &str| env.create_database::<Bytes, Bytes>(&mut txn, Some(name));
        let tables = Tables {
            records: [
                named("time")?,
                named("key")?,
                named("kind")?,
                named("tag")?,
                named("address")?,
            ],
            refused: named("refused")?,
            deleted: named("deleted")?,
            labelled: named("labelled")?,
            dead: named("dead")?,
            meta: named("meta")?,
        };
        let mut secret = [0; 16];
        match tables.meta.get(&txn, SECRET)?.and_then(<[u8]>::first_chunk) {
            Some(kept) => secret = *kept,
            None => {
                getrandom::fill(&mut secret).map_err(|error| Error::Io(error.to_string()))?;
                tables.meta.put(&mut txn, SECRET, &secret)?;
            }
        }
        txn.commit()?;
        Ok(Self {
            env: RwLock::new(Some(env)),
            tables,
            hashes: Hashes::new(&secret),
            file,
            room,
        })
    }

    /// Removes what is left of an index.
    pub fn erase(folder: &Path) -> Result<()> {
        for name in ["data.mdb", "lock.mdb"] {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::at(&error, "remove the old index", &path));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The right to begin transactions. Hold it as long as they live, and not for long.
    pub fn enter(&self) -> Entered<'_> {
        let guard = self.env.read().unwrap_or_else(PoisonError::into_inner);
        Entered(guard, &self.room)
    }

    /// The tables' handles.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The keyed hashes of this index.
    pub fn hashes(&self) -> &Hashes {
        &self.hashes
    }

    /// Makes the mapping longer, by `least` bytes at least.
    ///
    /// Waits for the slices of readers that are under way.
    pub fn grow(&self, least: u64) -> Result<()> {
        let mut guard = self.env.write().unwrap_or_else(PoisonError::into_inner);
        let env = guard.as_ref().ok_or(Error::Closed)?;
        let length = self.room.lengthen(least)?;
        let mapped = usize::try_from(length).map_err(|_| Error::Full)?;
        // SAFETY: every transaction holds `enter`'s guard, so there is none.
        if let Err(error) = unsafe { env.resize(mapped) } {
            // The old mapping is gone and there is no new one: nothing may touch this index again, not
            // even to close it.
            std::mem::forget(guard.take());
            return Err(error.into());
        }
        Ok(())
    }

    /// Writes all of the index to the disk.
    pub fn sync(&self) -> Result<()> {
        let entered = self.enter();
        let env = entered.0.as_ref().ok_or(Error::Closed)?;
        Ok(env.force_sync()?)
    }

    /// Syncs and closes; the file gives back the room that it does not use.
    pub fn close(&self) -> Result<()> {
        let mut guard = self.env.write().unwrap_or_else(PoisonError::into_inner);
        let Some(env) = guard.take() else {
            return Ok(());
        };
        let used = used(&env);
        let packed = match env.non_free_pages_size() {
            Ok(needed) if used.saturating_sub(needed) > used / WASTE => pack(&env, &self.file),
            _ => None,
        };
        let synced = match packed {
            Some(_) => Ok(()),
            None => env.force_sync(),
        };
        env.prepare_for_closing().wait();
        synced?;
        let finished = match packed {
            Some(packed) => put_in_place(&packed, &self.file),
            None => cut(&self.file, used),
        };
        finished.map_err(|error| Error::at(&error, "close", &self.file))
    }
}

/// Bytes of the file up to the last page that was ever used.
fn used(env: &Env<WithoutTls>) -> u64 {
    let page = u64::from(env.stat().page_size);
    (env.info().last_page_number as u64 + 1) * page
}

/// Writes the index without its free pages beside itself, durably. If that fails, it stays as it is.
fn pack(env: &Env<WithoutTls>, file: &Path) -> Option<PathBuf> {
    let packed = file.with_extension("new");
    let copied = env.copy_to_path(&packed, CompactionOption::Enabled);
    let synced = copied.map_err(Error::from).and_then(|file| {
        let synced = file.sync_all();
        synced.map_err(|error| Error::at(&error, "sync", &packed))
    });
    if synced.is_err() {
        // The next time will do; a start removes what is left.
        let _ = fs::remove_file(&packed);
        return None;
    }
    Some(packed)
}

/// Gives the new file the name of the old one, durably: the old one was not synced.
fn put_in_place(packed: &Path, file: &Path) -> std::io::Result<()> {
    fs::rename(packed, file)?;
    file.parent()
        .map_or(Ok(()), |folder| DiskFiles.sync_dir(folder))
}

/// Cuts the file off behind what it uses.
fn cut(file: &Path, used: u64) -> std::io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(file)?;
    if used < file.metadata()?.len() {
        file.set_len(used)?;
        file.sync_all()?;
    }
    Ok(())
}
