//! Where a node enters the DHT.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, ToSocketAddrs};

/// The IPv4 addresses of `HOST:PORT` texts. Asks the system's resolver, so it may take long.
///
/// Fails when not one of them has an address.
pub fn resolve(entry_nodes: &[String]) -> io::Result<Vec<SocketAddrV4>> {
    let mut found = Vec::new();
    let mut failure = None;
    for name in entry_nodes {
        match name.to_socket_addrs() {
            Ok(addresses) => found.extend(addresses.filter_map(|address| match address {
                SocketAddr::V4(address) => Some(address),
                SocketAddr::V6(_) => None,
            })),
            Err(error) => failure = Some(error),
        }
    }
    found.dedup();
    if found.is_empty() {
        let nothing =
            || io::Error::new(io::ErrorKind::NotFound, "no entry node has an IPv4 address");
        return Err(failure.unwrap_or_else(nothing));
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_address_is_left_out_beside_what_has_one() {
        let names = ["127.0.0.1:6881", "[::1]:6881", "no port"].map(String::from);
        assert_eq!(
            resolve(&names).unwrap(),
            ["127.0.0.1:6881".parse().unwrap()]
        );
        assert!(resolve(&names[1..]).is_err());
        assert!(resolve(&names[1..2]).is_err());
    }
}
