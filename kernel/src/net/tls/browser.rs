//! Certificates of authorities: by which browsers know our hosts, and by which we know others'.
//!
//! They prove a name, no key. Who is behind it is proven in the first messages.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use zeroize::Zeroizing;

use super::provider;
use super::server::Forgetful;
use crate::net::certificate::NAME;

/// The name of HTTP in ALPN.
pub const HTTP: &[u8] = b"http/1.1";

/// A host's name, its chain of certificates in PEM and its secret key in PEM.
pub type HostFiles = (String, Vec<u8>, Zeroizing<Vec<u8>>);

/// The hosts that a listener has certificates of authorities for.
pub struct Hosts {
    by_name: HashMap<String, Arc<ServerConfig>>,
    /// Refuses every handshake with an alert.
    unknown: Arc<ServerConfig>,
}

impl Hosts {
    /// What is wrong with them, in words.
    pub fn new(hosts: &[HostFiles]) -> Result<Self, String> {
        let mut by_name = HashMap::new();
        for (name, chain, key) in hosts {
            let name = name.to_ascii_lowercase();
            let config =
                host_config(&name, chain, key).map_err(|reason| format!("{name}: {reason}"))?;
            by_name.insert(name, config);
        }
        Ok(Self {
            by_name,
            unknown: server_config(Arc::new(Nobody)).map_err(|error| error.to_string())?,
        })
    }

    /// What to speak with a client that asks for that name; nothing if it does not ask for a host.
    pub fn choose(&self, name: Option<&str>) -> Option<Arc<ServerConfig>> {
        let name = name?.to_ascii_lowercase();
        if name == NAME {
            return None;
        }
        let found = self.by_name.get(&name).unwrap_or(&self.unknown);
        Some(Arc::clone(found))
    }
}

fn host_config(name: &str, chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, String> {
    let chain = certificates(chain)?;
    let server = ServerName::try_from(name)
        .map_err(|_| "this is not the name of a host".to_owned())?
        .to_owned();
    if !matches!(server, ServerName::DnsName(_)) || name == NAME {
        return Err("browsers ask for hosts by their names, so give one".into());
    }
    if let Some(own) = chain.first() {
        ParsedCertificate::try_from(own)
            .and_then(|own| verify_server_name(&own, &server))
            .map_err(|error| format!("the first certificate is not one of this host: {error}"))?;
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        format!("there is no secret key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted): {error}")
    })?;
    let shown = CertifiedKey::from_der(chain, key, &provider())
        .map_err(|error| format!("the key does not serve for the certificate: {error}"))?;
    server_config(Arc::new(Shows(Arc::new(shown)))).map_err(|error| error.to_string())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("there is no certificate in PEM".into()),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("the certificates are not PEM: {error}")),
    }
}

fn server_config(shown: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![HTTP.to_vec()];
    config.session_storage = Arc::new(Forgetful);
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Shows one chain.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Has no certificate for the name that was asked for.
#[derive(Debug)]
struct Nobody;

impl ResolvesServerCert for Nobody {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// How to dial a host that one of these authorities (PEM) vouches for. What is wrong with them, in words.
pub fn client_config(authorities: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(certificates(authorities)?);
    if taken == 0 {
        return Err("none of the certificates can be an authority's".into());
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| error.to_string())?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| error.to_string())?
        .with_webpki_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
