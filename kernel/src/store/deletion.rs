//! Deletions: what a record of that kind names in its Target tags, and which records it covers.
//!
//! A Deletion that counts stands in the log with a mark. From it come rows of the table `deleted`, a keyed
//! hash of what it names and its position, so that whatever is handed in later is refused, too. The rows go
//! when the Deletion goes.
//!
//! Source: edition §4 (Deletion, Private Message, tag types of the application); Server Acts: this project's
//! own design, docs/architecture.md "Operations".

use heed::{RoTxn, WithoutTls};

use crate::match_::record_view::RecordView;
use crate::store::access::notified;
use crate::store::apply::ID;
use crate::store::error::Result;
use crate::store::index::Tables;
use crate::store::keys::Hashes;

const DELETION: [u8; 8] = [0xde, 0xf0, 0x84, 0x3a, 0, 1, 0, 0x0c];
const PRIVATE_DELETION: [u8; 8] = [0xde, 0xf0, 0x84, 0x3a, 0, 23, 0, 0];
const SERVER_ACT: [u8; 8] = [0xde, 0xf0, 0x84, 0x3a, 0, 28, 0, 0];
const PRIVATE_MESSAGE: [u8; 8] = [0xde, 0xf0, 0x84, 0x3a, 0, 14, 0, 4];
/// The type of a Target tag, as it stands in the tag.
const TARGET: [u8; 2] = [0x01, 0x4d];
const TARGET_LENGTH: usize = 64;
/// The value of a row for an id: whatever its timestamp.
const ALWAYS: u64 = u64::MAX;

/// Bytes of a key of the table `deleted`.
pub const KEY: usize = 14;

/// A row of the table `deleted`.
pub type Tombstone = ([u8; KEY], [u8; 8]);

/// What a Target tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'r> {
    /// One record.
    Id(&'r [u8; ID]),
    /// All records at an address of the deleter's, up to the Deletion's timestamp.
    Address(&'r [u8; ID]),
}

/// Whether a record is a Deletion or a Private Deletion.
pub fn is_deletion(record: &[u8]) -> bool {
    record.get(56..64).is_some_and(is_deletion_kind)
}

fn is_deletion_kind(kind: &[u8]) -> bool {
    kind == DELETION || kind == PRIVATE_DELETION
}

/// Whether records of a kind can be deleted: those of the core application and Deletions can't, nor can
/// Server Acts, or a moderator could silence the log of what he did.
fn can_be_deleted(kind: &[u8]) -> bool {
    kind[..4] != [0; 4] && !is_deletion_kind(kind) && kind != SERVER_ACT
}

/// What a Deletion names; what it has no say in is left out.
pub fn targets(deletion: &[u8]) -> impl Iterator<Item = Target<'_>> {
    let view = RecordView::new(deletion).filter(|_| is_deletion(deletion));
    let author = view.map(RecordView::author);
    let tags = view.into_iter().flat_map(RecordView::tags);
    tags.filter_map(move |tag| {
        if tag.len() != TARGET_LENGTH || tag[2..4] != TARGET {
            return None;
        }
        let reference: &[u8; ID] = tag[16..].first_chunk()?;
        if reference[0] & 0x80 == 0 {
            return Some(Target::Id(reference));
        }
        let own = author.is_some_and(|author| reference[16..] == author);
        (own && can_be_deleted(&reference[8..16])).then_some(Target::Address(reference))
    })
}

/// The one key that a private message's Notify tags name; nothing for other kinds or several keys.
fn only_recipient(record: RecordView<'_>) -> Option<[u8; 32]> {
    if record.kind() != PRIVATE_MESSAGE {
        return None;
    }
    let mut keys = record.tags().filter_map(notified);
    let first = keys.next()?;
    keys.all(|key| key == first).then_some(*first)
}

/// Whether a Deletion covers a record, by the bytes of both.
pub fn covers(deletion: &[u8], record: &[u8]) -> bool {
    let (Some(by), Some(of)) = (RecordView::new(deletion), RecordView::new(record)) else {
        return false;
    };
    if !can_be_deleted(&of.kind()) {
        return false;
    }
    let own = by.author() == of.author();
    targets(deletion).any(|target| match target {
        Target::Id(id) => {
            let received =
                || by.kind() == PRIVATE_DELETION && only_recipient(of) == Some(by.author());
            record.starts_with(id) && (own || received())
        }
        Target::Address(address) => {
            record[48..96] == address[..] && of.timestamp() <= by.timestamp()
        }
    })
}

/// The rows of the table `deleted` for a Deletion that counts. A key may come twice, with the same value.
pub fn tombstones(
    hashes: &Hashes,
    deletion: &[u8],
    position: u64,
) -> impl Iterator<Item = Tombstone> {
    let view = RecordView::new(deletion);
    let (author, timestamp) = view.map_or(([0; 32], 0), |v| (v.author(), v.timestamp()));
    targets(deletion).map(move |target| {
        let (hash, until) = match target {
            Target::Id(id) => (hashes.deleted_id(id, &author), ALWAYS),
            Target::Address(address) => (hashes.deleted_address(address), timestamp),
        };
        let mut key = [0; KEY];
        key[..8].copy_from_slice(&hash);
        key[8..].copy_from_slice(&position.to_be_bytes()[2..]);
        (key, until.to_be_bytes())
    })
}

/// The positions of the Deletions that cover a record, `most` at most. `stands` gives the record at a position.
pub fn covering<'r>(
    txn: &RoTxn<'_, WithoutTls>,
    tables: &Tables,
    hashes: &Hashes,
    record: &[u8],
    most: usize,
    stands: impl Fn(u64) -> Option<&'r [u8]>,
) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    let Some(view) = RecordView::new(record).filter(|v| can_be_deleted(&v.kind())) else {
        return Ok(found);
    };
    let Some(id) = record.first_chunk::<ID>() else {
        return Ok(found);
    };
    let prefixes = [
        Some(hashes.deleted_id(id, &view.author())),
        only_recipient(view).map(|key| hashes.deleted_id(id, &key)),
        Some(hashes.deleted_address(&record[48..96])),
    ];
    for prefix in prefixes.iter().flatten() {
        for row in tables.deleted.prefix_iter(txn, prefix)? {
            let (key, until) = row?;
            let until = until.first_chunk().map_or(0, |b| u64::from_be_bytes(*b));
            let mut position = [0; 8];
            position[2..].copy_from_slice(&key[8..]);
            let position = u64::from_be_bytes(position);
            if view.timestamp() <= until
                && !found.contains(&position)
                && stands(position).is_some_and(|deletion| covers(deletion, record))
            {
                found.push(position);
                if found.len() == most {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}
