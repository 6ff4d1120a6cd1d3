//! Queries under way, a slice at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use super::errors::UsageError;
use super::store::exact;
use crate::store::error::Error;
use crate::store::scan;
use crate::store::store::Store;

/// A query under way.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
pub(super) struct Scan {
    store: Arc<Store>,
    scan: Mutex<scan::Scan>,
}

type Frames = (Vec<u8>, usize, bool);

impl Scan {
    pub(super) fn new(store: Arc<Store>, scan: scan::Scan) -> Self {
        Self {
            store,
            scan: Mutex::new(scan),
        }
    }

    fn lock(&self) -> MutexGuard<'_, scan::Scan> {
        self.scan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the next records that take part in sync to `take` until it wants no more; whether it is finished.
    pub(super) fn run_for_sync(
        &self,
        time: Duration,
        take: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, Error> {
        let entered = self.store.enter();
        let view = self.store.view(&entered)?;
        let mut scan = self.lock();
        scan.leave_out_unsynced();
        scan.run(&view, time, &mut |found| take(found.record))
    }

    fn next_frames(
        &self,
        head: [u8; 4],
        max_bytes: usize,
        time: Duration,
    ) -> Result<Frames, Error> {
        let entered = self.store.enter();
        let view = self.store.view(&entered)?;
        self.lock().frames(&view, head, max_bytes, time)
    }
}

type Triple<'py> = (u64, u64, Bound<'py, PyBytes>);

#[pymethods]
impl Scan {
    fn frames<'py>(
        &self,
        py: Python<'py>,
        head: &[u8],
        max_bytes: usize,
        max_ns: u64,
    ) -> PyResult<(Bound<'py, PyBytes>, usize, bool)> {
        let head = exact(head, "a frame's head")?;
        let time = Duration::from_nanos(max_ns);
        let (bytes, count, done) = py.detach(|| self.next_frames(head, max_bytes, time))?;
        Ok((PyBytes::new(py, &bytes), count, done))
    }

    fn records<'py>(
        &self,
        py: Python<'py>,
        max_records: usize,
        max_ns: u64,
    ) -> PyResult<(Vec<Triple<'py>>, bool)> {
        let time = Duration::from_nanos(max_ns);
        let (found, done) = py.detach(|| -> Result<_, Error> {
            let entered = self.store.enter();
            let view = self.store.view(&entered)?;
            let mut found = Vec::new();
            let done = self.lock().run(&view, time, &mut |one| {
                found.push((one.position, one.received, one.record.to_vec()));
                found.len() < max_records
            })?;
            Ok((found, done))
        })?;
        let triple = |(position, received, record): (u64, u64, Vec<u8>)| {
            (position, received, PyBytes::new(py, &record))
        };
        Ok((found.into_iter().map(triple).collect(), done))
    }
}

/// `Scan.frames(head, …)` for several scans in one call without the GIL. What fails, fails alone.
#[pyfunction]
#[pyo3(signature = (scans, max_bytes, max_ns, *, groups = None, group_bytes = usize::MAX))]
fn run_scans<'py>(
    py: Python<'py>,
    scans: Vec<(Bound<'py, Scan>, PyBackedBytes)>,
    max_bytes: usize,
    max_ns: u64,
    groups: Option<Vec<u64>>,
    group_bytes: usize,
) -> PyResult<Bound<'py, PyList>> {
    if groups
        .as_ref()
        .is_some_and(|groups| groups.len() != scans.len())
    {
        return Err(UsageError::new_err(
            ("there must be a group for each scan",),
        ));
    }
    let time = Duration::from_nanos(max_ns);
    let jobs = scans
        .iter()
        .map(|(scan, head)| Ok((scan.get(), exact(head, "a frame's head")?)))
        .collect::<PyResult<Vec<(&Scan, [u8; 4])>>>()?;
    let done: Vec<Result<Frames, Error>> = py.detach(|| {
        let mut used: HashMap<u64, usize> = HashMap::new();
        let mut run = |number: usize, (scan, head): &(&Scan, [u8; 4])| {
            let group = groups.as_ref().and_then(|groups| groups.get(number));
            let used = group.map(|group| used.entry(*group).or_default());
            if used.as_ref().is_some_and(|used| **used >= group_bytes) {
                return Ok((Vec::new(), 0, false));
            }
            let frames = scan.next_frames(*head, max_bytes, time)?;
            if let Some(used) = used {
                *used += frames.0.len();
            }
            Ok(frames)
        };
        jobs.iter()
            .enumerate()
            .map(|(n, job)| run(n, job))
            .collect()
    });
    let list = PyList::empty(py);
    for slice in done {
        match slice {
            Ok((bytes, count, finished)) => {
                list.append((PyBytes::new(py, &bytes), count, finished))?;
            }
            Err(error) => list.append(PyErr::from(error).into_value(py))?,
        }
    }
    Ok(list)
}

/// Adds the names of scans to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Scan>()?;
    module.add_function(wrap_pyfunction!(run_scans, module)?)
}
