//! Open filters, indexed so that a record costs what it hits, not how many are open.
//!
//! Each filter stands in the index under each value of its most selective narrow element. A record
//! looks up its own author, tags, signer, timestamp and kind, and matches only the filters found
//! there. Filters without a narrow element are in a list of their own, which every record goes through.
//!
//! The index keeps 32 bits of a keyed hash of each value, so that a hundred thousand filters of many
//! values each stay small: what is found by chance does not match, and nobody can choose his chances.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::mem::size_of;
use std::sync::Arc;

use crate::match_::filter::CompiledFilter;
use crate::match_::record_view::RecordView;

/// A place in `Subscriptions::open`.
type Slot = u32;

struct Open {
    number: u64,
    filter: Arc<CompiledFilter>,
    /// The last record that looked at this filter, so that none looks twice.
    seen: u64,
}

/// Of keys that are hashes already: spreads their bits.
#[derive(Default)]
struct Spread(u64);

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

/// Marks a value of `Index::places` as a place in `Index::lists`.
const LIST: u32 = 1 << 31;

/// Slots by the hash of a value that records have: most values have one.
#[derive(Default)]
struct Index {
    places: HashMap<u32, u32, BuildHasherDefault<Spread>>,
    lists: Vec<Vec<Slot>>,
    free: Vec<u32>,
}

impl Index {
    fn insert(&mut self, key: u32, slot: Slot) {
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

    fn remove(&mut self, key: u32, slot: Slot) {
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
    fn each(&self, key: u32, mut look: impl FnMut(Slot)) {
        let Some(&place) = self.places.get(&key) else {
            return;
        };
        if place & LIST == 0 {
            look(place);
        } else if let Some(list) = self.lists.get((place & !LIST) as usize) {
            list.iter().for_each(|&slot| look(slot));
        }
    }

    fn memory(&self) -> usize {
        let lists: usize = self.lists.iter().map(|list| list.capacity() * 4).sum();
        let entries = self.places.capacity() * 8 / 7 * (size_of::<(u32, u32)>() + 1);
        entries + lists + self.lists.capacity() * size_of::<Vec<Slot>>() + self.free.capacity() * 4
    }
}

/// Of which element a value in the index is.
#[derive(Clone, Copy, Hash)]
enum Element {
    Author,
    Signer,
    Kind,
    Timestamp,
    Tag,
}

/// Any number of open filters under numbers of the caller's.
#[derive(Default)]
pub struct Subscriptions {
    open: Vec<Option<Open>>,
    free: Vec<Slot>,
    slots: HashMap<u64, Slot>,
    index: Index,
    hashed: RandomState,
    /// How many filters are found by their tags: without any, no tag of a record is looked up.
    by_tag: usize,
    rest: Vec<Slot>,
    /// Counts records; see `Open::seen`.
    clock: u64,
}

impl Subscriptions {
    /// Opens a filter; false (and nothing is changed) if the number is in use, or 2^31 are open.
    pub fn add(&mut self, number: u64, filter: Arc<CompiledFilter>) -> bool {
        if self.slots.contains_key(&number) {
            return false;
        }
        let next = self.open.len() as Slot;
        let slot = self.free.pop().unwrap_or(next);
        if slot >= LIST {
            return false;
        }
        if slot == next {
            self.open.push(None);
        }
        self.slots.insert(number, slot);
        self.enter(slot, &filter);
        self.open[slot as usize] = Some(Open {
            number,
            filter,
            seen: 0,
        });
        true
    }

    /// Closes a filter; false if there was none of this number.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some(slot) = self.slots.remove(&number) else {
            return false;
        };
        if let Some(open) = self.open[slot as usize].take() {
            self.leave(slot, &open.filter);
        }
        self.free.push(slot);
        true
    }

    /// The number of open filters.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no filter is open.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The bytes that the open filters and their index take up.
    pub fn memory(&self) -> usize {
        let counts = 2 * size_of::<usize>(); // of an Arc
        let filters: usize = self
            .open
            .iter()
            .flatten()
            .map(|open| counts + open.filter.memory())
            .sum();
        let numbers = self.slots.capacity() * 8 / 7 * (size_of::<(u64, Slot)>() + 1);
        let lists = (self.free.capacity() + self.rest.capacity()) * size_of::<Slot>();
        filters
            + numbers
            + lists
            + self.open.capacity() * size_of::<Option<Open>>()
            + self.index.memory()
    }

    fn key(&self, element: Element, value: &[u8]) -> u32 {
        self.hashed.hash_one((element, value)) as u32
    }

