//! What a Deletion covers is never served again, whatever comes in whatever order and happens to the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::samples::{deletion, open, record, served};
use crate::match_::filter::CompiledFilter;
use crate::store::access::Viewers;
use crate::store::compact::compact;
use crate::store::files::DiskFiles;
use crate::store::intake::{Incoming, mode, outcome};
use crate::store::labels::{HIDDEN, ONLY_TAGGED, WITHHELD};
use crate::store::scan::Scan;
use crate::store::segment::{Header, file_name};
use crate::store::snapshot::Snapshot;
use crate::store::store::Store;
use crate::store::tally::tally;
use crate::store::verify::verify;

const DELETES: u8 = mode::KEEP_ALL | mode::DELETES;

fn take<'r>(record: &'r [u8], mode: u8) -> Incoming<'r> {
    Incoming {
        record,
        received: 5,
        mode,
        label: 0,
    }
}

fn store(folder: &Path, boot: &[u8]) -> Store {
    open(Arc::new(DiskFiles), folder, boot).unwrap()
}

fn is_served(store: &Store, record: &[u8]) -> bool {
    served(store).contains_key(&record[..48])
}

/// Does to a store what it must survive.
fn trouble(store: Store, folder: &Path, what: usize) -> Store {
    let boot: &[u8] = if what == 1 { b"another" } else { b"boot" };
    match what {
        // A clean stop; a crash of the machine, after which the index is made again.
        0 => store.close().unwrap(),
        1 => {}
        _ => {
            // Something behind it closes the segment that holds it.
            let filler = record(900, 1, 0xaa, 3900);
            store.append(&[take(&filler, mode::KEEP_ALL)]).unwrap();
            compact(&store, 0.0, false).unwrap();
            if what == 2 {
                return store;
            }
        }
    }
    drop(store);
    self::store(folder, if what == 3 { b"another" } else { boot })
}

#[test]
fn what_a_deletion_covers_stays_away_in_every_order_and_trouble() {
    let (old, new) = (record(1, 100, 7, 300), record(2, 300, 7, 300));
    let by_id = deletion(3, 200, &[&old[..48]]);
    let by_address = deletion(4, 200, &[&old[48..96]]);
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for by in [&by_id, &by_address] {
        for order in orders {
            for at_once in [false, true] {
                for what in 0..4 {
                    let folder = tempfile::tempdir().unwrap();
                    let mut store = store(folder.path(), b"boot");
                    let all = [
                        take(&old, mode::KEEP_ALL),
                        take(by, DELETES),
                        take(&new, mode::KEEP_ALL),
                    ];
                    let all: Vec<_> = order.iter().map(|&n| all[n]).collect();
                    if at_once {
                        store.append(&all).unwrap();
                    } else {
                        for one in &all {
                            store.append(std::slice::from_ref(one)).unwrap();
                        }
                    }
                    for _ in 0..2 {
                        assert!(!is_served(&store, &old));
                        assert!(is_served(&store, by) && is_served(&store, &new));
                        assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
                        let again = store.append(&[take(&old, mode::KEEP_ALL)]).unwrap();
                        assert_eq!(
                            (again.outcomes, again.positions),
                            (vec![outcome::DELETED], vec![0])
                        );
                        let of = store.deletions(&old).unwrap();
                        assert_eq!(store.read(&of).unwrap(), [Some(by.clone())]);
                        store = trouble(store, folder.path(), what);
                    }
                }
            }
        }
    }
}

#[test]
fn a_deletion_that_goes_lets_what_it_removed_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), b"boot");
    let old = record(1, 100, 7, 300);
    let (one, two) = (
        deletion(2, 200, &[&old[..48]]),
        deletion(3, 200, &[&old[48..96]]),
    );
    let appended = store
        .append(&[take(&one, DELETES), take(&two, DELETES)])
        .unwrap();
    for (n, &position) in appended.positions.iter().enumerate() {
        let refused = store.append(&[take(&old, mode::KEEP_ALL)]).unwrap();
        assert_eq!(refused.outcomes, [outcome::DELETED], "{n}");
        assert_eq!(store.remove(&[position], false).unwrap(), 1);
    }
    let taken = store.append(&[take(&old, mode::KEEP_ALL)]).unwrap();
    assert_eq!(taken.outcomes, [outcome::STORED]);
    assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
}

