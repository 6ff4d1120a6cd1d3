//! The rules of TLS here: Ed25519 only, the key is the identity, no authorities, no names, no resumption.
//!
//! A rustls configuration speaks either X.509 or raw public keys in each
//! direction, so a listener has one for each pair and chooses by the
//! ClientHello. TLS 1.2 gets one of its own, which asks for no certificate.

use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    AlwaysResolvesServerRawPublicKeys, CertificateType, ClientHello, StoresServerSessions,
};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    ProtocolVersion, ServerConfig, SignatureScheme,
};

use super::certificate::{self, Key, NAME, Shown};
use crate::crypto::keys::decompress_key;

/// The protocol's name in ALPN.
const ALPN: &[u8] = b"mosaic";

/// How a side shows its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A self-signed X.509 certificate.
    Certificate,
    /// A raw public key (RFC 7250).
    Raw,
}

impl Form {
    /// Reads and judges what was shown.
    fn judge(self, bytes: &[u8]) -> Shown {
        let shown = match self {
            Self::Raw => certificate::read_raw(bytes),
            Self::Certificate => certificate::read_certificate(bytes, is_signed),
        };
        match shown {
            // Anybody can sign with a key of small order.
            Shown::Key(key) if decompress_key(&key).is_none() => {
                Shown::Broken("the key is not an acceptable Ed25519 key")
            }
            shown => shown,
        }
    }

    /// Reads again what was judged before.
    fn read(self, bytes: &[u8]) -> Shown {
        match self {
            Self::Raw => certificate::read_raw(bytes),
            Self::Certificate => certificate::read_certificate(bytes, |_, _, _| true),
        }
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    ring::default_provider().signature_verification_algorithms
}

fn is_signed(key: &Key, message: &[u8], signature: &[u8]) -> bool {
    algorithms()
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == SignatureScheme::ED25519)
        .and_then(|(_, found)| found.first())
        .is_some_and(|ed25519| ed25519.verify_signature(key, message, signature).is_ok())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Our own key in a form that rustls can show.
struct Identity {
    signing: Arc<dyn SigningKey>,
    key: Key,
}

impl Identity {
    fn new(seed: &[u8; 32]) -> Result<Self, Error> {
        let bytes = certificate::pkcs8(seed);
        let secret = PrivatePkcs8KeyDer::from(&bytes[..]);
        let signing = ring::sign::any_eddsa_type(&secret)?;
        let info = signing
            .public_key()
            .ok_or_else(|| Error::General("the signing key has no public key".into()))?;
        match certificate::read_raw(&info) {
            Shown::Key(key) => Ok(Self { signing, key }),
            _ => Err(Error::General("the signing key is not Ed25519".into())),
        }
    }

    fn shown_as(&self, form: Form) -> Result<Arc<CertifiedKey>, Error> {
        let bytes = match form {
            Form::Raw => certificate::spki(&self.key),
            Form::Certificate => certificate::self_signed(&self.key, |body| self.sign(body))?,
        };
        Ok(Arc::new(CertifiedKey::new(
            vec![CertificateDer::from(bytes)],
            Arc::clone(&self.signing),
        )))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signing
            .choose_scheme(&[SignatureScheme::ED25519])
            .ok_or_else(|| Error::General("the signing key does not sign Ed25519".into()))?
            .sign(message)
    }
}

/// Checks the signature of a handshake with a key that was shown in some form.
fn verify_handshake(
    key: &Key,
    message: &[u8],
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SignatureScheme::ED25519 || !is_signed(key, message, signed.signature()) {
        return Err(Error::InvalidCertificate(CertificateError::BadSignature));
    }
    Ok(HandshakeSignatureValid::assertion())
}

// --- server -----------------------------------------------------------------------------------

/// What a listener speaks.
pub struct ServerConfigs {
    /// By the form of the server's key and of the client's.
    forms: [[Arc<ServerConfig>; 2]; 2],
    old: Arc<ServerConfig>,
}

impl ServerConfigs {
    /// Makes them for the listener's own key.
    pub fn new(seed: &[u8; 32]) -> Result<Self, Error> {
        let identity = Identity::new(seed)?;
        let certified = identity.shown_as(Form::Certificate)?;
        let raw = identity.shown_as(Form::Raw)?;
        let pair = |own: Form| -> Result<[Arc<ServerConfig>; 2], Error> {
            let one = |peer: Form| {
                let shown = match own {
                    Form::Certificate => &certified,
                    Form::Raw => &raw,
                };
                server_config(own, shown, Some(peer))
            };
            Ok([one(Form::Certificate)?, one(Form::Raw)?])
        };
        Ok(Self {
            forms: [pair(Form::Certificate)?, pair(Form::Raw)?],
            old: server_config(Form::Certificate, &certified, None)?,
        })
    }

