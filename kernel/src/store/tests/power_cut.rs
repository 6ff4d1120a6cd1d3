//! After any power cut every acknowledged change is there, and the last one wholly or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::recording::{Faults, Op, Recording, Unsynced, power_cut};
use super::samples::{Chance, deletion, incoming, open, record, served};
use crate::store::compact::compact;
use crate::store::deletion::covers;
use crate::store::intake::{mode, outcome};
use crate::store::state::State;
use crate::store::store::Store;
use crate::store::verify::verify;

const CUTS: usize = 1000;

/// A folder in memory, where the system has such: nothing here needs a disk.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = memory.is_dir().then(|| tempfile::tempdir_in(memory));
    made.and_then(Result::ok)
        .unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// What is served and refused, as the caller knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// By id, with their labels.
    served: BTreeMap<Vec<u8>, (Vec<u8>, u8)>,
    refused: BTreeSet<Vec<u8>>,
    /// What a Deletion removed, while one covers it.
    deleted: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the last step was a clean stop.
    stopped: bool,
}

/// A store in use, with what the caller knew after each step.
struct Run {
    recording: Recording,
    folder: tempfile::TempDir,
    history: Vec<Known>,
}

impl Run {
    /// Uses a store for so many steps; the same for the same seed, but for faults.
    fn new(seed: u64, steps: usize, faults: Faults) -> Self {
        let mut run = Self {
            recording: Recording::with(faults),
            folder: scratch(),
            history: vec![Known::default()],
        };
        let mut chance = Chance::new(seed);
        let mut store = run.open();
        let mut number = 0;
        for step in 1..=steps {
            let mut known = run.history[step - 1].clone();
            known.stopped = false;
            match chance.below(24) {
                0..=2 => remove(&store, &mut known, &mut chance),
                5..=7 => delete(&store, &mut known, &mut chance, &mut number),
                8 => readmit(&store, &mut known, &mut chance),
                3 => drop(compact(&store, 0.3, false).unwrap()),
                4 => {
                    store.close().unwrap();
                    known.stopped = true;
                }
                _ => append(&store, &mut known, &mut chance, &mut number),
            }
            run.history.push(known);
            run.recording.done(step);
            if run.history[step].stopped {
                drop(store);
                store = run.open();
            }
        }
        drop(store);
        run
    }

    fn open(&self) -> Store {
        let files = Arc::new(self.recording.clone());
        open(files, self.folder.path(), b"the first boot").unwrap()
    }

