//! A whole DHT on this machine, for tests and for trying things out.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use mainline::Dht;
use mainline::async_dht::AsyncDht;
use tokio::task::JoinSet;

use super::meter;

/// Nodes on this machine all answer within it.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
/// How often and how long an ended node's socket is waited for.
const END_POLLS: usize = 400;
const END_POLL: Duration = Duration::from_millis(5);
/// With how many others a node begins.
const MOST_NEIGHBOURS: usize = 32;
/// Rounds in which the nodes look for each other.
const ROUNDS: usize = 2;

/// Nodes on 127.0.0.1 that know each other. Ends when dropped.
pub struct Testnet {
    nodes: Vec<AsyncDht>,
    entry_nodes: Vec<String>,
}

impl Testnet {
    /// Starts so many nodes and waits until they have found each other.
    pub fn new(count: usize) -> io::Result<Self> {
        let addresses = free_addresses(count)?;
        let mut nodes = Vec::with_capacity(count);
        for (place, address) in addresses.iter().enumerate() {
            // A node knows only whom it has asked itself, so each begins with many of the others.
            let others: Vec<SocketAddr> = (1..count.min(MOST_NEIGHBOURS))
                .map(|step| addresses[(place + step) % count])
                .collect();
            let mut builder = Dht::builder();
            builder
                .server_mode()
                .bind_address(Ipv4Addr::LOCALHOST)
                .port(address.port())
                .request_timeout(REQUEST_TIMEOUT)
                .bootstrap(&others);
            nodes.push(builder.build()?.as_async());
        }
        tokio::runtime::Builder::new_current_thread()
            .build()?
            .block_on(meet(&nodes));
        Ok(Self {
            nodes,
            entry_nodes: addresses.iter().map(SocketAddr::to_string).collect(),
        })
    }

    /// `HOST:PORT` of all nodes.
    pub fn entry_nodes(&self) -> &[String] {
        &self.entry_nodes
    }

    /// Ends the node with that place in `entry_nodes`; it answers nobody any more when this returns.
    pub fn stop_one(&mut self, place: usize) {
        if place < self.nodes.len() {
            drop(self.nodes.remove(place));
            wait_until_free(&self.entry_nodes.remove(place));
        }
    }
}

impl Drop for Testnet {
    fn drop(&mut self) {
        self.nodes.clear();
        for address in &self.entry_nodes {
            wait_until_free(address);
        }
    }
}

/// A node's thread ends by itself once its last owner has gone, and with it its socket.
fn wait_until_free(address: &str) {
    for _ in 0..END_POLLS {
        if UdpSocket::bind(address).is_ok() {
            break;
        }
        std::thread::sleep(END_POLL);
    }
    if let Ok(bound) = address.parse() {
        meter::end(bound);
    }
}

/// Addresses that were free a moment ago: held all at once, so that they differ, then let go.
fn free_addresses(count: usize) -> io::Result<Vec<SocketAddr>> {
    let held: Vec<UdpSocket> = (0..count)
        .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()?;
    held.iter().map(UdpSocket::local_addr).collect()
}

async fn meet(nodes: &[AsyncDht]) {
    for _ in 0..ROUNDS {
        let mut looking = JoinSet::new();
        for node in nodes {
            let node = node.clone();
            looking.spawn(async move { node.bootstrapped().await });
        }
        while looking.join_next().await.is_some() {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nodes_find_each_other() {
        let mut net = Testnet::new(10).unwrap();
        assert_eq!(net.entry_nodes().len(), 10);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for node in &net.nodes {
            assert!(runtime.block_on(node.to_bootstrap()).len() > 1);
        }
        net.stop_one(3);
        net.stop_one(100);
        assert_eq!((net.entry_nodes().len(), net.nodes.len()), (9, 9));
    }
}
