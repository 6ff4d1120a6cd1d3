//! The cutter of frames, for bytes that no link carries.

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors::UsageError;
use crate::net::frame::{Cut, Cutter, Limits};
use crate::net::inbox::what;

/// The cutter of one stream, as every link has one; for bytes that come another way.
#[pyclass(module = "mosaic._kernel._rust")]
pub struct FrameCutter {
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
