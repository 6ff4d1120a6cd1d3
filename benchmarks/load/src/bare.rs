//! Listeners of a library and nothing else: what a link costs before anybody adds to it.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use _rust::net::tls::{Form, ServerConfigs};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime};
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio_rustls::LazyConfigAcceptor;

use crate::args::Args;
use crate::frames::kind;
use crate::json::Line;
use crate::standing::until_told;
use crate::target::Transport;
use crate::{Result, socket, websocket};

/// HELLO ACK with SUCCESS, and the same in a WebSocket's message.
const ACK: [u8; 8] = [kind::HELLO_ACK, 1, 0, 0, 8, 0, 0, 0];
const ACK_MESSAGE: [u8; 10] = [0x82, 8, kind::HELLO_ACK, 1, 0, 0, 8, 0, 0, 0];

/// Mode `bare`: prints its port, accepts, answers the first bytes with HELLO ACK and drops what else comes,
/// until stdin ends.
pub async fn listen(args: &Args) -> Result<String> {
    let seed = args.key("seed")?.unwrap_or([1; 32]);
    let configs = ServerConfigs::new(&seed).map_err(|error| error.to_string())?;
    let transport = Transport::of(args)?;
    let wanted: u16 = args.number("port", 0)?;
    let bound = match transport {
        Transport::Quic => listen_quic(wanted, &configs),
        Transport::Tcp | Transport::Ws => listen_tls(wanted, configs, transport).await,
    };
    let port = bound.map_err(|error| error.to_string())?;
    crate::say(&Line::of("bare").count("port", u64::from(port)).end());
    until_told().await;
    Ok(Line::of("bare").end())
}

async fn listen_tls(
    port: u16,
    configs: ServerConfigs,
    transport: Transport,
) -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    let configs = Arc::new(configs);
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let configs = Arc::clone(&configs);
            spawn_local(async move {
                // A handshake that fails is the load's to tell.
                let _ = greet(stream, &configs, transport).await;
            });
        }
    });
    Ok(port)
}

async fn greet(stream: TcpStream, configs: &ServerConfigs, transport: Transport) -> Result<()> {
    let handshake = async {
        stream.set_nodelay(true)?;
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let (config, _) = configs.choose(&start.client_hello());
        start.into_stream(config).await
    };
    let mut stream = handshake
        .await
        .map_err(|error: std::io::Error| error.to_string())?;
    // The reader of a link: it waits with a task of its own.
    if transport == Transport::Ws {
        websocket::grant_upgrade(&mut stream).await?;
        spawn_local(stand(stream, &ACK_MESSAGE));
    } else {
        spawn_local(stand(stream, &ACK));
    }
    Ok(())
}

async fn stand(mut stream: impl AsyncRead + AsyncWrite + Unpin, ack: &'static [u8]) {
    if stream.read_u8().await.is_ok() && stream.write_all(ack).await.is_ok() {
        let _ = stream.flush().await;
        while stream.read_u8().await.is_ok() {}
    }
}

fn listen_quic(port: u16, configs: &ServerConfigs) -> std::io::Result<u16> {
    let tls = (**configs.pair(Form::Certificate, Form::Certificate)).clone();
    let tls = QuicServerConfig::try_from(tls).map_err(std::io::Error::other)?;
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    socket::enlarge(&udp);
    let port = udp.local_addr()?.port();
    let config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), udp, runtime)?;
    spawn_local(async move {
        while let Some(incoming) = endpoint.accept().await {
            spawn_local(greet_quic(incoming));
        }
    });
    Ok(port)
}

async fn greet_quic(incoming: Incoming) {
    let Ok(connection) = incoming.await else {
        return;
    };
    let Ok((mut send, mut receive)) = connection.accept_bi().await else {
        return;
    };
    drop(connection);
    spawn_local(async move {
        if receive.read_u8().await.is_ok() && send.write_all(&ACK).await.is_ok() {
            while receive.read_u8().await.is_ok() {}
        }
    });
}
