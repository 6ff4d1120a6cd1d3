//! What proves a key over a connection whose TLS proves none: a signature over both keys, both nonces and the
//! authority that was dialled. Nothing else is ever signed under this context.
//!
//! `mosaic server auth` or `mosaic client auth` ‖ 0x00 ‖ server key ‖ client key or zeros ‖ client nonce ‖
//! server nonce ‖ authority. Source: edition §2.

use crate::crypto::keys::{self, ExpandedSecret, KEY_LENGTH};
use crate::crypto::{hash, signature};

/// The context of these signatures.
pub const CONTEXT: &[u8] = b"Mosaic auth";

/// The length of either nonce (bytes).
pub const NONCE_LENGTH: usize = 32;

/// The longest authority: a name of 253 characters, a colon and a port.
pub const AUTHORITY_LIMIT: usize = 259;

const NOBODY: [u8; KEY_LENGTH] = [0; KEY_LENGTH];

/// Which side of the connection signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that was dialled.
    Server,
    /// The one that dialled.
    Client,
}

/// What both sides of one connection sign.
#[derive(Clone, Copy, Debug)]
pub struct Authentication<'a> {
    /// The server's key.
    pub server_key: [u8; KEY_LENGTH],
    /// The key that the client proves, or zeros.
    pub client_key: [u8; KEY_LENGTH],
    /// Chosen by the client.
    pub client_nonce: [u8; NONCE_LENGTH],
    /// Chosen by the server.
    pub server_nonce: [u8; NONCE_LENGTH],
    /// The host (and port) that the client has dialled.
    pub authority: &'a [u8],
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The seed is not that of the key that is to sign.
    OtherKey,
    /// A key that is not acceptable.
    Key,
    /// A client would sign without a nonce of the server's, which could be used again.
    NoNonce,
    /// The authority is none in its one form.
    Authority,
}

/// Whether the bytes can be an authority: lower-case letters, digits, `-`, `_`, `.`, `:` and brackets.
fn is_authority(bytes: &[u8]) -> bool {
    let allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'[' | b']');
    !bytes.is_empty() && bytes.len() <= AUTHORITY_LIMIT && bytes.iter().all(allowed)
}

impl Authentication<'_> {
    fn signed_bytes(&self, role: Role) -> Vec<u8> {
        let name: &[u8] = match role {
            Role::Server => b"mosaic server auth\0",
            Role::Client => b"mosaic client auth\0",
        };
        [
            name,
            &self.server_key,
            &self.client_key,
            &self.client_nonce,
            &self.server_nonce,
            self.authority,
        ]
        .concat()
    }

    /// The signature of one side, which must be the one whose secret this is.
    pub fn sign(&self, role: Role, secret: &ExpandedSecret) -> Result<[u8; 64], Refusal> {
        let own = match role {
            Role::Server => self.server_key,
            Role::Client => self.client_key,
        };
        if own != secret.public {
            return Err(Refusal::OtherKey);
        }
        let nobody = role == Role::Server && self.client_key == NOBODY;
        if keys::decompress_key(&self.server_key).is_none()
            || !(nobody || keys::decompress_key(&self.client_key).is_some())
        {
            return Err(Refusal::Key);
        }
        if role == Role::Client && self.server_nonce == [0; NONCE_LENGTH] {
            return Err(Refusal::NoNonce);
        }
        if !is_authority(self.authority) {
            return Err(Refusal::Authority);
        }
        let digest = hash::digest(&self.signed_bytes(role));
        Ok(signature::sign(secret, &digest, CONTEXT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ExpandedSecret {
        ExpandedSecret::from_seed(&[1; 32])
    }

    fn client() -> ExpandedSecret {
        ExpandedSecret::from_seed(&[2; 32])
    }

    fn sample() -> Authentication<'static> {
        Authentication {
            server_key: server().public,
            client_key: client().public,
            client_nonce: [3; 32],
            server_nonce: [4; 32],
            authority: b"mosaic.example:8443",
        }
    }

    fn verifies(
        sample: &Authentication<'_>,
        role: Role,
        key: &ExpandedSecret,
        by: &[u8; 64],
    ) -> bool {
        let digest = hash::digest(&sample.signed_bytes(role));
        signature::verify(&key.public, &digest, by, CONTEXT)
    }

    #[test]
    fn each_side_signs_for_itself() {
        let by_server = sample().sign(Role::Server, &server()).unwrap_or([0; 64]);
        let by_client = sample().sign(Role::Client, &client()).unwrap_or([0; 64]);
        assert!(verifies(&sample(), Role::Server, &server(), &by_server));
        assert!(verifies(&sample(), Role::Client, &client(), &by_client));
        assert!(!verifies(&sample(), Role::Client, &server(), &by_server));
        assert_eq!(
            sample().sign(Role::Server, &client()),
            Err(Refusal::OtherKey)
        );
        assert_eq!(
            sample().sign(Role::Client, &server()),
            Err(Refusal::OtherKey)
        );
    }

    #[test]
    fn a_server_signs_for_nobody_a_client_does_not() {
        let mut sample = sample();
        sample.client_key = NOBODY;
        sample.server_nonce = [0; 32];
        assert!(sample.sign(Role::Server, &server()).is_ok());
        assert_eq!(sample.sign(Role::Client, &client()), Err(Refusal::OtherKey));
        sample.client_key = client().public;
        assert_eq!(sample.sign(Role::Client, &client()), Err(Refusal::NoNonce));
    }

    #[test]
    fn nothing_else_is_signed() {
        let mut odd = sample();
        odd.client_key = [0xff; 32];
        assert_eq!(odd.sign(Role::Server, &server()), Err(Refusal::Key));
        for authority in [
            &b""[..],
            b"Mosaic.example",
            b"a b",
            b"a\0b",
            b"a/b",
            &[b'a'; 260],
        ] {
            odd = sample();
            odd.authority = authority;
            assert_eq!(odd.sign(Role::Server, &server()), Err(Refusal::Authority));
        }
    }
}
