//! The two things that Mosaic signs: record data and attestations. Nothing signs bytes of a caller's choice.
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
