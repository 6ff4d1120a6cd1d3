//! A segment: one file of the log, with the entries of a range of positions.
//!
//! It begins with a header (`segment/header.rs`).
//! In a plain segment a position is `first position + offset - 64`. A compacted one holds what was
//! left of its entries, each with its old position, and behind them a table of (position, offset)
//! pairs, both u32 in 8-byte words, the position counted from the segment's first. All little-endian.

mod header;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;

use crate::store::entry::{self, Head, number};
use crate::store::error::{Error, Result};
use crate::store::files::{Files, LogFile};
pub use header::{HEADER, Header, VERSION};

const WORD: u64 = 8;
const PAIR: u64 = 8;

/// An open segment. Readers may use what lies before `end`.
pub struct Segment {
    header: Header,
    path: PathBuf,
    file: Box<dyn LogFile>,
    map: MmapRaw,
    end: AtomicU64,
    pairs: u64,
    /// The greatest received time in it, once somebody has asked.
    greatest: OnceLock<u64>,
}

impl Segment {
    /// Makes an empty plain segment that is durable, with room for `capacity` bytes.
    pub fn create(files: &dyn Files, folder: &Path, header: Header, capacity: u64) -> Result<Self> {
        let path = folder.join(file_name(header.base));
        let made = (|| {
            let file = files.create(&path)?;
            file.write_at(0, &header.encode())?;
            file.sync()?;
            files.sync_dir(folder)?;
            let map = file.map(capacity)?;
            Ok((file, map))
        })();
        let (file, map) = made.map_err(|error| {
            // What is left of it has no entries; a start removes it, if it can't be removed now.
            let _ = files.remove(&path);
            Error::at(&error, "make the log segment", &path)
        })?;
        Ok(Self {
            end: AtomicU64::new(header.base),
            header,
            path,
            file,
            map,
            pairs: 0,
            greatest: OnceLock::new(),
        })
    }

    /// Opens a segment that is there; nothing if a header never came to be.
    ///
    /// A plain one ends at its file's end until `set_end` says otherwise.
    pub fn open(files: &dyn Files, path: &Path, capacity: u64) -> Result<Option<Self>> {
        let at = |error| Error::at(&error, "open the log segment", path);
        let file = files.open(path).map_err(at)?;
        let length = file.length().map_err(at)?;
        let map = file.map(capacity.max(length)).map_err(at)?;
        let available = length.min(map.len() as u64);
        // SAFETY: the first `available` bytes are in the file; nobody writes to it yet.
        let bytes = unsafe { std::slice::from_raw_parts(map.as_ptr(), available as usize) };
        let Some(header) = Header::decode(bytes, path)? else {
            if length > HEADER {
                return Err(damaged(path, 0, "its header is not whole"));
            }
            return Ok(None);
        };
        let (end, pairs) = match header.compacted {
            None => (header.base + (length - HEADER), 0),
            Some((end, table, _)) => {
                if end < header.base || table < HEADER || table > length {
                    return Err(damaged(path, table, "its table is not whole"));
                }
                (end, (length - table) / PAIR)
            }
        };
        Ok(Some(Self {
            header,
            path: path.to_owned(),
            file,
            map,
            end: AtomicU64::new(end),
            pairs,
            greatest: OnceLock::new(),
        }))
    }

    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The first position.
    pub fn base(&self) -> u64 {
        self.header.base
    }

    /// A received time (ns) that no entry exceeds; only for segments that get no more entries.
    pub fn greatest_received(&self) -> u64 {
        if let Some((_, _, received)) = self.header.compacted {
            return received;
        }
        *self.greatest.get_or_init(|| {
            let (mut at, mut greatest) = (self.base(), 0);
            while let Some((head, _)) = self.entry(at) {
                greatest = greatest.max(head.received);
                at += head.size();
            }
            greatest
        })
    }

