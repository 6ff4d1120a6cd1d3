//! The face towards Python: one `register` function for each door.

use pyo3::prelude::*;

mod crypto;
mod dht;
mod ends;
mod errors;
mod frame_cutter;
mod gate;
mod link_events;
mod matching;
mod net;
mod scan;
mod store;
mod store_errors;
mod sync;

#[pymodule]
fn _rust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("KERNEL_VERSION", env!("CARGO_PKG_VERSION"))?;
    crypto::register(module)?;
    matching::register(module)?;
    store::register(module)?;
    net::register(module)?;
    dht::register(module)?;
    sync::register(module)?;
    // What is public is what the stub lists; pyo3 keeps a list of its own that the stub cannot repeat.
    module.delattr("__all__")
}
