//! The match door.

use pyo3::prelude::*;

/// Adds the door's names to the module.
pub(super) fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
