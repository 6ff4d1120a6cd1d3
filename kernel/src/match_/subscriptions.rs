//! Open filters, indexed so that a record costs what it hits, not how many are open.
//!
//! Each filter stands in the index under each value of its most selective narrow element. A record
//! looks up its own author, tags, signer, timestamp and kind, and matches only the filters found
//! there. Filters without a narrow element are in a list of their own, which every record goes through.
//!
//! The index keeps 32 bits of a keyed hash of each value, so that a hundred thousand filters of many
//! values each stay small: what is found by chance does not match, and nobody can choose his chances.

mod index;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::mem::size_of;
use std::sync::Arc;

use crate::match_::filter::CompiledFilter;
use crate::match_::record_view::RecordView;
use index::{Index, LIST, Slot};

struct Open {
    number: u64,
    filter: Arc<CompiledFilter>,
    /// The last record that looked at this filter, so that none looks twice.
    seen: u64,
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
mod tests;