    /// The configuration that this client can speak, and the form in which it shows its key.
    pub fn choose(&self, hello: &ClientHello<'_>) -> (Arc<ServerConfig>, Form) {
        if !hello.cipher_suites().iter().any(is_of_tls13) {
            return (Arc::clone(&self.old), Form::Certificate);
        }
        let own = form_of(hello.server_cert_types());
        let peer = form_of(hello.client_cert_types());
        (Arc::clone(&self.forms[own as usize][peer as usize]), peer)
    }
}

fn form_of(types: Option<&[CertificateType]>) -> Form {
    match types {
        Some(types) if types.contains(&CertificateType::RawPublicKey) => Form::Raw,
        _ => Form::Certificate,
    }
}

fn is_of_tls13(suite: &CipherSuite) -> bool {
    u16::from(*suite) >> 8 == 0x13
}

fn server_config(
    own: Form,
    shown: &Arc<CertifiedKey>,
    peer: Option<Form>,
) -> Result<Arc<ServerConfig>, Error> {
    // The one that speaks TLS 1.2 knows 1.3 as well, so that rustls marks a downgrade.
    let versions: &[&rustls::SupportedProtocolVersion] = match peer {
        Some(_) => &[&TLS13],
        None => &[&TLS13, &TLS12],
    };
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
    let builder = match peer {
        Some(form) => builder.with_client_cert_verifier(Arc::new(AnyClient(form))),
        None => builder.with_no_client_auth(),
    };
    let mut config = match own {
        Form::Raw => builder.with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
            Arc::clone(shown),
        ))),
        Form::Certificate => builder.with_cert_resolver(Arc::new(Always(Arc::clone(shown)))),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(Forgetful);
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Shows the same certificate to everybody, whatever the name asked for.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Hands out tickets and forgets them, so that every link proves its key anew.
///
/// Without tickets the server has nothing to send after the handshake, and a
/// client without TCP_NODELAY waits 40 ms for its first acknowledgement.
#[derive(Debug)]
struct Forgetful;

impl StoresServerSessions for Forgetful {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        true
    }

    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// Takes any client: with an Ed25519 key that it proves, or anonymous.
