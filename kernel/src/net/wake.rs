//! What Python waits for: a descriptor that is readable while events wait.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// An eventfd on Linux, a pipe elsewhere. Neither end ever blocks.
pub struct WakeFd {
    read: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    write: OwnedFd,
}

impl WakeFd {
    /// Opens it, not readable yet.
    #[cfg(target_os = "linux")]
    pub fn new() -> io::Result<Self> {
        // SAFETY: a plain system call without pointers; the result is checked before it is owned.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let read = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Self { read })
    }

    /// Opens it, not readable yet.
    #[cfg(not(target_os = "linux"))]
    pub fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for the two descriptors that pipe writes.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } < 0 {
            return Err(io::Error::last_os_error());
        }
        for end in ends {
            // SAFETY: both descriptors were just made; the calls take plain integers.
            unsafe {
                libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK);
                libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
        // SAFETY: the descriptors were just made and belong to nobody else.
        unsafe {
            Ok(Self {
                read: OwnedFd::from_raw_fd(ends[0]),
                write: OwnedFd::from_raw_fd(ends[1]),
            })
        }
    }

    /// The descriptor to wait on.
    pub fn fileno(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    #[cfg(target_os = "linux")]
    fn write_end(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    #[cfg(not(target_os = "linux"))]
    fn write_end(&self) -> RawFd {
        self.write.as_raw_fd()
    }

    /// Makes it readable. A full pipe or counter is readable already.
    pub fn raise(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: `one` lives through the call and its length is given.
        unsafe { libc::write(self.write_end(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes it not readable.
    pub fn lower(&self) {
        let mut buffer = [0_u8; 64];
        loop {
            // SAFETY: `buffer` lives through the call and its length is given.
            let count = unsafe {
                libc::read(
                    self.read.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                )
            };
            // An eventfd gives its 8 bytes once; a pipe may hold more than one buffer.
            if count < buffer.len() as isize {
                return;
            }
        }
    }
}