#[test]
fn a_deletion_has_no_say_in_others_records_core_records_acts_and_deletions() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), b"boot");
    let mut others = record(1, 100, 7, 0);
    others[64..96].copy_from_slice(&[9; 32]);
    let mut core = record(2, 100, 7, 0);
    core[59] = 0;
    let another = deletion(3, 100, &[]);
    let mut act = record(5, 100, 8, 0);
    act[56..64].copy_from_slice(&[0xde, 0xf0, 0x84, 0x3a, 0, 28, 0, 0]);
    let all = [&others, &core, &another, &act];
    let mut references = Vec::new();
    for one in all {
        references.extend([&one[..48], &one[48..96]]);
        store.append(&[take(one, mode::KEEP_ALL)]).unwrap();
    }
    let by = deletion(4, 200, &references);
    store.append(&[take(&by, DELETES)]).unwrap();
    assert!(all.iter().all(|one| is_served(&store, one)));
    let mut more = others.clone();
    more[8] ^= 1;
    let taken = store.append(&[take(&more, mode::KEEP_ALL)]).unwrap();
    assert_eq!(taken.outcomes, [outcome::STORED]);
    assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
}

/// A record of the kind 14 for one recipient, by an author whom nobody knows.
fn private_message(recipients: &[[u8; 32]]) -> Vec<u8> {
    let mut tags = Vec::new();
    for recipient in recipients {
        tags.extend_from_slice(&[40, 0, 1, 0, 0, 0, 0, 0]);
        tags.extend_from_slice(recipient);
    }
    let mut out = deletion(recipients.len() as u64, 100, &[&[0; 48], &[0; 48]]);
    out[56..64].copy_from_slice(&[0xde, 0xf0, 0x84, 0x3a, 0, 14, 0, 4]);
    out[64..96].copy_from_slice(&[9; 32]);
    out[144..146].copy_from_slice(&(tags.len() as u16).to_le_bytes());
    out[152..152 + tags.len()].copy_from_slice(&tags);
    out
}

#[test]
fn the_only_recipient_of_a_private_message_may_delete_it_privately() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), b"boot");
    let me = [1; 32];
    let (mine, ours) = (private_message(&[me]), private_message(&[me, [2; 32]]));
    let public = deletion(8, 50, &[&mine[..48], &ours[..48]]);
    let mut private = deletion(9, 50, &[&mine[..48], &ours[..48]]);
    private[56..64].copy_from_slice(&[0xde, 0xf0, 0x84, 0x3a, 0, 23, 0, 0]);
    let records = [
        take(&mine, mode::KEEP_ALL),
        take(&ours, mode::KEEP_ALL),
        take(&public, DELETES),
    ];
    store.append(&records).unwrap();
    assert!(is_served(&store, &mine) && is_served(&store, &ours));
    store.append(&[take(&private, DELETES)]).unwrap();
    assert!(!is_served(&store, &mine) && is_served(&store, &ours));
    let again = store.append(&[take(&mine, mode::KEEP_ALL)]).unwrap();
    assert_eq!(again.outcomes, [outcome::DELETED]);
    assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
}

