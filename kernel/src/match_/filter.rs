//! A filter, checked and compiled once, matched against many records.
//!
//! Source: filter.md; edition §3 (kinds, timestamps), §5 (F1 to F11).

use std::fmt;

use crate::crypto::keys;
use crate::crypto::record_rules::kind_is_valid;
use crate::match_::record_view::{RecordView, split_tag};

const HEADER: usize = 8;
const WORD: usize = 8;

/// A tag as its whole bytes: length, type, value.
pub type TagBytes = Box<[u8]>;

/// The first rule that a filter breaks. Numbers count elements from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// Under 8 bytes.
    TooShort,
    /// The length field is no multiple of 8, or not the number of bytes given.
    Length,
    /// Header bytes 2 to 7 are not zero.
    Reserved,
    /// An element's length byte is 0.
    ElementEmpty(usize),
    /// An element goes on behind the filter's end.
    ElementOverrun(usize),
    /// An element's bytes 2 to 7 are not zero.
    ElementReserved(usize),
    /// An element of a type that is not defined.
    ElementUnknown(usize, u8),
    /// An element's length is none that its type can have.
    ElementLength(usize),
    /// A key that is no acceptable public key.
    Key(usize),
    /// A kind with its bits 15 to 5 not clear.
    Kind(usize),
    /// A timestamp, or the timestamp of an excluded id, with its top bit set.
    Timestamp(usize),
    /// A tag shorter than 4 bytes or longer than its element.
    Tag(usize),
    /// Padding after the tags that is not zero.
    Padding(usize),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "a filter has 8 bytes at least"),
            Self::Length => write!(
                f,
                "the filter's length field is not its length, or no multiple of 8"
            ),
            Self::Reserved => write!(f, "bytes 2 to 7 of the filter are not zero"),
            Self::ElementEmpty(n) => write!(f, "element {n} of the filter has length 0"),
            Self::ElementOverrun(n) => write!(f, "element {n} goes on behind the filter's end"),
            Self::ElementReserved(n) => {
                write!(f, "bytes 2 to 7 of filter element {n} are not zero")
            }
            Self::ElementUnknown(n, kind) => {
                write!(f, "filter element {n} has the unknown type 0x{kind:02x}")
            }
            Self::ElementLength(n) => write!(
                f,
                "filter element {n} has a length that its type cannot have"
            ),
            Self::Key(n) => write!(f, "filter element {n} holds a key that is not acceptable"),
            Self::Kind(n) => {
                write!(f, "filter element {n} holds a kind with reserved bits")
            }
            Self::Timestamp(n) => write!(
                f,
                "filter element {n} holds a timestamp with its top bit set"
            ),
            Self::Tag(n) => {
                write!(
                    f,
                    "filter element {n} holds a tag under 4 bytes or longer than the element"
                )
            }
            Self::Padding(n) => write!(f, "filter element {n} has padding that is not zero"),
        }
    }
}

impl std::error::Error for FilterError {}

