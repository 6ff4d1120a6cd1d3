//! Wakes the crate's thread, which looks for new jobs only after each packet or 50 ms of silence.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

/// Sends packets to a node of our own that no node takes for anything.
pub struct Waker {
    socket: UdpSocket,
}

impl Waker {
    /// For the node that is bound to that address.
    pub fn new(mut node: SocketAddrV4) -> io::Result<Self> {
        if node.ip().is_unspecified() {
            node.set_ip(Ipv4Addr::LOCALHOST);
        }
        let socket = UdpSocket::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(node)?;
        Ok(Self { socket })
    }

    /// Wakes the node's thread; where that fails it wakes by itself a little later.
    pub fn wake(&self) {
        let _ = self.socket.send(&[]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_without_bytes_arrives() {
        let node = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(address) = node.local_addr().unwrap() else {
            unreachable!("bound to an IPv4 address");
        };
        for ip in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
            Waker::new(SocketAddrV4::new(ip, address.port()))
                .unwrap()
                .wake();
            assert_eq!(node.recv(&mut [0; 8]).unwrap(), 0);
        }
    }
}
