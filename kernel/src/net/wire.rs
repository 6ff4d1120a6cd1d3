//! What a link asks of its transport: an ordered stream of bytes both ways.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::BytesMut;

/// What reading found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes were appended.
    Bytes,
    /// The peer said that nothing follows.
    Goodbye,
    /// The stream ended without a word.
    Cut,
    /// The peer broke a rule of the transport, in words. A goodbye that says so still goes out.
    Broken(&'static str),
}

/// One secured stream. Everything about frames, queues and events stands above it.
pub trait Wire: Unpin + Send + 'static {
    /// Appends what has come to `into`, some tens of KiB at most.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Received>>;

    /// Ready when all that was given before has left for the network.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Takes all of the bytes in `pieces`; to be called when `poll_sent` was ready.
    fn give(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<()>;

    /// Sends what was given and says that nothing follows.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Discards what still comes until the peer has closed too. Closing with unread
    /// bytes would reset the connection and could destroy what was sent last.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
