//! The listeners of all transports.

use std::net::SocketAddr;
use std::sync::Mutex;

use quinn::Endpoint;
use tokio::task::AbortHandle;

use super::lock;

/// What carries the frames. A port of each may have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS over TCP.
    Tcp,
    /// QUIC over UDP.
    Quic,
    /// WebSocket.
    Ws,
}

impl Transport {
    /// The transport of that name: `tcp`, `quic` or `ws`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "tcp" => Some(Self::Tcp),
            "quic" => Some(Self::Quic),
            "ws" => Some(Self::Ws),
            _ => None,
        }
    }
}

struct Listener {
    transport: Transport,
    address: SocketAddr,
    task: AbortHandle,
    endpoint: Option<Endpoint>,
}

/// Those that accept.
#[derive(Default)]
pub struct Listeners(Mutex<Vec<Listener>>);

impl Listeners {
    /// One more, which `task` serves until it is aborted.
    pub fn add(&self, transport: Transport, address: SocketAddr, task: AbortHandle) {
        lock(&self.0).push(Listener {
            transport,
            address,
            task,
            endpoint: None,
        });
    }

    /// One more for QUIC.
    pub fn add_quic(&self, endpoint: Endpoint, address: SocketAddr, task: AbortHandle) {
        lock(&self.0).push(Listener {
            transport: Transport::Quic,
            address,
            task,
            endpoint: Some(endpoint),
        });
    }

    /// The address of the listener on that port.
    pub fn address(&self, transport: Transport, port: u16) -> Option<SocketAddr> {
        let listeners = lock(&self.0);
        let found = listeners
            .iter()
            .find(|one| one.transport == transport && one.address.port() == port);
        found.map(|one| one.address)
    }

    /// Ends all of them; the endpoints of QUIC, whose connections go on.
    pub fn stop(&self) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for listener in lock(&self.0).drain(..) {
            listener.task.abort();
            if let Some(endpoint) = listener.endpoint {
                endpoint.set_server_config(None);
                endpoints.push(endpoint);
            }
        }
        endpoints
    }
}
