//! The net door.
#![expect(
    clippy::too_many_arguments,
    reason = "each is one setting or choice, given by name"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::ends::{ProxyPlace, door, forms, milliseconds, plan, seed_of, unheard, upgrade};
use super::errors::{Disconnected, UsageError};
use super::frame_cutter::FrameCutter;
use super::gate::{GateRow, networks_of, rows};
use super::link_events::{self, waiting, wanted};
use crate::net::engine::Engine;
use crate::net::frame::{HEADER, Limits};
use crate::net::gate::Gate;
use crate::net::half_open::MOST as MOST_HALF_OPEN;
use crate::net::link::Link;
use crate::net::listeners::Transport;
use crate::net::quic;
use crate::net::shared::{Settings, Shared};

/// The type of a RECORD message.
const RECORD: u8 = 0x80;

/// More threads than this help nobody.
const MOST_WORKERS: usize = 64;

/// Sockets, TLS and framing. Frames come in batches behind one descriptor.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct Net {
    engine: Engine,
}

impl Net {
    fn shared(&self) -> &Arc<Shared> {
        self.engine.shared()
    }

    fn gate(&self) -> &Gate {
        &self.shared().gate
    }

    fn link(&self, number: u64) -> PyResult<Arc<Link>> {
        self.shared()
            .link(number)
            .ok_or_else(|| Disconnected::new_err(format!("link {number} has ended")))
    }
}