    /// The keys under which a filter is found; none if it has no narrow element.
    fn keys(&self, filter: &CompiledFilter) -> Option<Vec<u32>> {
        fn each<T>(values: &[T], key: impl Fn(&T) -> u32) -> Option<Vec<u32>> {
            Some(values.iter().map(key).collect())
        }
        if let Some(times) = filter.timestamps() {
            return each(times, |time| {
                self.key(Element::Timestamp, &time.to_be_bytes())
            });
        }
        if let Some(keys) = filter.authors() {
            return each(keys, |key| self.key(Element::Author, key));
        }
        if let Some(keys) = filter.signers() {
            return each(keys, |key| self.key(Element::Signer, key));
        }
        if let Some(tags) = home_tags(filter) {
            return each(tags, |tag| self.key(Element::Tag, tag));
        }
        each(filter.kinds()?, |kind| self.key(Element::Kind, kind))
    }

    fn enter(&mut self, slot: Slot, filter: &CompiledFilter) {
        self.by_tag += usize::from(is_found_by_tags(filter));
        match self.keys(filter) {
            Some(keys) => keys
                .into_iter()
                .for_each(|key| self.index.insert(key, slot)),
            None => self.rest.push(slot),
        }
    }

    fn leave(&mut self, slot: Slot, filter: &CompiledFilter) {
        self.by_tag -= usize::from(is_found_by_tags(filter));
        match self.keys(filter) {
            Some(keys) => keys
                .into_iter()
                .for_each(|key| self.index.remove(key, slot)),
            None => self.rest.retain(|&other| other != slot),
        }
    }

    /// The keys under which filters stand that may match a record.
    fn keys_of(&self, view: RecordView<'_>) -> Vec<u32> {
        let mut keys = vec![
            self.key(Element::Author, &view.author()),
            self.key(Element::Signer, &view.signer()),
            self.key(Element::Timestamp, &view.timestamp().to_be_bytes()),
            self.key(Element::Kind, &view.kind()),
        ];
        if self.by_tag > 0 {
            keys.extend(view.tags().map(|tag| self.key(Element::Tag, tag)));
            // A record may repeat one tag thousands of times; each is looked up once.
            keys.sort_unstable();
            keys.dedup();
        }
        keys
    }

    /// The numbers of the filters that a record matches, ascending.
    pub fn matching(&mut self, record: &[u8], received: Option<u64>) -> Vec<u64> {
        let Some(view) = RecordView::new(record) else {
            return Vec::new();
        };
        self.clock += 1;
        let keys = self.keys_of(view);
        let mut found = Found {
            open: &mut self.open,
            clock: self.clock,
            view,
            received,
            numbers: Vec::new(),
        };
        self.rest.iter().for_each(|&slot| found.look_at(slot));
        for key in keys {
            self.index.each(key, |slot| found.look_at(slot));
        }
        let mut numbers = found.numbers;
        numbers.sort_unstable();
        numbers
    }
}

/// The shortest group of tags of a filter.
fn home_tags(filter: &CompiledFilter) -> Option<&Vec<Box<[u8]>>> {
    filter.tags().iter().min_by_key(|group| group.len())
}

fn is_found_by_tags(filter: &CompiledFilter) -> bool {
    filter.timestamps().is_none()
        && filter.authors().is_none()
        && filter.signers().is_none()
        && !filter.tags().is_empty()
}

/// What one record has hit so far.
struct Found<'a> {
    open: &'a mut [Option<Open>],
    clock: u64,
    view: RecordView<'a>,
    received: Option<u64>,
    numbers: Vec<u64>,
}

