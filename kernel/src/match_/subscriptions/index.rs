//! Which filters stand under the hash of a value: most values have one, some a list.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem::size_of;

/// A place in `Subscriptions::open`.
pub(super) type Slot = u32;

/// Marks a value of `Index::places` as a place in `Index::lists`.
pub(super) const LIST: u32 = 1 << 31;

/// Slots by the hash of a value that records have: most values have one.
#[derive(Default)]
pub(super) struct Index {
    pub(super) places: HashMap<u32, u32, BuildHasherDefault<Spread>>,
    pub(super) lists: Vec<Vec<Slot>>,
    pub(super) free: Vec<u32>,
}

impl Index {
    pub(super) fn insert(&mut self, key: u32, slot: Slot) {
        let Some(place) = self.places.get_mut(&key) else {
            self.places.insert(key, slot);
            return;
        };
        if *place & LIST == 0 {
            let one = *place;
            if one == slot {
                return;
            }
            let list = vec![one.min(slot), one.max(slot)];
            let at = self.free.pop().unwrap_or(self.lists.len() as u32);
            match self.lists.get_mut(at as usize) {
                Some(empty) => *empty = list,
                None => self.lists.push(list),
            }
            *place = LIST | at;
        } else if let Some(list) = self.lists.get_mut((*place & !LIST) as usize)
            && let Err(at) = list.binary_search(&slot)
        {
            list.insert(at, slot);
        }
    }

    pub(super) fn remove(&mut self, key: u32, slot: Slot) {
        let Some(&place) = self.places.get(&key) else {
            return;
        };
        if place & LIST == 0 {
            if place == slot {
                self.places.remove(&key);
            }
            return;
        }
        let at = place & !LIST;
        let Some(list) = self.lists.get_mut(at as usize) else {
            return;
        };
        if let Ok(found) = list.binary_search(&slot) {
            list.remove(found);
        }
        if let [last] = list[..] {
            *list = Vec::new();
            self.free.push(at);
            self.places.insert(key, last);
        }
    }

    /// Hands each slot that stands under a key to `look`.
    pub(super) fn each(&self, key: u32, mut look: impl FnMut(Slot)) {
        let Some(&place) = self.places.get(&key) else {
            return;
        };
        if place & LIST == 0 {
            look(place);
        } else if let Some(list) = self.lists.get((place & !LIST) as usize) {
            list.iter().for_each(|&slot| look(slot));
        }
    }

    pub(super) fn memory(&self) -> usize {
        let lists: usize = self.lists.iter().map(|list| list.capacity() * 4).sum();
        let entries = self.places.capacity() * 8 / 7 * (size_of::<(u32, u32)>() + 1);
        entries + lists + self.lists.capacity() * size_of::<Vec<Slot>>() + self.free.capacity() * 4
    }
}

/// Of keys that are hashes already: spreads their bits.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(byte.into()));
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
