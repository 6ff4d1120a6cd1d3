//! One connection: what its streams have in common.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::settings::{SEND_WINDOW, SEND_WINDOW_MOST};
use crate::net::certificate::Key;

/// Why a connection or stream ends: all is said.
pub const DONE: VarInt = VarInt::from_u32(0);
/// Or it was cut.
pub const CUT: VarInt = VarInt::from_u32(1);

/// A round trip so short that the smallest window fills any path.
const NEAR: Duration = Duration::from_millis(5);

/// A connection whose handshake is done.
pub struct Peer {
    /// Closes when this and all of its streams are gone.
    pub connection: Connection,
    /// The key that the peer has proven.
    pub key: Option<Key>,
    streams: AtomicUsize,
    emptied: Notify,
    send_window: AtomicU64,
}

impl Peer {
    /// A peer without streams.
    pub fn new(connection: Connection, key: Option<Key>) -> Arc<Self> {
        Arc::new(Self {
            connection,
            key,
            streams: AtomicUsize::new(0),
            emptied: Notify::new(),
            send_window: AtomicU64::new(SEND_WINDOW),
        })
    }

    /// One more stream is a link.
    pub fn stream_began(&self) {
        self.streams.fetch_add(1, Ordering::SeqCst);
    }

    /// A stream is none any more; whether its end was `proper`. The last that is cut takes the connection with it.
    pub fn stream_ended(&self, proper: bool) {
        if self.streams.fetch_sub(1, Ordering::SeqCst) == 1 {
            if !proper {
                self.close(CUT);
            }
            self.emptied.notify_one();
        }
    }

    /// Ends the connection with all its streams. What it has died of already stays the reason.
    pub fn close(&self, code: VarInt) {
        if self.connection.close_reason().is_none() {
            self.connection.close(code, b"");
        }
    }

    /// The next stream that the peer opens. Nothing when the connection is over, or has had no stream for so long.
    pub async fn next_stream(&self, patience: Duration) -> Option<(SendStream, RecvStream)> {
        let mut opened = pin!(self.connection.accept_bi());
        let mut silence = None;
        loop {
            let mut emptied = pin!(self.emptied.notified());
            let found = poll_fn(|cx| {
                if let Poll::Ready(found) = opened.as_mut().poll(cx) {
                    return Poll::Ready(Some(found.ok()));
                }
                if self.streams.load(Ordering::SeqCst) > 0 {
                    silence = None;
                } else {
                    let silence = silence.get_or_insert_with(|| Box::pin(sleep(patience)));
                    if silence.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(Some(None));
                    }
                }
                emptied.as_mut().poll(cx).map(|()| None)
            })
            .await;
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Lets more bytes wait for confirmation when the path has shown that it takes them; whether it did.
    ///
    /// The window grows with what is really confirmed, so that a peer that
    /// takes nothing holds little of our memory.
    pub fn widen(&self) -> bool {
        let path = self.connection.stats().path;
        let fitting = send_window(path.rtt, path.cwnd);
        let before = self.send_window.swap(fitting, Ordering::Relaxed);
        if before != fitting {
            self.connection.set_send_window(fitting);
        }
        before < fitting
    }
}

/// What may wait for confirmation where a round trip takes so long and `in_flight` bytes may be on their way.
fn send_window(round_trip: Duration, in_flight: u64) -> u64 {
    if round_trip < NEAR {
        return SEND_WINDOW;
    }
    in_flight
        .saturating_mul(2)
        .clamp(SEND_WINDOW, SEND_WINDOW_MOST)
}

/// Whether the peer has ended the connection in peace.
pub fn is_goodbye(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(close) if close.error_code == DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_with_what_a_long_way_takes() {
        let far = Duration::from_millis(50);
        assert_eq!(send_window(far, 14_000), SEND_WINDOW);
        assert_eq!(send_window(far, 400_000), 800_000);
        assert_eq!(send_window(far, u64::MAX), SEND_WINDOW_MOST);
        assert_eq!(send_window(Duration::from_millis(1), 400_000), SEND_WINDOW);
    }
}
