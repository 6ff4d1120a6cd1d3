//! The sync door.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors::{InvalidMessage, StoreCrowded, UsageError};
use super::scan::Scan;
use crate::sync::reconciliation::{self, Broken, LEAST_FRAME, MOST_NEEDED};
use crate::sync::set::{ITEM, Items};

impl From<Broken> for PyErr {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Message(text) => InvalidMessage::new_err((text,)),
            Broken::Usage(text) => UsageError::new_err((text,)),
            Broken::Crowded => StoreCrowded::new_err((
                "the other side has more records of this filter than may be taken at once",
            )),
        }
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Stage {
    Filling(Vec<[u8; ITEM]>),
    Sealed(Arc<Items>),
}

/// What is compared.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct SyncSet {
    most: usize,
    stage: Mutex<Stage>,
}

impl SyncSet {
    fn items(&self) -> PyResult<Arc<Items>> {
        match &*hold(&self.stage) {
            Stage::Sealed(items) => Ok(Arc::clone(items)),
            Stage::Filling(_) => Err(UsageError::new_err(("seal the set first",))),
        }
    }

    fn fill(&self, scan: &Scan, time: Duration) -> PyResult<bool> {
        let mut stage = hold(&self.stage);
        let Stage::Filling(ids) = &mut *stage else {
            return Err(UsageError::new_err(("the set is sealed",)));
        };
        let mut crowded = false;
        let done = scan.run_for_sync(time, &mut |record| {
            crowded = ids.len() >= self.most;
            if !crowded && let Some(id) = record.first_chunk() {
                ids.push(*id);
            }
            !crowded
        })?;
        if crowded {
            return Err(StoreCrowded::new_err((format!(
                "more than {} records match",
                self.most
            ),)));
        }
        Ok(done)
    }
}

#[pymethods]
impl SyncSet {
    #[new]
    #[pyo3(signature = (*, most))]
    fn new(most: usize) -> Self {
        Self {
            most,
            stage: Mutex::new(Stage::Filling(Vec::new())),
        }
    }

    fn add(&self, py: Python<'_>, scan: &Bound<'_, Scan>, max_ns: u64) -> PyResult<bool> {
        let scan = scan.get();
        py.detach(|| self.fill(scan, Duration::from_nanos(max_ns)))
    }

    fn seal(&self, py: Python<'_>) {
        py.detach(|| {
            let mut stage = hold(&self.stage);
            if let Stage::Filling(ids) = &mut *stage {
                *stage = Stage::Sealed(Arc::new(Items::new(std::mem::take(ids))));
            }
        });
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| match &*hold(&self.stage) {
            Stage::Filling(ids) => ids.len(),
            Stage::Sealed(items) => items.len(),
        })
    }
}

type Taken<'py> = (
    Option<Bound<'py, PyBytes>>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
);

/// One side of a reconciliation.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct Reconciliation(Mutex<reconciliation::Reconciliation>);

#[pymethods]
impl Reconciliation {
    #[new]
    #[pyo3(signature = (items, *, initiator, frame_bytes = 32_768, most_needed = MOST_NEEDED))]
    fn new(
        items: &SyncSet,
        initiator: bool,
        frame_bytes: u64,
        most_needed: usize,
    ) -> PyResult<Self> {
        if frame_bytes < LEAST_FRAME {
            return Err(UsageError::new_err((format!(
                "frame_bytes is {LEAST_FRAME} at least"
            ),)));
        }
        let items = items.items()?;
        let made = reconciliation::Reconciliation::new(items, initiator, frame_bytes, most_needed)?;
        Ok(Self(Mutex::new(made)))
    }

    fn begin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let message = py.detach(|| hold(&self.0).begin())?;
        Ok(PyBytes::new(py, &message))
    }

    fn take<'py>(&self, py: Python<'py>, message: &Bound<'py, PyBytes>) -> PyResult<Taken<'py>> {
        let message = message.as_bytes();
        let taken = py.detach(|| hold(&self.0).take(message))?;
        Ok((
            taken.answer.map(|answer| PyBytes::new(py, &answer)),
            PyBytes::new(py, &taken.have),
            PyBytes::new(py, &taken.need),
        ))
    }
}

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<SyncSet>()?;
    module.add_class::<Reconciliation>()
}
