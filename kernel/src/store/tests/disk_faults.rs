//! A disk that is full or fails: nothing of the batch remains, reading goes on, later batches work again.

use std::fs;
use std::sync::Arc;

use super::recording::{Faults, Recording};
use super::samples::{incoming, open, record, served};
use crate::store::error::Error;
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
