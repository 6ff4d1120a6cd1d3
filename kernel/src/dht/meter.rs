//! What passes through the sockets of DHT nodes in this process, counted.
//!
//! The crate that speaks with the DHT has no counters and keeps its socket to itself. So the linker leads the two
//! calls of the C library by which such a socket sends and receives through here (`build.rs`; on Linux). Links use
//! other calls. Elsewhere nothing is counted.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Mutex;

use super::lock;

/// Whether anything is counted on this system.
pub const COUNTS: bool = cfg!(target_os = "linux");

/// Sockets that are counted at a time; a DHT for tests has 256.
const MOST: usize = 1_024;

static SOCKETS: Mutex<BTreeMap<SocketAddrV4, Passed>> = Mutex::new(BTreeMap::new());

/// What passed through a socket: the contents of packets in bytes, and how many packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes that came.
    pub came: u64,
    /// Packets that came.
    pub packets_came: u64,
    /// Bytes that went.
    pub went: u64,
    /// Packets that went.
    pub packets_went: u64,
}

impl Passed {
    /// Counts what passed elsewhere as well.
    pub fn add(&mut self, other: Self) {
        self.came += other.came;
        self.packets_came += other.packets_came;
        self.went += other.went;
        self.packets_went += other.packets_went;
    }
}

/// What has passed through the socket that is bound there.
pub fn of(bound: SocketAddrV4) -> Passed {
    lock(&SOCKETS).get(&bound).copied().unwrap_or_default()
}

/// The same; the socket is closed, and forgotten.
pub fn end(bound: SocketAddrV4) -> Passed {
    lock(&SOCKETS).remove(&bound).unwrap_or_default()
}

#[cfg(target_os = "linux")]
mod calls {
    use std::mem::{size_of, zeroed};
    use std::net::{Ipv4Addr, SocketAddrV4};

    use libc::{c_int, c_long, c_void, size_t, sockaddr, sockaddr_in, socklen_t, ssize_t};

    use super::{MOST, Passed, SOCKETS, lock};

    /// Where a socket is bound, if that is an IPv4 address.
    fn bound(socket: c_int) -> Option<SocketAddrV4> {
        // SAFETY: all zeros are a value of this type.
        let mut address: sockaddr_in = unsafe { zeroed() };
        let mut length = size_of::<sockaddr_in>() as socklen_t;
        // SAFETY: both point to what lives on; no more than `length` bytes are written.
        let done = unsafe {
            libc::getsockname(
                socket,
                (&raw mut address).cast::<sockaddr>(),
                &raw mut length,
            )
        };
        (done == 0 && c_int::from(address.sin_family) == libc::AF_INET).then(|| {
            SocketAddrV4::new(
                Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)),
                u16::from_be(address.sin_port),
            )
        })
    }

    fn count(socket: c_int, passed: Passed) {
        if let Some(bound) = bound(socket) {
            let mut sockets = lock(&SOCKETS);
            if sockets.len() < MOST || sockets.contains_key(&bound) {
                sockets.entry(bound).or_default().add(passed);
            }
        }
    }

    /// `sendto` of the C library, and counts what went.
    ///
    /// # Safety
    /// As `sendto`.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn __wrap_sendto(
        socket: c_int,
        data: *const c_void,
        length: size_t,
        flags: c_int,
        to: *const sockaddr,
        to_length: socklen_t,
    ) -> ssize_t {
        // SAFETY: what the caller promises `sendto` holds for the system call that it stands for.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_sendto,
                c_long::from(socket),
                data,
                length,
                c_long::from(flags),
                to,
                to_length as c_long,
            )
        } as ssize_t;
        if sent > 0 && !to.is_null() {
            count(
                socket,
                Passed {
                    went: sent as u64,
                    packets_went: 1,
                    ..Passed::default()
                },
            );
        }
        sent
    }

    /// `recvfrom` of the C library, and counts what came.
    ///
    /// # Safety
    /// As `recvfrom`.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn __wrap_recvfrom(
        socket: c_int,
        data: *mut c_void,
        length: size_t,
        flags: c_int,
        from: *mut sockaddr,
        from_length: *mut socklen_t,
    ) -> ssize_t {
        // SAFETY: what the caller promises `recvfrom` holds for the system call that it stands for.
        let came = unsafe {
            libc::syscall(
                libc::SYS_recvfrom,
                c_long::from(socket),
                data,
                length,
                c_long::from(flags),
                from,
                from_length,
            )
        } as ssize_t;
        if came > 0 && flags & libc::MSG_PEEK == 0 && !from.is_null() {
            count(
                socket,
                Passed {
                    came: came as u64,
                    packets_came: 1,
                    ..Passed::default()
                },
            );
        }
        came
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

    use super::*;

    fn bound() -> (UdpSocket, SocketAddrV4) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(address) = socket.local_addr().unwrap() else {
            unreachable!("bound to an IPv4 address");
        };
        (socket, address)
    }

    #[test]
    fn packets_are_counted_where_they_go_out_and_where_they_come_in() {
        let ((ours, here), (theirs, there)) = (bound(), bound());
        ours.send_to(&[7; 100], there).unwrap();
        ours.send_to(&[7; 11], there).unwrap();
        let mut room = [0; 2_048];
        assert_eq!(theirs.recv_from(&mut room).unwrap().0, 100);
        let went = Passed {
            went: 111,
            packets_went: 2,
            ..Passed::default()
        };
        let came = Passed {
            came: 100,
            packets_came: 1,
            ..Passed::default()
        };
        assert_eq!((of(here), of(there)), (went, came));
        // What is empty only wakes, and what fails has not passed.
        ours.send_to(&[], there).unwrap();
        assert!(ours.send_to(&[7; 70_000], there).is_err());
        assert_eq!((end(here), end(there)), (went, came));
        assert_eq!(of(here), Passed::default());
    }
}
