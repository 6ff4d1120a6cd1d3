//! Our own key in the forms that rustls can show.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, SignatureScheme};

use super::form::Form;
use crate::net::certificate::{self, Key, Shown};

/// Our own key in a form that rustls can show.
pub(super) struct Identity {
    pub(super) signing: Arc<dyn SigningKey>,
    pub(super) key: Key,
}

impl Identity {
    pub(super) fn new(seed: &[u8; 32]) -> Result<Self, Error> {
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

    pub(super) fn shown_as(&self, form: Form) -> Result<Arc<CertifiedKey>, Error> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn our_own_certificate_passes_our_own_judgement() {
        let identity = Identity::new(&[1; 32]).unwrap();
        let shown = identity.shown_as(Form::Certificate).unwrap();
        let bytes = shown.cert.first().unwrap();
        assert_eq!(Form::Certificate.judge(bytes), Shown::Key(identity.key));
        let mut forged = bytes.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        assert!(matches!(Form::Certificate.judge(&forged), Shown::Broken(_)));
    }
}
