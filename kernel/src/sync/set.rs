//! What is compared: ids in the order of (timestamp, id).
//!
//! An item is the first 32 bytes of a record's id. They begin with its timestamp, so that the order of
//! the bytes is the order of the items, and 32 bytes are all that is kept of each.

use std::sync::Arc;

use negentropy::{Bound, Error, Id, Item, NegentropyStorageBase};

/// The bytes of an item.
pub const ITEM: usize = 32;

/// Items in order, each once.
#[derive(Debug, Default)]
pub struct Items(Vec<[u8; ITEM]>);

fn timestamp(item: &[u8; ITEM]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&item[..8]);
    u64::from_be_bytes(bytes)
}

fn item(id: &[u8; ITEM]) -> Item {
    Item::with_timestamp_and_id(timestamp(id), Id::from_byte_array(*id))
}

impl Items {
    /// The items of a set, in any order.
    pub fn new(mut ids: Vec<[u8; ITEM]>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        ids.shrink_to_fit();
        Self(ids)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where an item stands, if it is there.
    pub fn place(&self, id: &[u8; ITEM]) -> Option<usize> {
        self.0.binary_search(id).ok()
    }
}

/// A set that several reconciliations look at.
#[derive(Clone, Debug)]
pub struct Shared(pub Arc<Items>);

impl NegentropyStorageBase for Shared {
    fn size(&self) -> Result<usize, Error> {
        Ok(self.0.len())
    }

    fn get_item(&self, i: usize) -> Result<Option<Item>, Error> {
        Ok(self.0.0.get(i).map(item))
    }

    fn iterate(
        &self,
        begin: usize,
        end: usize,
        cb: &mut dyn FnMut(Item, usize) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let ids = self.0.0.get(begin..end).ok_or(Error::BadRange)?;
        for (number, id) in ids.iter().enumerate() {
            if !cb(item(id), begin + number)? {
                break;
            }
        }
        Ok(())
    }

    fn find_lower_bound(&self, first: usize, last: usize, value: &Bound) -> usize {
        let ids = self.0.0.get(first..last).unwrap_or_default();
        first + ids.partition_point(|id| item(id) < value.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, last: u8) -> [u8; ITEM] {
        let mut id = [0; ITEM];
        (id[7], id[31]) = (first, last);
        id
    }

    #[test]
    fn items_are_in_order_and_there_once() {
        let items = Items::new(vec![id(2, 1), id(1, 9), id(2, 1), id(1, 3)]);
        assert_eq!(items.len(), 3);
        let shared = Shared(Arc::new(items));
        let mut seen = Vec::new();
        let all = shared.iterate(0, 3, &mut |item, place| {
            seen.push((item.timestamp, item.id.to_bytes(), place));
            Ok(true)
        });
        assert_eq!(all, Ok(()));
        assert_eq!(seen, [(1, id(1, 3), 0), (1, id(1, 9), 1), (2, id(2, 1), 2)]);
        assert_eq!(
            shared.iterate(2, 4, &mut |_, _| Ok(true)),
            Err(Error::BadRange)
        );
    }

    #[test]
    fn a_bound_is_found_by_its_timestamp_first() {
        let shared = Shared(Arc::new(Items::new(vec![id(1, 3), id(1, 9), id(2, 1)])));
        let find = |bound: &Bound| shared.find_lower_bound(0, 3, bound);
        assert_eq!(find(&Bound::with_timestamp(1)), 0);
        assert_eq!(find(&Bound::with_timestamp(2)), 2);
        assert_eq!(find(&Bound::with_timestamp(u64::MAX)), 3);
        let between = Bound::with_timestamp_and_id(1, id(1, 5)).unwrap_or_default();
        assert_eq!(find(&between), 1);
        // An id that contradicts its timestamp is no trouble.
        let false_one = Bound::with_timestamp_and_id(1, [0xff; 32]).unwrap_or_default();
        assert_eq!(find(&false_one), 2);
    }
}
