//! The store door.

use std::path::Path;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use super::errors::UsageError;
use super::matching::Filter;
use super::scan::Scan;
use crate::store::access::Viewers;
use crate::store::compact;
use crate::store::files::DiskFiles;
use crate::store::intake::{Incoming, mode, outcome};
use crate::store::scan::{self, Query, Reference};
use crate::store::segment::VERSION;
use crate::store::snapshot;
use crate::store::store;
use crate::store::tally;
use crate::store::verify;

const DEFAULT_SEGMENT: u64 = 64 << 20;
const MIN_SEGMENT: u64 = 1 << 12;
const MAX_SEGMENT: u64 = 1 << 34;

/// Bytes of a length that is known, `what` they are.
pub(super) fn exact<const N: usize>(bytes: &[u8], what: &str) -> PyResult<[u8; N]> {
    bytes
        .try_into()
        .map_err(|_| UsageError::new_err((format!("{what} has {N} bytes, not {}", bytes.len()),)))
}

fn viewers_of(keys: Option<Vec<PyBackedBytes>>) -> PyResult<Viewers> {
    let Some(keys) = keys else {
        return Ok(Viewers::Owner);
    };
    let keys = keys.iter().map(|key| exact(key, "a viewer's key"));
    Ok(Viewers::Keys(keys.collect::<PyResult<_>>()?))
}

/// The embedded store.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct Store(Arc<store::Store>);

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (folder, *, boot_id, segment_bytes = DEFAULT_SEGMENT, progress = None))]
    fn new(
        py: Python<'_>,
        folder: &str,
        boot_id: &[u8],
        segment_bytes: u64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        if !(MIN_SEGMENT..=MAX_SEGMENT).contains(&segment_bytes) {
            return Err(UsageError::new_err((format!(
                "segment_bytes lies between {MIN_SEGMENT} and {MAX_SEGMENT}"
            ),)));
        }
        let mut raised: Option<PyErr> = None;
        let mut tell = |done: u64, total: u64| {
            if let Some(callback) = &progress
                && raised.is_none()
            {
                let called = Python::attach(|py| callback.call1(py, (done, total)).map(drop));
                raised = called.err();
            }
        };
        let files = Arc::new(DiskFiles);
        let opened = py.detach(|| {
            store::Store::open(files, Path::new(folder), boot_id, segment_bytes, &mut tell)
        })?;
        raised.map_or_else(|| Ok(Self(Arc::new(opened))), Err)
    }

    #[pyo3(signature = (records, received_ns, modes, *, labels = None))]
    fn append<'py>(
        &self,
        py: Python<'py>,
        records: Vec<PyBackedBytes>,
        received_ns: Vec<u64>,
        modes: &[u8],
        labels: Option<&[u8]>,
    ) -> PyResult<(Bound<'py, PyBytes>, Vec<u64>)> {
        let lengths = [received_ns.len(), modes.len()];
        let labelled = labels.map_or(records.len(), <[u8]>::len);
        if lengths != [records.len(); 2] || labelled != records.len() {
            return Err(UsageError::new_err((
                "append needs a received time and a mode for each record, and a label if there are any",
            )));
        }
        let incoming: Vec<_> = records
            .iter()
            .zip(received_ns)
            .zip(modes)
            .enumerate()
            .map(|(n, ((record, received), &mode))| Incoming {
                record,
                received,
                mode,
                label: labels.and_then(|all| all.get(n)).copied().unwrap_or(0),
            })
            .collect();
        let appended = py.detach(|| self.0.append(&incoming))?;
        Ok((PyBytes::new(py, &appended.outcomes), appended.positions))
    }

    #[pyo3(signature = (positions, *, refuse = false))]
    fn remove(&self, py: Python<'_>, positions: Vec<u64>, refuse: bool) -> PyResult<usize> {
        Ok(py.detach(|| self.0.remove(&positions, refuse))?)
    }

    #[pyo3(signature = (positions, label, *, deletes = false))]
    fn readmit(
        &self,
        py: Python<'_>,
        positions: Vec<u64>,
        label: u8,
        deletes: bool,
    ) -> PyResult<Vec<u64>> {
        Ok(py.detach(|| self.0.readmit(&positions, label, deletes))?)
    }

    fn labels<'py>(&self, py: Python<'py>, positions: Vec<u64>) -> PyResult<Bound<'py, PyBytes>> {
        let labels = py.detach(|| self.0.labels(&positions))?;
        Ok(PyBytes::new(py, &labels))
    }

    #[pyo3(signature = (label, *, after = 0, limit = 1000))]
    fn labelled(&self, py: Python<'_>, label: u8, after: u64, limit: usize) -> PyResult<Vec<u64>> {
        Ok(py.detach(|| self.0.labelled(label, after, limit))?)
    }

    fn deletions(&self, py: Python<'_>, record: PyBackedBytes) -> PyResult<Vec<u64>> {
        Ok(py.detach(|| self.0.deletions(&record))?)
    }

    fn contains(&self, py: Python<'_>, ids: Vec<PyBackedBytes>) -> PyResult<Vec<Option<u64>>> {
        let ids: Vec<&[u8]> = ids.iter().map(|id| &id[..]).collect();
        Ok(py.detach(|| self.0.contains(&ids))?)
    }

    fn read<'py>(
        &self,
        py: Python<'py>,
        positions: Vec<u64>,
    ) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let read = py.detach(|| self.0.read(&positions))?;
        let bytes = |record: &Vec<u8>| PyBytes::new(py, record);
        Ok(read.iter().map(|one| one.as_ref().map(bytes)).collect())
    }

    #[pyo3(signature = (filter, *, limit = 0, viewers = None, before = None, after = None))]
    fn scan(
        &self,
        filter: &Filter,
        limit: u64,
        viewers: Option<Vec<PyBackedBytes>>,
        before: Option<u64>,
        after: Option<u64>,
    ) -> PyResult<Scan> {
        let query = Query {
            filter: Arc::clone(&filter.0),
            viewers: viewers_of(viewers)?,
            limit,
            before: before.unwrap_or(u64::MAX),
            after: after.unwrap_or(0),
        };
        Ok(self.begin(scan::Scan::query(query)))
    }

    #[pyo3(signature = (references, *, viewers = None))]
    fn lookup(
        &self,
        references: Vec<PyBackedBytes>,
        viewers: Option<Vec<PyBackedBytes>>,
    ) -> PyResult<Scan> {
        let references = references.iter().map(|one| match one.len() {
            32 => exact(one, "an id's beginning").map(Reference::Prefix),
            _ => exact(one, "a reference").map(Reference::Whole),
        });
        let references = references.collect::<PyResult<_>>()?;
        Ok(self.begin(scan::Scan::lookup(references, viewers_of(viewers)?)))
    }

    #[pyo3(signature = (filter, position, *, viewers = None, before = None))]
    fn follow(
        &self,
        filter: &Filter,
        position: u64,
        viewers: Option<Vec<PyBackedBytes>>,
        before: Option<u64>,
    ) -> PyResult<Scan> {
        let filter = Arc::clone(&filter.0);
        let viewers = viewers_of(viewers)?;
        let end = before.map_or(self.0.end(), |before| before.min(self.0.end()));
        Ok(self.begin(scan::Scan::follow(filter, viewers, position, end)))
    }

    fn signers<'py>(&self, py: Python<'py>, address: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let signers = py.detach(|| self.0.signers(address))?;
        Ok(signers.iter().map(|key| PyBytes::new(py, key)).collect())
    }

    #[getter]
    fn end(&self) -> u64 {
        self.0.end()
    }

    #[getter]
    fn last_received_ns(&self) -> u64 {
        self.0.last_received()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = py.detach(|| self.0.stats())?;
        let out = PyDict::new(py);
        for (name, value) in [
            ("records", stats.records),
            ("removed", stats.removed),
            ("log_bytes", stats.log_bytes),
            ("index_bytes", stats.index_bytes),
            ("live_bytes", stats.live_bytes),
            ("segments", stats.segments),
            ("end", stats.end),
            ("tombstones", stats.tombstones),
            ("labelled", stats.labelled),
            ("format", u64::from(VERSION)),
        ] {
            out.set_item(name, value)?;
        }
        Ok(out)
    }

    #[pyo3(signature = (*, min_dead_ratio = 0.5, roll = false))]
    fn compact(&self, py: Python<'_>, min_dead_ratio: f64, roll: bool) -> PyResult<u64> {
        Ok(py.detach(|| compact::compact(&self.0, min_dead_ratio, roll))?)
    }

    fn tally<'py>(&self, py: Python<'py>, filter: &Filter) -> PyResult<Vec<Sum<'py>>> {
        let filter = Arc::clone(&filter.0);
        let sums = py.detach(|| tally::tally(&self.0, filter))?;
        let sum = |(author, kind, records, bytes): &tally::Sum| {
            let (author, kind) = (PyBytes::new(py, author), PyBytes::new(py, kind));
            (author, kind, *records, *bytes)
        };
        Ok(sums.iter().map(sum).collect())
    }

    fn snapshot(&self, py: Python<'_>) -> Snapshot {
        Snapshot(py.detach(|| snapshot::Snapshot::take(Arc::clone(&self.0))))
    }

    fn verify(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(py.detach(|| verify::verify(&self.0))?)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.0.close())?)
    }
}

