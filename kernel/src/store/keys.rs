//! The keys under which a record stands in the index: short, and verified on the record itself.
//!
//! Every key ends in `timestamp ‖ hash ‖ position`, where the hash is the first bytes of the id's, so that
//! a range in descending order gives records newest first by (timestamp, id); ties are settled by the
//! whole ids. What is indexed stands before that as a keyed hash of four bytes: few of one store's keys
//! or tags share one, nobody can make some that do, and those that do are told apart on the record.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::match_::record_view::RecordView;

/// The shortest record there is.
pub const MIN_RECORD: usize = 216;

/// The tables of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Nothing before the timestamp: ids, and the order of all records; a record is served if it is here.
    Time,
    /// author, and signing key where it is another → kind hint.
    Key,
    /// kind.
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
            _ => 4,
        }
    }

    /// Bytes of the id's hash. More where all records stand in one row.
    fn hash_length(self) -> usize {
        match self {
            Self::Time => 4,
            _ => 2,
        }
    }

    /// Bytes of a key.
    pub fn key_length(self) -> usize {
        self.prefix_length() + 8 + self.hash_length() + 6
    }
}

/// Bytes before the timestamp: a keyed hash of what is indexed.
pub type Prefix = [u8; 4];
/// A byte of a keyed hash, which tells of most records that can't match without reading them.
pub type Hint = u8;

/// Where in the order of answers a key stands (timestamp, beginning of the hash); greater is earlier.
pub type Place = (u64, u32);

/// A key built in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    bytes: [u8; 20],
    length: u8,
}

impl Key {
    fn new() -> Self {
        Self {
            bytes: [0; 20],
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

    /// The prefix of a kind in `Table::Kind`.
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

    /// What stands before the position in the table `deleted` for an id that `deleter` deleted.
    pub fn deleted_id(&self, id: &[u8; 48], deleter: &[u8; 32]) -> [u8; 8] {
        self.hash(5, &[&id[..], deleter].concat())
    }

    /// What stands before the position in the table `deleted` for an address.
    pub fn deleted_address(&self, address: &[u8]) -> [u8; 8] {
        self.hash(6, address)
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
        let (time, hash) = (&record[..8], &record[8..12]);
        let position = position_bytes(position);
        let key = |table: Table, prefix: Prefix| key_at(table, prefix, time, hash, &position);
        each(Table::Time, key(Table::Time, [0; 4]), &[]);
        each(Table::Key, key(Table::Key, author), &[kind_hint]);
        if signer != &record[64..96] {
            each(Table::Key, key(Table::Key, self.key(signer)), &[kind_hint]);
        }
        each(Table::Kind, key(Table::Kind, kind), &[]);
        let hints = [kind_hint, author_hint];
        for tag in view.tags() {
            each(Table::Tag, key(Table::Tag, self.tag(tag)), &hints);
        }
        let address = self.address(&record[48..96]);
        each(Table::Address, key(Table::Address, address), &[]);
        true
    }
}

fn prefix(hash: [u8; 8]) -> Prefix {
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The hint of a prefix.
pub fn hint(prefix: Prefix) -> Hint {
    prefix[0]
}

fn position_bytes(position: u64) -> [u8; 6] {
    let b = position.to_be_bytes();
    [b[2], b[3], b[4], b[5], b[6], b[7]]
}

fn key_at(table: Table, prefix: Prefix, time: &[u8], hash: &[u8], position: &[u8]) -> Key {
    let hash = &hash[..table.hash_length()];
    Key::new()
        .push(&prefix[..table.prefix_length()])
        .push(time)
        .push(hash)
        .push(position)
}

/// The key of a record in `Table::Time`.
pub fn time_key(record: &[u8], position: u64) -> Option<Key> {
    let (time, hash) = record.get(..12)?.split_at(8);
    Some(key_at(
        Table::Time,
        [0; 4],
        time,
        hash,
        &position_bytes(position),
    ))
}

/// The beginning of all keys in `Table::Time` of ids that begin with these bytes (12 at least).
pub fn id_prefix(id: &[u8]) -> Option<&[u8]> {
    id.get(..12)
}

/// The smallest key under a prefix whose place is not before `place` (place 0 = the first of all).
pub fn bound(table: Table, prefix: Prefix, place: Place) -> Key {
    Key::new()
        .push(&prefix[..table.prefix_length()])
        .push(&place.0.to_be_bytes())
        .push(&place.1.to_be_bytes()[..table.hash_length()])
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
    let mut hash = [0; 4];
    hash[..table.hash_length()].copy_from_slice(&rest[8..8 + table.hash_length()]);
    let mut position = [0; 8];
    position[2..].copy_from_slice(key.last_chunk::<6>()?);
    Some((
        (time, u32::from_be_bytes(hash)),
        u64::from_be_bytes(position),
    ))
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
            let hash = u32::MAX << (32 - 8 * table.hash_length()) & 0x0909_0909;
            assert_eq!((place, position), ((7, hash), 0x1234));
        }
    }

    #[test]
    fn a_signer_that_is_the_author_has_no_key_of_its_own() {
        let count = |r: &[u8]| all(r).iter().filter(|(t, _)| *t == Table::Key).count();
        assert_eq!((count(&record(1, &[])), count(&record(2, &[]))), (1, 2));
    }

    #[test]
    fn bounds_enclose_their_place() {
        let prefix = [4; 4];
        for table in TABLES {
            let key = key_at(table, prefix, &7_u64.to_be_bytes(), &[1; 8], &[0; 6]);
            let at = |place| bound(table, prefix, place);
            assert!(at((7, 0)).as_slice() <= key.as_slice());
            assert!(at((7, 0x0101_0101)).as_slice() <= key.as_slice());
            assert!(at((7, 0x0102_0000)).as_slice() > key.as_slice());
            assert!(bound_after(table, prefix).as_slice() > key.as_slice());
        }
    }
}
