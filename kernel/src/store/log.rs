//! The record log: segments in a row, written at the end, a batch with one write and one sync.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::store::entry::Head;
use crate::store::error::{Error, Result};
use crate::store::files::Files;
use crate::store::segment::{self, HEADER, Header, Segment, VERSION, damaged};

/// The position of the first entry of all; 0 is none.
pub const START: u64 = 64;

/// The segments as they were at one moment, by first position.
pub struct Segments(Vec<Arc<Segment>>);

impl Segments {
    /// All of them, oldest first.
    pub fn all(&self) -> &[Arc<Segment>] {
        &self.0
    }

    /// The segment to which a position belongs.
    pub fn of(&self, position: u64) -> Option<&Arc<Segment>> {
        let after = self.0.partition_point(|s| s.base() <= position);
        self.0.get(after.checked_sub(1)?)
    }

    /// The entry at a position, if it is there.
    pub fn entry(&self, position: u64) -> Option<(Head, &[u8])> {
        self.of(position)?.entry(position)
    }

    /// The first entry that is not before `position` (an entry's end or beginning) and before `end`.
    pub fn first_from(&self, position: u64, end: u64) -> Option<u64> {
        let after = self.0.partition_point(|s| s.base() <= position);
        self.0[after.saturating_sub(1)..]
            .iter()
            .find_map(|segment| segment.first_from(position))
            .filter(|&found| found < end)
    }

    /// A position before which nothing was received at `received` or later: the beginning of a segment.
    ///
    /// Looks at every segment up to there, the first time at every entry; stops when `in_time` says so.
    pub fn received_from(&self, received: u64, mut in_time: impl FnMut() -> bool) -> u64 {
        let Some((_, closed)) = self.0.split_last() else {
            return 0;
        };
        let before = closed
            .iter()
            .take_while(|s| in_time() && s.greatest_received() < received);
        before.last().map_or(0, |segment| segment.end())
    }

    /// As `first_from`, for a position that may lie within an entry.
    pub fn align(&self, position: u64, end: u64) -> Option<u64> {
        let Some(segment) = self.of(position) else {
            return self.first_from(START, end);
        };
        if segment.is_compacted()
            || position >= segment.end()
            || segment.checked_entry(position).is_some()
        {
            return self.first_from(position, end);
        }
        let mut at = segment.base();
        while at < position {
            at += segment.entry(at)?.0.size();
        }
        self.first_from(at, end)
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.0.iter().map(|s| s.size()).sum()
    }
}

/// The log, for readers. Writing needs its `Tail`.
pub struct Log {
    files: Arc<dyn Files>,
    folder: PathBuf,
    segment_bytes: u64,
    salt: u64,
    segments: RwLock<Arc<Segments>>,
    end: AtomicU64,
}

/// The right to write: the segment at the end, and whether its file still deserves trust.
pub struct Tail {
    segment: Arc<Segment>,
    trusted: bool,
}

impl Log {
    /// Opens the log in `folder`, or begins one, and cuts off a batch that was never synced.
    ///
    /// `known_end` is a position up to which the log is known to be whole, the end of a batch.
    pub fn open(
        files: Arc<dyn Files>,
        folder: &Path,
        segment_bytes: u64,
        known_end: Option<u64>,
    ) -> Result<(Self, Tail)> {
        let mut all = open_segments(files.as_ref(), folder, segment_bytes)?;
        if all.is_empty() {
            if known_end.is_some_and(|end| end > START) {
                return Err(Error::Damaged(format!(
                    "{} has no segments, though the index knows of records in them",
                    folder.display()
                )));
            }
            let mut salt = [0; 8];
            getrandom::fill(&mut salt).map_err(|error| Error::Io(error.to_string()))?;
            let header = Header {
                version: VERSION,
                base: START,
                salt: u64::from_le_bytes(salt),
                compacted: None,
            };
            let first = Segment::create(files.as_ref(), folder, header, segment_bytes)?;
            all.push(Arc::new(first));
        }
        join_segments(&all)?;
        let Some(last) = all.last().cloned() else {
            return Err(Error::Io("the log has no segment".into()));
        };
        if !last.is_compacted() {
            cut_tail(&last, known_end)?;
        }
        let end = last.end();
        if known_end.is_some_and(|known| known > end) {
            return Err(damaged(
                last.path(),
                last.size(),
                "the log ends before records that the index knows",
            ));
        }
        let log = Self {
            files,
            folder: folder.to_owned(),
            segment_bytes,
            salt: last.header().salt,
            segments: RwLock::new(Arc::new(Segments(all))),
            end: AtomicU64::new(end),
        };
        // What is new in this version may not stand in a file that an older program would read.
        let trusted = !last.is_compacted() && last.header().version == VERSION;
        Ok((
            log,
            Tail {
                segment: last,
                trusted,
            },
        ))
    }

