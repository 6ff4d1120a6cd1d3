//! The keys under which a record stands in the index: short, and verified on the record itself.
//!
//! Every key ends in `timestamp ‖ id[8:12] ‖ position`, so that a range in descending order gives
//! records newest first by (timestamp, id); ties of all of that are settled by the whole ids.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::match_::record_view::RecordView;

/// The shortest record there is.
pub const MIN_RECORD: usize = 216;

/// The tables of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// timestamp ‖ id[8:16] ‖ position: ids and the order of all records; a record is served if it is here.
    Time,
    /// author, and signing key where it is another → kind hint.
    Key,
    /// kind → author hint.
    Kind,
    /// each tag whole → kind hint ‖ author hint.
    Tag,
    /// address.
    Address,
}

/// All tables, in the order of `Table as usize`.
pub const TABLES: [Table; 5] = [
    Table::Time,
    Table::Key,
    Table::Kind,
    Table::Tag,
    Table::Address,
];

impl Table {
    /// Bytes before the timestamp.
    pub fn prefix_length(self) -> usize {
        match self {
            Self::Time => 0,
            Self::Kind => 4,
            Self::Key | Self::Tag | Self::Address => 6,
        }
    }

    /// Bytes of a key.
    pub fn key_length(self) -> usize {
        self.prefix_length() + 18 + if self == Self::Time { 4 } else { 0 }
    }
}

/// Bytes before the timestamp: a keyed hash of what is indexed.
pub type Prefix = [u8; 6];
/// Two bytes of a keyed hash, which tell that a record can't match without reading it.
pub type Hint = [u8; 2];

/// Where in the order of answers a key stands; greater is earlier.
pub type Place = (u64, u32);

/// A key built in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    bytes: [u8; 24],
    length: u8,
}

impl Key {
    fn new() -> Self {
        Self {
            bytes: [0; 24],
            length: 0,
        }
    }

    fn push(mut self, part: &[u8]) -> Self {
        let start = usize::from(self.length);
        self.bytes[start..start + part.len()].copy_from_slice(part);
        self.length += part.len() as u8;
        self
    }

    /// The key's bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// The keyed hashes of one index.
#[derive(Clone, Copy)]
pub struct Hashes {
    keys: (u64, u64),
}

impl Hashes {
    /// Hashes under a secret of this store, so that nobody can make keys that collide.
    pub fn new(secret: &[u8; 16]) -> Self {
        let (low, high) = secret.split_at(8);
        let read = |b: &[u8]| b.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        Self {
            keys: (read(low), read(high)),
        }
    }

    fn hash(&self, domain: u8, data: &[u8]) -> [u8; 8] {
        let mut hasher = SipHasher13::new_with_keys(self.keys.0, self.keys.1 ^ u64::from(domain));
        hasher.write(data);
        hasher.finish().to_le_bytes()
    }

    /// The prefix of a public key in `Table::Key`.
    pub fn key(&self, key: &[u8]) -> Prefix {
        prefix(self.hash(1, key))
    }

    /// The prefix of a kind in `Table::Kind` (only its first four bytes are used).
    pub fn kind(&self, kind: &[u8]) -> Prefix {
        prefix(self.hash(2, kind))
    }

    /// The prefix of a whole tag in `Table::Tag`.
    pub fn tag(&self, tag: &[u8]) -> Prefix {
        prefix(self.hash(3, tag))
    }

    /// The prefix of an address in `Table::Address`.
    pub fn address(&self, address: &[u8]) -> Prefix {
        prefix(self.hash(4, address))
    }

    /// All keys of a record at a position, with their values. A key may come twice.
    pub fn keys_of(
        &self,
        record: &[u8],
        position: u64,
        mut each: impl FnMut(Table, Key, &[u8]),
    ) -> bool {
        let Some(view) = RecordView::new(record) else {
            return false;
        };
        let (author, signer) = (self.key(&record[64..96]), &record[96..128]);
        let kind = self.kind(&record[56..64]);
        let (kind_hint, author_hint) = (hint(kind), hint(author));
        let key = |table: Table, prefix: Prefix| {
            key_at(
                table,
                prefix,
                &record[..8],
                &record[8..16],
                &position_bytes(position),
            )
        };
        each(Table::Time, key(Table::Time, [0; 6]), &[]);
        each(Table::Key, key(Table::Key, author), &kind_hint);
        if signer != &record[64..96] {
            each(Table::Key, key(Table::Key, self.key(signer)), &kind_hint);
        }
        each(Table::Kind, key(Table::Kind, kind), &author_hint);
        let hints = [kind_hint[0], kind_hint[1], author_hint[0], author_hint[1]];
        for tag in view.tags() {
            each(Table::Tag, key(Table::Tag, self.tag(tag)), &hints);
        }
        let address = self.address(&record[48..96]);
        each(Table::Address, key(Table::Address, address), &[]);
        true
    }
}

fn prefix(hash: [u8; 8]) -> Prefix {
    [hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]]
}

