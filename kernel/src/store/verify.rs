//! Comparing the index with the log.

use std::collections::{HashMap, HashSet};

use crate::store::apply::ID;
use crate::store::deletion;
use crate::store::entry::{HEAD, What, number};
use crate::store::error::Result;
use crate::store::index::Dead;
use crate::store::keys::{TABLES, Table};
use crate::store::labels;
use crate::store::store::Store;
use crate::store::view::{Found, View};

/// How many differences are told.
const MOST: usize = 100;

/// A sentence for each difference between index and log, none when they agree.
pub fn verify(store: &Store) -> Result<Vec<String>> {
    // A compaction would take away entries that the snapshot still counts.
    store.rewriting.hold();
    let told = compare(store);
    store.rewriting.release();
    told
}

fn compare(store: &Store) -> Result<Vec<String>> {
    let entered = store.enter();
    let view = store.view(&entered)?;
    let mut report = Report::default();
    let end = view.tables.covered(&view.txn)?;
    let expected = read_log(&view, end, &mut report);
    check_tables(&view, &expected, &mut report)?;
    check_marks(&view, &expected, &mut report)?;
    check_refused(&view, &expected, &mut report)?;
    check_dead(&view, &expected, &mut report)?;
    Ok(report.sentences)
}

#[derive(Default)]
struct Report {
    sentences: Vec<String>,
}

impl Report {
    fn add(&mut self, sentence: String) {
        if self.sentences.len() < MOST {
            self.sentences.push(sentence);
        }
    }
}

#[derive(Default)]
struct Expected {
    records: Vec<u64>,
    removed: HashSet<u64>,
    refused: HashSet<[u8; ID]>,
}

/// Reads the whole log up to `end`, looking at every checksum.
fn read_log(view: &View<'_>, end: u64, report: &mut Report) -> Expected {
    let mut expected = Expected::default();
    let mut at = 0;
    while let Some(position) = view.segments.first_from(at, end) {
        let segment = view.segments.of(position);
        let Some((head, body)) = segment.and_then(|s| s.checked_entry(position)) else {
            report.add(format!(
                "the log's entry at position {position} is not whole"
            ));
            break;
        };
        match head.what {
            What::Record => expected.records.push(position),
            What::Removal => expected.removed.extend(body.chunks_exact(8).map(number)),
            What::Refusal => {
                let ids = body.chunks_exact(ID).filter_map(|id| id.first_chunk());
                expected.refused.extend(ids.copied());
            }
        }
        at = position + head.size();
    }
    expected
}

fn check_tables(view: &View<'_>, expected: &Expected, report: &mut Report) -> Result<()> {
    let mut counts: HashMap<Table, u64> = HashMap::new();
    for &position in &expected.records {
        let Some(Found { record, .. }) = view.record(position) else {
            continue;
        };
        let served = !expected.removed.contains(&position);
        let mut keys = Vec::new();
        view.hashes.keys_of(record, position, |table, key, value| {
            keys.push((table, key, value.to_vec()));
        });
        // A record may carry the same tag twice.
        keys.sort_unstable();
        keys.dedup();
        for (table, key, value) in keys {
            let found = view.tables.of(table).get(&view.txn, key.as_slice())?;
            if served {
                *counts.entry(table).or_default() += 1;
            }
            match (served, found) {
                (true, None) => report.add(format!(
                    "the record at position {position} is missing in the table {table:?}"
                )),
                (true, Some(found)) if found != value => report.add(format!(
                    "the record at position {position} has another value in the table {table:?}"
                )),
                (false, Some(_)) => report.add(format!(
                    "the record at position {position} was removed and is in the table {table:?}"
                )),
                _ => {}
            }
        }
    }
    for table in TABLES {
        let (found, wanted) = (
            view.tables.of(table).len(&view.txn)?,
            counts.get(&table).copied().unwrap_or(0),
        );
        if found != wanted {
            report.add(format!(
                "the table {table:?} has {found} keys, the log makes {wanted}"
            ));
        }
    }
    Ok(())
}

/// The tables `deleted` and `labelled`, and that nothing is served that a Deletion covers.
fn check_marks(view: &View<'_>, expected: &Expected, report: &mut Report) -> Result<()> {
    let (mut tombstones, mut labelled) = (HashSet::new(), HashSet::new());
    for &position in &expected.records {
        if expected.removed.contains(&position) {
            continue;
        }
        let Some((head, record)) = view.segments.entry(position) else {
            continue;
        };
        if head.marks.deletes {
            tombstones.extend(deletion::tombstones(view.hashes, record, position));
        }
        labelled.extend(labels::keys(head.marks.label, position));
        if let Some(by) = view.deletions(record, 1)?.first() {
            report.add(format!(
                "the record at position {position} is served, though the Deletion at position {by} covers it"
            ));
        }
    }
    for (key, until) in &tombstones {
        if view.tables.deleted.get(&view.txn, key)? != Some(&until[..]) {
            report.add("what a Deletion names is missing in the index".to_owned());
        }
    }
    for key in &labelled {
        if view.tables.labelled.get(&view.txn, key)?.is_none() {
            report.add("a record's label is missing in the index".to_owned());
        }
    }
    for (what, table, wanted) in [
        ("tombstones", view.tables.deleted, tombstones.len()),
        ("labels", view.tables.labelled, labelled.len()),
    ] {
        let found = table.len(&view.txn)?;
        if found != wanted as u64 {
            report.add(format!(
                "the index has {found} {what}, the log makes {wanted}"
            ));
        }
    }
    Ok(())
}

fn check_refused(view: &View<'_>, expected: &Expected, report: &mut Report) -> Result<()> {
    for id in &expected.refused {
        if view.tables.refused.get(&view.txn, id)?.is_none() {
            report.add("a refused id is missing in the index".to_owned());
        }
    }
    let found = view.tables.refused.len(&view.txn)?;
    if found != expected.refused.len() as u64 {
        report.add(format!(
            "the index refuses {found} ids, the log {}",
            expected.refused.len()
        ));
    }
    Ok(())
}

fn check_dead(view: &View<'_>, expected: &Expected, report: &mut Report) -> Result<()> {
    let mut wanted: HashMap<u64, Dead> = HashMap::new();
    for &position in &expected.records {
        if !expected.removed.contains(&position) {
            continue;
        }
        if let (Some(segment), Some(Found { record, .. })) =
            (view.segments.of(position), view.record(position))
        {
            let dead = wanted.entry(segment.base()).or_default();
            dead.bytes += (HEAD + record.len()) as u64;
            dead.records += 1;
        }
    }
    for segment in view.segments.all() {
        let key = segment.base().to_be_bytes();
        let value = view.tables.dead.get(&view.txn, &key)?;
        let found = value.map_or_else(Dead::default, Dead::decode);
        let wanted = wanted.remove(&segment.base()).unwrap_or_default();
        if found != wanted {
            report.add(format!(
                "the index counts {} dead records in {}, the log {}",
                found.records,
                segment.path().display(),
                wanted.records
            ));
        }
    }
    Ok(())
}