#[derive(Debug)]
struct AnyClient(Form);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.0.judge(end_entity) {
            Shown::Key(_) | Shown::Foreign => Ok(ClientCertVerified::assertion()),
            Shown::Broken(_) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General(
            "TLS 1.2 is spoken without client certificates".into(),
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.0.read(cert) {
            Shown::Key(key) => verify_handshake(&key, message, signed),
            // Anonymous whether or not it signed: `proven_key` gives none.
            Shown::Foreign => Ok(HandshakeSignatureValid::assertion()),
            Shown::Broken(_) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0 == Form::Raw
    }
}

/// The key that the peer of a finished handshake has proven, if any. (In TLS 1.2 nobody is asked.)
pub fn proven_key(state: &rustls::CommonState, form: Form) -> Option<Key> {
    if state.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    match form.read(state.peer_certificates()?.first()?) {
        Shown::Key(key) => Some(key),
        _ => None,
    }
}

// --- client -----------------------------------------------------------------------------------

/// What a server that is dialled has shown inside the handshake.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<Option<Key>>>);

impl Witness {
    /// The wrong key that it proved, if that is why the handshake failed.
    pub fn wrong_key(&self) -> Option<Key> {
        *super::lock(&self.0)
    }
}

/// The server that is dialled, and what is remembered of it.
#[derive(Debug)]
pub struct Expected {
    /// Its key, if one is expected.
    pub key: Option<Key>,
    /// How it is to show its key.
    pub form: Form,
    /// Learns of a wrong key.
    pub witness: Witness,
}

/// The configuration to dial with: whom we expect, and our own seed if we show a key.
pub fn client_config(
    server: Expected,
    seed: Option<&[u8; 32]>,
    own_form: Form,
) -> Result<Arc<ClientConfig>, Error> {
    // Raw keys exist in TLS 1.3 only, and 1.2 would show our certificate to everybody on the way.
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(server));
    let mut config = match seed {
        None => builder.with_no_client_auth(),
        Some(seed) => builder.with_client_cert_resolver(Arc::new(ShowsOne {
            shown: Identity::new(seed)?.shown_as(own_form)?,
            form: own_form,
        })),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(Arc::new(config))
}

/// The name that goes into SNI.
pub fn server_name() -> Result<ServerName<'static>, Error> {
    ServerName::try_from(NAME).map_err(|_| Error::General("the server name is not one".into()))
}

#[derive(Debug)]
struct ShowsOne {
    shown: Arc<CertifiedKey>,
    form: Form,
}

impl rustls::client::ResolvesClientCert for ShowsOne {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        schemes
            .contains(&SignatureScheme::ED25519)
            .then(|| Arc::clone(&self.shown))
    }

    fn has_certs(&self) -> bool {
        true
    }

    fn only_raw_public_keys(&self) -> bool {
        self.form == Form::Raw
    }
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.form.judge(end_entity) {
            Shown::Key(_) => Ok(ServerCertVerified::assertion()),
            Shown::Foreign => Err(Error::General(
                "the server's certificate is not an Ed25519 one".into(),
            )),
            Shown::Broken(reason) => Err(Error::General(reason.into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls13_signature(message, cert, signed)
    }

    /// Compares the key as soon as it is proven, and before our own certificate goes out.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Shown::Key(key) = self.form.read(cert) else {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        };
        let valid = verify_handshake(&key, message, signed)?;
        if self.key.is_some_and(|expected| expected != key) {
            *super::lock(&self.witness.0) = Some(key);
            return Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.form == Form::Raw
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustls::server::Acceptor;
    use rustls::{ClientConnection, HandshakeKind, ServerConnection};

    use super::*;

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
            assert_eq!(witness.wrong_key(), Some(key(&SERVER)));
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
        let eager = Arc::new(eager);
        for _ in 0..3 {
            let (server, client, form) = shake(&eager, |hello| configs.choose(hello)).unwrap();
            assert_eq!(client.tls13_tickets_received(), 2);
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
            assert_eq!(witness.wrong_key(), None);
        }
    }

    #[test]
    fn keys_of_small_order_are_broken() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        for small in [identity_point, [0; 32]] {
            let raw = certificate::spki(&small);
            assert!(matches!(Form::Raw.judge(&raw), Shown::Broken(_)));
        }
        let good = certificate::spki(&key(&CLIENT));
        assert_eq!(Form::Raw.judge(&good), Shown::Key(key(&CLIENT)));
    }

    #[test]
    fn our_own_certificate_passes_our_own_judgement() {
        let shown = Identity::new(&SERVER)
            .unwrap()
            .shown_as(Form::Certificate)
            .unwrap();
        let bytes = shown.cert.first().unwrap();
        assert_eq!(Form::Certificate.judge(bytes), Shown::Key(key(&SERVER)));
        let mut forged = bytes.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        assert!(matches!(Form::Certificate.judge(&forged), Shown::Broken(_)));
    }
}
