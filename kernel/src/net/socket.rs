//! The options of a TCP socket.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

use tokio::net::TcpStream;

/// What the system may hold beyond what is on its way to the peer, in bytes.
#[cfg(target_os = "linux")]
const UNSENT: libc::c_int = 131_072;
/// Seconds of silence before the system asks whether the peer is still there.
#[cfg(target_os = "linux")]
const KEEP_ALIVE: libc::c_int = 300;

/// Sends small messages at once, bounds what the system holds for a slow reader, notices dead peers.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    for (level, option, value) in [
        (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, UNSENT),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, KEEP_ALIVE),
    ] {
        set_option(stream, level, option, value)?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn set_option(
    stream: &TcpStream,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the descriptor is open, `value` lives through the call and its size is given.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