/// A valid filter. Lists are sorted and without repetition; `None` means that there is no such element.
///
/// Of a repeated unique element only the first counts, though each must be valid.
/// Repeated tag elements all count.
#[derive(Clone, Debug, Default)]
pub struct CompiledFilter {
    data: Vec<u8>,
    narrow: bool,
    authors: Option<Vec<[u8; 32]>>,
    signers: Option<Vec<[u8; 32]>>,
    kinds: Option<Vec<[u8; 8]>>,
    timestamps: Option<Vec<u64>>,
    tags: Vec<Vec<TagBytes>>,
    since: Option<u64>,
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
        let mut filter = Self {
            data: data.to_vec(),
            ..Self::default()
        };
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
        Ok(filter)
    }

    fn add_element(&mut self, number: usize, kind: u8, body: &[u8]) -> Result<(), FilterError> {
        match kind {
            0x01 => keep_first(&mut self.authors, keys_of(number, body)?),
            0x02 => keep_first(&mut self.signers, keys_of(number, body)?),
            0x03 => keep_first(&mut self.kinds, kinds_of(number, body)?),
            0x04 => keep_first(&mut self.timestamps, timestamps_of(number, body)?),
            0x05 => self.tags.push(tags_of(number, body)?),
            0x80 => keep_first(&mut self.since, timestamp_of(number, body)?),
            0x81 => keep_first(&mut self.until, timestamp_of(number, body)?),
            0x82 => keep_first(&mut self.received_since, timestamp_of(number, body)?),
            0x83 => keep_first(&mut self.received_until, timestamp_of(number, body)?),
            0x84 => keep_first(&mut self.excludes, excludes_of(number, body)?),
            0x85 => {
                self.excluded_tags.extend(tags_of(number, body)?);
                self.excluded_tags.sort_unstable();
                self.excluded_tags.dedup();
            }
            unknown => return Err(FilterError::ElementUnknown(number, unknown)),
        }
        self.narrow |= kind < 0x80;
        Ok(())
    }

    /// Whether a valid record matches. Without a received time, received elements match.
    pub fn matches(&self, record: &[u8], received: Option<u64>) -> bool {
        RecordView::new(record).is_some_and(|view| self.matches_view(view, received))
    }

    /// As `matches`, for a view that is at hand.
    pub fn matches_view(&self, record: RecordView<'_>, received: Option<u64>) -> bool {
        lists(self.kinds.as_deref(), || record.kind())
            && lists(self.authors.as_deref(), || record.author())
            && lists(self.signers.as_deref(), || record.signer())
            && lists(self.timestamps.as_deref(), || record.timestamp())
            && within(self.since, self.until, || Some(record.timestamp()))
            && within(self.received_since, self.received_until, || received)
            && self
                .excludes
                .as_ref()
                .is_none_or(|ids| ids.binary_search(&record.id_prefix()).is_err())
            && self.tags_match(record)
    }

    fn tags_match(&self, record: RecordView<'_>) -> bool {
        let carries_any = |wanted: &[TagBytes]| {
            !wanted.is_empty()
                && record
                    .tags()
                    .any(|tag| wanted.binary_search_by(|one| one.as_ref().cmp(tag)).is_ok())
        };
        self.tags.iter().all(|group| carries_any(group)) && !carries_any(&self.excluded_tags)
    }

    /// The filter as it was given.
    pub fn data(&self) -> &[u8] {
        &self.data
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
        self.signers.as_deref()
    }

    /// The kinds of which a record must have one (8 bytes in record order).
    pub fn kinds(&self) -> Option<&[[u8; 8]]> {
        self.kinds.as_deref()
    }

    /// The exact timestamps of which a record must have one (ns).
    pub fn timestamps(&self) -> Option<&[u64]> {
        self.timestamps.as_deref()
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
        self.until
    }

    /// The smallest received time that matches (ns).
    pub fn received_since(&self) -> Option<u64> {
        self.received_since
    }

    /// The greatest received time that matches (ns).
    pub fn received_until(&self) -> Option<u64> {
        self.received_until
    }

    /// The first 32 bytes of the ids that do not match.
    pub fn excludes(&self) -> Option<&[[u8; 32]]> {
        self.excludes.as_deref()
    }

    /// The tags of which a record must carry none.
    pub fn excluded_tags(&self) -> &[TagBytes] {
        &self.excluded_tags
    }
}

fn keep_first<T>(slot: &mut Option<T>, value: T) {
    if slot.is_none() {
        *slot = Some(value);
    }
}

fn lists<T: Ord>(wanted: Option<&[T]>, value: impl FnOnce() -> T) -> bool {
    wanted.is_none_or(|list| list.binary_search(&value()).is_ok())
}

fn within(since: Option<u64>, until: Option<u64>, value: impl FnOnce() -> Option<u64>) -> bool {
    if since.is_none() && until.is_none() {
        return true;
    }
    value().is_none_or(|time| {
        since.is_none_or(|low| low <= time) && until.is_none_or(|high| time <= high)
    })
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}

