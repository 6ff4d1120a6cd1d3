//! What the store can answer instead of doing what was asked.

use std::fmt;
use std::io;
use std::path::Path;

/// Why the store did not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// No room on the disk; nothing of what was asked is there.
    Full,
    /// The log is damaged before its end.
    Damaged(String),
    /// Another process has the folder open.
    InUse(String),
    /// A file has a newer format than this code knows.
    Newer(String),
    /// The store was closed.
    Closed,
    /// The caller broke a rule of the face.
    Usage(String),
    /// The index can't be used; it is rebuilt at the next start.
    Index(String),
    /// Another failure of the disk.
    Io(String),
}

/// What the store's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An I/O error met while doing `what` with `path`.
    pub fn at(error: &io::Error, what: &str, path: &Path) -> Self {
        if is_full(error) {
            return Self::Full;
        }
        Self::Io(format!("could not {what} {}: {error}", path.display()))
    }
}

/// Whether an I/O error says that there is no room.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(f, "the disk is full; nothing was written"),
            Self::Damaged(text)
            | Self::InUse(text)
            | Self::Newer(text)
            | Self::Usage(text)
            | Self::Index(text)
            | Self::Io(text) => write!(f, "{text}"),
            Self::Closed => write!(f, "the store is closed"),
        }
    }
}

impl std::error::Error for Error {}

impl From<heed::Error> for Error {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Io(io) if is_full(&io) => Self::Full,
            other => Self::Index(format!("the index could not be used: {other}")),
        }
    }
}
