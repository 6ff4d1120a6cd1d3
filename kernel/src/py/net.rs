//! The net door.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use zeroize::Zeroizing;

use super::errors::{Disconnected, InvalidSecretKey, ListenFailed, UsageError};
use crate::net::dial::Dial;
use crate::net::engine::{Engine, Settings};
use crate::net::frame::{Cut, Cutter, HEADER, Limits};
use crate::net::inbox::what;
use crate::net::link::Link;
use crate::net::listeners::Transport;
use crate::net::quic;
use crate::net::tls::Form;

/// The type of a RECORD message.
const RECORD: u8 = 0x80;

type PyEvent<'py> = (u64, u16, Bound<'py, PyBytes>);

/// Sockets, TLS and framing. Frames come in batches behind one descriptor.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct Net {
    engine: Engine,
}

fn seed_of(bytes: &[u8]) -> PyResult<Zeroizing<[u8; 32]>> {
    <[u8; 32]>::try_from(bytes)
        .map(Zeroizing::new)
        .map_err(|_| {
            InvalidSecretKey::new_err(format!("a seed has 32 bytes, this one {}", bytes.len()))
        })
}

/// No wait is longer than a year: clocks can't add what they can't hold.
const LONGEST_MS: u64 = 365 * 24 * 60 * 60 * 1_000;
/// More threads than this help nobody.
const MOST_WORKERS: usize = 64;

fn milliseconds(value: u64) -> Duration {
    Duration::from_millis(value.min(LONGEST_MS))
}

fn unheard(host: &str, port: u16, error: &std::io::Error) -> PyErr {
    ListenFailed::new_err(format!("can't listen on {host} port {port}: {error}"))
}

/// What every dial is told.
fn plan(
    host: String,
    port: u16,
    server_key: Option<&[u8]>,
    seed: Option<&[u8]>,
    timeout_ms: u64,
    raw_key: bool,
) -> PyResult<Dial> {
    let server_key = server_key
        .map(|key| {
            <[u8; 32]>::try_from(key)
                .map_err(|_| UsageError::new_err("server_key has 32 bytes, or is None"))
        })
        .transpose()?;
    let form = if raw_key {
        Form::Raw
    } else {
        Form::Certificate
    };
    Ok(Dial {
        host,
        port,
        server_key,
        seed: seed.map(seed_of).transpose()?,
        server_form: form,
        own_form: form,
        patience: milliseconds(timeout_ms),
    })
}

