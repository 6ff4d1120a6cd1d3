//! Whom a server lets in: everybody, with a key that is proven or without one.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::form::{Form, verify_handshake};
use crate::net::certificate::Shown;

/// Takes any client: with an Ed25519 key that it proves, or anonymous.
#[derive(Debug)]
pub(super) struct AnyClient(pub(super) Form);

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
