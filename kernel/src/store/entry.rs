//! One entry of the log: a head of 32 bytes and its body.
//!
//! ```text
//! [0:8]   checksum of all that follows, keyed with the segment's salt
//! [8:11]  length of the body in 8-byte words
//! [11]    bits 0-3 what it is, 4-5 the record's mode, 6 it is a Deletion that counts, 7 its batch ends here
//! [12:16] distance to the first entry of its batch in 8-byte words
//! [16:22] position   [22] label   [23] label before   [24:32] received time (ns)
//! ```
//! All numbers are little-endian. In the first version of the format bit 6, [22] and [23] were always zero.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Bytes before an entry's body.
pub const HEAD: usize = 32;
/// The longest body.
pub const MAX_BODY: usize = 0x00ff_ffff * 8;

const WORD: usize = 8;
const DELETES: u8 = 0x40;
const LAST_OF_BATCH: u8 = 0x80;
/// The bits of [16:24] that are the position.
const POSITION: u64 = (1 << 48) - 1;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The body is a record.
    Record,
    /// The body names positions (8 bytes each) that are no longer served.
    Removal,
    /// The body holds ids (48 bytes each) that are refused for good.
    Refusal,
}

/// What the server noted about a record when it took it in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// How it stood to others at its address when it came.
    pub mode: u8,
    /// Whether it is a Deletion that counts.
    pub deletes: bool,
    /// Its label (see `labels`).
    pub label: u8,
    /// The label that it had before it was readmitted.
    pub former: u8,
}

/// An entry's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the body is.
    pub what: What,
    /// What was noted about a record; nothing for other entries.
    pub marks: Marks,
    /// Whether its batch ends with it.
    pub last: bool,
    /// The body's length in bytes.
    pub length: usize,
    /// The entry's position.
    pub position: u64,
    /// The position of the first entry of its batch.
    pub batch: u64,
    /// When the record was received (ns); 0 for other entries.
    pub received: u64,
}

impl Head {
    /// Bytes of the entry with its head.
    pub fn size(&self) -> u64 {
        (HEAD + self.length) as u64
    }

    fn encode(&self) -> Option<[u8; HEAD - 8]> {
        let words = u32::try_from(self.length / WORD).ok()?;
        if !self.length.is_multiple_of(WORD) || self.length > MAX_BODY {
            return None;
        }
        let marks = self.marks;
        if marks.mode > 3 || self.position > POSITION {
            return None;
        }
        let delta = u32::try_from(self.position.checked_sub(self.batch)? / WORD as u64).ok()?;
        let what = match self.what {
            What::Record => 1,
            What::Removal => 2,
            What::Refusal => 3,
        };
        let last = if self.last { LAST_OF_BATCH } else { 0 };
        let mut out = [0; HEAD - 8];
        out[..3].copy_from_slice(&words.to_le_bytes()[..3]);
        let deletes = if marks.deletes { DELETES } else { 0 };
        out[3] = what | marks.mode << 4 | deletes | last;
        out[4..8].copy_from_slice(&delta.to_le_bytes());
        out[8..14].copy_from_slice(&self.position.to_le_bytes()[..6]);
        out[14] = marks.label;
        out[15] = marks.former;
        out[16..].copy_from_slice(&self.received.to_le_bytes());
        Some(out)
    }

    /// Reads a head without looking at its checksum.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD] = bytes.first_chunk()?;
        let words = u32::from_le_bytes([head[8], head[9], head[10], 0]);
        let delta = u32::from_le_bytes([head[12], head[13], head[14], head[15]]);
        let what = match head[11] & 0x0f {
            1 => What::Record,
            2 => What::Removal,
            3 => What::Refusal,
            _ => return None,
        };
        let position = position_in(bytes);
        Some(Self {
            what,
            marks: Marks {
                mode: head[11] >> 4 & 3,
                deletes: head[11] & DELETES != 0,
                label: head[22],
                former: head[23],
            },
            last: head[11] & LAST_OF_BATCH != 0,
            length: words as usize * WORD,
            position,
            batch: position.checked_sub(u64::from(delta) * WORD as u64)?,
            received: number(&head[24..]),
        })
    }
}

/// The position that a head's bytes tell (0 if there are too few).
pub fn position_in(head: &[u8]) -> u64 {
    head.get(16..).map_or(0, number) & POSITION
}

/// The first 8 bytes as a number (0 if there are fewer).
pub fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

fn checksum(salt: u64, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(salt, 0x6d6f_7361_6963_6c6f);
    hasher.write(bytes);
    hasher.finish()
}

/// Appends an entry to `out`; false (and nothing appended) if its numbers do not fit.
pub fn push(out: &mut Vec<u8>, salt: u64, head: &Head, body: &[u8]) -> bool {
    let Some(encoded) = head.encode() else {
        return false;
    };
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&encoded);
    out.extend_from_slice(body);
    let sum = checksum(salt, &out[start + 8..]);
    out[start..start + 8].copy_from_slice(&sum.to_le_bytes());
    true
}

/// Marks the entry that begins at `start` as the last of its batch.
pub fn mark_last(out: &mut [u8], start: usize, salt: u64) {
    out[start + 11] |= LAST_OF_BATCH;
    let sum = checksum(salt, &out[start + 8..]);
    out[start..start + 8].copy_from_slice(&sum.to_le_bytes());
}

/// The entry at the beginning of `bytes`, if it is whole, its checksum holds and it stands at `position`.
pub fn read(bytes: &[u8], salt: u64, position: u64) -> Option<(Head, &[u8])> {
    let head = Head::decode(bytes)?;
    if head.position != position {
        return None;
    }
    let body = bytes.get(HEAD..HEAD + head.length)?;
    let sum = checksum(salt, &bytes[8..HEAD + head.length]);
    (sum == number(bytes)).then_some((head, body))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn head(length: usize) -> Head {
        Head {
            what: What::Record,
            marks: Marks {
                mode: 2,
                deletes: true,
                label: 0x81,
                former: 2,
            },
            last: false,
            length,
            position: 4096,
            batch: 4000,
            received: 77,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        assert!(push(&mut out, 5, &head(16), b"0123456789abcdef"));
        let (read_head, body) = read(&out, 5, 4096).unwrap();
        assert_eq!((read_head, body), (head(16), &b"0123456789abcdef"[..]));
        mark_last(&mut out, 0, 5);
        assert!(read(&out, 5, 4096).unwrap().0.last);
    }

    #[test]
    fn any_changed_bit_is_seen() {
        let mut out = Vec::new();
        assert!(push(&mut out, 5, &head(8), b"01234567"));
        for bit in 0..out.len() * 8 {
            out[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&out, 5, 4096).is_none(), "bit {bit}");
            out[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(read(&out, 6, 4096).is_none());
        assert!(read(&out, 5, 4104).is_none());
        assert!(read(&out[..39], 5, 4096).is_none());
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut out = Vec::new();
        assert!(!push(&mut out, 0, &head(9), b"012345678"));
        assert!(out.is_empty());
    }
}
