//! The options of sockets.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

use std::net::UdpSocket;
use std::task::{Context, Poll, ready};

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

/// Drops what still comes into `buffer`, until the peer has `ended`; then it is ready.
pub fn drop_rest(
    stream: &TcpStream,
    ended: &mut bool,
    buffer: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<()> {
    while !*ended {
        match stream.try_read(buffer) {
            Ok(0) => *ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if ready!(stream.poll_read_ready(cx)).is_err() {
                    *ended = true;
                }
            }
            Err(_) => *ended = true,
        }
    }
    Poll::Ready(())
}

/// Bytes that the system may hold each way for a UDP socket that many connections share.
pub const SHARED: libc::c_int = 4_194_304;
/// And for one that belongs to one connection.
pub const SINGLE: libc::c_int = 1_048_576;

/// Asks for room for `bytes` each way, so that bursts are not lost. What the system does not allow is left.
#[cfg(target_os = "linux")]
pub fn enlarge(socket: &UdpSocket, bytes: libc::c_int) {
    for (beyond, within) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        if set_option(socket, libc::SOL_SOCKET, beyond, bytes).is_err() {
            // The system then gives as much as it gives to everybody.
            let _ = set_option(socket, libc::SOL_SOCKET, within, bytes);
        }
    }
}

/// The system's own sizes do.
#[cfg(not(target_os = "linux"))]
pub fn enlarge(_: &UdpSocket, _: libc::c_int) {}

#[cfg(target_os = "linux")]
fn set_option(
    socket: &impl AsRawFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the descriptor is open, `value` lives through the call and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
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
