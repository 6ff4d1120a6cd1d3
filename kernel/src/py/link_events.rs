//! What Python is told of links.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::net::inbox::{Event, what};

/// (link, what, data).
pub type PyEvent<'py> = (u64, u16, Bound<'py, PyBytes>);

/// Those events that Python still wants.
pub fn wanted<'py>(py: Python<'py>, events: &[Event]) -> Vec<PyEvent<'py>> {
    events
        .iter()
        .filter(|event| !(event.is_from_peer() && event.link.is_muted()))
        .map(|event| (event.link.number, event.what, PyBytes::new(py, &event.data)))
        .collect()
}

/// The bytes that wait towards a link, or -1 where there is none any more.
pub fn waiting(bytes: Option<usize>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// Adds the numbers of events to the module.
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
    module.add("DIAL_FOREIGN_CERTIFICATE", what::DIAL_FOREIGN_CERTIFICATE)
}
