//! Whole handshakes in memory.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::client::Resumption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{Acceptor, ClientHello};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error, HandshakeKind,
    ProtocolVersion, ServerConfig, ServerConnection, SignatureScheme,
};

use super::any_client::AnyClient;
use super::client::ShowsOne;
use super::identity::Identity;
use super::server::server_config;
use super::*;
use crate::net::certificate::NAME;

const SERVER: [u8; 32] = [1; 32];
const CLIENT: [u8; 32] = [2; 32];
const FORMS: [Form; 2] = [Form::Certificate, Form::Raw];

fn key(seed: &[u8; 32]) -> Key {
    Identity::new(seed).unwrap().key
}

fn expect(key: Option<Key>, form: Form) -> Expected {
    Expected {
        key,
        form,
        witness: Witness::default(),
    }
}

/// A whole handshake in memory: both ends and the form of the client's key, or the first error.
fn shake(
    client: &Arc<ClientConfig>,
    choose: impl Fn(&ClientHello<'_>) -> (Arc<ServerConfig>, Form),
) -> Result<(ServerConnection, ClientConnection, Form), Error> {
    let mut client = ClientConnection::new(Arc::clone(client), server_name().unwrap())?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut &hello[..]).unwrap();
    let accepted = acceptor.accept().map_err(|(error, _)| error)?.unwrap();
    let (config, form) = choose(&accepted.client_hello());
    let mut server = accepted
        .into_connection(config)
        .map_err(|(error, _)| error)?;
    while server.wants_write() || client.wants_write() {
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
        bytes.clear();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    Ok((server, client, form))
}

#[test]
fn every_pair_of_forms_is_spoken_by_one_listener() {
    let configs = ServerConfigs::new(&SERVER).unwrap();
    for server_form in FORMS {
        for (seed, own_form) in [
            (None, Form::Certificate),
            (Some(&CLIENT), Form::Certificate),
            (Some(&CLIENT), Form::Raw),
        ] {
            let expected = expect(Some(key(&SERVER)), server_form);
            let config = client_config(expected, seed, own_form).unwrap();
            let (server, client, form) = shake(&config, |hello| configs.choose(hello)).unwrap();
            assert_eq!(proven_key(&server, form), seed.map(key));
            assert_eq!(proven_key(&client, server_form), Some(key(&SERVER)));
            assert_eq!(server.alpn_protocol(), Some(ALPN));
            assert_eq!(server.server_name(), Some(NAME));
            assert_eq!(server.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        }
    }
}

/// Counts the client certificates that arrive.
#[derive(Debug)]
struct Counting(AnyClient, Arc<AtomicUsize>);

impl ClientCertVerifier for Counting {
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        cert: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.verify_client_cert(cert, more, now)
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }
}

#[test]
fn a_wrong_server_key_is_refused_before_our_certificate_goes_out() {
    let identity = Identity::new(&SERVER).unwrap();
    for form in FORMS {
        let seen = Arc::new(AtomicUsize::new(0));
        let shown = identity.shown_as(form).unwrap();
        let plain = server_config(form, &shown, Some(form)).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(Counting(AnyClient(form), Arc::clone(&seen))))
            .with_cert_resolver(Arc::clone(&plain.cert_resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        let config = Arc::new(config);
        let choose = |_: &ClientHello<'_>| (Arc::clone(&config), form);

        let wrong = expect(Some(key(&CLIENT)), form);
        let witness = wrong.witness.clone();
        let dialler = client_config(wrong, Some(&CLIENT), form).unwrap();
        assert!(shake(&dialler, choose).is_err());
        assert_eq!(witness.refusal(), Some(Refusal::WrongKey(key(&SERVER))));
        assert_eq!(seen.load(Ordering::SeqCst), 0);

        let right = expect(Some(key(&SERVER)), form);
        let dialler = client_config(right, Some(&CLIENT), form).unwrap();
        assert!(shake(&dialler, choose).is_ok());
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn sessions_are_never_resumed_though_tickets_are_sent() {
    let configs = ServerConfigs::new(&SERVER).unwrap();
    let expected = expect(None, Form::Certificate);
    let config = client_config(expected, Some(&CLIENT), Form::Certificate).unwrap();
    let mut eager = (*config).clone();
    eager.resumption = Resumption::in_memory_sessions(8);
    eager.enable_early_data = true;
    let eager = Arc::new(eager);
    for _ in 0..3 {
        let (server, client, form) = shake(&eager, |hello| configs.choose(hello)).unwrap();
        assert_eq!(client.tls13_tickets_received(), 2);
        assert!(!client.is_early_data_accepted());
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(proven_key(&server, form), Some(key(&CLIENT)));
    }
}

/// Signs with a key that its certificate does not show.
fn impostor(shown: &[u8; 32], secret: &[u8; 32], form: Form) -> Arc<CertifiedKey> {
    let cert = Identity::new(shown).unwrap().shown_as(form).unwrap();
    let signing = Identity::new(secret).unwrap().signing;
    Arc::new(CertifiedKey::new(cert.cert.clone(), signing))
}

#[test]
fn a_key_that_is_shown_but_not_held_proves_nothing() {
    let configs = ServerConfigs::new(&SERVER).unwrap();
    for form in FORMS {
        let expected = expect(None, Form::Certificate);
        let mut config = (*client_config(expected, Some(&CLIENT), form).unwrap()).clone();
        let shown = impostor(&[9; 32], &CLIENT, form);
        config.client_auth_cert_resolver = Arc::new(ShowsOne { shown, form });
        assert!(shake(&Arc::new(config), |hello| configs.choose(hello)).is_err());

        let shown = impostor(&SERVER, &[9; 32], form);
        let server = server_config(form, &shown, Some(form)).unwrap();
        let expected = expect(Some(key(&SERVER)), form);
        let witness = expected.witness.clone();
        let config = client_config(expected, None, form).unwrap();
        assert!(shake(&config, |_| (Arc::clone(&server), form)).is_err());
        assert_eq!(witness.refusal(), None);
    }
}