impl Found<'_> {
    fn look_at(&mut self, slot: Slot) {
        let Some(Some(open)) = self.open.get_mut(slot as usize) else {
            return;
        };
        if open.seen != self.clock {
            open.seen = self.clock;
            if open.filter.matches_view(self.view, self.received) {
                self.numbers.push(open.number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(elements: &[(u8, &[u8])]) -> Arc<CompiledFilter> {
        let mut body = Vec::new();
        for (kind, value) in elements {
            body.extend([*kind, (value.len() / 8) as u8 + 1, 0, 0, 0, 0, 0, 0]);
            body.extend(*value);
        }
        let mut data = vec![0; 8];
        data[..2].copy_from_slice(&((8 + body.len()) as u16).to_le_bytes());
        data.extend(body);
        Arc::new(CompiledFilter::parse(&data).unwrap_or_default())
    }

    const KIND: [u8; 8] = [0, 0, 0, 1, 0, 1, 0, 0x1c];
    const TIME: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 5];
    const TAG: [u8; 8] = [8, 0, 1, 0, 1, 2, 3, 4];

    fn key(seed: u8) -> [u8; 32] {
        crate::crypto::keys::ExpandedSecret::from_seed(&[seed; 32]).public
    }

    fn record() -> Vec<u8> {
        let tags = [TAG, TAG].concat();
        let mut record = vec![0; 152];
        record[56..64].copy_from_slice(&KIND);
        record[64..96].copy_from_slice(&key(1));
        record[96..128].copy_from_slice(&key(2));
        record[128..136].copy_from_slice(&TIME);
        record[144] = tags.len() as u8;
        record.extend(tags);
        record.resize(record.len() + 64, 0);
        record
    }

    fn hitting() -> Vec<Arc<CompiledFilter>> {
        vec![
            filter(&[]),
            filter(&[(0x01, &key(1))]),
            filter(&[(0x02, &[key(3), key(2)].concat())]),
            filter(&[(0x03, &KIND)]),
            filter(&[(0x04, &TIME)]),
            filter(&[(0x05, &TAG)]),
            filter(&[(0x80, &TIME)]),
            filter(&[(0x05, &TAG), (0x01, &key(1)), (0x03, &KIND)]),
        ]
    }

    #[test]
    fn each_index_finds_its_filters_once() {
        let mut subscriptions = Subscriptions::default();
        for (number, filter) in hitting().into_iter().enumerate().rev() {
            assert!(subscriptions.add(number as u64, filter));
        }
        assert_eq!(
            subscriptions.matching(&record(), None),
            [0, 1, 2, 3, 4, 5, 6, 7]
        );
        assert_eq!(
            subscriptions.matching(&record()[..151], None),
            [] as [u64; 0]
        );
    }

    #[test]
    fn what_was_closed_is_not_found() {
        let mut subscriptions = Subscriptions::default();
        for (number, filter) in hitting().into_iter().enumerate() {
            subscriptions.add(number as u64, filter);
        }
        for number in 0..8 {
            assert!(subscriptions.remove(number));
            assert!(!subscriptions.remove(number));
            assert_eq!(
                subscriptions.matching(&record(), None),
                (number + 1..8).collect::<Vec<_>>()
            );
        }
        assert!(subscriptions.is_empty());
        assert!(subscriptions.index.places.is_empty() && subscriptions.rest.is_empty());
        assert_eq!(subscriptions.by_tag, 0);
    }

    #[test]
    fn a_number_is_open_once() {
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.add(7, filter(&[])));
        assert!(!subscriptions.add(7, filter(&[(0x01, &key(9))])));
        assert_eq!(subscriptions.len(), 1);
        assert_eq!(subscriptions.matching(&record(), None), [7]);
    }

    #[test]
    fn a_record_does_not_look_at_filters_of_others() {
        let mut subscriptions = Subscriptions::default();
        for number in 0..100_u8 {
            subscriptions.add(
                number.into(),
                filter(&[(0x01, &key(number)), (0x03, &KIND)]),
            );
        }
        assert_eq!(subscriptions.matching(&record(), None), [1]);
        let looked_at = subscriptions
            .open
            .iter()
            .flatten()
            .filter(|open| open.seen != 0)
            .count();
        assert_eq!(looked_at, 1);
    }

    #[test]
    fn what_opens_and_closes_leaves_nothing_behind() {
        let mut subscriptions = Subscriptions::default();
        for round in 0..3 {
            for number in 0..60_u64 {
                // Each author has twenty subscribers, each subscriber two authors.
                let (one, other) = (number as u8 % 3 + 1, number as u8 % 5 + 10);
                let keys = [key(one), key(other)].concat();
                assert!(subscriptions.add(number, filter(&[(0x01, &keys)])));
            }
            let expected: Vec<u64> = (0..60).filter(|number| number % 3 == 0).collect();
            assert_eq!(subscriptions.matching(&record(), None), expected, "{round}");
            for number in (0..60).rev() {
                subscriptions.remove(number);
                let left: Vec<u64> = (0..number).filter(|number| number % 3 == 0).collect();
                assert_eq!(subscriptions.matching(&record(), None), left);
            }
        }
        let index = &subscriptions.index;
        assert!(index.places.is_empty() && index.lists.iter().all(Vec::is_empty));
        assert_eq!(index.free.len(), index.lists.len());
        assert_eq!(subscriptions.open.len(), 60);
    }

    #[test]
    fn filters_of_twenty_authors_stay_small() {
        let count = if cfg!(debug_assertions) {
            2_000
        } else {
            100_000
        };
        let keys: Vec<[u8; 32]> = (1..=250).map(key).collect();
        let mut subscriptions = Subscriptions::default();
        for number in 0..count {
            let twenty: Vec<u8> = (0..20)
                .flat_map(|n| keys[(number * 7 + n * 11) % keys.len()])
                .collect();
            subscriptions.add(number as u64, filter(&[(0x01, &twenty)]));
        }
        let each = subscriptions.memory() / count;
        assert!(each < 1_100, "{each} bytes each");
    }
}