impl Net {
    fn link(&self, number: u64) -> PyResult<std::sync::Arc<Link>> {
        self.engine
            .shared()
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
        quic_idle_ms = 60_000,
        quic_keep_alive_ms = 20_000,
        retry_over = 64,
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one setting, given by name"
    )]
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
            workers: workers.clamp(1, MOST_WORKERS),
            quic: quic::Settings {
                streams,
                idle: milliseconds(quic_idle_ms),
                keep_alive: milliseconds(quic_keep_alive_ms),
                retry_over,
            },
        })?;
        Ok(Self { engine })
    }

    /// Readable while events wait.
    fn fileno(&self) -> i32 {
        self.engine.shared().inbox.fileno()
    }

    /// (link, what, data) of up to `max_events` events.
    #[pyo3(signature = (max_events = 4096))]
    fn poll<'py>(&self, py: Python<'py>, max_events: usize) -> PyResult<Bound<'py, PyList>> {
        let shared = self.engine.shared();
        // A batch of which nothing is wanted must not look like the end of what waits.
        loop {
            let (events, forgotten) = shared.inbox.take(max_events);
            shared.forget(&forgotten);
            let wanted: Vec<PyEvent<'py>> = events
                .iter()
                .filter(|event| !(event.is_from_peer() && event.link.is_muted()))
                .map(|event| (event.link.number, event.what, PyBytes::new(py, &event.data)))
                .collect();
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
    #[pyo3(signature = (host, port, *, server_key, seed, timeout_ms = 10_000, raw_key = false))]
    fn dial_tcp(
        &self,
        host: String,
        port: u16,
        server_key: Option<&[u8]>,
        seed: Option<&[u8]>,
        timeout_ms: u64,
        raw_key: bool,
    ) -> PyResult<u64> {
        let plan = plan(host, port, server_key, seed, timeout_ms, raw_key)?;
        Ok(self.engine.dial_tcp(plan)?)
    }

    /// Begins to connect with QUIC; the link's number.
    #[pyo3(signature = (host, port, *, server_key, seed, timeout_ms = 10_000, raw_key = false))]
    fn dial_quic(
        &self,
        host: String,
        port: u16,
        server_key: Option<&[u8]>,
        seed: Option<&[u8]>,
        timeout_ms: u64,
        raw_key: bool,
    ) -> PyResult<u64> {
        let plan = plan(host, port, server_key, seed, timeout_ms, raw_key)?;
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
        let link = self.engine.shared().link(link);
        waiting(link.and_then(|link| link.send(data)))
    }

    /// Queues a RECORD frame for each (link, query id); the indexes of those for whom nothing was.
    fn deliver(&self, record: &[u8], targets: Vec<(u64, u16)>) -> PyResult<Vec<usize>> {
        let total = u32::try_from(record.len() + HEADER)
            .map_err(|_| UsageError::new_err("a record of 4 GiB can't be sent"))?;
        let [a, b, c, d] = total.to_le_bytes();
        let body = Bytes::copy_from_slice(record);
        let mut refused = Vec::new();
        let targets = targets.into_iter();
        self.engine
            .shared()
            .for_links(targets, |index, link, query: u16| {
                let [low, high] = query.to_le_bytes();
                let head = [RECORD, 0, low, high, a, b, c, d];
                if !link.is_some_and(|link| link.deliver(head, &body)) {
                    refused.push(index);
                }
            });
        Ok(refused)
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
        let Some(link) = self.engine.shared().link(link) else {
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
        waiting(
            self.engine
                .shared()
                .link(link)
                .and_then(|link| link.pending()),
        )
    }

    /// Sends what is queued, then closes.
    fn close(&self, link: u64) {
        if let Some(link) = self.engine.shared().link(link) {
            link.close();
        }
    }

    /// Drops the link at once.
    fn abort(&self, link: u64) {
        if let Some(link) = self.engine.shared().link(link) {
            link.abort();
        }
    }

    /// Stops listening, lets queues drain for at most that long, ends all threads.
    #[pyo3(signature = (timeout_ms = 2_000))]
    fn shutdown(&self, py: Python<'_>, timeout_ms: u64) {
        py.detach(|| self.engine.shutdown(milliseconds(timeout_ms)));
    }
}

fn waiting(bytes: Option<usize>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// The cutter of one stream, as every link has one; for bytes that come another way.
#[pyclass(module = "mosaic._kernel._rust")]
struct FrameCutter {
    limits: Limits,
    cutter: Cutter,
    prefix: Vec<u8>,
    hasher: blake3::Hasher,
}

#[pymethods]
impl FrameCutter {
    #[new]
    #[pyo3(signature = (*, frame_limits, spool_prefix, spool_over = 65_536))]
    fn new(frame_limits: Vec<u64>, spool_prefix: Vec<u64>, spool_over: u64) -> PyResult<Self> {
        let limits =
            Limits::new(&frame_limits, &spool_prefix, spool_over).map_err(UsageError::new_err)?;
        Ok(Self {
            limits,
            cutter: Cutter::new(),
            prefix: Vec::new(),
            hasher: blake3::Hasher::new(),
        })
    }

    /// (what, data) for each frame that ends in `chunk`.
    fn feed<'py>(
        &mut self,
        py: Python<'py>,
        chunk: &[u8],
    ) -> PyResult<Vec<(u16, Bound<'py, PyBytes>)>> {
        let mut unread = Bytes::copy_from_slice(chunk);
        let mut found = Vec::new();
        while let Some(cut) = self.cutter.next(&self.limits, &mut unread) {
            match cut {
                Cut::Frame(frame) => {
                    let kind = frame.first().copied().map_or(0, u16::from);
                    found.push((kind, PyBytes::new(py, &frame)));
                }
                Cut::SpoolBegins(prefix, _) => self.prefix = prefix.to_vec(),
                Cut::SpoolBody(bytes, last) => {
                    self.hasher.update(&bytes);
                    if last {
                        self.prefix.extend(self.hasher.finalize().as_bytes());
                        found.push((what::SPOOLED, PyBytes::new(py, &self.prefix)));
                        self.hasher.reset();
                        self.prefix.clear();
                    }
                }
                Cut::Refused(head) => {
                    found.push((what::REFUSED_LENGTH, PyBytes::new(py, &head)));
                }
            }
        }
        Ok(found)
    }

    /// Whether the stream stands inside of a frame.
    #[getter]
    fn inside(&self) -> bool {
        self.cutter.inside()
    }
}

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("LINK_OPENED", what::OPENED)?;
    module.add("LINK_CLOSED", what::CLOSED)?;
    module.add("LINK_REFUSED_LENGTH", what::REFUSED_LENGTH)?;
    module.add("LINK_DRAINED", what::DRAINED)?;
    module.add("LINK_SPOOLED", what::SPOOLED)?;
    module.add("DIAL_FAILED", what::DIAL_FAILED)?;
    module.add("DIAL_WRONG_KEY", what::DIAL_WRONG_KEY)?;
    module.add("LINK_UPGRADE", what::UPGRADE)?;
    module.add("DIAL_REFUSED_FORM", what::DIAL_REFUSED_FORM)?;
    module.add("DIAL_FOREIGN_CERTIFICATE", what::DIAL_FOREIGN_CERTIFICATE)?;
    module.add_class::<FrameCutter>()?;
    module.add_class::<Net>()
}
