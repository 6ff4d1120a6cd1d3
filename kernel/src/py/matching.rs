//! The match door.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::crypto::bytes_of;
use super::errors::{InvalidFilter, UsageError};
use crate::match_::filter::CompiledFilter;
use crate::match_::subscriptions;

/// A filter compiled once.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
pub(super) struct Filter(pub(super) Arc<CompiledFilter>);

#[pymethods]
impl Filter {
    #[new]
    fn new(py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<Self> {
        let data = data.as_bytes();
        let parsed = py.detach(|| CompiledFilter::parse(data));
        parsed
            .map(|filter| Self(Arc::new(filter)))
            .map_err(|error| InvalidFilter::new_err((error.to_string(),)))
    }

    /// Whether an element with a type under 0x80 is there.
    #[getter]
    fn narrow(&self) -> bool {
        self.0.narrow()
    }

    /// The smallest timestamp that matches (ns), if the filter names one.
    #[getter]
    fn since(&self) -> Option<u64> {
        self.0.since()
    }

    /// The smallest received time that matches (ns), if the filter names one.
    #[getter]
    fn received_since(&self) -> Option<u64> {
        self.0.received_since()
    }

    /// Whether a (valid) record matches. Without a received time, received elements match.
    #[pyo3(signature = (record, received_ns = None))]
    fn matches(&self, record: &[u8], received_ns: Option<u64>) -> bool {
        self.0.matches(record, received_ns)
    }
}

/// Open filters, indexed by author, kind and tag: a record costs what it hits.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct Subscriptions(Mutex<subscriptions::Subscriptions>);

impl Subscriptions {
    /// Works on the set without the GIL: another thread may hold the lock while it waits for the GIL.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut subscriptions::Subscriptions) -> T + Send,
    ) -> T {
        py.detach(|| work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[pymethods]
impl Subscriptions {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// Opens `filter` under a number of the caller's that is not in use (u64).
    fn add(&self, py: Python<'_>, number: u64, filter: &Filter) -> PyResult<()> {
        let compiled = Arc::clone(&filter.0);
        if self.with(py, |open| open.add(number, compiled)) {
            Ok(())
        } else {
            Err(UsageError::new_err((format!(
                "a filter is open under the number {number} already"
            ),)))
        }
    }

    /// Closes the filter of this number; whether there was one.
    fn remove(&self, py: Python<'_>, number: u64) -> bool {
        self.with(py, |open| open.remove(number))
    }

    /// For each record, the numbers whose filter it matches, ascending.
    #[pyo3(name = "match")]
    fn match_<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        received_ns: Vec<u64>,
    ) -> PyResult<Vec<Vec<u64>>> {
        let held = bytes_of(records)?;
        let records: Vec<&[u8]> = held.iter().map(|record| record.as_bytes()).collect();
        if records.len() != received_ns.len() {
            return Err(UsageError::new_err(
                ("each record needs one received time",),
            ));
        }
        let times = records.iter().zip(received_ns);
        Ok(self.with(py, |open| {
            times
                .map(|(record, time)| open.matching(record, Some(time)))
                .collect()
        }))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.with(py, |open| open.len())
    }

    /// The bytes that all open filters and their index take up.
    fn memory(&self, py: Python<'_>) -> usize {
        self.with(py, |open| open.memory())
    }
}

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Filter>()?;
    module.add_class::<Subscriptions>()
}
