//! Records for tests, a source of chance, and shorthands for an open store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::match_::filter::CompiledFilter;
use crate::store::access::Viewers;
use crate::store::files::Files;
use crate::store::intake::Incoming;
use crate::store::scan::{Query, Scan};
use crate::store::store::Store;

pub const SEGMENT: u64 = 4096;

/// A small generator of chance (xorshift), the same for the same seed.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A record of `number` at an address, with a payload; unsigned.
pub fn record(number: u64, timestamp: u64, address: u8, payload: usize) -> Vec<u8> {
    let mut out = vec![0; 152 + payload.next_multiple_of(8) + 64];
    out[..8].copy_from_slice(&timestamp.to_be_bytes());
    out[48] = 0x80;
    out[49] = address;
    out[59] = 1;
    out[61] = 1;
    out[63] = 0x0c;
    out[64..96].copy_from_slice(&[1; 32]);
    out[96..128].copy_from_slice(&[1; 32]);
    out[128..136].copy_from_slice(&timestamp.to_be_bytes());
    out[140..144].copy_from_slice(&(number as u32).to_le_bytes());
    out[146] = 64;
    out[148..152].copy_from_slice(&(payload as u32).to_le_bytes());
    let hash = *blake3::hash(&out[48..]).as_bytes();
    out[8..40].copy_from_slice(&hash);
    out
}

/// A Deletion by the author of `record`, with a Target tag for each reference; unsigned.
pub fn deletion(number: u64, timestamp: u64, references: &[&[u8]]) -> Vec<u8> {
    let mut tags = Vec::new();
    for reference in references {
        tags.extend_from_slice(&[64, 0, 0x01, 0x4d, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0x0c]);
        tags.extend_from_slice(reference);
    }
    let mut out = record(number, timestamp, 0xee, tags.len());
    out[56..64].copy_from_slice(&[0xde, 0xf0, 0x84, 0x3a, 0, 1, 0, 0x0c]);
    out[144..146].copy_from_slice(&(tags.len() as u16).to_le_bytes());
    out[148..152].fill(0);
    out[152..152 + tags.len()].copy_from_slice(&tags);
    let hash = *blake3::hash(&out[48..]).as_bytes();
    out[8..40].copy_from_slice(&hash);
    out
}

pub fn open(
    files: Arc<dyn Files>,
    folder: &Path,
    boot: &[u8],
) -> crate::store::error::Result<Store> {
    Store::open(files, folder, boot, SEGMENT, &mut |_, _| {})
}

pub fn incoming(records: &[Vec<u8>], mode: u8) -> Vec<Incoming<'_>> {
    let each = records.iter().enumerate().map(|(n, record)| Incoming {
        record,
        received: n as u64 + 1,
        mode,
        label: 0,
    });
    each.collect()
}

/// All that a store serves, by id, found by a query.
pub fn served(store: &Store) -> BTreeMap<Vec<u8>, (u64, Vec<u8>)> {
    let filter = CompiledFilter::parse(&[8, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut scan = Scan::query(Query {
        filter: Arc::new(filter),
        viewers: Viewers::Owner,
        limit: 0,
        before: u64::MAX,
        after: 0,
    });
    let mut out = BTreeMap::new();
    let entered = store.enter();
    let view = store.view(&entered).unwrap();
    let finished = scan.run(&view, Duration::from_secs(60), &mut |found| {
        let record = found.record;
        out.insert(record[..48].to_vec(), (found.position, record.to_vec()));
        true
    });
    assert!(finished.unwrap());
    out
}
