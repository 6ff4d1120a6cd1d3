//! Recognises packets of connections that a listener had before it was restarted, and tells their senders.
//!
//! What answers such a packet proves by a token that it may end the
//! connection (RFC 9000, 10.3). The key of these tokens follows from the
//! listener's secret, so that it is the same after a restart.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use quinn_proto::crypto::{CryptoError, HmacKey};
use zeroize::Zeroizing;

const TOKENS: &str = "Mosaic 2026 QUIC stateless reset tokens";
const NAMES: &str = "Mosaic 2026 QUIC connection identifiers";
/// Bytes of a tag; a token is its first 16.
const TAG: usize = 32;

/// Lets a listener with this seed at this address recognise what was its own before.
///
/// The address counts as well: who could ask one listener for the tokens of
/// another with the same seed could end its connections (RFC 9000, 21.11).
pub fn recognise(config: &mut EndpointConfig, seed: &[u8; 32], address: SocketAddr) {
    let names = derive(NAMES, seed, address);
    let mut short = [0; 8];
    short.copy_from_slice(&names[..8]);
    let short = u64::from_le_bytes(short);
    config
        .reset_key(Arc::new(Tokens(derive(TOKENS, seed, address))))
        .cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(short)));
}

fn derive(purpose: &str, seed: &[u8; 32], address: SocketAddr) -> Zeroizing<[u8; TAG]> {
    let place = address.to_string();
    let material = Zeroizing::new([&seed[..], place.as_bytes()].concat());
    Zeroizing::new(blake3::derive_key(purpose, &material))
}

struct Tokens(Zeroizing<[u8; TAG]>);

impl HmacKey for Tokens {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(blake3::keyed_hash(&self.0, data).as_bytes());
    }

    fn signature_len(&self) -> usize {
        TAG
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let given: [u8; TAG] = signature.try_into().map_err(|_| CryptoError)?;
        // Compares in constant time.
        if blake3::keyed_hash(&self.0, data) == given {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}
