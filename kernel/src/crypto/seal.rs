//! What Mosaic signs under its own name: record data and attestations. Nothing signs bytes of a caller's choice.
//!
//! The first bit tells them apart: record data begins with a 1 (its nonce), an attestation with a 0.
//! Source: record.md, "Construction"; keyschedule.md, "Subkey Attestation"; edition §3.

use crate::crypto::keys::{self, ExpandedSecret};
use crate::crypto::record_rules::{self, ID, SIGNATURE, Verdict};
use crate::crypto::{hash, signature};

/// The bytes of an attestation before its signature.
pub const ATTESTATION_HEAD: usize = 72;

/// Magic, algorithm 0 (Ed25519), signature length 64.
const ATTESTATION_START: [u8; 8] = [0x2c, 0x28, 0x98, 0xf5, 0x8b, 0, 64, 0];

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// The seed is not that of the key that is to sign.
    OtherKey,
    /// The record would break this rule.
    Record(Verdict),
    /// The bytes are not the head of an attestation.
    Attestation,
}

/// The whole record around its signed data, which begins at the nonce and ends with the padded payload.
pub fn seal_record(secret: &ExpandedSecret, signed_data: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut record = vec![0; ID + signed_data.len() + SIGNATURE];
    let signature_start = ID + signed_data.len();
    record[ID..signature_start].copy_from_slice(signed_data);
    if let Some(timestamp) = signed_data.get(80..88) {
        record[..8].copy_from_slice(timestamp);
    }
    let layout = record_rules::layout(&record).map_err(SealError::Record)?;
    if layout.signer != secret.public {
        return Err(SealError::OtherKey);
    }
    if keys::decompress_key(&layout.author).is_none() {
        return Err(SealError::Record(Verdict::AuthorKey));
    }
    let digest = hash::digest(signed_data);
    record[8..ID].copy_from_slice(&digest[..40]);
    let signature = signature::sign(secret, &digest, signature::CONTEXT);
    record[signature_start..].copy_from_slice(&signature);
    Ok(record)
}

/// The signature over an attestation's head by the subkey that it names.
pub fn sign_attestation(secret: &ExpandedSecret, head: &[u8]) -> Result<[u8; 64], SealError> {
    let head: &[u8; ATTESTATION_HEAD] = head.try_into().map_err(|_| SealError::Attestation)?;
    let mut master = [0; 32];
    master.copy_from_slice(&head[40..]);
    if head[..8] != ATTESTATION_START || keys::decompress_key(&master).is_none() {
        return Err(SealError::Attestation);
    }
    if head[8..40] != secret.public {
        return Err(SealError::OtherKey);
    }
    Ok(signature::sign(
        secret,
        &hash::digest(head),
        signature::CONTEXT,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::check::check_batch;
    use crate::crypto::key_cache::KeyCache;

    fn secret() -> ExpandedSecret {
        ExpandedSecret::from_seed(&[1; 32])
    }

    /// The signed data of a record without tags and payload.
    fn signed_data() -> Vec<u8> {
        let mut data = vec![0; 104];
        data[0] = 0x80;
        data[15] = 0x1c;
        data[16..48].copy_from_slice(&secret().public);
        data[48..80].copy_from_slice(&secret().public);
        data[87] = 5;
        data[98] = 64;
        data
    }

    fn head() -> Vec<u8> {
        let master = ExpandedSecret::from_seed(&[2; 32]).public;
        [&ATTESTATION_START[..], &secret().public, &master].concat()
    }

    #[test]
    fn a_sealed_record_is_valid() {
        let record = seal_record(&secret(), &signed_data()).unwrap_or_default();
        assert_eq!(record.len(), 216);
        assert_eq!(record[48..152], signed_data());
        assert_eq!(check_batch(&[&record], &KeyCache::new(32)), [Verdict::Ok]);
    }

    #[test]
    fn nothing_else_is_sealed() {
        let sealed = |change: fn(&mut Vec<u8>)| {
            let mut data = signed_data();
            change(&mut data);
            seal_record(&secret(), &data).err()
        };
        let broken = |verdict| Some(SealError::Record(verdict));
        assert_eq!(sealed(|_| ()), None);
        assert_eq!(sealed(|data| data.clear()), broken(Verdict::TooShort));
        assert_eq!(sealed(|data| data[0] = 0), broken(Verdict::Nonce));
        assert_eq!(
            sealed(|data| data[80] = 0x80),
            broken(Verdict::TimestampRange)
        );
        assert_eq!(
            sealed(|data| data[98] = 63),
            broken(Verdict::SignatureLength)
        );
        assert_eq!(sealed(|data| data.push(0)), broken(Verdict::LengthMismatch));
        assert_eq!(
            sealed(|data| data[16..48].fill(0)),
            broken(Verdict::AuthorKey)
        );
        assert_eq!(sealed(|data| data[48] ^= 1), Some(SealError::OtherKey));
    }

    #[test]
    fn an_attestation_is_no_record() {
        assert!(sign_attestation(&secret(), &head()).is_ok());
        assert_eq!(
            seal_record(&secret(), &head()).err(),
            Some(SealError::Record(Verdict::TooShort))
        );
    }

    #[test]
    fn only_heads_of_attestations_are_attested() {
        let attested = |change: fn(&mut Vec<u8>)| {
            let mut head = head();
            change(&mut head);
            sign_attestation(&secret(), &head).err()
        };
        for change in [
            (|head| head[0] = 0x80) as fn(&mut Vec<u8>),
            |head| head[4] = 0,
            |head| head[5] = 1,
            |head| head[6] = 63,
            |head| head[40..].fill(0),
            |head| head.push(0),
            Vec::clear,
        ] {
            assert_eq!(attested(change), Some(SealError::Attestation));
        }
        assert_eq!(attested(|head| head[8] ^= 1), Some(SealError::OtherKey));
    }
}
