//! Both ends of links in one process, whatever the transport.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use zeroize::Zeroizing;

use super::certificate::Key;
use super::dial::Dial;
use super::engine::Engine;
use super::frame::Limits;
use super::inbox::{Event, what};
use super::quic;
use super::shared::Settings;
use super::tls::Form;
use crate::crypto::keys::ExpandedSecret;

pub const SERVER: [u8; 32] = [1; 32];
pub const CLIENT: [u8; 32] = [2; 32];
/// A frame of 9 bytes.
pub const FRAME: [u8; 9] = [5, 0, 0, 0, 9, 0, 0, 0, 42];

pub fn key(seed: &[u8; 32]) -> Key {
    ExpandedSecret::from_seed(seed).public
}

pub fn engine() -> Engine {
    engine_with(quic::Settings::default())
}

pub fn engine_with(quic: quic::Settings) -> Engine {
    Engine::new(settings(quic)).unwrap()
}

pub fn settings(quic: quic::Settings) -> Settings {
    Settings {
        limits: Limits::new(&[1_000; 256], &[0; 256], 1_000).unwrap(),
        spool_folder: std::env::temp_dir(),
        inbox_bytes: 1 << 20,
        link_inbox_bytes: 1 << 20,
        link_outbox_bytes: 1 << 20,
        handshake: Duration::from_secs(10),
        most_half_open: 512,
        workers: 1,
        quic,
    }
}

pub fn plan(port: u16, seed: Option<[u8; 32]>, server_form: Form, own_form: Form) -> Dial {
    Dial {
        host: "127.0.0.1".into(),
        port,
        server_key: Some(key(&SERVER)),
        seed: seed.map(Zeroizing::new),
        server_form,
        own_form,
        patience: Duration::from_secs(10),
        proxy: None,
    }
}

/// The next event; waits for it.
pub fn next(engine: &Engine) -> Event {
    let inbox = &engine.shared().inbox;
    let mut poll = libc::pollfd {
        fd: inbox.fileno(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, which lives through the call.
    assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 20_000) }, 1);
    inbox.take(1).0.pop().unwrap()
}

/// How an engine listens or dials with some transport.
type Listen = fn(&Engine, &str, u16, &[u8; 32]) -> std::io::Result<u16>;
type Begin = fn(&Engine, Dial) -> std::io::Result<u64>;

const TRANSPORTS: [(Listen, Begin); 2] = [
    (Engine::listen_tcp, Engine::dial_tcp),
    (Engine::listen_quic, Engine::dial_quic),
];

#[test]
fn one_port_speaks_every_pair_of_forms() {
    for (listen, begin) in TRANSPORTS {
        let (server, client) = (engine(), engine());
        let port = listen(&server, "127.0.0.1", 0, &SERVER).unwrap();
        for server_form in [Form::Certificate, Form::Raw] {
            for (seed, own_form) in [
                (None, Form::Certificate),
                (Some(CLIENT), Form::Certificate),
                (Some(CLIENT), Form::Raw),
            ] {
                let number = begin(&client, plan(port, seed, server_form, own_form)).unwrap();
                let opened = next(&client);
                let words = String::from_utf8_lossy(&opened.data).into_owned();
                assert_eq!(
                    (opened.what, opened.link.number),
                    (what::OPENED, number),
                    "{words}"
                );
                assert_eq!(opened.data[..], key(&SERVER));
                opened.link.send(&FRAME).unwrap();
                let heard = next(&server);
                let shown = seed.as_ref().map(key);
                assert_eq!(heard.what, what::OPENED);
                assert_eq!(
                    heard.data[..],
                    *shown.as_ref().map_or(&[][..], |key| &key[..])
                );
                let event = next(&server);
                assert_eq!((event.what, &event.data[..]), (5, &FRAME[..]));
            }
        }
    }
}

#[test]
fn after_shutdown_nothing_begins() {
    for (listen, begin) in TRANSPORTS {
        let engine = engine();
        engine.shutdown(Duration::ZERO);
        assert!(listen(&engine, "127.0.0.1", 0, &SERVER).is_err());
        assert!(begin(&engine, plan(1, None, Form::Raw, Form::Raw)).is_err());
    }
}