/// The hint of a prefix.
pub fn hint(prefix: Prefix) -> Hint {
    [prefix[0], prefix[1]]
}

fn position_bytes(position: u64) -> [u8; 6] {
    let b = position.to_be_bytes();
    [b[2], b[3], b[4], b[5], b[6], b[7]]
}

fn key_at(table: Table, prefix: Prefix, time: &[u8], hash: &[u8], position: &[u8]) -> Key {
    let hash = if table == Table::Time {
        hash
    } else {
        &hash[..4]
    };
    Key::new()
        .push(&prefix[..table.prefix_length()])
        .push(time)
        .push(hash)
        .push(position)
}

/// The key of a record in `Table::Time`.
pub fn time_key(record: &[u8], position: u64) -> Option<Key> {
    let (time, hash) = record.get(..16)?.split_at(8);
    Some(key_at(
        Table::Time,
        [0; 6],
        time,
        hash,
        &position_bytes(position),
    ))
}

/// The beginning of all keys in `Table::Time` of ids that begin with these bytes (16 at least).
pub fn id_prefix(id: &[u8]) -> Option<&[u8]> {
    id.get(..16)
}

/// The smallest key under a prefix whose place is not before `place` (place 0 = the first of all).
pub fn bound(table: Table, prefix: Prefix, place: Place) -> Key {
    Key::new()
        .push(&prefix[..table.prefix_length()])
        .push(&place.0.to_be_bytes())
        .push(&place.1.to_be_bytes())
}

/// A bound behind all keys under a prefix.
pub fn bound_after(table: Table, prefix: Prefix) -> Key {
    // No timestamp has its top bit set.
    bound(table, prefix, (u64::MAX, u32::MAX))
}

/// The place and position in a key.
pub fn split(table: Table, key: &[u8]) -> Option<(Place, u64)> {
    if key.len() != table.key_length() {
        return None;
    }
    let rest = &key[table.prefix_length()..];
    let time = u64::from_be_bytes(*rest.first_chunk()?);
    let hash = u32::from_be_bytes(*rest[8..].first_chunk()?);
    let mut position = [0; 8];
    position[2..].copy_from_slice(key.last_chunk::<6>()?);
    Some(((time, hash), u64::from_be_bytes(position)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(signer: u8, tags: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 152];
        out[..8].copy_from_slice(&7_u64.to_be_bytes());
        out[8..48].copy_from_slice(&[9; 40]);
        out[64..96].copy_from_slice(&[1; 32]);
        out[96..128].copy_from_slice(&[signer; 32]);
        out[128..136].copy_from_slice(&7_u64.to_be_bytes());
        out[144..146].copy_from_slice(&(tags.len() as u16).to_le_bytes());
        out.extend_from_slice(tags);
        out.resize(out.len().next_multiple_of(8) + 64, 0);
        out
    }

    fn all(record: &[u8]) -> Vec<(Table, Key)> {
        let mut out = Vec::new();
        let hashes = Hashes::new(&[3; 16]);
        assert!(hashes.keys_of(record, 0x1234, |table, key, _| out.push((table, key))));
        out
    }

    #[test]
    fn every_key_tells_its_place_and_position() {
        for (table, key) in all(&record(2, &[5, 0, 1, 0, 9, 4, 0, 2, 0])) {
            assert_eq!(key.as_slice().len(), table.key_length());
            let (place, position) = split(table, key.as_slice()).unwrap();
            assert_eq!((place, position), ((7, 0x0909_0909), 0x1234));
        }
    }

    #[test]
    fn a_signer_that_is_the_author_has_no_key_of_its_own() {
        let count = |r: &[u8]| all(r).iter().filter(|(t, _)| *t == Table::Key).count();
        assert_eq!((count(&record(1, &[])), count(&record(2, &[]))), (1, 2));
    }

    #[test]
    fn bounds_enclose_their_place() {
        let prefix = [4; 6];
        for table in TABLES {
            let key = key_at(table, prefix, &7_u64.to_be_bytes(), &[1; 8], &[0; 6]);
            let at = |place| bound(table, prefix, place);
            assert!(at((7, 0)).as_slice() <= key.as_slice());
            assert!(at((7, 0x0101_0101)).as_slice() <= key.as_slice());
            assert!(at((7, 0x0101_0102)).as_slice() > key.as_slice());
            assert!(bound_after(table, prefix).as_slice() > key.as_slice());
        }
    }
}
