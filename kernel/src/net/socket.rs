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

/// How often `drop_rest` reads before others have their turn, and the clock is looked at.
const AT_ONCE: usize = 32;

/// Drops what still comes into `buffer`, until the peer has `ended`; then it is ready. Of a peer who sends
/// without end a little is dropped at a time.
pub fn drop_rest(
    stream: &TcpStream,
    ended: &mut bool,
    buffer: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<()> {
    for _ in 0..AT_ONCE {
        if *ended {
            return Poll::Ready(());
        }
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
    cx.waker().wake_by_ref();
    Poll::Pending
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_sends_without_end_keeps_no_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let _within = runtime.enter();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(accepted).unwrap();
        peer.write_all(&[7; 8_192]).unwrap();
        runtime.block_on(stream.readable()).unwrap();
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let mut ended = false;
        let poll = drop_rest(&stream, &mut ended, &mut [0; 16], &mut cx);
        assert!(poll.is_pending() && !ended);
        assert!(woken.0.load(Ordering::SeqCst));
        let left = stream.try_read(&mut [0; 16_384]).unwrap();
        assert_eq!(left, 8_192 - AT_ONCE * 16);
    }
}
