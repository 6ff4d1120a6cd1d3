//! What Python cannot do fast or at all: bytes in, bytes out, no policy.
//!
//! One module for each door; beside them stands `py`, the only folder that knows Python.
//! The doors are plain Rust and are tested by `cargo test`.

pub mod crypto;
pub mod dht;
pub mod match_;
pub mod net;
pub mod store;
pub mod sync;

#[cfg(feature = "python")]
mod py;