#[pymethods]
impl Net {
    #[new]
    #[pyo3(signature = (
        *,
        frame_limits,
        spool_prefix,
        spool_folder,
        spool_over = 65_536,
        inbox_bytes = 16_777_216,
        link_inbox_bytes = 1_048_576,
        link_outbox_bytes = 131_072,
        handshake_ms = 10_000,
        workers = 1,
        streams = 16,
        quic_idle_ms = 15_000,
        quic_keep_alive_ms = 10_000,
        retry_over = 64,
        most_half_open = MOST_HALF_OPEN,
        gate = Vec::new(),
    ), text_signature = "(*, frame_limits, spool_prefix, spool_folder, spool_over=65536, inbox_bytes=16777216, \
        link_inbox_bytes=1048576, link_outbox_bytes=131072, handshake_ms=10000, workers=1, streams=16, \
        quic_idle_ms=15000, quic_keep_alive_ms=10000, retry_over=64, most_half_open=512, gate=())")]
    fn new(
        frame_limits: Vec<u64>,
        spool_prefix: Vec<u64>,
        spool_folder: PathBuf,
        spool_over: u64,
        inbox_bytes: usize,
        link_inbox_bytes: usize,
        link_outbox_bytes: usize,
        handshake_ms: u64,
        workers: usize,
        streams: u32,
        quic_idle_ms: u64,
        quic_keep_alive_ms: u64,
        retry_over: usize,
        most_half_open: usize,
        gate: Vec<GateRow>,
    ) -> PyResult<Self> {
        if streams == 0 || quic_idle_ms == 0 {
            return Err(UsageError::new_err(
                "streams and quic_idle_ms are 1 at least: without them no link lives",
            ));
        }
        let limits =
            Limits::new(&frame_limits, &spool_prefix, spool_over).map_err(UsageError::new_err)?;
        let engine = Engine::new(Settings {
            limits,
            spool_folder,
            inbox_bytes,
            link_inbox_bytes,
            link_outbox_bytes,
            handshake: milliseconds(handshake_ms),
            most_half_open,
            workers: workers.clamp(1, MOST_WORKERS),
            quic: quic::Settings {
                streams,
                idle: milliseconds(quic_idle_ms),
                keep_alive: milliseconds(quic_keep_alive_ms),
                retry_over,
            },
        })?;
        engine.shared().gate.set_rows(rows(gate)?);
        Ok(Self { engine })
    }

    /// Readable while events wait.
    fn fileno(&self) -> i32 {
        self.shared().inbox.fileno()
    }

    /// (link, what, data) of up to `max_events` events.
    #[pyo3(signature = (max_events = 4096))]
    fn poll<'py>(&self, py: Python<'py>, max_events: usize) -> PyResult<Bound<'py, PyList>> {
        let shared = self.shared();
        // A batch of which nothing is wanted must not look like the end of what waits.
        loop {
            let (events, forgotten) = shared.inbox.take(max_events);
            shared.forget(&forgotten);
            let wanted = wanted(py, &events);
            if !wanted.is_empty() || events.is_empty() {
                return PyList::new(py, wanted);
            }
        }
    }

    /// Listens with TLS on a host and port; the port.
    fn listen_tcp(&self, py: Python<'_>, host: &str, port: u16, seed: &[u8]) -> PyResult<u16> {
        let seed = seed_of(seed)?;
        py.detach(|| self.engine.listen_tcp(host, port, &seed))
            .map_err(|error| unheard(host, port, &error))
    }

    /// Listens for WebSockets on a host and port; the port.
    #[pyo3(
        signature = (host, port, seed, *, names = Vec::new(), plain = false),
        text_signature = "($self, host, port, seed, *, names=(), plain=False)"
    )]
    fn listen_ws(
        &self,
        py: Python<'_>,
        host: &str,
        port: u16,
        seed: &[u8],
        names: Vec<(String, Vec<u8>, Vec<u8>)>,
        plain: bool,
    ) -> PyResult<u16> {
        let door = door(&*seed_of(seed)?, names, plain)?;
        py.detach(|| self.engine.listen_ws(host, port, door))
            .map_err(|error| unheard(host, port, &error))
    }

    /// Listens with QUIC on a host and port; the port.
    fn listen_quic(&self, py: Python<'_>, host: &str, port: u16, seed: &[u8]) -> PyResult<u16> {
        let seed = seed_of(seed)?;
        py.detach(|| self.engine.listen_quic(host, port, &seed))
            .map_err(|error| unheard(host, port, &error))
    }

    /// The address (`HOST:PORT`, IPv6 in brackets) of the listener on that port.
    #[pyo3(signature = (port, transport = "tcp"))]
    fn listen_address(&self, port: u16, transport: &str) -> PyResult<String> {
        let wanted = Transport::named(transport).ok_or_else(|| {
            UsageError::new_err(format!("transport is {transport:?}; give tcp, quic or ws"))
        })?;
        self.engine
            .listen_address(wanted, port)
            .map(|address| address.to_string())
            .ok_or_else(|| {
                UsageError::new_err(format!("nothing listens on {transport} port {port}"))
            })
    }

    /// Ends all listeners; links stay.
    fn stop_listening(&self) {
        self.engine.stop_listening();
    }

    /// Begins to connect; the link's number.
    #[pyo3(signature = (
        host, port, *, server_key, seed, timeout_ms = 10_000, raw_key = false, own_raw_key = None,
        proxy = None
    ))]
    fn dial_tcp(
        &self,
        host: String,
        port: u16,
        server_key: Option<&[u8]>,
        seed: Option<&[u8]>,
        timeout_ms: u64,
        raw_key: bool,
        own_raw_key: Option<bool>,
        proxy: Option<ProxyPlace>,
    ) -> PyResult<u64> {
        let forms = forms(raw_key, own_raw_key);
        let plan = plan(host, port, server_key, seed, timeout_ms, forms, proxy)?;
        Ok(self.engine.dial_tcp(plan)?)
    }

    /// Begins to connect and to ask for a WebSocket; the link's number.
    #[pyo3(signature = (
        host, port, *, server_key, seed, request, timeout_ms = 10_000, raw_key = false,
        own_raw_key = None, authorities = None, name = None, proxy = None
    ))]
    fn dial_ws(
        &self,
        host: String,
        port: u16,
        server_key: Option<&[u8]>,
        seed: Option<&[u8]>,
        request: Vec<u8>,
        timeout_ms: u64,
        raw_key: bool,
        own_raw_key: Option<bool>,
        authorities: Option<&[u8]>,
        name: Option<String>,
        proxy: Option<ProxyPlace>,
    ) -> PyResult<u64> {
        let forms = forms(raw_key, own_raw_key);
        let plan = plan(host, port, server_key, seed, timeout_ms, forms, proxy)?;
        let asked = upgrade(request, authorities, name)?;
        Ok(self.engine.dial_ws(plan, asked)?)
    }

    /// Answers the HTTP head of a WebSocket.
    fn answer_upgrade(&self, link: u64, head: Vec<u8>, accepted: bool) -> PyResult<()> {
        if self.link(link)?.answer_upgrade(head, accepted) {
            return Ok(());
        }
        Err(UsageError::new_err(format!(
            "link {link} waits for no answer to an upgrade"
        )))
    }

    /// Begins to connect with QUIC; the link's number.
    #[pyo3(signature = (
        host, port, *, server_key, seed, timeout_ms = 10_000, raw_key = false, own_raw_key = None
    ))]
    fn dial_quic(
        &self,
        host: String,
        port: u16,
        server_key: Option<&[u8]>,
        seed: Option<&[u8]>,
        timeout_ms: u64,
        raw_key: bool,
        own_raw_key: Option<bool>,
    ) -> PyResult<u64> {
        let forms = forms(raw_key, own_raw_key);
        let plan = plan(host, port, server_key, seed, timeout_ms, forms, None)?;
        Ok(self.engine.dial_quic(plan)?)
    }

    /// Begins to open another stream of the same QUIC connection; the new link's number.
    #[pyo3(signature = (link, timeout_ms = 10_000))]
    fn open_stream(&self, link: u64, timeout_ms: u64) -> PyResult<u64> {
        let dialled = self.link(link)?;
        let peer = dialled.quic().filter(|_| !dialled.accepted).ok_or_else(|| {
            UsageError::new_err(format!(
                "link {link} is not an open one that was dialled with QUIC; only those have more streams"
            ))
        })?;
        Ok(self.engine.open_stream(peer, milliseconds(timeout_ms))?)
    }

    /// The peer's address and port.
    fn peer_address(&self, link: u64) -> PyResult<(String, u16)> {
        match self.link(link)?.address() {
            Some(peer) => Ok((peer.ip().to_string(), peer.port())),
            None => Err(Disconnected::new_err(format!(
                "link {link} is not connected yet"
            ))),
        }
    }

    /// Queues whole frames; the bytes now waiting, or -1.
    fn send(&self, link: u64, data: &[u8]) -> i64 {
        let link = self.shared().link(link);
        waiting(link.and_then(|link| link.send(data)))
    }

    /// Queues a RECORD frame for each (link, query id); the indexes of those for whom nothing was.
    fn deliver(&self, record: &[u8], targets: Vec<(u64, u16)>) -> PyResult<Vec<usize>> {
        let total = u32::try_from(record.len() + HEADER)
            .map_err(|_| UsageError::new_err("a record of 4 GiB can't be sent"))?;
        let body = Bytes::copy_from_slice(record);
        Ok(self.shared().deliver(RECORD, total, &body, &targets))
    }

    /// Queues `head` and then a part of a file; the bytes now waiting, or -1.
    fn send_file(
        &self,
        py: Python<'_>,
        link: u64,
        head: &[u8],
        path: PathBuf,
        offset: u64,
        length: u64,
    ) -> PyResult<i64> {
        let Some(link) = self.shared().link(link) else {
            return Ok(-1);
        };
        let path: &Path = &path;
        let queued = py.detach(|| link.send_file(head, path, offset, length))?;
        Ok(waiting(queued))
    }

    /// (path, BLAKE3-256, length) of the oldest body not yet taken.
    fn take_spooled<'py>(
        &self,
        py: Python<'py>,
        link: u64,
    ) -> PyResult<(String, Bound<'py, PyBytes>, u64)> {
        let spooled = self.link(link)?.take_spooled().ok_or_else(|| {
            UsageError::new_err(format!(
                "link {link} has no message body that waits in a file"
            ))
        })?;
        let (digest, length) = (spooled.digest, spooled.length);
        let path = spooled.take().to_string_lossy().into_owned();
        Ok((path, PyBytes::new(py, &digest), length))
    }

    /// Bytes queued towards a link, or -1.
    fn pending(&self, link: u64) -> i64 {
        waiting(self.shared().link(link).and_then(|link| link.pending()))
    }

    /// Connections from these networks are dropped when they are accepted.
    fn set_blocked(&self, networks: Vec<(Vec<u8>, u8)>) -> PyResult<()> {
        self.gate().set_blocked(networks_of(networks)?);
        Ok(())
    }

    /// Those from these are not counted.
    fn set_trusted(&self, networks: Vec<(Vec<u8>, u8)>) -> PyResult<()> {
        self.gate().set_trusted(networks_of(networks)?);
        Ok(())
    }

    /// How fast and how many may come from each size of network.
    fn set_gate(&self, rows: Vec<GateRow>) -> PyResult<()> {
        self.gate().set_rows(self::rows(rows)?);
        Ok(())
    }

    /// Hands up a link's events before those of others, or no longer.
    fn prefer(&self, link: u64, preferred: bool) {
        let shared = self.shared();
        if let Some(link) = shared.link(link) {
            shared.inbox.prefer(&link, preferred);
        }
    }

    /// The greatest length of one type on one link from now on.
    fn limit_frames(&self, link: u64, kind: u8, most: u32) {
        if let Some(link) = self.shared().link(link) {
            link.limit_frames(kind, most);
        }
    }

    /// Bytes queued towards all peers.
    fn pending_total(&self) -> usize {
        self.shared().pending()
    }

    /// (link, bytes queued towards it), most first.
    fn heaviest(&self, most: usize) -> Vec<(u64, usize)> {
        self.shared().heaviest(most)
    }

    /// What happened since the network began.
    fn counts(&self) -> HashMap<&'static str, u64> {
        let shared = self.shared();
        let (half_open, evicted) = shared.half_open.counts();
        let more = [("half_open", half_open as u64), ("evicted", evicted)];
        shared.counts.all().into_iter().chain(more).collect()
    }

    /// Sends what is queued, then closes.
    fn close(&self, link: u64) {
        if let Some(link) = self.shared().link(link) {
            link.close();
        }
    }

    /// Drops the link at once.
    fn abort(&self, link: u64) {
        if let Some(link) = self.shared().link(link) {
            link.abort();
        }
    }

    /// Stops listening, lets queues drain for at most that long, ends all threads.
    #[pyo3(signature = (timeout_ms = 2_000))]
    fn shutdown(&self, py: Python<'_>, timeout_ms: u64) {
        py.detach(|| self.engine.shutdown(milliseconds(timeout_ms)));
    }
}

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    link_events::register(module)?;
    module.add_class::<FrameCutter>()?;
    module.add_class::<Net>()
}
