//! A disk that is full or fails: nothing of the batch remains, reading goes on, later batches work again.

use std::fs;
use std::sync::Arc;

use super::recording::{Faults, Recording};
use super::samples::{deletion, incoming, open, record, served};
use crate::store::error::Error;
use crate::store::files::DiskFiles;
use crate::store::intake::{mode, outcome};
use crate::store::labels::HIDDEN;
use crate::store::store::Store;
use crate::store::verify::verify;

fn batch(from: u64) -> Vec<Vec<u8>> {
    (from..from + 5).map(|n| record(n, n, 9, 300)).collect()
}

fn put(store: &Store, from: u64) -> Result<(), Error> {
    store.append(&incoming(&batch(from), 0)).map(drop)
}

#[test]
fn a_full_disk_takes_nothing_and_loses_nothing() {
    // The writes of opening a store come first; then those of batches and of new segments.
    for full_at in 2..30 {
        let folder = tempfile::tempdir().unwrap();
        let files = Arc::new(Recording::with(Faults {
            full_at: Some(full_at),
            full_for: 3,
            ..Faults::default()
        }));
        let Ok(store) = open(files.clone(), folder.path(), b"boot") else {
            continue;
        };
        let mut kept = Vec::new();
        for from in (0..100).step_by(5) {
            match put(&store, from) {
                Ok(()) => kept.extend(batch(from)),
                Err(error) => assert!(matches!(error, Error::Full), "{error}"),
            }
            assert_eq!(served(&store).len(), kept.len());
        }
        assert!(files.counts().0 > full_at + 3, "the disk was never full");
        assert!(kept.len() >= 85, "only {} records were taken", kept.len());
        assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
        drop(store);
        let again = open(files, folder.path(), b"another boot").unwrap();
        let mut found: Vec<_> = served(&again).into_values().map(|(_, r)| r).collect();
        found.sort();
        kept.sort();
        assert_eq!(found, kept);
    }
}

#[test]
fn a_deletion_or_readmission_that_finds_no_room_changes_nothing() {
    // A record, its Deletion and a readmission; each write in turn finds no room, and the next one does.
    for full_at in 2..12 {
        let folder = tempfile::tempdir().unwrap();
        let files = Arc::new(Recording::with(Faults {
            full_at: Some(full_at),
            full_for: 1,
            ..Faults::default()
        }));
        let Ok(store) = open(files, folder.path(), b"boot") else {
            continue;
        };
        let (old, kept) = (record(1, 100, 7, 300), record(2, 100, 8, 300));
        let by = deletion(3, 200, &[&old[..48]]);
        let put = |record: &Vec<u8>, mode| {
            let records = [record.clone()];
            loop {
                let before = (served(&store), store.stats().unwrap().tombstones);
                match store.append(&incoming(&records, mode)) {
                    Ok(appended) => return appended,
                    Err(error) => assert!(matches!(error, Error::Full), "{error}"),
                }
                assert_eq!((served(&store), store.stats().unwrap().tombstones), before);
            }
        };
        put(&old, mode::KEEP_ALL);
        let position = put(&kept, mode::KEEP_ALL).positions[0];
        put(&by, mode::KEEP_ALL | mode::DELETES);
        let moved = loop {
            match store.readmit(&[position], HIDDEN, false) {
                Ok(moved) => break moved[0],
                Err(_) => assert_eq!(store.labels(&[position]).unwrap(), [0]),
            }
        };
        assert_eq!(store.labels(&[position, moved]).unwrap(), [u8::MAX, HIDDEN]);
        assert_eq!(put(&old, mode::KEEP_ALL).outcomes, [outcome::DELETED]);
        assert_eq!(served(&store).len(), 2);
        assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
        drop(store);
        let again = open(Arc::new(DiskFiles), folder.path(), b"another boot").unwrap();
        assert_eq!(again.labels(&[position, moved]).unwrap(), [u8::MAX, HIDDEN]);
        assert_eq!(served(&again).len(), 2);
        assert_eq!(verify(&again).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn after_a_failed_sync_the_segment_gets_no_more() {
    for fail_sync in 2..20 {
        let folder = tempfile::tempdir().unwrap();
        let files = Arc::new(Recording::with(Faults {
            fail_sync: Some(fail_sync),
            ..Faults::default()
        }));
        let Ok(store) = open(files.clone(), folder.path(), b"boot") else {
            continue;
        };
        let (mut kept, mut failed) = (Vec::new(), 0);
        for from in (0..100).step_by(5) {
            let before = (store.stats().unwrap().segments, store.end());
            if put(&store, from).is_ok() {
                kept.extend(batch(from));
                continue;
            }
            failed += 1;
            assert_eq!(store.end(), before.1);
            put(&store, from).unwrap();
            kept.extend(batch(from));
            let first = folder
                .path()
                .join("log")
                .join(format!("{:016x}.log", before.1));
            assert!(first.exists(), "the next batch went elsewhere");
        }
        assert_eq!(failed, 1, "sync {fail_sync}");
        assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
        drop(store);
        let again = open(files, folder.path(), b"another boot").unwrap();
        assert_eq!(served(&again).len(), kept.len());
    }
}

#[test]
fn damage_before_the_end_is_told_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let files = Arc::new(Recording::default());
    let store = open(files.clone(), folder.path(), b"boot").unwrap();
    for from in (0..50).step_by(5) {
        put(&store, from).unwrap();
    }
    drop(store);
    let mut segments: Vec<_> = fs::read_dir(folder.path().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "log"))
        .collect();
    segments.sort();
    assert!(segments.len() > 3);
    for path in &segments[..segments.len() - 1] {
        let whole = fs::read(path).unwrap();
        for at in (0..whole.len()).step_by(97) {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            fs::write(path, &damaged).unwrap();
            let opened = open(
                files.clone(),
                folder.path(),
                format!("boot {at}").as_bytes(),
            );
            match opened.err() {
                Some(Error::Damaged(text)) => assert!(text.contains("damaged"), "{text}"),
                other => panic!("byte {at} of {}: {other:?}", path.display()),
            }
        }
        fs::write(path, &whole).unwrap();
    }
    let again = open(files, folder.path(), b"the last boot").unwrap();
    assert_eq!(served(&again).len(), 50);
}
