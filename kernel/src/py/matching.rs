//! The match door.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors::InvalidFilter;
use crate::match_::filter::CompiledFilter;

/// A filter compiled once.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
pub(super) struct Filter(pub(super) CompiledFilter);

#[pymethods]
impl Filter {
    #[new]
    fn new(py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<Self> {
        let data = data.as_bytes();
        let parsed = py.detach(|| CompiledFilter::parse(data));
        parsed
            .map(Self)
            .map_err(|error| InvalidFilter::new_err((error.to_string(),)))
    }

    /// Whether an element with a type under 0x80 is there.
    #[getter]
    fn narrow(&self) -> bool {
        self.0.narrow()
    }

    /// The filter as it was given.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.data())
    }

    /// Whether a (valid) record matches. Without a received time, received elements match.
    #[pyo3(signature = (record, received_ns = None))]
    fn matches(&self, record: &[u8], received_ns: Option<u64>) -> bool {
        self.0.matches(record, received_ns)
    }
}

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Filter>()
}
