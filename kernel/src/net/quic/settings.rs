//! What is settled for all QUIC connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quinn::{EndpointConfig, IdleTimeout, TransportConfig, VarInt};

/// Bytes that a peer may send on one stream before we have read them.
const STREAM_WINDOW: u32 = 262_144;
/// And on all of its streams together.
const CONNECTION_WINDOW: u32 = 524_288;
/// Bytes that a connection keeps until the peer has confirmed them, while it has not shown that it takes more.
pub const SEND_WINDOW: u64 = 65_536;
/// However fast it is.
pub const SEND_WINDOW_MOST: u64 = 4_194_304;
/// Packets lost in the order of the handshake are kept up to here, in bytes.
pub const HANDSHAKE_BYTES: usize = 16_384;

/// The version of RFC 9000. Drafts of it are not spoken.
const VERSION: u32 = 1;

/// What is the same for every socket.
pub fn endpoint_config() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    config.supported_versions(vec![VERSION]);
    config
}

/// What Python settles once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bidirectional streams that a peer may have open in one connection.
    pub streams: u32,
    /// Silence after which a connection is over.
    pub idle: Duration,
    /// Silence after which we ask whether the peer is there; zero: never.
    pub keep_alive: Duration,
    /// Handshakes under way above which new peers must prove their address first.
    pub retry_over: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            streams: 16,
            idle: Duration::from_secs(15),
            keep_alive: Duration::from_secs(10),
            retry_over: 64,
        }
    }
}

impl Settings {
    /// How connections behave that others open.
    pub fn accepted(&self) -> io::Result<Arc<TransportConfig>> {
        self.transport(self.streams)
    }

    /// How connections behave that we open. Servers open no streams.
    pub fn dialled(&self) -> io::Result<Arc<TransportConfig>> {
        self.transport(0)
    }

    fn transport(&self, streams: u32) -> io::Result<Arc<TransportConfig>> {
        let idle = IdleTimeout::try_from(self.idle).map_err(io::Error::other)?;
        let keep_alive = Some(self.keep_alive).filter(|time| !time.is_zero());
        let mut config = TransportConfig::default();
        config
            .max_concurrent_bidi_streams(VarInt::from_u32(streams))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None)
            .datagram_send_buffer_size(0)
            .max_idle_timeout(Some(idle))
            .keep_alive_interval(keep_alive)
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
            .send_window(SEND_WINDOW)
            .crypto_buffer_size(HANDSHAKE_BYTES)
            // Observers learn nothing about the round trip.
            .allow_spin(false);
        Ok(Arc::new(config))
    }
}
