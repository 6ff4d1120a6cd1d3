//! The buffers of UDP sockets.

use std::net::UdpSocket;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

/// As much as a server asks for, so that neither side loses what the other sends in a burst.
#[cfg(target_os = "linux")]
static BYTES: libc::c_int = 4_194_304;

/// Asks for larger buffers. What the system does not allow is left.
#[cfg(target_os = "linux")]
pub fn enlarge(socket: &UdpSocket) {
    for option in [libc::SO_RCVBUF, libc::SO_SNDBUF] {
        // SAFETY: the descriptor is open, the value lives through the call and its size is given.
        let _ = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const BYTES).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
    }
}

/// The system's own sizes do.
#[cfg(not(target_os = "linux"))]
pub fn enlarge(_: &UdpSocket) {}
