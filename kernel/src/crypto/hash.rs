//! BLAKE3, unkeyed, with output of any length.
//!
//! Source: cryptography.md, "Hashing with BLAKE3".

/// The length of the digest that is signed (bytes).
pub const DIGEST_LENGTH: usize = 64;

/// BLAKE3 of `data`, extended to the 64 bytes that are signed.
pub fn digest(data: &[u8]) -> [u8; DIGEST_LENGTH] {
    let mut out = [0; DIGEST_LENGTH];
    fill(data, &mut out);
    out
}

/// BLAKE3 of `data`, extended to fill `out`.
pub fn fill(data: &[u8], out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(data);
    hasher.finalize_xof().fill(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_hash_is_the_published_one() {
        let mut out = [0; 32];
        fill(b"", &mut out);
        let expected = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(out.map(|byte| format!("{byte:02x}")).concat(), expected);
    }

    #[test]
    fn a_longer_digest_begins_with_the_shorter_one() {
        let mut short = [0; 40];
        fill(b"Mosaic", &mut short);
        assert_eq!(digest(b"Mosaic")[..40], short);
    }
}
