//! Public keys that were decompressed before, and bytes that were found to be none.
//!
//! Decompressing a key costs a third of a single check, and most records come from keys seen
//! before. The cache is bounded since anybody can send fresh keys. Each shard keeps two
//! generations: keys in use move to the young one; when that is full it becomes the old one,
//! and what was not used since is forgotten. So a flood of fresh keys does not push out those
//! that are used meanwhile.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use curve25519_dalek::edwards::EdwardsPoint;

use crate::crypto::keys;

const SHARDS: usize = 16;

/// The point of an acceptable key, or `None` for bytes that are none.
type Entry = Option<EdwardsPoint>;

struct Generations {
    young: HashMap<[u8; 32], Entry>,
    old: HashMap<[u8; 32], Entry>,
}

impl Generations {
    /// What `view` makes of the entry, if there is one.
    fn get<T>(&mut self, key: &[u8; 32], limit: usize, view: impl Fn(&Entry) -> T) -> Option<T> {
        if let Some(entry) = self.young.get(key) {
            return Some(view(entry));
        }
        let entry = self.old.remove(key)?;
        let seen = view(&entry);
        self.insert(*key, entry, limit);
        Some(seen)
    }

    fn insert(&mut self, key: [u8; 32], entry: Entry, limit: usize) {
        if self.young.len() >= limit {
            // The emptied table keeps its room, so that no memory is asked for again.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, entry);
    }
}

/// An empty table with room for `limit` entries, every page of which was written once.
fn table(limit: usize) -> HashMap<[u8; 32], Entry> {
    let mut table = HashMap::with_capacity(limit);
    for number in 0..limit {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_le_bytes());
        table.insert(key, None);
    }
    table.clear();
    table
}

/// A bounded map from key bytes to points, for any number of threads.
pub struct KeyCache {
    shards: [Mutex<Generations>; SHARDS],
    /// Entries in one generation of one shard.
    limit: usize,
}

impl KeyCache {
    /// A cache of at most `entries` keys (about 250 bytes each), 32 at least.
    ///
    /// It takes all its room now: whoever sends fresh keys can't make it grow later.
    pub fn new(entries: usize) -> Self {
        let limit = (entries / SHARDS / 2).max(1);
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(Generations {
                    young: table(limit),
                    old: table(limit),
                })
            }),
            limit,
        }
    }

    fn shard(&self, key: &[u8; 32]) -> MutexGuard<'_, Generations> {
        // Low bits of a key are as good as random, and who sends chosen ones slows only himself.
        let shard = &self.shards[usize::from(key[0]) % SHARDS];
        // A map is whole even if a thread died that held it.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The point of an acceptable key; `None` if the bytes are no such key.
    pub fn point(&self, key: &[u8; 32]) -> Option<EdwardsPoint> {
        self.look_up(key, |entry| *entry)
    }

    /// Whether the bytes are an acceptable key.
    pub fn accepts(&self, key: &[u8; 32]) -> bool {
        self.look_up(key, Option::is_some)
    }

    /// As `accepts`, but a key that is not held is not held afterwards either.
    pub fn accepts_unremembered(&self, key: &[u8; 32]) -> bool {
        let seen = self.shard(key).get(key, self.limit, Option::is_some);
        seen.unwrap_or_else(|| keys::decompress_key(key).is_some())
    }

    fn look_up<T>(&self, key: &[u8; 32], view: impl Fn(&Entry) -> T) -> T {
        if let Some(seen) = self.shard(key).get(key, self.limit, &view) {
            return seen;
        }
        // Not under the lock: others need not wait for it, and two may find the same.
        let entry = keys::decompress_key(key);
        let seen = view(&entry);
        self.shard(key).insert(*key, entry, self.limit);
        seen
    }

    /// The number of keys held.
    pub fn len(&self) -> usize {
        let held = |shard: &Mutex<Generations>| {
            let generations = shard.lock().unwrap_or_else(PoisonError::into_inner);
            generations.young.len() + generations.old.len()
        };
        self.shards.iter().map(held).sum()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::ExpandedSecret;

    fn key(number: u64) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        ExpandedSecret::from_seed(&seed).public
    }

    #[test]
    fn hits_and_misses_give_the_same() {
        let cache = KeyCache::new(64);
        let small_order = {
            let mut bytes = [0; 32];
            bytes[0] = 1;
            bytes
        };
        for bytes in [key(1), key(2), small_order, [0xff; 32]] {
            let expected = keys::decompress_key(&bytes);
            assert_eq!(cache.point(&bytes), expected);
            assert_eq!(cache.point(&bytes), expected);
            assert_eq!(cache.accepts(&bytes), expected.is_some());
        }
        assert_eq!(cache.len(), 4, "negative entries are held, too");
    }

    #[test]
    fn it_stays_bounded() {
        let cache = KeyCache::new(64);
        for number in 0..1000_u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            cache.point(&bytes);
            assert!(cache.len() <= 64);
        }
    }

    #[test]
    fn keys_can_be_judged_without_being_held() {
        let cache = KeyCache::new(64);
        for number in 0..100 {
            assert!(cache.accepts_unremembered(&key(number)));
        }
        assert!(!cache.accepts_unremembered(&[0; 32]));
        assert!(cache.is_empty());
        assert!(cache.accepts(&key(1)));
        assert!(cache.accepts_unremembered(&key(1)));
    }

    #[test]
    fn keys_in_use_survive_a_flood() {
        let cache = KeyCache::new(64);
        let used = key(1);
        cache.point(&used);
        for number in 0..1000_u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            cache.point(&bytes);
            cache.point(&used);
            let shard = cache.shard(&used);
            assert!(shard.young.contains_key(&used) && !shard.old.contains_key(&used));
        }
    }
}