    /// The position behind the last entry.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Says where the segment ends.
    pub fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Whether it was compacted.
    pub fn is_compacted(&self) -> bool {
        self.header.compacted.is_some()
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn file(&self) -> &dyn LogFile {
        self.file.as_ref()
    }

    /// The greatest length that its mapping can show.
    pub fn capacity(&self) -> u64 {
        self.map.len() as u64
    }

    /// Bytes of the file that are in use.
    pub fn size(&self) -> u64 {
        match self.header.compacted {
            None => HEADER + (self.end() - self.base()),
            Some((_, table, _)) => table + self.pairs * PAIR,
        }
    }

    /// Bytes of the file that are in use for what stands before a position.
    pub fn size_until(&self, end: u64) -> u64 {
        if self.is_compacted() || end >= self.end() {
            return self.size();
        }
        HEADER + end.saturating_sub(self.base())
    }

    /// The file's bytes from `offset` on, as far as entries go.
    fn bytes_from(&self, offset: u64) -> &[u8] {
        let end = match self.header.compacted {
            None => HEADER + (self.end() - self.base()),
            Some((_, table, _)) => table,
        };
        self.slice(offset, end)
    }

    fn slice(&self, start: u64, end: u64) -> &[u8] {
        let end = end.min(self.map.len() as u64);
        if start >= end {
            return &[];
        }
        // SAFETY: `start..end` is within the mapping and, as `end` never passes what was written and
        // published, within the file; published bytes are never written again.
        unsafe {
            std::slice::from_raw_parts(
                self.map.as_ptr().add(start as usize),
                (end - start) as usize,
            )
        }
    }

    /// A pair of the table: position and offset. `index` is under the number of pairs: the mapping may
    /// go on behind the file's end, where reading would end the process.
    fn pair(&self, index: u64) -> (u64, u64) {
        let Some((_, table, _)) = self.header.compacted else {
            return (0, 0);
        };
        let start = table + index * PAIR;
        let both = number(self.slice(start, start + PAIR));
        (
            self.base() + (both & 0xffff_ffff) * WORD,
            (both >> 32) * WORD,
        )
    }

    /// The index of the first pair of the table whose position is not under `position`.
    fn pair_from(&self, position: u64) -> u64 {
        let (mut low, mut high) = (0, self.pairs);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.pair(middle).0 < position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn offset_of(&self, position: u64) -> Option<u64> {
        if position < self.base() || position >= self.end() {
            return None;
        }
        if !self.is_compacted() {
            return Some(HEADER + (position - self.base()));
        }
        let index = self.pair_from(position);
        if index == self.pairs {
            return None;
        }
        let (found, offset) = self.pair(index);
        (found == position).then_some(offset)
    }

    /// The entry at a position that an entry was given, without looking at its checksum.
    pub fn entry(&self, position: u64) -> Option<(Head, &[u8])> {
        let bytes = self.bytes_from(self.offset_of(position)?);
        let head = Head::decode(bytes)?;
        let body = bytes.get(entry::HEAD..entry::HEAD + head.length)?;
        (head.position == position).then_some((head, body))
    }

    /// The entry at a position, if one stands there whole.
    pub fn checked_entry(&self, position: u64) -> Option<(Head, &[u8])> {
        entry::read(
            self.bytes_from(self.offset_of(position)?),
            self.header.salt,
            position,
        )
    }

    /// The position of the first entry that is not before `position`, which is the end of an entry or
    /// the segment's first position, or (in a compacted segment) any position.
    pub fn first_from(&self, position: u64) -> Option<u64> {
        if self.is_compacted() {
            let index = self.pair_from(position);
            return (index < self.pairs).then(|| self.pair(index).0);
        }
        let position = position.max(self.base());
        (position < self.end()).then_some(position)
    }

    /// Finds the end of the last whole batch from `from` on (the end of a batch).
    ///
    /// What follows it is a batch that was never synced, unless a later batch follows that one: then
    /// the segment is damaged.
    pub fn find_end(&self, from: u64) -> Result<u64> {
        let (mut position, mut good) = (from, from);
        while let Some((head, _)) = self.checked_entry(position) {
            position += head.size();
            if head.last {
                good = position;
            }
        }
        let mut later = position + WORD;
        while later + entry::HEAD as u64 <= self.end() {
            let bytes = self.bytes_from(HEADER + (later - self.base()));
            if entry::position_in(bytes) == later
                && entry::read(bytes, self.header.salt, later)
                    .is_some_and(|(head, _)| head.batch > good)
            {
                return Err(damaged(
                    &self.path,
                    HEADER + (position - self.base()),
                    "an entry is not whole, though later ones are",
                ));
            }
            later += WORD;
        }
        Ok(good)
    }
}

/// The name of the segment that begins at a position.
pub fn file_name(base: u64) -> String {
    format!("{base:016x}.log")
}

/// An error that says where a segment is damaged.
pub fn damaged(path: &Path, offset: u64, what: &str) -> Error {
    Error::Damaged(format!(
        "{} is damaged at byte {offset}: {what}",
        path.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