#[test]
fn a_deletion_counts_only_when_it_is_said_so_and_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), b"boot");
    let old = record(1, 100, 7, 300);
    let by = deletion(2, 200, &[&old[..48]]);
    let records = [take(&old, mode::KEEP_ALL), take(&by, mode::KEEP_ALL)];
    let appended = store.append(&records).unwrap();
    assert!(is_served(&store, &old));
    let positions = [appended.positions[1], appended.positions[0]];
    let moved = store.readmit(&positions, 0, true).unwrap();
    assert!(
        moved[0] > positions[0] && moved[1] == 0,
        "it took the other one away"
    );
    assert!(!is_served(&store, &old) && is_served(&store, &by));
    let records = [take(&old, mode::KEEP_ALL), take(&by, DELETES)];
    let again = store.append(&records).unwrap();
    assert_eq!(again.outcomes, [outcome::DELETED, outcome::DUPLICATE]);
    assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
    let wrong = Incoming {
        mode: DELETES,
        ..take(&old, 0)
    };
    assert!(store.append(&[wrong]).is_err());
}

#[test]
fn a_snapshot_keeps_its_files_and_a_roll_lets_all_that_is_dead_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store(folder.path(), b"boot"));
    let old = record(1, 100, 7, 300);
    let positions = store
        .append(&[take(&old, mode::KEEP_ALL)])
        .unwrap()
        .positions;
    let snapshot = Snapshot::take(Arc::clone(&store));
    let by = deletion(2, 200, &[&old[..48]]);
    store.append(&[take(&by, DELETES)]).unwrap();
    let (name, bytes) = snapshot.files[0].clone();
    assert_eq!((snapshot.files.len(), snapshot.last_received), (1, 5));
    assert_eq!(bytes, 64 + snapshot.end - positions[0]);
    let compacting = std::thread::spawn({
        let store = Arc::clone(&store);
        move || compact(&store, 0.0, true).unwrap()
    });
    let file = fs::read(folder.path().join("log").join(&name)).unwrap();
    assert!(
        file[..bytes as usize]
            .windows(48)
            .any(|part| part == &old[..48])
    );
    snapshot.release();
    snapshot.release();
    assert!(compacting.join().unwrap() > 0);
    for path in segments(folder.path()) {
        let file = fs::read(path).unwrap();
        let payload = &old[48..152];
        assert!(!file.windows(payload.len()).any(|part| part == payload));
    }
    assert_eq!(
        store
            .append(&[take(&old, mode::KEEP_ALL)])
            .unwrap()
            .outcomes,
        [outcome::DELETED]
    );
    assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
    let filter = CompiledFilter::parse(&[8, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let sums = tally(&store, Arc::new(filter)).unwrap();
    assert_eq!(sums.len(), 1);
    assert_eq!(
        (sums[0].0, sums[0].2, sums[0].3),
        ([1; 32], 1, 32 + by.len() as u64)
    );
}

fn followed(store: &Store, viewers: Viewers, from: u64) -> Vec<u64> {
    let filter = CompiledFilter::parse(&[8, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut scan = Scan::follow(Arc::new(filter), viewers, from, store.end());
    let (mut out, entered) = (Vec::new(), store.enter());
    let view = store.view(&entered).unwrap();
    let time = std::time::Duration::from_secs(60);
    let done = scan.run(&view, time, &mut |found| {
        out.push(found.position);
        true
    });
    assert!(done.unwrap());
    out
}

#[test]
fn labels_stay_with_a_record_and_change_by_readmission() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store(folder.path(), b"boot");
    let records: Vec<_> = (0..4).map(|n| record(n, n, n as u8, 300)).collect();
    let labels = [0, ONLY_TAGGED, WITHHELD, HIDDEN | ONLY_TAGGED];
    let all: Vec<_> = records
        .iter()
        .zip(labels)
        .map(|(record, label)| Incoming {
            label,
            ..take(record, mode::KEEP_ALL)
        })
        .collect();
    let positions = store.append(&all).unwrap().positions;
    for what in 0..4 {
        assert_eq!(store.labels(&positions).unwrap(), labels);
        assert_eq!(store.labelled(WITHHELD, 0, 9).unwrap(), [positions[2]]);
        assert_eq!(store.labelled(HIDDEN, 0, 9).unwrap(), [positions[3]]);
        assert_eq!(store.labelled(HIDDEN, positions[3], 9).unwrap(), [0_u64; 0]);
        assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
        store = trouble(store, folder.path(), what);
    }
    let later = record(8, 8, 8, 300);
    let end = store.end();
    let incoming = Incoming {
        received: 6,
        ..take(&later, mode::KEEP_ALL)
    };
    let later = store.append(&[incoming]).unwrap().positions[0];
    let approved = store
        .readmit(&[positions[2], positions[0]], 0, false)
        .unwrap();
    assert_eq!(
        store.labels(&[positions[2], approved[0]]).unwrap(),
        [u8::MAX, 0]
    );
    assert_eq!(store.labelled(WITHHELD, 0, 9).unwrap(), [0_u64; 0]);
    let reader = || Viewers::Keys(vec![]);
    // The one that everybody could read before is not told again, but to who follows from its first place.
    assert_eq!(followed(&store, reader(), end), [later, approved[0]]);
    assert_eq!(
        followed(&store, Viewers::Owner, end),
        [later, approved[0], approved[1]]
    );
    let from_start = followed(&store, reader(), 0);
    assert!(from_start.contains(&approved[1]));
    assert_eq!(store.last_received(), 6);
    assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
}

#[test]
fn who_follows_gets_what_was_readmitted_when_its_first_place_is_compacted_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), b"boot");
    let at = |received, record| Incoming {
        received,
        ..take(record, mode::KEEP_ALL)
    };
    let kept = record(1, 1, 1, 300);
    store.append(&[at(1, &kept)]).unwrap();
    let asked = store.end();
    let moved = record(2, 2, 2, 300);
    let first = store.append(&[at(2, &moved)]).unwrap().positions;
    // Fills the segment, so that the new place is in the next one.
    let filler = record(3, 3, 3, 3200);
    let filled = store.append(&[at(3, &filler)]).unwrap().positions;
    let later = store.append(&[at(4, &record(4, 4, 4, 300))]).unwrap();
    let again = store.readmit(&first, 0, false).unwrap();
    store.remove(&filled, false).unwrap();
    compact(&store, 0.0, false).unwrap();
    let found = followed(&store, Viewers::Keys(vec![]), asked);
    assert_eq!(found, [later.positions[0], again[0]]);
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("log")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some()).collect()
}

