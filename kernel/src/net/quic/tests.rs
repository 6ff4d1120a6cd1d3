//! With quinn itself as the other side.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashSet;
use std::future::Future;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, ServerConfig};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::Settings;
use crate::net::certificate::NAME;
use crate::net::engine::Engine;
use crate::net::inbox::what;
use crate::net::tests::{CLIENT, FRAME, SERVER, engine, engine_with, key, next, plan};
use crate::net::tls::{Expected, Form, ServerConfigs, Witness, client_config};

const PATIENCE: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    // A thread of its own moves bytes while a test waits for events.
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// A foreign client that offers this ALPN.
fn config(alpn: &[&[u8]]) -> ClientConfig {
    let expected = Expected {
        key: None,
        form: Form::Certificate,
        witness: Witness::default(),
    };
    let tls = client_config(expected, Some(&CLIENT), Form::Certificate).unwrap();
    let mut tls = (*tls).clone();
    tls.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

async fn connect(port: u16, alpn: &[&[u8]]) -> (Endpoint, Result<Connection, ConnectionError>) {
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let connecting = endpoint.connect_with(config(alpn), address, NAME).unwrap();
    (endpoint, connecting.await)
}

async fn soon<F: Future>(work: F) -> F::Output {
    timeout(PATIENCE, work).await.unwrap()
}

fn listening(settings: Settings) -> (Engine, u16) {
    let server = engine_with(settings);
    let port = server.listen_quic("127.0.0.1", 0, &SERVER).unwrap();
    (server, port)
}

#[test]
fn a_peer_may_move_in_the_middle_of_a_transfer() {
    let (server, port) = listening(Settings::default());
    let big = [&[7, 0, 0, 0][..], &1_000_u32.to_le_bytes(), &[9; 992]].concat();
    runtime().block_on(async {
        let (endpoint, connection) = connect(port, &[b"mosaic"]).await;
        let (mut send, mut receive) = connection.unwrap().open_bi().await.unwrap();
        send.write_all(&big.repeat(500)).await.unwrap();
        endpoint
            .rebind(UdpSocket::bind("127.0.0.1:0").unwrap())
            .unwrap();
        let new = endpoint.local_addr().unwrap();
        send.write_all(&big.repeat(500)).await.unwrap();
        let opened = next(&server);
        assert_eq!(opened.data[..], key(&CLIENT));
        for _ in 0..1_000 {
            let event = next(&server);
            assert_eq!((event.what, event.data.len()), (7, 1_000));
        }
        // And the answer finds it at its new place.
        opened.link.send(&FRAME).unwrap();
        let mut answer = [0; FRAME.len()];
        soon(receive.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, FRAME);
        assert_eq!(opened.link.address(), Some(new));
    });
}

/// How a connection to a listener that died without a word ends once another one listens at its port.
async fn outlived(successor: &[u8; 32]) -> Option<ConnectionError> {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = udp.local_addr().unwrap().port();
    drop(udp);
    // On a runtime of its own, which ends with everything in it, as a process that is killed.
    let first = runtime();
    let listening = first.spawn(async move {
        let settings = Settings::default();
        super::bind("127.0.0.1", port, &SERVER, &settings).await
    });
    let (listener, _) = listening.await.unwrap().unwrap();
    let accepting = listener.clone();
    let accepted = first.spawn(async move { accepting.accept().await.unwrap().await.unwrap() });
    let (_endpoint, connection) = soon(connect(port, &[b"mosaic"])).await;
    let (connection, accepted) = (connection.unwrap(), soon(accepted).await.unwrap());
    first.shutdown_background();
    drop((listener, accepted));
    let bind_again = async {
        loop {
            match super::bind("127.0.0.1", port, successor, &Settings::default()).await {
                Ok((listener, _)) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let _listener = soon(bind_again).await;
    assert!(connection.close_reason().is_none());
    // The next packet of many finds the new listener.
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&FRAME).await.unwrap();
    timeout(Duration::from_secs(3), connection.closed())
        .await
        .ok()
}

#[test]
fn a_listener_that_was_restarted_ends_the_connections_of_the_one_before() {
    runtime().block_on(async {
        let ended = outlived(&SERVER).await;
        assert!(matches!(ended, Some(ConnectionError::Reset)), "{ended:?}");
    });
}

#[test]
fn nobody_else_can_end_them() {
    runtime().block_on(async {
        let ended = outlived(&CLIENT).await;
        assert!(ended.is_none(), "{ended:?}");
    });
}

#[test]
fn who_does_not_ask_for_mosaic_is_refused() {
    let (_server, port) = listening(Settings::default());
    runtime().block_on(async {
        for alpn in [&[][..], &[&b"h3"[..]]] {
            let (_endpoint, refused) = soon(connect(port, alpn)).await;
            let error = refused.unwrap_err();
            let ConnectionError::ConnectionClosed(close) = error else {
                panic!("{error}");
            };
            // RFC 9001, 8.1: no_application_protocol.
            assert_eq!(u64::from(close.error_code), 0x178);
        }
        let (_endpoint, taken) = soon(connect(port, &[b"h3", b"mosaic"])).await;
        assert!(taken.is_ok());
    });
}

#[test]
fn there_are_no_datagrams_no_streams_one_way_and_no_more_than_allowed() {
    let (server, port) = listening(Settings {
        streams: 2,
        ..Settings::default()
    });
    runtime().block_on(async {
        let (_endpoint, connection) = soon(connect(port, &[b"mosaic"])).await;
        let connection = connection.unwrap();
        assert_eq!(connection.max_datagram_size(), None);
        let moment = Duration::from_millis(1);
        assert!(timeout(moment, connection.open_uni()).await.is_err());
        let (mut first, _read) = connection.open_bi().await.unwrap();
        let (mut second, _read_too) = connection.open_bi().await.unwrap();
        first.write_all(&FRAME).await.unwrap();
        second.write_all(&FRAME).await.unwrap();
        assert!(timeout(moment, connection.open_bi()).await.is_err());
        let links: HashSet<u64> = (0..4).map(|_| next(&server).link.number).collect();
        assert_eq!(links.len(), 2);
        first.finish().unwrap();
        assert_eq!(next(&server).what, what::CLOSED);
        soon(connection.open_bi()).await.unwrap();
    });
}

#[test]
fn a_connection_that_opens_no_stream_is_closed() {
    let mut settings = crate::net::tests::settings(Settings::default());
    settings.handshake = Duration::from_millis(100);
    let server = Engine::new(settings).unwrap();
    let port = server.listen_quic("127.0.0.1", 0, &SERVER).unwrap();
    runtime().block_on(async {
        let (_endpoint, connection) = soon(connect(port, &[b"mosaic"])).await;
        soon(connection.unwrap().closed()).await;
        let (_endpoint, connection) = soon(connect(port, &[b"mosaic"])).await;
        let connection = connection.unwrap();
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&FRAME).await.unwrap();
        send.finish().unwrap();
        soon(connection.closed()).await;
    });
    let heard: Vec<u16> = (0..3).map(|_| next(&server).what).collect();
    assert_eq!(heard, [what::OPENED, 5, what::CLOSED]);
}

/// What our dial reports of a server that is configured so.
fn dialled(tls: rustls::ServerConfig, form: Form) -> (u16, String) {
    let runtime = runtime();
    let config = QuicServerConfig::try_from(tls).unwrap();
    let config = ServerConfig::with_crypto(Arc::new(config));
    let endpoint = {
        let _inside = runtime.enter();
        Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap()
    };
    let port = endpoint.local_addr().unwrap().port();
    let client = engine();
    client.dial_quic(plan(port, None, form, form)).unwrap();
    let foreign = async {
        while let Some(incoming) = endpoint.accept().await {
            // Whatever becomes of it.
            let _ = incoming.await;
        }
    };
    let told = std::thread::scope(|scope| {
        let told = scope.spawn(|| {
            let event = next(&client);
            endpoint.close(0_u32.into(), b"");
            (
                event.what,
                String::from_utf8_lossy(&event.data).into_owned(),
            )
        });
        runtime.block_on(foreign);
        told.join()
    });
    told.unwrap()
}

#[test]
fn what_a_server_refuses_or_shows_is_told() {
    let configs = ServerConfigs::new(&SERVER).unwrap();
    for [own, asked] in [
        [Form::Certificate, Form::Raw],
        [Form::Raw, Form::Certificate],
    ] {
        let only = (**configs.pair(own, own)).clone();
        let (outcome, words) = dialled(only, asked);
        assert_eq!(outcome, what::DIAL_REFUSED_FORM, "{words}");
    }
    let mut other = (**configs.pair(Form::Raw, Form::Raw)).clone();
    other.alpn_protocols = vec![b"h3".to_vec()];
    let (outcome, words) = dialled(other, Form::Raw);
    assert_eq!(outcome, what::DIAL_FAILED);
    assert!(words.contains("another protocol"), "{words}");
}

#[test]
fn a_foreign_certificate_is_told() {
    let chain = vec![CertificateDer::from(&include_bytes!("tests/ecdsa.crt")[..])];
    let secret = PrivateKeyDer::Pkcs8(include_bytes!("tests/ecdsa.p8")[..].into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .unwrap();
    tls.alpn_protocols = vec![b"mosaic".to_vec()];
    let (outcome, words) = dialled(tls, Form::Certificate);
    assert_eq!(outcome, what::DIAL_FOREIGN_CERTIFICATE, "{words}");
}