    /// What is wrong after a power cut behind the first `cut` operations.
    fn judge(
        &self,
        ops: &[Op],
        cut: usize,
        chance: &mut Chance,
        lose_all: bool,
    ) -> Result<(), String> {
        let ops = &ops[..cut];
        let done = ops.iter().rev().find_map(|op| match op {
            Op::Done(step) => Some(*step),
            _ => None,
        });
        let done = done.unwrap_or(0);
        let image = scratch();
        for (path, content) in power_cut(ops, chance, lose_all) {
            let path = image
                .path()
                .join(path.strip_prefix(self.folder.path()).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        self.judge_state(image.path(), done)?;
        let index = image.path().join("index");
        if chance.once_in(2) && index.exists() {
            fs::write(index.join("data.mdb"), vec![0x5a; 4096 * 5]).unwrap();
        }
        let store = open(Arc::new(Unsynced), image.path(), b"the second boot")
            .map_err(|error| format!("it does not open: {error}"))?;
        let differences = verify(&store).map_err(|error| error.to_string())?;
        if !differences.is_empty() {
            return Err(differences.join("; "));
        }
        self.judge_content(&store, done)
    }

    /// A vouched index must be one that was synced and not touched since.
    fn judge_state(&self, image: &Path, done: usize) -> Result<(), String> {
        let state = State::read(&Unsynced, &image.join("index")).map_err(|e| e.to_string())?;
        let vouched =
            state.is_some_and(|state| state.vouches_on(&State::open_on(b"the second boot")));
        let next_stops = self
            .history
            .get(done + 1)
            .is_some_and(|known| known.stopped);
        if vouched && !self.history[done].stopped && !next_stops {
            return Err("an index is vouched for that was in use".to_owned());
        }
        Ok(())
    }

    fn judge_content(&self, store: &Store, done: usize) -> Result<(), String> {
        let found: BTreeMap<_, _> = served(store)
            .into_iter()
            .map(|(id, (position, record))| (id, (record, store.labels(&[position]).unwrap()[0])))
            .collect();
        let fits = |known: &Known| {
            let refused: Vec<_> = known.refused.iter().map(|id| refused_record(id)).collect();
            let deleted: Vec<_> = known.deleted.values().cloned().collect();
            known.served == found
                && all_are(store, &refused, outcome::REFUSED)
                && all_are(store, &deleted, outcome::DELETED)
        };
        let under_way = self.history.get(done + 1);
        if fits(&self.history[done]) || under_way.is_some_and(fits) {
            return Ok(());
        }
        let lost = self.history[done]
            .served
            .keys()
            .filter(|id| !found.contains_key(*id));
        Err(format!(
            "after step {done}: {} of {} acknowledged records are lost, {} are there",
            lost.count(),
            self.history[done].served.len(),
            found.len()
        ))
    }
}

/// Bytes that a store judges by their id alone.
fn refused_record(id: &[u8]) -> Vec<u8> {
    let mut record = record(0, 0, 0, 0);
    record[..48].copy_from_slice(id);
    record
}

fn append(store: &Store, known: &mut Known, chance: &mut Chance, number: &mut u64) {
    let replace = chance.once_in(3);
    let count = 1 + chance.below(6);
    let records: Vec<_> = (0..count)
        .map(|_| {
            *number += 1;
            let address = if replace { chance.below(4) } else { 9 } as u8;
            record(*number, chance.next() % 1000, address, chance.below(900))
        })
        .collect();
    let mode = if replace {
        mode::REPLACE_ADDRESS
    } else {
        mode::KEEP_ALL
    };
    let appended = store.append(&incoming(&records, mode)).unwrap();
    for (record, outcome) in records.iter().zip(appended.outcomes) {
        if outcome != outcome::STORED {
            continue;
        }
        if replace {
            known
                .served
                .retain(|_, (other, _)| other[48..96] != record[48..96]);
        }
        known
            .served
            .insert(record[..48].to_vec(), (record.clone(), 0));
    }
}

fn remove(store: &Store, known: &mut Known, chance: &mut Chance) {
    let refuse = chance.once_in(3);
    let all = served(store);
    let chosen: Vec<_> = all.iter().filter(|_| chance.once_in(3)).collect();
    let positions: Vec<u64> = chosen.iter().map(|(_, (position, _))| *position).collect();
    assert_eq!(store.remove(&positions, refuse).unwrap(), positions.len());
    for (id, _) in chosen {
        known.served.remove(id);
        if refuse {
            known.refused.insert(id.clone());
        }
    }
    let left: Vec<_> = known.served.values().map(|(record, _)| record).collect();
    known
        .deleted
        .retain(|_, record| left.iter().any(|by| covers(by, record)));
}

/// Takes in a Deletion of some ids and addresses.
fn delete(store: &Store, known: &mut Known, chance: &mut Chance, number: &mut u64) {
    let named: Vec<_> = known
        .served
        .values()
        .map(|(record, _)| record.clone())
        .collect();
    let named: Vec<_> = named.iter().filter(|_| chance.once_in(8)).collect();
    let references: Vec<&[u8]> = named
        .iter()
        .map(|record| {
            if chance.once_in(2) {
                &record[..48]
            } else {
                &record[48..96]
            }
        })
        .collect();
    *number += 1;
    let by = deletion(*number, chance.next() % 1000, &references);
    let records = [by];
    let appended = store.append(&incoming(&records, mode::KEEP_ALL | mode::DELETES));
    assert_eq!(appended.unwrap().outcomes, [outcome::STORED]);
    let [by] = records;
    let (covered, left) = std::mem::take(&mut known.served)
        .into_iter()
        .partition(|(_, (record, _))| covers(&by, record));
    known.served = left;
    known.served.insert(by[..48].to_vec(), (by, 0));
    let covered: BTreeMap<_, (Vec<u8>, u8)> = covered;
    let covered = covered.into_iter().map(|(id, (record, _))| (id, record));
    known.deleted.extend(covered);
}

/// Gives some records another label.
fn readmit(store: &Store, known: &mut Known, chance: &mut Chance) {
    let label = [0, 1, 2, 4][chance.below(4)];
    let all = served(store);
    // Each step changes something, so that a sync that is missing shows.
    let differs = |id: &Vec<u8>| known.served[id].1 != label;
    let chosen: Vec<_> = all
        .iter()
        .filter(|(id, _)| differs(id) && chance.once_in(3))
        .collect();
    let positions: Vec<u64> = chosen.iter().map(|(_, (position, _))| *position).collect();
    store.readmit(&positions, label, false).unwrap();
    for (id, _) in chosen {
        known
            .served
            .entry(id.clone())
            .and_modify(|one| one.1 = label);
    }
}

/// Whether this becomes of all of them.
fn all_are(store: &Store, records: &[Vec<u8>], wanted: u8) -> bool {
    let appended = store.append(&incoming(records, mode::KEEP_ALL));
    appended.is_ok_and(|a| a.outcomes.iter().all(|&outcome| outcome == wanted))
}

#[test]
fn every_acknowledged_change_outlives_a_power_cut() {
    let mut chance = Chance::new(1);
    for seed in 0..10 {
        let run = Run::new(seed, 120, Faults::default());
        let ops = run.recording.ops();
        for _ in 0..CUTS / 10 {
            let cut = chance.below(ops.len() + 1);
            let lose_all = chance.once_in(4);
            if let Err(wrong) = run.judge(&ops, cut, &mut chance, lose_all) {
                panic!(
                    "seed {seed}, cut after {cut} of {} operations: {wrong}",
                    ops.len()
                );
            }
        }
    }
}

/// Which syncs stand between a change and its acknowledgement: the last ones before each `Done`.
fn syncs_before_done(ops: &[Op]) -> Vec<usize> {
    let (mut syncs, mut found, mut last) = (0, Vec::new(), None);
    for op in ops {
        match op {
            Op::Sync(_) | Op::SyncDir(_) => {
                last = Some(syncs);
                syncs += 1;
            }
            Op::Done(_) => found.extend(last.take()),
            _ => {}
        }
    }
    found
}

#[test]
fn what_a_killed_process_left_unsynced_is_synced_before_it_counts_as_there() {
    let mut chance = Chance::new(3);
    let records = vec![record(1, 1, 9, 300)];
    // Which sync is the batch's own: the last one of those that opening and writing make.
    let counted = Recording::default();
    let folder = scratch();
    let store = open(Arc::new(counted.clone()), folder.path(), b"boot").unwrap();
    store.append(&incoming(&records, mode::KEEP_ALL)).unwrap();
    let is_sync = |op: &&Op| matches!(op, Op::Sync(_) | Op::SyncDir(_));
    let syncs = counted.ops().iter().filter(is_sync).count();
    drop(store);

    let folder = scratch();
    let recording = Recording::with(Faults {
        skip_sync: Some(syncs - 1),
        ..Faults::default()
    });
    let store = open(Arc::new(recording.clone()), folder.path(), b"boot").unwrap();
    store.append(&incoming(&records, mode::KEEP_ALL)).unwrap();
    drop(store);
    // The process was killed before the sync, and so before the index knew.
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open(Arc::new(recording.clone()), folder.path(), b"boot").unwrap();
    let again = store.append(&incoming(&records, mode::KEEP_ALL)).unwrap();
    assert_eq!(again.outcomes, [outcome::DUPLICATE]);

    let image = scratch();
    for (path, content) in power_cut(&recording.ops(), &mut chance, true) {
        let path = image.path().join(path.strip_prefix(folder.path()).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let store = open(Arc::new(Unsynced), image.path(), b"the second boot").unwrap();
    assert_eq!(served(&store).len(), 1);
}

#[test]
fn a_missing_sync_is_found_out() {
    let mut chance = Chance::new(2);
    let whole = Run::new(5, 60, Faults::default()).recording.ops();
    let needed = syncs_before_done(&whole);
    assert!(needed.len() > 30);
    for _ in 0..12 {
        let skipped = needed[chance.below(needed.len())];
        let faults = Faults {
            skip_sync: Some(skipped),
            ..Faults::default()
        };
        let run = Run::new(5, 60, faults);
        let ops = run.recording.ops();
        let cuts = (0..=ops.len()).filter(|&cut| cut > 0 && matches!(ops[cut - 1], Op::Done(_)));
        let losses = cuts.filter(|&cut| run.judge(&ops, cut, &mut chance, true).is_err());
        assert!(losses.count() > 0, "nobody misses sync {skipped}");
    }
}
