//! The mask over what a client sends.

use std::cell::RefCell;
use std::io;

const WORD: usize = size_of::<u64>();

/// Puts a mask on bytes, or takes it off; the mask for the bytes that follow these.
pub fn apply(mask: [u8; 4], bytes: &mut [u8]) -> [u8; 4] {
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<WORD>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    let mut next = mask;
    next.rotate_left(rest.len() % 4);
    next
}

/// So many keys are drawn from the system at once.
const DRAWN: usize = 256;

struct Keys {
    drawn: [[u8; 4]; DRAWN],
    left: usize,
}

thread_local! {
    static KEYS: RefCell<Keys> = const { RefCell::new(Keys { drawn: [[0; 4]; DRAWN], left: 0 }) };
}

/// A key that nobody can foresee, used for one frame only.
pub fn fresh() -> io::Result<[u8; 4]> {
    KEYS.with_borrow_mut(|keys| {
        if keys.left == 0 {
            getrandom::fill(keys.drawn.as_flattened_mut()).map_err(io::Error::other)?;
            keys.left = DRAWN;
        }
        keys.left -= 1;
        Ok(std::mem::take(&mut keys.drawn[keys.left]))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_are_unmasked_as_the_whole() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..=255).collect();
        let masked: Vec<u8> = plain
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        for length in 1..40 {
            let mut bytes = masked.clone();
            let mut next = mask;
            for piece in bytes.chunks_mut(length) {
                next = apply(next, piece);
            }
            assert_eq!(bytes, plain);
        }
    }

    #[test]
    fn no_key_comes_twice() {
        let keys: std::collections::HashSet<[u8; 4]> =
            (0..2 * DRAWN).map(|_| fresh().unwrap()).collect();
        // Two of 512 are equal once in 32,000 runs, three are not.
        assert!(keys.len() >= 2 * DRAWN - 1);
    }
}
