//! What a listener speaks: one configuration for each pair of forms, chosen by the ClientHello.

use std::sync::Arc;

use rustls::server::{
    AlwaysResolvesServerRawPublicKeys, CertificateType, ClientHello, StoresServerSessions,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, Error, ServerConfig};

use super::any_client::AnyClient;
use super::form::Form;
use super::identity::Identity;
use super::{ALPN, provider};

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

    /// The configuration for our key and the client's shown in these forms, for TLS 1.3.
    pub fn pair(&self, own: Form, peer: Form) -> &Arc<ServerConfig> {
        &self.forms[own as usize][peer as usize]
    }

    /// The same, where clients may ask for another protocol as well.
    pub fn also_speaking(mut self, protocol: &[u8]) -> Self {
        let forms = self.forms.iter_mut().flatten();
        for config in forms.chain(std::iter::once(&mut self.old)) {
            let protocols = &mut Arc::make_mut(config).alpn_protocols;
            protocols.push(protocol.to_vec());
        }
        self
    }

    /// The configuration that this client can speak, and the form in which it shows its key.
    pub fn choose(&self, hello: &ClientHello<'_>) -> (Arc<ServerConfig>, Form) {
        if !hello.cipher_suites().iter().any(is_of_tls13) {
            return (Arc::clone(&self.old), Form::Certificate);
        }
        let (own, peer) = forms_of(hello);
        (Arc::clone(self.pair(own, peer)), peer)
    }
}

/// The forms that a client asks for: of our key, and of its own.
pub fn forms_of(hello: &ClientHello<'_>) -> (Form, Form) {
    (
        form_of(hello.server_cert_types()),
        form_of(hello.client_cert_types()),
    )
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

pub(super) fn server_config(
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
pub(super) struct Forgetful;

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