/// The body cut into items of N bytes; refused if something is left over.
fn items_of<const N: usize>(number: usize, body: &[u8]) -> Result<Vec<[u8; N]>, FilterError> {
    let items = body
        .chunks(N)
        .map(<[u8; N]>::try_from)
        .collect::<Result<_, _>>();
    items.map_err(|_| FilterError::ElementLength(number))
}

fn keys_of(number: usize, body: &[u8]) -> Result<Vec<[u8; 32]>, FilterError> {
    let keys = items_of::<32>(number, body)?;
    if keys.iter().any(|key| keys::decompress_key(key).is_none()) {
        return Err(FilterError::Key(number));
    }
    Ok(sorted(keys))
}

fn kinds_of(number: usize, body: &[u8]) -> Result<Vec<[u8; 8]>, FilterError> {
    let kinds = items_of::<8>(number, body)?;
    if kinds.iter().any(|kind| !kind_is_valid(kind)) {
        return Err(FilterError::Kind(number));
    }
    Ok(sorted(kinds))
}

fn timestamps_of(number: usize, body: &[u8]) -> Result<Vec<u64>, FilterError> {
    let times: Vec<u64> = items_of(number, body)?
        .iter()
        .map(|time| u64::from_be_bytes(*time))
        .collect();
    if times.iter().any(|time| time >> 63 != 0) {
        return Err(FilterError::Timestamp(number));
    }
    Ok(sorted(times))
}

fn timestamp_of(number: usize, body: &[u8]) -> Result<u64, FilterError> {
    if body.len() != WORD {
        return Err(FilterError::ElementLength(number));
    }
    timestamps_of(number, body)?
        .first()
        .copied()
        .ok_or(FilterError::ElementLength(number))
}

fn excludes_of(number: usize, body: &[u8]) -> Result<Vec<[u8; 32]>, FilterError> {
    let ids = items_of::<32>(number, body)?;
    if ids.iter().any(|id| id[0] & 0x80 != 0) {
        return Err(FilterError::Timestamp(number));
    }
    Ok(sorted(ids))
}

