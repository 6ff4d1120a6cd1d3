//! One process at a time.

use std::fs;
use std::path::Path;

use crate::store::error::{Error, Result};

/// Takes the folder for this process: a home has a `lock` of its own beside `log/`.
#[cfg(unix)]
pub fn lock_folder(folder: &Path) -> Result<fs::File> {
    use std::os::fd::AsRawFd;
    let path = folder.join("log").join("lock");
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| Error::at(&error, "open", &path))?;
    // SAFETY: the descriptor is open as long as `file` lives.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
        return Err(in_use(folder));
    }
    Ok(file)
}

/// Takes the folder for this process: a home has a `lock` of its own beside `log/`.
#[cfg(windows)]
pub fn lock_folder(folder: &Path) -> Result<fs::File> {
    use std::os::windows::fs::OpenOptionsExt;
    let path = folder.join("log").join("lock");
    let mut options = fs::OpenOptions::new();
    options
        .create(true)
        .truncate(false)
        .write(true)
        .share_mode(0);
    options.open(&path).map_err(|_| in_use(folder))
}

fn in_use(folder: &Path) -> Error {
    Error::InUse(format!(
        "another process has the store in {} open",
        folder.display()
    ))
}
