//! The rules of a record that need no cryptography, in the order in which they are judged.
//!
//! Source: record.md, "Validation" and "Flags"; edition §3 and §5 (R1 to R10).

/// The first rule that a record breaks. The numbers are part of the kernel's face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// Valid by every rule.
    Ok = 0,
    /// Under 216 bytes.
    TooShort = 1,
    /// Over 1,048,576 bytes.
    TooLong = 2,
    /// LenS is not 64.
    SignatureLength = 3,
    /// The sections do not add up to the record's length.
    LengthMismatch = 4,
    /// The signature scheme is not Ed25519.
    SignatureScheme = 5,
    /// Reserved bits in flag bytes 0 to 2.
    ReservedFlags = 6,
    /// The timestamp's top bit is set.
    TimestampRange = 7,
    /// The id's timestamp is another.
    IdTimestamp = 8,
    /// The nonce does not begin with a 1 bit.
    Nonce = 9,
    /// Reserved bits or read access 10 in the kind.
    Kind = 10,
    /// The tags section is malformed.
    Tags = 11,
    /// The signing key is not acceptable.
    SigningKey = 12,
    /// The author key is not acceptable.
    AuthorKey = 13,
    /// The id's hash is another.
    Hash = 14,
    /// The signature does not hold.
    Signature = 15,
}

/// The bytes before the tags.
pub const HEADER: usize = 152;
/// The bytes of an id; the signed data follows it.
pub const ID: usize = 48;
/// The bytes of a signature.
pub const SIGNATURE: usize = 64;
/// The smallest record: header and signature.
pub const SMALLEST: usize = HEADER + SIGNATURE;
/// The greatest record.
pub const GREATEST: usize = 1_048_576;

/// Where things stand in a record whose layout is right. All fields are copies but the signed data.
pub struct Layout<'a> {
    /// Author, `[64:96]`.
    pub author: [u8; 32],
    /// Signing key, `[96:128]`.
    pub signer: [u8; 32],
    /// The hash in the id, `[8:48]`.
    pub id_hash: [u8; 40],
    /// What is hashed and signed: nonce to padded payload.
    pub signed_data: &'a [u8],
    /// The last 64 bytes.
    pub signature: [u8; 64],
}

/// N bytes from `start`; the caller has checked that they are there.
fn array<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[start..start + N]);
    out
}

/// Judges all rules of the layout; the first broken one is the error.
pub fn layout(record: &[u8]) -> Result<Layout<'_>, Verdict> {
    if record.len() < SMALLEST {
        return Err(Verdict::TooShort);
    }
    if record.len() > GREATEST {
        return Err(Verdict::TooLong);
    }
    let tags_length = usize::from(u16::from_le_bytes(array(record, 144)));
    if usize::from(u16::from_le_bytes(array(record, 146))) != SIGNATURE {
        return Err(Verdict::SignatureLength);
    }
    // Compared as u64, so that a length near 2^32 cannot wrap on any machine.
    let payload_padded = u64::from(u32::from_le_bytes(array(record, 148))).next_multiple_of(8);
    let total = (SMALLEST + tags_length.next_multiple_of(8)) as u64 + payload_padded;
    if total != record.len() as u64 {
        return Err(Verdict::LengthMismatch);
    }
    let flags: [u8; 3] = array(record, 136);
    if flags[0] & 0xc0 != 0 {
        return Err(Verdict::SignatureScheme);
    }
    // 0x01 ZSTD and 0x04 FROM_AUTHOR are defined; bytes 3 to 7 are ignored.
    if flags[0] & !0xc5 != 0 || flags[1] != 0 || flags[2] != 0 {
        return Err(Verdict::ReservedFlags);
    }
    if record[128] & 0x80 != 0 {
        return Err(Verdict::TimestampRange);
    }
    if record[..8] != record[128..136] {
        return Err(Verdict::IdTimestamp);
    }
    if record[48] & 0x80 == 0 {
        return Err(Verdict::Nonce);
    }
    if !kind_is_valid(&array(record, 56)) {
        return Err(Verdict::Kind);
    }
    if !tags_are_valid(&record[HEADER..HEADER + tags_length]) {
        return Err(Verdict::Tags);
    }
    let signature_start = record.len() - SIGNATURE;
    Ok(Layout {
        author: array(record, 64),
        signer: array(record, 96),
        id_hash: array(record, 8),
        signed_data: &record[ID..signature_start],
        signature: array(record, signature_start),
    })
}

/// Whether a kind may stand anywhere, in a record or a filter: reserved bits clear, read access not 10.
/// Source: kind.md, edition §5 (R5).
pub fn kind_is_valid(kind: &[u8; 8]) -> bool {
    kind[6] == 0 && kind[7] & 0xe0 == 0 && kind[7] & 0x0c != 0x08
}