impl Store {
    fn begin(&self, scan: scan::Scan) -> Scan {
        Scan::new(Arc::clone(&self.0), scan)
    }
}

type Sum<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, u64, u64);

/// The log's files at one moment.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct Snapshot(snapshot::Snapshot);

#[pymethods]
impl Snapshot {
    #[getter]
    fn files(&self) -> Vec<(String, u64)> {
        self.0.files.clone()
    }

    #[getter]
    fn end(&self) -> u64 {
        self.0.end
    }

    #[getter]
    fn last_received_ns(&self) -> u64 {
        self.0.last_received
    }

    fn release(&self) {
        self.0.release();
    }
}

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("KEEP_ALL", mode::KEEP_ALL)?;
    module.add("REPLACE_SIGNER", mode::REPLACE_SIGNER)?;
    module.add("REPLACE_ADDRESS", mode::REPLACE_ADDRESS)?;
    module.add("DELETES", mode::DELETES)?;
    module.add("STORED", outcome::STORED)?;
    module.add("DUPLICATE", outcome::DUPLICATE)?;
    module.add("SUPERSEDED", outcome::SUPERSEDED)?;
    module.add("REFUSED", outcome::REFUSED)?;
    module.add("DELETED", outcome::DELETED)?;
    module.add_class::<Store>()?;
    module.add_class::<Snapshot>()?;
    super::scan::register(module)
}
