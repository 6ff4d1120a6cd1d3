//! Room for the index's file, which is written through its mapping: a page that the disk has no room
//! for when it is written would end the process, so the room is there before.
//!
//! The mapping is longer than what is in use, and the file has a hole there; blocks for what comes next
//! are taken ahead. Where the disk has little left, the whole mapping gets its blocks at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::error::{Error, Result};

/// A multiple of every system's page size.
pub const ROUND: u64 = 1 << 16;

/// What is taken ahead of what is in use.
const AHEAD: u64 = 1 << 20;
/// A disk with more than this left, beside the mapping's hole, has room for any transaction.
const PLENTY: u64 = 256 << 20;
/// How much longer a mapping gets at least, if there is plenty.
const LEAST_STEP: u64 = 8 << 20;

/// The index's file and how much of it has its blocks.
pub struct Room {
    file: fs::File,
    path: PathBuf,
    mapped: AtomicU64,
    taken: AtomicU64,
}

impl Room {
    /// For the file at `path`, of which `mapped` bytes are mapped.
    pub fn new(path: &Path, mapped: u64) -> Result<Self> {
        let file = fs::OpenOptions::new().write(true).open(path);
        Ok(Self {
            file: file.map_err(|error| Error::at(&error, "open", path))?,
            path: path.to_owned(),
            mapped: AtomicU64::new(mapped),
            taken: AtomicU64::new(0),
        })
    }

    /// The length of the mapping.
    pub fn mapped(&self) -> u64 {
        self.mapped.load(Ordering::Relaxed)
    }

    /// Makes sure of room for a transaction that begins with `used` bytes in use; `Full` if there is none.
    pub fn ensure(&self, used: u64) -> Result<()> {
        let (mapped, taken) = (self.mapped(), self.taken.load(Ordering::Relaxed).max(used));
        let plenty = has_plenty(&self.file, mapped.saturating_sub(taken));
        let wanted = if plenty {
            (used + AHEAD).min(mapped)
        } else {
            mapped
        };
        if wanted <= taken {
            return Ok(());
        }
        let end = if plenty {
            (wanted + AHEAD).min(mapped)
        } else {
            mapped
        };
        take(&self.file, taken, end)
            .map_err(|error| Error::at(&error, "make room for", &self.path))?;
        self.taken.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// Makes the file longer, by `least` bytes at least; its new length, which is to be mapped.
    ///
    /// Each time all of it is mapped anew, so not in small steps; but a full disk is used to its end.
    pub fn lengthen(&self, least: u64) -> Result<u64> {
        let mapped = self.mapped();
        let generous = (mapped / 4).max(LEAST_STEP).max(least);
        let modest = (mapped / 32).max(AHEAD).max(least);
        let to = |step: u64| -> io::Result<u64> {
            let length = mapped + step.next_multiple_of(ROUND);
            self.file.set_len(length)?;
            Ok(length)
        };
        let lengthened = if has_plenty(&self.file, generous) {
            to(generous).or_else(|_| to(modest))
        } else {
            to(modest)
        };
        let length = lengthened.map_err(|error| Error::at(&error, "lengthen", &self.path))?;
        self.mapped.store(length, Ordering::Relaxed);
        Ok(length)
    }
}

/// Whether the disk has plenty beside `hole` bytes.
#[cfg(unix)]
fn has_plenty(file: &fs::File, hole: u64) -> bool {
    use std::os::fd::AsRawFd;
    // SAFETY: all zeros are a value of this plain structure, and the call fills it.
    let mut told: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open as long as `file` lives.
    if unsafe { libc::fstatvfs(file.as_raw_fd(), &raw mut told) } != 0 {
        return false;
    }
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    let free = (told.f_bavail as u64).saturating_mul(told.f_frsize as u64);
    free > hole.saturating_add(PLENTY)
}

/// What is left is not asked for here.
#[cfg(not(unix))]
fn has_plenty(_file: &fs::File, _hole: u64) -> bool {
    false
}

/// Gives the bytes from `start` to `end`, which nobody uses yet, their blocks.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn take(file: &fs::File, start: u64, end: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let fit = |n: u64| libc::off_t::try_from(n).map_err(|_| io::ErrorKind::FileTooLarge);
    // SAFETY: the descriptor is open for writing as long as `file` lives.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), fit(start)?, fit(end - start)?) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Where the system has no call for it, zeros are written.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn take(mut file: &fs::File, start: u64, end: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(start))?;
    let zeros = [0; ROUND as usize];
    let mut at = start;
    while at < end {
        let length = (end - at).min(ROUND);
        file.write_all(&zeros[..length as usize])?;
        at += length;
    }
    file.flush()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_ahead_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
        let room = Room::new(&path, 64 << 20).unwrap();
        room.ensure(0).unwrap();
        let taken = room.taken.load(Ordering::Relaxed);
        assert!(taken >= AHEAD);
        room.ensure(taken - AHEAD).unwrap();
        assert_eq!(room.taken.load(Ordering::Relaxed), taken);
        room.ensure(63 << 20).unwrap();
        assert_eq!(room.taken.load(Ordering::Relaxed), 64 << 20);
        let length = room.lengthen(5).unwrap();
        assert!(length >= (64 << 20) + AHEAD);
        assert_eq!(length, room.mapped());
        assert_eq!(fs::metadata(&path).unwrap().len(), length);
        assert!(room.lengthen(1 << 30).unwrap() >= length + (1 << 30));
    }
}