/// Whether a section is tags from its first byte to its last. Source: tags.md.
fn tags_are_valid(mut section: &[u8]) -> bool {
    while !section.is_empty() {
        if section.len() < 4 {
            return false;
        }
        let length = usize::from(u16::from_le_bytes([section[0], section[1]]));
        if length < 4 || length > section.len() {
            return false;
        }
        section = &section[length..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of 8 bytes of tags and 8 of payload whose layout is right.
    fn record() -> Vec<u8> {
        let mut record = vec![0; SMALLEST + 16];
        record[48] = 0x80;
        record[62..64].copy_from_slice(&[0, 0x1c]);
        record[144] = 8;
        record[146] = 64;
        record[148] = 5;
        record[152] = 8;
        record[154] = 1;
        record
    }

    fn verdict(change: impl FnOnce(&mut Vec<u8>)) -> Option<Verdict> {
        let mut record = record();
        change(&mut record);
        layout(&record).err()
    }

    #[test]
    fn a_good_layout_passes() {
        assert_eq!(verdict(|_| ()), None);
        assert_eq!(verdict(|r| r[136] = 0x05), None, "ZSTD and FROM_AUTHOR");
        assert_eq!(
            verdict(|r| r[139..144].fill(0xff)),
            None,
            "flag bytes 3 to 7 are ignored"
        );
        assert_eq!(verdict(|r| r[148] = 8), None, "padding is not judged");
    }

    #[test]
    fn lengths_are_exact() {
        assert_eq!(verdict(|r| r.truncate(215)), Some(Verdict::TooShort));
        assert_eq!(
            verdict(|r| r.resize(GREATEST + 1, 0)),
            Some(Verdict::TooLong)
        );
        assert_eq!(
            verdict(|r| r.resize(GREATEST, 0)),
            Some(Verdict::LengthMismatch)
        );
        assert_eq!(verdict(|r| r.push(0)), Some(Verdict::LengthMismatch));
        assert_eq!(
            verdict(|r| r[148..152].fill(0xff)),
            Some(Verdict::LengthMismatch)
        );
        assert_eq!(
            verdict(|r| r[144..146].fill(0xff)),
            Some(Verdict::LengthMismatch)
        );
        for length in [0, 57, 63, 65, 72] {
            assert_eq!(verdict(|r| r[146] = length), Some(Verdict::SignatureLength));
        }
    }

    #[test]
    fn each_rule_has_its_verdict() {
        for bits in [0x40, 0x80, 0xc0] {
            assert_eq!(verdict(|r| r[136] = bits), Some(Verdict::SignatureScheme));
        }
        for bit in [0x02, 0x08, 0x10, 0x20] {
            assert_eq!(verdict(|r| r[136] = bit), Some(Verdict::ReservedFlags));
        }
        for byte in [137, 138] {
            assert_eq!(verdict(|r| r[byte] = 0x01), Some(Verdict::ReservedFlags));
        }
        let late = |r: &mut Vec<u8>| {
            r[0] = 0x80;
            r[128] = 0x80;
        };
        assert_eq!(verdict(late), Some(Verdict::TimestampRange));
        assert_eq!(verdict(|r| r[7] = 1), Some(Verdict::IdTimestamp));
        assert_eq!(verdict(|r| r[48] = 0x7f), Some(Verdict::Nonce));
        for flags in [[0x00, 0x3c], [0x01, 0x1c], [0x00, 0x18], [0x80, 0x00]] {
            assert_eq!(
                verdict(|r| r[62..64].copy_from_slice(&flags)),
                Some(Verdict::Kind)
            );
        }
        for length in [0, 1, 3, 5, 7, 9] {
            assert_eq!(
                verdict(|r| r[152] = length),
                Some(Verdict::Tags),
                "{length}"
            );
        }
    }

    #[test]
    fn a_tag_has_four_bytes_at_least() {
        assert!(tags_are_valid(&[]));
        assert!(tags_are_valid(&[4, 0, 1, 0, 5, 0, 1, 0, 9]));
        for short in [&[1][..], &[2, 0], &[3, 0, 1]] {
            assert!(!tags_are_valid(&[short, &[4, 0, 1, 0]].concat()));
            assert!(!tags_are_valid(&[&[4, 0, 1, 0], short].concat()));
        }
    }

    #[test]
    fn the_first_broken_rule_counts() {
        let all = |r: &mut Vec<u8>| {
            r[136] = 0xff;
            r[128] = 0x80;
            r[48] = 0;
            r[62] = 0xff;
            r[152] = 0;
        };
        assert_eq!(verdict(all), Some(Verdict::SignatureScheme));
    }
}