/// The tags of an element. From the first length of zero on all is padding and must be zero, as must
/// be what is too short for a length. Tags of type 0 match nothing, since a record's are skipped.
fn tags_of(number: usize, mut body: &[u8]) -> Result<Vec<TagBytes>, FilterError> {
    let mut tags: Vec<TagBytes> = Vec::new();
    while !body.is_empty() {
        if body.len() < 2 || body[..2] == [0, 0] {
            if body.iter().any(|&byte| byte != 0) {
                return Err(FilterError::Padding(number));
            }
            break;
        }
        let (tag, rest) = split_tag(body).ok_or(FilterError::Tag(number))?;
        if tag[2..4] != [0, 0] {
            tags.push(tag.into());
        }
        body = rest;
    }
    Ok(sorted(tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(elements: &[&[u8]]) -> Vec<u8> {
        let body = elements.concat();
        let mut data = vec![0; HEADER];
        data[..2].copy_from_slice(&((HEADER + body.len()) as u16).to_le_bytes());
        data.extend(body);
        data
    }

    fn element(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut data = vec![kind, (body.len() / WORD) as u8 + 1, 0, 0, 0, 0, 0, 0];
        data.extend(body);
        data
    }

    fn error(elements: &[&[u8]]) -> Option<FilterError> {
        CompiledFilter::parse(&filter(elements)).err()
    }

    /// A record with this timestamp, kind 1 of application 1, and these tags.
    fn record(timestamp: u64, tags: &[u8]) -> Vec<u8> {
        let mut record = vec![0; 152];
        record[..8].copy_from_slice(&timestamp.to_be_bytes());
        record[56..64].copy_from_slice(&[0, 0, 0, 1, 0, 1, 0, 0x1c]);
        record[128..136].copy_from_slice(&timestamp.to_be_bytes());
        record[144..146].copy_from_slice(&(tags.len() as u16).to_le_bytes());
        record.extend(tags);
        record.resize(record.len().next_multiple_of(8) + 64, 0);
        record
    }

    fn matches(elements: &[&[u8]], record: &[u8], received: Option<u64>) -> bool {
        CompiledFilter::parse(&filter(elements))
            .is_ok_and(|filter| filter.matches(record, received))
    }

    #[test]
    fn an_empty_filter_matches_all_records_and_is_wide() {
        let filter = CompiledFilter::parse(&filter(&[])).unwrap_or_default();
        assert!(!filter.narrow());
        assert!(filter.matches(&record(5, &[]), None));
        assert!(!filter.matches(&[0; 151], None), "no record at all");
    }

    #[test]
    fn the_frame_must_fit_exactly() {
        let good = filter(&[&element(0x80, &[0; 8])]);
        assert!(CompiledFilter::parse(&good).is_ok());
        for length in 0..8 {
            assert_eq!(
                CompiledFilter::parse(&good[..length]).err(),
                Some(FilterError::TooShort)
            );
        }
        for length in 8..good.len() {
            assert_eq!(
                CompiledFilter::parse(&good[..length]).err(),
                Some(FilterError::Length)
            );
        }
        let mut reserved = good.clone();
        reserved[7] = 1;
        assert_eq!(
            CompiledFilter::parse(&reserved).err(),
            Some(FilterError::Reserved)
        );
        let long = [good, vec![0]].concat();
        assert_eq!(
            CompiledFilter::parse(&long).err(),
            Some(FilterError::Length)
        );
    }

    #[test]
    fn elements_must_fit_exactly() {
        let since = element(0x80, &[0; 8]);
        assert_eq!(
            error(&[&since, &[0x80, 0, 0, 0, 0, 0, 0, 0]]),
            Some(FilterError::ElementEmpty(1))
        );
        assert_eq!(
            error(&[&[0x80, 2, 0, 0, 0, 0, 0, 0]]),
            Some(FilterError::ElementOverrun(0))
        );
        assert_eq!(
            error(&[&[0x03, 1, 0, 0, 0, 9, 0, 0]]),
            Some(FilterError::ElementReserved(0))
        );
        for kind in [0x00, 0x06, 0x7f, 0x86, 0xff] {
            let unknown = FilterError::ElementUnknown(0, kind);
            assert_eq!(error(&[&element(kind, &[0; 8])]), Some(unknown));
        }
        for kind in [0x01, 0x02, 0x84] {
            assert_eq!(
                error(&[&element(kind, &[0; 24])]),
                Some(FilterError::ElementLength(0))
            );
            assert_eq!(error(&[&element(kind, &[])]), None);
        }
        for kind in 0x80..=0x83 {
            assert_eq!(
                error(&[&element(kind, &[])]),
                Some(FilterError::ElementLength(0))
            );
            assert_eq!(
                error(&[&element(kind, &[0; 16])]),
                Some(FilterError::ElementLength(0))
            );
        }
    }

    #[test]
    fn values_must_be_valid() {
        assert_eq!(
            error(&[&element(0x01, &[0; 32])]),
            Some(FilterError::Key(0))
        );
        assert_eq!(
            error(&[&element(0x02, &[0xff; 32])]),
            Some(FilterError::Key(0))
        );
        assert_eq!(
            error(&[&element(0x03, &[0, 0, 0, 1, 0, 1, 0, 0x20])]),
            Some(FilterError::Kind(0))
        );
        assert_eq!(
            error(&[&element(0x03, &[0, 0, 0, 1, 0, 1, 0, 0x18])]),
            Some(FilterError::Kind(0))
        );
        for kind in [0x04, 0x80, 0x81, 0x82, 0x83] {
            let late = element(kind, &[0x80, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(error(&[&late]), Some(FilterError::Timestamp(0)), "{kind}");
        }
        assert_eq!(
            error(&[&element(0x84, &[0x80; 32])]),
            Some(FilterError::Timestamp(0))
        );
    }

    #[test]
    fn tags_are_followed_by_zeros_only() {
        for kind in [0x05, 0x85] {
            let tags = |body: &[u8]| error(&[&element(kind, body)]);
            assert_eq!(tags(&[5, 0, 1, 0, 9, 0, 0, 0]), None);
            assert_eq!(tags(&[7, 0, 1, 0, 9, 9, 9, 0]), None);
            assert_eq!(tags(&[0; 8]), None);
            assert_eq!(
                tags(&[7, 0, 1, 0, 9, 9, 9, 1]),
                Some(FilterError::Padding(0))
            );
            assert_eq!(
                tags(&[4, 0, 1, 0, 0, 0, 7, 7]),
                Some(FilterError::Padding(0))
            );
            assert_eq!(tags(&[3, 0, 1, 0, 0, 0, 0, 0]), Some(FilterError::Tag(0)));
            assert_eq!(tags(&[9, 0, 1, 0, 9, 9, 9, 9]), Some(FilterError::Tag(0)));
        }
    }

    #[test]
    fn ranges_are_inclusive() {
        let at = |kind, time: u64| element(kind, &time.to_be_bytes());
        let record = record(5, &[]);
        assert!(matches(&[&at(0x80, 5), &at(0x81, 5)], &record, None));
        assert!(!matches(&[&at(0x80, 6)], &record, None));
        assert!(!matches(&[&at(0x81, 4)], &record, None));
        assert!(matches(&[&at(0x82, 9), &at(0x83, 9)], &record, Some(9)));
        assert!(!matches(&[&at(0x82, 9)], &record, Some(8)));
        assert!(!matches(&[&at(0x83, 9)], &record, Some(10)));
        assert!(matches(&[&at(0x83, 0)], &record, None));
    }

    #[test]
    fn only_the_first_of_a_unique_element_counts() {
        let at = |kind, time: u64| element(kind, &time.to_be_bytes());
        assert!(matches(
            &[&at(0x80, 5), &at(0x80, 9)],
            &record(5, &[]),
            None
        ));
        assert!(!matches(
            &[&at(0x80, 9), &at(0x80, 5)],
            &record(5, &[]),
            None
        ));
        let bad = at(0x80, 1 << 63);
        assert_eq!(
            error(&[&at(0x80, 5), &bad]),
            Some(FilterError::Timestamp(1))
        );
    }

    #[test]
    fn every_tag_element_counts() {
        let a: &[u8] = &[6, 0, 1, 0, 9, 9];
        let b: &[u8] = &[4, 0, 2, 0];
        let one = |kind, tags: &[&[u8]]| {
            let mut body = tags.concat();
            body.resize(body.len().next_multiple_of(WORD), 0);
            element(kind, &body)
        };
        let both = record(5, &[a, b].concat());
        let first = record(5, a);
        assert!(matches(&[&one(0x05, &[a]), &one(0x05, &[b])], &both, None));
        assert!(!matches(
            &[&one(0x05, &[a]), &one(0x05, &[b])],
            &first,
            None
        ));
        assert!(matches(&[&one(0x05, &[a, b])], &first, None));
        assert!(!matches(&[&one(0x05, &[])], &first, None));
        assert!(matches(&[&one(0x85, &[])], &first, None));
        assert!(matches(&[&one(0x85, &[b])], &first, None));
        assert!(!matches(
            &[&one(0x85, &[b]), &one(0x85, &[a])],
            &first,
            None
        ));
        let prefix: &[u8] = &[5, 0, 1, 0, 9];
        assert!(
            !matches(&[&one(0x05, &[prefix])], &first, None),
            "tags match whole"
        );
    }

    #[test]
    fn an_element_without_values_selects_nothing() {
        for kind in 0x01..=0x05 {
            assert!(!matches(
                &[&element(kind, &[])],
                &record(5, &[4, 0, 2, 0]),
                None
            ));
        }
        for kind in [0x84, 0x85] {
            assert!(matches(
                &[&element(kind, &[])],
                &record(5, &[4, 0, 2, 0]),
                None
            ));
        }
    }

    #[test]
    fn excluded_ids_do_not_match() {
        let record = record(5, &[]);
        assert!(!matches(&[&element(0x84, &record[..32])], &record, None));
        let mut other = record.clone();
        other[31] ^= 1;
        assert!(matches(&[&element(0x84, &other[..32])], &record, None));
    }
}
