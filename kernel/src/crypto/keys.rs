//! Which 32 bytes are a point, which are a key, and what a seed makes of itself.
//!
//! Source: cryptography.md, "Digital Signature with EdDSA ed25519"; RFC 8032, section 5.1.5.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

/// The length of a seed, of a public key and of an encoded point (bytes).
pub const KEY_LENGTH: usize = 32;

/// Whether the encoding is the only one of its point: y under the field's prime, and no sign on x = 0.
///
/// Says nothing about whether there is such a point.
pub fn is_canonical(bytes: &[u8; KEY_LENGTH]) -> bool {
    let sign = bytes[31] & 0x80 != 0;
    let high = bytes[31] & 0x7f;
    let middle_is = |value: u8| bytes[1..31].iter().all(|&byte| byte == value);
    if high == 0x7f && middle_is(0xff) {
        // y is p - 19 + … : 0xed is p itself, 0xec is -1, whose x is 0.
        return bytes[0] < 0xec || (bytes[0] == 0xec && !sign);
    }
    // The other point with x = 0 is the identity, y = 1.
    !(sign && high == 0 && middle_is(0) && bytes[0] == 1)
}

/// The point of a canonical encoding, or nothing.
pub fn decompress(bytes: &[u8; KEY_LENGTH]) -> Option<EdwardsPoint> {
    if !is_canonical(bytes) {
        return None;
    }
    CompressedEdwardsY(*bytes).decompress()
}

/// The point of an acceptable public key: canonical, on the curve and not of small order.
pub fn decompress_key(bytes: &[u8; KEY_LENGTH]) -> Option<EdwardsPoint> {
    decompress(bytes).filter(|point| !point.is_small_order())
}

/// A secret key made ready: clamped scalar, nonce prefix and public key. Wiped when dropped.
pub struct ExpandedSecret {
    /// The secret scalar, reduced modulo the group order.
    pub(super) scalar: Scalar,
    /// What makes nonces unpredictable (RFC 8032, 5.1.6, step 1).
    pub(super) prefix: [u8; 32],
    /// The public key.
    pub public: [u8; KEY_LENGTH],
}

impl ExpandedSecret {
    /// Expands a seed as RFC 8032 does, with SHA-512.
    pub fn from_seed(seed: &[u8; KEY_LENGTH]) -> Self {
        let mut hasher = Sha512::new();
        hasher.update(seed);
        let mut hash = Zeroizing::new([0; 64]);
        hasher.finalize_into((&mut *hash).into());
        let mut low = Zeroizing::new([0; 32]);
        low.copy_from_slice(&hash[..32]);
        let mut prefix = [0; 32];
        prefix.copy_from_slice(&hash[32..]);
        let clamped = Zeroizing::new(clamp_integer(*low));
        let scalar = Scalar::from_bytes_mod_order(*clamped);
        let public = EdwardsPoint::mul_base(&scalar).compress().to_bytes();
        Self {
            scalar,
            prefix,
            public,
        }
    }
}

impl Drop for ExpandedSecret {
    fn drop(&mut self) {
        self.scalar.zeroize();
        self.prefix.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> [u8; 32] {
        let mut out = [0; 32];
        for (index, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap_or_default();
        }
        out
    }

    /// p + offset, little-endian, for offsets from -19 to 18.
    fn near_p(offset: i16, sign: bool) -> [u8; 32] {
        let mut out = [0xff; 32];
        out[0] = (0xed + offset) as u8;
        out[31] = if sign { 0xff } else { 0x7f };
        out
    }

    #[test]
    fn encodings_from_p_on_are_refused() {
        for sign in [false, true] {
            for offset in 0..19 {
                assert!(!is_canonical(&near_p(offset, sign)), "{offset}");
                assert!(decompress(&near_p(offset, sign)).is_none());
            }
            for offset in -19..-1 {
                assert!(is_canonical(&near_p(offset, sign)), "{offset}");
            }
        }
    }

    #[test]
    fn zero_has_no_sign() {
        let mut one = [0; 32];
        one[0] = 1;
        assert!(is_canonical(&one));
        assert!(is_canonical(&near_p(-1, false)));
        one[31] = 0x80;
        assert!(!is_canonical(&one));
        assert!(!is_canonical(&near_p(-1, true)));
        let mut two = one;
        two[0] = 2;
        assert!(is_canonical(&two), "only y = 1 and y = -1 have x = 0");
    }

    #[test]
    fn small_order_points_are_points_but_no_keys() {
        for text in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ] {
            assert!(decompress(&bytes(text)).is_some(), "{text}");
            assert!(decompress_key(&bytes(text)).is_none(), "{text}");
        }
    }

    #[test]
    fn a_seed_gives_the_published_key() {
        // RFC 8032, section 7.1, test 1: keys do not depend on the prehash.
        let seed = bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = bytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(ExpandedSecret::from_seed(&seed).public, public);
        assert!(decompress_key(&public).is_some());
    }
}
