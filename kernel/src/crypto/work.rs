//! The search for proof of work: which 8 bytes give a hash so many zero bits at its beginning.
//!
//! What of the data does not hold these 8 bytes is hashed once; each try hashes the piece that
//! does and what lies above it in BLAKE3's tree, so that a long record costs little more than a
//! short one. How many bits are worth how many tries is not decided here.
//!
//! Source: edition §4 (proof of work); the BLAKE3 paper, section 2.1 (the tree).

use std::ops::Range;

use blake3::CHUNK_LEN;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

/// The length of what is varied (bytes).
pub const FREE_LENGTH: usize = 8;

/// What stands beside the varied piece, one level of the tree.
enum Beside {
    Left(ChainingValue),
    Right(ChainingValue),
}

/// Looks for the number that, written at `at` (big-endian), gives the hash of `data` at least
/// `bits` zero bits. Begins at `start` and does `tries` of them at most; `data` holds the last.
///
/// The caller sees to it that 8 bytes of `data` lie at `at`.
pub fn search(data: &mut [u8], at: usize, bits: u32, start: u64, tries: u64) -> Option<u64> {
    let (piece, beside) = apart(data, at);
    for number in (0..tries).map(|step| start.wrapping_add(step)) {
        data[at..at + FREE_LENGTH].copy_from_slice(&number.to_be_bytes());
        if zeros(&root(data, &piece, &beside)) >= bits {
            return Some(number);
        }
    }
    None
}

/// The smallest piece of the tree that holds the varied bytes, and what is beside it, from the top.
fn apart(data: &[u8], at: usize) -> (Range<usize>, Vec<Beside>) {
    let mut piece = 0..data.len();
    let mut beside = Vec::new();
    while piece.len() > CHUNK_LEN {
        let left = left_subtree_len(piece.len() as u64) as usize;
        let middle = piece.start + left;
        if at + FREE_LENGTH <= middle {
            beside.push(Beside::Right(chained(data, middle..piece.end)));
            piece.end = middle;
        } else if at >= middle {
            beside.push(Beside::Left(chained(data, piece.start..middle)));
            piece.start = middle;
        } else {
            break;
        }
    }
    (piece, beside)
}

fn chained(data: &[u8], piece: Range<usize>) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(piece.start as u64);
    hasher.update(&data[piece]).finalize_non_root()
}

/// The hash of the whole, from the piece that may have changed upwards.
fn root(data: &[u8], piece: &Range<usize>, beside: &[Beside]) -> blake3::Hash {
    let Some((top, below)) = beside.split_first() else {
        return blake3::hash(data);
    };
    let mut value = chained(data, piece.clone());
    for step in below.iter().rev() {
        value = match step {
            Beside::Left(left) => merge_subtrees_non_root(left, &value, Mode::Hash),
            Beside::Right(right) => merge_subtrees_non_root(&value, right, Mode::Hash),
        };
    }
    match top {
        Beside::Left(left) => merge_subtrees_root(left, &value, Mode::Hash),
        Beside::Right(right) => merge_subtrees_root(&value, right, Mode::Hash),
    }
}

/// The zero bits at the beginning of a hash.
fn zeros(hash: &blake3::Hash) -> u32 {
    let mut bits = 0;
    for byte in hash.as_bytes() {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hash;

    fn bits_of(data: &[u8]) -> u32 {
        let mut out = [0; 40];
        hash::fill(data, &mut out);
        u64::from_be_bytes(out[..8].try_into().unwrap_or_default()).leading_zeros()
    }

    #[test]
    fn what_is_found_is_what_the_hash_of_the_whole_shows() {
        for length in [8, 300, 1_024, 1_025, 2_048, 2_049, 5_000, 70_001] {
            for at in [0, length / 3, length / 2, length - FREE_LENGTH] {
                let mut data: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
                let found = search(&mut data, at.min(length - FREE_LENGTH), 6, 7, 10_000);
                assert!(found.is_some_and(|number| number >= 7));
                assert!(bits_of(&data) >= 6, "length {length}, place {at}");
            }
        }
    }

    #[test]
    fn bytes_on_both_sides_of_a_chunks_edge_are_varied_as_others() {
        for edge in [1_024, 2_048, 4_096] {
            let mut data = vec![3; 9_000];
            assert!(search(&mut data, edge - 3, 5, 0, 10_000).is_some());
            assert!(bits_of(&data) >= 5);
        }
    }

    #[test]
    fn the_search_ends_after_so_many_tries_and_goes_on_where_it_is_told() {
        let mut data = vec![1; 200];
        assert_eq!(search(&mut data, 100, 64, 0, 50), None);
        let whole = search(&mut data, 100, 8, 0, 100_000);
        let first = whole.unwrap_or_default();
        assert_eq!(search(&mut data, 100, 8, 0, first), None);
        assert_eq!(search(&mut data, 100, 8, first, 1), whole);
        assert!(search(&mut data, 100, 0, u64::MAX, 2) == Some(u64::MAX));
    }
}
