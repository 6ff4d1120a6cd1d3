//! The face towards Python: one `register` function for each door.

use pyo3::prelude::*;

mod errors;

// One line for each door:
mod crypto;
// match
mod matching;
// store
mod store;

// net
mod net;

#[pymodule]
fn _rust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("KERNEL_VERSION", env!("CARGO_PKG_VERSION"))?;
    // One line for each door:
    crypto::register(module)?;
    // match
    matching::register(module)?;
    // store
    store::register(module)?;

    // net
    net::register(module)?;
    Ok(())
}
