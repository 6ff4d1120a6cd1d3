//! What goes wrong in the store, as the errors of `mosaic.errors`, with what to do next.

use pyo3::prelude::*;

use super::errors::{StoreDamaged, StoreError, StoreFull, UsageError};
use crate::store::error::Error;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Full => StoreFull::new_err((text,)),
            Error::Damaged(_) => StoreDamaged::new_err((text,)),
            Error::Usage(_) => UsageError::new_err((text,)),
            Error::InUse(_) => with_hint(
                text,
                "Stop the other process, or wait until it has finished.",
            ),
            Error::Newer(_) => with_hint(
                text,
                "Install the newer version again; this one would damage what it does not know.",
            ),
            Error::Closed => with_hint(text, "Open it again."),
            Error::Index(_) => with_hint(
                text,
                "Start again; if it stays, remove the folder `index`: it is made again from the log.",
            ),
            Error::Io(_) => with_hint(text, "Check the disk and the folder's rights."),
        }
    }
}

fn with_hint(text: String, hint: &'static str) -> PyErr {
    Python::attach(|py| {
        let error = StoreError::new_err((text,));
        // The hint is help only: an error without it is an error still.
        let _ = error.value(py).setattr("hint", hint);
        error
    })
}
