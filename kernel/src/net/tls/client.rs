//! How we dial: whom we expect, and what we show.

use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::form::{Form, algorithms, verify_handshake};
use super::identity::Identity;
use super::{ALPN, provider};
use crate::net::certificate::{Key, NAME, Shown};
use crate::net::lock;

/// Why we refused a server inside the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It proved this key and another one was expected.
    WrongKey(Key),
    /// Its certificate is not one of an Ed25519 key that has signed itself.
    Foreign(&'static str),
}

/// Remembers what the errors of the handshake can't tell.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<Option<Refusal>>>);

impl Witness {
    /// Why the server was refused, if it was.
    pub fn refusal(&self) -> Option<Refusal> {
        lock(&self.0).clone()
    }

    fn remember(&self, refusal: Refusal) {
        *lock(&self.0) = Some(refusal);
    }
}

/// The server that is dialled, and what is remembered of it.
#[derive(Debug)]
pub struct Expected {
    /// Its key, if one is expected.
    pub key: Option<Key>,
    /// How it is to show its key.
    pub form: Form,
    /// Learns why it was refused.
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
pub(super) struct ShowsOne {
    pub(super) shown: Arc<CertifiedKey>,
    pub(super) form: Form,
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

impl Expected {
    fn foreign(&self, reason: &'static str) -> Error {
        self.witness.remember(Refusal::Foreign(reason));
        Error::InvalidCertificate(CertificateError::BadEncoding)
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
            Shown::Foreign => Err(self.foreign("the server's certificate is not an Ed25519 one")),
            Shown::Broken(reason) => Err(self.foreign(reason)),
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
            self.witness.remember(Refusal::WrongKey(key));
            return Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        Ok(valid)
    }

    /// All that can be read, though only Ed25519 is ever accepted: a server that has no such key
    /// then shows what it has, and we can say so.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = algorithms().supported_schemes();
        schemes.sort_by_key(|scheme| *scheme != SignatureScheme::ED25519);
        schemes
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.form == Form::Raw
    }
}
