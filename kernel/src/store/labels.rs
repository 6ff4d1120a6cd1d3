//! Labels: what a server adds to a record about who may read it, kept beside it for good.

/// Only the keys in its Notify tags read it.
pub const ONLY_TAGGED: u8 = 1;
/// Held back until approved: read as `ONLY_TAGGED`.
pub const WITHHELD: u8 = 2;
/// A moderator hid it: only the owner reads it.
pub const HIDDEN: u8 = 4;
/// Not a caller's: the record stands here again, it had another label before.
pub const READMITTED: u8 = 0x80;

/// Bytes of a key of the table `labelled`.
pub const KEY: usize = 7;

/// The keys of the table `labelled` for a record with this label.
pub fn keys(label: u8, position: u64) -> impl Iterator<Item = [u8; KEY]> {
    let bits = [WITHHELD, HIDDEN].into_iter();
    bits.filter(move |bit| label & bit != 0)
        .map(move |bit| key(bit, position))
}

/// The key of one bit and position.
pub fn key(bit: u8, position: u64) -> [u8; KEY] {
    let mut out = [0; KEY];
    out[0] = bit;
    out[1..].copy_from_slice(&position.to_be_bytes()[2..]);
    out
}

/// The position in a key.
pub fn position(key: &[u8]) -> Option<u64> {
    let mut out = [0; 8];
    out[2..].copy_from_slice(key.get(1..)?.first_chunk::<6>()?);
    Some(u64::from_be_bytes(out))
}
