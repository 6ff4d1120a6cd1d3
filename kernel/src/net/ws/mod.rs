//! WebSocket (RFC 6455) above TLS or plain TCP: one binary message is one Mosaic frame.
//!
//! The HTTP head is read here (`head`) and judged by Python. Then messages are
//! unwrapped where they lie (`incoming`) and wrapped as they go (`outgoing`), so
//! that neither side ever holds a whole message. `wire` joins the two to a `Wire`.

mod dial;
mod head;
mod incoming;
mod listen;
mod mask;
mod outgoing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod wire;

pub use dial::{Upgrade, connect};
pub use listen::Door;
pub use wire::WsWire;

/// How a peer came, as Python is told with the head of its request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// TLS with a certificate or raw key of ours.
    Native = 0,
    /// TLS with a certificate of an authority.
    Browser = 1,
    /// No TLS.
    Plain = 2,
}

/// Which side of a WebSocket we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Masks what it sends.
    Client,
    /// Does not.
    Server,
}

/// A rule that the peer broke, as our Close tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The status code (RFC 6455 section 7.4.1).
    pub code: u16,
    /// What is wrong, in words.
    pub words: &'static str,
}

/// All went well.
const NORMAL: u16 = 1000;
/// The rules of RFC 6455 were broken.
const PROTOCOL: u16 = 1002;
/// Only binary messages are taken.
const UNSUPPORTED: u16 = 1003;
/// The content of a message is not what it has to be.
const INVALID: u16 = 1007;
/// What is done is allowed, but not so often.
const POLICY: u16 = 1008;
