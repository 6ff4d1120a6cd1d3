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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash;
    use crate::crypto::keys::ExpandedSecret;
    use crate::crypto::signature::{CONTEXT, sign};
    use curve25519_dalek::constants::EIGHT_TORSION;

    /// A valid signature by secret `key` over message `message`.
    fn good(key: u8, message: usize) -> Prepared {
        let secret = ExpandedSecret::from_seed(&[key; 32]);
        let digest = hash::digest(&message.to_le_bytes());
        let signature = sign(&secret, &digest, CONTEXT);
        let point = crate::crypto::keys::decompress_key(&secret.public).unwrap_or_default();
        let prepared = Prepared::new(&secret.public, point, &digest, &signature, CONTEXT);
        prepared.unwrap_or_else(|| unreachable!("a signature just made"))
    }

    fn many(keys: u8, count: usize) -> Vec<Prepared> {
        (0..count)
            .map(|n| good((n % usize::from(keys)) as u8, n))
            .collect()
    }

    fn singly(signatures: &[Prepared]) -> Vec<bool> {
        signatures.iter().map(Prepared::holds).collect()
    }

    #[test]
    fn good_batches_pass_by_their_sum() {
        for keys in [1, 3, 250] {
            for count in [1, 2, 4, 50, 94, 95, 96, 200] {
                let batch = many(keys, count);
                assert!(sum_holds(&batch), "{keys} keys, {count} signatures");
                assert_eq!(verdicts(&batch), vec![true; count]);
            }
        }
        assert_eq!(verdicts(&[]), [] as [bool; 0]);
    }

    #[test]
    fn one_false_equation_fails_the_sum_at_every_position() {
        for keys in [1, 250] {
            for count in [1, 2, 3, 4, 5, 31, 97, 130] {
                let mut batch = many(keys, count);
                for position in 0..count {
                    let kept = batch[position].clone();
                    batch[position].s += Scalar::ONE;
                    assert!(!sum_holds(&batch));
                    let mut expected = vec![true; count];
                    expected[position] = false;
                    assert_eq!(verdicts(&batch), expected);
                    batch[position] = kept;
                }
            }
        }
    }

    #[test]
    fn errors_do_not_cancel_each_other() {
        let mut batch = many(4, 8);
        batch[2].s += Scalar::ONE;
        batch[6].s -= Scalar::ONE;
        assert!(!sum_holds(&batch));
        assert_eq!(verdicts(&batch), singly(&batch));
        let mut swapped = many(1, 8);
        let (r0, r1) = (swapped[0].r, swapped[1].r);
        (swapped[0].r, swapped[1].r) = (r1, r0);
        assert!(!sum_holds(&swapped));
    }

    #[test]
    fn points_of_mixed_order_pass_by_the_sum_as_they_do_singly() {
        for torsion in EIGHT_TORSION {
            let mut batch = many(3, 20);
            batch[7].r += torsion;
            batch[9].key_point += torsion;
            batch[9].key[0] ^= 1; // another key than the one without torsion
            assert_eq!(singly(&batch), [true; 20]);
            assert!(sum_holds(&batch));
        }
    }

    #[test]
    fn any_pattern_of_false_ones_is_found() {
        for pattern in 0..256_u32 {
            let mut batch = many(2, 8);
            for (bit, signature) in batch.iter_mut().enumerate() {
                if pattern >> bit & 1 == 1 {
                    signature.k += Scalar::ONE;
                }
            }
            assert_eq!(verdicts(&batch), singly(&batch), "{pattern:08b}");
        }
    }

    #[test]
    fn factors_are_fresh_short_and_not_zero() {
        let one = random_factors(500).unwrap_or_default();
        let two = random_factors(500).unwrap_or_default();
        assert_eq!(one.len(), 500);
        for (index, factor) in one.iter().enumerate() {
            assert_ne!(*factor, Scalar::ZERO);
            assert_eq!(factor.as_bytes()[16..], [0; 16]);
            assert!(!two.contains(factor) && !one[..index].contains(factor));
        }
        assert!(
            one.iter().any(|factor| factor.as_bytes()[15] & 0x80 != 0),
            "all 128 bits are used"
        );
    }
}
