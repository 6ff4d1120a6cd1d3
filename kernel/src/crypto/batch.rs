//! Many signatures by one sum, with the verdicts of single checks.
//!
//! Each signature's equation is multiplied by a random 128-bit number that its sender cannot
//! foresee, and all are added: Σ z·S·B − Σ z·R − Σ z·k·A, times 8, is the identity if all hold,
//! and with probability 2^-128 otherwise. Since a single check multiplies by 8 too, points of
//! mixed order count for the same in both. When the sum fails, somebody may want us to search:
//! the batch is halved twice at most, and what is left is checked one by one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};

use crate::crypto::signature::Prepared;

/// How often a batch whose sum fails is halved.
const SPLITS: u32 = 2;

/// Fewer than these are checked one by one: the sum would cost as much.
const SMALLEST_SUM: usize = 4;

/// Whether each signature holds.
pub fn verdicts(signatures: &[Prepared]) -> Vec<bool> {
    let mut held = vec![false; signatures.len()];
    judge(signatures, &mut held, false, SPLITS);
    held
}

/// Fills `held`. `sum_fails`: it is known that not all of them hold. Returns whether all do.
fn judge(signatures: &[Prepared], held: &mut [bool], sum_fails: bool, splits: u32) -> bool {
    if signatures.len() >= SMALLEST_SUM && !sum_fails && sum_holds(signatures) {
        held.fill(true);
        return true;
    }
    if signatures.len() < SMALLEST_SUM || splits == 0 {
        for (signature, held) in signatures.iter().zip(held.iter_mut()) {
            *held = signature.holds();
        }
        return held.iter().all(|&held| held);
    }
    let middle = signatures.len() / 2;
    let (left, right) = signatures.split_at(middle);
    let (held_left, held_right) = held.split_at_mut(middle);
    let left_holds = judge(left, held_left, false, splits - 1);
    // If the whole fails and the left half holds, the right half need not be summed to know it fails.
    let right_holds = judge(right, held_right, left_holds, splits - 1);
    left_holds && right_holds
}

/// The random sum; false also when the system gives no randomness, so that each is checked singly.
fn sum_holds(signatures: &[Prepared]) -> bool {
    let Some(mut scalars) = random_factors(signatures.len()) else {
        return false;
    };
    let mut base = Scalar::ZERO;
    // One term for each distinct key: where its scalar stands, and a signature that has its point.
    let mut terms: HashMap<[u8; 32], usize> = HashMap::with_capacity(signatures.len());
    let mut keys = Vec::with_capacity(signatures.len());
    for (index, signature) in signatures.iter().enumerate() {
        let factor = scalars[index];
        base -= factor * signature.s;
        let share = factor * signature.k;
        match terms.entry(signature.key) {
            Entry::Occupied(term) => scalars[*term.get()] += share,
            Entry::Vacant(place) => {
                place.insert(scalars.len());
                scalars.push(share);
                keys.push(signature);
            }
        }
    }
    scalars.push(base);
    let points = signatures.iter().map(|signature| signature.r);
    let points = points.chain(keys.into_iter().map(|signature| signature.key_point));
    let points = points.chain([ED25519_BASEPOINT_POINT]).map(Some);
    EdwardsPoint::optional_multiscalar_mul(&scalars, points)
        .is_some_and(|sum| sum.mul_by_cofactor().is_identity())
}

/// 128-bit numbers, never 0, from a seed that the system gives for this sum alone.
fn random_factors(count: usize) -> Option<Vec<Scalar>> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).ok()?;
    let mut stream = vec![0; 16 * count];
    blake3::Hasher::new_keyed(&seed)
        .finalize_xof()
        .fill(&mut stream);
    let factor = |bytes: &[u8]| {
        let mut wide = [0; 16];
        wide.copy_from_slice(bytes);
        Scalar::from(u128::from_le_bytes(wide).max(1))
    };
    // Room for the terms that follow: one for each key, one for the base point.
    let mut factors = Vec::with_capacity(2 * count + 1);
    factors.extend(stream.chunks_exact(16).map(factor));
    Some(factors)
}
