//! Ed25519ph over a 64-byte BLAKE3 digest: making one signature and checking one.
//!
//! Only the prehash is BLAKE3; the inner hashes stay SHA-512. The check is the cofactored
//! equation 8·S·B = 8·R + 8·k·A with S under the group order, A and R canonical, and A not of
//! small order. Source: RFC 8032, section 5.1; cryptography.md; edition §3.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::hash::DIGEST_LENGTH;
use crate::crypto::keys::{self, ExpandedSecret};

/// The context of all that Mosaic signs as records and attestations.
pub const CONTEXT: &[u8] = b"Mosaic";

/// The greatest context (bytes): its length is one byte.
pub const CONTEXT_LIMIT: usize = 255;

const DOMAIN: &[u8] = b"SigEd25519 no Ed25519 collisions";

/// SHA-512 that has taken dom2(1, context). A context over 255 bytes is the caller's mistake and is cut.
fn domain_hasher(context: &[u8]) -> Sha512 {
    let context = &context[..context.len().min(CONTEXT_LIMIT)];
    let mut hasher = Sha512::new();
    hasher.update(DOMAIN);
    hasher.update([1, context.len() as u8]);
    hasher.update(context);
    hasher
}

fn wide_scalar(hasher: Sha512) -> Scalar {
    let mut wide = Zeroizing::new([0; 64]);
    hasher.finalize_into((&mut *wide).into());
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// k = SHA-512(dom2 ‖ R ‖ A ‖ digest) modulo the group order.
fn challenge(r: &[u8; 32], key: &[u8; 32], digest: &[u8; DIGEST_LENGTH], context: &[u8]) -> Scalar {
    let mut hasher = domain_hasher(context);
    hasher.update(r);
    hasher.update(key);
    hasher.update(digest);
    wide_scalar(hasher)
}

/// Signs a digest. Deterministic; the secret nonce is wiped.
pub(super) fn sign(
    secret: &ExpandedSecret,
    digest: &[u8; DIGEST_LENGTH],
    context: &[u8],
) -> [u8; 64] {
    let mut hasher = domain_hasher(context);
    hasher.update(secret.prefix);
    hasher.update(digest);
    let mut nonce = wide_scalar(hasher);
    let r = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
    let s = nonce + challenge(&r, &secret.public, digest, context) * secret.scalar;
    nonce.zeroize();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(s.as_bytes());
    signature
}

/// A signature whose parts are acceptable by themselves; only the equation is still to be checked.
#[derive(Clone)]
pub struct Prepared {
    /// The encoding of `key_point`; equal keys share a term of a batch.
    pub key: [u8; 32],
    /// A.
    pub key_point: EdwardsPoint,
    /// R.
    pub r: EdwardsPoint,
    /// S, under the group order.
    pub s: Scalar,
    /// The challenge.
    pub k: Scalar,
}

impl Prepared {
    /// Takes a signature apart; nothing if S or R are not acceptable. `key_point` is the acceptable key's point.
    pub fn new(
        key: &[u8; 32],
        key_point: EdwardsPoint,
        digest: &[u8; DIGEST_LENGTH],
        signature: &[u8; 64],
        context: &[u8],
    ) -> Option<Self> {
        let mut r_bytes = [0; 32];
        let mut s_bytes = [0; 32];
        r_bytes.copy_from_slice(&signature[..32]);
        s_bytes.copy_from_slice(&signature[32..]);
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s_bytes))?;
        let r = keys::decompress(&r_bytes)?;
        let k = challenge(&r_bytes, key, digest, context);
        Some(Self {
            key: *key,
            key_point,
            r,
            s,
            k,
        })
    }

    /// The cofactored equation for this signature alone.
    pub fn holds(&self) -> bool {
        let sum =
            EdwardsPoint::vartime_double_scalar_mul_basepoint(&self.k, &-self.key_point, &self.s);
        (sum - self.r).mul_by_cofactor().is_identity()
    }
}

/// Checks one signature with all rules.
pub fn verify(
    key: &[u8; 32],
    digest: &[u8; DIGEST_LENGTH],
    signature: &[u8; 64],
    context: &[u8],
) -> bool {
    keys::decompress_key(key)
        .and_then(|point| Prepared::new(key, point, digest, signature, context))
        .is_some_and(|prepared| prepared.holds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash::digest;
    use curve25519_dalek::constants::EIGHT_TORSION;

    fn secret() -> ExpandedSecret {
        ExpandedSecret::from_seed(&[7; 32])
    }

    #[test]
    fn what_is_signed_verifies() {
        let digest = digest(b"a record");
        let signature = sign(&secret(), &digest, CONTEXT);
        assert!(verify(&secret().public, &digest, &signature, CONTEXT));
        assert!(!verify(
            &secret().public,
            &digest,
            &signature,
            b"Mosaic auth"
        ));
        assert!(!verify(&secret().public, &digest, &signature, b""));
        assert_eq!(
            signature,
            sign(&secret(), &digest, CONTEXT),
            "deterministic"
        );
    }

    #[test]
    fn every_bit_counts() {
        let mut digest = digest(b"a record");
        let mut signature = sign(&secret(), &digest, CONTEXT);
        for bit in 0..512 {
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&secret().public, &digest, &signature, CONTEXT));
            signature[bit / 8] ^= 1 << (bit % 8);
            digest[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&secret().public, &digest, &signature, CONTEXT));
            digest[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn rfc_8032_agrees_on_ed25519ph() {
        // Section 7.3: "abc", prehashed by SHA-512, no context.
        let hex = |text: &str| -> Vec<u8> {
            let digits = text
                .as_bytes()
                .chunks(2)
                .map(|pair| std::str::from_utf8(pair).unwrap_or_default());
            digits
                .map(|pair| u8::from_str_radix(pair, 16).unwrap_or_default())
                .collect()
        };
        let seed = hex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42");
        let expected = hex(concat!(
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41",
            "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
        ));
        let mut prehash = [0; 64];
        prehash.copy_from_slice(&Sha512::digest(b"abc"));
        let secret = ExpandedSecret::from_seed(&seed.try_into().unwrap_or_default());
        assert_eq!(sign(&secret, &prehash, b"").to_vec(), expected);
    }

    #[test]
    fn s_from_the_group_order_on_is_refused() {
        let digest = digest(b"a record");
        let mut signature = sign(&secret(), &digest, CONTEXT);
        // The group order, little-endian, added to S.
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + add + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(!verify(&secret().public, &digest, &signature, CONTEXT));
    }

    #[test]
    fn torsion_in_r_does_not_matter() {
        let secret = secret();
        let digest = digest(b"a record");
        let nonce = Scalar::from(123_456_789_u64);
        for torsion in EIGHT_TORSION {
            let r = (EdwardsPoint::mul_base(&nonce) + torsion)
                .compress()
                .to_bytes();
            let s = nonce + challenge(&r, &secret.public, &digest, CONTEXT) * secret.scalar;
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r);
            signature[32..].copy_from_slice(s.as_bytes());
            assert!(verify(&secret.public, &digest, &signature, CONTEXT));
        }
    }
}
