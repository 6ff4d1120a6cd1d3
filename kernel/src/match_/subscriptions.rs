//! Open filters, indexed so that a record costs what it hits, not how many are open.
//!
//! Each filter stands in one index only, that of its most selective narrow element, under each
//! value that the element lists. A record looks up its own author, tags, signer, timestamp and
//! kind, and matches only the filters found there. Filters without a narrow element are in a
//! list of their own, which every record goes through.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::match_::filter::{CompiledFilter, TagBytes};
use crate::match_::record_view::RecordView;

/// A place in `Subscriptions::open`.
type Slot = usize;

struct Open {
    number: u64,
    filter: Arc<CompiledFilter>,
    /// The last record that looked at this filter, so that none looks twice.
    seen: u64,
}

/// Slots by a value that records have.
struct Index<K>(HashMap<K, Vec<Slot>>);

impl<K: Hash + Eq> Index<K> {
    fn insert(&mut self, key: K, slot: Slot) {
        let slots = self.0.entry(key).or_default();
        if let Err(place) = slots.binary_search(&slot) {
            slots.insert(place, slot);
        }
    }

    fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, slot: Slot)
    where
        K: Borrow<Q>,
    {
        let Some(slots) = self.0.get_mut(key) else {
            return;
        };
        if let Ok(place) = slots.binary_search(&slot) {
            slots.remove(place);
        }
        if slots.is_empty() {
            self.0.remove(key);
        }
    }

    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> &[Slot]
    where
        K: Borrow<Q>,
    {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// Where a filter is found: the values of its most selective narrow element.
enum Home<'a> {
    Authors(&'a [[u8; 32]]),
    Tags(&'a [TagBytes]),
    Signers(&'a [[u8; 32]]),
    Timestamps(&'a [u64]),
    Kinds(&'a [[u8; 8]]),
    Rest,
}

fn home(filter: &CompiledFilter) -> Home<'_> {
    if let Some(timestamps) = filter.timestamps() {
        return Home::Timestamps(timestamps);
    }
    if let Some(authors) = filter.authors() {
        return Home::Authors(authors);
    }
    if let Some(signers) = filter.signers() {
        return Home::Signers(signers);
    }
    if let Some(tags) = filter.tags().iter().min_by_key(|group| group.len()) {
        return Home::Tags(tags);
    }
    filter.kinds().map_or(Home::Rest, Home::Kinds)
}

/// Any number of open filters under numbers of the caller's.
#[derive(Default)]
pub struct Subscriptions {
    open: Vec<Option<Open>>,
    free: Vec<Slot>,
    slots: HashMap<u64, Slot>,
    authors: Index<[u8; 32]>,
    signers: Index<[u8; 32]>,
    kinds: Index<[u8; 8]>,
    timestamps: Index<u64>,
    tags: Index<TagBytes>,
    rest: Vec<Slot>,
    /// Counts records; see `Open::seen`.
    clock: u64,
}

impl Subscriptions {
    /// Opens a filter; false (and nothing is changed) if the number is in use.
    pub fn add(&mut self, number: u64, filter: Arc<CompiledFilter>) -> bool {
        if self.slots.contains_key(&number) {
            return false;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.open.push(None);
            self.open.len() - 1
        });
        self.slots.insert(number, slot);
        self.enter(slot, &filter);
        self.open[slot] = Some(Open {
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
        if let Some(open) = self.open[slot].take() {
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

    fn enter(&mut self, slot: Slot, filter: &CompiledFilter) {
        match home(filter) {
            Home::Authors(keys) => keys.iter().for_each(|key| self.authors.insert(*key, slot)),
            Home::Signers(keys) => keys.iter().for_each(|key| self.signers.insert(*key, slot)),
            Home::Kinds(kinds) => kinds.iter().for_each(|kind| self.kinds.insert(*kind, slot)),
            Home::Timestamps(times) => times
                .iter()
                .for_each(|time| self.timestamps.insert(*time, slot)),
            Home::Tags(tags) => tags
                .iter()
                .for_each(|tag| self.tags.insert(tag.clone(), slot)),
            Home::Rest => self.rest.push(slot),
        }
    }

    fn leave(&mut self, slot: Slot, filter: &CompiledFilter) {
        match home(filter) {
            Home::Authors(keys) => keys.iter().for_each(|key| self.authors.remove(key, slot)),
            Home::Signers(keys) => keys.iter().for_each(|key| self.signers.remove(key, slot)),
            Home::Kinds(kinds) => kinds.iter().for_each(|kind| self.kinds.remove(kind, slot)),
            Home::Timestamps(times) => times
                .iter()
                .for_each(|time| self.timestamps.remove(time, slot)),
            Home::Tags(tags) => tags
                .iter()
                .for_each(|tag| self.tags.remove(tag.as_ref(), slot)),
            Home::Rest => self.rest.retain(|&other| other != slot),
        }
    }

    /// The numbers of the filters that a record matches, ascending.
    pub fn matching(&mut self, record: &[u8], received: Option<u64>) -> Vec<u64> {
        let Some(view) = RecordView::new(record) else {
            return Vec::new();
        };
        self.clock += 1;
        let mut found = Found {
            open: &mut self.open,
            clock: self.clock,
            view,
            received,
            numbers: Vec::new(),
        };
        found.look_at(&self.rest);
        found.look_at(self.authors.get(&view.author()));
        found.look_at(self.signers.get(&view.signer()));
        found.look_at(self.timestamps.get(&view.timestamp()));
        found.look_at(self.kinds.get(&view.kind()));
        if !self.tags.0.is_empty() {
            // A record may repeat one tag thousands of times; each is looked up once.
            let mut tags: Vec<&[u8]> = view.tags().collect();
            tags.sort_unstable();
            tags.dedup();
            tags.into_iter()
                .for_each(|tag| found.look_at(self.tags.get(tag)));
        }
        let mut numbers = found.numbers;
        numbers.sort_unstable();
        numbers
    }
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
    fn look_at(&mut self, slots: &[Slot]) {
        for &slot in slots {
            let Some(Some(open)) = self.open.get_mut(slot) else {
                continue;
            };
            if open.seen != self.clock {
                open.seen = self.clock;
                if open.filter.matches_view(self.view, self.received) {
                    self.numbers.push(open.number);
                }
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
        assert!(subscriptions.authors.0.is_empty() && subscriptions.tags.0.is_empty());
        assert!(subscriptions.rest.is_empty() && subscriptions.kinds.0.is_empty());
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
}
