//! A filter, checked and compiled once, matched against many records.
//!
//! Source: filter.md; edition §3 (kinds, timestamps), §5 (F1 to F11).

mod elements;
mod error;
mod matching;
#[cfg(test)]
mod tests;

use elements::{excludes_of, keys_of, kinds_of, tags_of, timestamp_of, timestamps_of};
pub use error::FilterError;

const HEADER: usize = 8;
const WORD: usize = 8;

/// A tag as its whole bytes: length, type, value.
pub type TagBytes = Box<[u8]>;

/// A valid filter. Lists are sorted and without repetition; `None` means that there is no such element.
///
/// Of a repeated unique element only the first counts, though each must be valid.
/// Repeated tag elements all count.
///
/// A server holds one for each open subscription, so what few filters have stands apart.
#[derive(Clone, Debug, Default)]
pub struct CompiledFilter {
    narrow: bool,
    authors: Option<Box<[[u8; 32]]>>,
    kinds: Option<Box<[[u8; 8]]>>,
    since: Option<u64>,
    tags: Vec<Vec<TagBytes>>,
    rare: Option<Box<Rare>>,
}

/// Elements that few filters have.
#[derive(Clone, Debug, Default)]
struct Rare {
    signers: Option<Vec<[u8; 32]>>,
    timestamps: Option<Vec<u64>>,
    until: Option<u64>,
    received_since: Option<u64>,
    received_until: Option<u64>,
    excludes: Option<Vec<[u8; 32]>>,
    excluded_tags: Vec<TagBytes>,
}

impl CompiledFilter {
    /// Checks and compiles a filter; `data` is the whole filter and nothing else.
    pub fn parse(data: &[u8]) -> Result<Self, FilterError> {
        let (header, mut rest) = data.split_at_checked(HEADER).ok_or(FilterError::TooShort)?;
        let length = usize::from(u16::from_le_bytes([header[0], header[1]]));
        if length != data.len() || length % WORD != 0 {
            return Err(FilterError::Length);
        }
        if header[2..] != [0; 6] {
            return Err(FilterError::Reserved);
        }
        let mut filter = Self::default();
        let mut number = 0;
        while let Some(&words) = rest.get(1) {
            if words == 0 {
                return Err(FilterError::ElementEmpty(number));
            }
            let (element, after) = rest
                .split_at_checked(usize::from(words) * WORD)
                .ok_or(FilterError::ElementOverrun(number))?;
            if element[2..HEADER] != [0; 6] {
                return Err(FilterError::ElementReserved(number));
            }
            filter.add_element(number, element[0], &element[HEADER..])?;
            rest = after;
            number += 1;
        }
        filter.tags.shrink_to_fit();
        Ok(filter)
    }

    fn add_element(&mut self, number: usize, kind: u8, body: &[u8]) -> Result<(), FilterError> {
        match kind {
            0x01 => keep_first(&mut self.authors, keys_of(number, body)?.into()),
            0x02 => keep_first(&mut self.rare().signers, keys_of(number, body)?),
            0x03 => keep_first(&mut self.kinds, kinds_of(number, body)?.into()),
            0x04 => keep_first(&mut self.rare().timestamps, timestamps_of(number, body)?),
            0x05 => self.tags.push(tags_of(number, body)?),
            0x80 => keep_first(&mut self.since, timestamp_of(number, body)?),
            0x81 => keep_first(&mut self.rare().until, timestamp_of(number, body)?),
            0x82 => keep_first(&mut self.rare().received_since, timestamp_of(number, body)?),
            0x83 => keep_first(&mut self.rare().received_until, timestamp_of(number, body)?),
            0x84 => keep_first(&mut self.rare().excludes, excludes_of(number, body)?),
            0x85 => {
                let tags = &mut self.rare().excluded_tags;
                tags.extend(tags_of(number, body)?);
                tags.sort_unstable();
                tags.dedup();
            }
            unknown => return Err(FilterError::ElementUnknown(number, unknown)),
        }
        self.narrow |= kind < 0x80;
        Ok(())
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The bytes that it takes up.
    pub fn memory(&self) -> usize {
        let keys = self.authors().map_or(0, <[_]>::len) * 32;
        let kinds = self.kinds().map_or(0, <[_]>::len) * 8;
        let tags: usize = self.tags.iter().map(memory_of).sum();
        let rare = self.rare.as_ref().map_or(0, |rare| {
            let keys = rare.signers.as_ref().map_or(0, Vec::capacity) * 32;
            let ids = rare.excludes.as_ref().map_or(0, Vec::capacity) * 32;
            let times = rare.timestamps.as_ref().map_or(0, Vec::capacity) * 8;
            size_of::<Rare>() + keys + ids + times + memory_of(&rare.excluded_tags)
        });
        size_of::<Self>() + keys + kinds + tags + rare
    }

    /// Whether there is an element with a type under 0x80.
    pub fn narrow(&self) -> bool {
        self.narrow
    }

    /// The authors of which a record must have one.
    pub fn authors(&self) -> Option<&[[u8; 32]]> {
        self.authors.as_deref()
    }

    /// The signing keys of which a record must have one.
    pub fn signers(&self) -> Option<&[[u8; 32]]> {
        self.rare.as_ref()?.signers.as_deref()
    }

    /// The kinds of which a record must have one (8 bytes in record order).
    pub fn kinds(&self) -> Option<&[[u8; 8]]> {
        self.kinds.as_deref()
    }

    /// The exact timestamps of which a record must have one (ns).
    pub fn timestamps(&self) -> Option<&[u64]> {
        self.rare.as_ref()?.timestamps.as_deref()
    }

    /// One group for each included-tags element: a record must carry a tag of every group.
    pub fn tags(&self) -> &[Vec<TagBytes>] {
        &self.tags
    }

    /// The smallest timestamp that matches (ns).
    pub fn since(&self) -> Option<u64> {
        self.since
    }

    /// The greatest timestamp that matches (ns).
    pub fn until(&self) -> Option<u64> {
        self.rare.as_ref()?.until
    }

    /// The smallest received time that matches (ns).
    pub fn received_since(&self) -> Option<u64> {
        self.rare.as_ref()?.received_since
    }

    /// The greatest received time that matches (ns).
    pub fn received_until(&self) -> Option<u64> {
        self.rare.as_ref()?.received_until
    }

    /// The first 32 bytes of the ids that do not match.
    pub fn excludes(&self) -> Option<&[[u8; 32]]> {
        self.rare.as_ref()?.excludes.as_deref()
    }

    /// The tags of which a record must carry none.
    pub fn excluded_tags(&self) -> &[TagBytes] {
        self.rare.as_ref().map_or(&[], |rare| &rare.excluded_tags)
    }
}

fn memory_of(tags: &Vec<TagBytes>) -> usize {
    let bytes: usize = tags.iter().map(|tag| tag.len()).sum();
    size_of::<Vec<TagBytes>>() + tags.capacity() * size_of::<TagBytes>() + bytes
}

fn keep_first<T>(slot: &mut Option<T>, value: T) {
    if slot.is_none() {
        *slot = Some(value);
    }
}
