//! Giving back the room of records that are no longer served, while the store is in use.
//!
//! A segment with many dead bytes is written anew: what is served, refused ids, and removals whose
//! record still stands in another segment (without them it would come back when the index is made
//! again). Entries keep their positions, found through the new file's table.

use std::sync::Arc;

use crate::store::entry::{self, Head, What, number};
use crate::store::error::{Error, Result};
use crate::store::index::Dead;
use crate::store::segment::{HEADER, Header, Segment, VERSION, file_name};
use crate::store::store::Store;
use crate::store::view::View;

/// Rewrites the closed segments of whose bytes `min_dead_ratio` at least are dead; the bytes freed. With `roll`
/// the segment at the end is closed first.
pub fn compact(store: &Store, min_dead_ratio: f64, roll: bool) -> Result<u64> {
    let _permit = store.rewriting.begin();
    if roll {
        store.roll()?;
    }
    let mut freed = 0;
    for segment in worth_it(store, min_dead_ratio)? {
        freed += rewrite(store, &segment)?;
    }
    Ok(freed)
}

/// The closed segments with enough dead bytes, those with the most first.
fn worth_it(store: &Store, min_dead_ratio: f64) -> Result<Vec<Arc<Segment>>> {
    let entered = store.enter();
    let view = store.view(&entered)?;
    let Some((_, closed)) = view.segments.all().split_last() else {
        return Ok(Vec::new());
    };
    let mut worth = Vec::new();
    for segment in closed {
        let dead = dead_in(&view, segment)?;
        let ratio = dead.bytes as f64 / segment.size() as f64;
        if dead.bytes > 0 && ratio >= min_dead_ratio {
            worth.push((dead.bytes, Arc::clone(segment)));
        }
    }
    worth.sort_by_key(|(dead, _)| std::cmp::Reverse(*dead));
    Ok(worth.into_iter().map(|(_, segment)| segment).collect())
}

fn dead_in(view: &View<'_>, segment: &Segment) -> Result<Dead> {
    let key = segment.base().to_be_bytes();
    let value = view.tables.dead.get(&view.txn, &key)?;
    Ok(value.map_or_else(Dead::default, Dead::decode))
}

/// What is left of a segment, as the bytes of its new file.
struct Remains {
    bytes: Vec<u8>,
    pairs: Vec<u8>,
    received: u64,
    /// What was dead and is left out.
    dropped: Dead,
}

fn rewrite(store: &Store, old: &Segment) -> Result<u64> {
    let remains = gather(store, old)?;
    let header = Header {
        version: VERSION,
        base: old.base(),
        salt: old.header().salt,
        compacted: Some((
            old.end(),
            HEADER + remains.bytes.len() as u64,
            remains.received,
        )),
    };
    let fresh = Arc::new(write(store, &header, &remains)?);
    let freed = old.size().saturating_sub(fresh.size());
    store.log.replace(fresh);
    let base = old.base();
    store.change_index(&mut |change| {
        let now = change.dead(base)?;
        let left = Dead {
            bytes: now.bytes.saturating_sub(remains.dropped.bytes),
            records: now.records.saturating_sub(remains.dropped.records),
        };
        change.set_dead(base, left)?;
        Ok(())
    })?;
    Ok(freed)
}

fn gather(store: &Store, old: &Segment) -> Result<Remains> {
    let entered = store.enter();
    let view = store.view(&entered)?;
    let mut remains = Remains {
        bytes: Vec::new(),
        pairs: Vec::new(),
        received: old
            .header()
            .compacted
            .map_or(0, |(_, _, received)| received),
        dropped: Dead::default(),
    };
    let mut at = old.base();
    while let Some(position) = old.first_from(at) {
        let Some((head, body)) = old.checked_entry(position) else {
            return Err(Error::Damaged(format!(
                "{} has an entry at position {position} that is not whole",
                old.path().display()
            )));
        };
        at = position + head.size();
        remains.received = remains.received.max(head.received);
        match head.what {
            What::Refusal => remains.keep(old, &head, body),
            What::Removal => {
                let still_there = body.chunks_exact(8).filter(|p| {
                    let position = number(p);
                    let elsewhere = view
                        .segments
                        .of(position)
                        .filter(|s| s.base() != old.base());
                    elsewhere.is_some_and(|s| s.entry(position).is_some())
                });
                let left: Vec<u8> = still_there.flatten().copied().collect();
                if !left.is_empty() {
                    remains.keep(old, &head, &left);
                }
            }
            What::Record if view.is_served(body, position)? => remains.keep(old, &head, body),
            What::Record => {
                remains.dropped.bytes += head.size();
                remains.dropped.records += 1;
            }
        }
    }
    Ok(remains)
}

impl Remains {
    fn keep(&mut self, old: &Segment, head: &Head, body: &[u8]) {
        let position = ((head.position - old.base()) / 8) as u32;
        let offset = ((HEADER + self.bytes.len() as u64) / 8) as u32;
        let head = Head {
            length: body.len(),
            ..*head
        };
        if entry::push(&mut self.bytes, old.header().salt, &head, body) {
            self.pairs.extend_from_slice(&position.to_le_bytes());
            self.pairs.extend_from_slice(&offset.to_le_bytes());
        }
    }
}

/// Writes the new file beside the old one and puts it in its place, durably.
fn write(store: &Store, header: &Header, remains: &Remains) -> Result<Segment> {
    let (files, folder) = (store.log.files(), store.log.folder());
    let name = file_name(header.base);
    let (temporary, path) = (folder.join(format!("{name}.new")), folder.join(name));
    let written = (|| {
        let file = files.create(&temporary)?;
        file.write_at(0, &header.encode())?;
        file.write_at(HEADER, &remains.bytes)?;
        file.write_at(HEADER + remains.bytes.len() as u64, &remains.pairs)?;
        file.sync()?;
        files.rename(&temporary, &path)?;
        files.sync_dir(folder)
    })();
    if let Err(error) = written {
        // A start removes it, if it can't be removed now.
        let _ = files.remove(&temporary);
        return Err(Error::at(&error, "rewrite the log segment", &path));
    }
    Segment::open(files, &path, 0)?
        .ok_or_else(|| Error::Io(format!("{} was not written", path.display())))
}