/// Makes a log look as the first version of the format wrote it.
fn age(folder: &Path) {
    for path in segments(folder) {
        let mut bytes = fs::read(&path).unwrap();
        let header = Header::decode(&bytes, &path).unwrap().unwrap();
        let header = Header {
            version: 1,
            ..header
        };
        bytes[..64].copy_from_slice(&header.encode());
        fs::write(&path, bytes).unwrap();
    }
    fs::remove_dir_all(folder.join("index")).unwrap();
}

#[test]
fn a_log_of_the_first_version_is_used_on_and_gets_nothing_new_into_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let old = record(1, 100, 7, 300);
    let first = store(folder.path(), b"boot");
    first.append(&[take(&old, mode::KEEP_ALL)]).unwrap();
    first.close().unwrap();
    drop(first);
    age(folder.path());
    let name = file_name(crate::store::log::START);
    let aged = fs::read(folder.path().join("log").join(&name)).unwrap();

    let store = store(folder.path(), b"boot");
    assert!(is_served(&store, &old));
    let by = deletion(2, 200, &[&old[..48]]);
    store.append(&[take(&by, DELETES)]).unwrap();
    assert!(!is_served(&store, &old));
    assert_eq!(
        fs::read(folder.path().join("log").join(&name)).unwrap(),
        aged
    );
    compact(&store, 0.0, false).unwrap();
    assert_eq!(verify(&store).unwrap(), Vec::<String>::new());
    store.close().unwrap();
    for path in segments(folder.path()) {
        assert_eq!(fs::read(path).unwrap()[8], 2);
    }
}
