//! Where the server is, and how it is reached.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use _rust::net::certificate::NAME;
use _rust::net::tls::{Expected, Form, Witness, client_config, server_name};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Endpoint, EndpointConfig, TokioRuntime, TransportConfig};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::args::Args;
use crate::frames::{hello, kind};
use crate::session::{Session, Stream};
use crate::{Result, socket, websocket};

/// Shorter than any server's patience, so that links that stand stay.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS over TCP.
    Tcp,
    /// One stream of a QUIC connection of its own.
    Quic,
    /// A WebSocket over TLS.
    Ws,
}

impl Transport {
    /// Of `--transport`.
    pub fn of(args: &Args) -> Result<Self> {
        match args.text("transport").unwrap_or("tcp") {
            "tcp" => Ok(Self::Tcp),
            "quic" => Ok(Self::Quic),
            "ws" => Ok(Self::Ws),
            other => Err(format!("--transport {other:?} is none of tcp, quic, ws")),
        }
    }

    /// A frame as it goes to the network.
    pub fn packed(self, frame: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Self::Tcp | Self::Quic => Ok(frame),
            Self::Ws => websocket::message(&frame),
        }
    }
}

/// Where the server is and who we are.
#[derive(Clone)]
pub struct Target {
    /// How it is reached.
    pub transport: Transport,
    address: SocketAddr,
    config: Arc<ClientConfig>,
    endpoint: Option<Endpoint>,
    receive_buffer: Option<u32>,
}

impl Target {
    /// Of `--transport`, `--host`, `--port`, `--server-key` and `--seed`.
    pub async fn of(args: &Args) -> Result<Self> {
        let server = Expected {
            key: args.key("server-key")?,
            form: Form::Certificate,
            witness: Witness::default(),
        };
        let config = client_config(server, args.key("seed")?.as_ref(), Form::Certificate)
            .map_err(|error| error.to_string())?;
        args.needed("port")?;
        let (host, port) = (
            args.text("host").unwrap_or("127.0.0.1"),
            args.number("port", 0)?,
        );
        let address = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| format!("{host}: {error}"))?
            .next()
            .ok_or_else(|| format!("{host} has no address"))?;
        let transport = Transport::of(args)?;
        let endpoint = match transport {
            Transport::Quic => Some(endpoint(&config, address).map_err(|error| error.to_string())?),
            Transport::Tcp | Transport::Ws => None,
        };
        Ok(Self {
            transport,
            address,
            config,
            endpoint,
            receive_buffer: None,
        })
    }

    /// With so small a buffer in the system that a reader who pauses is felt at once.
    pub fn with_receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Connects, without a word of the protocol.
    pub async fn connect(&self) -> Result<Session> {
        let stream = match (&self.endpoint, self.transport) {
            (Some(endpoint), _) => self.open_stream(endpoint).await,
            (None, Transport::Ws) => self.upgraded().await,
            (None, _) => self.tls().await.map(Stream::Tls),
        };
        let stream = stream.map_err(|error| format!("{}: {error}", self.address))?;
        Ok(Session::new(stream))
    }

    /// Connects and says HELLO.
    pub async fn greet(&self) -> Result<Session> {
        let mut session = self.connect().await?;
        session.send(&self.transport.packed(hello())?).await?;
        match session.next().await? {
            [kind::HELLO_ACK, 1, ..] => Ok(session),
            other => Err(format!("the server answered HELLO with {other:02x?}")),
        }
    }

    /// Waits until the server knows that our connections are gone.
    pub async fn leave(&self) {
        if let Some(endpoint) = &self.endpoint {
            endpoint.wait_idle().await;
        }
    }

    async fn tls(&self) -> Result<TlsStream<TcpStream>> {
        let reached = async {
            let socket = if self.address.is_ipv4() {
                tokio::net::TcpSocket::new_v4()?
            } else {
                tokio::net::TcpSocket::new_v6()?
            };
            if let Some(bytes) = self.receive_buffer {
                socket.set_recv_buffer_size(bytes)?;
            }
            let stream = socket.connect(self.address).await?;
            stream.set_nodelay(true)?;
            let name = server_name().map_err(std::io::Error::other)?;
            TlsConnector::from(Arc::clone(&self.config))
                .connect(name, stream)
                .await
        };
        reached
            .await
            .map_err(|error: std::io::Error| error.to_string())
    }

    async fn upgraded(&self) -> Result<Stream> {
        let mut stream = self.tls().await?;
        websocket::ask_for_upgrade(&mut stream, &self.address.to_string()).await?;
        Ok(Stream::Ws(stream, websocket::Unwrapped::default()))
    }

    async fn open_stream(&self, endpoint: &Endpoint) -> Result<Stream> {
        let connection = endpoint
            .connect(self.address, NAME)
            .map_err(|error| error.to_string())?
            .await
            .map_err(|error| error.to_string())?;
        let (send, receive) = connection
            .open_bi()
            .await
            .map_err(|error| error.to_string())?;
        Ok(Stream::Quic(send, receive))
    }
}

/// One socket for all connections of this process.
fn endpoint(config: &ClientConfig, server: SocketAddr) -> std::io::Result<Endpoint> {
    let any: SocketAddr = if server.is_ipv4() {
        ([0; 4], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    let udp = UdpSocket::bind(any)?;
    socket::enlarge(&udp);
    let runtime = Arc::new(TokioRuntime);
    let mut endpoint = Endpoint::new(EndpointConfig::default(), None, udp, runtime)?;
    let tls = QuicClientConfig::try_from(config.clone()).map_err(std::io::Error::other)?;
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    let mut config = quinn::ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}
