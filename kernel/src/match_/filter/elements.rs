//! The values of a filter's elements, checked and sorted.

use super::error::FilterError;
use super::{TagBytes, WORD};
use crate::crypto::keys;
use crate::crypto::record_rules::kind_is_valid;
use crate::match_::record_view::split_tag;

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

pub(super) fn keys_of(number: usize, body: &[u8]) -> Result<Vec<[u8; 32]>, FilterError> {
    let keys = items_of::<32>(number, body)?;
    if keys.iter().any(|key| keys::decompress_key(key).is_none()) {
        return Err(FilterError::Key(number));
    }
    Ok(sorted(keys))
}

pub(super) fn kinds_of(number: usize, body: &[u8]) -> Result<Vec<[u8; 8]>, FilterError> {
    let kinds = items_of::<8>(number, body)?;
    if kinds.iter().any(|kind| !kind_is_valid(kind)) {
        return Err(FilterError::Kind(number));
    }
    Ok(sorted(kinds))
}

pub(super) fn timestamps_of(number: usize, body: &[u8]) -> Result<Vec<u64>, FilterError> {
    let times: Vec<u64> = items_of(number, body)?
        .iter()
        .map(|time| u64::from_be_bytes(*time))
        .collect();
    if times.iter().any(|time| time >> 63 != 0) {
        return Err(FilterError::Timestamp(number));
    }
    Ok(sorted(times))
}

pub(super) fn timestamp_of(number: usize, body: &[u8]) -> Result<u64, FilterError> {
    if body.len() != WORD {
        return Err(FilterError::ElementLength(number));
    }
    timestamps_of(number, body)?
        .first()
        .copied()
        .ok_or(FilterError::ElementLength(number))
}

pub(super) fn excludes_of(number: usize, body: &[u8]) -> Result<Vec<[u8; 32]>, FilterError> {
    let ids = items_of::<32>(number, body)?;
    if ids.iter().any(|id| id[0] & 0x80 != 0) {
        return Err(FilterError::Timestamp(number));
    }
    Ok(sorted(ids))
}

/// The tags of an element. From the first length of zero on all is padding and must be zero, as must
/// be what is too short for a length. Tags of type 0 match nothing, since a record's are skipped.
pub(super) fn tags_of(number: usize, mut body: &[u8]) -> Result<Vec<TagBytes>, FilterError> {
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
