//! What Python cannot do fast or at all: bytes in, bytes out, no policy.
//!
//! The modules beside `py` are plain Rust and are tested by `cargo test`;
//! `py` is the only folder that knows Python.

// One line for each door:
pub mod crypto;
// match
pub mod match_;
// store
pub mod store;

// net
pub mod net;

#[cfg(feature = "python")]
mod py;
