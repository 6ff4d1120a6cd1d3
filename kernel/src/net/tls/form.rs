//! How a key is shown, and what is read from it.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::crypto::keys::decompress_key;
use crate::net::certificate::{self, Key, Shown};

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
    pub(super) fn judge(self, bytes: &[u8]) -> Shown {
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
    pub(super) fn read(self, bytes: &[u8]) -> Shown {
        match self {
            Self::Raw => certificate::read_raw(bytes),
            Self::Certificate => certificate::read_certificate(bytes, |_, _, _| true),
        }
    }
}

pub(super) fn algorithms() -> WebPkiSupportedAlgorithms {
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

/// Checks the signature of a handshake with a key that was shown in some form.
pub(super) fn verify_handshake(
    key: &Key,
    message: &[u8],
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SignatureScheme::ED25519 || !is_signed(key, message, signed.signature()) {
        return Err(Error::InvalidCertificate(CertificateError::BadSignature));
    }
    Ok(HandshakeSignatureValid::assertion())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::crypto::keys::ExpandedSecret;

    #[test]
    fn keys_of_small_order_are_broken() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        for small in [identity_point, [0; 32]] {
            let raw = certificate::spki(&small);
            assert!(matches!(Form::Raw.judge(&raw), Shown::Broken(_)));
        }
        let key = ExpandedSecret::from_seed(&[2; 32]).public;
        let good = certificate::spki(&key);
        assert_eq!(Form::Raw.judge(&good), Shown::Key(key));
    }
}
