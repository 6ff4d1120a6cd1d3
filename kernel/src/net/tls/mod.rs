//! The rules of TLS here: Ed25519 only, the key is the identity, no authorities, no names, no resumption.
//!
//! A rustls configuration speaks either X.509 or raw public keys in each
//! direction, so a listener has one for each pair and chooses by the
//! ClientHello. TLS 1.2 gets one of its own, which asks for no certificate.

mod any_client;
mod browser;
mod client;
mod form;
mod identity;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::ProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};

use super::certificate::{Key, Shown};
pub use browser::{HTTP, HostFiles, Hosts, client_config as browser_config};
pub use client::{Expected, Refusal, Witness, client_config, server_name};
pub use form::Form;
pub use server::{ServerConfigs, forms_of};

/// The protocol's name in ALPN.
const ALPN: &[u8] = b"mosaic";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The key that the peer of a finished handshake has proven, if any. (In TLS 1.2 nobody is asked.)
pub fn proven_key(state: &rustls::CommonState, form: Form) -> Option<Key> {
    if state.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    key_shown(form, state.peer_certificates()?.first()?)
}

/// The key in what the peer of a finished handshake has shown.
pub fn key_shown(form: Form, bytes: &[u8]) -> Option<Key> {
    match form.read(bytes) {
        Shown::Key(key) => Some(key),
        _ => None,
    }
}