    /// The position that the next entry gets.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The key of all checksums.
    pub fn salt(&self) -> u64 {
        self.salt
    }

    /// The folder of the segments.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The segments as they are now.
    pub fn segments(&self) -> Arc<Segments> {
        let guard = self.segments.read();
        Arc::clone(&guard.unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes sure that a batch of `length` bytes can be written to the segment at the end.
    pub fn prepare(&self, tail: &mut Tail, length: u64) -> Result<()> {
        let full = tail.offset() + length > self.segment_bytes && tail.offset() > HEADER;
        if !tail.trusted || full || !tail.fits(length) {
            self.roll(tail, length)?;
        }
        Ok(())
    }

    /// Writes a batch that fits behind the end and syncs it. On an error nothing of it is there.
    ///
    /// Readers see it after `Tail::show` and `publish`; `take_back` undoes it before.
    pub fn write(&self, tail: &mut Tail, batch: &[u8]) -> Result<()> {
        let segment = &tail.segment;
        if let Err(error) = segment.file().write_at(tail.offset(), batch) {
            let error = Error::at(&error, "write to the log segment", segment.path());
            self.take_back(tail);
            return Err(error);
        }
        if let Err(error) = segment.file().sync() {
            // After a failed sync the system may have dropped what was written before, too, and say
            // nothing at the next one: this file gets no more records.
            let error = Error::at(&error, "sync the log segment", segment.path());
            self.take_back(tail);
            tail.trusted = false;
            return Err(error);
        }
        Ok(())
    }

    /// Moves the end behind what `tail` shows.
    pub fn publish(&self, tail: &Tail) {
        self.end.store(tail.segment.end(), Ordering::Release);
    }

    /// Removes a batch that was written (or partly written) and not published.
    pub fn take_back(&self, tail: &mut Tail) {
        let file = tail.segment.file();
        let cut = file.set_len(tail.offset()).and_then(|()| file.sync());
        if cut.is_err() {
            tail.trusted = false;
        }
    }

    /// Closes the segment at the end, unless there is nothing in it.
    pub fn close_segment(&self, tail: &mut Tail) -> Result<()> {
        if tail.segment.end() == tail.segment.base() {
            return Ok(());
        }
        self.roll(tail, 0)
    }

    /// Closes the segment at the end and begins another with room for `length` bytes.
    fn roll(&self, tail: &mut Tail, length: u64) -> Result<()> {
        let header = Header {
            version: VERSION,
            base: tail.segment.end(),
            salt: self.salt,
            compacted: None,
        };
        let capacity = self.segment_bytes.max(HEADER + length);
        if tail.segment.end() == tail.segment.base() {
            // The new segment takes its name, not its file.
            let _ = self.files.remove(tail.segment.path());
        }
        let fresh = Arc::new(Segment::create(
            self.files.as_ref(),
            &self.folder,
            header,
            capacity,
        )?);
        self.change_segments(|all| {
            all.retain(|s| s.base() != header.base);
            all.push(Arc::clone(&fresh));
        });
        *tail = Tail {
            segment: fresh,
            trusted: true,
        };
        Ok(())
    }

    /// Puts another segment in the place of the one that begins where it begins.
    pub fn replace(&self, segment: Arc<Segment>) {
        self.change_segments(|all| {
            for place in all.iter_mut().filter(|s| s.base() == segment.base()) {
                *place = Arc::clone(&segment);
            }
        });
    }

    /// The file layer.
    pub fn files(&self) -> &dyn Files {
        self.files.as_ref()
    }

    fn change_segments(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut guard = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut all = guard.0.clone();
        change(&mut all);
        *guard = Arc::new(Segments(all));
    }
}

impl Tail {
    fn offset(&self) -> u64 {
        HEADER + (self.segment.end() - self.segment.base())
    }

    /// Whether a batch of `length` bytes fits in the segment at the end.
    pub fn fits(&self, length: u64) -> bool {
        self.trusted && self.offset() + length <= self.segment.capacity()
    }

    /// Shows readers of positions the `length` bytes that were written.
    pub fn show(&self, length: u64) {
        self.segment.set_end(self.segment.end() + length);
    }

    /// Undoes `show`, as long as no position of it was given away.
    pub fn hide(&self, length: u64) {
        self.segment.set_end(self.segment.end() - length);
    }

    /// The first position of the segment at the end.
    pub fn base(&self) -> u64 {
        self.segment.base()
    }
}

fn open_segments(
    files: &dyn Files,
    folder: &Path,
    segment_bytes: u64,
) -> Result<Vec<Arc<Segment>>> {
    let at = |error| Error::at(&error, "read the log folder", folder);
    let mut names = files.list(folder).map_err(at)?;
    names.sort();
    let mut all = Vec::new();
    let mut unmade: Option<PathBuf> = None;
    for name in names {
        let path = folder.join(&name);
        if name.ends_with(".new") {
            files.remove(&path).map_err(at)?;
            continue;
        }
        if !name.ends_with(".log") {
            continue;
        }
        if let Some(path) = unmade.take() {
            return Err(damaged(
                &path,
                0,
                "it has no header, though segments follow",
            ));
        }
        match Segment::open(files, &path, segment_bytes)? {
            Some(segment) if name == segment::file_name(segment.base()) => {
                all.push(Arc::new(segment));
            }
            Some(_) => return Err(damaged(&path, 16, "its name is not that of its header")),
            None => unmade = Some(path),
        }
    }
    if let Some(path) = unmade {
        files.remove(&path).map_err(at)?;
        files.sync_dir(folder).map_err(at)?;
    }
    Ok(all)
}

/// Checks that each segment ends where the next begins, and sets the ends of plain ones so.
fn join_segments(all: &[Arc<Segment>]) -> Result<()> {
    if all.first().is_some_and(|s| s.base() != START) {
        return Err(Error::Damaged(
            "the log's first segment is missing".to_owned(),
        ));
    }
    for (one, next) in all.iter().zip(all.iter().skip(1)) {
        let fits = if one.is_compacted() {
            one.end() == next.base()
        } else {
            one.end() >= next.base()
        };
        if !fits || one.header().salt != next.header().salt {
            return Err(damaged(
                one.path(),
                one.size(),
                "it ends before the next segment begins",
            ));
        }
        one.set_end(next.base());
    }
    Ok(())
}

fn cut_tail(last: &Segment, known_end: Option<u64>) -> Result<()> {
    let written = last.end();
    let from = known_end.unwrap_or(0).clamp(last.base(), written);
    let end = last.find_end(from)?;
    last.set_end(end);
    let file = last.file();
    if end < written {
        let length = HEADER + (end - last.base());
        file.set_len(length)
            .map_err(|error| Error::at(&error, "cut off the end of", last.path()))?;
    }
    if end < written || end > from {
        // A process that was killed may have written whole batches and not synced them. They are served from
        // now on, and who hands one in again hears that it is there: so it must be on disk.
        file.sync()
            .map_err(|error| Error::at(&error, "sync the log segment", last.path()))?;
    }
    Ok(())
}
