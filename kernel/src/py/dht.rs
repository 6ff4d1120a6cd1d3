//! The dht door.

use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mainline::MutableItem;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::errors::{ListenFailed, UsageError};
use crate::dht::inbox::What;
use crate::dht::meter;
use crate::dht::node::{Node, Settings};
use crate::dht::testnet::Testnet;
use crate::dht::work::Outcome;

/// No node takes a minute to answer; one that takes a millisecond may be on this machine.
const REQUEST_TIMEOUTS_MS: (u64, u64) = (1, 60_000);
const MOST_NODES: usize = 256;

type PyEvent<'py> = (u64, u16, Bound<'py, PyBytes>);

/// A node of the Mainline DHT.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct Dht {
    node: Node,
}

fn array<const N: usize>(bytes: &[u8], name: &str) -> PyResult<[u8; N]> {
    bytes
        .try_into()
        .map_err(|_| UsageError::new_err(format!("{name} has {N} bytes, this one {}", bytes.len())))
}

#[pymethods]
impl Dht {
    #[new]
    #[pyo3(signature = (*, bootstrap, host = "", port = 0, request_timeout_ms = 2000, serving = false))]
    fn new(
        bootstrap: Vec<String>,
        host: &str,
        port: u16,
        request_timeout_ms: u64,
        serving: bool,
    ) -> PyResult<Self> {
        let bound = if host.is_empty() {
            Ipv4Addr::UNSPECIFIED
        } else {
            host.parse().map_err(|_| {
                UsageError::new_err(format!("the DHT binds an IPv4 address, {host:?} is none"))
            })?
        };
        let (least, most) = REQUEST_TIMEOUTS_MS;
        let node = Node::new(Settings {
            entry_nodes: bootstrap,
            host: bound,
            port,
            request_timeout: Duration::from_millis(request_timeout_ms.clamp(least, most)),
            serving,
        })
        .map_err(|error| ListenFailed::new_err(format!("the DHT can't begin: {error}")))?;
        Ok(Self { node })
    }

    /// Readable while events wait.
    fn fileno(&self) -> i32 {
        self.node.inbox().fileno()
    }

    /// (job, what, data) of all that waits.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let events = self.node.inbox().take();
        let told = events
            .iter()
            .map(|event| -> PyEvent<'py> {
                (event.job, event.what as u16, PyBytes::new(py, &event.data))
            })
            .collect::<Vec<_>>();
        PyList::new(py, told)
    }

    /// Looks up an item; the job's number, or 0.
    fn get(&self, key: &[u8], salt: &[u8]) -> PyResult<u64> {
        Ok(self.node.look_up(array(key, "key")?, salt).unwrap_or(0))
    }

    /// Writes a signed item; the job's number, or 0.
    fn put(
        &self,
        key: &[u8],
        salt: &[u8],
        seq: i64,
        signature: &[u8],
        value: &[u8],
        cas: Option<i64>,
    ) -> PyResult<u64> {
        let item = MutableItem::new_signed_unchecked(
            array(key, "key")?,
            array(signature, "signature")?,
            value,
            seq,
            Some(salt),
        );
        Ok(self.node.write(item, cas).unwrap_or(0))
    }

    /// How many nodes are known.
    fn nodes(&self) -> usize {
        self.node.nodes()
    }

    /// (bytes came, packets came, bytes went, packets went), or None where nothing is counted.
    fn passed(&self) -> Option<(u64, u64, u64, u64)> {
        let passed = self.node.passed();
        meter::COUNTS.then_some((
            passed.came,
            passed.packets_came,
            passed.went,
            passed.packets_went,
        ))
    }

    /// Leaves the DHT.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.node.close());
    }
}

/// A DHT on this machine.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct DhtTestnet {
    net: Mutex<Option<Testnet>>,
}

impl DhtTestnet {
    fn net(&self) -> MutexGuard<'_, Option<Testnet>> {
        self.net.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl DhtTestnet {
    #[new]
    fn new(py: Python<'_>, nodes: usize) -> PyResult<Self> {
        if !(1..=MOST_NODES).contains(&nodes) {
            return Err(UsageError::new_err(format!(
                "a testnet has 1 to {MOST_NODES} nodes, not {nodes}"
            )));
        }
        let net = py
            .detach(|| Testnet::new(nodes))
            .map_err(|error| ListenFailed::new_err(format!("the testnet can't begin: {error}")))?;
        Ok(Self {
            net: Mutex::new(Some(net)),
        })
    }

    /// HOST:PORT of each node.
    #[getter]
    fn bootstrap(&self) -> Vec<String> {
        self.net()
            .as_ref()
            .map_or_else(Vec::new, |net| net.entry_nodes().to_vec())
    }

    /// Ends the node with that place in `bootstrap`.
    fn stop_one(&self, py: Python<'_>, place: usize) {
        py.detach(|| {
            if let Some(net) = self.net().as_mut() {
                net.stop_one(place);
            }
        });
    }

    /// Ends all nodes.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.net().take()));
    }
}

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("DHT_ITEM", What::Item as u16)?;
    module.add("DHT_DONE", What::Done as u16)?;
    module.add("DHT_NODES", What::Nodes as u16)?;
    module.add("DHT_STORED", Outcome::Stored as u8)?;
    module.add("DHT_CAS_FAILED", Outcome::CasFailed as u8)?;
    module.add("DHT_NOT_MOST_RECENT", Outcome::NotMostRecent as u8)?;
    module.add("DHT_UNREACHABLE", Outcome::Unreachable as u8)?;
    module.add("DHT_REFUSED", Outcome::Refused as u8)?;
    module.add_class::<Dht>()?;
    module.add_class::<DhtTestnet>()
}
