//! QUIC: one connection of a peer, each of its bidirectional streams a link of its own.
//!
//! Source: quic.md; edition §2. TLS as in `tls` with both forms of certificates
//! (`choose`), no 0-RTT, no unidirectional streams, no datagrams. A peer may change its
//! address. Who floods us with handshakes must first prove his (`listen`).

mod choose;
mod dial;
mod endpoints;
mod listen;
mod peer;
mod reset;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

pub use dial::{connect, open_stream};
pub use endpoints::{Endpoints, keep};
pub use listen::{accept, bind};
pub use peer::Peer;
pub use settings::Settings;
