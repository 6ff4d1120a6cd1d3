//! The crypto door.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::crypto::hash;

/// The unkeyed BLAKE3 hash of `data`, extended to `length` bytes.
#[pyfunction]
#[pyo3(name = "blake3", signature = (data, length = 32))]
fn py_blake3<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyBytes>,
    length: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = data.as_bytes();
    PyBytes::new_with(py, length, |out| {
        hash::fill(bytes, out);
        Ok(())
    })
}

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(py_blake3, module)?)
}
